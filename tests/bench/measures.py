"""The measurements. Each gives its figures and what they are compared with; nothing is compared across runs or machines."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import nbformat
import yaml

from aoai_lib.azure import embedded
from aoai_lib.azure.clients import CONCURRENCY
from aoai_lib.detections import catalogue
from aoai_lib.lab.logs import LogStore
from aoai_lib.run import CHAPTERS, FLEET

ROOT: Final = Path(__file__).resolve().parent.parent.parent
NOTEBOOKS: Final = tuple(each.name for each in CHAPTERS if each.name != FLEET)
TENANTS: Final = 20
LOOPED: Final = 2
"""Tenants that the loop of papermill really goes over; each takes the same time, so the rest is reckoned."""
LATENCY_MS: Final = 100
SIZES: Final = (1, 10, 100, 1000)
PAGE: Final = 50
"""Accounts on a page of the service's list."""


@dataclass(frozen=True)
class Measure:
    """A line of the table: what, the figure in words, the goal in words, and whether it was met (None: there is no goal)."""

    what: str
    figure: str
    goal: str = ""
    met: bool | None = None


def ratio(what: str, ours: float, other: float, goal: float) -> Measure:
    """One time against another, both in seconds and from this run."""
    found = ours / other
    return Measure(what, f"{found:.2f} ({ours:.1f} s against {other:.1f} s)", f"≤ {goal:g}", found <= goal)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="aoai-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def timed(*arguments: str, surroundings: Mapping[str, str] | None = None) -> float:
    """Seconds that a module takes as a process. Raises where it ends badly."""
    began = time.monotonic()
    command = [sys.executable, "-m", *arguments]
    environment = os.environ | dict(surroundings or {})
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr[-500:]}")
    return time.monotonic() - began


def assessed(out: Path, *arguments: str, surroundings: Mapping[str, str] | None = None) -> float:
    """Seconds of `aoai assess`. Raises unless each tenant's run is sealed and every notebook was executed."""
    spent = timed("aoai_lib", "assess", *arguments, "--out", str(out), surroundings=surroundings)
    runs = [path.parent for path in out.glob("*/*/SHA256SUMS")]
    whole = [run for run in runs if len(list(run.glob("*.ipynb"))) == len(NOTEBOOKS)]
    if len(whole) != sum(each.endswith(".yaml") for each in arguments):
        raise RuntimeError(f"Only {len(whole)} runs in {out} are whole.")
    return spent


def papermilled(folder: Path, notebooks: Iterator[Path] | list[Path]) -> float:
    """Seconds of papermill's own command over notebooks, one after the other."""
    return sum(
        timed("papermill", str(each), str(folder / f"{number}-{each.name}"), "--no-progress-bar", "--cwd", str(ROOT))
        for number, each in enumerate(notebooks)
    )


def one_tenant() -> list[Measure]:
    """A whole assessment against plain papermill over the same notebooks, and over as many that hold nothing."""
    with scratch() as folder:
        ours = assessed(folder / "out", "parameters/hardened.yaml")
        plain = papermilled(folder, [ROOT / "notebooks" / f"{name}.ipynb" for name in NOTEBOOKS])
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        hollow = folder / "hollow.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("0")], metadata=kernel), hollow)
        empty = papermilled(folder, [hollow] * len(NOTEBOOKS))
    return [
        ratio("A whole assessment against papermill over its notebooks one by one", ours, plain, 0.5),
        ratio("A whole assessment against papermill over as many empty notebooks", ours, empty, 1.0),
    ]


def many_tenants() -> list[Measure]:
    """Twenty tenants with two jobs against a loop of papermill over their notebooks, and on a cluster of two workers."""
    with scratch() as folder, fleet_of(TENANTS, folder) as (files, surroundings):
        ours = assessed(folder / "out", *files, "--jobs", "2", surroundings=surroundings)
        looped = papermilled(folder, [ROOT / "notebooks" / f"{name}.ipynb" for name in NOTEBOOKS] * LOOPED)
        with cluster(folder, surroundings) as address:
            spread = assessed(folder / "spread", *files, "--scheduler", address, surroundings=surroundings)
    what = f"{TENANTS} tenants with two jobs against a loop of papermill ({LOOPED} measured, the rest reckoned)"
    return [
        ratio(what, ours, looped * TENANTS / LOOPED, 0.35),
        ratio(f"{TENANTS} tenants on a Dask cluster of two workers against two jobs", spread, ours, 1.1),
    ]


