"""Microsoft.Network: virtual networks with subnets and peerings, network and application security groups, interfaces.

Subnets, peerings and security rules are resources of their own here; their parents show them embedded, and a parent
that is written whole replaces them.
"""

from __future__ import annotations

from aoai_lib.lab import errors, operations
from aoai_lib.lab.errors import ArmError, network_not_found
from aoai_lib.lab.kinds import GET_ONLY, Kind, View, Write, declare
from aoai_lib.lab.paths import ArmPath
from aoai_lib.lab.providers.envelopes import NETWORK, operation_status, weak_etag
from aoai_lib.lab.shapes import Json, identifier
from aoai_lib.lab.store import Resource, Tenant

NETWORKS = "Microsoft.Network/virtualNetworks"
GROUPS = "Microsoft.Network/networkSecurityGroups"
ENDPOINTS = "Microsoft.Network/privateEndpoints"
EMBEDDED = {"subnets": f"{NETWORKS}/subnets", "virtualNetworkPeerings": f"{NETWORKS}/virtualNetworkPeerings"}

DEFAULT_RULES = (  # name, priority, direction, access, source, destination (api-version 2024-05-01)
    ("AllowVnetInBound", 65000, "Inbound", "Allow", "VirtualNetwork", "VirtualNetwork"),
    ("AllowAzureLoadBalancerInBound", 65001, "Inbound", "Allow", "AzureLoadBalancer", "*"),
    ("DenyAllInBound", 65500, "Inbound", "Deny", "*", "*"),
    ("AllowVnetOutBound", 65000, "Outbound", "Allow", "VirtualNetwork", "VirtualNetwork"),
    ("AllowInternetOutBound", 65001, "Outbound", "Allow", "*", "Internet"),
    ("DenyAllOutBound", 65500, "Outbound", "Deny", "*", "*"),
)


def envelope(tenant: Tenant, resource: Resource, properties: Json, *, tracked: bool = True) -> Json:
    """A network resource on the wire: name and id first, a weak etag, a resourceGuid where it stands alone."""
    body: Json = {"name": resource.name, "id": resource.id, "etag": weak_etag(resource), "type": resource.type}
    state: Json = {"provisioningState": operations.provisioning_state(tenant, resource)}
    if tracked:
        body["location"] = resource.location
        if resource.body.get("tags"):
            body["tags"] = resource.body["tags"]
        state["resourceGuid"] = identifier("guid", resource.id)
    return body | {"properties": state | properties}


def adopt(write: Write, key: str, child_type: str) -> None:
    """Take children that a parent was written with out of its properties and make them resources."""
    if key not in write.resource.properties:
        return
    sent = write.resource.properties.pop(key) or []
    tenant, parent, leaf = write.tenant, write.resource, child_type.rpartition("/")[2]
    names = {str(entry.get("name", "")).lower() for entry in sent}
    for old in tenant.children(parent.id, leaf):
        if old.name.lower() not in names:
            if leaf == "subnets":
                _demand_unused(tenant, old)
            tenant.remove(old.id)
    for entry in sent:
        before = tenant.child(parent.id, leaf, str(entry["name"]))
        address = before.id if before else f"{parent.id}/{leaf}/{entry['name']}"
        body = {"properties": dict(entry.get("properties") or {})}
        child = Resource(
            address, child_type, str(entry["name"]), body, parent.created, tenant.now, parent.author, parent.author_kind
        )
        tenant.put(child)


def _show_network(tenant: Tenant, resource: Resource, view: View) -> Json:
    own = resource.properties
    properties: Json = {
        "addressSpace": own.get("addressSpace") or {"addressPrefixes": []},
        **{key: value for key, value in own.items() if key not in ("addressSpace", *EMBEDDED)},
        "subnets": [_show_subnet(tenant, each, view) for each in tenant.children(resource.id, "subnets")],
        "virtualNetworkPeerings": [
            _show_peering(tenant, each, view) for each in tenant.children(resource.id, "virtualNetworkPeerings")
        ],
        "enableDdosProtection": bool(own.get("enableDdosProtection")),
    }
    return envelope(tenant, resource, properties)


def _write_network(write: Write) -> None:
    for key, child_type in EMBEDDED.items():
        adopt(write, key, child_type)
    if not write.seeding and not (write.resource.properties.get("addressSpace") or {}).get("addressPrefixes"):
        raise errors.bad_request("InvalidRequestFormat", "A virtual network needs an address space.")


