"""Whether a budget covers the assessed accounts of a subscription and tells somebody."""

from __future__ import annotations

from datetime import UTC, datetime

from aoai_lib.facts import Facts, UnexpectedShapeError, View
from aoai_lib.model import ABSENT, Reading


def moment(view: View, path: str) -> datetime | None:
    """A date of the service as a moment in UTC; None where there is none. Raises `UnexpectedShapeError` for another text."""
    text = view.text(path)
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as odd:
        raise UnexpectedShapeError(f"{view.path}.{path}", "a date", text) from odd
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def uncovered(facts: Facts, budget: View) -> str:
    """What keeps a budget from counting, as the end of a sentence; "" where nothing does."""
    end = moment(budget, "properties.timePeriod.endDate")
    if end is not None and end <= datetime.fromisoformat(facts.as_of):
        return f"ended on {end.date()}"
    if not _notifies(facts, budget):
        return "notifies nobody"
    return _left_out(facts, budget)


def _notifies(facts: Facts, budget: View) -> bool:
    notifications = budget.at("properties.notifications")
    listed = notifications.value if isinstance(notifications.value, dict) else {}
    if not listed:
        facts.record(notifications.path, notifications.value, _reading(facts))
    for name, value in listed.items():
        # the name is free text and may hold dots, which a path can't step over
        notification = View(facts, _reading(facts), f"{notifications.path}.{name}", value)
        contacts = [notification.texts(kind) for kind in ("contactEmails", "contactRoles", "contactGroups")]
        if notification.flag("enabled") and any(any(each) for each in contacts):
            return True
    return False


def _reading(facts: Facts) -> Reading:
    return facts.snapshot.reading("budgets", facts.subject.subscription)


def _left_out(facts: Facts, budget: View) -> str:
    """Why the filter leaves an account out; "" where it includes them all."""
    chosen = budget.at("properties.filter")
    if chosen.value in (None, ABSENT, {}):
        facts.record(chosen.path, chosen.value, _reading(facts))
        return ""
    parts = list(chosen.each("and")) if chosen.at("and").value else [chosen]
    for account in facts.of_subscription("accounts").value or []:
        for part in parts:
            if not _includes(facts, part, account):
                return f"has a filter that is not seen to include “{account.rpartition('/')[2]}”"
    return ""


def _includes(facts: Facts, part: View, account: str) -> bool:
    """Whether one part of a filter includes an account (its ARM id). A dimension that is not known here does not."""
    steps = account.strip("/").lower().split("/")
    if part.at("dimensions").value:
        values = {value.lower().rstrip("/") for value in part.texts("dimensions.values")}
        own = {"resourcegroupname": steps[3], "resourcegroup": steps[3], "resourceid": f"/{'/'.join(steps)}"}
        included = part.text("dimensions.operator", "In").lower() == "in"
        return included and own.get(part.text("dimensions.name").lower()) in values
    if part.at("tags").value:
        name = part.text("tags.name").lower()
        tags = facts.of("account", account).get("tags", {})
        if not isinstance(tags, dict):
            raise UnexpectedShapeError("account.tags", "an object", tags)
        own_values = {str(value).lower() for key, value in tags.items() if key.lower() == name}
        return bool(own_values & {value.lower() for value in part.texts("tags.values")})
    return False
