"""Private endpoints, and what comes of them: the interface, and the account's connection."""

from __future__ import annotations

import ipaddress
from typing import Any

from aoai_lib.lab import errors, preconditions, rbac
from aoai_lib.lab.kinds import NO_PATCH, Kind, View, Write, declare
from aoai_lib.lab.providers import zone_groups
from aoai_lib.lab.providers.connections import CONNECTIONS, MEMBERS, zones_of
from aoai_lib.lab.providers.envelopes import NETWORK, weak_etag
from aoai_lib.lab.providers.network import ENDPOINTS, INTERFACES, envelope, unreachable
from aoai_lib.lab.shapes import Json, identifier
from aoai_lib.lab.store import Resource, Tenant

ACCOUNTS = "Microsoft.CognitiveServices/accounts"
APPROVE = f"{ACCOUNTS}/privateEndpointConnectionsApproval/action"
JOIN_SUBNET = "Microsoft.Network/virtualNetworks/subnets/join/action"
AUTOMATIC, MANUAL = "privateLinkServiceConnections", "manualPrivateLinkServiceConnections"


def _show(tenant: Tenant, resource: Resource, view: View) -> Json:
    own = resource.properties
    interface = interface_of(tenant, resource)
    grouped = bool(tenant.children(resource.id, "privateDnsZoneGroups"))
    settled = tenant.operation_on(resource.id) is None
    properties: Json = {
        AUTOMATIC: _connections(resource, AUTOMATIC),
        MANUAL: _connections(resource, MANUAL),
        "customNetworkInterfaceName": own.get("customNetworkInterfaceName", ""),
        "subnet": own["subnet"],
        "ipConfigurations": own.get("ipConfigurations") or [],
        "networkInterfaces": [{"id": interface.id}] if interface else [],
        "customDnsConfigs": [
            {"fqdn": entry["fqdn"], "ipAddresses": [entry["address"]]}
            for entry in (interface.properties["addresses"] if interface and settled and not grouped else [])
        ],
    }
    if view.version >= "2025-01-01":  # API definitions: 2024-05-01 has none, 2025-05-01 has it; recorded by 2025-03-01
        properties["ipVersionType"] = "IPv4"
    if own.get("applicationSecurityGroups"):
        properties["applicationSecurityGroups"] = own["applicationSecurityGroups"]
    return envelope(tenant, resource, properties)


def _connections(resource: Resource, member: str) -> list[Json]:
    return [
        {
            "name": entry["name"],
            "id": f"{resource.id}/{member}/{entry['name']}",
            "etag": weak_etag(resource),
            "properties": {"provisioningState": "Succeeded", **entry["properties"]},
            "type": f"{ENDPOINTS}/{member}",
        }
        for entry in resource.properties.get(member) or ()
    ]


def interface_of(tenant: Tenant, endpoint: Resource) -> Resource | None:
    """The network interface that Azure made for an endpoint."""
    return tenant.find(str(endpoint.properties.get("interfaceId") or ""))


def _write(write: Write) -> None:
    tenant, resource, before = write.tenant, write.resource, write.before
    own = resource.properties
    subnet = _subnet(write)
    own["subnet"] = {"id": subnet.id}
    if before is not None:
        if str(before.properties["subnet"]["id"]).lower() != subnet.id.lower():
            raise errors.bad_request("PropertyChangeNotAllowed", f"The subnet of {resource.id} can't be changed.")
        own["interfaceId"] = before.properties.get("interfaceId")
        for member in (AUTOMATIC, MANUAL):
            own[member] = before.properties.get(member) or []
        return
    for member in (AUTOMATIC, MANUAL):
        for entry in own.get(member) or ():
            account = _target(tenant, entry)
            state = _state(write, member, entry, account)
            entry["properties"] = {
                **{key: value for key, value in entry["properties"].items() if key in ("requestMessage", "groupIds")},
                "privateLinkServiceId": account.id,
                "groupIds": ["account"],
                "privateLinkServiceConnectionState": state,
            }
            _connect(tenant, resource, account, state)
            _attach(tenant, resource, account, subnet)


def _subnet(write: Write) -> Resource:
    """The subnet that an endpoint asks for: there, in the endpoint's region, settled, and the caller's to join."""
    tenant, wanted = write.tenant, str((write.resource.properties.get("subnet") or {}).get("id", ""))
    network_id = wanted.rpartition("/subnets/")[0]
    subnet, network = tenant.find(wanted), tenant.find(network_id)
    if network is None or _place(network) != _place(write.resource):
        raise unreachable(network_id or wanted, write.resource.id)
    if subnet is None or subnet.type != "Microsoft.Network/virtualNetworks/subnets":
        raise unreachable(wanted, write.resource.id)
    if not write.seeding:
        _demand_settled(tenant, network, write.resource)
        rbac.demand_linked(tenant, write.caller, JOIN_SUBNET, subnet.id, f"{ENDPOINTS}/write", write.resource.id)
    return subnet


def _place(resource: Resource) -> str:
    return resource.location.replace(" ", "").lower()


