"""The private path as a picture: a chain of boxes from the account to the networks that resolve it, the broken link marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from aoai_lib.private_path import EndpointPath, Link, LinkState, PrivatePath
from aoai_lib.report.figure import Figure, Tone, draw_named, wrapped
from aoai_lib.report.text import visible, words

BOX_WIDTH: Final = 166
BOX_HEIGHT: Final = 46
_STEP: Final = BOX_WIDTH + 26
_ROW: Final = BOX_HEIGHT + 14
_INDENT: Final = 28
_LETTERS: Final = 23
_WIDEST: Final = 6
"""Boxes in a row; what does not fit goes into the next."""

_TONES: Final = {LinkState.OK: Tone.GOOD, LinkState.BROKEN: Tone.BAD, LinkState.UNKNOWN: Tone.UNKNOWN}
_SIGNS: Final = {LinkState.OK: "✓", LinkState.BROKEN: "✗", LinkState.UNKNOWN: "?"}
_STATES: Final = {LinkState.OK: "is whole", LinkState.BROKEN: "has faults", LinkState.UNKNOWN: "is not fully known"}


@dataclass(frozen=True, slots=True)
class Box:
    """A link as it is drawn."""

    x: int
    y: int
    kind: str
    name: str
    sign: str
    tone: Tone
    tip: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """What joins two boxes; (x, y) is its middle."""

    path: str
    x: float
    y: float
    tone: Tone


@dataclass(frozen=True, slots=True)
class Line:
    """Text outside the boxes."""

    x: int
    y: int
    text: str
    strong: bool = False


@dataclass
class Drawing:
    """Boxes, arrows and lines laid out from the top down."""

    y: int = 34
    right: int = 600
    boxes: list[Box] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def chain(self, links: Sequence[Link], indent: int = 0) -> None:
        """A row of boxes joined by arrows, broken into further rows where it is too long."""
        for start in range(0, len(links), _WIDEST):
            for place, link in enumerate(links[start : start + _WIDEST]):
                x = 8 + indent + place * _STEP + (_INDENT if start else 0)
                self.boxes.append(_box(link, x, self.y))
                self.right = max(self.right, x + BOX_WIDTH + 10)
                if place or start:
                    self._arrow(x, link)
            self.y += _ROW

    def _arrow(self, x: int, link: Link) -> None:
        start, end, middle = x - 24, x - 3, self.y + BOX_HEIGHT / 2
        path = f"M {start} {middle} H {end} M {end - 5} {middle - 4} L {end} {middle} L {end - 5} {middle + 4}"
        self.arrows.append(Arrow(path, (start + end) / 2, middle - 5, _TONES[link.state]))

    def write(self, text: str, *, strong: bool = False, indent: int = 0) -> None:
        """A line of text, wrapped."""
        for part in wrapped([text], 1160 - indent):
            self.lines.append(Line(8 + indent, self.y + 12, part, strong))
            self.right = max(self.right, 16 + indent + int(len(part) * 6.4))
            self.y += 17

    def account(self, path: PrivatePath) -> None:
        """One account: its state, a row for each connection and each zone, and what is wrong in words."""
        heading = f"{path.account.name}: the private path {_STATES[path.state]}"
        self.write(heading, strong=True)
        self.told.append(heading)
        self.y += 4
        if not path.endpoints:
            self.chain(
                [path.account, Link("endpoint", "none", LinkState.BROKEN, "The account has no private endpoint.")]
            )
        for endpoint in path.endpoints:
            self._endpoint(path.account, endpoint)
        self._explain(path)
        self.y += 14

    def _endpoint(self, account: Link, endpoint: EndpointPath) -> None:
        """The way of the traffic in one row, then the way of the names: the zone group, and a row for each zone."""
        named = [link for link in endpoint.chain if link.kind == "zone_group"]
        self.chain([account, *(link for link in endpoint.chain if link.kind != "zone_group")])
        if named and not endpoint.zones:
            self.chain(named, indent=_INDENT)
        for place, zone in enumerate(endpoint.zones):
            if place == 0 or not named:
                self.chain([*named, *zone.links], indent=_INDENT)
            else:
                self.chain(zone.links, indent=_INDENT + _STEP)

    def _explain(self, path: PrivatePath) -> None:
        links = [path.account, *(link for endpoint in path.endpoints for link in endpoint.links)]
        faults = list(dict.fromkeys((link.state, link.sentence) for link in links if link.state is not LinkState.OK))
        if not path.endpoints and path.account.state is LinkState.OK:
            faults.append((LinkState.BROKEN, "The account has no private endpoint."))
        for state, sentence in faults:
            self.write(f"{_SIGNS[state]} {sentence}")
            self.told.append(f"{_SIGNS[state]} {sentence}")

    def figure(self, title: str) -> Figure:
        """Everything drawn so far."""
        values = {
            "title": title,
            "told": " ".join(self.told),
            "boxes": self.boxes,
            "arrows": self.arrows,
            "lines": self.lines,
            "width": self.right,
            "height": self.y + 4,
            "box_width": BOX_WIDTH,
            "box_height": BOX_HEIGHT,
        }
        return Figure(draw_named("path.svg.j2", values), "\n".join(visible(each) for each in [title, *self.told]))


def _box(link: Link, x: int, y: int) -> Box:
    name = visible(link.name or words(link.kind), 200)
    short = name if len(name) <= _LETTERS else f"{name[:12]}…{name[12 - _LETTERS :]}"
    return Box(x, y, words(link.kind), short, _SIGNS[link.state], _TONES[link.state], link.sentence)


def draw_paths(paths: Iterable[PrivatePath], title: str, note: str = "") -> Figure:
    """The private paths of some accounts, below each other."""
    drawing = Drawing()
    for path in paths:
        drawing.account(path)
    if note:
        drawing.write(note)
    return drawing.figure(title)
