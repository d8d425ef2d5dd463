"""Diagnostic settings in the lab, and the rows that arrive because of them."""

import pytest
from azure.monitor.query import LogsQueryClient

SHOP = "/subscriptions/2e9a6b71-04cd-4f8e-a1b3-5c6d7e8f9003"
ACCOUNT = f"{SHOP}/resourceGroups/rg-shop/providers/Microsoft.CognitiveServices/accounts/aoai-brightcart-shop"
WORKSPACE = f"{SHOP}/resourceGroups/rg-net/providers/Microsoft.OperationalInsights/workspaces/log-brightcart"
GUID = "9d8c7b6a-5f4e-4d3c-8b2a-1f0e9d8c7b02"
SETTINGS = "providers/Microsoft.Insights/diagnosticSettings"
VERSION = "2021-05-01-preview"


def setting(*logs, **more):
    return {"properties": {"workspaceId": WORKSPACE, "logs": list(logs), **more}}


def everything():
    return setting({"categoryGroup": "allLogs", "enabled": True})


def count(guest, table, where):
    client = LogsQueryClient(guest.credential, endpoint=f"{guest.lab.url}/v1", audience="https://api.loganalytics.io")
    rows = client.query_workspace(GUID, f"{table} | where {where} | summarize n = count()", timespan=None)
    return rows.tables[0].rows[0][0]


def test_a_setting_is_shown_in_lower_case_with_the_categories_that_it_leaves_out(visit):
    guest = visit("exposed")
    path = f"{ACCOUNT}/{SETTINGS}/audit-to-archive"
    found = guest.send("GET", path, VERSION).json()
    assert found["id"] == f"{ACCOUNT.lower()}/providers/microsoft.insights/diagnosticSettings/audit-to-archive"
    assert {each["category"]: each["enabled"] for each in found["properties"]["logs"]} == {
        "Audit": True,
        "RequestResponse": False,
        "AzureOpenAIRequestUsage": False,
        "Trace": False,
        "ManagedNetworkEvent": False,
    }
    assert found["properties"]["metrics"][0]["enabled"] is False


