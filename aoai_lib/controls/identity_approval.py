"""Identity and access: what only approved principals may be able to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aoai_lib.controls import Verdict, breaking, control
from aoai_lib.controls.identity_holders import (
    CUSTOM,
    LEAST_PRIVILEGE,
    NAMED,
    approved,
    custom,
    delegated,
    given,
    register,
    role,
)
from aoai_lib.controls.identity_search import reserved
from aoai_lib.effective_access.capabilities import (
    ASSIGN_ROLES,
    BLIND_LOGS,
    READ_KEYS,
    WRITE_DEPLOYMENTS,
    WRITE_POLICIES,
)
from aoai_lib.effective_access.conditions import assignable_roles
from aoai_lib.effective_access.records import Assignment
from aoai_lib.effective_access.register import UNKNOWN
from aoai_lib.facts import Facts
from aoai_lib.frameworks import atlas, cis, mcsb, mcsb_ai, nist80053
from aoai_lib.model import Kind, Severity

_REGENERATES: Final = custom(["Microsoft.CognitiveServices/accounts/regenerateKey/action"])


@control(
    "IAM-04",
    title="Only approved principals can list or regenerate keys",
    severity=Severity.HIGH,
    subject=Kind.ACCOUNT,
    maps=(mcsb("IM-8"), *LEAST_PRIVILEGE, atlas("T0055")),
    remediation="Remove the named role assignments, or replace the role by one without `listKeys/action` and "
    "`regenerateKey/action` (Cognitive Services OpenAI User for callers). Principals that need it belong in `approved_admins`.",
    breaks=(
        {"role_definitions[+]": _REGENERATES, "role_assignments[+]": given(CUSTOM, "Group")},
        {"role_definitions[+]": _REGENERATES, "role_assignments[+]": given(CUSTOM, "User")},
        {"role_definitions[+]": _REGENERATES, "role_eligibility[+]": given(CUSTOM, "Group")},
        {"role_definitions[+]": _REGENERATES, "delegations[+]": delegated(CUSTOM)},
    ),
)
def keys_for_approved_only(facts: Facts) -> Verdict:
    """Who can list keys can call the models as nobody in particular, and hand that ability on.

    Judged by effective actions: every active, eligible or delegated assignment at or above the account whose role holds
    `listKeys/action` or `regenerateKey/action`, less deny assignments, must be of a principal in `approved_admins`.
    Keys that are disabled count all the same: who can enable them again often is the same principal.
    """
    return reserved(facts, {READ_KEYS: _admins(facts)}, "read or regenerate the account's keys")


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

    Judged by effective actions, active, eligible and delegated, less deny assignments. `deployments/write` is for `approved_admins`
    and `approved_deployers`; writing or deleting policies and blocklists is for `approved_admins` alone, so an approved
    deployer with Cognitive Services OpenAI Contributor fails.
    """
    deployers = _admins(facts) | approved(facts.requirements.approved_deployers)
    asked = {WRITE_DEPLOYMENTS: deployers, WRITE_POLICIES: _admins(facts)}
    return reserved(facts, asked, "write deployments or content-filter policies")


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

    Judged by effective `roleAssignments/write`, active, eligible and delegated, less deny assignments. An assignment under
    a condition counts, for what a condition really leaves is not evaluated; the reason says so, and which roles it names.
    """
    return reserved(facts, {ASSIGN_ROLES: _admins(facts)}, "assign roles on the account", _limits(facts))


def _limits(facts: Facts) -> Callable[[Assignment], str]:
    """What narrows a right to assign roles, as the end of a sentence."""

    def words(assignment: Assignment) -> str:
        if not register(facts).narrowed(assignment, ASSIGN_ROLES):
            return ""
        blocks = role(facts, assignment.role_definition).permissions
        listed, only_those = assignable_roles(" ".join([assignment.condition, *(each.condition for each in blocks)]))
        named = ", ".join(f"“{_called(facts, each)}”" for each in sorted(listed)[:NAMED])
        more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
        which = f" that {'names' if only_those else 'excludes'} {named}{more}" if listed else ""
        return f" under a condition{which}"

    return words


def _called(facts: Facts, guid: str) -> str:
    try:
        return register(facts).role(guid).name
    except UNKNOWN:
        return guid


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

    Judged by effective `diagnosticSettings/write` and `diagnosticSettings/delete`, active, eligible and delegated,
    less deny assignments.
    """
    return reserved(facts, {BLIND_LOGS: _admins(facts)}, "change or delete the account's diagnostic settings")


def _admins(facts: Facts) -> frozenset[str]:
    return approved(facts.requirements.approved_admins)
