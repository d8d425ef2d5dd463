"""Each condition of a detection is proven by an event: without it, the events no longer give the rows that they state."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from test_detections import EACH, NOW, ask

from aoai_lib.detections import Detection, catalogue, find, rows_of, shadowed, unlike
from aoai_lib.detections.events import TYPES, Event
from aoai_lib.lab.logs import LogStore

_WHERE = re.compile(r"\| where (.+?)(?=\n\s*[|)]|\Z)", re.DOTALL)
_LISTED = re.compile(r"OperationNameValue in~ \(([^)]*)\)")
ONLY_FOR_SPEED = {("gateway-tokens", "TimeGenerated > ago(1h)", number) for number in (0, 1)}
"""A window on both sides of a join, either of which is enough: (detection, condition, which of its occurrences)."""

DECISIVE = {
    "AzureDiagnostics": ("Category", "ResourceProvider"),
    "AzureActivity": ("OperationNameValue", "ActivityStatusValue"),
    "AzureMetrics": ("MetricName", "ResourceProvider"),
    "SecurityAlert": ("AlertType",),
    "ApiManagementGatewayLlmLog": ("CorrelationId", "DeploymentName"),
    "ApiManagementGatewayLogs": ("CorrelationId",),
}
"""Fields that every hit of a table needs."""


def weakened(query: str) -> Iterator[tuple[str, int, str]]:
    """The query with one condition always true, for each: the condition, its number among equal ones, and the query."""
    seen: dict[str, int] = {}
    for step in _WHERE.finditer(query):
        text = step[1]
        parts = [text] if " or " in text else text.split(" and ")
        at = step.start(1)
        for part in parts:
            number = seen[part] = seen.get(part, -1) + 1
            yield part, number, f"{query[:at]}true{query[at + len(part) :]}"
            at += len(part) + len(" and ")


def inside(detection: Detection, query: str, events: tuple[Event, ...]) -> list[dict[str, Any]]:
    """The rows of another query over a detection's events."""
    return ask(LogStore(["w"]), shadowed(detection, events, query))


@EACH
def test_no_condition_can_be_left_out(detection: Detection) -> None:
    query = detection.kql(**detection.trial)
    for condition, number, weak in weakened(query):
        if (detection.name, condition, number) in ONLY_FOR_SPEED:
            continue
        found = inside(detection, weak, (*detection.hits, *detection.misses))
        assert unlike(found, detection.rows), f"no event needs the {number + 1}. “{condition}”"


@EACH
def test_without_one_of_its_events_a_row_is_another(detection: Detection) -> None:
    for index, event in enumerate(detection.hits):
        fewer = event.model_copy(update={"times": event.times - 1})
        left = [*detection.hits[:index], *([fewer] if fewer.times else []), *detection.hits[index + 1 :]]
        found = inside(detection, detection.kql(**detection.trial), (*left, *detection.misses))
        assert unlike(found, detection.rows), event


@EACH
def test_without_a_decisive_field_there_is_no_row(detection: Detection) -> None:
    for table in detection.tables:
        for field in DECISIVE[table]:
            rows = rows_of(detection.hits, NOW)
            rows[table] = [{**row, field: ""} for row in rows[table]]
            held = LogStore(["w"])
            for name, each in rows.items():
                for row in each:
                    held.append("w", name, {key: value for key, value in row.items() if value is not None})
            assert ask(held, detection.kql(**detection.trial)) == [], (table, field)


@pytest.mark.parametrize(
    "detection", [each for each in catalogue() if _LISTED.search(each.query)], ids=lambda d: d.name
)
def test_every_operation_that_is_listed_is_found_in_any_case(detection: Detection) -> None:
    (found,) = _LISTED.findall(detection.query)
    operations = re.findall(r'"([^"]+)"', found)
    assert len(operations) >= 2
    for spelled in (str.upper, str.lower, str.title):
        events = tuple(
            Event(shape="activity", **{"with": {"operation": spelled(each), "correlation": str(number)}})
            for number, each in enumerate(operations)
        )
        found_rows = ask(LogStore(["w"]), shadowed(detection, events))
        assert {row["OperationNameValue"] for row in found_rows} == {spelled(each) for each in operations}


CALLS = [each for each in catalogue() if "AzureDiagnostics" in each.tables]


@pytest.mark.parametrize("detection", CALLS, ids=lambda each: each.name)
@pytest.mark.parametrize("form", ["text", "object", "overflow", "parsed", "absent"])
def test_the_properties_may_stand_anywhere(detection: Detection, form: str) -> None:
    """As text, as an object in a column of its own (parsed), in `AdditionalFields`, and with no column `properties_s` at all."""
    held = {"parsed": "text", "absent": "object"}.get(form, form)
    events = tuple(
        each.model_copy(update={"with_": {**each.with_, "form": held}}) if each.shape == "call" else each
        for each in (*detection.hits, *detection.misses)
    )
    query, whole = detection.kql(**detection.trial), shadowed(detection, events)
    change = {"parsed": "extend properties_s = parse_json(properties_s)", "absent": "project-away properties_s"}
    if form in change:
        lets = whole.removesuffix(query).replace("let AzureDiagnostics = ", "let Held = ")
        whole = f"{lets}let AzureDiagnostics = Held | {change[form]};\n{query}"
    assert unlike(ask(LogStore(["w"]), whole), detection.rows) == ""


def test_a_detection_of_another_column_fails() -> None:
    """The checks above can fail: the guide's own column gives no row for the same events."""
    detection = find("key-use")
    own = "isempty(coalesce(tostring(p.objectId), tostring(p.callerObjectId)))"
    assert own in detection.kql()
    wrong = detection.kql().replace(own, "isnotempty(tostring(p.identity_claim_appid_g))")
    assert inside(detection, wrong, detection.hits) == []
    assert all(set(DECISIVE[table]) <= set(TYPES[table]) for table in TYPES)
