"""What names resolve to, and what can be reached, from where: by a tenant's state as it is now.

A vantage point asks through a virtual network, which sees the private zones that are linked to it, or asks the public
DNS. The private link's way is that of Microsoft Learn, "Azure Private Endpoint DNS" (2026-08): the public name is an
alias of its ``privatelink`` name as soon as the account has a private endpoint, and a linked zone that holds no record
answers that there is no such name, unless the link's resolution policy sends the question on.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aoai_lib.lab.providers.connections import zones_of
from aoai_lib.lab.providers.endpoints import ACCOUNTS, interface_of
from aoai_lib.lab.providers.network import ENDPOINTS
from aoai_lib.lab.shapes import Json
from aoai_lib.lab.store import Resource, Tenant

VANTAGES = ("inside", "peered", "on_premises", "outside")
PUBLIC = "public"
"""In a world's ``vantages``: this one asks the public DNS. Anything else there is a virtual network's id."""

AZURE_DNS = "168.63.129.16"

NETWORKS = "Microsoft.Network/virtualNetworks"
LINKS = "Microsoft.Network/privateDnsZones/virtualNetworkLinks"
_FRONT = "prod.vnet.cog.trafficmanager.net"
_LONGEST = 16
_RECORDS = {"A": ("aRecords", "ipv4Address"), "AAAA": ("aaaaRecords", "ipv6Address")}


@dataclass(frozen=True)
class Record:
    """One resource record; ``data`` as a zone file writes it."""

    name: str
    type: str
    ttl: int
    data: str


@dataclass(frozen=True)
class Answer:
    """What a resolver says: ``rcode`` is NOERROR, NXDOMAIN, SERVFAIL or REFUSED; ``records`` the chain in its order."""

    rcode: str
    records: tuple[Record, ...] = ()


def resolve(tenants: Sequence[Tenant], vantage: str, name: str, type_: str) -> Answer:
    """Answer a question as the resolver of a vantage point. REFUSED where the tenant has nobody there."""
    name = name.lower().rstrip(".")
    owner = next((found for tenant in tenants for found in _owned(tenant, name)), None)
    network = asks_through(*owner, vantage) if owner else PUBLIC
    if network is None:
        return Answer("REFUSED")
    records: list[Record] = []
    for _ in range(_LONGEST):
        found = _lookup(tenants, owner[0] if owner else None, network, name, type_)
        if found is None:
            return Answer("NXDOMAIN", tuple(records))
        records += found
        alias = next((each for each in found if each.type == "CNAME"), None)
        if alias is None or type_ == "CNAME":
            return Answer("NOERROR", tuple(records))
        name = alias.data.rstrip(".")
    return Answer("SERVFAIL")


def _owned(tenant: Tenant, name: str) -> Iterator[tuple[Tenant, Resource]]:
    """The account that a name belongs to, public or private spelling."""
    label, _, rest = name.partition(".")
    for account in tenant.of_type(ACCOUNTS):
        if str(account.properties.get("customSubDomainName") or "").lower() == label:
            zones = zones_of(str(account.body["kind"]))
            if rest in zones or rest in zones.values():
                yield tenant, account


def asks_through(tenant: Tenant, account: Resource, vantage: str) -> str | None:
    """The network, in lower case, whose resolver a vantage point asks; ``public``; None where nobody is there.

    The world says it in ``vantages``. Where it does not, inside is where the account's endpoint stands, peered is a network
    next to that, and there is nothing on premises.
    """
    declared = tenant.world.vantages.get(vantage)
    if declared is not None:
        return str(declared).lower()
    if vantage == "outside":
        return PUBLIC
    inside = str(tenant.world.vantages.get("inside") or _home(tenant, account)).lower()
    if vantage == "inside":
        return inside or None
    return next(iter(_peers(tenant, inside)), None) if vantage == "peered" else None


def _home(tenant: Tenant, account: Resource) -> str:
    """The network of the account's first endpoint, else the tenant's first network; "" where there is none."""
    own = (each for each in _endpoints(tenant) if each[1].lower() == account.id.lower())
    first = next((network for network, _, _ in own), "")
    return first or next((each.id for each in tenant.of_type(NETWORKS)), "")


def _endpoints(tenant: Tenant) -> Iterator[tuple[str, str, Resource]]:
    """Network, account and endpoint of each approved connection that starts in this tenant."""
    for connection in tenant.of_type(f"{ACCOUNTS}/privateEndpointConnections"):
        endpoint = tenant.find(connection.properties["privateEndpoint"]["id"])
        approved = connection.properties["privateLinkServiceConnectionState"]["status"] == "Approved"
        if endpoint is not None and endpoint.type == ENDPOINTS and approved:
            network = str(endpoint.properties["subnet"]["id"]).lower().partition("/subnets/")[0]
            yield network, connection.id.rpartition("/privateEndpointConnections/")[0], endpoint


def _peers(tenant: Tenant, network: str) -> list[str]:
    """Networks that a network is peered with, both ways, in lower case."""
    return [far for far in _remotes(tenant, network) if network in _remotes(tenant, far)]


def _remotes(tenant: Tenant, network: str) -> list[str]:
    return [
        str((each.properties.get("remoteVirtualNetwork") or {}).get("id", "")).lower()
        for each in tenant.children(network, "virtualNetworkPeerings")
    ]


def _lookup(
    tenants: Sequence[Tenant], tenant: Tenant | None, network: str, name: str, type_: str
) -> list[Record] | None:
    """The records of one name; [] where it has none of this type, None where there is no such name."""
    if tenant is not None and network != PUBLIC:
        for link in _links(tenant, _answering(tenant, network)):
            zone = link.id.rpartition("/virtualNetworkLinks/")[0]
            suffix = zone.rpartition("/")[2].lower()
            if name == suffix or name.endswith(f".{suffix}"):
                held = _in_zone(tenant, zone, name.removesuffix(suffix).rstrip(".") or "@", name, type_)
                if held is not None or link.properties.get("resolutionPolicy") != "NxDomainRedirect":
                    return held
    return _public(tenants, name, type_)


def _answering(tenant: Tenant, network: str) -> str:
    """The network whose links decide: that of the first of a network's own DNS servers, or the network itself."""
    found = tenant.find(network)
    servers = ((found.properties.get("dhcpOptions") or {}).get("dnsServers") or []) if found else []
    if not servers or servers[0] == AZURE_DNS:
        return network
    for each in tenant.of_type(NETWORKS):
        prefixes = (each.properties.get("addressSpace") or {}).get("addressPrefixes") or []
        if any(ipaddress.ip_address(servers[0]) in ipaddress.ip_network(prefix) for prefix in prefixes):
            return each.id.lower()
    return PUBLIC


