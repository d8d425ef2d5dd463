"""The same batch on a Dask cluster: a real scheduler and real workers, as processes on loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest
from azurite_stand import Azurite, needs_azurite
from click.testing import CliRunner
from fleet_stand import (
    RECORDING,
    Audience,
    Silent,
    command,
    parameters_files,
    process_of,
    sealed,
    settled,
    started,
    unsealed,
)
from tenants import ROOT

from aoai_lib import fleet
from aoai_lib.cli import main
from aoai_lib.fleet import Outcome, Task
from aoai_lib.fleet.crews import Here
from aoai_lib.fleet.keeper import keep
from aoai_lib.kernels.provisioner import NURSERY_VARIABLE
from aoai_lib.parameters import Parameters

HANGS = {"AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential", "IDENTITY_HEADER": "x"}

distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and locks of POSIX")


class Cluster:
    """A scheduler on loopback, and workers of one thread each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Cluster:
        announced = self._folder / "scheduler.json"
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", announced)
        try:
            while not announced.exists() or not announced.read_text():
                assert self.processes[0].poll() is None, "the scheduler did not start"
                time.sleep(0.05)
            self.address: str = json.loads(announced.read_text())["address"]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def worker(self, name: str, *options: str, **surroundings: str) -> subprocess.Popen[bytes]:
        """Start a worker; it joins as soon as it can."""
        place = ["--host", "127.0.0.1", "--no-dashboard", "--local-directory", self._folder / name]
        return self._start("worker", self.address, "--name", name, "--nthreads", "1", *place, *options, **surroundings)

    def _start(self, kind: str, *words: str | Path, **surroundings: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{kind}", *map(str, words)],
            cwd=ROOT,
            env={**os.environ, **surroundings},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.processes.append(process)
        return process


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path) as running:
        yield running


def test_a_worker_killed_in_the_middle_costs_a_retry_and_no_result(cluster: Cluster, tmp_path: Path) -> None:
    """Through the command: one worker, killed while it reads, and its tenants end on another one."""
    files, out = parameters_files(tmp_path, ("ada", "bo")), tmp_path / "out"
    first = cluster.worker("first", "--no-nanny")
    with started(command(files, "--out", out, "--scheduler", cluster.address)) as batch:
        batch.reach(lambda: bool(list(out.glob("*/*/requests.jsonl"))))
        first.kill()
        cluster.worker("second")
        code, told, steps = batch.ended()
    assert code == 0, steps
    assert set(sealed(out)) == {"ada", "bo"} and unsealed(out) == []
    assert "2 of 2 tenants are finished." in told
    assert "(2 of 2 tenants)" in steps
    assert "Traceback" not in steps
    (journal,) = (out / ".fleet").iterdir()
    begun = {each["tenant"]: each["run_id"] for each in json.loads(journal.read_text(encoding="utf-8"))["tenants"]}
    assert begun == {tenant: folder.name for tenant, folder in sealed(out).items()}, "the retry filled the same run"


def settles(condition: Callable[[], bool]) -> bool:
    """Whether something becomes true within ten seconds."""
    until = time.monotonic() + 10
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()


@pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux")
def test_workers_fork_their_kernels_and_go_on_doing_so(cluster: Cluster) -> None:
    """A worker that was there, one that joins, and for the next batch; and what a worker started ends with it."""

    def nursery(name: str = NURSERY_VARIABLE) -> str | None:
        return os.environ.get(name)

    first = cluster.worker("first", "--no-nanny")
    with fleet.cluster(cluster.address, Audience()), distributed.Client(cluster.address) as client:
        cluster.worker("second", "--no-nanny")
        client.wait_for_workers(2)
        seen = client.run(nursery)
        (ours,) = (seen[worker] for worker, pid in client.run(os.getpid).items() if pid == first.pid)
        assert len(set(seen.values())) == 2 and all(path and Path(path).is_socket() for path in seen.values())
    with fleet.cluster(cluster.address, Audience()), distributed.Client(cluster.address) as client:
        assert client.run(nursery) == seen
    first.kill()
    first.wait()
    with socket.socket(socket.AF_UNIX) as asking:
        assert settles(lambda: asking.connect_ex(ours) != 0)


