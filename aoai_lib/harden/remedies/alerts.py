"""How alerts are made that tell somebody: metric rules on the account, log rules on the workspace, one action group for all.

Log rules ask the queries of `detections`, which are proven with their events. An activity log alert has no severity, so changes are watched by log rules too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from aoai_lib.controls.monitoring_logs import account_logs, activity_logs, workspace_name
from aoai_lib.detections import Detection
from aoai_lib.detections import find as detection_named
from aoai_lib.detections.rules import (
    ACTION_GROUPS,
    METRIC_ALERTS,
    QUERY_RULES,
    REJECTED,
    TOKENS,
    MetricRule,
    query_rule,
)
from aoai_lib.facts import Facts
from aoai_lib.harden.making import CannotPlanError, Site, mends
from aoai_lib.harden.plan import Step
from aoai_lib.harden.remedies.logs import receiving
from aoai_lib.model import Finding, Json, State
from aoai_lib.private_link import name_of

_GROUP: Final = "aoai-playbook"
_INSIGHTS: Final = "Microsoft.Insights"
_LOGS_FIRST: Final = ("MON-01", "MON-05")


@mends("MON-06")
def alert_on_rejected(site: Site, finding: Finding) -> Iterator[Step]:
    """More rejected requests in five minutes than allowed, by deployment."""
    most = site.snapshot.requirements.rejected_content_per_5_minutes
    yield from _metric(site, finding, REJECTED, most)


@mends("MON-09")
def alert_on_tokens(site: Site, finding: Finding) -> Iterator[Step]:
    """More tokens in an hour than allowed, by deployment."""
    most = site.snapshot.requirements.tokens_per_hour
    yield from _metric(site, finding, TOKENS, most)


@mends("MON-07", after=_LOGS_FIRST)
def alert_on_keys(site: Site, finding: Finding) -> Iterator[Step]:
    """The first call with a key."""
    yield from _logs(site, finding, _of_account(site, finding), ("key-use",), "PT15M")


@mends("MON-08", after=_LOGS_FIRST)
def alert_on_changes(site: Site, finding: Finding) -> Iterator[Step]:
    """Every change of deployments, security configuration, roles and keys."""
    watched = ("configuration-change", "key-retrieval", "role-granted")
    exported = activity_logs(site.facts(finding.subject))
    receives = receiving(site, f"/subscriptions/{finding.subject.subscription}", exported)
    yield from _logs(site, finding, receives, watched, "PT15M")


@mends("MON-10", after=_LOGS_FIRST)
def alert_on_newcomers(site: Site, finding: Finding) -> Iterator[Step]:
    """Callers that were not seen in the two days before."""
    yield from _logs(site, finding, _of_account(site, finding), ("first-seen-caller",), "PT1H")


def _of_account(site: Site, finding: Finding) -> list[str]:
    """The workspaces that receive the account's logs, or will, and have rows already: a rule over a table that is not there is refused."""
    facts = site.facts(finding.subject)
    places = receiving(site, finding.subject.account, account_logs(facts))
    there = [each for each in places if site.snapshot.reading("diagnostics_table", each).state is not State.NOT_FOUND]
    if places and not there:
        raise CannotPlanError(
            f"The table AzureDiagnostics of “{workspace_name(places[0])}”, which the alert has to read, is made by its first row: "
            "come back when there is one."
        )
    return there


def _told(site: Site, finding: Finding) -> Iterator[Step]:
    """The action group, where it is not there, is off or has nobody who listens."""
    group, receivers = site.wishes.alert_group, site.wishes.alert_emails
    if not group:
        raise CannotPlanError("Name the resource group for alert rules in hardening.alert_group.")
    path = _action_group(group)
    there = site.expected(path, site.snapshot.reading("action_group", path).value)
    if there is not None and _heard(there):
        return
    if not receivers:
        raise CannotPlanError("Name who is to be told in hardening.alert_emails.")
    mails = [
        {"name": f"mail-{number}", "emailAddress": each, "useCommonAlertSchema": True}
        for number, each in enumerate(receivers, 1)
    ]
    made = "Make" if there is None else "Switch on, and give receivers to,"
    yield site.put(
        finding,
        path,
        ACTION_GROUPS,
        there,
        {"location": "Global", "properties": {"groupShortName": "aoai", "enabled": True, "emailReceivers": mails}},
        title=f"{made} the action group “{_GROUP}” with {len(mails)} receiver(s)",
        effect="Each receiver gets a mail that says so, and from then on one for each alert.",
        permission=f"{_INSIGHTS}/actionGroups/write",
    )


def _heard(group: Json) -> bool:
    """Whether an action group is on and has a receiver that listens."""
    own = group.get("properties") if isinstance(group, dict) else None
    if not isinstance(own, dict) or own.get("enabled") is False:
        return False
    lists = [each for name, each in own.items() if name.endswith("Receivers") and isinstance(each, list)]
    return any(str(each.get("status")).lower() != "disabled" for receivers in lists for each in receivers)


def _action_group(group: str) -> str:
    return f"{group}/providers/{_INSIGHTS}/actionGroups/{_GROUP}"


def _metric(site: Site, finding: Finding, rule: MetricRule, most: int) -> Iterator[Step]:
    yield from _told(site, finding)
    account = finding.subject.account
    described = f"{rule.metric} of {name_of(account)}: more than {most} in {rule.window}."
    properties = rule.properties(account, described, most, _action_group(site.wishes.alert_group))
    yield site.put(
        finding,
        f"{site.wishes.alert_group}/providers/{_INSIGHTS}/metricAlerts/aoai-{name_of(account)}-{rule.name}",
        METRIC_ALERTS,
        None,
        {"location": "global", "properties": properties},
        title=f"Alert on {rule.metric} of “{name_of(account)}” above {most} in {rule.window}",
        effect="A metric rule is billed by the series that it watches: one for each deployment.",
        permission=f"{_INSIGHTS}/metricAlerts/write",
    )


def _logs(site: Site, finding: Finding, receives: Sequence[str], names: tuple[str, ...], every: str) -> Iterator[Step]:
    """A log rule for each detection, on the first workspace that receives the logs it asks."""
    if not receives:
        raise CannotPlanError(
            "No workspace receives the logs that the alert has to read: mend MON-01 and MON-05 first."
        )
    yield from _told(site, finding)
    workspace = receives[0]
    facts = site.facts(finding.subject)
    for name in names:
        yield _rule(site, finding, facts, detection_named(name), workspace, every)


def _rule(site: Site, finding: Finding, facts: Facts, detection: Detection, workspace: str, every: str) -> Step:
    held = facts.of("workspace", workspace).value
    properties = query_rule(detection, held["id"], _action_group(site.wishes.alert_group), every)
    return site.put(
        finding,
        f"{site.wishes.alert_group}/providers/{_INSIGHTS}/scheduledQueryRules/aoai-{workspace_name(workspace)}-{detection.name}",
        QUERY_RULES,
        None,
        {"location": held["location"], "properties": properties},
        title=f"Alert on “{detection.title}” ({detection.id}) in “{workspace_name(workspace)}”",
        effect="It watches every account whose logs are in that workspace, and is billed by how often it looks.",
        permission=f"{_INSIGHTS}/scheduledQueryRules/write",
    )
