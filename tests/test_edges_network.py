"""Phase 1 at its edges: the values next to those that decide, and what each place looks like where it is not as usual."""

from __future__ import annotations

from typing import Any

import pytest
from builders import ACCOUNT, SUBSCRIPTION, account, reading
from network_samples import (
    ENDPOINT,
    NETWORK,
    NIC,
    OTHER_ENDPOINT,
    connected,
    connection,
    denied,
    private_endpoint,
    whole,
)
from network_samples import finding as of_path
from network_samples import interface as nic
from test_network import PERIMETERS, SUBNET, VNET, finding, networks, perimeter, status
from test_network_observed import (
    FIREWALL,
    INSIDE,
    NAME,
    ON_PREMISES,
    OUTSIDE,
    PEERED,
    PRIVATE,
    PUBLIC,
    REFUSAL,
    at,
    reached,
    seen,
)
from test_network_traffic import DENY_ALL
from traffic_samples import group, rule, verdict

from aoai_lib.controls.network_observed import answers_inside
from aoai_lib.facts import Facts
from aoai_lib.model import Kind, Reading, State, Subject

PEER = "acct.services.ai.azure.us"
"""Another name of the account, which its private link serves too."""


def acls(*rules: str) -> dict[str, Any]:
    return account(networkAcls={"defaultAction": "Deny", "ipRules": [{"value": each} for each in rules]})


# -- the firewall and the perimeter -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("20.0.0.0/8", "pass"), ("20.0.0.0/7", "fail"), ("2001:d00::/24", "pass"), ("2001:c00::/23", "fail")],
)
def test_how_wide_a_range_may_be_that_was_approved(rule: str, expected: str) -> None:
    assert status("NET-03", account=acls(rule), requirements={"approved_source_ranges": [rule]}) == expected


def test_a_pass_says_how_many_rules_there_are() -> None:
    approved = {"approved_source_ranges": ["203.0.113.0/24"]}
    two = finding("NET-03", account=acls("203.0.113.7", "203.0.113.8"), requirements=approved)
    assert two.reason == "Each of the 2 IP rule(s) lies within an approved range."
    assert finding("NET-03", account=acls()).reason.startswith("There is no IP rule")


@pytest.mark.parametrize(
    ("state", "expected"),
    [("Succeeded", "pass"), ("succeeded", "pass"), (None, "pass"), ("Updating", "fail"), ("Failed", "fail")],
)
def test_a_service_endpoint_works_once_it_is_provisioned(state: str | None, expected: str) -> None:
    endpoint = {"service": "Microsoft.CognitiveServices", "provisioningState": state}
    subnet = {"id": SUBNET, "name": "apps", "properties": {"serviceEndpoints": [endpoint]}}
    found = {"id": VNET, "name": "vnet", "properties": {"subnets": [subnet]}}
    body = account(networkAcls={"defaultAction": "Deny", "virtualNetworkRules": [{"id": SUBNET}]})
    assert status("NET-16", *networks(found), account=body) == expected


def test_a_cloud_that_has_no_perimeters_has_none_associated() -> None:
    unoffered = reading(
        PERIMETERS, ACCOUNT, None, State.FAILED, reason="GET … answered 409", code="NoRegisteredProviderFound"
    )
    assert status("NET-15", unoffered) == "not_applicable"


def test_an_association_without_a_state_is_in_force_and_is_told_by_the_perimeters_name() -> None:
    own = perimeter("Enforced")
    del own["properties"]["provisioningState"]
    assert finding("NET-15", **{PERIMETERS: [own]}).reason == "The network security perimeter “nsp” is enforced."
    del own["properties"]["networkSecurityPerimeter"]
    assert finding("NET-15", **{PERIMETERS: [own]}).reason == "The network security perimeter “guid.one” is enforced."


# -- private endpoints and their rules ----------------------------------------------------------------------------------


