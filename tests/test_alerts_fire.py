"""Whether alerts fire: log rules by their own queries over synthetic events, metric rules by their condition over synthetic totals."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from alerts import metric, query, verdict
from builders import ACCOUNT
from tenants import ROOT
from test_detections import NOW, checked, needs_binder
from test_edges_monitoring_alerts import trial
from test_monitoring_observed import found
from usage_samples import CLAIMS, collected, logged, told, world

from aoai_lib import run
from aoai_lib.assess import judge
from aoai_lib.collect.rule_trials import MOST_TRIALS, TOPICS
from aoai_lib.controls.monitoring_queries import understand
from aoai_lib.detections import askable, rehearsed
from aoai_lib.evidence.store import Evidence
from aoai_lib.lab.logs import LogStore
from aoai_lib.model import Finding, Requirements, Snapshot, State, Status
from aoai_lib.parameters import load
from aoai_lib.report.fired import alerts_fired
from aoai_lib.run import MONITORING

KEYS = "aoai-key-authentication"
CHANGES = "aoai-configuration-change"
CALLERS = "aoai-first-seen-caller"
CALL = 'AzureDiagnostics | where Category == "RequestResponse" | extend p = parse_json(properties_s) | where isempty(tostring(p.objectId))'
HISTORY = 'let c = AzureDiagnostics | where Category == "RequestResponse" | extend Who = tostring(parse_json(properties_s).objectId);\n'


def rules(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The log rules of the world, by name."""
    return {
        each["name"]: each
        for held in document["subscriptions"]
        for group in held["resourceGroups"]
        for each in group["resources"]
        if each["type"] == "Microsoft.Insights/scheduledQueryRules"
    }


def with_query(name: str, query: str, evidence: Evidence | None = None) -> Snapshot:
    """What is read of the hardened tenant when a rule of it has this query."""
    document = world([])
    own = rules(document)[name]["properties"] = deepcopy(rules(document)[name]["properties"])
    own["criteria"]["allOf"][0]["query"] = query
    return collected(document, MONITORING, evidence)


def test_each_of_the_rules_is_tried_once_and_fires(hardened: Snapshot) -> None:
    trials = list(hardened.of("rule_trial"))
    assert sorted(each.scope.partition("/subscriptions/")[0].rpartition("/")[2] for each in trials) == [
        "callers",
        "changes",
        "keys",
    ]
    assert [each.state for each in trials] == [State.COLLECTED] * 3
    for control in ("MON-07", "MON-08", "MON-10"):
        own = found(hardened, control)
        assert own.status is Status.PASS and "was tried on synthetic events, and finds them" in own.reason
        assert next(each.value for each in own.observed if each.path.startswith("rule_trial")) > 0


def test_the_question_holds_the_rule_and_the_events() -> None:
    evidence = Evidence()
    with_query(KEYS, CALL, evidence)
    asked = [line.request["query"] for line in evidence.exchanges if line.request and CALL in line.request["query"]]
    assert len(asked) == 1 and asked[0].count("let AzureDiagnostics = datatable") == 1


@needs_binder
def test_microsofts_binder_takes_every_trial() -> None:
    queries = [each["properties"]["criteria"]["allOf"][0]["query"] for each in rules(world([])).values()]
    asked = [
        (query, events(understand(query)))
        for query in queries
        for watches, events in TOPICS.values()
        if watches(understand(query))
    ]
    trials = [rehearsed(query, CLAIMS, events) for query, events in asked]
    assert [each["problems"] for each in checked(*trials)] == [[]] * 3


@pytest.mark.parametrize(
    ("control", "name", "query"),
    [
        ("MON-07", KEYS, CALL.replace("RequestResponse", "requestresponse")),
        ("MON-07", KEYS, f"{CALL} | where ResultSignature == '200' and Category == 'Audit'"),
        ("MON-07", KEYS, f"{CALL} | where TimeGenerated > ago(2s)"),
        ("MON-08", CHANGES, "AzureActivity | where OperationNameValue startswith 'microsoft.' | where ActivityStatusValue == 'success'"),
        ("MON-10", CALLERS, HISTORY + "c | where TimeGenerated > ago(1h) | join kind=leftanti (c | where TimeGenerated > ago(2d)) on Who"),
        ("MON-10", CALLERS, HISTORY + "c | summarize First = min(TimeGenerated) by Who | where First > now()"),
    ],
    ids=["spelling", "two-categories", "no-time", "status-spelling", "baseline-holds-the-caller", "never"],
)  # fmt: skip
def test_a_rule_that_reads_well_and_never_fires_is_found(control: str, name: str, query: str) -> None:
    own = found(with_query(name, query), control)
    assert own.status is Status.FAIL, own.reason
    if control != "MON-08":
        assert f"“{name}” does not fire" in own.reason


