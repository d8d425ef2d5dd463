"""Keeps one tenant's process: starts it, passes on what it says, ends it when its time is up or nobody wants it any more.

A keeper works wherever an executor puts it, in a thread here or on a worker of a cluster, and does the same there. What happens
to its process (a crash, no end, too much memory) ends as a sentence in the outcome.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Final, Protocol

from aoai_lib.fleet.assessment import Task
from aoai_lib.fleet.outcome import Outcome, UnwantedError
from aoai_lib.model import InputError, PlaybookError

DEBUG_VARIABLE: Final = "AOAI_DEBUG"
"""Environment variable that asks a tenant's process for the traceback of what stops it."""
_LOOK: Final = 0.25
"""Seconds between two looks at the clock and at whether the tenant is still wanted."""
_LAST_SECONDS: Final = 10
"""How long a process may take to end once it has said all."""
_LINES_PASSED_ON: Final = 100
_LONGEST_LINE: Final = 500
_GLANCE: Final = 0.02
_LONGEST_ANSWER: Final = 1 << 24
_OWN: Final = "AOAI_TENANT_"
_KEPT_FROM_TENANTS: Final = "AZURE_STORAGE_"
"""What opens the place where runs go is none of the tenants' business."""


class Line(Protocol):
    """The line to whoever asked for a tenant: progress goes out over it, and it tells whether the tenant is still wanted."""

    def tell(self, tenant: str, what: str, share: float) -> None:
        """What is being done, and how much of it all is done (0 to 1)."""

    def say(self, tenant: str, text: str) -> None:
        """A line that was printed while a tenant was assessed: a code to sign in with, a warning."""

    def wanted(self) -> bool:
        """Whether somebody still waits for the outcome."""


def keep(task: Task, line: Line) -> Outcome:
    """Assess a tenant in a process of its own. Raises `UnwantedError`; everything else that goes wrong is in the outcome."""
    if not line.wanted():
        raise UnwantedError(task.parameters.tenant)
    if not task.url:
        return _kept(task, line, lambda outcome: outcome)
    from aoai_lib.fleet import staging

    try:
        if (before := staging.uploaded_before(task)) is not None:
            return before
        with staging.staged(task, line.wanted) as (here, uploader):
            return _kept(here, line, uploader)
    except PlaybookError as problem:
        return Outcome(task.parameters.tenant, problems=(str(problem),))


def _kept(task: Task, line: Line, uploader: Callable[[Outcome], Outcome]) -> Outcome:
    """What comes of a process. A run that is staged stays until it is uploaded; then the process takes it away and ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "aoai_lib.fleet.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=surroundings(task, os.environ),
        start_new_session=True,
    )
    watch, patience = _Watch(task, line, process), 0.0
    try:
        outcome = watch.outcome()
        patience = _LAST_SECONDS
        if outcome is not None and task.url:
            line.tell(task.parameters.tenant, "uploading the run", 0.97)
            outcome = uploader(outcome)
            _let_go(process)
    finally:
        _end(process, patience)
    return outcome or Outcome(task.parameters.tenant, problems=(watch.ending(process.returncode),))


def surroundings(task: Task, ours: Mapping[str, str]) -> dict[str, str]:
    """The environment of a tenant's process. A variable `AOAI_TENANT_<LABEL>__<NAME>` is `<NAME>` for that tenant, and for no other.

    In the label each character but letters and digits is written `_`, and letters are capitals: `AOAI_TENANT_CONTOSO_EU__…`.
    """
    mine = f"{_OWN}{variable_label(task.parameters.tenant)}__"
    general = {name: value for name, value in ours.items() if not name.startswith((_OWN, _KEPT_FROM_TENANTS))}
    own = {name.removeprefix(mine): value for name, value in ours.items() if name.startswith(mine)}
    return {**general, **own, **task.environment}


def check_labels(tenants: Sequence[str], ours: Mapping[str, str]) -> None:
    """Raise `InputError` where a variable would be meant for two tenants at once."""
    for name in ours:
        meant = [tenant for tenant in tenants if name.startswith(f"{_OWN}{variable_label(tenant)}__")]
        if len(meant) > 1:
            raise InputError(f"The variable {name} is for {' and for '.join(meant)}: give one of them another label.")


def variable_label(tenant: str) -> str:
    """A tenant's label as names of environment variables have it."""
    return re.sub(r"[^A-Z0-9]", "_", tenant.upper())


