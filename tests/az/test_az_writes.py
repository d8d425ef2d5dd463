"""What the Azure CLI writes to the lab, with its own polling, the real SDK reads back; and what Azure refuses, the lab
refuses in Azure's words. Each test has resources of its own: they share one lab."""

import json

import pytest
import requests
from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.privatedns import PrivateDnsManagementClient

pytestmark = pytest.mark.usefixtures("whole")

SHOP = "/subscriptions/2e9a6b71-04cd-4f8e-a1b3-5c6d7e8f9003/resourceGroups"
ACCOUNT = f"{SHOP}/rg-shop/providers/Microsoft.CognitiveServices/accounts/aoai-brightcart-shop"
NETWORK = f"{SHOP}/rg-net/providers/Microsoft.Network"
SUBNET = f"{NETWORK}/virtualNetworks/vnet-shop/subnets/snet-backend"
NET = ("--resource-group", "rg-net")
IN_VNET = ("--vnet-name", "vnet-shop", *NET)
IN_NSG = ("--nsg-name", "nsg-shop", *NET)
ENDPOINT = ("network", "private-endpoint")
OPENAI = "privatelink.openai.azure.com"


def create_endpoint(name, *more):
    target = ("--subnet", SUBNET, "--private-connection-resource-id", ACCOUNT, "--group-id", "account")
    return (*ENDPOINT, "create", "--name", name, *NET, *target, "--connection-name", "shop", *more)


def test_an_endpoint_with_its_zone_group(operator, sdk):
    made = operator.ask(*create_endpoint("pe-az", "--location", "eastus"))
    read = sdk(NetworkManagementClient).private_endpoints.get("rg-net", "pe-az")
    assert (made["provisioningState"], read.properties.provisioning_state) == ("Succeeded", "Succeeded")
    assert made["customDnsConfigs"][0]["ipAddresses"] == read.properties.custom_dns_configs[0].ip_addresses
    address = made["customDnsConfigs"][0]["ipAddresses"][0]

    zone = ("--zone-name", "openai", "--private-dns-zone", f"{NETWORK}/privateDnsZones/{OPENAI}")
    group = operator.ask(
        *ENDPOINT, "dns-zone-group", "create", "--endpoint-name", "pe-az", "-n", "default", *NET, *zone
    )
    assert group["privateDnsZoneConfigs"][0]["recordSets"][0]["ipAddresses"] == [address]
    zones = sdk(PrivateDnsManagementClient)
    record = zones.record_sets.get("rg-net", OPENAI, "A", "brightcart-shop")
    assert ([each.ipv4_address for each in record.properties.a_records], record.properties.ttl) == ([address], 10)

    operator.ask(*ENDPOINT, "delete", "--name", "pe-az", *NET)
    with pytest.raises(ResourceNotFoundError):
        zones.record_sets.get("rg-net", OPENAI, "A", "brightcart-shop")


def test_an_endpoint_elsewhere_than_its_network_is_refused(operator):
    error = operator.refused(*create_endpoint("pe-wrong", "--location", "westus"))
    assert "(InvalidResourceReference)" in error
    assert "both resources are in the same region" in error


def test_a_manual_connection_is_approved_and_rejected(operator, sdk):
    operator.ask(*create_endpoint("pe-asked", "--manual-request", "true", "--request-message", "please"))
    connection = ("network", "private-endpoint-connection")
    listed = operator.ask(*connection, "list", "--id", ACCOUNT)
    mine = next(each for each in listed if "/pe-asked." in each["id"])
    assert mine["properties"]["privateLinkServiceConnectionState"]["status"] == "Pending"
    accounts, name = sdk(CognitiveServicesManagementClient), mine["id"].rpartition("/")[2]
    for verb, status in (("approve", "Approved"), ("reject", "Rejected")):
        operator.ask(*connection, verb, "--id", mine["id"], "--description", verb)
        found = accounts.private_endpoint_connections.get("rg-shop", "aoai-brightcart-shop", name)
        state = found.properties.private_link_service_connection_state
        assert (state.status, state.description) == (status, verb)
    operator.ask(*connection, "delete", "--id", mine["id"], "--yes")
    endpoint = sdk(NetworkManagementClient).private_endpoints.get("rg-net", "pe-asked")
    left = endpoint.properties.manual_private_link_service_connections[0].properties
    assert left.private_link_service_connection_state.status == "Disconnected"


