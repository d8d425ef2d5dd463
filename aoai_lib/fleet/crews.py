"""Where keepers work: in threads here, or on the workers of a Dask cluster. Both are an executor of `concurrent.futures` and a line."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Executor, ThreadPoolExecutor, as_completed
from dataclasses import replace
from typing import Protocol

from aoai_lib.evidence.seal import is_sealed
from aoai_lib.fleet.assessment import Task
from aoai_lib.fleet.keeper import Line, keep
from aoai_lib.fleet.outcome import Outcome, UnwantedError
from aoai_lib.kernels import warmed


class Audience(Protocol):
    """Who is told what happens. Called from any thread."""

    def tell(self, tenant: str, what: str, share: float) -> None:
        """What is being done about a tenant, and how much of it all is done (0 to 1)."""

    def say(self, tenant: str, text: str) -> None:
        """A line that was printed while a tenant was assessed."""


class Here:
    """The line to an audience in this process."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._stopped = threading.Event()
        self.tell, self.say = audience.tell, audience.say

    def stop(self) -> None:
        """Nobody waits any more."""
        self._stopped.set()

    def wanted(self) -> bool:
        """Whether somebody still waits."""
        return not self._stopped.is_set()


@contextlib.contextmanager
def local(jobs: int, audience: Audience) -> Iterator[tuple[Executor, Line]]:
    """So many tenants at once on this machine. Left early (an interrupt, an error), all that is at work is ended."""
    line = Here(audience)
    executor = ThreadPoolExecutor(jobs, thread_name_prefix="tenant")
    with warmed():
        try:
            yield executor, line
        finally:
            line.stop()
            executor.shutdown(wait=True, cancel_futures=True)


def assess_all(tasks: Sequence[Task], executor: Executor, line: Line) -> Iterator[Outcome]:
    """Assess every tenant on an executor; outcomes come as they are finished. What an executor raises is the tenant's problem."""
    futures = {executor.submit(keep, task, line): task for task in tasks}
    for future in as_completed(futures):
        tenant = futures[future].parameters.tenant
        try:
            yield _seen(future.result())
        except (CancelledError, UnwantedError):
            yield Outcome(tenant, problems=("It was not assessed: the batch was ended before.",))
        except Exception as problem:  # noqa: BLE001 - one tenant's failure costs the others nothing
            said = f"{type(problem).__name__}: {problem}".rstrip(": ")
            yield Outcome(tenant, problems=(f"It was not assessed: {said}.",))


def _seen(outcome: Outcome) -> Outcome:
    """The outcome, if the run that it names can be seen from here: a worker elsewhere may have written to a disk of its own."""
    if outcome.folder is None or is_sealed(outcome.folder):
        return outcome
    sentence = (
        f"Its worker left the run in {outcome.folder}, which can't be seen from here: name a folder with --out that all "
        "machines share, or a URL."
    )
    return replace(outcome, folder=None, problems=(*outcome.problems, sentence))
