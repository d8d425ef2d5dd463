"""The folder of a hardening: the plan, what became of each step, and how to take it back. Whole at any moment.

plan.json        the plan as it was agreed to
undo.json        the steps that were begun, with what was there before: written before each step is sent
journal.jsonl    what happened, line by line, in order
requests.jsonl   every request, with its answer, redacted
result.json      what became of the steps and of the controls: written last, so without it a hardening is unfinished
undone.json      the same of its being taken back: then there is nothing to go on with either

Beside the folders of a tenant's hardenings lies `.lock`, which one process at a time holds, and lets go of when it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from aoai_lib.folder import naming, new_run_id, write_durably
from aoai_lib.harden.plan import Plan, Step, read
from aoai_lib.model import InputError, Json

FOLDER: Final = "hardening"
"""Where a tenant's hardenings lie, beside its runs."""
_ENDED: Final = ("result.json", "undone.json")


class Journal:
    """One hardening's folder."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path = path
        self.plan = plan
        undo = path / "undo.json"
        self._begun: tuple[Step, ...] = open_undo(undo).steps if os.path.lexists(undo) else ()

    @classmethod
    def create(cls, out: Path, plan: Plan) -> Journal:
        """Make the folder of a new hardening and put the plan into it."""
        path = out / plan.tenant / FOLDER / new_run_id(datetime.now(UTC))
        path.mkdir(parents=True)
        write_durably(path / "plan.json", plan.text())
        return cls(path, plan)

    @classmethod
    def unfinished(cls, out: Path, tenant: str) -> Journal | None:
        """The tenant's hardening that was begun and not finished; None where there is none. Raises `InputError`.

        One that was cut off before its first step was begun has sent nothing: there is nothing to go on with.
        """
        folder = out / tenant / FOLDER
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            plan = path / "plan.json"
            ended = any((path / name).is_file() for name in _ENDED)
            if (
                os.path.lexists(path / "undo.json") and not ended
            ):  # also what is no file: it was begun, and can't be gone on with
                return cls(path, read(plan, "the plan.json of a hardening"))
        return None

    @property
    def begun(self) -> tuple[Step, ...]:
        """The steps that were begun, in their order: each was sent, or was about to be."""
        return self._begun

    def begin(self, step: Step) -> None:
        """Keep what takes the step back, safely on disk, before it is sent."""
        if step.id not in {each.id for each in self._begun}:
            self._begun = (*self._begun, step)
            write_durably(self.path / "undo.json", self.plan.model_copy(update={"steps": self._begun}).text())
        self.note(step.id, "begun")

    def note(self, what: str, event: str, sentence: str = "") -> None:
        """Add a line. It is on disk when this returns. What an interrupt left of the line before stays on a line of its own."""
        line = {"at": _now(), "step": what, "event": event, **({"sentence": sentence} if sentence else {})}
        path = self.path / "journal.jsonl"
        broken = path.is_file() and path.read_bytes()[-1:] not in (b"", b"\n")
        with naming(path), path.open("a", encoding="utf-8", newline="\n") as file:
            file.write("\n" * broken + json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def finish(self, name: str, results: Sequence[Json], verdicts: Sequence[Json]) -> None:
        """Write `result.json` (or `undone.json`): from now on there is nothing to continue."""
        document = {
            "schema": "aoai-playbook/hardening/1",
            "plan": self.plan.digest,
            "tenant": self.plan.tenant,
            "finished_at": _now(),
            "steps": list(results),
            "verdicts": list(verdicts),
        }
        write_durably(self.path / name, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """For the length of the block no other process changes the tenant whose hardenings lie in this folder, as far as they are
    recorded here. Raises `InputError` while one does.
    """
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"Another hardening of this tenant is at work and recorded in {folder}: let it finish, or end it, and start again."
        ) from None
    try:
        yield
    finally:
        lock.release()


def folder_of(undo: Path) -> Path:
    """The folder that a hardening is held alone in, by its `undo.json`: that of all of the tenant, where it still lies there."""
    return undo.parent.parent if undo.parent.parent.name == FOLDER else undo.parent


def open_undo(path: Path) -> Plan:
    """The steps that an `undo.json` takes back. Raises `InputError`."""
    return read(path, "the undo.json of a hardening")


def later(path: Path) -> list[Path]:
    """Hardenings of the same tenant that came after the one in this folder, changed something, and are not undone."""
    return [
        each
        for each in sorted(path.parent.iterdir())
        if each.name > path.name and (each / "undo.json").is_file() and not (each / "undone.json").is_file()
    ]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
