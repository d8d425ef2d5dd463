"""MON-11, MON-12 and MON-14: whether the detections run where the logs are, find what they must, and what they found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from aoai_lib.callers import CALLS
from aoai_lib.controls import Verdict, breaking, control, fails, passes
from aoai_lib.controls.monitoring_logs import Destinations, account_logs, activity_logs, workspace_name
from aoai_lib.detections import Detection, catalogue, columns_in, lead_of, rows_in, unlike
from aoai_lib.facts import Facts, NotCollectedError
from aoai_lib.frameworks import ai_rmf, atlas, mcsb, mcsb_ai, nist80053
from aoai_lib.model import Json, Kind, Reading, Severity, State

REFUSED: Final = "BadArgumentError"
"""Code of a log query that the engine does not take: syntax, or a table or column that is not there."""
_TIME: Final = "Last"
"""A column that the answer to every detection has, with rows or without."""
_OTHER: Final = "answered with other columns than those asked for by"
_DETECTED: Final = (
    mcsb("LT-1", "LT-2"),
    mcsb_ai("AI-6"),
    nist80053("SI-4", "AU-6"),
    ai_rmf("MEASURE 2.4", "MANAGE 4.1"),
    atlas("M0024"),
)
_NO_LOGS: Final[Mapping[str, Json]] = {"diagnostic_settings": []}
_BLIND: Final = ("MON-01", "MON-02", "MON-03", "MON-04", "MON-07", "MON-10", "IAM-15")


def _workspaces(facts: Facts) -> tuple[dict[str, str], dict[str, str], Destinations]:
    """Workspaces by their customer id: those with the account's logs, and those with the subscription's activity log."""
    own, activity = account_logs(facts), activity_logs(facts)
    logged = [each for each, sent in own.items() if CALLS in sent]
    return _by_customer_id(facts, logged), _by_customer_id(facts, activity), own


def _by_customer_id(facts: Facts, workspaces: Iterable[str]) -> dict[str, str]:
    named = {
        facts.of("workspace", each, f"workspace[{workspace_name(each)}]").text("properties.customerId"): each
        for each in workspaces
    }
    return {guid: workspace_name(each) for guid, each in named.items() if guid}


def _places(detection: Detection, logged: Mapping[str, str], activity: Mapping[str, str]) -> Mapping[str, str]:
    """Where a detection is at home: one that looks at the activity log alone, where that is exported to."""
    return activity or logged if set(detection.tables) == {"AzureActivity"} else logged


def _answer(facts: Facts, source: str, detection: Detection, places: Mapping[str, str]) -> tuple[Reading, str]:
    """The answer to a detection in one of the workspaces, of which there is one at least, and why none took it; "" where one did.

    Raises `NotCollectedError` where none took it and one could not be asked.
    """
    refused, unread = "", None
    for guid, name in places.items():
        reading = facts.snapshot.reading(source, f"{guid}/{detection.id}")
        if source == "detection" and reading.state is State.COLLECTED and _TIME not in columns_in(reading.value):
            facts.record(f"{source}[{detection.id}].{name}", None, reading)
            unread = NotCollectedError(replace(reading, state=State.FAILED, reason=f"“{name}” {_OTHER} {detection.id}"))
        elif reading.state is State.COLLECTED:
            facts.record(f"{source}[{detection.id}].{name}", len(rows_in(reading.value)), reading)
            return reading, ""
        else:
            facts.record(f"{source}[{detection.id}].{name}", reading.reason, reading)
            if reading.code == REFUSED:
                refused = f"“{name}” does not take it: {reading.reason.partition(' answered ')[2]}"
            else:
                unread = NotCollectedError(reading)
    if unread is not None:
        raise unread
    return Reading(source, "", State.NOT_COLLECTED), refused


def _required(facts: Facts) -> tuple[dict[str, str], dict[str, str], str]:
    """The workspaces, or why there is none to ask."""
    logged, activity, own = _workspaces(facts)
    if not logged:
        own.require_all()
    return (
        logged,
        activity,
        "" if logged else "The request log of the account goes to no workspace, so no detection can run.",
    )


@control(
    "MON-11",
    title="Every detection runs on the workspace",
    severity=Severity.MEDIUM,
    subject=Kind.ACCOUNT,
    maps=_DETECTED,
    remediation=(
        "Send what the named tables hold to the workspace: the account's diagnostic setting (AzureDiagnostics, AzureMetrics), the "
        "subscription's activity log (AzureActivity), Defender for Cloud's continuous export (SecurityAlert). A table comes into "
        "being with its first row."
    ),
    breaks=(
        breaking(_NO_LOGS, *_BLIND, "MON-12", "MON-14"),
        breaking({"diagnostic_settings[0].properties.logs": []}, *_BLIND[:1], *_BLIND[2:], "MON-12", "MON-14"),
    ),
)
def detections_run(facts: Facts) -> Verdict:
    """A query over a table that is not there finds nothing, and looks as if nothing had happened.

    Each detection of the catalogue is run as it stands on the workspaces that receive the account's logs, those over the
    activity log where that is exported. What the engine does not take is named with its own words: the table or the column
    that is missing. Detections over a gateway's tables are not required, since not every account has a gateway.
    """
    logged, activity, missing = _required(facts)
    if missing:
        return fails(missing)
    lacking: list[str] = []
    unused: list[str] = []
    for detection in catalogue():
        _, why = _answer(facts, "detection", detection, _places(detection, logged, activity))
        if why:
            (unused if detection.optional else lacking).append(f"{detection.id} ({detection.title}): {why}")
    if lacking:
        more = f" (and {len(lacking) - 3} more)" if len(lacking) > 3 else ""
        return fails(f"{len(lacking)} of {len(catalogue())} detections do not run: {'; '.join(lacking[:3])}{more}.")
    left = f" {len(unused)} that need a gateway's logs do not apply." if unused else ""
    return passes(f"{len(catalogue()) - len(unused)} detections run where the account's logs are.{left}")


@control(
    "MON-12",
    title="Every detection finds its synthetic events and nothing else",
    severity=Severity.MEDIUM,
    subject=Kind.ACCOUNT,
    maps=_DETECTED,
    remediation=(
        "Look at the named detection: the workspace's engine answers its events otherwise than the catalogue says. Report it; until "
        "then do not rely on that detection or on alerts made of it."
    ),
    breaks=(
        {"detection_trial.tables[0].rows": []},
        {"detection_trial.tables[0].rows[+]": ["", "", "burster", 6, 0, "2026-11-23T00:00:00Z"]},
        {"detection_trial.tables[0].rows[0]": ["", "", "nobody", 6, 0, "2026-11-23T00:00:00Z"]},
    ),
)
def detections_fire(facts: Facts) -> Verdict:
    """A detection that was never seen to fire is a hope.

    Each is asked with its synthetic events inside the question, hits and near misses, on the account's own workspace: `let`
    puts them in the place of the tables, and nothing is ingested. It has to give the rows that its file states, and no other.
    """
    logged, activity, missing = _required(facts)
    if missing:
        return fails(missing)
    wrong = []
    for detection in catalogue():
        reading, why = _answer(facts, "detection_trial", detection, _places(detection, logged, activity))
        why = why or unlike(rows_in(reading.value), detection.rows)
        if why:
            wrong.append(f"{detection.id} ({detection.title}): {why}")
    if wrong:
        return fails(
            f"{len(wrong)} of {len(catalogue())} detections answer otherwise than they must: {'; '.join(wrong[:3])}."
        )
    return passes(
        f"All {len(catalogue())} detections found their synthetic events on the workspace and left the near misses."
    )


@control(
    "MON-14",
    title="The detections were run over the evidence window",
    severity=Severity.INFO,
    subject=Kind.ACCOUNT,
    maps=_DETECTED,
    remediation="Follow the leads with the people who own the callers; each detection says what to do on a hit.",
    breaks=(breaking(_NO_LOGS, *_BLIND, "MON-11", "MON-12"),),
)
def leads_were_looked_for(facts: Facts) -> Verdict:
    """Leads for whoever assesses, and no verdict on posture: it passes when every required detection was run, whatever was found.

    What was found is counted here and shown in the notebook. Thresholds are the catalogue's, not this tenant's, so a lead is
    a question to somebody and not an incident.
    """
    logged, activity, missing = _required(facts)
    if missing:
        return fails(missing)
    found: dict[str, int] = {}
    for detection in catalogue():
        reading, why = _answer(facts, "detection", detection, _places(detection, logged, activity))
        if why and not detection.optional:
            return fails(f"{detection.id} ({detection.title}) was not run: {why}.")
        count = 0 if why else sum(lead_of(row, facts.subject.account) for row in rows_in(reading.value))
        if count:
            found[detection.title] = count
    days = facts.snapshot.evidence_days
    if not found:
        return passes(f"The detections ran over {days} days of logs at most, and found nothing to look at.")
    leads = ", ".join(f"{title} ({count})" for title, count in found.items())
    return passes(f"The detections ran over {days} days of logs at most, and found leads: {leads}.")
