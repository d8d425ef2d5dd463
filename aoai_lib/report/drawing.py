"""The private path as a picture: boxes from the account to the networks that call it, each wrong one with its number and sentence."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from aoai_lib.private_path import EndpointPath, Link, LinkState, PrivatePath, ZonePath
from aoai_lib.report.figure import Figure, Tone, draw_named, wrapped
from aoai_lib.report.text import visible, words

BOX_WIDTH: Final = 128
_COLUMNS: Final = 7
_STEP: Final = BOX_WIDTH + 18
_LETTERS: Final = 17
_LINE: Final = 14
_WIDTH: Final = 16 + _COLUMNS * _STEP - 18
_PARTS: Final = re.compile(r"[^-._/]*[-._/]|[^-._/]+")
_MOST_LETTERS: Final = 260
"""Longer than any name in Azure: the longest, a zone's, has 253."""
ENDPOINTS_AT_MOST: Final = 8
NETWORKS_AT_MOST: Final = 12

_TONES: Final = {
    LinkState.OK: Tone.GOOD,
    LinkState.WEAK: Tone.WEAK,
    LinkState.UNKNOWN: Tone.UNKNOWN,
    LinkState.BROKEN: Tone.BAD,
}
_MARKS: Final = {LinkState.OK: "✓", LinkState.WEAK: "!", LinkState.UNKNOWN: "?", LinkState.BROKEN: "✗"}
_STATES: Final = {
    LinkState.OK: "is whole",
    LinkState.WEAK: "is whole, and less protected than it should be",
    LinkState.UNKNOWN: "is not fully known",
    LinkState.BROKEN: "is broken",
}


@dataclass(frozen=True, slots=True)
class Box:
    """A link as it is drawn: what it is, its name in as many lines as it takes, its mark with the number of its sentence."""

    x: int
    y: int
    height: int
    kind: str
    lines: tuple[str, ...]
    mark: str
    tone: Tone
    tip: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """What joins two boxes; (x, y) is its tip."""

    path: str
    x: int
    y: int
    tone: Tone


@dataclass(frozen=True, slots=True)
class Line:
    """Text outside the boxes."""

    y: int
    text: str
    strong: bool = False


@dataclass
class Drawing:
    """Boxes, arrows and lines laid out from the top down. `told` says the same in words."""

    title: str
    y: int = 14
    boxes: list[Box] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    faults: dict[tuple[LinkState, str], int] = field(default_factory=dict)

    def write(self, text: str, *, strong: bool = False) -> None:
        """A line of text, wrapped."""
        self.told.append(text)
        for part in wrapped([text], _WIDTH - 24):
            self.lines.append(Line(self.y + 12, part, strong))
            self.y += 17

    def row(self, chain: Sequence[Link], beside: Sequence[Link] = (), column: int = 0) -> None:
        """Boxes from a column on, joined by arrows, and then those that stand beside each other, in as many rows as they take."""
        self.told.append(
            ", ".join(f"{words(each.kind)} {_name(each)} {_MARKS[each.state]}" for each in (*chain, *beside))
        )
        top, first, at = self.y, column + len(chain), column
        for place, link in enumerate((*chain, *beside)):
            if at == _COLUMNS:
                at, top = first, self.y
            box = self._box(link, 8 + at * _STEP, top)
            if place and place <= len(chain):
                self.arrows.append(Arrow(f"M {box.x - 17} {top + 20} H {box.x - 2}", box.x - 2, top + 20, box.tone))
            at, self.y = at + 1, max(self.y, top + box.height + 10)

    def _box(self, link: Link, x: int, y: int) -> Box:
        mark = _MARKS[link.state]
        if link.state is not LinkState.OK:
            mark += f" {self.faults.setdefault((link.state, link.sentence), len(self.faults) + 1)}"
        lines = folded(_name(link))
        box = Box(x, y, 28 + _LINE * len(lines), words(link.kind), lines, mark, _TONES[link.state], link.sentence)
        self.boxes.append(box)
        return box

    def endpoint(self, account: Link, path: EndpointPath) -> None:
        """The way of the traffic in one row, then the way of the names: the zone group, and a row for each zone."""
        group = [link for link in path.chain if link.kind == "zone_group"]
        self.row([account, *(link for link in path.chain if link.kind != "zone_group")])
        if group and not path.zones:
            self.row(group)
        foot = self.y
        for place, zone in enumerate(path.zones):
            chain = [zone.zone, zone.record] if zone.existing else [zone.zone]
            beside = _networks(zone) if zone.existing else []
            if place:
                x, y = 8 + _STEP, self.y + 20
                self.arrows.append(Arrow(f"M {x - 9} {foot + 20} V {y} H {x - 2}", x - 2, y, _TONES[zone.zone.state]))
                self.row(chain, beside, column=1)
            else:
                self.row([*group, *chain], beside)

    def explain(self) -> None:
        """The sentences of the marks since the last time."""
        for (state, sentence), number in self.faults.items():
            self.write(f"{_MARKS[state]} {number}  {sentence}")
        self.faults.clear()
        self.y += 8

    def figure(self) -> Figure:
        """Everything drawn so far."""
        values = {"drawing": self, "width": _WIDTH, "height": self.y + 4, "box_width": BOX_WIDTH, "line": _LINE}
        return Figure(draw_named("path.svg.j2", values), "\n".join(visible(each) for each in self.told))


