"""A run against the previous one of its tenant: which one that is, what is told, and where. Real runs of one lab."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hardening import own_lab
from test_bundle import assessed, edit, faulty, outcomes

from aoai_lib.bundle import previous
from aoai_lib.bundle.comparison import Change, compare, finding_changes
from aoai_lib.bundle.explanation import explain
from aoai_lib.bundle.opening import Bundle
from aoai_lib.parameters import Parameters
from aoai_lib.report import findings

SHOP = "aoai-brightcart-shop"
LATER = "29991231T000000Z-0000"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs of a tenant, with an account changed between them."""
    out = tmp_path_factory.mktemp("runs")
    with own_lab("exposed", "assessor") as lab:
        first = assessed(out)
        resources = lab.state("exposed").resources
        account = next(each for key, each in resources.items() if key.endswith(f"/accounts/{SHOP}"))
        account.body["properties"]["disableLocalAuth"] = True
        account.body["tags"] = {"team": "=<b>shop</b>"}
        second = _beside(lambda: assessed(out), first)
    return first, second


def _beside(make: Callable[[], Path], other: Path) -> Path:
    """A second run whose id sorts after the first's: ids tell seconds."""
    while time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) <= other.name[:16]:
        time.sleep(0.05)
    return make()


@pytest.fixture
def tenant(runs: tuple[Path, Path], tmp_path: Path) -> Path:
    """A tenant's folder with copies of both runs, and of the second once more as the newest."""
    for run in (*runs, runs[1]):
        target = tmp_path / (LATER if (tmp_path / run.name).exists() else run.name)
        shutil.copytree(run, target)
    return tmp_path


def told(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "changes.json").read_text(encoding="utf-8"))


def text_of(folder: Path) -> str:
    page = (folder / "report.html").read_text(encoding="utf-8")
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_the_first_run_says_that_there_is_no_earlier_one(runs: tuple[Path, Path]) -> None:
    assert told(runs[0])["previous"] is None
    assert "There is no earlier run of this tenant to compare with." in text_of(runs[0])
    sheet = openpyxl.load_workbook(runs[0] / "findings.xlsx")["Changes"]
    assert sheet["A2"].value == "There is no earlier run of this tenant to compare with."


def test_what_changed_is_in_the_bundle_and_sealed(runs: tuple[Path, Path]) -> None:
    changes = told(runs[1])
    assert changes["previous"]["run_id"] == runs[0].name and changes["passed_over"] == []
    fixed = [each for each in changes["findings"] if each["change"] == "fixed"]
    assert ("IAM-01", SHOP) in {(each["control"], each["subject"].rpartition("/")[2]) for each in fixed}
    assert {each["since"] for each in changes["findings"] if each["change"] == "still open"} == {"2026-11-23T09:00:00Z"}
    assert {each["path"] for each in changes["properties"]} == {"properties.disableLocalAuth", "tags.team"}
    assert "  changes.json\n" in (runs[1] / "SHA256SUMS").read_text(encoding="utf-8")
    assert set(outcomes(runs[1]).values()) == {"good", "note"}


def test_report_and_workbook_tell_it(runs: tuple[Path, Path]) -> None:
    text = text_of(runs[1])
    assert f"Since run {runs[0].name} (2026-11-23): " in text
    assert "2 changed properties" in text and "=&lt;b&gt;shop&lt;/b&gt;" in text
    book = openpyxl.load_workbook(runs[1] / "findings.xlsx")
    rows = list(book["Changes"].iter_rows(values_only=True))
    assert {row[0] for row in rows[1:]} >= {"fixed", "still open"}
    assert len(rows) - 1 == len(told(runs[1])["findings"])
    for name in ("Changes", "Changed properties", "Frameworks", "Baselines"):
        assert book[name].freeze_panes == "A2" and book[name].auto_filter.ref
    cells = [cell for row in book["Changed properties"].iter_rows() for cell in row]
    assert "=<b>shop</b>" in {cell.value for cell in cells} and {cell.data_type for cell in cells} <= {"s", "n"}


