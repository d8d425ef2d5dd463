"""Roles, assignments and deny assignments, read from what Resource Manager answers (API version 2022-04-01)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aoai_lib.effective_access.actions import Permission
from aoai_lib.effective_access.capabilities import Capability
from aoai_lib.facts import Facts, View
from aoai_lib.model import Json, Reading

EVERYONE: Final = "00000000-0000-0000-0000-000000000000"
"""As a principal of a deny assignment: all principals (Microsoft Learn, "Understand Azure deny assignments")."""
MANAGEMENT_GROUPS: Final = "/providers/microsoft.management/managementgroups/"
_ASSIGNMENTS: Final = "/providers/microsoft.authorization/roleassignments/"


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

    `scope` is normalised (lower case, `/` for the root), `role` the GUID of the role definition.
    """

    principal: str
    principal_type: str
    role: str
    role_definition: str
    scope: str
    eligible: bool
    conditional: bool
    ends: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Denial:
    """A deny assignment. `spared` maps excluded principals to their type."""

    principals: frozenset[str]
    spared: Mapping[str, str]
    permissions: tuple[Permission, ...]
    scope: str
    children: bool
    origin: Origin

    def stops(self, assignment: Assignment, action: str, data: bool) -> bool:
        """Whether it surely stops an assignment's principal from an action.

        Not where a spared group could hold the principal, or a group holds somebody spared, or a condition applies.
        """
        if not self.principals & {assignment.principal, EVERYONE} or assignment.principal in self.spared:
            return False
        if any(kind not in ("User", "ServicePrincipal") for kind in self.spared.values()):
            return False
        if self.spared and assignment.principal_type not in ("User", "ServicePrincipal"):
            return False
        return any(
            block.allows(action, data) and not block.conditional and not ("*" in action and block.plane(data)[1])
            for block in self.permissions
        )


def normal(scope: str) -> str:
    """A scope for comparing: lower case, one leading slash, none at the end; `/` is the root."""
    return "/" + scope.strip("/").lower()


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
    """A role definition as read. Raises `UnexpectedShapeError`."""
    own = origin.view(facts).at("properties")
    return Role(
        guid,
        own.text("roleName", guid),
        own.text("type").lower() == "customrole",
        _permissions(own),
        tuple(own.texts("assignableScopes")),
        origin,
    )


def assignment_of(origin: Origin, facts: Facts, eligible: bool = False) -> Assignment:
    """A role assignment, or a schedule instance, as read. Raises `UnexpectedShapeError`."""
    view = origin.view(facts)
    own = view.at("properties")
    definition = own.text("roleDefinitionId")
    return Assignment(
        principal=own.text("principalId").lower(),
        principal_type=own.text("principalType"),
        role=role_id(definition),
        role_definition=definition,
        scope=normal(own.text("scope") or view.id.rpartition(_ASSIGNMENTS)[0]),
        eligible=eligible,
        conditional=bool(own.text("condition")),
        ends=own.text("endDateTime"),
        origin=origin,
    )


def denial_of(origin: Origin, facts: Facts) -> Denial:
    """A deny assignment as read. One with a condition counts as conditional in each of its permissions."""
    own = origin.view(facts).at("properties")
    under_condition = bool(own.text("condition"))
    return Denial(
        principals=frozenset(each.text("id").lower() for each in own.each("principals")),
        spared={each.text("id").lower(): each.text("type") for each in own.each("excludePrincipals")},
        permissions=_permissions(own, under_condition),
        scope=normal(own.text("scope")),
        children=not own.flag("doNotApplyToChildScopes"),
        origin=origin,
    )


def by_scope(assignments: Iterable[Assignment]) -> dict[str, list[Assignment]]:
    """Assignments grouped by their scope."""
    grouped: dict[str, list[Assignment]] = {}
    for each in assignments:
        grouped.setdefault(each.scope, []).append(each)
    return grouped


def _permissions(own: View, conditional: bool = False) -> tuple[Permission, ...]:
    return tuple(
        Permission(
            tuple(block.texts("actions")),
            tuple(block.texts("notActions")),
            tuple(block.texts("dataActions")),
            tuple(block.texts("notDataActions")),
            conditional or bool(block.text("condition")),
        )
        for block in own.each("permissions")
    )
