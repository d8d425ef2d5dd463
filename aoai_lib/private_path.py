"""The private path of an account as one joined chain, for a person to look at: what holds, what is broken, what is unknown.

It is a picture and gives no verdict: those are the controls', which make the same joins through `private_link`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from aoai_lib.facts import Facts, NotCollectedError, UnexpectedShapeError, View
from aoai_lib.model import Kind, Snapshot, Subject
from aoai_lib.private_link import (
    APPROVED,
    ENFORCING,
    PUBLIC_PREFIX,
    asks_through,
    connections,
    endpoint_addresses,
    endpoint_of,
    grouped_zones,
    linked_networks,
    name_of,
    network_of,
    peered_networks,
    private_endpoint,
    record_addresses,
    required_zones,
    status_of,
    subnet,
    virtual_network,
    zones_named,
)


class LinkState(StrEnum):
    """How far a link of the chain can be relied on."""

    OK = "ok"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Link:
    """One thing on the path. `kind` is account, connection, endpoint, subnet, policies, security_group, zone_group, zone,
    record, zone_links or network; `id` its ARM id where it has one; `sentence` says what was found."""

    kind: str
    name: str
    state: LinkState
    sentence: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class ZonePath:
    """A required zone: itself, the account's record in it, and each network that must resolve it, linked or not."""

    zone: Link
    record: Link
    networks: tuple[Link, ...]

    @property
    def links(self) -> tuple[Link, ...]:
        """All links, in the order in which a name is resolved backwards."""
        return (self.zone, self.record, *self.networks)


@dataclass(frozen=True, slots=True)
class EndpointPath:
    """One connection, from the account down to the subnet (`chain`) and over the names (`zones`)."""

    endpoint: str
    chain: tuple[Link, ...]
    zones: tuple[ZonePath, ...] = ()

    @property
    def links(self) -> tuple[Link, ...]:
        """All links of the connection."""
        return (*self.chain, *(link for zone in self.zones for link in zone.links))

    @property
    def state(self) -> LinkState:
        """Broken where any link is, else unknown where any is."""
        return worst(self.links)


@dataclass(frozen=True, slots=True)
class PrivatePath:
    """Everything private about an account: the account itself, and one path a connection."""

    account: Link
    endpoints: tuple[EndpointPath, ...]

    @property
    def state(self) -> LinkState:
        """The best of the connections: one whole path is a way in. Broken where there is no connection."""
        if self.account.state is not LinkState.OK or not self.endpoints:
            return worst([self.account, *([] if self.endpoints else [_NO_ENDPOINT])])
        states = {path.state for path in self.endpoints}
        return next(state for state in (LinkState.OK, LinkState.UNKNOWN, LinkState.BROKEN) if state in states)


_NO_ENDPOINT = Link("endpoint", "", LinkState.BROKEN, "The account has no private endpoint.")


def worst(links: Iterable[Link]) -> LinkState:
    """Broken where any link is, else unknown where any is, else ok."""
    states = {link.state for link in links}
    return next((state for state in (LinkState.BROKEN, LinkState.UNKNOWN) if state in states), LinkState.OK)


def _good(kind: str, name: str, sentence: str, arm_id: str = "") -> Link:
    return Link(kind, name, LinkState.OK, sentence, arm_id)


def _bad(kind: str, name: str, sentence: str, arm_id: str = "") -> Link:
    return Link(kind, name, LinkState.BROKEN, sentence, arm_id)


def _unsure(kind: str, name: str, problem: NotCollectedError | UnexpectedShapeError, arm_id: str = "") -> Link:
    sentence = str(problem).rstrip(".") or f"The {kind.replace('_', ' ')} is not known"
    return Link(kind, name, LinkState.UNKNOWN, f"{sentence}.", arm_id)


