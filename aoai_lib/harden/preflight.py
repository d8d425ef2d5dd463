"""Questions that must be answered well before a step is taken: asked of the tenant as it is then, not as it was planned.

Each is a pure function of a fresh snapshot. A check that can't be answered is not good: nobody was shown that it is safe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aoai_lib.harden.plan import Check
from aoai_lib.harden.remedies import import_declarations
from aoai_lib.model import InputError, Snapshot


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a check is good, the sentence that says why, and lines to read with it (callers, names)."""

    good: bool
    sentence: str
    listed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preflight:
    """A check as declared: what it asks for a person, which parts of `collect` it needs, and how it is answered."""

    name: str
    question: str
    reads: tuple[str, ...]
    answer: Callable[[Snapshot, str], Answer]


_declared: Final[dict[str, Preflight]] = {}


def preflight(
    name: str, question: str, reads: tuple[str, ...] = ()
) -> Callable[[Callable[[Snapshot, str], Answer]], Callable[[Snapshot, str], Answer]]:
    """Declare a check. The function takes a snapshot and the ARM id that the check is about."""

    def declare(answer: Callable[[Snapshot, str], Answer]) -> Callable[[Snapshot, str], Answer]:
        _declared[name] = Preflight(name, question, reads, answer)
        return answer

    return declare


def find(check: Check) -> Preflight:
    """The declaration of a check. Raises `InputError` for a name that nobody declared: the plan is not this version's."""
    import_declarations()
    if check.name not in _declared:
        raise InputError(
            f"The plan asks for the check “{check.name}”, which this version does not know: make a new plan."
        )
    return _declared[check.name]


def answer(check: Check, snapshot: Snapshot) -> Answer:
    """Answer a check on a snapshot."""
    return find(check).answer(snapshot, check.about)
