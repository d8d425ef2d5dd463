"""The joints of the private way to an account: which endpoint, network, zone or record an answer speaks of.

Every function looks through `Facts`, so whoever uses one cites what it read, and raises `NotCollectedError` where the answer
can't be known. What is known not to exist comes back as None. `private_path` puts the joints together.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from aoai_lib.facts import Facts, NotCollectedError, UnexpectedShapeError, View
from aoai_lib.model import ABSENT, Reading, State

APPROVED: Final = "approved"
"""The one state of a connection in which traffic flows; others are Pending, Rejected and Disconnected (API 2025-09-01)."""

PUBLIC_PREFIX: Final = "privatelink."
"""What a private zone's name has before the public one, in every cloud."""

ENFORCING: Final = frozenset({"enabled", "networksecuritygroupenabled"})
"""Values of `privateEndpointNetworkPolicies` under which security groups apply to endpoints (API 2026-03-01)."""


RESOLVING: Final = frozenset({"completed", "done"})
"""States of a zone's link in which the network resolves the zone: the enumeration of API 2024-06-01 has Completed, its text Done."""

AZURE_DNS: Final = "168.63.129.16"
"""Azure's own resolver: a network asks it where it names no DNS server, and it answers by the network's own links."""

T = TypeVar("T")


def each_sound(views: Iterable[View], look: Callable[[View], T]) -> Iterator[T]:
    """What `look` finds in each view. One of another shape raises only after the last, so that it hides none of the others."""
    misshapen: UnexpectedShapeError | None = None
    for view in views:
        try:
            found = look(view)
        except UnexpectedShapeError as odd:
            misshapen = misshapen or odd
        else:
            yield found
    if misshapen is not None:
        raise misshapen


def subscription_of(arm_id: str) -> str:
    """The subscription in an ARM id, lower-cased; "" where there is none."""
    steps = arm_id.lower().strip("/").split("/")
    return steps[1] if len(steps) > 1 and steps[0] == "subscriptions" else ""


def name_of(arm_id: str) -> str:
    """The last segment of an ARM id."""
    return arm_id.rstrip("/").rpartition("/")[2]


def network_of(subnet: str) -> str:
    """The id of the virtual network that a subnet's id lies in."""
    head, _, _ = subnet.lower().partition("/subnets/")
    return subnet[: len(head)]


def find(facts: Facts, source: str, arm_id: str, listing: str, scope: str, label: str = "") -> View | None:
    """One resource, read by itself or with its list; None where the service says that there is no such thing.

    `listing` and `scope` name the list that would hold it. Raises `NotCollectedError` where neither gives an answer.
    """
    path = f"{source}[{label or name_of(arm_id)}]"
    reading = facts.snapshot.reading(source, arm_id)
    if reading.is_gone:
        facts.record(path, ABSENT, reading)
        return None
    if reading.state is not State.NOT_COLLECTED:
        return facts.of(source, arm_id, path)
    listed = facts.snapshot.reading(listing, scope)
    if listed.state is State.COLLECTED or (listed.is_gone and scope.startswith("/")):
        facts.record(f"{listing}[{label or name_of(arm_id)}]", ABSENT, listed)
        return None
    raise NotCollectedError(reading if listed.state is State.NOT_COLLECTED else listed)


def connections(facts: Facts) -> Iterator[View]:
    """The private endpoint connections as the account itself shows them."""
    yield from facts.account.each("properties.privateEndpointConnections")


def status_of(connection: View) -> str:
    """The connection's own state. `provisioningState` says nothing about it."""
    return connection.text("properties.privateLinkServiceConnectionState.status")


def endpoint_of(connection: View) -> str:
    """The endpoint's ARM id; "" where the account does not name one."""
    return connection.text("properties.privateEndpoint.id")


def connection_to(facts: Facts, endpoint: str) -> View | None:
    """The account's connection to an endpoint, the approved one where there are several."""
    found = None
    for leads_to, status, connection in each_sound(
        connections(facts), lambda each: (endpoint_of(each).lower(), status_of(each).lower(), each)
    ):
        if leads_to == endpoint.lower():
            if status == APPROVED:
                return connection
            found = found or connection
    return found


