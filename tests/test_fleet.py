"""Many tenants: good ones among bad ones, time limits, variables of one's own, and what is left after an interrupt."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fleet_stand import (
    RECORDING,
    Audience,
    Silent,
    command,
    gone,
    parameters_files,
    process_of,
    run,
    sealed,
    settled,
    started,
    unsealed,
)
from tenants import ROOT

from aoai_lib import fleet
from aoai_lib.fleet import Outcome, Task
from aoai_lib.fleet.keeper import keep, surroundings
from aoai_lib.lab.server import Lab, load_worlds
from aoai_lib.model import InputError
from aoai_lib.parameters import Parameters, load

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
THREE = ("ada", "bo", "cy")
TWO = THREE[:2]
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and locks of POSIX")


def task(out: Path, tenant: str, **more: object) -> Task:
    """A tenant of the recording, without notebooks."""
    return Task(Parameters(tenant=tenant, cloud="public"), out, (), **{"replay": RECORDING, **more})  # type: ignore[arg-type]


def assessed(tasks: list[Task], audience: Audience, jobs: int = 3) -> dict[str, Outcome]:
    with fleet.local(jobs, audience) as (executor, line):
        return {each.tenant: each for each in fleet.assess_all(tasks, executor, line)}


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for a process in /proc")
def test_bad_tenants_cost_the_good_ones_nothing(lab: Lab, tmp_path: Path) -> None:
    """One hangs, one is killed, one is empty; one is refused everything and one gets rubbish, which prove nothing.

    Nothing is looked at from vantage points: what a busy machine answers too late there is rightly open in one of two equal tenants.
    """
    hardened = load(ROOT / "parameters" / "hardened.yaml").model_copy(update={"vantage": ""})
    signs_in = {"AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential", "IDENTITY_HEADER": "x"}

    def named(tenant: str, place: dict[str, str], **more: object) -> Task:
        limits = {name: more.pop(name) for name in ("seconds",) if name in more}
        return Task(hardened.model_copy(update={"tenant": tenant, **more}), tmp_path, (), place, **limits)  # type: ignore[arg-type]

    def kill(tenant: str, what: str) -> None:
        if tenant == "killed" and what.startswith("reading"):
            audience.on_tell = lambda *_: None
            os.kill(process_of("MARK=killed"), signal.SIGKILL)

    audience = Audience(on_tell=kill)
    with Silent() as silent, Lab(load_worlds(["hardened"])) as denying, Lab(load_worlds(["hardened"])) as raving:
        denying.faults.add("403")
        raving.faults.add("badjson")
        here = lab.environment("hardened")
        found = assessed(
            [
                named("hanging", {**here, **signs_in, "IDENTITY_ENDPOINT": f"{silent}/msi/token"}, seconds=6.0),
                named("killed", {**here, "MARK": "killed"}),
                named("denied", denying.environment("hardened")),
                named("empty", here, accounts=["nothing-like-it"]),
                named("raving", raving.environment("hardened")),
                named("good", here),
                named("good-too", here),
            ],
            audience,
        )
    whole = {"good", "good-too", "denied", "raving"}
    assert set(sealed(tmp_path)) == {tenant for tenant, outcome in found.items() if outcome.finished} == whole
    assert "stopped after 0.1 minutes" in found["hanging"].problems[0]
    assert "ended by the signal SIGKILL" in found["killed"].problems[0]
    assert found["empty"].refused and "nothing-like-it" in found["empty"].problems[0]
    assert [found[each].counts["by_status"]["pass"] for each in ("denied", "raving")] == [0, 0]
    assert found["good"].counts["by_status"]["pass"] > 20
    assert found["good"].counts == found["good-too"].counts
    assert {path.parent.name for path in unsealed(tmp_path)} <= {"hanging", "killed"}


def test_an_error_of_ours_is_one_sentence_and_stays_with_its_tenant(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "broken").write_text("a file where the tenant's folder should be")
    audience = Audience()
    found = assessed([task(tmp_path / "out", "broken"), task(tmp_path / "out", "whole")], audience)
    assert found["whole"].finished
    assert "(not a directory). Move away what is there under that name" in found["broken"].problems[0]
    assert audience.said == []


def test_a_tenant_has_variables_of_its_own_and_no_other_tenants(tmp_path: Path) -> None:
    ours = {
        "PATH": "/bin",
        "AZURE_CLIENT_SECRET": "everybody's",
        "AOAI_TENANT_CONTOSO_EU__AZURE_CLIENT_SECRET": "contoso's",
        "AOAI_TENANT_FABRIKAM__AZURE_CLIENT_SECRET": "fabrikam's",
        "AZURE_STORAGE_ACCOUNT_KEY": "where runs go",
    }
    contoso = surroundings(task(tmp_path, "contoso-eu", environment={"AOAI_LAB": "here"}), ours)
    assert contoso == {"PATH": "/bin", "AZURE_CLIENT_SECRET": "contoso's", "AOAI_LAB": "here"}
    assert surroundings(task(tmp_path, "other"), ours)["AZURE_CLIENT_SECRET"] == "everybody's"
    with pytest.raises(InputError, match=r"is for contoso-eu and for contoso\.eu"):
        fleet.check_labels(["contoso-eu", "contoso.eu", "other"], ours)
    fleet.check_labels(["contoso-eu", "other"], ours)


def begun(out: Path, tasks: list[Task], resume: bool, minute: int = 0) -> fleet.Batch:
    """A batch that was begun and whose process is gone."""
    with fleet.Folder(out) as place:
        return fleet.begin(place, tasks, resume, NOW + timedelta(minutes=minute))


@posix
def test_a_resumed_batch_takes_over_what_is_sealed_and_begins_the_rest_anew(tmp_path: Path) -> None:
    tasks = [task(tmp_path, name) for name in THREE]
    with fleet.Folder(tmp_path) as place:
        first = fleet.begin(place, tasks, False, NOW)
        assert assessed(list(first.tasks[:1]), Audience())["ada"].finished
        half = tmp_path / "bo" / first.tasks[1].run_id
        half.mkdir(parents=True)
        (half / "requests.jsonl").write_text("half a li")
        with pytest.raises(InputError, match="still being assessed by another process"):
            begun(tmp_path, tasks, resume=True)
    second = begun(tmp_path, tasks, resume=True)
    assert [each.parameters.tenant for each in second.tasks] == ["bo", "cy"]
    assert second.finished["ada"].folder == sealed(tmp_path)["ada"]
    assert second.finished["ada"].earlier and second.finished["ada"].counts
    assert not half.exists() and not half.parent.exists()
    assert [path.name for path in (tmp_path / ".fleet").iterdir()] == [Path(second.journal).name]


@posix
def test_what_was_asked_otherwise_is_assessed_again_and_what_was_altered_is_refused(tmp_path: Path) -> None:
    """A run of another batch or of other parameters is no reason to leave a tenant out."""
    tasks = [task(tmp_path, "ada")]
    folder = assessed(list(begun(tmp_path, tasks, resume=False).tasks), Audience())["ada"].folder
    assert folder is not None
    assert begun(tmp_path, tasks, resume=True).tasks == ()
    (folder / "findings.json").rename(folder / "kept")
    (folder / "findings.json").write_text("{}")
    with pytest.raises(InputError, match="not as it was sealed"):
        begun(tmp_path, tasks, resume=True)
    (folder / "kept").rename(folder / "findings.json")
    stricter = [Task(Parameters(tenant="ada", cloud="public", profile="waf"), tmp_path, (), replay=RECORDING)]
    assert len(begun(tmp_path, stricter, resume=True).tasks) == 1
    assert len(begun(tmp_path, tasks, resume=False).tasks) == 1
    assert folder.is_dir()


@posix
def test_a_tenant_is_looked_for_in_the_last_batch_that_named_it(tmp_path: Path) -> None:
    """A batch over some of the tenants hides nothing of the batch before, and none takes the record of one that is at work away."""
    ada, bo = (task(tmp_path, name) for name in TWO)
    both = begun(tmp_path, [ada, bo], resume=False)
    assert assessed(list(both.tasks), Audience())["bo"].finished
    begun(tmp_path, [ada], resume=False, minute=1)
    again = begun(tmp_path, [ada, bo], resume=True, minute=2)
    assert [each.parameters.tenant for each in again.tasks] == ["ada"] and set(again.finished) == {"bo"}
    with fleet.Folder(tmp_path) as place:
        at_work = fleet.begin(place, [ada, bo], True, NOW + timedelta(minutes=3))
        begun(tmp_path, [ada, bo], resume=False, minute=4)
        assert (tmp_path / at_work.journal).is_file()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for a process in /proc")
def test_what_a_tenants_process_started_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that never prints, when nobody waits any more; and what a browser leaves behind, when all is done."""
    number, browser = tmp_path / "number", tmp_path / "browser"
    monkeypatch.setenv("AOAI_BROWSER", str(browser))
    browser.write_text(f"#!/bin/sh\necho $$ >{number}\nexec sleep 600\n")
    browser.chmod(0o755)
    with fleet.local(1, Audience()) as (executor, line):
        executor.submit(keep, task(tmp_path, "hangs", pdf=True), line)
        while not number.exists() or not number.read_text():
            time.sleep(0.05)
    assert gone(number.read_text()) and sealed(tmp_path) == {}
    browser.write_text(f"#!/bin/sh\nsleep 600 >&- 2>&- &\necho $! >{number}\n")
    found = assessed([task(tmp_path, "ends", pdf=True)], Audience())["ends"]
    assert found.finished and "report.pdf was not made" in found.problems[0]
    assert gone(number.read_text())


