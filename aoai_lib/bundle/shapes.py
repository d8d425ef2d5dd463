"""The shapes of what a run's files hold. A bundle may come from anybody: what is of another shape is refused before it is used."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, TypeAdapter, ValidationError

from aoai_lib.evidence.store import Exchange
from aoai_lib.model import InputError, Kind, Phase, Reading, Severity, Status


def _is_moment(text: str) -> str:
    """ISO 8601 with its zone."""
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("this time names no zone")
    return text


Moment = Annotated[str, AfterValidator(_is_moment)]


def is_address(text: str) -> bool:
    """Whether a text can be taken apart as a URL is."""
    try:
        urlsplit(text)
    except ValueError:
        return False
    return True


class Seen(BaseModel):
    """One observed value."""

    path: str
    value: Any
    evidence: list[str]
    absent: bool = False


class Accepted(BaseModel):
    """The waiver beside a finding."""

    reason: str
    owner: str
    expires: str
    ticket: str
    state: Literal["active", "expired"]


class Entry(BaseModel):
    """One finding."""

    control: str
    title: str
    phase: Phase
    severity: Severity
    status: Status
    subject: str
    subject_kind: Kind
    reason: str
    observed: list[Seen]
    frameworks: dict[str, list[str]]
    remediation: str
    waiver: Accepted | None


class Findings(BaseModel):
    """`findings.json`."""

    run_id: str
    tenant: str
    generated_at: Moment
    catalogue_version: str
    counts: dict[str, Any]
    findings: list[Entry]


class About(BaseModel):
    """`run.json`, as far as it is used."""

    run_id: str
    tenant: str
    tool_version: str
    chapters: list[str]
    problems: list[str]
    parameters: dict[str, Any]


def check(found: object, shape: TypeAdapter[Any], where: str) -> None:
    """Raise `InputError`, which says what is wrong where, unless something read from a file is of a shape."""
    try:
        shape.validate_python(found)
    except ValidationError as problem:
        first = problem.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{where} is damaged{f' at {place}' if place else ''}: {first['msg']}.") from None


FINDINGS: Final = TypeAdapter(Findings)
ABOUT: Final = TypeAdapter(About)
READINGS: Final = TypeAdapter(list[Reading])
LINE: Final = TypeAdapter(Exchange)
