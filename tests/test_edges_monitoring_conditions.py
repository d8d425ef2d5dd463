"""Conditions of log queries at their edges: which of them let through every row that counts, and which are not known to."""

from __future__ import annotations

import pytest
from builders import ACCOUNT

from aoai_lib.controls.monitoring_changes import CHANGES as OPERATIONS
from aoai_lib.controls.monitoring_queries import understand

CALLS = 'AzureDiagnostics | where Category == "RequestResponse" | extend p = parse_json(properties_s)'
CHANGES = 'AzureActivity | where OperationNameValue has "Microsoft.CognitiveServices/accounts/write"'
METRIC = 'AzureMetrics | where MetricName == "RAIRejectedRequests"'


def explains(topic: str, condition: str) -> bool:
    """Whether a query of a topic with one more condition is still explained by its text."""
    text = {"keys": CALLS, "callers": CALLS, "changes": CHANGES, "metric": METRIC}[topic]
    assert understand(text).explains(topic), "the query is explained without it"
    return understand(f"{text} | where {condition}").explains(topic)


@pytest.mark.parametrize("topic", ["keys", "callers", "changes", "metric"])
@pytest.mark.parametrize(
    ("condition", "known"),
    [
        ("TimeGenerated > ago(5m)", True),
        ("TimeGenerated >= ago(1d)", True),
        ("TimeGenerated > now() - span", True),
        ("TimeGenerated > datetime_add('minute', -5, now())", True),
        ("TimeGenerated <= now()", True),
        ("TimeGenerated < now()", True),
        ("TimeGenerated between (ago(5m) .. now())", True),
        ("TimeGenerated > datetime(2026-01-01)", False),
        ("TimeGenerated < datetime(2026-01-01)", False),
        ("TimeGenerated between (ago(5m) .. ago(1m)) and 1 == 1", False),
        ("xTimeGenerated <= now()", False),
        ("TimeGenerated <= now()x", False),
    ],
)
def test_times_that_reach_up_to_now(topic: str, condition: str, known: bool) -> None:
    assert explains(topic, condition) is known


@pytest.mark.parametrize(
    ("condition", "keys", "callers"),
    [
        ("TimeGenerated < ago(1h)", False, True),
        ("TimeGenerated between (ago(14d) .. ago(1h))", False, True),
        ("FirstSeen > ago(1h)", False, True),
        ("FirstSeen > 5", False, False),
    ],
)
def test_times_before_are_for_those_who_compare(condition: str, keys: bool, callers: bool) -> None:
    assert (explains("keys", condition), explains("callers", condition)) == (keys, callers)


@pytest.mark.parametrize(
    ("condition", "known"),
    [
        ('ResultSignature == "200"', True),
        ("ResultSignature == 200", True),
        ('ResultSignature startswith "2"', True),
        ("toint(ResultSignature) == 201", True),
        ('ResultSignature in ("200", "201")', True),
        ("toint(ResultSignature) in (200, 201)", True),
        ("toint(ResultSignature) between (200 .. 299)", True),
        ("toint(ResultSignature) < 400", True),
        ("toint(ResultSignature) <= 299", True),
        ("toint(ResultSignature) >= 200", True),
        ("toint(ResultSignature) > 199", True),
        ('ResultSignature != "401"', True),
        ('ResultSignature !startswith "4"', True),
        ('ResultSignature == "401"', False),
        ('ResultSignature in ("400", "401")', False),
        ("toint(ResultSignature) < 200", False),
        ("toint(ResultSignature) <= 200", False),
        ("toint(ResultSignature) > 200", False),
        ("toint(ResultSignature) > 299", False),
        ('ResultSignature != "200"', False),
        ("toint(ResultSignature) between (400 .. 499)", False),
        ('OtherSignature == "200"', False),
        ("toint(OtherSignature) < 400", False),
        ("toint(OtherSignature) >= 200", False),
    ],
)
def test_statuses_of_calls_that_succeeded(condition: str, known: bool) -> None:
    assert explains("keys", condition) is known


@pytest.mark.parametrize(
    ("condition", "known"),
    [
        ('ResourceProvider == "MICROSOFT.COGNITIVESERVICES"', True),
        ('ResourceProvider =~ "microsoft.cognitiveservices"', True),
        ('ResourceProvider in ("MICROSOFT.STORAGE", "MICROSOFT.COGNITIVESERVICES")', True),
        ('ResourceProvider == "Microsoft.CognitiveServices"', False),
        ('ResourceProvider == "MICROSOFT.STORAGE"', False),
        ('ResourceType == "ACCOUNTS"', True),
        ('ResourceType == "accounts"', False),
        ('ResourceType == "VAULTS"', False),
        ('event_s == "ShoeboxCallResult"', True),
        ('event_s == "shoeboxcallresult"', False),
        ('Category in ("Audit", "RequestResponse")', True),
        ('Category == "requestresponse"', False),
        ('Category =~ "requestresponse"', True),
        ('OperationName == "ChatCompletions_Create"', False),
        ("DurationMs > 100", False),
        ("isnotempty(tostring(p.modelDeploymentName))", True),
        ('tostring(p.modelDeploymentName) != ""', True),
        ("strlen(tostring(p.modelDeploymentName)) > 0", True),
        ("isempty(tostring(p.modelDeploymentName))", False),
        ("isnotempty(tostring(p.somethingElse))", False),
    ],
)
def test_columns_of_calls_that_every_row_has(condition: str, known: bool) -> None:
    assert explains("keys", condition) is known


