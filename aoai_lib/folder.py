"""The folder of a run: `<out>/<tenant>/<run_id>/`, filled file by file and sealed last. And what a disk may say to that."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aoai_lib.model import InputError, Json
from aoai_lib.text_file import brief, is_file

RUN_ID: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
"""How the folders of runs are named; the names sort by time."""
_ROOM: Final = 4096
"""Octets that must fit on a disk before anything is begun: a block."""
_MENDS: Final[Mapping[int, str]] = {
    errno.ENOSPC: "Free some space",
    errno.EDQUOT: "Free some space, or have the quota raised",
    errno.EFBIG: "Have the limit on the size of files raised",
    errno.EROFS: "Name a folder that can be written",
    errno.EACCES: "Name a folder that this user may write",
    errno.EPERM: "Name a folder that this user may write",
    errno.ENOTDIR: "Move away what is there under that name",
    errno.EISDIR: "Move away what is there under that name",
    errno.EEXIST: "Move away what is there under that name",
    errno.ENOENT: "Make its folder, or name another",
    errno.ENAMETOOLONG: "Name a folder with a shorter path",
    errno.ELOOP: "Name a folder without such a link",
    errno.EIO: "Look after the disk",
}
"""What a person can do about an error of a file system. Errors of networks are not among them."""


def new_run_id(now: datetime) -> str:
    """An id that sorts by time: `20261123T190455Z-4f2a`."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def check_writable(out: Path) -> None:
    """Raise `InputError` unless a folder can be written or made there, and a block still fits. Leaves nothing behind."""
    nearest = out.absolute()
    try:
        str(nearest).encode()
        while not _is_there(nearest):
            nearest = nearest.parent
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(bytes(_ROOM))
    except UnicodeEncodeError:
        raise InputError(
            f"Nothing can be written to {out}: its name is no UTF-8 text. Name another folder with --out."
        ) from None
    except OSError as problem:
        reason = "is a file" if is_file(nearest) else os.strerror(problem.errno or 0).lower()
        raise InputError(
            f"Nothing can be written to {brief(out)}: {brief(nearest)} ({reason}). Name another folder with --out."
        ) from None


def _is_there(path: Path) -> bool:
    """Whether something has that name; of a link, what it leads to. Raises `OSError`: for a link that leads nowhere, too."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    path.stat()
    return True


def check_file(path: Path) -> None:
    """Raise `InputError` unless a file of that name can be made or replaced: looked at before the work that fills it."""
    folder = path.absolute().parent
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = stat.S_IFREG
    except OSError as problem:
        reason = os.strerror(problem.errno or 0).lower()
        raise InputError(f"{brief(path)} can't be written ({reason}): name another file.") from None
    if stat.S_ISDIR(mode) or path.is_dir():
        raise InputError(f"{path} is a folder: name a file.")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path} is there and no regular file, which would be lost: name another file.")
    if not folder.is_dir():
        raise InputError(f"{path} can't be written: there is no folder {folder}. Make it, or name another file.")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{path} can't be written: its folder is not yours to write. Name another file.")


def check_new(path: Path) -> None:
    """The same of a file that must not be there yet."""
    if os.path.lexists(path):
        raise InputError(f"{brief(path)} is there already: name a new file.")
    check_file(path)


def write_durably(path: Path, text: str) -> None:
    """Write a file so that, whatever happens meanwhile, it is there whole and on disk, or is as it was before."""
    replace_durably(path, text.encode(), path.with_name(f".{path.name}.draft"))


def replace_durably(path: Path, content: bytes, draft: Path) -> None:
    """The same, where the draft must stand at another place: the folder may not hold more than it does."""
    try:
        with naming(path), draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    settle(path.parent)


def settle(path: Path) -> None:
    """Have what was written to a file, or the names in a folder, on disk when this returns, where a system can be asked for that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Has an error inside the block name the file that was being written: where a disk is full, the system's own does not."""
    try:
        yield
    except OSError as problem:
        problem.filename = problem.filename or str(path)
        raise


def disk_trouble(problem: OSError) -> str:
    """What a file system refused, as a sentence with the mend; "" for an error that is none of a file system's."""
    mend = _MENDS.get(problem.errno or 0)
    if mend is None:
        return ""
    what = str(problem.filename) if problem.filename else "A file"
    reason = os.strerror(problem.errno or 0).lower()
    return f"{what} can't be written ({reason}). {mend}, and start again: what was finished before is whole."


class RunFolder:
    """One run's folder. Files are written whole: a name that is there is complete."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, out: Path, tenant: str, run_id: str) -> RunFolder:
        """Make the folder; it must not be there yet."""
        path = out / tenant / run_id
        path.mkdir(parents=True)
        return cls(path)

    def write_json(self, name: str, value: Json) -> None:
        """Write a JSON file, readable, keys in the order given."""
        self.write_text(name, json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Write a text file."""
        draft = self.path / f".{name}.draft"
        with naming(self.path / name):
            draft.write_text(text, encoding="utf-8", newline="\n")
        draft.replace(self.path / name)

    def discard(self) -> None:
        """Take the folder away again, and the tenant's where nothing else is in it."""
        shutil.rmtree(self.path)
        if not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()
