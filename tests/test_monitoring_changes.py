"""MON-08: every operation on deployments and security configuration is reported by some rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from alerts import activity, exported, query, verdict
from builders import ACCOUNT, GROUP

SHARED = Path(__file__).resolve().parents[2] / "shared" / "recorded" / "06_monitor"
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
