"""What the detections found in the evidence window: leads for whoever assesses, by day and one by one. No verdict on posture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from aoai_lib.detections import Detection, catalogue, lead_of, resources_of, rows_in
from aoai_lib.facts import why_not_read
from aoai_lib.model import Severity, State
from aoai_lib.report import table
from aoai_lib.report.figure import Cell, Grid, Row, Tone
from aoai_lib.report.figures import Gallery
from aoai_lib.report.matrices import accounts_of
from aoai_lib.report.table import Table
from aoai_lib.report.text import leaf

if TYPE_CHECKING:
    from aoai_lib.run import Run

_STEPS: Final = 10
"""Columns of the picture, each of as many days."""
_TIMES: Final = ("Last", "TimeGenerated", "First")
_NOT_TOLD: Final = frozenset({"_ResourceId", "ResourceId", "Resources", "CorrelationId", *_TIMES})
_LEGEND: Final = (
    Cell("3", Tone.BAD, "leads of high or critical severity"),
    Cell("3", Tone.WEAK, "of lower severity"),
    Cell("·", Tone.NONE, "none"),
)


@dataclass(frozen=True, slots=True)
class Lead:
    """A row that a detection gave. `resource` is what it names, "" where that is nothing; `when` None where it tells no time."""

    detection: Detection
    resource: str
    when: datetime | None
    told: str


def leads(run: Run) -> tuple[list[Lead], list[str]]:
    """The leads about the assessed accounts, newest first, each once; and why some detections gave no answer."""
    own = list(accounts_of(run))
    known = {each.id: each for each in catalogue()}
    found: dict[tuple[str, str], Lead] = {}
    missing: Counter[str] = Counter()
    for reading in run.snapshot.of("detection"):
        detection = known.get(reading.scope.rpartition("/")[2])
        if detection is None:
            continue
        if reading.state not in (State.COLLECTED, State.PARTIAL):
            if not detection.optional:
                missing[why_not_read(reading)] += 1
            continue
        for row in rows_in(reading.value):
            if any(lead_of(row, account) for account in own):
                found.setdefault((detection.id, repr(sorted(row.items()))), _lead(detection, row))
    earliest = datetime.min.replace(tzinfo=UTC)
    listed = sorted(found.values(), key=lambda each: (each.when or earliest, each.detection.id), reverse=True)
    return listed, [f"{count} detections gave no answer: {why}" for why, count in missing.items()]


def _lead(detection: Detection, row: dict[str, Any]) -> Lead:
    moments = (_moment(row[name]) for name in _TIMES if name in row)
    told = ", ".join(
        f"{name} {value}" for name, value in row.items() if name not in _NOT_TOLD and value not in (None, "")
    )
    resource = ", ".join(leaf(each) for each in resources_of(row))
    return Lead(detection, resource, next((each for each in moments if each), None), told)


def _moment(value: Any) -> datetime | None:
    try:
        then = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return None
    return then if then.tzinfo else then.replace(tzinfo=UTC)


def leads_table(run: Run) -> Table:
    """Every lead: when, which detection, about what, what the row says, and what to do on a hit."""
    found, missing = leads(run)
    rows: list[tuple[table.Cell, ...]] = [
        (
            f"{each.when:%Y-%m-%d %H:%M}" if each.when else "",
            f"{each.detection.id} {each.detection.title}",
            Severity(each.detection.severity),
            each.resource,
            each.told,
            each.detection.on_hit,
        )
        for each in found
    ]
    rows += [(None, None, None, None, why, None) for why in missing]
    columns = ("last seen (UTC)", "detection", "severity", "resource", "what the row says", "what to do")
    return Table("Leads", columns, rows, "The detections found nothing to look at in the window.")


def leads_by_day(run: Run) -> Gallery:
    """The leads of the window as a time line, a row for each detection that gave some."""
    found, missing = leads(run)
    if not found:
        return Gallery([], missing or ["The detections found nothing to look at in the window."])
    until = datetime.fromisoformat(run.snapshot.as_of)
    step = timedelta(days=-(-run.snapshot.evidence_days // _STEPS))
    starts = [until - step * number for number in range(_STEPS, 0, -1)]
    rows = [
        _row(detection, [each for each in found if each.detection is detection], starts, step)
        for detection in _seen(found)
    ]
    title = f"Leads in the last {run.snapshot.evidence_days} days, by the day last seen"
    columns = (*(f"{start:%m-%d}" for start in starts), "no time")
    notes = [
        f"Each column begins on the day it names and holds {step.days} days (UTC)."
        if step.days > 1
        else "Days are UTC."
    ]
    return Gallery([Grid(title, columns, rows, _LEGEND, notes=[*notes, *missing], cell_width=52).draw()])


def _seen(found: list[Lead]) -> Iterator[Detection]:
    given = {each.detection.id for each in found}
    return (each for each in catalogue() if each.id in given)


def _row(detection: Detection, own: list[Lead], starts: list[datetime], step: timedelta) -> Row:
    tone = Tone.BAD if detection.severity in ("critical", "high") else Tone.WEAK
    cells = []
    for start in starts:
        count = sum(1 for each in own if each.when is not None and start <= each.when < start + step)
        cells.append(
            Cell(f"{count:,}", tone, f"{count:,} lead{'s' * (count > 1)}") if count else Cell("·", Tone.NONE, "none")
        )
    inside = sum(1 for each in own if each.when is not None and starts[0] <= each.when < starts[-1] + step)
    left = len(own) - inside
    cells.append(Cell(f"{left:,}", tone, f"{left:,} lead{'s' * (left > 1)}") if left else Cell("·", Tone.NONE, "none"))
    return Row(detection.title, f"{detection.id}, {detection.severity}", tuple(cells))
