"""What the files of a run must look like to be read at all. Whoever holds a folder may have changed them, seal and all.

Members beyond these may stand there: a later version may write more.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, StrictBool, StrictInt, ValidationError

from aoai_lib.model import InputError, Json, Phase, Severity, Status


def _instant(text: str) -> str:
    """A time with its zone, or the nothing that a run without an answer has."""
    if text and datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a time needs its zone")
    return text


Instant = Annotated[str, AfterValidator(_instant)]


class ObservedValue(BaseModel):
    """A value that a verdict rests on, with the lines it came from."""

    path: str
    value: Any
    evidence: list[str]
    absent: StrictBool = False


class Acceptance(BaseModel):
    """The waiver of a finding."""

    reason: str
    owner: str
    expires: str
    ticket: str
    state: str


class Entry(BaseModel):
    """A finding of `findings.json`."""

    control: str
    title: str
    phase: Phase
    severity: Severity
    status: Status
    subject: str
    subject_kind: str
    reason: str
    observed: list[ObservedValue]
    frameworks: dict[str, list[str]]
    remediation: str
    waiver: Acceptance | None


class Counts(BaseModel):
    """How many findings there are."""

    by_status: dict[Status, StrictInt]
    by_phase: dict[Phase, dict[Status, StrictInt]]
    failed_by_severity: dict[Severity, StrictInt]
    failed_by_waiver: dict[str, StrictInt] = {}


class Findings(BaseModel):
    """`findings.json`."""

    run_id: str
    tenant: str
    generated_at: Instant
    catalogue_version: str
    counts: Counts
    findings: list[Entry]


class About(BaseModel):
    """`run.json`, as far as anything is done with it."""

    run_id: str
    tenant: str
    tenant_id: str
    cloud: str
    as_of: Instant
    parameters: dict[str, Any]
    chapters: list[str]
    tool_version: str
    problems: list[str]


class Previous(BaseModel):
    """The run that a `changes.json` compares with."""

    run_id: str
    as_of: Instant
    catalogue_version: str
    seal: str


class Unused(BaseModel):
    """A run that was passed over."""

    run_id: str
    why: str


class FindingRow(BaseModel):
    """What became of a finding."""

    change: str
    control: str
    title: str
    severity: Severity
    subject: str
    was: Status | Literal[""]
    now: Status | Literal[""]
    reason: str
    since: str
    by_rules: StrictBool


class PropertyRow(BaseModel):
    """What became of a property."""

    resource: str
    path: str
    before: Any
    after: Any
    note: str


class Changes(BaseModel):
    """`changes.json`."""

    run_id: str
    tenant: str
    previous: Previous | None
    passed_over: list[Unused]
    remarks: list[str]
    findings: list[FindingRow]
    properties: list[PropertyRow]


class _Closed(BaseModel):
    """What else stands there was not written by the playbook, and libraries that render a notebook would obey it."""

    model_config = ConfigDict(extra="forbid", strict=True)


class CellAbout(_Closed):
    """What is told beside a cell."""

    tags: list[str] = []
    papermill: dict[str, Any] = {}
    execution: dict[str, str] = {}


class Cell(_Closed):
    """A cell of a notebook; its outputs are for nbformat's own schema."""

    cell_type: Literal["markdown", "code"]
    id: str
    metadata: CellAbout
    source: str | list[str]
    outputs: list[dict[str, Any]] = []
    execution_count: int | None = None


class Language(_Closed):
    """What ran a notebook, as ipykernel tells it: by these names its code is coloured."""

    name: Literal["python"]
    version: str
    mimetype: Literal["text/x-python"]
    file_extension: Literal[".py"]
    pygments_lexer: Literal["ipython3"]
    nbconvert_exporter: Literal["python"]
    codemirror_mode: dict[str, str | int]


class NotebookAbout(_Closed):
    """What is told beside the cells of a notebook."""

    kernelspec: dict[str, str]
    language_info: Language
    papermill: dict[str, Any]


class Notebook(_Closed):
    """A notebook that was executed for a run."""

    nbformat: Literal[4]
    nbformat_minor: Literal[5]
    metadata: NotebookAbout
    cells: list[Cell]


def check(form: type[BaseModel], found: Json, where: str) -> None:
    """Raise `InputError` unless a value has that form. It stays as it is: nothing is turned into another type."""
    try:
        form.model_validate(found)
    except ValidationError as problem:
        raise InputError(f"{where} is damaged: {first(problem)}.") from None


def first(problem: ValidationError) -> str:
    """The first thing that is wrong: where, and what, without the value."""
    detail = problem.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(str(step)[:60] for step in detail['loc'])}: {detail['msg']}"
