"""The callers' table and picture: the exposed tenant's by hand, and a hostile tenant's as text."""

from __future__ import annotations

from xml.etree import ElementTree

from builders import reading, snapshot
from reporting import HOSTILE, run_of
from usage_samples import CUSTOMER, ROBOT, answered, call, setting, workspace

from aoai_lib.model import Snapshot
from aoai_lib.parameters import Parameters
from aoai_lib.report.callers import ROWS_DRAWN, callers, callers_table
from aoai_lib.run import Run


def run_with(*rows: list[object]) -> Run:
    """A run of the builders' account, whose log holds these rows."""
    sample = snapshot(workspace(), answered(*rows), diagnostic_settings=[setting()])
    return Run(Parameters(tenant="test", cloud="public"), sample)


def test_the_exposed_tenant_s_callers(exposed: Snapshot) -> None:
    table = callers_table(run_of(exposed))
    assert [row[:10] for row in table.rows[:3]] == [
        ("ais-brightcart-search", "a key", "", "203.0.113.***", "public", "search-chat", 900, 900, 0, 0),
        ("ais-brightcart-search", "a key", "", "192.0.2.***", "public", "search-chat", 164, 140, 0, 0),
        (
            "ais-brightcart-search",
            "id-shop-backend",
            "1b62d8f3-6e1f-4c8b-9b21-7a4f1dae2e03",
            "203.0.113.***",
            "public",
            "search-chat",
            60,
            60,
            0,
            0,
        ),
    ]
    assert [row[0] for row in table.rows[3:]] == ["aoai-brightcart-legacy", "aoai-brightcart-shop"]
    assert all(str(row[1]).startswith("not known: The request log of") for row in table.rows[3:])


def test_the_picture_says_what_the_table_says(exposed: Snapshot) -> None:
    gallery = callers(run_of(exposed))
    (figure,) = gallery.figures
    assert "a key (203.0.113.***, public): search-chat: 900 calls; refused: none" in figure.text
    assert "aoai-brightcart-shop: The request log of" in repr(gallery)
    assert ElementTree.fromstring(figure.svg).tag.endswith("svg")


def test_hostile_rows_are_text() -> None:
    run = run_with(call(HOSTILE, HOSTILE, HOSTILE), call(ROBOT))
    (figure,) = callers(run).figures
    ElementTree.fromstring(figure.svg)
    for shown in (figure.svg, callers_table(run)._repr_mimebundle_()["text/html"]):
        assert "<img" not in shown
        assert "\u202e" not in shown


def test_a_long_list_is_drawn_in_part_and_told_whole() -> None:
    run = run_with(*(call(f"caller-{number:03}", deployment=f"d{number % 9}") for number in range(60)))
    (figure,) = callers(run).figures
    assert f"{60 - ROWS_DRAWN} more callers are in the table." in figure.text
    assert "Calls of 3 more deployments are in the table." in figure.text
    assert len(callers_table(run).rows) == 60


def test_what_is_not_known_stands_in_the_table() -> None:
    odd = reading("callers", CUSTOMER, {"tables": "none"})
    run = Run(Parameters(tenant="test", cloud="public"), snapshot(workspace(), odd, diagnostic_settings=[setting()]))
    (row,) = callers_table(run).rows
    assert "not known: The answer is not of the documented form" in str(row[1])
    assert callers(run).figures == []
