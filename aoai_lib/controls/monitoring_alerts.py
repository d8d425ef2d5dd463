"""MON-06 to MON-10: whether an alert would tell somebody. Each wants a rule that covers the account, watches the right
signal closely enough, is on, and has an enabled action group with a receiver."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aoai_lib.controls import Verdict, breaking, control, fails, passes
from aoai_lib.controls.monitoring_changes import CHANGES, reported
from aoai_lib.controls.monitoring_logs import METRICS, Destinations, account_logs, activity_logs
from aoai_lib.controls.monitoring_queries import understand
from aoai_lib.controls.monitoring_rules import (
    ACTIVITY,
    CALLERS,
    CHANGED,
    KEYS,
    LOG,
    METRIC,
    Lacks,
    Search,
    containers,
    subscription_in,
    told_of_trial,
)
from aoai_lib.controls.monitoring_signals import changes, exported_metric, key_use, metric, new_caller
from aoai_lib.facts import Facts, View
from aoai_lib.frameworks import ai_rmf, atlas, mcsb, mcsb_ai, nist80053, owasp
from aoai_lib.model import ABSENT, Kind, Severity

_WATCHED: Final = (
    mcsb("LT-1", "IR-3"),
    mcsb_ai("AI-6"),
    nist80053("SI-4", "IR-4", "AU-6"),
    ai_rmf("MANAGE 4.1", "MANAGE 4.3"),
)
_REJECTED: Final = "metric_alerts[name=aoai-rejected-content].properties"
_TOKENS: Final = "metric_alerts[name=aoai-token-consumption].properties"
_KEYS: Final = "scheduled_query_rules[name=aoai-key-authentication].properties"
_CHANGES: Final = "scheduled_query_rules[name=aoai-configuration-change].properties"
_CALLERS: Final = "scheduled_query_rules[name=aoai-first-seen-caller].properties"


def _on_metric(facts: Facts, metrics: Iterable[str], limit: float, base: float) -> tuple[Search, View | None]:
    """A rule on one of these metrics, or on their export in a workspace."""
    names = tuple(metrics)
    search = Search(facts, [])
    own = containers(facts.subject.account)
    found = next(search.fit(METRIC, own, metric(names, limit, base)), None)
    if found is None:
        search.listed(METRIC, [facts.subject.subscription])
        found = _on_logs(search, account_logs(facts), METRICS, exported_metric(names, limit, base))
    return search, found


def _on_logs(search: Search, logs: Destinations, category: str, judge: Lacks) -> View | None:
    """A log rule over the workspaces that receive a category, or over the account, its group or its subscription."""
    return next(search.fit(LOG, _log_scopes(search, logs, category), judge), None)


def _log_scopes(search: Search, logs: Destinations, category: str) -> list[str]:
    """What a log rule can name to see the category: nothing where no workspace receives it."""
    subject, search.unread = search.facts.subject, search.unread or logs.unread
    workspaces = [workspace for workspace, sent in logs.items() if category in sent]
    if not workspaces and category != METRICS:
        search.lacking.append(f"no workspace receives the category {category}, which a log alert would have to read")
    search.listed(LOG, dict.fromkeys([subject.subscription, *map(subscription_in, workspaces)]))
    return [*containers(subject.account), *workspaces] if workspaces else []


def _trial(search: Search, rule: View | None, topic: str) -> str:
    return told_of_trial(search.facts, rule, topic) if rule is not None else ""


@control(
    "MON-06",
    title="Rejected content raises an alert",
    severity=Severity.MEDIUM,
    subject=Kind.ACCOUNT,
    maps=(*_WATCHED, owasp("LLM01", "LLM10"), atlas("T0024")),
    remediation=(
        "Create a metric alert on RAIRejectedRequests (Total, GreaterThan the allowed number, window PT5M, every PT1M, split by "
        "ModelDeploymentName and by nothing else) with an action group that has a receiver."
    ),
    breaks=(
        {f"{_REJECTED}.enabled": False},
        {f"{_REJECTED}.actions": []},
        {f"{_REJECTED}.criteria.allOf[0].metricName": "BlockedCalls"},
        {f"{_REJECTED}.criteria.allOf[0].threshold": 5000.0},
        {f"{_REJECTED}.criteria.allOf[0].timeAggregation": "Average"},
        {f"{_REJECTED}.criteria.allOf[0].operator": "LessThan"},
        {f"{_REJECTED}.criteria.allOf[0].criterionType": "DynamicThresholdCriterion"},
        {f"{_REJECTED}.criteria.allOf[0].dimensions[0].values": ["chat-eu"]},
        {f"{_REJECTED}.criteria.allOf[0].dimensions[0].name": "Category"},
        {f"{_REJECTED}.windowSize": "PT1M", f"{_REJECTED}.criteria.allOf[0].threshold": 20.0},
        {f"{_REJECTED}.scopes": ["/subscriptions/00000000-0000-0000-0000-000000000000"]},
        {"requirements.rejected_content_per_5_minutes": 1},
        {"metric_alerts[name=aoai-rejected-content]": ABSENT},
        breaking({"action_group.properties.enabled": False}, "MON-07", "MON-08", "MON-09", "MON-10"),
        breaking(
            {"action_group.properties.emailReceivers": [], "action_group.properties.webhookReceivers": ABSENT},
            "MON-07",
            "MON-08",
            "MON-09",
            "MON-10",
        ),
    ),
)
def rejected_content_alerts(facts: Facts) -> Verdict:
    """A burst of rejected requests is what probing for jailbreaks looks like from outside.

    The verdict of the filters is in no log row, only in the metric RAIRejectedRequests: a metric alert on its total counts, or
    a log alert on its export in AzureMetrics whose threshold can be read. Queries that look for filter results in
    RequestResponse find nothing, and those that count answers with status 400 count other errors too, so neither counts. The
    rule has to fire wherever the allowed number in five minutes is exceeded: a larger threshold over a longer window, a
    learned one, a dimension that names single values or splits a deployment's number, and a rule for another region do not. A
    query has to add up every row: one that leaves rows out before it sums (`where Total > 100`) never sees a slow burst.
    """
    allowed = facts.requirements.rejected_content_per_5_minutes
    search, found = _on_metric(facts, ["RAIRejectedRequests"], allowed, 5)
    return search.verdict(
        found,
        f"reports more than {allowed} rejected requests in five minutes, and tells somebody.",
        "No alert that tells somebody reports rejected content",
    )


@control(
    "MON-07",
    title="Use of a key raises an alert",
    severity=Severity.HIGH,
    subject=Kind.ACCOUNT,
    maps=(*_WATCHED, mcsb("LT-2"), atlas("T0012", "T0055")),
    remediation=(
        "Create a log alert on the workspace that receives RequestResponse: rows of AzureDiagnostics with a status of 200 to 299 "
        "whose properties_s has an empty objectId, firing above 0, with an action group that has a receiver."
    ),
    breaks=(
        {f"{_KEYS}.enabled": False},
        {f"{_KEYS}.actions.actionGroups": []},
        {f"{_KEYS}.criteria.allOf[0].threshold": 100.0},
        {f"{_KEYS}.scopes": ["/subscriptions/00000000-0000-0000-0000-000000000000"]},
        {
            f"{_KEYS}.criteria.allOf[0].query": 'AzureDiagnostics | where Category == "Audit" '
            '| where identity_claim_appid_g != "" | where properties_s !contains "managedIdentity"'
        },
        {"scheduled_query_rules[name=aoai-key-authentication]": ABSENT},
        {"rule_trial.tables[0].rows": []},
    ),
)
def key_use_alerts(facts: Facts) -> Verdict:
    """A call with a key has no name behind it; where keys are off, one that succeeds means that somebody switched them on.

    The only sign is an empty objectId in a RequestResponse row that succeeded, so only a log alert over such rows counts:
    one that tests objectId for emptiness, fires on the first row, and sees a workspace that receives the category
    RequestResponse. Its query is tried on one call; where it was not, each step of its text has to be known to leave out nothing. identity_claim_appid_g is not filled by this service, and Audit rows are about reading keys.
    """
    search = Search(facts, [])
    found = _on_logs(search, account_logs(facts), "RequestResponse", key_use())
    return search.verdict(
        found,
        f"reports the first call with a key, and tells somebody.{_trial(search, found, KEYS)}",
        "No alert that tells somebody reports calls with a key",
    )


@control(
    "MON-08",
    title="Changes of deployments and of security configuration raise an alert",
    severity=Severity.MEDIUM,
    subject=Kind.ACCOUNT,
    maps=(*_WATCHED, nist80053("CM-3")),
    remediation=(
        "Create a log alert on AzureActivity over the operations that are missing (OperationNameValue in~ (…)), on the workspace "
        "that receives the activity log, or one activity log alert for each operation, with an action group that has a receiver."
    ),
    breaks=(
        {f"{_CHANGES}.enabled": False},
        {f"{_CHANGES}.actions.actionGroups": []},
        {f"{_CHANGES}.criteria.allOf[0].threshold": 10.0},
        {
            f"{_CHANGES}.criteria.allOf[0].query": "AzureActivity | where OperationNameValue in~ "
            '("Microsoft.CognitiveServices/accounts/deployments/write", '
            '"Microsoft.CognitiveServices/accounts/deployments/delete", '
            '"Microsoft.CognitiveServices/accounts/raiPolicies/write")'
        },
        {
            f"{_CHANGES}.criteria.allOf[0].query": "AzureActivity | where OperationNameValue == "
            '"Microsoft.CognitiveServices/accounts/deployments/write"'
        },
        {"scheduled_query_rules[name=aoai-configuration-change]": ABSENT},
    ),
)
def changes_alert(facts: Facts) -> Verdict:
    """Who takes an account over begins by weakening it: a new policy, a deployment without one, logs switched off.

    Every operation on deployments, policies, blocklists, the account, its connections, diagnostic settings, role assignments
    and keys has to be reported by some rule: activity log alerts, one or several operations each, together with log alerts
    over AzureActivity, which count only where the category Administrative is exported to a workspace. Rows hold operations
    in upper case: a case-sensitive comparison with another spelling finds nothing and counts for nothing.
    """
    search = Search(facts, [])
    account = facts.subject.account
    covered: frozenset[str] = frozenset()
    count, trials = 0, ""
    for rule in search.fit(ACTIVITY, containers(account), _reports):
        covered |= reported(rule, account)
        count += 1
    search.listed(ACTIVITY, [facts.subject.subscription])
    for rule in search.fit(LOG, _log_scopes(search, activity_logs(facts), "Administrative"), changes(CHANGES)):
        for condition in rule.each("properties.criteria.allOf"):
            covered |= understand(condition.text("query")).operations(CHANGES)
        count, trials = count + 1, _trial(search, rule, CHANGED)
    if covered == CHANGES:
        return passes(
            f"{count} rule(s) report every change of deployments and security configuration, and tell somebody.{trials}"
        )
    if search.unread is not None:
        raise search.unread
    missing = sorted(operation.partition("/")[2] for operation in CHANGES - covered)
    more = f" and {len(missing) - 4} more operations" if len(missing) > 4 else ""
    return fails(f"No alert that tells somebody reports {', '.join(missing[:4])}{more}{search.why()}.")


def _reports(facts: Facts, rule: View) -> str | None:
    return "" if reported(rule, facts.subject.account) else None


@control(
    "MON-09",
    title="Unusual token consumption raises an alert",
    severity=Severity.MEDIUM,
    subject=Kind.ACCOUNT,
    maps=(*_WATCHED, nist80053("SC-5"), owasp("LLM10"), atlas("T0029", "T0034")),
    remediation=(
        "Create a metric alert on TokenTransaction (Total, GreaterThan the allowed tokens, window PT1H, split by "
        "ModelDeploymentName) with an action group that has a receiver. For a limit by caller, put API Management in front with "
        "llm-token-limit and alert on its ApiManagementGatewayLlmLog."
    ),
    breaks=(
        {f"{_TOKENS}.enabled": False},
        {f"{_TOKENS}.actions": []},
        {f"{_TOKENS}.criteria.allOf[0].metricName": "GeneratedTokens"},
        {f"{_TOKENS}.criteria.allOf[0].threshold": 50_000_000.0},
        {f"{_TOKENS}.windowSize": "PT15M"},
        {f"{_TOKENS}.targetResourceRegion": "eastus", f"{_TOKENS}.scopes": ["/subscriptions/0"]},
        {"requirements.tokens_per_hour": 1000},
        {"metric_alerts[name=aoai-token-consumption]": ABSENT},
    ),
)
def token_consumption_alerts(facts: Facts) -> Verdict:
    """Who pays by the token can be hurt by tokens: stolen access and runaway agents show in consumption first.

    A metric alert on the total of TokenTransaction or TotalTokens counts, or a log alert on their export, that fires wherever
    the allowed tokens of an hour are exceeded. Neither logs nor metrics of the account tell who used them: an alert by caller
    exists only at a gateway, and one there sees only what passes through it, so it does not replace this one.
    """
    allowed = facts.requirements.tokens_per_hour
    search, found = _on_metric(facts, ["TokenTransaction", "TotalTokens"], allowed, 60)
    return search.verdict(
        found,
        f"reports more than {allowed} tokens in an hour, and tells somebody; by caller, only a gateway can count.",
        "No alert that tells somebody reports token consumption (by caller, only a gateway could)",
    )


@control(
    "MON-10",
    title="Callers never seen before raise an alert",
    severity=Severity.LOW,
    subject=Kind.ACCOUNT,
    maps=(*_WATCHED, mcsb("LT-2"), atlas("T0012")),
    remediation=(
        "Create a log alert that compares the callers (objectId) of the last hour with those of the two days before, with an action "
        "group that has a receiver. For a longer baseline use a Microsoft Sentinel rule over 14 days or a scheduled job of your "
        "own, and record it as a waiver here."
    ),
    breaks=(
        {f"{_CALLERS}.enabled": False},
        {f"{_CALLERS}.actions.actionGroups": []},
        {
            f"{_CALLERS}.criteria.allOf[0].query": 'AzureDiagnostics | where Category == "RequestResponse" '
            "| summarize count() by CallerIPAddress"
        },
        {
            f"{_CALLERS}.criteria.allOf[0].query": 'let c = AzureDiagnostics | where Category == "RequestResponse"; '
            "c | where TimeGenerated > ago(1h) | join kind=leftanti (c | where TimeGenerated > ago(14d)) on CallerIPAddress"
        },
        {"scheduled_query_rules[name=aoai-first-seen-caller]": ABSENT},
    ),
)
def new_callers_alert(facts: Facts) -> Verdict:
    """A caller that nobody has seen before is the first sign of a stolen identity.

    A log alert counts that compares the objectId (or the address, which the service masks to its network and may leave empty)
    of recent RequestResponse rows with earlier ones. A log alert looks back two days at most, whatever its query says: one
    that asks for more does not do what it says, and fails. A Microsoft Sentinel rule or a job elsewhere can do better and is
    not visible here: record it as a waiver.
    """
    search = Search(facts, [])
    found = _on_logs(search, account_logs(facts), "RequestResponse", new_caller())
    return search.verdict(
        found,
        f"reports callers not seen before, and tells somebody; a log alert looks back two days at most.{_trial(search, found, CALLERS)}",
        "No alert that tells somebody reports callers not seen before (log alerts look back two days at most, and a Sentinel rule "
        "or a job of one's own is not visible here)",
    )
