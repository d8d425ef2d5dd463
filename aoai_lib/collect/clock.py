"""What time it is for the service that is read: our own clock may be wrong, and a replay's is years late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from statistics import median_low
from typing import Final

from aoai_lib.evidence.store import Evidence

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


def _dates(evidence: Evidence) -> Iterator[datetime]:
    for exchange in evidence.exchanges:
        if "date" in exchange.headers:
            try:
                moment = parsedate_to_datetime(exchange.headers["date"])
                moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
            except (ValueError, OverflowError):
                continue
            if moment.year in _YEARS:
                yield moment


_YEARS: Final = range(2015, 2200)
"""Resource Manager is no older; days are added to what it says, which other years have no room for."""


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
