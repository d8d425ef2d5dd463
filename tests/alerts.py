"""Builders of alert rules and action groups as the service answers them, and of what they need around them."""

from __future__ import annotations

from typing import Any

from builders import ACCOUNT, GROUP, SUBSCRIPTION, reading, snapshot, workspace

from aoai_lib.assess import judge
from aoai_lib.controls import catalogue
from aoai_lib.model import Finding, Reading

WORKSPACE = f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/logs"
TEAM = f"/subscriptions/{SUBSCRIPTION.upper()}/resourceGroups/rg/providers/microsoft.insights/actionGroups/team"
OTHER_SUBSCRIPTION = "22222222-0000-4000-8000-000000000002"
CENTRAL = (
    f"/subscriptions/{OTHER_SUBSCRIPTION}/resourceGroups/hub/providers/Microsoft.OperationalInsights/workspaces/soc"
)
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


def exported(where: str = WORKSPACE, *, activity_log: bool = True) -> list[Reading]:
    """Everything of the account, and the activity log, goes to a workspace."""
    one = {
        "workspaceId": where,
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
        workspace(where),
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
