"""The private way in: connections, endpoints, zones, records, links. Each test says what differs from a whole path."""

from __future__ import annotations

import json
from typing import Any

import pytest
from builders import ACCOUNT, GROUP, SUBSCRIPTION, account, reading, snapshot

from aoai_lib.assess import judge
from aoai_lib.controls import catalogue
from aoai_lib.model import Finding, Reading, Snapshot, State
from aoai_lib.private_path import LinkState, private_path

NETWORK = f"{GROUP}/providers/Microsoft.Network"
ENDPOINT = f"{NETWORK}/privateEndpoints/pe"
OTHER_ENDPOINT = f"{NETWORK}/privateEndpoints/pe-two"
VNET = f"{NETWORK}/virtualNetworks/hub"
SPOKE = f"{NETWORK}/virtualNetworks/spoke"
SUBNET = f"{VNET}/subnets/endpoints"
NIC = f"{NETWORK}/networkInterfaces/pe.nic"
# A sovereign suffix: nothing may be known of it but what the service says.
ZONE_NAME = "privatelink.openai.azure.us"
ZONE = f"{NETWORK}/privateDnsZones/{ZONE_NAME}"
FOREIGN = "99999999-0000-4000-8000-000000000009"
FOREIGN_ENDPOINT = ENDPOINT.replace(SUBSCRIPTION, FOREIGN)
GONE = State.NOT_FOUND


def connection(status: str | None = "Approved", endpoint: str | None = ENDPOINT) -> dict[str, Any]:
    """A connection as the account embeds it: no provisioning state, no etag."""
    state = {"status": status, "description": "", "actionsRequired": "None"}
    properties: dict[str, Any] = {"groupIds": ["account"], "privateLinkServiceConnectionState": state}
    if endpoint is not None:
        properties["privateEndpoint"] = {"id": endpoint}
    return {"id": f"{ACCOUNT}/privateEndpointConnections/pe.1", "name": "pe.1", "properties": properties}


def private_endpoint(target: str = ACCOUNT, manual: bool = False, **properties: Any) -> dict[str, Any]:
    """An endpoint with a DNS zone group: its `customDnsConfigs` is empty."""
    link = {"name": "account", "properties": {"privateLinkServiceId": target, "groupIds": ["account"]}}
    return {
        "id": ENDPOINT,
        "name": "pe",
        "properties": {
            "privateLinkServiceConnections": [] if manual else [link],
            "manualPrivateLinkServiceConnections": [link] if manual else [],
            "subnet": {"id": SUBNET},
            "networkInterfaces": [{"id": NIC}],
            "customDnsConfigs": [],
            **properties,
        },
    }


def interface(address: str = "10.0.0.4") -> dict[str, Any]:
    config = {
        "privateIPAddress": address,
        "privateLinkConnectionProperties": {
            "groupId": "account",
            "requiredMemberName": "default",
            "fqdns": ["acct.openai.azure.us"],
        },
    }
    return {"id": NIC, "properties": {"ipConfigurations": [{"name": "one", "properties": config}]}}


def zone_group(*zones: str) -> list[dict[str, Any]]:
    configs = [{"name": f"z{number}", "properties": {"privateDnsZoneId": zone}} for number, zone in enumerate(zones)]
    return [{"id": f"{ENDPOINT}/privateDnsZoneGroups/default", "properties": {"privateDnsZoneConfigs": configs}}]


def network(
    arm_id: str = VNET, *peers: str, policies: str | None = "Enabled", state: str = "Connected", **more: Any
) -> Any:
    properties = {} if policies is None else {"privateEndpointNetworkPolicies": policies}
    peerings = [
        {"name": "p", "properties": {"peeringState": state, "remoteVirtualNetwork": {"id": peer}}} for peer in peers
    ]
    return {
        "id": arm_id,
        "properties": {
            "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
            "subnets": [{"id": f"{arm_id}/subnets/endpoints", "name": "endpoints", "properties": properties}],
            "virtualNetworkPeerings": peerings,
            **more,
        },
    }


def links(*networks: str, state: str | None = "Completed") -> list[dict[str, Any]]:
    shown = {} if state is None else {"virtualNetworkLinkState": state}
    return [{"name": "l", "properties": {"virtualNetwork": {"id": each}, **shown}} for each in networks]


