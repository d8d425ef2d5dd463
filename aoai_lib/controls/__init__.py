"""The catalogue: every control, declared in one place, in the module of its phase.

A control is a decorated pure function from `Facts` to a `Verdict`. Everything that belongs to it stands in the decorator.
The modules of this package are found by iterating the folder: a new one needs no registration.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from aoai_lib.facts import Facts
from aoai_lib.frameworks import Clause
from aoai_lib.model import PHASE_OF_PREFIX, Json, Kind, Phase, PlaybookError, Severity, Status


class CatalogueError(PlaybookError):
    """A control is declared wrongly; the package refuses to import."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a control concludes, and the sentence that says why to a client."""

    status: Status
    reason: str


def passes(reason: str) -> Verdict:
    """The subject is as it should be."""
    return Verdict(Status.PASS, reason)


def fails(reason: str) -> Verdict:
    """The subject is not as it should be."""
    return Verdict(Status.FAIL, reason)


def not_applicable(reason: str) -> Verdict:
    """The question does not arise for this subject."""
    return Verdict(Status.NOT_APPLICABLE, reason)


def not_assessed(reason: str) -> Verdict:
    """What was read does not allow a conclusion."""
    return Verdict(Status.NOT_ASSESSED, reason)


@dataclass(frozen=True, slots=True)
class Break:
    """A smallest change to the hardened sample that must make a control fail.

    `changes` maps a path (`source.property[0].property`; `[+]` appends; `[name=x]` selects; `requirements.x` changes a
    requirement) to the new value, ABSENT removes. `also` names controls that rightly fail with it.
    """

    changes: Mapping[str, Json]
    also: frozenset[str] = frozenset()


def breaking(changes: Mapping[str, Json], *also: str) -> Break:
    """A break that other controls rightly notice too."""
    return Break(changes, frozenset(also))


@dataclass(frozen=True, slots=True)
class Control:
    """One control as declared."""

    id: str
    title: str
    severity: Severity
    subject: Kind
    maps: tuple[Clause, ...]
    remediation: str
    breaks: tuple[Break, ...]
    judge: Callable[[Facts], Verdict]

    @property
    def phase(self) -> Phase:
        """The phase that the prefix of the id names."""
        return PHASE_OF_PREFIX[self.id[:3]]

    @property
    def intent(self) -> str:
        """What the control looks at and why: its docstring."""
        return (self.judge.__doc__ or "").strip()


_ID: Final = re.compile(r"(NET|IAM|CNT|MON|GOV)-\d\d")
_declared: dict[str, Control] = {}


def control(
    id: str,  # noqa: A002 - the field's own word
    *,
    title: str,
    severity: Severity,
    subject: Kind,
    maps: Sequence[tuple[Clause, ...]],
    remediation: str,
    breaks: Sequence[Mapping[str, Json] | Break],
) -> Callable[[Callable[[Facts], Verdict]], Callable[[Facts], Verdict]]:
    """Declare a control. `breaks` are tried by the contract test, one by one, on the hardened sample."""

    def declare(judge: Callable[[Facts], Verdict]) -> Callable[[Facts], Verdict]:
        if not _ID.fullmatch(id):
            raise CatalogueError(f"{id} is no control id: write NET-01, IAM-01, CNT-01, MON-01 or GOV-01")
        if id in _declared:
            raise CatalogueError(f"{id} is declared twice")
        if not (title and remediation and breaks and judge.__doc__):
            raise CatalogueError(f"{id} needs a title, a remediation, a docstring and at least one break")
        tried = tuple(each if isinstance(each, Break) else Break(each) for each in breaks)
        clauses = tuple(clause for group in maps for clause in group)
        _declared[id] = Control(id, title, severity, subject, clauses, remediation, tried, judge)
        return judge

    return declare


@cache
def catalogue() -> tuple[Control, ...]:
    """All controls, by phase and number."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    order = list(PHASE_OF_PREFIX)
    return tuple(sorted(_declared.values(), key=lambda each: (order.index(each.id[:3]), each.id)))


@cache
def catalogue_version() -> str:
    """A digest of the control modules and the detections: two runs with the same one judged by the same rules."""
    digest = hashlib.sha256()
    own = Path(__file__).parent
    for module in (*sorted(own.glob("*.py")), *sorted((own.parent / "detections" / "files").glob("*.yaml"))):
        digest.update(module.name.encode() + b"\0" + module.read_bytes())
    return digest.hexdigest()[:12]