class _Watch:
    """One process and what it says."""

    def __init__(self, task: Task, line: Line, process: subprocess.Popen[bytes]) -> None:
        self._task, self._line, self._process = task, line, process
        self._tenant = task.parameters.tenant
        self._heard: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._printed: deque[str] = deque(maxlen=5)
        self._passed_on = 0
        self._stage = "its process was starting"

    def outcome(self) -> Outcome | None:
        """What the process says in the end, or what is said of one whose time is up; None where it ended without a word."""
        assert self._process.stdin and self._process.stdout and self._process.stderr
        listeners = [
            threading.Thread(target=self._listen, args=each, daemon=True)
            for each in (("answer", self._process.stdout), ("printed", self._process.stderr))
        ]
        for each in listeners:
            each.start()
        try:
            self._process.stdin.write(pickle.dumps(self._task))
            self._process.stdin.flush()
        except BrokenPipeError:
            return None
        until = time.monotonic() + self._task.seconds if self._task.seconds else None
        while True:
            if not self._line.wanted():
                raise UnwantedError(self._tenant)
            if until is not None and time.monotonic() > until:
                return self._failed(
                    f"It was stopped after {_minutes(self._task.seconds)} ({self._stage}): allow more with --time-limit, or "
                    "narrow `accounts` or `subscriptions`. What it read lies in its unfinished run."
                )
            try:
                kind, text = self._heard.get(timeout=_LOOK)
            except queue.Empty:
                continue
            if kind == "answer" and not text:
                return None
            if (found := self._take(kind, text)) is not None:
                return found

    def _listen(self, kind: str, stream: IO[bytes]) -> None:
        with stream:
            while text := stream.readline(_LONGEST_ANSWER if kind == "answer" else _LONGEST_LINE):
                self._heard.put((kind, text))
        self._heard.put((kind, b""))

    def _take(self, kind: str, text: bytes) -> Outcome | None:
        """Pass on what was heard; the outcome, once it is said."""
        if kind == "printed":
            self._pass_on(text.decode("utf-8", errors="replace").strip())
            return None
        word, *rest = json.loads(text)
        if word == "outcome":
            return Outcome.from_json(json.dumps(rest[0]))
        self._stage = rest[0]
        self._line.tell(self._tenant, rest[0], rest[1])
        return None

    def _pass_on(self, text: str) -> None:
        if not text:
            return
        self._printed.append(text)
        self._passed_on += 1
        if self._passed_on <= _LINES_PASSED_ON:
            self._line.say(self._tenant, self._printed[-1])

    def ending(self, code: int) -> str:
        """How a process ended that ended without an outcome."""
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
            more = "; the system does that where memory runs out" if -code == getattr(signal, "SIGKILL", 0) else ""
            return f"Its process was ended by the signal {name}{more} ({self._stage}): assess it again with --resume."
        last = f": {self._printed[-1]}" if self._printed else ""
        return f"Its process ended with code {code} ({self._stage}){last}."

    def _failed(self, sentence: str) -> Outcome:
        return Outcome(self._tenant, problems=(sentence,))


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:g} minutes" if seconds != 60 else "1 minute"


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """Close what tells a process that its keeper is there."""
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()


def _end(process: subprocess.Popen[bytes], patience: float) -> None:
    """Let a process end by itself for so many seconds, and then end it and all that it started, a browser for instance.

    Until it is waited for at the very end its number is nobody else's, and so is its group's. Kernels are in sessions of their own: they
    end when they miss their parent.
    """
    until = time.monotonic() + patience
    while not _has_ended(process) and time.monotonic() < until:
        time.sleep(_GLANCE)
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    _let_go(process)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process has ended. Where the system can tell without that, it is not waited for, so its number stays its own."""
    if hasattr(os, "waitid"):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return process.poll() is not None
