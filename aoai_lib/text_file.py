"""Text files that somebody else may have written: read whole, or refused in a sentence that names the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from aoai_lib.model import InputError

MOST_BYTES: Final = 1 << 30
"""What is larger is no recording and no part of a run: the largest that were seen have a tenth of that."""
_SHOWN: Final = 200


def read_text(path: Path, what: str, most: int = MOST_BYTES) -> str:
    """The text of a regular UTF-8 file of at most so many octets, a mark of its byte order taken off. `what` says in the refusal what to name.

    Raises `InputError`.
    """
    name = brief(path)
    try:
        if path.is_dir():
            raise InputError(f"{name} is a folder and can't be read: name a file, {what}.")
        if path.exists() and not path.is_file():
            raise InputError(f"{name} can't be read: it is no regular file. Name {what}.")
        with path.open("rb") as file:
            raw = file.read(min(most, path.stat().st_size) + 1)
    except FileNotFoundError:
        raise InputError(f"{name} can't be read: there is no such file. Name {what}.") from None
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "that is no path"
        raise InputError(f"{name} can't be read ({reason}): check path and permissions.") from None
    if len(raw) > most:
        raise InputError(f"{name} can't be read: it is larger than {most >> 20} MiB. Name {what}.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        raise InputError(f"{name}, line {line}, can't be read as text: save the file as UTF-8.") from None


def brief(path: Path) -> str:
    """A path as a message may show it: one that is too long for any file system, cut."""
    return str(path) if len(str(path)) <= _SHOWN else f"{str(path)[:_SHOWN]}…"


def is_file(path: Path) -> bool:
    """Whether a person named a regular file. A name that no file system takes is none; `Path.is_file` raises for it."""
    return os.path.isfile(path)  # noqa: PTH113 - see above


def is_folder(path: Path) -> bool:
    """The same of a folder."""
    return os.path.isdir(path)  # noqa: PTH112 - as above
