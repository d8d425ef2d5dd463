"""MON-06 and MON-09: metric alerts, whom they tell, and log alerts on exported metrics."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from alerts import TEAM, metric, query, team, verdict
from builders import ACCOUNT, GROUP, SUBSCRIPTION, account, reading

from aoai_lib.model import Reading, State

REGIONAL = {"targetResourceType": "Microsoft.CognitiveServices/accounts", "targetResourceRegion": "swedencentral"}


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        pytest.param(metric(), "pass", id="as-the-guide-wants"),
        pytest.param(metric(scopes=[ACCOUNT.upper()]), "pass", id="scope-upper-case"),
        pytest.param(metric(scopes=[GROUP], **REGIONAL), "pass", id="group-scope"),
        pytest.param(metric(scopes=[f"/subscriptions/{SUBSCRIPTION}"], **REGIONAL), "pass", id="subscription-scope"),
        pytest.param(metric(scopes=[GROUP], **(REGIONAL | {"targetResourceRegion": "Sweden Central"})), "pass", id="region-display-form"),
        pytest.param(metric(scopes=[GROUP], **(REGIONAL | {"targetResourceRegion": "eastus"})), "fail", id="other-region"),
        pytest.param(metric(scopes=[GROUP], targetResourceType="Microsoft.Compute/virtualMachines"), "fail", id="other-type"),
        pytest.param(metric(scopes=[f"{ACCOUNT}-2"]), "fail", id="other-account-with-the-same-beginning"),
        pytest.param(metric(enabled=False), "fail", id="disabled"),
        pytest.param(metric(enabled=None), "fail", id="enabled-null"),
        pytest.param(metric(actions=[]), "fail", id="tells-nobody"),
        pytest.param(metric(actions=None), "fail", id="actions-null"),
        pytest.param(metric("RAITotalRequests"), "fail", id="other-metric"),
        pytest.param(metric("BlockedCalls"), "fail", id="metric-not-for-openai"),
        pytest.param(metric(threshold=20.5), "fail", id="looser-threshold"),
        pytest.param(metric(threshold=5.0), "pass", id="stricter-threshold"),
        pytest.param(metric(threshold=21.0, condition={"operator": "GreaterThanOrEqual"}), "pass", id="21-or-more-is-above-20"),
        pytest.param(metric(threshold=20.0, windowSize="PT1M"), "fail", id="same-number-in-a-shorter-window"),
        pytest.param(metric(threshold=4.0, windowSize="PT1M"), "pass", id="proportional-shorter-window"),
        pytest.param(metric(threshold=20.0, windowSize="PT1H"), "pass", id="same-number-in-a-longer-window"),
        pytest.param(metric(threshold=240.0, windowSize="PT1H"), "fail", id="burst-lost-in-a-longer-window"),
        pytest.param(metric(evaluationFrequency="PT15M"), "fail", id="gaps-between-looks"),
        pytest.param(metric(windowSize=None), "fail", id="no-window"),
        pytest.param(metric(condition={"timeAggregation": "Average"}), "fail", id="average"),
        pytest.param(metric(condition={"operator": "LessThan"}), "fail", id="less-than"),
        pytest.param(metric(condition={"criterionType": "DynamicThresholdCriterion", "alertSensitivity": "High"}), "fail", id="dynamic"),
        pytest.param(metric(condition={"dimensions": []}), "pass", id="not-split"),
        pytest.param(metric(condition={"dimensions": [{"name": "Category", "operator": "Include", "values": ["Hate"]}]}), "fail", id="one-category"),
        pytest.param(metric(condition={"dimensions": [{"name": "Category", "operator": "Include", "values": ["*"]}]}), "fail", id="each-category-by-itself"),
        pytest.param(metric(condition={"dimensions": [{"name": "ModelName", "operator": "Include", "values": ["*"]}]}), "pass", id="by-model"),
        pytest.param(metric(condition={"dimensions": [{"name": "ModelDeploymentName", "operator": "Exclude", "values": ["*"]}]}), "fail", id="excluding"),
    ],
)  # fmt: skip
def test_a_metric_alert_on_rejected_content(rule: Any, status: str) -> None:
    assert verdict("MON-06", metrics=[rule]).status == status


def test_a_metric_alert_with_a_second_condition_fires_too_rarely() -> None:
    rule = metric()
    rule["properties"]["criteria"]["allOf"].append(deepcopy(rule["properties"]["criteria"]["allOf"][0]))
    found = verdict("MON-06", metrics=[rule])
    assert found.status == "fail"
    assert "rule “rule” fires only when other conditions are met too" in found.reason


@pytest.mark.parametrize(
    ("group", "status", "why"),
    [
        (team(), "pass", ""),
        (team(enabled=False), "fail", "its action group “team” is switched off"),
        (team(emailReceivers=[]), "fail", "its action group “team” has no receiver"),
        (team(emailReceivers=[{"name": "x", "status": "Disabled"}]), "fail", "its action group “team” has no receiver"),
        (team(armRoleReceivers=[{"name": "owners", "roleId": "x"}]), "pass", ""),
        (team(incidentReceivers=[{"name": "new kind"}]), "pass", ""),
        (reading("action_group", TEAM, {"id": TEAM, "name": "team", "properties": {"enabled": True}}), "fail", "no receiver"),
        (reading("action_group", TEAM, None, State.NOT_FOUND, code="ResourceNotFound"), "fail", "its action group “team” does not exist"),
        (reading("action_group", TEAM, None, State.DENIED, reason="GET x answered 403"), "not_assessed", "answered 403"),
    ],
    ids=["told", "off", "eleven-empty-lists", "unsubscribed", "role", "new-kind", "lists-absent", "deleted", "denied"],
)  # fmt: skip
def test_somebody_is_told(group: Reading, status: str, why: str) -> None:
    found = verdict("MON-06", group, metrics=[metric()])
    assert found.status == status
    assert why in found.reason


def test_a_rule_with_an_unreadable_group_does_not_hide_one_that_is_in_order() -> None:
    foreign = metric(actions=[{"actionGroupId": f"{TEAM}-elsewhere"}])
    assert verdict("MON-06", metrics=[foreign]).status == "not_assessed"
    assert verdict("MON-06", metrics=[foreign, metric()]).status == "pass"


def test_rules_that_could_not_be_listed_are_not_assessed() -> None:
    denied = reading("metric_alerts", SUBSCRIPTION, None, State.DENIED, reason="GET x answered 403")
    assert verdict("MON-06", denied).status == "not_assessed"
    partial = reading("metric_alerts", SUBSCRIPTION, [metric("Latency")], State.PARTIAL)
    assert verdict("MON-06", partial).status == "not_assessed"
    enough = reading("metric_alerts", SUBSCRIPTION, [metric()], State.PARTIAL)
    assert verdict("MON-06", enough).status == "pass"


def test_a_rule_of_unknown_shape_is_not_assessed() -> None:
    assert verdict("MON-06", metrics=[metric(scopes="everything")]).status == "not_assessed"


def test_the_guide_s_query_for_filter_triggers_is_no_evidence() -> None:
    guide = (
        'AzureDiagnostics | where Category == "RequestResponse" | where properties_s contains "content_filter" '
        '| extend FilterResult = parse_json(properties_s) | where FilterResult.resultType == "Filtered"'
    )
    found = verdict("MON-06", queries=[query(guide)])
    assert found.status == "fail"
    assert "not recognised" in found.reason


EXPORTED = 'AzureMetrics | where MetricName == "RAIRejectedRequests" | summarize Rejected = sum(Total) by bin(TimeGenerated, 5m)'


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (query(f"{EXPORTED} | where Rejected > 20"), "pass"),
        (query(f"{EXPORTED} | where Rejected > 200"), "fail"),
        (query(EXPORTED), "fail"),
        (query(EXPORTED, condition={"timeAggregation": "Total", "metricMeasureColumn": "Rejected", "threshold": 10.0}), "pass"),
        (query(EXPORTED, condition={"timeAggregation": "Total", "metricMeasureColumn": "Rejected", "threshold": 90.0}), "fail"),
    ],
    ids=["in-query", "in-query-loose", "no-threshold", "in-condition", "in-condition-loose"],
)  # fmt: skip
def test_a_log_alert_on_the_exported_metric(rule: Any, status: str) -> None:
    assert verdict("MON-06", queries=[rule]).status == status


def test_the_region_s_guide_of_an_account_in_display_form() -> None:
    display = reading("account", ACCOUNT, account() | {"location": "Sweden Central"})
    assert verdict("MON-06", display, metrics=[metric(scopes=[GROUP], **REGIONAL)]).status == "pass"


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (metric("TokenTransaction", 500_000.0, windowSize="PT1H"), "pass"),
        (metric("TotalTokens", 500_000.0, windowSize="PT1H"), "pass"),
        (metric("TokenTransaction", 500_000.0, windowSize="P1D"), "pass"),
        (metric("TokenTransaction", 500_000.0, windowSize="PT5M"), "fail"),
        (metric("TokenTransaction", 600_000.0, windowSize="PT1H"), "fail"),
        (metric("GeneratedTokens", 500_000.0, windowSize="PT1H"), "fail"),
    ],
)
def test_tokens(rule: Any, status: str) -> None:
    found = verdict("MON-09", metrics=[rule])
    assert found.status == status
    assert "gateway" in found.reason


def test_a_gateway_s_rule_does_not_see_calls_that_go_around_it() -> None:
    rule = query("ApiManagementGatewayLlmLog | summarize T=sum(TotalTokens) by CorrelationId | where T > 500000")
    assert verdict("MON-09", queries=[rule]).status == "fail"