def record(*addresses: str, zone: str = ZONE) -> Reading:
    entries = [{"ipv4Address": address} for address in addresses]
    return reading("dns_a_record", f"{zone}/A/acct", {"properties": {"aRecords": entries, "ttl": 10}})


def denied(source: str, scope: str, state: State = State.DENIED) -> Reading:
    return reading(source, scope, None, state, reason=f"GET {scope} answered 403", permission=f"{source}/read")


def whole(*differing: Reading, requirements: dict[str, Any] | None = None) -> Snapshot:
    """A snapshot in which the private path holds from end to end, but for what a test says."""
    required = {"value": [{"properties": {"groupId": "account", "requiredZoneNames": [ZONE_NAME]}}]}
    return snapshot(
        reading("account", ACCOUNT, account(privateEndpointConnections=[connection()])),
        reading("private_link_resources", ACCOUNT, required),
        reading("private_endpoints", SUBSCRIPTION, [ENDPOINT]),
        reading("private_endpoint", ENDPOINT, private_endpoint()),
        reading("private_dns_zone_groups", ENDPOINT, zone_group(ZONE)),
        reading("network_interface", NIC, interface()),
        reading("virtual_networks", SUBSCRIPTION, [VNET]),
        reading("virtual_network", VNET, network()),
        reading("private_dns_zones", SUBSCRIPTION, [ZONE]),
        reading("private_dns_zone", ZONE, {"id": ZONE}),
        reading("dns_zone_links", ZONE, links(VNET)),
        reading("dns_a_records", ZONE, [f"{ZONE}/A/acct"]),
        record("10.0.0.4"),
        *differing,
        requirements=requirements,
    )


def finding(control: str, *differing: Reading, requirements: dict[str, Any] | None = None) -> Finding:
    declared = [each for each in catalogue() if each.id == control]
    return judge(whole(*differing, requirements=requirements), declared)[0]


def status(control: str, *differing: Reading, requirements: dict[str, Any] | None = None) -> str:
    return finding(control, *differing, requirements=requirements).status.value


def connected(*connections: Any) -> Reading:
    return reading("account", ACCOUNT, account(privateEndpointConnections=list(connections)))


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
        reading("private_endpoint", FOREIGN_ENDPOINT, value, state, reason="GET … answered 403", permission="pe/read"),
        requirements={"approved_subscriptions": [FOREIGN.upper()]},
    )
    assert found.status.value == expected
    assert expected != "not_assessed" or "pe/read" in found.reason


def test_an_endpoint_that_can_not_be_read_is_not_assessed_with_the_permission() -> None:
    for control in ("NET-07", "NET-08", "NET-09", "NET-11"):
        found = finding(control, denied("private_endpoint", ENDPOINT))
        assert found.status.value == "not_assessed", control
        assert "private_endpoint/read" in found.reason


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([reading("private_dns_zone_groups", ENDPOINT, zone_group(ZONE.upper()))], "pass"),
        ([reading("private_dns_zone_groups", ENDPOINT, zone_group(ZONE.replace(".us", ".com")))], "fail"),
        ([reading("private_dns_zone_groups", ENDPOINT, zone_group())], "fail"),
        ([reading("private_dns_zone_groups", ENDPOINT, [])], "fail"),
        ([reading("private_dns_zone_groups", ENDPOINT, [], State.PARTIAL)], "not_assessed"),
        ([denied("private_dns_zone_groups", ENDPOINT)], "not_assessed"),
        ([denied("private_link_resources", ACCOUNT)], "not_assessed"),
        ([reading("private_link_resources", ACCOUNT, {"value": []})], "not_assessed"),
        ([reading("private_link_resources", ACCOUNT, {"value": {}})], "not_assessed"),
    ],
)
def test_the_zone_group_covers_what_the_service_requires(readings: list[Reading], expected: str) -> None:
    assert status("NET-07", *readings) == expected


