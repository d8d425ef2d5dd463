"""Microsoft.Authorization: role assignments and definitions, deny assignments, eligibility (PIM), locks."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aoai_lib.lab import errors, rbac
from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.kinds import GET_ONLY, NO_PATCH, Kind, Paging, Query, View, Write, declare
from aoai_lib.lab.paths import ArmPath, name_of, subscription_of
from aoai_lib.lab.rbac import ASSIGNMENTS, DEFINITIONS, DENIALS
from aoai_lib.lab.shapes import Json, identifier, instant
from aoai_lib.lab.store import Resource, Tenant

ELIGIBLE = "Microsoft.Authorization/roleEligibilityScheduleInstances"
ACTIVE = "Microsoft.Authorization/roleAssignmentScheduleInstances"
LOCKS = "Microsoft.Authorization/locks"
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
SCHEDULES = ("2020-10-01", "2020-10-01-preview", "2024-09-01-preview")
NOBODY = "00000000-0000-0000-0000-000000000000"

_ASSIGNED_TO = re.compile(r"(assignedTo|asTarget)\(\s*'?([^')]*)'?\s*\)", re.IGNORECASE)
_EQUALS = re.compile(r"(\w+)\s+eq\s+'([^']*)'", re.IGNORECASE)


def seed(tenant: Tenant) -> None:
    """Store what a world declares: custom roles, assignments, deny assignments, eligibility."""
    world = tenant.world
    for entry in world.role_definitions:
        guid = entry.get("id") or identifier(world.slug, "role", entry["roleName"])
        address = f"{entry['scope']}/providers/{DEFINITIONS}/{guid}"
        properties = {"type": "CustomRole", **{k: v for k, v in entry.items() if k not in ("id", "scope")}}
        properties.setdefault("assignableScopes", [entry["scope"]])
        _keep(tenant, address, DEFINITIONS, guid, properties)
    for type_, entries in ((ASSIGNMENTS, world.role_assignments), (ELIGIBLE, world.eligibility)):
        for entry in entries:
            properties = _assignment(tenant, entry)
            guid = entry.get("id") or identifier(type_, entry["scope"], entry["role"], entry["principal"])
            _keep(tenant, f"{entry['scope'].rstrip('/')}/providers/{type_}/{guid}", type_, guid, properties)
    for entry in world.deny_assignments:
        guid = entry.get("id") or identifier(world.slug, "deny", entry["denyAssignmentName"])
        _keep(tenant, f"{entry['scope'].rstrip('/')}/providers/{DENIALS}/{guid}", DENIALS, guid, dict(entry))


def _keep(tenant: Tenant, address: str, type_: str, name: str, properties: Json) -> None:
    made = tenant.world.created
    tenant.put(
        Resource(address, type_, name, {"properties": properties}, made, made, f"platform@{tenant.world.slug}.example")
    )


def _assignment(tenant: Tenant, entry: Json) -> Json:
    """A world's ``{scope, role, principal}`` as properties. ``principal`` may be the bare id of somebody deleted."""
    guid = _role_guid(tenant, entry["role"])
    scope = entry["scope"]
    subscription = subscription_of(scope) or tenant.world.subscriptions[0]["subscriptionId"]
    known = next((each for each in tenant.world.principals if entry["principal"] in (each.name, each.id)), None)
    found = {
        "roleDefinitionId": f"/subscriptions/{subscription}/providers/{DEFINITIONS}/{guid}",
        "principalId": known.id if known else entry["principal"],
        "principalType": known.kind if known else entry.get("principalType", "Unknown"),
        "scope": scope,
    }
    extra = ("condition", "conditionVersion", "description", "endDateTime")
    return found | {key: entry[key] for key in extra if key in entry}


def _role_guid(tenant: Tenant, name: str) -> str:
    for guid, role in rbac.built_in_roles().items():
        if name in (guid, role["roleName"]):
            return guid
    for custom in tenant.of_type(DEFINITIONS):
        if name in (custom.name, custom.properties["roleName"]):
            return custom.name
    raise KeyError(f"{tenant.world.slug}: no role is called {name!r}")


