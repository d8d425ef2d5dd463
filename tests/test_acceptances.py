"""Accepted risks: counted apart, shown in every output, and told where they ended or are about nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from click.testing import CliRunner
from reporting import HOSTILE, document_of, run_of

from aoai_lib import console
from aoai_lib.bundle.opening import Bundle
from aoai_lib.cli import main
from aoai_lib.evidence import snapshots
from aoai_lib.fleet import Outcome
from aoai_lib.model import Snapshot
from aoai_lib.report import acceptances, page, tables, workbook
from aoai_lib.report.about import about


def waiver(control: str = "NET-01", subject: str = "*-timetables", expires: str = "2026-11-23", **more: str) -> Any:
    given = {"reason": "A partner needs it.", "owner": "Operations", "ticket": "RISK-7", **more}
    return {"control": control, "subject": subject, "expires": expires, **given}


@pytest.mark.parametrize(
    ("given", "sentence", "needs_a_look"),
    [
        (waiver(), "Accepts 1 failed finding until 2026-11-23.", False),
        (waiver(subject="*"), "Accepts 2 failed findings until 2026-11-23.", False),
        (waiver(expires="2026-11-22"), "Ended on 2026-11-22: 1 failed finding counts again.", True),
        (waiver(subject="aoai-meridian-support"), "Nothing that it is about fails.", True),
        (waiver(subject="nobody"), "Matches nothing: NET-01 has no finding about “nobody”.", True),
        (waiver(control="NET-98"), "Matches nothing: this catalogue has no control NET-98.", True),
        (
            waiver(control="CNT-12", subject="*"),
            "Nothing that it is about is known to fail: some was not assessed.",
            True,
        ),
    ],
)
def test_each_says_what_it_does(mixed: Snapshot, given: Any, sentence: str, needs_a_look: bool) -> None:
    (found,) = acceptances.acceptances(run_of(mixed, waivers=[given]))
    assert (found.sentence, found.needs_a_look) == (sentence, needs_a_look)


@pytest.mark.parametrize(
    ("subject", "sentence"),
    [
        ("*", "Ended on 2026-11-22; another acceptance holds."),
        ("*-timetables", "Ended on 2026-11-22: 1 failed finding counts again."),
    ],
)
def test_one_that_ended_says_nothing_of_what_another_accepts(mixed: Snapshot, subject: str, sentence: str) -> None:
    ended = waiver(subject="*", expires="2026-11-22")
    found, _ = acceptances.acceptances(run_of(mixed, waivers=[ended, waiver(subject=subject)]))
    assert (found.sentence, found.needs_a_look) == (sentence, True)


def test_they_are_counted_apart_and_change_no_other_count(mixed: Snapshot) -> None:
    plain = document_of(run_of(mixed, waivers=[]))["counts"]
    given = [waiver(subject="*"), waiver(control="IAM-01", subject="*", expires="2026-01-01")]
    run = run_of(mixed, waivers=given)
    counted = document_of(run)["counts"]
    assert plain["failed_by_waiver"] == {"active": 0, "expired": 0}
    assert counted["failed_by_waiver"] == {"active": 2, "expired": 2}
    assert {**counted, "failed_by_waiver": None} == {**plain, "failed_by_waiver": None}
    assert acceptances.tally(run) == (
        "2 of the failures are accepted risks; the acceptance of 2 has ended, and they count again."
    )
    assert acceptances.tally(run_of(mixed, waivers=[])) == ""


def test_report_and_workbook_show_each_with_what_it_does(mixed: Snapshot, tmp_path: Path) -> None:
    run = run_of(mixed)
    assert len(run.parameters.waivers) == 3, "the sample has one that holds, one that ended, one about nothing"
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.compose(run, document_of(run), [])))
    for sentence in (
        "1 accepted",
        "Of 3 accepted risks, 2 need a look.",
        "Accepted until 2027-03-31 by Head of Operations, RISK-118: A partner reads timetables",
        "Was accepted until 2026-09-30 by Research lead, RISK-097",
        "Ended on 2026-09-30: 1 failed finding counts again.",
        "Matches nothing: IAM-01 has no finding about “aoai-meridian-pilot”.",
    ):
        assert sentence in text
    workbook.write(run, document_of(run), [], tmp_path / "findings.xlsx")
    book = openpyxl.load_workbook(tmp_path / "findings.xlsx")
    assert [row[-1] for row in book["Accepted risks"].iter_rows(min_row=2, values_only=True)] == [
        each.sentence for each in acceptances.acceptances(run)
    ]
    summary = [cell for row in book["Summary"].iter_rows(values_only=True) for cell in row]
    assert all(reminder in summary for reminder in acceptances.reminders(run))


def test_notebooks_show_it_beside_the_verdict(mixed: Snapshot) -> None:
    run = run_of(mixed)
    said = "Accepted until 2027-03-31 by Head of Operations, RISK-118: A partner"
    assert any(said in str(row[-1]) for row in tables.failures(run).rows)
    assert any(said in str(row[3]) for row in tables.verdicts(run, ["NET-01"]).rows)
    assert not any("ccepted until" in str(row[3]) for row in tables.verdicts(run, ["NET-02"]).rows)


def test_the_console_says_what_needs_a_look(mixed: Snapshot, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(mixed, waivers=[waiver(subject=f"{HOSTILE}\x1b[31m[bold]")])
    told = (acceptances.tally(run), *acceptances.reminders(run))
    console.show_outcomes([Outcome("mixed", told=tuple(filter(None, told)))])
    shown = capsys.readouterr().out
    console.show_outcomes([Outcome("mixed", told=tuple(acceptances.reminders(run_of(mixed))))])
    shown += capsys.readouterr().out
    assert "Accepted risk GOV-07 on “ais-meridian-research” (Research lead): Ended on 2026-09-30" in shown
    assert "\\u001b[31m[bold]" in shown and "\x1b[31m[" not in shown and "\u202e" not in shown


def test_explain_shows_it(mixed: Snapshot, tmp_path: Path) -> None:
    run = run_of(mixed)
    own = {"schema": "aoai-playbook/run/1", "chapters": [], "problems": [], "tool_version": ""}
    for name, value in (
        ("findings.json", document_of(run)),
        ("snapshot.json", snapshots.dump(mixed)),
        ("run.json", {**own, **about(run, document_of(run))}),
    ):
        (tmp_path / name).write_text(json.dumps(value), encoding="utf-8")
    (tmp_path / "requests.jsonl").write_text("")
    assert Bundle(tmp_path).findings
    shown = CliRunner().invoke(main, ["explain", str(tmp_path), "NET-01", "aoai-meridian-timetables"])
    assert shown.exit_code == 0, shown.output
    assert "Accepted risk: state active, expires 2027-03-31, owner Head of Operations" in shown.output
