"""The addresses that a name in a security rule stands for: service tags and application security groups.

Microsoft Learn, "Azure service tags overview" and "Application security groups" (2026-08): VirtualNetwork is the network's own
address space, that of its connected peers, the host's virtual address, and also what a gateway learns and what route tables
name; Internet is what lies outside it and is publicly reachable; AzureLoadBalancer is the host's virtual address. The
addresses of every other tag are Microsoft's to change and can't be told from what was read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from aoai_lib.facts import Facts, NotCollectedError, UnexpectedShapeError, View
from aoai_lib.model import ABSENT, Json
from aoai_lib.network_traffic.decisions import Condition
from aoai_lib.network_traffic.spans import SPACE, Spans, common, joined, of_prefix, without
from aoai_lib.private_link import name_of, subscription_of, virtual_network

Named = list[tuple[Spans, frozenset[Condition]]]
"""Addresses, each set with what must hold for the name to stand for it."""

ANYWHERE: Final = frozenset({"*", "any"})
HOST: Final = "168.63.129.16"
"""The virtual address of the host, from which Azure's load balancers probe (IPv4)."""

_LEARNING: Final = frozenset({"gatewaysubnet", "routeserversubnet"})
"""Subnets by these names hold what learns further address spaces: a gateway or a route server."""

_NOT_PUBLIC: Final = {
    4: "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 224.0.0.0/3",
    6: "::/3 4000::/2 8000::/1",
}
"""Addresses that nobody on the public internet has (IANA's special-purpose registries; IPv6: all but 2000::/3)."""


_SERVICE: Final = "the addresses of the service tag “"


def beyond_services(conditions: frozenset[str], sources: Spans, version: int) -> bool:
    """Whether some of these sources lie outside whatever is meant: service tags alone, and services have public addresses."""
    named = all(label.startswith(_SERVICE) and label.endswith("”") for label in conditions)
    return named and bool(common(sources, spans_of(_NOT_PUBLIC[version].split(), version)))


def spans_of(prefixes: list[str], version: int) -> Spans:
    """The addresses of one IP version among some prefixes. What is no prefix is left out."""
    found = [of_prefix(prefix) for prefix in prefixes]
    return joined(span for each in found if each and each[0] == version for span in each[1])


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The tag VirtualNetwork around a subnet: prefixes for certain, and whether it holds more than can be told."""

    own: tuple[str, ...]
    prefixes: tuple[str, ...]
    open: bool

    def inside(self, version: int) -> Spans:
        """The addresses that the tag holds for certain."""
        return spans_of([*self.own, *self.prefixes], version)


def neighbours(facts: Facts, network: View, subnet: View) -> Neighbours:
    """What VirtualNetwork stands for in a security group of this subnet."""
    own = network.texts("properties.addressSpace.addressPrefixes")
    more = bool(subnet.text("properties.routeTable.id")) or not own
    more |= any(_is_learning(each) for each in network.each("properties.subnets"))
    found = [HOST]
    for peering in network.each("properties.virtualNetworkPeerings"):
        if peering.text("properties.peeringState").lower() != "connected":
            continue
        if not peering.flag("properties.allowVirtualNetworkAccess", True):
            continue
        more |= peering.flag("properties.useRemoteGateways")
        prefixes = _peer_prefixes(facts, peering)
        more |= not prefixes
        found.extend(prefixes)
    more |= any(of_prefix(prefix) is None for prefix in (*own, *found))
    return Neighbours(tuple(own), tuple(found), more)


def _is_learning(subnet: View) -> bool:
    """Whether a subnet is a gateway's. Only one that is gets recorded: a network can have thousands."""
    name = subnet.at("name").value
    return isinstance(name, str) and name.lower() in _LEARNING and bool(subnet.text("name"))


def _peer_prefixes(facts: Facts, peering: View) -> list[str]:
    """The peer's address space as the peering knows it, else as the peer itself tells it; none where it can't be read."""
    prefixes = peering.texts("properties.remoteAddressSpace.addressPrefixes")
    if prefixes:
        return prefixes
    try:
        peer = virtual_network(facts, peering.text("properties.remoteVirtualNetwork.id"))
    except NotCollectedError:
        # Not knowing only widens what the tag may hold: the verdict says so where it hangs on that.
        return []
    return peer.texts("properties.addressSpace.addressPrefixes") if peer is not None else []


