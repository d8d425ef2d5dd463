"""One hardening of a tenant at a time, and what an interrupted one means for the next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hardening import own_lab, parameters, plan, resources, written
from kill_stand import Hardening, Trap
from tenants import ROOT

from aoai_lib.cli import main
from aoai_lib.harden import session
from aoai_lib.harden.journal import Journal, alone
from aoai_lib.model import InputError

OUTBOUND = {"allowed_fqdns": ["brightcart.search.windows.net"]}
EXPOSED = ROOT / "parameters" / "exposed.yaml"


def aoai(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["harden", *(str(each) for each in arguments)], env={"COLUMNS": "400"})


def test_a_second_hardening_is_refused_while_the_first_is_at_work(tmp_path: Path) -> None:
    """It comes while the first one's write waits for its answer; applying and taking back alike."""
    asked, seen = parameters("exposed", **OUTBOUND), []
    with own_lab("exposed") as lab:
        planned, trap = plan(asked, "NET-14"), Trap(lab)

        def come_between() -> None:
            seen.append(aoai(EXPOSED, "--apply", "--yes", "--only", "CNT-16", "--out", tmp_path))
            (undo,) = tmp_path.glob("exposed/hardening/*/undo.json")
            seen.append(aoai(EXPOSED, "--undo", undo, "--yes"))

        trap.meanwhile = come_between
        outcome = session.carry_out(asked, planned, tmp_path)
        assert outcome.good and len(written(lab)) == 3
    assert [each.exit_code for each in seen] == [2, 2]
    assert all("Another hardening of this tenant is at work" in each.output for each in seen)


def test_a_hardening_that_was_killed_holds_nobody_up(tmp_path: Path) -> None:
    asked = parameters("exposed", **OUTBOUND)
    with own_lab("exposed") as lab:
        planned = plan(asked, "NET-14")
        killed = Hardening(lab, "exposed", asked, tmp_path)
        assert not killed.ended(killed.carry_out(planned, "sent"), "sent")
        with alone(tmp_path / "exposed" / "hardening"):
            pass


def test_another_plan_does_not_pass_for_the_one_that_was_interrupted(tmp_path: Path) -> None:
    """Neither is carried out under the other's name; taken back, the first one is over."""
    asked, kept = parameters("exposed", **OUTBOUND), tmp_path / "kept.json"
    with own_lab("exposed") as lab:
        before, first, second = resources(lab, "exposed"), plan(asked, "NET-14"), plan(asked, "CNT-16")
        kept.write_text(second.text(), encoding="utf-8")
        killed = Hardening(lab, "exposed", asked, tmp_path)
        assert not killed.ended(killed.carry_out(first, "answered"), "answered")
        sent = written(lab)
        with pytest.raises(InputError, match="was interrupted, and it has another plan"):
            session.carry_out(asked, second, tmp_path)
        refused = aoai(EXPOSED, "--plan", kept, "--apply", "--yes", "--out", tmp_path)
        assert refused.exit_code == 2 and "--undo" in refused.output
        assert written(lab) == sent
        undone = aoai(EXPOSED, "--undo", killed.folder / "undo.json", "--yes")
        assert undone.exit_code == 0, undone.output
        assert Journal.unfinished(tmp_path, "exposed") is None
        done = aoai(EXPOSED, "--plan", kept, "--apply", "--yes", "--out", tmp_path)
        assert done.exit_code == 0, done.output
        carried_out = [each for each in lab.requests if each.method == "PATCH" and each.status < 400]
        assert len(carried_out) == 1 + 1 + len(second.steps)
        assert {key for key, body in resources(lab, "exposed").items() if body != before[key]} <= {
            each.request.path.lower() for each in (*first.steps, *second.steps)
        }


def test_what_was_refused_as_bad_input_is_not_gone_on_with(tmp_path: Path) -> None:
    asked = parameters("exposed", **OUTBOUND)
    with own_lab("exposed"), pytest.raises(InputError, match="No step of this plan asks"):
        session.carry_out(asked, plan(asked, "NET-14"), tmp_path, ["price-accepted@nobody"])
    assert list(tmp_path.iterdir()) == []


def test_half_a_line_of_a_journal_costs_no_other(tmp_path: Path) -> None:
    with own_lab("exposed"):
        journal = Journal.create(tmp_path, plan(parameters("exposed", **OUTBOUND), "NET-14"))
    path = journal.path / "journal.jsonl"
    path.write_text('{"at": "20', encoding="utf-8")
    journal.note("NET-14", "begun")
    journal.note("NET-14", "done")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == '{"at": "20' and [json.loads(each)["event"] for each in lines[1:]] == ["begun", "done"]
