"""A required zone of a private path: itself, the account's record in it, and the networks that must resolve it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from aoai_lib.facts import Facts, NotCollectedError, UnexpectedShapeError, View
from aoai_lib.private_link import (
    APPROVED,
    AZURE_DNS,
    PUBLIC_PREFIX,
    connections,
    dns_servers,
    endpoint_addresses,
    endpoint_of,
    is_gone,
    linked_networks,
    name_of,
    network_of,
    peered_networks,
    private_endpoint,
    record_addresses,
    status_of,
    virtual_network,
    zones_named,
)
from aoai_lib.private_path.links import Link, Problem, broken, found_out, gathered, known, ok, unknown

_NO_ADDRESS: Final[set[str]] = set()
_NO_SERVERS: Final[tuple[list[str], list[str]]] = ([], [])
_ROLES: Final = {
    "own_network": "the endpoint's own network",
    "named_network": "a consumer network that the parameters name",
    "peered_network": "which is peered with the endpoint's network",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """A virtual network from which the account is called. `kind` is a key of `_ROLES`."""

    kind: str
    id: str

    @property
    def name(self) -> str:
        """The network's own name."""
        return name_of(self.id)


def callers_of(facts: Facts, endpoint: View) -> Iterator[Caller]:
    """The endpoint's own network, those that the parameters name, and those that are peered with its own. Raises last."""
    own = network_of(endpoint.text("properties.subnet.id"))
    if not own:
        raise UnexpectedShapeError(f"{endpoint.path}.properties.subnet.id", "the id of a subnet", None)
    yield Caller("own_network", own)
    seen = {own.lower()}
    for named in facts.requirements.consumer_vnets:
        if named.lower() not in seen:
            seen.add(named.lower())
            yield Caller("named_network", named)
    network = virtual_network(facts, own)
    for peer in peered_networks(network) if network is not None else ():
        if peer.lower() not in seen:
            seen.add(peer.lower())
            yield Caller("peered_network", peer)


