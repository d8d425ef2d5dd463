"""What a role's lists of actions allow: wildcards, notActions, and whether one list goes beyond another.

Actions compare without case, and `*` stands for any text, slashes included (Microsoft Learn, "Understand Azure role
definitions", read 2026-11). `notActions` are subtracted within one permission block; blocks and roles add up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

COGNITIVE_SERVICES: Final = "microsoft.cognitiveservices/"


@lru_cache(maxsize=16384)
def matches(pattern: str, action: str) -> bool:
    """Whether a pattern stands for an action. A `*` in `action` is taken as a character, which makes this `covers` too."""
    head, *rest = pattern.lower().split("*")
    action = action.lower()
    if not rest:
        return head == action
    *middle, tail = rest
    if not action.startswith(head) or not action.endswith(tail):
        return False
    position, end = len(head), len(action) - len(tail)
    for part in middle:
        found = action.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return position <= end


def covers(patterns: Iterable[str], other: str) -> bool:
    """Whether one of the patterns stands for everything that `other`, itself a pattern, stands for."""
    return any(matches(pattern, other) for pattern in patterns)


def narrowed(pattern: str) -> str:
    """The part of a pattern that lies in Microsoft.CognitiveServices, lower-cased; "" where it reaches nothing there."""
    pattern = pattern.lower()
    if pattern.startswith(COGNITIVE_SERVICES):
        return pattern
    head, star, _ = pattern.partition("*")
    return COGNITIVE_SERVICES + pattern[len(head) :] if star and COGNITIVE_SERVICES.startswith(head) else ""


@dataclass(frozen=True)
class Permission:
    """One permission block of a role or of a deny assignment. `condition`: what the service asks for besides the role."""

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()
    condition: str = ""

    def plane(self, data: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What is granted and what is taken from it: of data actions, or of management actions."""
        return (self.data_actions, self.not_data_actions) if data else (self.actions, self.not_actions)

    @cached_property
    def _sorted(self) -> tuple[_Patterns, ...]:
        """Both planes, what is granted and what is taken, ready for many questions."""
        return tuple(_Patterns.of(patterns) for data in (False, True) for patterns in self.plane(data))

    def allows(self, action: str, data: bool = False) -> bool:
        """Whether the block holds an action."""
        granted, taken = self._sorted[2:] if data else self._sorted[:2]
        action = action.lower()
        return granted.match(action) and not taken.match(action)

    def reach(self, data: bool) -> Iterator[tuple[str, str]]:
        """The patterns of a plane that reach Microsoft.CognitiveServices, and their part in it, less what is taken whole."""
        granted, taken = self.plane(data)
        return ((each, part) for each in granted if (part := narrowed(each)) and not covers(taken, part))


@dataclass(frozen=True, slots=True)
class _Patterns:
    """Patterns told apart, lower-cased: most actions of a role have no `*` and are found by looking them up."""

    plain: frozenset[str]
    wild: tuple[str, ...]

    @classmethod
    def of(cls, patterns: Iterable[str]) -> _Patterns:
        known = {pattern.lower() for pattern in patterns}
        wild = tuple(sorted(pattern for pattern in known if "*" in pattern))
        return cls(frozenset(known.difference(wild)), wild)

    def match(self, action: str) -> bool:
        """Whether one of them stands for a lower-cased action."""
        return action in self.plain or any(matches(pattern, action) for pattern in self.wild)


def excess(permissions: Sequence[Permission], reference: Sequence[Permission]) -> list[tuple[str, bool]]:
    """The patterns, and whether of data actions, by which a role goes beyond a reference role in Cognitive Services.

    A pattern that the reference holds only in pieces counts as beyond it. What the reference explicitly takes back
    counts too.
    """
    beyond = []
    for data in (False, True):
        allowed = [pattern for block in reference for pattern in block.plane(data)[0]]
        beyond += [(part, data) for block in permissions for _, part in block.reach(data) if not covers(allowed, part)]
        withheld = {each.lower() for block in reference for each in block.plane(data)[1]}
        beyond += [
            (each, data)
            for each in sorted(withheld)
            if any(block.allows(each, data) for block in permissions)
            and not any(block.allows(each, data) for block in reference)
        ]
    return beyond


def reckless(permissions: Sequence[Permission]) -> list[str]:
    """The wildcards, as the role spells them, that reach Microsoft.CognitiveServices. One that only reads settings (`…/read`) is not counted."""
    return [
        each
        for block in permissions
        for data in (False, True)
        for each, part in block.reach(data)
        if "*" in part and (data or not part.endswith("/read"))
    ]
