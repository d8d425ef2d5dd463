"""The findings of a run as data: `findings.json` and `findings.csv`."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from aoai_lib.controls import Control, catalogue_version
from aoai_lib.frameworks import by_framework
from aoai_lib.model import ABSENT, Finding, Json, Kind, Observation, Phase, Severity, Status, Subject
from aoai_lib.report.text import inert, shown, visible

if TYPE_CHECKING:
    from aoai_lib.parameters import Waiver
    from aoai_lib.run import Run

SCHEMA: Final = "aoai-playbook/findings/1"

COLUMNS: Final = (
    "control",
    "title",
    "phase",
    "severity",
    "status",
    "subject",
    "subject_kind",
    "reason",
    "observed",
    "evidence",
    "frameworks",
    "remediation",
    "waiver",
)
"""The columns of `findings.csv` and of the workbook's findings sheet."""

Document = dict[str, Any]
"""`findings.json` as `json.loads` returns it; its shape is `document`'s."""


def document(run: Run, generated_at: str) -> Document:
    """`findings.json`: `schema`, `run_id`, `tenant`, `generated_at`, `catalogue_version`, `counts`, `findings`.

    `counts` holds `by_status`, `by_phase` (phase, then status), `failed_by_severity` and `failed_by_waiver` (how many of the
    failed are accepted, `active`, and of how many the acceptance has `expired`); every key is always there.
    A waiver's `state` is judged on the day of the snapshot, so the same evidence gives the same document. An observed value
    that the service did not send is null and says `absent`.
    """
    declared = {control.id: control for control in run.controls}
    entries = [entry(finding, declared[finding.control], run) for finding in run.findings]
    return {
        "schema": SCHEMA,
        "run_id": run.run_id,
        "tenant": run.snapshot.tenant,
        "generated_at": generated_at,
        "catalogue_version": catalogue_version(),
        "counts": count(entries),
        "findings": entries,
    }


def count(entries: Iterable[Mapping[str, Json]]) -> dict[str, Any]:
    """How many findings there are: by status, by phase and status, and the failed ones by severity and by waiver."""
    by_status = {status.value: 0 for status in Status}
    by_phase = {phase.value: dict(by_status) for phase in Phase}
    failed = {severity.value: 0 for severity in Severity}
    waived = {"active": 0, "expired": 0}
    for entry in entries:
        by_status[entry["status"]] += 1
        by_phase[entry["phase"]][entry["status"]] += 1
        if entry["status"] == Status.FAIL:
            failed[entry["severity"]] += 1
            if entry["waiver"]:
                waived[entry["waiver"]["state"]] += 1
    return {"by_status": by_status, "by_phase": by_phase, "failed_by_severity": failed, "failed_by_waiver": waived}


def entry(finding: Finding, control: Control, run: Run) -> dict[str, Json]:
    """A finding as `findings.json` holds it."""
    return {
        "control": finding.control,
        "title": control.title,
        "phase": control.phase.value,
        "severity": control.severity.value,
        "status": finding.status.value,
        "subject": arm_id(finding.subject),
        "subject_kind": finding.subject.kind.value,
        "reason": finding.reason,
        "observed": [_observed(each) for each in finding.observed],
        "frameworks": by_framework(control.maps),
        "remediation": control.remediation,
        "waiver": waiver_of(finding, run.parameters.waivers, date.fromisoformat(run.snapshot.as_of[:10])),
    }


def arm_id(subject: Subject) -> str:
    """The subject's ARM id; the model names a subscription by its GUID alone."""
    bare = subject.kind is Kind.SUBSCRIPTION and not subject.id.startswith("/")
    return f"/subscriptions/{subject.id}" if bare else subject.id


def _observed(observation: Observation) -> dict[str, Json]:
    evidence = list(observation.evidence)
    if observation.value is ABSENT:
        return {"path": observation.path, "value": None, "evidence": evidence, "absent": True}
    return {"path": observation.path, "value": observation.value, "evidence": evidence}


def waiver_of(finding: Finding, waivers: Sequence[Waiver], today: date) -> dict[str, Json] | None:
    """The waiver that is about a finding, with its state on a day; the one that holds longest where there are several."""
    found = [each for each in waivers if is_about(each, finding)]
    if not found:
        return None
    best = max(found, key=lambda each: each.expires)
    return {
        "reason": best.reason,
        "owner": best.owner,
        "expires": best.expires.isoformat(),
        "ticket": best.ticket,
        "state": state(best, today),
    }


def state(waiver: Waiver, today: date) -> str:
    """`active` to the last day of a waiver, then `expired`."""
    return "active" if waiver.expires >= today else "expired"


def is_about(waiver: Waiver, finding: Finding) -> bool:
    """Whether a waiver names the finding's control and, by ARM id or by name, its subject."""
    wanted, whole = waiver.subject.lower(), arm_id(finding.subject).lower()
    named = fnmatchcase(whole, wanted) or fnmatchcase(whole.rpartition("/")[2], wanted)
    return named and waiver.control == finding.control


def evidence_of(entry: Mapping[str, Json]) -> list[str]:
    """The line ids of `requests.jsonl` that a finding rests on, each once, in the order they were looked at."""
    return list(dict.fromkeys(line for each in entry["observed"] for line in each["evidence"]))


def flat(entry: Mapping[str, Json]) -> dict[str, str]:
    """A finding as one row of text, in `COLUMNS`."""
    waiver = entry["waiver"]
    observed = (
        f"{each['path']} = {shown(ABSENT if each.get('absent') else each['value'])}" for each in entry["observed"]
    )
    frameworks = (f"{key}: {', '.join(clauses)}" for key, clauses in entry["frameworks"].items())
    row = {name: entry[name] for name in COLUMNS if isinstance(entry.get(name), str)}
    row["observed"] = "; ".join(observed)
    row["evidence"] = " ".join(evidence_of(entry))
    row["frameworks"] = "; ".join(frameworks)
    row["waiver"] = (
        f"{waiver['state']} until {waiver['expires']}, {waiver['owner']}: {waiver['reason']}" if waiver else ""
    )
    return {name: visible(row[name], 20_000) for name in COLUMNS}


def write_csv(document: Document, path: Path) -> None:
    """`findings.csv`: the same findings, one a row. UTF-8 with a byte order mark, because Excel guesses wrongly without."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        write_rows(document, file)


def write_rows(document: Document, file: TextIO) -> None:
    """The rows of `findings.csv`."""
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    for entry in document["findings"]:
        writer.writerow({name: inert(text) for name, text in flat(entry).items()})
