"""What the readings say about access in one subscription, put together once and asked by every account in it."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from functools import cached_property

from aoai_lib.effective_access.actions import excess
from aoai_lib.effective_access.capabilities import ASSIGN_ROLES, BLIND_LOGS, OPENAI_USER, Capability
from aoai_lib.effective_access.records import (
    Assignment,
    Denial,
    Holding,
    Origin,
    Role,
    assignment_of,
    by_scope,
    chain,
    denial_of,
    is_above,
    normal,
    reaches,
    role_id,
    role_of,
)
from aoai_lib.facts import Facts, NotCollectedError
from aoai_lib.model import Kind, Reading, Snapshot, State, Subject


def without_pim(reading: Reading) -> bool:
    """Whether the service said that the tenant has no licence for eligible roles: then nobody holds one.

    Resource Manager answers 400 `AadPremiumLicenseRequired` (seen by users of AzGovViz, issue 114, 2022).
    """
    return reading.state is State.FAILED and "AadPremiumLicenseRequired" in reading.reason


class Register:
    """What the readings say about access in one subscription. Asking for what was not read raises `NotCollectedError`."""

    def __init__(self, snapshot: Snapshot, subscription: str) -> None:
        self._snapshot = weakref.proxy(snapshot)
        self._subscription = subscription
        self._roles: dict[str, Role] = {}
        self._held: dict[tuple[str, Capability], tuple[str, ...]] = {}
        self._above: dict[bool, list[str]] = {}
        self._holders: dict[tuple[str, Capability, bool], list[Assignment]] = {}
        self._excess: dict[str, list[tuple[str, bool]]] = {}

    def reading(self, source: str) -> Reading:
        """The subscription's reading of a source."""
        found: Reading = self._snapshot.reading(source, self._subscription)
        return found

    @property
    def _facts(self) -> Facts:
        """Facts whose record nobody keeps: what a control concludes from, it cites by itself."""
        return Facts(self._snapshot, Subject(Kind.SUBSCRIPTION, self._subscription, subscription=self._subscription))

    def _items(self, source: str) -> Iterator[Origin]:
        items = self._facts.of(source, self._subscription).value
        reading = self.reading(source)
        return (Origin(reading, f"{source}[{index}]", item) for index, item in enumerate(items))

    @cached_property
    def assignments(self) -> dict[str, list[Assignment]]:
        """Role assignments by scope."""
        return by_scope(assignment_of(each, self._facts) for each in self._items("role_assignments"))

    @cached_property
    def eligibility(self) -> dict[str, list[Assignment]]:
        """Roles that principals may activate, by scope; none where the tenant can't have any."""
        if without_pim(self.reading("role_eligibility")):
            return {}
        return by_scope(assignment_of(each, self._facts, eligible=True) for each in self._items("role_eligibility"))

    @cached_property
    def denials(self) -> list[Denial]:
        """Deny assignments."""
        return [denial_of(each, self._facts) for each in self._items("deny_assignments")]

    @cached_property
    def _schedules(self) -> dict[tuple[str, ...], Origin]:
        """Active schedule instances by the assignment they made, and by principal, role and scope."""
        found: dict[tuple[str, ...], Origin] = {}
        if without_pim(self.reading("role_schedules")):
            return found
        for origin in self._items("role_schedules"):
            made = assignment_of(origin, self._facts)
            found[made.principal, made.role, made.scope] = origin
            if assigned := origin.view(self._facts).text("properties.originRoleAssignmentId"):
                found[(assigned.lower(),)] = origin
        return found

    @cached_property
    def _definitions(self) -> dict[str, Origin]:
        """Role definitions by GUID: single ones, the subscription's list, the tenant's list."""
        found: dict[str, Origin] = {}
        for reading in self._snapshot.of("role_definition"):
            if isinstance(reading.value, dict):
                found[role_id(reading.scope)] = Origin(reading, "role_definition", reading.value)
        for reading in (self.reading("role_definitions"), self._snapshot.reading("tenant_role_definitions", "")):
            for index, item in enumerate(reading.value or []):
                name = str(item.get("name") or role_id(str(item.get("id", "")))).lower()
                found.setdefault(name, Origin(reading, f"{reading.source}[{index}]", item))
        return found

    def role(self, definition: str) -> Role:
        """A role by its definition's id or GUID. Raises `NotCollectedError` where no answer holds it."""
        guid = role_id(definition)
        if guid not in self._roles:
            if guid not in self._definitions:
                raise NotCollectedError(self._missing(definition))
            self._roles[guid] = role_of(guid, self._definitions[guid], self._facts)
        return self._roles[guid]

    def custom_roles(self) -> Iterator[Role]:
        """Every custom role that the answers hold."""
        for guid, origin in self._definitions.items():
            if str(origin.view(self._facts).get("properties.type")).lower() == "customrole":
                yield self.role(guid)

    def _missing(self, definition: str) -> Reading:
        """The reading that should have held a role definition."""
        asked = next(
            (each for each in self._snapshot.of("role_definition") if role_id(each.scope) == role_id(definition)), None
        )
        listed = self.reading("role_definitions")
        if asked or listed.state is not State.COLLECTED:
            return asked or listed
        reason = f"No answer holds the role definition “{role_id(definition)}”"
        return Reading("role_definition", definition, State.NOT_COLLECTED, reason=reason)

    def scopes(self, account: str, eligible: bool = False) -> list[str]:
        """The scopes, widest first, at which something is assigned that reaches an account."""
        grouped = self.eligibility if eligible else self.assignments
        if eligible not in self._above:
            self._above[eligible] = [scope for scope in grouped if is_above(scope)]
        return [*self._above[eligible], *(scope for scope in chain(account) if scope in grouped)]

    def reaching(self, account: str, eligible: bool = False) -> Iterator[Assignment]:
        """The assignments that reach an account, widest scope first. Those below the account don't count."""
        grouped = self.eligibility if eligible else self.assignments
        for scope in self.scopes(account, eligible):
            yield from grouped[scope]

    def holders(self, account: str, capability: Capability, eligible: bool = False) -> Iterator[Assignment]:
        """Those of `reaching` whose role holds a capability, deny assignments not yet counted, or can't be read."""
        grouped = self.eligibility if eligible else self.assignments
        for scope in self.scopes(account, eligible):
            key = scope, capability, eligible
            if key not in self._holders:
                self._holders[key] = [each for each in grouped[scope] if self._may_hold(each, capability)]
            yield from self._holders[key]

    def _may_hold(self, assignment: Assignment, capability: Capability) -> bool:
        try:
            return bool(self.held(assignment, capability))
        except NotCollectedError:
            return True

    def below(self, account: str) -> Iterator[Assignment]:
        """The assignments on something inside the account, as on a project."""
        prefix = normal(account) + "/"
        for scope, group in self.assignments.items():
            if scope.startswith(prefix):
                yield from group

    def held(self, assignment: Assignment, capability: Capability) -> tuple[str, ...]:
        """The actions of a capability that an assignment's role holds, deny assignments not yet counted."""
        key = assignment.role, capability
        if key not in self._held:
            self._held[key] = self.role(assignment.role_definition).held(capability)
        return self._held[key]

    def excess(self, assignment: Assignment) -> list[tuple[str, bool]]:
        """The actions, and whether data actions, by which a role goes beyond OpenAI User, on the logs and on roles too."""
        if assignment.role not in self._excess:
            own = self.role(assignment.role_definition)
            further = [(action, False) for each in (BLIND_LOGS, ASSIGN_ROLES) for action in own.held(each)]
            self._excess[own.id] = excess(own.permissions, self.role(OPENAI_USER).permissions) + further
        return self._excess[assignment.role]

    def denial(self, assignment: Assignment, action: str, data: bool, account: str) -> Denial | None:
        """The deny assignment that stops an action on the account. Raises `NotCollectedError` where one may be unread."""
        own = normal(account)
        for deny in self.denials:
            in_force = deny.scope == own or (deny.children and reaches(deny.scope, own))
            if in_force and deny.stops(assignment, action, data):
                return deny
        if self.reading("deny_assignments").state is State.PARTIAL:
            raise NotCollectedError(self.reading("deny_assignments"))
        return None

    def can(self, assignment: Assignment, capability: Capability, account: str) -> bool:
        """Whether an assignment gives a capability over an account, deny assignments counted."""
        return any(
            self.denial(assignment, action, capability.data, account) is None
            for action in self.held(assignment, capability)
        )

    def schedule(self, assignment: Assignment) -> Origin | None:
        """The schedule instance behind an active assignment, or None. Raises `NotCollectedError` where it may be unread."""
        by_id = (assignment.origin.view(self._facts).id,)
        by_content = assignment.principal, assignment.role, assignment.scope
        found = self._schedules.get(by_id) or self._schedules.get(by_content)
        if found is None and self.reading("role_schedules").state is State.PARTIAL:
            raise NotCollectedError(self.reading("role_schedules"))
        return found

    def holding(self, assignment: Assignment) -> tuple[Holding, str]:
        """How access is held, and when it ends ("" for never). Raises `NotCollectedError` where it can't be told."""
        if assignment.eligible:
            return Holding.ELIGIBLE, assignment.ends
        origin = self.schedule(assignment)
        own = origin.view(self._facts).at("properties") if origin else None
        ends = own.text("endDateTime") if own else ""
        if own is None or not ends:
            return Holding.STANDING, ""
        activated = own.text("assignmentType").lower() == "activated"
        return (Holding.ACTIVATED if activated else Holding.TIME_BOUND), ends


_registers: dict[int, dict[str, Register]] = {}


def register_of(snapshot: Snapshot, subscription: str) -> Register:
    """The register of a subscription, built at the first asking and kept as long as the snapshot is."""
    kept = _registers.get(id(snapshot))
    if kept is None:
        kept = _registers[id(snapshot)] = {}
        weakref.finalize(snapshot, _registers.pop, id(snapshot), None)
    if subscription not in kept:
        kept[subscription] = Register(snapshot, subscription)
    return kept[subscription]
