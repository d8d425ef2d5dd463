"""A link of the private path: what it is, how far it can be relied on, and the sentence that says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeVar

from aoai_lib.facts import NotCollectedError, UnexpectedShapeError

Problem = NotCollectedError | UnexpectedShapeError
"""Why something is not known."""

T = TypeVar("T")


class LinkState(StrEnum):
    """How far a link can be relied on. WEAK carries traffic and protects less than it should."""

    OK = "ok"
    WEAK = "weak"
    UNKNOWN = "unknown"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Link:
    """One thing on the path. `kind` says which, as in `zone_group`; `id` is its ARM id where it has one; `problem` is why an
    unknown one is unknown, where that is something that could not be read."""

    kind: str
    name: str
    state: LinkState
    sentence: str
    id: str = ""
    problem: Problem | None = field(default=None, compare=False, repr=False)


def ok(kind: str, name: str, sentence: str, arm_id: str = "") -> Link:
    return Link(kind, name, LinkState.OK, sentence, arm_id)


def weak(kind: str, name: str, sentence: str, arm_id: str = "") -> Link:
    return Link(kind, name, LinkState.WEAK, sentence, arm_id)


def broken(kind: str, name: str, sentence: str, arm_id: str = "") -> Link:
    return Link(kind, name, LinkState.BROKEN, sentence, arm_id)


def unknown(kind: str, name: str, problem: Problem | str, arm_id: str = "") -> Link:
    """A link of which a reading or its form kept back what it is, or a sentence why nothing can be concluded."""
    if isinstance(problem, str):
        return Link(kind, name, LinkState.UNKNOWN, problem, arm_id)
    return Link(kind, name, LinkState.UNKNOWN, f"{str(problem).rstrip('.')}.", arm_id, problem)


def found_out(kind: str) -> Callable[[Callable[[Any], Link]], cached_property[Link]]:
    """Make a method a link that is found out once, when it is first looked at, and is unknown where the method raises.

    The method's object has a `name`, which is then the link's.
    """

    def declare(find: Callable[[Any], Link]) -> cached_property[Link]:
        def look(owner: Any) -> Link:
            try:
                return find(owner)
            except (NotCollectedError, UnexpectedShapeError) as problem:
                return unknown(kind, owner.name, problem)

        return cached_property(look)

    return declare


def gathered(items: Iterator[T]) -> tuple[list[T], Problem | None]:
    """What comes of an iterator until it ends or raises, and what it raised."""
    found: list[T] = []
    try:
        for item in items:
            found.append(item)
    except (NotCollectedError, UnexpectedShapeError) as problem:
        return found, problem
    return found, None


def known(find: Callable[[], T], otherwise: T) -> T:
    """What `find` finds; something else where that can't be known and would only have told or excused more."""
    try:
        return find()
    except (NotCollectedError, UnexpectedShapeError):
        return otherwise


def worst(links: Iterable[Link]) -> LinkState:
    """Broken where any link is, else unknown, else weak; ok where all are."""
    states = {link.state for link in links}
    return next((state for state in reversed(LinkState) if state in states), LinkState.OK)
