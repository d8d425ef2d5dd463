"""How logs are sent where they can be asked and kept as long as required, and Defender's plan is switched on.

Diagnostic settings 2021-05-01-preview, the only version that knows category groups; an existing setting to a workspace is changed and
not doubled. `retentionPolicy` is left out: it never applied to workspaces and is dead since 2025-09-30. Tables of
Microsoft.OperationalInsights 2025-02-01; Microsoft.Security/pricings 2024-01-01.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from aoai_lib.collect.monitoring import PRICINGS_VERSION, SETTINGS, SETTINGS_VERSION
from aoai_lib.controls.monitoring import days_kept
from aoai_lib.controls.monitoring_logs import METRICS, account_logs, activity_logs, workspace_name
from aoai_lib.facts import Facts, View
from aoai_lib.harden.making import CannotPlanError, Site, mends
from aoai_lib.harden.plan import Check, Request, Step
from aoai_lib.model import Finding, Json, State
from aoai_lib.private_link import name_of

SETTING: Final = "aoai-playbook"
"""The name of a diagnostic setting that is made."""
_TABLES: Final = "2025-02-01"
_TOTALS: Final = (*range(4, 731), 1095, 1460, 1826, 2191, 2556, 2922, 3288, 3653, 4018, 4383)
"""Days that a table's total retention can be (Microsoft Learn, "Manage data retention in a workspace", 2026)."""
_ACTIVITY: Final = {
    **dict.fromkeys(("Administrative", "Security", "Policy", "Alert"), True),
    **dict.fromkeys(("ServiceHealth", "Recommendation", "Autoscale", "ResourceHealth"), False),
}
"""The categories of an activity log, and whether they are sent: the service shows all of them, so all are said."""


def receiving(site: Site, scope: str, known: Iterable[str]) -> list[str]:
    """The workspaces that the logs of an account or a subscription go to, and those that steps planned so far will send them to."""
    own = f"{scope}/providers/{SETTINGS}/".lower()
    bodies = [each.request.body for each in site.steps.values() if each.request.path.lower().startswith(own)]
    planned = [str(body["properties"]["workspaceId"]) for body in bodies if isinstance(body, dict)]
    return list(dict.fromkeys([*known, *(f"/{each.strip('/').lower()}" for each in planned)]))


@mends("MON-01")
@mends("MON-02", after=("MON-01",))
def send_logs(site: Site, finding: Finding) -> Iterator[Step]:
    """All logs and metrics of the account to one workspace."""
    account = finding.subject.account
    wanted = {
        "logs": [{"categoryGroup": "allLogs", "enabled": True}],
        "metrics": [{"category": METRICS, "enabled": True}],
    }
    facts = site.facts(finding.subject)
    listed = list(facts.of_account("diagnostic_settings").each())
    yield _setting(site, finding, account, listed, set(account_logs(facts)), wanted)


@mends("MON-05")
def export_activity(site: Site, finding: Finding) -> Iterator[Step]:
    """The subscription's activity log to a workspace."""
    facts = site.facts(finding.subject)
    scope = f"/subscriptions/{finding.subject.subscription or finding.subject.id}"
    listed = list(facts.of_subscription("subscription_diagnostic_settings").each())
    wanted = {"logs": [{"category": each, "enabled": sent} for each, sent in _ACTIVITY.items()]}
    yield _setting(site, finding, scope, listed, set(activity_logs(facts)), wanted)


def _setting(
    site: Site, finding: Finding, scope: str, listed: list[View], alive: set[str], wanted: dict[str, Json]
) -> Step:
    """A setting that sends what is wanted: the one that sends to a workspace already, else a new one."""
    wished = site.wishes.log_workspace.lower()
    own = [
        each for each in listed if (to := each.text("properties.workspaceId").lower()) and (to in alive or to == wished)
    ]
    found = next(
        (each for each in own if each.text("properties.workspaceId").lower() == wished), own[0] if own else None
    )
    workspace = found.text("properties.workspaceId") if found is not None else site.wishes.log_workspace
    if not workspace:
        raise CannotPlanError("Name the Log Analytics workspace in hardening.log_workspace.")
    name = found.name if found is not None else SETTING
    return site.put(
        finding,
        f"{scope}/providers/{SETTINGS}/{name}",
        SETTINGS_VERSION,
        found.value if found is not None else None,
        {"properties": {"workspaceId": workspace, **wanted}},
        title=f"Send the logs of “{name_of(scope)}” to the workspace “{workspace_name(workspace)}”",
        effect="The workspace's ingestion is billed by volume. The first rows may take up to 90 minutes.",
        permission=f"{SETTINGS}/write",
    )


