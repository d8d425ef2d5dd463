"""Processes that are killed at a moment that a test names: of their talk with the lab, or of what they do to files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import re
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from hardening import written

from aoai_lib.harden import session
from aoai_lib.harden.journal import open_undo
from aoai_lib.harden.plan import Plan, load
from aoai_lib.lab.server import Lab
from aoai_lib.parameters import Parameters

KILLING = Path(__file__).parent / "killing"
EVERYTHING = bool(os.environ.get("AOAI_KILLS"))
"""Whether all moments are tried, by `make kills`; `make test` tries a few."""
ON_THE_WIRE = ("sent", "answered", "polled", "read back")
"""A write has reached the lab; it was carried out and its answer has not left; its operation is asked about; it is read back."""
ON_DISK = ("undo opened", "undo named", "begun", "ended")
"""Before: `undo.json` is drafted; it gets its name; the journal says that a step was begun; that it ended."""
_OPERATION = re.compile(r"/(operations|operationResults|privateDnsOperationStatuses|privateDnsOperationResults)/")
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "aoai_lib.harden.session",
        "aoai_lib.lab.server",
        *(
            f"azure.mgmt.{name}"
            for name in ("authorization", "cognitiveservices", "loganalytics", "monitor", "network")
        ),
        *(f"azure.mgmt.{name}" for name in ("privatedns", "resource.locks", "resource.subscriptions")),
    ]
)


class Trap:
    """Sees every request that reaches a lab, and kills a process at one; or has something done while one waits for its answer."""

    def __init__(self, lab: Lab) -> None:
        self._answer = lab._application._answer
        lab._application._answer = self._seen  # type: ignore[method-assign]
        self.at, self.number, self._path = "", 0, ""
        self.meanwhile: Callable[[], None] = lambda: None

    def set(self, at: str, number: int) -> None:
        """Kill that process at that moment of the next write that it sends."""
        self.at, self.number, self._path = at, number, ""

    def _seen(self, request: Any, *rest: Any) -> Any:
        writes, path = request.method in ("PUT", "PATCH", "DELETE"), request.url.path
        if writes:
            meanwhile, self.meanwhile = self.meanwhile, lambda: None
            meanwhile()
        if (
            (self.at == "sent" and writes)
            or (self.at == "polled" and self._path and _OPERATION.search(path))
            or (self.at == "read back" and request.method == "GET" and path == self._path)
        ):
            self._kill()
        answer = self._answer(request, *rest)
        if writes:
            self._path = path
            if self.at == "answered":
                self._kill()
        return answer

    def _kill(self) -> None:
        self.at = ""
        os.kill(self.number, signal.SIGKILL)


def _die_at(at: str) -> None:
    """Have this process killed at a moment on disk, the first one of its life."""
    lines = [0]

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("open", "os.rename"):
            return
        name = str(arguments[event == "os.rename"]).rpartition("/")[2]
        if event == "os.rename" and name == "undo.json":
            lines[0] = 1  # from here on the journal's lines are about a step that was not begun before
        elif event == "open" and name == "journal.jsonl" and "a" in str(arguments[1]) and lines[0]:
            lines[0] += 1
        reached = {
            "undo opened": name == ".undo.json.draft",
            "undo named": lines[0] == 1,
            "begun": lines[0] == 2,
            "ended": lines[0] == 3,
            "finished": name in (".result.json.draft", ".undone.json.draft"),
        }
        if reached.get(at):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def _harden(at: str, surroundings: dict[str, str], parameters: str, plan: str, out: str) -> None:
    os.environ.update(surroundings)
    planned = load(plan, "the plan")
    _die_at(at)
    session.carry_out(Parameters.model_validate_json(parameters), planned, Path(out), list(planned.checks))


def _take_back(at: str, surroundings: dict[str, str], parameters: str, undo: str) -> None:
    os.environ.update(surroundings)
    _die_at(at)
    session.take_back(Parameters.model_validate_json(parameters), Path(undo))


class Hardening:
    """A hardening of the lab's tenant, or its being taken back, in processes that are killed one after the other."""

    def __init__(self, lab: Lab, tenant: str, asked: Parameters, out: Path) -> None:
        self.lab, self.out, self.trap, self.killed = lab, out, Trap(lab), Counter[str]()
        self._surroundings = lab.environment(tenant, "operator")
        self._parameters = asked.model_dump_json()

    def carry_out(self, plan: Plan, at: str) -> ForkServerProcess:
        """A process that carries the plan out, to be killed at that moment."""
        return self._start(_harden, at, plan.text(), str(self.out))

    def take_back(self, undo: Path, at: str) -> ForkServerProcess:
        """A process that takes it back."""
        return self._start(_take_back, at, str(undo))

    def _start(self, target: Callable[..., None], at: str, *more: str) -> ForkServerProcess:
        process = _FORKS.Process(target=target, args=(at, self._surroundings, self._parameters, *more))
        process.start()
        assert process.pid is not None
        self.trap.set(at, process.pid)
        return process

    def ended(self, process: ForkServerProcess, at: str) -> bool:
        """Whether it came to its end, and was not killed before."""
        process.join(900)
        assert process.exitcode in (0, -signal.SIGKILL), (at, process.exitcode)
        self.killed[at] += process.exitcode != 0
        return process.exitcode == 0

    @property
    def folder(self) -> Path:
        """Where it is recorded; a folder in which nothing was begun yet is not meant."""
        (undo,) = self.out.glob("*/hardening/*/undo.json")
        return undo.parent

    def check_undo(self) -> None:
        """There is undo data for every write that the lab saw, whole, and nothing says that all is done."""
        sent = Counter(written(self.lab))
        if sent:
            steps = open_undo(self.folder / "undo.json").steps
            assert sent <= Counter((each.request.method, each.request.path) for each in steps)
            assert not (self.folder / "result.json").exists()
            for line in (self.folder / "journal.jsonl").read_text(encoding="utf-8").splitlines():
                json.loads(line)


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder, by its name, with its digest."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@contextlib.contextmanager
def marked() -> Iterator[tuple[dict[str, str], Callable[[], Sequence[str]]]]:
    """Surroundings by which every process that comes of a command is known, and what tells which of them are left in the end."""
    mark = f"AOAI_TEST_MARK={secrets.token_hex(8)}"

    def left() -> list[str]:
        until = time.monotonic() + 15
        while (found := _marked(mark.encode())) and time.monotonic() < until:
            time.sleep(0.1)
        return found

    yield dict([mark.split("=")]), left


def _marked(mark: bytes) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (path / "environ").read_bytes().split(b"\0"):
                found.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return [each for each in found if each]
