"""What several providers put around a resource's properties."""

from __future__ import annotations

from aoai_lib.lab import operations
from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.kinds import Query
from aoai_lib.lab.shapes import Json, identifier, instant
from aoai_lib.lab.store import Resource, Tenant

COGNITIVE = (
    "2017-04-18",
    "2021-04-30",
    "2021-10-01",
    "2022-03-01",
    "2022-10-01",
    "2022-12-01",
    "2023-05-01",
    "2023-10-01-preview",
    "2024-04-01-preview",
    "2024-06-01-preview",
    "2024-10-01",
    "2025-06-01",
    "2025-07-01-preview",
    "2025-09-01",
    "2025-10-01-preview",
    "2025-12-01",
    "2026-03-01",
    "2026-05-01",
    "2026-05-15-preview",
)

NETWORK = tuple(
    """
    2018-08-01 2018-10-01 2018-11-01 2018-12-01 2019-02-01 2019-04-01 2019-06-01 2019-07-01 2019-08-01 2019-09-01
    2019-11-01 2019-12-01 2020-03-01 2020-04-01 2020-05-01 2020-06-01 2020-07-01 2020-08-01 2020-11-01 2021-02-01
    2021-03-01 2021-05-01 2021-06-01 2021-08-01 2021-12-01 2022-01-01 2022-05-01 2022-07-01 2022-09-01 2022-11-01
    2023-02-01 2023-04-01 2023-05-01 2023-06-01 2023-09-01 2023-11-01 2024-01-01 2024-03-01 2024-05-01 2024-07-01
    2024-10-01 2025-01-01 2025-03-01 2025-05-01 2025-07-01 2025-09-01 2026-01-01 2026-03-01
    """.split()
)
"""Clients ask for each type with a version of its own: the Azure CLI alone uses a dozen of these."""


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