def private_path(snapshot: Snapshot, account_id: str) -> PrivatePath:
    """The private path of one account of the snapshot. Never raises for what could not be read: such links are unknown."""
    name = name_of(account_id)
    subject = Subject(Kind.ACCOUNT, account_id, account_id)
    facts = Facts(snapshot, subject)
    try:
        domain = facts.account.text("properties.customSubDomainName")
        paths = tuple(_endpoint_path(facts, connection) for connection in connections(facts))
    except (NotCollectedError, UnexpectedShapeError) as problem:
        return PrivatePath(_unsure("account", name, problem, account_id), ())
    if not domain:
        return PrivatePath(_bad("account", name, "The account has no custom subdomain.", account_id), paths)
    return PrivatePath(_good("account", name, f"The account answers to “{domain}”.", account_id), paths)


def _endpoint_path(facts: Facts, connection: View) -> EndpointPath:
    """One connection's path. What stops traffic ends the chain: nothing behind it matters then."""
    arm_id = endpoint_of(connection)
    shown = name_of(arm_id) or connection.text("name")
    status = status_of(connection)
    if status.lower() != APPROVED:
        sentence = f"The connection is {status or 'without a state'}."
        return EndpointPath(arm_id, (_bad("connection", shown, sentence),))
    approved = _good("connection", shown, "The connection is approved.")
    if not arm_id:
        return EndpointPath("", (approved, _bad("endpoint", "", "The connection names no private endpoint.")))
    try:
        endpoint = private_endpoint(facts, arm_id)
    except (NotCollectedError, UnexpectedShapeError) as problem:
        return EndpointPath(arm_id, (approved, _unsure("endpoint", shown, problem, arm_id)))
    if endpoint is None:
        return EndpointPath(
            arm_id, (approved, _bad("endpoint", shown, "The endpoint does not exist any more.", arm_id))
        )
    chain = (
        approved,
        _address(facts, endpoint, arm_id),
        *_place(facts, endpoint),
        _zone_group(facts, connection, arm_id),
    )
    return EndpointPath(arm_id, chain, tuple(_zone_paths(facts, connection, endpoint)))


def _address(facts: Facts, endpoint: View, arm_id: str) -> Link:
    name = name_of(arm_id)
    try:
        held = endpoint_addresses(facts, endpoint)
    except (NotCollectedError, UnexpectedShapeError) as problem:
        return _unsure("endpoint", name, problem, arm_id)
    if not held:
        return _bad("endpoint", name, "The endpoint has no address.", arm_id)
    return _good("endpoint", name, f"The endpoint has the address {' and '.join(sorted(held))}.", arm_id)


def _place(facts: Facts, endpoint: View) -> Iterator[Link]:
    """The subnet, whether it applies security rules to endpoints, and the group that holds them."""
    arm_id = endpoint.text("properties.subnet.id")
    name = f"{name_of(network_of(arm_id))}/{name_of(arm_id)}"
    try:
        place = subnet(facts, arm_id)
        if place is None:
            yield _bad("subnet", name, "The subnet does not exist.", arm_id)
            return
        policies = place.text("properties.privateEndpointNetworkPolicies", "Disabled")
        rules = place.text("properties.networkSecurityGroup.id")
    except (NotCollectedError, UnexpectedShapeError) as problem:
        yield _unsure("subnet", name, problem, arm_id)
        return
    yield _good("subnet", name, f"The endpoint stands in the subnet “{name}”.", arm_id)
    if policies.lower() in ENFORCING:
        yield _good("policies", policies, "The subnet applies security rules to private endpoints.")
    else:
        yield _bad("policies", policies, "The subnet applies no security rules to private endpoints.")
    if rules:
        yield _good("security_group", name_of(rules), f"The subnet has the security group “{name_of(rules)}”.", rules)
    else:
        yield _bad("security_group", "", "The subnet has no security group.")