def test_a_subscriptions_setting_has_no_leading_slash(visit):
    guest = visit("hardened", "assessor")
    base = f"/subscriptions/{guest.subscription}"
    found = guest.send("GET", f"{base}/{SETTINGS}", VERSION).json()["value"]
    assert found[0]["id"].startswith("subscriptions/")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (setting({"categoryGroup": "allLogs", "enabled": True}, {"category": "Audit", "enabled": True}), "BadRequest"),
        (setting({"category": "Prompts", "enabled": True}), "BadRequest"),
        ({"properties": {"logs": [{"category": "Audit", "enabled": True}]}}, "BadRequest"),
    ],
)
def test_a_setting_that_azure_refuses_is_refused(visit, body, code):
    answer = visit("exposed").send("PUT", f"{ACCOUNT}/{SETTINGS}/x", VERSION, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


def test_a_missing_setting_answers_with_a_flat_error(visit):
    answer = visit("exposed").send("GET", f"{ACCOUNT}/{SETTINGS}/no", VERSION)
    assert (answer.status_code, answer.json()["code"]) == (404, "ResourceNotFound")


def test_a_key_read_reaches_the_workspace_only_once_a_setting_sends_it(visit):
    guest = visit("exposed")
    reads = 'Category == "Audit" and OperationName == "ListKey"'
    guest.accounts.accounts.list_keys("rg-shop", "aoai-brightcart-shop")
    assert count(guest, "AzureDiagnostics", reads) == 0
    assert guest.send("PUT", f"{ACCOUNT}/{SETTINGS}/all", VERSION, json=everything()).status_code == 200
    guest.accounts.accounts.list_keys("rg-shop", "aoai-brightcart-shop")
    assert count(guest, "AzureDiagnostics", reads) == 1
    guest.send("DELETE", f"{ACCOUNT}/{SETTINGS}/all", VERSION)
    guest.accounts.accounts.list_keys("rg-shop", "aoai-brightcart-shop")
    assert count(guest, "AzureDiagnostics", reads) == 1


def test_the_activity_log_is_exported_once_the_subscription_says_so(visit):
    guest = visit("exposed")
    writes = 'OperationNameValue =~ "Microsoft.CognitiveServices/accounts/write"'
    guest.send("PATCH", ACCOUNT, json={"tags": {"a": "b"}})
    assert count(guest, "AzureActivity", writes) == 0
    body = setting({"category": "Administrative", "enabled": True})
    guest.send("PUT", f"{SHOP}/{SETTINGS}/export", VERSION, json=body)
    guest.send("PATCH", ACCOUNT, json={"tags": {"a": "c"}})
    assert count(guest, "AzureActivity", writes) == 2


def test_a_workspace_out_of_reach_is_refused(visit):
    guest = visit("mixed", "assessor")
    answer = guest.send(
        "POST",
        "/v1/workspaces/7a8b9c0d-1e2f-4031-8243-5465768798a4/query",
        json={"query": "AzureActivity | take 1"},
        headers={"Authorization": f"Bearer {guest.token('https://api.loganalytics.io')}"},
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "InsufficientAccessError")


def test_retention_of_a_table_is_changed_and_read_back(visit):
    guest = visit("exposed")
    body = {"properties": {"retentionInDays": 400, "totalRetentionInDays": 730}}
    guest.send("PATCH", f"{WORKSPACE}/tables/AzureDiagnostics", "2025-07-01", json=body)
    found = guest.send("GET", f"{WORKSPACE}/tables/AzureDiagnostics", "2025-07-01").json()["properties"]
    assert (found["retentionInDays"], found["archiveRetentionInDays"], found["retentionInDaysAsDefault"]) == (
        400,
        330,
        False,
    )
    other = guest.send("GET", f"{WORKSPACE}/tables/AzureActivity", "2025-07-01").json()["properties"]
    assert other["retentionInDays"] == 90


@pytest.mark.parametrize(
    ("query", "more", "status"),
    [
        ("AzureDiagnostics | where Category == 'Audit'", {}, 201),
        ("Nowhere | take 1", {}, 400),
        ("AzureDiagnostics | where", {}, 400),
        ("AzureDiagnostics | where NoColumn == 1", {}, 400),
        ("Nowhere | take 1", {"skipQueryValidation": True}, 201),
    ],
    ids=["runs", "missing-table", "half", "missing-column", "not-asked-for"],
)
def test_a_log_rule_is_taken_when_its_query_runs(visit, query, more, status):
    guest = visit("exposed", "operator")
    path = f"{WORKSPACE.partition('/providers/')[0]}/providers/Microsoft.Insights/scheduledQueryRules/own"
    condition = {"query": query, "timeAggregation": "Count", "operator": "GreaterThan", "threshold": 0}
    properties = {"scopes": [WORKSPACE], "criteria": {"allOf": [condition]}, "enabled": True, **more}
    answer = guest.send("PUT", path, "2023-12-01", json={"location": "eastus", "properties": properties})
    assert answer.status_code == status, answer.text
    assert guest.send("GET", path, "2023-12-01").status_code == (200 if status == 201 else 404)


def test_a_table_that_no_row_has_made_is_not_there(visit):
    guest = visit("exposed")
    workspace = WORKSPACE.replace("log-brightcart", "log-own")
    body = {"location": "eastus", "properties": {"sku": {"name": "PerGB2018"}, "retentionInDays": 30}}
    assert guest.send("PUT", workspace, "2025-07-01", json=body).status_code in (200, 201)
    assert guest.send("GET", f"{workspace}/tables/AzureActivity", "2025-07-01").status_code == 200
    assert guest.send("GET", f"{workspace}/tables/AzureDiagnostics", "2025-07-01").status_code == 404
