"""The public way in: what the firewall, its rules and the perimeter around an account come to."""

from __future__ import annotations

from typing import Any

import pytest
from builders import ACCOUNT, GROUP, SUBSCRIPTION, account, reading, snapshot

from aoai_lib.assess import judge
from aoai_lib.controls import catalogue
from aoai_lib.model import Finding, Reading, State

PERIMETERS = "network_security_perimeters"
VNET = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet"
SUBNET = f"{VNET}/subnets/apps"


def finding(control: str, *readings: Reading, requirements: dict[str, Any] | None = None, **values: Any) -> Finding:
    """One control's finding about the account. No perimeter is associated unless a test says so."""
    values.setdefault(PERIMETERS, [])
    declared = [each for each in catalogue() if each.id == control]
    (found,) = judge(snapshot(*readings, requirements=requirements, **values), declared)
    return found


def status(control: str, *readings: Reading, requirements: dict[str, Any] | None = None, **values: Any) -> str:
    """The verdict alone."""
    return finding(control, *readings, requirements=requirements, **values).status.value


def perimeter(mode: str = "Enforced", *inbound: str, state: str = "Succeeded") -> dict[str, Any]:
    """An association as the account's `networkSecurityPerimeterConfigurations` list it."""
    return {
        "id": f"{ACCOUNT}/networkSecurityPerimeterConfigurations/guid.one",
        "name": "guid.one",
        "properties": {
            "provisioningState": state,
            "networkSecurityPerimeter": {"id": f"{GROUP}/providers/Microsoft.Network/networkSecurityPerimeters/nsp"},
            "resourceAssociation": {"name": "one", "accessMode": mode},
            "profile": {
                "accessRules": [
                    {"name": "in", "properties": {"direction": "Inbound", "addressPrefixes": list(inbound)}},
                    {
                        "name": "out",
                        "properties": {"direction": "Outbound", "fullyQualifiedDomainNames": ["a.example"]},
                    },
                ]
            },
        },
    }


def unread(state: State, source: str = PERIMETERS) -> Reading:
    return reading(source, ACCOUNT, None, state, reason="GET … answered 403 AuthorizationFailed", permission="p/read")


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"publicNetworkAccess": "Disabled"}, "pass"),
        ({"publicNetworkAccess": "disabled"}, "pass"),
        ({"publicNetworkAccess": "Enabled"}, "fail"),
        ({"publicNetworkAccess": None}, "fail"),
        ({}, "fail"),
        ({"publicNetworkAccess": "SecuredBySomethingNew"}, "fail"),
        ({"publicNetworkAccess": True}, "not_assessed"),
    ],
)
def test_public_access_is_open_unless_the_service_says_disabled(properties: dict[str, Any], expected: str) -> None:
    assert status("NET-01", account=account(**properties)) == expected


@pytest.mark.parametrize(
    ("association", "expected"),
    [
        (perimeter("Enforced"), "pass"),
        (perimeter("enforced", "203.0.113.0/24"), "pass"),
        (perimeter("Enforced", "0.0.0.0/0"), "fail"),
        (perimeter("Enforced", "203.0.113.0/24", "::/0"), "fail"),
        (perimeter("Enforced", "anywhere"), "not_assessed"),
        (perimeter("Learning"), "fail"),
        (perimeter("Audit"), "fail"),
        (perimeter("Enforced", state="Failed"), "fail"),
    ],
)
def test_only_an_enforced_perimeter_overrides_the_accounts_own_switch(
    association: dict[str, Any], expected: str
) -> None:
    values = {"account": account(publicNetworkAccess="Enabled"), PERIMETERS: [association]}
    assert status("NET-01", **values) == expected