def private_endpoint(facts: Facts, arm_id: str) -> View | None:
    """The endpoint itself, from whichever subscription it stands in."""
    return find(facts, "private_endpoint", arm_id, "private_endpoints", subscription_of(arm_id))


def targets(endpoint: View) -> Iterator[tuple[str, str]]:
    """What an endpoint leads to, approved by itself or by hand: an ARM id or an alias (which has no slash), and the state of
    the connection as the endpoint sees it ("" where it doesn't say)."""
    for member in ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections"):
        for connection in endpoint.each(f"properties.{member}"):
            yield connection.text("properties.privateLinkServiceId"), status_of(connection)


def virtual_network(facts: Facts, arm_id: str) -> View | None:
    """A virtual network, with its subnets and peerings."""
    return find(facts, "virtual_network", arm_id, "virtual_networks", subscription_of(arm_id))


def subnet(facts: Facts, arm_id: str) -> View | None:
    """A subnet, as its virtual network shows it."""
    network = virtual_network(facts, network_of(arm_id))
    if network is None:
        return None
    subnets = each_sound(network.each("properties.subnets"), lambda each: (each.id, each))
    return next((found for name, found in subnets if name == arm_id.lower()), None)


def required_zones(facts: Facts, connection: View) -> list[str]:
    """Names of the private zones that the account's private link needs in this cloud, lower-cased."""
    wanted = {group.lower() for group in connection.texts("properties.groupIds")}
    names: list[str] = []
    for resource in facts.of_account("private_link_resources").each("value"):
        if not wanted or resource.text("properties.groupId").lower() in wanted:
            names.extend(name.lower() for name in resource.texts("properties.requiredZoneNames"))
    return list(dict.fromkeys(names))


def grouped_zones(facts: Facts, endpoint: str) -> dict[str, str]:
    """The zones of an endpoint's zone groups: name, lower-cased, to ARM id."""
    label = f"private_dns_zone_groups[{name_of(endpoint)}]"
    found = {}
    for group in facts.of("private_dns_zone_groups", endpoint, label).each():
        for config in group.each("properties.privateDnsZoneConfigs"):
            zone = config.text("properties.privateDnsZoneId")
            found[name_of(zone).lower()] = zone
    return found


def assessed_subscriptions(facts: Facts) -> list[str]:
    """Ids of the subscriptions that this run looks at, lower-cased."""
    view = facts.of("subscriptions", "")
    return view.value if view.present else []


def zones_named(facts: Facts, name: str) -> tuple[list[str], Reading | None]:
    """Zones of this name in the assessed subscriptions, and the first list of zones that could not be read in full."""
    found = []
    unread = None
    for subscription in assessed_subscriptions(facts):
        listed = facts.snapshot.reading("private_dns_zones", subscription)
        for zone in listed.value or []:
            if name_of(zone).lower() == name:
                facts.of("private_dns_zone", zone, f"private_dns_zone[{name}]").text("id")
                found.append(zone)
        if listed.state is not State.COLLECTED:
            unread = unread or listed
        elif not found:
            facts.record(f"private_dns_zones[{name}]", ABSENT, listed)
    return found, unread


def record_addresses(facts: Facts, zone: str, host: str) -> set[str] | None:
    """The addresses of a host's A record in a zone; None where zone or record does not exist."""
    record = find(facts, "dns_a_record", f"{zone}/A/{host}", "dns_a_records", zone, f"{host}.{name_of(zone)}")
    if record is None:
        return None
    return {entry.text("ipv4Address") for entry in record.each("properties.aRecords")}


