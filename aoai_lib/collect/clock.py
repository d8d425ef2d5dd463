"""What time it is for the service that is read: our own clock may be wrong, and a replay's is years late."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from aoai_lib.evidence.store import Evidence


def service_clock(evidence: Evidence) -> str:
    """When the reading began by the service's own clock (ISO 8601, UTC): the `Date` of its first answer, else ours."""
    for exchange in evidence.exchanges:
        if "date" in exchange.headers:
            try:
                moment = parsedate_to_datetime(exchange.headers["date"])
            except ValueError:
                continue
            return _utc(moment)
    return _utc(datetime.now(UTC))


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
