"""Role definitions, built-in and custom, and what a caller may do itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aoai_lib.lab import errors, rbac
from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.kinds import GET_ONLY, NO_PATCH, Kind, Paging, Query, View, Write, declare
from aoai_lib.lab.paths import ArmPath, name_of, subscription_of
from aoai_lib.lab.rbac import ASSIGNMENTS, DEFINITIONS
from aoai_lib.lab.shapes import Json, identifier, instant
from aoai_lib.lab.store import Resource, Tenant

VERSIONS = (
    "2015-07-01",
    "2018-01-01-preview",
    "2018-07-01",
    "2018-09-01-preview",
    "2020-04-01-preview",
    "2020-08-01-preview",
    "2020-10-01-preview",
    "2022-04-01",
    "2022-05-01-preview",
)
EQUALS = re.compile(r"(\w+)\s+eq\s+'([^']*)'", re.IGNORECASE)


def definition_missing(guid: str) -> ArmError:
    message = f"The specified role definition with ID '{guid}' does not exist."
    return ArmError(404, "RoleDefinitionDoesNotExist", message, headers=errors.SERVICE)


def _show_definition(tenant: Tenant, resource: Resource, view: View) -> Json:
    own = resource.properties
    properties = _definition(own, own["assignableScopes"], "CustomRole")
    properties |= {"createdOn": instant(resource.created), "updatedOn": instant(resource.changed)}
    properties |= {"createdBy": identifier(resource.author), "updatedBy": identifier(resource.author)}
    return {"properties": properties, "id": resource.id, "type": DEFINITIONS, "name": resource.name}


def _definition(own: Json, scopes: Sequence[str], kind: str) -> Json:
    blocks = ("actions", "notActions", "dataActions", "notDataActions")
    extra = ("condition", "conditionVersion")
    permissions = [
        {name: list(entry.get(name) or []) for name in blocks}
        | {name: entry[name] for name in extra if entry.get(name)}
        for entry in own["permissions"]
    ]
    return {
        "roleName": own["roleName"],
        "type": kind,
        "description": own.get("description"),
        "assignableScopes": list(scopes),
        "permissions": permissions,
    }


def _definitions(query: Query) -> Sequence[Json]:
    """Built-in roles, and the custom ones that may be assigned at the scope."""
    tenant, scope = query.tenant, query.path.scope
    subscription = subscription_of(scope)
    base = f"/subscriptions/{subscription}" if subscription else ""
    text = next((value for key, value in query.options.items() if key.lower() == "$filter"), "")
    levels = set(tenant.lineage(scope))
    found: list[Json] = []
    for guid, role in rbac.built_in_roles().items():
        properties = _definition(role, ["/"], "BuiltInRole")
        stamp = f"{role['created']}T00:00:00.0000000Z"
        properties |= {"createdOn": stamp, "updatedOn": stamp, "createdBy": None, "updatedBy": None}
        address = f"{base}/providers/{DEFINITIONS}/{guid}"
        found.append({"properties": properties, "id": address, "type": DEFINITIONS, "name": guid})
    for custom in tenant.of_type(DEFINITIONS):
        scopes = {str(each).lower().rstrip("/") or "/" for each in custom.properties["assignableScopes"]}
        below = any(each.startswith(scope.lower() + "/") for each in scopes)
        if scopes & levels or (below and "atscopeandbelow()" in text.lower()):
            found.append(_show_definition(tenant, custom, View(query.version)))
    wanted = {name.lower(): value.lower() for name, value in EQUALS.findall(text)}
    return [
        each
        for each in found
        if wanted.get("type", each["properties"]["type"].lower()) == each["properties"]["type"].lower()
        and wanted.get("rolename", each["properties"]["roleName"].lower()) == each["properties"]["roleName"].lower()
    ]


def _write_definition(write: Write) -> None:
    own = write.resource.properties
    if write.seeding:
        return
    if not own.get("roleName") or not own.get("permissions") or not own.get("assignableScopes"):
        message = "The role definition needs roleName, permissions and assignableScopes."
        raise errors.bad_request("InvalidRoleDefinition", message)
    own["type"] = "CustomRole"


def _erase_definition(write: Write) -> None:
    guid = write.resource.name.lower()
    if any(name_of(each.properties["roleDefinitionId"]).lower() == guid for each in write.tenant.of_type(ASSIGNMENTS)):
        message = "There are existing role assignments referencing role (code: RoleDefinitionHasAssignments)."
        raise errors.bad_request("RoleDefinitionHasAssignments", message)


def _no_definition(path: ArmPath) -> ArmError:
    return definition_missing(path.names[-1])


def _permissions(query: Query) -> Sequence[Json]:
    """The caller's own permission blocks at a scope."""
    blocks = ("actions", "notActions", "dataActions", "notDataActions")
    return [
        {name: list(entry.get(name) or []) for name in blocks}
        for each in rbac.assignments_for(query.tenant, query.caller.object_id, query.path.scope)
        for entry in rbac.permissions_of(query.tenant, each.properties["roleDefinitionId"])
    ]


declare(
    [
        Kind(
            DEFINITIONS,
            VERSIONS,
            _show_definition,
            items=_definitions,
            methods=NO_PATCH,
            write=_write_definition,
            erase=_erase_definition,
            extension=True,
            missing=_no_definition,
            erase_body=True,
            paging=Paging(20, "$skipToken"),
        ),
        Kind("Microsoft.Authorization/permissions", VERSIONS, items=_permissions, methods=GET_ONLY, extension=True),
    ]
)
