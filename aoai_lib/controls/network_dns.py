"""Names: do the account's names lead its callers to the private endpoint?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from aoai_lib.controls import Verdict, control, fails, not_applicable, not_assessed, passes
from aoai_lib.controls.network_endpoints import endpoint_in_use
from aoai_lib.facts import Facts, NotCollectedError, View
from aoai_lib.frameworks import ai_rmf, atlas, mcsb, nist80053
from aoai_lib.model import ABSENT, Kind, Reading, Severity, Status
from aoai_lib.private_link import (
    APPROVED,
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
    virtual_network,
    zones_named,
)

_NAMES = (mcsb("NS-10"), nist80053("SC-7", "SC-20", "SC-22"), ai_rmf("MEASURE 2.7"), atlas("T0040"))
_GROUP = "private_dns_zone_groups"
_UNTOLD = "The service does not say which DNS zones the account's private link needs."


@control(
    "NET-07",
    title="The endpoint's DNS zone group covers every required zone",
    severity=Severity.MEDIUM,
    subject=Kind.PRIVATE_ENDPOINT,
    maps=_NAMES,
    remediation="Create a zone group on the endpoint (privateDnsZoneGroups/default) with all zones that the account's "
    "privateLinkResources require. Azure then keeps the records right by itself.",
    breaks=(
        {f"{_GROUP}[0].properties.privateDnsZoneConfigs[0]": ABSENT},
        {f"{_GROUP}[0].properties.privateDnsZoneConfigs": []},
        {f"{_GROUP}[0].properties.privateDnsZoneConfigs": ABSENT},
        {f"{_GROUP}[0]": ABSENT},
    ),
)
def zone_group_complete(facts: Facts) -> Verdict:
    """The account answers to several public names, and each has its own private zone. A name whose zone is missing still
    resolves to the public address, so its callers are refused, or go around the private path while public access is on.
    Which zones are required is what the service itself says for this account, so every cloud's names are right.
    """
    found = endpoint_in_use(facts)
    if isinstance(found, Verdict):
        return found
    required = required_zones(facts, found[0])
    if not required:
        return not_assessed(_UNTOLD)
    grouped = grouped_zones(facts, facts.subject.id)
    missing = [name for name in required if name not in grouped]
    if not grouped:
        return fails(
            f"The endpoint has no DNS zone group, so nobody keeps its records: {_quoted(required)} are required."
        )
    if missing:
        return fails(f"The endpoint's DNS zone group leaves out {_quoted(missing)}.")
    return passes(f"The endpoint's DNS zone group covers {_quoted(required)}.")


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"“{name}”" for name in names)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The zones that may serve a required name: the zone group's own, else all that bear it. `unread` may hold more."""

    name: str
    zones: list[str]
    unread: Reading | None = None


def _candidates(facts: Facts, connection: View) -> Iterator[Candidates]:
    grouped = grouped_zones(facts, facts.subject.id)
    for name in required_zones(facts, connection):
        if name in grouped:
            yield Candidates(name, [grouped[name]])
        else:
            yield Candidates(name, *zones_named(facts, name))


@control(
    "NET-08",
    title="Each private DNS record holds the endpoint's current address",
    severity=Severity.MEDIUM,
    subject=Kind.PRIVATE_ENDPOINT,
    maps=_NAMES,
    remediation="Let a DNS zone group on the endpoint write the records, and delete those that were made by hand.",
    breaks=(
        {"dns_a_record.properties.aRecords": []},
        {"dns_a_record.properties.aRecords[0].ipv4Address": "10.255.255.4"},
        {"dns_a_record.properties.aRecords[+]": {"ipv4Address": "10.255.255.4"}},
    ),
)
def records_current(facts: Facts) -> Verdict:
    """A record that was written by hand keeps the address it was given, and the endpoint gets another when it is made
    anew. Each required zone must hold an address record under the account's custom subdomain with the address that the
    endpoint holds now, and none that belongs to no endpoint of the account.
    """
    found = endpoint_in_use(facts)
    if isinstance(found, Verdict):
        return found
    connection, endpoint = found
    host = facts.account.text("properties.customSubDomainName").lower()
    if not host:
        return not_applicable("The account has no custom subdomain, so there is no name to record: see NET-10.")
    count = 0
    problems = []
    unread: Reading | None = None
    for each in _candidates(facts, connection):
        count += 1
        public = f"{host}.{each.name.removeprefix(PUBLIC_PREFIX)}"
        held = endpoint_addresses(facts, endpoint, public)
        if not held:
            return not_assessed(
                "The endpoint's own address could not be found out, so no record can be compared with it."
            )
        wrong = [_wrong_record(facts, zone, host, public, held) for zone in each.zones]
        if all(wrong) and each.unread is not None:
            unread = unread or each.unread
        elif all(wrong):
            problems.append(next(iter(wrong), f"{_no_zone(each.name)} that could hold a record for “{host}”"))
    if problems:
        return fails(f"{'; '.join(problems)}.")
    if unread is not None:
        raise NotCollectedError(unread)
    if not count:
        return not_assessed(_UNTOLD)
    return passes(f"“{host}” leads to the endpoint's address in each of the {count} required zone(s).")


