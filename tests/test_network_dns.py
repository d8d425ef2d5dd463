"""Names: zone groups, records and links. Each test says what differs from a whole path."""

from __future__ import annotations

import pytest
from builders import ACCOUNT, SUBSCRIPTION, reading
from network_samples import (
    ENDPOINT,
    GONE,
    NIC,
    OTHER_ENDPOINT,
    SPOKE,
    VNET,
    ZONE,
    connected,
    connection,
    denied,
    finding,
    interface,
    links,
    network,
    private_endpoint,
    record,
    status,
    zone_group,
)

from aoai_lib.model import Reading, State


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