def _reading(query: Query, type_: str) -> list[Resource]:
    """What an authorization list shows: at and above the scope, and below it unless ``atScope()`` is asked for."""
    tenant, scope = query.tenant, query.path.scope
    text = next((value for key, value in query.options.items() if key.lower() == "$filter"), "")
    found = [each for level in tenant.lineage(scope) for each in tenant.extensions(level.rstrip("/"), type_)]
    if "atscope()" not in text.lower():
        known = {each.id for each in found}
        found += [each for each in tenant.of_type(type_, scope) if each.id not in known]
    return [each for each in found if _wanted(query, each, text)]


def _wanted(query: Query, resource: Resource, text: str) -> bool:
    principal = str(resource.properties.get("principalId", ""))
    for function, who in _ASSIGNED_TO.findall(text):
        asked = query.caller.object_id if function.lower() == "astarget" else who
        if principal not in query.tenant.memberships(asked):
            return False
    for name, value in _EQUALS.findall(text):
        key = {"principalid": "principalId", "type": "type", "rolename": "roleName"}.get(name.lower())
        if key and str(resource.properties.get(key, "")).lower() != value.lower():
            return False
    return True


def _show_assignment(tenant: Tenant, resource: Resource, view: View) -> Json:
    own = resource.properties
    return {
        "properties": {
            "roleDefinitionId": own["roleDefinitionId"],
            "principalId": own["principalId"],
            "principalType": own.get("principalType"),
            "scope": own["scope"],
            "condition": own.get("condition"),
            "conditionVersion": own.get("conditionVersion"),
            "createdOn": instant(resource.created),
            "updatedOn": instant(resource.changed),
            "createdBy": identifier(resource.author),
            "updatedBy": identifier(resource.author),
            "delegatedManagedIdentityResourceId": own.get("delegatedManagedIdentityResourceId"),
            "description": own.get("description"),
        },
        "id": resource.id,
        "type": ASSIGNMENTS,
        "name": resource.name,
    }


def _write_assignment(write: Write) -> None:
    if write.seeding:
        return
    tenant, own = write.tenant, write.resource.properties
    scope = write.resource.id.rpartition(f"/providers/{ASSIGNMENTS}")[0] or "/"
    known = tenant.principal(str(own.get("principalId")))
    if not own.get("roleDefinitionId") or not rbac.permissions_of(tenant, own["roleDefinitionId"]):
        guid = name_of(str(own.get("roleDefinitionId") or ""))
        raise _definition_missing(guid)
    if known is None and not own.get("principalType"):
        raise errors.bad_request(
            "PrincipalNotFound",
            f"Principal {str(own.get('principalId')).replace('-', '')} does not exist in the directory"
            f" {tenant.world.tenant_id}.",
        )
    for other in tenant.extensions(scope.rstrip("/"), ASSIGNMENTS):
        same = other.properties["principalId"] == own["principalId"]
        if same and name_of(other.properties["roleDefinitionId"]) == name_of(own["roleDefinitionId"]):
            raise errors.conflict("RoleAssignmentExists", "The role assignment already exists.")
    own |= {"scope": scope, "principalType": own.get("principalType") or (known.kind if known else "Unknown")}


def _no_assignment(path: ArmPath) -> ArmError:
    message = f"The role assignment '{path.names[-1]}' is not found."
    return ArmError(404, "RoleAssignmentNotFound", message, headers=errors.SERVICE)


def _definition_missing(guid: str) -> ArmError:
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
    wanted = {name.lower(): value.lower() for name, value in _EQUALS.findall(text)}
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
    return _definition_missing(path.names[-1])


def _show_denial(tenant: Tenant, resource: Resource, view: View) -> Json:
    own = resource.properties
    blocks = ("actions", "notActions", "dataActions", "notDataActions")
    return {
        "properties": {
            "denyAssignmentName": own["denyAssignmentName"],
            "description": own.get("description"),
            "permissions": [{name: list(each.get(name) or []) for name in blocks} for each in own["permissions"]],
            "scope": own["scope"],
            "doNotApplyToChildScopes": bool(own.get("doNotApplyToChildScopes")),
            "principals": own.get("principals") or [{"id": NOBODY, "type": "SystemDefined"}],
            "excludePrincipals": own.get("excludePrincipals") or [],
            "isSystemProtected": True,
        },
        "id": resource.id,
        "type": DENIALS,
        "name": resource.name,
    }


