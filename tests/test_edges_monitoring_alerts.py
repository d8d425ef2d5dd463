"""MON-06, MON-07 and MON-09 at their edges: how a log alert's query is read."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from alerts import OTHER_SUBSCRIPTION, TEAM, metric, query, verdict
from builders import ACCOUNT, GROUP, SUBSCRIPTION, reading
from test_monitoring_changes import IN
from test_monitoring_log_alerts import ANTI, KEYS
from test_monitoring_metric_alerts import EXPORTED

from aoai_lib.controls.monitoring_queries import understand
from aoai_lib.model import Reading, State

BY_MINUTE = EXPORTED.replace("5m", "1m")
BY_HALF_MINUTE = EXPORTED.replace("5m", "30s")
TOKENS = 'AzureMetrics | where MetricName == "TokenTransaction" | summarize T = sum(Total) by bin(TimeGenerated, {})'


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (f"{BY_MINUTE} | where Rejected > 4", "pass"),
        (f"{BY_MINUTE} | where Rejected > 8", "fail"),
        (f"{BY_HALF_MINUTE} | where Rejected > 2", "pass"),
        (f"{BY_HALF_MINUTE.replace('s)', 'S)')} | where Rejected > 3", "fail"),
        (f"{EXPORTED} | where Rejected >= 21", "pass"),
        (f"{EXPORTED} | where Rejected >= 22", "fail"),
        (f"{EXPORTED} | where Rejected > 20.5", "fail"),
        (f"{EXPORTED} | where Rejected > 5 | where Rejected > 20", "fail"),
        (f"{EXPORTED} | where Rejected > 500 | summarize Rejected = sum(Rejected) | where Rejected > 20", "fail"),
        (f"{EXPORTED.replace('| summarize', '| where Total > 0 | summarize')} | where Rejected > 20", "pass"),
        (f"{EXPORTED.replace('RAIRejectedRequests', 'BlockedCalls')} | where Rejected > 20", "fail"),
        (f"{EXPORTED.replace('AzureMetrics', 'OtherMetrics')} | where Rejected > 20", "fail"),
    ],
    ids=["20-in-5-by-the-minute", "40-in-5-by-the-minute", "20-in-5-by-the-half-minute", "30-in-5-by-the-half-minute", "21-or-more",
         "22-or-more", "above-20.5", "twice", "twice-summed", "rows-before-they-are-summed", "other-metric", "other-table"],
)  # fmt: skip
def test_numbers_in_a_query_on_the_exported_metric(text: str, status: str) -> None:
    """More than 20 in five minutes must raise an alert: as many in a shorter slice of time, in proportion."""
    assert verdict("MON-06", queries=[query(text)]).status == status


@pytest.mark.parametrize(
    ("slices", "threshold", "status"),
    [("1h", 500_000, "pass"), ("0.5h", 250_000, "pass"), ("30m", 250_001, "fail"), ("1d", 500_000, "pass")],
)
def test_slices_of_time_in_a_query_on_exported_tokens(slices: str, threshold: int, status: str) -> None:
    rule = query(f"{TOKENS.format(slices)} | where T > {threshold}", windowSize="P1D", evaluationFrequency="PT1H")
    assert verdict("MON-09", queries=[rule]).status == status


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (KEYS + " | summarize Calls=count() by CallerIPAddress | where Calls >= 1", "pass"),
        (KEYS + " | summarize Calls=count() by CallerIPAddress | where Calls > 100 | where Calls > 5", "fail"),
        (KEYS.replace("AzureDiagnostics ", "AzureDiagnostics // the account's log\n"), "pass"),
        (KEYS + f' | where _ResourceId =~ "{ACCOUNT}"', "pass"),
        (KEYS + f' | where strcmp(_ResourceId, "{ACCOUNT}") == 0', "not_assessed"),
        (KEYS + f' | where strcmp(_ResourceId, "{ACCOUNT}-2") == 0', "fail"),
    ],
    ids=["one-or-more", "two-numbers", "comment-behind-the-table", "by-id", "in-full", "another-in-full"],
)  # fmt: skip
def test_how_a_query_on_keys_is_read(text: str, status: str) -> None:
    assert verdict("MON-07", queries=[query(text)]).status == status


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ('Resource == "ACCT"', True),
        ('Resource == "CCT"', False),
        ('Resource =~ "cct"', False),
        ('Resource in ("CCT")', False),
        ('Resource in~ ("cct", "shop")', False),
        ('Resource contains "cct"', True),
        ('Resource startswith "ac"', True),
        ('Resource startswith "cct"', False),
        ('Resource endswith "cct"', True),
        ('Resource endswith "acc"', False),
        ('Resource in (watched)', True),
        ('_ResourceId in~ (watched)', True),
        ('ResourceGroup == "RG"', True),
        ('ResourceGroup == "rg-2"', False),
        (f'SubscriptionId == "{SUBSCRIPTION}"', True),
        (f'_SubscriptionId == "{SUBSCRIPTION}"', True),
        (f'SubscriptionId == "{OTHER_SUBSCRIPTION}"', False),
        ('Resource == "SHOP" | where Resource == "ACCT" or OperationName has "x"', False),
        ('Resource == "SHOP" or Resource == "ACCT"', True),
    ],
)  # fmt: skip
def test_whether_a_query_is_about_the_account(test: str, expected: bool) -> None:
    """What is not written out, as a list that the query computes, may hold the account."""
    assert understand(f"AzureDiagnostics | where {test}").concerns(ACCOUNT) is expected


@pytest.mark.parametrize("id", ["MON-07", "MON-10"])
def test_an_account_whose_request_log_goes_nowhere_is_told_so(id: str) -> None:  # noqa: A002
    found = verdict(id, reading("diagnostic_settings", ACCOUNT, []))
    assert found.status == "fail" and "no workspace receives the category RequestResponse" in found.reason


def test_a_metric_that_goes_to_no_workspace_is_no_lack_of_logs() -> None:
    """The metric alert needs none, so its want is not told as the reason."""
    found = verdict("MON-06", reading("diagnostic_settings", ACCOUNT, []))
    assert found.status == "fail" and "no workspace" not in found.reason


# -- a rule's own form --------------------------------------------------------------------------------------------------

TOO_FEW = {"failingPeriods": {"numberOfEvaluationPeriods": 2, "minFailingPeriodsToAlert": 2}}


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (metric(windowSize="PT300S", evaluationFrequency="PT5M"), "pass"),
        (metric(windowSize="PT5M", evaluationFrequency="PT300S"), "pass"),
        (metric(windowSize="PT60M", evaluationFrequency="PT1H"), "pass"),
        (metric(threshold=40.0, windowSize="PT15M"), "fail"),
        (metric(threshold=22.0, condition={"operator": "GreaterThanOrEqual"}), "fail"),
        (metric(condition={"metricNamespace": "Microsoft.Storage/storageAccounts"}), "fail"),
        (metric(condition={"metricNamespace": None}), "pass"),
        (metric(condition={"criterionType": None}), "pass"),
        (metric(condition={"dimensions": [{"name": "ModelVersion", "operator": "Include", "values": ["*"]}]}), "pass"),
        (metric(condition={"dimensions": [{"name": "Region", "operator": "Include", "values": ["*"]}]}), "pass"),
        (metric(condition={"dimensions": [{"name": "ModelDeploymentName", "values": ["*"]}]}), "pass"),
        (metric(condition={"dimensions": [{"name": "Microsoft.ResourceId", "operator": "Include", "values": ["*"]}]}), "pass"),
        (metric(actions=[{"actionGroupId": f"{TEAM}-elsewhere"}, {"actionGroupId": TEAM}]), "pass"),
    ],
    ids=["window-in-seconds", "frequency-in-seconds", "window-in-minutes", "twice-the-number-in-three-times-the-window", "22-or-more",
         "other-namespace", "no-namespace", "no-criterion-type", "by-version", "by-region", "no-operator", "by-resource", "first-group-unreadable"],
)  # fmt: skip
def test_a_metric_alert(rule: Any, status: str) -> None:
    assert verdict("MON-06", metrics=[rule]).status == status


def test_an_action_group_that_is_not_said_to_be_off_is_on() -> None:
    own = {"emailReceivers": [{"name": "soc", "emailAddress": "soc@example.com", "status": "Enabled"}]}
    group = reading("action_group", TEAM, {"id": TEAM, "name": "team", "properties": own})
    assert verdict("MON-06", group, metrics=[metric()]).status == "pass"


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (query(KEYS + " | where TimeGenerated > ago(5m)"), "pass"),
        (query(KEYS + " | summarize Calls=count() by CallerIPAddress | where Calls > 1"), "fail"),
        (query(KEYS, condition={"threshold": 1.0}), "fail"),
        (query(KEYS, condition=TOO_FEW), "fail"),
        (query(KEYS, condition={"failingPeriods": {"numberOfEvaluationPeriods": 1}}), "pass"),
        (query(KEYS, scopes="everything"), "not_assessed"),
    ],
    ids=["as-far-as-it-is-asked", "the-second", "two-rows", "two-periods", "periods-not-told", "scopes-unreadable"],
)
def test_a_log_alert_on_keys(rule: Any, status: str) -> None:
    assert verdict("MON-07", queries=[rule]).status == status


def test_a_log_alert_on_an_exported_metric_fires_the_first_time() -> None:
    text = f"{EXPORTED} | where Rejected > 20"
    assert verdict("MON-06", queries=[query(text)]).status == "pass"
    assert verdict("MON-06", queries=[query(text, condition=TOO_FEW)]).status == "fail"
    average = {"timeAggregation": "Average", "metricMeasureColumn": "Rejected", "threshold": 10.0}
    assert verdict("MON-06", queries=[query(EXPORTED, condition=average)]).status == "fail"


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (query(ANTI.format("2880m")), "pass"),
        (query(ANTI.format("2881m")), "fail"),
        (query(ANTI.format("2d").replace("ago(1h)", "now()").replace("ago(2d)", "now()"), overrideQueryTimeRange="P3D"), "fail"),
    ],
    ids=["two-days", "a-minute-more", "three-days-by-the-rule"],
)  # fmt: skip
def test_a_log_alert_on_new_callers(rule: Any, status: str) -> None:
    assert verdict("MON-10", queries=[rule]).status == status


def test_what_a_log_alert_lacks_is_told() -> None:
    two = query(KEYS)
    two["properties"]["criteria"]["allOf"].append(deepcopy(two["properties"]["criteria"]["allOf"][0]))
    told = {
        "fires only when other conditions are met too": two,
        "has a query about other accounts": query(KEYS + f' | where _ResourceId =~ "{ACCOUNT}-2"'),
        "is switched off": query(KEYS, enabled=False),
    }
    for lack, rule in told.items():
        assert verdict("MON-07", queries=[rule]).reason.endswith(f"calls with a key: rule “rule” {lack}.")
    three = verdict("MON-07", queries=list(told.values())).reason
    first, second, _ = told
    assert three.endswith(f"calls with a key: rule “rule” {first}; rule “rule” {second} (and 1 more).")
    assert "more" not in verdict("MON-07", queries=list(told.values())[1:]).reason


def test_that_no_rule_comes_near_is_told() -> None:
    assert verdict("MON-07").reason == "No alert that tells somebody reports calls with a key."
    others = [query("Heartbeat | take 1"), query("Heartbeat | take 2")]
    assert (
        "; 2 log rule(s) that cover it have a query that is not recognised" in verdict("MON-07", queries=others).reason
    )


# -- a rule's query, tried on synthetic events --------------------------------------------------------------------------

RULE = f"{GROUP}/providers/microsoft.insights/scheduledqueryrules/rule"
TRIED = {
    "MON-07": ("keys", query(KEYS)),
    "MON-08": ("changes", query(f"AzureActivity | where OperationNameValue in~ ({IN})")),
    "MON-10": ("callers", query(ANTI.format("2d"))),
}


def trial(topic: str, *rows: Any, account: str = ACCOUNT, state: State = State.COLLECTED, **more: Any) -> Reading:
    """The answer of a workspace to the rule's query over the events of a topic about an account."""
    answer = {"tables": [{"columns": [{"name": "Caller"}], "rows": [list(each) for each in rows]}]}
    scope = f"99999999-0000-4000-8000-0000000000aa/{topic}{account}{RULE.upper().replace('/SUBSCRIPTIONS/', '/subscriptions/')}"
    return reading("rule_trial", scope, answer if state is State.COLLECTED else None, state, **more)


