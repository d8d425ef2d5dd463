"""A private endpoint behind a security group: a test says which rules the group has and what else differs."""

from __future__ import annotations

from typing import Any

from builders import SUBSCRIPTION, reading
from network_samples import ENDPOINT, NETWORK, VNET, finding, whole

from aoai_lib.facts import Facts
from aoai_lib.model import Finding, Kind, Reading, Subject
from aoai_lib.network_traffic.decisions import Decision, decide
from aoai_lib.network_traffic.inbound import Inbound, inbound, place_of
from aoai_lib.network_traffic.spans import SPACE

GUARD = f"{NETWORK}/networkSecurityGroups/guard"
ASG = f"{NETWORK}/applicationSecurityGroups"
HERE = "10.0.0.4"
"""The endpoint's address, in a network of 10.0.0.0/16."""


def rule(priority: int, access: str, source: Any = "*", port: Any = "*", protocol: str = "*", **more: Any) -> Any:
    """An inbound rule as the service answers it; a list as source or port makes an augmented one."""
    sides = {
        "sourceAddressPrefix": source if isinstance(source, str) else "",
        "sourceAddressPrefixes": source if isinstance(source, list) else [],
        "destinationPortRange": port if isinstance(port, str) else "",
        "destinationPortRanges": port if isinstance(port, list) else [],
    }
    properties = {
        "provisioningState": "Succeeded",
        "priority": priority,
        "direction": "Inbound",
        "access": access,
        "protocol": protocol,
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        **sides,
        **more,
    }
    return {
        "name": f"r{priority}",
        "properties": {key: value for key, value in properties.items() if value is not ...},
    }


def group(*rules: Any, **properties: Any) -> Reading:
    """The endpoint's security group with these rules and, unless said otherwise, no word of Azure's own."""
    return reading(
        "network_security_group", GUARD, {"id": GUARD, "properties": {"securityRules": [*rules], **properties}}
    )


def network(policies: str = "Enabled", guard: str | None = GUARD, peerings: Any = (), **subnet: Any) -> Reading:
    """The endpoint's network, whose subnet names the security group."""
    place = {"privateEndpointNetworkPolicies": policies, **subnet}
    if guard:
        place["networkSecurityGroup"] = {"id": guard}
    properties = {
        "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
        "subnets": [{"id": f"{VNET}/subnets/endpoints", "name": "endpoints", "properties": place}],
        "virtualNetworkPeerings": list(peerings),
    }
    return reading("virtual_network", VNET, {"id": VNET, "properties": properties})


def peering(prefix: str, state: str = "Connected", **properties: Any) -> Any:
    """A peering to a network of this address space."""
    known = {"remoteAddressSpace": {"addressPrefixes": [prefix]}} if prefix else {}
    remote = {"remoteVirtualNetwork": {"id": f"{NETWORK}/virtualNetworks/far"}}
    return {"name": "p", "properties": {"peeringState": state, **remote, **known, **properties}}


def interface(name: str, address: str, *groups: str) -> Reading:
    """A machine's interface in application security groups."""
    arm_id = f"{NETWORK}/networkInterfaces/{name}"
    config = {"privateIPAddress": address, "applicationSecurityGroups": [{"id": f"{ASG}/{each}"} for each in groups]}
    return reading(
        "network_interface", arm_id, {"id": arm_id, "properties": {"ipConfigurations": [{"properties": config}]}}
    )


def machines(*found: Reading) -> tuple[Reading, ...]:
    """The subscription's interfaces, listed."""
    return reading("network_interfaces", SUBSCRIPTION, [each.scope for each in found]), *found


def verdict(control: str, *differing: Reading, approved: Any = ("10.1.0.0/24",)) -> Finding:
    """The finding of a control about the endpoint, in a network with a security group unless `differing` says otherwise."""
    return finding(control, network(), *differing, requirements={"approved_source_ranges": list(approved)})


def statuses(*differing: Reading, approved: Any = ("10.1.0.0/24",)) -> tuple[str, str]:
    """The verdicts of NET-12 and NET-13."""
    one, other = (verdict(control, *differing, approved=approved).status.value for control in ("NET-12", "NET-13"))
    return one, other


def ways(*differing: Reading) -> Inbound:
    """The ways to the endpoint, as the controls see them."""
    snapshot = whole(network(), *differing)
    facts = Facts(snapshot, Subject(Kind.PRIVATE_ENDPOINT, ENDPOINT))
    place = place_of(facts, facts.endpoint)
    assert place is not None
    found = inbound(facts, facts.endpoint, place)
    assert found is not None
    return found


def decisions(*differing: Reading, protocol: str = "Tcp") -> tuple[Decision, ...]:
    """What becomes of all traffic of a protocol to the endpoint's address."""
    (way,) = ways(*differing).ways
    return decide(way.rules, protocol, SPACE[way.version])
