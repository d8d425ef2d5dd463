"""Whether an alert rule watches a thing closely enough: its metric or query, its threshold, window and restrictions.

Each judge answers as `monitoring_rules.Lacks` does: None where the rule watches something else, "" where it is close enough,
else what it lacks, as the end of a sentence that begins with the rule's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from aoai_lib.controls.monitoring_queries import Query, understand
from aoai_lib.controls.monitoring_rules import CALLERS, CHANGED, KEYS, Lacks, containers, minutes, silent
from aoai_lib.facts import Facts, View

NAMESPACE: Final = "microsoft.cognitiveservices/accounts"
_WHOLE: Final = frozenset({"modeldeploymentname", "modelname", "modelversion", "region", "microsoft.resourceid"})
"""Dimensions that leave a deployment whole: it has one model, in one region. Numbers are for a deployment, or for more.

A rule over several resources is split by their ids.
"""
TWO_DAYS: Final = 2880.0
"""Minutes that a log alert can look back, whatever its query says (Microsoft Learn, log search alert rules)."""


def level(condition: View) -> float | None:
    """The number above which a condition fires; None where it does not fire above a number."""
    threshold = condition.number("threshold")
    operator = condition.text("operator").lower()
    if threshold is None or operator not in ("greaterthan", "greaterthanorequal"):
        return None
    return threshold if operator == "greaterthan" else threshold - 1


def _schedule(rule: View) -> tuple[float, str]:
    """The window in minutes, and what is wrong with the schedule."""
    window, every = minutes(rule, "properties.windowSize"), minutes(rule, "properties.evaluationFrequency")
    if not window or not every:
        return 0, "has a window or frequency that can't be read"
    return window, "looks less often than its window is long" if every > window else ""


def _gaps(rule: View, query: Query) -> str:
    """What is wrong with a query that looks back less far than the time until it is asked again."""
    every = minutes(rule, "properties.evaluationFrequency") or 0
    if query.reach is None or query.reach >= every:
        return ""
    return f"looks back {query.reach:g} minutes, every {every:g} minutes: what happens between is not seen"


def _restricted(condition: View) -> str:
    """What the condition's dimensions leave out. Splitting by every value (`*`) leaves out nothing."""
    for dimension in condition.each("dimensions"):
        include = dimension.text("operator", "Include").lower() == "include"
        if not include or "*" not in dimension.texts("values"):
            return f"watches only some values of “{dimension.name}”"
    return ""


def _divided(condition: View) -> str:
    """What a metric condition splits so that its parts may each stay below the number that they exceed together."""
    for dimension in condition.each("dimensions"):
        if dimension.text("name").lower() not in _WHOLE:
            return (
                f"counts each value of “{dimension.name}” by itself, so that together they may exceed the number unseen"
            )
    return ""


def _misses(facts: Facts, rule: View) -> str:
    """Why a metric rule on a group or subscription leaves the account out: such a rule names one type and one region."""
    if containers(facts.subject.account)[0] in {scope.strip("/").lower() for scope in rule.texts("properties.scopes")}:
        return ""
    if rule.text("properties.targetResourceType").lower() != NAMESPACE:
        return "is for resources of another type"
    region = rule.text("properties.targetResourceRegion").replace(" ", "").lower()
    own = facts.account.text("location").replace(" ", "").lower()
    return f"is for the region “{region}” and the account is in “{own}”" if region and region != own else ""


def _of_others(facts: Facts, rule: View) -> str:
    """Why a log rule on a group or subscription leaves the account out: such a rule may name the types that it looks at."""
    types = {each.lower() for each in rule.texts("properties.targetResourceTypes")}
    scopes = {scope.strip("/").lower() for scope in rule.texts("properties.scopes")}
    whole = set(containers(facts.subject.account)[1:])
    return "is for resources of another type" if types and NAMESPACE not in types and scopes <= whole else ""


def _loose(threshold: float, window: float, limit: float, base: float) -> str:
    """What is wrong with a threshold over a window, when more than `limit` in `base` minutes must raise an alert."""
    if threshold <= limit * min(1.0, window / base):
        return ""
    return f"waits for more than {threshold:g} in {window:g} minutes, and {limit:g} in {base:g} are allowed"


def metric(metrics: Iterable[str], limit: float, base: float) -> Lacks:
    """A metric alert on the total of one of these metrics, as strict as more than `limit` in `base` minutes."""
    wanted = {name.lower() for name in metrics}

    def judge(facts: Facts, rule: View) -> str | None:
        conditions = list(rule.each("properties.criteria.allOf"))
        if not any(condition.text("metricName").lower() in wanted for condition in conditions):
            return None
        if len(conditions) > 1:
            return "fires only when other conditions are met too"
        condition, (window, wrong) = conditions[0], _schedule(rule)
        if condition.text("metricNamespace", NAMESPACE).lower() != NAMESPACE:
            return None
        return (
            _misses(facts, rule)
            or wrong
            or _restricted(condition)
            or _divided(condition)
            or _fixed(condition, window, limit, base)
        )

    return judge


