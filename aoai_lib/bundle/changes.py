"""`changes.json`: what changed since the previous run of the tenant, composed from two run folders and nothing else."""

from __future__ import annotations

from dataclasses import asdict

from aoai_lib.bundle.comparison import Change, Comparison, FindingChange, compare
from aoai_lib.bundle.opening import Bundle
from aoai_lib.evidence.seal import SUMS, digest
from aoai_lib.folder import RUN_ID
from aoai_lib.model import Json
from aoai_lib.report.changes import without_earlier
from aoai_lib.report.findings import Document


def compose(before: Bundle, after: Bundle) -> Document:
    """What changed from a sealed run to a later one. Raises `InputError` where a part of either is damaged."""
    found = compare(before, after)
    known = {
        (each["control"], str(each["subject"]).lower()): str(each["since"])
        for each in before.changes["findings"]
        if each["now"] == "fail"
    }
    told = without_earlier(str(after.about["run_id"]), str(after.document["tenant"]))
    return told | {
        "previous": {
            "run_id": str(before.about["run_id"]),
            "as_of": before.snapshot.as_of,
            "catalogue_version": before.document["catalogue_version"],
            "seal": digest(before.path / SUMS),
        },
        "remarks": list(found.remarks),
        "findings": [_row(each, known, before, after) for each in found.findings],
        "properties": _properties(found),
    }


def _row(change: FindingChange, known: dict[tuple[str, str], str], before: Bundle, after: Bundle) -> dict[str, Json]:
    """A row, with the time of the first of the consecutive runs in which it failed; "" for what does not fail now."""
    since = ""
    if change.change is Change.OPEN:
        since = known.get((change.control, change.subject.lower()), before.snapshot.as_of)
    elif change.now == "fail":
        since = after.snapshot.as_of
    return {**asdict(change), "change": change.change.value, "since": since}


def _properties(found: Comparison) -> list[dict[str, Json]]:
    return [asdict(each) for each in found.properties]


def check(bundle: Bundle) -> tuple[bool, str]:
    """Whether a run's `changes.json` holds, in a sentence: by its findings, and by the earlier run where that lies beside.

    Raises `InputError` where it is damaged.
    """
    told = bundle.changes
    if told["previous"] is None:
        if told["findings"] or told["properties"] or told["remarks"]:
            return False, "It tells of changes, and names no earlier run."
        return True, "It is compared with no earlier run."
    failing = {key for key, each in bundle.findings.items() if each["status"] == "fail"}
    if failing != {
        (each["control"], str(each["subject"]).lower()) for each in told["findings"] if each["now"] == "fail"
    }:
        return False, "It does not tell of the failures that findings.json holds."
    name = str(told["previous"].get("run_id"))
    earlier = Bundle(bundle.path.parent / name)
    if not RUN_ID.fullmatch(name) or not earlier.is_finished or digest(earlier.path / SUMS) != told["previous"]["seal"]:
        return (
            True,
            "It agrees with findings.json; the earlier run is not beside this one, so they were not compared again.",
        )
    again = compose(earlier, bundle) | {"passed_over": told["passed_over"]}
    if again != told:
        return False, f"Comparing with the earlier run {name} again does not give it."
    return True, f"Comparing with the earlier run {name} again gives the same."