def _within_tag(text: str, around: Neighbours, version: int) -> Named:
    """The addresses of a service tag."""
    everywhere = SPACE[version]
    inside = around.inside(version)
    outside = without(everywhere, inside)
    member: Condition = ("what the tag “VirtualNetwork” holds beyond the known networks", True)
    if text == "virtualnetwork":
        return [(inside, frozenset()), *([(outside, frozenset({member}))] if around.open else [])]
    if text == "internet":
        private = spans_of(_NOT_PUBLIC[version].split(), version)
        unsure = frozenset({("whether the tag “Internet” holds private addresses of other networks", True)})
        known = frozenset({(member[0], False)}) if around.open else frozenset()
        return [(without(outside, private), known), (without(private, inside), unsure | known)]
    if text == "azureloadbalancer" and version == 4:
        return [(spans_of([HOST], 4), frozenset())]
    return []


def addresses_of(text: str, around: Neighbours, version: int) -> Named:
    """The addresses that a prefix, `*` or a tag stands for. A word that is none of them is taken for a tag not known here."""
    word = text.strip().lower()
    if word in ANYWHERE:
        return [(SPACE[version], frozenset())]
    prefix = of_prefix(text)
    if prefix is not None:
        return [(prefix[1], frozenset())] if prefix[0] == version else []
    return _within_tag(word, around, version) or [(SPACE[version], frozenset({(f"{_SERVICE}{text}”", True)}))]


def _members(facts: Facts, group: str) -> list[str]:
    """The addresses of the network interfaces in an application security group. Raises `NotCollectedError`.

    A group's members stand in its own subscription and in one virtual network.
    """
    listed = facts.of("network_interfaces", subscription_of(group), f"network_interfaces[{name_of(group)}]")
    found: list[str] = []
    for arm_id in listed.value:
        interface = facts.snapshot.reading("network_interface", arm_id).value
        found.extend(address for member, address in _memberships(interface, arm_id) if member.lower() == group.lower())
    facts.record(listed.path, found or ABSENT, facts.snapshot.reading("network_interfaces", subscription_of(group)))
    for _ in listed.each():
        pass  # raises where the list may have had more
    return found


def _memberships(interface: Json, arm_id: str) -> Iterator[tuple[str, str]]:
    """Group and address, for each membership of an interface."""
    try:
        for config in interface["properties"].get("ipConfigurations") or []:
            inner = config["properties"]
            for group in inner.get("applicationSecurityGroups") or []:
                yield str(group["id"]), str(inner["privateIPAddress"])
    except (KeyError, TypeError, AttributeError) as odd:
        raise UnexpectedShapeError(f"network_interface[{name_of(arm_id)}]", "an interface", interface) from odd


def members_of(
    facts: Facts, network: View, group: str, around: Neighbours, version: int
) -> tuple[Named, NotCollectedError | None]:
    """The addresses of an application security group, and why its members could not be read where that is so.

    Instances of a uniform scale set have interfaces that no list of the subscription holds (API 2025-05-01): where the network
    shows one, the group may have more members.
    """
    space = spans_of(list(around.own), version)
    label = "/".join(group.split("/")[4::4]) or group
    more = frozenset({(f"the members of the application security group “{label}”", True)})
    try:
        known = spans_of(_members(facts, group), version)
    except NotCollectedError as missing:
        return [(space, more)], missing
    scaled = any(_has_scale_set(subnet) for subnet in network.each("properties.subnets"))
    return [(known, frozenset()), *([(without(space, known), more)] if scaled else [])], None


def _has_scale_set(subnet: View) -> bool:
    return any(
        "/virtualmachinescalesets/" in config.text("id").lower()
        for config in subnet.each("properties.ipConfigurations")
        if "/virtualmachinescalesets/" in str(config.at("id").value).lower()
    )
