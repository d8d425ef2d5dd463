"""What is asked of Microsoft Graph: who the principals with access are, and who is in the groups among them.

Few requests, and no more for more accounts: names a thousand at a time, members once a group, and of groups only those
whose role gives something that matters, or that a deny assignment is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from aoai_lib.collect import Form, Readings, Scopes, Source, items
from aoai_lib.effective_access.capabilities import CAPABILITIES
from aoai_lib.effective_access.directory import READ_GROUPS, READ_NAMES
from aoai_lib.effective_access.records import EVERYONE, Assignment, chain, is_above
from aoai_lib.effective_access.register import ACTIVE, ELIGIBLE, UNKNOWN, Register, register_of
from aoai_lib.model import Requirements, Snapshot, State

BATCH: Final = 1000
"""Ids that are asked for at once: what `getByIds` takes."""
_GIVEN: Final = ("subscription_list", "subscriptions", "accounts", ACTIVE, ELIGIBLE, "deny_assignments")
_ROLES: Final = ("role_definitions", "tenant_role_definitions", "role_definition")
_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _registers(readings: Readings) -> Iterator[Register]:
    """The register of each subscription, of what has been read so far; good until the next one is asked for."""
    snapshot = Snapshot("", "", "", "", "", Requirements(), readings)
    for subscription in items(readings, "subscriptions"):
        yield register_of(snapshot, subscription)


def _given(register: Register, places: set[str]) -> Iterator[Assignment]:
    """What is given, now or on request, at the accounts, above them and below."""
    for source in (ACTIVE, ELIGIBLE):
        if register.reading(source).state in (State.COLLECTED, State.PARTIAL):
            for scope, assignments in register.given(source).items():
                if is_above(scope) or scope in places or "/".join(scope.split("/")[:9]) in places:
                    yield from assignments


def _denied(register: Register) -> Iterator[tuple[str, str]]:
    """Ids and types of those whom deny assignments stop or spare."""
    if register.reading("deny_assignments").state in (State.COLLECTED, State.PARTIAL):
        for deny in register.denials:
            yield from {**deny.principals, **deny.spared}.items()


def _places(readings: Readings) -> set[str]:
    return {scope for account in items(readings, "accounts") for scope in chain(account)}


def _principals(readings: Readings) -> Iterable[str]:
    """The ids of all of them, comma-separated, a thousand at a time."""
    found: set[str] = set()
    places = _places(readings)
    for register in _registers(readings):
        found.update(each.principal for each in _given(register, places))
        found.update(principal for principal, _ in _denied(register))
    ids = sorted(each for each in found if _GUID.fullmatch(each) and each != EVERYONE)
    return (",".join(ids[start : start + BATCH]) for start in range(0, len(ids), BATCH))


def _groups(readings: Readings) -> Iterable[str]:
    """The groups to open, each once. None where not even a token for the directory could be had."""
    if any(name == "directory_objects" and reading.state is State.FAILED for (name, _), reading in readings.items()):
        return []
    found: dict[str, None] = {}
    places = _places(readings)
    for register in _registers(readings):
        for assignment in _given(register, places):
            if assignment.principal_type.lower() == "group" and _matters(register, assignment):
                found.setdefault(assignment.principal)
        found.update((principal, None) for principal, kind in _denied(register) if kind.lower() == "group")
    return [group for group in found if _GUID.fullmatch(group)]


def _matters(register: Register, assignment: Assignment) -> bool:
    """Whether a role gives anything that the access matrix shows or IAM-05 asks about; one that can't be read may."""
    try:
        return any(register.held(assignment, each) for each in CAPABILITIES) or bool(register.excess(assignment))
    except UNKNOWN:
        return True


SOURCES_OF_NAMES: Final = (
    Source(
        "directory_objects",
        Scopes(_GIVEN, _principals),
        READ_NAMES,
        lambda azure, ids: azure.graph().objects(ids.split(",")),
        form=Form.NAMED,
    ),
    Source(
        "group_members",
        Scopes(("directory_objects", *_ROLES, *_GIVEN), _groups),
        READ_GROUPS,
        lambda azure, group: azure.graph().members(group),
        form=Form.NAMED,
    ),
)
