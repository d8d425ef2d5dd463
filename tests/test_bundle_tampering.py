"""Every way to change a sealed run, over every file of a whole one: `aoai verify` and `sha256sum -c` see it and name the file.

`AOAI_SEALS=N` tries so many places in each file instead of a few (`make seals`).
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tenants import ROOT

from aoai_lib.bundle import digests
from aoai_lib.bundle.signing import UnsignedError, signer
from aoai_lib.bundle.verification import Outcome, verify

SAMPLE = ROOT / "docs" / "sample" / "run"
PLACES = int(os.environ.get("AOAI_SEALS", "3"))
SEED = random.randrange(1 << 32)
FILES = sorted(path.name for path in SAMPLE.iterdir())
APART = {"SHA256SUMS", "SHA256SUMS.sig"}
needs_sha256sum = pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed here")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sample; each test leaves it as it was."""
    return Path(shutil.copytree(SAMPLE, tmp_path_factory.mktemp("sealed") / "run"))


def named(run: Path) -> set[str]:
    """The files that are called faulty; empty only where all is well."""
    found: set[str] = set()
    for each in verify(run):
        if each.outcome is Outcome.BAD:
            found |= {line.partition(": ")[2] for line in each.listed} or {each.what}
    return found


def checksums_hold(run: Path) -> bool:
    done = subprocess.run(["sha256sum", "--status", "--strict", "-c", "SHA256SUMS"], cwd=run, check=False)
    return done.returncode == 0


def places(content: bytes, name: str) -> list[int]:
    """The first octet, the last, and some by chance."""
    chance = random.Random(f"{SEED} {name}")
    return sorted({0, len(content) - 1, *(chance.randrange(len(content)) for _ in range(PLACES))})


@needs_sha256sum
def test_it_is_whole_before_anything_is_tried(run: Path) -> None:
    assert named(run) == set()
    assert checksums_hold(run)


@needs_sha256sum
@pytest.mark.parametrize("name", [each for each in FILES if each not in APART])
def test_one_octet_that_is_another_is_seen(run: Path, name: str) -> None:
    path = run / name
    content = path.read_bytes()
    for number, place in enumerate(places(content, name)):
        changed = bytearray(content)
        changed[place] ^= 1 << random.Random(f"{SEED} {name} {place}").randrange(8)
        path.write_bytes(changed)
        assert named(run) == {name}, f"octet {place}, seed {SEED}"
        assert number > 2 or not checksums_hold(run), f"octet {place}, seed {SEED}"
    path.write_bytes(content)


@pytest.mark.parametrize("name", sorted(APART))
def test_one_octet_of_the_seal_and_of_the_signature_is_seen(run: Path, name: str) -> None:
    path = run / name
    content = path.read_bytes()
    for place in range(len(content)) if PLACES > 100 else {*places(content, name), 43}:  # 43: a signature's version
        for bit in range(8):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            path.write_bytes(changed)
            with pytest.raises((digests.UnlistedError, UnsignedError, AssertionError)):
                assert not digests.differences(run, digests.listed(run)), "the list is of other files"
                signer(run, ROOT / "docs" / "sample" / "allowed")
    path.write_bytes(content)


def cut(content: bytes) -> bytes:
    return content[:-1]


def emptied(_: bytes) -> bytes:
    return b""


def lengthened(content: bytes) -> bytes:
    return content + b"\n"


@pytest.mark.parametrize("change", [cut, emptied, lengthened])
def test_a_file_that_is_cut_emptied_or_lengthened_is_seen(run: Path, change: Callable[[bytes], bytes]) -> None:
    for name in FILES:
        if name == "SHA256SUMS.sig":
            continue
        path = run / name
        content = path.read_bytes()
        path.write_bytes(change(content))
        found = named(run)
        assert found == {name} if name not in APART else found, name
        path.write_bytes(content)


def test_each_file_that_is_taken_away_is_named(run: Path, tmp_path: Path) -> None:
    for name in FILES:
        (run / name).rename(tmp_path / name)
        answers = {each.what: each for each in verify(run, ROOT / "docs" / "sample" / "allowed")}
        assert any(each.outcome is Outcome.BAD for each in answers.values()), name
        if name not in APART:
            assert answers["files"].listed == (f"missing: {name}",)
        (tmp_path / name).rename(run / name)


@pytest.mark.parametrize(
    "name",
    [
        "note.txt",
        ".hidden",
        "RUN.JSON",
        "run.json ",
        "SHA256SUMS.bak",
        "SHA256SUMS.sig.txt",
        "report.html\n",
        "rеport.html",  # noqa: RUF001 - its e is Cyrillic
        "deep/er/file",
        "-c",
    ],
)
def test_each_file_that_is_added_is_named(run: Path, name: str) -> None:
    path = run / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    assert name in named(run)
    path.unlink()
    if "/" in name:
        shutil.rmtree(run / "deep")


def test_a_folder_a_link_a_pipe_are_additions_too(run: Path, tmp_path: Path) -> None:
    (run / "folder").mkdir()
    (run / "outside").symlink_to(tmp_path)
    (run / "nowhere").symlink_to(run / "nothing")
    os.mkfifo(run / "pipe")
    try:
        assert named(run) == {"folder/", "outside", "nowhere", "pipe"}
    finally:
        (run / "folder").rmdir()
        for name in ("outside", "nowhere", "pipe"):
            (run / name).unlink()


def test_a_file_that_is_put_in_by_a_link_is_none_of_the_run(run: Path, tmp_path: Path) -> None:
    for name in ("report.html", "requests.jsonl"):
        (run / name).rename(tmp_path / name)
        (run / name).symlink_to(tmp_path / name)
        assert named(run) == {name}
        (run / name).unlink()
        (tmp_path / name).rename(run / name)


@pytest.mark.parametrize(
    "change", [sorted, lambda lines: lines[::-1], lambda lines: [*lines, lines[0]], lambda lines: lines[1:]]
)
def test_the_seal_is_what_was_signed_line_by_line(run: Path, change: Callable[[list[str]], list[str]]) -> None:
    path = run / "SHA256SUMS"
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    path.write_text("".join(change(lines)), encoding="utf-8")
    bad = {each.what for each in verify(run, ROOT / "docs" / "sample" / "allowed") if each.outcome is Outcome.BAD}
    assert bad == set() if change(lines) == lines else "signature" in bad or "files" in bad
    path.write_text(text, encoding="utf-8")