@pytest.mark.parametrize("control", sorted(TRIED))
def test_a_rule_whose_query_was_tried(control: str) -> None:
    topic, rule = TRIED[control]
    fires = verdict(control, trial(topic, ["x"]), queries=[rule])
    assert fires.status == "pass" and fires.reason.endswith("Its query was tried on synthetic events, and finds them.")
    assert (f"rule_trial[rule].{topic}", 1) in [(each.path, each.value) for each in fires.observed]
    silent = verdict(control, trial(topic), queries=[rule])
    assert silent.status == "fail" and "does not fire: its query gives no row" in silent.reason
    for other in {"keys", "changes", "callers"} - {topic}:
        untried = verdict(control, trial(other), queries=[rule])
        assert untried.status == "pass" and "Its query was not tried: it reaches past its tables" in untried.reason


def test_a_trial_about_another_account_counts_where_the_query_looks_at_no_resource() -> None:
    another = trial("keys", account=f"{ACCOUNT}2")
    own = trial("keys", ["x"], account=ACCOUNT.upper().replace("/SUBSCRIPTIONS/", "/subscriptions/"))
    for text, status in ((KEYS, "fail"), (f"{KEYS} | where Resource has 'acct'", "pass")):
        assert verdict("MON-07", another, queries=[query(text)]).status == status, "only another account's was tried"
        both = verdict("MON-07", another, own, queries=[query(text)])
        assert (both.status, "finds them" in both.reason) == ("pass", True), both.reason


@pytest.mark.parametrize(
    ("code", "status"), [("BadArgumentError", "pass"), ("InsufficientAccessError", "not_assessed")]
)
def test_a_trial_that_a_workspace_does_not_take_says_nothing(code: str, status: str) -> None:
    """Which columns a workspace has hangs on its rows, so a 400 is no fault of the rule's."""
    refused = trial("keys", state=State.FAILED, code=code, reason=f"POST it answered {code}")
    assert verdict("MON-07", refused, queries=[query(KEYS)]).status == status
