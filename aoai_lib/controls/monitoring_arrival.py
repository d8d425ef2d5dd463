"""MON-04: whether the logs arrive, category by category, and how long that takes."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from aoai_lib.callers import CALLS
from aoai_lib.controls import Verdict, breaking, control, fails, not_assessed, passes
from aoai_lib.controls.monitoring_logs import account_logs, workspace_name
from aoai_lib.detections import rows_in
from aoai_lib.facts import Facts, View
from aoai_lib.frameworks import ai_rmf, atlas, mcsb, mcsb_ai, nist80053
from aoai_lib.model import Kind, Severity, State

LATE: Final = 1800
"""Seconds. Resource logs usually take 3 to 10 minutes (Microsoft Learn, "Log data ingestion time in Azure Monitor", 2026-02-27);
three times the upper end is not usual any more."""
_OF_CALLS: Final = frozenset({"Trace", "AzureOpenAIRequestUsage"})
"""Categories whose rows come from calls, as those of the request log do."""


@control(
    "MON-04",
    title="Observed: log rows arrive within their usual delay",
    severity=Severity.HIGH,
    subject=Kind.ACCOUNT,
    maps=(mcsb("LT-3", "LT-5"), mcsb_ai("AI-6"), nist80053("AU-6", "AU-12"), ai_rmf("MEASURE 2.4"), atlas("M0024")),
    remediation=(
        "Look at the account's diagnostic setting, the workspace's daily cap and its health (Operation table). The first rows of a new "
        "setting take up to 90 minutes. Then probe again with `active_probes`, which sends one call and waits for its row."
    ),
    breaks=(
        {"log_row[0].rows": 0, "log_row[0].received": "", "log_row[0].asked": "2026-11-23T10:05:00+00:00"},
        {"log_row[0].received": "2026-11-23T10:00:00Z"},
        breaking(
            {"diagnostic_settings": []},
            *("MON-01", "MON-02", "MON-03", "MON-07", "MON-10", "MON-11", "MON-12", "MON-14", "IAM-15"),
        ),
    ),
)
def logs_arrive(facts: Facts) -> Verdict:
    """A setting says where logs should go; only a row shows that they do.

    With probes on, the run's own call to a model is looked for in the workspace, and the time until its row was there is the
    proof. Without, the rows of the evidence window are: every category that has some, and the request log must, has to take no
    more than half an hour for the usual row (`ingestion_time()` against `TimeGenerated`). Categories without rows prove
    nothing: audit rows come when somebody reads keys. Without any row of a call it can't be told whether nobody called or nothing
    arrives, so that is open.
    """
    own = account_logs(facts)
    logged = [workspace for workspace, sent in own.items() if CALLS in sent]
    if not logged:
        own.require_all()
        return fails("The request log of the account goes to no workspace, so no row can arrive.")
    customers = {
        facts.of("workspace", each, f"workspace[{workspace_name(each)}]").text("properties.customerId").lower(): each
        for each in logged
    }
    called = _called(facts, customers)
    return called if called is not None else _passive(facts, customers)


def _called(facts: Facts, customers: dict[str, str]) -> Verdict | None:
    """What became of the run's own call; None where none was made, or its row could not be asked for."""
    if facts.snapshot.reading("log_row", facts.subject.account).state is not State.COLLECTED:
        return None
    missing = ""
    for row in facts.of_account("log_row").each():
        workspace, at = row.text("workspace").lower(), row.text("at")
        if workspace not in customers:
            continue
        name = workspace_name(customers[workspace])
        if (status := row.number("status")) != 200:
            came = "nothing came" if status is None else f"{status:g} came"
            missing = missing or f"A call was made at {at}, and “{name}” was asked for its row: {came}"
            continue
        if (row.number("rows") or 0) > 0:
            took = _seconds(at, row.text("received"))
            if took is None:
                return not_assessed(f"The row of a call at {at} was in “{name}”, and when it came can't be read.")
            if took > LATE:
                return fails(f"The row of a call at {at} was in “{name}” {_told(took)} later.")
            return passes(f"The row of a call at {at} was in “{name}” after {_told(max(took, 0))}.")
        waited = _seconds(at, row.text("asked")) or 0
        late = waited > LATE
        missing = f"A call at {at} had left no row in “{name}” {_told(max(waited, 0))} later"
        if late:
            return fails(f"{missing}.")
        missing += ", which may still come: rows usually take 3 to 10 minutes"
    return not_assessed(f"{missing}.") if missing else None


def _passive(facts: Facts, customers: dict[str, str]) -> Verdict:
    found: dict[str, tuple[float, str]] = {}
    for customer, workspace in customers.items():
        view = facts.of("arrivals", customer, f"arrivals[{workspace_name(workspace)}]")
        for row in _rows(facts, view, customer):
            seconds = row.get("Usual")
            if isinstance(seconds, int | float) and not isinstance(seconds, bool):
                held = found.get(str(row.get("Category")))
                if held is None or seconds < held[0]:
                    found[str(row.get("Category"))] = (float(seconds), str(row.get("Last"))[:19])
    facts.record("arrivals.categories", sorted(found), facts.snapshot.reading("arrivals", next(iter(customers))))
    if CALLS not in found:
        if silent := sorted(_OF_CALLS & found.keys()):
            return fails(f"Calls left rows of {', '.join(silent)} and none in the request log.")
        return not_assessed(
            "No row of a call is there: nobody called, or the log does not arrive. Probe with `active_probes`, which makes one call."
        )
    slow = [f"{category} ({_told(seconds)})" for category, (seconds, _) in sorted(found.items()) if seconds > LATE]
    if slow:
        return fails(f"Rows usually take longer than {_told(LATE)} to the workspace: {', '.join(slow)}.")
    told = ", ".join(
        f"{category} {_told(seconds)}, last {last}Z" for category, (seconds, last) in sorted(found.items())
    )
    return passes(f"Rows usually arrive after: {told}.")


def _rows(facts: Facts, view: View, customer: str) -> list[dict[str, object]]:
    """The account's rows in a workspace's answer."""
    account = facts.subject.account.lower()
    del view  # read, and so cited: its tables are too long to be an observation
    answer = facts.snapshot.reading("arrivals", customer).value
    return [row for row in rows_in(answer) if str(row.get("Account")).lower() == account]


def _seconds(since: str, until: str) -> float | None:
    """Between two instants; None where one can't be read."""
    try:
        return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds()
    except (ValueError, TypeError):
        return None


def _told(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
