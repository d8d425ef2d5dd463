"""Rules applied by priority to all traffic at once, so that the answer is exact and not a sample.

What can't be resolved (a service tag's addresses, say) is a `Condition`: it may hold or not. Traffic is decided only where
every way in which the open conditions can turn out ends in the same action; the same condition in two rules turns out the
same in both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Final

from aoai_lib.network_traffic.spans import PORTS, Spans, common, joined, without

PROTOCOLS: Final = ("Tcp", "Udp", "Icmp", "Esp", "Ah")
"""What a rule can name (API 2025-05-01); `*` is all of them."""

WITH_PORTS: Final = frozenset({"Tcp", "Udp"})
"""For the others a port means nothing."""

Condition = tuple[str, bool]
"""What something hangs on, as words for a person, and which way it would have to turn out."""


class Outcome(StrEnum):
    """What becomes of traffic."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Part:
    """Traffic that a rule matches, each side with each other, if all conditions hold."""

    sources: Spans
    source_ports: Spans
    ports: Spans
    conditions: frozenset[Condition] = frozenset()


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it concerns one destination. It matches what any of its parts matches; none = nothing."""

    name: str
    priority: int
    allows: bool
    protocols: frozenset[str]
    parts: tuple[Part, ...]
    protocol: str = "*"


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of some traffic. `rules` decide it: the last for certain, those before it if what `hangs_on` names turns
    out so. `otherwise` is whether it is allowed if none of that does. No two decisions speak of the same traffic."""

    sources: Spans
    source_ports: Spans
    ports: Spans
    outcome: Outcome
    rules: tuple[Rule, ...]
    hangs_on: frozenset[str] = frozenset()
    otherwise: bool = False


@dataclass(frozen=True, slots=True)
class _Piece:
    """Traffic on its way down the rules: `actions` that may have befallen it by `rules`, if conditions not `known` to fail hold."""

    source_ports: Spans
    ports: Spans
    known: frozenset[Condition] = frozenset()
    actions: frozenset[bool] = frozenset()
    rules: tuple[int, ...] = ()
    hangs_on: frozenset[str] = frozenset()
    otherwise: bool = False


_Pieces = dict[_Piece, Spans]


def decide(rules: tuple[Rule, ...], protocol: str, space: Spans) -> tuple[Decision, ...]:
    """What becomes of every packet of a protocol from these sources. `rules` are in the order of their priority."""
    return _decide(tuple(rule for rule in rules if protocol in rule.protocols), space)


@lru_cache(maxsize=512)
def _decide(rules: tuple[Rule, ...], space: Spans) -> tuple[Decision, ...]:
    pieces: _Pieces = {_Piece(PORTS, PORTS): space}
    done: _Pieces = {}
    for number, rule in enumerate(rules):
        for part in rule.parts:
            pieces = _apply(part, number, rule.allows, pieces, done)
    for piece, sources in pieces.items():
        # Azure ends every group with a rule for all traffic: where none is left, the answer was not whole.
        _add(done, replace(piece, actions=frozenset({True, False}), hangs_on=piece.hangs_on | {_NO_RULE}), sources)
    return tuple(
        Decision(
            sources,
            piece.source_ports,
            piece.ports,
            _outcome(piece.actions),
            tuple(rules[number] for number in piece.rules),
            piece.hangs_on if len(piece.actions) > 1 else frozenset(),
            piece.otherwise,
        )
        for piece, sources in done.items()
    )


_NO_RULE: Final = "a rule that the security group does not show"


def _outcome(actions: frozenset[bool]) -> Outcome:
    if len(actions) > 1:
        return Outcome.UNKNOWN
    return Outcome.ALLOWED if True in actions else Outcome.DENIED


def _apply(part: Part, number: int, allows: bool, pieces: _Pieces, done: _Pieces) -> _Pieces:
    """Let one part of a rule act on what has come down to it. Returns what goes on; what is decided goes to `done`."""
    left: _Pieces = {}
    for piece, sources in pieces.items():
        struck = common(sources, part.sources)
        source_ports = common(piece.source_ports, part.source_ports)
        ports = common(piece.ports, part.ports)
        fails = any((label, not holds) in piece.known for label, holds in part.conditions)
        if fails or not (struck and source_ports and ports):
            _add(left, piece, sources)
            continue
        _add(left, piece, without(sources, part.sources))
        _add(left, replace(piece, source_ports=without(piece.source_ports, part.source_ports)), struck)
        _add(left, replace(piece, source_ports=source_ports, ports=without(piece.ports, part.ports)), struck)
        inside = replace(
            piece,
            source_ports=source_ports,
            ports=ports,
            actions=piece.actions | {allows},
            rules=piece.rules if number in piece.rules else (*piece.rules, number),
        )
        open_ = part.conditions - piece.known
        if not open_:
            _add(done, replace(inside, known=frozenset(), otherwise=allows), struck)
            continue
        # Whoever goes on is someone for whom the conditions did not hold; of several nobody knows which one.
        learned = frozenset((label, not holds) for label, holds in open_) if len(open_) == 1 else frozenset()
        labels = inside.hangs_on | {label for label, _ in open_}
        _add(left, replace(inside, known=inside.known | learned, hangs_on=labels), struck)
    return left


def _add(pieces: _Pieces, piece: _Piece, sources: Spans) -> None:
    if sources and piece.source_ports and piece.ports:
        pieces[piece] = joined((*pieces[piece], *sources)) if piece in pieces else sources
