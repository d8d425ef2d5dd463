"""The folder of a hardening: the plan, what became of each step, and how to take it back. Whole at any moment.

plan.json        the plan as it was agreed to
undo.json        the steps that were begun, with what was there before: written before each step is sent
journal.jsonl    what happened, line by line, in order
requests.jsonl   every request, with its answer, redacted
result.json      what became of the steps and of the controls: written last, so without it a hardening is unfinished
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aoai_lib.folder import new_run_id, write_durably
from aoai_lib.harden.plan import Plan, Step, read
from aoai_lib.model import Json

FOLDER: Final = "hardening"
"""Where a tenant's hardenings lie, beside its runs."""


class Journal:
    """One hardening's folder."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path = path
        self.plan = plan
        undo = path / "undo.json"
        self._begun: tuple[Step, ...] = open_undo(undo).steps if undo.is_file() else ()

    @classmethod
    def create(cls, out: Path, plan: Plan) -> Journal:
        """Make the folder of a new hardening and put the plan into it."""
        path = out / plan.tenant / FOLDER / new_run_id(datetime.now(UTC))
        path.mkdir(parents=True)
        write_durably(path / "plan.json", plan.text())
        return cls(path, plan)

    @classmethod
    def unfinished(cls, out: Path, tenant: str) -> Journal | None:
        """The tenant's hardening that was begun and not finished; None where there is none. Raises `InputError`."""
        folder = out / tenant / FOLDER
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            plan = path / "plan.json"
            if plan.is_file() and not (path / "result.json").is_file():
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
        """Add a line. It is on disk when this returns."""
        line = {"at": _now(), "step": what, "event": event, **({"sentence": sentence} if sentence else {})}
        with (self.path / "journal.jsonl").open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
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
