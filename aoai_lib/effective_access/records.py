"""Roles, assignments and deny assignments, read from what Resource Manager answers (API version 2022-04-01).

One that is not of the documented form is kept, with what could be read of it and what is wrong with it (`odd`): it clouds the
verdicts that it could change and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Final

from aoai_lib.effective_access.actions import Permission, matches
from aoai_lib.effective_access.capabilities import Capability
from aoai_lib.effective_access.conditions import actions_under
from aoai_lib.facts import Facts, UnexpectedShapeError, View
from aoai_lib.model import Json, Reading

EVERYONE: Final = "00000000-0000-0000-0000-000000000000"
"""As a principal of a deny assignment: all principals (Microsoft Learn, "Understand Azure deny assignments")."""
INDIVIDUALS: Final = frozenset({"user", "serviceprincipal", "msi", "application"})
"""Types of principals that hold nobody else."""
MANAGEMENT_GROUPS: Final = "/providers/microsoft.management/managementgroups/"
_ASSIGNMENTS: Final = "/providers/microsoft.authorization/role"
"""What comes after the scope in the ids of assignments and of schedule instances."""
_DENIALS: Final = "/providers/microsoft.authorization/denyassignments/"


class Holding(StrEnum):
    """How access is held. `ACTIVATED`: an eligible principal switched it on for hours; `TIME_BOUND`: it ends by itself."""

    STANDING = "standing"
    TIME_BOUND = "time-bound"
    ACTIVATED = "activated"
    ELIGIBLE = "eligible"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in the answers something stands, so that whoever relies on it can cite it."""

    reading: Reading
    path: str
    value: Json

    def view(self, facts: Facts) -> View:
        """A view that records what is read for these facts."""
        return View(facts, self.reading, self.path, self.value)


@dataclass(frozen=True, slots=True)
class Role:
    """A role definition. `id` is its GUID; names change, GUIDs don't."""

    id: str
    name: str
    custom: bool
    permissions: tuple[Permission, ...]
    assignable: tuple[str, ...]
    origin: Origin

    def held(self, capability: Capability) -> tuple[str, ...]:
        """The actions of a capability that the role holds."""
        return tuple(
            action
            for action in capability.actions
            if any(block.allows(action, capability.data) for block in self.permissions)
        )


@dataclass(frozen=True, slots=True)
class Assignment:
    """A role given to a principal, or one it may activate (`eligible`). `principal_type` is "" where none was sent.

    `scope` is normalised (lower case, `/` for the root), `role` the GUID of the role definition. `tenant` names the managing
    tenant where access was delegated, `title` what the answer itself calls principal or role, `through` the group by which
    a member holds it. What could not be read of an `odd` one is "", and its scope, if unread, the widest.
    """

    principal: str
    principal_type: str
    role: str
    role_definition: str
    scope: str
    eligible: bool
    condition: str
    ends: str
    origin: Origin
    odd: UnexpectedShapeError | None = None
    tenant: str = ""
    title: str = ""
    through: str = ""

    @property
    def is_group(self) -> bool:
        """Whether its principal is a group of this directory or of another."""
        return self.principal_type.lower() in ("group", "foreigngroup")

    @property
    def is_one(self) -> bool:
        """Whether its principal surely is one person or one workload."""
        return self.principal_type.lower() in INDIVIDUALS


@dataclass(frozen=True, slots=True)
class Denial:
    """A deny assignment. `principals` and `spared` map object ids to their types."""

    principals: Mapping[str, str]
    spared: Mapping[str, str]
    permissions: tuple[Permission, ...]
    scope: str
    children: bool
    origin: Origin
    odd: UnexpectedShapeError | None = None

    def concerns(self, action: str, data: bool) -> bool:
        """Whether it surely takes an action, or all that a pattern stands for, from those whom it is about."""
        return any(
            block.allows(action, data) and not block.condition and not ("*" in action and block.plane(data)[1])
            for block in self.permissions
        )

    def reaches(self, account: str) -> bool:
        """Whether it is in force on an account, given as a normalised scope."""
        return self.scope == account or (self.children and reaches(self.scope, account))


def narrows(condition: str, action: str) -> bool:
    """Whether a condition may ask for more where this action is taken. One whose form is not understood may."""
    if not condition:
        return False
    about = actions_under(condition)
    return about is None or any(matches(pattern, action) for pattern in about)


def normal(scope: str) -> str:
    """A scope for comparing: lower case, one leading slash, none at the end; `/` is the root."""
    return "/" + scope.strip("/").lower()


@lru_cache(maxsize=1 << 14)
def chain(account: str) -> tuple[str, str, str]:
    """The subscription, the resource group and the account itself, as normalised scopes."""
    parts = normal(account).split("/")
    return "/".join(parts[:3]), "/".join(parts[:5]), "/".join(parts)


