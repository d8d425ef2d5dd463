"""Whatever a replay file holds: a sentence that names it, or a run that is whole. `AOAI_FUZZ=N` tries N times as often."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fuzzing import changes, dumped, fuzzed, spoiled
from hypothesis import example, given
from tenants import ROOT

from aoai_lib.azure.replay import Recording
from aoai_lib.bundle.verification import Outcome, verify
from aoai_lib.fleet import assessment
from aoai_lib.folder import RunFolder
from aoai_lib.model import InputError, PlaybookError
from aoai_lib.parameters import Parameters

SMALL = (ROOT / "docs" / "samples" / "recorded.jsonl").read_bytes()
SMALL_LINES: list[dict[str, Any]] = [json.loads(line) for line in SMALL.splitlines()]


def lines(records: Any) -> bytes:
    return b"".join(dumped(each) + b"\n" for each in records) if isinstance(records, list) else dumped(records)


def assessed(path: Path, out: Path) -> dict[str, Any] | None:
    """The findings of a whole, sealed run over a recording, without notebooks; None where it was refused and nothing is left."""
    task = assessment.Task(Parameters(tenant="fuzz", cloud="public"), out, (), {}, path)
    folder = RunFolder.create(out, "fuzz", "20261123T190455Z-4f2a")
    try:
        run, evidence = assessment._collect(task, folder, lambda *_: None)
    except PlaybookError as problem:
        assert str(problem)
        folder.discard()
        return None
    assessment._report(task, folder, run, evidence, [], lambda *_: None)
    found: dict[str, Any] = json.loads(
        (folder.path / "findings.json").read_text(encoding="utf-8"), parse_constant=pytest.fail
    )
    assert [each for each in verify(folder.path) if each.outcome is Outcome.BAD] == []
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replay")


def put(folder: Path, content: bytes) -> Path:
    path = folder / "fuzzed.jsonl"
    path.write_bytes(content)
    return path


@fuzzed(300)
@given(content=spoiled(SMALL) | changes(SMALL_LINES).map(lines))
@example(SMALL.replace(b"https://", b"https://["))
def test_a_file_is_a_recording_or_refused_by_its_name(folder: Path, content: bytes) -> None:
    path = put(folder, content)
    try:
        found = Recording.load(path)
    except InputError as problem:
        assert str(problem).startswith(str(path))
    else:
        assert isinstance(found.accounts, list)


@fuzzed(3)
@given(records=changes(SMALL_LINES))
def test_a_changed_recording_gives_a_whole_run_or_nothing(folder: Path, records: Any) -> None:
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    if assessed(put(folder, lines(records)), out) is None:
        assert list(out.iterdir()) == []
