"""Time stamps: a real authority, our reading of its answer, and OpenSSL's of the same file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from authority import serving
from test_assess import aoai

from aoai_lib.bundle.timestamp import STAMP, UnstampedError, check_authority, stamp, stamped
from aoai_lib.evidence.seal import SUMS
from aoai_lib.model import InputError
from aoai_lib.report import pdf

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="OpenSSL plays the authority")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with digests and their time stamp, and the authority's folder."""
    folder, authority = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("authority")
    (folder / SUMS).write_text(f"{'a' * 64}  report.html\n", encoding="utf-8")
    with serving(authority) as url:
        check_authority(url)
        assert stamp(folder, url) == folder / STAMP
    return folder, authority


def test_the_stamp_says_when_and_by_whom(made: tuple[Path, Path]) -> None:
    folder, authority = made
    alone, rooted = stamped(folder), stamped(folder, authority / "root.pem")
    assert (alone.trusted, rooted.trusted) == (False, True)
    assert rooted.authority == "CN=Time of the tests"
    assert abs(rooted.when.timestamp() - (folder / STAMP).stat().st_mtime) < 300


def test_openssl_takes_the_file_as_it_is(made: tuple[Path, Path]) -> None:
    folder, authority = made
    words = ["openssl", "ts", "-verify", "-data", SUMS, "-in", STAMP, "-CAfile", str(authority / "root.pem")]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    assert "Verification: OK" in done.stdout + done.stderr


def test_each_byte_that_says_something_is_noticed(made: tuple[Path, Path], tmp_path: Path) -> None:
    folder, authority = made
    good = (folder / STAMP).read_bytes()
    shutil.copy(folder / SUMS, tmp_path)
    passed = []
    for at in range(0, len(good), 7):
        (tmp_path / STAMP).write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        try:
            stamped(tmp_path, authority / "root.pem")
        except UnstampedError:
            continue
        passed.append(at)
    named = good.rindex(
        bytes.fromhex("2a864886f70d010101")
    )  # "by RSA": no reader of CMS looks at this word, OpenSSL neither
    assert [at for at in passed if not named <= at < named + 9] == []
    for other in (good + b"\n", good[:-1], b""):
        (tmp_path / STAMP).write_bytes(other)
        with pytest.raises(UnstampedError):
            stamped(tmp_path)


def test_other_digests_and_other_roots_do_not_hold(made: tuple[Path, Path], tmp_path: Path) -> None:
    folder, _ = made
    shutil.copy(folder / STAMP, tmp_path)
    (tmp_path / SUMS).write_text(f"{'b' * 64}  report.html\n", encoding="utf-8")
    with pytest.raises(UnstampedError, match="does not hold"):
        stamped(tmp_path)
    (tmp_path / "other").mkdir()
    with serving(tmp_path / "other"), pytest.raises(UnstampedError, match="does not hold"):
        stamped(folder, tmp_path / "other" / "root.pem")
    with pytest.raises(InputError, match="no root certificates"):
        stamped(folder, folder / SUMS)


@pytest.mark.parametrize("answer", [b"", b"<html>busy</html>", b"\x30\x05\x30\x03\x02\x01\x02"])
def test_an_authority_that_gives_none_leaves_the_run_as_it_is(answer: bytes, tmp_path: Path) -> None:
    (tmp_path / SUMS).write_text(f"{'a' * 64}  report.html\n", encoding="utf-8")
    (tmp_path / "a").mkdir()
    with serving(tmp_path / "a", answer) as url, pytest.raises(UnstampedError, match="sealed but has no time stamp"):
        stamp(tmp_path, url)
    assert not (tmp_path / STAMP).exists()


@pytest.mark.parametrize(
    "url", ["ftp://time.example/", "time.example", "file:///etc/passwd", "https://who:what@time.example/"]
)
def test_an_address_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InputError) as refused:
        check_authority(url)
    assert "what" not in str(refused.value).split("takes", 1)[0] and "who:" not in str(refused.value)


def test_a_run_is_stamped_and_printed_and_verified(tmp_path: Path) -> None:
    authority, out = tmp_path / "authority", tmp_path / "out"
    authority.mkdir()
    with serving(authority) as url:
        done = aoai(
            "assess",
            "parameters/hardened.yaml",
            "--phase",
            "03",
            "--timestamp",
            url,
            *pdf_where_possible(),
            "--out",
            out,
        )
    assert done.returncode == 0, done.stderr
    (folder,) = (each.parent for each in out.rglob(STAMP))
    assert (folder / "report.pdf").is_file() == bool(pdf_where_possible())
    rooted = aoai("verify", folder, "--tsa-roots", authority / "root.pem")
    assert rooted.returncode == 0, rooted.stdout
    assert "UTC, says CN=Time of the tests." in rooted.stdout
    (folder / STAMP).write_bytes((folder / STAMP).read_bytes()[:-2])
    assert aoai("verify", folder).returncode == 1
    (folder / STAMP).unlink()
    assert aoai("verify", folder).returncode == 0
    lacking = aoai("verify", folder, "--tsa-roots", authority / "root.pem")
    assert lacking.returncode == 1 and "No authority stamped it" in lacking.stdout


def pdf_where_possible() -> list[str]:
    return ["--pdf"] if any(map(shutil.which, pdf._NAMES)) else []


def test_what_can_not_work_is_said_before_the_run(tmp_path: Path) -> None:
    done = aoai("assess", "--timestamp", "time.example", "--out", tmp_path)
    assert done.returncode == 2 and "--timestamp takes the address" in done.stderr
    done = aoai("assess", "--pdf", "--out", tmp_path, AOAI_BROWSER="nothing-of-that-name")
    assert done.returncode == 2 and "A PDF takes a browser" in done.stderr
    assert list(tmp_path.iterdir()) == []
