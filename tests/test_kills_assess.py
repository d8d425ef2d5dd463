"""One tenant's assessment is killed at each moment of its work on files, and resumed each time, until it is whole."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from fleet_stand import command, gone, parameters_files, run, settled, started, unsealed
from kill_stand import EVERYTHING, KILLING, contents, marked
from tenants import ROOT

from aoai_lib.bundle.verification import Outcome, verify
from aoai_lib.cli import main

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")


class Batch:
    """`aoai assess` of one tenant over a recording, of which a process may be killed at a moment."""

    def __init__(self, folder: Path, *options: str | Path, out: str = "") -> None:
        self.out = folder / "out"
        (self.file,) = parameters_files(folder, ("ada",))
        self._words = command([self.file], "--out", out or self.out, "--resume", *options)

    def killed(self, at: str, how: str, long: int = 0) -> int:
        """How it ended: started anew or resumed, and killed; a moment that is not reached is no kill. Nothing of it is left running."""
        with marked() as (mark, left):
            told = {"AOAI_KILLS_BELOW": f"{self.out}/", "AOAI_KILLS_AT": at, "AOAI_KILLS_HOW": how, **mark}
            surroundings = {**os.environ, "PYTHONPATH": str(KILLING), "AOAI_KILLS_LONG": str(long), **told}
            process = subprocess.Popen(
                self._words, cwd=ROOT, env=surroundings, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )  # fmt: skip
            said = process.communicate(timeout=900)[0].decode()
            assert left() == [], "processes outlive the batch"
        assert "Traceback" not in said
        return process.returncode

    def moments(self, log: Path) -> list[str]:
        """Every moment of an undisturbed run, in order."""
        surroundings = {"PYTHONPATH": str(KILLING), "AOAI_KILLS_BELOW": f"{self.out}/", "AOAI_KILLS_LOG": str(log)}
        done = subprocess.run(self._words, cwd=ROOT, env={**os.environ, **surroundings}, capture_output=True)
        assert done.returncode == 0, done.stderr
        return list(dict.fromkeys(log.read_text(encoding="utf-8").splitlines()))


@functools.cache
def key(folder: Path) -> Path:
    """A key to sign with."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)
    return folder / "key"


def check_whole(run_folder: Path) -> None:
    """A finished run is one for everybody who may look at it."""
    assert [each.sentence for each in verify(run_folder) if each.outcome is Outcome.BAD] == []
    done = subprocess.run(["sha256sum", "-c", "--quiet", "--strict", "SHA256SUMS"], cwd=run_folder)
    assert done.returncode == 0
    assert (run_folder / "SHA256SUMS.sig").read_text().endswith("-----END SSH SIGNATURE-----\n")


def written(at: str) -> str:
    """The file of a run that a tenant's process opens to write at a moment, under its last name; "" at another moment."""
    name = at.removeprefix("tenant open ")
    return "" if name == at else name.removeprefix(".ID").strip(".").removesuffix(".draft")


SIGNING = ("batch open .ID.SHA256SUMS", "batch rename SHA256SUMS.sig")
SAMPLE = ("tenant rename SHA256SUMS",)
HOW = ("all", "batch", "half") if EVERYTHING else ("all",)


@pytest.mark.parametrize("how", HOW)
def test_killed_at_each_moment_nothing_looks_whole_and_the_next_one_goes_on(
    tmp_path: Path, how: str, record_property: Callable[[str, object], None]
) -> None:
    """An earlier run of the tenant lies beside: it stays as it is, and the new one is compared with it in the end."""
    batch = Batch(tmp_path, "--sign", key(tmp_path))
    moments = batch.moments(tmp_path / "log")
    (earlier,) = batch.out.glob("ada/2*")
    check_whole(earlier)
    before, killed = contents(earlier), 0
    sizes = {path.name: path.stat().st_size for path in earlier.iterdir()}
    assert sizes.keys() - {"SHA256SUMS.sig"} == set(filter(None, map(written, moments))), "each file has its moments"
    Path(batch.file).write_text("tenant: ada\ncloud: public\nprofile: waf\n", encoding="utf-8")
    for at in moments if EVERYTHING else SAMPLE:
        if at == "tenant mkdir ada" or (how == "half" and not written(at)):
            continue  # its folder is there; nothing is written then
        code = batch.killed(at, how, sizes.get(written(at), 0) // 2)
        assert code == (1 if how == "half" else -signal.SIGKILL), at
        killed += 1
        settled(batch.out)
        assert contents(earlier) == before
        finished = [path for path in batch.out.glob("ada/2*") if (path / "SHA256SUMS").is_file() and path != earlier]
        if at in SIGNING:
            assert "Nobody signed it" in verify(finished[0])[1].sentence
            continue
        assert finished == [], at
        for half in unsealed(batch.out):
            told = CliRunner().invoke(main, ["verify", str(half)])
            assert told.exit_code and ("unfinished" in told.output or "is no run" in told.output), told.output
    last = run([batch.file], "--out", batch.out, "--resume", "--sign", key(tmp_path))
    assert last.returncode == 0, last.stdout + last.stderr
    assert contents(earlier) == before and unsealed(batch.out) == []
    (new,) = set(batch.out.glob("ada/2*")) - {earlier}
    check_whole(new)
    assert json.loads((new / "changes.json").read_text(encoding="utf-8"))["previous"]["run_id"] == earlier.name
    left = [path.name for path in batch.out.glob("*/.*")]
    assert [name for name in left if not name.endswith(".json.draft")] == [], "but a journal that never got its name"
    record_property("killed", f"assess, {how}: killed at {killed} moments")


def test_a_browser_that_prints_ends_when_only_the_batch_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, browser = tmp_path / "number", tmp_path / "browser"
    monkeypatch.setenv("AOAI_BROWSER", str(browser))
    browser.write_text(f"#!/bin/sh\necho $$ >{number}\nexec sleep 600\n")
    browser.chmod(0o755)
    files = parameters_files(tmp_path, ("ada",))
    with started(command(files, "--out", tmp_path / "out", "--pdf")) as batch:
        batch.reach(lambda: number.exists() and bool(number.read_text()))
        batch.ended(signal.SIGKILL)
    assert gone(number.read_text())


@pytest.mark.skipif(not EVERYTHING, reason="`make kills` does it")
@pytest.mark.parametrize("at", ["open run.json", "open SHA256SUMS", "half SHA256SUMS"])
def test_killed_while_it_uploads_and_resumed(tmp_path: Path, at: str) -> None:
    """To a store by URL, of files here: the batch's own process uploads."""
    how, name = at.split(" ")
    out = tmp_path / "out"
    batch = Batch(tmp_path, out=f"file://{out}")
    draft = f"batch open .{name}.draft"
    assert batch.killed(draft, "half" if how == "half" else "all", 300) < 0
    (half,) = out.glob("ada/2*")
    assert not (half / "SHA256SUMS").exists()
    assert (half / "findings.json").is_file() and (half / "run.json").exists() is (name == "SHA256SUMS")
    last = run([batch.file], "--out", f"file://{out}", "--resume")
    assert last.returncode == 0, last.stdout + last.stderr
    (new,) = out.glob("ada/2*")
    assert [each.sentence for each in verify(new) if each.outcome is Outcome.BAD] == []
    assert [path.name for path in (*out.glob("*/.*"), *out.glob("*/*/.*"))] == []
