"""Where logs go, how long they are kept, when they arrive and what is found in them, at the edges."""

from __future__ import annotations

from typing import Any

import pytest
from builders import ACCOUNT, SUBSCRIPTION, reading, snapshot
from test_monitoring_logs import ALL_LOGS, EVERY, WORKSPACE, kept, log, setting, verdict
from test_monitoring_observed import answered, awaited, found, refused, with_readings

from aoai_lib.assess import judge
from aoai_lib.controls import catalogue as controls
from aoai_lib.detections import catalogue
from aoai_lib.model import Finding, Json, Reading, Snapshot, State

OTHER = f"{WORKSPACE}-2"


# -- where logs go, and for how long ------------------------------------------------------------------------------------


def test_categories_count_in_any_spelling_and_a_group_beside_single_ones() -> None:
    spelled = [log(name.swapcase()) for name in ("Audit", "RequestResponse", "Trace", "AzureOpenAIRequestUsage")]
    assert verdict("MON-01", diagnostic_settings=[setting(spelled)]).status == "pass"
    beside = [log(None, group="Audit"), log("RequestResponse"), log("Trace"), log("AzureOpenAIRequestUsage")]
    assert verdict("MON-01", diagnostic_settings=[setting(beside)]).status == "pass"
    assert verdict("MON-01", diagnostic_settings=[setting(beside[:3])]).status == "fail"


def test_the_workspace_that_receives_logs_is_cited_and_told() -> None:
    whole = verdict("MON-01", diagnostic_settings=[setting(ALL_LOGS)])
    assert ("workspace[logs].name", "logs") in [(each.path, each.value) for each in whole.observed]
    part = verdict("MON-01", diagnostic_settings=[setting(EVERY[:3])])
    assert part.reason == "The workspace “logs” does not receive AzureOpenAIRequestUsage."


@pytest.mark.parametrize(
    ("logs", "reason"),
    [
        (ALL_LOGS, "The activity log goes to the workspace “logs”."),
        ([log("Administrative")], "The activity log goes to the workspace “logs”. The categories Security, Policy, Alert are not."),
        ([log("Administrative"), log("policy"), log("ALERT")], "The activity log goes to the workspace “logs”. The categories Security are not."),
        ([log("Policy")], "The activity log's category Administrative is not sent to “logs”."),
        ([], "The activity log of the subscription is not sent to a Log Analytics workspace."),
    ],
)  # fmt: skip
def test_what_of_the_activity_log_is_sent_is_told(logs: Any, reason: str) -> None:
    own = reading("subscription_diagnostic_settings", SUBSCRIPTION, [setting(logs)])
    assert verdict("MON-05", own).reason == reason


def test_what_a_table_says_counts_before_what_the_workspace_says() -> None:
    assert kept({"retentionInDays": 400}, {"retentionInDays": 30}).status == "pass"
    assert kept({"totalRetentionInDays": 0, "retentionInDays": 400}, {"retentionInDays": 30}).status == "pass"
    assert kept({"totalRetentionInDays": 1, "retentionInDays": 400}, {"retentionInDays": 400}).status == "fail"
    assert kept({}, {"retentionInDays": -1}).status == "pass", "no limit"
    assert kept({}, {"retentionInDays": 0}).reason.startswith("Table AzureDiagnostics in “logs” is kept for 30 days")


def test_the_table_of_the_activity_log_is_named() -> None:
    short = kept({"totalRetentionInDays": 400}, activity={"totalRetentionInDays": 90})
    assert short.reason == "Table AzureActivity in “logs” is kept for 90 days, and 365 are required."


@pytest.mark.parametrize(
    ("days", "exported", "status"),
    [(365, State.COLLECTED, "pass"), (366, State.COLLECTED, "pass"), (364, State.COLLECTED, "not_assessed"), (365, State.PARTIAL, "not_assessed")],
    ids=["just-as-long", "longer", "another-may-keep-longer", "it-may-be-exported"],
)  # fmt: skip
def test_settings_that_were_cut_off_prove_where_logs_go_and_not_where_they_do_not(
    days: int, exported: State, status: str
) -> None:
    table = {"name": "AzureDiagnostics", "properties": {"totalRetentionInDays": days}}
    readings = [
        reading("diagnostic_settings", ACCOUNT, [setting(ALL_LOGS)], State.PARTIAL),
        reading("diagnostics_table", WORKSPACE, table),
        reading("subscription_diagnostic_settings", SUBSCRIPTION, [], exported),
    ]
    assert verdict("MON-03", *readings).status == status


# -- when they arrive ---------------------------------------------------------------------------------------------------


def placed(arm_id: str, customer: str) -> Reading:
    name = arm_id.rpartition("/")[2]
    return reading("workspace", arm_id, {"id": arm_id, "name": name, "properties": {"customerId": customer}})


def arrivals(customer: str, *rows: list[Json], last: str = "2026-11-23T08:00:00.1234567Z") -> Reading:
    """What a workspace answers about the account's rows: category and usual delay in seconds."""
    columns = [{"name": name} for name in ("Account", "Category", "Last", "Usual")]
    told = [[ACCOUNT.upper(), category, last, usual] for category, usual in rows]
    return reading("arrivals", customer, {"tables": [{"columns": columns, "rows": told}]})


def observed(id: str, *readings: Reading, settings: Any = None, **values: Any) -> Finding:  # noqa: A002
    """The finding about an account that logs to two workspaces unless said otherwise."""
    both = [setting(ALL_LOGS), setting(ALL_LOGS, workspaceId=OTHER)] if settings is None else settings
    places = [placed(WORKSPACE, "aa"), placed(OTHER, "bb")]
    sample = snapshot(*places, reading("diagnostic_settings", ACCOUNT, both), *readings, **values)
    (one,) = judge(sample, [each for each in controls() if each.id == id])
    return one


