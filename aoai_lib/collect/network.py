"""Reads of the network phase: endpoints, virtual networks, private DNS, the account's own private link and perimeter.

What a subscription can list is listed once. Read one by one is only what hangs on a single private endpoint or zone, and
what lies in subscriptions that are not assessed: a hub's endpoints and networks, by the ids that name them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from aoai_lib.collect import (
    EACH_ACCOUNT,
    EACH_SUBSCRIPTION,
    Readings,
    Scopes,
    Source,
    group_of,
    items,
    name_of,
    subscription_of,
)
from aoai_lib.model import Json, State

_DOCUMENTED: Final = ("privatelink.openai.", "privatelink.cognitiveservices.", "privatelink.services.ai.")
"""How the private zones of these accounts begin in every cloud (Microsoft Learn, "Private DNS zone values", 2026-08)."""
_CONNECTED: Final = ("accounts", "account")
ENDPOINTS: Final = (*_CONNECTED, "private_endpoint")
"""The sources that `endpoints` looks at."""
LISTED_INTERFACES: Final = 8
"""From so many endpoints in a subscription, listing all its network interfaces takes fewer requests than reading them singly."""


def inner(value: Json, *path: str) -> Json:
    """A value inside an answer; None where any part of the path is missing or of another shape."""
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def entries(value: Json, *path: str) -> list[Json]:
    """The items of a list inside an answer; none where it is missing or no list."""
    found = inner(value, *path)
    return found if isinstance(found, list) else []


def arm_ids(values: Iterable[Json]) -> Iterator[str]:
    """The ARM ids among some values: anything else can't be asked for."""
    return (value for value in values if isinstance(value, str) and subscription_of(value) and name_of(value))


def unlisted(readings: Readings, item: str, listing: str, ids: Iterable[str]) -> list[str]:
    """Ids that no list of their subscription holds, unless that list is complete: then there is no such thing. An empty list is no
    proof against what is named elsewhere: the resource itself is asked for.
    """
    wanted = []
    for arm_id in ids:
        listed = readings.get((listing, subscription_of(arm_id).lower()))
        complete = listed is not None and listed.state is State.COLLECTED and bool(listed.value)
        if (item, arm_id.lower()) not in readings and not complete:
            wanted.append(arm_id)
    return wanted


def _connected(readings: Readings) -> Iterator[tuple[str, str]]:
    """Account and endpoint of each connection that is approved or waits for it, as the account shows it."""
    for account in items(readings, "accounts"):
        reading = readings.get(("account", account.lower()))
        body = reading.value if reading is not None else None
        for connection in entries(body, "properties", "privateEndpointConnections"):
            state = inner(connection, "properties", "privateLinkServiceConnectionState", "status")
            if isinstance(state, str) and state.lower() in ("approved", "pending"):
                for endpoint in arm_ids([inner(connection, "properties", "privateEndpoint", "id")]):
                    yield account, endpoint


def _connected_accounts(readings: Readings) -> Iterable[str]:
    return dict.fromkeys(account for account, _ in _connected(readings))


def _endpoint_ids(readings: Readings) -> list[str]:
    return list(dict.fromkeys(endpoint for _, endpoint in _connected(readings)))


def _foreign_endpoints(readings: Readings) -> Iterable[str]:
    return unlisted(readings, "private_endpoint", "private_endpoints", _endpoint_ids(readings))


def _existing_endpoints(readings: Readings) -> Iterable[str]:
    """Endpoints of the accounts, without those that a complete list of their subscription does not hold."""
    gone = "private_endpoint", "private_endpoints"
    ids = _endpoint_ids(readings)
    return [each for each in ids if ("private_endpoint", each.lower()) in readings or unlisted(readings, *gone, [each])]


def endpoints(readings: Readings) -> Iterator[Json]:
    """The accounts' endpoints as far as they could be read."""
    for arm_id in _endpoint_ids(readings):
        reading = readings.get(("private_endpoint", arm_id.lower()))
        if reading is not None and reading.state is State.COLLECTED:
            yield reading.value


def _interface_ids(readings: Readings) -> list[str]:
    """Interfaces of the endpoints that don't say their addresses themselves: those with a DNS zone group."""
    silent = [each for each in endpoints(readings) if not entries(each, "properties", "customDnsConfigs")]
    return [
        arm_id
        for endpoint in silent
        for arm_id in arm_ids(inner(each, "id") for each in entries(endpoint, "properties", "networkInterfaces"))
    ]


def _interface_subscriptions(readings: Readings) -> Iterable[str]:
    counted = Counter(subscription_of(arm_id).lower() for arm_id in _interface_ids(readings))
    assessed = set(items(readings, "subscriptions"))
    return [name for name, count in counted.items() if count >= LISTED_INTERFACES and name in assessed]


def _single_interfaces(readings: Readings) -> Iterable[str]:
    return unlisted(readings, "network_interface", "network_interfaces", _interface_ids(readings))


