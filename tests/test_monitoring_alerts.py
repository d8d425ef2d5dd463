"""MON-06 to MON-10: an alert counts only where it would tell somebody about this account."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from builders import ACCOUNT, GROUP, SUBSCRIPTION, account, reading, snapshot

from aoai_lib.assess import judge
from aoai_lib.controls import catalogue
from aoai_lib.model import Finding, Reading, State

WORKSPACE = f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/logs"
TEAM = f"/subscriptions/{SUBSCRIPTION.upper()}/resourceGroups/rg/providers/microsoft.insights/actionGroups/team"
OTHER_SUBSCRIPTION = "22222222-0000-4000-8000-000000000002"
CENTRAL = (
    f"/subscriptions/{OTHER_SUBSCRIPTION}/resourceGroups/hub/providers/Microsoft.OperationalInsights/workspaces/soc"
)
SHARED = Path(__file__).resolve().parents[2] / "shared" / "recorded" / "06_monitor"
EMPTY_RECEIVERS = {
    f"{kind}Receivers": []
    for kind in (
        "email", "sms", "webhook", "eventHub", "itsm", "azureAppPush", "automationRunbook", "voice", "logicApp",
        "azureFunction", "armRole",
    )
}  # fmt: skip


def team(enabled: bool = True, **receivers: Any) -> Reading:
    """The action group, with these receivers among the eleven lists that the service always sends."""
    given = receivers or {"emailReceivers": [{"name": "soc", "emailAddress": "soc@example.com", "status": "Enabled"}]}
    properties = {"groupShortName": "team", "enabled": enabled, **EMPTY_RECEIVERS, **given}
    return reading("action_group", TEAM, {"id": TEAM, "name": "team", "properties": properties})


def metric(name: str = "RAIRejectedRequests", threshold: float = 20.0, **properties: Any) -> dict[str, Any]:
    """A metric alert as the service answers it (2018-03-01). `condition` and other properties override."""
    condition = {
        "threshold": threshold,
        "name": "c1",
        "metricNamespace": "Microsoft.CognitiveServices/accounts",
        "metricName": name,
        "operator": "GreaterThan",
        "timeAggregation": "Total",
        "dimensions": [{"name": "ModelDeploymentName", "operator": "Include", "values": ["*"]}],
        "criterionType": "StaticThresholdCriterion",
    } | properties.pop("condition", {})
    return {
        "id": f"{GROUP}/providers/Microsoft.Insights/metricAlerts/rule",
        "name": "rule",
        "type": "Microsoft.Insights/metricAlerts",
        "location": "global",
        "properties": {
            "severity": 2,
            "enabled": True,
            "scopes": [ACCOUNT],
            "evaluationFrequency": "PT1M",
            "windowSize": "PT5M",
            "criteria": {
                "allOf": [condition],
                "odata.type": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
            },
            "actions": [{"actionGroupId": TEAM, "webHookProperties": {}}],
            **properties,
        },
    }


def query(text: str, **properties: Any) -> dict[str, Any]:
    """A log alert as the service answers it (2023-12-01), over the workspace, firing on the first row."""
    condition = {
        "query": text,
        "timeAggregation": "Count",
        "dimensions": [],
        "operator": "GreaterThan",
        "threshold": 0.0,
        "failingPeriods": {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1},
    } | properties.pop("condition", {})
    return {
        "id": f"{GROUP}/providers/microsoft.insights/scheduledqueryrules/rule",
        "name": "rule",
        "type": "microsoft.insights/scheduledqueryrules",
        "location": "swedencentral",
        "properties": {
            "createdWithApiVersion": "2023-12-01",
            "enabled": True,
            "scopes": [WORKSPACE],
            "evaluationFrequency": "PT5M",
            "windowSize": "PT15M",
            "criteria": {"allOf": [condition]},
            "actions": {"actionGroups": [TEAM]},
            **properties,
        },
    }


def activity(operation: str, **properties: Any) -> dict[str, Any]:
    """An activity log alert as the service answers it (2020-10-01)."""
    leaves = [{"field": "category", "equals": "Administrative"}, {"field": "operationName", "equals": operation}]
    return {
        "id": f"{GROUP}/providers/microsoft.insights/activityLogAlerts/rule",
        "name": "rule",
        "type": "Microsoft.Insights/ActivityLogAlerts",
        "properties": {
            "scopes": [f"subscriptions/{SUBSCRIPTION}"],  # the service keeps scopes without a leading slash
            "condition": {"allOf": leaves},
            "actions": {"actionGroups": [{"actionGroupId": TEAM}]},
            "enabled": True,
            **properties,
        },
    }


def exported(workspace: str = WORKSPACE, *, activity_log: bool = True) -> list[Reading]:
    """Everything of the account, and the activity log, goes to a workspace."""
    one = {
        "workspaceId": workspace,
        "logs": [{"categoryGroup": "allLogs", "enabled": True}],
        "metrics": [{"category": "AllMetrics", "enabled": True}],
    }
    return [
        reading("diagnostic_settings", ACCOUNT, [{"name": "all", "properties": one}]),
        reading(
            "subscription_diagnostic_settings",
            SUBSCRIPTION,
            [{"name": "all", "properties": one}] if activity_log else [],
        ),
    ]


def verdict(
    id: str,  # noqa: A002
    *readings: Reading,
    metrics: Any = (),
    queries: Any = (),
    activities: Any = (),
    requirements: Any = None,
) -> Finding:
    control = next(each for each in catalogue() if each.id == id)
    standing = [
        team(),
        *exported(),
        reading("metric_alerts", SUBSCRIPTION, list(metrics)),
        reading("scheduled_query_rules", SUBSCRIPTION, list(queries)),
        reading("activity_log_alerts", SUBSCRIPTION, list(activities)),
    ]
    (found,) = judge(snapshot(*standing, *readings, requirements=requirements), [control])
    return found


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
        (reading("action_group", TEAM, None, State.NOT_FOUND), "fail", "its action group “team” does not exist"),
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


KEYS = (
    'AzureDiagnostics | where ResourceProvider =~ "MICROSOFT.COGNITIVESERVICES" and Category == "RequestResponse" '
    "| extend p=parse_json(properties_s) | where isempty(tostring(p.objectId)) and toint(ResultSignature) between (200 .. 299)"
)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        pytest.param(KEYS, "pass", id="objectId-empty-and-succeeded"),
        pytest.param(KEYS.replace('isempty(tostring(p.objectId))', 'tostring(p.objectId) == ""'), "pass", id="equals-empty"),
        pytest.param('AzureDiagnostics | where Category=="RequestResponse" | extend Caller = tostring(parse_json(properties_s).objectId) | where isempty(Caller)', "pass", id="alias"),
        pytest.param('AzureDiagnostics | extend Model = tostring(p.modelName), Who = tostring(p.objectId) | where isempty(Model)', "fail", id="another-field-is-empty"),
        pytest.param(KEYS.replace("isempty", "isnotempty"), "fail", id="the-opposite"),
        pytest.param(KEYS.replace("isempty(tostring(p.objectId))", "not(isempty(tostring(p.objectId)))"), "fail", id="not-empty"),
        pytest.param(KEYS.replace("RequestResponse", "Audit"), "fail", id="audit-rows"),
        pytest.param(KEYS.replace("between (200 .. 299)", "== 401"), "fail", id="failures-only"),
        pytest.param("// " + KEYS + "\nHeartbeat | take 1", "fail", id="in-a-comment"),
        pytest.param("let AzureDiagnostics = datatable(x:int)[1]; " + KEYS, "fail", id="table-replaced"),
        pytest.param('AzureDiagnostics | where Category == "Audit" | where identity_claim_appid_g != "" | where properties_s !contains "managedIdentity"', "fail", id="guide"),
        pytest.param(KEYS + " | summarize Calls=count() by CallerIPAddress | where Calls > 100", "fail", id="not-the-first"),
        pytest.param(KEYS + " | summarize Calls=count() by CallerIPAddress | where Calls > 0", "pass", id="the-first-counted"),
        pytest.param(KEYS + f' | where _ResourceId =~ "{ACCOUNT}-2"', "fail", id="about-another-account"),
        pytest.param(KEYS + ' | where Resource == "ACCT"', "pass", id="about-this-account"),
    ],
)  # fmt: skip
def test_a_log_alert_on_keys(text: str, status: str) -> None:
    assert verdict("MON-07", queries=[query(text)]).status == status


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (query(KEYS, scopes=[ACCOUNT]), "pass"),
        (query(KEYS, scopes=[GROUP.replace("resourceGroups", "resourcegroups")]), "pass"),
        (query(KEYS, scopes=[f"{WORKSPACE}-other"]), "fail"),
        (query(KEYS, enabled=False), "fail"),
        (query(KEYS, condition={"threshold": 5.0}), "fail"),
        (query(KEYS, condition={"operator": "GreaterThanOrEqual", "threshold": 1.0}), "pass"),
        (query(KEYS, condition={"failingPeriods": {"numberOfEvaluationPeriods": 4, "minFailingPeriodsToAlert": 4}}), "fail"),
        (query(KEYS, condition={"failingPeriods": None}), "pass"),
        (query(KEYS, condition={"dimensions": [{"name": "Resource", "operator": "Include", "values": ["X"]}]}), "fail"),
        (query(KEYS, evaluationFrequency="PT1H"), "fail"),
        (query(KEYS, muteActionsDuration="PT30M"), "pass"),
        (query(KEYS) | {"kind": "LogToMetric"}, "fail"),
    ],
    ids=["account", "group", "other-workspace", "off", "after-five", "one-or-more", "four-periods", "no-periods",
         "one-value", "gaps", "muted-after-firing", "makes-a-metric"],
)  # fmt: skip
def test_a_log_alert_has_to_cover_and_fire(rule: Any, status: str) -> None:
    assert verdict("MON-07", queries=[rule]).status == status


def test_a_log_alert_is_blind_without_the_category() -> None:
    setting = {"workspaceId": WORKSPACE, "logs": [{"category": "Audit", "enabled": True}]}
    blind = reading("diagnostic_settings", ACCOUNT, [{"name": "audit", "properties": setting}])
    assert verdict("MON-07", blind, queries=[query(KEYS)]).status == "fail"


def test_settings_that_were_cut_off_leave_a_missing_rule_open() -> None:
    cut = reading("diagnostic_settings", ACCOUNT, exported()[0].value, State.PARTIAL)
    assert verdict("MON-07", cut, queries=[query(KEYS)]).status == "pass"
    assert verdict("MON-07", cut).status == "not_assessed"


def test_a_rule_in_the_subscription_of_a_central_workspace_is_found() -> None:
    rule = query(KEYS, scopes=[CENTRAL])
    elsewhere = reading("scheduled_query_rules", OTHER_SUBSCRIPTION, [rule])
    assert verdict("MON-07", *exported(CENTRAL), elsewhere).status == "pass"
    assert verdict("MON-07", *exported(CENTRAL)).status == "not_assessed"


CHANGED = [
    "Microsoft.CognitiveServices/accounts/write", "Microsoft.CognitiveServices/accounts/delete",
    "Microsoft.CognitiveServices/accounts/listKeys/action", "Microsoft.CognitiveServices/accounts/regenerateKey/action",
    "Microsoft.CognitiveServices/accounts/deployments/write", "Microsoft.CognitiveServices/accounts/deployments/delete",
    "Microsoft.CognitiveServices/accounts/raiPolicies/write", "Microsoft.CognitiveServices/accounts/raiPolicies/delete",
    "Microsoft.CognitiveServices/accounts/raiBlocklists/write", "Microsoft.CognitiveServices/accounts/raiBlocklists/delete",
    "Microsoft.CognitiveServices/accounts/raiBlocklists/raiBlocklistItems/write",
    "Microsoft.CognitiveServices/accounts/raiBlocklists/raiBlocklistItems/delete",
    "Microsoft.CognitiveServices/accounts/defenderForAISettings/write",
    "Microsoft.CognitiveServices/accounts/privateEndpointConnections/write",
    "Microsoft.CognitiveServices/accounts/privateEndpointConnections/delete",
    "Microsoft.Insights/diagnosticSettings/write", "Microsoft.Insights/diagnosticSettings/delete",
    "Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleAssignments/delete",
]  # fmt: skip


def test_one_activity_log_alert_for_each_operation_is_enough() -> None:
    rules = [activity(operation) for operation in CHANGED]
    unexported = exported(activity_log=False)
    assert verdict("MON-08", *unexported, activities=rules).status == "pass"
    found = verdict("MON-08", *unexported, activities=rules[:6] + rules[7:])
    assert found.status == "fail"
    assert "accounts/raipolicies/write" in found.reason


def with_conditions(*leaves: Any, **properties: Any) -> dict[str, Any]:
    rule = activity("", **properties)
    rule["properties"]["condition"]["allOf"] = [{"field": "category", "equals": "Administrative"}, *leaves]
    return rule


ANY_OF = {"anyOf": [{"field": "operationName", "equals": operation} for operation in CHANGED]}


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (with_conditions(), "pass"),
        (with_conditions(ANY_OF), "pass"),
        (with_conditions({"field": "operationName", "containsAny": CHANGED, "equals": None}), "pass"),
        (with_conditions({"field": "status", "equals": "Succeeded"}), "pass"),
        (with_conditions({"field": "status", "equals": "Failed"}), "fail"),
        (with_conditions({"field": "caller", "equals": "x@example.com"}), "fail"),
        (with_conditions({"field": "level", "equals": "Error"}), "fail"),
        (with_conditions({"field": "resourceProvider", "equals": "Microsoft.CognitiveServices"}), "fail"),
        (with_conditions(actions={"actionGroups": []}), "fail"),
        (with_conditions(enabled=False), "fail"),
        (with_conditions(enabled=None), "pass"),
        (with_conditions(scopes=[f"{GROUP}-2"]), "fail"),
    ],
    ids=["all-administrative", "any-of", "contains-any", "succeeded", "failed", "caller", "errors", "provider",
         "no-group", "off", "enabled-absent-is-on", "other-group"],
)  # fmt: skip
def test_conditions_of_an_activity_log_alert(rule: Any, status: str) -> None:
    assert verdict("MON-08", activities=[rule]).status == status


IN = ", ".join(f'"{operation.upper()}"' for operation in CHANGED)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (f"AzureActivity | where OperationNameValue in~ ({IN})", "pass"),
        (f"AzureActivity | where OperationNameValue in ({IN})", "pass"),
        (f"AzureActivity | where OperationNameValue in ({IN.lower()})", "fail"),
        (f"AzureActivity | where OperationNameValue in~ ({IN.lower()})", "pass"),
        (f"AzureActivity | where OperationNameValue !in~ ({IN})", "fail"),
        (f'AzureActivity | where ActivityStatusValue == "Failure" and OperationNameValue in~ ({IN})', "fail"),
        ('AzureActivity | where OperationNameValue has "MICROSOFT.COGNITIVESERVICES"', "fail"),
        ('AzureActivity | where ResourceProviderValue == "MICROSOFT.STORAGE"', "fail"),
        ("AzureActivity | where TimeGenerated > ago(1h)", "pass"),
        (f'AzureActivity | where OperationNameValue in~ ({IN}) | where OperationNameValue endswith "WRITE" or OperationNameValue has "DELETE"', "fail"),
    ],
    ids=["in~", "in-upper", "in-lower-finds-nothing", "in~-lower", "not-in", "failures", "one-provider", "other-provider",
         "everything", "narrowed-again"],
)  # fmt: skip
def test_a_log_alert_on_the_activity_log(text: str, status: str) -> None:
    assert verdict("MON-08", queries=[query(text)]).status == status


def test_a_log_alert_on_the_activity_log_needs_its_export() -> None:
    rule = query(f"AzureActivity | where OperationNameValue in~ ({IN})")
    assert verdict("MON-08", *exported(activity_log=False), queries=[rule]).status == "fail"


def test_the_guide_s_three_operations_are_not_all() -> None:
    rules = [activity(CHANGED[index]) for index in (4, 5, 6)]
    assert verdict("MON-08", activities=rules).status == "fail"


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


CALLS = 'let c = AzureDiagnostics | where Category == "RequestResponse" | extend who = tostring(parse_json(properties_s).objectId); '
ANTI = (
    CALLS
    + "c | where TimeGenerated > ago(1h) | join kind=leftanti (c | where TimeGenerated between (ago({}) .. ago(1h))) on who"
)
FIRST = CALLS + "c | summarize First = min(TimeGenerated) by who | where First > {}"


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (query(ANTI.format("2d"), evaluationFrequency="PT1H", windowSize="PT1H"), "pass"),
        (query(ANTI.format("48h")), "pass"),
        (query(ANTI.format("14d")), "fail"),
        (query(FIRST.format("datetime_add('hour',-1,now())"), evaluationFrequency="PT15M"), "fail"),
        (query(FIRST.format("now() - 1h"), overrideQueryTimeRange="P2D"), "pass"),
        (query(CALLS + "c | summarize count() by who, CallerIPAddress"), "fail"),
        (query(ANTI.format("2d").replace("RequestResponse", "Audit")), "fail"),
    ],
    ids=["two-days", "hours", "fourteen-days", "nothing-before", "first-seen", "no-baseline", "audit"],
)  # fmt: skip
def test_new_callers(rule: Any, status: str) -> None:
    found = verdict("MON-10", queries=[rule])
    assert found.status == status, found.reason
    assert "two" in found.reason


def test_the_region_s_guide_of_an_account_in_display_form() -> None:
    display = reading("account", ACCOUNT, account() | {"location": "Sweden Central"})
    assert verdict("MON-06", display, metrics=[metric(scopes=[GROUP], **REGIONAL)]).status == "pass"


@pytest.mark.skipif(not SHARED.is_dir(), reason="recorded answers of the service stand beside a checkout, not in it")
@pytest.mark.parametrize("id", ["MON-06", "MON-07", "MON-08", "MON-09", "MON-10"])
def test_recorded_rules_are_judged_and_none_watches_this(id: str) -> None:  # noqa: A002
    """Rules of other projects, bent to cover the account: none of them watches it."""
    rules = {}
    for kind in ("metricAlerts", "scheduledQueryRules", "activityLogAlerts"):
        bodies = [json.loads(each.read_text("utf-8")) for each in sorted(SHARED.glob(f"{kind}__*GET200*.json"))]
        rules[kind] = [one for body in bodies for one in body.get("value", [body])]
        for one in rules[kind]:
            one["properties"]["scopes"] = [ACCOUNT]
    assert all(len(found) >= 3 for found in rules.values())
    found = verdict(
        id, metrics=rules["metricAlerts"], queries=rules["scheduledQueryRules"], activities=rules["activityLogAlerts"]
    )
    assert found.status in ("fail", "not_assessed"), found.reason
