"""Identity and access: what only approved principals may be able to do."""

from __future__ import annotations

from aoai_lib.controls import Verdict, breaking, control, fails, passes
from aoai_lib.controls.identity_holders import (
    COGNITIVE_SERVICES_USER,
    LEAST_PRIVILEGE,
    approved,
    each_principal,
    given,
    name,
    several,
    strangers,
    under_condition,
)
from aoai_lib.effective_access.capabilities import (
    ASSIGN_ROLES,
    BLIND_LOGS,
    READ_KEYS,
    WRITE_DEPLOYMENTS,
    WRITE_POLICIES,
)
from aoai_lib.facts import Facts
from aoai_lib.frameworks import atlas, cis, mcsb, mcsb_ai, nist80053
from aoai_lib.model import Kind, Severity


@control(
    "IAM-04",
    title="Only approved principals can list or regenerate keys",
    severity=Severity.HIGH,
    subject=Kind.ACCOUNT,
    maps=(mcsb("IM-8"), *LEAST_PRIVILEGE, atlas("T0055")),
    remediation="Remove the named role assignments, or replace the role by one without `listKeys/action` and "
    "`regenerateKey/action` (Cognitive Services OpenAI User for callers). Principals that need it belong in `approved_admins`.",
    breaks=(
        {"role_assignments[+]": given(COGNITIVE_SERVICES_USER, "Group")},
        {"role_eligibility[+]": given(COGNITIVE_SERVICES_USER, "Group")},
    ),
)
def keys_for_approved_only(facts: Facts) -> Verdict:
    """Who can list keys can call the models as nobody in particular, and hand that ability on.

    Judged by effective actions: every active or eligible assignment at or above the account whose role holds
    `listKeys/action` or `regenerateKey/action`, less deny assignments, must be of a principal in `approved_admins`.
    Keys that are disabled count all the same: who can enable them again often is the same principal.
    """
    found = strangers(facts, {READ_KEYS: approved(facts.requirements.approved_admins)})
    if found:
        count = several(len(each_principal(found)), "principal", "principals")
        return fails(f"{count} without approval can read or regenerate the account's keys: {name(facts, found)}.")
    return passes("Nobody but approved principals can list or regenerate the account's keys.")


@control(
    "IAM-07",
    title="Only approved principals can write deployments or content-filter policies",
    severity=Severity.HIGH,
    subject=Kind.ACCOUNT,
    maps=(mcsb_ai("AI-2"), *LEAST_PRIVILEGE, nist80053("CM-5")),
    remediation="Remove the named role assignments. Give deployment automation a custom role with `deployments/write` and "
    "without `raiPolicies/write` instead of Cognitive Services OpenAI Contributor, and name it in `approved_deployers`.",
    breaks=(
        {"role_assignments[+]": given("a001fd3d-188f-4b5d-821b-7da978bf7442", "User")},
        {"role_eligibility[+]": given("a001fd3d-188f-4b5d-821b-7da978bf7442", "User")},
        breaking({"requirements.approved_deployers": []}, "IAM-05"),
    ),
)
def filters_for_approved_only(facts: Facts) -> Verdict:
    """Who writes a policy can switch its filters off; who writes a deployment can bind it to a weaker policy.

    Judged by effective actions, active and eligible, less deny assignments. `deployments/write` is for `approved_admins`
    and `approved_deployers`; writing or deleting policies and blocklists is for `approved_admins` alone, so an approved
    deployer with Cognitive Services OpenAI Contributor fails.
    """
    admins = approved(facts.requirements.approved_admins)
    deployers = admins | approved(facts.requirements.approved_deployers)
    found = strangers(facts, {WRITE_DEPLOYMENTS: deployers, WRITE_POLICIES: admins})
    if found:
        count = several(len(each_principal(found)), "principal", "principals")
        return fails(
            f"{count} without approval can write deployments or content-filter policies: {name(facts, found)}."
        )
    return passes("Nobody but approved principals can write deployments or content-filter policies.")


@control(
    "IAM-08",
    title="Only approved principals can assign roles on the account",
    severity=Severity.HIGH,
    subject=Kind.ACCOUNT,
    maps=(mcsb("PA-1"), *LEAST_PRIVILEGE, cis("5.3.3")),
    remediation="Remove the named role assignments, or make them eligible and name the principals in `approved_admins`. Who "
    "must assign a few roles only should hold Role Based Access Control Administrator with a condition, and be approved.",
    breaks=(
        {"role_assignments[+]": given("f58310d9-a9f6-439a-9e8d-f62e7b41a168", "User")},
        breaking({"role_assignments[+]": given("18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", "ServicePrincipal")}, "IAM-05"),
        {"role_eligibility[+]": given("f58310d9-a9f6-439a-9e8d-f62e7b41a168", "Group")},
    ),
)
def roles_for_approved_only(facts: Facts) -> Verdict:
    """Who can assign roles gets every other ability by one more step.

    Judged by effective `roleAssignments/write`, active and eligible, less deny assignments. An assignment under a
    condition counts, for what a condition really leaves is not evaluated; the reason says so.
    """
    found = strangers(facts, {ASSIGN_ROLES: approved(facts.requirements.approved_admins)})
    if found:
        count = several(len(each_principal(found)), "principal", "principals")
        listed = name(facts, found, lambda each: " under a condition" if under_condition(facts, each) else "")
        return fails(f"{count} without approval can assign roles on the account: {listed}.")
    return passes("Nobody but approved principals can assign roles on the account.")


@control(
    "IAM-09",
    title="Only approved principals can change or delete diagnostic settings",
    severity=Severity.HIGH,
    subject=Kind.ACCOUNT,
    maps=(mcsb("LT-3"), *LEAST_PRIVILEGE, nist80053("AU-12"), atlas("M0024")),
    remediation="Remove the named role assignments, or replace Monitoring Contributor and Log Analytics Contributor by "
    "Monitoring Reader and Log Analytics Reader. Principals that need it belong in `approved_admins`.",
    breaks=(
        {"role_assignments[+]": given("749f88d5-cbae-40b8-bcfc-e573ddc772fa", "User")},
        {"role_assignments[+]": given("92aaf0da-9dab-42b6-94a3-d43ce8d16293", "Group")},
        {"role_eligibility[+]": given("749f88d5-cbae-40b8-bcfc-e573ddc772fa", "User")},
    ),
)
def logs_for_approved_only(facts: Facts) -> Verdict:
    """Who deletes the diagnostic setting first can do everything else unseen.

    Judged by effective `diagnosticSettings/write` and `diagnosticSettings/delete`, active and eligible, less deny
    assignments.
    """
    found = strangers(facts, {BLIND_LOGS: approved(facts.requirements.approved_admins)})
    if found:
        count = several(len(each_principal(found)), "principal", "principals")
        return fails(f"{count} without approval can change or delete diagnostic settings: {name(facts, found)}.")
    return passes("Nobody but approved principals can change or delete the account's diagnostic settings.")
