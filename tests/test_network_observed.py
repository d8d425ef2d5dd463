"""NET-17 and NET-18 on what was observed: a test says what differs from a path that is right from everywhere."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from builders import ACCOUNT, account, reading
from network_samples import ENDPOINT, connected, connection, denied, finding, status

from aoai_lib.model import Reading, State

NAME = "acct.openai.azure.us"
PRIVATE, PUBLIC = "10.0.0.4", "20.50.1.2"
REFUSAL = "Public access is disabled. Please configure private endpoint."
FIREWALL = "Access denied due to Virtual Network/Firewall rules."


def reached(address: str, status: int | None, message: str = "", **tls: Any) -> dict[str, Any]:
    return {
        "address": address,
        "tcp": {"connected": True, "error": ""},
        "tls": {"verified": True, "version": "TLSv1.3", "names": [NAME], "error": "", **tls},
        "http": {"status": status, "code": "", "message": message, "error": "" if status else "timeout"},
    }


def seen(*answers: dict[str, Any], name: str = NAME, outcome: str = "answered", **more: Any) -> dict[str, Any]:
    """One observation: where the name led, and what answered there."""
    addresses = [each["address"] for each in answers]
    resolved = {"outcome": outcome, "chain": [name], "addresses": addresses, "records": [], "error": ""}
    plain = {"vantage": "", "name": name, "at": "2026-11-23T08:00:00Z", "resolver": "", "proxy": False}
    return {**plain, "dns": resolved, "reached": list(answers), **more}


def at(vantage: str, *observations: dict[str, Any]) -> Reading:
    return reading(f"reachability_{vantage}", ACCOUNT, list(observations))


INSIDE = at("inside", seen(reached(PRIVATE, 401)))
OUTSIDE = at("outside", seen(reached(PUBLIC, 403, REFUSAL)))
PEERED, ON_PREMISES = (at(each, seen(reached(PRIVATE, 401))) for each in ("peered", "on_premises"))


def test_both_sides_are_needed() -> None:
    assert status("NET-17", INSIDE, OUTSIDE) == "pass"
    for only, missing in ((INSIDE, "outside"), (OUTSIDE, "inside")):
        found = finding("NET-17", only)
        assert found.status.value == "not_assessed"
        assert f"aoai probe --vantage {missing} --name {NAME}" in found.reason
    nobody = finding("NET-17")
    assert nobody.status.value == "not_assessed"
    assert nobody.reason.startswith("Nobody looked at “acct” from outside or from inside.")


def test_peered_and_on_premises_are_needed() -> None:
    assert status("NET-18", PEERED, ON_PREMISES) == "pass"
    assert "from on-premises" in finding("NET-18", PEERED).reason
    assert status("NET-18", PEERED, INSIDE, OUTSIDE) == "not_assessed"


@pytest.mark.parametrize(
    ("inside", "expected", "said"),
    [
        (seen(reached(PUBLIC, 401)), "fail", "led to 20.50.1.2, an address of the internet"),
        (seen(reached("10.0.0.99", 401)), "fail", "10.0.0.99, which is no address of the account's private endpoints"),
        (seen(reached(PRIVATE, 401), reached(PUBLIC, 401)), "fail", "20.50.1.2"),
        (seen(outcome="nxdomain"), "fail", "did not exist"),
        (seen(outcome="no_data"), "fail", "had no address"),
        (seen(reached(PRIVATE, 403, FIREWALL)), "fail", "refused the caller"),
        (seen(outcome="servfail"), "not_assessed", "SERVFAIL"),
        (seen(outcome="refused"), "not_assessed", "refused to answer"),
        (seen(outcome="no_answer"), "not_assessed", "no resolver answered"),
        (seen(outcome="loop"), "not_assessed", "circle"),
        (seen(outcome="answered"), "not_assessed", "could not be resolved"),
        (seen(reached(PRIVATE, None)), "not_assessed", "no HTTP answer (timeout)"),
        (seen(reached(PRIVATE, 404, "Resource not found")), "not_assessed", "answered 404"),
        (seen(reached(PRIVATE, 503)), "not_assessed", "answered 503"),
        (seen(reached(PRIVATE, 403, "Blocked by the web gateway")), "not_assessed", "web gateway"),
        (seen(reached(PRIVATE, 401, verified=False, error="not verified: expired")), "not_assessed", "expired"),
        (seen(reached(PRIVATE, None), proxy=True), "not_assessed", "a proxy is set there"),
        (seen(reached(PRIVATE, 200)), "pass", ""),
    ],
)
def test_inside(inside: dict[str, Any], expected: str, said: str) -> None:
    found = finding("NET-17", at("inside", inside), OUTSIDE)
    assert (found.status.value, said in found.reason) == (expected, True), found.reason


@pytest.mark.parametrize(
    ("outside", "expected", "said"),
    [
        (seen(reached(PUBLIC, 403, FIREWALL)), "pass", ""),
        (seen(reached(PUBLIC, 401, "Access denied due to invalid subscription key")), "fail", "let the caller in"),
        (seen(reached(PUBLIC, 200)), "fail", "answered 200"),
        (seen(reached(PUBLIC, 403, REFUSAL), reached("20.50.1.3", 401)), "fail", "20.50.1.3 answered 401"),
        (seen(reached(PRIVATE, 401)), "fail", "10.0.0.4 answered 401"),
        (seen(reached(PUBLIC, 401, REFUSAL)), "fail", "answered 401"),
        (seen(reached(PUBLIC, 403, "Blocked by the web gateway")), "not_assessed", "was not refused by the account's"),
        (seen(reached(PUBLIC, 404)), "not_assessed", "404"),
        (seen(reached(PUBLIC, 302)), "not_assessed", "302"),
        (seen(reached(PUBLIC, 403, REFUSAL, verified=False, error="self-signed")), "not_assessed", "self-signed"),
        (seen(reached(PUBLIC, None)), "not_assessed", "timeout"),
        (seen(outcome="nxdomain"), "not_assessed", "did not exist"),
        (seen(outcome="no_answer"), "not_assessed", "no resolver answered"),
    ],
)
def test_outside(outside: dict[str, Any], expected: str, said: str) -> None:
    found = finding("NET-17", INSIDE, at("outside", outside))
    assert (found.status.value, said in found.reason) == (expected, True), found.reason


def test_what_contradicts_the_configuration_is_said() -> None:
    closed = account(privateEndpointConnections=[connection()], publicNetworkAccess="Disabled")
    found = finding("NET-17", INSIDE, at("outside", seen(reached(PUBLIC, 401))), reading("account", ACCOUNT, closed))
    assert "although public network access is disabled" in found.reason


@pytest.mark.parametrize("vantage", ["peered", "on_premises"])
@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (seen(reached(PUBLIC, 403, REFUSAL)), "fail"),
        (seen(outcome="nxdomain"), "fail"),
        (seen(outcome="servfail"), "not_assessed"),
        (seen(reached(PRIVATE, None)), "pass"),  # whether it answers there is a question of security groups
    ],
)
def test_other_networks(vantage: str, there: dict[str, Any], expected: str) -> None:
    other = ON_PREMISES if vantage == "peered" else PEERED
    assert status("NET-18", other, at(vantage, there)) == expected


def test_observations_that_contradict_one_another_fail_and_say_so() -> None:
    before = seen(reached(PUBLIC, 401), at="2026-11-20T08:00:00Z")
    for order in ((before, seen(reached(PUBLIC, 403, REFUSAL))), (seen(reached(PUBLIC, 403, REFUSAL)), before)):
        found = finding("NET-17", INSIDE, at("outside", *order))
        assert found.status.value == "fail"
        assert "was right at another time" in found.reason


def test_every_name_that_the_private_link_needs_must_be_tried() -> None:
    zones = ["privatelink.openai.azure.us", "privatelink.services.ai.azure.us"]
    needed = reading(
        "private_link_resources",
        ACCOUNT,
        {"value": [{"properties": {"groupId": "account", "requiredZoneNames": zones}}]},
    )
    found = finding("NET-17", INSIDE, OUTSIDE, needed)
    assert found.status.value == "not_assessed"
    assert "“acct.services.ai.azure.us” was not tried" in found.reason


def test_a_name_that_is_not_needed_decides_nothing() -> None:
    other = seen(outcome="nxdomain", name="acct.services.ai.azure.us")
    assert status("NET-17", at("inside", seen(reached(PRIVATE, 401)), other), OUTSIDE) == "pass"


def test_an_endpoint_that_can_not_be_read_may_hold_the_address() -> None:
    unread = denied("private_endpoint", ENDPOINT)
    found = finding("NET-17", INSIDE, OUTSIDE, unread)
    assert found.status.value == "not_assessed"
    assert "private_endpoint/read" in found.reason
    assert status("NET-17", at("inside", seen(reached(PUBLIC, 401))), OUTSIDE, unread) == "fail"
    assert status("NET-17", INSIDE, at("outside", seen(reached(PUBLIC, 401))), unread) == "fail"


def test_which_names_are_needed_must_be_known_for_a_pass() -> None:
    assert status("NET-17", INSIDE, OUTSIDE, denied("private_link_resources", ACCOUNT)) == "not_assessed"


def test_an_account_without_endpoint_is_public_inside_too() -> None:
    assert status("NET-17", at("inside", seen(reached(PUBLIC, 403, REFUSAL))), OUTSIDE, connected()) == "fail"


def test_a_label_without_meaning_is_shown_and_counts_for_nothing() -> None:
    other = at("other", seen(reached(PRIVATE, 401), vantage="branch-7"))
    found = finding("NET-17", other)
    assert found.status.value == "not_assessed"
    assert "“branch-7” has no stated meaning" in found.reason


def test_an_account_without_a_name_of_its_own_has_nothing_to_try() -> None:
    nameless = account()
    del nameless["properties"]["customSubDomainName"]
    for control in ("NET-17", "NET-18"):
        found = finding(control, reading("account", ACCOUNT, nameless))
        assert (found.status.value, "NET-10" in found.reason) == ("not_assessed", True)


@pytest.mark.parametrize("broken", [None, [], [None], ["x"], [{"name": 5}], [{"name": NAME}], {"name": NAME}])
def test_a_misshapen_observation_is_no_pass(broken: Any) -> None:
    found = finding("NET-17", reading("reachability_inside", ACCOUNT, copy.deepcopy(broken)), OUTSIDE)
    assert found.status.value == "not_assessed"


@pytest.mark.parametrize("state", [State.DENIED, State.FAILED, State.NOT_FOUND])
def test_an_observation_that_failed_is_no_pass(state: State) -> None:
    assert status("NET-17", denied("reachability_inside", ACCOUNT, state), OUTSIDE) == "not_assessed"
