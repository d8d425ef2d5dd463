"""The evaluator against a packet filter written from Azure's documentation: one packet, one rule after another.

The filter below knows nothing of sets, spans or conditions. What can't be known (a service tag's addresses) it tries both ways.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from traffic_samples import HERE, decisions, group, machines, network, peering, rule
from traffic_samples import interface as machine

from aoai_lib.model import Reading
from aoai_lib.network_traffic.decisions import Decision

MEMBERS = {"web": ["10.0.5.5", "10.0.5.9"], "jobs": ["10.0.6.1"]}
PEER, HOST = "10.1.0.0/16", "168.63.129.16"
PRIVATE = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "224.0.0.0/3",
)
PREFIXES = "0.0.0.0/0 10.0.0.0/8 10.0.0.0/16 10.0.5.5 10.1.0.0/24 10.1.0.0/25 10.1.0.128/25 10.2.0.0/15 10.0.0.4/32"
ADDRESSES = st.sampled_from(["*", "Any", "203.0.113.0/24", "168.63.129.16", "2001:db8::/32", *PREFIXES.split()])
TAGS = st.sampled_from(
    ["VirtualNetwork", "virtualnetwork", "Internet", "AzureLoadBalancer", "AzureCloud", "Storage.WestEurope"]
)
PORTS = st.sampled_from(["*", "443", "80", "440-450", "0-65535", "444-65535", "0-442", "1024-65535", "53"])


@dataclass(frozen=True)
class Packet:
    source: str
    source_port: int
    port: int
    protocol: str


def holds(network_text: str, address: str) -> bool:
    """Whether a prefix holds an address."""
    prefix, found = ipaddress.ip_network(network_text, strict=False), ipaddress.ip_address(address)
    return prefix.version == found.version and found in prefix


def in_network(address: str, tried: dict[str, bool], beyond: bool) -> bool:
    near = holds("10.0.0.0/16", address) or holds(PEER, address) or address == HOST
    return near or (beyond and tried["beyond"])


def names(text: str, address: str, tried: dict[str, bool], beyond: bool) -> bool:
    """Whether what a rule says of an address holds of this one."""
    word = text.lower()
    if word in ("*", "any"):
        return True
    if word[0].isdigit():
        return holds(text, address)
    inside = in_network(address, tried, beyond)
    if word == "virtualnetwork":
        return inside
    if word == "internet":
        private = any(holds(each, address) for each in PRIVATE)
        return not inside and (tried["private internet"] if private else True)
    return address == HOST if word == "azureloadbalancer" else tried[text]


def has(text: str, port: int) -> bool:
    if text == "*":
        return True
    first, _, last = text.partition("-")
    return int(first) <= port <= int(last or first)


def matches(body: dict[str, Any], packet: Packet, tried: dict[str, bool], beyond: bool) -> bool:
    if body["protocol"] not in ("*", packet.protocol):
        return False
    said = [body["sourceAddressPrefix"], *body["sourceAddressPrefixes"]]
    members = [each["id"].rpartition("/")[2] for each in body.get("sourceApplicationSecurityGroups", [])]
    from_there = any(names(text, packet.source, tried, beyond) for text in said if text)
    from_there = from_there or any(packet.source in MEMBERS[name] for name in members)
    heeded = has(body["sourcePortRange"], packet.source_port) or not tried["heeded"]
    ports = [each for each in (body["destinationPortRange"], *body["destinationPortRanges"]) if each]
    to_here = names(body["destinationAddressPrefix"], HERE, {**tried, **{k: tried["to " + k] for k in UNKNOWN}}, beyond)
    return from_there and heeded and to_here and any(has(text, packet.port) for text in ports)


UNKNOWN = ("AzureCloud", "Storage.WestEurope")
TRIED = ("beyond", "private internet", "heeded", *UNKNOWN, *(f"to {each}" for each in UNKNOWN))


def fate(rules: list[Any], packet: Packet, beyond: bool) -> str:
    """What becomes of a packet whichever way the unknown turns out."""
    told = str(rules)
    open_ = [
        name for name in TRIED if name in ("beyond", "private internet", "heeded") or name.removeprefix("to ") in told
    ]
    found = set()
    for guess in product((True, False), repeat=len(open_)):
        found.add(
            first_match(rules, packet, dict.fromkeys(TRIED, False) | dict(zip(open_, guess, strict=True)), beyond)
        )
    return "unknown" if len(found) > 1 else {"Allow": "allowed", "Deny": "denied"}[found.pop()]


def first_match(rules: list[Any], packet: Packet, tried: dict[str, bool], beyond: bool) -> str:
    for each in sorted(rules, key=lambda each: each["properties"]["priority"]):
        body = each["properties"]
        if body["direction"] == "Inbound" and matches(body, packet, tried, beyond):
            return str(body["access"])
    if in_network(packet.source, tried, beyond) or packet.source == HOST:
        return "Allow"  # Azure's own: the network, and its load balancer
    return "Deny"


def edges(rules: list[Any]) -> list[str]:
    """The first and last address of every range that anybody could mean, and those beside them."""
    prefixes = {
        "0.0.0.0/0",
        "10.0.0.0/16",
        PEER,
        HOST,
        *PRIVATE,
        *(each for found in MEMBERS.values() for each in found),
    }
    for each in rules:
        body = each["properties"]
        prefixes |= {
            text for text in (body["sourceAddressPrefix"], *body["sourceAddressPrefixes"]) if text[:1].isdigit()
        }
    found = set()
    for text in prefixes:
        prefix = ipaddress.ip_network(text, strict=False)
        if prefix.version == 4:
            ends = int(prefix.network_address), int(prefix.broadcast_address)
            found |= {end + step for end in ends for step in (-1, 0, 1)}
    return [str(ipaddress.IPv4Address(each)) for each in sorted(found) if 0 <= each < 2**32]


def cases(
    sources: st.SearchStrategy[str], source_ports: st.SearchStrategy[str], destinations: st.SearchStrategy[str]
) -> Any:
    """Rules of every form, with priorities of their own."""
    one = st.fixed_dictionaries(
        {
            "access": st.sampled_from(["Allow", "Deny"]),
            "direction": st.sampled_from(["Inbound"] * 7 + ["Outbound"]),
            "source": st.one_of(sources, st.lists(sources, min_size=1, max_size=3)),
            "port": st.one_of(PORTS, st.lists(PORTS, min_size=1, max_size=3)),
            "protocol": st.sampled_from(["*", "Tcp", "Udp"]),
            "sourcePortRange": source_ports,
            "destinationAddressPrefix": destinations,
            "members": st.sampled_from([(), (), (), ("web",), ("web", "jobs")]),
        }
    )
    return st.lists(one, max_size=6)


def built(case: list[Any]) -> list[Any]:
    rules = []
    for number, each in enumerate(case):
        values = dict(each)
        members = values.pop("members")
        made = rule(100 + 7 * (number * 5 % 11), **values)
        if members:
            made["properties"]["sourceAddressPrefix"] = ""
            made["properties"]["sourceAddressPrefixes"] = []
            made["properties"]["sourceApplicationSecurityGroups"] = [{"id": ASG_ID + name} for name in members]
        rules.append(made)
    return rules


ASG_ID = "/subscriptions/11111111-0000-4000-8000-000000000001/resourceGroups/rg/providers/Microsoft.Network/applicationSecurityGroups/"


def around(beyond: bool) -> tuple[Reading, ...]:
    """The network with a peer, members of groups, and, if asked, a route table that widens the tag VirtualNetwork."""
    more = {"routeTable": {"id": "/subscriptions/s/routeTables/rt"}} if beyond else {}
    found = [machine(f"{name}{n}", address, name) for name, all_ in MEMBERS.items() for n, address in enumerate(all_)]
    return network(peerings=[peering(PEER)], **more), *machines(*found)


def packets(draw: st.DrawFn, rules: list[Any]) -> list[Packet]:
    sources = draw(st.lists(st.sampled_from(edges(rules)), min_size=12, max_size=12))
    ports = st.sampled_from([0, 52, 53, 79, 80, 81, 439, 440, 442, 443, 444, 450, 451, 1023, 1024, 65535])
    return [Packet(each, draw(ports), draw(ports), draw(st.sampled_from(["Tcp", "Udp"]))) for each in sources]


def fates(found: dict[str, tuple[Decision, ...]], packet: Packet) -> list[str]:
    """What the evaluator says of a packet: exactly one decision must speak of it."""
    source = int(ipaddress.ip_address(packet.source))
    numbers = (source, packet.source_port, packet.port)
    return [
        each.outcome.value
        for each in found[packet.protocol]
        if all(
            any(first <= number <= last for first, last in spans)
            for number, spans in zip(numbers, (each.sources, each.source_ports, each.ports), strict=True)
        )
    ]


def evaluated(rules: list[Any], beyond: bool) -> dict[str, tuple[Decision, ...]]:
    readings = (group(*rules), *around(beyond))
    return {protocol: decisions(*readings, protocol=protocol) for protocol in ("Tcp", "Udp")}


ANY = st.just("*")
WHERE = st.sampled_from(["*", "*", "10.0.0.0/24", "10.0.0.4", "10.0.0.5", "VirtualNetwork", "Internet"])
QUICK = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(st.data(), cases(st.one_of(ADDRESSES, TAGS), ANY, WHERE), st.booleans())
def test_every_packet_meets_the_same_fate_with_tags(data: st.DataObject, case: list[Any], beyond: bool) -> None:
    check_exactly(data, built(case), beyond)


@QUICK
@given(st.data(), cases(ADDRESSES, PORTS, WHERE))
def test_every_packet_meets_the_same_fate_with_source_ports(data: st.DataObject, case: list[Any]) -> None:
    check_exactly(data, built(case), False)


def check_exactly(data: st.DataObject, rules: list[Any], beyond: bool) -> None:
    found = evaluated(rules, beyond)
    for packet in data.draw(st.composite(packets)(rules)):
        assert fates(found, packet) == [fate(rules, packet, beyond)], packet


@QUICK
@given(
    st.data(),
    cases(st.one_of(ADDRESSES, TAGS), PORTS, st.one_of(WHERE, st.sampled_from(["AzureCloud", "Storage.WestEurope"]))),
    st.booleans(),
)
def test_what_is_said_for_certain_is_so_whatever_hangs_together(
    data: st.DataObject, case: list[Any], beyond: bool
) -> None:
    """Where a rule hangs on several unknowns at once the evaluator may say that it doesn't know, and never the wrong thing."""
    rules = built(case)
    found = evaluated(rules, beyond)
    for packet in data.draw(st.composite(packets)(rules)):
        (said,) = fates(found, packet)
        assert said in ("unknown", fate(rules, packet, beyond)), packet


@pytest.mark.parametrize("protocol", ["Tcp", "Udp", "Icmp", "Esp", "Ah"])
def test_the_decisions_share_out_all_traffic(protocol: str) -> None:
    rules = [
        rule(100, "Allow", "10.1.0.0/24", ["443", "8000-9000"], "Tcp"),
        rule(110, "Deny", "Storage", "440-8500"),
        rule(120, "Allow", "10.0.0.0/8", "80-500", sourcePortRange="1024-65535"),
        rule(130, "Deny", "*", "*", "Icmp"),
    ]
    volume = 0
    for each in decisions(group(*rules), protocol=protocol):
        sizes = [
            sum(last - first + 1 for first, last in spans) for spans in (each.sources, each.source_ports, each.ports)
        ]
        volume += sizes[0] * sizes[1] * sizes[2]
    assert volume == 2**32 * 65536 * 65536
