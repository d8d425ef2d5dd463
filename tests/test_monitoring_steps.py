"""MON-06, MON-07 and MON-09: a log alert that watches the right thing and leaves most of it out does not pass."""

from __future__ import annotations

from typing import Any

import pytest
from alerts import query, verdict

from aoai_lib.controls.monitoring_steps import conditions, plain, steps
from aoai_lib.detections import find

REJECTED = 'AzureMetrics | where MetricName == "RAIRejectedRequests" '
SUM = "| summarize T = sum(Total) by bin(TimeGenerated, 5m) "
TOKENS = 'AzureMetrics | where MetricName == "TokenTransaction" '
CALLS = 'AzureDiagnostics | where Category == "RequestResponse" '
KEYS = 'AzureDiagnostics | where Category == "RequestResponse" | extend p = parse_json(properties_s) | where isempty(tostring(p.objectId)) '


def measured(text: str, column: str = "Total", aggregation: str = "Total", *split: str) -> dict[str, Any]:
    """A rule that adds up a column of its query's rows over five minutes."""
    dimensions = [{"name": name, "operator": "Include", "values": ["*"]} for name in split]
    condition = {
        "timeAggregation": aggregation,
        "metricMeasureColumn": column,
        "threshold": 20.0,
        "dimensions": dimensions,
    }
    return query(text, windowSize="PT5M", condition=condition)


@pytest.mark.parametrize(
    "text",
    [
        f"{REJECTED}| where Total > 0 {SUM}| where T > 20",
        f'{REJECTED}| where TimeGrain == "PT1M" and isnotnull(Total) {SUM}| where T > 20',
        f"{REJECTED}| where Total > 4",
        f"let limit = 20; {REJECTED}{SUM}| where T > limit",
        f'let names = dynamic(["RAIRejectedRequests"]); AzureMetrics | where MetricName in (names) {SUM}| where T > 20',
        f'AzureMetrics | where MetricName =~ "rairejectedrequests" {SUM}| where T > 20',
        f"{REJECTED}| summarize T = sum(Total), Last = max(TimeGenerated) by _ResourceId, bin(TimeGenerated, 5m) | where T > 20",
        f"{REJECTED}| summarize sum(Total) by bin(TimeGenerated, 5m) | where sum_Total > 20 | project TimeGenerated, sum_Total",
        f'{REJECTED}| where tolower(Resource) == "acct" and ResourceProvider == "MICROSOFT.COGNITIVESERVICES" {SUM}| where T > 20',
    ],
    ids=["rows-above-nothing", "grain", "each-minute", "named-number", "named-list", "without-case", "by-account", "no-alias", "the-account"],
)  # fmt: skip
def test_a_log_alert_that_adds_up_every_rejected_request(text: str) -> None:
    found = verdict("MON-06", queries=[query(text)])
    assert found.status == "pass", found.reason


