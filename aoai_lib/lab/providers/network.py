"""Microsoft.Network: virtual networks with subnets and peerings, application security groups, interfaces.

Subnets and peerings are resources of their own here; their parents show them embedded, and a parent
that is written whole replaces them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from aoai_lib.lab import errors, operations, rbac
from aoai_lib.lab.errors import ArmError, network_not_found
from aoai_lib.lab.kinds import GET_ONLY, NO_PATCH, Kind, View, Write, declare
from aoai_lib.lab.paths import ArmPath
from aoai_lib.lab.providers.envelopes import NETWORK, operation_status, weak_etag
from aoai_lib.lab.shapes import Json, identifier
from aoai_lib.lab.store import Resource, Tenant

NETWORKS = "Microsoft.Network/virtualNetworks"
ENDPOINTS = "Microsoft.Network/privateEndpoints"
INTERFACES = "Microsoft.Network/networkInterfaces"
COMPUTED = ("provisioningState", "privateEndpoints", "ipConfigurations")  # of a subnet
JOIN_GROUP = "Microsoft.Network/networkSecurityGroups/join/action"
EMBEDDED = {"subnets": f"{NETWORKS}/subnets", "virtualNetworkPeerings": f"{NETWORKS}/virtualNetworkPeerings"}
Range = ipaddress.IPv4Network | ipaddress.IPv6Network


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
    own = {key: value for key, value in resource.properties.items() if key not in COMPUTED}
    inside = [{"id": each.id} for each in endpoints_in(tenant, resource.id)]
    interfaces = [each for each in tenant.of_type(INTERFACES) if _same(each.properties["subnet"]["id"], resource.id)]
    held = [{"id": address} for each in interfaces for address in configurations_of(each)]
    properties: Json = {
        **own,
        **({"ipConfigurations": held} if held else {}),
        **({"privateEndpoints": inside} if inside else {}),
        "delegations": own.get("delegations") or [],
        "privateEndpointNetworkPolicies": own.get("privateEndpointNetworkPolicies", "Disabled"),
        "privateLinkServiceNetworkPolicies": own.get("privateLinkServiceNetworkPolicies", "Enabled"),
    }
    return envelope(tenant, resource, properties, tracked=False)


def endpoints_in(tenant: Tenant, subnet_id: str) -> list[Resource]:
    """The private endpoints that live in a subnet."""
    found = tenant.of_type(ENDPOINTS)
    return [each for each in found if _same((each.properties.get("subnet") or {}).get("id", ""), subnet_id)]


def _same(one: object, other: str) -> bool:
    return str(one).lower() == other.lower()


def configurations_of(interface: Resource) -> list[str]:
    """The addresses (ARM's) of an interface's IP configurations."""
    return [f"{interface.id}/ipConfigurations/{entry['name']}" for entry in interface.properties["addresses"]]


def _write_subnet(write: Write) -> None:
    own = write.resource.properties
    if write.seeding:
        return
    if not own.get("addressPrefix") and not own.get("addressPrefixes"):
        raise errors.bad_request("InvalidRequestFormat", "A subnet needs an address prefix.")
    network = write.tenant.find(write.resource.id.rpartition("/subnets/")[0])
    if network is not None:
        _check_range(write.tenant, network, write.resource)
    group_id = str((own.get("networkSecurityGroup") or {}).get("id") or "")
    if not group_id:
        return
    group = write.tenant.find(group_id)
    if group is None or (network is not None and group.location.lower() != network.location.lower()):
        raise unreachable(group_id, write.resource.id)
    rbac.demand_linked(write.tenant, write.caller, JOIN_GROUP, group.id, f"{NETWORKS}/subnets/write", write.resource.id)


def unreachable(wanted: str, by: str) -> ArmError:
    """The refusal of a reference to what is not there, or is in another region: Azure's words don't tell which."""
    message = (
        f"Resource {wanted} referenced by resource {by} was not found. Please make sure that the referenced resource"
        " exists, and that both resources are in the same region."
    )
    details = [{"code": "NotFound", "message": f"Resource {wanted} not found."}]
    return ArmError(400, "InvalidResourceReference", message, headers=errors.SERVICE, details=details)


def _check_range(tenant: Tenant, network: Resource, subnet: Resource) -> None:
    """A subnet lies within its network's address space and beside its other subnets."""
    spaces = _ranges((network.properties.get("addressSpace") or {}).get("addressPrefixes") or ())
    own = prefixes_of(subnet)
    told = f"Subnet '{subnet.name}' is not valid because its IP address range"
    if not all(any(_within(each, space) for space in spaces) for each in own):
        message = f"{told} is outside the IP address range of virtual network '{network.name}'."
        raise errors.bad_request("NetcfgSubnetRangeOutsideVnet", message)
    others = [each for each in tenant.children(network.id, "subnets") if each.id.lower() != subnet.id.lower()]
    if any(one.overlaps(two) for one in own for other in others for two in prefixes_of(other)):
        message = f"{told} overlaps with that of an existing subnet in virtual network '{network.name}'."
        raise errors.bad_request("NetcfgSubnetRangesOverlap", message)


def prefixes_of(subnet: Resource) -> list[Range]:
    """The address ranges of a subnet: one, or several in a list."""
    single = subnet.properties.get("addressPrefix")
    return _ranges([single] if single else subnet.properties.get("addressPrefixes") or ())


def _ranges(texts: Sequence[str]) -> list[Range]:
    try:
        return [ipaddress.ip_network(text) for text in texts]
    except ValueError as error:
        raise errors.bad_request("InvalidCIDRNotation", f"The address prefix is not a valid CIDR: {error}.") from error


def _within(inner: Range, outer: Range) -> bool:
    return inner.version == outer.version and inner[0] in outer and inner[-1] in outer


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
        "doNotVerifyRemoteGateways": own.get("doNotVerifyRemoteGateways", False),
        "resourceGuid": identifier("guid", resource.id),
        **({"remoteAddressSpace": space, "remoteVirtualNetworkAddressSpace": space} if space else {}),
    }
    return envelope(tenant, resource, properties, tracked=False)


