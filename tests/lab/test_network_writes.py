"""What hardening writes to a network, by the real SDKs: what comes of it, and how it is refused."""

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceModifiedError, ResourceNotFoundError
from azure.mgmt.privatedns import PrivateDnsManagementClient

from aoai_lib.lab.store import Resource

SHOP = "/subscriptions/2e9a6b71-04cd-4f8e-a1b3-5c6d7e8f9003/resourceGroups"
ACCOUNT = f"{SHOP}/rg-shop/providers/Microsoft.CognitiveServices/accounts/aoai-brightcart-shop"
NETWORK = f"{SHOP}/rg-net/providers/Microsoft.Network"
VNET = f"{NETWORK}/virtualNetworks/vnet-shop"
SUBNET = f"{VNET}/subnets/snet-backend"
OPENAI = "privatelink.openai.azure.com"
PENDING = "manualPrivateLinkServiceConnections"
NEWEST = "2026-03-01"
RULE = {
    "priority": 410,
    "direction": "Inbound",
    "access": "Deny",
    "protocol": "Tcp",
    "sourceAddressPrefix": "*",
    "sourcePortRange": "*",
    "destinationAddressPrefix": "*",
    "destinationPortRange": "443",
}


def endpoint(member="privateLinkServiceConnections", **changes):
    target = {"name": "a", "properties": {"privateLinkServiceId": ACCOUNT, "groupIds": ["account"]}}
    return {"location": "eastus", "properties": {"subnet": {"id": SUBNET}, member: [target]}} | changes


def zones(*names):
    configs = [
        {"name": name, "properties": {"privateDnsZoneId": f"{NETWORK}/privateDnsZones/{name}"}} for name in names
    ]
    return {"properties": {"privateDnsZoneConfigs": configs}}


def error_of(answer):
    return answer.status_code, answer.json()["error"]["code"]


def put_endpoint(guest, name="pe-new", body=None):
    path = f"{NETWORK}/privateEndpoints/{name}"
    return guest.send("PUT", path, NEWEST, json=body or endpoint())


def let_end(guest, answer):
    for _ in range(2):
        guest.send("GET", answer.headers["azure-asyncoperation"])


def test_an_endpoint_elsewhere_names_the_network_and_the_reason(visit):
    answer = put_endpoint(visit("exposed"), body=endpoint(location="westus"))
    assert error_of(answer) == (400, "InvalidResourceReference")
    assert answer.json()["error"]["message"].startswith(f"Resource {VNET} referenced by resource ")
    assert answer.json()["error"]["details"] == [{"code": "NotFound", "message": f"Resource {VNET} not found."}]


def test_a_region_may_be_written_with_its_spaces(visit):
    assert put_endpoint(visit("exposed"), body=endpoint(location="East US")).status_code == 201


def test_an_endpoint_stays_in_its_subnet(visit):
    guest = visit("exposed")
    guest.network.private_endpoints.begin_create_or_update("rg-net", "pe-new", endpoint()).result()
    moved = endpoint()
    moved["properties"]["subnet"] = {"id": f"{VNET}/subnets/snet-default"}
    assert error_of(put_endpoint(guest, body=moved)) == (400, "PropertyChangeNotAllowed")
    assert guest.send("PATCH", f"{NETWORK}/privateEndpoints/pe-new", NEWEST, json={"tags": {}}).status_code == 405


def test_an_endpoint_waits_for_its_account_and_for_its_network(visit):
    guest = visit("exposed")
    begun = guest.send("PATCH", ACCOUNT, json={"tags": {"owner": "shop"}})
    refused = put_endpoint(guest)
    assert error_of(refused) == (400, "AccountProvisioningStateInvalid")
    assert refused.json()["error"]["message"].endswith("accounts/aoai-brightcart-shop in state Accepted")
    let_end(guest, begun)
    group = {"location": "eastus", "properties": {}}
    guest.network.network_security_groups.begin_create_or_update("rg-net", "nsg-new", group).result()
    subnet = guest.network.subnets.get("rg-net", "vnet-shop", "snet-default").as_dict()
    begun = guest.send("PUT", f"{VNET}/subnets/snet-default", NEWEST, json=subnet)
    busy = put_endpoint(guest)
    assert error_of(busy) == (429, "RetryableError")
    assert busy.json()["error"]["details"][0]["code"] == "ReferencedResourceNotProvisioned"
    let_end(guest, begun)
    assert put_endpoint(guest).status_code == 201


