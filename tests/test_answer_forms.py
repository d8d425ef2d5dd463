"""An answer that is not of the documented form is no answer: nothing is judged by the defaults of what is missing in it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from aoai_lib.collect import Form, OddAnswerError, Source
from aoai_lib.collect.forms import check
from aoai_lib.collect.scope import SOURCES
from aoai_lib.evidence.clock import answer_times, service_clock
from aoai_lib.evidence.store import Evidence, Exchange

WHOLE = {"id": "/subscriptions/s", "properties": {}}
TABLE = {"name": "PrimaryResult", "columns": [{"name": "Rows", "type": "long"}], "rows": [[1]]}


def source(form: Form, *, is_list: bool = False) -> Source:
    return Source("any", SOURCES[0].over, "", lambda azure, scope: None, form=form, is_list=is_list)


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (Form.RESOURCE, WHOLE),
        (Form.RESOURCE, [WHOLE, WHOLE]),
        (Form.RESOURCE, []),
        (Form.NAMED, [{"id": "p"}]),
        (Form.MODEL, [{"model": {"name": "gpt-5.1"}}]),
        (Form.EVENT, [{"operationName": {"value": "o"}}]),
        (Form.SERIES, [{"timeseries": []}]),
        (Form.ROWS, {"tables": [TABLE]}),
        (Form.ROWS, {"tables": [{**TABLE, "rows": []}]}),
    ],
)
def test_what_is_documented_is_an_answer(form: Form, value: Any) -> None:
    check(source(form), value)


@pytest.mark.parametrize(
    ("form", "value", "why"),
    [
        (Form.RESOURCE, {"value": []}, "without “id”"),
        (Form.RESOURCE, {"id": "/s", "properties": None}, "without “properties”"),
        (Form.RESOURCE, {"id": "/s", "properties": "none"}, "without “properties”"),
        (Form.RESOURCE, {"id": "", "properties": {}}, "without “id”"),
        (Form.RESOURCE, [WHOLE, {}], "without “id”"),
        (Form.RESOURCE, [{"id": "/s"}], "without “properties”"),
        (Form.NAMED, [{"displayName": "n"}], "without “id”"),
        (Form.MODEL, [{}], "without “model”"),
        (Form.EVENT, [{}], "without “operationName”"),
        (Form.SERIES, [{}], "without “timeseries”"),
        (Form.ROWS, {"value": []}, "no table"),
        (Form.ROWS, {"tables": []}, "no table"),
        (Form.ROWS, {"tables": [{}]}, "without columns or rows"),
        (Form.ROWS, {"tables": [{**TABLE, "rows": None}]}, "without columns or rows"),
        (Form.ROWS, {"tables": [{"name": "PrimaryResult", "columns": [], "rows": [[]]}]}, "without columns or rows"),
        (Form.ROWS, {"tables": [{**TABLE, "columns": ["Rows"]}]}, "without columns or rows"),
        (Form.ROWS, {"tables": [{**TABLE, "rows": ["none"]}]}, "don't fit"),
        (Form.ROWS, {"tables": [{**TABLE, "rows": [[1, 2]]}]}, "don't fit"),
    ],
)
def test_anything_else_is_none(form: Form, value: Any, why: str) -> None:
    with pytest.raises(OddAnswerError, match=why):
        check(source(form), value)


@pytest.mark.parametrize("value", [{}, {"value": {}}, {"value": [WHOLE], "nextLink": "https://further/"}])
def test_a_list_that_comes_whole_is_one_and_ends(value: Any) -> None:
    check(source(Form.RESOURCE, is_list=True), {"value": [WHOLE]})
    with pytest.raises(OddAnswerError, match="list"):
        check(source(Form.RESOURCE, is_list=True), value)


LINE = Exchange("e", "2026-11-23T09:00:00Z", "GET", "https://management.azure.com/subscriptions", 200, 1)


def clock(*dates: str) -> str:
    evidence = Evidence()
    evidence.exchanges.extend(Exchange(**{**asdict(LINE), "headers": {"date": date} if date else {}}) for date in dates)
    return service_clock(evidence)


@pytest.mark.parametrize(
    "dates",
    [
        ("Mon, 23 Nov 2026 09:00:00 GMT",),
        ("Mon, 23 Nov 2026 09:00:00 GMT", "Mon, 23 Nov 2026 09:40:00 GMT"),
        ("Thu, 01 Jan 1970 00:00:00 GMT", "Mon, 23 Nov 2026 09:00:00 GMT", "Mon, 23 Nov 2026 09:00:01 GMT"),
        ("Thu, 31 Dec 2099 23:59:59 GMT", "Mon, 23 Nov 2026 09:00:00 GMT", "Mon, 23 Nov 2026 09:00:01 GMT"),
        ("yesterday", "", "Mon, 23 Nov 2026 09:00:00 GMT"),
    ],
)
def test_one_wrong_date_does_not_move_the_clock(dates: tuple[str, ...]) -> None:
    assert clock(*dates) == "2026-11-23T09:00:00Z"


RIGHT = "Mon, 23 Nov 2026 09:10:00 GMT"
ELSEWHERE = ("", "yesterday", "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 31 Dec 2099 23:59:59 GMT")


def later(date: str, time: str = "2026-11-23T09:20:00Z") -> Exchange:
    return Exchange(**{**asdict(LINE), "time": time, "headers": {"date": date} if date else {}})


@pytest.mark.parametrize("date", [*ELSEWHERE, RIGHT])
@pytest.mark.parametrize("jumped", ["2026-11-23T09:20:00Z", "2036-11-23T09:20:00Z", "2016-11-23T09:20:00Z"])
def test_an_answer_is_told_the_time_of_by_whichever_clock_is_not_far_off(date: str, jumped: str) -> None:
    evidence = Evidence()
    evidence.exchanges.extend(later(RIGHT) for _ in range(5))
    assert answer_times(evidence)(later(date, jumped)) == "2026-11-23T09:10:00+00:00"


@pytest.mark.parametrize("date", ELSEWHERE)
def test_our_own_time_stands_in_for_a_wrong_date(date: str) -> None:
    evidence = Evidence()
    evidence.exchanges.extend(later(RIGHT) for _ in range(5))
    assert answer_times(evidence)(later(date, "2026-11-23T10:05:00Z")) == "2026-11-23T09:55:00+00:00"
