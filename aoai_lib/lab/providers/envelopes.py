"""What several providers put around a resource's properties."""

from __future__ import annotations

from aoai_lib.lab import operations
from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.kinds import Query
from aoai_lib.lab.shapes import Json, identifier, instant
from aoai_lib.lab.store import Resource, Tenant
from aoai_lib.lab.world import catalog


def versions_of(namespace: str) -> tuple[str, ...]:
    """The api-versions of a provider, oldest first."""
    return tuple(catalog("versions")[namespace].split())


COGNITIVE = versions_of("Microsoft.CognitiveServices")
NETWORK = versions_of("Microsoft.Network")


def system_data(resource: Resource) -> Json:
    """Who made and last changed a resource, with seven fractional digits."""
    return {
        "createdBy": resource.author,
        "createdByType": resource.author_kind,
        "createdAt": instant(resource.created),
        "lastModifiedBy": resource.author,
        "lastModifiedByType": resource.author_kind,
        "lastModifiedAt": instant(resource.changed),
    }


def cognitive_etag(resource: Resource) -> str:
    """An account's etag: quoted, in groups that look like a database's."""
    digits = resource.etag.replace("-", "")
    return f'"{digits[:8]}-0000-0{digits[8:9]}00-0000-{digits[9:17]}0000"'


def quoted_etag(resource: Resource) -> str:
    return f'"{resource.etag}"'


def weak_etag(resource: Resource) -> str:
    return f'W/"{resource.etag}"'


def identity_of(tenant: Tenant, resource: Resource) -> Json | None:
    """A resource's managed identities with the ids that the directory gave them."""
    wanted = resource.body.get("identity")
    if not isinstance(wanted, dict) or str(wanted.get("type", "None")) == "None":
        return None
    kinds = str(wanted["type"])
    found: Json = {"type": kinds}
    if "systemassigned" in kinds.replace(" ", "").lower():
        found |= {"principalId": identifier("system identity", resource.id), "tenantId": tenant.world.tenant_id}
    if "userassigned" in kinds.replace(" ", "").lower():
        found["userAssignedIdentities"] = {
            address: {
                "principalId": user_identity(tenant, address)[0],
                "clientId": user_identity(tenant, address)[1],
            }
            for address in wanted.get("userAssignedIdentities") or {}
        }
    return found


def user_identity(tenant: Tenant, address: str) -> tuple[str, str]:
    """Object id and client id of a user-assigned identity: the directory's, when a principal bears its name."""
    name = address.rpartition("/")[2]
    for principal in tenant.world.principals:
        if principal.name == name:
            return principal.id, principal.app_id
    return identifier("user identity", address), identifier("user identity client", address)


def operation_status(query: Query) -> Json:
    """What the status address of a long-running operation answers. Raises ArmError 404 for one that never was."""
    operation = query.tenant.operations.get(query.path.names[-1])
    if operation is None:
        raise ArmError(404, "NotFound", f"Operation '{query.path.names[-1]}' cannot be found.")
    return operations.status_body(query.tenant, operation, query.path.text)