@pytest.mark.parametrize(
    ("condition", "keys", "callers"),
    [
        ("isempty(tostring(p.objectId))", True, False),
        ('tostring(p.objectId) == ""', True, False),
        ("strlen(tostring(p.objectId)) == 0", True, False),
        ("isnotempty(tostring(p.objectId))", False, True),
        ("isnotempty(CallerIPAddress)", False, True),
        ('CallerIPAddress != ""', False, True),
        ("objectId !in (known)", False, True),
    ],
)
def test_an_empty_caller_is_a_key_and_a_filled_one_somebody(condition: str, keys: bool, callers: bool) -> None:
    assert (explains("keys", condition), explains("callers", condition)) == (keys, callers)


@pytest.mark.parametrize(
    ("condition", "known"),
    [
        ('ActivityStatusValue == "Success"', True),
        ('ActivityStatus in ("Start", "Success")', True),
        ('CategoryValue == "Administrative"', True),
        ('Category == "Administrative"', True),
        ('CategoryValue == "Policy"', False),
        ('ResourceProviderValue == "MICROSOFT.COGNITIVESERVICES"', True),
        ("isnotempty(Caller)", True),
        ("isnotempty(CorrelationId)", True),
        ("isnotempty(OperationNameValue)", True),
        ("isempty(Caller)", False),
        ("isnotempty(HTTPRequest)", False),
        ('Caller == "somebody"', False),
        ('Level == "Critical"', False),
    ],
)
def test_columns_of_changes_that_every_row_has(condition: str, known: bool) -> None:
    assert explains("changes", condition) is known


@pytest.mark.parametrize(
    ("condition", "known"),
    [
        ('TimeGrain == "PT1M"', True),
        ('TimeGrain == "pt1m"', False),
        ('TimeGrain == "PT1H"', False),
        ("isnotnull(Total)", True),
        ("isnotnull(Average)", False),
        ("Total > 0", True),
        ("Total >= 1", True),
        ("Total < 5", False),
        ("Average > 0", False),
        ('ResourceProvider == "MICROSOFT.COGNITIVESERVICES"', True),
    ],
)
def test_columns_of_metrics_that_every_row_has(condition: str, known: bool) -> None:
    assert explains("metric", condition) is known


@pytest.mark.parametrize(
    ("condition", "watches"),
    [
        ("true", True),
        ('ResultSignature startswith "2"', True),
        ("toint(ResultSignature) < 300", True),
        ("toint(ResultSignature) between (100 .. 199)", False),
        ('ResultSignature has "5"', False),
        ('resultsignature has "5"', False),
        ('case(true, ResultSignature startswith "4", false)', False),
        ('Signature has "5"', True),
    ],
)
def test_a_rule_on_keys_looks_at_calls_that_succeeded(condition: str, watches: bool) -> None:
    text = f"{CALLS} | where isempty(tostring(p.objectId)) | where {condition}"
    assert understand(text).watches_keys is watches


@pytest.mark.parametrize(
    ("step", "apart"),
    [
        ('where Resource == "ACCT"', True),
        ('where _ResourceId has "acct"', True),
        ('where resourcegroup == "RG"', True),
        ("extend Own = tolower(ResourceId)", True),
        ("project SubscriptionId", True),
        ('parse ResourceId with * "/accounts/" Name', True),
        ("summarize count() by Resource", False),
        ('where ResourceProvider == "MICROSOFT.COGNITIVESERVICES"', False),
        ('where ResourceKind == "x"', False),
    ],
)
def test_a_query_that_looks_at_resources_tells_accounts_apart(step: str, apart: bool) -> None:
    assert understand(f"{CALLS} | {step}").tells_accounts_apart is apart


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ('Resource == "ACCT"', True),
        ('Resource != "ACCT"', False),
        ('Resource != "OTHER"', True),
        ('Resource !~ "acct"', False),
        ('Resource !in ("ACCT", "OTHER")', False),
        ('Resource !in~ ("other")', True),
        ('Resource !has "acc"', False),
        ('Resource !contains "cc"', False),
        ('Resource !startswith "ac"', False),
        ('Resource !startswith "x"', True),
        ('_ResourceId !endswith "/accounts/acct"', False),
        ('_ResourceId !contains "deployments"', True),
    ],
)
def test_what_is_said_not_to_be_there(condition: str, holds: bool) -> None:
    assert understand(f"{CALLS} | where {condition}").concerns(ACCOUNT) is holds