@mends("MON-03", after=("MON-01", "MON-05"))
def keep_tables(site: Site, finding: Finding) -> Iterator[Step]:
    """The tables as long as required, where they are there and keep less."""
    facts = site.facts(finding.subject)
    days = facts.requirements.retention_days
    subscription = f"/subscriptions/{finding.subject.subscription}"
    whole = next((each for each in _TOTALS if each >= days), _TOTALS[-1])
    absent = []
    for source, table, workspaces in (
        ("diagnostics_table", "AzureDiagnostics", receiving(site, finding.subject.account, account_logs(facts))),
        ("activity_table", "AzureActivity", receiving(site, subscription, activity_logs(facts))),
    ):
        for workspace in workspaces:
            if days_kept(facts, source, workspace) >= days:
                continue
            if facts.snapshot.reading(source, workspace).state is State.NOT_FOUND:
                absent.append(f"“{table}” of “{workspace_name(workspace)}”")
                continue
            yield _retention(site, finding, facts, (source, table, workspace), whole)
    if absent:
        raise CannotPlanError(f"{', '.join(absent)} is made by its first row: come back when there is one.")


def _retention(site: Site, finding: Finding, facts: Facts, about: tuple[str, str, str], days: int) -> Step:
    source, table, workspace = about
    held = facts.snapshot.reading(source, workspace).value
    path = f"{held['id'].rpartition('/tables/')[0]}/tables/{table}"
    inherited = (held.get("properties") or {}).get("totalRetentionInDaysAsDefault") is True
    default = Request(method="PATCH", path=path, api_version=_TABLES, body={"properties": {"totalRetentionInDays": -1}})
    return site.patch(
        finding,
        path,
        _TABLES,
        held,
        {"properties": {"totalRetentionInDays": days}},
        default={"totalRetentionInDays": -1},
        title=f"Keep the table “{table}” of “{workspace_name(workspace)}” for {days} days",
        effect="What is older than the interactive retention is kept as long-term data, which is billed by volume and searched by job.",
        permission="Microsoft.OperationalInsights/workspaces/tables/write",
        patience=300,
        **({"undo": default} if inherited else {}),
    )


@mends("MON-13")
def watch_ai(site: Site, finding: Finding) -> Iterator[Step]:
    """Defender's plan for AI services; with the extension where prompt evidence is required."""
    facts = site.facts(finding.subject)
    scope = f"/subscriptions/{finding.subject.subscription or finding.subject.id}"
    path = f"{scope}/providers/Microsoft.Security/pricings/AI"
    held = facts.of_subscription("ai_pricing").value
    evidence = [{"name": "AIPromptEvidence", "isEnabled": "True"}] if facts.requirements.prompt_evidence else []
    properties: dict[str, Json] = {"pricingTier": "Standard", **({"extensions": evidence} if evidence else {})}
    before = str((held.get("properties") or {}).get("pricingTier") or "Free")
    yield site.put(
        finding,
        path,
        PRICINGS_VERSION,
        held,
        {"properties": properties},
        title=f"Switch Defender for AI services on in the subscription {name_of(scope)}",
        effect="Every account of the subscription is watched, at a price by tokens. Prompt evidence puts pieces of prompts into alerts.",
        permission="Microsoft.Security/pricings/write",
        checks=(Check(name="price-accepted", about=path),),
        read_only=("properties.freeTrialRemainingTime", "properties.enablementTime", "properties.extensions"),
        undo=Request(
            method="PUT", path=path, api_version=PRICINGS_VERSION, body={"properties": {"pricingTier": before}}
        ),
    )
