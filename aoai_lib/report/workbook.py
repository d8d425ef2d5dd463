"""`findings.xlsx`: the findings as a workbook. Every text is written as text, so none is ever run as a formula."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from aoai_lib.model import Severity, Status
from aoai_lib.report import acceptances, changes, crosswalk, guardrails, matrices, tables
from aoai_lib.report.findings import COLUMNS, Document, evidence_of, flat
from aoai_lib.report.table import Cell, Table
from aoai_lib.report.text import visible, words

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.format import Format

    from aoai_lib.evidence.store import Exchange
    from aoai_lib.run import Run

_CELL_LIMIT: Final = 32_000
"""Excel takes 32,767 characters in a cell."""
_WIDEST: Final = 70
_LINE: Final = 15.0
"""Points. Excel fits a row to its text when it opens a file; other programs show the height that the file says."""
_MOST_LINES: Final = 12
_FILLS: Final = {"fail": "#F4D3CC", "pass": "#DCE9DC", "not assessed": "#F3E9C6", "not applicable": "#ECECEC"}


def write(
    run: Run,
    document: Document,
    exchanges: Sequence[Exchange],
    path: Path | BinaryIO,
    changed: Document | None = None,
) -> None:
    """Write the workbook: summary, findings, what could not be assessed, what changed, accepted risks, access, guardrails,
    frameworks, baselines, and the requests with the findings that rest on each. `changed` is `changes.json`; without it the run is compared with none.
    """
    from xlsxwriter import Workbook

    changed = changed or changes.without_earlier(document["run_id"], document["tenant"])
    moment = datetime.fromisoformat(document["generated_at"]).replace(tzinfo=None)
    options = {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    with _disk_told(), Workbook(path, options) as book:
        book.set_properties({"title": f"Azure OpenAI assessment of {document['tenant']}", "created": moment})
        sheets = _Sheets(book)
        sheets.add("Summary", _summary(run, document, changed))
        sheets.add("Findings", [_findings(document)])
        sheets.add("Not assessed", [tables.not_assessed(run)])
        sheets.add("Changes", [changes.findings(changed)])
        sheets.add("Changed properties", [changes.properties(changed)])
        sheets.add("Accepted risks", [acceptances.waivers(run)])
        sheets.add("Access", [_cited(matrices.access_table(run))])
        sheets.add("Guardrails", [_cited(guardrails.guardrail_table(run))])
        sheets.add("Frameworks", [crosswalk.frameworks(run)])
        sheets.add("Baselines", [crosswalk.baselines(run)])
        sheets.add("Evidence", [_evidence(document, exchanges)])


@contextlib.contextmanager
def _disk_told() -> Iterator[None]:
    """Has what a disk refuses be the `OSError` that it is: xlsxwriter wraps it in an error of its own."""
    from xlsxwriter.exceptions import FileCreateError

    try:
        yield
    except FileCreateError as problem:
        if problem.args and isinstance(problem.args[0], OSError):
            raise problem.args[0] from None
        raise


def _summary(run: Run, document: Document, changed: Document) -> list[Table]:
    about = [("run", document["run_id"]), ("generated", document["generated_at"])]
    about += [("catalogue", document["catalogue_version"])]
    about += [("compared with", changes.sentence(changed)), *(("mind", each) for each in changes.cautions(changed))]
    about += [("accepted risks", acceptances.tally(run) or "No failure is an accepted risk.")]
    about += [("mind", each) for each in acceptances.reminders(run)]
    scope = tables.scope(run)
    return [
        Table(scope.caption, ("", "value"), [*scope.rows, *about]),
        tables.by_phase(run),
        tables.by_account(run),
    ]


def _findings(document: Document) -> Table:
    rows = [
        tuple(words(row[name]) if name == "status" else row[name] for name in COLUMNS)
        for row in map(flat, document["findings"])
    ]
    return Table("", COLUMNS, rows)


def _cited(shown: Table) -> Table:
    """The table with the evidence of its rows as the last column."""
    rows = [(*row, ids) for row, ids in zip(shown.rows, shown.evidence, strict=True)]
    return Table(shown.caption, (*shown.columns, "evidence"), rows, shown.empty)


def _evidence(document: Document, exchanges: Sequence[Exchange]) -> Table:
    """Every request in the order of sending, with each finding that rests on it; one on which none rests has a row too."""
    resting: dict[str, list[tuple[Cell, ...]]] = {}
    for entry in document["findings"]:
        for line in evidence_of(entry):
            resting.setdefault(line, []).append((entry["control"], entry["subject"], words(entry["status"])))
    rows = [
        (each.id, each.time, *_request(each), *finding)
        for each in exchanges
        for finding in resting.get(each.id, [(None, None, None)])
    ]
    columns = ("line of requests.jsonl", "time", "request", "API version", "answer", "control", "subject", "verdict")
    return Table("", columns, rows, "No request was recorded.")


def _request(exchange: Exchange) -> tuple[str, str, str]:
    """A line in words: what was asked, by which API version, and what came."""
    parts = urlsplit(exchange.url)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name.lower() != "api-version"]
    version = ", ".join(value for name, value in parse_qsl(parts.query) if name.lower() == "api-version")
    asked = urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query, safe="$',/:"), ""))
    answer = f"{exchange.status}" if exchange.status is not None else f"no answer: {exchange.error}"
    return f"{exchange.method} {asked}", version, answer


class _Sheets:
    """Writes tables below each other; one alone on its sheet gets frozen headings and a filter."""

    def __init__(self, book: Workbook) -> None:
        self.book = book
        base = {"valign": "top", "text_wrap": True}
        self.text: Format = book.add_format(base)
        self.number: Format = book.add_format({**base, "align": "left"})
        self.sentence: Format = book.add_format({"valign": "top"})
        self.heading: Format = book.add_format({**base, "bold": True, "bottom": 1, "bg_color": "#E9EDF2"})
        self.caption: Format = book.add_format({"bold": True, "font_size": 13})
        self.fills = {name: book.add_format({**base, "bg_color": colour}) for name, colour in _FILLS.items()}

    def add(self, name: str, shown: Sequence[Table]) -> None:
        sheet = self.book.add_worksheet(name)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        row, widths = 0, list(_widths(shown))
        for column, width in enumerate(widths):
            sheet.set_column(column, column, width)
        for table in shown:
            if len(shown) > 1:
                sheet.write_string(row, 0, visible(table.caption), self.caption)
                row += 1
            row = self._table(sheet, row, table, widths) + 1
        if len(shown) == 1:
            sheet.freeze_panes(1, 0)
            sheet.repeat_rows(0)
            sheet.autofilter(0, 0, max(len(shown[0].rows), 1), len(shown[0].columns) - 1)

    def _table(self, sheet: Any, row: int, table: Table, widths: Sequence[float]) -> int:
        for column, text in enumerate(table.columns):
            sheet.write_string(row, column, text, self.heading)
        for cells in table.rows:
            row += 1
            sheet.set_row(row, _LINE * max(map(_lines, map(_text, cells), widths)))
            for column, cell in enumerate(cells):
                self._cell(sheet, row, column, cell)
        if not table.rows:
            row += 1
            sheet.write_string(row, 0, table.empty, self.sentence)
        return row + 1

    def _cell(self, sheet: Any, row: int, column: int, cell: Cell) -> None:
        if isinstance(cell, int | float):
            sheet.write_number(row, column, cell, self.number)
            return
        text = _text(cell)
        sheet.write_string(row, column, visible(text, _CELL_LIMIT), self.fills.get(text, self.text))


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    return words(cell.value) if isinstance(cell, Status | Severity) else str(cell)


def _lines(text: str, width: float) -> int:
    """How many lines a text takes in a column of so many letters, about: ids of resources break late, and leave room behind."""
    if len(text) < width:
        return 1 + text.count("\n")
    return min(_MOST_LINES, sum(1 + len(line) // int(width * 0.8) for line in text.split("\n")))


def _widths(shown: Sequence[Table]) -> Iterator[float]:
    for column in range(max(len(table.columns) for table in shown)):
        texts = [table.columns[column] for table in shown if column < len(table.columns)]
        texts += [_text(row[column]) for table in shown if column < len(table.columns) for row in table.rows[:500]]
        yield min(_WIDEST, max(map(len, texts)) + 2)
