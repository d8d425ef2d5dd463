"""The plan of a hardening: steps, each one write to Azure, with what it rests on, what it changes and how it is taken back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from aoai_lib import strict_json
from aoai_lib.harden.wire import differences, holds, projected, writable
from aoai_lib.model import InputError, Json
from aoai_lib.text_file import read_text


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Request(_Record):
    """A write as it goes out: `path` below Resource Manager's endpoint, `body` None where none is sent."""

    method: Literal["PUT", "PATCH", "DELETE"]
    path: str = Field(pattern=r"^/(subscriptions|providers)(/[^/?#%\\\x00-\x20\x7f][^/?#%\\\x00-\x1f\x7f]*)+$")
    api_version: str
    body: Any = None

    @field_validator("path")
    @classmethod
    def _refuse_detours(cls, path: str) -> str:
        if any(step in (".", "..") for step in path.split("/")):
            raise ValueError("a path has no . and no ..")
        return path


class Check(_Record):
    """A question that must be answered well before a step, asked when it is to be taken: see `preflight`.

    `about` is an ARM id, mostly the account's. A person who accepts the risk names it as `name@account`.
    """

    name: str
    about: str

    @property
    def label(self) -> str:
        """How a person names it to accept the risk."""
        return f"{self.name}@{self.about.rpartition('/')[2]}"


class Step(_Record):
    """One write. `before` is what the plan saw there (None: nothing); `after` are ids of steps that must be done first.

    `read_only` are dotted paths that only the service sets. `undo` takes the step back; where it is None `undo_note` says why
    it can't be. `undo_while` must still hold at that time, so that what others added since is not lost; `undo_restores` are
    resources that the step replaced on the side, written again where they are gone. `patience` is how long, in seconds, the
    service may take to show what was written. `unproven` is a sentence on what reading it back does not show.
    """

    id: str
    control: str
    subject: str
    title: str
    effect: str
    permission: str
    request: Request
    before: Any = None
    read_only: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    after: tuple[str, ...] = ()
    undo: Request | None = None
    undo_note: str = ""
    undo_while: Any = None
    undo_restores: tuple[Request, ...] = ()
    patience: int = 120
    unproven: str = ""

    def seen(self, resource: Json) -> Json:
        """The part of a resource that this step would change or replace: what must be as the plan saw it."""
        if resource is None:
            return None
        whole = self.request.method != "PATCH"
        return writable(resource, self.read_only) if whole else projected(resource, self.request.body)

    def unchanged(self, resource: Json) -> bool:
        """Whether the resource is as the plan saw it."""
        return _same(self.seen(resource), self.before)

    def done(self, resource: Json) -> bool:
        """Whether the resource already is as this step would leave it."""
        if self.request.method == "DELETE":
            return resource is None
        return resource is not None and holds(resource, self.request.body)

    def undone(self, resource: Json) -> bool:
        """Whether the resource is (again) as it was before the step."""
        return self.unchanged(resource) or self._replaced(resource)

    def _replaced(self, resource: Json) -> bool:
        """Whether the resource holds what the undo writes. For a resource that was written whole this says nothing where the
        undo writes what was there before: what the step added would pass unnoticed.
        """
        if resource is None or self.undo is None or self.undo.body is None:
            return False
        telling = self.undo.method == "PATCH" or not _same(self.undo.body, self.before)
        return telling and holds(resource, self.undo.body)

    @property
    def changes(self) -> list[tuple[str, Json, Json]]:
        """The properties that change: dotted path, before, after."""
        if self.request.method == "DELETE":
            return list(differences(self.before or {}, {}))
        return list(differences(self.before or {}, self.request.body))


def _same(one: Json, other: Json) -> bool:
    return holds(one, other) and holds(other, one)


class Unplanned(_Record):
    """A failed control for which no step can be planned, and what a person has to do or to say first."""

    control: str
    subject: str
    reason: str


class Plan(_Record):
    """What is to be done to a tenant, in order."""

    schema_: Literal["aoai-playbook/plan/1"] = Field(default="aoai-playbook/plan/1", alias="schema")
    tenant: str
    tenant_id: str
    cloud: str
    as_of: str
    steps: tuple[Step, ...] = ()
    unplanned: tuple[Unplanned, ...] = ()

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)

    @property
    def digest(self) -> str:
        """Names the plan: the same steps on the same state have the same one."""
        return hashlib.sha256(self.text().encode()).hexdigest()[:12]

    def text(self) -> str:
        """The plan as a JSON document."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"

    @property
    def checks(self) -> dict[str, Check]:
        """Every question that a step of this plan hangs on, by its label."""
        return {check.label: check for step in self.steps for check in step.checks}


def read(path: Path, what: str) -> Plan:
    """The plan in a file that is `what`. Raises `InputError`."""
    return load(read_text(path, what), str(path))


def load(text: str, where: str) -> Plan:
    """A plan from its document. Raises `InputError`: also for what two readers could read in two ways."""
    try:
        strict_json.parse(text)
        return Plan.model_validate_json(text)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        at = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{where} is no plan of this playbook: {at}: {first['msg']}.") from None
    except ValueError as problem:
        raise InputError(f"{where} is no plan of this playbook: {problem}.") from None


def step_id(control: str, arm_id: str, verb: str = "") -> str:
    """A short id that a person can type: control, resource, and a digest that keeps two of one name apart."""
    digest = hashlib.sha256(f"{control}{verb}{arm_id.lower()}".encode()).hexdigest()[:6]
    return f"{control}:{arm_id.rpartition('/')[2]}:{digest}"


def in_order(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Steps so that each comes after those it needs; otherwise in the order in which they were planned.

    Raises `ValueError` for steps that wait for one another.
    """
    waiting, done, ordered = list(steps), set[str](), list[Step]()
    known = {step.id for step in waiting}
    while waiting:
        ready = next((step for step in waiting if known.isdisjoint(set(step.after) - done)), None)
        if ready is None:
            raise ValueError(f"steps wait for one another: {', '.join(step.id for step in waiting)}")
        waiting.remove(ready)
        done.add(ready.id)
        ordered.append(ready)
    return tuple(ordered)