@pytest.mark.parametrize(
    "query",
    [
        f"{CALL} | where Resource == 'AOAI-HALDEN-CLAIMS' and DurationMs > 0 and event_s == 'ShoeboxCallResult'",
        f"{CALL} | where TimeGenerated > ago(5m) | summarize Calls = count() by CallerIPAddress, bin(TimeGenerated, 5m)",
        CALL.replace("properties_s)", "coalesce(properties_s, tostring(AdditionalFields.properties_s)))"),
    ],
    ids=["columns-of-the-account", "the-last-minutes", "columns-of-a-full-workspace"],
)
def test_a_rule_in_another_form_fires(query: str) -> None:
    own = found(with_query(KEYS, query), "MON-07")
    assert own.status is Status.PASS and "finds them" in own.reason


def judged_by_trial(text: str) -> Finding:
    """MON-07 of a rule with this query and of the answer that the lab's engine gives to its trial."""
    _, events = TOPICS["keys"]
    answer = LogStore(["w"]).query("w", rehearsed(text, ACCOUNT, events(understand(text))), None, NOW)
    return verdict("MON-07", trial("keys", *answer["tables"][0]["rows"]), queries=[query(text)])


def test_a_trial_that_was_refused_says_so_and_condemns_nothing() -> None:
    own = found(with_query(KEYS, f"{CALL} | extend Part = Department"), "MON-07")
    assert own.status is Status.PASS
    assert "Its query was not tried:" in own.reason and "Department" in own.reason


def test_a_trial_that_was_refused_leaves_a_condition_open_that_the_text_does_not_explain() -> None:
    own = found(with_query(KEYS, f"{CALL} | where Department == 'x'"), "MON-07")
    assert own.status is Status.NOT_ASSESSED
    assert "steps whose effect its text does not tell, and it was not tried" in own.reason


@pytest.mark.parametrize(
    "more",
    [
        "| where OperationName == 'ChatCompletions_Create'",
        "| where CallerIPAddress == '10.1.2.***'",
        "| where tostring(p.modelDeploymentName) == 'chat'",
        "| where DurationMs > 5000",
        "| where tolower(Resource) != 'acct'",
        "| where split(_ResourceId, '/')[8] == 'shop'",
        "| summarize Calls = count() by CallerIPAddress | where tolong(Calls) > 1",
        "| summarize Calls = count() by CallerIPAddress | where 3 < Calls",
        "| where hourofday(TimeGenerated) between (0 .. 23)",
        "| take 0",
        "| where ResultSignature != '200'",
        "| where isempty(tostring(p.objectId)) == false",
    ],
)
def test_a_rule_that_leaves_most_of_what_it_watches_out_does_not_pass(more: str) -> None:
    own = judged_by_trial(f"{CALL} {more}")
    assert own.status is Status.FAIL, own.reason


@pytest.mark.parametrize(
    "more",
    [
        "| extend ByKey = isempty(tostring(p.objectId)) | where ByKey",
        "| where Resource !in~ ('somewhere', 'else')",
        "| where split(_ResourceId, '/')[8] == 'acct'",
        "| summarize Calls = count() by CallerIPAddress | where tolong(Calls) > 0",
        "| where CallerIPAddress != '10.9.9.***'",
    ],
)
def test_a_rule_that_leaves_out_something_else_passes_when_it_fires(more: str) -> None:
    own = judged_by_trial(f"{CALL} {more}")
    assert own.status is Status.PASS and "finds them" in own.reason


def test_a_rule_for_one_of_two_accounts_is_tried_for_each() -> None:
    document = world([])
    own = rules(document)[KEYS]["properties"] = deepcopy(rules(document)[KEYS]["properties"])
    own["criteria"]["allOf"][0]["query"] = f"{CALL} | where split(_ResourceId, '/')[8] == 'ais-halden-knowledge'"
    judged = {
        each.subject.id.rpartition("/")[2]: each.status
        for each in judge(collected(document, MONITORING))
        if each.control == "MON-07"
    }
    assert judged == {"ais-halden-knowledge": Status.PASS, "aoai-halden-claims": Status.FAIL}


