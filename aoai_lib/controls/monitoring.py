"""MON-01, MON-02, MON-03, MON-05 and MON-13: whether logs are kept where they can be asked, and Defender watches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aoai_lib.controls import Verdict, breaking, control, fails, passes
from aoai_lib.controls.monitoring_logs import METRICS, account_logs, activity_logs, workspace_name
from aoai_lib.facts import Facts, View
from aoai_lib.frameworks import ai_rmf, atlas, cis, mcsb, mcsb_ai, nist80053, owasp
from aoai_lib.model import ABSENT, Kind, Severity

REQUIRED: Final = ("Audit", "RequestResponse", "Trace", "AzureOpenAIRequestUsage")
_LOGGED: Final = (
    mcsb("LT-3", "LT-5"),
    mcsb_ai("AI-6"),
    nist80053("AU-2", "AU-3", "AU-12"),
    ai_rmf("MEASURE 2.4", "MANAGE 4.1"),
    atlas("M0024"),
)
_SETTING: Final = "diagnostic_settings[0].properties"
_ACTIVITY: Final = "subscription_diagnostic_settings[0].properties"
_DESTINATIONS: Final = {
    "eventHubAuthorizationRuleId": "an event hub",
    "storageAccountId": "a storage account",
    "marketplacePartnerId": "a partner's product",
}
_BLIND: Final = ("MON-04", "MON-07", "MON-10", "MON-11", "MON-12", "MON-14", "IAM-15")
"""The alerts that read the account's logs fail with the logs, and refused callers are seen no more."""


def _names(workspaces: Mapping[str, set[str]]) -> str:
    return ", ".join(f"“{workspace_name(each)}”" for each in workspaces)


@control(
    "MON-01",
    title="All log categories go to a Log Analytics workspace",
    severity=Severity.HIGH,
    subject=Kind.ACCOUNT,
    maps=(*_LOGGED, cis("6.1.4")),
    remediation=(
        "Create a diagnostic setting on the account with the category group allLogs and a Log Analytics workspace as "
        "destination. Leave out retentionPolicy: the service refuses or ignores it."
    ),
    breaks=(
        breaking({"diagnostic_settings": []}, "MON-02", "MON-03", *_BLIND),
        breaking({f"{_SETTING}.workspaceId": None}, "MON-02", "MON-03", *_BLIND),
        breaking({f"{_SETTING}.logs[0].enabled": False}, "MON-03", *_BLIND),
        breaking({f"{_SETTING}.logs[0].enabled": ABSENT}, "MON-03", *_BLIND),
        breaking({f"{_SETTING}.logs[0].categoryGroup": "audit"}, *_BLIND),
        breaking(
            {f"{_SETTING}.workspaceId": None, f"{_SETTING}.storageAccountId": "/subscriptions/s/storage"},
            "MON-02",
            "MON-03",
            *_BLIND,
        ),
        {
            f"{_SETTING}.logs": [
                {"category": "Audit", "enabled": True},
                {"category": "RequestResponse", "enabled": True},
                {"category": "Trace", "enabled": True},
                {"category": "AzureOpenAIRequestUsage", "enabled": False},
            ]
        },
    ),
)
def logs_reach_a_workspace(facts: Facts) -> Verdict:
    """Without these logs nobody can say who called, what was refused, or how much was used.

    One workspace has to receive Audit, RequestResponse, Trace and AzureOpenAIRequestUsage, by one setting or several, as
    single enabled categories or as the group allLogs (the group audit holds Audit only). That a setting exists, a category
    that is listed and disabled, storage or an event hub alone, and a workspace that was deleted count for nothing.
    """
    reached = account_logs(facts)
    logged = {workspace: sent - {METRICS} for workspace, sent in reached.items() if sent - {METRICS}}
    whole = [workspace for workspace, sent in logged.items() if sent.issuperset(REQUIRED)]
    if whole:
        return passes(f"Audit, request, trace and usage logs go to the workspace “{workspace_name(whole[0])}”.")
    reached.require_all()
    if not logged:
        return fails(f"No enabled log category of the account goes to a Log Analytics workspace{_elsewhere(facts)}.")
    nearest = max(logged, key=lambda workspace: len(logged[workspace].intersection(REQUIRED)))
    missing = ", ".join(name for name in REQUIRED if name not in logged[nearest])
    if len(logged) > 1:
        return fails(f"No single workspace receives all logs: “{workspace_name(nearest)}” lacks {missing}.")
    return fails(f"The workspace “{workspace_name(nearest)}” does not receive {missing}.")


