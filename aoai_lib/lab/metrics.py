"""What the accounts of a tenant measured: how much, of which metric, when, by dimension.

Azure Monitor counts by itself, whether or not a diagnostic setting sends anything anywhere. So calls are counted from the rows
that they leave, delivered or not, and from what the content filter blocked. No metric has a dimension for the caller.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aoai_lib.lab.shapes import parse_instant

REQUESTS, TOKENS, REJECTED = "AzureOpenAIRequests", "TokenTransaction", "RAIRejectedRequests"


@dataclass(frozen=True)
class Point:
    """One combination of dimensions at one minute. ``account`` is an ARM id in lower case."""

    metric: str
    account: str
    dimensions: tuple[tuple[str, str], ...]
    moment: datetime


class Meter:
    """The counts of one tenant. Any thread may call."""

    def __init__(self) -> None:
        self._counts: Counter[Point] = Counter()
        self._lock = threading.Lock()

    def take(self, row: Mapping[str, Any], rejected: Iterable[str] = (), tokens: int = 0) -> None:
        """Count what a log row tells: a call that reached a deployment, or the tokens of one.

        ``rejected`` and ``tokens`` are what no row of a call tells: the filters that blocked it, and what it spent.
        """
        try:
            found = json.loads(str(row.get("properties_s") or "{}"))
        except ValueError:
            return
        deployment = str(found.get("modelDeploymentName") or "") if isinstance(found, dict) else ""
        if not deployment:
            return
        place = {"ModelDeploymentName": deployment, "ModelName": str(found.get("modelName") or "")}
        account = str(row.get("_ResourceId") or row.get("ResourceId") or "")
        moment = parse_instant(str(row["TimeGenerated"]))
        if row.get("Category") == "RequestResponse":
            told = {"OperationName": str(row.get("OperationName")), "StatusCode": str(row.get("ResultSignature"))}
            self.add(REQUESTS, account, place | told, moment, 1)
            self.add(TOKENS, account, place, moment, tokens)
            for category in rejected:
                where = {"Category": category, "ModelDeploymentName": deployment}
                self.add(REJECTED, account, where, moment, 1)
        elif row.get("Category") == "AzureOpenAIRequestUsage":
            spent = sum(sum(found.get(name) or ()) for name in ("promptTokens", "completionTokens"))
            self.add(TOKENS, account, place, moment, spent)

    def add(self, metric: str, account: str, dimensions: Mapping[str, str], moment: datetime, count: int) -> None:
        """Count something. Nothing is kept of a count of nothing."""
        if not count:
            return
        at = moment.replace(second=0, microsecond=0)
        with self._lock:
            self._counts[Point(metric, account.lower(), tuple(sorted(dimensions.items())), at)] += count

    def of(self, metric: str) -> Iterator[tuple[Point, int]]:
        """Every count of a metric."""
        with self._lock:
            found = list(self._counts.items())
        return ((point, count) for point, count in found if point.metric == metric)