def test_an_account_that_is_being_changed_takes_no_other_change(visit):
    guest = visit("exposed")
    begun = guest.send("PATCH", ACCOUNT, json={"tags": {"owner": "shop"}})
    assert begun.json()["properties"]["provisioningState"] == "Accepted"
    again = guest.send("PATCH", ACCOUNT, json={"tags": {"owner": "else"}})
    assert error_of(again) == (409, "RequestConflict")
    assert "provisioning state is not terminal" in again.json()["error"]["message"]
    assert guest.send("PATCH", ACCOUNT, json={"tags": {"owner": "else"}}).status_code == 409
    assert guest.send("PATCH", ACCOUNT, json={"tags": {"owner": "else"}}).status_code == 200, "a refusal is a look"
    blocked = guest.send("PUT", f"{ACCOUNT}/raiBlocklists/x", json={"properties": {}})
    assert error_of(blocked) == (409, "RequestConflict")
    assert "on the parent resource" in blocked.json()["error"]["message"]


def test_a_network_that_is_being_changed_says_what_it_is_busy_with(visit):
    guest = visit("exposed", polls=3)
    rule = f"{NETWORK}/networkSecurityGroups/nsg-shop/securityRules/new"
    guest.send("PUT", rule, NEWEST, json={"properties": RULE})
    same = guest.send("PUT", rule, NEWEST, json={"properties": RULE})
    assert error_of(same) == (409, "AnotherOperationInProgress")
    assert "/providers/Microsoft.Network/locations/eastus/operations/" in same.json()["error"]["message"]
    sibling = guest.send("PUT", f"{rule}2", NEWEST, json={"properties": RULE | {"priority": 420}})
    assert error_of(sibling) == (429, "RetryableError")
    assert "Operation PutSecurityRuleOperation (" in sibling.json()["error"]["details"][0]["message"]


def test_a_zone_group_makes_a_record_a_name_with_its_maker_and_takes_them_away(visit):
    guest = visit("exposed")
    dns = guest.client(PrivateDnsManagementClient)
    guest.network.private_endpoints.begin_create_or_update("rg-net", "pe-new", endpoint()).result()
    path = f"{NETWORK}/privateEndpoints/pe-new/privateDnsZoneGroups/default"
    begun = guest.send("PUT", path, NEWEST, json=zones(OPENAI))
    config = begun.json()["properties"]["privateDnsZoneConfigs"][0]["properties"]
    states = (config["provisioningState"], config["recordSets"][0]["provisioningState"])
    assert (begun.status_code, *states) == (201, "Updating", "Updating")
    let_end(guest, begun)
    record = dns.record_sets.get("rg-net", OPENAI, "A", "brightcart-shop").properties
    assert (record.ttl, record.metadata["creator"].startswith("created by private endpoint pe-new")) == (10, True)
    second = guest.send("PUT", f"{path}2", NEWEST, json=zones(OPENAI))
    assert second.status_code == 400
    assert "more than one private dns zone group" in second.json()["error"]["message"]
    guest.network.private_dns_zone_groups.begin_delete("rg-net", "pe-new", "default").result()
    with pytest.raises(ResourceNotFoundError):
        dns.record_sets.get("rg-net", OPENAI, "A", "brightcart-shop")
    shown = guest.network.private_endpoints.get("rg-net", "pe-new").properties.custom_dns_configs
    assert [each.fqdn for each in shown] == ["brightcart-shop.openai.azure.com"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (zones("privatelink.nowhere.example"), "InvalidResourceReference"),
        (zones(OPENAI, OPENAI), "InvalidRequestFormat"),
        (zones(*(f"z{number}.example" for number in range(6))), "TooManyPrivateDnsZones"),
    ],
)
def test_a_zone_group_is_checked(visit, body, code):
    guest = visit("exposed")
    guest.network.private_endpoints.begin_create_or_update("rg-net", "pe-new", endpoint()).result()
    path = f"{NETWORK}/privateEndpoints/pe-new/privateDnsZoneGroups/default"
    assert error_of(guest.send("PUT", path, NEWEST, json=body)) == (400, code)


