"""IAM-03 and IAM-15: what is concluded from the logs, and what must not be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders import ACCOUNT, SUBSCRIPTION, reading, snapshot
from usage_samples import CUSTOMER, ROBOT, WORKSPACE, answered, call, collected, logged, setting, told, workspace, world

from aoai_lib.assess import judge, judge_one
from aoai_lib.callers import MOST_ROWS
from aoai_lib.controls import catalogue
from aoai_lib.model import Finding, Kind, Reading, Snapshot, State, Status, Subject

SECOND = f"{ACCOUNT}-two"


def verdict(control: str, sample: Snapshot) -> Finding:
    """The one finding of a control about the builders' account or subscription."""
    (declared,) = [each for each in catalogue() if each.id == control]
    if declared.subject is Kind.ACCOUNT:
        return judge_one(sample, declared, Subject(Kind.ACCOUNT, ACCOUNT, ACCOUNT, SUBSCRIPTION))
    return judge_one(sample, declared, Subject(Kind.SUBSCRIPTION, SUBSCRIPTION, subscription=SUBSCRIPTION))


def logs(*rows: list[Any], days: int = 90, **more: Any) -> Snapshot:
    """The account logs to one workspace, which answered these rows."""
    more.setdefault("diagnostic_settings", [setting()])
    held = (workspace(days=days), answered(*rows), activity(), *more.pop("readings", ()))
    return snapshot(*held, **more)


def activity(*events: dict[str, Any], state: State = State.COLLECTED) -> Reading:
    """What the activity log answered."""
    value = list(events) if state is State.COLLECTED else None
    return reading("activity_events", SUBSCRIPTION, value, state, reason="GET …/eventtypes/… answered 403")


def event(status: str = "Failed", sub_status: str = "Forbidden", code: str = "Forbidden") -> dict[str, Any]:
    """An event of the activity log."""
    return {
        "operationName": {"value": "Microsoft.CognitiveServices/accounts/deployments/write"},
        "eventTimestamp": "2026-11-20T08:00:00.0000000Z",
        "status": {"value": status},
        "subStatus": {"value": sub_status},
        "properties": {"statusCode": code},
    }


# -- IAM-03 ------------------------------------------------------------------------------------------------------------


def test_identities_alone_pass_and_say_since_when() -> None:
    found = verdict("IAM-03", logs(call(), call(status="429", calls=2), call("", "8.8.8.***", "", status="401")))
    assert found.status is Status.PASS
    assert found.reason == (
        "10 successful calls were logged from 2026-11-01 to 2026-11-22, and each named an identity."
    )


def test_keys_are_named_by_address_deployment_and_day() -> None:
    rows = [
        call("", "203.0.113.***", calls=7, last="2026-11-20T08:00:00Z"),
        call("", "", calls=5, status="201"),
        call("", "10.0.0.***", "embed", calls=3),
        call("", "10.0.1.***", calls=1),
        call("", "10.0.2.***", calls=1),
        call(),
    ]
    found = verdict("IAM-03", logs(*rows))
    assert found.status is Status.FAIL
    assert found.reason == (
        "In the last 30 days 17 calls succeeded with a key: 7 from “203.0.113.***” to “chat”, last 2026-11-20; "
        "5 from an address that is not logged to “chat”, last 2026-11-22; 3 from “10.0.0.***” to “embed”, last 2026-11-22; "
        "and from 2 more addresses."
    )
    assert ("callers[central].calls_with_key", 17) in [(each.path, each.value) for each in found.observed]


@pytest.mark.parametrize("status", ["400", "401", "403", "404", "429", "500", "", "20", "2000", "OK", "-200"])
def test_a_call_that_did_not_succeed_is_no_use_of_a_key(status: str) -> None:
    assert verdict("IAM-03", logs(call(), call("", status=status))).status is Status.PASS


def test_a_row_without_caller_and_deployment_is_said_and_no_use_of_a_key() -> None:
    found = verdict("IAM-03", logs(call(), call("", deployment="", calls=9)))
    assert found.status is Status.PASS
    assert "9 further rows told neither caller nor deployment" in found.reason


