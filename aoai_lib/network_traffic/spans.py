"""Sets of whole numbers as sorted, disjoint, inclusive spans: ports, and addresses of one IP version as their numbers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

Spans = tuple[tuple[int, int], ...]
"""Neighbouring spans are joined, so that equal sets are equal tuples."""

PORTS: Final[Spans] = ((0, 65535),)
SPACE: Final[dict[int, Spans]] = {4: ((0, 2**32 - 1),), 6: ((0, 2**128 - 1),)}
"""All addresses by IP version."""


def joined(spans: Iterable[tuple[int, int]]) -> Spans:
    """The union of spans in any order."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return tuple(found)


def common(one: Spans, other: Spans) -> Spans:
    """What is in both."""
    return tuple(_overlaps(one, other))


def _overlaps(one: Spans, other: Spans) -> Iterator[tuple[int, int]]:
    here = there = 0
    while here < len(one) and there < len(other):
        first, last = max(one[here][0], other[there][0]), min(one[here][1], other[there][1])
        if first <= last:
            yield first, last
        if one[here][1] < other[there][1]:
            here += 1
        else:
            there += 1


def without(one: Spans, other: Spans) -> Spans:
    """What is in one and not in the other."""
    if not one or not other:
        return one
    gaps, start = [], one[0][0]
    for first, last in other:
        if first > start:
            gaps.append((start, first - 1))
        start = max(start, last + 1)
    if start <= one[-1][1]:
        gaps.append((start, one[-1][1]))
    return common(one, tuple(gaps))


def count(spans: Spans) -> int:
    """How many numbers there are."""
    return sum(last - first + 1 for first, last in spans)


@lru_cache(maxsize=8192)
def of_prefix(text: str) -> tuple[int, Spans] | None:
    """IP version and addresses of `10.0.0.4` or `10.0.0.0/24`; None where the text is neither."""
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None
    return network.version, ((int(network.network_address), int(network.broadcast_address)),)


@lru_cache(maxsize=1024)
def of_ports(text: str) -> Spans | None:
    """The ports of `443`, `80-90` or `*`; None where the text is none of them."""
    if text.strip().lower() in ("*", "any"):
        return PORTS
    first, dash, last = (part.strip() for part in text.partition("-"))
    ends = [first, last] if dash else [first, first]
    if not all(end.isascii() and end.isdigit() and len(end) <= 5 for end in ends):
        return None
    low, high = (int(end) for end in ends)
    return ((low, high),) if low <= high <= PORTS[0][1] else None


_ADDRESS: Final[dict[int, type[ipaddress.IPv4Address | ipaddress.IPv6Address]]] = {
    4: ipaddress.IPv4Address,
    6: ipaddress.IPv6Address,
}


def addresses_text(spans: Spans, version: int) -> str:
    """Addresses for a person: the widest range, and how many more there are beside it."""
    if spans == SPACE[version]:
        return "any address"
    ends = max(spans, key=lambda span: span[1] - span[0])
    first, last = (str(_ADDRESS[version](end)) for end in ends)
    size = ends[1] - ends[0] + 1
    if size == 1:
        text = first
    elif size & (size - 1) == 0 and ends[0] % size == 0:
        text = f"{first}/{_ADDRESS[version](0).max_prefixlen + 1 - size.bit_length()}"
    else:
        text = f"{first}–{last}"  # noqa: RUF001 - a dash between the ends of a range
    return f"{text} and {len(spans) - 1} more range(s)" if len(spans) > 1 else text


def ports_text(spans: Spans) -> str:
    """Ports for a person, up to three ranges of them."""
    if spans == PORTS:
        return "every port"
    shown = [str(first) if first == last else f"{first}–{last}" for first, last in spans[:3]]  # noqa: RUF001
    more = f" and {len(spans) - 3} more range(s)" if len(spans) > 3 else ""
    return f"port{'' if count(spans) == 1 else 's'} {', '.join(shown)}{more}"
