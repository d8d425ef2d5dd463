"""Who holds what on the account that is judged: found in the register of its subscription, cited, and put into words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from aoai_lib.effective_access.capabilities import Capability
from aoai_lib.effective_access.records import Assignment, Role, normal
from aoai_lib.effective_access.register import Register, register_of, without_pim
from aoai_lib.facts import Facts, NotCollectedError
from aoai_lib.frameworks import Clause, ai_rmf, atlas, cis, mcsb, nist80053, owasp
from aoai_lib.model import ABSENT, Json, Reading, State

NAMED: Final = 3
"""How many principals a reason names; the evidence holds them all."""
LEAST_PRIVILEGE: Final[tuple[tuple[Clause, ...], ...]] = (
    mcsb("PA-7"),
    nist80053("AC-2", "AC-5", "AC-6"),
    ai_rmf("GOVERN 2.1", "MEASURE 2.7"),
    owasp("LLM02", "LLM06"),
    atlas("T0012", "T0040", "M0005", "M0019"),
    cis("5.3.4"),
)
"""The clauses that every control of who may do what maps to."""
COGNITIVE_SERVICES_USER: Final = "a97b65f3-24c7-4388-baec-2e87135dc908"
"""A built-in role that lists keys besides calling models."""
_KINDS: Final = {
    "user": "user",
    "group": "group",
    "foreigngroup": "group of another tenant",
    "serviceprincipal": "service principal",
    "unknown": "deleted principal",
}


def register(facts: Facts) -> Register:
    """The register of the subject's subscription."""
    return register_of(facts.snapshot, facts.subject.subscription)


def approved(ids: Iterable[str]) -> frozenset[str]:
    """Object ids from the requirements, for comparing."""
    return frozenset(each.lower() for each in ids)


def role(facts: Facts, definition: str) -> Role:
    """A role definition; what was missing is cited where there is none. Raises `NotCollectedError`."""
    try:
        return register(facts).role(definition)
    except NotCollectedError as gap:
        facts.record(gap.reading.source, ABSENT, gap.reading)
        raise


def counted(facts: Facts, eligible: bool = False) -> Register | None:
    """The register, once it is known to hold the active or the eligible assignments; how many reach the account is cited.

    None where the tenant has no licence for eligible roles: nobody holds one. Raises `NotCollectedError`.
    """
    source = "role_eligibility" if eligible else "role_assignments"
    own = register(facts)
    reading = own.reading(source)
    if eligible and without_pim(reading):
        facts.record(source, ABSENT, reading)
        return None
    facts.of_subscription(source)
    grouped = own.eligibility if eligible else own.assignments
    count = sum(len(grouped[scope]) for scope in own.scopes(facts.subject.account, eligible))
    facts.record(f"{source}.length", count, reading)
    return own


def complete(facts: Facts, source: str) -> None:
    """Raise `NotCollectedError` where a list of the subscription may hold more than was read."""
    if register(facts).reading(source).state is State.PARTIAL:
        raise NotCollectedError(register(facts).reading(source))


class Search:
    """Looks through assignments for one that breaks a rule. What could not be judged is kept until nothing was found.

    One that was found settles the matter, whatever else is unread; that none was found settles it only where all could
    be judged. That is why `NotCollectedError` is caught here.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.found: list[Assignment] = []
        self._gaps: list[NotCollectedError] = []

    def among(
        self,
        wanted: Callable[[Assignment], bool],
        eligible: bool = False,
        capability: Capability | None = None,
    ) -> None:
        """Add the active or the eligible assignments of which `wanted` is true, of those whose role holds `capability`."""
        try:
            own = counted(self.facts, eligible)
            if own is None:
                return
            account = self.facts.subject.account
            some = own.holders(account, capability, eligible) if capability else own.reaching(account, eligible)
            self._judge(some, wanted)
            complete(self.facts, "role_eligibility" if eligible else "role_assignments")
        except NotCollectedError as gap:
            self._gaps.append(gap)

    def _judge(self, assignments: Iterable[Assignment], wanted: Callable[[Assignment], bool]) -> None:
        for assignment in assignments:
            try:
                if wanted(assignment):
                    self.found.append(assignment)
            except NotCollectedError as gap:
                self._gaps.append(gap)

    def settle(self) -> list[Assignment]:
        """What was found, cited. Raises `NotCollectedError` for nothing found where something could not be judged."""
        if not self.found and self._gaps:
            raise self._gaps[0]
        cite(self.facts, self.found)
        return self.found


def strangers(facts: Facts, asked: Mapping[Capability, Collection[str]]) -> list[Assignment]:
    """Active and eligible assignments that give one of the capabilities to a principal that isn't approved for it."""
    own = register(facts)
    search = Search(facts)
    judged: dict[str, Assignment] = {}
    for eligible in (False, True):
        for capability, admitted in asked.items():

            def gives(
                assignment: Assignment, capability: Capability = capability, admitted: Collection[str] = admitted
            ) -> bool:
                if assignment.principal in admitted:
                    return False
                effective = _effective(facts, own, assignment, capability)
                judged.setdefault(assignment.role, assignment)
                return effective

            search.among(gives, eligible, capability)
    found = search.settle()
    cite_roles(facts, judged.values())
    return found


