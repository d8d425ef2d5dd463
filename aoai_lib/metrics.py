"""What Azure Monitor counted on the accounts: tokens and calls by deployment, rejected content by category, day by day.

Metrics come without any diagnostic setting, and without any caller: no metric of an account has a dimension for who called.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from aoai_lib.facts import UnexpectedShapeError, why_not_read
from aoai_lib.model import Json, Reading, Snapshot, State

BY_DEPLOYMENT: Final = "metrics_by_deployment"
BY_CATEGORY: Final = "metrics_by_category"
"""Sources of readings; their scope is a region of a subscription."""

REQUESTS: Final = "AzureOpenAIRequests"
TOKENS: Final = "TokenTransaction"
REJECTED: Final = "RAIRejectedRequests"
RESOURCE: Final = "Microsoft.ResourceId"
DEPLOYMENT: Final = "ModelDeploymentName"
CATEGORY: Final = "Category"
"""Metrics and dimensions as the service spells them (Microsoft Learn, supported metrics, 2026-07-31)."""

MOST_SERIES: Final = 500
"""Time series that are asked for of each account; one that has as many may have more."""


@dataclass(frozen=True, slots=True)
class Count:
    """What was counted in a day. `account` is an ARM id in lower case, `name` the deployment or category as the service tells it."""

    account: str
    name: str
    day: date
    total: int


@dataclass(frozen=True)
class Metric:
    """The counts of one metric over the window. `gaps` are sentences: why there may be more."""

    name: str
    counts: tuple[Count, ...] = ()
    gaps: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Everything that was counted."""
        return sum(each.total for each in self.counts)


def metric(snapshot: Snapshot, source: str, name: str, dimension: str) -> Metric:
    """One metric over all accounts that are assessed, as far as it was read."""
    assessed = {reading.scope.lower(): reading for reading in snapshot.of("account")}
    counts: list[Count] = []
    gaps: dict[str, None] = {}
    readings = list(snapshot.of(source))
    if not readings:
        gaps["The metrics were not read for this run."] = None
    for reading in readings:
        if reading.state not in (State.COLLECTED, State.PARTIAL):
            gaps[why_not_read(reading)] = None
            continue
        try:
            gaps |= dict.fromkeys(_failures(reading, name))
            found = list(_counts(reading, name, dimension))
        except UnexpectedShapeError as odd:
            gaps[f"The answer of {reading.call} is not of the documented form: {odd}"] = None
            continue
        counts += [each for each in found if each.account in assessed]
        gaps |= dict.fromkeys(_cut(found))
    unplaced = sum(not _has_place(reading) for reading in assessed.values())
    if unplaced and readings:
        gaps[f"{unplaced} of the accounts could not be read or name no region, so their metrics may be missing."] = None
    return Metric(name, tuple(counts), tuple(gaps))


def days(snapshot: Snapshot) -> list[date]:
    """The days of the evidence window, the first and today with it, by the service's clock (UTC)."""
    today = datetime.fromisoformat(snapshot.as_of).date()
    return [today - timedelta(days=back) for back in range(snapshot.evidence_days, -1, -1)]


def _has_place(reading: Reading) -> bool:
    location = reading.value.get("location") if isinstance(reading.value, dict) else None
    return isinstance(location, str) and bool(location)


def _cut(found: list[Count]) -> Iterator[str]:
    """A sentence for each account that has as many series as were asked for."""
    names: dict[str, set[str]] = {}
    for each in found:
        names.setdefault(each.account, set()).add(each.name)
    for account, held in names.items():
        if len(held) >= MOST_SERIES:
            yield f"“{account.rpartition('/')[2]}” has {MOST_SERIES:,} series or more, so some may be missing."


def _answered(reading: Reading, name: str) -> list[Json]:
    return [each for each in _list(reading.value, "value") if _text(_inside(each, "name"), "value") == name]


def _failures(reading: Reading, name: str) -> Iterator[str]:
    """A sentence where the service answered and says that it has not this metric, or not all of it."""
    answered = _answered(reading, name)
    if not answered:
        yield f"{reading.call} answered without {name}."
    for code in dict.fromkeys(_text(each, "errorCode", "Success") for each in answered):
        if code != "Success":
            yield f"{reading.call} answered {code} for {name}."


def _counts(reading: Reading, name: str, dimension: str) -> Iterator[Count]:
    """The counts of one answer. Raises `UnexpectedShapeError`."""
    for each in _answered(reading, name):
        for series in _list(each, "timeseries"):
            held = {
                _text(_inside(entry, "name"), "value").lower(): _text(entry, "value")
                for entry in _list(series, "metadatavalues")
            }
            for point in _list(series, "data"):
                total = _number(point)
                if total:
                    account, told = held.get(RESOURCE.lower(), ""), held.get(dimension.lower(), "")
                    yield Count(account.lower(), told, _day(point), total)


def _inside(value: Json, name: str) -> Json:
    if not isinstance(value, dict):
        raise UnexpectedShapeError(name, "inside an object", value)
    return value.get(name)


def _list(value: Json, name: str) -> list[Json]:
    found = _inside(value, name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise UnexpectedShapeError(name, "a list", found)
    return found


def _text(value: Json, name: str, default: str = "") -> str:
    found = _inside(value, name)
    if found is None:
        return default
    if not isinstance(found, str):
        raise UnexpectedShapeError(name, "text", found)
    return found


def _number(point: Json) -> int:
    """The total of a data point; a day without one counted nothing."""
    total = _inside(point, "total")
    if total is None:
        return 0
    if isinstance(total, bool) or not isinstance(total, int | float) or not math.isfinite(total) or total < 0:
        raise UnexpectedShapeError("total", "a number", total)
    return round(total)


def _day(point: Json) -> date:
    moment = _text(point, "timeStamp")
    try:
        return date.fromisoformat(moment[:10])
    except ValueError as odd:
        raise UnexpectedShapeError("timeStamp", "a time", moment) from odd
