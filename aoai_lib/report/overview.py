"""Many tenants side by side: the newest finished run of each, read from the run folders that `aoai assess` leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aoai_lib import strict_json
from aoai_lib.controls import Control, catalogue
from aoai_lib.model import InputError, Json, Severity, Status
from aoai_lib.report import changes, findings, shapes
from aoai_lib.report.figure import Cell, Figure, Grid, Row, Tone
from aoai_lib.report.findings import Document
from aoai_lib.report.table import Cell as TableCell
from aoai_lib.report.table import Table
from aoai_lib.report.tables import WORST_FIRST, named, worst_of
from aoai_lib.report.text import words
from aoai_lib.storage import Tree

if TYPE_CHECKING:
    from aoai_lib.run import Run

DRAWN_AT_MOST: Final = 12
"""Tenants side by side in the picture; the tables hold them all."""
_READ_AT_ONCE: Final = 8
"""Tenants whose runs are looked up at once: by URL each takes four requests."""

_LEGEND: Final = (
    Cell("3 ✗", Tone.BAD, "so many subjects fail"),
    Cell("?", Tone.UNKNOWN, "not assessed"),
    Cell("✓", Tone.GOOD, "passes"),
    Cell("·", Tone.NONE, "not applicable"),
)


@dataclass(frozen=True)
class Fleet:
    """The findings of several tenants, one document each, the worst tenant first. `unfinished` names tenants without a finished run;
    `changes` has each tenant's `changes.json`, where its run has one.
    """

    documents: Sequence[Document]
    unfinished: Sequence[str] = ()
    changes: Mapping[str, Document] = field(default_factory=dict)

    def tenants(self) -> Table:
        """One line for each tenant: its run, its counts, its failures by severity."""
        rows = [
            (
                each["tenant"],
                each["run_id"] or "this notebook",
                *(each["counts"]["by_status"][status.value] for status in Status),
                *(each["counts"]["failed_by_severity"][severity.value] for severity in _GRAVE),
                each["counts"].get("failed_by_waiver", {}).get("active", 0),
            )
            for each in self.documents
        ]
        rows += [(tenant, "no finished run", *[None] * (len(Status) + len(_GRAVE) + 1)) for tenant in self.unfinished]
        statuses = (words(status) for status in Status)
        columns = ("tenant", "run", *statuses, *(f"{severity.value} failed" for severity in _GRAVE), "failed, accepted")
        return Table("Tenants", columns, rows)

    def heat_map(self) -> Figure:
        """Controls by tenants, the worst of both first: where it fails, and at how many subjects."""
        drawn = self.documents[:DRAWN_AT_MOST]
        by_tenant = [_statuses(each) for each in drawn]
        rows = [
            Row(control.id, control.title, tuple(_cell(statuses.get(control.id, [])) for statuses in by_tenant))
            for control in sorted(catalogue(), key=self._rank())
        ]
        more = len(self.documents) - len(drawn)
        notes = [f"{more} more tenants are in the tables."] if more > 0 else []
        tenants = tuple(each["tenant"] for each in drawn)
        return Grid("Controls by tenant", tenants, rows, _LEGEND, notes=notes, cell_width=104).draw()

    def changed(self) -> Table:
        """One line for each tenant: what became of its findings since its own previous run."""
        rows = [(each["tenant"], *self._since(each["tenant"])) for each in self.documents]
        columns = ("tenant", "compared with", *changes.KINDS, "changed properties", "new failures")
        return Table("Changes since each tenant's previous run", columns, rows)

    def _since(self, tenant: str) -> Iterator[TableCell]:
        found = self.changes.get(tenant)
        if found is None or found["previous"] is None:
            yield from ("no earlier run" if found else "not known", *[None] * (len(changes.KINDS) + 2))
            return
        counts = changes.counted(found)
        yield f"{found['previous']['run_id']} ({found['previous']['as_of'][:10]})"
        yield from (counts[kind] for kind in changes.KINDS)
        yield len(found["properties"])
        yield ", ".join(
            dict.fromkeys(each["control"] for each in found["findings"] if each["change"] == changes.KINDS[0])
        )

    def _rank(self) -> Callable[[Control], tuple[int, int]]:
        """What controls are ordered by: those that fail as `failures` has them, then those not assessed somewhere, then the rest."""
        failed = list(self._by_control(Status.FAIL))
        unread = self._by_control(Status.NOT_ASSESSED)
        places = {control: (0, number) for number, control in enumerate(failed)}
        return lambda control: places.get(control.id, (1 if control.id in unread else 2, 0))

    def failures(self) -> Table:
        """The failed controls: in how many tenants and at how many subjects, the worst and widest first."""
        rows = [
            (
                entry["severity"],
                control,
                entry["title"],
                len({tenant for tenant, _ in found}),
                len(found),
                _tenants(found),
            )
            for control, found in self._by_control(Status.FAIL).items()
            for entry in [found[0][1]]
        ]
        columns = ("severity", "control", "passes when", "tenants", "subjects", "which tenants")
        return Table("What failed, over all tenants", columns, rows, "Nothing failed in any tenant.")

    def gaps(self) -> Table:
        """What could not be assessed, by tenant and reason."""
        groups: dict[tuple[str, str], list[str]] = {}
        for document in self.documents:
            for entry in document["findings"]:
                if entry["status"] == Status.NOT_ASSESSED:
                    groups.setdefault((document["tenant"], entry["reason"]), []).append(entry["control"])
        rows = [
            (tenant, len(found), ", ".join(dict.fromkeys(found)), reason) for (tenant, reason), found in groups.items()
        ]
        columns = ("tenant", "findings", "controls", "why not")
        return Table(
            "Not assessed, by tenant",
            columns,
            rows,
            "Every control of this catalogue came to a verdict in every tenant.",
        )

    def plan(self) -> Table:
        """What to do, once for each failed control, the worst first."""
        rows = [
            (number, control, found[0][1]["severity"], _tenants(found), found[0][1]["remediation"])
            for number, (control, found) in enumerate(self._by_control(Status.FAIL).items(), 1)
        ]
        columns = ("step", "control", "severity", "tenants", "what to do")
        return Table("Hardening plan", columns, rows, "Nothing failed, so there is nothing to do.")

    def _by_control(self, status: Status) -> dict[str, list[tuple[str, Mapping[str, Json]]]]:
        found: dict[str, list[tuple[str, Mapping[str, Json]]]] = {}
        for document in self.documents:
            for entry in document["findings"]:
                if entry["status"] == status:
                    found.setdefault(entry["control"], []).append((document["tenant"], entry))
        ranked = sorted(
            found.items(), key=lambda item: (WORST_FIRST[Severity(item[1][0][1]["severity"])], -len(item[1]))
        )
        return dict(ranked)


_GRAVE: Final = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM)


def _badness(document: Document) -> tuple[int | str, ...]:
    """What tenants are ordered by: failures by severity, what was not assessed, then the name."""
    counts = document["counts"]
    failed = (-counts["failed_by_severity"][severity.value] for severity in Severity)
    return (*failed, -counts["by_status"][Status.NOT_ASSESSED.value], document["tenant"])


def _tenants(found: Sequence[tuple[str, Mapping[str, Json]]]) -> str:
    return named(tenant for tenant, _ in found)


def _statuses(document: Document) -> dict[str, list[Status]]:
    found: dict[str, list[Status]] = {}
    for entry in document["findings"]:
        found.setdefault(entry["control"], []).append(Status(entry["status"]))
    return found


def _cell(statuses: Sequence[Status]) -> Cell:
    if not statuses:
        return Cell("", Tone.NONE, "no subject")
    status = worst_of(statuses)
    if status is Status.FAIL:
        return Cell(f"{statuses.count(status)} ✗", Tone.BAD, f"{statuses.count(status)} of {len(statuses)} fail")
    text, tone = {
        Status.NOT_ASSESSED: ("?", Tone.UNKNOWN),
        Status.PASS: ("✓", Tone.GOOD),
        Status.NOT_APPLICABLE: ("·", Tone.NONE),
    }[status]
    return Cell(text, tone, words(status))


def of_run(run: Run) -> Fleet:
    """A fleet of one: the tenant of a run."""
    return Fleet([findings.document(run, run.snapshot.as_of)])


def load(tree: Tree) -> Fleet:
    """The newest finished run of every tenant in a folder of runs. Raises `InputError` where there is none."""
    tenants = [name for name in tree.folders("") if not name.startswith(".") and tree.folders(name)]
    with ThreadPoolExecutor(_READ_AT_ONCE) as readers:
        found = dict(zip(tenants, readers.map(lambda tenant: _newest_of(tree, tenant), tenants), strict=True))
    runs = {tenant: run for tenant, run in found.items() if run is not None}
    if not runs:
        raise InputError(f"There is no finished run in {tree.shown()}: `aoai assess --out` makes them.")
    changed = {tenant: told for tenant, (_, told) in runs.items() if told is not None}
    documents = sorted((document for document, _ in runs.values()), key=_badness)
    return Fleet(documents, [tenant for tenant in tenants if tenant not in runs], changed)


def newest(tree: Tree, tenant: str) -> str | None:
    """The id of a tenant's newest finished run; None where there is none."""
    runs = reversed(tree.folders(tenant))
    return next((run for run in runs if {"SHA256SUMS", "findings.json"} <= set(tree.files(f"{tenant}/{run}"))), None)


def _newest_of(tree: Tree, tenant: str) -> tuple[Document, Document | None] | None:
    """The findings of a tenant's newest finished run, and what changed; None where it has none."""
    run = newest(tree, tenant)
    if run is None:
        return None
    folder = f"{tenant}/{run}"
    told = _parsed(tree, f"{folder}/changes.json") if "changes.json" in tree.files(folder) else None
    return _read(tree, f"{folder}/findings.json"), told and changes.read(told, tree.shown(f"{folder}/changes.json"))


def _read(tree: Tree, name: str) -> Document:
    document = _parsed(tree, name)
    if not isinstance(document, dict) or document.get("schema") != findings.SCHEMA:
        raise InputError(f"{tree.shown(name)} is not of the schema {findings.SCHEMA}: assess the tenant again.")
    shapes.check(shapes.Findings, document, tree.shown(name))
    return document


def _parsed(tree: Tree, name: str) -> Json:
    try:
        return strict_json.parse((tree.read(name) or b"").decode())
    except (OSError, ValueError) as problem:
        raise InputError(f"{tree.shown(name)} can't be read as JSON: {problem}.") from problem
