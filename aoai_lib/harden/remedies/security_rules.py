"""How the way to an endpoint is narrowed: first the rules, then the subnet's switch that gives them effect.

The rules are about the endpoint's own addresses, so that neighbours in the subnet are left as they are. Microsoft.Network
2026-03-01: priorities of a security group run from 100 to 4096, lower ones first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from aoai_lib.facts import Facts, View
from aoai_lib.harden.making import CannotPlanError, Site, mends
from aoai_lib.harden.plan import Check, Step
from aoai_lib.harden.remedies.endpoints import NETWORK
from aoai_lib.model import Finding, Json
from aoai_lib.private_link import endpoint_addresses, name_of, network_of, private_endpoint, subnet, virtual_network

_FIRST: Final = 100
_LAST: Final = 4096
_SUBNET_READ_ONLY: Final = (
    "properties.privateEndpoints",
    "properties.ipConfigurations",
    "properties.ipConfigurationProfiles",
    "properties.purpose",
    "properties.resourceNavigationLinks",
    "properties.serviceAssociationLinks",
    "properties.delegations.*.etag",
    "properties.serviceEndpoints.*.provisioningState",
)


@mends("NET-12")
@mends("NET-13")
def narrow(site: Site, finding: Finding) -> Iterator[Step]:
    """Let the approved sources in on 443, and nobody else on any port, before any rule that is there already."""
    facts = site.facts(finding.subject)
    sources = list(facts.requirements.approved_source_ranges)
    if not sources:
        raise CannotPlanError("Name the ranges that may reach the account in requirements.approved_source_ranges.")
    endpoint, place, addresses = _place(facts, finding)
    group = place.text("properties.networkSecurityGroup.id")
    rules = _rules(name_of(endpoint), sources, addresses)
    if not group:
        yield from _new_group(site, finding, facts, endpoint, rules)
        return
    found = facts.of("network_security_group", group)
    taken = [
        each.number("properties.priority") or 0
        for each in found.each("properties.securityRules")
        if each.text("properties.direction").lower() == "inbound"
    ]
    first = int(min(taken, default=_LAST + 1))
    if taken and first - len(rules) < _FIRST:
        raise CannotPlanError(
            f"The security group “{name_of(group)}” has no priority free before its first rule ({first})."
        )
    for number, rule in enumerate(rules):
        priority = first - len(rules) + number if taken else rule["properties"]["priority"]
        body = {"properties": {**rule["properties"], "priority": priority}}
        yield site.put(
            finding,
            f"{group}/securityRules/{rule['name']}",
            NETWORK,
            None,
            body,
            title=f"Add the rule “{rule['name']}” to the security group “{name_of(group)}”",
            effect=_EFFECTS[number].format(addresses=", ".join(addresses), sources=", ".join(sources)),
            permission="Microsoft.Network/networkSecurityGroups/securityRules/write",
        )


_EFFECTS: Final = (
    "{sources} may reach {addresses} on 443, once the subnet enforces rules for private endpoints.",
    "Every other source and port to {addresses} is refused, once the subnet enforces rules for private endpoints.",
)


def _place(facts: Facts, finding: Finding) -> tuple[str, View, list[str]]:
    """The endpoint's id, its subnet, and its addresses."""
    endpoint = private_endpoint(facts, finding.subject.id)
    place = subnet(facts, endpoint.text("properties.subnet.id")) if endpoint is not None else None
    if endpoint is None or place is None:
        raise CannotPlanError("The endpoint or its subnet does not exist any more.")
    addresses = sorted(endpoint_addresses(facts, endpoint))
    if not addresses:
        raise CannotPlanError("The endpoint has no address yet.")
    return finding.subject.id, place, addresses


def _rules(endpoint: str, sources: Sequence[str], addresses: Sequence[str]) -> list[Json]:
    """The guide's rules, about one endpoint's addresses: allow on 443, then deny."""
    to = {"direction": "Inbound", "sourcePortRange": "*", "destinationAddressPrefixes": list(addresses)}
    return [
        {
            "name": f"allow-{endpoint}"[:80],
            "properties": {
                **to,
                "priority": _FIRST,
                "access": "Allow",
                "protocol": "Tcp",
                "sourceAddressPrefixes": list(sources),
                "destinationPortRange": "443",
            },
        },
        {
            "name": f"deny-{endpoint}"[:80],
            "properties": {
                **to,
                "priority": _LAST,
                "access": "Deny",
                "protocol": "*",
                "sourceAddressPrefix": "*",
                "destinationPortRange": "*",
            },
        },
    ]


def _new_group(site: Site, finding: Finding, facts: Facts, endpoint: str, rules: Sequence[Json]) -> Iterator[Step]:
    """A security group with the rules, and the subnet put under it."""
    found = private_endpoint(facts, endpoint)
    place = found.text("properties.subnet.id") if found is not None else ""
    network = virtual_network(facts, network_of(place))
    name = f"nsg-{name_of(network_of(place))}-{name_of(place)}"[:80]
    path = f"{place[: len(place.lower().partition('/providers/')[0])]}/providers/Microsoft.Network/networkSecurityGroups/{name}"
    yield site.put(
        finding,
        path,
        NETWORK,
        None,
        {
            "location": network.text("location") if network is not None else "",
            "properties": {"securityRules": list(rules)},
        },
        title=f"Create the security group “{name}” with {len(rules)} rules",
        effect="Nothing yet: a security group has effect on the subnets that it is put on.",
        permission="Microsoft.Network/networkSecurityGroups/write",
    )
    yield _subnet_step(
        site,
        finding,
        place,
        facts,
        {"properties": {"networkSecurityGroup": {"id": path}}},
        f"Put the subnet “{name_of(place)}” under the security group “{name}”",
        "Everything in the subnet comes under the group's rules: besides ours, Azure's default ones, which let the network itself in.",
    )


@mends("NET-11", needs=("NET-12", "NET-13"))
def enforce(site: Site, finding: Finding) -> Iterator[Step]:
    """Give security rules effect on private endpoints in the subnet, after the rules are there."""
    facts = site.facts(finding.subject)
    endpoint = private_endpoint(facts, finding.subject.id)
    place = endpoint.text("properties.subnet.id") if endpoint is not None else ""
    found = subnet(facts, place)
    if found is None:
        raise CannotPlanError("The subnet does not exist any more.")
    routes = found.text("properties.privateEndpointNetworkPolicies").lower() == "routetableenabled"
    yield _subnet_step(
        site,
        finding,
        place,
        facts,
        {"properties": {"privateEndpointNetworkPolicies": "Enabled" if routes else "NetworkSecurityGroupEnabled"}},
        f"Let the subnet “{name_of(place)}” enforce security rules on its private endpoints",
        "The rules of its security group begin to decide who reaches each private endpoint in it, of other services too.",
        checks=(Check(name="shared-subnet", about=finding.subject.id),),
    )


def _subnet_step(
    site: Site,
    finding: Finding,
    place: str,
    facts: Facts,
    change: Json,
    title: str,
    effect: str,
    checks: tuple[Check, ...] = (),
) -> Step:
    found = subnet(facts, place)
    return site.put(
        finding,
        place,
        NETWORK,
        found.value if found is not None else None,
        change,
        title=title,
        effect=effect,
        permission="Microsoft.Network/virtualNetworks/subnets/write",
        read_only=_SUBNET_READ_ONLY,
        checks=checks,
    )
