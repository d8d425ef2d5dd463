"""What was used and what was rejected: metrics by the day, two questions a subscription and region, however many accounts.

At the scope of a subscription, one answer holds every account of a region (Microsoft Learn, "Metrics - List At Subscription
Scope", 2023-10-01); whoever asks needs the right to on the subscription, not on each account.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from aoai_lib.azure.clients import Azure
from aoai_lib.collect import EACH_REGION, Form, Source, name_of, subscription_of
from aoai_lib.evidence.clock import service_clock
from aoai_lib.metrics import (
    BY_CATEGORY,
    BY_DEPLOYMENT,
    CATEGORY,
    DEPLOYMENT,
    MOST_SERIES,
    REJECTED,
    REQUESTS,
    RESOURCE,
    TOKENS,
)

READ: Final = "Microsoft.Insights/metrics/read"
VERSION: Final = "2023-10-01"
"""Not the SDK's newest, so that clouds that follow later have it too; the answer is the same."""
MOST_DAYS: Final = 92
"""Metrics are kept for 93 days, and today is one of them."""


def _timespan(azure: Azure) -> str:
    """The window by the service's clock, in whole days with today's to its end, so that a replay asks the same question."""
    now = datetime.fromisoformat(service_clock(azure.evidence))
    since = now - timedelta(days=min(azure.evidence_days, MOST_DAYS))
    return f"{since:%Y-%m-%d}T00:00:00Z/{now + timedelta(days=1):%Y-%m-%d}T00:00:00Z"


def _split(dimension: str, *metrics: str) -> Callable[[Azure, str], Any]:
    """These metrics of a region, each account's by itself, by one dimension."""
    return lambda azure, region: azure.monitor(subscription_of(region)).metrics.list_at_subscription_scope(
        name_of(region),
        timespan=_timespan(azure),
        interval="P1D",
        metricnames=",".join(metrics),
        aggregation="total",
        top=MOST_SERIES,
        filter=f"{RESOURCE} eq '*' and {dimension} eq '*'",
        metricnamespace="Microsoft.CognitiveServices/accounts",
        api_version=VERSION,
    )


SOURCES = (
    Source(BY_DEPLOYMENT, EACH_REGION, READ, _split(DEPLOYMENT, TOKENS, REQUESTS), form=Form.SERIES, is_list=True),
    Source(BY_CATEGORY, EACH_REGION, READ, _split(CATEGORY, REJECTED), form=Form.SERIES, is_list=True),
)
