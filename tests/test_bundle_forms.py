"""A run whose files were changed, taken away or added to, and which was sealed again by whoever did it: each form still has to follow
from the evidence, the notebooks and their pages too.
"""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tenants import ROOT

from aoai_lib.bundle import changes, forms, rendered
from aoai_lib.bundle.opening import Bundle, open_bundle
from aoai_lib.bundle.verification import Answer, Outcome, verify
from aoai_lib.evidence.seal import seal
from aoai_lib.model import InputError
from aoai_lib.run import chapter

SAMPLE = ROOT / "docs" / "sample" / "run"
FILES = sorted(path.name for path in SAMPLE.iterdir() if not path.name.startswith("SHA256SUMS"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sample without its signature; each test leaves its files as they were."""
    copy = Path(shutil.copytree(SAMPLE, tmp_path_factory.mktemp("forms") / "run"))
    (copy / "SHA256SUMS.sig").unlink()
    return copy


def faulty(run: Path) -> dict[str, Answer]:
    """What is faulty of a run that was sealed again."""
    seal(run)
    return {each.what: each for each in verify(run) if each.outcome is Outcome.BAD}


def found_in(run: Path, what: str) -> list[str]:
    """What is found in one form of a run."""
    bundle = open_bundle(run)
    if what == CHAPTER.name:
        return list(rendered.differences(bundle, CHAPTER))
    return next(differs for name, differs in forms.compared(bundle) if name == what)


def test_the_sample_itself_is_faultless(run: Path) -> None:
    assert faulty(run) == {}


def test_what_is_taken_away_or_added_is_named_though_the_list_be_whole(run: Path) -> None:
    bundle = open_bundle(run)
    for name in FILES:
        assert forms.unexpected(bundle, {*FILES} - {name}) == [f"missing: {name}"]
    assert forms.unexpected(bundle, {*FILES, "report.pdf", "07_more.html"}) == ["no file of a run: 07_more.html"]
    kept = (run / "findings.xlsx").read_bytes()
    (run / "findings.xlsx").unlink()
    (run / "07_more.html").write_text("All is well.")
    found = faulty(run)
    (run / "07_more.html").unlink()
    (run / "findings.xlsx").write_bytes(kept)
    assert found["completeness"].listed == ("missing: findings.xlsx", "no file of a run: 07_more.html")


def replaced(old: str, new: str) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        assert old.encode() in content
        return content.replace(old.encode(), new.encode(), 1)

    return change


def repacked(content: bytes) -> bytes:
    """The workbook with failures called passes."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as book, zipfile.ZipFile(made, "w") as other:
        for name in book.namelist():
            other.writestr(name, book.read(name).replace(b"<t>fail</t>", b"<t>pass</t>"))
    return made.getvalue()


def with_cell(content: bytes) -> bytes:
    document: dict[str, Any] = json.loads(content)
    document["cells"].append({"cell_type": "markdown", "id": "more", "metadata": {}, "source": "All is well."})
    return json.dumps(document, indent=1).encode()


CHAPTER = chapter("01")
NOTEBOOK = CHAPTER.name


@pytest.mark.parametrize(
    ("name", "change", "what"),
    [
        (f"{NOTEBOOK}.html", replaced("✗ fail", "✓ pass"), NOTEBOOK),
        (f"{NOTEBOOK}.ipynb", replaced("✗ fail", "✓ pass"), NOTEBOOK),
        (f"{NOTEBOOK}.ipynb", replaced("assessment.results()", "assessment.results() "), NOTEBOOK),
        (f"{NOTEBOOK}.ipynb", replaced("RISK-118", "RISK-119"), NOTEBOOK),
        (f"{NOTEBOOK}.ipynb", with_cell, NOTEBOOK),
        ("findings.xlsx", repacked, "findings.xlsx"),
        ("findings.xlsx", lambda _: b"PK", "findings.xlsx"),
        ("findings.csv", lambda content: content + b"\r\n", "findings.csv"),
        ("run.json", replaced('"caller": {', '"caller": {"name": "Lena",'), "run.json"),
        ("run.json", replaced('"finished_at": "20', '"finished_at": "19'), "run.json"),
    ],
)
def test_a_form_that_tells_another_story_is_named(
    run: Path, name: str, change: Callable[[bytes], bytes], what: str
) -> None:
    path = run / name
    kept = path.read_bytes()
    path.write_bytes(change(kept))
    found = found_in(run, what)
    path.write_bytes(kept)
    assert found


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("findings.json", replaced("{", '{"findings": [],')),
        ("requests.jsonl", replaced('"status": 200', '"status": 403, "status": 200')),
        (f"{NOTEBOOK}.ipynb", lambda _: b'{"cells": [{"cell_type": 5, "metadata": []}]}'),
    ],
)
def test_what_programs_read_differently_is_not_read(run: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    path = run / name
    kept = path.read_bytes()
    path.write_bytes(change(kept))
    with pytest.raises(InputError):
        everything(open_bundle(run))
    path.write_bytes(kept)


def everything(bundle: Bundle) -> tuple[object, ...]:
    return (
        bundle.about,
        bundle.document,
        bundle.snapshot,
        bundle.lines,
        bundle.changes,
        bundle.cells(f"{NOTEBOOK}.ipynb"),
    )


def test_changes_without_an_earlier_run_are_none(run: Path) -> None:
    path = run / "changes.json"
    kept = path.read_bytes()
    path.write_bytes(replaced('"remarks": []', '"remarks": ["All was mended."]')(kept))
    found = changes.check(open_bundle(run))
    path.write_bytes(kept)
    assert found == (False, "It tells of changes, and names no earlier run.")


def test_a_notebook_is_never_executed(run: Path, tmp_path: Path) -> None:
    """Code that somebody put into a notebook of a run is looked at and not obeyed."""
    path, trace = run / f"{NOTEBOOK}.ipynb", tmp_path / "trace"
    kept = path.read_bytes()
    path.write_bytes(replaced("assessment.results()", f"open('{trace}', 'w')")(kept))
    found = found_in(run, NOTEBOOK)
    path.write_bytes(kept)
    assert found[0] == "its text or its code is not the playbook's"
    assert not trace.exists()
