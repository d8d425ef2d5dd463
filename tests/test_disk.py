"""Disks that are full, and folders that can't be written: a sentence with the mend, and what was there is whole."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fleet_stand import RECORDING, Audience, parameters_files, run
from hardening import own_lab, written
from kill_stand import EVERYTHING, contents
from tenants import ROOT

from aoai_lib import fleet
from aoai_lib.bundle.verification import Outcome, verify
from aoai_lib.cli import main
from aoai_lib.evidence.store import Evidence, Exchange
from aoai_lib.folder import write_durably
from aoai_lib.harden.journal import open_undo
from aoai_lib.parameters import Parameters
from aoai_lib.probe import evidence_file

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and mounts of Linux")
EXPOSED = ROOT / "parameters" / "exposed.yaml"
KILO = 1024
NO_LIMIT = resource.RLIM_INFINITY


@contextlib.contextmanager
def limited(octets: int) -> Iterator[None]:
    """No file of this process, or of those it starts, becomes longer."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, NO_LIMIT))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (NO_LIMIT, NO_LIMIT))


class Disk:
    """A small disk of its own in memory, which only root can have."""

    def __init__(self, at: Path) -> None:
        self.at = at
        at.mkdir()

    def __enter__(self) -> Disk:
        if os.geteuid() or self._mount("-t", "tmpfs", "-o", "size=64k", "tmpfs").returncode:
            pytest.skip("only root can mount a disk, and not everywhere")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", str(self.at)], check=True)

    def allow(self, octets: int) -> None:
        assert self._mount("-o", f"remount,size={octets}").returncode == 0

    def protect(self) -> None:
        assert self._mount("-o", "remount,ro").returncode == 0

    def _mount(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["mount", *words, str(self.at)], capture_output=True)


def aoai(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments], env={"COLUMNS": "400"})


def check_words(code: int, said: str) -> None:
    assert code in (1, 2), said
    assert "can't be written" in said or "Nothing can be written" in said, said
    assert any(
        mend in said for mend in ("Free some space", "Have the limit", "Name another", "Name a folder", "Move away")
    )
    assert "Traceback" not in said


SIZES = (0, 1, 5, 12, 50, 55, 110, 200, 280) if EVERYTHING else (5, 110)
"""In kilobytes: shorter than each of a run's files in turn. The sample's are shorter than `requests.jsonl` and `findings.json`."""


def assess(tenant: str, out: Path, profile: str) -> fleet.Outcome:
    """A tenant of the recording, without notebooks, under an id of its own."""
    given = Parameters.model_validate({"tenant": tenant, "cloud": "public", "profile": profile})
    task = fleet.Task(
        given, out, (), replay=RECORDING, run_id=f"20261123T090000Z-{'0001' if profile == 'mcsb' else '0002'}"
    )
    with fleet.local(1, Audience()) as (executor, line):
        (outcome,) = fleet.assess_all([task], executor, line)
    return outcome


def test_an_assessment_that_runs_out_of_room_says_so_and_leaves_all_as_it_was(tmp_path: Path) -> None:
    earlier = assess("ada", tmp_path, "mcsb").folder
    assert earlier is not None
    before = contents(earlier)
    for size in SIZES:
        with limited(size * KILO):
            outcome = assess("ada", tmp_path, "waf")
        assert not outcome.finished
        check_words(1, outcome.problems[0])
        assert contents(earlier) == before and set(sealed_in(tmp_path)) == {earlier}
    new = assess("ada", tmp_path, "waf").folder
    assert contents(earlier) == before and set(sealed_in(tmp_path)) == {earlier, new}
    assert new is not None and [answer for answer in verify(new) if answer.outcome is Outcome.BAD] == []


def sealed_in(out: Path) -> list[Path]:
    return [path.parent for path in out.glob("*/*/SHA256SUMS")]


@pytest.mark.skipif(not EVERYTHING, reason="`make kills` does it")
def test_an_assessment_on_a_disk_that_is_full(tmp_path: Path) -> None:
    files = parameters_files(tmp_path, ("ada",))
    with Disk(tmp_path / "disk") as disk:
        disk.allow(4096 * KILO)
        assert run(files, "--out", disk.at).returncode == 0
        (earlier,) = disk.at.glob("ada/2*")
        before, used = contents(earlier), shutil.disk_usage(disk.at).used
        Path(files[0]).write_text("tenant: ada\ncloud: public\nprofile: waf\n", encoding="utf-8")
        for free in (0, 8, 20, 40, 120, 200, 360, 800):
            disk.allow(used + free * KILO)
            done = run(files, "--out", disk.at, "--resume")
            check_words(done.returncode, done.stdout + done.stderr)
            assert contents(earlier) == before
            assert [path for path in disk.at.glob("ada/*/SHA256SUMS") if path.parent != earlier] == []
        disk.allow(4096 * KILO)
        assert run(files, "--out", disk.at, "--resume").returncode == 0
        assert contents(earlier) == before


def harden(out: Path) -> Result:
    return aoai("harden", EXPOSED, "--apply", "--yes", "--only", "CNT-16", "--out", out)


