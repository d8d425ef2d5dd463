"""Reads of the network phase that hang on where private endpoints stand: security groups, and who is in the groups they name.

A subscription's security groups are listed once, and only where one of them guards an endpoint's subnet; those in
subscriptions that are not assessed are read by their ids. Interfaces are listed only where a rule names its sources by
application security group, which no other answer resolves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from aoai_lib.collect import Readings, Scopes, Source, group_of, items, name_of, subscription_of
from aoai_lib.collect.network import ENDPOINTS, arm_ids, endpoints, entries, inner, unlisted
from aoai_lib.model import Json

_PLACES: Final = (*ENDPOINTS, "virtual_network")


def _guards(readings: Readings) -> list[str]:
    """Ids of the security groups of the subnets in which the accounts' endpoints stand."""
    found: dict[str, str] = {}
    for endpoint in endpoints(readings):
        for arm_id in arm_ids([inner(endpoint, "properties", "subnet", "id")]):
            network = readings.get(("virtual_network", arm_id.lower().partition("/subnets/")[0]))
            for subnet in entries(network.value if network else None, "properties", "subnets"):
                if str(inner(subnet, "id")).lower() == arm_id.lower():
                    guard = inner(subnet, "properties", "networkSecurityGroup", "id")
                    found.update((each.lower(), each) for each in arm_ids([guard]))
    return list(found.values())


def _guarded_subscriptions(readings: Readings) -> Iterable[str]:
    assessed = set(items(readings, "subscriptions"))
    return dict.fromkeys(name for each in _guards(readings) if (name := subscription_of(each).lower()) in assessed)


def _single_guards(readings: Readings) -> Iterable[str]:
    return unlisted(readings, "network_security_group", "network_security_groups", _guards(readings))


def _rules(readings: Readings) -> Iterator[Json]:
    for arm_id in _guards(readings):
        reading = readings.get(("network_security_group", arm_id.lower()))
        yield from entries(reading.value if reading else None, "properties", "securityRules")


def _member_subscriptions(readings: Readings) -> Iterable[str]:
    """Subscriptions of the application security groups that inbound rules name as sources."""
    named = [
        inner(group, "id")
        for rule in _rules(readings)
        if str(inner(rule, "properties", "direction")).lower() == "inbound"
        for group in entries(rule, "properties", "sourceApplicationSecurityGroups")
    ]
    return dict.fromkeys(subscription_of(each).lower() for each in arm_ids(named))


SOURCES = (
    Source(
        "network_security_groups",
        Scopes(("subscriptions", *_PLACES), _guarded_subscriptions),
        "Microsoft.Network/networkSecurityGroups/read",
        lambda azure, scope: azure.network(scope).network_security_groups.list_all(),
        items="network_security_group",
    ),
    Source(
        "network_security_group",
        Scopes(("network_security_groups", "network_security_group", *_PLACES), _single_guards),
        "Microsoft.Network/networkSecurityGroups/read",
        lambda azure, scope: azure.network(subscription_of(scope)).network_security_groups.get(
            group_of(scope), name_of(scope)
        ),
    ),
    Source(
        "network_interfaces",
        Scopes(("network_security_group", *_PLACES), _member_subscriptions),
        "Microsoft.Network/networkInterfaces/read",
        lambda azure, scope: azure.network(scope).network_interfaces.list_all(),
        items="network_interface",
    ),
)