def _elsewhere(facts: Facts) -> str:
    """Where the account's logs go instead, as the end of a sentence."""
    settings = list(facts.of_account("diagnostic_settings").each())
    places = [told for key, told in _DESTINATIONS.items() if any(each.text(f"properties.{key}") for each in settings)]
    return f"; settings name {' and '.join(places)}, which no detection can ask" if places else ""


@control(
    "MON-02",
    title="Metrics go to a Log Analytics workspace",
    severity=Severity.LOW,
    subject=Kind.ACCOUNT,
    maps=_LOGGED,
    remediation=(
        "Enable the metric category AllMetrics in the account's diagnostic setting, with the same workspace as destination."
    ),
    breaks=(
        {f"{_SETTING}.metrics[0].enabled": False},
        {f"{_SETTING}.metrics": []},
        {f"{_SETTING}.metrics": ABSENT},
    ),
)
def metrics_reach_a_workspace(facts: Facts) -> Verdict:
    """Exported metrics keep the record of load and rejections for as long as the logs; the platform itself keeps 93 days.

    AllMetrics has to be enabled in a setting with a workspace. The service lists it as disabled where nobody chose it.
    Exported metrics lose their dimensions, so alerts by deployment belong on the metric itself: MON-06, MON-09.
    """
    reached = account_logs(facts)
    whole = [workspace for workspace, sent in reached.items() if METRICS in sent]
    if whole:
        return passes(f"Metrics go to the workspace “{workspace_name(whole[0])}”.")
    reached.require_all()
    return fails("The metrics of the account are not sent to a Log Analytics workspace.")


@control(
    "MON-03",
    title="Log tables are kept as long as required",
    severity=Severity.MEDIUM,
    subject=Kind.ACCOUNT,
    maps=(mcsb("LT-6"), nist80053("AU-11"), ai_rmf("MANAGE 4.1"), atlas("M0024")),
    remediation=(
        "Set totalRetentionInDays on the tables AzureDiagnostics and AzureActivity of the workspace (Log Analytics workspace, "
        "Tables, Manage table) to the required days, or raise the workspace's own retention."
    ),
    breaks=(
        {"diagnostics_table.properties.totalRetentionInDays": 30, "diagnostics_table.properties.retentionInDays": 30},
        {
            "diagnostics_table.properties.totalRetentionInDays": ABSENT,
            "diagnostics_table.properties.retentionInDays": ABSENT,
            "workspace.properties.retentionInDays": 30,
        },
        {"activity_table.properties.totalRetentionInDays": 90},
        {"requirements.retention_days": 4000},
    ),
)
def tables_are_kept(facts: Facts) -> Verdict:
    """An intrusion is often found months later: the rows that explain it have to be there still.

    Judged on the table AzureDiagnostics of the workspaces that receive the account's logs, and on AzureActivity of those that
    receive the subscription's activity log (whether there is one is MON-05). A table's total retention counts, interactive
    and long-term together; one that sets none has the workspace's. One workspace that keeps enough is enough. The
    retentionPolicy inside a diagnostic setting is not looked at: it never applied to workspaces.
    """
    days = facts.requirements.retention_days
    own, activity = account_logs(facts), activity_logs(facts)
    logged = {workspace: sent for workspace, sent in own.items() if sent - {METRICS}}
    if not logged:
        own.require_all()
        return fails(f"No logs of the account are kept in a workspace, and {days} days are required.")
    exported = {workspace: sent for workspace, sent in activity.items() if "Administrative" in sent}
    shortest = float("inf")
    for source, table, workspaces, listed in (
        ("diagnostics_table", "AzureDiagnostics", logged, own),
        ("activity_table", "AzureActivity", exported, activity),
    ):
        kept = max((days_kept(facts, source, workspace) for workspace in workspaces), default=float("inf"))
        if kept < days or not workspaces:
            listed.require_all()
        if kept < days:
            return fails(f"Table {table} in {_names(workspaces)} is kept for {kept:g} days, and {days} are required.")
        shortest = min(shortest, kept)
    return passes(f"The log tables in {_names(logged)} are kept for {shortest:g} days, and {days} are required.")


def days_kept(facts: Facts, source: str, workspace: str) -> float:
    """Days for which a table is kept. A table that has no rows yet, or no setting of its own, has the workspace's."""
    name = workspace_name(workspace)
    reading = facts.snapshot.reading(source, workspace)
    if reading.is_gone:
        facts.record(f"{source}[{name}]", None, reading)
    else:
        table = facts.of(source, workspace, f"{source}[{name}]")
        for path in ("properties.totalRetentionInDays", "properties.retentionInDays"):
            if (days := table.number(path) or 0) > 0:
                return days
    return _kept_by_default(facts.of("workspace", workspace, f"workspace[{name}]"))


