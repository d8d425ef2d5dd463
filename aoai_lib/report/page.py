"""`report.html`: one page for the client. Self-contained: no script, no request to anywhere, and it prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from aoai_lib.controls import Control
from aoai_lib.evidence.store import Exchange
from aoai_lib.frameworks import FRAMEWORKS
from aoai_lib.model import ABSENT, Json, Phase, Status
from aoai_lib.report import acceptances, changes, checklist, crosswalk, figures, happenings, tables
from aoai_lib.report.figure import Figure
from aoai_lib.report.findings import Document
from aoai_lib.report.rendering import render
from aoai_lib.report.text import shown, subject_name

if TYPE_CHECKING:
    from aoai_lib.run import Run

SUBJECTS_AT_MOST: Final = 150
"""Subjects that the page shows of one control; the workbook has them all."""
REQUESTS_AT_MOST: Final = 4000
"""Requests that the page lists; `requests.jsonl` has them all."""
_VALUES_AT_MOST: Final = 8


@dataclass(frozen=True, slots=True)
class Value:
    """One observed value, and the requests it came with, as far as the page lists them."""

    path: str
    text: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One finding of a control."""

    subject: str
    arm_id: str
    status: Status
    reason: str
    values: tuple[Value, ...]
    more_values: int
    waiver: Mapping[str, Json] | None


@dataclass(frozen=True, slots=True)
class Item:
    """One control with its findings, the failed first."""

    control: Control
    counts: Mapping[Status, int]
    judgements: Sequence[Judgement]
    more: int
    clauses: Mapping[str, Sequence[str]]

    @property
    def intent(self) -> str:
        """What the control looks at, without the line breaks of its source."""
        return " ".join(self.control.intent.split())

    @property
    def statuses(self) -> str:
        """The verdicts that occur, as CSS classes."""
        return " ".join(status.value for status in Status if self.counts[status])


@dataclass(frozen=True, slots=True)
class Chapter:
    """A phase with its controls, and the pictures that belong to it."""

    phase: Phase
    title: str
    counts: Mapping[str, int]
    items: Sequence[Item]
    figures: Sequence[Figure]


def write(
    run: Run, document: Document, exchanges: Sequence[Exchange], path: Path, changed: Document | None = None
) -> None:
    """Write the page. The same arguments give the same bytes."""
    path.write_text(compose(run, document, exchanges, changed), encoding="utf-8", newline="\n")


def compose(run: Run, document: Document, exchanges: Sequence[Exchange], changed: Document | None = None) -> str:
    """The page as text. `changed` is `changes.json`; without it the run is compared with none."""
    changed = changed or changes.without_earlier(document["run_id"], document["tenant"])
    listed = exchanges[:REQUESTS_AT_MOST]
    chapters = _chapters(run, document, {each.id for each in listed})
    values: dict[str, Any] = {
        "document": document,
        "snapshot": run.snapshot,
        "counts": document["counts"]["by_status"],
        "waived": document["counts"]["failed_by_waiver"],
        "severities": {name: n for name, n in document["counts"]["failed_by_severity"].items() if n},
        "total": len(document["findings"]),
        "statuses": list(Status),
        "overview": figures.by_phase(run),
        "worst": tables.worst(run, 5),
        "chapters": chapters,
        "scope": tables.scope(run),
        "accounts": tables.by_account(run),
        "properties": tables.accounts(run),
        "requirements": tables.requirements(run),
        "waivers": acceptances.waivers(run),
        "accepted": acceptances.tally(run),
        "reminders": acceptances.reminders(run),
        "since": changes.sentence(changed),
        "cautions": changes.cautions(changed),
        "moved": changes.moved(changed),
        "still_open": changes.still_open(changed),
        "changed_properties": changes.properties(changed, with_ids=False),
        "compared": changed["previous"] is not None,
        "checklist": checklist.checklist(run),
        "open": tables.not_assessed(run),
        "unread": tables.not_read(run),
        "frameworks": _by_framework(crosswalk.frameworks(run).rows),
        "provenance": {framework.name: framework.provenance for framework in FRAMEWORKS.values()},
        "baselines": crosswalk.baselines(run),
        "requests": [_request(each) for each in listed],
        "more_requests": len(exchanges) - len(listed),
    }
    return render("report.html.j2", **values)


def _chapters(run: Run, document: Document, listed: set[str]) -> list[Chapter]:
    entries: dict[str, list[Mapping[str, Json]]] = {}
    for entry in document["findings"]:
        entries.setdefault(entry["control"], []).append(entry)
    return [
        Chapter(
            phase,
            tables.PHASE_TITLES[phase],
            document["counts"]["by_phase"][phase.value],
            [
                _item(each, entries[each.id], listed)
                for each in run.controls
                if each.phase is phase and each.id in entries
            ],
            _pictures(run, phase),
        )
        for phase in run.phases
    ]


def _pictures(run: Run, phase: Phase) -> Sequence[Figure]:
    if phase is Phase.NETWORK:
        return figures.private_paths(run).figures
    if phase is Phase.IDENTITY:
        return figures.access(run).figures
    if phase is Phase.MONITORING:
        return happenings.happenings(run).figures
    return figures.guardrails(run).figures if phase is Phase.CONTENT else []


_FIRST: Final = {Status.FAIL: 0, Status.NOT_ASSESSED: 1, Status.PASS: 2, Status.NOT_APPLICABLE: 3}


def _item(control: Control, entries: Sequence[Mapping[str, Json]], listed: set[str]) -> Item:
    ranked = sorted(entries, key=lambda entry: _FIRST[Status(entry["status"])])
    counts = Counter(Status(entry["status"]) for entry in entries)
    clauses = {FRAMEWORKS[key].name: ids for key, ids in entries[0]["frameworks"].items()}
    judgements = [_judgement(entry, listed) for entry in ranked[:SUBJECTS_AT_MOST]]
    return Item(control, counts, judgements, len(ranked) - len(judgements), clauses)


def _judgement(entry: Mapping[str, Json], listed: set[str]) -> Judgement:
    values = _values(entry["observed"][:_VALUES_AT_MOST], listed)
    return Judgement(
        subject_name(entry["subject"]),
        entry["subject"],
        Status(entry["status"]),
        entry["reason"],
        values,
        len(entry["observed"]) - len(values),
        entry["waiver"],
    )


def _values(observed: Sequence[Mapping[str, Json]], listed: set[str]) -> tuple[Value, ...]:
    """The values; where several in a row came with the same requests, the last one names them."""
    found = []
    for each, following in zip_longest(observed, observed[1:]):
        value = ABSENT if each.get("absent") else each["value"]
        repeated = following is not None and following["evidence"] == each["evidence"]
        evidence = () if repeated else tuple(line for line in each["evidence"] if line in listed)
        found.append(Value(each["path"], shown(value, 120), evidence))
    return tuple(found)


def _request(exchange: Exchange) -> dict[str, Json]:
    parts = urlsplit(exchange.url)
    return {
        "id": exchange.id,
        "time": exchange.time,
        "method": exchange.method,
        "host": parts.netloc,
        "path": parts.path + (f"?{parts.query}" if parts.query else ""),
        "answer": exchange.status if exchange.status is not None else exchange.error or "ok",
        "sha256": exchange.sha256,
    }


def _by_framework(rows: Iterable[Sequence[Any]]) -> dict[str, list[Sequence[Any]]]:
    grouped: dict[str, list[Sequence[Any]]] = {}
    for framework, *rest in rows:
        grouped.setdefault(framework, []).append(rest)
    return grouped
