"""Identity and access: which roles workloads, people and the tenant's own role definitions should not hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from aoai_lib.controls import Verdict, breaking, control, fails, not_assessed, passes
from aoai_lib.controls.identity_holders import (
    COGNITIVE_SERVICES_USER,
    LEAST_PRIVILEGE,
    approved,
    custom,
    each_principal,
    given,
    name,
    register,
    several,
)
from aoai_lib.controls.identity_search import NOW, Search, complete, effective, only
from aoai_lib.effective_access.actions import reckless
from aoai_lib.effective_access.capabilities import FULL_CONTROL, OPENAI_USER, POWER
from aoai_lib.effective_access.outsiders import OWNER
from aoai_lib.effective_access.records import Assignment, Holding, Role, chain, is_above, normal
from aoai_lib.effective_access.register import ACTIVE, UNKNOWN, nobody
from aoai_lib.facts import Facts, UnexpectedShapeError
from aoai_lib.frameworks import cis, mcsb
from aoai_lib.model import ABSENT, Kind, Severity, State

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
        {"role_assignments[+]": given(COGNITIVE_SERVICES_USER, "MSI")},
    ),
)
def workloads_hold_openai_user_at_most(facts: Facts) -> Verdict:
    """A workload that is taken over can do whatever its identity can: it should call models, and nothing else.

    Judged for service principals and managed identities that are neither `approved_admins` nor `approved_deployers`:
    no role that reaches the account may hold an action in Microsoft.CognitiveServices that OpenAI User lacks, nor one to
    change diagnostic settings or assign roles. OpenAI User itself is known by its GUID. A workload holds what the groups
    hold that it is in, so this hangs on the members of every group with more than OpenAI User, unless the group is
    approved, and its members with it. A group that could not be opened leaves the verdict open.
    """
    exempt = approved([*facts.requirements.approved_admins, *facts.requirements.approved_deployers])
    untyped = []

    def exceeds(assignment: Assignment) -> Iterator[Assignment]:
        kind = assignment.principal_type.lower()
        if assignment.principal in exempt or assignment.role == OPENAI_USER:
            return
        if assignment.eligible or kind in ("user", "unknown"):
            return
        if not any(_beyond(facts, assignment)):
            return
        for each in register(facts).through(assignment):
            if not each.principal_type:
                untyped.append(each)
            elif each.principal_type.lower() not in WORKLOADS or each.principal in exempt:
                continue
            elif each is assignment or any(_beyond(facts, each)):
                yield each

    search = Search(facts)
    search.among(exceeds, NOW)
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

    Judged for users and groups, at the account and everywhere above: the three roles by their GUIDs, and every other role
    that is as powerful by its effective actions (keys, the account, its deployments and its policies), unless deny
    assignments take the power away. Eligible roles don't count, nor does one that was activated and ends by itself. An
    assignment that needs no activation counts even if it has an end. Approval makes no difference here. A group counts
    whoever is in it today, opened or not: joining it takes no role assignment that anybody would see.
    """
    untyped = []

    def stands(assignment: Assignment) -> bool:
        kind = assignment.principal_type.lower()
        if assignment.eligible or kind in {*WORKLOADS, "unknown"}:
            return False
        if not _powerful(facts, assignment) or _activated(facts, assignment):
            return False
        if not kind:
            untyped.append(assignment)
        return bool(kind)

    search = Search(facts)
    search.among(only(stands), NOW, FULL_CONTROL)
    found = search.settle()
    if found:
        count = several(len(each_principal(found)), "person or group has", "people or groups have")
        return fails(f"{count} standing power over the account: {name(facts, found, _until(facts))}.")
    if untyped:
        return not_assessed(
            f"The type of {several(len(untyped), 'principal', 'principals')} with standing power is not known."
        )
    return passes(
        "No person or group has a standing Owner, Contributor or Cognitive Services Contributor role here, "
        "or another as powerful."
    )


def _powerful(facts: Facts, assignment: Assignment) -> bool:
    """Whether a role is one of the three, or as powerful, and deny assignments leave some of that.

    One of the three stands until that is sure: it is known without its definition, and without what could take it away.
    """
    named = assignment.role in POWERFUL
    try:
        held = register(facts).held(assignment, FULL_CONTROL)
        return (named or len(held) == len(FULL_CONTROL.actions)) and effective(facts, assignment, POWER)
    except UNKNOWN:
        if named:
            return True
        raise


def _activated(facts: Facts, assignment: Assignment) -> bool:
    """Whether it is an eligible role, switched on for a time. The schedule that says so is cited."""
    holding, _ = _held_how(facts, assignment)
    return holding is Holding.ACTIVATED


def _held_how(facts: Facts, assignment: Assignment) -> tuple[Holding, str]:
    own = register(facts)
    if assignment.origin.reading.source != ACTIVE:
        return own.holding(assignment)
    reading = own.reading("role_schedules")
    if nobody("role_schedules", reading):
        facts.record("role_schedules", ABSENT, reading)
    else:
        facts.of_subscription("role_schedules")
    origin = own.schedule(assignment)
    if origin:
        view = origin.view(facts).at("properties")
        view.get("assignmentType")
        view.get("endDateTime")
    return own.holding(assignment)


def _until(facts: Facts) -> Callable[[Assignment], str]:
    def words(assignment: Assignment) -> str:
        _, ends = register(facts).holding(assignment)
        return f" until {ends[:10]}" if ends else ""

    return words


@control(
    "IAM-10",
    title="No custom role reaches the accounts with wildcards",
    severity=Severity.MEDIUM,
    subject=Kind.SUBSCRIPTION,
    maps=(*LEAST_PRIVILEGE, cis("5.3.7")),
    remediation="Replace the wildcards in the named custom roles by the actions that are needed "
    "(`az role definition update`), or take these subscriptions from their `assignableScopes`.",
    breaks=(
        {"role_definitions[+]": custom(["Microsoft.CognitiveServices/*"])},
        {"role_definitions[+]": custom(["*"])},
        {"role_definitions[+]": custom(["Microsoft.CognitiveServices/accounts/list*/action"])},
        {"role_definitions[+]": custom([], ["Microsoft.CognitiveServices/accounts/OpenAI/*"])},
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
    odd: UnexpectedShapeError | None = None
    for each in register(facts).custom_roles():
        if isinstance(each, UnexpectedShapeError):
            odd = odd or each
        elif _assignable(facts, each):
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
    if odd:
        raise odd
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
