"""How much a caller may read, as Resource Manager limits it: a bucket for each caller and subscription, filled again by the second."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aoai_lib.lab.errors import GATEWAY, ArmError


@dataclass
class Quota:
    """``size`` reads at once, and ``per_second`` more each second of the real clock."""

    size: int
    per_second: float
    clock: Callable[[], float] = time.monotonic
    held: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def take(self, caller: str, subscription: str) -> int:
        """Take one read; how many are left. Raises the service's 429 where there is none."""
        key, now = (caller, subscription.lower()), self.clock()
        left, since = self.held.get(key, (float(self.size), now))
        left = min(float(self.size), left + (now - since) * self.per_second)
        if left < 1:
            self.held[key] = left, now
            raise _exhausted(caller, subscription, math.ceil((1 - left) / self.per_second))
        self.held[key] = left - 1, now
        return int(left - 1)


def quota_of(text: str) -> Quota:
    """A quota as a command line spells it: ``250:25``. Raises ValueError."""
    size, _, rate = text.partition(":")
    if not size.isdigit() or not rate.isdigit() or not int(size) or not int(rate):
        raise ValueError(f"{text!r} is no quota: write reads at once and reads a second, as in 250:25")
    return Quota(int(size), float(rate))


def _exhausted(caller: str, subscription: str, seconds: int) -> ArmError:
    message = (
        f"Number of requests for subscription '{subscription}' and principal '{caller}' exceeded the limit of the token"
        f" bucket. Please try again after '{seconds}' seconds."
    )
    left = {"x-ms-ratelimit-remaining-subscription-reads": "0", "retry-after": str(seconds)}
    return ArmError(429, "SubscriptionRequestsThrottled", message, headers=GATEWAY | left)