@contextmanager
def fleet_of(count: int, folder: Path) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Parameters files of so many tenants that are alike, and the environment that leads to a lab which serves them."""
    world = (ROOT / "aoai_lib" / "lab" / "worlds" / "hardened.yaml").read_text(encoding="utf-8")
    own = [re.search(rf"^  {name}: (\S+)$", world, re.MULTILINE) for name in ("id", "subscriptionId")]
    ids = [found[1] for found in own if found]
    files, worlds = [], []
    for number in range(count):
        slug, text = f"tenant-{number:02d}", world
        for each in ids:
            text = text.replace(each, f"{number:02d}{each[2:]}")
        text = text.replace("slug: hardened", f"slug: {slug}").replace("halden", f"halden{number:02d}")
        (folder / f"{slug}-world.yaml").write_text(text, encoding="utf-8")
        worlds += ["--world", str(folder / f"{slug}-world.yaml")]
        files.append(str(folder / f"{slug}.yaml"))
        Path(files[-1]).write_text(yaml.safe_dump({"tenant": slug, "cloud": "lab"}), encoding="utf-8")
    handshake = embedded.start(*worlds)
    common: dict[str, str] = {}
    for each in handshake["tenants"]:
        label = each["slug"].upper().replace("-", "_")
        common |= each["environment"]
        common[f"AOAI_TENANT_{label}__IDENTITY_HEADER"] = each["environment"]["IDENTITY_HEADER"]
    yield files, common


@contextmanager
def cluster(folder: Path, surroundings: dict[str, str]) -> Iterator[str]:
    """The address of a Dask scheduler on loopback with two workers of one thread each."""
    announced = folder / "scheduler.json"
    common = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(announced)]
    kinds = [("scheduler", "--port", "0"), *[("worker", "--nthreads", "1", "--local-directory", str(folder))] * 2]
    processes = []
    try:
        for kind, *words in kinds:
            command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *common, *words]
            silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            processes.append(subprocess.Popen(command, cwd=ROOT, env=os.environ | surroundings, **silent))
            while not announced.exists() or not announced.read_text(encoding="utf-8"):
                if processes[0].poll() is not None:
                    raise RuntimeError("The Dask scheduler did not start.")
                time.sleep(0.05)
        yield json.loads(announced.read_text(encoding="utf-8"))["address"]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _collected(accounts: int, latency: int = 0) -> dict[str, Any]:
    """What collecting and judging so many accounts took, in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.collected", str(accounts), str(latency)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def many_accounts() -> list[Measure]:
    """Requests, memory and verdicts as accounts grow, and what latency costs."""
    found = {size: _collected(size) for size in SIZES}
    least, most = found[SIZES[0]], found[SIZES[-1]]
    more = (most["requests"] - least["requests"] - SIZES[-1] / PAGE) / (SIZES[-1] - SIZES[0])
    memory = (most["peak_mib"] - least["peak_mib"]) / (SIZES[-1] - SIZES[0]) * 1000
    slow = _collected(SIZES[-1], LATENCY_MS)
    floor = slow["requests"] * LATENCY_MS / 1000 / CONCURRENCY
    counted = ", ".join(f"{size:,}: {each['requests']:,}" for size, each in found.items())
    return [
        Measure("Requests by number of accounts", counted),
        Measure(
            f"Requests more for each account, and one for each {PAGE} to list them", f"{more:.2f}", "≤ 6", more <= 6
        ),
        ratio(
            f"1,000 accounts at {LATENCY_MS} ms against requests times latency over {CONCURRENCY}",
            slow["collect_s"],
            floor,
            1.3,
        ),
        Measure(
            "Verdicts a second over 1,000 accounts",
            f"{most['verdicts'] / most['judge_s']:,.0f} ({most['verdicts']:,} in {most['judge_s']:.1f} s)",
            "≥ 35,000",
            most["verdicts"] / most["judge_s"] >= 35_000,
        ),
        Measure("Peak memory for each 1,000 accounts", f"{memory:.0f} MiB (of {most['peak_mib']:.0f} MiB)"),
    ]


def a_million_rows() -> list[Measure]:
    """Every detection over thirty days of a million calls, on the lab's engine."""
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    store = LogStore(["w"])
    for number in range(1000):
        held = {"objectId": f"user-{number % 400}", "modelDeploymentName": f"d{number % 7}", "requestLength": 900}
        row = {
            "TimeGenerated": (now - timedelta(minutes=number * 40)).isoformat(),
            "ResourceProvider": "MICROSOFT.COGNITIVESERVICES",
            "Category": "RequestResponse",
            "OperationName": "ChatCompletions_Create",
            "ResultSignature": "429" if number % 50 == 0 else "200",
            "CallerIPAddress": f"203.0.{number % 250}.***",
            "ResourceId": "/SUBSCRIPTIONS/S/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.COGNITIVESERVICES/ACCOUNTS/A",
            "properties_s": json.dumps(held),
        }
        store.append("w", "AzureDiagnostics", row)
    store.query("w", "AzureDiagnostics | count", None, now)
    held_by = 'held.main."AzureDiagnostics"'
    store.open("w")._engine.execute(f"INSERT INTO {held_by} SELECT t.* FROM {held_by} t, range(999)")
    (counted,) = store.query("w", "AzureDiagnostics | count", None, now)["tables"][0]["rows"]
    if counted != [1_000_000]:
        raise RuntimeError(f"There are {counted} rows instead of a million.")
    slowest, whole = ("", 0.0), 0.0
    for each in catalogue():
        began = time.monotonic()
        store.query("w", f"{each.over(30)}\n| take 500", None, now)
        spent = time.monotonic() - began
        whole, slowest = whole + spent, max(slowest, (each.id, spent), key=lambda one: one[1])
    figure = f"{whole:.1f} s together, the slowest {slowest[1]:.1f} s ({slowest[0]})"
    return [Measure(f"{len(catalogue())} detections over a million rows", figure)]


MEASURES: Final[dict[str, Callable[[], list[Measure]]]] = {
    "one": one_tenant,
    "tenants": many_tenants,
    "accounts": many_accounts,
    "rows": a_million_rows,
}
