"""API definitions as data: which operation a request is by them, and what is odd about its answer.

They are files as Pandora keeps them, one an operation, a model, a constant and a form of address, in an archive that is not part
of the product.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

Json = Any

ANY: Final = "[^/]+"
PATTERNS: Final[Mapping[str, str]] = {"Scope": "(?:.+)"}
"""Segments of an address that are more than one word."""


@dataclass(frozen=True)
class Operation:
    """An operation: the folder of its models, how many letters of its address are given, what it answers with (None: nothing that is
    described), and whether that is a page of such.
    """

    room: str
    name: str
    statuses: tuple[int, ...]
    address: re.Pattern[str]
    literal: int
    answer: Json
    paged: bool

    @property
    def what(self) -> str:
        """`Cognitive/RaiPolicies`, whatever the version."""
        service, _, resource = self.room.split("/")
        return f"{service}/{resource}"


class Definitions:
    """Everything in the archive, found by method, API version and path."""

    def __init__(self, archive: Path) -> None:
        self._held: dict[str, dict[str, Json]] = defaultdict(dict)
        with tarfile.open(archive) as files:
            for member in files:
                _, _, place = member.name.partition("/resource-manager/")
                if member.isfile() and place.count("/") == 3 and (held := files.extractfile(member)):
                    room, _, name = place.rpartition("/")
                    self._held[room][name.removesuffix(".json")] = json.load(held)
        self._operations: dict[tuple[str, str], list[Operation]] = defaultdict(list)
        for room, named in self._held.items():
            for name, found in named.items():
                if name.startswith("Operation-"):
                    version = room.split("/")[1].lower()
                    self._operations[found["httpMethod"], version].append(self._operation(room, found))

    def _operation(self, room: str, found: Json) -> Operation:
        place = self._held[room].get(f"ResourceId-{found.get('resourceIdName')}", {"segments": []})
        parts = [
            re.escape(each["value"]) if "value" in each else PATTERNS.get(each["type"], ANY)
            for each in place["segments"]
        ]
        suffix = found.get("uriSuffix", "")
        address = "".join(f"/{part}" for part in parts) + re.escape(suffix)
        literal = sum(len(each.get("value", "")) for each in place["segments"]) + len(suffix)
        return Operation(
            room,
            found["name"],
            tuple(found["expectedStatusCodes"]),
            re.compile(address, re.IGNORECASE),
            literal,
            found.get("responseObject"),
            "fieldContainingPaginationDetails" in found,
        )

    def find(self, method: str, path: str, version: str) -> Operation | None:
        """The operation that a request is; the one with the most specific address where several fit. None: it is not described."""
        fitting = [each for each in self._operations[method, version.lower()] if each.address.fullmatch(path)]
        return max(fitting, key=lambda each: each.literal, default=None)

    def odd(self, operation: Operation, status: int, body: Json) -> Iterator[str]:
        """What an answer has that its definition does not allow, as `path: what`."""
        if status not in operation.statuses:
            yield f"status: {status} is none of {operation.statuses}"
        if operation.answer is None or body in (None, ""):
            return
        if not operation.paged:
            yield from self._odd(body, operation.answer, operation.room, "")
            return
        if not isinstance(body, dict) or not isinstance(body.get("value"), list):
            yield ": is no list"
            return
        yield from (f"{key}: is not defined" for key in body.keys() - {"value", "nextLink"})
        if not isinstance(body.get("nextLink", ""), str | None):
            yield "nextLink: is no text"
        for item in body["value"]:
            yield from self._odd(item, operation.answer, operation.room, "")

    def _odd(self, value: Json, kind: Json, room: str, path: str) -> Iterator[str]:
        if value is None:
            return
        match kind["type"]:
            case "Reference":
                yield from self._odd_reference(value, kind["referenceName"], room, path)
            case "List":
                yield from self._odd_items(value, list, lambda held: held, kind, room, f"{path}[]")
            case "Dictionary":
                yield from self._odd_items(value, dict, lambda held: held.values(), kind, room, f"{path}{{}}")
            case simple:
                yield from _odd_simple(value, simple, path)

    def _odd_items(
        self, value: Json, holder: type, items: Callable[[Json], Any], kind: Json, room: str, path: str
    ) -> Iterator[str]:
        if not isinstance(value, holder):
            yield f"{path}: {value!r} is no {holder.__name__}"
            return
        for each in items(value):
            yield from self._odd(each, kind["nestedItem"], room, path)

    def _odd_reference(self, value: Json, name: str, room: str, path: str) -> Iterator[str]:
        constant = self._held[room].get(f"Constant-{name}")
        if constant is None:
            yield from self._odd_model(value, name, room, path)
        elif str(value) not in [str(each["value"]) for each in constant["values"]] or isinstance(value, str) != (
            constant["type"] == "String"
        ):
            yield f"{path}: {value!r} is no {name}"

    def _odd_model(self, value: Json, name: str, room: str, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{path}: {value!r} is no object"
            return
        fields = {each["jsonName"]: each for each in self._fields(name, value, room)}
        for key, held in value.items():
            inner = f"{path}.{key}" if path else key
            if key in fields:
                yield from self._odd(held, fields[key]["objectDefinition"], room, inner)
            else:
                yield f"{inner}: is not defined"
        for key, field in fields.items():
            if field["required"] and value.get(key) is None:
                yield f"{path}.{key}: is missing".removeprefix(".")

    def _fields(self, name: str, value: Json, room: str) -> list[Json]:
        """The fields of a model, of those above it, and of the one below it that the value says it is."""
        model = self._held[room][f"Model-{name}"]
        above = model.get("discriminatedParentModelName")
        fields: list[Json] = [*model["fields"], *(self._held[room][f"Model-{above}"]["fields"] if above else [])]
        told = next((each["jsonName"] for each in fields if each["containsDiscriminatedTypeValue"]), None)
        if told is None:
            return fields
        below = [
            each["fields"]
            for each in self._held[room].values()
            if each.get("discriminatedParentModelName") == name and each["discriminatedTypeValue"] == value.get(told)
        ]
        return [*fields, *(below[0] if below else [])]


def _is_time(value: Json) -> bool:
    if not isinstance(value, str):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_of(names: str, *required: str) -> Callable[[Json], bool]:
    allowed = frozenset(names.split())
    return lambda value: (
        isinstance(value, dict) and allowed >= value.keys() and all(value.get(each) for each in required)
    )


def _is_texts(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


_IS_IDENTITY = _is_of("type principalId tenantId userAssignedIdentities", "type")

SIMPLE: Final[Mapping[str, Callable[[Json], bool]]] = {
    "String": lambda value: isinstance(value, str),
    "Location": lambda value: isinstance(value, str),
    "Boolean": lambda value: isinstance(value, bool),
    "Integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "Float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "DateTime": _is_time,
    "Tags": lambda value: isinstance(value, dict) and _is_texts(list(value.values())),
    "Zones": _is_texts,
    "EdgeZone": _is_of("name type"),
    "SystemData": _is_of("createdBy createdByType createdAt lastModifiedBy lastModifiedByType lastModifiedAt"),
    "SystemAndUserAssignedIdentityMap": _IS_IDENTITY,
    "LegacySystemAndUserAssignedIdentityMap": _IS_IDENTITY,
    "SystemOrUserAssignedIdentityMap": _IS_IDENTITY,
    "RawObject": lambda value: True,
}


def _odd_simple(value: Json, kind: str, path: str) -> Iterator[str]:
    if not SIMPLE[kind](value):
        yield f"{path}: {value!r} is no {kind}"
