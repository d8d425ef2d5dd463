"""Where logs go: the Log Analytics workspaces that diagnostic settings send to, and what reaches each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aoai_lib.facts import Facts, NotCollectedError, View

METRICS: Final = "AllMetrics"
EVERYTHING: Final = frozenset(
    {
        "Audit", "RequestResponse", "Trace", "AzureOpenAIRequestUsage", "ManagedNetworkEvent",
        "Administrative", "Security", "ServiceHealth", "Alert", "Recommendation", "Policy", "Autoscale", "ResourceHealth",
    }
)  # fmt: skip
"""Log categories of an account and of a subscription (Microsoft Learn, supported resource logs, 2026-07-14)."""

_SPELLING: Final = {name.lower(): name for name in EVERYTHING}
_GROUPS: Final = {"alllogs": EVERYTHING, "audit": frozenset({"Audit"})}


class Destinations(dict[str, set[str]]):
    """Workspace id (lower case) → the log categories, and `AllMetrics`, that reach it.

    `unread` is set where the list of settings may hold more: what was found counts, what was not found proves nothing.
    """

    unread: NotCollectedError | None = None

    def require_all(self) -> None:
        """Raise `NotCollectedError` where there may be more destinations than these."""
        if self.unread is not None:
            raise self.unread


def destinations(facts: Facts, settings: View) -> Destinations:
    """What the diagnostic settings send where.

    A disabled category, a setting without a workspace and a workspace that no longer exists count for nothing; one that can't be
    read may be either, and so may what is sent there. The `retentionPolicy` of a setting is not looked at: it never applied to
    workspaces and has been dead since 2025-09-30.
    """
    found = Destinations()
    try:
        for setting in settings.each():
            workspace = setting.text("properties.workspaceId").strip("/").lower()
            sent = set(_sent(setting)) if workspace else set()
            if sent:
                _add(facts, found, f"/{workspace}", sent)
    except NotCollectedError as more:  # the list was cut off: its end is no reason to forget its beginning
        found.unread = more
    return found


def _add(facts: Facts, found: Destinations, workspace: str, sent: set[str]) -> None:
    try:
        if exists(facts, workspace):
            found.setdefault(workspace, set()).update(sent)
    except NotCollectedError as hidden:  # another workspace may do
        found.unread = hidden


def _sent(setting: View) -> Iterator[str]:
    for log in setting.each("properties.logs"):
        if log.flag("enabled"):
            group = log.text("categoryGroup")
            if group:
                yield from _GROUPS.get(group.lower(), frozenset())
            else:
                category = log.text("category")
                yield _SPELLING.get(category.lower(), category)
    for metric in setting.each("properties.metrics"):
        if metric.flag("enabled") and metric.text("category").lower() == METRICS.lower():
            yield METRICS


def exists(facts: Facts, workspace: str) -> bool:
    """False only where the service said that there is no such workspace. Raises `NotCollectedError` for one that can't be read."""
    reading = facts.snapshot.reading("workspace", workspace)
    if reading.is_gone:
        facts.record(f"workspace[{workspace_name(workspace)}]", None, reading)
        return False
    facts.of("workspace", workspace, f"workspace[{workspace_name(workspace)}]").text("name")
    return True


def workspace_name(workspace: str) -> str:
    """The workspace's own name, from its id."""
    return workspace.rpartition("/")[2]


def account_logs(facts: Facts) -> Destinations:
    """What of the account's logs and metrics reaches which workspace."""
    return destinations(facts, facts.of_account("diagnostic_settings"))


def activity_logs(facts: Facts) -> Destinations:
    """What of the subscription's activity log reaches which workspace."""
    return destinations(facts, facts.of_subscription("subscription_diagnostic_settings"))