@needs_azurite
def test_runs_of_a_cluster_end_at_a_url_and_workers_alone_need_no_folder(cluster: Cluster, tmp_path: Path) -> None:
    """The worker is killed while a run is staged on it; another one fills and uploads the same run."""
    files = parameters_files(tmp_path, ("ada",))
    with Azurite(tmp_path / "azurite") as store:
        staging = tmp_path / "staging"
        staging.mkdir()
        surroundings = {**store.surroundings, "TMPDIR": str(staging)}
        first = cluster.worker("first", "--no-nanny", **surroundings)
        words = command(files, "--out", f"{store.url}/w", "--scheduler", cluster.address)
        with started(words, **store.surroundings) as batch:
            batch.reach(lambda: bool(list(staging.glob("aoai-run-*/ada/*/requests.jsonl"))))
            first.kill()
            cluster.worker("second", **surroundings)
            code, told, steps = batch.ended()
        assert code == 0, steps
        (run_id,) = store.sealed("w").values()
        assert f"{store.url}/w/ada/{run_id}/report.html" in told
        (journal,) = store.names("w/.fleet")
        assert json.loads(store.read(f"w/.fleet/{journal}"))["tenants"][0]["run_id"] == run_id
        assert list(staging.glob("aoai-run-*")) == []


def test_when_the_client_is_killed_its_tenants_are_given_up(cluster: Cluster, tmp_path: Path) -> None:
    files, out = parameters_files(tmp_path, ("ada", "bo")), tmp_path / "out"
    cluster.worker("only")
    with started(command(files, "--out", out, "--scheduler", cluster.address)) as batch:
        batch.reach(lambda: bool(list(out.glob("*/*/requests.jsonl"))))
        batch.ended(signal.SIGKILL)
    settled(out)
    assert len(unsealed(out)) == 1 and sealed(out) == {}, "one was at work, and the other was never begun"


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for a process in /proc")
def test_a_tenants_process_has_its_own_environment_and_ends_when_nobody_waits(cluster: Cluster, tmp_path: Path) -> None:
    """It holds what its worker's environment has for it, and not what is for another tenant, nor what the client has."""
    cluster.worker("only", AOAI_TENANT_ADA__MARK="ada", AOAI_TENANT_BO__MARK="bo", AZURE_STORAGE_ACCOUNT_KEY="s")
    with Silent() as silent:
        task = Task(
            Parameters(tenant="ada", cloud="public"),
            tmp_path / "out",
            (),
            {**HANGS, "IDENTITY_ENDPOINT": f"{silent}/t"},
        )
        with fleet.cluster(cluster.address, Audience()) as (executor, line):
            executor.submit(keep, task, line)
            while not list((tmp_path / "out").glob("*/*")):
                time.sleep(0.05)
            pid = process_of("MARK=ada")
            held = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            assert not [each for each in held if each.startswith((b"AOAI_TENANT_", b"AZURE_STORAGE_"))]
        settled(tmp_path / "out")
    assert sealed(tmp_path / "out") == {}


def test_a_run_that_cannot_be_seen_from_here_is_no_result(tmp_path: Path) -> None:
    class Elsewhere(Executor):
        """A worker with a disk of its own: what it wrote is not here."""

        def submit(self, work: Any, task: Any, line: Any) -> Any:  # type: ignore[override]
            future: Future[Outcome] = Future()
            future.set_result(Outcome(task.parameters.tenant, tmp_path / "not here"))
            return future

    task = Task(Parameters(tenant="ada", cloud="public"), tmp_path, ())
    (outcome,) = fleet.assess_all([task], Elsewhere(), Here(Audience()))
    assert not outcome.finished
    assert "a folder with --out that all machines share, or a URL" in outcome.problems[0]


def test_a_scheduler_that_is_not_there_is_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aoai_lib.fleet.workers._CONNECT_SECONDS", 0.5)
    (file,) = parameters_files(tmp_path, ("ada",))
    for address in ("tcp://127.0.0.1:9", "gopher://x", "nonsense"):
        arguments = ["assess", file, "--replay", str(RECORDING), "--out", str(tmp_path / "out"), "--scheduler", address]
        result = CliRunner().invoke(main, arguments, env={"COLUMNS": "300"})
        assert result.exit_code == 2, result.output
        assert f"No Dask scheduler answers at {address}" in result.output
        assert "Traceback" not in result.output


def test_without_the_package_the_mend_is_said(tmp_path: Path) -> None:
    """`distributed` made unimportable in a process of its own."""
    (file,) = parameters_files(tmp_path, ("ada",))
    hidden = "import sys; sys.modules['distributed'] = None; from aoai_lib.cli import main; main()"
    words = ["assess", file, "--replay", str(RECORDING), "--out", str(tmp_path / "out"), "--scheduler", "tcp://x:1"]
    done = subprocess.run([sys.executable, "-c", hidden, *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "pip install 'aoai-playbook[dask]'" in done.stderr
