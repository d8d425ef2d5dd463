"""Opening the folder of a run. Whatever is in it may have been changed by somebody: it is read as data and never obeyed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from aoai_lib.bundle import shapes
from aoai_lib.evidence import snapshots
from aoai_lib.evidence.seal import SUMS
from aoai_lib.evidence.store import Exchange, once, read_lines
from aoai_lib.model import InputError, Json, Phase, Snapshot
from aoai_lib.parameters import Parameters, parse
from aoai_lib.report import changes, findings
from aoai_lib.run import CHAPTERS, EVERYTHING, Run

EVIDENCE: Final = "requests.jsonl"
CHANGES: Final = "changes.json"


@dataclass(frozen=True)
class Bundle:
    """The folder of one run. Each part is read when it is first asked for, and raises `InputError` where it is damaged."""

    path: Path

    @property
    def is_finished(self) -> bool:
        """Whether the run was sealed."""
        return (self.path / SUMS).is_file()

    @cached_property
    def about(self) -> Mapping[str, Json]:
        """`run.json`."""
        return self._document("run.json", "aoai-playbook/run/1", shapes.ABOUT)

    @cached_property
    def document(self) -> dict[str, Any]:
        """`findings.json`."""
        return self._document("findings.json", "aoai-playbook/findings/1", shapes.FINDINGS)

    @cached_property
    def findings(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The findings by control and lower-cased subject."""
        return {(each["control"], str(each["subject"]).lower()): each for each in self.document["findings"]}

    @cached_property
    def judged(self) -> dict[str, Any]:
        """What `findings.json` is when the snapshot is judged again, by the installed catalogue."""
        again = findings.document(self.run(), self.document["generated_at"])
        judged: dict[str, Any] = json.loads(json.dumps(again))
        return judged

    @cached_property
    def snapshot(self) -> Snapshot:
        """What was judged."""
        found = self.json("snapshot.json")
        loaded = snapshots.load(found)
        shapes.check(found["readings"], shapes.READINGS, str(self.path / "snapshot.json"))
        return loaded

    @cached_property
    def changes(self) -> dict[str, Any]:
        """`changes.json`; a run that was made before there was one is compared with none."""
        path = self.path / CHANGES
        if not path.exists():
            return changes.without_earlier(str(self.about.get("run_id")), str(self.document["tenant"]))
        return changes.read(self.json(CHANGES), str(path))

    @cached_property
    def parameters(self) -> Parameters:
        """With what the run was started."""
        return parse(self.about.get("parameters") or {})

    @cached_property
    def lines(self) -> dict[str, list[Exchange]]:
        """The evidence by line id. An id stands for one line; where a file was tampered with there may be more."""
        found: dict[str, list[Exchange]] = {}
        for number, record in read_lines(self.path / EVIDENCE):
            shapes.check(record, shapes.LINE, f"{self.path / EVIDENCE}, line {number},")
            line = Exchange(**record)
            if not shapes.is_address(line.url):
                raise InputError(f"{self.path / EVIDENCE}, line {number}, is damaged at url: this is no address.")
            found.setdefault(line.id, []).append(line)
        return found

    @property
    def reads(self) -> set[str]:
        """The modules of `collect` that the run's notebooks needed."""
        chapters = self.about.get("chapters") or ()
        return {name for each in CHAPTERS if each.name in chapters for name in each.reads} or set(EVERYTHING)

    @property
    def phases(self) -> set[Phase]:
        """The phases that the run was about."""
        chapters = self.about.get("chapters") or ()
        return {phase for each in CHAPTERS if each.name in chapters for phase in each.phases} or set(Phase)

    def run(self) -> Run:
        """The run as a notebook opens it: what was judged can be judged again."""
        return Run(self.parameters, self.snapshot, run_id=str(self.about.get("run_id", "")))

    def _document(self, name: str, schema: str, shape: TypeAdapter[Any]) -> dict[str, Any]:
        found = self.json(name)
        if not isinstance(found, dict) or found.get("schema") != schema:
            raise InputError(f"{self.path / name} is none of this playbook's: its schema should be {schema}.")
        shapes.check(found, shape, str(self.path / name))
        return found

    def cells(self, name: str) -> list[dict[str, Any]]:
        """The cells of a notebook, of the form that Jupyter documents."""
        import nbformat

        found = self.json(name)
        try:
            nbformat.validate(found)
        except nbformat.ValidationError as problem:
            raise InputError(f"{self.path / name} is no notebook: {str(problem).splitlines()[0]}.") from None
        cells: list[dict[str, Any]] = found["cells"]
        return cells

    def text(self, name: str) -> str:
        """A file as text, its line ends as they are."""
        try:
            with (self.path / name).open(encoding="utf-8", newline="") as file:
                return file.read()
        except (OSError, ValueError) as problem:
            raise InputError(f"{self.path / name} can't be read: {problem}.") from None

    def json(self, name: str) -> Json:
        """A JSON file. One that says a name twice in one object is none: programs differ in which of the two they take."""
        try:
            return json.loads(self.text(name), object_pairs_hook=once)
        except (ValueError, RecursionError) as problem:
            raise InputError(f"{self.path / name} can't be read: {problem}.") from None


def open_bundle(path: Path) -> Bundle:
    """The bundle in a folder. Raises `InputError` where that is no run's folder."""
    if not path.is_dir():
        raise InputError(f"{path} is no folder: name a run's, as in outputs/<tenant>/<run id>.")
    if not any((path / name).exists() for name in ("run.json", SUMS, EVIDENCE)):
        raise InputError(f"{path} is no run's folder: there is no run.json, no {SUMS} and no {EVIDENCE} in it.")
    return Bundle(path)
