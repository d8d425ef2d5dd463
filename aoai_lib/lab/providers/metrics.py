"""Microsoft.Insights/metrics at the scope of a subscription: one region's accounts in one answer, split by dimensions.

Shape and errors: Microsoft Learn, "Azure monitoring REST API walkthrough" and "Metrics - List At Subscription Scope" (2023-10-01).
The values of ``Category`` are documented nowhere; the lab uses the names of the filters' annotations.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from aoai_lib.lab import errors
from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.kinds import GET_ONLY, Kind, Query, declare
from aoai_lib.lab.logs import LogQueryError, window_of
from aoai_lib.lab.metrics import REJECTED, REQUESTS, TOKENS
from aoai_lib.lab.shapes import Json

NAMESPACE = "Microsoft.CognitiveServices/accounts"
RESOURCE = "Microsoft.ResourceId"
MOST_DAYS = 93
TOP = 10
STEPS = {"PT1H": timedelta(hours=1), "PT6H": timedelta(hours=6), "PT12H": timedelta(hours=12), "P1D": timedelta(days=1)}
_CALL = ("ModelDeploymentName", "ModelName")
METRICS: dict[str, tuple[str, tuple[str, ...]]] = {
    REQUESTS: ("Number of calls made to the Azure OpenAI API over a period of time.", (*_CALL, "OperationName", "StatusCode")),
    TOKENS: ("Number of inference tokens processed on an OpenAI model.", _CALL),
    REJECTED: ("Number of calls rejected by the content filter.", ("Category", "ModelDeploymentName")),
}  # fmt: skip
_TERM = re.compile(r"([\w. ]+?)\s+eq\s+'([^']*)'", re.IGNORECASE)


def _refused(message: str) -> ArmError:
    return errors.bad_request("BadRequest", message)


def _answer(query: Query) -> Json:
    asked = {key.lower(): value for key, value in query.options.items()}
    region, namespace = asked.get("region", ""), asked.get("metricnamespace", "")
    if not region or namespace.lower() != NAMESPACE.lower():
        raise _refused("A query at the scope of a subscription needs a region, and a namespace that has metrics.")
    if asked.get("aggregation", "").lower() != "total":
        raise _refused("The lab sums: aggregation must be total.")
    step = STEPS.get(asked.get("interval", "").upper())
    if step is None:
        raise _refused(
            f"Detected invalid time grain input: {asked.get('interval')}, supported ones are: {','.join(STEPS)}"
        )
    start, end = _window(query, asked.get("timespan", ""))
    split = {
        name.strip().lower(): value for name, value in _TERM.findall(re.sub(r"\band\b", " ", asked.get("$filter", "")))
    }
    top = int(asked["top"]) if asked.get("top", "").isdigit() and split else TOP
    shown = [
        _metric(query, name.strip(), _Question(_plain(region), start, end, step, split, top))
        for name in asked.get("metricnames", "").split(",")
    ]
    return {
        "cost": int((end - start).total_seconds() // 60),
        "timespan": f"{_text(start)}/{_text(end)}",
        "interval": asked["interval"].upper(),
        "value": shown,
        "namespace": namespace,
        "resourceregion": region,
    }  # fmt: skip


class _Question:
    """What is asked of each metric: where, from when to when, in which steps, split and narrowed by what."""

    def __init__(self, region: str, start: datetime, end: datetime, step: timedelta, split: Mapping[str, str], top: int) -> None:  # fmt: skip
        self.region, self.start, self.end, self.step, self.split, self.top = region, start, end, step, split, top


def _window(query: Query, timespan: str) -> tuple[datetime, datetime]:
    try:
        window = window_of(timespan or "PT1H", query.tenant.now)
    except LogQueryError as odd:
        raise _refused(f"The timespan '{timespan}' is invalid.") from odd
    if window is None or window[0] < query.tenant.now - timedelta(days=MOST_DAYS):
        raise _refused(f"Metrics are kept for {MOST_DAYS} days; '{timespan}' begins before.")
    return window


def _metric(query: Query, name: str, asked: _Question) -> Json:
    known = next((each for each in METRICS if each.lower() == name.lower()), None)
    if known is None:
        raise _refused(f"Failed to find metric configuration for provider: {NAMESPACE}, metric: {name}.")
    about, supported = METRICS[known]
    spelled = {each.lower(): each for each in (RESOURCE, *supported)}
    for each in asked.split:
        if each not in spelled:
            raise _refused(
                f"Metric: {known} does not support requested dimension combination: {each}, supported ones are: {','.join(supported)}"
            )
    return {
        "id": f"subscriptions/{query.path.subscription}/providers/Microsoft.Insights/metrics/{known}",
        "type": "Microsoft.Insights/metrics",
        "name": {"value": known, "localizedValue": known},
        "displayDescription": about,
        "unit": "Count",
        "timeseries": _series(query, known, [spelled[each] for each in asked.split], asked),
        "errorCode": "Success",
    }


def _series(query: Query, metric: str, names: list[str], asked: _Question) -> list[Json]:
    """The time series, the greatest first; a step that is over, or has begun, holds a number, 0 too."""
    sums: dict[tuple[str, ...], Counter[int]] = {}
    for point, count in query.tenant.meter.of(metric):
        account = query.tenant.find(point.account)
        if account is None or f"/subscriptions/{query.path.subscription}/".lower() not in f"{point.account}/":
            continue
        held = dict(point.dimensions) | {RESOURCE: account.id}
        values = tuple(held.get(name, "") for name in names)
        wanted = all(
            asked.split[name.lower()].lower() in ("*", value.lower()) for name, value in zip(names, values, strict=True)
        )
        if wanted and _plain(account.location) == asked.region and asked.start <= point.moment < asked.end:
            sums.setdefault(values, Counter())[(point.moment - asked.start) // asked.step] += count
    until = min(asked.end, query.tenant.now)
    steps = range(max(0, math.ceil((until - asked.start) / asked.step)))
    ranked = sorted(sums.items(), key=lambda each: (-each[1].total(), each[0]))
    kept: Counter[str] = Counter()
    shown = []
    for values, totals in ranked:
        resource = values[names.index(RESOURCE)] if RESOURCE in names else ""
        kept[resource] += 1
        if kept[resource] <= asked.top:
            about = [
                {"name": {"value": n, "localizedValue": n}, "value": v} for n, v in zip(names, values, strict=True)
            ]
            data = [
                {"timeStamp": _text(asked.start + asked.step * each), "total": float(totals[each])} for each in steps
            ]
            shown.append({"metadatavalues": about, "data": data})
    return shown


def _plain(region: str) -> str:
    return region.replace(" ", "").lower()


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


declare(
    [
        Kind(
            "Microsoft.Insights/metrics",
            ("2021-05-01", "2023-10-01", "2024-02-01"),
            methods=GET_ONLY,
            report=_answer,
        )
    ]
)
