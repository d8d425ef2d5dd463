"""How a private way in is made: the endpoint, approved, and the names that lead to it.

Resource shapes: Microsoft.Network 2026-03-01, Microsoft.Network/privateDnsZones 2024-06-01. The zone group makes and keeps the
records: none is written by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from aoai_lib.azure import clouds
from aoai_lib.facts import Facts, NotCollectedError, View
from aoai_lib.harden.making import CannotPlanError, Site, mends
from aoai_lib.harden.plan import Request, Step
from aoai_lib.harden.remedies.network import ACCOUNTS
from aoai_lib.harden.wire import merged, writable
from aoai_lib.model import Finding, Json, State
from aoai_lib.private_link import (
    asks_through,
    connection_to,
    connections,
    endpoint_of,
    linked_networks,
    name_of,
    network_of,
    peered_networks,
    private_endpoint,
    required_zones,
    status_of,
    subnet,
    subscription_of,
    virtual_network,
    zones_named,
)

NETWORK: Final = "2026-03-01"
ZONES: Final = "2024-06-01"
_CONNECTION_READ_ONLY: Final = (
    "location",
    "properties.privateEndpoint",
    "properties.groupIds",
    "properties.privateLinkServiceConnectionState.actionsRequired",
)
_EMPTY_ZONE: Final = {"properties": {"numberOfRecordSets": 1, "numberOfVirtualNetworkLinks": 0}}
"""A zone that holds its own SOA record and nothing else."""


@mends("NET-05", needs=("NET-10",))
def bring_endpoint(site: Site, finding: Finding) -> Iterator[Step]:
    """Approve the connection that waits, where it is ours; else make an endpoint, with the names that lead to it."""
    facts = site.facts(finding.subject)
    waiting = [each for each in connections(facts) if status_of(each).lower() == "pending"]
    ours = [each for each in waiting if _is_ours(facts, endpoint_of(each))]
    if ours:
        yield _approval(site, finding, ours[0])
        yield from _names_of(site, finding, facts, endpoint_of(ours[0]), _documented_zones(site, facts))
        return
    if not site.wishes.endpoint_subnet:
        foreign = " The connection that waits comes from a subscription that is not yours." if waiting else ""
        raise CannotPlanError(f"Name the subnet for a private endpoint in hardening.endpoint_subnet.{foreign}")
    yield from _new_endpoint(site, finding, facts)


def _is_ours(facts: Facts, endpoint: str) -> bool:
    """Whether an endpoint stands in a subscription that is assessed or approved."""
    approved = {each.lower() for each in facts.requirements.approved_subscriptions}
    return bool(endpoint) and subscription_of(endpoint) in {*facts.of("subscriptions", "").value, *approved}


def _approval(site: Site, finding: Finding, connection: View) -> Step:
    account, endpoint, held = finding.subject.account, endpoint_of(connection), connection.value
    path = f"{account}/privateEndpointConnections/{connection.text('name')}"

    def saying(status: str, description: str) -> Json:
        return {"properties": {"privateLinkServiceConnectionState": {"status": status, "description": description}}}

    rejected = merged(writable(held, _CONNECTION_READ_ONLY), saying("Rejected", "The approval was taken back"))
    return site.put(
        finding,
        path,
        ACCOUNTS,
        held,
        saying("Approved", "Approved by a hardening plan"),
        title=f"Approve the connection of “{name_of(endpoint)}” to “{name_of(account)}”",
        effect="Whoever stands behind that endpoint can reach the account, and data can leave by it.",
        permission="Microsoft.CognitiveServices/accounts/privateEndpointConnections/write",
        read_only=_CONNECTION_READ_ONLY,
        undo=Request(method="PUT", path=path, api_version=ACCOUNTS, body=rejected),
        undo_note="A connection can't be made to wait again: it was rejected instead.",
    )


def _new_endpoint(site: Site, finding: Finding, facts: Facts) -> Iterator[Step]:
    """The endpoint stands where its network stands, whatever the account's region is."""
    account, place = finding.subject.account, site.wishes.endpoint_subnet
    network = virtual_network(facts, network_of(place))
    if network is None or subnet(facts, place) is None:
        raise CannotPlanError(f"The subnet of hardening.endpoint_subnet does not exist: {place}.")
    name = f"pe-{name_of(account)}"
    path = f"{_resource_group(place)}/providers/Microsoft.Network/privateEndpoints/{name}"
    if private_endpoint(facts, path) is not None:
        raise CannotPlanError(f"There is a private endpoint “{name}” already: approve its connection, or remove it.")
    link = {"privateLinkServiceId": account, "groupIds": ["account"]}
    yield site.put(
        finding,
        path,
        NETWORK,
        None,
        {
            "location": network.text("location"),
            "properties": {
                "subnet": {"id": place},
                "privateLinkServiceConnections": [{"name": f"{name_of(account)}-connection", "properties": link}],
            },
        },
        title=f"Create the private endpoint “{name}” in the subnet “{name_of(place)}”",
        effect="A private address leads to the account. Nothing is closed by this.",
        permission="Microsoft.Network/privateEndpoints/write",
        patience=600,
    )
    yield from _names(site, finding, facts, path, place, _documented_zones(site, facts), None)