@posix
def test_a_retry_finds_its_run_sealed_or_waits_for_whoever_fills_it(tmp_path: Path) -> None:
    """The same run id twice at once, as when a cluster takes a slow worker for a dead one: one run, told twice."""
    once = task(tmp_path, "ada", run_id="20261123T090000Z-0001")
    with fleet.local(2, Audience()) as (executor, line):
        first, second = fleet.assess_all([once, once], executor, line)
    assert first.finished and second.finished and first.counts == second.counts
    assert {first.earlier, second.earlier} == {False, True}
    assert set(sealed(tmp_path)) == {"ada"} and unsealed(tmp_path) == []


@posix
def test_an_interrupt_ends_all_processes_and_says_how_to_go_on(tmp_path: Path) -> None:
    files, out = parameters_files(tmp_path, THREE), tmp_path / "out"
    with started(command(files, "--out", out, "--jobs", "2")) as batch:
        batch.reach(lambda: bool(unsealed(out)))
        code, _, said = batch.ended(signal.SIGTERM)
    assert code == 1
    assert "0 of 3 tenants are finished and whole. The same command with --resume assesses the rest." in said
    assert "Traceback" not in said
    settled(out)
    assert sealed(out) == {}


def _there(name: str, how_many: int = 1) -> Callable[[Path], bool]:
    return lambda out: len(list(out.glob(name))) >= how_many


