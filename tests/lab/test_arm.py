"""Resource Manager in the lab, through the SDKs where they reach: reads, pages, writes, operations, refusals."""

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.authorization import AuthorizationManagementClient

HALDEN = "/subscriptions/7d1f8c52-64ab-4b3e-8f05-91c2d3e4a502"
GROUP = f"{HALDEN}/resourceGroups/rg-ai-prod"
CLAIMS = f"{GROUP}/providers/Microsoft.CognitiveServices/accounts/aoai-halden-claims"


def error_of(answer):
    return answer.status_code, answer.json()["error"]["code"]


def test_the_sdk_reads_accounts_deployments_and_policies(visit):
    accounts = visit("hardened", "assessor").accounts
    assert sorted(each.name for each in accounts.accounts.list()) == ["ais-halden-knowledge", "aoai-halden-claims"]
    claims = accounts.accounts.get("rg-ai-prod", "aoai-halden-claims")
    assert (claims.properties.public_network_access, claims.properties.disable_local_auth) == ("Disabled", True)
    assert [
        each.properties.rai_policy_name for each in accounts.deployments.list("rg-ai-prod", "aoai-halden-claims")
    ] == [
        "halden-strict",
        "halden-strict",
    ]


def test_blocklist_items_come_in_pages_and_end_with_an_empty_link(visit):
    guest = visit("hardened", "assessor")
    first = guest.send("GET", f"{CLAIMS}/raiBlocklists/code-names/raiBlocklistItems").json()
    assert len(first["value"]) == 3
    assert first["nextLink"].startswith(guest.lab.url)
    items = guest.accounts.rai_blocklist_items.list("rg-ai-prod", "aoai-halden-claims", "code-names")
    assert len(list(items)) == 4
    last = guest.session.get(first["nextLink"], headers={"Authorization": f"Bearer {guest.token()}"}, timeout=10)
    assert last.json()["nextLink"] == ""


def test_role_definitions_page_through_the_sdk(visit):
    guest = visit("hardened", "assessor")
    client = guest.client(AuthorizationManagementClient)
    names = [each.role_name for each in client.role_definitions.list(HALDEN)]
    assert {"Owner", "Cognitive Services OpenAI User", "Halden model deployer"} <= set(names)
    assert len(names) > 20


def test_names_are_compared_without_case(visit):
    answer = visit("hardened", "assessor").send("GET", CLAIMS.upper().replace("/SUBSCRIPTIONS", "/subscriptions"))
    assert answer.json()["name"] == "aoai-halden-claims"


@pytest.mark.parametrize(
    ("path", "version", "expected"),
    [
        (CLAIMS, "", (400, "MissingApiVersionParameter")),
        (CLAIMS, "1999-01-01", (400, "NoRegisteredProviderFound")),
        (f"{GROUP}/providers/Microsoft.CognitiveServices/teapots/x", "2025-09-01", (404, "InvalidResourceType")),
        (f"{GROUP}/providers/Microsoft.Nowhere/things/x", "2025-09-01", (404, "InvalidResourceNamespace")),
        (f"{GROUP}-no/providers/Microsoft.CognitiveServices/accounts/x", "2025-09-01", (404, "ResourceGroupNotFound")),
        (f"{GROUP}/providers/Microsoft.CognitiveServices/accounts/no", "2025-09-01", (404, "ResourceNotFound")),
        (f"{CLAIMS}-no/deployments/chat", "2025-09-01", (404, "ResourceNotFound")),
        (f"{CLAIMS}/deployments/no", "2025-09-01", (404, "NotFound")),
        (f"{CLAIMS}/raiPolicies/Microsoft.DefaultV2", "2025-09-01", (404, "NotFound")),
        ("/subscriptions/11111111-2222-4333-8444-555555555555", "2022-12-01", (404, "SubscriptionNotFound")),
    ],
)
def test_what_is_not_there_answers_as_azure_does(visit, path, version, expected):
    answer = visit("hardened", "operator").send("GET", path, version)
    assert error_of(answer) == expected


def test_a_child_of_nothing_cannot_be_written(visit):
    answer = visit("hardened").send("PUT", f"{CLAIMS}-no/raiPolicies/x", json={"properties": {}})
    assert error_of(answer) == (404, "ParentResourceNotFound")


@pytest.mark.parametrize("body", [[], "text", {"properties": []}])
def test_a_body_that_is_no_resource_is_refused(visit, body):
    answer = visit("hardened").send("PUT", f"{CLAIMS}/raiBlocklists/x", json=body)
    assert error_of(answer) == (400, "InvalidRequestContent")


def test_a_computed_list_takes_no_writes(visit):
    answer = visit("hardened").send("PUT", f"{CLAIMS}/privateLinkResources/account", json={})
    assert (answer.status_code, answer.json()["Message"]) == (
        405,
        "The requested resource does not support http method 'PUT'.",
    )


def test_every_answer_bears_the_worlds_clock_and_the_gateways_headers(visit):
    answer = visit("hardened", "assessor").send("GET", CLAIMS)
    assert answer.headers["date"] == "Mon, 23 Nov 2026 09:00:00 GMT"
    assert answer.headers["x-ms-ratelimit-remaining-subscription-reads"] == "1099"
    assert answer.headers["x-ms-operation-identifier"].startswith(
        "tenantId=5b0e2a14-3c77-4f0e-9d61-2a8c4e6f1b01,objectId="
    )