@pytest.mark.parametrize(
    ("access", "association", "public", "firewall", "perimeter_itself"),
    [
        ("Disabled", None, "pass", "not_applicable", "not_applicable"),
        ("SecuredByPerimeter", None, "pass", "not_applicable", "not_applicable"),
        ("Disabled", perimeter("Learning"), "pass", "not_applicable", "fail"),
        ("Disabled", perimeter("Learning", "0.0.0.0/0"), "fail", "not_applicable", "fail"),
        ("SecuredByPerimeter", perimeter("Learning", "::/0"), "fail", "not_applicable", "fail"),
        ("Enabled", perimeter("Learning", "nonsense"), "fail", "fail", "fail"),
        ("Enabled", perimeter("Enforced"), "pass", "not_applicable", "pass"),
        ("Disabled", perimeter("Enforced"), "pass", "not_applicable", "pass"),
    ],
)
def test_who_gets_in_by_switch_and_perimeter(
    access: str, association: Any, public: str, firewall: str, perimeter_itself: str
) -> None:
    """The table of "Transition to a network security perimeter" (Microsoft Learn): inbound, by access mode and switch."""
    values = {"account": account(publicNetworkAccess=access), PERIMETERS: [association] if association else []}
    assert [status(each, **values) for each in ("NET-01", "NET-02", "NET-15")] == [public, firewall, perimeter_itself]


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (State.NOT_FOUND, "ResourceNotFound"),
        (State.NOT_FOUND, "InvalidResourceType"),
        (State.FAILED, "MissingSubscriptionRegistration"),
        (State.FAILED, "SubscriptionNotRegisteredForFeature"),
    ],
)
def test_where_perimeters_are_not_offered_none_is_associated(state: State, code: str) -> None:
    unoffered = reading(PERIMETERS, ACCOUNT, None, state, reason=f"GET … answered {code}", code=code)
    values = {"account": account(publicNetworkAccess="Disabled")}
    assert status("NET-01", unoffered, **values) == "pass"
    assert finding("NET-15", unoffered, **values).status.value == "not_applicable"
    assert finding("NET-15", unoffered, **values).observed


def test_several_associations_are_judged_together() -> None:
    """Cognitive Services lists an association for each perimeter: the most open decides."""
    both = [perimeter("Enforced"), perimeter("Learning", "0.0.0.0/0")]
    assert status("NET-01", account=account(publicNetworkAccess="Enabled"), **{PERIMETERS: both}) == "fail"
    assert status("NET-15", **{PERIMETERS: both}) == "fail"


def test_an_enforced_perimeter_that_lets_in_everybody_opens_an_account_whose_access_is_disabled() -> None:
    values = {"account": account(publicNetworkAccess="Disabled"), PERIMETERS: [perimeter("Enforced", "0.0.0.0/0")]}
    assert status("NET-01", **values) == "fail"
    assert status("NET-02", **values) == "not_applicable"


@pytest.mark.parametrize(
    ("access", "state", "expected"),
    [
        ("Disabled", State.DENIED, "not_assessed"),
        ("Disabled", State.FAILED, "not_assessed"),
        ("Disabled", State.NOT_FOUND, "not_assessed"),  # a 404 without a code of the service's
        ("Disabled", State.NOT_COLLECTED, "pass"),
        ("Enabled", State.DENIED, "fail"),
        ("Enabled", State.NOT_COLLECTED, "fail"),
    ],
)
def test_a_perimeter_that_could_not_be_read_never_hides_an_open_account(
    access: str, state: State, expected: str
) -> None:
    found = finding("NET-01", unread(state), account=account(publicNetworkAccess=access))
    assert found.status.value == expected
    assert found.status.value == "not_assessed" or "perimeter" in found.reason


@pytest.mark.parametrize(
    ("state", "action", "expected"),
    [
        (State.DENIED, "Deny", "not_assessed"),
        (State.FAILED, "Deny", "not_assessed"),
        (State.NOT_COLLECTED, "Deny", "pass"),
        (State.DENIED, "Allow", "fail"),
    ],
)
def test_a_firewall_passes_only_where_no_perimeter_can_decide_in_its_place(
    state: State, action: str, expected: str
) -> None:
    own = account(publicNetworkAccess="Enabled", networkAcls={"defaultAction": action})
    assert status("NET-02", unread(state), account=own) == expected


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, "fail"),
        ({"networkAcls": None}, "fail"),
        ({"networkAcls": {"defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": []}}, "fail"),
        ({"networkAcls": {"ipRules": [{"value": "203.0.113.7"}]}}, "fail"),
        ({"networkAcls": {"defaultAction": "Deny", "ipRules": [], "virtualNetworkRules": []}}, "pass"),
        ({"networkAcls": {"defaultAction": "Allow"}, "publicNetworkAccess": "Disabled"}, "not_applicable"),
    ],
)
def test_the_default_action_counts_while_public_access_is_on(properties: dict[str, Any], expected: str) -> None:
    assert status("NET-02", account=account(**properties)) == expected