POINTS = {
    "begun": _there(".fleet/*.json"),
    "first folder": _there("*/2*"),
    "reading": _there("*/*/requests.jsonl"),
    "read": _there("*/*/snapshot.json"),
    "notebook": _there("*/*/*.ipynb"),
    "report": _there("*/*/report.html"),
    "first sealed": _there("*/*/SHA256SUMS"),
    "all sealed": _there("*/*/SHA256SUMS", 2),
}
# Ten seconds each, so `make test` takes one of them and `make kills` all.
CHOSEN = [(how, at) for how in ("SIGKILL", "SIGINT") for at in POINTS]


@posix
@pytest.mark.parametrize(("how", "at"), CHOSEN if os.environ.get("AOAI_KILLS") else [("SIGKILL", "first sealed")])
def test_killed_anywhere_and_resumed_each_tenant_is_assessed_once(tmp_path: Path, how: str, at: str) -> None:
    files, out = parameters_files(tmp_path, TWO), tmp_path / "out"
    with started(command(files, "--out", out, "--jobs", "2")) as batch:
        batch.reach(lambda: POINTS[at](out))
        batch.ended(signal.Signals[how])
    settled(out)
    before = {tenant: (folder / "SHA256SUMS").stat().st_mtime_ns for tenant, folder in sealed(out).items()}
    resumed = run(files, "--out", out, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    after = sealed(out)
    assert set(after) == set(TWO) and unsealed(out) == []
    assert [path.name for path in out.glob("*/.*")] == []
    for tenant, when in before.items():
        assert (after[tenant] / "SHA256SUMS").stat().st_mtime_ns == when, "it was assessed again"
        assert f"{tenant}: {after[tenant]}/report.html (finished before)" in resumed.stdout
        assert f"{tenant}: reading" not in resumed.stderr
    assert f"2 of 2 tenants are finished{f', {len(before)} of them before' if before else ''}." in resumed.stdout
    for folder in after.values():
        checked = subprocess.run(["sha256sum", "-c", "--quiet", "--strict", "SHA256SUMS"], cwd=folder)
        assert checked.returncode == 0
    if "first" not in at or len(before) == len(TWO):
        return
    assert [line for line in resumed.stderr.splitlines() if line.endswith("tenants)")][-1].endswith("(2 of 2 tenants)")
    last = json.loads(next((out / ".fleet").iterdir()).read_text(encoding="utf-8"))
    assert {each["tenant"]: each["run_id"] for each in last["tenants"]} == {t: each.name for t, each in after.items()}


@posix
def test_killed_at_random_moments_nothing_is_lost_and_nothing_done_twice(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """One batch, killed again and again wherever it happens to be, by any of the signals, until it was let be."""
    moments = random.Random(seed := random.SystemRandom().randrange(10**6))
    files, out = parameters_files(tmp_path, THREE), tmp_path / "out"
    kept: dict[str, tuple[str, int]] = {}
    counts = {"killed": 0, "ended before": 0, "tenants kept": 0}
    for _ in range(40 if os.environ.get("AOAI_KILLS") else 2):
        with started(command(files, "--out", out, "--jobs", "2", "--resume")) as batch:
            try:
                batch.process.wait(moments.uniform(0, 12))
                counts["ended before"] += 1
            except subprocess.TimeoutExpired:
                batch.ended(moments.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT)))
                counts["killed"] += 1
        settled(out)
        now = {name: (run.name, (run / "SHA256SUMS").stat().st_mtime_ns) for name, run in sealed(out).items()}
        assert kept.items() <= now.items(), f"seed {seed}: a finished tenant was lost, or assessed again"
        counts["tenants kept"] += len(now) - len(kept)
        kept = now
        if set(now) == set(THREE):
            shutil.rmtree(out)
            kept = {}
    resumed = run(files, "--out", out, "--resume")
    assert resumed.returncode == 0, f"seed {seed}: {resumed.stderr}"
    assert set(sealed(out)) == set(THREE) and unsealed(out) == []
    record_property("killed", f"batch, at random moments, seed {seed}: {counts}")
