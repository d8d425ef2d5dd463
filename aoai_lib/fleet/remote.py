"""A place by URL (package `fsspec`; `abfs://` by adlfs, extra `storage`).

No store has locks that end with a process, so a batch at work shows it by a pulse: a small file beside its journal that changes
every few seconds. Whoever would resume looks at it for as long as a few beats take; no clocks are compared.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aoai_lib.bundle import signing, timestamp
from aoai_lib.bundle.signing import UnsignedError
from aoai_lib.bundle.timestamp import UnstampedError
from aoai_lib.evidence.seal import SUMS
from aoai_lib.model import InputError
from aoai_lib.storage import StorageError, Store

_BEAT: Final = 2.0
"""Seconds between two beats."""
_BEATS_WAITED: Final = 5


class Remote:
    """Where runs go, by its URL. See `Place`."""

    def __init__(self, url: str) -> None:
        self.store = Store(url)
        self.out = self.store.url
        self._stopped = threading.Event()
        self._pulse: threading.Thread | None = None
        self._begun = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        if self._pulse is not None:
            self._pulse.join()

    def check(self) -> None:
        """See `Place`."""
        name = f".fleet/.try-{secrets.token_hex(4)}"
        try:
            self.store.write(name, b"Whether something can be written here.\n")
            self.store.remove(name)
        except StorageError as problem:
            raise InputError(f"Nothing can be written to {self.out}: {problem}") from None

    def read(self, name: str) -> bytes | None:
        """See `Place`."""
        return self.store.read(name)

    def names(self, folder: str) -> list[str]:
        """See `Place`."""
        return [f"{folder}/{each}" for each in self.store.files(folder) if not each.startswith(".")]

    def begin(self, name: str, text: str) -> None:
        """See `Place`."""
        self._begun, beat = name, _pulse_of(name)
        self.store.write(beat, secrets.token_bytes(8))
        self._pulse = threading.Thread(target=self._beat, args=(beat,), daemon=True)
        self._pulse.start()
        self.store.write(name, text.encode())

    def at_work(self, name: str) -> bool:
        """See `Place`. Takes ten seconds where a batch was killed, and none where it ended or never was."""
        before = self.store.read(_pulse_of(name))
        for _ in range(_BEATS_WAITED if before is not None else 0):
            time.sleep(_BEAT)
            if self.store.read(_pulse_of(name)) != before:
                return True
        return False

    def remove(self, name: str) -> None:
        """See `Place`."""
        self.store.remove(name)
        if self._stopped.is_set() or name != self._begun:
            self.store.remove(_pulse_of(name))

    def abandon(self, folder: str) -> None:
        """See `Place`. Nothing tells here whether a process fills it: a run is uploaded when it is whole, and then in seconds."""
        self.store.remove_folder(folder)

    def sign(self, folder: str, key: Path) -> None:
        """See `Place`."""
        if self.store.holds(f"{folder}/{signing.SIGNATURE}"):
            return
        try:
            with self._seal_of(folder) as here:
                self.store.put(signing.sign(here, key), f"{folder}/{signing.SIGNATURE}")
        except (UnsignedError, StorageError):
            raise UnsignedError(
                f"{self.shown(folder)} is sealed but not signed: ssh-keygen could not use {key}, or the signature could not be "
                "written there. The same command with --resume tries again."
            ) from None

    def stamp(self, folder: str, authority: str) -> None:
        """See `Place`."""
        if self.store.holds(f"{folder}/{timestamp.STAMP}"):
            return
        try:
            with self._seal_of(folder) as here:
                self.store.put(timestamp.stamp(here, authority), f"{folder}/{timestamp.STAMP}")
        except (UnstampedError, StorageError):
            raise UnstampedError(
                f"{self.shown(folder)} is sealed but has no time stamp: {authority} gave none, or it could not be written there. "
                "The same command with --resume tries again."
            ) from None

    @contextlib.contextmanager
    def drafts(self) -> Iterator[Path]:
        """See `Place`."""
        with tempfile.TemporaryDirectory(prefix="aoai-") as folder:
            yield Path(folder)
            for path in sorted(Path(folder).iterdir()):
                self.store.put(path, path.name)

    def folder(self, name: str) -> Path | None:
        """See `Place`."""
        return None

    def url(self, name: str) -> str:
        """See `Place`."""
        return f"{self.out}/{name}"

    def shown(self, name: str) -> str:
        """See `Place`."""
        return self.store.shown(name)

    @contextlib.contextmanager
    def _seal_of(self, folder: str) -> Iterator[Path]:
        """A folder here with the digests of a run in it."""
        with tempfile.TemporaryDirectory(prefix="aoai-") as here:
            self.store.get(f"{folder}/{SUMS}", Path(here) / SUMS)
            yield Path(here)

    def _beat(self, name: str) -> None:
        """Change the pulse until the place is left, and take it away then. A beat that does not get through is left out."""
        while not self._stopped.wait(_BEAT):
            with contextlib.suppress(StorageError):
                self.store.write(name, secrets.token_bytes(8))
        with contextlib.suppress(StorageError):
            self.store.remove(name)


def _pulse_of(journal: str) -> str:
    folder, _, name = journal.rpartition("/")
    return f"{folder}/.{name}.pulse"