def test_the_first_of_consecutive_runs_is_carried_along(tenant: Path, runs: tuple[Path, Path]) -> None:
    def older(document: Any) -> None:
        for each in document["findings"]:
            each["since"] = "2026-09-01T00:00:00Z"

    edit(tenant / runs[1].name, "changes.json", older)
    again = previous.changes(tenant / LATER)
    assert again["previous"]["run_id"] == runs[1].name
    assert {each["change"] for each in again["findings"]} == {"still open"}
    assert {each["since"] for each in again["findings"]} == {"2026-09-01T00:00:00Z"}


def alter(run: Path) -> None:
    (run / "findings.csv").write_bytes(b"x")


def turn(run: Path) -> None:
    edit(run, "findings.json", lambda document: document["findings"][0].update(status="not_applicable"))


def unsign(run: Path) -> None:
    (run / "SHA256SUMS.sig").write_text("no signature")


def narrow(run: Path) -> None:
    edit(run, "run.json", lambda document: document.update(chapters=["01_network_isolation"]))


def move(run: Path) -> None:
    edit(run, "run.json", lambda document: document.update(tenant_id="00000000-0000-4000-8000-000000000000"))


def advance(run: Path) -> None:
    edit(run, "snapshot.json", lambda document: document.update(as_of="2026-11-24T09:00:00Z"))


def empty(run: Path) -> None:
    edit(run, "run.json", lambda document: document.clear())


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (alter, "It does not verify. The files are not those that were sealed"),
        (turn, "It does not verify. The findings don't follow"),
        (unsign, "It does not verify."),
        (narrow, "other phases"),
        (move, "another directory"),
        (advance, "newer than what this run judged"),
        (empty, "can't be read"),
    ],
)
def test_a_run_that_does_not_hold_is_said_and_passed_over(
    tenant: Path, runs: tuple[Path, Path], harm: Callable[[Path], None], said: str
) -> None:
    harm(tenant / runs[1].name)
    again = previous.changes(tenant / LATER)
    (unused,) = again["passed_over"]
    assert unused["run_id"] == runs[1].name and said in unused["why"]
    assert again["previous"]["run_id"] == runs[0].name


def test_what_is_no_finished_run_is_no_earlier_one(tenant: Path, runs: tuple[Path, Path]) -> None:
    (tenant / "hardening").mkdir()
    (tenant / "29990101T000000Z-0000").mkdir()
    (tenant / "29980101T000000Z-0000").write_text("")
    for run in runs:
        (tenant / run.name / "SHA256SUMS").unlink()
    assert previous.changes(tenant / LATER)["previous"] is None


def forget(document: Any) -> None:
    document["findings"] = [each for each in document["findings"] if each["control"] != "NET-01"]


def praise(document: Any) -> None:
    document["properties"].clear()


@pytest.mark.parametrize("change", [forget, praise])
def test_changes_that_were_altered_show_even_when_sealed_again(
    tenant: Path, runs: tuple[Path, Path], change: Callable[[Any], None]
) -> None:
    edit(tenant / runs[1].name, "changes.json", change)
    assert "changes.json" in faulty(tenant / runs[1].name)


@pytest.mark.parametrize("content", ["", "null", "{}", '{"schema": "aoai-playbook/changes/1"}'])
def test_changes_that_are_none_are_a_sentence(tenant: Path, runs: tuple[Path, Path], content: str) -> None:
    run = tenant / runs[1].name
    (run / "changes.json").write_text(content)
    edit(run, "run.json", lambda document: None)
    assert faulty(run)


def test_without_the_earlier_run_the_rest_is_checked(tenant: Path, runs: tuple[Path, Path]) -> None:
    shutil.rmtree(tenant / runs[0].name)
    assert outcomes(tenant / runs[1].name)["changes.json"] == "good"


