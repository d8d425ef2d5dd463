"""Tables: what a notebook shows as rows, and what the workbook and the page are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aoai_lib.model import Severity, Status
from aoai_lib.report.rendering import MARKS, render
from aoai_lib.report.text import visible, words

if TYPE_CHECKING:
    import pandas

Cell = str | int | float | Status | Severity | None

SHOWN_AT_MOST: Final = 200
"""Rows that a notebook shows; `frame` holds them all."""


@dataclass(frozen=True)
class Table:
    """Rows with headings. `empty` is the sentence that stands in for a table without rows; `evidence`, where it is given, has the line
    ids of `requests.jsonl` that each row rests on, which the workbook shows in a column of its own."""

    caption: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    empty: str = "There is nothing to show."
    evidence: Sequence[str] = ()

    @property
    def frame(self) -> pandas.DataFrame:
        """All rows as a DataFrame, for whoever wants to filter or join."""
        import pandas

        return pandas.DataFrame([[_plain(cell) for cell in row] for row in self.rows], columns=list(self.columns))

    def __str__(self) -> str:
        if not self.rows:
            return visible(f"{self.caption}: {self.empty}")
        lines = [self.caption, " | ".join(self.columns)]
        lines += [" | ".join(cell_text(cell) for cell in row) for row in self.rows[:SHOWN_AT_MOST]]
        return "\n".join(visible(line) for line in lines) + self._more("\n")

    def _more(self, before: str) -> str:
        left = len(self.rows) - SHOWN_AT_MOST
        return f"{before}and {left:,} more rows, all of them in `.frame`" if left > 0 else ""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        if not self.rows:
            return {"text/plain": str(self), "text/html": render("empty.html.j2", shown=self)}
        page = render("table.html.j2", shown=self, rows=self.rows[:SHOWN_AT_MOST], note=self._more(""))
        return {"text/plain": str(self), "text/html": page}


@dataclass(frozen=True)
class Tables:
    """Tables that are read together, one below the other, and a sentence after them ("" for none)."""

    tables: tuple[Table, ...]
    note: str = ""

    def __str__(self) -> str:
        return "\n\n".join([*(str(each) for each in self.tables), *([visible(self.note)] if self.note else [])])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        pages = [each._repr_mimebundle_()["text/html"] for each in self.tables]
        if self.note:
            pages.append(render("note.html.j2", note=self.note))
        return {"text/plain": str(self), "text/html": "\n".join(pages)}


@dataclass(frozen=True)
class Note:
    """Sentences that stand beside a picture, or in its place; each in a paragraph of its own."""

    sentences: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(map(visible, self.sentences))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        page = "\n".join(render("note.html.j2", note=each) for each in self.sentences)
        return {"text/plain": str(self), "text/html": page}


def cell_text(cell: Cell) -> str:
    """A cell as plain text; verdicts carry their sign."""
    if cell is None:
        return ""
    return f"{MARKS[cell]} {words(cell)}" if isinstance(cell, Status) else str(cell)


def _plain(cell: Cell) -> str | int | float | None:
    return words(cell.value) if isinstance(cell, Status | Severity) else cell
