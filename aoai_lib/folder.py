"""The folder of a run: `<out>/<tenant>/<run_id>/`, filled file by file and sealed last."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aoai_lib.model import InputError, Json

RUN_ID: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
"""How the folders of runs are named; the names sort by time."""


def new_run_id(now: datetime) -> str:
    """An id that sorts by time: `20261123T190455Z-4f2a`."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def check_writable(out: Path) -> None:
    """Raise `InputError` unless a folder can be written or made there. Leaves nothing behind."""
    nearest = out.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as problem:
        reason = "is a file" if nearest.is_file() else os.strerror(problem.errno or 0).lower()
        raise InputError(
            f"Nothing can be written to {out}: {nearest} ({reason}). Name another folder with --out."
        ) from None


def write_durably(path: Path, text: str) -> None:
    """Write a file so that, whatever happens meanwhile, it is there whole and on disk, or is as it was before."""
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


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
        draft.write_text(text, encoding="utf-8", newline="\n")
        draft.replace(self.path / name)

    def discard(self) -> None:
        """Take the folder away again, and the tenant's where nothing else is in it."""
        shutil.rmtree(self.path)
        if not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()
