"""Alert processing rules: what keeps a fired alert from telling anybody, and what makes one tell that names nobody itself.

Microsoft.AlertsManagement/actionRules 2021-08-08 (Microsoft Learn, "Alert processing rules", 2026). They go by the resource that an
alert is about: the account for metrics and the activity log, and for a log rule its scope, unless its rows name the account.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aoai_lib.facts import Facts, NotCollectedError, View
from aoai_lib.model import ABSENT, NOT_OFFERED, Json, State

RULES: Final = "alert_processing_rules"
_SERVICES: Final = {
    "metric_alerts": ("Platform", "Metric"),
    "scheduled_query_rules": ("Log Alerts V2", "Log"),
    "activity_log_alerts": ("ActivityLog Administrative", "Log"),
}
"""The monitor service and the signal of an alert, by the kind of its rule."""


def muted(facts: Facts, source: str, rule: View) -> str:
    """What keeps the rule's alerts from telling anybody now; "" where nothing does.

    A rule of processing that recurs, at night say, is at times only, and is not counted.
    """
    for each in _applying(facts, source, rule):
        if "removeallactiongroups" in _actions(each):
            return f"tells nobody: the alert processing rule “{each.name}” takes its action groups away"
    return ""


def added_groups(facts: Facts, source: str, rule: View) -> list[str]:
    """The action groups that rules of processing add to the rule's alerts."""
    return [
        group
        for each in _applying(facts, source, rule)
        for action in each.each("properties.actions")
        if action.text("actionType").lower() == "addactiongroups"
        for group in action.texts("actionGroupIds")
    ]


def unread(facts: Facts, source: str, rule: View) -> NotCollectedError | None:
    """Why it is not known which rules of processing are about the rule's alerts: each stands in the subscription of what it is about.

    None where all were listed, where the subscription has no such service, and in a recording in which nobody asked for them.
    """
    for subscription in dict.fromkeys(each.split("/")[1] for each in _about(facts, source, rule) if "/" in each):
        reading = facts.snapshot.reading(RULES, subscription)
        listed = reading.state is State.COLLECTED
        facts.record(f"{RULES}.length", len(reading.value) if listed else ABSENT, reading)
        if not (listed or reading.state is State.NOT_COLLECTED or reading.is_gone or reading.code in NOT_OFFERED):
            return NotCollectedError(reading)
    return None


def _actions(rule: View) -> set[str]:
    return {action.text("actionType").lower() for action in rule.each("properties.actions")}


def _applying(facts: Facts, source: str, rule: View) -> Iterator[View]:
    """The rules of processing that are on now and are about the alerts of a rule."""
    for reading in facts.snapshot.of(RULES):
        for index, item in enumerate(reading.value if isinstance(reading.value, list) else []):
            about = [each for each in _about(facts, source, rule) if _covers(item, each)]
            if about:
                found = View(facts, reading, f"{RULES}[{index}]", item)
                on = found.flag("properties.enabled", True) and _now(found, facts.snapshot.as_of)
                if on and all(_holds(each, source, rule, about[0]) for each in found.each("properties.conditions")):
                    yield found


def _about(facts: Facts, source: str, rule: View) -> list[str]:
    """The resources that the rule's alerts may be about, lower case and without slashes at the ends."""
    account = facts.subject.account.strip("/").lower()
    conditions = list(rule.each("properties.criteria.allOf")) if source == "scheduled_query_rules" else []
    if not conditions or any(each.text("resourceIdColumn") for each in conditions):
        return [account]
    return [each.strip("/").lower() for each in rule.texts("properties.scopes")]


def _covers(item: Json, about: str) -> bool:
    own = item.get("properties") if isinstance(item, dict) else None
    scopes = own.get("scopes") if isinstance(own, dict) else None
    texts = [each.strip("/").lower() for each in scopes if isinstance(each, str)] if isinstance(scopes, list) else []
    return any(f"{about}/".startswith(f"{each}/") for each in texts)


def _now(rule: View, as_of: str) -> bool:
    """Whether it is on all the time, or just now and once. Times are compared to the second; their zone is not looked at."""
    if list(rule.each("properties.schedule.recurrences")):
        return False
    since, until = rule.text("properties.schedule.effectiveFrom"), rule.text("properties.schedule.effectiveUntil")
    return since[:19] <= as_of[:19] and (not until or as_of[:19] < until[:19])


def _holds(condition: View, source: str, rule: View, about: str) -> bool:
    """Whether a condition lets the rule's alerts through. One on a field that is not known here is not said to."""
    service, signal = _SERVICES[source]
    steps = about.split("/")
    told = {
        "severity": f"sev{rule.number('properties.severity', 4):g}",
        "monitorservice": service,
        "signaltype": signal,
        "monitorcondition": "fired",
        "alertrulename": rule.name,
        "alertruleid": rule.text("id"),
        "targetresource": f"/{about}",
        "targetresourcegroup": f"/{'/'.join(steps[:4])}",
        "targetresourcetype": "/".join(steps[5:7]),
    }.get(condition.text("field").lower())
    if told is None:
        return False
    own, values = told.lower(), [each.lower() for each in condition.texts("values")]
    operator = condition.text("operator").lower()
    inside = any(each in own for each in values) if operator in ("contains", "doesnotcontain") else own in values
    return inside if operator in ("equals", "contains") else not inside
