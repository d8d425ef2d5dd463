"""What changed since the previous run of the tenant, as `changes.json` holds it: said in a sentence, and as tables."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, Final

from aoai_lib.model import InputError, Json, Severity, Status
from aoai_lib.report import shapes
from aoai_lib.report.findings import Document
from aoai_lib.report.table import Cell, Table
from aoai_lib.report.text import shown, subject_name

SCHEMA: Final = "aoai-playbook/changes/1"
STILL_OPEN: Final = "still open"
KINDS: Final = (
    "new",
    "fixed",
    STILL_OPEN,
    "no longer assessed",
    "assessed now",
    "no longer there",
    "otherwise changed",
)
"""What may become of a finding, what matters most first."""
_COLUMNS: Final = ("change", "severity", "control", "subject", "was", "now", "failing since", "why", "note")
_OTHER_RULES: Final = "judged by other rules: the earlier evidence gives the same today"


def without_earlier(run_id: str, tenant: str) -> Document:
    """`changes.json` of a run that is compared with none.

    `previous` is null or `{run_id, as_of, catalogue_version, seal}`, `seal` the SHA-256 of the earlier run's SHA256SUMS.
    `passed_over` are newer runs that were not used: `{run_id, why}`. `findings` are rows of `{change, control, title, severity,
    subject, was, now, reason, since, by_rules}`, `properties` of `{resource, path, before, after, note}`.
    """
    return {
        "schema": SCHEMA,
        "run_id": run_id,
        "tenant": tenant,
        "previous": None,
        "passed_over": [],
        "remarks": [],
        "findings": [],
        "properties": [],
    }


def read(found: Json, where: str) -> Document:
    """A `changes.json` as it was read from `where`. Raises `InputError` unless it is one."""
    shape = without_earlier("", "")
    if not isinstance(found, dict) or found.get("schema") != SCHEMA or found.keys() != shape.keys():
        raise InputError(f"{where} is none of this playbook's: its schema should be {SCHEMA}.")
    lists = {name: found[name] for name, empty in shape.items() if empty == []}
    shapes.check(shapes.Changes, found, where)
    rows = [("findings", _FINDING), ("properties", _PROPERTY), ("passed_over", _UNUSED)]
    good = all(isinstance(each, list) for each in lists.values()) and all(
        isinstance(each, dict) and each.keys() == wanted and _told(each)
        for name, wanted in rows
        for each in lists[name]
    )
    previous = found["previous"]
    good = good and all(isinstance(each, str) for each in (*lists["remarks"], found["run_id"], found["tenant"]))
    good = good and (
        previous is None or (isinstance(previous, dict) and previous.keys() == _PREVIOUS and _told(previous))
    )
    if not good or any(each["change"] not in KINDS for each in found["findings"]):
        raise InputError(f"{where} is damaged: its rows lack what each of them has.")
    return found


def _told(row: dict[str, Json]) -> bool:
    """Whether all but the values of a property are words, or yes or no."""
    return all(isinstance(each, str | bool) for name, each in row.items() if name not in ("before", "after"))


_PREVIOUS: Final = {"run_id", "as_of", "catalogue_version", "seal"}
_UNUSED: Final = {"run_id", "why"}
_FINDING: Final = {
    "change",
    "control",
    "title",
    "severity",
    "subject",
    "was",
    "now",
    "reason",
    "since",
    "by_rules",
}
_PROPERTY: Final = {"resource", "path", "before", "after", "note"}


def sentence(changes: Document) -> str:
    """What there is to compare with, and how many findings changed how."""
    previous = changes["previous"]
    if previous is None:
        return "There is no earlier run of this tenant to compare with."
    counts = counted(changes)
    told = [f"{counts[name]} {name}" for name in KINDS if counts[name]]
    properties = len(changes["properties"])
    told.append(
        f"{properties} changed propert{'y' if properties == 1 else 'ies'}" if properties else "no changed property"
    )
    return f"Since run {previous['run_id']} ({previous['as_of'][:10]}): {', '.join(told)}."


def counted(changes: Document) -> Counter[str]:
    """How many findings changed how, by `KINDS`."""
    return Counter(each["change"] for each in changes["findings"])


def cautions(changes: Document) -> list[str]:
    """What makes the comparison weaker than it looks: runs that were not used, and how the two differ besides Azure."""
    unused = [f"Run {each['run_id']} is not compared with: {each['why']}" for each in changes["passed_over"]]
    return [*unused, *changes["remarks"]]


def moved(changes: Document) -> Table:
    """The findings that came out otherwise, the new failures first."""
    rows = [_row(each) for each in _ranked(changes) if each["change"] != STILL_OPEN]
    return _noted(Table("Findings that changed", _COLUMNS, rows, _empty(changes, "No finding changed.")))


def still_open(changes: Document) -> Table:
    """The failures that the previous run had too, the oldest first within a severity."""
    rows = [_row(each) for each in _ranked(changes) if each["change"] == STILL_OPEN]
    return _noted(Table("Still open", _COLUMNS, rows, _empty(changes, "No failure of the previous run is still open.")))


def findings(changes: Document) -> Table:
    """Both: every finding that changed, and every failure that stays."""
    return Table("Changes", _COLUMNS, list(map(_row, _ranked(changes))), _empty(changes, "No finding changed."))


def properties(changes: Document, *, with_ids: bool = True) -> Table:
    """The properties that read otherwise, and resources that came, went or could not be read."""
    rows: list[tuple[Cell, ...]] = [
        (
            each["resource"].rstrip("/").rpartition("/")[0].rpartition("/")[2],
            subject_name(each["resource"]),
            each["path"] or each["note"],
            "" if each["note"] else _value(each["before"]),
            "" if each["note"] else _value(each["after"]),
            *([each["resource"]] if with_ids else []),
        )
        for each in changes["properties"]
    ]
    columns = ("kind", "resource", "property", "before", "after", *(["id"] if with_ids else []))
    return Table("Changed properties", columns, rows, _empty(changes, "No property changed."))


def _noted(table: Table) -> Table:
    """The table without its last column where no row has a note."""
    if any(row[-1] for row in table.rows):
        return table
    return replace(table, columns=table.columns[:-1], rows=[row[:-1] for row in table.rows])


def _empty(changes: Document, otherwise: str) -> str:
    return sentence(changes) if changes["previous"] is None else otherwise


def _ranked(changes: Document) -> list[dict[str, Any]]:
    severities = [each.value for each in Severity]
    return sorted(
        changes["findings"],
        key=lambda each: (KINDS.index(each["change"]), severities.index(each["severity"]), each["since"]),
    )


def _row(change: dict[str, Json]) -> tuple[Cell, ...]:
    return (
        change["change"],
        Severity(change["severity"]),
        change["control"],
        subject_name(change["subject"]),
        _status(change["was"]),
        _status(change["now"]),
        change["since"][:10],
        change["reason"],
        _OTHER_RULES if change["by_rules"] else "",
    )


def _value(value: Json) -> str:
    """A property that a run did not have, or had as null, is told the same."""
    return "none" if value is None else shown(value, 300)


def _status(value: str) -> Cell:
    return Status(value) if value else "absent"
