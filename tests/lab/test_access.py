"""Who may do what in the lab: roles through scopes and groups, deny assignments, conditions, and the activity log."""

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.authorization import AuthorizationManagementClient

from aoai_lib.lab.rbac import decide, grants
from aoai_lib.lab.seed import tenant_of
from aoai_lib.lab.world import load_worlds

ACCOUNTS = "Microsoft.CognitiveServices/accounts"
OPS = "/subscriptions/4b8f2c93-15de-4a6f-b2c4-6d7e8f901204"
RESEARCH = "/subscriptions/8a1c3e57-26ef-4b70-93d5-7e8f90123405"
CLAIMS = (
    "/subscriptions/7d1f8c52-64ab-4b3e-8f05-91c2d3e4a502/resourceGroups/rg-ai-prod/providers/"
    "Microsoft.CognitiveServices/accounts/aoai-halden-claims"
)


def allowed(world, who, action, scope, **options):
    tenant = tenant_of(load_worlds([world])[0], "https://localhost")
    return decide(tenant, tenant.world.principal(who).id, action, scope, **options).allowed


def test_a_reader_is_refused_in_the_services_words(visit):
    answer = visit("hardened", "assessor").send("PUT", f"{CLAIMS}/raiPolicies/x", json={"properties": {}})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (403, "AuthorizationFailed")
    assert error["message"] == (
        "The client '0a51c7e2-5d0e-4b7a-8a10-6f3f0c9d1f01' with object id '0a51c7e2-5d0e-4b7a-8a10-6f3f0c9d1e01' does"
        " not have authorization to perform action 'Microsoft.CognitiveServices/accounts/raiPolicies/write' over scope"
        f" '{CLAIMS}/raiPolicies/x' or the scope is invalid. If access was recently granted, please refresh your"
        " credentials."
    )


@pytest.mark.parametrize(
    ("who", "action", "scope", "expected"),
    [
        ("assessor", f"{ACCOUNTS}/read", f"{OPS}/resourceGroups/rg-support", True),
        ("assessor", "Microsoft.Authorization/roleEligibilityScheduleInstances/read", OPS, False),
        ("yuki.mori@mixed.example", f"{ACCOUNTS}/delete", f"{OPS}/resourceGroups/rg-support", True),
        ("dario.conti@mixed.example", f"{ACCOUNTS}/write", f"{OPS}/resourceGroups/rg-support", False),
        ("id-support-bot", f"{ACCOUNTS}/deployments/write", f"{OPS}/resourceGroups/rg-support", False),
    ],
)
def test_roles_reach_down_scopes_and_through_groups(who, action, scope, expected):
    assert allowed("mixed", who, action, scope) is expected


def test_a_condition_lets_through_only_the_roles_that_it_lists():
    who, action = "dario.conti@mixed.example", "Microsoft.Authorization/roleAssignments/write"
    path = "/providers/Microsoft.Authorization/roleDefinitions/"
    assert allowed("mixed", who, action, RESEARCH, role=path + "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd")
    assert not allowed("mixed", who, action, RESEARCH, role=path + "8e3af657-a8ff-443c-a75c-2fe8c4bcb635")


def test_a_deny_assignment_beats_a_role_but_spares_whom_it_excludes():
    assert allowed("hardened", "operator", f"{ACCOUNTS}/listKeys/action", CLAIMS)
    tenant = tenant_of(load_worlds(["hardened"])[0], "https://localhost")
    deny = next(tenant.of_type("Microsoft.Authorization/denyAssignments"))
    deny.properties["excludePrincipals"] = []
    decision = decide(tenant, tenant.world.principal("operator").id, f"{ACCOUNTS}/listKeys/action", CLAIMS)
    assert (decision.allowed, decision.denial) == (False, deny)


def test_wildcards_and_exceptions():
    permission = {"actions": ["Microsoft.CognitiveServices/*"], "notActions": ["*/delete"]}
    assert grants(permission, "microsoft.cognitiveservices/ACCOUNTS/write", data=False)
    assert not grants(permission, "Microsoft.CognitiveServices/accounts/delete", data=False)
    assert not grants(permission, "Microsoft.CognitiveServices/accounts/OpenAI/x", data=True)


