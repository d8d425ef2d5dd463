"""Who can do what to an account: drawn, and as rows."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from aoai_lib.effective_access import AccessMatrix, Entry, access_matrix
from aoai_lib.effective_access import Row as AccessRow
from aoai_lib.effective_access.capabilities import CALL_MODELS, WEAKEN_FILTERS, WRITE_DEPLOYMENTS
from aoai_lib.effective_access.records import Holding
from aoai_lib.model import Requirements
from aoai_lib.report import table
from aoai_lib.report.figure import Cell, Figure, Grid, Row, Tone
from aoai_lib.report.table import Table
from aoai_lib.report.text import leaf

if TYPE_CHECKING:
    from aoai_lib.run import Run

DRAWN_AT_MOST: Final = 40
"""Rows of a drawn matrix; the table beside it holds them all."""

_JUDGING_ACCESS: Final = frozenset({"IAM-04", "IAM-06", "IAM-07", "IAM-08", "IAM-09"})
"""Controls of an account that read all role assignments, definitions and groups behind its matrix."""
_ACCESS_LEGEND: Final = (
    Cell("direct", Tone.BAD, "standing, given on the account itself"),
    Cell("inherited", Tone.WEAK, "standing, from above"),
    Cell("eligible", Tone.GOOD, "approved, on request, or ending by itself"),
    Cell("·", Tone.NONE, "can't"),
)


def accounts_of(run: Run) -> list[str]:
    """ARM ids of the run's accounts, by name."""
    return sorted((reading.scope for reading in run.snapshot.of("account")), key=leaf)


def lines_by_subject(run: Run, controls: Collection[str]) -> dict[str, str]:
    """By lower-cased ARM id of a subject, the line ids of `requests.jsonl` that the verdicts of some controls about it rest on."""
    found: dict[str, dict[str, None]] = {}
    for each in run.findings:
        if each.control in controls:
            lines = found.setdefault(each.subject.id.lower(), {})
            lines.update(dict.fromkeys(line for seen in each.observed for line in seen.evidence))
    return {subject: " ".join(lines) for subject, lines in found.items()}


def access_figure(run: Run, account: str) -> Figure:
    """Who can do what to one account, most capable first."""
    matrix = access_matrix(run.snapshot, account)
    rows = [_access_row(row, matrix, run.snapshot.requirements) for row in matrix.rows[:DRAWN_AT_MOST]]
    notes = list(matrix.gaps)
    if matrix.others:
        more = "1 more principal holds" if matrix.others == 1 else f"{matrix.others} more principals hold"
        notes.insert(0, f"{more} a role here that gives none of this.")
    if len(matrix.rows) > DRAWN_AT_MOST:
        notes.insert(0, f"{len(matrix.rows) - DRAWN_AT_MOST} more principals are in the table.")
    title = f"Who can do what to {leaf(account)}"
    return Grid(title, matrix.capabilities, rows, _ACCESS_LEGEND, notes=notes, cell_width=92).draw()


def _access_row(row: AccessRow, matrix: AccessMatrix, asked: Requirements) -> Row:
    told = [row.nature]
    if row.nature.startswith("group"):
        told.append("unopened" if row.members is None else "1 member" if row.members == 1 else f"{row.members} members")
    if row.principal in _approved(asked, WRITE_DEPLOYMENTS.name):
        told.append("approved")
    cells = tuple(_access_cell(row, name, matrix, _approved(asked, name)) for name in matrix.capabilities)
    return Row(row.name or _short(row.principal), ", ".join(told), cells)


def _approved(asked: Requirements, capability: str) -> frozenset[str]:
    """Who is approved for a capability. Deployers are for deployments, and so for binding them to another policy."""
    deploying = capability in (WRITE_DEPLOYMENTS.name, WEAKEN_FILTERS.name)
    return frozenset(
        each.lower() for each in (*asked.approved_admins, *(asked.approved_deployers if deploying else ()))
    )


def _access_cell(row: AccessRow, capability: str, matrix: AccessMatrix, approved: frozenset[str]) -> Cell:
    held = row.level(capability)
    if held is None:
        return Cell("·", Tone.NONE, "no")
    entries = row.cells[capability]
    firmest = [entry for entry in entries if entry.holding is held]
    conditional = all(capability in entry.conditional for entry in entries)
    ways = dict.fromkeys(f"{entry.role} at {entry.scope or '/'}, {_way(entry, matrix)}" for entry in entries)
    tip = f"{held.value}{', under a condition' if conditional else ''}: {'; '.join(ways)}"
    if held is not Holding.STANDING:
        return Cell(held.value, Tone.GOOD, tip)
    direct = any(entry.direct for entry in firmest)
    known = all(approved & {entry.principal, entry.through} for entry in firmest)
    tone = Tone.GOOD if known else Tone.BAD if direct else Tone.WEAK
    text = f"{_shortest(firmest)}{' (if)' if conditional else ''}"
    return Cell(text, Tone.NONE if capability == CALL_MODELS.name else tone, tip)


def _shortest(entries: list[Entry]) -> str:
    """One word for how something is held: by the principal itself before by others."""
    if all(entry.through for entry in entries):
        return "by group"
    if all(entry.through or entry.tenant for entry in entries):
        return "delegated"
    return "direct" if any(entry.direct for entry in entries) else "inherited"


def _way(entry: Entry, matrix: AccessMatrix) -> str:
    """How an assignment comes to the principal: from where, by which group, delegated to which tenant."""
    how = "direct" if entry.direct else "inherited"
    if entry.through:
        how += f", by group {matrix.names.get(entry.through) or entry.through}"
    return f"{how}, delegated to {entry.tenant}" if entry.tenant else how


def _short(principal: str) -> str:
    return principal if len(principal) < 30 else f"{principal[:8]}…{principal[-4:]}"


def access_table(run: Run) -> Table:
    """Every way in which a principal can do something to an account, with the role and the scope that give it.

    `how` is direct or inherited, with the group or the tenant by which a principal comes by it.
    """
    rows: list[tuple[table.Cell, ...]] = []
    evidence: list[str] = []
    cited = lines_by_subject(run, _JUDGING_ACCESS)
    for account in accounts_of(run):
        matrix = access_matrix(run.snapshot, account)
        for row in matrix.rows:
            entries = dict.fromkeys(entry for held in row.cells.values() for entry in held)
            rows += [(leaf(account), *_access_line(row, entry, matrix)) for entry in entries]
        evidence += [cited.get(account.lower(), "")] * (len(rows) - len(evidence))
    columns = ("account", "principal", "name", "who", "role", "how", "scope", "held", "condition on", "can")
    empty = "No role assignment that reaches an account could be read."
    return Table("Access", columns, rows, empty, evidence)


def _access_line(row: AccessRow, entry: Entry, matrix: AccessMatrix) -> tuple[table.Cell, ...]:
    closed = " (unopened)" if row.nature.startswith("group") and row.members is None else ""
    held = entry.holding.value + (f" until {entry.ends}" if entry.ends else "")
    narrowed = ", ".join(name for name in row.cells if name in entry.conditional)
    can = ", ".join(name for name in row.cells if name in entry.capabilities)
    scope = entry.scope or "/"
    way = _way(entry, matrix)
    return row.principal, row.name, f"{row.nature}{closed}", entry.role, way, scope, held, narrowed, can
