"""Who calls: from rows in the lab's workspaces, through the real pipeline, to callers; and what must not be counted."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import quote

import pytest
from builders import ACCOUNT, GROUP, reading, snapshot
from usage_samples import (
    CLAIMS,
    CUSTOMER,
    LAB_SUBSCRIPTION,
    ROBOT,
    WORKSPACE,
    answer,
    answered,
    call,
    collected,
    logged,
    setting,
    told,
    workspace,
    world,
)

from aoai_lib import run
from aoai_lib.azure import patience
from aoai_lib.azure.logs import LONGEST
from aoai_lib.azure.replay import Recording
from aoai_lib.callers import (
    MOST_ROWS,
    Origin,
    Usage,
    account_usage,
    callers_of,
    key_callers,
    public_callers,
)
from aoai_lib.callers.origins import origin
from aoai_lib.collect.usage import QUESTION
from aoai_lib.evidence import snapshots
from aoai_lib.evidence.store import Evidence
from aoai_lib.facts import Facts, NotCollectedError, UnexpectedShapeError
from aoai_lib.model import Kind, Snapshot, State, Subject
from aoai_lib.parameters import Parameters

NOBODY = told(object_id="")
OTHER = "9e8d7c6b-0000-4000-8000-00000000000a"
SECOND = f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/second"
DAY = 24 * 60


def lines(usage: Usage) -> list[str]:
    return [
        f"{each.name} {each.address} {each.origin} {'+'.join(sorted(each.deployments))} "
        f"{each.calls}={each.succeeded}/{each.refused}/{each.throttled}"
        for each in usage.callers
    ]


def facts(sample: Snapshot) -> Facts:
    return Facts(sample, Subject(Kind.ACCOUNT, ACCOUNT, ACCOUNT))


# -- through the lab ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample() -> Snapshot:
    """Calls of many kinds, each once but where it says otherwise."""
    rows = [
        *(logged(minute, properties_s=told()) for minute in (5, 65, 29 * DAY)),
        logged(31 * DAY, properties_s=NOBODY),
        logged(6, properties_s=told(ROBOT.upper(), "embeddings"), OperationName="Embeddings_Create"),
        logged(7, "429", properties_s=told()),
        logged(8, "200", "203.0.113.***", properties_s=NOBODY),
        logged(9, "201", "203.0.113.***", properties_s=NOBODY),
        logged(10, "200", "", properties_s=NOBODY),
        logged(11, "200", "172.31.9.***", properties_s=NOBODY),
        logged(12, "200", "somewhere", properties_s=NOBODY),
        logged(13, "400", "198.51.100.***", properties_s=NOBODY),
        logged(14, "401", "198.51.100.***", properties_s=told("", "")),
        logged(15, "403", "198.51.100.***", properties_s=told("", "")),
        logged(16, "200", properties_s=told("", "")),
        logged(17, "200", properties_s="{broken"),
        logged(18, AdditionalFields={"properties_s": told(OTHER)}),
        logged(19, AdditionalFields={"properties_s": json.loads(told(OTHER))}),
        logged(20, properties_s=json.dumps({"callerObjectId": OTHER, "modelDeploymentName": "chat"})),
        logged(21, Category="Audit", OperationName="ListKey", ResultSignature="", properties_s='{"objectId":"x"}'),
        logged(22, Category="AzureOpenAIRequestUsage", properties_s='{"modelDeploymentName":"chat"}'),
        logged(23, properties_s=NOBODY, ResourceProvider="MICROSOFT.KEYVAULT"),
    ]
    return collected(world(rows))


def test_callers_are_told_by_identity_and_address(sample: Snapshot) -> None:
    usage = account_usage(sample, CLAIMS)
    assert lines(usage) == [
        f"{ROBOT} 10.41.2.*** private chat+embeddings 5=4/0/1",
        "not named 198.51.100.*** public chat 3=0/2/0",
        f"{OTHER} 10.41.2.*** private chat 3=3/0/0",
        "a key 203.0.113.*** public chat 2=2/0/0",
        "a key  not logged chat 1=1/0/0",
        "a key 172.31.9.*** private chat 1=1/0/0",
        "a key somewhere unknown chat 1=1/0/0",
    ]
    first = usage.callers[0]
    assert dict(first.deployments) == {"chat": 4, "embeddings": 1}
    assert first.operations == ("ChatCompletions_Create", "Embeddings_Create")
    assert (first.first, first.last) == ("2026-10-25T09:00:00Z", "2026-11-23T08:55:00Z")


def test_rows_that_tell_nothing_are_counted_apart(sample: Snapshot) -> None:
    usage = account_usage(sample, CLAIMS)
    assert usage.nameless == 2
    assert dict(usage.log) == {"Audit": 1, "AzureOpenAIRequestUsage": 1, "RequestResponse": 18}
    assert usage.gaps == ()
    assert usage.doubt == ""


def test_who_would_be_cut_off(sample: Snapshot) -> None:
    about = Facts(sample, Subject(Kind.ACCOUNT, CLAIMS, CLAIMS, LAB_SUBSCRIPTION))
    assert [each.address for each in public_callers(about)] == ["203.0.113.***", "somewhere"]
    assert [each.address for each in key_callers(about)] == ["203.0.113.***", "", "172.31.9.***", "somewhere"]
    assert len(callers_of(about)) == 7
    assert str(public_callers(about)[0]) == (
        "a key from 203.0.113.*** (public): 2 calls of “chat”, the last at 2026-11-23T08:52:00Z"
    )


def test_an_account_without_rows_proves_nothing_beside_one_with_rows(sample: Snapshot) -> None:
    silent = account_usage(sample, CLAIMS.replace("aoai-halden-claims", "ais-halden-knowledge"))
    assert silent.callers == ()
    assert "nobody called, or the log does not arrive" in silent.doubt


def test_the_window_is_the_parameters() -> None:
    rows = [logged(minute, properties_s=told()) for minute in (5, 3 * DAY, 20 * DAY)]
    for days, count in ((1, 1), (7, 2), (30, 3)):
        found = collected(world(rows), evidence_days=days)
        assert (found.evidence_days, account_usage(found, CLAIMS).callers[0].calls) == (days, count)


def test_a_workspace_is_asked_once_by_get_with_a_short_address() -> None:
    evidence = Evidence()
    collected(world([logged(5, properties_s=told())]), evidence=evidence)
    asked = [each for each in evidence.exchanges if each.url.endswith("timespan=P30D")]
    assert [(each.method, each.status) for each in asked] == [("GET", 200)]
    address = f"https://api.loganalytics.azure.cn/v1/workspaces/{CUSTOMER}/query?query={quote(QUESTION, safe='')}"
    assert len(f"{address}&timespan=P90D") < LONGEST


def test_a_replay_tells_the_same_callers(sample: Snapshot) -> None:
    evidence = Evidence()
    live = collected(world([logged(5, properties_s=told()), logged(8, "403", "203.0.113.***")]), evidence=evidence)
    recording = Recording(json.loads(json.dumps([asdict(each) for each in evidence.exchanges])))
    again = run.collect(Parameters(tenant="r", cloud="public"), ("usage",), Evidence(), recording=recording)
    assert account_usage(again, CLAIMS) == account_usage(live, CLAIMS)
    assert len(account_usage(again, CLAIMS).callers) == 2
    for source in ("callers", "activity_events"):
        assert [each.state for each in again.of(source)] == [State.COLLECTED]


def test_a_missing_table_is_named_and_is_not_nobody() -> None:
    found = collected(world([]))
    usage = account_usage(found, CLAIMS)
    assert usage.callers == ()
    (gap,) = usage.gaps
    assert gap.state is State.FAILED
    assert "400 BadArgumentError ('where' operator: Failed to resolve table" in gap.reason
    assert "named 'AzureDiagnostics')" in gap.reason
    with pytest.raises(NotCollectedError):
        public_callers(Facts(found, Subject(Kind.ACCOUNT, CLAIMS, CLAIMS)))


@pytest.mark.parametrize(
    ("fault", "said"), [("429:99:/query", "429"), ("504:99:/query", "504"), ("badjson:9:/query", "")]
)
def test_a_workspace_that_does_not_answer_is_a_gap(fault: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_RETRIES", 0)
    (gap,) = account_usage(collected(world([logged(5, properties_s=NOBODY)]), faults=[fault]), CLAIMS).gaps
    assert (gap.source, gap.state) == ("callers", State.FAILED)
    assert said in gap.reason


def test_a_workspace_that_may_be_seen_and_not_asked_is_denied() -> None:
    document = world([logged(5, properties_s=NOBODY)])
    document["roleDefinitions"].append(
        {
            "roleName": "Sees and asks nothing",
            "scope": "@prod:",
            "permissions": [
                {"actions": ["*/read"], "notActions": ["Microsoft.OperationalInsights/workspaces/query/*"]}
            ],
        }
    )
    document["roleAssignments"] = [
        {**each, "role": "Sees and asks nothing"}
        if each["principal"] == "assessor" and each["role"] == "Reader"
        else each
        for each in document["roleAssignments"]
    ]
    (gap,) = account_usage(collected(document), CLAIMS).gaps
    assert (gap.state, gap.code) == (State.DENIED, "InsufficientAccessError")
    assert gap.permission == "Microsoft.OperationalInsights/workspaces/query/read"


def test_a_workspace_in_another_subscription_is_asked() -> None:
    document = world([logged(5, properties_s=told(), workspace="log-elsewhere")])
    other = "5b0e2a14-0000-4000-8000-0000000000ff"
    document["subscriptions"].append(
        {
            "alias": "elsewhere",
            "subscriptionId": other,
            "displayName": "Elsewhere",
            "region": "swedencentral",
            "resourceGroups": [
                {
                    "name": "rg-logs",
                    "location": "swedencentral",
                    "resources": [
                        {
                            "type": "Microsoft.OperationalInsights/workspaces",
                            "name": "log-elsewhere",
                            "location": "swedencentral",
                            "properties": {"customerId": CUSTOMER, "retentionInDays": 30},
                        }
                    ],
                }
            ],
        }
    )
    document["roleAssignments"].append({"scope": "@elsewhere:", "role": "Reader", "principal": "assessor"})
    settings = _account(document)["extensions"]["Microsoft.Insights/diagnosticSettings"]
    settings[0]["properties"]["workspaceId"] = (
        "@elsewhere:rg-logs/Microsoft.OperationalInsights/workspaces/log-elsewhere"
    )
    found = collected(document, subscriptions=[LAB_SUBSCRIPTION])
    assert lines(account_usage(found, CLAIMS)) == [f"{ROBOT} 10.41.2.*** private chat 1=1/0/0"]


def _account(document: dict[str, Any]) -> dict[str, Any]:
    for subscription in document["subscriptions"]:
        for group in subscription.get("resourceGroups", ()):
            for resource in group["resources"]:
                if resource["name"] == "aoai-halden-claims":
                    found: dict[str, Any] = resource
                    return found
    raise LookupError("aoai-halden-claims")


def test_the_question_is_refused_by_nothing_that_the_service_lacks() -> None:
    """Operators that log queries of the real service hold and the lab does not are no reason to write two questions."""
    for word in ("union", "isfuzzy", "materialize", "ago(", "let "):
        assert word not in QUESTION


# -- joined from answers -----------------------------------------------------------------------------------------------


def both(one: list[list[Any]], two: list[list[Any]]) -> Usage:
    """The usage of an account that logs to two workspaces."""
    second = "4c9d8e7f-0000-4000-8000-000000000002"
    return account_usage(
        snapshot(
            workspace(),
            workspace(SECOND, second),
            answered(*one),
            answered(*two, customer=second),
            diagnostic_settings=[setting(), setting(SECOND)],
        ),
        ACCOUNT,
    )


def test_the_same_calls_in_two_workspaces_count_once() -> None:
    late = {"first": "2026-11-15T08:00:00Z", "calls": 4}
    usage = both([call(), call("", calls=3)], [call(**late), call(OTHER, calls=2)])
    assert lines(usage) == [
        f"{ROBOT} 10.1.2.*** private chat 10=10/0/0",
        "a key 10.1.2.*** private chat 3=3/0/0",
        f"{OTHER} 10.1.2.*** private chat 2=2/0/0",
    ]
    assert usage.callers[0].first == "2026-11-01T08:00:00Z"
    assert dict(usage.log) == {"RequestResponse": 15}


def test_calls_before_and_after_a_setting_was_moved_are_added() -> None:
    usage = both([call(last="2026-11-10T08:00:00Z")], [call(first="2026-11-10T08:00:01Z", calls=7)])
    assert lines(usage) == [f"{ROBOT} 10.1.2.*** private chat 17=17/0/0"]
    assert (usage.first, usage.last) == ("2026-11-01T08:00:00Z", "2026-11-22T08:00:00Z")


def test_two_settings_for_one_workspace_are_one_log() -> None:
    found = account_usage(
        snapshot(workspace(), answered(call()), diagnostic_settings=[setting(), setting(WORKSPACE.upper())]), ACCOUNT
    )
    assert (found.callers[0].calls, len(found.receiving)) == (10, 1)


def test_a_workspace_that_receives_no_more_still_tells() -> None:
    disabled = setting(category="RequestResponse", enabled=False)
    usage = account_usage(snapshot(workspace(), answered(call("")), diagnostic_settings=[disabled]), ACCOUNT)
    assert len(usage.key_callers) == 1
    assert "goes to no workspace" in usage.doubt


def test_rows_where_the_log_went_before_do_not_prove_that_it_arrives_now() -> None:
    """Keys look unused because the calls since the move were never logged."""
    second = "4c9d8e7f-0000-4000-8000-000000000002"
    moved = [setting(category="Audit", enabled=True), setting(SECOND)]
    for old in ([call()], [call(category="Audit", object_id="", deployment="")]):
        found = snapshot(
            workspace(),
            workspace(SECOND, second),
            answered(*old),
            answered(customer=second),
            diagnostic_settings=moved,
        )
        usage = account_usage(found, ACCOUNT)
        assert "stand where its request log no longer goes" in usage.doubt
        assert usage.key_callers == []


@pytest.mark.parametrize(
    ("log", "sends"),
    [
        ({"category": "RequestResponse", "enabled": True}, True),
        ({"category": "requestresponse", "categoryGroup": None, "enabled": True}, True),
        ({"categoryGroup": "AllLogs", "category": None, "enabled": True}, True),
        ({"categoryGroup": "audit", "enabled": True}, False),
        ({"category": "Audit", "enabled": True}, False),
        ({"categoryGroup": "allLogs", "enabled": False}, False),
        ({"categoryGroup": "allLogs"}, False),
    ],
)
def test_what_sends_the_request_log(log: dict[str, Any], sends: bool) -> None:
    usage = account_usage(snapshot(workspace(), answered(), diagnostic_settings=[setting(**log)]), ACCOUNT)
    assert bool(usage.receiving) is sends


def test_other_accounts_are_not_this_ones() -> None:
    rows = [call(account=f"{ACCOUNT.lower()}-2"), call(account=ACCOUNT.upper(), calls=3)]
    usage = account_usage(snapshot(workspace(), answered(*rows), diagnostic_settings=[setting()]), ACCOUNT)
    assert [each.calls for each in usage.callers] == [3]


def test_what_is_not_whole_proves_no_absence() -> None:
    partial = answered(call(), state=State.PARTIAL, error={"code": "PartialError", "message": "cut"})
    many = answered(*(call(str(number)) for number in range(MOST_ROWS)))
    for held in (partial, many):
        about = facts(snapshot(workspace(), held, diagnostic_settings=[setting()]))
        assert callers_of(about)
        with pytest.raises(NotCollectedError):
            key_callers(about)


def test_a_partial_answer_is_recorded_as_one() -> None:
    evidence = Evidence()
    collected(world([logged(5, properties_s=told())]), evidence=evidence)
    records = json.loads(json.dumps([asdict(each) for each in evidence.exchanges]))
    for record in records:
        if "/query" in record["url"]:
            record["body"]["error"] = {"code": "PartialError", "message": "There were some errors."}
    recording = Recording(records)
    again = run.collect(Parameters(tenant="r", cloud="public"), ("usage",), Evidence(), recording=recording)
    (gap,) = account_usage(again, CLAIMS).gaps
    assert (gap.source, gap.state) == ("callers", State.PARTIAL)
    assert len(account_usage(again, CLAIMS).callers) == 1


def test_what_could_not_be_read_is_a_gap() -> None:
    denied = replace(workspace(), state=State.DENIED, value=None)
    unread = reading("diagnostic_settings", ACCOUNT, None, State.FAILED)
    assert [each.source for each in account_usage(snapshot(unread), ACCOUNT).gaps] == ["diagnostic_settings"]
    usage = account_usage(snapshot(denied, diagnostic_settings=[setting()]), ACCOUNT)
    assert [each.source for each in usage.gaps] == ["workspace"]
    usage = account_usage(snapshot(workspace(), diagnostic_settings=[setting()]), ACCOUNT)
    assert [(each.source, each.state) for each in usage.gaps] == [("callers", State.NOT_COLLECTED)]


def test_a_deleted_workspace_leaves_no_gap_and_receives_nothing() -> None:
    gone = replace(workspace(), state=State.NOT_FOUND, value=None, code="ResourceNotFound")
    usage = account_usage(snapshot(gone, diagnostic_settings=[setting()]), ACCOUNT)
    assert (usage.gaps, usage.receiving) == ((), ())


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        {"tables": []},
        {"tables": [{"columns": [], "rows": []}]},
        {"tables": [{"columns": "x", "rows": []}]},
        answer([1, 2]),
        answer(call(calls="many")),
        answer(call(calls=True)),
        answer(call({"a": 1})),
        answer(call(first="yesterday")),
        answer(call(last=None)),
    ],
)
def test_an_answer_of_another_form_is_no_answer(odd: Any) -> None:
    held = reading("callers", CUSTOMER, odd)
    with pytest.raises(UnexpectedShapeError):
        account_usage(snapshot(workspace(), held, diagnostic_settings=[setting()]), ACCOUNT)


def test_a_snapshot_keeps_its_window() -> None:
    sample = replace(snapshot(), evidence_days=14)
    assert snapshots.load(json.loads(json.dumps(snapshots.dump(sample)))).evidence_days == 14


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("", Origin.NOT_LOGGED),
        ("81.2.69.***", Origin.PUBLIC),
        ("203.0.113.7", Origin.PUBLIC),
        ("10.0.0.***", Origin.PRIVATE),
        ("172.15.255.***", Origin.PUBLIC),
        ("172.16.0.***", Origin.PRIVATE),
        ("172.32.0.***", Origin.PUBLIC),
        ("192.168.***.***", Origin.PRIVATE),
        ("172.***.***.***", Origin.UNKNOWN),
        ("***.***.***.***", Origin.UNKNOWN),
        ("100.64.1.***", Origin.PRIVATE),
        ("100.128.1.***", Origin.PUBLIC),
        ("fd00::1", Origin.PRIVATE),
        ("2001:db8::1", Origin.PUBLIC),
        ("2603:1020:***", Origin.UNKNOWN),
        ("10.0.***.1", Origin.UNKNOWN),
        ("10.0.0.1:443", Origin.UNKNOWN),
        ("10.0.0.0/8; DROP", Origin.UNKNOWN),
        ("<script>", Origin.UNKNOWN),
    ],
)
def test_where_an_address_lies(address: str, expected: Origin) -> None:
    assert origin(address) is expected