def test_an_account_is_created_updated_and_deleted_by_the_sdks_pollers(visit):
    guest = visit("exposed", polls=2)
    body = {
        "location": "eastus",
        "kind": "OpenAI",
        "sku": {"name": "S0"},
        "properties": {"customSubDomainName": "brightcart-new"},
    }
    made = guest.accounts.accounts.begin_create("rg-shop", "aoai-new", body).result()
    assert (made.properties.provisioning_state, made.properties.endpoint) == (
        "Succeeded",
        f"{guest.lab.url}/brightcart-new/",
    )
    changed = guest.accounts.accounts.begin_update(
        "rg-shop", "aoai-new", {"properties": {"disableLocalAuth": True}}
    ).result()
    assert (changed.properties.disable_local_auth, changed.properties.custom_sub_domain_name) == (
        True,
        "brightcart-new",
    )
    guest.accounts.accounts.begin_delete("rg-shop", "aoai-new").result()
    with pytest.raises(ResourceNotFoundError):
        guest.accounts.accounts.get("rg-shop", "aoai-new")
    polled = [each for each in guest.lab.requests if "/operationResults/" in each.path]
    assert len(polled) >= 4


def test_a_resource_says_that_it_is_being_changed_until_the_operation_is_done(visit):
    guest = visit("exposed", polls=2)
    path = f"/subscriptions/{guest.subscription}/resourceGroups/rg-shop/providers/Microsoft.CognitiveServices/accounts/"
    path += "aoai-brightcart-shop"
    begun = guest.send("PATCH", path, json={"properties": {"disableLocalAuth": True}})
    assert begun.json()["properties"]["provisioningState"] == "Accepted"
    assert (
        "/providers/Microsoft.CognitiveServices/locations/eastus/operationResults/"
        in begun.headers["azure-asyncoperation"]
    )
    states = [guest.send("GET", path).json()["properties"]["provisioningState"] for _ in range(3)]
    assert states == ["Accepted", "Accepted", "Succeeded"]


def test_patch_merges_objects_and_replaces_lists(visit):
    guest = visit("exposed")
    path = f"/subscriptions/{guest.subscription}/resourceGroups/rg-shop/providers/Microsoft.CognitiveServices/accounts/"
    path += "aoai-brightcart-shop"
    guest.send("PATCH", path, json={"properties": {"networkAcls": {"ipRules": [{"value": "192.0.2.1"}]}}})
    found = guest.send("GET", path).json()["properties"]["networkAcls"]
    assert (found["ipRules"], found["bypass"]) == ([{"value": "192.0.2.1"}], "AzureServices")


def test_a_custom_subdomain_cannot_be_changed(visit):
    guest = visit("exposed")
    with pytest.raises(HttpResponseError) as caught:
        guest.accounts.accounts.begin_update(
            "rg-shop", "aoai-brightcart-shop", {"properties": {"customSubDomainName": "other"}}
        )
    assert caught.value.status_code == 400


def test_a_lock_refuses_deletion_of_the_account_and_of_what_is_in_it(visit):
    guest = visit("hardened")
    assert error_of(guest.send("DELETE", CLAIMS)) == (409, "ScopeLocked")
    assert error_of(guest.send("DELETE", f"{CLAIMS}/deployments/chat")) == (409, "ScopeLocked")
    assert error_of(guest.send("DELETE", GROUP, "2022-12-01")) == (409, "ScopeLocked")
    changed = guest.send("PATCH", CLAIMS, json={"tags": {"owner": "nobody"}})
    assert changed.status_code == 200


def test_deployments_are_checked_against_models_and_policies(visit):
    guest = visit("exposed")
    base = f"/subscriptions/{guest.subscription}/resourceGroups/rg-shop/providers/Microsoft.CognitiveServices/accounts/"
    base += "aoai-brightcart-shop/deployments"

    def put(name, model, policy="relaxed"):
        body = {"sku": {"name": "Standard", "capacity": 1}, "properties": {"model": model, "raiPolicyName": policy}}
        return guest.send("PUT", f"{base}/{name}", json=body)

    assert error_of(put("a", {"name": "gpt-9", "version": "1"})) == (400, "DeploymentModelNotSupported")
    assert error_of(put("b", {"name": "gpt-4o", "version": "2024-11-20"})) == (400, "ServiceModelDeprecated")
    live = {"format": "OpenAI", "name": "gpt-5.1", "version": "2025-11-13"}
    assert error_of(put("c", live, "nowhere")) == (400, "InvalidResourceProperties")
    made = put("d", live)
    assert (made.status_code, guest.send("GET", f"{base}/d").json()["properties"]["model"]["name"]) == (201, "gpt-5.1")
    kept = put("gpt-4o", {"format": "OpenAI", "name": "gpt-4o", "version": "2024-11-20"})
    assert kept.status_code == 200


def test_keys_are_listed_made_anew_and_work_once_regenerated(visit):
    accounts = visit("exposed").accounts
    before = accounts.accounts.list_keys("rg-shop", "aoai-brightcart-shop")
    after = accounts.accounts.regenerate_key("rg-shop", "aoai-brightcart-shop", "Key1")
    assert (after.key1 != before.key1, after.key2 == before.key2) == (True, True)