def _documented_zones(site: Site, facts: Facts) -> list[str]:
    """The zones that Microsoft documents for a kind of account, for one that has no private link to ask about yet
    (Microsoft Learn, "Azure Private Endpoint private DNS zone values", 2026-08)."""
    zones = list(clouds.resembled(site.snapshot.cloud).private_zones.values())
    return zones if facts.account.text("kind").lower() == "aiservices" else zones[:2]


@mends("NET-07", needs=("NET-05",))
def complete_zone_group(site: Site, finding: Finding) -> Iterator[Step]:
    """Let the endpoint's zone group keep the records of every zone that the account needs."""
    facts, arm_id = site.facts(finding.subject), finding.subject.id
    connection = connection_to(facts, arm_id)
    if connection is None:
        raise CannotPlanError("The endpoint has no connection to the account any more.")
    yield from _names_of(site, finding, facts, arm_id, required_zones(facts, connection))


def _names_of(site: Site, finding: Finding, facts: Facts, arm_id: str, names: Sequence[str]) -> Iterator[Step]:
    """The names of an endpoint that is there."""
    endpoint = private_endpoint(facts, arm_id)
    if endpoint is None:
        raise CannotPlanError(f"The private endpoint “{name_of(arm_id)}” does not exist any more.")
    groups = list(facts.of("private_dns_zone_groups", arm_id).each())
    if len(groups) > 1:
        raise CannotPlanError("The endpoint has more than one zone group: leave it one, by hand.")
    held = groups[0].value if groups else None
    yield from _names(site, finding, facts, arm_id, endpoint.text("properties.subnet.id"), names, held)


def _names(
    site: Site, finding: Finding, facts: Facts, endpoint: str, place: str, names: Sequence[str], held: Json
) -> Iterator[Step]:
    """The zones, the zone group that writes the records, and then the links: a network that asks a zone finds its records.

    `held` is the endpoint's zone group as it is; None where it has none.
    """
    configs = list(((held or {}).get("properties") or {}).get("privateDnsZoneConfigs") or [])
    zones = {name_of(_zone_id(config)).lower(): _zone_id(config) for config in configs}
    linked = dict[str, set[str]]()
    for name in names:
        zone = zones.get(name) or _existing_zone(facts, name)
        if zone is None:
            zone = f"{site.wishes.dns_resource_group or _resource_group(place)}/providers/Microsoft.Network/privateDnsZones/{name}"
            yield _zone(site, finding, zone)
        else:
            linked[zone] = set(linked_networks(facts, zone))
        if name not in zones:
            configs.append({"name": name.replace(".", "-"), "properties": {"privateDnsZoneId": zone}})
        zones[name] = zone
    replaced = [record for name in names for record in _hand_made(facts, zones[name])]
    yield _zone_group(site, finding, endpoint, held, configs, replaced)
    for name in names:
        yield from _links(site, finding, facts, zones[name], place, linked.get(zones[name], set()))


def _hand_made(facts: Facts, zone: str) -> Iterator[Request]:
    """The record that the zone group will replace, as it is written again when the group goes."""
    host = facts.account.text("properties.customSubDomainName")
    reading = facts.snapshot.reading("dns_a_record", f"{zone}/A/{host}")
    if reading.state is State.COLLECTED:
        held = reading.value["properties"]
        body = {"properties": {"ttl": held["ttl"], "aRecords": held.get("aRecords") or held.get("ARecords")}}
        yield Request(method="PUT", path=reading.value["id"], api_version=ZONES, body=body)


