"""What time it is for the service that is read: our own clock may be wrong, and a replay's is years late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from statistics import median_low
from typing import Final

from aoai_lib.evidence.store import Evidence, Exchange

_LONGEST_RUN: Final = timedelta(hours=6)
"""Times of one run lie this close together; one that lies farther off is a wrong clock's."""


def service_clock(evidence: Evidence) -> str:
    """When the reading began by the service's own clock (ISO 8601, UTC): the `Date` of its first answer, else ours.

    One answer may be dated wrongly, by a cache or a clock that jumped, and so may this machine be: the first date counts that lies
    near the middle one of all, ours among them.
    """
    told = list(_dates(evidence))
    ours = datetime.now(UTC)
    if not told:
        return _utc(ours)
    middle = median_low([*told, ours])
    nearest = min(told, key=lambda each: abs(each - middle))
    return _utc(next(each for each in told if abs(each - nearest) <= _LONGEST_RUN))


def answer_times(evidence: Evidence) -> Callable[[Exchange], str]:
    """A function that says when an answer came by the service's clock (ISO 8601, UTC).

    Its `Date` says so, unless that lies too far from when the reading began; then our own time of it, moved by how far the service's
    clock is ahead of ours in the middle of all answers; and where that lies too far too, when the reading began.
    """
    began = datetime.fromisoformat(service_clock(evidence))
    apart = [told - kept for each in evidence.exchanges if (told := _date(each)) is not None and (kept := _kept(each))]
    ahead = median_low(apart) if apart else timedelta()

    def answered(exchange: Exchange) -> str:
        told, kept = _date(exchange), _kept(exchange)
        moments = (told, kept + ahead if kept is not None else None)
        near = (each for each in moments if each is not None and abs(each - began) <= _LONGEST_RUN)
        return next(near, began).isoformat(timespec="seconds")

    return answered


def _dates(evidence: Evidence) -> Iterator[datetime]:
    for exchange in evidence.exchanges:
        if (moment := _date(exchange)) is not None:
            yield moment


def _date(exchange: Exchange) -> datetime | None:
    """What an answer's `Date` says; None where it has none that can be."""
    try:
        moment = parsedate_to_datetime(exchange.headers["date"])
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        return None
    return moment if moment.year in _YEARS else None


def _kept(exchange: Exchange) -> datetime | None:
    """When an answer came by our clock; None where a recording does not say it."""
    try:
        return datetime.fromisoformat(exchange.time).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_YEARS: Final = range(2015, 2200)
"""Resource Manager is no older; days are added to what it says, which other years have no room for."""


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