def test_a_network_has_one_zone_of_a_name(visit):
    dns = visit("exposed").client(PrivateDnsManagementClient)
    name = "privatelink.cognitiveservices.azure.com"
    dns.private_zones.begin_create_or_update("rg-net", name, {"location": "global"}).result()
    dns.private_zones.begin_create_or_update("rg-shop", name, {"location": "global"}).result()
    link = {"location": "global", "properties": {"virtualNetwork": {"id": VNET}, "registrationEnabled": False}}
    dns.virtual_network_links.begin_create_or_update("rg-net", name, "link", link).result()
    dns.virtual_network_links.begin_create_or_update("rg-net", name, "link", link).result()
    for group, label in (("rg-net", "again"), ("rg-shop", "other")):
        with pytest.raises(HttpResponseError, match="multiple zones with overlapping namespaces") as caught:
            dns.virtual_network_links.begin_create_or_update(group, name, label, link)
        assert (caught.value.status_code, caught.value.error.code) == (400, "BadRequest")
    with pytest.raises(HttpResponseError) as elsewhere:
        dns.private_zones.begin_create_or_update("rg-net", "x.example", {"location": "eastus"})
    assert elsewhere.value.error.code == "LocationNotAvailableForResourceType"


def test_a_zone_is_written_by_its_etag(visit):
    dns = visit("exposed").client(PrivateDnsManagementClient)
    etag = dns.private_zones.get("rg-net", OPENAI).etag
    options = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
    body = {"location": "global", "tags": {"owner": "net"}}
    dns.private_zones.begin_create_or_update("rg-net", OPENAI, body, **options).result()
    with pytest.raises(ResourceModifiedError) as caught:
        dns.private_zones.begin_create_or_update("rg-net", OPENAI, body, **options)
    assert (caught.value.status_code, caught.value.error.code) == (412, "PreconditionFailed")


def test_a_subnet_is_replaced_whole_and_by_its_etag(visit):
    guest = visit("exposed")
    group = {"id": f"{NETWORK}/networkSecurityGroups/nsg-shop"}
    with_group = {"properties": {"addressPrefix": "10.60.8.0/24", "networkSecurityGroup": group}}
    first = guest.send("PUT", SUBNET, NEWEST, json=with_group)
    let_end(guest, first)
    etag = guest.send("GET", SUBNET, NEWEST).json()["etag"]
    bare = {"properties": {"addressPrefix": "10.60.8.0/24"}}
    second = guest.send("PUT", SUBNET, NEWEST, json=bare, headers={"If-Match": etag})
    let_end(guest, second)
    assert "networkSecurityGroup" not in guest.send("GET", SUBNET, NEWEST).json()["properties"]
    late = guest.send("PUT", SUBNET, NEWEST, json=with_group, headers={"If-Match": etag})
    assert error_of(late) == (412, "PreconditionFailed")
    assert late.json()["error"]["details"][0]["code"] == "PreconditionFailedEtagMismatch"
    exists = guest.send("PUT", SUBNET, NEWEST, json=bare, headers={"If-None-Match": "*"})
    assert exists.status_code == 412


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"addressPrefix": "10.60.8.0/25"}, "NetcfgSubnetRangesOverlap"),
        ({"addressPrefix": "192.168.0.0/24"}, "NetcfgSubnetRangeOutsideVnet"),
        ({"addressPrefix": "10.60.8.1/24"}, "InvalidCIDRNotation"),
        ({}, "InvalidRequestFormat"),
        (
            {"addressPrefix": "10.60.9.0/24", "networkSecurityGroup": {"id": f"{NETWORK}/networkSecurityGroups/no"}},
            "InvalidResourceReference",
        ),
    ],
)
def test_a_subnet_is_checked(visit, properties, code):
    answer = visit("exposed").send("PUT", f"{VNET}/subnets/snet-new", NEWEST, json={"properties": properties})
    assert error_of(answer) == (400, code)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"priority": 99}, "SecurityRuleInvalidPriority"),
        ({"priority": 4097}, "SecurityRuleInvalidPriority"),
        ({"priority": 200}, "SecurityRuleConflict"),
        ({"destinationPortRange": "443,8443"}, "SecurityRuleInvalidPortRange"),
        ({"destinationPortRange": "65536"}, "SecurityRuleInvalidPortRange"),
        ({"sourceAddressPrefix": "10.0.0.0/40"}, "SecurityRuleInvalidAddressPrefix"),
        ({"sourceAddressPrefix": ""}, "SecurityRuleParametersMissing"),
        ({"sourcePortRange": None}, "SecurityRuleParametersMissing"),
        ({"protocol": "Sctp"}, "SecurityRuleInvalidProtocol"),
    ],
)
def test_a_security_rule_is_checked(visit, changes, code):
    path = f"{NETWORK}/networkSecurityGroups/nsg-shop/securityRules/new"
    assert error_of(visit("exposed").send("PUT", path, NEWEST, json={"properties": RULE | changes})) == (400, code)


