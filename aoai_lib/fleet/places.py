"""Where runs and journals go: a folder here, or (`remote`) a URL. Names in a place are relative, with slashes."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

from aoai_lib.bundle import signing, timestamp
from aoai_lib.bundle.signing import UnsignedError
from aoai_lib.bundle.timestamp import UnstampedError
from aoai_lib.fleet.claims import abandon
from aoai_lib.fleet.outcome import Outcome
from aoai_lib.folder import check_writable, naming, replace_durably
from aoai_lib.storage import is_url


class Place(Protocol):
    """What a batch needs of where it writes. A context manager: a journal that was begun in it is at work until it is left."""

    @property
    def out(self) -> str:
        """The folder, absolute, or the URL."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def check(self) -> None:
        """Raise `InputError` unless something can be written here."""

    def read(self, name: str) -> bytes | None:
        """The content of a file; None where there is none."""

    def names(self, folder: str) -> list[str]:
        """The files in a folder, as names in this place."""

    def begin(self, name: str, text: str) -> None:
        """Write a journal, whole or not at all, and show that it is at work as long as this place is open."""

    def at_work(self, name: str) -> bool:
        """Whether the process that wrote a journal is still there, as far as can be told."""

    def remove(self, name: str) -> None:
        """Take a file away, and its folder where nothing else is in it."""

    def abandon(self, folder: str) -> None:
        """Take an unfinished run away. Raises `ClaimedError` while a process fills it."""

    def sign(self, folder: str, key: Path) -> None:
        """Sign a sealed run, unless it is signed. Raises `UnsignedError`."""

    def stamp(self, folder: str, authority: str) -> None:
        """Have a sealed run stamped, unless it is stamped. Raises `UnstampedError`."""

    def drafts(self) -> AbstractContextManager[Path]:
        """A folder on this machine of which the files are in this place in the end."""

    def folder(self, name: str) -> Path | None:
        """Where that is on this machine, if it is."""

    def url(self, name: str) -> str:
        """Its address, where it is not on this machine."""

    def shown(self, name: str) -> str:
        """The place of a file or folder, for a person."""


class Folder:
    """A folder on this machine, or one that this machine shares."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.out = str(self.path)
        self._held: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._held is not None:
            self._held.close()

    def check(self) -> None:
        """See `Place`. Journals are written before the first run, so their folder is looked at too."""
        check_writable(self.path)
        check_writable(self.path / ".fleet")

    def read(self, name: str) -> bytes | None:
        """See `Place`."""
        path = self.path / name
        return path.read_bytes() if path.is_file() else None

    def names(self, folder: str) -> list[str]:
        """See `Place`."""
        path = self.path / folder
        return [f"{folder}/{each.name}" for each in path.glob("[!.]*")] if path.is_dir() else []

    def begin(self, name: str, text: str) -> None:
        """See `Place`. The file is locked before it gets its name, and stays so until the place is left."""
        path = self.path / name
        draft = path.with_name(f".{path.name}.draft")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._held = _written(draft, path, text)
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.replace(path)

    def at_work(self, name: str) -> bool:
        """See `Place`."""
        if sys.platform == "win32":
            return False
        import fcntl

        with (self.path / name).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def remove(self, name: str) -> None:
        """See `Place`."""
        path = self.path / name
        path.unlink(missing_ok=True)
        if not any(path.parent.iterdir()):
            path.parent.rmdir()

    def abandon(self, folder: str) -> None:
        """See `Place`."""
        abandon(self.path / folder)

    def sign(self, folder: str, key: Path) -> None:
        """See `Place`."""
        if not (self.path / folder / signing.SIGNATURE).is_file():
            signing.sign(self.path / folder, key)

    def stamp(self, folder: str, authority: str) -> None:
        """See `Place`."""
        if not (self.path / folder / timestamp.STAMP).is_file():
            timestamp.stamp(self.path / folder, authority)

    @contextlib.contextmanager
    def drafts(self) -> Iterator[Path]:
        """See `Place`. A file that is there already is replaced whole."""
        with tempfile.TemporaryDirectory(prefix="aoai-") as folder:
            yield Path(folder)
            for path in sorted(Path(folder).iterdir()):
                target = self.path / path.name
                replace_durably(target, path.read_bytes(), self.path / f".{path.name}.draft")

    def folder(self, name: str) -> Path | None:
        """See `Place`."""
        return self.path / name

    def url(self, name: str) -> str:
        """See `Place`."""
        return ""

    def shown(self, name: str) -> str:
        """See `Place`."""
        return str(self.path / name)


def _written(draft: Path, path: Path, text: str) -> IO[bytes]:
    """A new file with a text in it, on disk, and open."""
    file = draft.open("wb")
    try:
        with naming(path):
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            file.close()
        draft.unlink()
        raise
    return file


def place_of(out: str) -> Place:
    """The place that a folder's path or a URL names. Raises `InputError`."""
    if not is_url(out):
        return Folder(Path(out))
    from aoai_lib.fleet.remote import Remote

    return Remote(out)


def signed(place: Place, outcome: Outcome, key: Path | None) -> Outcome:
    """The outcome, its run signed where a key is given: by the process that a person started, so that no key goes elsewhere."""
    if key is None or not outcome.finished:
        return outcome
    try:
        place.sign(outcome.run, key)
    except UnsignedError as problem:
        return replace(outcome, problems=(*outcome.problems, str(problem)))
    return outcome


def stamped(place: Place, outcome: Outcome, authority: str) -> Outcome:
    """The outcome, its run stamped where an authority is named: by the process that a person started, which was let through to it."""
    if not authority or not outcome.finished:
        return outcome
    try:
        place.stamp(outcome.run, authority)
    except UnstampedError as problem:
        return replace(outcome, problems=(*outcome.problems, str(problem)))
    return outcome
