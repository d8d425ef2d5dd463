"""The fleet overview: the newest finished run of each tenant, side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from reporting import document_of, run_of

from aoai_lib import run as runs
from aoai_lib.evidence import snapshots
from aoai_lib.model import InputError, Snapshot
from aoai_lib.report import overview
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
