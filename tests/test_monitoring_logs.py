"""MON-01, MON-02, MON-03, MON-05 and MON-13 on the odd shapes that the service really answers with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders import ACCOUNT, GROUP, SUBSCRIPTION, reading, snapshot, workspace

from aoai_lib.assess import judge
from aoai_lib.controls import catalogue
from aoai_lib.model import Finding, Reading, State

WORKSPACE = f"/subscriptions/{SUBSCRIPTION}/resourcegroups/rg/providers/microsoft.operationalinsights/workspaces/logs"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "recorded" / "06_monitor"
CATEGORIES = ("Audit", "RequestResponse", "Trace", "AzureOpenAIRequestUsage", "ManagedNetworkEvent")


def setting(logs: Any, metrics: Any = (), **properties: Any) -> dict[str, Any]:
    """A diagnostic setting with the nulls that the service sends (recorded, 2021-05-01-preview)."""
    return {
        "id": f"{ACCOUNT.lower()}/providers/microsoft.insights/diagnosticSettings/all",
        "type": None,
        "name": "all",
        "location": None,
        "tags": None,
        "properties": {
            "storageAccountId": None,
            "serviceBusRuleId": None,
            "workspaceId": WORKSPACE,
            "eventHubName": None,
            "metrics": list(metrics),
            "logs": logs,
            "logAnalyticsDestinationType": None,
            **properties,
        },
        "identity": None,
    }


def log(category: str | None, enabled: bool = True, group: str | None = None) -> dict[str, Any]:
    return {
        "category": category,
        "categoryGroup": group,
        "enabled": enabled,
        "retentionPolicy": {"enabled": True, "days": 365},
    }


EVERY = [log(name) for name in CATEGORIES]
ALL_LOGS = [log(None, group="allLogs")]
METRICS = [{"category": "AllMetrics", "enabled": True, "retentionPolicy": {"enabled": False, "days": 0}}]


def verdict(id: str, *readings: Reading, requirements: Any = None, **values: Any) -> Finding:  # noqa: A002
    control = next(each for each in catalogue() if each.id == id)
    (found,) = judge(snapshot(workspace(WORKSPACE), *readings, requirements=requirements, **values), [control])
    return found


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        pytest.param([setting(EVERY)], "pass", id="each-category"),
        pytest.param([setting(ALL_LOGS)], "pass", id="category-null-and-group-allLogs"),
        pytest.param([setting([{"category": name, "enabled": True} for name in CATEGORIES])], "pass", id="old-api-no-group"),
        pytest.param([setting(EVERY[:2]), setting(EVERY[2:])], "pass", id="two-settings-one-workspace"),
        pytest.param([setting([log(None, group="audit")])], "fail", id="group-audit-only"),
        pytest.param([setting([log(name, enabled=False) for name in CATEGORIES])], "fail", id="all-disabled"),
        pytest.param([setting([*EVERY[:3], log("AzureOpenAIRequestUsage", enabled=False)])], "fail", id="guide-three-only"),
        pytest.param([setting(EVERY, workspaceId=None, storageAccountId="/x")], "fail", id="storage-only"),
        pytest.param([setting(EVERY, workspaceId="")], "fail", id="empty-workspace"),
        pytest.param([setting([], METRICS)], "fail", id="metrics-only"),
        pytest.param([setting(None)], "fail", id="logs-null"),
        pytest.param([], "fail", id="none"),
    ],
)  # fmt: skip
def test_logs_reach_a_workspace(settings: list[Any], status: str) -> None:
    assert verdict("MON-01", diagnostic_settings=settings).status == status


def test_logs_that_go_where_no_query_reaches_are_told() -> None:
    both = [
        setting(EVERY, workspaceId=None, storageAccountId="/x"),
        setting(EVERY, workspaceId=None, eventHubAuthorizationRuleId="/y"),
    ]
    own = verdict("MON-01", diagnostic_settings=both)
    assert own.status == "fail" and "an event hub and a storage account" in own.reason


def test_categories_spread_over_two_workspaces_are_seen_whole_by_no_query() -> None:
    other = setting(EVERY[2:], workspaceId=f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/other")
    there = workspace(other["properties"]["workspaceId"])
    found = verdict("MON-01", there, diagnostic_settings=[setting(EVERY[:2]), other])
    assert found.status == "fail"
    assert found.reason == "No single workspace receives all logs: “logs” lacks Trace, AzureOpenAIRequestUsage."


def test_a_deleted_workspace_receives_nothing() -> None:
    gone = reading("workspace", WORKSPACE, None, State.NOT_FOUND, code="ResourceNotFound")
    assert verdict("MON-01", gone, diagnostic_settings=[setting(ALL_LOGS)]).status == "fail"


def test_a_workspace_that_may_not_be_read_may_not_be_there() -> None:
    denied = reading("workspace", WORKSPACE, None, State.DENIED, reason="GET answered 403")
    found = verdict("MON-01", denied, diagnostic_settings=[setting(ALL_LOGS)])
    assert (found.status, "GET answered 403" in found.reason) == ("not_assessed", True)
    other = setting(ALL_LOGS, workspaceId=f"{WORKSPACE}-2")
    both = [setting(ALL_LOGS), other]
    assert verdict("MON-01", denied, workspace(f"{WORKSPACE}-2"), diagnostic_settings=both).status == "pass"


def test_a_list_of_settings_that_was_cut_off_proves_what_it_holds_and_nothing_else() -> None:
    def cut(logs: Any) -> Reading:
        return reading("diagnostic_settings", ACCOUNT, [setting(logs, METRICS)], State.PARTIAL)

    assert verdict("MON-01", cut(ALL_LOGS)).status == "pass"
    assert verdict("MON-01", cut(EVERY[:3])).status == "not_assessed"
    assert verdict("MON-02", cut([])).status == "pass"
    assert verdict("MON-02", reading("diagnostic_settings", ACCOUNT, [], State.PARTIAL)).status == "not_assessed"
    activity = reading("subscription_diagnostic_settings", SUBSCRIPTION, [], State.PARTIAL)
    assert verdict("MON-05", activity).status == "not_assessed"


def test_settings_that_were_denied_are_not_assessed_and_name_the_permission() -> None:
    denied = reading(
        "diagnostic_settings", ACCOUNT, None, State.DENIED, reason="GET x answered 403",
        permission="Microsoft.Insights/diagnosticSettings/read",
    )  # fmt: skip
    found = verdict("MON-01", denied)
    assert found.status == "not_assessed"
    assert "Microsoft.Insights/diagnosticSettings/read" in found.reason


@pytest.mark.parametrize(
    ("metrics", "status"),
    [
        (METRICS, "pass"),
        ([{"category": "allmetrics", "enabled": True}], "pass"),
        ([{"category": "AllMetrics", "enabled": False}], "fail"),
        ([], "fail"),
        (None, "fail"),
    ],
    ids=["on", "case", "listed-and-disabled", "empty", "null"],
)
def test_metrics_reach_a_workspace(metrics: Any, status: str) -> None:
    assert verdict("MON-02", diagnostic_settings=[setting(ALL_LOGS, metrics or [])]).status == status


def kept(table: Any, workspace: Any = None, activity: Any = None, state: State = State.COLLECTED) -> Finding:
    """MON-03 with a table's properties, the workspace's, and those of AzureActivity (None: not exported)."""
    readings = [
        reading(
            "diagnostics_table",
            WORKSPACE,
            {"name": "AzureDiagnostics", "properties": table},
            state,
            code="ResourceNotFound" if state is State.NOT_FOUND else "",
        ),
        reading("workspace", WORKSPACE, {"name": "logs", "properties": workspace or {}}),
        reading("subscription_diagnostic_settings", SUBSCRIPTION, []),
    ]
    if activity is not None:
        readings[2] = reading("subscription_diagnostic_settings", SUBSCRIPTION, [setting([log("Administrative")])])
        readings.append(reading("activity_table", WORKSPACE, {"name": "AzureActivity", "properties": activity}))
    return verdict("MON-03", *readings, diagnostic_settings=[setting(ALL_LOGS)])


def test_retention_is_the_table_s_total() -> None:
    assert kept({"retentionInDays": 90, "totalRetentionInDays": 365}).status == "pass"
    assert kept({"retentionInDays": 365, "totalRetentionInDays": 364}).status == "fail"


def test_a_table_without_retention_has_the_workspace_s() -> None:
    assert kept({}, {"retentionInDays": 730}).status == "pass"
    assert kept({"retentionInDays": -1}, {"retentionInDays": 31}).status == "fail"
    assert kept({}, {}).reason == "Table AzureDiagnostics in “logs” is kept for 30 days, and 365 are required."
    assert kept(None, {"retentionInDays": 400}, state=State.NOT_FOUND).status == "pass"


def test_retention_of_the_activity_log_counts_where_it_is_exported() -> None:
    long = {"totalRetentionInDays": 400}
    assert kept(long, activity={"totalRetentionInDays": 90}).status == "fail"
    assert kept(long, activity=long).status == "pass"


def test_retention_in_the_diagnostic_setting_is_dead() -> None:
    """The settings here all carry retentionPolicy 365: it changes nothing."""
    assert kept({"totalRetentionInDays": 30}).status == "fail"


@pytest.mark.parametrize(
    ("logs", "status"),
    [
        ([log("Administrative")], "pass"),
        (ALL_LOGS, "pass"),
        ([log("Administrative", enabled=False), log("ServiceHealth")], "fail"),
        ([log("ServiceHealth"), log("Policy")], "fail"),
    ],
    ids=["administrative", "allLogs", "disabled", "others-only"],
)
def test_the_activity_log_is_exported(logs: Any, status: str) -> None:
    own = setting(logs)
    own["id"] = f"subscriptions/{SUBSCRIPTION}/providers/microsoft.insights/diagnosticSettings/all"  # no leading slash
    assert verdict("MON-05", reading("subscription_diagnostic_settings", SUBSCRIPTION, [own])).status == status


def test_the_activity_log_in_storage_only_can_t_be_asked() -> None:
    own = setting(ALL_LOGS, workspaceId=None, storageAccountId="/x")
    assert verdict("MON-05", reading("subscription_diagnostic_settings", SUBSCRIPTION, [own])).status == "fail"


EVIDENCE = {"name": "AIPromptEvidence", "isEnabled": "True"}


@pytest.mark.parametrize(
    ("properties", "required", "status"),
    [
        ({"pricingTier": "Standard"}, False, "pass"),
        ({"pricingTier": "Free"}, False, "fail"),
        ({"pricingTier": None}, False, "fail"),
        ({}, False, "fail"),
        ({"pricingTier": "Standard"}, True, "fail"),
        ({"pricingTier": "Standard", "extensions": [{**EVIDENCE, "isEnabled": "False"}]}, True, "fail"),
        ({"pricingTier": "Standard", "extensions": [EVIDENCE]}, True, "pass"),
        ({"pricingTier": "Free", "extensions": [EVIDENCE]}, True, "fail"),
    ],
)
def test_defender_watches(properties: Any, required: bool, status: str) -> None:
    plan = reading("ai_pricing", SUBSCRIPTION, {"name": "AI", "properties": properties})
    assert verdict("MON-13", plan, requirements={"prompt_evidence": required}).status == status


def test_a_plan_that_the_cloud_does_not_have_is_not_assessed() -> None:
    missing = reading("ai_pricing", SUBSCRIPTION, None, State.NOT_FOUND, reason="GET answered 404")
    assert verdict("MON-13", missing).status == "not_assessed"


@pytest.mark.skipif(not SHARED.is_dir(), reason="recorded answers of the service stand beside a checkout, not in it")
def test_recorded_settings_are_judged() -> None:
    """Real settings of other services: the shapes are the same, their categories are not those of an account."""
    bodies = [json.loads(each.read_text("utf-8")) for each in sorted(SHARED.glob("diagnosticSettings__*200*.json"))]
    settings = [one for body in bodies for one in body.get("value", [body])]
    assert len(settings) >= 5
    for one in settings:
        there = workspace(one["properties"].get("workspaceId") or WORKSPACE)
        found = verdict("MON-01", there, diagnostic_settings=[one])
        assert found.status == "fail", one
        assert verdict("MON-02", there, diagnostic_settings=[one]).status == "fail"