def _zone_group(facts: Facts, connection: View, arm_id: str) -> Link:
    try:
        required, grouped = required_zones(facts, connection), grouped_zones(facts, arm_id)
    except (NotCollectedError, UnexpectedShapeError) as problem:
        return _unsure("zone_group", "", problem)
    missing = [name for name in required if name not in grouped]
    if not grouped:
        return _bad("zone_group", "", "The endpoint has no DNS zone group.")
    if missing:
        return _bad("zone_group", "", f"The zone group leaves out {', '.join(missing)}.")
    return _good("zone_group", "", f"The zone group covers {len(required)} required zone(s).")


def _zone_paths(facts: Facts, connection: View, endpoint: View) -> Iterator[ZonePath]:
    """A path a zone; none where the required zones or the endpoint's group are not known, which `_zone_group` then says."""
    arm_id = endpoint_of(connection)
    try:
        required, grouped = required_zones(facts, connection), grouped_zones(facts, arm_id)
    except (NotCollectedError, UnexpectedShapeError):
        return
    for name in required:
        zones, unread = ([grouped[name]], None) if name in grouped else zones_named(facts, name)
        if zones:
            yield from (_zone_path(facts, endpoint, zone, managed=name in grouped) for zone in zones)
            continue
        if unread is not None:
            zone = _unsure("zone", name, NotCollectedError(unread))
        else:
            zone = _bad("zone", name, f"No assessed subscription has the zone “{name}”.")
        yield ZonePath(zone, Link("record", name, zone.state, f"No zone “{name}” is known to hold a record."), ())


def _zone_path(facts: Facts, endpoint: View, zone: str, *, managed: bool) -> ZonePath:
    name = name_of(zone)
    kept = "kept by the zone group" if managed else "kept by hand"
    link = _good("zone", name, f"The zone “{name}” is {kept}.", zone)
    try:
        linked = linked_networks(facts, zone)
    except (NotCollectedError, UnexpectedShapeError) as problem:
        return ZonePath(link, _record(facts, endpoint, zone), (_unsure("zone_links", name, problem),))
    if linked is None:
        link = _bad("zone", name, f"The zone “{name}” does not exist any more.", zone)
    return ZonePath(link, _record(facts, endpoint, zone), tuple(_networks(facts, endpoint, name, linked or set())))


def _record(facts: Facts, endpoint: View, zone: str) -> Link:
    name = name_of(zone)
    try:
        host = facts.account.text("properties.customSubDomainName").lower()
        recorded = record_addresses(facts, zone, host) if host else None
        held = endpoint_addresses(facts, endpoint, f"{host}.{name.lower().removeprefix(PUBLIC_PREFIX)}")
    except (NotCollectedError, UnexpectedShapeError) as problem:
        return _unsure("record", name, problem)
    if recorded is None:
        return _bad("record", name, f"“{name}” has no record for “{host}”.")
    if not recorded & held:
        return _bad("record", f"{host}.{name}", f"The record says {' and '.join(sorted(recorded)) or 'nothing'}.")
    return _good("record", f"{host}.{name}", f"The record says {' and '.join(sorted(recorded))}.")


def _networks(facts: Facts, endpoint: View, zone: str, linked: set[str]) -> Iterator[Link]:
    """The endpoint's own network, the peered and the named, each linked to the zone or not."""
    own = network_of(endpoint.text("properties.subnet.id"))
    wanted = {own.lower(): own}
    wanted.update((network.lower(), network) for network in facts.requirements.consumer_vnets)
    try:
        network = virtual_network(facts, own)
        wanted.update((each.lower(), each) for each in (peered_networks(network) if network is not None else []))
    except (NotCollectedError, UnexpectedShapeError) as problem:
        yield _unsure("network", name_of(own), problem, own)
    for key, arm_id in wanted.items():
        name = name_of(arm_id)
        if key in linked:
            yield _good("network", name, f"“{name}” is linked to “{zone}”.", arm_id)
        elif asks_through(facts, arm_id, linked):
            yield _good("network", name, f"“{name}” asks for “{zone}” through DNS servers in a linked network.", arm_id)
        else:
            yield _bad("network", name, f"“{name}” is not linked to “{zone}”.", arm_id)
