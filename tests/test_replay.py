"""Replays: recorded answers judged by the same code path, and nothing concluded from what was not recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tenants import ROOT, collect

from aoai_lib import run
from aoai_lib.assess import judge
from aoai_lib.azure.replay import PARTIAL_HEADER, Recording
from aoai_lib.evidence.store import Evidence
from aoai_lib.lab.server import Lab
from aoai_lib.model import InputError, Snapshot, State, Status
from aoai_lib.parameters import Parameters, load

SAMPLE = ROOT / "docs" / "samples" / "recorded.jsonl"
RECORDED = ROOT.parent / "shared" / "recorded"
SUB = "/subscriptions/7c1f6d52-90b4-4f7e-8a35-0d9b2e6c4a11"
GROUP = f"{SUB}/resourceGroups/rg/providers"
ARM = "https://management.azure.com"


def replay(recording: Recording) -> Snapshot:
    return run.collect(Parameters(tenant="replay", cloud="public"), run.EVERYTHING, Evidence(), recording=recording)


def record(path: str, body: Any, status: int | None = 200, method: str = "GET") -> dict[str, Any]:
    return {
        "method": method,
        "url": f"{ARM}{path}?api-version=2001-01-01",
        "status": status,
        "headers": {},
        "body": body,
    }


def verdicts(snapshot: Snapshot) -> dict[str, set[Status]]:
    found: dict[str, set[Status]] = {}
    for finding in judge(snapshot):
        found.setdefault(finding.control, set()).add(finding.status)
    return found


def test_the_sample_is_judged() -> None:
    snapshot = replay(Recording.load(SAMPLE))
    found = verdicts(snapshot)
    assert snapshot.as_of == "2026-11-03T08:15:30Z"
    assert found["NET-01"] == {Status.FAIL}
    assert found["NET-05"] == {Status.FAIL}
    assert found["IAM-01"] == {Status.FAIL}
    assert found["CNT-01"] == {Status.PASS}
    assert found["CNT-04"] == {Status.FAIL}
    assert found["MON-01"] == {Status.FAIL}
    assert found["IAM-04"] == {Status.NOT_ASSESSED}
    assert found["MON-06"] == {Status.NOT_ASSESSED}
    assert found["NET-14"] == {Status.FAIL}


def test_a_denied_read_names_the_call_and_the_permission() -> None:
    snapshot = replay(Recording.load(SAMPLE))
    (finding,) = [each for each in judge(snapshot) if each.control == "IAM-04"]
    assert f"GET {SUB}/providers/Microsoft.Authorization/roleAssignments answered 403" in finding.reason
    assert "Microsoft.Authorization/roleAssignments/read" in finding.reason


def test_a_run_replays_to_the_same_findings(lab: Lab, tmp_path: Path) -> None:
    evidence = Evidence(tmp_path / "requests.jsonl")
    first = collect(lab, "exposed", evidence)
    evidence.close()
    parameters = load(ROOT / "parameters" / "exposed.yaml")
    recording = Recording.load(tmp_path / "requests.jsonl")
    second = run.collect(parameters, run.EVERYTHING, Evidence(), recording=recording)
    assert second.as_of == first.as_of
    assert [asdict(each) for each in judge(second)] == [asdict(each) for each in judge(first)]


def test_requests_match_without_host_api_version_and_case() -> None:
    recording = Recording([record(f"{GROUP}/Microsoft.Network/virtualNetworks/v", {"id": "v"})])
    asked = f"https://other{GROUP.lower()}/microsoft.network/VIRTUALNETWORKS/v?api-version=2099-01-01"
    assert recording.find("GET", asked)["body"] == {"id": "v"}
    assert recording.find("GET", asked + "&$filter=x") is None
    assert recording.find("DELETE", asked) is None


def test_a_list_that_was_not_recorded_is_made_of_its_items_and_marked() -> None:
    items = [{"id": f"{GROUP}/Microsoft.Network/privateEndpoints/{name}"} for name in ("a", "b")]
    recording = Recording([record(item["id"], item) for item in items])
    for path in (f"{GROUP}/Microsoft.Network/privateEndpoints", f"{SUB}/providers/Microsoft.Network/privateEndpoints"):
        answer = recording.find("GET", f"{ARM}{path}")
        assert answer["body"]["value"] == items
        assert PARTIAL_HEADER in answer["headers"]
    assert recording.find("GET", f"{ARM}{GROUP}/Microsoft.Network/privateEndpoints/c") is None


def test_a_list_that_was_refused_stays_refused_whatever_items_were_read() -> None:
    listed = f"{GROUP}/Microsoft.Network/privateEndpoints"
    item = {"id": f"{listed}/a"}
    answer = Recording(
        [record(listed, {"error": {"code": "AuthorizationFailed"}}, 403), record(item["id"], item)]
    ).find("GET", f"{ARM}{listed}")
    assert (answer["status"], PARTIAL_HEADER in answer.get("headers", {})) == (403, False)


def test_several_recorded_lists_are_joined_and_the_last_success_counts() -> None:
    path = f"{SUB}/providers/Microsoft.Network/virtualNetworks"
    one, two, newer = {"id": "/1", "n": 1}, {"id": "/2", "n": 1}, {"id": "/1", "n": 2}
    recording = Recording(
        [
            record(path, {"value": [one]}),
            record(path, {"value": [two, newer]}),
            record(f"{path}/x", {"error": {}}, 429),
            record(f"{path}/x", {"id": "/x"}),
            record(f"{path}/x", {"error": {}}, 404),
        ]
    )
    assert recording.find("GET", f"{ARM}{path}")["body"]["value"] == [newer, two]
    assert recording.find("GET", f"{ARM}{path}/x")["status"] == 200


@pytest.mark.parametrize(
    "text",
    ["", "\n", "not json\n", "[1]\n", '{"method": "GET"}\n', '{"method": "-", "url": "Event Hub", "status": "-"}\n'],
)
def test_a_file_without_requests_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=r"r\.jsonl"):
        Recording.load(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        Recording.load(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (401, {"error": {"code": "ExpiredAuthenticationToken", "message": "m"}}, State.DENIED),
        (403, "Forbidden", State.DENIED),
        (404, {"error": {"code": "ResourceGroupNotFound", "message": "m"}}, State.NOT_FOUND),
        (409, {"error": {"code": "MissingSubscriptionRegistration", "message": "m"}}, State.FAILED),
        (429, "You have reached the limit", State.FAILED),
        (500, None, State.FAILED),
        (502, "Forbidden", State.FAILED),
        (503, "<html>busy</html>", State.FAILED),
        (200, "<html>sign in</html>", State.FAILED),
        (200, None, State.FAILED),
        (200, [], State.FAILED),
        (200, {"value": "none"}, State.FAILED),
        (200, {"value": [5]}, State.FAILED),
        (200, {"value": [{"name": "no id"}]}, State.FAILED),
        (200, {}, State.FAILED),
        (200, {"value": None}, State.FAILED),
        (200, {"value": [], "nextLink": {"page": 2}}, State.FAILED),
        (200, {"value": [], "nextLink": "https://["}, State.FAILED),
        (200, {"value": [{"id": "/x", "properties": {"capacity": float("nan")}}]}, State.FAILED),
        (200, {"value": [{"id": "/x", "properties": {"capacity": float("inf")}}]}, State.FAILED),
        (200, "\ud800", State.FAILED),
        (200, {"value": [], "nextLink": ""}, State.COLLECTED),
        (None, None, State.FAILED),
    ],
)
def test_every_odd_answer_has_a_state(status: int | None, body: Any, state: State) -> None:
    account = {"id": f"{GROUP}/Microsoft.CognitiveServices/accounts/a", "name": "a", "kind": "OpenAI", "properties": {}}
    recording = Recording(
        [
            record(f"{SUB}/providers/Microsoft.CognitiveServices/accounts", {"value": [account]}),
            record(f"{account['id']}/deployments", body, status),
        ]
    )
    snapshot = replay(recording)
    reading = snapshot.reading("deployments", account["id"])
    assert reading.state is state, reading.reason
    if state is not State.COLLECTED:
        assert reading.reason.startswith("GET /subscriptions/"), reading.reason
        assert Status.PASS not in verdicts(snapshot)["CNT-01"]


def test_circular_paging_ends() -> None:
    path = f"{SUB}/providers/Microsoft.CognitiveServices/accounts"
    page = {"value": [], "nextLink": f"{ARM}{path}?api-version=2025-09-01"}
    snapshot = replay(Recording([record(path, page)]))
    assert snapshot.reading("accounts", SUB.rpartition("/")[2]).state is State.FAILED


@pytest.mark.parametrize("item", [{"displayName": "no id"}, {"id": 5}])
def test_a_subscription_without_an_id_is_said_not_passed_over(item: Any) -> None:
    account = {"id": f"{GROUP}/Microsoft.CognitiveServices/accounts/a", "name": "a", "kind": "OpenAI", "properties": {}}
    listed = record(f"{SUB}/providers/Microsoft.CognitiveServices/accounts", {"value": [account]})
    snapshot = replay(Recording([record("/subscriptions", {"value": [item]}), listed]))
    reading = snapshot.reading("subscription_list", "")
    assert (reading.state, "without “id”" in reading.reason) == (State.FAILED, True)


@pytest.mark.parametrize(
    ("date", "as_of"),
    [
        ("Tue, 03 Nov 2026 08:15:30 -0000", "2026-11-03T08:15:30Z"),
        ("Mon, 01 Jan 0001 08:15:30 +2300", "2026-11-03T08:15:30Z"),
        ("Fri, 31 Dec 9999 23:59:59 -0500", "2026-11-03T08:15:30Z"),
        ("Thu, 01 Jan 1970 00:00:00 GMT", "2026-11-03T08:15:30Z"),
    ],
)
def test_a_date_that_no_service_has_is_not_the_time_of_a_recording(date: str, as_of: str) -> None:
    account = {"id": f"{GROUP}/Microsoft.CognitiveServices/accounts/a", "name": "a", "kind": "OpenAI", "properties": {}}
    listed = record(f"{SUB}/providers/Microsoft.CognitiveServices/accounts", {"value": [account]})
    odd = record("/subscriptions", {"value": []}) | {"headers": {"Date": date}}
    good = listed | {"headers": {"Date": "Tue, 03 Nov 2026 08:15:30 GMT"}}
    assert replay(Recording([odd, good])).as_of == as_of


GOOD_LINE = json.dumps(record("/subscriptions", {"value": []}))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"a": 1, "a": 2}', r"line 2, is not JSON.*'a' stands twice"),
        ('{"body": NaN}', r"line 2, is not JSON.*NaN is no number"),
        ('{"body": 1e400}', r"line 2, is not JSON.*1e400 is too large"),
        ('{"body": ' + "9" * 5000 + "}", r"line 2, is not JSON.*too large"),
        ('{"body": ' + "[" * 100_000, r"line 2, is not JSON.*nested too deeply"),
        ('{"body": "\x00"}', r"line 2, is not JSON"),
        ("[]", r"line 2, is no object"),
    ],
)
def test_a_line_that_two_programs_read_differently_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(f"{GOOD_LINE}\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match=said):
        Recording.load(path)


def test_a_byte_that_is_no_text_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(f"{GOOD_LINE}\n".encode() + b'{"a": "\xff"}\n')
    with pytest.raises(InputError, match=r"r\.jsonl, line 2, can't be read as text"):
        Recording.load(path)


@pytest.mark.parametrize("head", [b"\xef\xbb\xbf", b"\r\n"])
def test_what_other_systems_put_into_a_file_of_text_is_no_fault(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(head + GOOD_LINE.encode() + b"\r\n")
    assert Recording.load(path).find("GET", f"{ARM}/subscriptions")["status"] == 200


@pytest.mark.parametrize("url", ["https://[", "https://", "https:///x", "https://a:port/x", "http://a/x", "", 5, None])
def test_a_line_without_an_address_is_no_request(tmp_path: Path, url: Any) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(f"{GOOD_LINE}\n{json.dumps(record('/x', {}) | {'url': url})}\n", encoding="utf-8")
    assert Recording.load(path).left_out == 1


def test_a_recording_is_a_regular_file_of_a_size_that_recordings_have(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2 << 30)
    for path, said in (
        (tmp_path, "is a folder"),
        (tmp_path / "pipe", "no regular file"),
        (Path("/dev/zero"), "no regular file"),
        (tmp_path / "huge", "larger than 1024 MiB"),
        (Path("a\0b"), "no path"),
    ):
        with pytest.raises(InputError, match=said):
            Recording.load(path)


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded real answers lie beside a development checkout only")
def test_real_answers_are_judged_without_a_false_pass(tmp_path: Path) -> None:
    folders = [str(each) for each in sorted(RECORDED.iterdir()) if each.is_dir()]
    made = subprocess.run(
        [sys.executable, str(RECORDED / "to_replay.py"), *folders], capture_output=True, text=True, check=True
    )
    path = tmp_path / "real.jsonl"
    path.write_text(made.stdout)
    recording = Recording.load(path)
    snapshot = replay(recording)
    assert len(list(snapshot.of("account"))) == 20
    findings = judge(snapshot)
    assert {each.status for each in findings} == set(Status)
    for finding in findings:
        if finding.status is Status.PASS:
            cited = {line for each in finding.observed for line in each.evidence}
            assert cited, finding
        if finding.status is Status.NOT_ASSESSED:
            assert len(finding.reason) > 20
    unread = {reading.scope.lower() for reading in snapshot.of("account") if reading.state is State.NOT_COLLECTED}
    assert {each.status for each in findings if each.control == "IAM-01" and each.subject.id.lower() in unread} == {
        Status.NOT_ASSESSED
    }
    assert json.dumps([asdict(each) for each in findings], default=str)
