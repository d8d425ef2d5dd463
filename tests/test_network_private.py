"""The private way in: connections, endpoints and subnets. Each test says what differs from a whole path."""

from __future__ import annotations

from typing import Any

import pytest
from builders import ACCOUNT, reading
from network_samples import (
    ENDPOINT,
    FOREIGN,
    FOREIGN_ENDPOINT,
    GONE,
    OTHER_ENDPOINT,
    VNET,
    connected,
    connection,
    denied,
    finding,
    network,
    private_endpoint,
    status,
)

from aoai_lib.model import Reading, State


@pytest.mark.parametrize("control", ["NET-05", "NET-06", "NET-07", "NET-08", "NET-09", "NET-11"])
def test_a_whole_path_passes(control: str) -> None:
    assert status(control) == "pass"


@pytest.mark.parametrize(
    ("connections", "expected"),
    [
        ([connection("Approved")], "pass"),
        ([connection("approved")], "pass"),
        ([connection("Pending"), connection("Approved")], "pass"),
        ([connection("Pending")], "fail"),
        ([connection("Rejected")], "fail"),
        ([connection("Disconnected")], "fail"),
        ([connection(None)], "fail"),
        ([{"name": "pe.1", "properties": {"provisioningState": "Succeeded"}}], "fail"),
        ([], "fail"),
    ],
)
def test_only_an_approved_connection_counts(connections: list[Any], expected: str) -> None:
    assert status("NET-05", connected(*connections)) == expected


def test_an_unread_account_may_have_endpoints() -> None:
    found = finding("NET-07", denied("account", ACCOUNT))
    assert (found.subject.id, found.status.value) == (ACCOUNT, "not_assessed")
    assert "account/read" in found.reason


def test_a_connection_that_does_not_carry_traffic_leaves_nothing_else_to_judge() -> None:
    for control in ("NET-06", "NET-07", "NET-08", "NET-09", "NET-11"):
        assert status(control, connected(connection("Rejected"))) == "not_applicable", control


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([connected(connection(endpoint=None))], "fail"),
        ([connected(connection(endpoint=ENDPOINT.upper()))], "pass"),
        ([connected(connection(endpoint=FOREIGN_ENDPOINT))], "fail"),
        ([connected(connection(), connection(endpoint=FOREIGN_ENDPOINT))], "fail"),
        ([connected(connection("Pending", FOREIGN_ENDPOINT), connection())], "pass"),
        ([connected(connection(endpoint=OTHER_ENDPOINT))], "fail"),
        ([reading("private_endpoint", ENDPOINT, private_endpoint(target=ACCOUNT.upper()))], "pass"),
        ([reading("private_endpoint", ENDPOINT, private_endpoint(manual=True))], "pass"),
        ([reading("private_endpoint", ENDPOINT, private_endpoint(target="svc.guid.azure.privatelinkservice"))], "pass"),
        ([reading("private_endpoint", ENDPOINT, private_endpoint(target=f"{ACCOUNT}-two"))], "fail"),
        ([denied("private_endpoint", ENDPOINT)], "not_assessed"),
        ([denied("private_endpoint", ENDPOINT, GONE)], "fail"),
    ],
)
def test_an_approved_connection_belongs_to_a_known_endpoint(readings: list[Reading], expected: str) -> None:
    assert status("NET-06", *readings) == expected


@pytest.mark.parametrize(
    ("state", "expected"), [(State.COLLECTED, "pass"), (State.DENIED, "not_assessed"), (GONE, "fail")]
)
def test_an_endpoint_in_an_approved_subscription_is_looked_at_there(state: State, expected: str) -> None:
    value = private_endpoint() if state is State.COLLECTED else None
    found = finding(
        "NET-06",
        connected(connection(endpoint=FOREIGN_ENDPOINT)),
        reading("private_endpoint", FOREIGN_ENDPOINT, value, state, permission="pe/read", code="ResourceNotFound"),
        requirements={"approved_subscriptions": [FOREIGN.upper()]},
    )
    assert found.status.value == expected
    assert expected != "not_assessed" or "pe/read" in found.reason


def test_an_endpoint_that_can_not_be_read_is_not_assessed_with_the_permission() -> None:
    for control in ("NET-07", "NET-08", "NET-09", "NET-11"):
        found = finding(control, denied("private_endpoint", ENDPOINT))
        assert found.status.value == "not_assessed", control
        assert "private_endpoint/read" in found.reason


@pytest.mark.parametrize("order", [("Rejected", "Approved"), ("Approved", "Rejected")])
def test_of_two_connections_to_an_endpoint_the_approved_one_counts(order: tuple[str, str]) -> None:
    assert status("NET-11", connected(*(connection(state) for state in order))) == "pass"


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ("Enabled", "pass"),
        ("NetworkSecurityGroupEnabled", "pass"),
        ("RouteTableEnabled", "fail"),
        ("Disabled", "fail"),
        (None, "fail"),
    ],
)
def test_only_some_policies_make_security_rules_count(policies: str | None, expected: str) -> None:
    assert status("NET-11", reading("virtual_network", VNET, network(policies=policies))) == expected


def test_a_subnet_whose_network_can_not_be_read_is_not_assessed() -> None:
    assert status("NET-11", denied("virtual_network", VNET)) == "not_assessed"
    assert status("NET-11", reading("virtual_network", VNET, {"id": VNET, "properties": {}})) == "fail"
