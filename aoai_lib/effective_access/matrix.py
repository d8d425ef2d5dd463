"""The access matrix of one account: principals by capabilities, for reading and for drawing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from aoai_lib.effective_access.capabilities import CAPABILITIES, Capability
from aoai_lib.effective_access.records import Assignment, Holding, normal
from aoai_lib.effective_access.register import CLASSIC, UNKNOWN, WAYS, Register, nobody, register_of
from aoai_lib.facts import NotCollectedError
from aoai_lib.model import Snapshot, State

MOST_MEMBERS: Final = 50
"""Members of a group that get rows of their own; of a larger one only the group is shown, with their number."""
_FIRM: Final = (Holding.STANDING, Holding.TIME_BOUND, Holding.ACTIVATED, Holding.ELIGIBLE)
_NATURES: Final = {
    "user": "human",
    "serviceprincipal": "workload",
    "msi": "workload",
    "application": "workload",
    "group": "group",
    "foreigngroup": "group of another tenant",
    "unknown": "deleted",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One assignment that gives something. `direct`: on the account itself, else inherited from `scope`.

    `ends` is ISO 8601 or "". `capabilities` are names of `CAPABILITIES`, and `conditional` those of them that a condition
    narrows, of the assignment or in the role. `through` is the group by which a member holds it, `tenant` the tenant that it
    was delegated to; both "" where there is none.
    """

    principal: str
    principal_type: str
    role: str
    scope: str
    direct: bool
    holding: Holding
    ends: str
    conditional: frozenset[str]
    capabilities: frozenset[str]
    through: str = ""
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A principal. `cells` holds, for each capability that it has, the assignments that give it.

    `name` is the directory's, "" where it was not told. `nature`: human, workload, group, deleted, unknown. `members`: how many
    a group has; None where it could not be opened, and for what is no group.
    """

    principal: str
    principal_type: str
    name: str
    nature: str
    members: int | None
    cells: Mapping[str, tuple[Entry, ...]]

    def level(self, capability: str) -> Holding | None:
        """The firmest way in which the capability is held; None where it isn't."""
        held = {entry.holding for entry in self.cells.get(capability, ())}
        return next((each for each in _FIRM if each in held), None)

    @property
    def direct(self) -> bool:
        """Whether anything comes from the account itself, rather than from above."""
        return any(entry.direct for entries in self.cells.values() for entry in entries)


@dataclass(frozen=True, slots=True)
class AccessMatrix:
    """Who can do what to an account, most capable first. Principals that can do none of it are counted in `others`.

    `below` holds assignments on something inside the account. `gaps` are sentences: what could not be read or decided.
    Where eligibility or schedules are among them, access may be held by more, or less firmly, than is shown. `names` are
    those of all principals and groups that appear.
    """

    account: str
    capabilities: tuple[str, ...]
    rows: tuple[Row, ...]
    others: int
    below: tuple[Entry, ...]
    gaps: tuple[str, ...]
    names: Mapping[str, str]


def access_matrix(snapshot: Snapshot, account_id: str) -> AccessMatrix:
    """The matrix of an account in a snapshot. Never raises for what was not read: see `AccessMatrix.gaps`."""
    reader = _Reader(register_of(snapshot, normal(account_id).split("/")[2]), account_id)
    entries = [entry for source in WAYS for entry in reader.entries(source)]
    below = tuple(reader.entries_below())
    rows = sorted(reader.rows(entries), key=lambda row: (-len(row.cells), row.nature, row.name, row.principal))
    shown = tuple(row for row in rows if row.cells)
    names = tuple(capability.name for capability in CAPABILITIES)
    return AccessMatrix(account_id, names, shown, len(rows) - len(shown), below, reader.told(shown), reader.names)