def _show_subnet(tenant: Tenant, resource: Resource, view: View) -> Json:
    own = {
        key: value for key, value in resource.properties.items() if key not in ("provisioningState", "privateEndpoints")
    }
    inside = [{"id": each.id} for each in endpoints_in(tenant, resource.id)]
    properties: Json = {
        **own,
        **({"privateEndpoints": inside} if inside else {}),
        "delegations": own.get("delegations") or [],
        "privateEndpointNetworkPolicies": own.get("privateEndpointNetworkPolicies", "Disabled"),
        "privateLinkServiceNetworkPolicies": own.get("privateLinkServiceNetworkPolicies", "Enabled"),
    }
    return envelope(tenant, resource, properties, tracked=False)


def endpoints_in(tenant: Tenant, subnet_id: str) -> list[Resource]:
    """The private endpoints that live in a subnet."""
    wanted = subnet_id.lower()
    return [
        each
        for each in tenant.of_type(ENDPOINTS)
        if str((each.properties.get("subnet") or {}).get("id", "")).lower() == wanted
    ]


def _write_subnet(write: Write) -> None:
    own = write.resource.properties
    if write.seeding:
        return
    if not own.get("addressPrefix") and not own.get("addressPrefixes"):
        raise errors.bad_request("InvalidRequestFormat", "A subnet needs an address prefix.")
    group = (own.get("networkSecurityGroup") or {}).get("id")
    if group and write.tenant.find(group) is None:
        raise errors.bad_request(
            "InvalidResourceReference",
            f"Resource {group} referenced by resource {write.resource.id} was not found. Please make sure that the"
            " referenced resource exists, and that both resources are in the same region.",
        )


def _demand_unused(tenant: Tenant, subnet: Resource) -> None:
    for endpoint in endpoints_in(tenant, subnet.id):
        raise errors.bad_request(
            "InUseSubnetCannotBeDeleted",
            f"Subnet {subnet.name} is in use by {endpoint.id} and cannot be deleted. In order to delete the subnet,"
            " delete all the resources within the subnet. See aka.ms/deletesubnet.",
        )


def _erase_subnet(write: Write) -> None:
    _demand_unused(write.tenant, write.resource)


def _erase_network(write: Write) -> None:
    for subnet in write.tenant.children(write.resource.id, "subnets"):
        _demand_unused(write.tenant, subnet)


def _show_peering(tenant: Tenant, resource: Resource, view: View) -> Json:
    own = resource.properties
    remote = tenant.find(str((own.get("remoteVirtualNetwork") or {}).get("id", "")))
    space = remote.properties.get("addressSpace") if remote else None
    properties: Json = {
        "peeringState": own.get("peeringState", "Connected"),
        "peeringSyncLevel": own.get("peeringSyncLevel", "FullyInSync"),
        "remoteVirtualNetwork": own.get("remoteVirtualNetwork"),
        "allowVirtualNetworkAccess": own.get("allowVirtualNetworkAccess", True),
        "allowForwardedTraffic": own.get("allowForwardedTraffic", False),
        "allowGatewayTransit": own.get("allowGatewayTransit", False),
        "useRemoteGateways": own.get("useRemoteGateways", False),
        **({"remoteAddressSpace": space} if space else {}),
    }
    return envelope(tenant, resource, properties, tracked=False)


def _show_group(tenant: Tenant, resource: Resource, view: View) -> Json:
    used = [
        {"id": each.id}
        for each in tenant.of_type(f"{NETWORKS}/subnets")
        if str((each.properties.get("networkSecurityGroup") or {}).get("id", "")).lower() == resource.id.lower()
    ]
    properties: Json = {
        "securityRules": [_show_rule(tenant, each, view) for each in tenant.children(resource.id, "securityRules")],
        "defaultSecurityRules": [_default_rule(resource, *rule) for rule in DEFAULT_RULES],
        **({"subnets": used} if used else {}),
    }
    return envelope(tenant, resource, properties)


def _show_rule(tenant: Tenant, resource: Resource, view: View) -> Json:
    lists = ("sourcePortRanges", "destinationPortRanges", "sourceAddressPrefixes", "destinationAddressPrefixes")
    own = {key: value for key, value in resource.properties.items() if key != "provisioningState"}
    return envelope(tenant, resource, own | {name: own.get(name) or [] for name in lists}, tracked=False)


def _default_rule(
    group: Resource, name: str, priority: int, direction: str, access: str, source: str, destination: str
) -> Json:
    return {
        "name": name,
        "id": f"{group.id}/defaultSecurityRules/{name}",
        "etag": weak_etag(group),
        "type": f"{GROUPS}/defaultSecurityRules",
        "properties": {
            "provisioningState": "Succeeded",
            "protocol": "*",
            "sourcePortRange": "*",
            "destinationPortRange": "*",
            "sourceAddressPrefix": source,
            "destinationAddressPrefix": destination,
            "access": access,
            "priority": priority,
            "direction": direction,
            "sourcePortRanges": [],
            "destinationPortRanges": [],
            "sourceAddressPrefixes": [],
            "destinationAddressPrefixes": [],
        },
    }


