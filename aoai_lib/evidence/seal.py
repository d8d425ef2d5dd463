"""`SHA256SUMS`: a digest of every file of a run, written last. A run without it is unfinished."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from aoai_lib.folder import replace_durably, settle

SUMS: Final = "SHA256SUMS"
LONGEST: Final = 1 << 20
"""Octets of a list of digests: that of a run with all that it can have takes some two thousand."""


def seal(folder: Path) -> Path:
    """Write the digests of all files in a folder, in the form that `sha256sum -c` checks. Appears whole or not at all, and
    when all that it lists is on disk: not even a power cut leaves a seal on files that are not there.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = [f"{digest(folder / name)}  {name}\n" for name in names if name != SUMS]
    for each in (*names, "."):
        settle(folder / each)
    replace_durably(folder / SUMS, "".join(lines).encode(), draft_of(folder))
    return folder / SUMS


def sums_of(folder: Path) -> bytes:
    """The digests of a folder as they lie there; of a file that is longer than any run's, as much as shows it."""
    with (folder / SUMS).open("rb") as file:
        return file.read(LONGEST + 1)


def is_sealed(folder: Path) -> bool:
    """Whether a run was finished: its seal is the last thing written."""
    return (folder / SUMS).is_file()


def draft_of(folder: Path) -> Path:
    """Where the digests stand until they are whole: beside the folder, which they would else be a file of."""
    return folder.parent / f".{folder.name}.{SUMS}"


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