def test_a_key_that_was_seen_fails_whatever_else_is_missing() -> None:
    unread = replace(workspace(f"{WORKSPACE}-2"), state=State.DENIED, value=None)
    sample = logs(call(""), readings=(unread,), diagnostic_settings=[setting(), setting(f"{WORKSPACE}-2")])
    assert verdict("IAM-03", sample).status is Status.FAIL
    sample = logs(call(), readings=(unread,), diagnostic_settings=[setting(), setting(f"{WORKSPACE}-2")])
    assert verdict("IAM-03", sample).status is Status.NOT_ASSESSED


@pytest.mark.parametrize(
    ("rows", "settings", "said"),
    [
        ([], [setting()], "nobody called, or the log does not arrive"),
        ([call()], [], "goes to no workspace"),
        ([call()], [setting(category="RequestResponse", enabled=False)], "goes to no workspace"),
        ([call()], [setting(categoryGroup="audit", enabled=True)], "goes to no workspace"),
        ([call("", category="Trace", status="")], [setting()], "left other rows"),
        ([call("", category="AzureOpenAIRequestUsage", status="")], [setting()], "left other rows"),
        ([call(str(number)) for number in range(MOST_ROWS)], [setting()], "10,000 kinds of rows"),
    ],
)
def test_logs_that_prove_nothing_are_not_assessed(rows: list[Any], settings: list[Any], said: str) -> None:
    found = verdict("IAM-03", logs(*rows, diagnostic_settings=settings))
    assert found.status is Status.NOT_ASSESSED
    assert said in found.reason


def test_audit_rows_show_that_the_log_arrives() -> None:
    found = verdict("IAM-03", logs(call("", "", "", category="Audit", operation="", status="")))
    assert found.status is Status.PASS
    assert found.reason == "No successful call was logged in the last 30 days, and the account's other rows arrived."


@pytest.mark.parametrize(
    ("table", "said"), [(7, "keeps 7 days, and 30 were asked for"), (30, ""), (None, "keeps 14 days")]
)
def test_a_workspace_that_forgets_sooner_is_said(table: int | None, said: str) -> None:
    value = {"name": "AzureDiagnostics", "properties": {"retentionInDays": table}}
    found = verdict("IAM-03", logs(call(), days=14, readings=(reading("diagnostics_table", WORKSPACE, value),)))
    assert found.status is Status.PASS
    assert (said in found.reason) if said else ("keeps" not in found.reason)


@pytest.mark.parametrize("state", [State.DENIED, State.FAILED, State.NOT_FOUND, State.NOT_COLLECTED])
def test_an_unread_log_is_not_assessed(state: State) -> None:
    unread = replace(answered(), state=state, value=None, reason="GET /v1/workspaces/… answered 429")
    found = verdict("IAM-03", logs(readings=(unread,)))
    assert found.status is Status.NOT_ASSESSED
    assert "answered 429" in found.reason


def test_hostile_rows_stay_text() -> None:
    hostile = "<img src=x onerror=alert(1)>“\u202e"
    found = verdict("IAM-03", logs(call("", hostile, hostile)))
    assert found.status is Status.FAIL
    assert hostile in found.reason


# -- IAM-15 ------------------------------------------------------------------------------------------------------------


def test_both_refusals_seen() -> None:
    sample = logs(
        call(), call("", deployment="", status="403", calls=2), readings=(activity(event(), event("Started", "")),)
    )
    found = verdict("IAM-15", sample)
    assert found.status is Status.PASS
    assert found.reason == (
        "The last 30 days hold 2 refused calls in the request log of “acct”, and 1 refused management operation in the "
        "activity log."
    )


def test_only_refused_calls_seen() -> None:
    found = verdict("IAM-15", logs(call(status="401")))
    assert found.status is Status.PASS
    assert "10 refused calls" in found.reason
    assert "The activity log holds no refused management operation, so nothing is known of those." in found.reason