def endpoint_addresses(facts: Facts, endpoint: View, host: str = "") -> set[str]:
    """The addresses that an endpoint holds, IPv4 and IPv6: for a public host name, or all. An endpoint that doesn't say which
    address is whose holds each for every name.

    With a DNS zone group `customDnsConfigs` is empty (API 2026-03-01), and the network interface knows.
    """
    held: dict[str, set[str]] = {}
    for config in endpoint.each("properties.customDnsConfigs"):
        held.setdefault(config.text("fqdn").lower(), set()).update(config.texts("ipAddresses"))
    if not held:
        for interface in endpoint.each("properties.networkInterfaces"):
            _add_addresses(facts, interface.text("id"), held)
    names = [host.lower(), ""] if host else list(held)
    return {address for name in names for address in held.get(name, ())}


def _add_addresses(facts: Facts, interface: str, held: dict[str, set[str]]) -> None:
    found = find(facts, "network_interface", interface, "network_interfaces", subscription_of(interface))
    if found is None:
        return
    for config in found.each("properties.ipConfigurations"):
        address = config.text("properties.privateIPAddress")
        for name in config.texts("properties.privateLinkConnectionProperties.fqdns") or [""]:
            if address:
                held.setdefault(name.lower(), set()).add(address)


def linked_networks(facts: Facts, zone: str) -> Iterator[str]:
    """Ids, lower-cased, of the virtual networks that resolve a zone. Raises last where there may be more."""
    links = facts.of("dns_zone_links", zone, f"dns_zone_links[{name_of(zone)}]").each()
    for state, network in each_sound(links, _link):
        if state in RESOLVING:
            yield network


def _link(link: View) -> tuple[str, str]:
    state = link.text("properties.virtualNetworkLinkState", "Completed").lower()
    return state, link.text("properties.virtualNetwork.id").lower()


def is_gone(facts: Facts, zone: str) -> bool:
    """Whether the service says of a zone that it does not exist. One that can't be read may well be there."""
    links = facts.snapshot.reading("dns_zone_links", zone)
    if links.is_gone:
        facts.record(f"dns_zone_links[{name_of(zone)}]", ABSENT, links)
    return links.is_gone


def peered_networks(network: View) -> Iterator[str]:
    """Ids of the virtual networks whose traffic reaches this one: connected on both sides (`Initiated` is one side only), in
    any region. Peering is not passed on, so the peers' own peers are none of them. Raises last where one is misshapen."""
    for remote, state, allowed in each_sound(network.each("properties.virtualNetworkPeerings"), _peering):
        if state == "connected" and allowed:
            yield remote


def _peering(peering: View) -> tuple[str, str, bool]:
    state = peering.text("properties.peeringState").lower()
    remote = peering.text("properties.remoteVirtualNetwork.id")
    return remote, state, peering.flag("properties.allowVirtualNetworkAccess", True)


def dns_servers(facts: Facts, network: str, linked: set[str]) -> tuple[list[str], list[str]]:
    """The DNS servers that a network names, and those of them that stand in none of the linked networks."""
    found = virtual_network(facts, network)
    servers = found.texts("properties.dhcpOptions.dnsServers") if found is not None else []
    others = sorted(linked - {network.lower()})
    likely = [network, *others] if network.lower() in linked else others
    return servers, [each for each in servers if each != AZURE_DNS and not _stands_in(facts, each, likely)]


def _stands_in(facts: Facts, server: str, networks: Iterable[str]) -> bool:
    for network in networks:
        try:
            found = virtual_network(facts, network)
            ranges = found.texts("properties.addressSpace.addressPrefixes") if found is not None else []
        except (NotCollectedError, UnexpectedShapeError):
            # Where that network lies is not known, so nothing can be said to stand in it.
            continue
        if any(_within(server, each) for each in ranges):
            return True
    return False


def _within(address: str, prefix: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(prefix, strict=False)
    except ValueError:
        return False


def asks_through(facts: Facts, network: str, linked: set[str]) -> bool:
    """Whether all of a network's own DNS servers stand in linked networks, so that it needs no link. False where unknown."""
    try:
        servers, strays = dns_servers(facts, network, linked)
    except (NotCollectedError, UnexpectedShapeError):
        # The missing link is a fact without this answer, which could only have excused it.
        return False
    return bool(servers) and AZURE_DNS not in servers and not strays
