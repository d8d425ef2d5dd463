"""What stands between the network and a private endpoint, joined: its subnet, the security group, the rules that count.

Microsoft Learn, "Manage network policies for private endpoints" (2026-08): a security group applies to an endpoint only where
its subnet enforces network policies. An endpoint's own interface is Azure's and takes no group. The rules of a Virtual Network
Manager don't apply to private endpoints ("Security admin rules", 2026-08).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from aoai_lib.facts import Facts, NotCollectedError, UnexpectedShapeError, View
from aoai_lib.network_traffic.address_names import Named, Neighbours, members_of, neighbours
from aoai_lib.network_traffic.decisions import Rule
from aoai_lib.network_traffic.security_rules import Target, inbound_rules, rule_for
from aoai_lib.network_traffic.spans import of_prefix
from aoai_lib.private_link import (
    ENFORCING,
    endpoint_addresses,
    find,
    network_of,
    subnet,
    subscription_of,
    virtual_network,
)


@dataclass(frozen=True, slots=True)
class Place:
    """The subnet of an endpoint with its id as the endpoint spells it: whether it applies security rules to endpoints, and the
    id of its group ("" = none)."""

    id: str
    subnet: View
    policies: str
    enforces: bool
    group: str


@dataclass(frozen=True, slots=True)
class Way:
    """The way to one address of an endpoint, and the rules on it in the order in which they count."""

    address: str
    version: int
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Inbound:
    """The ways to an endpoint. `missing` says by condition what could not be read."""

    ways: tuple[Way, ...]
    missing: Mapping[str, NotCollectedError]


def place_of(facts: Facts, endpoint: View) -> Place | None:
    """Where an endpoint stands; None where there is no such subnet. Raises `NotCollectedError`."""
    arm_id = endpoint.text("properties.subnet.id")
    found = subnet(facts, arm_id)
    if found is None:
        return None
    policies = found.text("properties.privateEndpointNetworkPolicies", "Disabled")
    group = found.text("properties.networkSecurityGroup.id")
    return Place(arm_id, found, policies, policies.lower() in ENFORCING, group)


def inbound(facts: Facts, endpoint: View, place: Place) -> Inbound | None:
    """The rules of the subnet's security group as they concern each address of the endpoint; None where no such group is found.

    Whether the subnet applies them to endpoints is not asked here: see `Place.enforces`.
    """
    group = find(facts, "network_security_group", place.group, "network_security_groups", subscription_of(place.group))
    network = virtual_network(facts, network_of(place.id))
    if group is None or network is None:
        return None
    written = inbound_rules(group)
    around = neighbours(facts, network, place.subnet)
    own = frozenset(each.id for each in endpoint.each("properties.applicationSecurityGroups"))
    missing: dict[str, NotCollectedError] = {}
    ways = []
    for address in sorted(endpoint_addresses(facts, endpoint)):
        found = of_prefix(address)
        if found is None:
            raise UnexpectedShapeError(f"{endpoint.path}.address", "an address", address)
        target = Target(found[0], found[1][0][0], own)
        members = partial(_members, facts, network, around, target.version, missing)
        ways.append(Way(address, target.version, tuple(rule_for(rule, target, around, members) for rule in written)))
    return Inbound(tuple(ways), missing)


def _members(
    facts: Facts, network: View, around: Neighbours, version: int, missing: dict[str, NotCollectedError], group: str
) -> Named:
    named, problem = members_of(facts, network, group, around, version)
    if problem is not None:
        missing.update({label: problem for _, conditions in named for label, _ in conditions})
    return named
