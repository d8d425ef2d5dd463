"""A run that goes to a URL is filled and sealed in a folder here, and then uploaded so that half of it can't look finished.

The order of an upload: everything but `run.json` and `SHA256SUMS`; `run.json`; all is read back and compared with the digests; and
`SHA256SUMS`, without which a run is unfinished. Whoever finds it there leaves the run alone, so of two uploads of one run one counts.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from aoai_lib.evidence.seal import SUMS, digest
from aoai_lib.fleet.assessment import Task
from aoai_lib.fleet.journal import outcome_at
from aoai_lib.fleet.outcome import Outcome, UnwantedError
from aoai_lib.fleet.remote import Remote
from aoai_lib.folder import RUN_ID
from aoai_lib.model import PlaybookError
from aoai_lib.storage import StorageError, Store

_ABOUT: Final = "run.json"
_PAUSES: Final = (2.0, 10.0)
"""Seconds before an upload is tried again, beyond the retries that a store's client makes by itself."""

Wanted = Callable[[], bool]
"""Whether somebody still waits for the outcome."""
Uploader = Callable[[Outcome], Outcome]
"""Takes a run that was finished here to where it goes."""


def uploaded_before(task: Task) -> Outcome | None:
    """The outcome of a task whose run already lies at its URL: a worker was lost after it had uploaded it."""
    return outcome_at(Remote(task.url), task.parameters.tenant, task.run_id)


@contextmanager
def staged(task: Task, wanted: Wanted) -> Iterator[tuple[Task, Uploader]]:
    """The task as it is done in a folder here, beside the tenant's previous run; and what uploads its run. Raises `StorageError`."""
    store = Remote(task.url).store
    with tempfile.TemporaryDirectory(prefix="aoai-run-", ignore_cleanup_errors=True) as folder:
        here = replace(task, out=Path(folder))
        fetch_previous(store, task.parameters.tenant, task.run_id, Path(folder))
        yield here, lambda outcome: _uploaded(task, store, outcome, wanted)


def fetch_previous(store: Store, tenant: str, run_id: str, out: Path) -> None:
    """Copy the newest finished run of a tenant that began before this one, so that changes can be told. Its files lie flat."""
    for name in reversed(store.folders(tenant)):
        files = store.files(f"{tenant}/{name}") if RUN_ID.fullmatch(name) and name < run_id else []
        if SUMS in files:
            target = out / tenant / name
            target.mkdir(parents=True)
            for each in files:
                store.get(f"{tenant}/{name}/{each}", target / each)
            return


def _uploaded(task: Task, store: Store, outcome: Outcome, wanted: Wanted) -> Outcome:
    """The outcome with the URL of its run; without a run where it could not be uploaded."""
    if outcome.folder is None:
        return outcome
    name = f"{task.parameters.tenant}/{outcome.folder.name}"
    for pause in (*_PAUSES, None):
        try:
            upload(outcome.folder, store, name, wanted)
            return replace(outcome, folder=None, url=store.shown(name))
        except PlaybookError as problem:
            if pause is None:
                said = f"It was assessed, and its run could not be uploaded: {problem} Assess it again with --resume."
                return replace(outcome, folder=None, problems=(*outcome.problems, said))
            _rest(pause, wanted)
    raise AssertionError


def upload(folder: Path, store: Store, name: str, wanted: Wanted = lambda: True) -> None:
    """Upload a sealed run. A run that is sealed there is left as it is. Raises `StorageError`, `UnwantedError`."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    seal = files.pop(SUMS)
    for stray in store.files(name):
        if not store.holds(f"{name}/{SUMS}") and stray not in files:
            store.remove(f"{name}/{stray}")
    for each in sorted(files, key=lambda each: (each == _ABOUT, each)):
        if not wanted():
            raise UnwantedError(name)
        if store.holds(f"{name}/{SUMS}"):
            return
        store.put(files[each], f"{name}/{each}")
    for each, path in files.items():
        if store.digest(f"{name}/{each}") != digest(path):
            raise StorageError(f"{store.shown(name)}/{each} is not there as it was sealed.")
    store.put(seal, f"{name}/{SUMS}")


def _rest(seconds: float, wanted: Wanted) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not wanted():
            raise UnwantedError
        time.sleep(0.2)