def test_a_connection_that_can_t_be_read_may_be_the_approved_one() -> None:
    unreadable = connection(endpoint=OTHER_ENDPOINT)
    unreadable["properties"]["privateLinkServiceConnectionState"] = {"status": 5}
    assert of_path("NET-05", connected(connection("Pending"), unreadable)).status.value == "not_assessed"
    assert of_path("NET-05", connected(connection("Pending"))).status.value == "fail"
    assert of_path("NET-05", connected(connection(), unreadable)).status.value == "pass"


@pytest.mark.parametrize(("ports", "expected"), [("0-1023", "not_assessed"), ("0-1024", "fail"), ("65535", "fail")])
def test_callers_come_from_the_ports_from_1024_up(ports: str, expected: str) -> None:
    """Whether an endpoint heeds source ports at all is not known: a rule for ports that no caller has may keep out all, or nobody."""
    rules = (
        rule(100, "Deny", "10.1.0.0/24", "443", "Tcp", sourcePortRange=ports),
        rule(110, "Allow", "10.1.0.0/24", "443", "Tcp"),
        DENY_ALL,
    )
    assert verdict("NET-12", group(*rules)).status.value == expected


@pytest.mark.parametrize("control", ["NET-12", "NET-13"])
def test_nobody_comes_by_a_connection_that_waits(control: str) -> None:
    found = verdict(control, connected(connection("Pending")), group(DENY_ALL))
    assert found.status.value == "not_applicable" and "see NET-05" in found.reason


@pytest.mark.parametrize("control", ["NET-12", "NET-13"])
def test_what_rules_can_t_be_held_against_is_open(control: str) -> None:
    gone = private_endpoint(subnet={"id": f"{NETWORK}/virtualNetworks/hub/subnets/gone"})
    no_subnet = verdict(control, reading("private_endpoint", ENDPOINT, gone))
    assert (no_subnet.status.value, "does not exist: see NET-11" in no_subnet.reason) == ("not_assessed", True)
    no_range = verdict(control, group(DENY_ALL), approved=["everything"])
    assert (no_range.status.value, "can't be used" in no_range.reason) == ("not_assessed", True)


# -- what was observed --------------------------------------------------------------------------------------------------


def unconnected(address: str) -> dict[str, Any]:
    return reached(address, None) | {"tcp": {"connected": False, "error": "timed out"}}


@pytest.mark.parametrize(
    ("inside", "expected", "said"),
    [
        (seen(unconnected(PRIVATE)), "not_assessed", "no connection to 10.0.0.4 came about (timed out)"),
        (seen(reached(PRIVATE, 204)), "pass", ""),
        (seen(reached(PRIVATE, 299)), "pass", ""),
        (seen(reached(PRIVATE, 300)), "not_assessed", "10.0.0.4 answered 300."),
        (seen(reached(PRIVATE, 401)) | {"reached": []}, "not_assessed", "was resolved and not tried further"),
        (seen(reached(PRIVATE, 401, "", verified=False)), "not_assessed", "(no certificate)"),
        (seen(reached(PRIVATE, 401)) | {"dns": {"outcome": "no_data", "addresses": [PRIVATE]}}, "fail", "had no address"),
        (seen(reached(PRIVATE, 401)) | {"dns": {"outcome": "servfail", "addresses": [PRIVATE]}}, "not_assessed", "SERVFAIL"),
        (seen(reached(PRIVATE, 401)) | {"dns": {"outcome": "odd", "addresses": []}}, "not_assessed", "could not be resolved: odd"),
        (seen(reached("fe80::1", 401)), "fail", "fe80::1, which is no address of the account's private endpoints"),
        (seen(reached("nowhere", 401)), "fail", "nowhere, which is no address of the account's private endpoints"),
        (seen(reached(PUBLIC, 401), reached("20.50.1.3", 401)), "fail", "led to 20.50.1.2, an address of the internet and 20.50.1.3"),
        (seen(reached(PRIVATE, 401), name=NAME.upper()), "pass", ""),
    ],
)  # fmt: skip
def test_inside(inside: dict[str, Any], expected: str, said: str) -> None:
    found = of_path("NET-17", at("inside", inside), OUTSIDE)
    assert (found.status.value, said in found.reason) == (expected, True), found.reason


