"""Pictures: SVG in which text stays text, with a title, a description, and the same said in words.

Nothing is told by colour alone: every tone has its own sign and its own brightness, so that a grey print reads the same.
"""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from aoai_lib.report.rendering import render
from aoai_lib.report.text import visible

_LETTER: Final = 6.6
"""Width of an average letter at 12 pixels, in pixels: what a label is cut and a column laid out by."""


class Tone(StrEnum):
    """How a cell, box or bar is drawn."""

    GOOD = "good"
    BAD = "bad"
    WEAK = "weak"
    UNKNOWN = "unknown"
    NONE = "none"


@dataclass(frozen=True)
class Figure:
    """A picture and the text that stands in for it."""

    svg: str
    text: str

    def __str__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": self.text}


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a grid; `tip` says in words what `text` abbreviates."""

    text: str
    tone: Tone
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a grid: its label, a detail in smaller letters, its cells."""

    label: str
    detail: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Grid:
    """A matrix. `groups` are headings over neighbouring columns: label and how many columns."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Row]
    legend: tuple[Cell, ...] = ()
    groups: tuple[tuple[str, int], ...] = ()
    notes: Sequence[str] = ()
    cell_width: int = 84

    def draw(self) -> Figure:
        """The matrix as a figure."""
        label_width = _label_width([row.label for row in self.rows] + [row.detail for row in self.rows])
        legend, legend_width = self._legend()
        width = max(label_width + self.cell_width * len(self.columns) + 16, legend_width, 560)
        notes = wrapped(self.notes, width)
        values: dict[str, Any] = {
            "grid": self,
            "label_width": label_width,
            "label_letters": int(label_width / _LETTER) - 1,
            "headings": [textwrap.wrap(name, max(6, self.cell_width // 7)) for name in self.columns],
            "width": width,
            "notes": notes,
            "legend": legend,
        }
        return Figure(draw_named("grid.svg.j2", values), self._words())

    def _legend(self) -> tuple[list[tuple[int, int, Cell]], int]:
        """Where each part of the legend begins, how wide its sample is, and the width of it all."""
        x, placed = 8, []
        for part in self.legend:
            sample = int(len(part.text) * 6 + 14)
            placed.append((x, sample, part))
            x += int(sample + 20 + len(part.tip) * 5.8)
        return placed, x

    def _words(self) -> str:
        lines = [self.title]
        for row in self.rows:
            told = (f"{name}: {cell.tip or cell.text}" for name, cell in zip(self._names(), row.cells, strict=True))
            lines.append(f"{row.label}{f' ({row.detail})' if row.detail else ''}: {'; '.join(told)}")
        return "\n".join(visible(line) for line in [*lines, *self.notes])

    def _names(self) -> list[str]:
        owners = [label for label, span in self.groups for _ in range(span)]
        return (
            [f"{owner} {name}".strip() for owner, name in zip(owners, self.columns, strict=True)]
            if owners
            else list(self.columns)
        )


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its label and a count for each tone, in the order in which they are stacked."""

    label: str
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Bars:
    """Stacked bars on one scale. `parts` names and tones the segments, `notes` stand below."""

    title: str
    parts: tuple[tuple[str, Tone], ...]
    bars: Sequence[Bar]
    notes: Sequence[str] = ()

    def draw(self) -> Figure:
        """The bars as a figure."""
        label_width = _label_width([bar.label for bar in self.bars])
        most = max((sum(bar.counts) for bar in self.bars), default=0) or 1
        values = {
            "chart": self,
            "label_width": label_width,
            "rows": [(bar.label, self._segments(bar, most), self._told(bar)) for bar in self.bars],
            "width": label_width + _BAR_WIDTH + 330,
            "notes": wrapped(self.notes, label_width + _BAR_WIDTH + 330),
        }
        told = [self.title, *(f"{bar.label}: {self._told(bar)}" for bar in self.bars), *self.notes]
        return Figure(draw_named("bars.svg.j2", values), "\n".join(map(visible, told)))

    def _told(self, bar: Bar) -> str:
        told = [f"{count:,} {name}" for count, (name, _) in zip(bar.counts, self.parts, strict=True) if count]
        return ", ".join(told) or "none"

    def _segments(self, bar: Bar, most: int) -> list[tuple[float, float, str, Tone]]:
        """Start, width, count and tone of each segment that is there; one of a single finding is still visible."""
        start, found = 0.0, []
        for count, (_, tone) in zip(bar.counts, self.parts, strict=True):
            if count:
                length = max(3.0, _BAR_WIDTH * count / most)
                found.append((round(start, 1), round(length, 1), f"{count:,}", tone))
                start += length
        return found


_BAR_WIDTH: Final = 420


@dataclass(frozen=True)
class Days:
    """A time line: a column for each day, on one scale, of so many `unit`."""

    title: str
    unit: str
    counts: Sequence[tuple[date, int]]
    notes: Sequence[str] = ()

    def draw(self) -> Figure:
        """The time line as a figure."""
        most = max((count for _, count in self.counts), default=0)
        step = max(6.0, min(24.0, _LINE_WIDTH / max(1, len(self.counts))))
        start = int(max(74, len(f"{most:,}") * _LETTER + 20))
        columns = [
            (round(start + step * place, 1), _height(count, most), f"{day}: {count:,} {self.unit}")
            for place, (day, count) in enumerate(self.counts)
        ]
        every = -(-len(self.counts) // 6)
        marks = [(columns[place][0], f"{self.counts[place][0]:%m-%d}") for place in range(0, len(columns), every or 1)]
        width = int(start + max(step * len(columns), 480) + 24)
        values = {
            "line": self,
            "columns": columns,
            "column_width": round(step - 2, 1),
            "tall": _LINE_HEIGHT,
            "start": start,
            "marks": marks,
            "most": f"{most:,}",
            "width": width,
            "notes": wrapped(self.notes, width),
        }
        told = [self.title, *(f"{day}: {count:,} {self.unit}" for day, count in self.counts if count)]
        left = sum(not count for _, count in self.counts)
        if left:
            told.append(f"{left} more days: none")
        return Figure(draw_named("days.svg.j2", values), "\n".join(map(visible, [*told, *self.notes])))


_LINE_WIDTH: Final = 640
_LINE_HEIGHT: Final = 110


def _height(count: int, most: int) -> float:
    """How tall a column is; one of a single call is still visible, and one of nothing is not there."""
    return round(max(2.0, _LINE_HEIGHT * count / most), 1) if count else 0.0


def _label_width(labels: Sequence[str]) -> int:
    longest = max((len(label) for label in labels), default=0)
    return int(min(300, max(90, longest * _LETTER + 20)))


def wrapped(notes: Sequence[str], width: float) -> list[str]:
    return [line for note in notes for line in textwrap.wrap(visible(note), int(width / _LETTER))]


def draw_named(template: str, values: dict[str, Any]) -> str:
    """A template with an id that follows from its content: stable from run to run, unique on a page of several."""
    draft = render(template, id="figure", **values)
    name = f"f{hashlib.sha256(draft.encode()).hexdigest()[:8]}"
    return render(template, id=name, **values)
