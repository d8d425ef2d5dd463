"""The picture of the private path: every wrong link with its mark, its number and its sentence, for every reader."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from builders import ACCOUNT, SUBSCRIPTION, reading
from network_samples import (
    ENDPOINT,
    GONE,
    NETWORK,
    OTHER_ENDPOINT,
    SPOKE,
    VNET,
    ZONE,
    connected,
    connection,
    denied,
    links,
    network,
    record,
    whole,
)

from aoai_lib.model import Reading
from aoai_lib.private_path import private_path
from aoai_lib.report.drawing import draw_path, folded
from aoai_lib.report.figure import Figure

SVG = "{http://www.w3.org/2000/svg}"
LONG = f"{NETWORK}/virtualNetworks/{'-'.join(['vnet', 'prod', 'westeurope', 'shared', 'services', 'landingzone', 'number', '0017'])}"


def drawn(*differing: Reading, **requirements: list[str]) -> Figure:
    return draw_path(private_path(whole(*differing, requirements=requirements or None), ACCOUNT))


def boxes(figure: Figure) -> list[tuple[str, str, str, ET.Element]]:
    """Kind, mark, name and frame of each box, from the left and the top."""
    found = []
    for group in ET.fromstring(figure.svg).iter(f"{SVG}g"):
        kind, mark, *name = ["".join(text.itertext()) for text in group.findall(f"{SVG}text")]
        frame = group.find(f"{SVG}rect")
        assert frame is not None
        found.append((kind, mark, "".join(name), frame))
    return found


@pytest.mark.parametrize(
    ("readings", "kind", "mark", "sentence"),
    [
        ([connected(connection("Pending"))], "connection", "✗ 1", "The connection of “pe” is Pending."),
        ([connected()], "endpoint", "✗ 1", "The account has no private endpoint."),
        ([denied("account", ACCOUNT)], "account", "? 1", "The reader needs account/read"),
        ([denied("private_endpoint", ENDPOINT, GONE)], "endpoint", "✗ 1", "does not exist any more."),
        ([denied("network_interface", f"{NETWORK}/networkInterfaces/pe.nic")], "address", "? 1", "answered"),
        ([denied("virtual_network", VNET)], "subnet", "? 1", "answered AuthorizationFailed"),
        ([reading("virtual_network", VNET, network(policies=None))], "policies", "! 1", "applies no security rules"),
        ([], "security group", "! 1", "has no security group."),
        ([reading("private_dns_zone_groups", ENDPOINT, [])], "zone group", "✗ 2", "has no DNS zone group"),
        ([reading("private_dns_zone_groups", ENDPOINT, []), reading("private_dns_zones", SUBSCRIPTION, [])], "zone", "✗ 3", "No assessed"),
        ([record("10.0.0.9")], "record", "✗ 2", "sends “acct” to 10.0.0.9"),
        ([reading("dns_zone_links", ZONE, [])], "own network", "✗ 2", "is not linked to “hub”"),
        ([reading("virtual_network", VNET, network(VNET, SPOKE))], "peered network", "✗ 2", "is not linked to “spoke”"),
    ],
)  # fmt: skip
def test_a_wrong_link_is_marked_and_told(readings: list[Reading], kind: str, mark: str, sentence: str) -> None:
    figure = drawn(*readings)
    marked = {each[0]: each[1] for each in boxes(figure)}
    assert marked[kind] == mark
    line = next(line for line in figure.text.splitlines() if line.startswith(f"{mark}  "))
    assert sentence in line
    description = ET.fromstring(figure.svg).find(f"{SVG}desc")
    assert description is not None and line in (description.text or "")
    # The sentence is seen too, not only read out.
    seen = " ".join("".join(text.itertext()) for text in ET.fromstring(figure.svg).findall(f"{SVG}text"))
    assert sentence in seen


def test_the_chain_reads_from_left_to_right() -> None:
    figure = drawn(
        reading("virtual_network", VNET, network(VNET, SPOKE)), reading("dns_zone_links", ZONE, links(VNET, SPOKE))
    )
    placed = boxes(figure)
    rows = [sorted((each for each in placed if each[3].get("y") == y), key=lambda each: int(each[3].get("x", "0")))
            for y in dict.fromkeys(each[3].get("y") for each in placed)]  # fmt: skip
    assert [[each[0] for each in row] for row in rows] == [
        ["account", "connection", "endpoint", "address", "subnet", "policies", "security group"],
        ["zone group", "zone", "record", "own network", "peered network"],
    ]
    assert figure.text.splitlines()[0] == "acct: the private path is whole, and less protected than it should be"


def test_states_differ_in_shape_and_brightness_and_not_in_colour_alone() -> None:
    figure = drawn(record("10.0.0.9"), denied("dns_zone_links", ZONE))
    frames = {mark[0]: frame for _, mark, _, frame in boxes(figure)}
    assert set(frames) == {"✓", "!", "?", "✗"}
    assert frames["✗"].get("rx") == "0" != frames["✓"].get("rx")
    assert frames["?"].get("stroke-dasharray")
    assert frames["!"].get("stroke-width") != frames["✓"].get("stroke-width")

    def brightness(frame: ET.Element) -> float:
        red, green, blue = (int(frame.get("fill", "")[at : at + 2], 16) for at in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    shades = sorted(brightness(frame) for frame in frames.values())
    assert all(after - before > 8 for before, after in pairwise(shades))


def test_a_whole_endpoint_beside_a_broken_one() -> None:
    second = connection("Rejected", OTHER_ENDPOINT)
    lines = drawn(connected(connection(), second)).text.splitlines()
    assert lines[0] == "acct: the private path is whole, and less protected than it should be"
    assert lines[1] == "The way over pe-two is broken."
    assert "The way over pe is whole, and less protected than it should be." in lines


@pytest.mark.parametrize(
    "name", ["a", "privatelink.cognitiveservices.azure.com", "x" * 250, "W" * 40, "10.60.1.4, 10.60.1.5, 10.60.1.6", "北" * 30, "--" * 50]
)  # fmt: skip
def test_long_names_are_folded_and_not_cut(name: str) -> None:
    lines = folded(name)
    assert "".join(lines) == name
    assert max(map(len, lines)) <= 17
    assert all(lines)


def test_a_long_name_is_whole_in_the_picture() -> None:
    figure = drawn(reading("dns_zone_links", ZONE, links(VNET)), consumer_vnets=[LONG])
    assert LONG.rpartition("/")[2] in [name for _, _, name, _ in boxes(figure)]


def test_a_hostile_name_is_text() -> None:
    hostile = f"{NETWORK}/virtualNetworks/<img src=x onerror=alert(1)>\u202e\x00]]>&amp;"
    figure = drawn(reading("dns_zone_links", ZONE, links(VNET)), consumer_vnets=[hostile])
    assert "<img" not in figure.svg
    assert not re.search("[\x00\u202e]", figure.svg + figure.text)
    assert "\\u202e" in figure.text


def test_many_networks_and_endpoints_are_counted_not_drawn() -> None:
    peers = [f"{NETWORK}/virtualNetworks/spoke-{number:02}" for number in range(30)]
    figure = drawn(
        reading("virtual_network", VNET, network(VNET, *peers)),
        reading("dns_zone_links", ZONE, links(VNET, *peers[1:])),
    )
    shown = [(kind, mark, name) for kind, mark, name, _ in boxes(figure) if "network" in kind]
    assert shown[0] == ("peered network", "✗ 2", "spoke-00")
    assert shown[-1] == ("networks", "✓", "19 more")
    many = [connection("Rejected", f"{ENDPOINT}-{number}") for number in range(20)]
    assert drawn(connected(*many)).text.splitlines()[-1] == "12 more connections are not drawn."
