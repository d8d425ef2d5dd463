"""Role definitions, from wherever they were read: single ones, the subscription's list, the tenant's list."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from functools import cached_property

from aoai_lib.effective_access.records import Origin, Role, role_id, role_of
from aoai_lib.facts import Facts, NotCollectedError, UnexpectedShapeError
from aoai_lib.model import Json, Kind, Reading, Snapshot, State, Subject


class Definitions:
    """The role definitions that the readings hold for one subscription."""

    def __init__(self, snapshot: Snapshot, subscription: str) -> None:
        self._snapshot: Snapshot = weakref.proxy(snapshot)
        self._subject = Subject(Kind.SUBSCRIPTION, subscription, subscription=subscription)
        self._roles: dict[str, Role] = {}

    @cached_property
    def _found(self) -> dict[str, Origin]:
        """Where each definition stands, by GUID; one without a GUID under its path."""
        found: dict[str, Origin] = {}
        for reading in self._snapshot.of("role_definition"):
            if isinstance(reading.value, dict):
                found[role_id(reading.scope)] = Origin(reading, "role_definition", reading.value)
        for reading in (self._listed, self._snapshot.reading("tenant_role_definitions", "")):
            for index, item in enumerate(reading.value or []):
                path = f"{reading.source}[{index}]"
                found.setdefault(_guid(item) or path, Origin(reading, path, item))
        return found

    @property
    def _listed(self) -> Reading:
        return self._snapshot.reading("role_definitions", self._subject.id)

    def role(self, definition: str) -> Role:
        """A role by its definition's id or GUID. Raises `NotCollectedError` where no answer holds it."""
        guid = role_id(definition)
        if guid not in self._roles:
            if guid not in self._found:
                raise NotCollectedError(self._missing(definition))
            self._roles[guid] = role_of(guid, self._found[guid], Facts(self._snapshot, self._subject))
        return self._roles[guid]

    def custom(self) -> Iterator[Role | UnexpectedShapeError]:
        """Every custom role, or why one can't be read."""
        for guid, origin in self._found.items():
            own = origin.value.get("properties") if isinstance(origin.value, dict) else None
            if isinstance(own, dict) and str(own.get("type")).lower() == "builtinrole":
                continue
            try:
                role = self.role(guid)
            except UnexpectedShapeError as odd:
                yield odd
                continue
            if role.custom:
                yield role

    def _missing(self, definition: str) -> Reading:
        """The reading that should have held a role definition."""
        asked = next(
            (each for each in self._snapshot.of("role_definition") if role_id(each.scope) == role_id(definition)), None
        )
        listed = self._listed
        if asked or listed.state is not State.COLLECTED:
            return asked or listed
        reason = f"No answer holds the role definition “{role_id(definition)}”"
        return Reading("role_definition", definition, State.NOT_COLLECTED, reason=reason)


def _guid(item: Json) -> str:
    """The GUID of a definition as a list shows it; "" where it has none."""
    if not isinstance(item, dict):
        return ""
    name = item.get("name") or role_id(str(item.get("id", "")))
    return name.lower() if isinstance(name, str) else ""
