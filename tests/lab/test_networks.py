"""What comes of a private endpoint in the lab, and of its removal; subnets and rules."""

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.privatedns import PrivateDnsManagementClient

SHOP = "/subscriptions/2e9a6b71-04cd-4f8e-a1b3-5c6d7e8f9003/resourceGroups"
ACCOUNT = f"{SHOP}/rg-shop/providers/Microsoft.CognitiveServices/accounts/aoai-brightcart-shop"
SUBNET = f"{SHOP}/rg-net/providers/Microsoft.Network/virtualNetworks/vnet-shop/subnets/snet-backend"
ZONE = f"{SHOP}/rg-net/providers/Microsoft.Network/privateDnsZones/privatelink.openai.azure.com"


def endpoint(member="private_link_service_connections"):
    connection = {"name": "a", "properties": {"privateLinkServiceId": ACCOUNT, "groupIds": ["account"]}}
    wire = {"private_link_service_connections": "privateLinkServiceConnections"}.get(
        member, "manualPrivateLinkServiceConnections"
    )
    return {"location": "eastus", "properties": {"subnet": {"id": SUBNET}, wire: [connection]}}


def connections(guest):
    found = guest.accounts.private_endpoint_connections.list("rg-shop", "aoai-brightcart-shop").value
    return {
        each.properties.private_endpoint.id.rpartition("/")[
            2
        ]: each.properties.private_link_service_connection_state.status
        for each in found
    }


def test_a_private_endpoint_brings_interface_connection_names_and_records(visit):
    guest = visit("exposed")
    made = guest.network.private_endpoints.begin_create_or_update("rg-net", "pe-new", endpoint()).result()
    assert made.properties.custom_dns_configs[0].fqdn == "brightcart-shop.openai.azure.com"
    address = made.properties.custom_dns_configs[0].ip_addresses[0]
    assert address == "10.60.8.4"
    assert connections(guest)["pe-new"] == "Approved"
    interface = guest.network.network_interfaces.get(
        "rg-net", made.properties.network_interfaces[0].id.rpartition("/")[2]
    )
    assert interface.properties.ip_configurations[0].properties.private_ip_address == address

    configs = [{"name": "openai", "properties": {"privateDnsZoneId": ZONE}}]
    group = {"properties": {"privateDnsZoneConfigs": configs}}
    guest.network.private_dns_zone_groups.begin_create_or_update("rg-net", "pe-new", "default", group).result()
    zones = guest.client(PrivateDnsManagementClient)
    record = zones.record_sets.get("rg-net", "privatelink.openai.azure.com", "A", "brightcart-shop")
    assert [each.ipv4_address for each in record.properties.a_records] == [address]
    assert guest.network.private_endpoints.get("rg-net", "pe-new").properties.custom_dns_configs == []

    guest.network.private_endpoints.begin_delete("rg-net", "pe-new").result()
    assert "pe-new" not in connections(guest)
    with pytest.raises(HttpResponseError):
        zones.record_sets.get("rg-net", "privatelink.openai.azure.com", "A", "brightcart-shop")
    assert guest.lab.state("exposed").find(interface.id) is None


def test_a_manual_connection_waits_until_the_owner_approves_it(visit):
    guest = visit("exposed")
    body = endpoint("manual_private_link_service_connections")
    guest.network.private_endpoints.begin_create_or_update("rg-net", "pe-asked", body).result()
    assert connections(guest)["pe-asked"] == "Pending"
    found = guest.accounts.private_endpoint_connections.list("rg-shop", "aoai-brightcart-shop").value
    waiting = next(each for each in found if "pe-asked" in each.id)
    approved = {"properties": {"privateLinkServiceConnectionState": {"status": "Approved", "description": "ok"}}}
    guest.accounts.private_endpoint_connections.begin_create_or_update(
        "rg-shop", "aoai-brightcart-shop", waiting.id.rpartition("/")[2], approved
    ).result()
    assert connections(guest)["pe-asked"] == "Approved"
    shown = guest.network.private_endpoints.get("rg-net", "pe-asked").properties.manual_private_link_service_connections
    assert shown[0].properties.private_link_service_connection_state.status == "Approved"


