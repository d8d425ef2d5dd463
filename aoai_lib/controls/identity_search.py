"""Looking through everything that gives access to an account for what breaks a rule, the unread and the odd counted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from aoai_lib.controls import Verdict, fails, passes
from aoai_lib.controls.identity_holders import cite, cite_roles, each_principal, name, register, several
from aoai_lib.effective_access.capabilities import Capability
from aoai_lib.effective_access.records import Assignment
from aoai_lib.effective_access.register import ACTIVE, CLASSIC, DELEGATED, UNKNOWN, WAYS, Register, nobody
from aoai_lib.facts import Facts, NotCollectedError, UnexpectedShapeError
from aoai_lib.model import ABSENT, State

NOW = (ACTIVE, DELEGATED, CLASSIC)
"""The ways in which access is held without asking for it first."""
Offenders = Callable[[Assignment], Iterable[Assignment]]
"""What of an assignment breaks a rule: itself, what it gives to members of its group, or nothing."""


def only(wanted: Callable[[Assignment], bool]) -> Offenders:
    """An assignment breaks the rule, or it doesn't."""
    return lambda assignment: [assignment] if wanted(assignment) else []


def counted(facts: Facts, source: str = ACTIVE) -> Register | None:
    """The register, once it is known to hold what is given in one way; how much of it reaches the account is cited.

    None where nobody can hold access in that way. Raises `NotCollectedError`.
    """
    own = register(facts)
    reading = own.reading(source)
    if nobody(source, reading):
        facts.record(source, ABSENT, reading)
        return None
    facts.of_subscription(source)
    grouped = own.given(source)
    count = sum(len(grouped[scope]) for scope in own.scopes(facts.subject.account, source))
    facts.record(f"{source}.length", count, reading)
    return own


def complete(facts: Facts, source: str) -> None:
    """Raise `NotCollectedError` where a list of the subscription may hold more than was read."""
    if register(facts).reading(source).state is State.PARTIAL:
        raise NotCollectedError(register(facts).reading(source))


class Search:
    """Looks through assignments for those that break a rule. What could not be judged is kept until nothing was found.

    One that was found settles the matter, whatever else is unread; that none was found settles it only where all could
    be judged. That is why what is raised for the unread and the odd is caught here. An odd assignment that would break the
    rule, as far as it can be read, is no proof; one that could not break it, whatever the rest says, clouds nothing.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.found: list[Assignment] = []
        self._gaps: list[NotCollectedError | UnexpectedShapeError] = []

    def among(self, offenders: Offenders, sources: Iterable[str], capability: Capability | None = None) -> None:
        """Look through what is given in some ways, of roles that hold a capability where one is named."""
        for source in sources:
            try:
                self._among(offenders, source, capability)
            except UNKNOWN as gap:
                self._gaps.append(gap)

    def _among(self, offenders: Offenders, source: str, capability: Capability | None) -> None:
        own = counted(self.facts, source)
        if own is None:
            return
        account = self.facts.subject.account
        for each in own.holders(account, capability, source) if capability else own.reaching(account, source):
            try:
                found = list(offenders(each))
            except UNKNOWN as gap:
                self._gaps.append(gap)
                continue
            if found and each.odd:
                self._gaps.append(each.odd)
            else:
                self.found += found
        complete(self.facts, source)

    def settle(self) -> list[Assignment]:
        """What was found, cited. Raises the first gap where nothing was found and something could not be judged."""
        if not self.found and self._gaps:
            gap = self._gaps[0]
            if isinstance(gap, NotCollectedError):
                self.facts.record(gap.reading.source, ABSENT, gap.reading)
            raise gap
        cite(self.facts, self.found)
        return self.found


def effective(facts: Facts, assignment: Assignment, capability: Capability) -> bool:
    """Whether a capability that the role holds is there once deny assignments are counted; those that take it away are cited."""
    facts.of_subscription("deny_assignments")
    left, stopped = register(facts).effective(assignment, capability, facts.subject.account)
    if not left:
        for deny in stopped:
            deny.origin.view(facts).get("properties.denyAssignmentName")
    return left


def reserved(
    facts: Facts,
    asked: Mapping[Capability, Collection[str]],
    ability: str,
    extra: Callable[[Assignment], str] | None = None,
) -> Verdict:
    """The verdict on capabilities that are for some principals alone: `ability` says them as `… can <ability>`.

    Active, eligible, delegated and classic access counts. Approval is of the principal that holds the role: an approved
    group is approved with whoever is in it, for its owners answer for that; a group that isn't approved fails whoever is
    in it, also where each member is approved or none is known, for the next member need not be. So no verdict of this
    kind hangs on the members of a group, unless a deny assignment does.
    """
    search = Search(facts)
    judged: dict[str, Assignment] = {}
    for capability, admitted in asked.items():

        def gives(
            assignment: Assignment, capability: Capability = capability, admitted: Collection[str] = admitted
        ) -> bool:
            if assignment.principal in admitted:
                return False
            held = effective(facts, assignment, capability)
            judged.setdefault(assignment.role, assignment)
            return held

        search.among(only(gives), WAYS, capability)
    found = search.settle()
    cite_roles(facts, judged.values())
    if found:
        count = several(len(each_principal(found)), "principal", "principals")
        return fails(f"{count} without approval can {ability}: {name(facts, found, extra)}.")
    return passes(f"Nobody but approved principals can {ability}.")