@pytest.mark.parametrize("slow", ["aa", "bb"])
def test_rows_that_come_soon_to_one_workspace_arrive(slow: str) -> None:
    quick = "bb" if slow == "aa" else "aa"
    one = observed("MON-04", arrivals(slow, ["RequestResponse", 2000]), arrivals(quick, ["RequestResponse", 119]))
    assert one.reason == "Rows usually arrive after: RequestResponse 119 seconds, last 2026-11-23T08:00:00Z."
    assert one.status == "pass"


def test_delays_are_told_in_seconds_below_two_minutes() -> None:
    later = arrivals("bb", ["RequestResponse", 120], ["Audit", 1200], last="2026-11-23T08:30:00Z")
    one = observed("MON-04", arrivals("aa", ["RequestResponse", 120]), later)
    assert one.reason == (
        "Rows usually arrive after: Audit 20 minutes, last 2026-11-23T08:30:00Z, "
        "RequestResponse 2 minutes, last 2026-11-23T08:00:00Z."
    )


def test_how_late_rows_come_is_told() -> None:
    late = [arrivals(each, ["RequestResponse", 60], ["Audit", 3600]) for each in ("aa", "bb")]
    one = observed("MON-04", *late)
    assert one.status == "fail"
    assert one.reason == "Rows usually take longer than 30 minutes to the workspace: Audit (60 minutes)."


CALL: dict[str, Json] = {
    "workspace": "AA",
    "at": "2026-11-23T09:00:00Z",
    "status": 200,
    "rows": 1,
    "received": "2026-11-23T09:04:00Z",
    "asked": "2026-11-23T09:05:00Z",
}


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        ([CALL], "pass"),
        ([{**CALL, "workspace": "zz", "received": "2026-11-23T12:00:00Z"}, CALL], "pass"),
        ([{**CALL, "status": 403}, {**CALL, "workspace": "bb"}], "pass"),
        ([{**CALL, "received": "2026-11-23T09:30:00Z"}], "pass"),
        ([{**CALL, "received": "2026-11-23T09:30:01Z"}], "fail"),
        ([{**CALL, "received": "soon"}], "not_assessed"),
        ([{**CALL, "rows": 0, "asked": "2026-11-23T09:30:00Z"}], "not_assessed"),
        ([{**CALL, "rows": 0, "asked": "2026-11-23T09:30:01Z"}], "fail"),
        ([{**CALL, "rows": 0, "asked": "later"}], "not_assessed"),
    ],
    ids=["there", "another-workspace-first", "a-refusal-first", "in-half-an-hour", "a-second-later", "when-is-not-known",
         "not-there-after-half-an-hour", "nor-a-second-later", "asked-at-no-time"],
)  # fmt: skip
def test_the_row_of_the_runs_own_call(rows: list[Json], status: str) -> None:
    one = observed("MON-04", reading("log_row", ACCOUNT, rows))
    assert (one.status, "call at 2026-11-23T09:00:00Z" in one.reason) == (status, True)


# -- what is found in them ----------------------------------------------------------------------------------------------


def ran(customer: str, *ids: str) -> list[Reading]:
    """The answers of a workspace to some detections, without a row."""
    answer = {"tables": [{"columns": [{"name": "Caller"}, {"name": "Last"}], "rows": []}]}
    return [reading("detection", f"{customer}/{each}", answer) for each in ids]


def test_what_looks_at_the_activity_log_alone_runs_where_that_is_exported_to() -> None:
    alone = [each.id for each in catalogue() if set(each.tables) == {"AzureActivity"}]
    others = [each.id for each in catalogue() if each.id not in alone]
    assert alone and others
    own = [setting(ALL_LOGS)]
    there = reading("subscription_diagnostic_settings", SUBSCRIPTION, [setting(ALL_LOGS, workspaceId=OTHER)])
    nowhere = reading("subscription_diagnostic_settings", SUBSCRIPTION, [])
    for id in ("MON-11", "MON-14"):  # noqa: A001
        answers = [*ran("aa", *others), *ran("bb", *alone)]
        assert observed(id, there, *answers, settings=own).status == "pass"
        assert observed(id, there, *ran("aa", *others, *alone), settings=own).status == "not_assessed"
        assert observed(id, nowhere, *ran("aa", *others, *alone), settings=own).status == "pass"


def test_settings_that_were_cut_off_leave_the_detections_that_ran() -> None:
    answers = ran("aa", *(each.id for each in catalogue()))
    cut = reading("diagnostic_settings", ACCOUNT, [setting(ALL_LOGS)], State.PARTIAL)
    none = reading("diagnostic_settings", ACCOUNT, [], State.PARTIAL)
    exported = reading("subscription_diagnostic_settings", SUBSCRIPTION, [])
    assert observed("MON-11", cut, exported, *answers).status == "pass"
    assert observed("MON-11", none, exported, *answers).status == "not_assessed"
    assert observed("MON-11", exported, *answers, settings=[]).status == "fail"


def test_a_gateways_detection_that_did_not_run_is_no_lead(hardened: Snapshot) -> None:
    quiet = with_readings(hardened, "detection", answered(["_ResourceId", "Last"]))
    without = with_readings(quiet, "detection", refused("Failed to resolve 'ApiManagementGatewayLlmLog'"), "DET-02")
    one = found(without, "MON-14")
    assert one.status == "pass" and one.reason.endswith("and found nothing to look at.")
    assert awaited(hardened, rows=1).status == "pass"