@pytest.mark.parametrize(
    "text",
    [
        f"{REJECTED}| where Total > 100 {SUM}| where T > 20",
        f"{REJECTED}| where Total >= 5 {SUM}| where T > 20",
        f"{REJECTED}| where 100 < Total {SUM}| where T > 20",
        f"{REJECTED}| where Total > 5",
        f"{REJECTED}{SUM.replace('sum(', 'avg(')}| where T > 20",
        f"{REJECTED}{SUM.replace('sum(', 'max(')}| where T > 20",
        f"{REJECTED}{SUM.replace('sum(Total)', 'count()')}| where T > 20",
        f"{REJECTED}{SUM.replace('sum(Total)', 'sum(Average)')}| where T > 20",
        f"{REJECTED}{SUM.replace('sum(Total)', 'sum(Total) / 100')}| where T > 20",
        f"{REJECTED}{SUM.replace('sum(Total)', 'sumif(Total, Total > 100)')}| where T > 20",
        f"{REJECTED}{SUM.replace('by ', 'by Average, ')}| where T > 20",
        f"{REJECTED}| extend Total = Total / 100 {SUM}| where T > 20",
        f"{REJECTED}{SUM}| extend T = T / 100 | where T > 20",
        f"{REJECTED}{SUM}| where T > 20 and T > 500",
        f"{REJECTED}{SUM}| where T > 20 | where T < 30",
        f"{REJECTED}{SUM}| where T > 20 * 100",
        f"{REJECTED}{SUM}| where T > 2e3",
        f"{REJECTED}{SUM}| where T between (21 .. 30)",
        f"let limit = 500; {REJECTED}{SUM}| where T > limit",
        f"{REJECTED}| take 1 {SUM}| where T > 20",
        f"{REJECTED}{SUM}| where T > 20 | take 0",
        f"{REJECTED}| where false {SUM}| where T > 20",
        f"{REJECTED}| where TimeGenerated < ago(1h) {SUM}| where T > 20",
        f"{REJECTED}| where hourofday(TimeGenerated) between (8 .. 18) {SUM}| where T > 20",
        f'{REJECTED}| where TimeGrain == "PT1H" {SUM}| where T > 20',
        f"{REJECTED}| join kind=inner (Heartbeat) on Resource {SUM}| where T > 20",
        f"{REJECTED.replace('==', '!=')}{SUM}| where T > 20",
        f"{REJECTED.replace('RAI', 'rai')}{SUM}| where T > 20",
        f'let target = "shop"; {REJECTED}| where _ResourceId has target {SUM}| where T > 20',
        f'{REJECTED}| where toupper(Resource) == "SHOP" {SUM}| where T > 20',
        f'{REJECTED}| where Resource !in~ ("acct") {SUM}| where T > 20',
    ],
)
def test_a_log_alert_that_leaves_rejected_requests_out(text: str) -> None:
    found = verdict("MON-06", queries=[query(text)])
    assert found.status == "fail", found.reason


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (measured(REJECTED), "pass"),
        (measured(REJECTED, "Total", "Total", "_ResourceId"), "pass"),
        (measured(f"{REJECTED}{SUM}", "T"), "pass"),
        (measured(f"{REJECTED}| where Total > 100"), "fail"),
        (measured(REJECTED, "Average"), "fail"),
        (measured(REJECTED, "Total", "Maximum"), "fail"),
        (measured(f"{REJECTED}{SUM}", "Total"), "fail"),
        (measured(REJECTED, "Total", "Total", "Average"), "fail"),
    ],
    ids=["minutes", "by-account", "sums", "rows-above", "average", "highest", "column-that-is-gone", "split"],
)
def test_a_log_alert_that_measures_a_column(rule: Any, status: str) -> None:
    found = verdict("MON-06", queries=[rule])
    assert found.status == status, found.reason


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ("| summarize T = sum(Total) by bin(TimeGenerated, 1h) | where T > 500000", "pass"),
        ("| where Total > 100000 | summarize T = sum(Total) by bin(TimeGenerated, 1h) | where T > 500000", "fail"),
        ("| summarize T = sum(Total) by bin(TimeGenerated, 1d) | where T > 900000", "fail"),
    ],
)
def test_a_log_alert_on_tokens(more: str, status: str) -> None:
    one_or_more = {"operator": "GreaterThanOrEqual", "threshold": 1.0}
    rule = query(f"{TOKENS}{more}", windowSize="P1D", evaluationFrequency="PT1H", condition=one_or_more)
    assert verdict("MON-09", queries=[rule]).status == status


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (f"let most = 100; {KEYS}| summarize C = count() by CallerIPAddress | where C > most", "fail"),
        (f'let target = "shop"; {KEYS}| where _ResourceId has target', "fail"),
        (f'{KEYS}| where Resource != "ACCT"', "fail"),
        (f'{KEYS}| where Resource != "SHOP"', "pass"),
        (f'{CALLS}| extend Who = extract_json("$.objectId", properties_s) | where isempty(Who)', "pass"),
        (f"""{CALLS}| extend Who = extract('"objectId":"([^"]*)"', 1, properties_s) | where Who == ''""", "pass"),
        (f"{CALLS}| where strlen(tostring(parse_json(properties_s).objectId)) == 0", "pass"),
        (f"{CALLS}| where strlen(tostring(parse_json(properties_s).objectId)) > 0", "fail"),
        (f"{KEYS}| summarize count()", "fail"),
        (f"{KEYS}| summarize C = count() | where C > 0", "pass"),
        (KEYS.replace("==", "!="), "fail"),
        (KEYS.replace('== "RequestResponse"', '!in ("RequestResponse")'), "fail"),
        (f"{KEYS}| where dayofweek(TimeGenerated) !in (0d, 6d)", "fail"),
        (f'{KEYS}| where ResultSignature == "429" and DurationMs > 200', "fail"),
        ('print x = "AzureDiagnostics | where isempty(objectId)"', "fail"),
        (f"{KEYS}| take 0", "not_assessed"),
        (f"{KEYS}| where isnotempty(tostring(p.callerObjectId))", "not_assessed"),
        (f'{KEYS}| where OperationName == "Completions_Create"', "not_assessed"),
        (f"{KEYS}| join kind=leftanti (AzureDiagnostics) on CorrelationId", "not_assessed"),
        (f"{KEYS}| summarize C = count() by CallerIPAddress | where C between (5 .. 9)", "not_assessed"),
    ],
)
def test_a_log_alert_on_keys_that_was_not_tried_passes_only_where_its_text_explains_every_step(
    text: str, status: str
) -> None:
    found = verdict("MON-07", queries=[query(text)])
    assert found.status == status, found.reason


