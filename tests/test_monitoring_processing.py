"""Alert processing rules take the action groups of fired alerts away, or add some."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from alerts import CENTRAL, OTHER_SUBSCRIPTION, TEAM, activity, exported, metric, query, verdict
from builders import ACCOUNT, AS_OF, GROUP, SUBSCRIPTION, reading
from usage_samples import collected, world

from aoai_lib.assess import judge
from aoai_lib.controls.monitoring_changes import CHANGES
from aoai_lib.model import Reading, State
from aoai_lib.run import MONITORING

KEYS = 'AzureDiagnostics | where Category == "RequestResponse" | where isempty(tostring(parse_json(properties_s).objectId))'
AWAY = {"actionType": "RemoveAllActionGroups"}


def processing(subscription: str = SUBSCRIPTION, **properties: Any) -> Reading:
    """An alert processing rule as the service answers it (2021-08-08), which takes all action groups away."""
    rule = {
        "id": f"{GROUP}/providers/Microsoft.AlertsManagement/actionRules/hush",
        "name": "hush",
        "type": "Microsoft.AlertsManagement/actionRules",
        "location": "Global",
        "properties": {"scopes": [GROUP], "actions": [AWAY], "enabled": True, **properties},
    }
    return reading("alert_processing_rules", subscription, [rule])


def on(field: str, *values: str, operator: str = "Equals") -> dict[str, Any]:
    return {"conditions": [{"field": field, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("properties", "status"),
    [
        ({}, "fail"),
        ({"scopes": [ACCOUNT.upper()]}, "fail"),
        ({"scopes": [f"/subscriptions/{SUBSCRIPTION}"]}, "fail"),
        ({"scopes": [f"{ACCOUNT}2", f"{GROUP}2"]}, "pass"),
        ({"enabled": False}, "pass"),
        ({"actions": [{"actionType": "AddActionGroups", "actionGroupIds": [TEAM]}]}, "pass"),
        (on("Severity", "Sev2"), "fail"),
        (on("Severity", "Sev0", "Sev1"), "pass"),
        (on("Severity", "Sev2", operator="NotEquals"), "pass"),
        (on("MonitorService", "Log Alerts V2"), "pass"),
        (on("AlertRuleName", "rul", operator="Contains"), "fail"),
        (on("TargetResourceType", "microsoft.cognitiveservices/accounts"), "fail"),
        (on("Description", "x", operator="DoesNotContain"), "pass"),
        ({"schedule": {"timeZone": "UTC", "recurrences": [{"recurrenceType": "Daily", "startTime": "22:00:00", "endTime": "06:00:00"}]}}, "pass"),
        ({"schedule": {"effectiveFrom": "2026-11-01T00:00:00", "effectiveUntil": "2026-12-01T00:00:00"}}, "fail"),
        ({"schedule": {"effectiveFrom": "2026-10-01T00:00:00", "effectiveUntil": "2026-11-01T00:00:00"}}, "pass"),
        ({"schedule": {"effectiveFrom": "2027-01-01T00:00:00"}}, "pass"),
    ],
    ids=["group", "account", "subscription", "elsewhere", "off", "adds", "its-severity", "other-severities", "not-its-severity",
         "other-service", "its-name", "its-type", "unknown-field", "at-night", "now", "once", "later"],
)  # fmt: skip
def test_a_metric_alert_whose_groups_are_taken_away_tells_nobody(properties: dict[str, Any], status: str) -> None:
    own = verdict("MON-06", processing(**properties), metrics=[metric()])
    assert own.status == status, own.reason
    assert ("“hush” takes its action groups away" in own.reason) is (status == "fail")


@pytest.mark.parametrize(
    ("control", "rules", "service", "signal"),
    [
        ("MON-06", {"metrics": [metric()]}, "Platform", "Metric"),
        ("MON-07", {"queries": [query(KEYS, scopes=[ACCOUNT])]}, "Log Alerts V2", "Log"),
        ("MON-08", {"activities": [activity(each) for each in sorted(CHANGES)]}, "ActivityLog Administrative", "Log"),
    ],
)
def test_conditions_on_what_fires_hold_for_its_kind_of_rule(
    control: str, rules: dict[str, Any], service: str, signal: str
) -> None:
    for field, own in (("MonitorService", service), ("SignalType", signal)):
        for value, status in ((own, "fail"), ("Other", "pass")):
            found = verdict(control, processing(**on(field, value)), **rules)
            assert found.status == status, found.reason


RULE = f"{GROUP}/providers/Microsoft.Insights/metricAlerts/rule"


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (on("MonitorCondition", "Fired"), "fail"),
        (on("MonitorCondition", "Resolved"), "pass"),
        (on("AlertRuleId", RULE), "fail"),
        (on("AlertRuleId", f"{RULE}2"), "pass"),
        (on("TargetResource", ACCOUNT.upper()), "fail"),
        (on("TargetResource", f"{ACCOUNT}2"), "pass"),
        (on("TargetResourceGroup", GROUP), "fail"),
        (on("TargetResourceGroup", f"{GROUP}/providers"), "pass"),
        (on("TargetResourceType", "Microsoft.Insights/components"), "pass"),
        (on("AlertRuleName", "rul", operator="DoesNotContain"), "pass"),
        (on("AlertRuleName", "other", operator="DoesNotContain"), "fail"),
        (on("AlertRuleName", "rul"), "pass"),
    ],
)
def test_a_condition_looks_at_what_fired(condition: dict[str, Any], status: str) -> None:
    found = verdict("MON-06", processing(**condition), metrics=[metric()])
    assert found.status == status, found.reason


def test_an_activity_log_alert_fires_with_severity_four() -> None:
    rules = [activity(each) for each in sorted(CHANGES)]
    for severity, status in (("Sev4", "fail"), ("Sev3", "pass")):
        assert verdict("MON-08", processing(**on("Severity", severity)), activities=rules).status == status


def test_a_rule_of_processing_is_on_unless_it_says_otherwise() -> None:
    for enabled, status in ((None, "fail"), (True, "fail"), (False, "pass")):
        assert verdict("MON-06", processing(enabled=enabled), metrics=[metric()]).status == status


@pytest.mark.parametrize(
    ("schedule", "status"),
    [
        ({"effectiveFrom": AS_OF}, "fail"),
        ({"effectiveFrom": "2026-11-23T09:00:01Z"}, "pass"),
        ({"effectiveFrom": "2026-11-01T00:00:00", "effectiveUntil": AS_OF}, "pass"),
        ({"effectiveFrom": "2026-11-01T00:00:00", "effectiveUntil": "2026-11-23T09:00:01Z"}, "fail"),
    ],
)
def test_a_rule_of_processing_begins_and_ends_to_the_second(schedule: dict[str, str], status: str) -> None:
    assert verdict("MON-06", processing(schedule=schedule), metrics=[metric()]).status == status


def test_a_rule_that_names_no_group_tells_the_one_that_is_added() -> None:
    adds = processing(actions=[{"actionType": "AddActionGroups", "actionGroupIds": [TEAM]}])
    assert verdict("MON-06", metrics=[metric(actions=[])]).status == "fail"
    assert verdict("MON-06", adds, metrics=[metric(actions=[])]).status == "pass"


def test_a_log_alert_is_about_its_workspace_unless_its_rows_name_the_account() -> None:
    central = [*exported(CENTRAL), reading("scheduled_query_rules", OTHER_SUBSCRIPTION, [])]
    hub = processing(OTHER_SUBSCRIPTION, scopes=[CENTRAL])
    elsewhere = query(KEYS, scopes=[CENTRAL])
    split = query(KEYS, scopes=[CENTRAL], condition={"resourceIdColumn": "_ResourceId"})
    assert verdict("MON-07", *central, hub, queries=[elsewhere]).status == "fail"
    assert verdict("MON-07", *central, hub, queries=[split]).status == "pass"
    assert verdict("MON-07", *central, processing(scopes=[ACCOUNT]), queries=[elsewhere]).status == "pass"
    assert verdict("MON-07", *central, processing(scopes=[ACCOUNT]), queries=[split]).status == "fail"


def test_changes_that_are_hushed_are_reported_by_nobody() -> None:
    rules = [activity(each) for each in sorted(CHANGES)]
    assert verdict("MON-08", activities=rules).status == "pass"
    assert verdict("MON-08", processing(), activities=rules).status == "fail"


@pytest.mark.parametrize(
    ("state", "code", "status"),
    [
        (State.DENIED, "AuthorizationFailed", "not_assessed"),
        (State.FAILED, "", "not_assessed"),
        (State.NOT_FOUND, "SubscriptionNotFound", "not_assessed"),
        (State.FAILED, "MissingSubscriptionRegistration", "expected"),
        (State.NOT_FOUND, "ResourceNotFound", "expected"),
        (State.NOT_COLLECTED, "", "expected"),
    ],
)
def test_rules_that_could_not_be_read_may_take_groups_away_or_add_some(state: State, code: str, status: str) -> None:
    """Where there is no such service, or a recording holds no word of it, the alerts' own groups count."""
    gap = reading("alert_processing_rules", SUBSCRIPTION, None, state=state, code=code, reason="GET it failed")
    for rule, otherwise in ((metric(), "pass"), (metric(actions=[]), "fail")):
        found = verdict("MON-06", gap, metrics=[rule])
        assert found.status == (otherwise if status == "expected" else status), found.reason
        assert "alert_processing_rules.length" in {each.path for each in found.observed}


def test_a_part_of_the_rules_is_enough_only_where_one_of_them_takes_the_groups_away() -> None:
    for rule, status in (({}, "fail"), ({"enabled": False}, "not_assessed")):
        part = replace(processing(**rule), state=State.PARTIAL)
        assert verdict("MON-06", part, metrics=[metric()]).status == status


def test_one_of_the_tenant_is_read_and_hushes_the_account_that_it_is_about() -> None:
    document = world([])
    group = next(
        each for held in document["subscriptions"] for each in held["resourceGroups"] if each["name"] == "rg-ai-prod"
    )
    hush = {"scopes": ["@rg-ai-prod/Microsoft.CognitiveServices/accounts/aoai-halden-claims"], "actions": [AWAY]}
    group["resources"].append({"type": "Microsoft.AlertsManagement/actionRules", "name": "hush", "properties": hush})
    found = judge(collected(document, MONITORING))
    hushed = {each.subject.id.rpartition("/")[2]: each.status for each in found if each.control == "MON-06"}
    assert hushed == {"aoai-halden-claims": "fail", "ais-halden-knowledge": "pass"}
