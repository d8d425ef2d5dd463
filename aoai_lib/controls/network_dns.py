"""Names: do the account's names lead its callers to the private endpoint?"""

from __future__ import annotations

from aoai_lib.controls import Verdict, control, not_applicable
from aoai_lib.controls.network_endpoints import judged, path_in_use
from aoai_lib.facts import Facts
from aoai_lib.frameworks import ai_rmf, atlas, mcsb, nist80053
from aoai_lib.model import ABSENT, Kind, Severity

_NAMES = (mcsb("NS-10"), nist80053("SC-7", "SC-20", "SC-22"), ai_rmf("MEASURE 2.7"), atlas("T0040"))
_GROUP = "private_dns_zone_groups"


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
    path = path_in_use(facts)
    return path if isinstance(path, Verdict) else judged([path.zone_group], path.zone_group.sentence)


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
    path = path_in_use(facts)
    if isinstance(path, Verdict):
        return path
    host = facts.account.text("properties.customSubDomainName")
    if not host:
        return not_applicable("The account has no custom subdomain, so there is no name to record: see NET-10.")
    zones = path.required_zones
    if not zones:
        return judged([path.zone_group], "")
    links = [zone.record if zone.existing else zone.zone for zone in zones]
    return judged(links, f"“{host}” leads to the endpoint's address in each of the {len(zones)} required zone(s).")


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
    path = path_in_use(facts)
    if isinstance(path, Verdict):
        return path
    zones = path.required_zones
    if not zones:
        return judged([path.zone_group], "")
    links = [link for zone in zones for link in (zone.networks if zone.existing else (zone.zone,))]
    count = len({link.id.lower() for link in links})
    whole = (
        f"The {len(zones)} required zone(s) resolve in {count} network(s): the endpoint's own, the peered, the named."
    )
    return judged(links, whole)
