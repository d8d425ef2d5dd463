"""Detections: each finds its events and leaves its near misses, on the lab's engine and by Microsoft's parser and binder."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from tenants import ROOT

from aoai_lib.collect.detections import ARRIVALS
from aoai_lib.collect.usage import QUESTION
from aoai_lib.detections import Detection, Event, catalogue, find, rows_of, shadowed, unlike
from aoai_lib.detections.catalogue import FOLDER, read
from aoai_lib.detections.document import document
from aoai_lib.detections.events import TYPES
from aoai_lib.detections.template import template
from aoai_lib.frameworks import atlas, owasp
from aoai_lib.lab.logs import LogQueryError, LogStore
from aoai_lib.lab.logs import catalogue as lab_tables
from aoai_lib.model import InputError

NOW = datetime(2026, 11, 23, 12, 2, 30, tzinfo=UTC)
KUSTO = ROOT / "tests" / "kusto"
needs_binder = pytest.mark.skipif(
    shutil.which("node") is None or not (KUSTO / "node_modules").is_dir(),
    reason="Microsoft's KQL language service is not here: `make kql` sets it up",
)
EACH = pytest.mark.parametrize("detection", catalogue(), ids=lambda each: each.name)


def store(tables: dict[str, list[dict[str, Any]]]) -> LogStore:
    """A workspace of the lab with these rows."""
    held = LogStore(["w"])
    for table, rows in tables.items():
        for row in rows:
            plain = {
                key: f"{value:%Y-%m-%dT%H:%M:%S.%fZ}" if isinstance(value, datetime) else value
                for key, value in row.items()
            }
            held.append("w", table, {key: value for key, value in plain.items() if value is not None})
    return held


def ask(held: LogStore, query: str) -> list[dict[str, Any]]:
    (table, *_) = held.query("w", query, None, NOW)["tables"]
    names = [column["name"] for column in table["columns"]]
    return [dict(zip(names, row, strict=True)) for row in table["rows"]]


@EACH
def test_it_finds_its_events_and_nothing_else(detection: Detection) -> None:
    events = (*detection.hits, *detection.misses)
    assert unlike(ask(store(rows_of(events, NOW)), detection.kql(**detection.trial)), detection.rows) == ""


COUNTING = [each for each in catalogue() if "each" in each.parameters]


@pytest.mark.parametrize("detection", COUNTING, ids=lambda each: each.name)
def test_what_happened_days_ago_is_found_over_the_evidence_window(detection: Detection) -> None:
    """The same events, two weeks earlier: not in the detection's own window, but over thirty days, and with their time."""
    before = NOW - timedelta(days=14)
    held = store(rows_of(detection.hits, before))
    assert ask(held, detection.kql(**detection.trial)) == []
    found = ask(held, detection.kql(**{**detection.trial, "window": "30d"}))
    assert unlike(found, detection.rows) == ""
    assert all(row["Last"] <= f"{before:%Y-%m-%dT%H:%M:%SZ}" for row in found)
    assert {"TimeGenerated", "Ago"}.isdisjoint(found[0])


def test_numbers_are_those_of_one_window_however_far_back_one_looks() -> None:
    refused = find("rejected-requests")
    assert "ago(30d)" in refused.over(30)
    apart = [
        Event.model_validate({"shape": "call", "times": 4, "minutes_ago": ago, "with": {"status": 400}})
        for ago in (10, 70, 130, 190)
    ]
    assert ask(store(rows_of(apart, NOW)), refused.over(30)) == [], "16 in all, and never more than 5 in an hour"
    once = Event.model_validate({"shape": "call", "times": 3, "minutes_ago": 69, "with": {"status": 400}})
    (row,) = ask(store(rows_of([*apart, once], NOW)), refused.over(30))
    assert row["Refused"] == 7


def test_a_caller_of_last_week_is_not_new_over_the_evidence_window() -> None:
    calls = [
        Event.model_validate({"shape": "call", "minutes_ago": ago, "with": {"caller": "weekly"}})
        for ago in (10, 7 * 1440)
    ]
    newcomer = find("first-seen-caller")
    assert len(ask(store(rows_of(calls, NOW)), newcomer.kql())) == 1, "a log alert sees two days"
    assert ask(store(rows_of(calls, NOW)), newcomer.over(30)) == []


@EACH
def test_every_row_says_when_it_was(detection: Detection) -> None:
    assert re.search(r"\bLast = max\(\w+\)", detection.kql())


@EACH
def test_with_the_events_in_the_query_it_says_the_same_of_an_empty_workspace(detection: Detection) -> None:
    query = shadowed(detection, (*detection.hits, *detection.misses))
    assert unlike(ask(LogStore(["w"]), query), detection.rows) == ""
    assert len(query) < 40_000, "short enough to be sent"


@EACH
def test_near_misses_alone_are_silent(detection: Detection) -> None:
    """Events that belong to a hit's group (a start beside its end) are no hit without it."""
    assert ask(LogStore(["w"]), shadowed(detection, detection.misses)) == []