@pytest.mark.parametrize(
    ("rules", "approved", "expected"),
    [
        ([], [], "pass"),
        (["203.0.113.7"], [], "fail"),
        (["203.0.113.7"], ["203.0.113.0/24"], "pass"),
        (["203.0.113.0/24", "198.51.100.0/24"], ["203.0.113.0/24"], "fail"),
        (["203.0.113.0/23"], ["203.0.113.0/24"], "fail"),
        (["0.0.0.0/0"], ["0.0.0.0/0"], "fail"),
        (["0.0.0.0/1", "128.0.0.0/1"], ["0.0.0.0/0"], "fail"),
        (["20.0.0.0/8"], [], "fail"),
        (["10.1.0.0/16"], ["10.0.0.0/8"], "pass"),
        (["203.0.113.9/24"], ["203.0.113.0/24"], "pass"),
        (["2001:db8::/32"], ["2001:db8::/32"], "pass"),
        (["2001:db8::/32"], ["203.0.113.0/24"], "fail"),
        (["not an address"], [], "not_assessed"),
        (["not an address", "203.0.113.7"], [], "fail"),
        (["203.0.113.7"], ["everything"], "not_assessed"),
    ],
)
def test_an_ip_rule_must_lie_in_an_approved_range(rules: list[str], approved: list[str], expected: str) -> None:
    acls = {"defaultAction": "Deny", "ipRules": [{"value": rule} for rule in rules]}
    requirements = {"approved_source_ranges": approved}
    assert status("NET-03", account=account(networkAcls=acls), requirements=requirements) == expected


def test_a_dormant_ip_rule_counts_and_names_itself() -> None:
    acls = {"defaultAction": "Deny", "ipRules": [{"value": "0.0.0.0/0"}]}
    found = finding("NET-03", account=account(networkAcls=acls, publicNetworkAccess="Disabled"))
    assert found.status.value == "fail"
    assert "“0.0.0.0/0”" in found.reason


def test_a_perimeters_ranges_are_held_to_the_same() -> None:
    values = {PERIMETERS: [perimeter("Enforced", "198.51.100.0/24")]}
    assert status("NET-03", **values) == "fail"
    assert status("NET-03", requirements={"approved_source_ranges": ["198.51.100.0/24"]}, **values) == "pass"
    assert status("NET-03", **{PERIMETERS: [perimeter("Learning", "0.0.0.0/0")]}) == "fail"
    assert status("NET-03", unread(State.DENIED)) == "not_assessed"


@pytest.mark.parametrize(
    ("acls", "approved", "expected"),
    [
        (None, False, "pass"),
        ({"defaultAction": "Deny"}, False, "pass"),
        ({"bypass": "None"}, False, "pass"),
        ({"bypass": "AzureServices"}, False, "fail"),
        ({"bypass": "AzureServices"}, True, "pass"),
        ({"bypass": "Logging"}, True, "fail"),
    ],
)
def test_a_bypass_is_a_decision_of_its_own(acls: Any, approved: bool, expected: str) -> None:
    values = {"account": account(networkAcls=acls), "requirements": {"approved_bypass": approved}}
    assert status("NET-04", **values) == expected