def _show_application_group(tenant: Tenant, resource: Resource, view: View) -> Json:
    return envelope(tenant, resource, {})


def _show_interface(tenant: Tenant, resource: Resource, view: View) -> Json:
    own = resource.properties
    configurations = [
        {
            "name": entry["name"],
            "id": address,
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
        for index, (address, entry) in enumerate(zip(configurations_of(resource), own["addresses"], strict=True))
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


def tags_only(before: Resource, sent: Json) -> Json:
    """PATCH of a network resource changes its tags and nothing else (UpdateTags)."""
    return before.body | ({"tags": sent["tags"]} if "tags" in sent else {})


def missing_child(path: ArmPath) -> ArmError:
    return network_not_found(path.text)


declare(
    [
        Kind(
            NETWORKS,
            NETWORK,
            _show_network,
            write=_write_network,
            erase=_erase_network,
            patch=tags_only,
            lro="network",
        ),
        Kind(
            f"{NETWORKS}/subnets",
            NETWORK,
            _show_subnet,
            write=_write_subnet,
            erase=_erase_subnet,
            methods=NO_PATCH,
            lro="network",
            missing=missing_child,
        ),
        Kind(
            f"{NETWORKS}/virtualNetworkPeerings",
            NETWORK,
            _show_peering,
            methods=NO_PATCH,
            lro="network",
            missing=missing_child,
        ),
        Kind(
            "Microsoft.Network/applicationSecurityGroups",
            NETWORK,
            _show_application_group,
            patch=tags_only,
            lro="network",
        ),
        Kind(INTERFACES, NETWORK, _show_interface, methods=GET_ONLY),
        Kind("Microsoft.Network/locations/operations", NETWORK, single=operation_status, methods=GET_ONLY),
        Kind("Microsoft.Network/locations/operationResults", NETWORK, single=operation_status, methods=GET_ONLY),
    ]
)
