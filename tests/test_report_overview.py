"""The fleet overview: the newest finished run of each tenant, side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from reporting import document_of, run_of

from aoai_lib import run as runs
from aoai_lib.controls import catalogue
from aoai_lib.evidence import snapshots
from aoai_lib.model import InputError, Snapshot
from aoai_lib.report import overview
from aoai_lib.report.changes import without_earlier
from aoai_lib.storage import Disk


def leave(out: Path, snapshot: Snapshot, run_id: str, *, finished: bool = True) -> None:
    """A run folder as far as the overview reads it."""
    folder = out / snapshot.tenant / run_id
    folder.mkdir(parents=True)
    document = document_of(run_of(snapshot)) | {"run_id": run_id}
    (folder / "findings.json").write_text(json.dumps(document), encoding="utf-8")
    (folder / "snapshot.json").write_text(json.dumps(snapshots.dump(snapshot)), encoding="utf-8")
    if finished:
        (folder / "SHA256SUMS").write_text("", encoding="utf-8")


def test_the_newest_finished_run_counts(tmp_path: Path, mixed: Snapshot, exposed: Snapshot, hardened: Snapshot) -> None:
    leave(tmp_path, mixed, "20261101T000000Z-0000")
    leave(tmp_path, mixed, "20261102T000000Z-0000")
    leave(tmp_path, mixed, "20261103T000000Z-0000", finished=False)
    leave(tmp_path, exposed, "20261101T000000Z-0001")
    leave(tmp_path, hardened, "20261101T000000Z-0002", finished=False)
    (tmp_path / "06_fleet_overview.html").write_text("", encoding="utf-8")
    fleet = overview.load(Disk(tmp_path))
    assert [(row[0], row[1]) for row in fleet.tenants().rows] == [
        ("exposed", "20261101T000000Z-0001"),
        ("mixed", "20261102T000000Z-0000"),
        ("hardened", "no finished run"),
    ]
    assert overview.newest(Disk(tmp_path), "mixed") == "20261102T000000Z-0000"
    assert overview.newest(Disk(tmp_path), "hardened") is None
    assert overview.newest(Disk(tmp_path), "elsewhere") is None


def test_tenants_are_compared_control_by_control(tmp_path: Path, mixed: Snapshot, exposed: Snapshot) -> None:
    leave(tmp_path, mixed, "20261101T000000Z-0000")
    leave(tmp_path, exposed, "20261101T000000Z-0001")
    fleet = overview.load(Disk(tmp_path))
    first = fleet.failures().rows[0]
    assert first[:5] == ("critical", "NET-01", "Public network access is disabled", 2, 5)
    assert (
        "NET-01 (Public network access is disabled): exposed: 3 of 3 fail; mixed: 2 of 4 fail" in fleet.heat_map().text
    )
    assert {row[0] for row in fleet.gaps().rows} == {"exposed", "mixed"}
    assert [row[0] for row in fleet.plan().rows] == list(range(1, len(fleet.plan().rows) + 1))


def test_the_worst_comes_first(tmp_path: Path, mixed: Snapshot, exposed: Snapshot, hardened: Snapshot) -> None:
    for number, snapshot in enumerate((hardened, mixed, exposed)):
        leave(tmp_path, snapshot, f"20261101T000000Z-000{number}")
    fleet = overview.load(Disk(tmp_path))
    assert [row[0] for row in fleet.tenants().rows] == ["exposed", "mixed", "hardened"]
    drawn = fleet.heat_map().text
    failed = [str(row[1]) for row in fleet.failures().rows]
    assert 0 < drawn.index("exposed") < drawn.index("mixed") < drawn.index("hardened")
    places = [drawn.index(f"\n{control} (") for control in failed]
    assert places == sorted(places)
    passed = {each.id for each in catalogue()} - set(failed)
    assert min(drawn.index(f"\n{control} (") for control in passed) > places[-1]


def test_each_tenant_says_what_changed_since_its_previous_run(
    tmp_path: Path, mixed: Snapshot, exposed: Snapshot, hardened: Snapshot
) -> None:
    for number, snapshot in enumerate((exposed, mixed, hardened)):
        leave(tmp_path, snapshot, f"20261101T000000Z-000{number}")
    row = {
        "title": "t",
        "severity": "high",
        "subject": "/s",
        "was": "pass",
        "now": "fail",
        "reason": "r",
        "by_rules": False,
    }
    found = [
        {**row, "change": change, "control": control, "since": "2026-10-01T09:00:00Z"}
        for change, control in (("new", "NET-01"), ("new", "NET-01"), ("new", "IAM-02"), ("fixed", "NET-02"))
    ]
    previous = {
        "run_id": "20261001T000000Z-aaaa",
        "as_of": "2026-10-01T09:00:00Z",
        "catalogue_version": "1",
        "seal": "0" * 64,
    }
    told = without_earlier("20261101T000000Z-0000", "exposed") | {"previous": previous, "findings": found}
    (tmp_path / "exposed/20261101T000000Z-0000/changes.json").write_text(json.dumps(told), encoding="utf-8")
    first = without_earlier("20261101T000000Z-0001", "mixed")
    (tmp_path / "mixed/20261101T000000Z-0001/changes.json").write_text(json.dumps(first), encoding="utf-8")
    table = overview.load(Disk(tmp_path)).changed()
    assert table.columns[:4] == ("tenant", "compared with", "new", "fixed")
    assert [row[:4] for row in table.rows] == [
        ("exposed", "20261001T000000Z-aaaa (2026-10-01)", 3, 1),
        ("mixed", "no earlier run", None, None),
        ("hardened", "not known", None, None),
    ]
    assert table.rows[0][-2:] == (0, "NET-01, IAM-02")


def test_alone_a_run_is_a_fleet_of_one(hardened: Snapshot) -> None:
    run = run_of(hardened)
    assert [row[0] for row in run.fleet.tenants().rows] == ["hardened"]
    assert run.fleet.failures().rows == []


def test_a_folder_without_a_finished_run_is_refused(tmp_path: Path, mixed: Snapshot) -> None:
    leave(tmp_path, mixed, "20261101T000000Z-0000", finished=False)
    with pytest.raises(InputError, match="no finished run"):
        overview.load(Disk(tmp_path))


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": "something/1"}'])
def test_findings_that_are_none_are_refused(tmp_path: Path, mixed: Snapshot, text: str) -> None:
    leave(tmp_path, mixed, "20261101T000000Z-0000")
    (tmp_path / "mixed" / "20261101T000000Z-0000" / "findings.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"findings\.json"):
        overview.load(Disk(tmp_path))


def test_the_overview_reads_runs_and_not_azure(
    tmp_path: Path, exposed: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path, exposed, "20261101T000000Z-0001")
    monkeypatch.setenv(runs.OUT_VARIABLE, str(tmp_path))
    monkeypatch.delenv(runs.RUN_VARIABLE, raising=False)
    opened = runs.open("06", {"tenant": "exposed", "cloud": "public"})
    assert opened.run_id == "20261101T000000Z-0001"
    assert [each["tenant"] for each in opened.fleet.documents] == ["exposed"]