@pytest.mark.parametrize("step", ["where", "filter", "Where"])
def test_filter_is_another_word_for_where(step: str) -> None:
    silent = f"{CALLS} | where isempty(tostring(p.objectId)) | {step} ResultSignature startswith '4'"
    assert not understand(silent).watches_keys
    assert understand(f'{CALLS} | {step} Resource == "ACCT"').tells_accounts_apart
    counted = f"{METRIC} | summarize T = sum(Total)"
    assert (understand(counted).always_answers, understand(f"{counted} | {step} T > 20").always_answers) == (
        True,
        False,
    )
    assert understand(f"{counted} | {step} T > 20").thresholds == [20.0]


def test_numbers_of_a_query_that_sums_nothing_are_thresholds_of_rows() -> None:
    assert understand("AzureMetrics | where Total >= 5 | project Total").thresholds == [4.0]
    assert understand("let a = 1; AzureMetrics | where Total > 5 | summarize sum(Total)").thresholds == []
    assert understand("where Total > 7").thresholds == [] and understand("AzureMetrics").thresholds == []
    assert (understand(METRIC).sums, understand(f"{METRIC} | summarize sum(Total)").sums) == (False, True)


@pytest.mark.parametrize(
    ("condition", "all_of_it"),
    [
        ('OperationNameValue endswith "/write"', ["/write"]),
        ('OperationNameValue endswith "/ACCOUNTS/WRITE"', ["/accounts/write"]),
        ('OperationNameValue endswith "/nothing"', []),
    ],
)
def test_operations_by_their_end(condition: str, all_of_it: list[str]) -> None:
    found = understand(f"AzureActivity | where {condition}").operations(OPERATIONS)
    assert found == {each for each in OPERATIONS if any(each.endswith(end) for end in all_of_it)}
    assert bool(found) is bool(all_of_it)


def test_operations_of_the_provider_that_is_asked_for() -> None:
    ours = 'AzureActivity | where OperationNameValue contains "/" | where ResourceProviderValue =~ "{}"'
    own = {each for each in OPERATIONS if each.startswith("microsoft.cognitiveservices/")}
    assert understand(ours.format("Microsoft.CognitiveServices")).operations(OPERATIONS) == own
    assert own and understand(ours.format("Microsoft.Storage")).operations(OPERATIONS) == set()


def test_the_metric_is_compared_by_any_spelling_of_the_operator() -> None:
    for operator in ("in~", "IN~", "has", "HAS"):
        value = '("rairejectedrequests")' if "~" in operator else '"rairejectedrequests"'
        assert understand(f"AzureMetrics | where MetricName {operator} {value}").watches_metric(["RAIRejectedRequests"])
    assert not understand('AzureMetrics | where MetricName == "rairejectedrequests"').watches_metric(
        ["RAIRejectedRequests"]
    )


def test_the_caller_has_two_names_in_the_service() -> None:
    for name in ("objectId", "callerObjectId"):
        assert understand(f"{CALLS} | where isempty(tostring(p.{name}))").watches_keys, name


@pytest.mark.parametrize(
    ("step", "known"),
    [
        ("extend A = 1", True),
        ("project TimeGenerated, properties_s", True),
        ("project-away OperationName", True),
        ("project-keep TimeGenerated", True),
        ("project-rename A = OperationName", True),
        ("project-reorder TimeGenerated", True),
        ("summarize count() by Resource", True),
        ("order by TimeGenerated", True),
        ("sort by TimeGenerated", True),
        ("distinct Resource", True),
        ("serialize", True),
        ("as Rows", True),
        ("render timechart", True),
        ("summarize countif(DurationMs > 5)", False),
        ("summarize COUNTIF (DurationMs > 5)", False),
        ("take 1", False),
        ("limit 1", False),
        ("top 1 by TimeGenerated", False),
        ("sample 1", False),
        ("mv-expand p", False),
        ("join kind=inner (Heartbeat) on Resource", False),
        ("where " + "(" * 15 + "TimeGenerated > ago(5m)" + ")" * 15, True),
        ("where " + "(" * 25 + "TimeGenerated > ago(5m)" + ")" * 25, False),
        (f"extend A = '{'x' * 3900}'", True),
        (f"extend A = '{'x' * 4100}'", False),
    ],
)
def test_steps_that_leave_out_nothing(step: str, known: bool) -> None:
    assert understand(f"{CALLS} | {step}").explains("keys") is known


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("union AzureDiagnostics, AzureMetrics", True),
        ("union isfuzzy=true AzureDiagnostics, AzureMetrics", True),
        ("let t = union AzureDiagnostics, AzureMetrics; t", True),
        ("union (AzureDiagnostics | take 1), AzureMetrics", False),
        ("union AzureDiagnostics, (AzureMetrics | take 1)", False),
    ],
)
def test_tables_that_are_put_together(text: str, known: bool) -> None:
    assert understand(text).explains("keys") is known
