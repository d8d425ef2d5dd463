"""What Microsoft Graph told about principals: names, kinds, who is in a group, who is gone (version v1.0)."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from aoai_lib.effective_access.records import Origin
from aoai_lib.facts import NotCollectedError
from aoai_lib.model import Json, Reading, Snapshot, State

READ_GROUPS: Final = "Microsoft Graph's GroupMember.Read.All or Directory.Read.All"
READ_NAMES: Final = "Microsoft Graph's Directory.Read.All"
READ_HIDDEN: Final = "Microsoft Graph's Member.Read.Hidden"
_KINDS: Final = {"user": "User", "group": "Group", "serviceprincipal": "ServicePrincipal"}
_KNOWN: Final = (State.COLLECTED, State.PARTIAL)


@dataclass(frozen=True, slots=True)
class Person:
    """An object of the directory. `kind` is spelled as Resource Manager does it, "" for a device and the like."""

    id: str
    kind: str
    name: str
    origin: Origin


class Directory:
    """The directory as far as it was read for one subscription; of another tenant's subscription it tells nothing."""

    def __init__(self, snapshot: Snapshot, subscription: str) -> None:
        self._snapshot: Snapshot = weakref.proxy(snapshot)
        self.elsewhere = _elsewhere(snapshot, subscription)
        self._members: dict[str, tuple[Person, ...]] = {}

    @cached_property
    def _asked(self) -> dict[str, Reading]:
        """The reading that each object id was asked for in."""
        if self.elsewhere:
            return {}
        readings = self._snapshot.of("directory_objects")
        return {principal: reading for reading in readings for principal in reading.scope.split(",")}

    @cached_property
    def _objects(self) -> dict[str, Person]:
        readings = {} if self.elsewhere else {id(reading): reading for reading in self._asked.values()}
        found: dict[str, Person] = {}
        for reading in readings.values():
            for index, item in enumerate(reading.value if reading.state in _KNOWN else ()):
                if person := _person(item, reading, f"directory_objects[{index}]"):
                    found[person.id] = person
        return found

    def find(self, principal: str) -> Person | None:
        """The object of that id, also one that is known as somebody's member only; None where nothing tells of it."""
        return self._objects.get(principal) or self._known_members.get(principal)

    @cached_property
    def _known_members(self) -> dict[str, Person]:
        readings = [] if self.elsewhere else list(self._snapshot.of("group_members"))
        people = (
            _person(item, reading, f"group_members[{index}]")
            for reading in readings
            if reading.state in _KNOWN
            for index, item in enumerate(reading.value)
        )
        return {person.id: person for person in people if person}

    def is_gone(self, principal: str) -> bool:
        """Whether the directory was asked for an object and does not know it. Raises `NotCollectedError` where it wasn't."""
        reading = self._asked.get(principal) or self._unread("directory_objects", principal, READ_NAMES)
        if reading.state is not State.COLLECTED:
            raise NotCollectedError(reading)
        return principal not in self._objects

    def members(self, group: str) -> tuple[Person, ...]:
        """Everybody in a group, through groups too. Raises `NotCollectedError` where the group could not be opened."""
        if group not in self._members:
            self._members[group] = self._open(group)
        return self._members[group]

    def _open(self, group: str) -> tuple[Person, ...]:
        reading = self._snapshot.reading("group_members", group)
        if self.elsewhere or reading.state is State.NOT_COLLECTED:
            reading = self._unread("group_members", group, READ_GROUPS)
        if reading.state is not State.COLLECTED:
            raise NotCollectedError(reading)
        people = [_person(item, reading, f"group_members[{index}]") for index, item in enumerate(reading.value)]
        known = tuple(person for person in people if person)
        if len(known) < len(people):
            raise NotCollectedError(_closed(reading, group, "tells of a member without an id", reading.permission))
        if not known and self._hides(group):
            raise NotCollectedError(_closed(reading, group, "hides its members", READ_HIDDEN))
        return known

    def _hides(self, group: str) -> bool:
        own = self._objects.get(group)
        return own is not None and str(own.origin.value.get("visibility")).lower() == "hiddenmembership"

    def _unread(self, source: str, principal: str, permission: str) -> Reading:
        """A reading that stands for one that was not made, with the reason."""
        if self.elsewhere:
            return Reading(source, principal, State.NOT_COLLECTED, reason=self.elsewhere)
        refused = [reading for reading in self._snapshot.of(source) if reading.state not in _KNOWN]
        if refused:
            return refused[0]
        return Reading(
            source,
            principal,
            State.NOT_COLLECTED,
            reason=f"The directory was not asked about “{principal}” ({permission} is needed)",
        )


def _closed(reading: Reading, group: str, what: str, permission: str) -> Reading:
    return Reading(
        "group_members",
        group,
        State.DENIED,
        evidence=reading.evidence,
        call=reading.call,
        reason=f"The group “{group}” {what}",
        permission=permission,
    )


def _person(item: Json, reading: Reading, path: str) -> Person | None:
    """A directory object as Graph shows it; None where it is none. What the reader may not see of it is null."""
    if not isinstance(item, dict) or not isinstance(item.get("id"), str) or not item["id"]:
        return None
    kind = str(item.get("@odata.type", "")).rpartition(".")[2].lower()
    names = (item.get("userPrincipalName"), item.get("displayName"))
    name = next((each for each in names if isinstance(each, str) and each), "")
    return Person(item["id"].lower(), _KINDS.get(kind, ""), name, Origin(reading, path, item))


def _elsewhere(snapshot: Snapshot, subscription: str) -> str:
    """Why the directory that the reader sees is not the one of this subscription; "" where it is, or nothing tells.

    A subscription names the tenant that it belongs to, and the reader's token the tenant that it signed in to: they differ
    where the subscription was delegated to the reader (Azure Lighthouse).
    """
    reader = snapshot.caller.get("tenant_id", "").lower()
    for item in snapshot.reading("subscription_list", "").value or []:
        owner = item.get("tenantId") if isinstance(item, dict) else None
        if not isinstance(owner, str) or str(item.get("subscriptionId", "")).lower() != subscription.lower():
            continue
        if reader and owner.lower() != reader:
            return (
                f"The reader signs in to the tenant “{reader}” and this subscription belongs to “{owner}”, by delegation "
                "(Azure Lighthouse): names, members of groups and deleted principals are in a directory that it can't see"
            )
    return ""
