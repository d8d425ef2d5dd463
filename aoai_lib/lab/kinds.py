"""What a resource type is to the engine: one declaration a type, kept by the provider that answers for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.paths import ArmPath
from aoai_lib.lab.shapes import Json
from aoai_lib.lab.store import Resource, Tenant

GET_ONLY = frozenset({"GET"})
FULL = frozenset({"GET", "PUT", "PATCH", "DELETE"})
NO_PATCH = frozenset({"GET", "PUT", "DELETE"})


@dataclass(frozen=True)
class Caller:
    """Who asks: the object id, the client id, and ``entra`` or ``key``."""

    object_id: str
    client_id: str
    kind: str = "entra"
    name: str = ""
    principal_type: str = "ServicePrincipal"
    address: str = "203.0.113.10"


@dataclass(frozen=True)
class Query:
    """One request: the path, the query string, the api-version, who asks, and the headers in lower case."""

    tenant: Tenant
    path: ArmPath
    version: str
    options: Mapping[str, str]
    caller: Caller
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Write:
    """One write before it is stored. A provider completes ``resource`` or raises ArmError.

    ``before`` is what was there (None on creation), ``seeding`` is true while a world is being laid out.
    """

    tenant: Tenant
    resource: Resource
    before: Resource | None
    version: str
    caller: Caller | None = None
    seeding: bool = False


@dataclass(frozen=True)
class View:
    """How a resource is being shown: alone, in a list, or embedded in another."""

    version: str
    listing: bool = False
    embedded: bool = False


Show = Callable[[Tenant, Resource, View], Json]


@dataclass(frozen=True)
class Paging:
    """How a provider pages: how many items a page, the name of its token, what ends the list, whether it heeds $top."""

    size: int = 1000
    token: str = "$skiptoken"  # noqa: S105 - the name of a query option
    end: str | None = "absent"  # 'absent', 'empty' or 'null'
    top: bool = False


@dataclass(frozen=True)
class Kind:
    """A resource type.

    ``type`` is the canonical spelling. ``show`` turns a stored resource into its wire form; ``items`` answers for
    types that are computed instead of stored. ``lro`` names the way long-running writes are answered: ``cognitive``,
    ``network``, ``dns`` or empty for at once; ``waits`` are the methods that are. ``operation`` replaces the type in the RBAC action where they differ.
    ``extension`` types sit on any scope; ``listed`` replaces the usual list of a stored type. ``actions`` are POSTs by
    name; ``single`` answers for one address that is no resource (an operation's status), ``report`` for a collection that is
    no list of resources (metrics). ``silent`` ones read only and leave no trace in the activity log.
    """

    type: str
    versions: tuple[str, ...]
    show: Show | None = None
    items: Callable[[Query], Sequence[Json]] | None = None
    methods: frozenset[str] = FULL
    write: Callable[[Write], None] | None = None
    erase: Callable[[Write], None] | None = None
    patch: Callable[[Resource, Json], Json] | None = None
    lro: str = ""
    waits: frozenset[str] = frozenset({"PUT", "PATCH", "DELETE"})
    paging: Paging = field(default_factory=Paging)
    missing: Callable[[ArmPath], ArmError] | None = None
    actions: Mapping[str, Callable[[Query, Any], Json | None]] = field(default_factory=dict)
    operation: str = ""
    created_status: int = 201
    erase_status: int = 200
    erase_body: bool = False
    extension: bool = False
    listed: Callable[[Query], Sequence[Resource]] | None = None
    silent: bool = False
    single: Callable[[Query], Json] | None = None
    report: Callable[[Query], Json] | None = None


_KINDS: dict[str, Kind] = {}


def declare(kinds: Iterable[Kind]) -> None:
    """Make resource types known to the engine. A type is declared once."""
    for kind in kinds:
        key = kind.type.lower()
        if key in _KINDS:
            raise ValueError(f"{kind.type} is declared twice")
        _KINDS[key] = kind


def kind_of(type_: str) -> Kind | None:
    return _KINDS.get(type_.lower())


def all_kinds() -> list[Kind]:
    return list(_KINDS.values())


def known_namespace(namespace: str) -> bool:
    prefix = namespace.lower() + "/"
    return any(key.startswith(prefix) for key in _KINDS)
