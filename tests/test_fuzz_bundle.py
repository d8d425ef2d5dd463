"""A run's folder in which somebody changed a file and sealed it again, or put something else in its place: `verify` says so, always
in words, and never unpacks, reads or waits for what a run's file can't be.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fuzzing import RAW, TIMES, aoai, changes, dumped, fuzzed, listing, places, spoiled
from hypothesis import example, given
from hypothesis import strategies as st
from tenants import ROOT

from aoai_lib.bundle import digests, forms, rendered, verification
from aoai_lib.bundle.opening import open_bundle
from aoai_lib.bundle.signing import SIGNATURE
from aoai_lib.bundle.verification import Outcome
from aoai_lib.evidence.seal import LONGEST, SUMS, seal
from aoai_lib.model import InputError
from aoai_lib.run import chapter

SAMPLE = ROOT / "docs" / "sample" / "run"
ALLOWED = (ROOT / "docs" / "sample" / "allowed").read_bytes()
CHAPTER = chapter("00")
NOTEBOOK: Any = json.loads((SAMPLE / f"{CHAPTER.name}.ipynb").read_text(encoding="utf-8"))
NEAR = [place for place in places(NOTEBOOK) if len(place) <= 4]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sample; each test leaves it as it was."""
    return Path(shutil.copytree(SAMPLE, tmp_path_factory.mktemp("bundle") / "run"))


def packed(parts: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", how) as book:
        for name, content in parts.items():
            book.writestr(name, content)
    return made.getvalue()


PARTS = {f"part{number}.xml": b"<a>pass</a>" * (20 + number) for number in range(3)}
PACKED = packed(PARTS)


def unpacks(content: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(PACKED)) as wanted:
        return forms._unpacks_to(content, wanted)


def flipped(content: bytes) -> st.SearchStrategy[bytes]:
    """A few octets of it are others: lengths, offsets, methods and flags among them."""

    def put(flips: list[tuple[int, int]]) -> bytes:
        made = bytearray(content)
        for at, octet in flips:
            made[at] = octet
        return bytes(made)

    return st.lists(
        st.tuples(st.integers(0, len(content) - 1), st.sampled_from([0, 1, 9, 12, 14, 127, 255])),
        min_size=1,
        max_size=5,
    ).map(put)


PACKINGS = [
    packed(PARTS, how) for how in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
]


@fuzzed(500)
@given(content=st.sampled_from(PACKINGS).flatmap(flipped) | st.sampled_from(PACKINGS).flatmap(spoiled))
def test_a_workbook_is_the_same_or_another_whatever_its_octets(content: bytes) -> None:
    if unpacks(content):
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            assert {name: book.read(name) for name in book.namelist()} == PARTS


def test_a_workbook_packed_otherwise_is_the_same_and_no_bomb_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [unpacks(each) for each in PACKINGS] == [True, True, False, False]
    bomb = packed({name: bytes(50_000_000) for name in PARTS})
    assert len(bomb) < 200_000
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("unpacked"))
    assert not unpacks(bomb)


@fuzzed(4)
@given(document=changes(NOTEBOOK, 2, NEAR))
@example({**NOTEBOOK, "cells": [True]})
@example({**NOTEBOOK, "metadata": {**NOTEBOOK["metadata"], "language_info": {"name": []}}})
def test_a_changed_notebook_is_compared_or_refused(run: Path, document: Any) -> None:
    path = run / f"{CHAPTER.name}.ipynb"
    path.write_bytes(dumped(document))
    try:
        assert all(isinstance(each, str) for each in rendered.differences(open_bundle(run), CHAPTER))
    except InputError as problem:
        assert path.name in str(problem)
    finally:
        shutil.copy(SAMPLE / path.name, path)


@fuzzed(8)
@given(content=spoiled((SAMPLE / f"{CHAPTER.name}.html").read_bytes()))
def test_a_changed_page_is_named(run: Path, content: bytes) -> None:
    path = run / f"{CHAPTER.name}.html"
    path.write_bytes(content)
    same = content == (SAMPLE / path.name).read_bytes()
    assert list(rendered.differences(open_bundle(run), CHAPTER)) == ([] if same else [f"{path.name} is not its page"])
    shutil.copy(SAMPLE / path.name, path)


@fuzzed(200)
@given(content=spoiled((SAMPLE / SUMS).read_bytes()) | flipped((SAMPLE / SUMS).read_bytes()))
@example(b"\n" * (LONGEST + 1))
def test_only_the_list_that_was_written_is_a_list_of_these_files(run: Path, content: bytes) -> None:
    (run / SUMS).write_bytes(content)
    try:
        whole = digests.differences(run, digests.listed(run)) == []
    except digests.UnlistedError:
        whole = False
    finally:
        shutil.copy(SAMPLE / SUMS, run / SUMS)
    assert whole == (content == (SAMPLE / SUMS).read_bytes())