@EACH
def test_rows_that_are_there_already_do_not_matter(detection: Detection) -> None:
    held = store(rows_of(detection.hits, NOW))
    assert ask(held, shadowed(detection, detection.misses)) == []


@EACH
def test_no_event_at_all_is_no_row_and_no_error(detection: Detection) -> None:
    assert ask(LogStore(["w"]), shadowed(detection, ())) == []


@EACH
def test_hostile_values_are_data(detection: Detection) -> None:
    """Quotes, brackets, line ends and control characters in every text of every event: it still finds as many rows."""
    odd = '"]; print 1 // \n\\ {{most}} <script> =1+1 \u202e ☃'

    def spoilt(event: Any) -> Any:
        told = {"caller": f"{event.with_['caller']}{odd}"} if event.with_.get("caller") else {}
        return event.model_copy(update={"with_": {**event.with_, **told}})

    hits = [spoilt(event) for event in detection.hits]
    found = ask(LogStore(["w"]), shadowed(detection, hits))
    assert len(found) == len(ask(LogStore(["w"]), shadowed(detection, detection.hits)))
    assert "print_0" not in {key for row in found for key in row}


@EACH
def test_what_a_workspace_lacks_is_named(detection: Detection) -> None:
    whole = {table: {"TimeGenerated", *columns} for table, columns in detection.tables.items()}
    assert detection.missing(whole) == []
    assert detection.missing({}) == list(detection.tables)
    table = next(iter(detection.tables))
    column = detection.tables[table][-1]
    assert detection.missing({**whole, table: whole[table] - {column}}) == [f"{table}.{column}"]
    renamed = {each.swapcase() for each in whole[table]}
    assert set(detection.missing({**whole, table: renamed})) == {f"{table}.{each}" for each in detection.tables[table]}


@EACH
def test_what_it_needs_is_what_it_names(detection: Detection) -> None:
    query = detection.kql()
    assert all(table in query for table in detection.tables)
    assert all(set(columns) <= {"TimeGenerated", *TYPES[table]} for table, columns in detection.tables.items())
    used = set(re.findall(r"\w+", query))
    assert [name for names in detection.tables.values() for name in names if name not in used] == []
    assert not re.search(r"\{\{|\}\}", query)


def test_there_are_enough_and_they_name_real_clauses() -> None:
    assert len(catalogue()) >= 15
    assert Counter(each.id for each in catalogue()).most_common(1)[0][1] == 1
    for each in catalogue():
        assert atlas(*each.atlas)
        assert not each.owasp or owasp(*each.owasp)
    assert len([each for each in catalogue() if each.guide]) >= 5, "what was wrong with each of the guide's"


def test_parameters_are_literals_of_their_type() -> None:
    burst = find("request-burst")
    assert "> ago(2h)" in burst.kql(window="2h") and "Requests > 7" in burst.kql(most=7)
    known = find("many-deployments").kql(known=['a"b', "c"])
    assert 'dynamic(["a\\"b", "c"])' in known
    for wrong in (
        {"window": "1h) | take 5"},
        {"window": "0h"},
        {"most": "5"},
        {"most": True},
        {"else_": 1},
        {"window": 3},
    ):
        with pytest.raises(InputError):
            burst.kql(**wrong)
    with pytest.raises(InputError, match="no detection"):
        find("nothing")


GOOD = yaml.safe_load((FOLDER / "12-role-granted.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": "X-1"}, "id"),
        ({"misses": []}, "needs events"),
        ({"rows": []}, "needs events"),
        ({"query": GOOD["query"] + "| where a > {{most}}"}, "not those that the query names"),
        ({"query": "AzureActivity | where TimeGenerated > ago({{window}}) | evaluate bag_unpack(p)"}, "bag_unpack"),
        ({"parameters": {"window": {**GOOD["parameters"]["window"], "default": "3d"}}}, "two days is the most"),
        ({"hits": [{"shape": "ghost"}]}, "no event of the shape ghost"),
        ({"hits": [{"shape": "alert"}]}, "which it does not look at"),
        ({"trial": {"window": "soon"}}, "is no timespan"),
        ({"more": 1}, "more"),
    ],
)
def test_a_wrong_file_is_refused_by_what_is_wrong(change: dict[str, Any], said: str) -> None:
    with pytest.raises((ValueError, InputError), match=said):
        Detection.model_validate({**GOOD, **change})


def test_a_wrong_file_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "13-odd.yaml"
    for text in ("id: DET-01\nid: DET-02\n", "id: DET-01\n", "- id\n", "id: [\n"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=r"^13-odd\.yaml"):
            read(path)


def test_tuned_too_far_it_is_no_log_alert() -> None:
    assert all((each.alert_limit() == "") == each.alertable for each in catalogue())
    assert "two days" in find("request-burst").alert_limit(window="3d")