def _no_zone(name: str) -> str:
    return f"No assessed subscription has a private DNS zone “{name}”"


def _wrong_record(facts: Facts, zone: str, host: str, public: str, held: set[str]) -> str:
    """What is wrong with a host's record in a zone; "" where it is right."""
    shown = f"The zone “{name_of(zone)}”"
    recorded = record_addresses(facts, zone, host)
    if recorded is None:
        return f"{shown} has no record for “{host}”"
    if not recorded & held:
        kept = " and ".join(sorted(recorded)) or "nothing"
        return f"{shown} sends “{host}” to {kept}, and the endpoint has {' and '.join(sorted(held))}"
    strange = recorded - held
    if strange:
        strange -= _other_addresses(facts, public)
    if strange:
        return f"{shown} also sends “{host}” to {' and '.join(sorted(strange))}, which no endpoint of the account has"
    return ""


def _other_addresses(facts: Facts, public: str) -> set[str]:
    """Addresses of the account's other endpoints for a name."""
    addresses: set[str] = set()
    for connection in connections(facts):
        if status_of(connection).lower() == APPROVED:
            endpoint = private_endpoint(facts, endpoint_of(connection))
            if endpoint is not None:
                addresses |= endpoint_addresses(facts, endpoint, public)
    return addresses


@control(
    "NET-09",
    title="The required DNS zones are linked to the endpoint's network and to every consumer network",
    severity=Severity.MEDIUM,
    subject=Kind.PRIVATE_ENDPOINT,
    maps=_NAMES,
    remediation="Add a virtual network link from each required private DNS zone to the network named, or let that network ask a "
    "DNS server that stands in a linked one.",
    breaks=(
        {"dns_zone_links": []},
        {"dns_zone_links[0]": ABSENT},
        {"dns_zone_links[1]": ABSENT},
        {"dns_zone_links[0].properties.virtualNetworkLinkState": "InProgress"},
        {
            "requirements.consumer_vnets": [
                "/subscriptions/7d1f8c52-64ab-4b3e-8f05-91c2d3e4a502/resourceGroups/rg-network/providers"
                "/Microsoft.Network/virtualNetworks/vnet-unlinked"
            ]
        },
    ),
)
def zones_linked(facts: Facts) -> Verdict:
    """A private zone is only asked by networks that are linked to it. From every other network the account's name resolves
    to the public address. Wanted are the endpoint's own network, those that are peered with it and those that the
    parameters name. A network whose DNS servers all stand in a linked network asks through them and needs no link.
    """
    found = endpoint_in_use(facts)
    if isinstance(found, Verdict):
        return found
    connection, endpoint = found
    own = network_of(endpoint.text("properties.subnet.id"))
    linked: dict[str, set[str]] = {}
    unread: Reading | None = None
    for each in _candidates(facts, connection):
        links = [held for held in (linked_networks(facts, zone) for zone in each.zones) if held is not None]
        if not links and each.unread is None:
            return fails(f"{_no_zone(each.name)} that a network could be linked to.")
        linked[each.name] = set().union(*links)
        unread = unread or each.unread
    if not linked:
        return not_assessed(_UNTOLD)
    verdict = _networks_linked(facts, own, linked)
    if unread is not None and verdict.status is Status.FAIL:
        raise NotCollectedError(unread)
    return verdict


def _networks_linked(facts: Facts, own: str, linked: dict[str, set[str]]) -> Verdict:
    wrong = _unlinked(facts, own, linked)
    if wrong:
        return fails(f"{wrong}, the endpoint's own network.")
    for consumer in facts.requirements.consumer_vnets:
        wrong = _unlinked(facts, consumer, linked)
        if wrong:
            return fails(f"{wrong}, a consumer network that the parameters name.")
    network = virtual_network(facts, own)
    if network is None:
        return fails(f"The endpoint's network “{name_of(own)}” does not exist.")
    peered = peered_networks(network)
    for consumer in peered:
        wrong = _unlinked(facts, consumer, linked)
        if wrong:
            return fails(f"{wrong}, which is peered with the endpoint's network.")
    count = len({each.lower() for each in (own, *peered, *facts.requirements.consumer_vnets)})
    return passes(
        f"The {len(linked)} required zone(s) resolve in {count} network(s): the endpoint's own, the peered, the named."
    )


def _unlinked(facts: Facts, network: str, linked: dict[str, set[str]]) -> str:
    for name, networks in linked.items():
        if network.lower() not in networks and not asks_through(facts, network, networks):
            return f"The zone “{name}” is not linked to “{name_of(network)}”"
    return ""