@pytest.mark.parametrize(
    ("outside", "expected", "said"),
    [
        (seen(unconnected(PUBLIC)), "not_assessed", "no connection to 20.50.1.2 came about (timed out)."),
        (seen(reached(PUBLIC, 204)), "fail", "let the caller in: 20.50.1.2 answered 204."),
        (seen(reached(PUBLIC, 299)), "fail", "answered 299"),
        (seen(reached(PUBLIC, 300)), "not_assessed", "answered 300"),
        (seen(reached(PUBLIC, 402)), "not_assessed", "answered 402"),
    ],
)
def test_outside(outside: dict[str, Any], expected: str, said: str) -> None:
    found = of_path("NET-17", INSIDE, at("outside", outside))
    assert (found.status.value, said in found.reason) == (expected, True), found.reason


def test_what_was_open_at_one_time_was_not_right() -> None:
    found = of_path("NET-17", at("inside", seen(reached(PRIVATE, 404)), seen(reached(PUBLIC, 401))), OUTSIDE)
    assert found.status.value == "fail" and "was right at another time" not in found.reason
    right = of_path("NET-17", at("inside", seen(reached(PRIVATE, 401)), seen(reached(PUBLIC, 401))), OUTSIDE)
    assert "was right at another time; leave out the file that is out of date" in right.reason


def test_what_did_not_resolve_was_not_right() -> None:
    gone = of_path("NET-18", at("peered", seen(outcome="nxdomain")), ON_PREMISES)
    assert gone.reason == f"From a peered network, “{NAME}” did not exist."
    lost = of_path("NET-18", at("peered", seen(outcome="servfail"), seen(reached(PUBLIC, 401))), ON_PREMISES)
    assert lost.reason == f"From a peered network, “{NAME}” led to 20.50.1.2, an address of the internet."


NEEDED = reading(
    "private_link_resources",
    ACCOUNT,
    {
        "value": [
            {"properties": {"requiredZoneNames": ["privatelink.openai.azure.us", "privatelink.SERVICES.ai.azure.us"]}}
        ]
    },
)


def test_each_name_is_judged_and_what_holds_for_both_is_said_once() -> None:
    both = [seen(reached(PRIVATE, 401)), seen(reached(PRIVATE, 401), name=PEER)]
    refused = [seen(reached(PUBLIC, 403, REFUSAL)), seen(reached(PUBLIC, 403, FIREWALL), name=PEER)]
    fqdns = nic()
    fqdns["properties"]["ipConfigurations"][0]["properties"]["privateLinkConnectionProperties"]["fqdns"] = [NAME, PEER]
    held = reading("network_interface", NIC, fqdns)
    found = of_path("NET-17", NEEDED, held, at("inside", *both), at("outside", *refused))
    assert (found.status.value, found.reason) == (
        "pass",
        "From inside, 2 name(s) led to the private endpoint and answered; from outside, each was refused with 403.",
    )
    gone = [seen(outcome="nxdomain"), seen(outcome="nxdomain", name=PEER)]
    found = of_path("NET-17", NEEDED, held, at("inside", *gone), at("outside", *refused))
    assert found.reason == f"From inside, “{NAME}” and “{PEER}” did not exist."
    found = of_path("NET-17", NEEDED, held, at("inside", both[0], gone[1]), at("outside", *refused))
    assert found.reason == f"From inside, “{PEER}” did not exist."