def test_an_account_without_a_subdomain_takes_no_private_endpoint(visit):
    body = endpoint()
    body["properties"]["privateLinkServiceConnections"][0]["properties"]["privateLinkServiceId"] = ACCOUNT.replace(
        "aoai-brightcart-shop", "aoai-brightcart-legacy"
    )
    path = f"{SHOP}/rg-net/providers/Microsoft.Network/privateEndpoints/pe-x"
    answer = visit("exposed").send("PUT", path, "2026-03-01", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "AccountCustomSubDomainNameRequired")


def test_an_endpoint_stands_in_its_networks_region(visit):
    path = f"{SHOP}/rg-net/providers/Microsoft.Network/privateEndpoints/pe-x"
    answer = visit("exposed").send("PUT", path, "2026-03-01", json=endpoint() | {"location": "westus"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidResourceReference")


def test_a_subnet_in_use_stays(visit):
    guest = visit("exposed")
    with pytest.raises(HttpResponseError) as caught:
        guest.network.subnets.begin_delete("rg-net", "vnet-shop", "snet-default")
    assert caught.value.error.code == "InUseSubnetCannotBeDeleted"


def test_a_subnet_takes_its_policies_and_shows_them_in_the_network(visit):
    guest = visit("exposed")
    subnet = guest.network.subnets.get("rg-net", "vnet-shop", "snet-default").as_dict()
    subnet["properties"]["privateEndpointNetworkPolicies"] = "Enabled"
    guest.network.subnets.begin_create_or_update("rg-net", "vnet-shop", "snet-default", subnet).result()
    network = guest.network.virtual_networks.get("rg-net", "vnet-shop")
    found = {each.name: each.properties.private_endpoint_network_policies for each in network.properties.subnets}
    assert found == {"snet-default": "Enabled", "snet-backend": "Disabled"}


def test_security_rules_are_checked_for_priority(visit):
    guest = visit("exposed")
    rule = {"priority": 200, "direction": "Inbound", "access": "Deny", "protocol": "*"}
    ends = ("sourceAddressPrefix", "sourcePortRange", "destinationAddressPrefix", "destinationPortRange")
    rule |= dict.fromkeys(ends, "*")
    path = f"{SHOP}/rg-net/providers/Microsoft.Network/networkSecurityGroups/nsg-shop/securityRules/again"
    clash = guest.send("PUT", path, "2026-03-01", json={"properties": rule})
    assert clash.json()["error"]["code"] == "SecurityRuleConflict"
    low = guest.send("PUT", path, "2026-03-01", json={"properties": rule | {"priority": 5}})
    assert low.json()["error"]["code"] == "SecurityRuleInvalidPriority"
    group = guest.network.network_security_groups.get("rg-net", "nsg-shop")
    assert len(group.properties.default_security_rules) == 6


def test_dns_answers_escape_their_slashes(visit):
    text = visit("exposed").send("GET", ZONE, "2024-06-01").text
    assert '"\\/subscriptions\\/' in text


def test_a_zone_with_links_stays(visit):
    guest = visit("mixed")
    zone = "/subscriptions/6f0d2b41-37fa-4c81-84e6-8f9012345606/resourceGroups/rg-connectivity/providers/"
    zone += "Microsoft.Network/privateDnsZones/privatelink.openai.azure.com"
    answer = guest.send("DELETE", zone, "2024-06-01")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CannotDeleteResource")


def test_a_zone_and_a_link_are_made_by_the_sdk(visit):
    zones = visit("exposed").client(PrivateDnsManagementClient)
    name = "privatelink.cognitiveservices.azure.com"
    zones.private_zones.begin_create_or_update("rg-net", name, {"location": "global"}).result()
    network = SUBNET.rpartition("/subnets/")[0]
    body = {"location": "global", "properties": {"virtualNetwork": {"id": network}, "registrationEnabled": False}}
    zones.virtual_network_links.begin_create_or_update("rg-net", name, "link", body).result()
    found = zones.private_zones.get("rg-net", name).properties
    assert (found.number_of_virtual_network_links, found.number_of_record_sets) == (1, 1)
    assert [each.name for each in zones.record_sets.list("rg-net", name)] == ["@"]
