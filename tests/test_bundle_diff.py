"""What changed between two real runs of one lab, and what is said where a run could not read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hardening import own_lab
from tenants import ROOT
from test_bundle import assessed

from aoai_lib.bundle.comparison import Change, Comparison, compare, finding_changes
from aoai_lib.bundle.opening import open_bundle
from aoai_lib.cli import main
from aoai_lib.model import InputError

SHOP = "aoai-brightcart-shop"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    out = tmp_path_factory.mktemp("runs")
    with own_lab("exposed", "assessor") as lab:
        before = assessed(out)
        state = lab.state("exposed")
        account = next(each for key, each in state.resources.items() if key.endswith(f"/accounts/{SHOP}"))
        account.body["properties"]["disableLocalAuth"] = True
        account.body["tags"] = {"team": "<b>shop</b>"}
        gone = next(key for key in state.resources if f"/{SHOP}/deployments/" in key)
        state.remove(gone)
        return before, assessed(out)


@pytest.fixture(scope="module")
def told(runs: tuple[Path, Path]) -> Comparison:
    return compare(*map(open_bundle, runs))


def test_what_was_mended_is_fixed_and_the_rest_still_open(told: Comparison) -> None:
    fixed = {(each.control, each.subject.rpartition("/")[2]) for each in told.findings if each.change is Change.FIXED}
    assert ("IAM-01", SHOP) in fixed
    still = [each for each in told.findings if each.change is Change.OPEN]
    assert len(still) > 50 and ("IAM-01", SHOP) not in {
        (each.control, each.subject.rpartition("/")[2]) for each in still
    }
    assert not [each for each in told.findings if each.change is Change.NEW and each.control == "IAM-01"]


def test_findings_about_what_is_gone_are_gone_and_not_fixed(told: Comparison, runs: tuple[Path, Path]) -> None:
    gone = {each.subject for each in told.findings if each.change is Change.GONE}
    assert len(gone) == 1 and "/deployments/" in gone.pop()


def test_properties_are_told_one_by_one(told: Comparison) -> None:
    changed = {each.path: (each.before, each.after) for each in told.properties if each.resource.endswith(f"/{SHOP}")}
    assert changed["properties.disableLocalAuth"] == (None, True)
    assert changed["tags.team"][1] == "<b>shop</b>"
    (removed,) = (each for each in told.properties if each.note == "removed")
    assert "/deployments/" in removed.resource


def test_nothing_is_told_of_two_runs_of_the_same_state(runs: tuple[Path, Path]) -> None:
    same = compare(open_bundle(runs[0]), open_bundle(runs[0]))
    assert not same.properties and not same.remarks
    assert {each.change for each in same.findings} == {Change.OPEN}


def test_what_could_not_be_read_is_not_called_removed(tmp_path: Path) -> None:
    with own_lab("exposed", "assessor") as lab:
        before = assessed(tmp_path)
        lab.faults.add(f"403::accounts/{SHOP}/deployments")
        after = assessed(tmp_path)
    told = compare(open_bundle(before), open_bundle(after))
    notes = {each.note for each in told.properties if f"/{SHOP}/deployments/" in each.resource}
    assert notes == {"not read any more"}
    lost = [each for each in told.findings if each.change is Change.LOST]
    assert lost


def test_the_order_and_the_requirements_are_remarked(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with own_lab("hardened", "assessor"):
        other = assessed(tmp_path, "hardened")
    with pytest.raises(InputError, match="two tenants"):
        compare(open_bundle(runs[0]), open_bundle(other))


@pytest.mark.parametrize(
    ("was", "now", "change"),
    [
        ("pass", "fail", Change.NEW),
        ("", "fail", Change.NEW),
        ("not_assessed", "fail", Change.NEW),
        ("fail", "pass", Change.FIXED),
        ("fail", "not_applicable", Change.FIXED),
        ("fail", "fail", Change.OPEN),
        ("fail", "not_assessed", Change.LOST),
        ("pass", "not_assessed", Change.LOST),
        ("not_assessed", "pass", Change.FOUND),
        ("fail", "", Change.GONE),
        ("not_applicable", "pass", Change.OTHER),
    ],
)
def test_each_pair_of_verdicts_has_a_name(was: str, now: str, change: Change) -> None:
    def findings(status: str) -> dict[tuple[str, str], dict[str, str]]:
        entry = {"title": "T", "severity": "high", "subject": "/s", "status": status, "reason": "R"}
        return {("NET-01", "/s"): entry} if status else {}

    (found,) = finding_changes(findings(was), findings(now))
    assert (found.change, found.was, found.now) == (change, was, now)


@pytest.mark.parametrize("status", ["pass", "not_applicable", "not_assessed"])
def test_a_verdict_that_stays_is_not_told_unless_it_is_a_failure(status: str) -> None:
    entry = {("NET-01", "/s"): {"title": "T", "severity": "high", "subject": "/s", "status": status, "reason": "R"}}
    assert not list(finding_changes(entry, entry))


def test_the_commands_say_it(runs: tuple[Path, Path]) -> None:
    before, after = map(str, runs)
    shown = CliRunner().invoke(main, ["diff", before, after])
    assert shown.exit_code == 0 and "IAM-01 " + SHOP in shown.output and "properties.disableLocalAuth" in shown.output
    as_data = json.loads(CliRunner().invoke(main, ["diff", before, after, "--json"]).output)
    assert {each["change"] for each in as_data["findings"]} >= {"fixed", "still open", "no longer there"}
    checked = CliRunner().invoke(main, ["verify", before])
    assert checked.exit_code == 0 and "Nobody signed it" in checked.output
    explained = CliRunner().invoke(main, ["explain", after, "IAM-01", SHOP])
    assert explained.exit_code == 0 and "disableLocalAuth = True" in explained.output.replace("true", "True")
    refused = CliRunner().invoke(main, ["verify", str(ROOT / "docs")])
    assert refused.exit_code == 2 and "no run's folder" in refused.output
