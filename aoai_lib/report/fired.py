"""Alerts that fired: which rules told of something about the accounts or their logs in the last thirty days, as rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from aoai_lib.facts import why_not_read
from aoai_lib.model import State
from aoai_lib.report.matrices import accounts_of
from aoai_lib.report.table import Table
from aoai_lib.report.text import leaf

if TYPE_CHECKING:
    from aoai_lib.run import Run

_COLUMNS: Final = ("rule", "signal", "about", "times", "last fired (UTC)", "state")


def alerts_fired(run: Run) -> Table:
    """A row for each rule and what it was about, the latest first; a row with the reason for a subscription that could not be read."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in _alerts(run):
        found.setdefault(
            (str(each.get("alertRule", "")).lower(), str(each.get("targetResource", "")).lower()), []
        ).append(each)
    rows = []
    for (rule, target), fired in found.items():
        last = max(fired, key=lambda each: str(each.get("startDateTime", "")))
        moment = str(last.get("startDateTime", ""))[:16].replace("T", " ")
        rows.append(
            (
                leaf(rule),
                str(last.get("signalType", "")),
                leaf(target),
                len(fired),
                moment,
                str(last.get("alertState", "")),
            )
        )
    rows.sort(key=lambda each: (each[4], each[0]), reverse=True)
    unread = [
        (None, None, None, None, None, why_not_read(reading))
        for reading in run.snapshot.of("fired_alerts")
        if reading.state is not State.COLLECTED
    ]
    empty = "No alert about the accounts or their logs fired in the last thirty days."
    return Table("Alerts that fired in the last thirty days", _COLUMNS, [*rows, *unread], empty)


def _alerts(run: Run) -> Iterator[dict[str, Any]]:
    """The essentials of each alert about an assessed account, or about a workspace that receives logs."""
    about = [each.strip("/").lower() for each in accounts_of(run)]
    about += [each.scope.strip("/").lower() for each in run.snapshot.of("workspace")]
    for reading in run.snapshot.of("fired_alerts"):
        for alert in reading.value if isinstance(reading.value, list) else []:
            own = alert.get("properties") if isinstance(alert, dict) else None
            essentials = own.get("essentials") if isinstance(own, dict) else None
            if isinstance(essentials, dict):
                target = f"{essentials.get('targetResource', '')}/".strip("/").lower() + "/"
                if any(target.startswith(f"{each}/") for each in about):
                    yield essentials
