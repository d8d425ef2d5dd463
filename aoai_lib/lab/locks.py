"""Management locks: CanNotDelete refuses deletion, ReadOnly refuses every change, at the scope and below it."""

from __future__ import annotations

from aoai_lib.lab import errors
from aoai_lib.lab.store import Resource, Tenant

LOCKS = "Microsoft.Authorization/locks"


def demand_unlocked(tenant: Tenant, address: str, method: str) -> None:
    """Raise ScopeLocked (409) when a lock at, above, or for a deletion below the address forbids the method."""
    if f"/providers/{LOCKS}/".lower() in address.lower():
        return
    holding = [each for each in _reaching(tenant, address, method) if _forbids(each, method)]
    if holding:
        scopes = ", ".join(each.id.rpartition("/providers/")[0] for each in holding)
        raise errors.locked("delete" if method == "DELETE" else "write", address, scopes)


def _reaching(tenant: Tenant, address: str, method: str) -> list[Resource]:
    found = [each for level in tenant.lineage(address) for each in tenant.extensions(level.rstrip("/"), LOCKS)]
    if method == "DELETE":
        found += [each for each in tenant.of_type(LOCKS, address) if each not in found]
    return found


def _forbids(lock: Resource, method: str) -> bool:
    level = str(lock.properties.get("level", "")).lower()
    return level == "readonly" or (level == "cannotdelete" and method == "DELETE")
