"""How assignments that give too much are taken away: what is needed first, then what is too much, and never above a resource group.

Role assignments of Microsoft.Authorization 2022-04-01. Which assignments give too much is what the finding cites.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aoai_lib.controls.identity_holders import approved, who
from aoai_lib.controls.identity_roles import WORKLOADS
from aoai_lib.effective_access.capabilities import CALL_MODELS, WRITE_DEPLOYMENTS
from aoai_lib.effective_access.records import Assignment, chain, is_above, normal
from aoai_lib.effective_access.register import ACTIVE, UNKNOWN, register_of
from aoai_lib.harden.making import CannotPlanError, Site, mends
from aoai_lib.harden.plan import Check, Step
from aoai_lib.harden.remedies.grants import AUTHORIZATION, STAMPS, let_call, let_deploy, register
from aoai_lib.model import Finding, Json, Snapshot
from aoai_lib.private_link import name_of

_CITED: Final = re.compile(r"((role_assignments|role_eligibility|delegations|classic_administrators)\[\d+\])\.")
_BY_HAND: Final = {
    "role_eligibility": "role(s) can be activated: end the eligibility in Privileged Identity Management",
    "delegations": "role(s) come by delegation to another tenant: change the offer, or remove the delegation",
    "classic_administrators": "classic administrator(s): remove them from the subscription",
}
_REMOVE: Final = "Microsoft.Authorization/roleAssignments/delete"


@dataclass(frozen=True, slots=True)
class _Holder:
    """An assignment that gives too much, as it is planned for. `who`, `role` and `where` are for sentences.

    `deploys` and `calls`: it must go on writing deployments, or calling models. `is_gone`: the principal was deleted.
    """

    assignment: Assignment
    arm_id: str
    who: str
    role: str
    where: str
    accounts: tuple[str, ...]
    is_workload: bool
    deploys: bool
    calls: bool
    is_gone: bool


@mends("IAM-13")
@mends("IAM-05", after=("IAM-13",))
@mends("IAM-07", after=("IAM-13", "IAM-05"))
@mends("IAM-04", after=("IAM-13", "IAM-05", "IAM-07"))
@mends("IAM-06", after=("IAM-13", "IAM-05", "IAM-07"))
@mends("IAM-08", after=("IAM-13", "IAM-05", "IAM-07"))
@mends("IAM-09", after=("IAM-13", "IAM-05", "IAM-07"))
def take_away(site: Site, finding: Finding) -> Iterator[Step]:
    """Remove what the finding cites where that can be planned, and say of the rest what a person does."""
    cited = dict.fromkeys(match[1] for each in finding.observed if (match := _CITED.match(each.path)))
    kinds = Counter(path.partition("[")[0] for path in cited)
    left = [f"{count} {_BY_HAND[source]}." for source, count in kinds.items() if source != ACTIVE]
    given = register(site, finding.subject.account).given(ACTIVE) if kinds[ACTIVE] else {}
    wide = dict[str, list[_Holder]]()
    for assignment in (each for group in given.values() for each in group if each.origin.path in cited):
        holder = _holder(site, finding, assignment)
        if reason := _kept(site, finding, holder):
            left.append(reason)
        elif _is_wide(finding, holder):
            wide.setdefault(assignment.scope, []).append(holder)
        else:
            yield from _replace(site, finding, holder)
    left += map(_by_hand, wide.values())
    if left:
        raise CannotPlanError(" ".join(left))


def _holder(site: Site, finding: Finding, assignment: Assignment) -> _Holder:
    facts = site.facts(finding.subject)
    own, principal = assignment.origin.view(facts), assignment.principal
    role = register(site, finding.subject.account).role(assignment.role_definition)
    deploys = principal in approved(facts.requirements.approved_deployers) and bool(role.held(WRITE_DEPLOYMENTS))
    is_workload = assignment.principal_type.lower() in WORKLOADS
    wished = principal in approved(site.wishes.workload_identities)
    return _Holder(
        assignment,
        own.text("id"),
        who(facts, assignment),
        role.name,
        own.text("properties.scope") or assignment.scope,
        accounts_under(site.snapshot, assignment.scope),
        is_workload,
        deploys,
        is_workload and (wished or (not deploys and bool(role.held(CALL_MODELS)))),
        finding.control == "IAM-13",
    )


def accounts_under(snapshot: Snapshot, scope: str) -> tuple[str, ...]:
    """The assessed accounts that an assignment at a scope reaches; the account itself for one inside it."""
    known = [str(each) for reading in snapshot.of("accounts") for each in reading.value or ()]
    return tuple(
        each for each in known if is_above(scope) or scope in chain(each) or scope.startswith(f"{normal(each)}/")
    )


def _kept(site: Site, finding: Finding, holder: _Holder) -> str:
    """Why an assignment is not for a plan to take away, wherever it stands; "" where it may be."""
    assignment = holder.assignment
    held = f"{holder.who} holds “{holder.role}” on “{holder.where}”"
    if holder.is_gone:
        return ""
    if reason := own_hand(site.snapshot, finding.subject.subscription, assignment):
        return f"{held}, and {reason}: a plan takes nothing from its own hand."
    if assignment.principal in approved(site.snapshot.requirements.approved_admins):
        return f"{held} and is approved: make it eligible in Privileged Identity Management instead."
    how, ends = register(site, finding.subject.account).holding(assignment)
    return f"{held} until {ends[:10]} ({how.value}): end it in Privileged Identity Management." if ends else ""


def own_hand(snapshot: Snapshot, subscription: str, assignment: Assignment) -> str:
    """Why whoever runs this may hold a role by that assignment, itself or in a group; "" where it does not."""
    own = snapshot.caller.get("object_id", "").lower()
    if not own:
        return "who runs this is not known"
    try:
        given = any(each.principal == own for each in register_of(snapshot, subscription).through(assignment))
    except UNKNOWN as problem:
        return f"whether who runs this is in it is not known ({str(problem).rstrip('.')})"
    return "who runs this holds a role by it" if given else ""


def _is_wide(finding: Finding, holder: _Holder) -> bool:
    """Whether others lose more by the removal than a plan may decide: above the resource group always, and on the resource
    group where nothing narrower takes the assignment's place."""
    scope, group = holder.assignment.scope, chain(finding.subject.account)[1]
    if holder.is_gone or _is_inside(holder.assignment, finding.subject.account):
        return False
    replaced = holder.deploys or (holder.is_workload and finding.control == "IAM-05")
    return not (scope == group and replaced)


