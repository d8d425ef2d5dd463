"""Resource Manager addresses: taking a path apart, and the scopes that lie above a resource."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ArmPath:
    """A parsed ARM path.

    ``scope`` is everything before the last ``/providers/`` (empty at the tenant root), ``types`` and ``names``
    alternate after the namespace. A collection, or an action, has one type more than names.
    """

    text: str
    scope: str
    namespace: str
    types: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def type(self) -> str:
        return "/".join((self.namespace, *self.types))

    @property
    def is_collection(self) -> bool:
        return len(self.types) > len(self.names)

    @property
    def parent(self) -> str:
        """The address of the resource that a collection or a child hangs under (the scope for a top-level one)."""
        depth = len(self.types) - 1
        return self.prefix(depth) if depth else self.scope

    def prefix(self, depth: int) -> str:
        """The address of the first ``depth`` type and name pairs."""
        pairs = [part for pair in zip(self.types[:depth], self.names[:depth], strict=True) for part in pair]
        if self.namespace == RESOURCES:
            return "/" + "/".join(pairs)
        return "/".join((self.scope, "providers", self.namespace, *pairs))

    @property
    def subscription(self) -> str | None:
        return subscription_of(self.text)

    @property
    def group(self) -> str | None:
        return group_of(self.text)


RESOURCES = "Microsoft.Resources"


def parse(text: str) -> ArmPath | None:
    """Take an ARM path apart. None when it is no resource address at all.

    Slashes that follow each other count as one, as for the service: clients build addresses with an empty parent.
    """
    parts = [part for part in text.split("/") if part] or [""]
    path = "/" + "/".join(parts)
    if _asks_for_providers(parts):
        return ArmPath(path, "", RESOURCES, tuple(parts[0::2]), tuple(parts[1::2]))
    marks = [index for index, part in enumerate(parts) if part.lower() == "providers"]
    if not marks or marks[-1] + 2 >= len(parts):
        return _container(path, parts)
    mark = marks[-1]
    scope = "/".join(parts[:mark])
    rest = parts[mark + 2 :]
    return ArmPath(path, "/" + scope if scope else "", parts[mark + 1], tuple(rest[0::2]), tuple(rest[1::2]))


def _asks_for_providers(parts: list[str]) -> bool:
    """Whether a path asks what providers a subscription has, or registers one."""
    head = len(parts) > 2 and parts[0].lower() == "subscriptions" and parts[2].lower() == "providers"
    return head and (len(parts) < 5 or (len(parts) == 5 and parts[4].lower() in ("register", "unregister")))


def _container(path: str, parts: list[str]) -> ArmPath | None:
    """Subscriptions and resource groups, which have no ``/providers/`` in their address."""
    if parts[0].lower() == "tenants" and len(parts) == 1:
        return ArmPath(path, "", RESOURCES, ("tenants",), ())
    if parts[0].lower() != "subscriptions":
        return None
    if len(parts) > 2 and parts[2].lower() not in ("resourcegroups", "resources", "locations"):
        return None
    return ArmPath(path, "", RESOURCES, tuple(parts[0::2]), tuple(parts[1::2]))


def subscription_of(resource_id: str) -> str | None:
    parts = resource_id.strip("/").split("/")
    return parts[1] if len(parts) > 1 and parts[0].lower() == "subscriptions" else None


def group_of(resource_id: str) -> str | None:
    parts = resource_id.strip("/").split("/")
    return parts[3] if len(parts) > 3 and parts[2].lower() == "resourcegroups" else None


def name_of(resource_id: str) -> str:
    return resource_id.rstrip("/").rpartition("/")[2]


def ancestors(resource_id: str) -> list[str]:
    """Every scope at or above an address, widest first, in lower case, the address itself last.

    The root, and the management groups above a subscription, are the tenant's knowledge and not part of this.
    """
    parts = resource_id.lower().strip("/").split("/")
    found: list[str] = []
    index = 0
    while index < len(parts):
        index += 4 if parts[index] == "providers" else 2
        found.append("/" + "/".join(parts[:index]))
    return found
