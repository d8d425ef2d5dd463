"""Pictures and tables: well-formed, the same each time, told in words too, and safe with hostile names."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest
from reporting import HOSTILE, renamed, run_of

from aoai_lib.model import Snapshot, Status
from aoai_lib.report import acceptances, checklist, crosswalk, figures, guardrails, matrices, tables
from aoai_lib.report.figure import Bar, Bars, Cell, Figure, Grid, Row, Tone
from aoai_lib.report.table import SHOWN_AT_MOST, Table
from aoai_lib.report.tables import worst_of
from aoai_lib.run import Run

SVG = "{http://www.w3.org/2000/svg}"


def all_figures(run: Run) -> list[Figure]:
    return [
        figures.by_severity(run),
        figures.by_phase(run),
        *figures.private_paths(run).figures,
        *figures.access(run).figures,
        *figures.guardrails(run).figures,
        run.fleet.heat_map(),
    ]


TABLES: list[Callable[[Run], Table]] = [
    tables.scope,
    tables.accounts,
    tables.deployments,
    tables.requirements,
    acceptances.waivers,
    tables.results,
    tables.failures,
    tables.not_assessed,
    tables.not_read,
    tables.by_phase,
    tables.by_account,
    crosswalk.frameworks,
    crosswalk.baselines,
    matrices.access_table,
    guardrails.guardrail_table,
    guardrails.guardrail_details,
    guardrails.blocklists,
    checklist.checklist,
]


@pytest.mark.parametrize("tenant", ["hardened", "exposed", "mixed"])
def test_figures_are_titled_svg_and_told_in_words(tenant: str, request: pytest.FixtureRequest) -> None:
    run = run_of(request.getfixturevalue(tenant))
    for figure in all_figures(run):
        root = ET.fromstring(figure.svg)
        assert root.tag == f"{SVG}svg"
        assert root.get("role") == "img"
        title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
        assert title is not None and title.text
        assert description is not None
        assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
        assert figure.text.startswith(title.text)
        assert not list(root.iter(f"{SVG}script")) + list(root.iter(f"{SVG}image")) + list(root.iter(f"{SVG}style"))
        bundle = figure._repr_mimebundle_()
        assert set(bundle) == {"image/svg+xml", "text/plain"}


def test_figures_are_the_same_each_time(mixed: Snapshot) -> None:
    once, again = (all_figures(run_of(mixed)) for _ in range(2))
    assert [figure.svg for figure in once] == [figure.svg for figure in again]
    ids = [ET.fromstring(figure.svg)[0].get("id") for figure in once]
    assert len(set(ids)) == len(ids)


def test_a_hostile_name_is_only_text(exposed: Snapshot) -> None:
    run = run_of(renamed(renamed(exposed, "search-chat", HOSTILE), "aoai-brightcart-shop", f"{HOSTILE}2"))
    shown = [figure.svg for figure in all_figures(run)]
    shown += [build(run)._repr_mimebundle_()["text/html"] for build in TABLES]
    assert any("&lt;img" in text for text in shown)
    assert any("\\u202e" in text for text in shown)
    assert not [text for text in shown if "<img" in text or "\u202e" in text or "onerror=alert(1)>" in text]


@pytest.mark.parametrize("build", TABLES)
def test_tables_have_a_cell_for_each_heading(build: Callable[[Run], Table], mixed: Snapshot) -> None:
    table = build(run_of(mixed))
    assert {len(row) for row in table.rows} <= {len(table.columns)}
    assert table.frame.shape == (len(table.rows), len(table.columns)) or not table.rows
    assert table.caption in str(table)


def test_an_empty_table_says_so(hardened: Snapshot) -> None:
    table = tables.failures(run_of(hardened))
    assert table.rows == []
    assert table._repr_mimebundle_()["text/html"].strip() == "<p><strong>What failed:</strong> Nothing failed.</p>"


def test_a_long_table_says_how_much_is_not_shown() -> None:
    table = Table("Many", ("n",), [(number,) for number in range(SHOWN_AT_MOST + 3)])
    bundle = table._repr_mimebundle_()
    assert bundle["text/html"].count("<tr>") == SHOWN_AT_MOST + 1
    assert "and 3 more rows" in bundle["text/html"]
    assert "and 3 more rows" in bundle["text/plain"]
    assert len(table.frame) == SHOWN_AT_MOST + 3


def test_the_same_said_by_several_controls_is_one_row(mixed: Snapshot) -> None:
    rows = tables.verdicts(run_of(mixed), ["NET-01", "NET-02", "NET-98"]).rows
    assert [row[0] for row in rows if "6f0d2b41" in str(row[1])] == ["NET-01, NET-02"]
    assert ("NET-98", "", Status.NOT_ASSESSED, "Not part of this version.", "") in rows


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ("fail pass not_assessed", "fail"),
        ("pass not_assessed", "not_assessed"),
        ("pass not_applicable", "pass"),
        ("not_applicable", "not_applicable"),
        ("", "not_assessed"),
    ],
)
def test_several_verdicts_make_one(statuses: str, expected: str) -> None:
    assert worst_of(map(Status, statuses.split())) == expected


def test_the_checklist_has_sixteen_lines_and_leaves_open_what_it_cannot_answer(hardened: Snapshot) -> None:
    rows = checklist.checklist(run_of(hardened)).rows
    assert [row[0] for row in rows] == list(range(1, 17))
    answered = {str(row[3]): row[4] for row in rows}
    assert answered["CNT-03, CNT-04"] is Status.PASS
    assert answered["MON-03"] is Status.PASS
    missing = checklist.Line("area", "question", ("MON-03", "NET-97"))
    assert checklist.answer(run_of(hardened), missing) == (
        Status.NOT_ASSESSED,
        "NET-97: not part of this version.",
    )


def test_a_checklist_line_fails_with_any_of_its_controls(exposed: Snapshot) -> None:
    answered = {str(row[3]): row[4] for row in checklist.checklist(run_of(exposed)).rows}
    assert answered["CNT-03, CNT-04"] is Status.FAIL
    assert answered["MON-06, MON-07, MON-08, MON-09, MON-10"] is Status.FAIL


def test_bars_keep_even_one_finding_visible() -> None:
    figure = Bars(
        "Bars", (("fail", Tone.BAD), ("pass", Tone.GOOD)), [Bar("few", (1, 0)), Bar("many", (0, 5000))]
    ).draw()
    widths = [float(rect.get("width", "0")) for rect in ET.fromstring(figure.svg).iter(f"{SVG}rect")]
    assert min(widths) >= 3
    assert "few: 1 fail" in figure.text


def test_a_grid_names_group_and_column_in_words() -> None:
    row = Row("chat", "gpt", (Cell("off", Tone.BAD, "is off"), Cell("✓", Tone.GOOD)))
    figure = Grid("Grid", ("hate", "hate"), [row], groups=(("prompts", 1), ("completions", 1))).draw()
    assert figure.text == "Grid\nchat (gpt): prompts hate: is off; completions hate: ✓"