def test_security_rules_come_change_and_go(operator, sdk):
    rule = ("network", "nsg", "rule")
    ports = ("--destination-port-ranges", "443", "8443")
    inbound = ("--direction", "Inbound", "--access", "Deny", "--protocol", "Tcp")
    operator.ask(*rule, "create", *IN_NSG, "--name", "az", "--priority", "410", *inbound, *ports)
    rules = sdk(NetworkManagementClient).security_rules
    made = rules.get("rg-net", "nsg-shop", "az").properties
    assert (made.priority, made.access, made.destination_port_ranges) == (410, "Deny", ["443", "8443"])
    clash = operator.refused(*rule, "create", *IN_NSG, "--name", "clash", "--priority", "410", *inbound)
    assert "(SecurityRuleConflict)" in clash
    low = operator.refused(*rule, "create", *IN_NSG, "--name", "low", "--priority", "99", *inbound)
    assert "100-4096" in low
    operator.ask(*rule, "update", *IN_NSG, "--name", "az", "--priority", "420")
    assert rules.get("rg-net", "nsg-shop", "az").properties.priority == 420
    operator.ask(*rule, "delete", *IN_NSG, "--name", "az")
    with pytest.raises(ResourceNotFoundError):
        rules.get("rg-net", "nsg-shop", "az")


def test_a_subnet_takes_policies_and_a_group_and_keeps_its_range(operator, sdk):
    update = ("network", "vnet", "subnet", "update", "--name", "snet-backend", *IN_VNET)
    operator.ask(*update, "--private-endpoint-network-policies", "NetworkSecurityGroupEnabled")
    operator.ask(*update, "--network-security-group", "nsg-shop")
    read = sdk(NetworkManagementClient).subnets.get("rg-net", "vnet-shop", "snet-backend").properties
    assert read.private_endpoint_network_policies == "NetworkSecurityGroupEnabled"
    assert read.network_security_group.id == f"{NETWORK}/networkSecurityGroups/nsg-shop"
    assert read.address_prefix == "10.60.8.0/24"


def test_a_zone_and_its_link(operator, sdk):
    name = "privatelink.cognitiveservices.azure.com"
    operator.ask("network", "private-dns", "zone", "create", "--name", name, *NET)
    assert "(PreconditionFailed)" in operator.refused("network", "private-dns", "zone", "create", "--name", name, *NET)
    link = (
        "network",
        "private-dns",
        "link",
        "vnet",
        "create",
        "--zone-name",
        name,
        *NET,
        "-v",
        "vnet-shop",
        "-e",
        "false",
    )
    operator.ask(*link, "--name", "first")
    assert "overlapping namespaces" in operator.refused(*link, "--name", "second")
    zones = sdk(PrivateDnsManagementClient)
    assert zones.private_zones.get("rg-net", name).properties.number_of_virtual_network_links == 1
    made = zones.virtual_network_links.get("rg-net", name, "first").properties
    assert made.virtual_network.id == SUBNET.rpartition("/subnets/")[0]
    record = ("network", "private-dns", "record-set", "a", "add-record", "--zone-name", name, *NET)
    operator.ask(*record, "--record-set-name", "by-hand", "--ipv4-address", "10.60.8.77")
    held = zones.record_sets.get("rg-net", name, "A", "by-hand").properties.a_records
    assert [each.ipv4_address for each in held] == ["10.60.8.77"]


