"""How fast Azure is asked, by all threads together: as fast as it answers, until it says that it has enough.

Resource Manager gives whoever asks a bucket of reads for each subscription, 250 of them and 25 more each second, and tells with
each answer how many are left (Microsoft Learn, "Understand how Azure Resource Manager throttles requests"). Where few are left,
requests go out one by one, more slowly than the bucket fills. Where an answer names a time to wait (`Retry-After`), nobody asks
there before it has passed: the others would only be refused as well, and each refusal costs one of their tries.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from azure.core.pipeline.policies import HTTPPolicy

from aoai_lib.azure.patience import LONGEST_WAIT, PatiencePolicy

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineRequest, PipelineResponse

FEW: Final = 50
"""Reads left from which on requests are spaced. Three times as many as can be in flight."""
SPACE: Final = 1 / 20
"""Seconds between two requests then."""
_BUSY: Final = (429, 503)


class Pace:
    """What is known of the places that are asked: a host, and a subscription on it. Safe for threads."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = Lock()
        self._closed: dict[str, float] = {}
        self._turn: dict[str, float] = {}
        self._scarce: set[str] = set()

    def wait(self, place: str) -> None:
        """Come back when the next request to a place may go out."""
        turn: float | None = None
        while True:
            with self._lock:
                now = self._clock()
                opens = self._closed.get(place, now)
                if opens > now:
                    turn, until = None, opens
                else:
                    turn = until = self._take_turn(place, now) if turn is None else turn
            if until <= now:
                return
            self._sleep(until - now)

    def _take_turn(self, place: str, now: float) -> float:
        if place not in self._scarce:
            return now
        turn = max(now, self._turn.get(place, now))
        self._turn[place] = turn + SPACE
        return turn

    def hear(self, place: str, left: int | None, wait: float | None) -> None:
        """What an answer told: how many reads are left, and for how many seconds nothing should be asked."""
        with self._lock:
            if wait:
                self._closed[place] = max(self._closed.get(place, 0), self._clock() + wait)
            if wait or (left is not None and left < FEW):
                self._scarce.add(place)
            elif left is not None:
                self._scarce.discard(place)


def place_of(url: str) -> str:
    """What shares a limit: the host, and the subscription where the path begins with one."""
    parts = urlsplit(url)
    steps = parts.path.lower().split("/")
    return f"{parts.netloc}/{steps[2]}" if len(steps) > 2 and steps[1] == "subscriptions" else parts.netloc


def reads_left(headers: Mapping[str, str]) -> int | None:
    """The fewest reads that any of an answer's headers names; None where none does."""
    told = [
        int(value)
        for name, value in headers.items()
        if name.lower().startswith("x-ms-ratelimit-remaining-") and name.lower().endswith("-reads") and value.isdigit()
    ]
    return min(told, default=None)


class PacingPolicy(HTTPPolicy[Any, Any]):
    """Holds requests back as a `Pace` that all clients share says. Stands inside the retries, so that each try waits its turn."""

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace
        self._patience = PatiencePolicy()

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Wait, pass the request on, and listen to what the answer says about the next."""
        place = place_of(request.http_request.url)
        self._pace.wait(place)
        response = self.next.send(request)
        http = response.http_response
        wait = self._patience.get_retry_after(response) if http.status_code in _BUSY else None
        self._pace.hear(place, reads_left(http.headers), min(wait, LONGEST_WAIT) if wait else None)
        return response