def grow(allow: Callable[[int], contextlib.AbstractContextManager[None]], out: Path, step: int) -> list[int]:
    """Harden with ever more room, until it is enough; how many writes had been made whenever it was not."""
    seen = []
    with own_lab("exposed") as lab:
        for octets in range(0, 4096 * KILO, step):
            with allow(octets):
                result = harden(out)
            if result.exit_code == 0:
                assert len(set(written(lab))) == len(written(lab)) == 3, "each write once"
                return seen
            check_words(result.exit_code, result.output)
            steps = [each for undo in out.glob("*/hardening/*/undo.json") for each in open_undo(undo).steps]
            kept = Counter((each.request.method, each.request.path) for each in steps)
            assert Counter(written(lab)) <= kept, "a write whose undo could not be recorded"
            assert not list(out.glob("*/hardening/*/result.json"))
            seen.append(len(written(lab)))
    raise AssertionError("it never fits")


def test_a_hardening_writes_nothing_that_it_can_not_record_first(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Files may be ever longer, and at first not at all."""
    seen = grow(limited, tmp_path / "out", (2 if EVERYTHING else 5) * KILO)
    assert seen[0] == 0 and seen == sorted(seen)
    record_property(
        "killed", f"harden, no room for a file: stopped {len(seen)} times, after {dict(Counter(seen))} writes"
    )


@pytest.mark.skipif(not EVERYTHING, reason="`make kills` does it")
def test_a_hardening_on_a_disk_that_is_full(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    with Disk(tmp_path / "disk") as disk:

        def allow(octets: int) -> contextlib.AbstractContextManager[None]:
            disk.allow(4 * KILO + octets)
            return contextlib.nullcontext()

        seen = grow(allow, disk.at, 96 * KILO)
    assert seen[0] == 0 and seen == sorted(seen)
    record_property("killed", f"harden, disk full: stopped {len(seen)} times, after {dict(Counter(seen))} writes")


def as_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("something else\n")


@pytest.mark.parametrize("name", ["", ".fleet", "ada"])
def test_a_file_where_a_folder_of_an_assessment_should_be(tmp_path: Path, name: str) -> None:
    (file,) = parameters_files(tmp_path, ("ada",))
    as_file(tmp_path / "out" / name)
    result = aoai("assess", file, "--replay", RECORDING, "--phase", "00", "--out", tmp_path / "out")
    assert result.exit_code == (1 if name == "ada" else 2)
    check_words(result.exit_code, result.output)
    assert (tmp_path / "out" / name).read_text() == "something else\n"


@pytest.mark.parametrize("name", ["", "exposed", "exposed/hardening"])
def test_a_file_where_a_folder_of_a_hardening_should_be(tmp_path: Path, name: str) -> None:
    as_file(tmp_path / "out" / name)
    with own_lab("exposed") as lab:
        result = harden(tmp_path / "out")
        assert result.exit_code == 2
        check_words(result.exit_code, result.output)
        assert written(lab) == []


def test_a_disk_that_can_only_be_read(tmp_path: Path) -> None:
    (file,) = parameters_files(tmp_path, ("ada",))
    with Disk(tmp_path / "disk") as disk, own_lab("exposed") as lab:
        disk.protect()
        for result in (
            aoai("assess", file, "--replay", RECORDING, "--out", disk.at),
            aoai("assess", file, "--replay", RECORDING, "--out", disk.at / "new"),
            harden(disk.at),
        ):
            assert result.exit_code == 2
            check_words(result.exit_code, result.output)
            assert "read-only file system" in result.output
        assert written(lab) == []


def test_a_plan_that_can_not_be_kept_is_told_in_words(tmp_path: Path) -> None:
    for named, reason in ((tmp_path / "nowhere" / "plan.json", "there is no folder"), (tmp_path, "is a folder")):
        with own_lab("exposed") as lab:
            result = aoai("harden", EXPOSED, "--only", "CNT-16", "--save", named)
            assert lab.requests == [], "it is said before anything is read"
        assert result.exit_code == 2
        assert "Error:" in result.output and reason in result.output and "Traceback" not in result.output


def test_a_file_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    target = tmp_path / "undo.json"
    write_durably(target, "before\n")
    with limited(10 * KILO), pytest.raises(OSError, match=r"undo\.json"):
        write_durably(target, "x" * 20 * KILO)
    assert target.read_text() == "before\n" and [path.name for path in tmp_path.iterdir()] == ["undo.json"]


def test_a_template_and_observations_that_do_not_fit_leave_nothing(tmp_path: Path) -> None:
    with limited(100):
        result = aoai("detections", "--template", tmp_path / "template.json")
        with pytest.raises(OSError, match=r"observed\.jsonl"):
            evidence_file.write(tmp_path / "observed.jsonl", "inside", [])
    check_words(result.exit_code, result.output)
    assert list(tmp_path.iterdir()) == []


def test_evidence_that_lost_a_line_says_so_when_it_is_closed(tmp_path: Path) -> None:
    """Also where whoever asked took the first error for one of the network: no run is sealed over a gap."""
    evidence = Evidence(tmp_path / "requests.jsonl")
    line = Exchange("a", "2026-11-23T09:00:00Z", "GET", "https://x", 200, 1, body="x" * 20 * KILO)
    with limited(10 * KILO), contextlib.suppress(OSError):
        evidence.add(line)
    with pytest.raises(OSError, match=r"requests\.jsonl"):
        evidence.close()
