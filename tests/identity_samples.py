"""What Resource Manager answers about access, in its own shape; a test says only what differs."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from builders import SUBSCRIPTION, account, reading, snapshot

from aoai_lib.assess import judge
from aoai_lib.controls import catalogue
from aoai_lib.model import Finding, Reading, Snapshot, State

OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
USER_ACCESS_ADMINISTRATOR = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
RBAC_ADMINISTRATOR = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"
OPENAI_USER = "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd"
OPENAI_CONTRIBUTOR = "a001fd3d-188f-4b5d-821b-7da978bf7442"
COGNITIVE_SERVICES_CONTRIBUTOR = "25fbc0a9-bd7c-42a3-aa1a-3b75d497ee68"
COGNITIVE_SERVICES_USER = "a97b65f3-24c7-4388-baec-2e87135dc908"
MONITORING_CONTRIBUTOR = "749f88d5-cbae-40b8-bcfc-e573ddc772fa"
CUSTOM = "cccccccc-0000-4000-8000-00000000000c"

ALICE = "aaaaaaaa-0000-4000-8000-00000000000a"
BOB = "bbbbbbbb-0000-4000-8000-00000000000b"
WORKLOAD = "dddddddd-0000-4000-8000-00000000000d"
SUB = f"/subscriptions/{SUBSCRIPTION}"
AUTHORIZATION = "providers/Microsoft.Authorization"
CONDITION = (
    "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR "
    "(@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals "
    "{53ca6127-db72-4b80-b1b0-d745d6d5456d})) AND "
    "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/delete'})) OR "
    "(@Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals "
    "{53ca6127-db72-4b80-b1b0-d745d6d5456d}))"
)
"""Lets its holder assign and remove Foundry User (53ca6127-…) alone, as the Foundry roles do."""


@cache
def built_in() -> tuple[dict[str, Any], ...]:
    """The lab's built-in role definitions, as a subscription's list shows them."""
    roles = yaml.safe_load(files("aoai_lib.lab").joinpath("catalog/roles.yaml").read_text(encoding="utf-8"))
    return tuple(definition(each["id"], each["roleName"], *each["permissions"], type="BuiltInRole") for each in roles)


def definition(guid: str, name: str, *permissions: dict[str, Any], type: str = "CustomRole") -> dict[str, Any]:  # noqa: A002
    """A role definition that may be assigned in the subscription."""
    scopes = ["/"] if type == "BuiltInRole" else [SUB]
    own = {"roleName": name, "type": type, "assignableScopes": scopes, "permissions": list(permissions)}
    return {"id": f"{SUB}/{AUTHORIZATION}/roleDefinitions/{guid}", "name": guid, "properties": own}


def custom(**block: list[str]) -> dict[str, Any]:
    """A custom role of one permission block."""
    return definition(CUSTOM, "Custom", block)


def assignment(role: str, principal: str = ALICE, kind: str | None = "User", scope: str = SUB, **more: Any) -> Any:
    """A role assignment; `more` are further properties."""
    name = f"{principal[:8]}-{role[:8]}-{len(scope)}"
    own = {
        "roleDefinitionId": f"{SUB}/{AUTHORIZATION}/roleDefinitions/{role}",
        "principalId": principal,
        "principalType": kind,
        "scope": scope,
        "condition": None,
        **more,
    }
    return {"id": f"{scope.rstrip('/')}/{AUTHORIZATION}/roleAssignments/{name}", "name": name, "properties": own}


def schedule(made: dict[str, Any], assignment_type: str, ends: str | None, **more: Any) -> dict[str, Any]:
    """The schedule instance behind an assignment."""
    own = {
        **{name: made["properties"][name] for name in ("roleDefinitionId", "principalId", "principalType", "scope")},
        "assignmentType": assignment_type,
        "originRoleAssignmentId": made["id"],
        **({"endDateTime": ends} if ends else {}),
        **more,
    }
    return {"id": made["id"].replace("roleAssignments", "roleAssignmentScheduleInstances"), "properties": own}


def deny(*actions: str, spared: dict[str, str] | None = None, scope: str = SUB, **more: Any) -> dict[str, Any]:
    """A deny assignment for everyone but the spared (id → type)."""
    own = {
        "denyAssignmentName": "Hands off",
        "permissions": [{"actions": list(actions), "notActions": [], "dataActions": [], "notDataActions": []}],
        "principals": [{"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}],
        "excludePrincipals": [{"id": each, "type": kind} for each, kind in (spared or {}).items()],
        "scope": scope,
        "doNotApplyToChildScopes": False,
        **more,
    }
    return {"id": f"{scope}/{AUTHORIZATION}/denyAssignments/d", "name": "d", "properties": own}


def tenant(
    *assignments: dict[str, Any],
    eligible: list[Any] | None = None,
    schedules: list[Any] | None = None,
    denials: list[Any] | None = None,
    delegations: list[Any] | None = None,
    classic: list[Any] | None = None,
    members: dict[str, list[Any] | None] | None = None,
    known: list[Any] | None = None,
    roles: list[Any] | None = None,
    unread: dict[str, Reading] | None = None,
    approved: list[str] | None = None,
    deployers: list[str] | None = None,
    state: State = State.COLLECTED,
    **properties: Any,
) -> Snapshot:
    """A snapshot of one account with this access. `unread` overrides readings by source; `state` is the assignments'.

    `members` are those of opened groups by group, None for one that answers 403; `known` the directory's objects of all
    principals, None where it was not asked.
    """
    found = {
        "role_assignments": reading("role_assignments", SUBSCRIPTION, list(assignments), state),
        "role_definitions": reading("role_definitions", SUBSCRIPTION, [*built_in(), *(roles or [])]),
        "deny_assignments": reading("deny_assignments", SUBSCRIPTION, denials or []),
        "role_eligibility": reading("role_eligibility", SUBSCRIPTION, eligible or []),
        "role_schedules": reading("role_schedules", SUBSCRIPTION, schedules or []),
        "delegations": reading("delegations", SUBSCRIPTION, delegations or []),
        "classic_administrators": reading("classic_administrators", SUBSCRIPTION, classic or []),
        **(unread or {}),
    }
    for group, people in (members or {}).items():
        found[group] = opened(group, people)
    if known is not None:
        given = [*assignments, *(eligible or [])]
        ids = ",".join(sorted({str(each["properties"]["principalId"]) for each in given}))
        found["directory_objects"] = reading("directory_objects", ids, known)
    asked = {"approved_admins": approved or [], "approved_deployers": deployers or []}
    return snapshot(*found.values(), requirements=asked, account={**account(), **properties})


def opened(group: str, people: list[Any] | None) -> Reading:
    """What Microsoft Graph answers about the members of a group; None stands for a 403."""
    if people is not None:
        return reading("group_members", group, people)
    reason = f"GET /v1.0/groups/{group}/transitiveMembers answered 403 Authorization_RequestDenied"
    needed = "Microsoft Graph's GroupMember.Read.All or Directory.Read.All"
    return reading("group_members", group, None, State.DENIED, reason=reason, permission=needed)


def person(id: str, kind: str = "user", name: str = "", **more: Any) -> dict[str, Any]:  # noqa: A002
    """An object of the directory."""
    own = {"@odata.type": f"#microsoft.graph.{kind}", "id": id, "displayName": name or None, **more}
    return own | ({"userPrincipalName": name} if kind == "user" and name else {})


def delegation(
    role: str, principal: str = BOB, scope: str = SUB, *, eligible: bool = False, **more: Any
) -> dict[str, Any]:
    """A subscription or group delegated to another tenant (Azure Lighthouse)."""
    granted = [{"principalId": principal, "principalIdDisplayName": "Night shift", "roleDefinitionId": role}]
    own = {
        "managedByTenantId": "77777777-0000-4000-8000-000000000077",
        "managedByTenantName": "Managed Things Inc.",
        "provisioningState": "Succeeded",
        "authorizations": [] if eligible else granted,
        "eligibleAuthorizations": granted if eligible else [],
        **more,
    }
    return {
        "id": f"{scope}/providers/Microsoft.ManagedServices/registrationAssignments/d",
        "name": "d",
        "properties": {"registrationDefinition": {"properties": own}},
    }


def refused(source: str, state: State = State.DENIED, reason: str = "GET it answered 403") -> dict[str, Reading]:
    """A source of the subscription that could not be read."""
    return {source: reading(source, SUBSCRIPTION, None, state, reason=reason, permission="the/permission")}


def finding(sample: Snapshot, control: str) -> Finding:
    """The one finding of a control."""
    (found,) = judge(sample, [each for each in catalogue() if each.id == control])
    return found


def verdict(sample: Snapshot, control: str) -> str:
    """Its status."""
    return finding(sample, control).status.value
