"""What `--resume` finds beside the runs may have been put there by somebody: it takes nothing away but runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fuzzing import changes, dumped, fuzzed, spoiled
from hypothesis import given
from tenants import ROOT
from test_fleet import NOW

from aoai_lib.evidence.seal import seal
from aoai_lib.fleet import journal
from aoai_lib.fleet.assessment import Task, outcome_of
from aoai_lib.fleet.places import Folder
from aoai_lib.model import InputError
from aoai_lib.parameters import Parameters

RUN_ID = "20261123T190455Z-4f2a"
TASK = Task(Parameters(tenant="ada", cloud="public"), Path(), (), replay=ROOT / "docs" / "samples" / "recorded.jsonl")
JOURNAL = {
    "schema": "aoai-playbook/batch/1",
    "started_at": "2026-11-23T09:00:00+00:00",
    "tenants": [{"tenant": "ada", "task": "0" * 64, "run_id": RUN_ID}],
}


def planted(out: Path, content: bytes) -> None:
    (out / ".fleet").mkdir(parents=True)
    (out / ".fleet" / "20261123T190455Z-0000.json").write_bytes(content)


def resumed(out: Path) -> journal.Batch:
    with Folder(out) as place:
        return journal.begin(place, [TASK], True, NOW)


@pytest.mark.parametrize("run_id", ["../../mine", "..", ".", "", "20261123T190455Z-4f2a/../../../mine"])
def test_a_run_id_that_is_a_path_leads_nowhere(tmp_path: Path, run_id: str) -> None:
    mine = tmp_path / "mine" / "file"
    mine.parent.mkdir()
    mine.write_text("mine")
    (tmp_path / "out" / "ada" / RUN_ID).mkdir(parents=True)
    planted(tmp_path / "out", dumped({**JOURNAL, "tenants": [{**JOURNAL["tenants"][0], "run_id": run_id}]}))  # type: ignore[dict-item]
    resumed(tmp_path / "out")
    assert mine.read_text() == "mine"
    assert (tmp_path / "out" / "ada" / RUN_ID).is_dir()


def test_of_a_link_in_the_place_of_a_run_only_the_link_goes(tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "file"
    mine.parent.mkdir()
    mine.write_text("mine")
    (tmp_path / "out" / "ada").mkdir(parents=True)
    (tmp_path / "out" / "ada" / RUN_ID).symlink_to(mine.parent)
    planted(tmp_path / "out", dumped(JOURNAL))
    assert resumed(tmp_path / "out").finished == {}
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("findings.json", b"[]"),
        ("findings.json", b'{"counts": NaN}'),
        ("findings.json", b"\xff"),
        ("run.json", b'{"problems": "none"}'),
        ("run.json", b"{"),
    ],
)
def test_a_finished_run_that_was_changed_and_sealed_again_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    shutil.copytree(ROOT / "docs" / "sample" / "run", tmp_path / "out" / "ada" / RUN_ID)
    folder = tmp_path / "out" / "ada" / RUN_ID
    (folder / name).write_bytes(content)
    seal(folder)
    planted(tmp_path / "out", dumped(JOURNAL))
    with pytest.raises(InputError, match=name):
        resumed(tmp_path / "out")
    with pytest.raises(InputError, match=name):
        outcome_of(folder)


@fuzzed(25)
@given(content=changes(JOURNAL).map(dumped) | spoiled(dumped(JOURNAL)))
def test_whatever_a_journal_holds_a_batch_begins(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    out = tmp_path_factory.mktemp("batch")
    planted(out, content)
    assert [each.parameters.tenant for each in resumed(out).tasks] == ["ada"]
