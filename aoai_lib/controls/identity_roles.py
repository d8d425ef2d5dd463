"""Identity and access: which roles workloads, people and the tenant's own role definitions should not hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from aoai_lib.controls import Verdict, breaking, control, fails, not_assessed, passes
from aoai_lib.controls.identity_holders import (
    COGNITIVE_SERVICES_USER,
    LEAST_PRIVILEGE,
    Search,
    approved,
    complete,
    each_principal,
    given,
    name,
    register,
    several,
)
from aoai_lib.effective_access.actions import reckless
from aoai_lib.effective_access.capabilities import OPENAI_USER
from aoai_lib.effective_access.records import Assignment, Holding, Role, chain, is_above, normal
from aoai_lib.effective_access.register import without_pim
from aoai_lib.facts import Facts
from aoai_lib.frameworks import cis, mcsb
from aoai_lib.model import ABSENT, Json, Kind, Severity, State

OWNER: Final = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
CONTRIBUTOR: Final = "b24988ac-6180-42a0-ab88-20f7382dd24c"
COGNITIVE_SERVICES_CONTRIBUTOR: Final = "25fbc0a9-bd7c-42a3-aa1a-3b75d497ee68"
POWERFUL: Final = frozenset({OWNER, CONTRIBUTOR, COGNITIVE_SERVICES_CONTRIBUTOR})
"""The roles that IAM-06 names, by GUID."""
WORKLOADS: Final = frozenset({"serviceprincipal", "msi", "application"})
"""Principal types that are no person and no group; managed identities are service principals."""


@control(
    "IAM-05",
    title="Workload identities hold no more than Cognitive Services OpenAI User",
    severity=Severity.HIGH,
    subject=Kind.ACCOUNT,
    maps=(mcsb("IM-3"), *LEAST_PRIVILEGE),
    remediation="Give the workload Cognitive Services OpenAI User (5e0bd9bd-7b93-4f28-af87-19fc36ad61bd) on the account and "
    "remove the named assignment. Automation that must do more belongs in `approved_deployers` or `approved_admins`.",
    breaks=(
        {"role_assignments[+]": given("19c28022-e58e-450d-a464-0b2a53034789", "ServicePrincipal")},
        breaking({"role_assignments[+]": given("a001fd3d-188f-4b5d-821b-7da978bf7442", "ServicePrincipal")}, "IAM-07"),
        breaking({"role_assignments[+]": given(COGNITIVE_SERVICES_USER, "MSI")}, "IAM-04"),
    ),
)
def workloads_hold_openai_user_at_most(facts: Facts) -> Verdict:
    """A workload that is taken over can do whatever its identity can: it should call models, and nothing else.

    Judged for service principals and managed identities that are neither `approved_admins` nor `approved_deployers`:
    no role that reaches the account may hold an action in Microsoft.CognitiveServices that OpenAI User lacks, nor one to
    change diagnostic settings or assign roles. OpenAI User itself is known by its GUID.
    """
    exempt = approved([*facts.requirements.approved_admins, *facts.requirements.approved_deployers])
    untyped = []

    def exceeds(assignment: Assignment) -> bool:
        if assignment.principal in exempt or assignment.role == OPENAI_USER:
            return False
        if assignment.principal_type.lower() not in {*WORKLOADS, ""}:
            return False
        beyond = any(_beyond(facts, assignment))
        if beyond and not assignment.principal_type:
            untyped.append(assignment)
            return False
        return beyond

    search = Search(facts)
    search.among(exceeds)
    found = search.settle()
    if found:
        count = several(len(each_principal(found)), "workload identity holds", "workload identities hold")
        return fails(f"{count} more than OpenAI User: {name(facts, found)}.")
    if untyped:
        return not_assessed(
            f"The type of {several(len(untyped), 'principal', 'principals')} with more than OpenAI User is not known."
        )
    return passes("No workload identity holds more than Cognitive Services OpenAI User on the account.")


def _beyond(facts: Facts, assignment: Assignment) -> Iterator[str]:
    """The actions by which an assignment goes beyond OpenAI User, deny assignments counted."""
    patterns = register(facts).excess(assignment)
    if patterns:
        facts.of_subscription("deny_assignments")
    for pattern, data in patterns:
        if register(facts).denial(assignment, pattern, data, facts.subject.account) is None:
            yield pattern


@control(
    "IAM-06",
    title="No person or group stands as Owner, Contributor or Cognitive Services Contributor",
    severity=Severity.HIGH,
    subject=Kind.ACCOUNT,
    maps=(mcsb("PA-1", "PA-2"), *LEAST_PRIVILEGE),
    remediation="Make the named assignments eligible in Privileged Identity Management, with approval and a short activation, "
    "or remove them; where they are inherited, do so at the scope that is named.",
    breaks=(
        breaking({"role_assignments[+]": given(CONTRIBUTOR, "User")}, "IAM-04", "IAM-07", "IAM-09"),
        breaking({"role_assignments[+]": given(OWNER, "Group")}, "IAM-04", "IAM-07", "IAM-08", "IAM-09"),
        breaking({"role_assignments[+]": given(COGNITIVE_SERVICES_CONTRIBUTOR, "User")}, "IAM-04", "IAM-07", "IAM-09"),
    ),
)
def no_standing_human_power(facts: Facts) -> Verdict:
    """Standing power over the account is there for whoever steals the session of the person that holds it.

    Judged by the GUIDs of the three roles, for users and groups, at the account and everywhere above. Eligible roles
    don't count, nor does one that was activated and ends by itself. An assignment that needs no activation counts even
    if it has an end. Approval makes no difference here.
    """
    untyped = []

    def stands(assignment: Assignment) -> bool:
        kind = assignment.principal_type.lower()
        if assignment.role not in POWERFUL or kind in {*WORKLOADS, "unknown"}:
            return False
        if _activated(facts, assignment):
            return False
        if not kind:
            untyped.append(assignment)
        return bool(kind)

    search = Search(facts)
    search.among(stands)
    found = search.settle()
    if found:
        count = several(len(each_principal(found)), "person or group has", "people or groups have")
        return fails(f"{count} standing power over the account: {name(facts, found, _until(facts))}.")
    if untyped:
        return not_assessed(
            f"The type of {several(len(untyped), 'principal', 'principals')} with standing power is not known."
        )
    return passes("No person or group has a standing Owner, Contributor or Cognitive Services Contributor role here.")


def _activated(facts: Facts, assignment: Assignment) -> bool:
    """Whether it is an eligible role, switched on for a time. The schedule that says so is cited."""
    holding, _ = _held_how(facts, assignment)
    return holding is Holding.ACTIVATED


def _held_how(facts: Facts, assignment: Assignment) -> tuple[Holding, str]:
    reading = register(facts).reading("role_schedules")
    if without_pim(reading):
        facts.record("role_schedules", ABSENT, reading)
    else:
        facts.of_subscription("role_schedules")
    origin = register(facts).schedule(assignment)
    if origin:
        own = origin.view(facts).at("properties")
        own.get("assignmentType")
        own.get("endDateTime")
    return register(facts).holding(assignment)


def _until(facts: Facts) -> Callable[[Assignment], str]:
    def words(assignment: Assignment) -> str:
        _, ends = register(facts).holding(assignment)
        return f" until {ends[:10]}" if ends else ""

    return words


def _custom(actions: list[str], data_actions: list[str] | None = None) -> Json:
    """A custom role of the whole organisation, for the breaks."""
    guid = "99999999-0000-4000-8000-000000000010"
    return {
        "id": f"/providers/Microsoft.Authorization/roleDefinitions/{guid}",
        "name": guid,
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": "AI maker",
            "type": "CustomRole",
            "assignableScopes": ["/providers/Microsoft.Management/managementGroups/everything"],
            "permissions": [
                {"actions": actions, "notActions": [], "dataActions": data_actions or [], "notDataActions": []}
            ],
        },
    }


@control(
    "IAM-10",
    title="No custom role reaches the accounts with wildcards",
    severity=Severity.MEDIUM,
    subject=Kind.SUBSCRIPTION,
    maps=(*LEAST_PRIVILEGE, cis("5.3.7")),
    remediation="Replace the wildcards in the named custom roles by the actions that are needed "
    "(`az role definition update`), or take these subscriptions from their `assignableScopes`.",
    breaks=(
        {"role_definitions[+]": _custom(["Microsoft.CognitiveServices/*"])},
        {"role_definitions[+]": _custom(["*"])},
        {"role_definitions[+]": _custom(["Microsoft.CognitiveServices/accounts/list*/action"])},
        {"role_definitions[+]": _custom([], ["Microsoft.CognitiveServices/accounts/OpenAI/*"])},
    ),
)
def no_custom_wildcards(facts: Facts) -> Verdict:
    """A wildcard grows with the service: what Microsoft adds next year is allowed already, and nobody decided it.

    Judged for custom roles that may be assigned at the subscription, above it, or at one of its accounts or their
    resource groups, whether assigned now or not. A management wildcard that only reads settings (`…/read`) is let
    pass, for it changes nothing and shows no key; data wildcards count even where they read.
    """
    _cite_definitions(facts)
    seen, found = [], []
    for each in register(facts).custom_roles():
        if _assignable(facts, each):
            own = each.origin.view(facts).at("properties")
            own.get("roleName")
            seen.append(each)
            if reckless(each.permissions):
                own.get("permissions")
                own.get("assignableScopes")
                found.append(each)
    if found:
        words = "; ".join(f"“{each.name}” by “{reckless(each.permissions)[0]}”" for each in found[:3])
        more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
        count = several(len(found), "custom role reaches", "custom roles reach")
        return fails(f"{count} the accounts with wildcards: {words}{more}.")
    # Only the subscription's own list is known to hold every custom role that may be assigned in it.
    facts.of_subscription("role_definitions")
    complete(facts, "role_definitions")
    return passes(
        f"{several(len(seen), 'custom role', 'custom roles')} may be assigned here, and none has such a wildcard."
    )


def _cite_definitions(facts: Facts) -> None:
    """Record the list of role definitions: the subscription's own, or the tenant's where that could not be read."""
    own = register(facts).reading("role_definitions")
    tenant = facts.snapshot.reading("tenant_role_definitions", "")
    fallback = own.state is not State.COLLECTED and tenant.state is State.COLLECTED
    view = facts.of("tenant_role_definitions", "") if fallback else facts.of_subscription("role_definitions")
    facts.record(f"{view.path}.length", len(view.value), tenant if fallback else own)


def _assignable(facts: Facts, custom: Role) -> bool:
    accounts = facts.snapshot.reading("accounts", facts.subject.subscription).value or []
    places = {f"/subscriptions/{facts.subject.subscription}".lower()}.union(*(chain(each) for each in accounts))
    return any(is_above(normal(scope)) or normal(scope) in places for scope in custom.assignable)
