"""What phase 4 reads: where logs go and how long they stay, the alert rules, whom they tell, Defender's plan.

Rules are listed once a subscription, never once an account. Log rules and their action groups often stand in the
subscription of a central workspace, so that one is asked too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from aoai_lib.azure.clients import Azure
from aoai_lib.collect import (
    EACH_ACCOUNT,
    EACH_SUBSCRIPTION,
    Readings,
    Scopes,
    Source,
    group_of,
    items,
    name_of,
    subscription_of,
)
from aoai_lib.model import Json

SETTINGS: Final = "Microsoft.Insights/diagnosticSettings"
SETTINGS_VERSION: Final = "2021-05-01-preview"
"""Diagnostic settings have no other API version that knows category groups, and azure-mgmt-monitor 7 lacks them."""
FIRED: Final = "Microsoft.AlertsManagement/alerts"
FIRED_VERSION: Final = "2019-05-05-preview"
PROCESSING: Final = "Microsoft.AlertsManagement/actionRules"
PROCESSING_VERSION: Final = "2021-08-08"
FIRED_REACH: Final = "30d"
"""How far back alerts are kept (Microsoft Learn, "Alerts - Get All": `timeRange`)."""
PRICINGS_VERSION: Final = "2024-01-01"
_SETTINGS: Final = ("diagnostic_settings", "subscription_diagnostic_settings")
RULES: Final = ("metric_alerts", "scheduled_query_rules", "activity_log_alerts")


def properties_of(resource: Json) -> dict[str, Json]:
    """A resource's properties; none where it has no such object."""
    own = resource.get("properties") if isinstance(resource, dict) else None
    return own if isinstance(own, dict) else {}


def workspaces_of(readings: Readings, source: str) -> list[str]:
    """ARM ids of the workspaces that diagnostic settings of a source name, each once; the first spelling is kept."""
    found: dict[str, str] = {}
    for setting in items(readings, source):
        workspace = properties_of(setting).get("workspaceId")
        if isinstance(workspace, str) and group_of(workspace) and "/workspaces/" in workspace.lower():
            found.setdefault(workspace.lower(), workspace)
    return list(found.values())


def _all_workspaces(readings: Readings) -> list[str]:
    return workspaces_of(readings, "diagnostic_settings") + workspaces_of(readings, "subscription_diagnostic_settings")


def _rule_subscriptions(readings: Readings) -> Iterable[str]:
    """The assessed subscriptions, and those that hold a workspace of theirs."""
    return [*items(readings, "subscriptions"), *(subscription_of(each).lower() for each in _all_workspaces(readings))]


def _strings(value: Json) -> Iterator[str]:
    """Every action group id inside a rule's actions, whatever the rule's kind calls the property."""
    if isinstance(value, str):
        if group_of(value) and "/actiongroups/" in value.lower():
            yield value
    elif isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def _named_groups(readings: Readings) -> Iterable[str]:
    """Action groups that rules, and alert processing rules, name. Those that a list gave are known by then and are not asked for again."""
    return [
        group
        for source in (*RULES, "alert_processing_rules")
        for rule in items(readings, source)
        for group in _strings(properties_of(rule).get("actions"))
    ]


def _table(name: str) -> Callable[[Azure, str], Any]:
    return lambda azure, workspace: azure.workspaces(subscription_of(workspace)).tables.get(
        group_of(workspace), name_of(workspace), name
    )


TABLES: Final = "Microsoft.OperationalInsights/workspaces/tables/read"

SOURCES = (
    Source(
        "diagnostic_settings",
        EACH_ACCOUNT,
        f"{SETTINGS}/read",
        lambda azure, account: azure.list(f"{account}/providers/{SETTINGS}", SETTINGS_VERSION),
    ),
    Source(
        "subscription_diagnostic_settings",
        EACH_SUBSCRIPTION,
        f"{SETTINGS}/read",
        lambda azure, scope: azure.list(f"/subscriptions/{scope}/providers/{SETTINGS}", SETTINGS_VERSION),
    ),
    Source(
        "ai_pricing",
        EACH_SUBSCRIPTION,
        "Microsoft.Security/pricings/read",
        lambda azure, scope: azure.get(f"/subscriptions/{scope}/providers/Microsoft.Security/pricings/AI", PRICINGS_VERSION),
    ),
    Source(
        "metric_alerts",
        EACH_SUBSCRIPTION,
        "Microsoft.Insights/metricAlerts/read",
        lambda azure, scope: azure.monitor(scope).metric_alerts.list_by_subscription(),
    ),
    Source(
        "activity_log_alerts",
        EACH_SUBSCRIPTION,
        "Microsoft.Insights/activityLogAlerts/read",
        lambda azure, scope: azure.monitor(scope).activity_log_alerts.list_by_subscription_id(),
    ),
    Source(
        "action_groups",
        EACH_SUBSCRIPTION,
        "Microsoft.Insights/actionGroups/read",
        lambda azure, scope: azure.monitor(scope).action_groups.list_by_subscription_id(),
        items="action_group",
    ),
    Source(
        "fired_alerts",
        EACH_SUBSCRIPTION,
        f"{FIRED}/read",
        lambda azure, scope: azure.list(
            f"/subscriptions/{scope}/providers/{FIRED}", FIRED_VERSION, timeRange=FIRED_REACH
        ),
    ),
    Source(
        "scheduled_query_rules",
        Scopes(("subscriptions", *_SETTINGS), _rule_subscriptions),
        "Microsoft.Insights/scheduledQueryRules/read",
        lambda azure, scope: azure.monitor(scope).scheduled_query_rules.list_by_subscription(),
    ),
    Source(
        "alert_processing_rules",
        Scopes(("subscriptions", *_SETTINGS), _rule_subscriptions),
        f"{PROCESSING}/read",
        lambda azure, scope: azure.list(f"/subscriptions/{scope}/providers/{PROCESSING}", PROCESSING_VERSION),
    ),
    Source(
        "workspace",
        Scopes(_SETTINGS, _all_workspaces),
        "Microsoft.OperationalInsights/workspaces/read",
        lambda azure, workspace: azure.workspaces(subscription_of(workspace)).workspaces.get(
            group_of(workspace), name_of(workspace)
        ),
    ),
    Source(
        "diagnostics_table",
        Scopes(("diagnostic_settings",), lambda readings: workspaces_of(readings, "diagnostic_settings")),
        TABLES,
        _table("AzureDiagnostics"),
    ),
    Source(
        "activity_table",
        Scopes(
            ("subscription_diagnostic_settings",),
            lambda readings: workspaces_of(readings, "subscription_diagnostic_settings"),
        ),
        TABLES,
        _table("AzureActivity"),
    ),
    Source(
        "action_group",
        Scopes(("action_groups", "alert_processing_rules", *RULES), _named_groups),
        "Microsoft.Insights/actionGroups/read",
        lambda azure, group: azure.monitor(subscription_of(group)).action_groups.get(group_of(group), name_of(group)),
    ),
)  # fmt: skip
