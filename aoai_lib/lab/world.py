"""Worlds: what a simulated tenant holds before anybody writes, read from one YAML file a tenant.

A world is near the wire: resources have ``type``, ``name``, ``location``, ``properties``, and below them ``children``
(by child type) and ``extensions`` (by provider type). What the service fills in itself is left out. A string that
starts with ``@`` is an address: ``@group/Provider/type/name`` within the same subscription,
``@alias:group/Provider/type/name`` within another, ``@`` and ``@alias:`` the subscription itself. ``{principal:name}``
anywhere in a string is that principal's object id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from aoai_lib.lab.shapes import Json, identifier, parse_instant
from aoai_lib.lab.world_form import WorldError, read_file

BUNDLED = ("hardened", "exposed", "mixed")


@dataclass(frozen=True)
class Principal:
    """Somebody in a tenant's directory. ``kind`` is User, Group or ServicePrincipal; ``members`` are names.

    ``title`` is the display name, ``graph`` what the principal may read of the directory (Microsoft Graph's permissions),
    ``hidden`` whether a group hides its members.
    """

    id: str
    name: str
    kind: str
    app_id: str = ""
    members: tuple[str, ...] = ()
    title: str = ""
    graph: tuple[str, ...] = ()
    hidden: bool = False


@dataclass(frozen=True)
class Declared:
    """One resource as a world declares it, with its full id and its references resolved."""

    id: str
    type: str
    name: str
    body: Json


@dataclass(frozen=True)
class World:
    """A tenant as declared. ``subscriptions`` keep the file's order.

    ``vantages`` says, for ``inside``, ``peered`` and ``on_premises``, through which virtual network names are asked for;
    ``public`` stands for the public DNS. ``delays`` says how many seconds ``keys`` are taken after they are switched off, and
    items of ``blocklists`` without effect.
    """

    slug: str
    tenant_id: str
    name: str
    now: datetime
    created: datetime
    principals: tuple[Principal, ...]
    subscriptions: tuple[Json, ...]
    management_groups: dict[str, str | None]
    declared: tuple[Declared, ...]
    logs: tuple[Json, ...] = ()
    activity: tuple[Json, ...] = ()
    role_assignments: tuple[Json, ...] = ()
    role_definitions: tuple[Json, ...] = ()
    deny_assignments: tuple[Json, ...] = ()
    eligibility: tuple[Json, ...] = field(default=())
    delegations: tuple[Json, ...] = ()
    classic_administrators: tuple[Json, ...] = ()
    vantages: Json = field(default_factory=dict)
    delays: Json = field(default_factory=dict)

    def principal(self, name: str) -> Principal:
        for candidate in self.principals:
            if name in (candidate.name, candidate.id):
                return candidate
        raise WorldError(f"{self.slug}: no principal is called {name!r}")


def load_worlds(names_or_paths: Sequence[str | Path]) -> list[World]:
    """Read worlds by bundled name (hardened, exposed, mixed) or by path. Raises WorldError or OSError."""
    return [world_of(read(source)) for source in names_or_paths]


def read(source: str | Path) -> Json:
    """The raw document of a world, by bundled name or by path."""
    if str(source) not in BUNDLED:
        return read_file(Path(source))
    document: Json = _document(_bundled_text(f"worlds/{source}.yaml"))
    return document


def catalog(name: str) -> Any:
    """A bundled catalogue (role definitions, models, policies, filters), parsed once a process."""
    return _document(_bundled_text(f"catalog/{name}.yaml"))


@cache
def _bundled_text(path: str) -> str:
    return files("aoai_lib.lab").joinpath(path).read_text(encoding="utf-8")


def _document(text: str) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(text, Loader=loader)  # noqa: S506 - both are safe loaders, the first is the quick one


def world_of(document: Json) -> World:
    """Turn a world's document into a World: give ids, resolve references. Raises WorldError."""
    try:
        return _world_of(document)
    except (LookupError, TypeError, AttributeError, ValueError) as problem:
        if isinstance(problem, WorldError):
            raise
        raise WorldError(
            f"the world is not of the form that it needs ({type(problem).__name__}: {problem})"
        ) from problem


def _world_of(document: Json) -> World:
    tenant = document["tenant"]
    principals = tuple(_principal(tenant["slug"], entry) for entry in document["principals"])
    resolver = _Resolver(document, principals)
    return World(
        slug=tenant["slug"],
        tenant_id=tenant["id"],
        name=tenant["name"],
        now=parse_instant(str(tenant["now"])),
        created=parse_instant(str(tenant["created"])),
        principals=principals,
        subscriptions=tuple(
            {key: value for key, value in entry.items() if key not in ("resourceGroups", "extensions")}
            for entry in document["subscriptions"]
        ),
        management_groups=dict(document.get("managementGroups") or {}),
        declared=tuple(resolver.declared()),
        logs=tuple(resolver.resolve(row, None) for row in document.get("logs") or ()),
        activity=tuple(resolver.resolve(row, None) for row in document.get("activity") or ()),
        role_assignments=tuple(resolver.resolve(row, None) for row in document.get("roleAssignments") or ()),
        role_definitions=tuple(resolver.resolve(row, None) for row in document.get("roleDefinitions") or ()),
        deny_assignments=tuple(resolver.resolve(row, None) for row in document.get("denyAssignments") or ()),
        eligibility=tuple(resolver.resolve(row, None) for row in document.get("eligibility") or ()),
        delegations=tuple(resolver.resolve(row, None) for row in document.get("delegations") or ()),
        classic_administrators=tuple(
            resolver.resolve(row, None) for row in document.get("classicAdministrators") or ()
        ),
        vantages=resolver.resolve(document.get("vantages") or {}, None),
        delays=dict(document.get("delays") or {}),
    )


def _principal(slug: str, entry: Json) -> Principal:
    return Principal(
        id=entry.get("id") or identifier(slug, "principal", entry["name"]),
        name=entry["name"],
        kind=entry["type"],
        app_id=entry.get("appId") or identifier(slug, "application", entry["name"]),
        members=tuple(entry.get("members") or ()),
        title=entry.get("title", ""),
        graph=tuple(entry.get("graph") or ()),
        hidden=bool(entry.get("hidden")),
    )


class _Resolver:
    """Turns the tree of a world into addresses, and ``@`` references into ids."""

    def __init__(self, document: Json, principals: tuple[Principal, ...]) -> None:
        self._document = document
        self._principals = {principal.name: principal.id for principal in principals}
        self._aliases = {entry["alias"]: entry["subscriptionId"] for entry in document["subscriptions"]}

    def declared(self) -> Iterator[Declared]:
        for subscription in self._document["subscriptions"]:
            alias = subscription["alias"]
            base = f"/subscriptions/{subscription['subscriptionId']}"
            yield from self._extensions(base, subscription, alias)
            for group in subscription.get("resourceGroups") or ():
                address = f"{base}/resourceGroups/{group['name']}"
                own = {key: value for key, value in group.items() if key not in ("resources", "extensions", "name")}
                yield Declared(address, "Microsoft.Resources/resourceGroups", group["name"], own)
                yield from self._extensions(address, group, alias)
                for entry in group.get("resources") or ():
                    yield from self._resource(f"{address}/providers/{entry['type']}", entry["type"], entry, alias)

    def _resource(self, collection: str, type_: str, entry: Json, alias: str) -> Iterator[Declared]:
        address = f"{collection}/{entry['name']}"
        own = {key: value for key, value in entry.items() if key not in ("type", "name", "children", "extensions")}
        yield Declared(address, type_, entry["name"], self.resolve(own, alias))
        for child_type, children in (entry.get("children") or {}).items():
            for child in children:
                yield from self._resource(f"{address}/{child_type}", f"{type_}/{child_type}", child, alias)
        yield from self._extensions(address, entry, alias)

    def _extensions(self, scope: str, entry: Json, alias: str) -> Iterator[Declared]:
        for type_, extensions in (entry.get("extensions") or {}).items():
            for extension in extensions:
                yield from self._resource(f"{scope}/providers/{type_}", type_, extension, alias)

    def resolve(self, value: Any, alias: str | None) -> Any:
        if isinstance(value, dict):
            return {key: self.resolve(inner, alias) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.resolve(inner, alias) for inner in value]
        if not isinstance(value, str):
            return value
        text = re.sub(r"\{principal:([^}]+)\}", lambda match: self._principal_id(match[1]), value)
        return self._address(text, alias) if text.startswith("@") else text

    def _principal_id(self, name: str) -> str:
        if name not in self._principals:
            raise WorldError(f"{self._document['tenant']['slug']}: no principal is called {name!r}")
        return self._principals[name]

    def _address(self, text: str, alias: str | None) -> str:
        head, colon, tail = text[1:].partition(":")
        chosen, rest = (head, tail) if colon else (alias, text[1:])
        if chosen not in self._aliases:
            raise WorldError(f"{self._document['tenant']['slug']}: {text!r} names no subscription of this world")
        base = f"/subscriptions/{self._aliases[chosen]}"
        if not rest:
            return base
        if rest.startswith("/"):
            return base + rest
        group, slash, resource = rest.partition("/")
        return f"{base}/resourceGroups/{group}" + (f"/providers/{resource}" if slash else "")
