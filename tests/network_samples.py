"""A private path that holds from end to end: a test says what differs from it."""

from __future__ import annotations

from typing import Any

from builders import ACCOUNT, GROUP, SUBSCRIPTION, account, reading, snapshot

from aoai_lib.assess import judge
from aoai_lib.controls import catalogue
from aoai_lib.model import Finding, Reading, Snapshot, State

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
    code = "ResourceNotFound" if state is GONE else "AuthorizationFailed"
    said = f"GET {scope} answered {code}"
    return reading(source, scope, None, state, reason=said, permission=f"{source}/read", code=code)


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