def _write_group(write: Write) -> None:
    for entry in write.resource.properties.get("securityRules") or ():
        _check_rule(str(entry.get("name")), entry.get("properties") or {})
    adopt(write, "securityRules", f"{GROUPS}/securityRules")
    write.resource.properties.pop("defaultSecurityRules", None)
    write.resource.properties.pop("subnets", None)


def _check_rule(name: str, rule: Json) -> None:
    priority = rule.get("priority")
    if not isinstance(priority, int) or not 100 <= priority <= 4096:
        message = f"Security rule has invalid Priority. Value provided: {priority} Allowed range 100-4096."
        raise errors.bad_request("SecurityRuleInvalidPriority", message)
    if rule.get("direction") not in ("Inbound", "Outbound") or rule.get("access") not in ("Allow", "Deny"):
        raise errors.bad_request("InvalidRequestFormat", f"Security rule {name} needs a direction and an access.")


def _write_rule(write: Write) -> None:
    rule = write.resource.properties
    _check_rule(write.resource.name, rule)
    group_id = write.resource.id.rpartition("/securityRules/")[0]
    for other in write.tenant.children(group_id, "securityRules"):
        same = all(other.properties.get(key) == rule[key] for key in ("priority", "direction"))
        if same and other.id.lower() != write.resource.id.lower() and not write.seeding:
            message = (
                f"Security rule {write.resource.name} conflicts with rule {other.name}. Rules cannot have the same"
                " Priority and Direction."
            )
            raise errors.bad_request("SecurityRuleConflict", message)


def _show_application_group(tenant: Tenant, resource: Resource, view: View) -> Json:
    return envelope(tenant, resource, {})


def _show_interface(tenant: Tenant, resource: Resource, view: View) -> Json:
    own = resource.properties
    configurations = [
        {
            "name": entry["name"],
            "id": f"{resource.id}/ipConfigurations/{entry['name']}",
            "etag": weak_etag(resource),
            "type": "Microsoft.Network/networkInterfaces/ipConfigurations",
            "properties": {
                "provisioningState": "Succeeded",
                "privateIPAddress": entry["address"],
                "privateIPAllocationMethod": "Dynamic",
                "subnet": own["subnet"],
                "primary": index == 0,
                "privateIPAddressVersion": "IPv4",
                "privateLinkConnectionProperties": {
                    "groupId": "account",
                    "requiredMemberName": entry["member"],
                    "fqdns": [entry["fqdn"]],
                },
            },
        }
        for index, entry in enumerate(own["addresses"])
    ]
    properties: Json = {
        "ipConfigurations": configurations,
        "dnsSettings": {"dnsServers": [], "appliedDnsServers": []},
        "macAddress": "",
        "enableAcceleratedNetworking": False,
        "enableIPForwarding": False,
        "disableTcpStateTracking": False,
        "privateEndpoint": own["privateEndpoint"],
        "hostedWorkloads": [],
        "tapConfigurations": [],
        "nicType": "Standard",
        "auxiliaryMode": "None",
        "auxiliarySku": "None",
    }
    return envelope(tenant, resource, properties)


def missing_child(path: ArmPath) -> ArmError:
    return network_not_found(path.text)


declare(
    [
        Kind(NETWORKS, NETWORK, _show_network, write=_write_network, erase=_erase_network, lro="network"),
        Kind(
            f"{NETWORKS}/subnets",
            NETWORK,
            _show_subnet,
            write=_write_subnet,
            erase=_erase_subnet,
            lro="network",
            missing=missing_child,
        ),
        Kind(f"{NETWORKS}/virtualNetworkPeerings", NETWORK, _show_peering, lro="network", missing=missing_child),
        Kind(GROUPS, NETWORK, _show_group, write=_write_group, lro="network"),
        Kind(f"{GROUPS}/securityRules", NETWORK, _show_rule, write=_write_rule, lro="network", missing=missing_child),
        Kind("Microsoft.Network/applicationSecurityGroups", NETWORK, _show_application_group, lro="network"),
        Kind("Microsoft.Network/networkInterfaces", NETWORK, _show_interface, methods=GET_ONLY),
        Kind("Microsoft.Network/locations/operations", NETWORK, single=operation_status, methods=GET_ONLY),
        Kind("Microsoft.Network/locations/operationResults", NETWORK, single=operation_status, methods=GET_ONLY),
    ]
)