def _effective(facts: Facts, own: Register, assignment: Assignment, capability: Capability) -> bool:
    """Whether the capability is there once deny assignments are counted; the one that takes it away is cited."""
    actions = own.held(assignment, capability)
    if not actions:
        return False
    facts.of_subscription("deny_assignments")
    for action in actions:
        deny = own.denial(assignment, action, capability.data, facts.subject.account)
        if deny is None:
            return True
        deny.origin.view(facts).get("properties.denyAssignmentName")
    return False


def cite(facts: Facts, assignments: Iterable[Assignment]) -> None:
    """Record what was found: who, which role, where, and what the role allows."""
    for assignment in assignments:
        view = assignment.origin.view(facts).at("properties")
        for name in ("principalId", "principalType", "roleDefinitionId", "scope"):
            view.get(name)
        if assignment.conditional:
            view.get("condition")
        if held := _known(facts, assignment):
            own = held.origin.view(facts).at("properties")
            own.get("roleName")
            own.get("permissions")


def _known(facts: Facts, assignment: Assignment) -> Role | None:
    """The role, or None: what is found by a role's GUID, or by the principal, stands without its definition."""
    try:
        return register(facts).role(assignment.role_definition)
    except NotCollectedError:
        return None


def cite_roles(facts: Facts, assignments: Iterable[Assignment]) -> None:
    """Record the names of the roles that were looked into, one entry for each answer that they stand in."""
    names: dict[int, tuple[Reading, list[Json]]] = {}
    for assignment in assignments:
        found = role(facts, assignment.role_definition)
        names.setdefault(id(found.origin.reading), (found.origin.reading, []))[1].append(found.name)
    for reading, inner in names.values():
        facts.record(f"{reading.source}[*].properties.roleName", sorted(inner), reading)


def each_principal(assignments: Iterable[Assignment]) -> list[Assignment]:
    """The first assignment of each principal."""
    first: dict[str, Assignment] = {}
    for each in assignments:
        first.setdefault(each.principal, each)
    return list(first.values())


def several(count: int, one: str, many: str) -> str:
    """`1 principal holds`, `2 principals hold`."""
    return f"{count} {one if count == 1 else many}"


def name(facts: Facts, assignments: Iterable[Assignment], extra: Callable[[Assignment], str] | None = None) -> str:
    """The first few principals with role and scope, as the end of a sentence."""
    unique = each_principal(assignments)
    words = [_describe(facts, each) + (extra(each) if extra else "") for each in unique[:NAMED]]
    more = len(unique) - NAMED
    return "; ".join(words) + (f"; and {more} more" if more > 0 else "")


def _describe(facts: Facts, assignment: Assignment) -> str:
    kind = _KINDS.get(assignment.principal_type.lower(), "principal")
    known = _known(facts, assignment)
    title = known.name if known else assignment.role
    direct = assignment.scope == normal(facts.subject.account)
    where = "on the account" if direct else f"inherited from “{_scope(facts, assignment)}”"
    later = ", once activated" if assignment.eligible else ""
    return f"{kind} “{assignment.principal}” by “{title}” {where}{later}"


def _scope(facts: Facts, assignment: Assignment) -> str:
    """The scope as the service spells it."""
    return assignment.origin.view(facts).text("properties.scope") or assignment.scope


def under_condition(facts: Facts, assignment: Assignment) -> bool:
    """Whether a condition on the assignment, or in the role, narrows what it gives."""
    held = role(facts, assignment.role_definition)
    return assignment.conditional or any(block.conditional for block in held.permissions)


def given(role_guid: str, kind: str, **more: Json) -> Json:
    """A role assignment at the root to somebody new, as Resource Manager would list it: what a break adds."""
    guid = "77777777-0000-4000-8000-000000000001"
    return {
        "id": f"/providers/Microsoft.Authorization/roleAssignments/{guid}",
        "name": guid,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{role_guid}",
            "principalId": "88888888-0000-4000-8000-000000000001",
            "principalType": kind,
            "scope": "/",
            **more,
        },
    }
