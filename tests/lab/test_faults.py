"""The lab fails when it is asked to, so often and where it is asked to."""

import time

import pytest
import requests

from aoai_lib.lab.faults import Faults

PATH = "/subscriptions/7d1f8c52-64ab-4b3e-8f05-91c2d3e4a502/providers/Microsoft.CognitiveServices/accounts"


@pytest.mark.parametrize("status", [401, 403, 404, 409, 429, 500, 502, 503, 504])
def test_a_status_is_answered_as_often_as_asked_and_then_no_more(visit, status):
    guest = visit("hardened", faults=[f"{status}:1:/accounts"])
    first = guest.send("GET", PATH)
    assert (first.status_code, guest.send("GET", PATH).status_code) == (status, 200)
    wanted = {502: "text/plain", 503: "text/html"}.get(status, "application/json")
    assert first.headers["content-type"].startswith(wanted)


def test_a_fault_meets_only_its_path(visit):
    guest = visit("hardened", faults=["500::deployments"])
    assert guest.send("GET", PATH).status_code == 200


def test_throttling_says_when_to_come_back(visit):
    guest = visit("hardened", faults=["429:1:/accounts"])
    assert guest.send("GET", PATH).headers["retry-after"] == "1"


@pytest.mark.parametrize(("kind", "said"), [("429silent", None), ("429day", "86400")])
def test_throttling_says_nothing_or_too_much(visit, kind, said):
    answer = visit("hardened", faults=[f"{kind}:1:/accounts"]).send("GET", PATH)
    assert (answer.status_code, answer.headers.get("retry-after")) == (429, said)
    assert answer.json()["error"]["code"] == "TooManyRequests"


def test_an_expired_token_is_answered_with_a_challenge(visit):
    answer = visit("hardened", faults=["expired:1:/accounts"]).send("GET", PATH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "ExpiredAuthenticationToken")
    assert answer.headers["www-authenticate"].startswith("Bearer ")


def test_pages_lead_on_for_ever_or_back(visit):
    guest = visit("hardened")
    true = guest.send("GET", PATH).json()["value"]
    for kind, others in (("endless", 4), ("circle", 1)):
        guest.lab.faults.add(kind)
        seen, address = [], PATH
        for _ in range(4):
            page = guest.send("GET", address, params=None if address == PATH else {"api-version": None}).json()
            assert page["value"] == true
            address = page["nextLink"]
            seen.append(address)
        assert len(set(seen)) == others
        guest.lab.faults.clear()
    assert "nextLink" not in guest.send("GET", PATH).json()


@pytest.mark.parametrize(
    ("kind", "statuses", "state"),
    [
        ("failed", ["Updating", "Failed"], "Failed"),
        ("canceled", ["Updating", "Canceled"], "Canceled"),
        ("stuck", ["Updating"] * 4, "Accepted"),
        ("vanished", [None], "Succeeded"),
    ],
)
def test_an_operation_ends_badly_or_never_or_is_not_known(visit, kind, statuses, state):
    """What was written stays; the next write of the resource, where it may be, mends its state."""
    guest = visit("hardened", identity="operator", faults=[f"{kind}:1:/accounts/"])
    address = next(each["id"] for each in guest.send("GET", PATH).json()["value"])
    assert guest.lab.faults.active[0].left == 1, "reads are not struck"
    answer = guest.send("PATCH", address, json={"tags": {"a": "b"}})
    looks = [guest.send("GET", answer.headers["azure-asyncoperation"]) for _ in statuses]
    assert [look.json().get("status") for look in looks] == statuses
    assert (looks[-1].status_code, "error" in looks[-1].json()) == {"stuck": (200, False), "vanished": (404, True)}.get(
        kind, (200, True)
    )
    shown = guest.send("GET", address).json()
    assert (shown["tags"]["a"], shown["properties"]["provisioningState"]) == ("b", state)
    again = guest.send("PATCH", address, json={"tags": {"a": "c"}})
    assert again.status_code == (409 if kind == "stuck" else 200)


@pytest.mark.parametrize("kind", ["reset", "truncate"])
def test_a_connection_breaks(visit, kind):
    guest = visit("hardened", faults=[f"{kind}:1:/accounts"])
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        guest.send("GET", PATH)
    assert guest.send("GET", PATH).status_code == 200


def test_a_timeout_is_silence(visit):
    guest = visit("hardened", faults=["timeout:1:/accounts"])
    headers = {"Authorization": f"Bearer {guest.token()}"}
    with pytest.raises(requests.Timeout):
        guest.session.get(guest.lab.url + PATH, params={"api-version": "2025-09-01"}, headers=headers, timeout=0.5)


def test_a_dripping_answer_is_slow_and_whole(visit):
    guest = visit("hardened", faults=["drip:1:/accounts"])
    begun = time.monotonic()
    answer = guest.send("GET", PATH)
    assert len(answer.json()["value"]) == 2
    assert time.monotonic() - begun > 0.9


@pytest.mark.parametrize(("kind", "body"), [("null", "null"), ("emptylist", '{"value":[]}')])
def test_a_body_that_says_nothing(visit, kind, body):
    answer = visit("hardened", faults=[f"{kind}:1:/accounts"]).send("GET", PATH)
    assert (answer.status_code, answer.text) == (200, body)


def test_a_body_that_does_not_parse(visit):
    answer = visit("hardened", faults=["badjson:1:/accounts"]).send("GET", PATH)
    with pytest.raises(ValueError, match="Unterminated"):
        answer.json()


def test_faults_come_and_go_while_the_lab_runs(visit):
    guest = visit("hardened")
    fault = guest.lab.faults.add("503")
    assert guest.send("GET", PATH).status_code == 503
    guest.lab.faults.clear()
    assert (guest.send("GET", PATH).status_code, fault.struck) == (200, 1)


@pytest.mark.parametrize("spec", ["418", "429:often", ""])
def test_a_fault_that_nobody_knows_is_refused(spec):
    with pytest.raises(ValueError, match="no "):
        Faults().add(spec)


def test_latency_is_waited_out(visit):
    guest = visit("hardened", latency_ms=150)
    begun = time.monotonic()
    guest.send("GET", PATH)
    assert time.monotonic() - begun > 0.3