def test_an_account_is_closed_and_the_listener_says_so(operator, sdk, shop):
    assert answer_of(shop)[0] == 401
    operator.ask("resource", "update", "--ids", ACCOUNT, "--set", "properties.publicNetworkAccess=Disabled")
    operator.ask(
        *("resource", "update", "--ids", ACCOUNT, "--api-version", "2025-09-01", "--set"),
        *("properties.networkAcls.defaultAction=Deny", "properties.networkAcls.ipRules=[]"),
    )
    operator.ask(
        *("cognitiveservices", "account", "network-rule", "add"),
        *("--resource-group", "rg-shop", "--name", "aoai-brightcart-shop"),
        "--ip-address",
        "198.51.100.7",
    )
    read = sdk(CognitiveServicesManagementClient).accounts.get("rg-shop", "aoai-brightcart-shop").properties
    assert (read.public_network_access, read.network_acls.default_action) == ("Disabled", "Deny")
    assert [each.value for each in read.network_acls.ip_rules] == ["198.51.100.7"]
    assert read.custom_sub_domain_name == "brightcart-shop"
    assert answer_of(shop) == (403, "403")


def answer_of(shop):
    """What the data plane says to a stranger's key, from outside."""
    path = f"{shop.url}/brightcart-shop/openai/deployments/gpt-4o/chat/completions"
    answer = requests.post(
        path,
        params={"api-version": "2024-10-21"},
        headers={"api-key": "0" * 32},
        json={"messages": [{"role": "user", "content": "hello"}]},
        verify=shop.ca_file,
        timeout=30,
    )
    return answer.status_code, answer.json()["error"]["code"]


def test_a_role_assignment_comes_and_goes(operator, sdk, shop):
    who = shop.state("exposed").world.principal("id-shop-backend").id
    role = ("--role", "Cognitive Services OpenAI User", "--scope", ACCOUNT)
    to = ("--assignee-object-id", who, "--assignee-principal-type", "ServicePrincipal")
    made = operator.ask("role", "assignment", "create", *to, *role)
    held = sdk(AuthorizationManagementClient).role_assignments
    assert held.get(ACCOUNT, made["name"]).principal_id == who
    operator.ask("role", "assignment", "delete", "--ids", made["id"])
    with pytest.raises(ResourceNotFoundError):
        held.get(ACCOUNT, made["name"])


def test_a_diagnostic_setting_is_made(operator, shop):
    workspace = next(shop.state("exposed").of_type("Microsoft.OperationalInsights/workspaces")).id
    logs = json.dumps([{"categoryGroup": "allLogs", "enabled": True}])
    made = operator.ask(
        *("monitor", "diagnostic-settings", "create", "--resource", ACCOUNT, "--name", "az"),
        *("--workspace", workspace, "--logs", logs),
    )
    assert made["workspaceId"].lower() == workspace.lower()
    shown = operator.ask("monitor", "diagnostic-settings", "show", "--resource", ACCOUNT, "--name", "az")
    assert [(each["categoryGroup"], each["enabled"]) for each in shown["logs"]] == [("allLogs", True)]


def test_a_lock_keeps_an_account_and_the_log_tells(operator):
    account = ("--resource-group", "rg-shop", "--name", "aoai-brightcart-legacy")
    legacy = ACCOUNT.replace("-shop", "-legacy").replace("rg-legacy", "rg-shop")
    lock = operator.ask("lock", "create", "--name", "az", "--lock-type", "CanNotDelete", "--resource", legacy)
    assert "(ScopeLocked)" in operator.refused("cognitiveservices", "account", "delete", *account)
    operator.ask("lock", "delete", "--ids", lock["id"])
    since = ("--start-time", "2026-11-23T00:00:00Z", "--end-time", "2026-11-24T00:00:00Z", "--max-events", "500")
    events = operator.ask("monitor", "activity-log", "list", *since)
    told = {(each["operationName"]["value"], each["status"]["value"]) for each in events}
    assert ("Microsoft.CognitiveServices/accounts/delete", "Failed") in told
    assert ("Microsoft.Authorization/locks/write", "Succeeded") in told