def _foreign_networks(readings: Readings) -> Iterable[str]:
    """Virtual networks of endpoints and of firewall rules that lie outside the assessed subscriptions."""
    subnets = [inner(each, "properties", "subnet", "id") for each in endpoints(readings)]
    for account in items(readings, "account"):
        rules = entries(account, "properties", "networkAcls", "virtualNetworkRules")
        subnets.extend(inner(rule, "id") for rule in rules)
    networks = dict.fromkeys(subnet[: len(subnet.lower().partition("/subnets/")[0])] for subnet in arm_ids(subnets))
    return unlisted(readings, "virtual_network", "virtual_networks", networks)


_ZONES: Final = ("private_dns_zone_groups", "private_link_resources", "private_dns_zones")


def _zones(readings: Readings) -> Iterable[str]:
    """Private DNS zones that a zone group names, and those that bear a name which the accounts' private link requires.

    Zones with the documented names are read though no account has a connection yet: whoever plans one asks for them.
    """
    found = {}
    for group in items(readings, "private_dns_zone_groups"):
        configs = entries(group, "properties", "privateDnsZoneConfigs")
        for arm_id in arm_ids(inner(config, "properties", "privateDnsZoneId") for config in configs):
            found[arm_id.lower()] = arm_id
    required: set[str] = set()
    for answer in items(readings, "private_link_resources"):
        for resource in entries(answer, "value"):
            names = entries(resource, "properties", "requiredZoneNames")
            required.update(name.lower() for name in names if isinstance(name, str))
    for arm_id in items(readings, "private_dns_zones"):
        name = name_of(arm_id).lower()
        if name in required or name.startswith(_DOCUMENTED):
            found.setdefault(arm_id.lower(), arm_id)
    return found.values()


SOURCES = (
    Source(
        "private_endpoints",
        EACH_SUBSCRIPTION,
        "Microsoft.Network/privateEndpoints/read",
        lambda azure, scope: azure.network(scope).private_endpoints.list_by_subscription(),
        items="private_endpoint",
    ),
    Source(
        "virtual_networks",
        EACH_SUBSCRIPTION,
        "Microsoft.Network/virtualNetworks/read",
        lambda azure, scope: azure.network(scope).virtual_networks.list_all(),
        items="virtual_network",
    ),
    Source(
        "private_dns_zones",
        EACH_SUBSCRIPTION,
        "Microsoft.Network/privateDnsZones/read",
        lambda azure, scope: azure.dns(scope).private_zones.list(),
        items="private_dns_zone",
    ),
    Source(
        "network_security_perimeters",
        EACH_ACCOUNT,
        "Microsoft.CognitiveServices/accounts/networkSecurityPerimeterConfigurations/read",
        lambda azure, account: azure.cognitive(subscription_of(account)).network_security_perimeter_configurations.list(
            group_of(account), name_of(account)
        ),
    ),
    Source(
        "private_link_resources",
        Scopes(_CONNECTED, _connected_accounts),
        "Microsoft.CognitiveServices/accounts/privateLinkResources/read",
        lambda azure, account: azure.cognitive(subscription_of(account)).private_link_resources.list(
            group_of(account), name_of(account)
        ),
        is_list=True,
    ),
    Source(
        "private_endpoint",
        Scopes(("private_endpoints", *ENDPOINTS), _foreign_endpoints),
        "Microsoft.Network/privateEndpoints/read",
        lambda azure, scope: azure.network(subscription_of(scope)).private_endpoints.get(
            group_of(scope), name_of(scope)
        ),
    ),
    Source(
        "private_dns_zone_groups",
        Scopes(("private_endpoints", *ENDPOINTS), _existing_endpoints),
        "Microsoft.Network/privateEndpoints/privateDnsZoneGroups/read",
        lambda azure, scope: azure.network(subscription_of(scope)).private_dns_zone_groups.list(
            name_of(scope), group_of(scope)
        ),
    ),
    Source(
        "network_interfaces",
        Scopes(("subscriptions", *ENDPOINTS), _interface_subscriptions),
        "Microsoft.Network/networkInterfaces/read",
        lambda azure, scope: azure.network(scope).network_interfaces.list_all(),
        items="network_interface",
    ),
    Source(
        "virtual_network",
        Scopes(("virtual_networks", "virtual_network", *ENDPOINTS), _foreign_networks),
        "Microsoft.Network/virtualNetworks/read",
        lambda azure, scope: azure.network(subscription_of(scope)).virtual_networks.get(
            group_of(scope), name_of(scope)
        ),
    ),
    Source(
        "dns_zone_links",
        Scopes(_ZONES, _zones),
        "Microsoft.Network/privateDnsZones/virtualNetworkLinks/read",
        lambda azure, scope: azure.dns(subscription_of(scope)).virtual_network_links.list(
            group_of(scope), name_of(scope)
        ),
    ),
    Source(
        "dns_a_records",
        Scopes(_ZONES, _zones),
        "Microsoft.Network/privateDnsZones/A/read",
        lambda azure, scope: azure.dns(subscription_of(scope)).record_sets.list_by_type(
            group_of(scope), name_of(scope), "A"
        ),
        items="dns_a_record",
    ),
    Source(
        "network_interface",
        Scopes(("network_interfaces", "network_interface", *ENDPOINTS), _single_interfaces),
        "Microsoft.Network/networkInterfaces/read",
        lambda azure, scope: azure.network(subscription_of(scope)).network_interfaces.get(
            group_of(scope), name_of(scope)
        ),
    ),
)
