"""Lists that can't be as empty as they look, because of what they always hold or because of what else was read.

An empty list with status 200 looks like the truth, and controls would pass on it. Where something contradicts it, the list is one
that may have more (`State.PARTIAL`): what it holds counts, and nothing follows from what it does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from aoai_lib.callers.rows import Row, held
from aoai_lib.collect import Readings, items, subscription_of
from aoai_lib.facts import UnexpectedShapeError
from aoai_lib.metrics import BY_DEPLOYMENT, DEPLOYMENT, TOKENS, metric
from aoai_lib.model import Json, Reading, Snapshot, State

_RECENT: Final = timedelta(days=1)
"""A call so shortly before the reading tells that its deployment is there. It may have been deleted since: a person has to look."""


def _text(value: Json, *path: str) -> str:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value.lower() if isinstance(value, str) else ""


def _nobody(assignments: list[Json]) -> bool:
    return not assignments


def _no_built_in(definitions: list[Json]) -> bool:
    return not any(_text(each, "properties", "type") == "builtinrole" for each in definitions)


def _no_microsoft(policies: list[Json]) -> bool:
    return not any(
        _text(each, "properties", "type") == "systemmanaged" or _text(each, "name").startswith("microsoft.")
        for each in policies
    )


_LACKS: Final[Mapping[str, tuple[Callable[[list[Json]], bool], str]]] = {
    "role_assignments": (_nobody, "it is empty, and yet somebody, the reader first of all, has access here"),
    "role_definitions": (_no_built_in, "it holds none of the built-in roles, which are in every subscription"),
    "rai_policies": (_no_microsoft, "it holds none of Microsoft's own policies, which are on every account"),
}
"""What a list always holds: whether an answer lacks it, and the end of a sentence."""


def doubted(reading: Reading) -> Reading:
    """A reading as it came, or one of a list that may have more where it lacks what such a list always holds."""
    known = _LACKS.get(reading.source)
    if known is None or reading.state is not State.COLLECTED or not isinstance(reading.value, list):
        return reading
    lacks, why = known
    return replace(reading, state=State.PARTIAL, reason=why) if lacks(reading.value) else reading


def contradicted(snapshot: Snapshot) -> Snapshot:
    """A snapshot whose lists may have more where other readings name something that they should hold."""
    readings = dict(snapshot.readings)
    for (source, scope), why in {**dict(_deployments(snapshot)), **dict(_accounts(snapshot))}.items():
        readings[source, scope] = replace(readings[source, scope], state=State.PARTIAL, reason=why)
    return replace(snapshot, readings=readings)


def _deployments(snapshot: Snapshot) -> Iterator[tuple[tuple[str, str], str]]:
    """Accounts without a deployment, one of which answered a short while ago, by the request logs or by the tokens counted."""
    empty = {
        each.scope.lower() for each in snapshot.of("deployments") if each.state is State.COLLECTED and not each.value
    }
    if not empty:
        return
    since = datetime.fromisoformat(snapshot.as_of) - _RECENT
    for count in metric(snapshot, BY_DEPLOYMENT, TOKENS, DEPLOYMENT).counts:
        if count.account in empty and count.name and count.total and count.day >= since.date():
            yield ("deployments", count.account), f"it is empty, and “{count.name}” used tokens on {count.day}"
    for account, row in _rows(snapshot):
        if account in empty and row.deployment and row.succeeded and row.last >= f"{since:%Y-%m-%dT%H:%M:%S}":
            yield ("deployments", account), f"it is empty, and “{row.deployment}” answered a call at {row.last}"


def _rows(snapshot: Snapshot) -> Iterator[tuple[str, Row]]:
    """The rows of the request logs, each with its account in lower case. An answer of another form holds none here: whoever needs it
    says so.
    """
    for reading in snapshot.of("callers"):
        try:
            rows = held(snapshot, reading) if isinstance(reading.value, dict) else {}
        except UnexpectedShapeError:
            continue
        yield from ((account, row) for account, found in rows.items() for row in found)


def _accounts(snapshot: Snapshot) -> Iterator[tuple[tuple[str, str], str]]:
    """Subscriptions whose list lacks an account that something else names. What outlives an account is believed only against a
    list that is empty: an assignment is left behind where an account is moved, rows where it is deleted.
    """
    readings: Readings = dict(snapshot.readings)
    for target, why, outlives in _named(snapshot, readings):
        listed = readings.get(("account_list", subscription_of(target)))
        if listed is None or listed.state is not State.COLLECTED or not isinstance(listed.value, list):
            continue
        if target in {each.lower() for each in listed.value} or (outlives and listed.value):
            continue
        if ("accounts", listed.scope.lower()) in readings:
            yield ("accounts", listed.scope.lower()), f"it lacks “{target.rpartition('/')[2]}”, {why}"


def _named(snapshot: Snapshot, readings: Readings) -> Iterator[tuple[str, str, bool]]:
    """Accounts that something names: their ids, lower-cased, the end of a sentence, and whether it may outlive them."""
    since = f"{datetime.fromisoformat(snapshot.as_of) - _RECENT:%Y-%m-%dT%H:%M:%S}"
    for account, row in _rows(snapshot):
        if _is_account(account) and row.last >= since:
            yield account, f"which left a log row at {row.last}", True
    for assignment in items(readings, "role_assignments"):
        account = "/".join(_text(assignment, "properties", "scope").split("/")[:9])
        if _is_account(account):
            yield account, "on which a role is given", True
    for endpoint in items(readings, "private_endpoint"):
        for target in _targets(endpoint):
            yield target, "to which a private endpoint is connected", False


def _is_account(arm_id: str) -> bool:
    steps = arm_id.split("/")
    return len(steps) == 9 and steps[6:8] == ["microsoft.cognitiveservices", "accounts"]


def _targets(endpoint: Json) -> Iterator[str]:
    """Ids, lower-cased, of the accounts to which an endpoint's connections are approved."""
    own = endpoint.get("properties") if isinstance(endpoint, dict) else None
    for member in ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections"):
        connections = own.get(member) if isinstance(own, dict) else None
        for each in connections if isinstance(connections, list) else ():
            target = _text(each, "properties", "privateLinkServiceId")
            state = _text(each, "properties", "privateLinkServiceConnectionState", "status")
            if state == "approved" and _is_account(target):
                yield target