class _Reader:
    """Turns assignments into entries, and what is missing into sentences."""

    def __init__(self, register: Register, account: str) -> None:
        self.register = register
        self.account = account
        self.gaps: list[str] = []
        self.names: dict[str, str] = {}

    def rows(self, entries: Iterable[Entry]) -> Iterator[Row]:
        """A row for each principal."""
        grouped: dict[str, list[Entry]] = {}
        for entry in entries:
            grouped.setdefault(entry.principal, []).append(entry)
        for principal, own in grouped.items():
            kind = own[0].principal_type
            nature = _NATURES.get(kind.lower(), "unknown")
            cells = {
                capability.name: tuple(entry for entry in own if capability.name in entry.capabilities)
                for capability in CAPABILITIES
            }
            held = {name: given for name, given in cells.items() if given}
            members = self._count(principal) if nature.startswith("group") and held else None
            yield Row(principal, kind, self.names.get(principal, ""), nature, members, held)

    def told(self, rows: Iterable[Row]) -> tuple[str, ...]:
        """The gaps as sentences, each once, and how many groups are unopened for which reason."""
        closed: dict[str, int] = {}
        for row in rows:
            if row.nature.startswith("group") and row.members is None:
                reason = self._closed(row.principal)
                closed[reason] = closed.get(reason, 0) + 1
        groups = (
            f"{'1 group is' if count == 1 else f'{count} groups are'} unopened, so who acts through "
            f"{'it' if count == 1 else 'them'} is not known. {reason}"
            for reason, count in closed.items()
        )
        here = self.register.directory.elsewhere
        told = [*([here] if here else []), *self.gaps, *groups]
        return tuple(dict.fromkeys(f"{gap.rstrip('.')}." for gap in told))

    def _closed(self, group: str) -> str:
        """Why a group could not be opened, and the permission that it takes."""
        try:
            self.register.directory.members(group)
        except NotCollectedError as gap:
            needed = f". The reader needs {gap.reading.permission}" if gap.reading.permission else ""
            return f"{gap.reading.reason.rstrip('.')}{needed}"
        return ""

    def _count(self, group: str) -> int | None:
        try:
            return len([each for each in self.register.directory.members(group) if each.kind != "Group"])
        except NotCollectedError:
            return None

    def entries(self, source: str) -> Iterator[Entry]:
        """The entries of what reaches the account in one way, members of opened groups on their own too."""
        reading = self.register.reading(source)
        if source == CLASSIC and nobody(source, reading):
            return
        try:
            assignments = list(self.register.reaching(self.account, source))
        except UNKNOWN as gap:
            self.gaps.append(str(gap))
            return
        if reading.state is State.PARTIAL:
            self.gaps.append(f"The list of {source.replace('_', ' ')} is not known to be complete.")
        for each in assignments:
            yield from self._expanded(each)

    def entries_below(self) -> Iterator[Entry]:
        """The entries of assignments inside the account; nothing where assignments could not be read."""
        try:
            assignments = list(self.register.below(self.account))
        except UNKNOWN:
            return
        yield from (self._entry(each) for each in assignments if not each.odd)

    def _expanded(self, assignment: Assignment) -> Iterator[Entry]:
        if assignment.odd:
            self.gaps.append(f"What is given by an assignment is not known: {assignment.odd}")
            return
        own = self._entry(assignment)
        yield own
        if not own.capabilities or not assignment.is_group:
            return
        try:
            members = list(self.register.through(assignment))
        except NotCollectedError:
            return
        if len(members) <= MOST_MEMBERS:
            yield from (self._entry(each, own) for each in members)

    def _entry(self, assignment: Assignment, group: Entry | None = None) -> Entry:
        """One assignment's entry; `group` is that of the group by which a member has it."""
        self._name(assignment)
        if group is not None:
            given = self._capabilities(assignment)
            own = replace(group, principal=assignment.principal, principal_type=assignment.principal_type)
            return replace(own, capabilities=given, conditional=group.conditional & given, through=group.principal)
        holding, ends = self._holding(assignment)
        given = self._capabilities(assignment)
        return Entry(
            principal=assignment.principal,
            principal_type=assignment.principal_type or "Unknown",
            role=self._role(assignment),
            scope=assignment.scope,
            direct=assignment.scope == normal(self.account),
            holding=holding,
            ends=ends,
            conditional=self._conditional(assignment, given),
            capabilities=given,
            tenant=assignment.tenant,
        )

    def _name(self, assignment: Assignment) -> None:
        person = self.register.directory.find(assignment.principal)
        if name := person.name if person else assignment.title if assignment.tenant else "":
            self.names[assignment.principal] = name

    def _role(self, assignment: Assignment) -> str:
        if assignment.origin.reading.source == CLASSIC:
            return assignment.title
        try:
            return self.register.role(assignment.role_definition).name
        except UNKNOWN as gap:
            self.gaps.append(f"What “{assignment.principal}” may do by role “{assignment.role}” is not known. {gap}")
            return assignment.role

    def _conditional(self, assignment: Assignment, given: frozenset[str]) -> frozenset[str]:
        return frozenset(
            each.name for each in CAPABILITIES if each.name in given and self.register.narrowed(assignment, each)
        )

    def _holding(self, assignment: Assignment) -> tuple[Holding, str]:
        try:
            return self.register.holding(assignment)
        except UNKNOWN as gap:
            self.gaps.append(str(gap))
            return Holding.STANDING, ""

    def _capabilities(self, assignment: Assignment) -> frozenset[str]:
        """Names of what an assignment gives. Deny assignments that could not be read are taken to stop nothing."""
        try:
            held = [each for each in CAPABILITIES if self.register.held(assignment, each)]
        except UNKNOWN:
            return frozenset()
        return frozenset(each.name for each in held if self._effective(assignment, each))

    def _effective(self, assignment: Assignment, capability: Capability) -> bool:
        try:
            return self.register.effective(assignment, capability, self.account)[0]
        except UNKNOWN as gap:
            self.gaps.append(str(gap))
            return True