def test_a_count_over_all_is_a_row_even_where_nothing_happened() -> None:
    counted = f"{KEYS}| summarize Calls = count()"
    by_number = {"timeAggregation": "Total", "metricMeasureColumn": "Calls"}
    assert verdict("MON-07", queries=[query(counted, condition=by_number)]).status == "pass"
    assert "tells nothing" in verdict("MON-07", queries=[query(counted)]).reason


@pytest.mark.parametrize(
    ("control", "names"),
    [
        ("MON-07", ["key-use"]),
        ("MON-08", ["configuration-change", "key-retrieval", "role-granted"]),
        ("MON-10", ["first-seen-caller"]),
    ],
)
def test_the_detections_that_hardening_makes_rules_of_pass_by_their_text(control: str, names: list[str]) -> None:
    rules = [query(find(name).kql(), overrideQueryTimeRange="P2D") for name in names]
    found = verdict(control, queries=rules)
    assert found.status == "pass" and "Its query was not tried" in found.reason, found.reason


@pytest.mark.parametrize(
    "more",
    [
        "| where " + "(" * 20_000 + "A == 1" + ")" * 20_000,
        "| where isempty(" + "objectId " * 20_000 + ")",
        "| extend " + "A = tostring(" * 20_000 + "objectId",
        "| summarize " + "T" * 200_000,
        "| where T > " + "1" * 200_000,
    ],
    ids=["brackets", "names", "aliases", "word", "number"],
)
def test_a_query_of_any_length_is_read(more: str) -> None:
    """Its text is its author's. What takes too long or goes too deep is not looked into, and is no pass by its text."""
    assert verdict("MON-07", queries=[query(f"{KEYS}{more}")]).status in ("not_assessed", "fail")


def test_a_step_ends_at_a_pipe_outside_of_quotes_and_a_condition_at_its_own_bracket() -> None:
    text = plain(
        'let most = 5; // a comment\nT | where (A == "x|y" and B > most) or C != "; // z" | join (U | where D > 1) on E'
    )
    own = steps(text)
    assert [step.operator for step in own] == ["", "where", "join", "where"]
    assert conditions(own[1]) == ['A == "x|y"', "B > 5", 'C != "; // z"']
    assert conditions(own[3]) == ["D > 1"]