def _name(link: Link) -> str:
    return visible(link.name or words(link.kind), _MOST_LETTERS)


def _networks(zone: ZonePath) -> list[Link]:
    """The networks of a zone, the wrong ones first, as many as a picture bears."""
    order = list(reversed(LinkState))
    links = sorted(zone.networks, key=lambda link: order.index(link.state))
    more = links[NETWORKS_AT_MOST:]
    rest = (
        Link("networks", f"{len(more)} more", more[0].state, f"{len(more)} more networks are not drawn.")
        if more
        else None
    )
    return [*links[:NETWORKS_AT_MOST], *([rest] if rest else [])]


def folded(name: str) -> tuple[str, ...]:
    """A name in lines that fit into a box: broken at spaces, a longer word after its separators or else anywhere, never cut."""
    lines = [""]
    for word in re.findall(r" |[^ ]+", name):
        for part in [word] if _width(word) <= _LETTERS else _PARTS.findall(word):
            if lines[-1] and _width(lines[-1] + part) > _LETTERS:
                lines.append("")
            for letter in part:
                if _width(lines[-1] + letter) > _LETTERS:
                    lines.append("")
                lines[-1] += letter
    return tuple(lines)


def _width(text: str) -> float:
    """How wide a text is, in average letters."""
    wide = sum(letter.isupper() or letter in "mw@%" for letter in text)
    return len(text) + 0.4 * wide + sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)


def draw_path(path: PrivatePath) -> Figure:
    """The private path of one account: a block of rows for each of its connections, the worst first."""
    title = f"{path.name}: the private path {_STATES[path.state]}"
    drawing = Drawing(title)
    drawing.write(title, strong=True)
    drawing.y += 4
    worst_first = sorted(path.shown, key=lambda each: list(reversed(LinkState)).index(each.state))
    for endpoint in worst_first[:ENDPOINTS_AT_MOST]:
        if len(worst_first) > 1:
            drawing.y += 2
            drawing.write(
                f"The way over {_name(Link('endpoint', endpoint.name, endpoint.state, ''))} {_STATES[endpoint.state]}."
            )
        drawing.y += 4
        drawing.endpoint(path.account, endpoint)
        drawing.explain()
    if path.nothing is not None:
        drawing.row([path.account, path.nothing])
        drawing.explain()
    if len(worst_first) > ENDPOINTS_AT_MOST:
        drawing.write(f"{len(worst_first) - ENDPOINTS_AT_MOST} more connections are not drawn.")
    return drawing.figure()
