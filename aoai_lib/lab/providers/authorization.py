"""Microsoft.Authorization: role assignments, deny assignments, eligibility (PIM), locks."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aoai_lib.lab import errors, rbac
from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.kinds import GET_ONLY, NO_PATCH, Kind, Paging, Query, View, Write, declare
from aoai_lib.lab.paths import ArmPath, name_of, subscription_of
from aoai_lib.lab.providers.roles import EQUALS, VERSIONS, definition_missing
from aoai_lib.lab.rbac import ASSIGNMENTS, DEFINITIONS, DENIALS
from aoai_lib.lab.shapes import Json, identifier, instant
from aoai_lib.lab.store import Resource, Tenant

ELIGIBLE = "Microsoft.Authorization/roleEligibilityScheduleInstances"
ACTIVE = "Microsoft.Authorization/roleAssignmentScheduleInstances"
LOCKS = "Microsoft.Authorization/locks"
SCHEDULES = ("2020-10-01", "2020-10-01-preview", "2024-09-01-preview")
NOBODY = "00000000-0000-0000-0000-000000000000"

_ASSIGNED_TO = re.compile(r"(assignedTo|asTarget)\(\s*'?([^')]*)'?\s*\)", re.IGNORECASE)


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
    """A world's ``{scope, role, principal}`` as properties. ``principal`` may be the bare id of somebody deleted;
    ``assignmentType: Activated`` with an ``endDateTime`` is an eligible role that was switched on for hours."""
    guid = role_guid(tenant, entry["role"])
    scope = entry["scope"]
    subscription = subscription_of(scope) or tenant.world.subscriptions[0]["subscriptionId"]
    known = next((each for each in tenant.world.principals if entry["principal"] in (each.name, each.id)), None)
    found = {
        "roleDefinitionId": f"/subscriptions/{subscription}/providers/{DEFINITIONS}/{guid}",
        "principalId": known.id if known else entry["principal"],
        "principalType": known.kind if known else entry.get("principalType", "Unknown"),
        "scope": scope,
    }
    extra = ("condition", "conditionVersion", "description", "endDateTime", "assignmentType")
    return found | {key: entry[key] for key in extra if key in entry}


def role_guid(tenant: Tenant, name: str) -> str:
    """The GUID of a role by its name or GUID. Raises KeyError."""
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
    for name, value in EQUALS.findall(text):
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
        raise definition_missing(guid)
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
        properties |= {"originRoleAssignmentId": resource.id, "assignmentType": own.get("assignmentType", "Assigned")}
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
    ]
)