@pytest.mark.parametrize(
    "query",
    [
        f"{CALL} | union (externaldata(x: string)['https://collector.example/'])",
        f"union AzureDiagnostics, workspace('other').AzureDiagnostics | {CALL.partition('| ')[2]}",
        f"{CALL} | evaluate http_request('https://collector.example/')",
        f"{CALL} | join (cluster('c').database('d').T) on TenantId",
        ".show tables",
        " ",
    ],
)
def test_a_query_that_reaches_past_its_tables_is_not_asked(query: str) -> None:
    assert not askable(query)
    evidence = Evidence()
    sample = with_query(KEYS, query, evidence)
    assert not [each for each in sample.of("rule_trial") if "/keys/" in each.scope]
    assert "collector.example" not in json.dumps([each.request for each in evidence.exchanges])


def test_so_many_trials_and_no_more() -> None:
    document = world([])
    groups = [group for held in document["subscriptions"] for group in held["resourceGroups"]]
    group = next(each for each in groups if any(one["name"] == KEYS for one in each["resources"]))
    own = rules(document)[KEYS]
    group["resources"] += [{**own, "name": f"copy-{number}"} for number in range(MOST_TRIALS + 10)]
    assert len(list(collected(document, MONITORING).of("rule_trial"))) == MOST_TRIALS


def test_a_rule_that_changed_between_is_not_asked(hardened: Snapshot) -> None:
    (trial,) = [each for each in hardened.of("rule_trial") if "/keys/" in each.scope]
    lost = {key: replace(each, state=State.FAILED, value=None, reason="The read of rule trial got no answer") if each is trial else each for key, each in hardened.readings.items()}  # fmt: skip
    own = found(replace(hardened, readings=lost), "MON-07")
    assert (own.status, own.reason) == (Status.NOT_ASSESSED, "The read of rule trial got no answer.")


def fires(totals: list[float], window: int, every: int, fired: Callable[[float], bool]) -> bool:
    """A metric rule as Azure Monitor evaluates it: at each step, the total of the window before."""
    return any(fired(sum(totals[end - window : end])) for end in range(window, len(totals) + 1, every))


@pytest.mark.parametrize("threshold", [0, 3, 4, 19, 20, 21, 60, 240])
@pytest.mark.parametrize("window", [1, 5, 15, 60])
def test_a_metric_rule_passes_if_and_only_if_it_fires_on_the_first_total_above_what_is_allowed(
    window: int, threshold: int
) -> None:
    allowed = 20
    rule = metric(threshold=float(threshold), windowSize=f"PT{window}M", evaluationFrequency="PT1M")
    own = verdict("MON-06", metrics=[rule], requirements=Requirements(rejected_content_per_5_minutes=allowed))
    before = [0.0] * 60
    steady = [*before, *[(allowed + 1) / 5] * 5, *before]
    at_once = [*before, allowed + 1.0, *before]
    answered = [fires(totals, window, 1, lambda total: total > threshold) for totals in (steady, at_once)]
    assert (own.status is Status.PASS) == all(answered)


def fired(document: dict[str, Any]) -> set[str]:
    """The rules that the lab's service says fired."""
    found = collected(document, ("monitoring",)).of("fired_alerts")
    return {alert["name"] for each in found if each.state is State.COLLECTED for alert in each.value}


def by_key(minutes_ago: float, **more: Any) -> dict[str, Any]:
    """A call with a key, as a world states it."""
    return logged(minutes_ago, properties_s=told("")) | more


def test_the_lab_evaluates_log_rules_over_the_window_before_its_clock() -> None:
    assert KEYS not in fired(world([]))
    assert KEYS not in fired(world([by_key(200)]))
    assert KEYS in fired(world([by_key(3)]))
    quiet = world([by_key(3)])
    rules(quiet)[KEYS]["properties"] = {**rules(quiet)[KEYS]["properties"], "enabled": False}
    assert KEYS not in fired(quiet)


@pytest.mark.parametrize(
    ("tokens", "minutes_ago", "expected"), [(400_000, 20, False), (600_000, 20, True), (600_000, 90, False)]
)
def test_the_lab_evaluates_metric_rules_over_their_window(tokens: int, minutes_ago: float, expected: bool) -> None:
    assert ("aoai-token-consumption" in fired(world([by_key(minutes_ago, tokens=tokens)]))) == expected


def test_what_fired_is_shown_by_rule_and_target(hardened: Snapshot) -> None:
    table = alerts_fired(run.Run(load(ROOT / "parameters" / "hardened.yaml"), hardened))
    assert [row[:4] for row in table.rows] == [("aoai-deployment-written", "Log", "chat", 2)]


def test_where_alerts_could_not_be_read_the_table_says_so(mixed: Snapshot) -> None:
    table = alerts_fired(run.Run(load(ROOT / "parameters" / "mixed.yaml"), mixed))
    assert any("403 AuthorizationFailed" in str(row[-1]) for row in table.rows)