def _fixed(condition: View, window: float, limit: float, base: float) -> str:
    if condition.text("criterionType", "StaticThresholdCriterion") != "StaticThresholdCriterion":
        return "has a learned threshold, which can't be compared with the required one"
    if condition.text("timeAggregation").lower() != "total":
        return "does not add up the total"
    threshold = level(condition)
    return "does not fire above a number" if threshold is None else _loose(threshold, window, limit, base)


def _log(watches: Callable[[Query], bool], rest: Callable[[View, View, Query, float], str], topic: str = "") -> Lacks:
    """A log alert whose query watches something; `rest` judges rule, condition, query and window in minutes.

    Where its query was tried on synthetic events of the topic, it has to have found them.
    """

    def judge(facts: Facts, rule: View) -> str | None:
        if rule.text("kind", "LogAlert").lower() != "logalert":
            return None
        conditions = list(rule.each("properties.criteria.allOf"))
        queries = [understand(condition.text("query")) for condition in conditions]
        if not any(watches(query) for query in queries):
            return None
        if len(conditions) > 1:
            return "fires only when other conditions are met too"
        if not queries[0].concerns(facts.subject.account):
            return "has a query about other accounts"
        window, wrong = _schedule(rule)
        wrong = _of_others(facts, rule) or wrong or _restricted(conditions[0]) or _at_times(queries[0])
        wrong = wrong or rest(rule, conditions[0], queries[0], window)
        wrong = wrong or (silent(facts, rule, topic, queries[0].explains(topic)) if topic else "")
        return wrong or _gaps(rule, queries[0])

    return judge


def _at_times(query: Query) -> str:
    return "looks at some hours or days only" if query.keeps_hours else ""


def _patient(condition: View) -> bool:
    periods = condition.number("failingPeriods.minFailingPeriodsToAlert")
    return periods is not None and periods > 1


def _any_row(condition: View, query: Query) -> str:
    """What keeps a condition from firing on the first row."""
    threshold = level(condition)
    if threshold is None or threshold > 0 or _patient(condition) or any(each > 0 for each in query.thresholds):
        return "does not fire on the first event"
    if query.always_answers and not condition.text("metricMeasureColumn"):
        return (
            "has a query that gives a row whether anything happened or not, so that it fires always and tells nothing"
        )
    return ""


def key_use() -> Lacks:
    """A log alert on the first successful call that was made with a key."""
    return _log(
        lambda query: query.watches_keys, lambda rule, condition, query, window: _any_row(condition, query), KEYS
    )


def new_caller() -> Lacks:
    """A log alert on callers that were not there before, within the two days that it can look back."""

    def rest(rule: View, condition: View, query: Query, window: float) -> str:
        reach = query.reach or minutes(rule, "properties.overrideQueryTimeRange") or window
        if reach > TWO_DAYS:
            return f"asks for {reach / 1440:g} days, and a log alert looks back two at most"
        every = minutes(rule, "properties.evaluationFrequency") or 0
        return "has no time before to compare with" if reach <= every else _any_row(condition, query)

    return _log(lambda query: query.watches_new_callers, rest, CALLERS)


def changes(wanted: frozenset[str]) -> Lacks:
    """A log alert on the first of any of these operations (lower case)."""
    return _log(
        lambda query: bool(query.operations(wanted)),
        lambda rule, condition, query, window: _any_row(condition, query),
        CHANGED,
    )


def exported_metric(metrics: Iterable[str], limit: float, base: float) -> Lacks:
    """A log alert on an exported metric, where its threshold can be read: from the condition or from the query."""
    names = tuple(metrics)

    def rest(rule: View, condition: View, query: Query, window: float) -> str:
        if _patient(condition):
            return "does not fire the first time"
        if query.summed is None:
            return "has a query whose text does not tell that it adds up every row of the account"
        above, column = level(condition), condition.text("metricMeasureColumn").lower()
        if column:
            return _measured(condition, query, above) or _loose(above or 0, window, limit, base)
        if above != 0 or len(query.thresholds) != 1:
            return "has a threshold that can't be read from its query"
        return _loose(query.thresholds[0], query.bin or (window if query.sums else 1), limit, base)

    return _log(lambda query: query.watches_metric(names), rest)


def _measured(condition: View, query: Query, above: float | None) -> str:
    """What keeps a condition on a column of numbers from adding up the account's total."""
    if (
        condition.text("timeAggregation").lower() != "total"
        or condition.text("metricMeasureColumn").lower() != query.summed
    ):
        return "does not add up the total"
    if above is None or any(query.thresholds):
        return "has a threshold that can't be read from its query"
    parts = [each.text("name") for each in condition.each("dimensions")]
    apart = [name for name in parts if not name.lower().lstrip("_").startswith(("resource", "subscription"))]
    return (
        f"counts each value of “{apart[0]}” by itself, so that together they may exceed the number unseen"
        if apart
        else ""
    )