def test_rules_of_two_directions_share_a_priority(visit):
    path = f"{NETWORK}/networkSecurityGroups/nsg-shop/securityRules/new"
    outbound = RULE | {"priority": 200, "direction": "Outbound", "sourceAddressPrefix": "VirtualNetwork"}
    assert visit("exposed").send("PUT", path, NEWEST, json={"properties": outbound}).status_code == 201


def test_a_group_written_whole_drops_what_it_does_not_name(visit):
    guest = visit("exposed")
    groups = guest.network.network_security_groups
    body = {"location": "eastus", "properties": {"securityRules": [{"name": "only", "properties": RULE}]}}
    groups.begin_create_or_update("rg-net", "nsg-shop", body).result()
    found = groups.get("rg-net", "nsg-shop").properties
    assert [each.name for each in found.security_rules] == ["only"]
    twice = [{"name": name, "properties": RULE} for name in ("one", "two")]
    with pytest.raises(HttpResponseError) as caught:
        groups.begin_create_or_update(
            "rg-net", "nsg-shop", {"location": "eastus", "properties": {"securityRules": twice}}
        )
    assert caught.value.error.code == "SecurityRuleConflict"


def test_a_patched_network_changes_its_tags_alone(visit):
    guest = visit("exposed")
    before = guest.network.virtual_networks.get("rg-net", "vnet-shop")
    change = {"tags": {"owner": "net"}, "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/8"]}}}
    assert guest.send("PATCH", VNET, NEWEST, json=change).status_code == 200
    after = guest.network.virtual_networks.get("rg-net", "vnet-shop")
    assert (after.tags, after.properties.address_space) == ({"owner": "net"}, before.properties.address_space)


@pytest.mark.parametrize(
    ("allowed", "linked"),
    [
        (["Microsoft.Network/privateEndpoints/*"], "Microsoft.Network/virtualNetworks/subnets/join/action"),
        (
            ["Microsoft.Network/privateEndpoints/*", "Microsoft.Network/virtualNetworks/subnets/join/action"],
            "Microsoft.CognitiveServices/accounts/privateEndpointConnectionsApproval/action",
        ),
    ],
)
def test_an_endpoint_needs_rights_on_what_it_joins(visit, allowed, linked):
    guest = visit("exposed")
    grant(guest, allowed)
    refused = put_endpoint(guest)
    assert error_of(refused) == (403, "LinkedAuthorizationFailed")
    assert f"'{linked}' on the linked scope(s)" in refused.json()["error"]["message"]


def test_who_may_not_approve_may_ask(visit):
    guest = visit("exposed")
    grant(guest, ["Microsoft.Network/privateEndpoints/*", "Microsoft.Network/virtualNetworks/subnets/join/action"])
    asked = put_endpoint(guest, body=endpoint(PENDING))
    state = asked.json()["properties"][PENDING][0]["properties"]["privateLinkServiceConnectionState"]
    assert (asked.status_code, state["status"]) == (201, "Pending")


def grant(guest, actions):
    """Leave the operator with these actions only."""
    tenant = guest.lab.state("exposed")
    operator = tenant.world.principal("operator").id
    for each in list(tenant.of_type("Microsoft.Authorization/roleAssignments")):
        if each.properties["principalId"] == operator:
            role = each.properties["roleDefinitionId"].rpartition("/")[0] + "/a0000000-0000-4000-8000-000000000001"
            each.properties["roleDefinitionId"] = role
    body = {"roleName": "Narrow", "permissions": [{"actions": actions}], "assignableScopes": ["/"]}
    made = tenant.world.created
    type_ = "Microsoft.Authorization/roleDefinitions"
    address = f"/providers/{type_}/a0000000-0000-4000-8000-000000000001"
    tenant.put(Resource(address, type_, address.rpartition("/")[2], {"properties": body}, made, made, "test"))


def test_an_unfollowed_write_is_accepted_in_the_log_until_it_ends(visit):
    guest = visit("exposed")
    begun = put_endpoint(guest)
    path = f"/subscriptions/{guest.subscription}/providers/Microsoft.Insights/eventtypes/management/values"
    within = {"$filter": "eventTimestamp ge 2026-11-23T09:00:00Z and eventTimestamp le 2026-11-23T10:00:00Z"}

    def told():
        events = guest.send("GET", path, "2015-04-01", params=within).json()["value"]
        return [each["status"]["value"] for each in events if each["resourceId"].endswith("/pe-new")]

    assert told() == ["Accepted", "Started"]
    let_end(guest, begun)
    assert told() == ["Succeeded", "Accepted", "Started"]