def _zone_group(
    site: Site, finding: Finding, endpoint: str, held: Json, configs: Sequence[Json], replaced: Sequence[Request]
) -> Step:
    wanted = [{"name": config["name"], "properties": {"privateDnsZoneId": _zone_id(config)}} for config in configs]
    return site.put(
        finding,
        f"{endpoint}/privateDnsZoneGroups/{(held or {}).get('name', 'default')}",
        NETWORK,
        held,
        {"properties": {"privateDnsZoneConfigs": wanted}},
        title=f"Let the zone group of “{name_of(endpoint)}” keep the records in {len(wanted)} zone(s)",
        effect="Linked networks resolve the account's names to the endpoint's private address from now on.",
        permission="Microsoft.Network/privateEndpoints/privateDnsZoneGroups/write",
        read_only=("properties.privateDnsZoneConfigs.*.properties.recordSets",),
        undo_restores=tuple(replaced) if held is None else (),
        patience=300,
    )


def _zone_id(config: Json) -> str:
    properties = config.get("properties") if isinstance(config, dict) else None
    return str((properties or {}).get("privateDnsZoneId", ""))


def _existing_zone(facts: Facts, name: str) -> str | None:
    """The zone of that name in the assessed subscriptions. Two of them, or a list that can't be read, are for a person."""
    zones, unread = zones_named(facts, name)
    if len(zones) > 1:
        raise CannotPlanError(f"There are {len(zones)} zones “{name}”: leave the one that your networks resolve.")
    if not zones and unread is not None:
        raise NotCollectedError(unread)
    return zones[0] if zones else None


def _zone(site: Site, finding: Finding, zone: str) -> Step:
    return site.put(
        finding,
        zone,
        ZONES,
        None,
        {"location": "global"},
        title=f"Create the private DNS zone “{name_of(zone)}”",
        effect="Networks that get linked to it ask it first, for every name below that suffix.",
        permission="Microsoft.Network/privateDnsZones/write",
        undo_while=_EMPTY_ZONE,
        patience=300,
    )


def _links(site: Site, finding: Finding, facts: Facts, zone: str, place: str, linked: set[str]) -> Iterator[Step]:
    """Links for the endpoint's network, the peered and the named ones that can't resolve the zone yet."""
    for network in _asking(facts, network_of(place)):
        if network.lower() in linked or asks_through(facts, network, linked):
            continue
        yield site.put(
            finding,
            f"{zone}/virtualNetworkLinks/{name_of(network)}-link",
            ZONES,
            None,
            {"location": "global", "properties": {"virtualNetwork": {"id": network}, "registrationEnabled": False}},
            title=f"Link “{name_of(network)}” to the zone “{name_of(zone)}”",
            effect="That network asks this zone for names below its suffix; names that it does not hold stop resolving there.",
            permission="Microsoft.Network/privateDnsZones/virtualNetworkLinks/write",
            patience=300,
        )


def _asking(facts: Facts, own: str) -> list[str]:
    network = virtual_network(facts, own)
    if network is None:
        raise CannotPlanError(f"The virtual network “{name_of(own)}” does not exist any more.")
    wanted = [own, *facts.requirements.consumer_vnets, *peered_networks(network)]
    return list({each.lower(): each for each in wanted}.values())


@mends("NET-09", needs=("NET-07",))
def link_networks(site: Site, finding: Finding) -> Iterator[Step]:
    """Link every network that has to resolve the account's names to each of its zones."""
    facts, arm_id = site.facts(finding.subject), finding.subject.id
    endpoint, connection = private_endpoint(facts, arm_id), connection_to(facts, arm_id)
    if endpoint is None or connection is None:
        raise CannotPlanError("The endpoint and its connection could not be found any more.")
    for name in required_zones(facts, connection):
        zone = _existing_zone(facts, name)
        if zone is not None:
            linked = set(linked_networks(facts, zone))
            yield from _links(site, finding, facts, zone, endpoint.text("properties.subnet.id"), linked)


@mends("NET-08", needs=("NET-07",))
def leave_records_to_the_group(site: Site, finding: Finding) -> Iterator[Step]:
    """Records are the zone group's: where one is planned it writes them, and no record is written by hand."""
    planned = any(
        f"{finding.subject.id}/privateDnsZoneGroups/".lower() in each.request.path.lower()
        for each in site.steps.values()
    )
    if not planned:
        raise CannotPlanError(
            "Remove the record that was made by hand, or make the zone group anew: the group then writes the right address."
        )
    return iter(())


def _resource_group(arm_id: str) -> str:
    """The ARM id of the resource group that a resource lies in."""
    return arm_id[: len(arm_id.lower().partition("/providers/")[0])]
