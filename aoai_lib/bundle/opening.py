"""Opening the folder of a run. Whatever is in it may have been changed by somebody: it is read as data and never obeyed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter, ValidationError

from aoai_lib import strict_json
from aoai_lib.evidence import snapshots
from aoai_lib.evidence.seal import SUMS
from aoai_lib.evidence.store import Exchange, is_address, read_lines
from aoai_lib.model import InputError, Json, Phase, Snapshot
from aoai_lib.parameters import Parameters, parse
from aoai_lib.report import changes, findings, shapes
from aoai_lib.run import CHAPTERS, EVERYTHING, Run
from aoai_lib.text_file import brief, is_folder

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
        return self._document("run.json", "aoai-playbook/run/1", shapes.About)

    @cached_property
    def document(self) -> dict[str, Any]:
        """`findings.json`."""
        return self._document("findings.json", "aoai-playbook/findings/1", shapes.Findings)

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
        return snapshots.load(self.json("snapshot.json"))

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
            line = _exchange(record)
            if line is None:
                raise InputError(f"{self.path / EVIDENCE}, line {number}, is no line of evidence.")
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

    def _document(self, name: str, schema: str, shape: type[BaseModel]) -> dict[str, Any]:
        found = self.json(name)
        if not isinstance(found, dict) or found.get("schema") != schema:
            raise InputError(f"{self.path / name} is none of this playbook's: its schema should be {schema}.")
        shapes.check(shape, found, str(self.path / name))
        return found

    def cells(self, name: str) -> list[dict[str, Any]]:
        """The cells of a notebook, of the form that Jupyter documents."""
        import nbformat

        found = self.json(name)
        shapes.check(shapes.Notebook, found, str(self.path / name))
        try:
            nbformat.validate(found, relax_add_props=False)
        except nbformat.ValidationError as problem:
            raise InputError(f"{self.path / name} is no notebook: {str(problem).splitlines()[0]}.") from None
        cells: list[dict[str, Any]] = found["cells"]
        return cells

    def content(self, name: str, most: int) -> bytes:
        """A file as it is; of one that is longer, an octet more than so many: whoever sealed it chose how long it is."""
        try:
            with (self.path / name).open("rb") as file:
                return file.read(most + 1)
        except OSError as problem:
            raise InputError(f"{self.path / name} can't be read: {problem.strerror}.") from None

    def holds(self, name: str, content: bytes) -> bool:
        """Whether a file is, octet by octet, that."""
        return self.content(name, len(content)) == content

    def json(self, name: str) -> Json:
        """What a JSON file holds."""
        return strict_json.read(self.path / name, f"the {name} of a run")


_LINE: Final = TypeAdapter(Exchange)


def _exchange(record: dict[str, Json]) -> Exchange | None:
    """The line of evidence in a record; None where that is none."""
    if not record.keys() <= {each.name for each in fields(Exchange)} or not is_address(record.get("url")):
        return None
    try:
        return _LINE.validate_python(record)
    except ValidationError:
        return None


def open_bundle(path: Path) -> Bundle:
    """The bundle in a folder. Raises `InputError` where that is no run's folder."""
    if not is_folder(path):
        raise InputError(f"{brief(path)} is no folder: name a run's, as in outputs/<tenant>/<run id>.")
    if not any((path / name).exists() for name in ("run.json", SUMS, EVIDENCE)):
        raise InputError(f"{path} is no run's folder: there is no run.json, no {SUMS} and no {EVIDENCE} in it.")
    return Bundle(path)
