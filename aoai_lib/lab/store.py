"""The state of one simulated tenant: its resources, its directory, the operations under way, what was recorded."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from aoai_lib.lab.inference.call import Memory
from aoai_lib.lab.logs import LogStore
from aoai_lib.lab.metrics import Meter
from aoai_lib.lab.paths import ancestors, subscription_of
from aoai_lib.lab.shapes import Json, identifier
from aoai_lib.lab.world import Principal, World


@dataclass
class Resource:
    """A stored resource. ``body`` holds what was written (location, tags, properties …), never what is computed."""

    id: str
    type: str
    name: str
    body: Json
    created: datetime
    changed: datetime
    author: str
    author_kind: str = "User"
    revision: int = 0

    @property
    def properties(self) -> Json:
        """The writable properties; the same object each time, so that a provider may fill it."""
        found = self.body.setdefault("properties", {})
        if not isinstance(found, dict):
            raise TypeError(f"properties of {self.id} are {type(found).__name__}, not an object")
        return found

    @property
    def location(self) -> str:
        return str(self.body.get("location") or "")

    @property
    def etag(self) -> str:
        return identifier("etag", self.id, self.revision)


@dataclass
class Operation:
    """A long-running operation: it takes ``polls`` looks, at itself or at its resource, to be done."""

    id: str
    resource_id: str
    verb: str
    polls: int
    started: datetime
    style: str
    region: str = "global"
    ended: Callable[[str], None] | None = None
    fate: str = ""
    """How it ends where not well: ``Failed`` or ``Canceled``; ``stuck`` where it never does."""

    @property
    def label(self) -> str:
        """The operation as Microsoft.Network's errors name it, e.g. PutSubnetOperation."""
        leaf = self.resource_id.split("/")[-2]
        noun = leaf[:1].upper() + leaf[1:].removesuffix("s")
        return f"{self.verb.capitalize()}{noun}Operation"

    @property
    def done(self) -> bool:
        return self.polls <= 0

    def look(self) -> None:
        """Bring the operation nearer to its end; ``ended`` is told how, when it gets there."""
        if self.fate == "stuck":
            return
        self.polls -= 1
        if self.polls == 0 and self.ended is not None:
            self.ended(self.outcome)

    @property
    def outcome(self) -> str:
        """How it ends: Succeeded, Failed or Canceled."""
        return self.fate or "Succeeded"


@dataclass
class Tenant:
    """One tenant's state. Addresses are compared without case, as Azure does."""

    world: World
    base_url: str = "https://localhost"
    poll_count: int = 2
    resources: dict[str, Resource] = field(default_factory=dict)
    collections: dict[str, dict[str, Resource]] = field(default_factory=dict)
    by_type: dict[str, dict[str, Resource]] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    activity: list[Json] = field(default_factory=list)
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)
    logs: LogStore = field(default_factory=LogStore)
    memory: Memory = field(default_factory=Memory)
    meter: Meter = field(default_factory=Meter)
    exporter: Callable[[Tenant, str, Json], None] | None = None

    @property
    def now(self) -> datetime:
        return self.world.now

    def find(self, resource_id: str) -> Resource | None:
        return self.resources.get(resource_id.lower().rstrip("/"))

    def put(self, resource: Resource) -> None:
        key = resource.id.lower()
        self.resources[key] = resource
        self.collections.setdefault(key.rpartition("/")[0], {})[key] = resource
        self.by_type.setdefault(resource.type.lower(), {})[key] = resource

    def remove(self, resource_id: str) -> None:
        """Forget a resource and everything that hangs under it."""
        key = resource_id.lower()
        for below in [each for each in self.resources if each == key or each.startswith(key + "/")]:
            gone = self.resources.pop(below)
            self.collections[below.rpartition("/")[0]].pop(below)
            self.by_type[gone.type.lower()].pop(below)

    def children(self, parent_id: str, child_type: str) -> list[Resource]:
        """The children of one resource by the last part of their type, e.g. ``deployments``."""
        return list(self.collections.get(f"{parent_id}/{child_type}".lower(), {}).values())

    def child(self, parent_id: str, child_type: str, name: str) -> Resource | None:
        return self.find(f"{parent_id}/{child_type}/{name}")

    def extensions(self, scope: str, type_: str) -> list[Resource]:
        """The extension resources set directly on a scope, e.g. type ``Microsoft.Insights/diagnosticSettings``."""
        return self.children(f"{scope}/providers", type_)

    def of_type(self, type_: str, under: str = "") -> Iterator[Resource]:
        prefix = under.lower().rstrip("/") + "/" if under.strip("/") else ""
        return (each for key, each in self.by_type.get(type_.lower(), {}).items() if key.startswith(prefix))

    def subscription(self, subscription_id: str) -> Json | None:
        wanted = subscription_id.lower()
        return next((each for each in self.world.subscriptions if each["subscriptionId"].lower() == wanted), None)

    def lineage(self, scope: str) -> list[str]:
        """Every scope at or above an address, the root first, management groups included, in lower case."""
        if scope in ("", "/"):
            return ["/"]
        subscription = self.subscription(subscription_of(scope) or "")
        groups = self._groups_above((subscription or {}).get("managementGroup"))
        own = ancestors(scope)
        if own[0].startswith("/providers/microsoft.management/managementgroups/"):
            return ["/", *self._groups_above(own[0].rpartition("/")[2])[:-1], *own]
        return ["/", *groups, *own]

    def _groups_above(self, name: str | None) -> list[str]:
        chain: list[str] = []
        while name:
            chain.insert(0, f"/providers/microsoft.management/managementgroups/{name.lower()}")
            name = self.world.management_groups.get(name)
        return chain

    def principal(self, object_id: str) -> Principal | None:
        return next((each for each in self.world.principals if each.id == object_id), None)

    def memberships(self, object_id: str) -> set[str]:
        """The ids that act for a principal: its own and, transitively, those of its groups."""
        names = {each.id: each.name for each in self.world.principals}
        found = {object_id}
        grew = True
        while grew:
            inside = {names.get(each, "") for each in found}
            more = {group.id for group in self.world.principals if inside & set(group.members)} - found
            found |= more
            grew = bool(more)
        return found

    def account_keys(self, account_id: str) -> tuple[str, str]:
        """The two keys of an account, made up once a process."""
        key = account_id.lower()
        if key not in self.keys:
            self.keys[key] = (secrets.token_hex(16), secrets.token_hex(16))
        return self.keys[key]

    def operation_on(self, resource_id: str) -> Operation | None:
        """The operation that a resource is still waiting for, if any."""
        wanted = resource_id.lower()
        running = (each for each in self.operations.values() if each.resource_id.lower() == wanted and not each.done)
        return next(running, None)

    def last_on(self, resource_id: str) -> Operation | None:
        """The operation on a resource that was begun last."""
        wanted = resource_id.lower()
        return next((each for each in reversed(self.operations.values()) if each.resource_id.lower() == wanted), None)
