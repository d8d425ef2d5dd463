"""Who calls the accounts: with a key or an identity, from where, which deployment, how often, until when. Drawn, and as rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from aoai_lib.callers import Caller, Origin, Usage, account_usage
from aoai_lib.effective_access.register import register_of
from aoai_lib.facts import UnexpectedShapeError, why_not_read
from aoai_lib.private_link import subscription_of
from aoai_lib.report import table
from aoai_lib.report.figure import Cell, Figure, Grid, Row, Tone
from aoai_lib.report.figures import DRAWN_AT_MOST, Gallery
from aoai_lib.report.matrices import accounts_of
from aoai_lib.report.table import Table
from aoai_lib.report.text import fitted, leaf

if TYPE_CHECKING:
    from aoai_lib.run import Run

ROWS_DRAWN: Final = 25
"""Callers in a picture; the table holds them all."""
_COLUMNS_DRAWN: Final = 6
_LEGEND: Final = (
    Cell("12", Tone.BAD, "calls with a key"),
    Cell("12", Tone.WEAK, "an identity, from a public address, or refused"),
    Cell("12", Tone.GOOD, "an identity, not from a public address"),
    Cell("·", Tone.NONE, "none"),
)


def callers_table(run: Run) -> Table:
    """Every caller of every account, and a row for each account of which more or nothing is known."""
    rows: list[tuple[table.Cell, ...]] = []
    for account in accounts_of(run):
        usage, note = read_usage(run, account)
        name = leaf(account)
        for caller in usage.callers:
            rows.append(
                (
                    name,
                    caller_name(run, account, caller),
                    caller.object_id,
                    caller.address,
                    str(caller.origin),
                    ", ".join(caller.deployments) or "none",
                    caller.calls,
                    caller.succeeded,
                    caller.refused,
                    caller.throttled,
                    caller.first,
                    caller.last,
                )
            )
        if note:
            rows.append((name, f"not known: {note}", *[None] * 10))
    counts = ("calls", "succeeded", "refused", "throttled")
    columns = (
        "account",
        "caller",
        "object id",
        "address",
        "which is",
        "deployments",
        *counts,
        "first seen",
        "last seen",
    )
    return Table("Callers", columns, rows, "Nobody called in the window, as far as the logs tell.")


def callers(run: Run) -> Gallery:
    """The callers of each account as pictures; of one whose logs hold none it is said why."""
    drawn, told = [], []
    for account in accounts_of(run):
        usage, note = read_usage(run, account)
        if usage.callers:
            drawn.append(callers_figure(run, usage, note))
        else:
            told.append(f"{leaf(account)}: {note or 'nobody called.'}")
    if len(drawn) > DRAWN_AT_MOST:
        told.append(f"{len(drawn) - DRAWN_AT_MOST} more accounts are not drawn; the table has their callers.")
    return Gallery(drawn[:DRAWN_AT_MOST], told)


def callers_figure(run: Run, usage: Usage, note: str = "") -> Figure:
    """The callers of one account, the most active first: how many calls of which deployment, refusals, last seen."""
    shown = usage.callers[:ROWS_DRAWN]
    most = sum((Counter(each.deployments) for each in usage.callers), Counter[str]()).most_common(_COLUMNS_DRAWN)
    deployments = tuple(name for name, _ in most)
    rows = [_row(run, usage.account, caller, deployments) for caller in shown]
    title = f"Who called {leaf(usage.account)} in the last {usage.days} days"
    columns = (*(fitted(name, 24) for name in deployments), "refused", "throttled", "last seen")
    notes = list(_notes(usage, deployments, note))
    return Grid(title, columns, rows, _LEGEND, notes=notes, cell_width=92).draw()


def _notes(usage: Usage, deployments: tuple[str, ...], note: str) -> Iterator[str]:
    if note:
        yield note
    if len(usage.callers) > ROWS_DRAWN:
        yield f"{len(usage.callers) - ROWS_DRAWN} more callers are in the table."
    others = {name for caller in usage.callers for name in caller.deployments}.difference(deployments)
    if others:
        yield f"Calls of {len(others)} more deployments are in the table."
    if usage.nameless:
        yield f"{usage.nameless:,} rows tell neither caller nor deployment and are not counted."


def _row(run: Run, account: str, caller: Caller, deployments: tuple[str, ...]) -> Row:
    tone = Tone.BAD if caller.with_key else Tone.WEAK if caller.origin is Origin.PUBLIC else Tone.GOOD
    cells = [
        Cell(f"{caller.deployments[name]:,}", tone, f"{caller.deployments[name]:,} calls")
        if name in caller.deployments
        else Cell("·", Tone.NONE, "none")
        for name in deployments
    ]
    cells.append(_count(caller.refused, Tone.WEAK, "refused"))
    cells.append(_count(caller.throttled, Tone.NONE, "throttled"))
    cells.append(Cell(caller.last[:10], Tone.NONE, f"first {caller.first}, last {caller.last}"))
    where = f"{caller.address}, {caller.origin}" if caller.address else "address not logged"
    return Row(caller_name(run, account, caller), where, tuple(cells))


def _count(count: int, tone: Tone, what: str) -> Cell:
    return Cell(f"{count:,}", tone, f"{count:,} {what}") if count else Cell("·", Tone.NONE, "none")


def caller_name(run: Run, account: str, caller: Caller) -> str:
    """The name that the directory gives the caller, and the id where it gives none or was not asked."""
    if not caller.object_id:
        return caller.name
    known = register_of(run.snapshot, subscription_of(account)).directory.find(caller.object_id)
    return known.name if known and known.name else caller.object_id


def read_usage(run: Run, account: str) -> tuple[Usage, str]:
    """What the logs tell about an account, and in a sentence what they do not."""
    try:
        usage = account_usage(run.snapshot, account)
    except UnexpectedShapeError as odd:
        return Usage(account), f"The answer is not of the documented form: {odd}"
    if usage.gaps:
        return usage, why_not_read(usage.gaps[0])
    return usage, f"{usage.doubt}." if usage.doubt else ""