def _demand_settled(tenant: Tenant, network: Resource, endpoint: Resource) -> None:
    running = preconditions.under_way(tenant, network.id)
    if running is not None:
        running.look()
        raise preconditions.retryable(
            "ReferencedResourceNotProvisioned",
            f"Cannot proceed with operation because resource {running.resource_id} used by resource {endpoint.id} is not"
            " in Succeeded state. Resource is in Updating state and the last operation that updated/is updating the"
            f" resource is {running.label}.",
        )


def _target(tenant: Tenant, entry: Json) -> Resource:
    wanted = str((entry.get("properties") or {}).get("privateLinkServiceId", ""))
    account = tenant.find(wanted)
    if account is None or account.type != ACCOUNTS:
        raise errors.bad_request("PrivateLinkServiceNotFound", f"The private link service {wanted} was not found.")
    if not account.properties.get("customSubDomainName"):
        message = "A custom subdomain name is required to create a private endpoint to the account."
        raise errors.bad_request("AccountCustomSubDomainNameRequired", message)
    if list((entry.get("properties") or {}).get("groupIds") or []) != ["account"]:
        raise errors.bad_request(
            "InvalidPrivateLinkGroupId", "The group id of a Cognitive Services account is 'account'."
        )
    running = preconditions.under_way(tenant, account.id)
    if running is not None:
        running.look()
        message = f"Call to {ACCOUNTS} failed. Error message: Account {account.id} in state Accepted"
        raise errors.bad_request("AccountProvisioningStateInvalid", message)
    return account


def _state(write: Write, member: str, entry: Json, account: Resource) -> Json:
    """Approved at once for who may approve; a manual request waits for the account's owner."""
    if write.seeding:
        default = {"status": "Approved", "description": "Auto Approved"}
        wanted = entry["properties"].get("privateLinkServiceConnectionState") or default
        return {"actionsRequired": "None", **wanted}
    if member == MANUAL:
        text = str(entry["properties"].get("requestMessage") or "")
        return {"status": "Pending", "description": text or "Please approve my connection.", "actionsRequired": "None"}
    rbac.demand_linked(write.tenant, write.caller, APPROVE, account.id, f"{ENDPOINTS}/write", write.resource.id)
    return {"status": "Approved", "description": "Auto Approved", "actionsRequired": "None"}


def _connect(tenant: Tenant, endpoint: Resource, account: Resource, state: Json) -> None:
    name = f"{endpoint.name}.{identifier('guid', endpoint.id)}"
    properties = {
        "privateEndpoint": {"id": endpoint.id},
        "groupIds": ["account"],
        "privateLinkServiceConnectionState": dict(state),
    }
    body = {"location": account.location, "properties": properties}
    address = f"{account.id}/privateEndpointConnections/{name}"
    tenant.put(Resource(address, CONNECTIONS, name, body, endpoint.created, endpoint.changed, endpoint.author))


def _attach(tenant: Tenant, endpoint: Resource, account: Resource, subnet: Resource) -> None:
    """Make the endpoint's interface: one address a public name of the account, from the subnet's free ones."""
    domain = str(account.properties["customSubDomainName"])
    suffixes = zones_of(str(account.body["kind"])).values()
    free = _free_addresses(tenant, subnet)
    wished = [
        entry["properties"].get("privateIPAddress") for entry in endpoint.properties.get("ipConfigurations") or ()
    ]
    addresses = [
        {
            "name": f"privateEndpointIpConfig.{identifier('ip', endpoint.id, index)}",
            "address": wished[index] if index < len(wished) else next(free),
            "member": MEMBERS[index],
            "fqdn": f"{domain}.{suffix}",
        }
        for index, suffix in enumerate(suffixes)
    ]
    name = f"{endpoint.name}.nic.{identifier('nic', endpoint.id)}"
    group = endpoint.id.rpartition("/providers/")[0]
    address = f"{group}/providers/{INTERFACES}/{name}"
    properties: Json = {
        "addresses": addresses,
        "subnet": {"id": subnet.id},
        "privateEndpoint": {"id": endpoint.id},
    }
    body = {"location": endpoint.location, "properties": properties}
    tenant.put(Resource(address, INTERFACES, name, body, endpoint.created, endpoint.changed, endpoint.author))
    endpoint.properties["interfaceId"] = address


def _free_addresses(tenant: Tenant, subnet: Resource) -> Any:
    """The addresses of a subnet that no interface holds; Azure keeps the first four."""
    own = subnet.properties
    prefix = own.get("addressPrefix") or own["addressPrefixes"][0]
    held = {entry["address"] for each in tenant.of_type(INTERFACES) for entry in each.properties.get("addresses") or ()}
    hosts = list(ipaddress.ip_network(prefix).hosts())[3:]
    return (str(host) for host in hosts if str(host) not in held)


def _erase(write: Write) -> None:
    tenant, endpoint = write.tenant, write.resource
    for group in tenant.children(endpoint.id, "privateDnsZoneGroups"):
        zone_groups.remove_records(tenant, group)
    interface = interface_of(tenant, endpoint)
    if interface is not None:
        tenant.remove(interface.id)
    for connection in list(tenant.of_type(CONNECTIONS)):
        if connection.properties["privateEndpoint"]["id"].lower() == endpoint.id.lower():
            tenant.remove(connection.id)


declare(
    [
        Kind(ENDPOINTS, NETWORK, _show, write=_write, erase=_erase, methods=NO_PATCH, lro="network"),
    ]
)