def _instance(tenant: Tenant, resource: Resource, type_: str) -> Json:
    """A schedule instance: an assignment, or an eligibility, in force now."""
    own = resource.properties
    eligible = type_ == ELIGIBLE
    noun = "roleEligibilitySchedules" if eligible else "roleAssignmentSchedules"
    schedule = f"{own['scope'].rstrip('/')}/providers/Microsoft.Authorization/{noun}/{identifier(resource.id)}"
    properties: Json = {
        "roleEligibilityScheduleId" if eligible else "roleAssignmentScheduleId": schedule,
        "scope": own["scope"],
        "roleDefinitionId": own["roleDefinitionId"],
        "principalId": own["principalId"],
        "principalType": own["principalType"],
        "status": "Provisioned",
        "startDateTime": instant(resource.created),
        "memberType": "Direct",
        "createdOn": instant(resource.created),
    }
    if own.get("endDateTime"):
        properties["endDateTime"] = own["endDateTime"]
    if not eligible:
        properties |= {"originRoleAssignmentId": resource.id, "assignmentType": "Assigned"}
    if own.get("condition"):
        properties |= {"condition": own["condition"], "conditionVersion": own.get("conditionVersion", "2.0")}
    return {
        "properties": properties,
        "name": resource.name,
        "id": f"{own['scope'].rstrip('/')}/providers/{type_}/{resource.name}",
        "type": type_,
    }


def _eligible(query: Query) -> Sequence[Json]:
    return [_instance(query.tenant, each, ELIGIBLE) for each in _reading(query, ELIGIBLE)]


def _active(query: Query) -> Sequence[Json]:
    return [_instance(query.tenant, each, ACTIVE) for each in _reading(query, ASSIGNMENTS)]


def _lock(tenant: Tenant, resource: Resource, view: View) -> Json:
    properties = {"level": resource.properties["level"], "notes": resource.properties.get("notes", "")}
    return {"properties": properties, "id": resource.id, "type": LOCKS, "name": resource.name}


def _locks(query: Query) -> Sequence[Resource]:
    """At the scope, above and below it, as the locks API lists them for a subscription or a resource."""
    return _reading(query, LOCKS)


def _write_lock(write: Write) -> None:
    if write.resource.properties.get("level") not in ("CanNotDelete", "ReadOnly"):
        raise errors.bad_request("InvalidLockLevel", "The lock level must be CanNotDelete or ReadOnly.")


def _no_lock(path: ArmPath) -> ArmError:
    return ArmError(404, "LockNotFound", f"The lock '{path.names[-1]}' could not be found.")


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
            ASSIGNMENTS,
            VERSIONS,
            _show_assignment,
            methods=NO_PATCH,
            write=_write_assignment,
            extension=True,
            listed=lambda query: _reading(query, ASSIGNMENTS),
            missing=_no_assignment,
            erase_body=True,
            paging=Paging(20, "$skipToken"),
        ),
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
        Kind(
            DENIALS,
            VERSIONS,
            _show_denial,
            methods=GET_ONLY,
            extension=True,
            listed=lambda query: _reading(query, DENIALS),
        ),
        Kind(ELIGIBLE, SCHEDULES, items=_eligible, methods=GET_ONLY, extension=True),
        Kind(ACTIVE, SCHEDULES, items=_active, methods=GET_ONLY, extension=True, paging=Paging(20, "$skipToken")),
        Kind(
            LOCKS,
            ("2015-01-01", "2016-09-01", "2020-05-01"),
            _lock,
            methods=NO_PATCH,
            write=_write_lock,
            extension=True,
            listed=_locks,
            missing=_no_lock,
        ),
        Kind("Microsoft.Authorization/permissions", VERSIONS, items=_permissions, methods=GET_ONLY, extension=True),
    ]
)