def _kept_by_default(workspace: View) -> float:
    """A workspace without the property keeps 30 days; -1 stands for no limit (API version 2025-07-01)."""
    days = workspace.number("properties.retentionInDays", 30) or 30
    return float("inf") if days == -1 else days


@control(
    "MON-05",
    title="The activity log is exported to a Log Analytics workspace",
    severity=Severity.HIGH,
    subject=Kind.SUBSCRIPTION,
    maps=(*_LOGGED, cis("6.1.1.1", "6.1.1.2")),
    remediation=(
        "Create a diagnostic setting on the subscription (Activity log, Export activity logs) with the categories "
        "Administrative, Security, Policy and Alert and a Log Analytics workspace as destination."
    ),
    breaks=(
        breaking({"subscription_diagnostic_settings": []}, "MON-08"),
        breaking({f"{_ACTIVITY}.workspaceId": None}, "MON-08"),
        breaking({f"{_ACTIVITY}.workspaceId": ABSENT}, "MON-08"),
        breaking({f"{_ACTIVITY}.logs[category=Administrative].enabled": False}, "MON-08"),
    ),
)
def activity_log_is_exported(facts: Facts) -> Verdict:
    """Azure keeps the activity log for 90 days and no query reaches it there: deployments, policies, keys and role
    assignments that were changed can only be followed in a workspace.

    The category Administrative has to be enabled: it holds every change. That Security, Policy or Alert is missing is said
    and does not fail.
    """
    exported = activity_logs(facts)
    whole = [workspace for workspace, sent in exported.items() if "Administrative" in sent]
    if not whole:
        exported.require_all()
        if exported:
            return fails(f"The activity log's category Administrative is not sent to {_names(exported)}.")
        return fails("The activity log of the subscription is not sent to a Log Analytics workspace.")
    sent = set().union(*exported.values())
    missing = [name for name in ("Security", "Policy", "Alert") if name not in sent]
    besides = f" The categories {', '.join(missing)} are not." if missing else ""
    return passes(f"The activity log goes to the workspace “{workspace_name(whole[0])}”.{besides}")


@control(
    "MON-13",
    title="Defender for Cloud watches AI services",
    severity=Severity.MEDIUM,
    subject=Kind.SUBSCRIPTION,
    maps=(
        mcsb("LT-1"),
        mcsb_ai("AI-6"),
        nist80053("SI-4", "RA-5"),
        ai_rmf("MANAGE 4.1"),
        owasp("LLM01", "LLM10"),
        atlas("T0051", "T0054", "T0034"),
    ),
    remediation=(
        "Turn on the plan AI services of Defender for Cloud on the subscription (Microsoft.Security/pricings/AI, pricingTier "
        "Standard). Where prompts are to be part of alerts, switch its extension AIPromptEvidence on."
    ),
    breaks=(
        {"ai_pricing.properties.pricingTier": "Free"},
        {"ai_pricing.properties.pricingTier": ABSENT},
        {
            "requirements.prompt_evidence": True,
            "ai_pricing.properties.extensions[name=AIPromptEvidence].isEnabled": "False",
        },
        {"requirements.prompt_evidence": True, "ai_pricing.properties.extensions": ABSENT},
    ),
)
def defender_watches_ai(facts: Facts) -> Verdict:
    """Defender reports jailbreaks, leaked credentials, unusual callers and floods that no log of the account shows.

    The plan AI has to be Standard. Prompt evidence puts pieces of prompts into alerts, which is sensitive data, so it is
    asked for only where the parameters say so. The switch on each account is CNT-11.
    """
    plan = facts.of_subscription("ai_pricing")
    if plan.text("properties.pricingTier").lower() != "standard":
        return fails("The Defender for Cloud plan for AI services is not switched on.")
    if not facts.requirements.prompt_evidence:
        return passes("The Defender for Cloud plan for AI services is on.")
    for extension in plan.each("properties.extensions"):
        if extension.text("name").lower() == "aipromptevidence":
            if str(extension.get("isEnabled")).lower() == "true":
                return passes("The Defender for Cloud plan for AI services is on, with prompt evidence.")
            break
    return fails("The Defender for Cloud plan for AI services is on, without the prompt evidence that is required.")