def _links(tenant: Tenant, network: str) -> list[Resource]:
    """The links of a network, those to the longest zone name first."""
    found = [each for each in tenant.of_type(LINKS) if str(each.properties["virtualNetwork"]["id"]).lower() == network]
    return sorted(found, key=lambda each: -len(each.id.split("/")[8]))


def _in_zone(tenant: Tenant, zone: str, label: str, name: str, type_: str) -> list[Record] | None:
    alias = tenant.child(zone, "CNAME", label)
    if alias is not None:
        target = str((alias.properties.get("cnameRecord") or {}).get("cname", ""))
        return [Record(name, "CNAME", _ttl(alias), target)]
    found = [each for kind in _RECORDS if (each := tenant.child(zone, kind, label)) is not None]
    if not found:
        return None
    list_name, member = _RECORDS.get(type_, ("", ""))
    return [
        Record(name, type_, _ttl(each), str(entry[member]))
        for each in found
        if each.type.endswith(f"/{type_}")
        for entry in each.properties.get(list_name) or ()
    ]


def _ttl(record: Resource) -> int:
    return int(record.properties.get("ttl", 3600))


def _public(tenants: Sequence[Tenant], name: str, type_: str) -> list[Record] | None:
    """The public DNS: an account's name leads, by way of its private spelling where it has an endpoint, to its region."""
    for tenant, account in (found for each in tenants for found in _owned(each, name)):
        front = f"{_region(account)}.{_FRONT}"
        label, _, suffix = name.partition(".")
        connected = any(
            each.properties["privateLinkServiceConnectionState"]["status"] == "Approved"
            for each in tenant.children(account.id, "privateEndpointConnections")
        )
        if suffix.startswith("privatelink."):
            return [Record(name, "CNAME", 300, front)] if connected else None
        return [Record(name, "CNAME", 300, f"{label}.privatelink.{suffix}" if connected else front)]
    region, _, rest = name.partition(".")
    if rest == _FRONT and any(_region(each) == region for tenant in tenants for each in tenant.of_type(ACCOUNTS)):
        return [Record(name, "A", 60, _regional(region))] if type_ == "A" else []
    return None


def _region(account: Resource) -> str:
    return account.location.replace(" ", "").lower()


def public_address(account: Resource) -> str:
    """The address at which an account's region answers the internet: made up, and always the same."""
    return _regional(_region(account))


def _regional(region: str) -> str:
    digest = hashlib.sha256(region.encode()).digest()
    return f"20.{48 + digest[0] % 64}.{digest[1]}.{1 + digest[2] % 250}"


def listener(tenants: Sequence[Tenant], vantage: str, address: str) -> str:
    """Which listener stands behind an address for a vantage point: ``public``, ``private``, "" where packets are lost."""
    for tenant in tenants:
        if any(public_address(account) == address for account in tenant.of_type(ACCOUNTS)):
            return "public"
        for network, _, endpoint in _endpoints(tenant):
            if address in _addresses(tenant, endpoint) and _reaches(tenant, vantage, network):
                return "private"
    return ""


def _addresses(tenant: Tenant, endpoint: Resource) -> set[str]:
    interface = interface_of(tenant, endpoint)
    held: list[Json] = interface.properties["addresses"] if interface else []
    return {str(each["address"]) for each in held}


def _reaches(tenant: Tenant, vantage: str, network: str) -> bool:
    """Whether packets of a vantage point get to a network: it is that network, or peered with it."""
    declared = tenant.world.vantages.get(vantage)
    if declared is not None:
        return str(declared).lower() in (network, *_peers(tenant, network))
    return vantage == "inside" or (vantage == "peered" and bool(_peers(tenant, network)))
