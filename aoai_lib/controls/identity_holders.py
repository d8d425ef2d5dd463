"""Who holds what on the account that is judged, cited and put into words; `identity_search` finds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from aoai_lib.effective_access.records import Assignment, Role, normal
from aoai_lib.effective_access.register import CLASSIC, DELEGATED, UNKNOWN, Register, register_of
from aoai_lib.facts import Facts, NotCollectedError
from aoai_lib.frameworks import Clause, ai_rmf, atlas, cis, mcsb, nist80053, owasp
from aoai_lib.model import ABSENT, Json, Observation, Reading

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
CUSTOM: Final = "99999999-0000-4000-8000-000000000010"
"""The custom role that breaks add."""
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


def cite(facts: Facts, assignments: Iterable[Assignment]) -> None:
    """Record what was found: who, by which group, which role, where, and what the role allows."""
    cited = register(facts).cited
    for each in assignments:
        origin = each.origin
        key = id(origin.reading), origin.path, each.principal, each.through, each.role_definition, each.condition
        if key not in cited:
            cited[key] = _look_at(Facts(facts.snapshot, facts.subject), each)
        facts.repeat(cited[key])


def _look_at(facts: Facts, assignment: Assignment) -> tuple[Observation, ...]:
    """What there is to cite of an assignment. It depends on no subject, so one look serves all of them."""
    view = assignment.origin.view(facts).at("properties")
    for name in _CITED.get(assignment.origin.reading.source, _ASSIGNMENT):
        view.get(name)
    if assignment.condition:
        view.get("condition")
    for principal in (assignment.principal, assignment.through):
        if person := register(facts).directory.find(principal):
            for name in ("id", "displayName", "userPrincipalName"):
                person.origin.view(facts).get(name)
    if held := _known(facts, assignment):
        own = held.origin.view(facts).at("properties")
        own.get("roleName")
        own.get("permissions")
    return facts.observed


_ASSIGNMENT: Final = ("principalId", "principalType", "roleDefinitionId", "scope")
_CITED: Final = {DELEGATED: ("registrationDefinition",), CLASSIC: ("emailAddress", "role")}
"""Properties that are cited of access that is given in another way."""


def _known(facts: Facts, assignment: Assignment) -> Role | None:
    """The role, or None: what is found by a role's GUID, or by the principal, stands without its definition."""
    try:
        return register(facts).role(assignment.role_definition)
    except UNKNOWN:
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
    direct = assignment.scope == normal(facts.subject.account)
    where = "on the account" if direct else f"inherited from “{_scope(facts, assignment)}”"
    later = ", once activated" if assignment.eligible else ""
    return f"{who(facts, assignment)} by “{_role_name(facts, assignment)}” {where}{later}"


def _role_name(facts: Facts, assignment: Assignment) -> str:
    if assignment.origin.reading.source == CLASSIC:
        return assignment.title
    known = _known(facts, assignment)
    return known.name if known else assignment.role


def who(facts: Facts, assignment: Assignment) -> str:
    """The principal's kind, its name where one is known, its id, and the group or the tenant by which it comes."""
    kind = _KINDS.get(assignment.principal_type.lower(), "principal")
    known = assignment.title if assignment.tenant else called(facts, assignment.principal)
    found = f"{kind} “{known}” ({assignment.principal})" if known else f"{kind} “{assignment.principal}”"
    if assignment.tenant:
        found += f" of the tenant “{assignment.tenant}”, by delegation,"
    if assignment.through:
        found += f" through group “{called(facts, assignment.through) or assignment.through}”"
    return found


def called(facts: Facts, principal: str) -> str:
    """The name that the directory knows a principal by; "" where it was not told."""
    person = register(facts).directory.find(principal)
    return person.name if person else ""


def _scope(facts: Facts, assignment: Assignment) -> str:
    """The scope as the service spells it."""
    return assignment.origin.view(facts).text("properties.scope") or assignment.scope


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


def custom(actions: list[str], data_actions: list[str] | None = None) -> Json:
    """A custom role of the whole organisation, for the breaks."""
    return {
        "id": f"/providers/Microsoft.Authorization/roleDefinitions/{CUSTOM}",
        "name": CUSTOM,
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


def delegated(role_guid: str) -> Json:
    """A role delegated to somebody of another tenant at the root of everything, as Azure Lighthouse would list it: a break."""
    own = {
        "managedByTenantId": "66666666-0000-4000-8000-000000000001",
        "authorizations": [{"principalId": "88888888-0000-4000-8000-000000000002", "roleDefinitionId": role_guid}],
    }
    return {
        "id": "/providers/Microsoft.ManagedServices/registrationAssignments/77777777-0000-4000-8000-000000000002",
        "properties": {"registrationDefinition": {"properties": own}},
    }
