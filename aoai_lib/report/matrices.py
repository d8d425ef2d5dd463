"""Who can do what to an account, and what its guardrails do: drawn, and as rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from aoai_lib.effective_access import AccessMatrix, Entry, access_matrix
from aoai_lib.effective_access import Row as AccessRow
from aoai_lib.effective_access.capabilities import CALL_MODELS, WEAKEN_FILTERS, WRITE_DEPLOYMENTS
from aoai_lib.effective_access.records import Holding
from aoai_lib.guardrails import Matrix, guardrail_matrix
from aoai_lib.guardrails.filters import PLACES, PROFANITY, Direction, Effect, Setting
from aoai_lib.guardrails.matrix import Cell as GuardrailCell
from aoai_lib.guardrails.matrix import Row as GuardrailRow
from aoai_lib.model import Requirements, Threshold
from aoai_lib.report import table
from aoai_lib.report.figure import Cell, Figure, Grid, Row, Tone
from aoai_lib.report.table import Table
from aoai_lib.report.text import leaf, words

if TYPE_CHECKING:
    from aoai_lib.run import Run

DRAWN_AT_MOST: Final = 40
"""Rows of a drawn matrix; the table beside it holds them all."""

_ACCESS_LEGEND: Final = (
    Cell("direct", Tone.BAD, "standing, given on the account itself"),
    Cell("inherited", Tone.WEAK, "standing, from above"),
    Cell("eligible", Tone.GOOD, "approved, on request, or ending by itself"),
    Cell("·", Tone.NONE, "can't"),
)
_ORDER: Final = sorted(range(len(PLACES)), key=lambda place: PLACES[place][1] is Direction.COMPLETION)


def accounts_of(run: Run) -> list[str]:
    """ARM ids of the run's accounts, by name."""
    return sorted((reading.scope for reading in run.snapshot.of("account")), key=leaf)


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
    for account in accounts_of(run):
        matrix = access_matrix(run.snapshot, account)
        for row in matrix.rows:
            entries = dict.fromkeys(entry for held in row.cells.values() for entry in held)
            rows += [(leaf(account), *_access_line(row, entry, matrix)) for entry in entries]
    columns = ("account", "principal", "name", "who", "role", "how", "scope", "held", "condition on", "can")
    return Table("Access", columns, rows, "No role assignment that reaches an account could be read.")


def _access_line(row: AccessRow, entry: Entry, matrix: AccessMatrix) -> tuple[table.Cell, ...]:
    closed = " (unopened)" if row.nature.startswith("group") and row.members is None else ""
    held = entry.holding.value + (f" until {entry.ends}" if entry.ends else "")
    narrowed = ", ".join(name for name in row.cells if name in entry.conditional)
    can = ", ".join(name for name in row.cells if name in entry.capabilities)
    scope = entry.scope or "/"
    way = _way(entry, matrix)
    return row.principal, row.name, f"{row.nature}{closed}", entry.role, way, scope, held, narrowed, can


def guardrail_figure(run: Run, account: str) -> Figure:
    """What the content filters of one account's deployments do, prompts first."""
    matrix = guardrail_matrix(run.snapshot, account)
    required = run.snapshot.requirements.filter_threshold
    rows = [_guardrail_row(row, required) for row in matrix.rows[:DRAWN_AT_MOST]]
    columns = tuple(PLACES[place][0].label for place in _ORDER)
    prompts = sum(direction is Direction.PROMPT for _, direction in PLACES)
    groups = (("prompts", prompts), ("completions", len(PLACES) - prompts))
    title = f"Guardrails of {leaf(account)} (required: blocked from severity {required})"
    return Grid(title, columns, rows, _GUARDRAIL_LEGEND, groups, list(_guardrail_notes(matrix)), cell_width=68).draw()


_GUARDRAIL_LEGEND: Final = (
    Cell("Low+", Tone.GOOD, "blocked from that severity"),
    Cell("blocks", Tone.GOOD, "blocked"),
    Cell("High+", Tone.WEAK, "blocked, but later than required"),
    Cell("notes", Tone.BAD, "only annotated"),
    Cell("off", Tone.BAD, "off"),
    Cell("?", Tone.UNKNOWN, "not known"),
    Cell("·", Tone.NONE, "the model has no such filter"),
)


def _guardrail_notes(matrix: Matrix) -> Iterator[str]:
    if matrix.gap:
        yield matrix.gap
    if len(matrix.rows) > DRAWN_AT_MOST:
        yield f"{len(matrix.rows) - DRAWN_AT_MOST} more deployments are in the table."
    for row in matrix.rows[:DRAWN_AT_MOST]:
        if row.note:
            yield f"{row.deployment}: {row.note}"


def _guardrail_row(row: GuardrailRow, required: Threshold) -> Row:
    detail = ", ".join(part for part in (row.model, row.policy) if part)
    cells = tuple(_guardrail_cell(row.cells[place], required) for place in _ORDER)
    return Row(row.deployment, detail, cells)


def _guardrail_cell(cell: GuardrailCell, required: Threshold) -> Cell:
    """Nothing asks for profanity to be blocked, so its absence is no fault."""
    setting, fault = cell.setting, Tone.NONE if cell.filter is PROFANITY else Tone.BAD
    tip = setting.words
    if setting.effect is Effect.BLOCKS:
        met = setting.meets(required)
        return Cell(f"{setting.threshold}+" if setting.threshold else "blocks", Tone.GOOD if met else Tone.WEAK, tip)
    if setting.effect is Effect.DEFERRED:
        return Cell("late", Tone.WEAK, tip)
    text, tone = {
        Effect.UNKNOWN: ("?", Tone.UNKNOWN),
        Effect.ANNOTATES: ("notes", fault),
        Effect.OFF: ("off", fault),
        Effect.NOT_APPLICABLE: ("·", Tone.NONE),
    }[setting.effect]
    return Cell(text, tone, tip)


def guardrail_table(run: Run) -> Table:
    """Each deployment with what each filter does in each direction, and its blocklists."""
    names = tuple(f"{PLACES[place][0].label}, {words(PLACES[place][1].value.lower())}s" for place in _ORDER)
    rows = []
    for account in accounts_of(run):
        for row in guardrail_matrix(run.snapshot, account).rows:
            effects = (_told(row.cells[place].setting) for place in _ORDER)
            rows.append(
                (leaf(account), row.deployment, row.model, row.policy or "none named", *effects, _lists(row), row.note)
            )
    columns = ("account", "deployment", "model", "policy", *names, "blocklists", "note")
    return Table("Guardrails", columns, rows, "No deployment could be read.")


def _told(setting: Setting) -> str:
    return f"{setting.effect.value} from {setting.threshold}" if setting.threshold else setting.effect.value


def _lists(row: GuardrailRow) -> str:
    return ", ".join(_each_list(row))


def _each_list(row: GuardrailRow) -> Iterable[str]:
    for bound in row.blocklists:
        count = (
            "entries not counted"
            if bound.entries is None
            else f"{bound.entries}{'+' if bound.at_least else ''} entries"
        )
        yield f"{bound.name} on {bound.direction.value.lower()}s ({'blocks' if bound.blocking else 'does not block'}, {count})"


def blocklists(run: Run) -> Table:
    """The blocklists that each deployment's policy binds."""
    rows: list[tuple[table.Cell, ...]] = []
    for account in accounts_of(run):
        for row in guardrail_matrix(run.snapshot, account).rows:
            rows.append((f"{leaf(account)} / {row.deployment}", row.policy or "none named", _lists(row) or "none"))
    return Table("Blocklists", ("deployment", "policy", "blocklists"), rows, "No deployment could be read.")
