"""Private endpoints and their DNS zone groups, and what comes of them: the interface, the account's connection, the
A records."""

from __future__ import annotations

import ipaddress
from typing import Any

from aoai_lib.lab import errors, rbac
from aoai_lib.lab.kinds import Kind, View, Write, declare
from aoai_lib.lab.providers.connections import CONNECTIONS, MEMBERS, zones_of
from aoai_lib.lab.providers.envelopes import NETWORK, weak_etag
from aoai_lib.lab.providers.network import ENDPOINTS, envelope, missing_child
from aoai_lib.lab.shapes import Json, identifier
from aoai_lib.lab.store import Resource, Tenant

GROUPS = f"{ENDPOINTS}/privateDnsZoneGroups"
INTERFACES = "Microsoft.Network/networkInterfaces"
ACCOUNTS = "Microsoft.CognitiveServices/accounts"
APPROVE = f"{ACCOUNTS}/privateEndpointConnectionsApproval/action"
AUTOMATIC, MANUAL = "privateLinkServiceConnections", "manualPrivateLinkServiceConnections"
TTL = 10  # seconds, what a zone group gives its records


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
        "ipVersionType": "IPv4",
    }
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
    subnet = tenant.find(str((own.get("subnet") or {}).get("id", "")))
    if subnet is None or subnet.type != "Microsoft.Network/virtualNetworks/subnets":
        raise errors.bad_request("InvalidResourceReference", f"The subnet of {resource.id} was not found.")
    own["subnet"] = {"id": subnet.id}
    _check_region(write, subnet)
    if before is not None:
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


def _check_region(write: Write, subnet: Resource) -> None:
    network = write.tenant.find(subnet.id.rpartition("/subnets/")[0])
    if network is not None and network.location.lower() != write.resource.location.lower():
        raise errors.bad_request(
            "InvalidResourceReference",
            f"Resource {subnet.id} referenced by resource {write.resource.id} was not found. Please make sure that the"
            " referenced resource exists, and that both resources are in the same region.",
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
    return account


def _state(write: Write, member: str, entry: Json, account: Resource) -> Json:
    """Approved at once for who may approve; a manual request waits for the account's owner."""
    if write.seeding:
        default = {"status": "Approved", "description": "Auto-Approved"}
        wanted = entry["properties"].get("privateLinkServiceConnectionState") or default
        return {"actionsRequired": "None", **wanted}
    if member == MANUAL:
        text = str(entry["properties"].get("requestMessage") or "")
        return {"status": "Pending", "description": text or "Please approve my connection.", "actionsRequired": "None"}
    caller = write.caller
    if caller is None or not rbac.decide(write.tenant, caller.object_id, APPROVE, account.id).allowed:
        who = caller.object_id if caller else ""
        message = (
            f"The client '{who}' with object id '{who}' has permission to perform action"
            f" '{ENDPOINTS}/write' on scope '{write.resource.id}'; however, it does not have permission to perform"
            f" action(s) '{APPROVE}' on the linked scope(s) '{account.id}'."
        )
        raise errors.ArmError(403, "LinkedAuthorizationFailed", message)
    return {"status": "Approved", "description": "Auto-Approved", "actionsRequired": "None"}


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
        _remove_records(tenant, group)
    interface = interface_of(tenant, endpoint)
    if interface is not None:
        tenant.remove(interface.id)
    for connection in list(tenant.of_type(CONNECTIONS)):
        if connection.properties["privateEndpoint"]["id"].lower() == endpoint.id.lower():
            tenant.remove(connection.id)


def _show_group(tenant: Tenant, resource: Resource, view: View) -> Json:
    configs = [
        {
            "name": entry["name"],
            "id": f"{resource.id}/privateDnsZoneConfigs/{entry['name']}",
            "etag": weak_etag(resource),
            "type": f"{GROUPS}/privateDnsZoneConfigs",
            "properties": {
                "provisioningState": "Succeeded",
                "privateDnsZoneId": entry["properties"]["privateDnsZoneId"],
                "recordSets": entry["properties"].get("recordSets") or [],
            },
        }
        for entry in resource.properties.get("privateDnsZoneConfigs") or ()
    ]
    return envelope(tenant, resource, {"privateDnsZoneConfigs": configs}, tracked=False)


def _write_group(write: Write) -> None:
    """ARM owns the records of a zone group: one A record a name and zone, with the interface's address."""
    tenant, group = write.tenant, write.resource
    endpoint = tenant.find(group.id.rpartition("/privateDnsZoneGroups/")[0])
    interface = interface_of(tenant, endpoint) if endpoint else None
    if endpoint is None or interface is None:
        raise errors.bad_request("InvalidResourceReference", "The private endpoint has no network interface.")
    if write.before is not None:
        _remove_records(tenant, write.before)
    for entry in group.properties.get("privateDnsZoneConfigs") or ():
        zone_id = str(entry["properties"].get("privateDnsZoneId", ""))
        zone = tenant.find(zone_id)
        if zone is None:
            raise errors.bad_request("PrivateDnsZoneNotFound", f"The private DNS zone {zone_id} was not found.")
        suffix = zone.name.lower().removeprefix("privatelink.")
        sets = []
        for held in interface.properties["addresses"]:
            label, _, rest = held["fqdn"].partition(".")
            if rest == suffix:
                sets.append(_record_set(label, zone.name, held["address"]))
                _put_record(tenant, endpoint, zone, label, held["address"])
        entry["properties"] = {"privateDnsZoneId": zone.id, "recordSets": sets}


def _record_set(label: str, zone: str, address: str) -> Json:
    return {
        "recordType": "A",
        "recordSetName": label,
        "fqdn": f"{label}.{zone}",
        "ttl": TTL,
        "provisioningState": "Succeeded",
        "ipAddresses": [address],
    }


def _put_record(tenant: Tenant, endpoint: Resource, zone: Resource, label: str, address: str) -> None:
    creator = f"created by private endpoint {endpoint.name} with resource guid {identifier('guid', endpoint.id)}"
    properties = {"ttl": TTL, "aRecords": [{"ipv4Address": address}], "metadata": {"creator": creator}}
    record = f"{zone.id}/A/{label}"
    made, changed = endpoint.created, tenant.now if tenant.exporter else endpoint.changed
    type_ = "Microsoft.Network/privateDnsZones/A"
    tenant.put(Resource(record, type_, label, {"properties": properties}, made, changed, endpoint.author))


def _remove_records(tenant: Tenant, group: Resource) -> None:
    for entry in group.properties.get("privateDnsZoneConfigs") or ():
        for record in entry["properties"].get("recordSets") or ():
            address = f"{entry['properties']['privateDnsZoneId']}/A/{record['recordSetName']}"
            if tenant.find(address) is not None:
                tenant.remove(address)


def _erase_group(write: Write) -> None:
    _remove_records(write.tenant, write.resource)


declare(
    [
        Kind(ENDPOINTS, NETWORK, _show, write=_write, erase=_erase, lro="network"),
        Kind(
            GROUPS,
            NETWORK,
            _show_group,
            write=_write_group,
            erase=_erase_group,
            lro="network",
            missing=missing_child,
        ),
    ]
)
