"""The sample run under `docs`: it is what today's code makes, and an auditor's commands hold on it as they are printed."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hardening import own_lab
from tenants import ROOT

from aoai_lib.bundle.verification import Outcome, verify
from aoai_lib.controls import catalogue_version
from aoai_lib.fleet import Task, assess_tenant
from aoai_lib.parameters import load
from aoai_lib.report.findings import evidence_of

SAMPLE = ROOT / "docs" / "sample"
RUN = SAMPLE / "run"
AGAIN = "the sample is not what is made today: run `make sample`"
BLOCKS = {
    name: re.findall(r"```\n(.+?)```", (ROOT / name).read_text(encoding="utf-8").partition(heading)[2], re.DOTALL)[0]
    for name, heading in (("README.md", "## Hand this to your auditor"), ("docs/sample/README.md", "# A sample"))
}


def commands(block: str) -> list[str]:
    """The commands of a block as a person copies them."""
    return [line.partition(" # ")[0].strip() for line in block.strip().splitlines()]


def test_it_is_whole_signed_and_follows_from_its_evidence() -> None:
    answers = {each.what: each for each in verify(RUN, SAMPLE / "allowed")}
    assert {what: each.outcome.value for what, each in answers.items() if each.outcome is not Outcome.GOOD} == {}, AGAIN
    assert json.loads((RUN / "run.json").read_text())["catalogue_version"] == catalogue_version(), AGAIN


@pytest.mark.parametrize("name", BLOCKS)
def test_what_an_auditor_is_told_to_type_works_as_it_is_printed(name: str) -> None:
    typed = commands(BLOCKS[name])
    assert len(typed) >= 2
    for command in typed:
        if shutil.which(command.split()[0]) is None:
            pytest.skip(f"{command.split()[0]} is not installed here")
        done = subprocess.run(["sh", "-c", command], cwd=RUN, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("name", BLOCKS)
def test_the_same_commands_refuse_a_run_that_was_altered(name: str, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(SAMPLE, tmp_path / "sample"))
    for path in (copy / "run" / "findings.csv", copy / "run" / "SHA256SUMS"):
        path.write_text(path.read_text(encoding="utf-8").replace("a", "b", 1), encoding="utf-8")
    codes = [
        subprocess.run(["sh", "-c", command], cwd=copy / "run", capture_output=True, check=False).returncode
        for command in commands(BLOCKS[name])
    ]
    assert 0 not in codes


def test_its_verdicts_are_those_of_today(tmp_path: Path) -> None:
    with own_lab("mixed", "assessor"):
        outcome = assess_tenant(Task(load(ROOT / "parameters" / "mixed.yaml"), tmp_path, ()), lambda *_: None)
    assert outcome.folder is not None
    made, kept = (
        {
            (each["control"], each["subject"]): (each["status"], each["reason"])
            for each in json.loads((folder / "findings.json").read_text(encoding="utf-8"))["findings"]
        }
        for folder in (outcome.folder, RUN)
    )
    assert made == kept, AGAIN


def test_every_link_in_its_pages_has_its_target() -> None:
    """From a line of a notebook to the control in the report, and from there to the request."""
    pages = {path.name: path.read_text(encoding="utf-8") for path in RUN.glob("*.html")}
    targets = {
        name: {html.unescape(each) for each in re.findall(r'\bid="([^"]*)"', page)} for name, page in pages.items()
    }
    crossing = 0
    for name, page in pages.items():
        for link in map(html.unescape, re.findall(r'href="([^"]*)"', page)):
            other, _, place = link.partition("#")
            assert place in targets[other or name], f"{name}: {link}"
            crossing += bool(other)
    assert crossing > 500
    lines = [json.loads(line) for line in (RUN / "requests.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {f"e-{line['id']}" for line in lines} <= targets["report.html"]


def test_every_finding_leads_to_a_request_unless_none_was_sent() -> None:
    document = json.loads((RUN / "findings.json").read_text(encoding="utf-8"))
    without = [each for each in document["findings"] if not evidence_of(each)]
    assert {each["status"] for each in without} <= {"not_assessed"}
    assert all("probes were off" in each["reason"] or "was not read" in each["reason"] for each in without), AGAIN


def test_notes_in_its_notebooks_are_text_and_no_python() -> None:
    for path in RUN.glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", ()):
                assert not "".join(output["data"]["text/plain"]).startswith("'"), path.name


def test_nothing_of_the_machine_that_made_it_is_in_it() -> None:
    for path in RUN.iterdir():
        content = path.read_bytes().decode("utf-8", errors="replace")
        assert not re.search(r"(?<![\w.])/(home|root|tmp|Users|private|var/folders)/\w", content), path.name
        assert "PRIVATE KEY" not in content