def test_wrong_beats_open_and_more_than_three_are_counted() -> None:
    open_one, wrong = seen(reached(PRIVATE, 503)), seen(outcome="nxdomain")
    assert of_path("NET-17", at("inside", open_one, wrong), OUTSIDE).status.value == "fail"
    four = [seen(reached(PRIVATE, status)) for status in (500, 501, 502, 503)]
    found = of_path("NET-17", at("inside", *four), OUTSIDE)
    assert found.status.value == "not_assessed" and found.reason.endswith("answered 502; and 1 more.")
    three = of_path("NET-17", at("inside", *four[:3]), OUTSIDE)
    assert three.reason.endswith("answered 502.") and "more" not in three.reason


def test_who_did_not_look_is_told_with_what_to_run() -> None:
    assert of_path("NET-18", PEERED).reason == (
        f"All is well from a peered network, but nobody looked at “acct” from on-premises. Run `aoai probe --vantage on_premises "
        f"--name {NAME}` there, and merge its file with `aoai assess --with FILE`."
    )
    assert of_path("NET-18").reason == (
        "Nobody looked at “acct” from a peered network or from on-premises. Run `aoai probe --vantage peered "
        "--from RUN_FOLDER` there, and merge its file with `aoai assess --with FILE`."
    )
    odd = reading("reachability_other", ACCOUNT, [{"vantage": "b"}, "x", {"vantage": "a"}, {"vantage": "a"}])
    assert (
        "nobody looked at “acct” from inside; what was seen from “a”, “b” has no stated meaning."
        in of_path("NET-17", OUTSIDE, odd).reason
    )


def test_a_vantage_point_that_saw_none_of_the_accounts_names_saw_nothing() -> None:
    for silent in (at("inside"), at("inside", seen(reached(PRIVATE, 401), name=PEER))):
        assert of_path("NET-17", silent, OUTSIDE).status.value == "not_assessed"
    unasked = reading("private_link_resources", ACCOUNT, None, State.NOT_COLLECTED)
    found = of_path("NET-17", at("inside"), OUTSIDE, unasked)
    assert (found.status.value, found.reason) == ("not_assessed", "None of the account's own names was tried.")
    assert of_path("NET-17", INSIDE, OUTSIDE, unasked).status.value == "pass", "an old recording did not ask"


def test_an_address_may_be_that_of_an_endpoint_that_could_not_be_read() -> None:
    unread = denied("private_endpoint", ENDPOINT)
    found = of_path("NET-18", at("peered", seen(reached("10.9.9.9", 401))), ON_PREMISES, unread)
    assert found.status.value == "not_assessed" and "private_endpoint/read" in found.reason
    both = connected(connection(), connection(endpoint=OTHER_ENDPOINT))
    half = of_path("NET-18", PEERED, ON_PREMISES, both, denied("private_endpoint", OTHER_ENDPOINT))
    assert half.status.value == "pass", "what it led to is held by the endpoint that was read"


def seen_inside(*readings: Reading) -> tuple[str, str]:
    """What a hardening step asks before it closes the public way."""
    found = answers_inside(Facts(whole(*readings), Subject(Kind.ACCOUNT, ACCOUNT, ACCOUNT, SUBSCRIPTION)))
    return found.status.value, found.reason


def test_whether_the_private_way_works_hangs_on_the_inside_alone() -> None:
    upper = account(privateEndpointConnections=[connection()], customSubDomainName="ACCT")
    assert seen_inside(INSIDE)[0] == "pass"
    assert seen_inside(INSIDE, NEEDED)[0] == "not_assessed"
    assert seen_inside(INSIDE, reading("account", ACCOUNT, upper))[0] == "pass"
    assert seen_inside(at("inside", seen(outcome="nxdomain"))) == ("fail", f"From inside, “{NAME}” did not exist.")
    unseen = seen_inside(OUTSIDE)
    assert (unseen[0], "--vantage inside --from" in unseen[1]) == ("not_assessed", True)
    nameless = seen_inside(INSIDE, reading("account", ACCOUNT, account(customSubDomainName=None)))
    assert (nameless[0], "NET-10" in nameless[1]) == ("not_assessed", True)