def is_above(scope: str) -> bool:
    """Whether a normalised scope lies above every subscription whose list shows it: the root, or a management group.

    Of management groups the service lists only those that a subscription is in.
    """
    return scope == "/" or scope.startswith(MANAGEMENT_GROUPS)


def reaches(scope: str, account: str) -> bool:
    """Whether something assigned at a scope reaches an account: at the account, or anywhere above it."""
    return is_above(normal(scope)) or normal(scope) in chain(account)


def role_id(definition: str) -> str:
    """The GUID at the end of a role definition's id."""
    return definition.rstrip("/").rpartition("/")[2].lower()


def role_of(guid: str, origin: Origin, facts: Facts) -> Role:
    """A role definition as read. Raises `UnexpectedShapeError`, also where it does not say what it permits."""
    own = origin.view(facts).at("properties")
    if not own.at("permissions").present:
        raise UnexpectedShapeError(f"{own.path}.permissions", "a list", None)
    return Role(
        guid,
        own.text("roleName", guid),
        own.text("type").lower() == "customrole",
        _permissions(own),
        tuple(own.texts("assignableScopes")),
        origin,
    )


class _Lenient:
    """Reads texts out of one answer, and keeps the first thing that is not as it should be."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.odd: UnexpectedShapeError | None = None

    def text(self, path: str, needed: bool = False) -> str:
        """A text; "" for anything else, which is odd, as is the absence of one that is `needed`."""
        try:
            found = self.view.text(path)
            if needed and not found:
                raise UnexpectedShapeError(f"{self.view.path}.{path}", "text", None)
        except UnexpectedShapeError as problem:
            self.odd = self.odd or problem
            return ""
        return found

    def scope(self, marker: str) -> str:
        """The normalised scope: as sent, or what the id says before `marker`; the widest where neither tells."""
        if found := self.text("properties.scope"):
            return normal(found)
        head, marked, _ = self.text("id", needed=True).lower().partition(marker)
        if not marked:
            self.odd = self.odd or UnexpectedShapeError(f"{self.view.path}.properties.scope", "text", None)
            return "/"
        return normal(head)


def assignment_of(origin: Origin, facts: Facts, eligible: bool = False) -> Assignment:
    """A role assignment, or a schedule instance, as read."""
    answer = _Lenient(origin.view(facts))
    definition = answer.text("properties.roleDefinitionId", needed=True)
    return Assignment(
        principal=answer.text("properties.principalId", needed=True).lower(),
        principal_type=answer.text("properties.principalType"),
        role=role_id(definition),
        role_definition=definition,
        scope=answer.scope(_ASSIGNMENTS),
        eligible=eligible,
        condition=answer.text("properties.condition"),
        ends=answer.text("properties.endDateTime"),
        origin=origin,
        odd=answer.odd,
    )


def denial_of(origin: Origin, facts: Facts) -> Denial:
    """A deny assignment as read. A condition on the whole counts for each of its permissions."""
    answer = _Lenient(origin.view(facts))
    scope, condition = answer.scope(_DENIALS), answer.text("properties.condition")
    own = Denial({}, {}, (), scope, True, origin, answer.odd)
    try:
        inner = answer.view.at("properties")
        return replace(
            own,
            principals={each.text("id").lower(): each.text("type") for each in inner.each("principals")},
            spared={each.text("id").lower(): each.text("type") for each in inner.each("excludePrincipals")},
            permissions=_permissions(inner, condition),
            children=not inner.flag("doNotApplyToChildScopes"),
        )
    except UnexpectedShapeError as problem:
        return replace(own, odd=problem)


def by_scope(assignments: Iterable[Assignment]) -> dict[str, list[Assignment]]:
    """Assignments grouped by their scope."""
    grouped: dict[str, list[Assignment]] = {}
    for each in assignments:
        grouped.setdefault(each.scope, []).append(each)
    return grouped


def _permissions(own: View, condition: str = "") -> tuple[Permission, ...]:
    return tuple(_permission(block, condition) for block in own.each("permissions"))


def _permission(block: View, condition: str) -> Permission:
    """One block. One that speaks of no actions at all is not of the documented form."""
    names = ("actions", "notActions", "dataActions", "notDataActions")
    if not any(block.at(name).present for name in names):
        raise UnexpectedShapeError(block.path, "a block of permissions", block.value)
    actions, not_actions, data_actions, not_data_actions = (tuple(block.texts(name)) for name in names)
    return Permission(actions, not_actions, data_actions, not_data_actions, condition or block.text("condition"))