def test_every_required_zone_of_a_foundry_account_is_asked_for() -> None:
    names = [
        "privatelink.openai.azure.us",
        "privatelink.cognitiveservices.azure.us",
        "privatelink.services.ai.azure.us",
    ]
    required = {"value": [{"properties": {"groupId": "account", "requiredZoneNames": names}}]}
    found = finding("NET-07", reading("private_link_resources", ACCOUNT, required))
    assert found.status.value == "fail"
    assert "“privatelink.cognitiveservices.azure.us”, “privatelink.services.ai.azure.us”" in found.reason


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([record("10.0.0.9")], "fail"),
        ([record()], "fail"),
        ([record("10.0.0.4", "10.0.0.9")], "fail"),
        ([reading("network_interface", NIC, interface("10.0.0.9"))], "fail"),
        ([denied("dns_a_record", f"{ZONE}/A/acct", GONE)], "fail"),
        ([denied("dns_a_record", f"{ZONE}/A/acct")], "not_assessed"),
        ([denied("network_interface", NIC)], "not_assessed"),
        ([denied("network_interface", NIC, GONE)], "not_assessed"),
        ([connected(connection()), reading("dns_a_record", f"{ZONE}/A/acct", {"properties": []})], "not_assessed"),
    ],
)
def test_a_record_holds_the_endpoints_address_and_no_other(readings: list[Reading], expected: str) -> None:
    assert status("NET-08", *readings) == expected


def test_without_a_zone_group_the_endpoint_itself_says_its_addresses() -> None:
    spoken = private_endpoint(customDnsConfigs=[{"fqdn": "acct.openai.azure.us", "ipAddresses": ["10.0.0.4"]}])
    by_hand = [
        reading("private_endpoint", ENDPOINT, spoken),
        reading("private_dns_zone_groups", ENDPOINT, []),
        denied("network_interface", NIC),
    ]
    assert status("NET-07", *by_hand) == "fail"
    assert status("NET-08", *by_hand) == "pass"
    assert status("NET-08", *by_hand, record("10.0.0.77")) == "fail"
    assert status("NET-08", *by_hand, record("10.0.0.77"), denied("private_dns_zones", SUBSCRIPTION)) == "not_assessed"
    nothing = [reading("private_dns_zones", SUBSCRIPTION, [])]
    assert status("NET-08", *by_hand, *nothing) == "fail"
    assert status("NET-09", *by_hand, *nothing) == "fail"


def test_a_missing_link_counts_only_where_every_zone_of_the_name_is_known() -> None:
    by_hand = [reading("private_dns_zone_groups", ENDPOINT, []), reading("dns_zone_links", ZONE, links(SPOKE))]
    assert status("NET-09", *by_hand) == "fail"
    more = reading("private_dns_zones", SUBSCRIPTION, [ZONE], State.PARTIAL)
    assert status("NET-09", *by_hand, more) == "not_assessed"


def test_each_public_name_has_an_address_of_its_own() -> None:
    nic = interface("10.0.0.4")
    second = {
        "privateIPAddress": "10.0.0.5",
        "privateLinkConnectionProperties": {"fqdns": ["acct.services.ai.azure.us"]},
    }
    nic["properties"]["ipConfigurations"].append({"name": "two", "properties": second})
    both = reading("network_interface", NIC, nic)
    assert status("NET-08", both, record("10.0.0.4")) == "pass"
    assert status("NET-08", both, record("10.0.0.5")) == "fail"


@pytest.mark.parametrize("order", [("Rejected", "Approved"), ("Approved", "Rejected")])
def test_of_two_connections_to_an_endpoint_the_approved_one_counts(order: tuple[str, str]) -> None:
    assert status("NET-11", connected(*(connection(state) for state in order))) == "pass"


def test_two_endpoints_may_share_a_record() -> None:
    second = {**private_endpoint(networkInterfaces=[{"id": f"{NIC}.two"}]), "id": OTHER_ENDPOINT}
    differing = [
        connected(connection(), connection(endpoint=OTHER_ENDPOINT)),
        reading("private_endpoint", OTHER_ENDPOINT, second),
        reading("network_interface", f"{NIC}.two", {**interface("10.0.0.9"), "id": f"{NIC}.two"}),
        record("10.0.0.4", "10.0.0.9"),
    ]
    assert status("NET-08", *differing) == "pass"
    assert status("NET-08", *differing, denied("network_interface", f"{NIC}.two")) == "not_assessed"


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([reading("dns_zone_links", ZONE, links(VNET.upper()))], "pass"),
        ([reading("dns_zone_links", ZONE, links(VNET, state=None))], "pass"),
        ([reading("dns_zone_links", ZONE, links(VNET, state="InProgress"))], "fail"),
        ([reading("dns_zone_links", ZONE, links(SPOKE))], "fail"),
        ([reading("dns_zone_links", ZONE, [])], "fail"),
        ([reading("dns_zone_links", ZONE, [], State.PARTIAL)], "not_assessed"),
        ([denied("dns_zone_links", ZONE)], "not_assessed"),
        ([denied("dns_zone_links", ZONE, GONE)], "fail"),
        ([denied("virtual_network", VNET)], "not_assessed"),
        ([reading("virtual_network", VNET, network(VNET, SPOKE))], "fail"),
        ([reading("virtual_network", VNET, network(VNET, SPOKE, state="Disconnected"))], "pass"),
        (
            [
                reading("virtual_network", VNET, network(VNET, SPOKE)),
                reading("dns_zone_links", ZONE, links(VNET, SPOKE)),
            ],
            "pass",
        ),
    ],
)
def test_zones_are_linked_to_the_endpoints_network_and_its_peers(readings: list[Reading], expected: str) -> None:
    assert status("NET-09", *readings) == expected


