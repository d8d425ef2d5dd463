"""What time it is for the service that is read: our own clock may be wrong, and a replay's is years late."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from aoai_lib.evidence.store import Evidence


def service_clock(evidence: Evidence) -> str:
    """When the reading began by the service's own clock (ISO 8601, UTC): the `Date` of its first answer, else ours."""
    for exchange in evidence.exchanges:
        if "date" in exchange.headers:
            try:
                moment = parsedate_to_datetime(exchange.headers["date"])
                moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
            except (ValueError, OverflowError):
                continue
            if moment.year in _YEARS:
                return _utc(moment)
    return _utc(datetime.now(UTC))


_YEARS: Final = range(2015, 2200)
"""Resource Manager is no older; days are added to what it says, which other years have no room for."""


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