class ZonePath:
    """A zone that the account's private link requires. `grouped` is the ARM id under which the endpoint's zone group names it;
    "" where none does, so that its records are kept by hand, in whichever zones bear the name."""

    def __init__(self, facts: Facts, endpoint: View, name: str, grouped: str = "") -> None:
        self.facts = facts
        self.endpoint = endpoint
        self.name = name
        self.grouped = grouped

    @property
    def links(self) -> tuple[Link, ...]:
        """All links, in the order in which a name is resolved backwards. A zone that does not exist holds nothing."""
        return (self.zone, self.record, *self.networks) if self.existing else (self.zone,)

    @cached_property
    def _named(self) -> tuple[list[str], Problem | None]:
        zones, unread = zones_named(self.facts, self.name)
        return zones, NotCollectedError(unread) if unread is not None else None

    @cached_property
    def existing(self) -> list[str]:
        """Ids of the zones that may serve the name, without those that the service says are gone."""
        return [zone for zone in ([self.grouped] if self.grouped else self._named[0]) if not is_gone(self.facts, zone)]

    @property
    def _unread(self) -> Problem | None:
        """Why there may be more zones than those."""
        return None if self.grouped else self._named[1]

    @found_out("zone")
    def zone(self) -> Link:
        """Whether there is such a zone."""
        if self.existing:
            kept = "the endpoint's zone group keeps its records" if self.grouped else "its records are kept by hand"
            return ok("zone", self.name, f"The zone “{self.name}” exists, and {kept}.", self.existing[0])
        if self._unread is not None:
            return unknown("zone", self.name, self._unread)
        if self.grouped:
            told = f"The private DNS zone “{self.name}” that the endpoint's zone group names does not exist."
            return broken("zone", self.name, told, self.grouped)
        return broken("zone", self.name, f"No assessed subscription has a private DNS zone “{self.name}”.")

    @cached_property
    def _host(self) -> str:
        return self.facts.account.text("properties.customSubDomainName").lower()

    def _held(self, endpoint: View) -> set[str]:
        """The addresses that an endpoint has for the account's name in this zone, as far as an A record can hold them."""
        public = f"{self._host}.{self.name.removeprefix(PUBLIC_PREFIX)}"
        return {address for address in endpoint_addresses(self.facts, endpoint, public) if ":" not in address}

    @cached_property
    def _others(self) -> dict[str, str]:
        """The addresses of the account's other endpoints, each with its endpoint's name."""
        found = {}
        for connection in connections(self.facts):
            arm_id = endpoint_of(connection)
            if status_of(connection).lower() == APPROVED and arm_id.lower() != self.endpoint.id:
                other = private_endpoint(self.facts, arm_id)
                found.update({address: name_of(arm_id) for address in self._held(other)} if other is not None else {})
        return found

    def _recorded(self, zone: str, host: str) -> set[str]:
        """The addresses that a zone holds for a host, where that only tells or excuses more: none where it is not known."""
        return known(lambda: record_addresses(self.facts, zone, host), None) or _NO_ADDRESS

    @found_out("record")
    def record(self) -> Link:
        """Whether the account's name leads to the endpoint's address, and to none that is no endpoint's."""
        shown = f"{self._host}.{self.name}"
        kept = {
            zone: found
            for zone in self.existing
            if (found := record_addresses(self.facts, zone, self._host)) is not None
        }
        held = self._held(self.endpoint) if kept else set()
        right = [zone for zone, addresses in kept.items() if addresses & held]
        if not right and self._unread is not None:
            return unknown("record", shown, self._unread)
        if not kept:
            return broken("record", shown, self._missing())
        if not held:
            told = f"The endpoint does not say which IPv4 address it has for “{shown}”, so no record can be compared."
            return unknown("record", shown, told)
        for zone, addresses in kept.items():
            fault = self._fault(addresses, held, elsewhere=bool(right) and zone not in right)
            if fault:
                return broken("record", shown, f"The zone “{self.name}” {fault}.", f"{zone}/A/{self._host}")
        return ok("record", shown, f"“{shown}” leads to {_listed(held)}, the endpoint's address.")

    def _missing(self) -> str:
        told = f"The zone “{self.name}” has no record for “{self._host}”"
        own = name_of(self.facts.subject.account).lower()
        if own != self._host and any(self._recorded(zone, own) for zone in self.existing):
            return f"{told}, only for “{own}”: that is the account's name, and nobody asks for it."
        return f"{told}."

    def _fault(self, addresses: set[str], held: set[str], *, elsewhere: bool) -> str:
        """What is wrong with a record, or "". `elsewhere`: another zone of this name leads to the endpoint."""
        if not addresses & held and not elsewhere:
            told = f"sends “{self._host}” to {_listed(addresses)}, and the endpoint has {_listed(held)}"
            owners = known(lambda: sorted({self._others[each] for each in addresses if each in self._others}), [""])
            return f"{told}: the account's endpoint “{owners[0]}” holds the same record" if any(owners) else told
        strange = addresses - held
        strange = strange - set(self._others) if strange else strange
        if not strange:
            return ""
        return f"also sends “{self._host}” to {_listed(strange)}, which no endpoint of the account has"

    @cached_property
    def networks(self) -> tuple[Link, ...]:
        """Each network that must resolve the zone, in the order in which `callers_of` names them."""
        callers, problem = gathered(callers_of(self.facts, self.endpoint))
        links = []
        for caller in callers:
            try:
                links.append(self._network(caller))
            except (NotCollectedError, UnexpectedShapeError) as missing:
                links.append(unknown(caller.kind, caller.name, missing, caller.id))
        return (*links, *([unknown("peered_network", "", problem)] if problem is not None else ()))

    @cached_property
    def _serving(self) -> list[str]:
        """The zones to which networks should be linked: those that hold the right record, and all where none does."""
        if self.grouped:
            return self.existing
        held = known(lambda: self._held(self.endpoint), _NO_ADDRESS)
        return [zone for zone in self.existing if self._recorded(zone, self._host) & held] or self.existing

    @cached_property
    def _linked(self) -> tuple[set[str], Problem | None]:
        """The networks linked to a serving zone, and why there may be more of them."""
        linked: set[str] = set()
        missing = self._unread
        for zone in self._serving:
            found, problem = gathered(linked_networks(self.facts, zone))
            linked.update(found)
            missing = problem or missing
        return linked, missing

    def _network(self, caller: Caller) -> Link:
        """Whether a network resolves the zone: by its own link, or through DNS servers that stand in linked networks."""
        kind, name = caller.kind, caller.name
        if kind == "own_network" and known(lambda: virtual_network(self.facts, caller.id) is None, False):
            return broken(kind, name, f"The endpoint's network “{name}” does not exist.", caller.id)
        linked, missing = self._linked
        direct = caller.id.lower() in linked
        servers, strays = known(lambda: dns_servers(self.facts, caller.id, linked), _NO_SERVERS)
        if not strays and (direct or (servers and AZURE_DNS not in servers)):
            through = "" if direct else " through DNS servers in a linked network"
            return ok(kind, name, f"“{name}”, {_ROLES[kind]}, resolves “{self.name}”{through}.", caller.id)
        if missing is not None:
            return unknown(kind, name, missing, caller.id)
        if direct:
            return self._astray(caller, strays)
        return known(lambda: self._elsewhere(caller), None) or broken(
            kind, name, f"The zone “{self.name}” is not linked to “{name}”, {_ROLES[kind]}.", caller.id
        )

    def _astray(self, caller: Caller, strays: list[str]) -> Link:
        """A network that is linked to the zone and asks other DNS servers. Private ones may pass the question on."""
        told = f"“{caller.name}”, {_ROLES[caller.kind]}, is linked to “{self.name}” but asks the DNS servers {_listed(strays)}"
        if any(_is_public(each) for each in strays):
            return broken(caller.kind, caller.name, f"{told}, which can't see private zones.", caller.id)
        told = f"{told}, and these stand in no network that is known to resolve it."
        return unknown(caller.kind, caller.name, told, caller.id)

    def _elsewhere(self, caller: Caller) -> Link | None:
        """What a network finds in another zone of this name, which is linked to it in this one's place; None without one."""
        for zone in self._named[0]:
            if zone in self._serving or caller.id.lower() not in gathered(linked_networks(self.facts, zone))[0]:
                continue
            told = f"“{caller.name}”, {_ROLES[caller.kind]}, asks another zone of this name, “{zone}”"
            recorded = self._recorded(zone, self._host)
            if recorded and recorded <= self._held(self.endpoint) | set(self._others):
                return ok(caller.kind, caller.name, f"{told}, which leads to the account as well.", caller.id)
            leads = f"sends “{self._host}” to {_listed(recorded)}" if recorded else f"has no record for “{self._host}”"
            return broken(caller.kind, caller.name, f"{told}, which {leads}.", caller.id)
        return None


def _listed(texts: set[str] | list[str]) -> str:
    return " and ".join(sorted(texts)) or "nothing"


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False
