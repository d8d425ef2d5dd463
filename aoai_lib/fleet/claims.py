"""One process at a time fills a run's folder: a retry waits for the one before it to be gone, and begins anew.

The claim is an advisory lock on the folder itself (flock(2)), so it ends with the process, whatever ends that. Where the system has no
such locks (Windows) a run is told apart by its id alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aoai_lib.evidence import seal
from aoai_lib.folder import RunFolder
from aoai_lib.model import PlaybookError

_PATIENCE: Final = 20.0
"""Seconds that a claim waits: the processes of a killed worker end within one."""
_LOOK: Final = 0.1


class ClaimedError(PlaybookError):
    """Another process is at work in the folder."""


@contextlib.contextmanager
def claimed(path: Path, patience: float = _PATIENCE) -> Iterator[RunFolder]:
    """The folder of a run, made where it is not there, for this process alone; empty, unless the run is sealed.

    Raises `ClaimedError` where another process still has it after so many seconds.
    """
    with _lock(path, patience):
        if not seal.is_sealed(path):
            _empty(path)
        yield RunFolder(path)


def abandon(path: Path) -> None:
    """Take away what an interrupted run left, and the tenant's folder where nothing else is in it. Raises `ClaimedError`.

    Of a link only the link goes: what it leads to is no run of ours.
    """
    if path.is_symlink():
        path.unlink()
    elif path.is_dir():
        with claimed(path, patience=2.0) as folder:
            folder.discard()


def _empty(path: Path) -> None:
    seal.draft_of(path).unlink(missing_ok=True)
    for each in path.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()


@contextlib.contextmanager
def _lock(path: Path, patience: float) -> Iterator[None]:
    if sys.platform == "win32":
        path.mkdir(parents=True, exist_ok=True)
        yield
        return
    handle = _acquired(path, time.monotonic() + patience)
    try:
        yield
    finally:
        os.close(handle)


def _acquired(path: Path, until: float) -> int:
    """The folder, open and locked."""
    import fcntl

    while True:
        handle = -1
        try:
            path.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDONLY)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it before may have taken the folder away: then the lock is on nothing.
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except FileNotFoundError:
            pass
        except BlockingIOError:
            if time.monotonic() > until:
                os.close(handle)
                raise ClaimedError(
                    f"{path} is being filled by another process: let it finish, or end it, and assess with --resume."
                ) from None
            time.sleep(_LOOK)
        if handle >= 0:
            os.close(handle)