def test_events_are_typed_as_the_tables_are() -> None:
    for table, columns in TYPES.items():
        real = {**lab_tables()[table]["columns"], "properties_s": "string"}
        assert columns == {name: real.get(name) for name in columns}, table


def test_a_missing_table_is_said_by_the_engine_too() -> None:
    with pytest.raises(LogQueryError) as refused:
        ask(LogStore(["w"]), "Nowhere | take 1")
    assert "Nowhere" in json.dumps(refused.value.body)


def test_the_page_is_what_the_files_say() -> None:
    written = (ROOT / "docs" / "detections.md").read_text(encoding="utf-8")
    assert written == document(), "run: python -m aoai_lib.detections > docs/detections.md"


def whole_schema() -> dict[str, dict[str, str]]:
    schema = {table: dict(lab_tables()[table]["columns"]) for table in TYPES}
    schema["AzureDiagnostics"]["properties_s"] = "string"
    return schema


def checked(*queries: str) -> list[dict[str, Any]]:
    """What Microsoft's parser and binder make of queries, with the tables' columns as their schema."""
    return bound((query, whole_schema()) for query in queries)


def bound(asked_of: Iterable[tuple[str, dict[str, dict[str, str]]]]) -> list[dict[str, Any]]:
    """The same for queries with a schema each."""
    asked = json.dumps([{"query": query, "tables": schema} for query, schema in asked_of])
    done = subprocess.run(
        ["node", KUSTO / "check.js"], input=asked, capture_output=True, text=True, check=True, cwd=KUSTO
    )
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


@needs_binder
def test_microsofts_binder_takes_every_query() -> None:
    plain = [each.kql() for each in catalogue()]
    inside = [shadowed(each, (*each.hits, *each.misses)) for each in catalogue()]
    for each, answer in zip([*catalogue(), *catalogue()], checked(*plain, *inside), strict=True):
        assert answer["problems"] == [], each.id
        assert answer["kind"] == "Query" and answer["columns"], each.id
        wanted = {name for row in each.rows for name in row}
        assert wanted <= set(answer["columns"]), each.id


def other_queries() -> list[str]:
    """What the product asks or sends besides the detections as they stand: over the evidence window, of callers, of delays, in rules."""
    rules = [
        each["properties"]["criteria"]["allOf"][0]
        for each in template()["resources"]
        if "criteria" in each["properties"]
    ]
    window = [f"{each.over(30)}\n| take 500" for each in catalogue()]
    return [QUESTION, ARRIVALS, *window, *(each["query"] for each in rules if "query" in each)]


@needs_binder
@pytest.mark.parametrize(
    "change", [{}, {"properties_s": "dynamic"}, {"AdditionalFields": "string"}, {"properties_s": ""}]
)
def test_microsofts_binder_takes_every_other_query_that_is_sent(change: dict[str, str]) -> None:
    schema = whole_schema()
    columns = {name: kind for name, kind in {**schema["AzureDiagnostics"], **change}.items() if kind}
    asked = other_queries()
    assert len(asked) > 40
    answers = bound((query, {**schema, "AzureDiagnostics": columns}) for query in asked)
    assert [answer["problems"] for answer in answers] == [[]] * len(asked)


@needs_binder
@pytest.mark.parametrize(
    ("column", "kind"),
    [("properties_s", None), ("AdditionalFields", None), ("properties_s", "dynamic"), ("AdditionalFields", "string")],
)
def test_microsofts_binder_takes_them_whatever_holds_the_properties(column: str, kind: str | None) -> None:
    schema = whole_schema()
    del schema["AzureDiagnostics"][column]
    if kind:
        schema["AzureDiagnostics"][column] = kind
    answers = bound((each.kql(), schema) for each in catalogue())
    assert [answer["problems"] for answer in answers] == [[]] * len(catalogue())


@needs_binder
def test_microsofts_binder_misses_each_table_and_column_that_a_detection_says_it_needs() -> None:
    asked = []
    for each in catalogue():
        for table, columns in each.tables.items():
            asked.append((each.kql(), {name: own for name, own in whole_schema().items() if name != table}))
            for column in columns:
                schema = whole_schema()
                del schema[table][column]
                asked.append((each.kql(), schema))
    assert len(asked) > 100
    assert [query for (query, _), answer in zip(asked, bound(asked), strict=True) if not answer["problems"]] == []


@needs_binder
def test_microsofts_binder_finds_what_is_broken() -> None:
    """The check can fail: a column of another spelling, a missing table, a wrong operator, half a query."""
    query = find("key-use").kql()
    broken = (
        query.replace("CallerIPAddress", "CallerIpAddress"),
        query.replace("AzureDiagnostics", "AzureDiagnostic"),
        query.replace("| summarize", "| sumarize"),
        query.rpartition("by ")[0] + "by",
    )
    assert all(answer["problems"] for answer in checked(*broken))