def test_only_refused_operations_seen() -> None:
    found = verdict("IAM-15", logs(call(), readings=(activity(event(sub_status="")),)))
    assert found.status is Status.PASS
    assert "The request logs hold no refused call, so nothing is known of those." in found.reason


def test_an_activity_log_that_can_not_be_read_is_said() -> None:
    denied = activity(state=State.DENIED)
    found = verdict("IAM-15", logs(call(status="401"), readings=(denied,)))
    assert (found.status, "The activity log could not be read." in found.reason) == (Status.PASS, True)
    found = verdict("IAM-15", logs(call(), readings=(denied,)))
    assert found.status is Status.NOT_ASSESSED


@pytest.mark.parametrize(
    "other",
    [
        event("Succeeded"),
        event("Failed", "Conflict", "Conflict"),
        event("Started"),
        {},
        {"status": "Failed"},
        {"status": None},
    ],
)
def test_where_nothing_was_refused_nothing_is_known(other: dict[str, Any]) -> None:
    found = verdict("IAM-15", logs(call(), call(status="429"), readings=(activity(other),)))
    assert found.status is Status.NOT_ASSESSED
    assert found.reason == "Nothing was refused in the last 30 days, so it can't be told whether refusals are seen."


def test_an_account_that_logs_nowhere_fails() -> None:
    accounts = reading("accounts", SUBSCRIPTION, [ACCOUNT, SECOND])
    silent = reading("diagnostic_settings", SECOND, [])
    found = verdict("IAM-15", logs(call(status="401"), readings=(accounts, silent)))
    assert found.status is Status.FAIL
    assert "“acct-two”" in found.reason
    assert "“acct”" not in found.reason


def test_an_account_whose_settings_can_not_be_read_is_no_failure() -> None:
    accounts = reading("accounts", SUBSCRIPTION, [ACCOUNT, SECOND])
    unread = reading("diagnostic_settings", SECOND, None, State.DENIED)
    assert verdict("IAM-15", logs(call(), readings=(accounts, unread))).status is Status.NOT_ASSESSED


def test_accounts_that_may_be_more_are_not_assessed() -> None:
    partial = reading("accounts", SUBSCRIPTION, [ACCOUNT], State.PARTIAL)
    assert verdict("IAM-15", logs(call(status="401"), readings=(partial,))).status is Status.NOT_ASSESSED


# -- through the lab ---------------------------------------------------------------------------------------------------


def test_calls_with_keys_are_found_in_the_lab_s_logs() -> None:
    document = world(
        [
            logged(40, properties_s=told()),
            logged(50, "200", "198.51.100.***", properties_s=told(object_id="")),
            logged(60, "401", "198.51.100.***", properties_s='{"objectId":""}'),
        ]
    )
    found = {each.subject.name: each for each in judge(collected(document)) if each.control == "IAM-03"}
    assert found["aoai-halden-claims"].status is Status.FAIL
    assert "1 from “198.51.100.***” to “chat”, last 2026-11-23" in found["aoai-halden-claims"].reason
    assert found["ais-halden-knowledge"].status is Status.NOT_ASSESSED


def test_the_mixed_tenant(mixed: Snapshot) -> None:
    found = {each.subject.name: each.status for each in judge(mixed) if each.control == "IAM-03"}
    assert found["aoai-meridian-support"] is Status.PASS
    assert found["aoai-meridian-timetables"] is Status.NOT_ASSESSED
    assert found["ais-meridian-research"] is Status.NOT_ASSESSED
    refusals = [each for each in judge(mixed) if each.control == "IAM-15"]
    assert {each.status for each in refusals} == {Status.FAIL, Status.NOT_ASSESSED}


def test_a_customer_id_that_names_another_workspace_s_rows_is_one_answer() -> None:
    """Two ARM ids with one customer id are one workspace (it was moved): its rows count once."""
    twin = workspace(f"{WORKSPACE}-moved", CUSTOMER)
    sample = logs(call(ROBOT), readings=(twin,), diagnostic_settings=[setting(), setting(f"{WORKSPACE}-moved")])
    assert verdict("IAM-03", sample).reason.startswith("10 successful calls")
