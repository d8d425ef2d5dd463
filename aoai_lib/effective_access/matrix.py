"""The access matrix of one account: principals by capabilities, for reading and for drawing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from aoai_lib.effective_access.capabilities import CAPABILITIES, Capability
from aoai_lib.effective_access.records import Assignment, Holding, normal
from aoai_lib.effective_access.register import Register, register_of
from aoai_lib.facts import NotCollectedError, UnexpectedShapeError
from aoai_lib.model import Snapshot, State

_FIRM: Final = (Holding.STANDING, Holding.TIME_BOUND, Holding.ACTIVATED, Holding.ELIGIBLE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One assignment that gives something. `direct`: on the account itself, else inherited from `scope`.

    `ends` is ISO 8601 or "". `conditional`: the assignment, or the role, carries a condition that narrows it.
    `capabilities` are names of `CAPABILITIES`.
    """

    principal: str
    principal_type: str
    role: str
    scope: str
    direct: bool
    holding: Holding
    ends: str
    conditional: bool
    capabilities: frozenset[str]


@dataclass(frozen=True, slots=True)
class Row:
    """A principal. `cells` holds, for each capability that it has, the assignments that give it."""

    principal: str
    principal_type: str
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
    Where eligibility or schedules are among them, access may be held by more, or less firmly, than is shown.
    """

    account: str
    capabilities: tuple[str, ...]
    rows: tuple[Row, ...]
    others: int
    below: tuple[Entry, ...]
    gaps: tuple[str, ...]


def access_matrix(snapshot: Snapshot, account_id: str) -> AccessMatrix:
    """The matrix of an account in a snapshot. Never raises for what was not read: see `AccessMatrix.gaps`."""
    reader = _Reader(register_of(snapshot, normal(account_id).split("/")[2]), account_id)
    entries = [*reader.entries(False), *reader.entries(True)]
    below = tuple(reader.entries_below())
    rows = sorted(_rows(entries), key=lambda row: (-len(row.cells), row.principal))
    shown = tuple(row for row in rows if row.cells)
    names = tuple(capability.name for capability in CAPABILITIES)
    gaps = tuple(dict.fromkeys(f"{gap.rstrip('.')}." for gap in reader.gaps))
    return AccessMatrix(account_id, names, shown, len(rows) - len(shown), below, gaps)


def _rows(entries: Iterable[Entry]) -> Iterator[Row]:
    grouped: dict[str, list[Entry]] = {}
    for entry in entries:
        grouped.setdefault(entry.principal, []).append(entry)
    for principal, own in grouped.items():
        cells = {
            capability.name: tuple(entry for entry in own if capability.name in entry.capabilities)
            for capability in CAPABILITIES
        }
        yield Row(principal, own[0].principal_type, {name: held for name, held in cells.items() if held})


class _Reader:
    """Turns assignments into entries, and what is missing into sentences."""

    def __init__(self, register: Register, account: str) -> None:
        self.register = register
        self.account = account
        self.gaps: list[str] = []

    def entries(self, eligible: bool) -> Iterator[Entry]:
        """The entries of the active, or of the eligible, assignments that reach the account."""
        source = "role_eligibility" if eligible else "role_assignments"
        try:
            assignments = list(self.register.reaching(self.account, eligible))
        except (NotCollectedError, UnexpectedShapeError) as gap:
            self.gaps.append(str(gap))
            return
        if self.register.reading(source).state is State.PARTIAL:
            self.gaps.append(f"The list of {source.replace('_', ' ')} is not known to be complete.")
        yield from (self._entry(each) for each in assignments)

    def entries_below(self) -> Iterator[Entry]:
        """The entries of assignments inside the account; nothing where assignments could not be read."""
        try:
            assignments = list(self.register.below(self.account))
        except (NotCollectedError, UnexpectedShapeError) as gap:
            self.gaps.append(str(gap))
            return
        yield from (self._entry(each) for each in assignments)

    def _entry(self, assignment: Assignment) -> Entry:
        holding, ends = self._holding(assignment)
        name, conditional = assignment.role, assignment.conditional
        try:
            role = self.register.role(assignment.role_definition)
            name = role.name
            conditional = conditional or any(block.conditional for block in role.permissions)
        except (NotCollectedError, UnexpectedShapeError) as gap:
            self.gaps.append(f"What “{assignment.principal}” may do by role “{assignment.role}” is not known. {gap}")
        return Entry(
            principal=assignment.principal,
            principal_type=assignment.principal_type or "Unknown",
            role=name,
            scope=assignment.scope,
            direct=assignment.scope == normal(self.account),
            holding=holding,
            ends=ends,
            conditional=conditional,
            capabilities=self._capabilities(assignment),
        )

    def _holding(self, assignment: Assignment) -> tuple[Holding, str]:
        try:
            return self.register.holding(assignment)
        except (NotCollectedError, UnexpectedShapeError) as gap:
            self.gaps.append(str(gap))
            return Holding.STANDING, ""

    def _capabilities(self, assignment: Assignment) -> frozenset[str]:
        """Names of what an assignment gives. Deny assignments that could not be read are taken to stop nothing."""
        found = set()
        for capability in CAPABILITIES:
            try:
                if self.register.held(assignment, capability) and self._effective(assignment, capability):
                    found.add(capability.name)
            except (NotCollectedError, UnexpectedShapeError):
                return frozenset()
        return frozenset(found)

    def _effective(self, assignment: Assignment, capability: Capability) -> bool:
        try:
            return self.register.can(assignment, capability, self.account)
        except (NotCollectedError, UnexpectedShapeError) as gap:
            self.gaps.append(str(gap))
            return True
