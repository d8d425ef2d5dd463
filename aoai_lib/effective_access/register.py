"""What the readings say about access in one subscription, put together once and asked by every account in it."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Final

from aoai_lib.effective_access.actions import excess
from aoai_lib.effective_access.capabilities import ASSIGN_ROLES, BLIND_LOGS, OPENAI_USER, Capability
from aoai_lib.effective_access.definitions import Definitions
from aoai_lib.effective_access.directory import Directory
from aoai_lib.effective_access.outsiders import classic_of, delegations_of
from aoai_lib.effective_access.records import (
    EVERYONE,
    INDIVIDUALS,
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
    narrows,
    normal,
)
from aoai_lib.facts import Facts, NotCollectedError, UnexpectedShapeError
from aoai_lib.model import Kind, Observation, Reading, Snapshot, State, Subject

ACTIVE: Final = "role_assignments"
ELIGIBLE: Final = "role_eligibility"
DELEGATED: Final = "delegations"
CLASSIC: Final = "classic_administrators"
WAYS: Final = (ACTIVE, ELIGIBLE, DELEGATED, CLASSIC)
"""The sources that give access."""
UNKNOWN: Final = (NotCollectedError, UnexpectedShapeError)
"""What is raised where something was not read, or not as documented."""

_NO_LICENCE: Final = "AadPremiumLicenseRequired"
_NO_SERVICE: Final = ("MissingSubscriptionRegistration", "InvalidResourceNamespace", "InvalidResourceType")
_READ: Final = (State.COLLECTED, State.PARTIAL)


def nobody(source: str, reading: Reading) -> bool:
    """Whether a reading that holds no list still says that nobody has access in this way.

    Eligibility: Resource Manager answers 400 `AadPremiumLicenseRequired` where the tenant has no licence for it (seen by users
    of AzGovViz, issue 114, 2022). Delegation: the subscription, or the cloud, does not know the service. Classic
    administrators: they were retired on 2024-08-31 and no answer is what to expect, so one that is missing clouds nothing.
    """
    if reading.state in _READ:
        return False
    if source == DELEGATED:
        return any(code in reading.reason for code in _NO_SERVICE)
    return source == CLASSIC or _NO_LICENCE in reading.reason


class Register:
    """What the readings say about access in one subscription. Asking for what was not read raises `NotCollectedError`."""

    def __init__(self, snapshot: Snapshot, subscription: str) -> None:
        self._snapshot = weakref.proxy(snapshot)
        self._subscription = subscription
        self.directory = Directory(snapshot, subscription)
        self._definitions = Definitions(snapshot, subscription)
        self._given: dict[str, dict[str, list[Assignment]]] = {}
        self._held: dict[tuple[str, Capability], tuple[str, ...]] = {}
        self._above: dict[str, list[str]] = {}
        self._holders: dict[tuple[str, Capability, str], list[Assignment]] = {}
        self.cited: dict[tuple[int | str, ...], tuple[Observation, ...]] = {}
        """What controls cite of an assignment, by what it depends on: they cite the same ones for every account."""
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

    def given(self, source: str) -> dict[str, list[Assignment]]:
        """What is given in one of the `WAYS`, by scope."""
        if source not in self._given:
            found = [] if nobody(source, self.reading(source)) else self._read(source)
            self._given[source] = by_scope(map(self._typed, found))
        return self._given[source]

    def _read(self, source: str) -> Iterator[Assignment]:
        for origin in self._items(source):
            if source == DELEGATED:
                yield from delegations_of(origin, self._facts)
            elif source == CLASSIC:
                yield from classic_of(origin, self._facts, self._subscription)
            else:
                yield assignment_of(origin, self._facts, eligible=source == ELIGIBLE)

    def _typed(self, assignment: Assignment) -> Assignment:
        """With the directory's word on what the principal is, where Resource Manager has none."""
        if assignment.principal_type.lower() in ("", "unknown") and not assignment.tenant:
            person = self.directory.find(assignment.principal)
            if person and person.kind:
                return replace(assignment, principal_type=person.kind)
        return assignment

    @cached_property
    def denials(self) -> list[Denial]:
        """Deny assignments."""
        return [denial_of(each, self._facts) for each in self._items("deny_assignments")]

    @cached_property
    def _schedules(self) -> dict[tuple[str, ...], Origin]:
        """Active schedule instances by the assignment they made, and by principal, role and scope; odd ones under no key."""
        found: dict[tuple[str, ...], Origin] = {}
        if nobody("role_schedules", self.reading("role_schedules")):
            return found
        for origin in self._items("role_schedules"):
            made = assignment_of(origin, self._facts)
            if made.odd:
                found.setdefault((), origin)
                continue
            found[made.principal, made.role, made.scope] = origin
            if assigned := origin.view(self._facts).text("properties.originRoleAssignmentId"):
                found[(assigned.lower(),)] = origin
        return found

    def role(self, definition: str) -> Role:
        """A role by its definition's id or GUID. Raises `NotCollectedError` where no answer holds it."""
        return self._definitions.role(definition)

    def custom_roles(self) -> Iterator[Role | UnexpectedShapeError]:
        """Every custom role that the answers hold, or why one can't be read."""
        return self._definitions.custom()

    def scopes(self, account: str, source: str) -> list[str]:
        """The scopes, widest first, at which something is given that reaches an account."""
        grouped = self.given(source)
        if source not in self._above:
            self._above[source] = [scope for scope in grouped if is_above(scope)]
        return [*self._above[source], *(scope for scope in chain(account) if scope in grouped)]

    def reaching(self, account: str, source: str) -> Iterator[Assignment]:
        """The assignments that reach an account, widest scope first. Those below the account don't count."""
        for scope in self.scopes(account, source):
            yield from self.given(source)[scope]

    def holders(self, account: str, capability: Capability, source: str) -> Iterator[Assignment]:
        """Those of `reaching` whose role holds a capability, deny assignments not yet counted, or can't be read."""
        for scope in self.scopes(account, source):
            key = scope, capability, source
            if key not in self._holders:
                self._holders[key] = [each for each in self.given(source)[scope] if self._may_hold(each, capability)]
            yield from self._holders[key]

    def _may_hold(self, assignment: Assignment, capability: Capability) -> bool:
        try:
            return bool(self.held(assignment, capability))
        except UNKNOWN:
            return True

    def below(self, account: str) -> Iterator[Assignment]:
        """The assignments on something inside the account, as on a project."""
        prefix = normal(account) + "/"
        for scope, group in self.given(ACTIVE).items():
            if scope.startswith(prefix):
                yield from group

    def held(self, assignment: Assignment, capability: Capability) -> tuple[str, ...]:
        """The actions of a capability that an assignment's role holds, deny assignments not yet counted."""
        if assignment.odd and not assignment.role:
            raise assignment.odd
        key = assignment.role, capability
        if key not in self._held:
            self._held[key] = self.role(assignment.role_definition).held(capability)
        return self._held[key]

    def narrowed(self, assignment: Assignment, capability: Capability) -> bool:
        """Whether a condition, of the assignment or in the role, may ask for more than is known for all it gives here."""
        blocks = self.role(assignment.role_definition).permissions
        return all(
            narrows(assignment.condition, action)
            or all(narrows(block.condition, action) for block in blocks if block.allows(action, capability.data))
            for action in self.held(assignment, capability)
        )

    def excess(self, assignment: Assignment) -> list[tuple[str, bool]]:
        """The actions, and whether data actions, by which a role goes beyond OpenAI User, on the logs and on roles too."""
        if assignment.odd and not assignment.role:
            raise assignment.odd
        if assignment.role not in self._excess:
            own = self.role(assignment.role_definition)
            further = [(action, False) for each in (BLIND_LOGS, ASSIGN_ROLES) for action in own.held(each)]
            self._excess[own.id] = excess(own.permissions, self.role(OPENAI_USER).permissions) + further
        return self._excess[assignment.role]

    def through(self, assignment: Assignment) -> Iterator[Assignment]:
        """What an assignment to a group gives to each user and service principal in it; another's, as it is.

        Raises `NotCollectedError` where the group could not be opened.
        """
        if not assignment.is_group:
            yield assignment
            return
        for person in self.directory.members(assignment.principal):
            if person.kind in ("User", "ServicePrincipal"):
                yield replace(assignment, principal=person.id, principal_type=person.kind, through=assignment.principal)

    def denial(self, assignment: Assignment, action: str, data: bool, account: str) -> Denial | None:
        """The deny assignment that stops an action on the account.

        Raises `NotCollectedError` or `UnexpectedShapeError` where none does for sure and one may: the list may be longer, one
        is not of the documented form, or one hangs on a group that could not be opened.
        """
        own = normal(account)
        gap: NotCollectedError | UnexpectedShapeError | None = None
        for deny in self.denials:
            if not deny.reaches(own):
                continue
            if deny.odd:
                gap = gap or deny.odd
                continue
            try:
                if deny.concerns(action, data) and self._stops(deny, assignment):
                    return deny
            except NotCollectedError as problem:
                gap = gap or problem
        if gap:
            raise gap
        if self.reading("deny_assignments").state is State.PARTIAL:
            raise NotCollectedError(self.reading("deny_assignments"))
        return None

    def _stops(self, deny: Denial, assignment: Assignment) -> bool:
        """Whether a deny assignment is about a principal. A group is stopped only where nobody in it is spared."""
        if EVERYONE not in deny.principals and not self._among(deny.principals, assignment.principal):
            return False
        if self._among(deny.spared, assignment.principal):
            return False
        if not deny.spared or assignment.is_one:
            return True
        return not any(self._among(deny.spared, each.id) for each in self.directory.members(assignment.principal))

    def _among(self, principals: Mapping[str, str], principal: str) -> bool:
        """Whether a principal is one of these, or in a group among them."""
        if principal in principals:
            return True
        groups = [each for each, kind in principals.items() if kind.lower() not in INDIVIDUALS and each != EVERYONE]
        return any(person.id == principal for group in groups for person in self.directory.members(group))

    def effective(self, assignment: Assignment, capability: Capability, account: str) -> tuple[bool, list[Denial]]:
        """Whether an assignment gives a capability over an account, and the deny assignments that take parts of it away.

        Raises as `denial` does where no part of it is there for sure.
        """
        stopped: list[Denial] = []
        gap: NotCollectedError | UnexpectedShapeError | None = None
        for action in self.held(assignment, capability):
            try:
                deny = self.denial(assignment, action, capability.data, account)
            except UNKNOWN as problem:
                gap = gap or problem
                continue
            if deny is None:
                return True, stopped
            stopped.append(deny)
        if gap:
            raise gap
        return False, stopped

    def schedule(self, assignment: Assignment) -> Origin | None:
        """The schedule instance behind an active assignment, or None. Raises `NotCollectedError` where it may be unread."""
        by_id = (assignment.origin.view(self._facts).id,)
        by_content = assignment.principal, assignment.role, assignment.scope
        found = self._schedules.get(by_id) or self._schedules.get(by_content)
        if found is None and () in self._schedules:
            odd = assignment_of(self._schedules[()], self._facts).odd
            assert odd is not None
            raise odd
        if found is None and self.reading("role_schedules").state is State.PARTIAL:
            raise NotCollectedError(self.reading("role_schedules"))
        return found

    def holding(self, assignment: Assignment) -> tuple[Holding, str]:
        """How access is held, and when it ends ("" for never). Raises `NotCollectedError` where it can't be told."""
        if assignment.eligible:
            return Holding.ELIGIBLE, assignment.ends
        if assignment.origin.reading.source != ACTIVE:
            return Holding.STANDING, ""
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
