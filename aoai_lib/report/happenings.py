"""What was used, what was rejected, who called most: drawn over the evidence window, and as rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Final

from aoai_lib.callers import Caller
from aoai_lib.metrics import (
    BY_CATEGORY,
    BY_DEPLOYMENT,
    CATEGORY,
    DEPLOYMENT,
    REJECTED,
    REQUESTS,
    TOKENS,
    Metric,
    days,
    metric,
)
from aoai_lib.report import table
from aoai_lib.report.callers import caller_name, read_usage
from aoai_lib.report.figure import Bar, Bars, Days, Figure, Tone
from aoai_lib.report.figures import Gallery
from aoai_lib.report.matrices import accounts_of
from aoai_lib.report.table import Table, Tables
from aoai_lib.report.text import fitted, leaf

if TYPE_CHECKING:
    from aoai_lib.run import Run

BARS_DRAWN: Final = 15
"""Bars of a picture, the longest; the tables hold them all."""
_LETTERS: Final = 42
_COUNTED: Final = "Counted by Azure Monitor, which knows no caller: no metric of an account has a dimension for one."
_LOGGED: Final = "Counted in the request logs, which know no tokens and no verdict of the content filter."
_CALLS: Final = (("succeeded", Tone.GOOD), ("refused", Tone.BAD), ("throttled", Tone.WEAK), ("other", Tone.NONE))


def happenings(run: Run) -> Gallery:
    """Calls by day, tokens by deployment, rejected content by category, top callers. What was not read is told, not drawn."""
    shown = [_calls_by_day(run), _tokens(run), _rejected(run), _top_callers(run)]
    told = dict.fromkeys(each for each in shown if isinstance(each, str))
    return Gallery([each for each in shown if isinstance(each, Figure)], told)


def happenings_tables(run: Run) -> Tables:
    """The same as rows, every deployment and category of every account."""
    return Tables((_by_day_table(run), _deployments_table(run), _rejected_table(run)))


def _window(run: Run) -> str:
    return f"in the last {run.snapshot.evidence_days} days"


def _read(run: Run, name: str) -> Metric:
    source, dimension = (BY_CATEGORY, CATEGORY) if name == REJECTED else (BY_DEPLOYMENT, DEPLOYMENT)
    return metric(run.snapshot, source, name, dimension)


def _nothing(run: Run, what: str, found: Metric) -> str:
    """What stands in for a picture of nothing: why it is not known, or that nothing was counted."""
    if found.gaps:
        return f"{what}: not known. {' '.join(found.gaps)}"
    return f"{what}: none was counted {_window(run)}."


def _notes(found: Metric, names: int) -> list[str]:
    more = [f"{names - BARS_DRAWN} more are in the table."] if names > BARS_DRAWN else []
    return [_COUNTED, *more, *(f"There may be more: {gap}" for gap in found.gaps)]


def _calls_by_day(run: Run) -> Figure | str:
    found = _read(run, REQUESTS)
    if not found.total:
        return _nothing(run, "Calls", found)
    by_day = _by_day(found)
    counts = [(day, by_day[day]) for day in sorted({*days(run.snapshot), *by_day})]
    notes = ["Days are UTC, and the last one is not over.", *_notes(found, 0)]
    return Days(f"Calls by day, {found.total:,} {_window(run)}", "calls", counts, notes).draw()


def _tokens(run: Run) -> Figure | str:
    found = _read(run, TOKENS)
    sums: Counter[str] = Counter()
    for each in found.counts:
        sums[f"{leaf(each.account)} / {each.name or 'no deployment'}"] += each.total
    title = f"Tokens by deployment, {found.total:,} {_window(run)}"
    return _bars(title, ("tokens", Tone.GOOD), sums, found) or _nothing(run, "Tokens", found)


def _rejected(run: Run) -> Figure | str:
    found = _read(run, REJECTED)
    sums: Counter[str] = Counter()
    for each in found.counts:
        sums[each.name or "no category"] += each.total
    title = f"Rejected content by category {_window(run)}"
    return _bars(title, ("rejected", Tone.WEAK), sums, found) or _nothing(run, "Rejected content", found)


def _bars(title: str, part: tuple[str, Tone], sums: Counter[str], found: Metric) -> Figure | None:
    if not sums:
        return None
    bars = [Bar(fitted(name, _LETTERS), (count,)) for name, count in _ranked(sums)[:BARS_DRAWN]]
    return Bars(title, (part,), bars, _notes(found, len(sums))).draw()


def _ranked(sums: Counter[str]) -> list[tuple[str, int]]:
    return sorted(sums.items(), key=lambda each: (-each[1], each[0]))


def _by_day(found: Metric) -> Counter[date]:
    by_day: Counter[date] = Counter()
    for each in found.counts:
        by_day[each.day] += each.total
    return by_day


def _top_callers(run: Run) -> Figure | str:
    read = [(account, *read_usage(run, account)) for account in accounts_of(run)]
    callers = [(account, caller) for account, usage, _ in read for caller in usage.callers]
    callers.sort(key=lambda each: -each[1].calls)
    gaps = list(dict.fromkeys(f"{leaf(account)}: {note}" for account, _, note in read if note))
    if not callers:
        return "\n".join(gaps) or f"Callers: nobody called {_window(run)}, as far as the logs tell."
    bars = [Bar(_label(run, account, each), _outcomes(each)) for account, each in callers[:BARS_DRAWN]]
    more = [f"{len(callers) - BARS_DRAWN} more are not drawn."] if len(callers) > BARS_DRAWN else []
    return Bars(f"Top callers {_window(run)}", _CALLS, bars, [_LOGGED, *more, *gaps]).draw()


def _label(run: Run, account: str, caller: Caller) -> str:
    """Who called which account. An id that nobody gave a name is shortened: the table of callers has the whole of it."""
    name = caller_name(run, account, caller)
    if name == caller.object_id and len(name) > _LETTERS // 2:
        name = f"{name[:8]}…{name[-4:]}"
    where = f" ({caller.address})" if caller.address and not caller.object_id else ""
    return fitted(f"{name}{where} → {leaf(account)}", _LETTERS)


def _outcomes(caller: Caller) -> tuple[int, int, int, int]:
    known = (caller.succeeded, caller.refused, caller.throttled)
    return (*known, caller.calls - sum(known))


def _by_day_table(run: Run) -> Table:
    """Every day on which something was counted."""
    read = [_read(run, name) for name in (REQUESTS, TOKENS, REJECTED)]
    sums = [_by_day(found) for found in read]
    seen = sorted({each.day for found in read for each in found.counts}, reverse=True)
    rows: list[tuple[table.Cell, ...]] = [(f"{day}", *(by_day[day] for by_day in sums)) for day in seen]
    rows += _unknown(read, 4)
    return Table("By day (UTC)", ("day", "calls", "tokens", "rejected"), rows, _EMPTY)


def _deployments_table(run: Run) -> Table:
    """Every deployment that was called or spent tokens."""
    read = [_read(run, name) for name in (REQUESTS, TOKENS)]
    rows = _summed(read)
    rows += _unknown(read, 4)
    return Table("By deployment", ("account", "deployment", "calls", "tokens"), rows, _EMPTY)


def _rejected_table(run: Run) -> Table:
    """Every category of rejected content."""
    read = [_read(run, REJECTED)]
    rows = _summed(read)
    rows += _unknown(read, 3)
    return Table("Rejected content", ("account", "category", "rejected"), rows, "No rejected content was counted.")


_EMPTY: Final = "Nothing was counted in the window."


def _summed(read: Sequence[Metric]) -> list[tuple[table.Cell, ...]]:
    """A row for each account and name, with the sum of each metric, the most of the last one first."""
    sums = [Counter[tuple[str, str]]() for _ in read]
    for found, summed in zip(read, sums, strict=True):
        for each in found.counts:
            summed[each.account, each.name] += each.total
    keys = sorted({key for summed in sums for key in summed}, key=lambda key: (-sums[-1][key], key))
    return [(leaf(account), name, *(summed[account, name] for summed in sums)) for account, name in keys]


def _unknown(read: Sequence[Metric], width: int) -> Iterator[tuple[table.Cell, ...]]:
    """A row for each reason why there may be more."""
    for gap in dict.fromkeys(gap for found in read for gap in found.gaps):
        yield (f"not known: {gap}", *[None] * (width - 1))