@pytest.mark.parametrize(("name", "expected"), [("acct", "pass"), ("", "fail"), (None, "fail")])
def test_a_custom_subdomain(name: str | None, expected: str) -> None:
    assert status("NET-10", account=account(customSubDomainName=name)) == expected


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, "fail"),
        ({"restrictOutboundNetworkAccess": False, "allowedFqdnList": ["a.example"]}, "fail"),
        ({"restrictOutboundNetworkAccess": True}, "fail"),
        ({"restrictOutboundNetworkAccess": True, "allowedFqdnList": []}, "fail"),
        ({"restrictOutboundNetworkAccess": True, "allowedFqdnList": ["*"]}, "fail"),
        ({"restrictOutboundNetworkAccess": True, "allowedFqdnList": ["a.example", ""]}, "fail"),
        ({"restrictOutboundNetworkAccess": True, "allowedFqdnList": ["a.example", "203.0.113.7"]}, "pass"),
        ({"restrictOutboundNetworkAccess": "true", "allowedFqdnList": ["a.example"]}, "not_assessed"),
    ],
)
def test_outbound_restriction_needs_a_list(properties: dict[str, Any], expected: str) -> None:
    assert status("NET-14", account=account(**properties)) == expected


@pytest.mark.parametrize(
    ("associations", "expected"),
    [
        ([], "not_applicable"),
        ([perimeter("Enforced")], "pass"),
        ([perimeter("Learning")], "fail"),
        ([perimeter("Enforced"), perimeter("Audit")], "fail"),
        ([perimeter("Enforced", state="Failed")], "fail"),
        ([perimeter("")], "fail"),
    ],
)
def test_an_associated_perimeter_is_enforced(associations: list[Any], expected: str) -> None:
    assert status("NET-15", **{PERIMETERS: associations}) == expected


def network(*services: str, name: str = "apps") -> dict[str, Any]:
    """A virtual network with one subnet, as the subscription's list answers it."""
    endpoints = [{"service": service, "provisioningState": "Succeeded", "locations": ["*"]} for service in services]
    subnet = {"id": f"{VNET}/subnets/{name}", "name": name, "properties": {"serviceEndpoints": endpoints}}
    return {"id": VNET, "name": "vnet", "properties": {"subnets": [subnet]}}


def networks(*found: dict[str, Any], state: State = State.COLLECTED) -> list[Reading]:
    """A subscription's virtual networks, listed, and each by itself."""
    ids = [each["id"] for each in found]
    reason = "" if state is State.COLLECTED else "GET … answered 403"
    singles = [reading("virtual_network", each["id"], each) for each in found]
    return [reading("virtual_networks", SUBSCRIPTION, ids, state, reason=reason), *singles]


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        (networks(network("Microsoft.CognitiveServices")), "pass"),
        (networks(network("microsoft.cognitiveservices")), "pass"),
        (networks(network("Microsoft.Storage")), "fail"),
        (networks(network()), "fail"),
        (networks(network("Microsoft.CognitiveServices", name="other")), "fail"),
        (networks(), "fail"),
        (networks(state=State.DENIED), "not_assessed"),
        (networks(state=State.PARTIAL), "not_assessed"),
        ([reading("virtual_network", VNET, None, State.NOT_FOUND, code="ResourceNotFound")], "fail"),
        ([reading("virtual_network", VNET, None, State.NOT_FOUND, code="SubscriptionNotFound")], "not_assessed"),
        ([], "not_assessed"),
    ],
)
def test_a_subnet_rule_needs_its_subnet_and_the_service_endpoint(readings: list[Reading], expected: str) -> None:
    rule = {"id": SUBNET.upper(), "ignoreMissingVnetServiceEndpoint": True}
    acls = {"defaultAction": "Deny", "virtualNetworkRules": [rule]}
    assert status("NET-16", *readings, account=account(networkAcls=acls)) == expected


def test_without_a_subnet_rule_there_is_nothing_to_judge() -> None:
    assert status("NET-16") == "not_applicable"


def test_an_account_that_could_not_be_read_is_not_assessed() -> None:
    denied = reading("account", ACCOUNT, None, State.DENIED, reason="GET … answered 403", permission="p/read")
    for control in ("NET-01", "NET-02", "NET-03", "NET-04", "NET-05", "NET-06", "NET-10", "NET-14", "NET-16"):
        found = finding(control, denied)
        assert found.status.value == "not_assessed", control
        assert "p/read" in found.reason
