"""One pytest session in which the tests run once, watched, and then again in a copy of the process for each mutant.

What costs time (imports, the tenants collected from the lab) is done once. A mutant is tried against the tests that reach its function,
those of its line and the quick ones first, until one fails.
"""

from __future__ import annotations

import gc
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest
from _pytest.runner import runtestprotocol

from tests.mutants.making import Mutant
from tests.mutants.reaching import SAMPLES, Reach
from tests.mutants.swapping import forget, swap

PATIENCE: Final = 20
"""Seconds of work that a mutant has at least; and five times what its tests take."""
IDLE: Final = 10
"""How many times as long a mutant may take where the machine is busy, or where it waits for something."""
NO_IMPORT: Final = "import"
"""Stands for the test where a mutant's module would not even load."""
LIVES: Final = ("survived", "unreached")
"""Results of a mutant that no test noticed."""
_KILLED, _SURVIVED = 10, 11
_ENDS: Final = (signal.SIGPROF, signal.SIGALRM)
"""What ends a mutant that has worked, or waited, for too long."""
_APART: Final = frozenset(
    {"Lab", "collect", "load_worlds", "CliRunner", "main", "perf_counter", "process_time", "monotonic"}
)
"""Names in a test that has a lab of its own, runs a command or measures time."""
_WHOLE_CATALOGUE: Final = frozenset({"test_a_break_fails_no_other_control", "test_judging_again_gives_the_same"})


class StandError(Exception):
    """The tests fail without any mutant, or a mutant could not be tried."""


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: killed, survived, timeout or unreached (no test calls its function). `by` is the test that failed."""

    id: str
    result: str
    by: str = ""


class Stand:
    """A pytest plugin: takes the place of the loop over the tests."""

    def __init__(self, mutants: Sequence[Mutant], reach: Reach, told: Callable[[Outcome], None], jobs: int = 1) -> None:
        self.mutants = mutants
        self.reach = reach
        self._told = told
        self._jobs = jobs

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: pytest.FixtureRequest) -> Iterator[None]:
        """Take the samples that were collected before."""
        if fixturedef.argname in SAMPLES:
            collect = fixturedef.func
            fixturedef.func = lambda: self.reach.sample(fixturedef.argname, collect)
        return (yield)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out tests that serve or ask a lab, which takes seconds each, that measure time, or that judge by the whole catalogue."""
        items[:] = [each for each in items if isinstance(each, pytest.Function) and not _stands_apart(each)]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """The tests without a mutant, then the mutants."""

        def passes(item: pytest.Item) -> bool:
            forget()
            return next(_failing(session, [item]), None) is None

        self.reach.watch(session.items, passes)
        if self.reach.failed:
            return True
        gc.freeze()  # a child that looks for cycles would copy every page it shares
        items = {each.nodeid: each for each in session.items}
        running: dict[int, tuple[Mutant, int]] = {}
        for mutant in self.mutants:
            chosen = [items[each] for each in self.reach.tests(mutant.module, mutant.extent, mutant.line)]
            if not chosen:
                self._told(Outcome(mutant.id, "unreached"))
                continue
            while len(running) >= self._jobs:
                self._collect(running)
            pid, end = self._fork(session, mutant, chosen)
            running[pid] = mutant, end
        while running:
            self._collect(running)
        return True

    def _fork(self, session: pytest.Session, mutant: Mutant, chosen: Sequence[pytest.Item]) -> tuple[int, int]:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid:
            os.close(writing)
            return pid, reading
        code = 1
        try:
            for each in _ENDS:
                signal.signal(each, signal.SIG_DFL)
            patience = PATIENCE + int(5 * sum(self.reach.seconds[each.nodeid] for each in chosen))
            signal.setitimer(signal.ITIMER_PROF, patience)
            signal.alarm(patience * IDLE)
            failed = NO_IMPORT if not swap(mutant) else next(_failing(session, chosen), "")
            os.write(writing, failed.encode())
            code = _KILLED if failed else _SURVIVED
        except BaseException:
            os.write(writing, traceback.format_exc().encode())
            raise
        finally:
            os._exit(code)

    def _collect(self, running: dict[int, tuple[Mutant, int]]) -> None:
        pid, status = os.wait()
        mutant, reading = running.pop(pid)
        with os.fdopen(reading) as said:
            by = said.read()
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) in _ENDS:
            self._told(Outcome(mutant.id, "timeout"))
        elif os.WIFEXITED(status) and os.WEXITSTATUS(status) in (_KILLED, _SURVIVED):
            self._told(Outcome(mutant.id, "killed" if os.WEXITSTATUS(status) == _KILLED else "survived", by))
        else:
            raise StandError(f"{mutant.id} in {mutant.owner} could not be tried ({status}): {by}")


def _stands_apart(item: pytest.Function) -> bool:
    return (
        "lab" in item.fixturenames
        or not _APART.isdisjoint(item.function.__code__.co_names)
        or item.originalname in _WHOLE_CATALOGUE
    )


def _failing(session: pytest.Session, chosen: Sequence[pytest.Item]) -> Iterator[str]:
    for item in chosen:
        reports: list[Any] = runtestprotocol(item, log=False, nextitem=session)  # type: ignore[arg-type]
        if any(each.failed for each in reports):
            yield item.nodeid