def test_a_consumer_network_that_the_parameters_name_must_be_linked() -> None:
    requirements = {"consumer_vnets": [SPOKE]}
    assert status("NET-09", requirements=requirements) == "fail"
    both = reading("dns_zone_links", ZONE, links(VNET, SPOKE))
    assert status("NET-09", both, requirements=requirements) == "pass"


@pytest.mark.parametrize(
    ("servers", "expected"), [(["10.0.3.4"], "pass"), (["10.0.3.4", "192.0.2.53"], "fail"), ([], "fail")]
)
def test_a_spoke_may_ask_the_hubs_dns_servers_instead(servers: list[str], expected: str) -> None:
    hub_and_spoke = [
        reading("virtual_network", VNET, network(VNET, SPOKE)),
        reading("virtual_network", SPOKE, network(SPOKE, dhcpOptions={"dnsServers": servers})),
    ]
    assert status("NET-09", *hub_and_spoke) == expected


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


def test_the_path_is_joined_from_account_to_network() -> None:
    path = private_path(whole(), ACCOUNT)
    assert path.state is LinkState.BROKEN
    (only,) = path.endpoints
    kinds = [(link.kind, link.state.value) for link in only.links]
    assert kinds == [
        ("connection", "ok"),
        ("endpoint", "ok"),
        ("subnet", "ok"),
        ("policies", "ok"),
        ("security_group", "broken"),
        ("zone_group", "ok"),
        ("zone", "ok"),
        ("record", "ok"),
        ("network", "ok"),
    ]


def link_states(*differing: Reading, requirements: dict[str, Any] | None = None) -> dict[str, str]:
    """The state of each kind of link on the only path."""
    path = private_path(whole(*differing, requirements=requirements), ACCOUNT)
    return {link.kind: link.state.value for link in path.endpoints[0].links}


def test_the_path_shows_where_it_breaks_and_what_is_unknown() -> None:
    assert link_states(connected(connection("Pending"))) == {"connection": "broken"}
    assert link_states(denied("private_endpoint", ENDPOINT)) == {"connection": "ok", "endpoint": "unknown"}
    assert link_states(denied("private_endpoint", ENDPOINT, GONE)) == {"connection": "ok", "endpoint": "broken"}
    assert link_states(record("10.0.0.9"))["record"] == "broken"
    assert link_states(denied("dns_a_record", f"{ZONE}/A/acct"))["record"] == "unknown"
    assert link_states(denied("dns_zone_links", ZONE))["zone_links"] == "unknown"
    assert link_states(denied("dns_zone_links", ZONE, GONE))["zone"] == "broken"
    assert link_states(denied("virtual_network", VNET))["subnet"] == "unknown"
    assert link_states(reading("private_dns_zone_groups", ENDPOINT, []))["zone_group"] == "broken"
    assert link_states(requirements={"consumer_vnets": [SPOKE]})["network"] == "broken"


def test_an_account_without_endpoint_or_answer_has_no_path() -> None:
    assert private_path(whole(connected()), ACCOUNT).state is LinkState.BROKEN
    unread = private_path(whole(denied("account", ACCOUNT)), ACCOUNT)
    assert unread.account.state is LinkState.UNKNOWN
    assert unread.endpoints == ()


def test_the_path_can_be_stored() -> None:
    from dataclasses import asdict

    stored = json.loads(json.dumps(asdict(private_path(whole(), ACCOUNT))))
    assert stored["endpoints"][0]["endpoint"] == ENDPOINT