def test_what_only_the_rules_changed_is_told_apart(tenant: Path, runs: tuple[Path, Path]) -> None:
    """The later run asks for no tag, where the earlier one did."""
    before, after = Bundle(tenant / runs[1].name), tenant / LATER
    asked: dict[str, Any] = {"required_tags": []}
    edit(after, "snapshot.json", lambda document: document["requirements"].update(asked))
    edit(after, "run.json", lambda document: document["parameters"]["requirements"].update(asked))
    document = findings.document(Bundle(after).run(), before.document["generated_at"])
    edit(after, "findings.json", lambda old: old.update(document))
    found = compare(before, Bundle(after))
    changed = {(each.control, each.change, each.by_rules) for each in found.findings if each.change is not Change.OPEN}
    assert changed == {("GOV-08", Change.FIXED, True)}
    assert any("requirements are not the same" in each for each in found.remarks)


def test_what_a_run_was_not_about_is_not_called_gone() -> None:
    group = "/subscriptions/11111111-0000-4000-8000-000000000001/resourceGroups/rg"
    name = f"{group}/providers/Microsoft.CognitiveServices/accounts/one"
    entry = {"title": "T", "severity": "high", "subject": name, "status": "fail", "reason": "R"}
    before = {("NET-01", name.lower()): entry}
    for parameters, change in (
        (Parameters(accounts=["two"]), Change.LOST),
        (Parameters(subscriptions=["22222222-0000-4000-8000-000000000001"]), Change.LOST),
        (Parameters(accounts=["o*"]), Change.GONE),
    ):
        assert [each.change for each in finding_changes(before, {}, parameters)] == [change]


def test_of_other_phases_only_what_both_asked_is_compared(tenant: Path, runs: tuple[Path, Path]) -> None:
    """The later run was about the network alone, so it read nothing of logs: that is no change."""

    def only_network(document: Any) -> None:
        wanted = "account deployment subscription private_ virtual_ network_ dns_ rai_pol listed_ reachability_"
        document["readings"] = [
            each for each in document["readings"] if each["source"].startswith(tuple(wanted.split()))
        ]

    before, after = Bundle(tenant / runs[1].name), tenant / LATER
    edit(after, "run.json", lambda document: document.update(chapters=["01_network_isolation"]))
    edit(after, "snapshot.json", only_network)
    document = findings.document(Bundle(after).run(), before.document["generated_at"])
    edit(after, "findings.json", lambda old: old.update(document))
    changes = previous.changes(after)
    assert changes["previous"]["run_id"] == before.path.name
    assert {each["change"] for each in changes["findings"]} == {"still open"}
    assert changes["properties"] == []
    assert any("different phases" in each for each in changes["remarks"])


def test_explain_says_what_the_installed_catalogue_gives(tenant: Path, runs: tuple[Path, Path]) -> None:
    run = tenant / runs[0].name
    assert explain(Bundle(run), "IAM-01", SHOP).today == ()

    def older(document: Any) -> None:
        document["catalogue_version"] = "2025.1"
        for each in document["findings"]:
            if each["control"] == "IAM-01" and each["subject"].endswith(SHOP):
                each.update(status="pass", reason="Keys were thought to be off.")
            if each["control"] == "NET-01":
                each.update(control="NET-99")

    edit(run, "findings.json", older)
    first, second, third = explain(Bundle(run), "IAM-01", SHOP).today
    assert first.startswith("It was judged by catalogue 2025.1; the installed one is ")
    assert second.startswith("On the same evidence it gives fail: Keys work on the account")
    assert third == "What differs: the verdict, the reason."
    assert explain(Bundle(run), "IAM-04", SHOP).today[1:] == ("On the same evidence it gives the same.",)
    assert explain(Bundle(run), "NET-99", SHOP).today[1:] == ("The installed one has no such control.",)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read every folder")
def test_an_earlier_run_that_can_not_be_looked_into_is_passed_over_and_named(
    tenant: Path, runs: tuple[Path, Path]
) -> None:
    """`capsh --drop=cap_dac_override,cap_dac_read_search` takes this right from root, too."""
    (tenant / runs[1].name).chmod(0)
    made = previous.changes(tenant / LATER)
    (tenant / runs[1].name).chmod(0o700)
    assert [each["run_id"] for each in made["passed_over"]] == [runs[1].name]
    assert "can't be read" in made["passed_over"][0]["why"]
