"""Log queries over exported metrics: which metric they read, and whether they add up all of it.

A row of AzureMetrics is one minute of one metric of an account (`TimeGrain` PT1M), and `Total` what came in that minute.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from aoai_lib.controls.monitoring_conditions import ABOVE, VALUE
from aoai_lib.controls.monitoring_steps import conditions, quoted, steps

_METRIC: Final = re.compile(
    rf"\bmetricname\s*\)?\s*(==|=~|in~|in|has_any|has|contains|startswith)\s*({VALUE})", re.IGNORECASE
)
_SUM: Final = re.compile(
    r"\s*(?:(\w+)\s*=\s*)?sum\s*\(\s*total\s*\)\s*(?:,\s*\w+\s*=\s*(?:min|max)\s*\(\s*timegenerated\s*\)\s*)?(?:by\b(.*))?",
    re.IGNORECASE | re.DOTALL,
)
_WHOLE: Final = re.compile(
    r"\s*(?:\w+\s*=\s*)?(?:_?resourceid|resource|resourcegroup|_?subscriptionid|resourceprovider|metricname|"
    r"bin\s*\(\s*timegenerated\s*,[^()]*\))\s*",
    re.IGNORECASE,
)
"""What sums of a metric may be counted by: an account's are whole in each slice of time."""


def tests_of_metric(text: str) -> list[tuple[str, str]]:
    """The operators and values that the metric of a row is compared with."""
    return _METRIC.findall(text)


def metric_holds(operator: str, value: str, metrics: Iterable[str]) -> bool:
    """Whether a test of a row's metric lets one of them through. Only comparisons without case take another spelling."""
    texts = quoted(value)
    if operator in ("==", "in"):
        return any(metric in texts for metric in metrics)
    lowered = [each.lower() for each in texts]
    if operator in ("contains", "startswith"):
        return any(text in metric.lower() for text in lowered for metric in metrics)
    return any(metric.lower() in lowered for metric in metrics)


def total(text: str) -> str | None:
    """The column of an account's total, lower case: `total`, of each minute, or a sum of these; None where the text does not tell.

    Where rows are summed, a number that each of them has to exceed leaves out those below it.
    """
    column, own = "total", steps(text)
    for number, step in enumerate(own):
        if step.operator == "summarize":
            found = _SUM.fullmatch(_closed(step.body)) if column == "total" else None
            if found is None or not all(_WHOLE.fullmatch(each) for each in _listed(found[2] or "")):
                return None
            column = (found[1] or "sum_Total").lower()
        elif step.filters:
            later = any(each.operator == "summarize" for each in own[number:])
            above = [found for each in conditions(step) if (found := re.fullmatch(ABOVE, each))]
            if any(each[1].lower() != column or (later and float(each[3]) > 0) for each in above):
                return None
        elif re.search(rf"\b(?:{column}|total|timegenerated)\s*=", step.body, re.IGNORECASE):
            return None
    return column


def _closed(text: str) -> str:
    """A step's text without the bracket that ends what it stands in."""
    return text.rstrip(" \n\t}") if text.count("(") >= text.count(")") else text.rstrip(" \n\t})")


def _listed(text: str) -> list[str]:
    """What stands between the commas of a list, those in brackets left as they are."""
    return [each for each in re.split(r",(?![^()]*\))", text) if each.strip()]