def _by_hand(holders: Sequence[_Holder]) -> str:
    """What stands at one scope that is too wide for a plan, with what it reaches."""
    held = "; ".join(f"“{each.role}” from {each.who}" for each in holders)
    return (
        f"“{holders[0].where}” reaches {_names(holders[0])} and everything else in it. Once those who answer for all of that agree, "
        f"take away by hand there: {held}."
    )


def _names(holder: _Holder) -> str:
    return ", ".join(f"“{name_of(each)}”" for each in holder.accounts)


def _replace(site: Site, finding: Finding, holder: _Holder) -> Iterator[Step]:
    """What the holder needs, on each account that the assignment reaches, and then the removal."""
    principal, given = holder.assignment.principal, list[Step]()
    for account in () if holder.is_gone else holder.accounts:
        if holder.calls:
            given += let_call(site, finding, account, principal)
        if holder.deploys:
            given += let_deploy(site, finding, account, principal)
    yield from given
    yield _removal(site, finding, holder, tuple(each.id for each in given))


def _removal(site: Site, finding: Finding, holder: _Holder, after: tuple[str, ...]) -> Step:
    about: dict[str, Json] = {}
    if holder.is_gone:
        effect = (
            "Nobody holds it: the principal was deleted. One that is restored within 30 days comes back without it."
        )
        about = {"undo": None, "undo_note": "A principal that the directory does not know can't be given a role."}
    else:
        rest = "" if "/providers/" in holder.assignment.scope else " and everything else in the resource group"
        effect = f"{holder.who} loses what the role gives on {_names(holder)}{rest}."
        direct = _is_inside(holder.assignment, finding.subject.account)
        names = [
            "own-hand",
            *(["verified-call"] if holder.calls else []),
            *([] if _only_calls(holder) and direct else ["holder-informed"]),
        ]
        about = {"checks": tuple(Check(name=each, about=holder.arm_id) for each in names)}
    return site.delete(
        finding,
        holder.arm_id,
        AUTHORIZATION,
        {"properties": {key: value for key, value in _properties(holder).items() if value is not None}},
        title=f"Take “{holder.role}” on “{name_of(holder.where)}” from {holder.who}",
        effect=effect,
        permission=_REMOVE,
        read_only=(*STAMPS, "properties.scope"),
        after=after,
        **about,
    )


def _is_inside(assignment: Assignment, account: str) -> bool:
    """Whether an assignment stands on the account or below it: what else its role gives reaches nothing but the account."""
    return f"{assignment.scope}/".startswith(f"{normal(account)}/")


def _only_calls(holder: _Holder) -> bool:
    return holder.calls and not holder.deploys


def _properties(holder: _Holder) -> dict[str, Json]:
    own: dict[str, Json] = holder.assignment.origin.value["properties"]
    return own
