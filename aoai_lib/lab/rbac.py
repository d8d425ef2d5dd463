"""Azure role-based access control, evaluated as the service does: role assignments at and above a scope, through
groups, actions less notActions with wildcards, and deny assignments over everything.

Conditions on assignments are evaluated in the one form that the lab's worlds use (constrained role assignment); an
assignment with any other condition grants nothing, which is the safe side.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

from aoai_lib.lab.errors import ArmError, denied, not_authorized
from aoai_lib.lab.kinds import Caller
from aoai_lib.lab.paths import name_of
from aoai_lib.lab.shapes import Json
from aoai_lib.lab.store import Resource, Tenant
from aoai_lib.lab.world import catalog

ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"
DEFINITIONS = "Microsoft.Authorization/roleDefinitions"
DENIALS = "Microsoft.Authorization/denyAssignments"

_CONDITIONED = re.compile(r"ActionMatches\s*\{'([^']+)'\}", re.IGNORECASE)
_ROLE_IDS = re.compile(r"@Request\[[^\]]*:RoleDefinitionId\]\s*(\w+):GuidEquals\s*\{([^}]*)\}", re.IGNORECASE)


@dataclass(frozen=True)
class Decision:
    """Whether an action is allowed, and the deny assignment that says no to what a role would allow."""

    allowed: bool
    denial: Resource | None = None


@cache
def built_in_roles() -> dict[str, Json]:
    """The built-in role definitions by GUID: ``roleName``, ``description``, ``permissions``."""
    return {entry["id"]: entry for entry in catalog("roles")}


def permissions_of(tenant: Tenant, role_definition_id: str) -> list[Json]:
    """The permission blocks of a role, built-in or custom; none when the definition is not there."""
    guid = name_of(role_definition_id).lower()
    if guid in built_in_roles():
        return list(built_in_roles()[guid]["permissions"])
    for custom in tenant.of_type(DEFINITIONS):
        if custom.name.lower() == guid:
            return list(custom.properties["permissions"])
    return []


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("^" + ".*".join(re.escape(part) for part in text.split("*")) + "$", re.IGNORECASE)


def _matches(patterns: Iterable[str] | None, action: str) -> bool:
    return any(_pattern(pattern).match(action) for pattern in patterns or ())


def grants(permission: Json, action: str, data: bool) -> bool:
    """Whether one permission block holds an action (or a data action)."""
    yes, no = ("dataActions", "notDataActions") if data else ("actions", "notActions")
    return _matches(permission.get(yes), action) and not _matches(permission.get(no), action)


def assignments_for(tenant: Tenant, object_id: str, scope: str) -> list[Resource]:
    """The role assignments at or above a scope that reach a principal, directly or through groups."""
    ids = tenant.memberships(object_id)
    return [
        each
        for level in tenant.lineage(scope)
        for each in tenant.extensions(level.rstrip("/"), ASSIGNMENTS)
        if each.properties["principalId"] in ids
    ]


def decide(tenant: Tenant, object_id: str, action: str, scope: str, *, data: bool = False, role: str = "") -> Decision:
    """Decide on an action over a scope. ``role`` is the role definition that a role assignment would give."""
    allowed = any(
        _condition_holds(assignment, action, role) and grants(permission, action, data)
        for assignment in assignments_for(tenant, object_id, scope)
        for permission in permissions_of(tenant, assignment.properties["roleDefinitionId"])
    )
    if not allowed:
        return Decision(False)
    denial = _denial(tenant, object_id, action, scope, data)
    return Decision(denial is None, denial)


def demand(tenant: Tenant, caller: Caller, action: str, scope: str, *, role: str = "") -> None:
    """Raise the service's 403 unless the caller may do the action over the scope."""
    decision = decide(tenant, caller.object_id, action, scope, role=role)
    if decision.allowed:
        return
    raise _refusal(decision, caller, action, scope)


def demand_linked(tenant: Tenant, caller: Caller | None, linked: str, scope: str, done: str, subject: str) -> None:
    """Raise 403 LinkedAuthorizationFailed unless who does ``done`` on ``subject`` may do ``linked`` on ``scope`` too."""
    if caller is not None and decide(tenant, caller.object_id, linked, scope).allowed:
        return
    client, who = (caller.client_id, caller.object_id) if caller else ("", "")
    message = (
        f"The client '{client}' with object id '{who}' has permission to perform action '{done}' on scope '{subject}';"
        f" however, it does not have permission to perform action(s) '{linked}' on the linked scope(s) '{scope}'"
        " (respectively) or the linked scope(s) are invalid."
    )
    raise ArmError(403, "LinkedAuthorizationFailed", message)


def _refusal(decision: Decision, caller: Caller, action: str, scope: str) -> ArmError:
    if decision.denial is None:
        return not_authorized(caller.client_id, caller.object_id, action, scope)
    name = str(decision.denial.properties["denyAssignmentName"])
    return denied(caller.client_id, caller.object_id, action, scope, name, decision.denial.name)


def _condition_holds(assignment: Resource, action: str, role: str) -> bool:
    condition = assignment.properties.get("condition")
    if not condition:
        return True
    conditioned = {name.lower() for name in _CONDITIONED.findall(condition)}
    if conditioned and action.lower() not in conditioned:
        return True
    match = _ROLE_IDS.search(condition)
    if not match or not role:
        return False
    listed = {guid.strip().lower() for guid in match[2].split(",")}
    inside = name_of(role).lower() in listed
    return not inside if "NotEquals" in condition or match[1].lower().endswith("notequals") else inside


def _denial(tenant: Tenant, object_id: str, action: str, scope: str, data: bool) -> Resource | None:
    ids = tenant.memberships(object_id)
    levels = tenant.lineage(scope)
    for level in levels:
        for deny in tenant.extensions(level.rstrip("/"), DENIALS):
            properties = deny.properties
            if level != levels[-1] and properties.get("doNotApplyToChildScopes"):
                continue
            everyone = {"00000000-0000-0000-0000-000000000000"}
            named = {entry["id"] for entry in properties.get("principals") or ()}
            spared = {entry["id"] for entry in properties.get("excludePrincipals") or ()}
            hit = bool(named & (ids | everyone)) and not spared & ids
            if hit and any(grants(permission, action, data) for permission in properties["permissions"]):
                return deny
    return None


def reachable_subscriptions(tenant: Tenant, caller: Caller) -> list[Json]:
    """The subscriptions that a caller sees: any role at, above or below is enough, as in ``GET /subscriptions``."""
    ids = tenant.memberships(caller.object_id)
    mine = [each for each in tenant.of_type(ASSIGNMENTS) if each.properties["principalId"] in ids]
    scopes = {str(each.properties["scope"]).lower().rstrip("/") for each in mine}
    found = []
    for subscription in tenant.world.subscriptions:
        address = f"/subscriptions/{subscription['subscriptionId']}".lower()
        above = {level.rstrip("/") for level in tenant.lineage(address)}
        if scopes & above or any(scope.startswith(address + "/") for scope in scopes):
            found.append(subscription)
    return found
