"""The main job, as a person types it: run folders whole, sealed, readable without the tool."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from tenants import ROOT

from aoai_lib.lab.server import Lab

FILES = {
    "changes.json",
    "SHA256SUMS",
    "findings.csv",
    "findings.json",
    "findings.ocsf.json",
    "findings.xlsx",
    "report.html",
    "requests.jsonl",
    "run.json",
    "snapshot.json",
}


def aoai(*arguments: str | Path, **surroundings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "aoai_lib", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **surroundings}, capture_output=True, text=True)


@pytest.fixture(scope="module")
def assessed(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[subprocess.CompletedProcess[str], Path]]:
    """The exposed tenant, two phases, through papermill, from a folder with a space in its name."""
    out = tmp_path_factory.mktemp("a folder") / "out puts"
    done = aoai(
        "assess", "parameters/exposed.yaml", "--out", out, "--phase", "01,05", "--fail-on", "critical",
        **lab.environment("exposed"),
    )  # fmt: skip
    yield done, out


def run_folder(out: Path) -> Path:
    (folder,) = (out / "exposed").iterdir()
    return folder


def read(out: Path, name: str) -> Any:
    return json.loads((run_folder(out) / name).read_text(encoding="utf-8"))


def test_it_says_what_it_did(assessed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, _out = assessed
    assert done.returncode == 3, done.stderr
    assert "report.html" in done.stdout
    assert "network isolation" in done.stdout
    assert "exposed: notebook 01_network_isolation" in done.stderr
    assert "Traceback" not in done.stderr
    assert "WARNING" not in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_the_folder_holds_the_contracts_files(assessed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    folder = run_folder(assessed[1])
    notebooks = {
        f"{name}.{kind}" for name in ("01_network_isolation", "05_validation_checklist") for kind in ("ipynb", "html")
    }
    assert {each.name for each in folder.iterdir()} == FILES | notebooks
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{4}", folder.name)


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="sha256sum is not installed")
def test_the_seal_holds(assessed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    folder = run_folder(assessed[1])
    checked = subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
    assert checked.returncode == 0
    assert checked.stdout.count(": OK") == len(list(folder.iterdir())) - 1


def test_all_outputs_hold_the_same_findings(assessed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    folder = run_folder(assessed[1])
    findings = read(assessed[1], "findings.json")
    entries = findings["findings"]
    with (folder / "findings.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    sheet = load_workbook(folder / "findings.xlsx", read_only=True)["Findings"]
    keys = [(each["control"], each["subject"], each["status"]) for each in entries]
    assert [(row["control"], row["subject"], row["status"]) for row in rows] == keys
    assert sheet.max_row == len(entries) + 1
    assert len(read(assessed[1], "findings.ocsf.json")) == len(entries)
    assert sum(findings["counts"]["by_status"].values()) == len(entries)
    assert read(assessed[1], "run.json")["counts"] == findings["counts"]


def test_every_cited_line_is_in_the_evidence(assessed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    lines = (run_folder(assessed[1]) / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert len(ids) == len(set(ids))
    cited = {
        line
        for finding in read(assessed[1], "findings.json")["findings"]
        for observed in finding["observed"]
        for line in observed["evidence"]
    }
    assert cited
    assert cited <= set(ids)


def test_a_phase_that_is_off_is_not_assessed(assessed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    out = assessed[1]
    assert read(out, "run.json")["chapters"] == ["01_network_isolation", "05_validation_checklist"]
    assert {each["control"][:3] for each in read(out, "findings.json")["findings"]} == {
        "NET",
        "IAM",
        "CNT",
        "MON",
        "GOV",
    }


def test_the_run_says_who_read_and_when(assessed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    about = read(assessed[1], "run.json")
    assert about["caller"]["object_id"] == "1b62d8f3-6e1f-4c8b-9b21-7a4f1dae2e01"
    assert about["caller"]["tenant_id"] == about["tenant_id"] == "c41d7e90-8b26-4a5f-b3d8-17f0a9e2c302"
    assert about["as_of"] == "2026-11-23T09:00:00Z"
    assert about["parameters"]["tenant"] == "exposed"


def test_only_the_network_was_read(lab: Lab, tmp_path: Path) -> None:
    done = aoai("assess", "parameters/hardened.yaml", "--out", tmp_path, "--phase", "01", **lab.environment("hardened"))
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "hardened").iterdir()
    findings = json.loads((folder / "findings.json").read_text(encoding="utf-8"))["findings"]
    by_control = {each["control"]: each for each in findings}
    assert by_control["NET-05"]["status"] == "pass"
    assert by_control["IAM-04"]["status"] == "not_assessed"
    assert by_control["MON-06"]["status"] == "not_assessed"
    assert "not read" in by_control["IAM-04"]["reason"]


def test_no_path_of_this_machine_is_handed_over(assessed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    folder = run_folder(assessed[1])
    for path in folder.iterdir():
        if path.suffix != ".xlsx":
            text = path.read_text(encoding="utf-8-sig")
            assert str(ROOT) not in text, path.name
            assert str(folder.parent) not in text, path.name


def test_a_tenant_that_cannot_sign_in_costs_the_others_nothing(lab: Lab, tmp_path: Path) -> None:
    sealed = tmp_path / "other.yaml"
    sealed.write_text("tenant: elsewhere\ncloud: public\ncredential: environment\n")
    done = aoai(
        "assess",
        "parameters/hardened.yaml",
        sealed,
        "--out",
        tmp_path / "out",
        "--phase",
        "01",
        **lab.environment("hardened"),
    )
    assert done.returncode == 1, done.stderr
    assert "elsewhere: Azure gave no token" in done.stdout
    left = {each.name for each in (tmp_path / "out").iterdir()}
    assert left == {".fleet", "hardened", "06_fleet_overview.ipynb", "06_fleet_overview.html"}
    assert "all tenants: " in done.stdout