def test_an_assignment_is_written_once_read_back_and_works(visit):
    guest = visit("exposed")
    client = guest.client(AuthorizationManagementClient)
    scope = f"/subscriptions/{guest.subscription}/resourceGroups/rg-shop"
    world = guest.lab.state("exposed").world
    role = f"/subscriptions/{guest.subscription}/providers/Microsoft.Authorization/roleDefinitions/"
    body = {
        "properties": {
            "roleDefinitionId": role + "acdd72a7-3385-48ef-bd42-f606fba81ae7",
            "principalId": world.principal("id-shop-backend").id,
        }
    }
    made = client.role_assignments.create(scope, "c0ffee00-0000-4000-8000-000000000001", body)
    assert (made.scope, made.principal_type) == (scope, "ServicePrincipal")
    with pytest.raises(HttpResponseError) as again:
        client.role_assignments.create(scope, "c0ffee00-0000-4000-8000-000000000002", body)
    assert (again.value.status_code, again.value.error.code) == (409, "RoleAssignmentExists")
    mine = client.role_assignments.list_for_scope(scope, filter=f"principalId eq '{made.principal_id}'")
    assert made.id in {each.id for each in mine}
    assert client.role_assignments.delete(scope, made.name).id == made.id


def test_a_list_at_scope_leaves_out_what_lies_below(visit):
    client = visit("hardened", "assessor").client(AuthorizationManagementClient)
    scope = "/subscriptions/7d1f8c52-64ab-4b3e-8f05-91c2d3e4a502"
    everything = list(client.role_assignments.list_for_scope(scope))
    at_scope = list(client.role_assignments.list_for_scope(scope, filter="atScope()"))
    assert len(everything) == 8
    assert {each.scope for each in at_scope} == {scope, "/providers/Microsoft.Management/managementGroups/mg-halden"}


def test_eligibility_is_listed_and_its_refusal_is_a_403(visit):
    eligible = visit("hardened", "assessor").client(AuthorizationManagementClient)
    scope = "/subscriptions/7d1f8c52-64ab-4b3e-8f05-91c2d3e4a502"
    found = list(eligible.role_eligibility_schedule_instances.list_for_scope(scope))
    assert [each.principal_type for each in found] == ["Group"]
    refused = visit("mixed", "assessor").client(AuthorizationManagementClient)
    with pytest.raises(HttpResponseError) as caught:
        list(refused.role_eligibility_schedule_instances.list_for_scope(OPS))
    assert caught.value.status_code == 403


def test_writes_and_refusals_are_in_the_activity_log(visit):
    guest = visit("hardened")
    begun = guest.send("PATCH", CLAIMS, json={"tags": {"owner": "claims-it"}})
    guest.send("DELETE", CLAIMS)
    for _ in range(2):
        guest.send("GET", begun.headers["azure-asyncoperation"])
    path = f"/subscriptions/{guest.subscription}/providers/Microsoft.Insights/eventtypes/management/values"
    within = {"$filter": "eventTimestamp ge '2026-11-23T08:00:00Z'"}
    events = guest.send("GET", path, "2015-04-01", params=within).json()["value"]
    told = [(each["operationName"]["value"], each["status"]["value"], each["subStatus"]["value"]) for each in events]
    assert told == [
        (f"{ACCOUNTS}/write", "Succeeded", "OK"),
        (f"{ACCOUNTS}/delete", "Failed", "Conflict"),
        (f"{ACCOUNTS}/delete", "Started", ""),
        (f"{ACCOUNTS}/write", "Accepted", "OK"),
        (f"{ACCOUNTS}/write", "Started", ""),
    ]


def test_the_activity_log_wants_a_start(visit):
    guest = visit("hardened")
    path = f"/subscriptions/{guest.subscription}/providers/Microsoft.Insights/eventtypes/management/values"
    assert guest.send("GET", path, "2015-04-01").status_code == 400