@fuzzed(20)
@given(content=spoiled(ALLOWED) | flipped(ALLOWED))
def test_a_list_of_signers_names_one_only_by_the_key_that_signed(
    run: Path, tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "allowed"
    path.write_bytes(content)
    answer = verification._signature(run, path)
    assert answer.outcome is Outcome.BAD or ALLOWED.split()[2] in content
    assert "\n" not in answer.sentence


@fuzzed(40)
@given(content=spoiled((SAMPLE / SIGNATURE).read_bytes()) | flipped((SAMPLE / SIGNATURE).read_bytes()))
def test_a_signature_is_the_one_that_was_made_or_does_not_hold(run: Path, content: bytes) -> None:
    (run / SIGNATURE).write_bytes(content)
    answer = verification._signature(run, None)
    shutil.copy(SAMPLE / SIGNATURE, run / SIGNATURE)
    assert (answer.outcome is Outcome.NOTE) == (content == (SAMPLE / SIGNATURE).read_bytes()), answer


def as_folder(path: Path) -> None:
    path.mkdir()


def as_loop(path: Path) -> None:
    path.symlink_to(path.name)


def as_endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def as_unreadable(path: Path) -> None:
    """A regular file that even root can't read, at its beginning."""
    path.symlink_to("/proc/self/mem")


def as_another(path: Path) -> None:
    path.symlink_to(SAMPLE / path.name)


def as_pipe(path: Path) -> None:
    os.mkfifo(path)


def as_sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 26)


def as_nothing(_: Path) -> None: ...


FILES = (
    "run.json",
    "snapshot.json",
    "findings.json",
    "requests.jsonl",
    "findings.xlsx",
    "changes.json",
    SUMS,
    SIGNATURE,
)


@pytest.mark.skipif(sys.platform != "linux", reason="pipes, links and devices of Linux")
@pytest.mark.parametrize(
    "put", [as_folder, as_loop, as_endless, as_unreadable, as_another, as_pipe, as_sparse, as_nothing]
)
def test_what_stands_in_the_place_of_a_file_is_told(tmp_path: Path, put: Callable[[Path], None]) -> None:
    """With the seal as it was: verified, explained and compared in words, and nothing in the folder moves."""
    for name in FILES if TIMES else FILES[:: 7 if put is as_sparse else 3]:
        if (put, name) == (as_nothing, SIGNATURE):
            continue  # nobody has to sign
        folder = Path(shutil.copytree(SAMPLE, tmp_path / name / "run"))
        (folder / name).unlink()
        put(folder / name)
        before = sorted(path.name for path in folder.iterdir())
        assert aoai("verify", folder).exit_code == 1, name
        if put is not as_sparse:
            assert aoai("explain", folder, "GOV-07", "ais-meridian-research").exit_code in (0, 2)
            assert aoai("diff", SAMPLE, folder).exit_code in (0, 2)
        assert sorted(path.name for path in folder.iterdir()) == before
        shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="names of Linux")
@pytest.mark.parametrize("name", [b"\xff", b"a\nb", b"-x", b"\x1b[31m", b"[red]x", b"a\\b", b" ", b"..x"])
def test_a_file_of_an_odd_name_is_no_file_of_a_run(tmp_path: Path, name: bytes) -> None:
    folder = Path(shutil.copytree(SAMPLE, tmp_path / "run"))
    (folder / os.fsdecode(name)).write_bytes(b"All is well.")
    done = aoai("verify", folder)
    assert done.exit_code == 1 and "The files are not those that were sealed: 1 differ." in done.output
    assert "\x1b" not in done.output
    if name == b"\xff":
        return  # no list in UTF-8 can name it
    seal(folder)
    try:
        names = set(digests.listed(folder))
    except digests.UnlistedError:
        assert name in (b"a\nb", b"\x1b[31m", b"a\\b")
    else:
        assert f"no file of a run: {name.decode()}" in forms.unexpected(open_bundle(folder), names)


@fuzzed(8)
@given(
    words=st.lists(
        st.sampled_from(
            ["NET-01", "gov-07", "ais-meridian-research", *(each.decode("utf-8", "replace") for each in RAW[:14])]
        ),
        min_size=1,
        max_size=2,
    )
)
def test_whatever_is_to_be_explained_is_or_the_candidates_are_named(run: Path, words: list[str]) -> None:
    before = listing(run)
    assert aoai("explain", run, "--", *words).exit_code in (0, 2)
    assert listing(run) == before
