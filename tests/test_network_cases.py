"""One thing differs from a private path that holds: which controls notice, and what they name. All others pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from builders import ACCOUNT, SUBSCRIPTION, account, reading
from network_samples import (
    ENDPOINT,
    FOREIGN,
    FOREIGN_ENDPOINT,
    GONE,
    NETWORK,
    NIC,
    OTHER_ENDPOINT,
    SPOKE,
    VNET,
    ZONE,
    ZONE_NAME,
    connected,
    connection,
    denied,
    interface,
    links,
    network,
    private_endpoint,
    record,
    whole,
    zone_group,
)

from aoai_lib.assess import judge
from aoai_lib.controls import catalogue
from aoai_lib.model import Finding, Reading, State
from aoai_lib.private_path import LinkState, private_path

CONTROLS = ("NET-05", "NET-06", "NET-07", "NET-08", "NET-09", "NET-10", "NET-11")
HUB = "22222222-0000-4000-8000-000000000002"
HUB_ZONE = ZONE.replace(SUBSCRIPTION, HUB)
TWIN = ZONE.replace("resourceGroups/rg", "resourceGroups/rg-twin")
FAR = f"{NETWORK}/virtualNetworks/far"
NOTHING_BEYOND = {
    "NET-07": "not_applicable",
    "NET-08": "not_applicable",
    "NET-09": "not_applicable",
    "NET-11": "not_applicable",
}
BY_HAND = [reading("private_dns_zone_groups", ENDPOINT, [])]
NO_GROUP = {"NET-07": "fail no DNS zone group"}


@dataclass(frozen=True)
class Case:
    """`expected`: control to verdict, and after a space what its reason must hold. Who is not in it passes."""

    name: str
    readings: list[Reading]
    expected: dict[str, str] = field(default_factory=dict)
    requirements: dict[str, Any] = field(default_factory=dict)


def zone(arm_id: str, *linked: str, addresses: tuple[str, ...] | None = ("10.0.0.4",)) -> list[Reading]:
    """A zone as it is read: its links, and its record for the account or none."""
    host = f"{arm_id}/A/acct"
    held = [] if addresses is None else [record(*addresses, zone=arm_id)]
    listed = reading("dns_a_records", arm_id, [] if addresses is None else [host])
    return [
        reading("private_dns_zone", arm_id, {"id": arm_id}),
        reading("dns_zone_links", arm_id, links(*linked)),
        listed,
        *held,
    ]


def zones(*ids: str, state: State = State.COLLECTED) -> Reading:
    return reading("private_dns_zones", SUBSCRIPTION, list(ids), state)


def asking(servers: list[str], arm_id: str = SPOKE, prefix: str = "10.9.0.0/16") -> Reading:
    space = {"addressPrefixes": [prefix]}
    return reading("virtual_network", arm_id, network(arm_id, addressSpace=space, dhcpOptions={"dnsServers": servers}))


def peered(*peers: str, **more: Any) -> Reading:
    return reading("virtual_network", VNET, network(VNET, *peers, **more))


def linked(*networks: str, **more: Any) -> Reading:
    found = [{**each, "properties": {**each["properties"], **more}} for each in links(*networks)]
    return reading("dns_zone_links", ZONE, found)


def addressed(*configs: tuple[str, list[str]]) -> Reading:
    """The endpoint's interface: a configuration an address, each with the names it is for."""
    entries = [
        {
            "name": address,
            "properties": {"privateIPAddress": address, "privateLinkConnectionProperties": {"fqdns": names}},
        }
        for address, names in configs
    ]
    return reading("network_interface", NIC, {"id": NIC, "properties": {"ipConfigurations": entries}})


def without_record(*readings: Reading) -> list[Reading]:
    return [reading("dns_a_record", f"{ZONE}/A/acct", None, GONE, code="NotFound"), *readings]


TWO_ENDPOINTS = [
    connected(connection(), connection(endpoint=OTHER_ENDPOINT)),
    reading("private_endpoints", SUBSCRIPTION, [ENDPOINT, OTHER_ENDPOINT]),
    reading(
        "private_endpoint",
        OTHER_ENDPOINT,
        {**private_endpoint(networkInterfaces=[{"id": f"{NIC}2"}]), "id": OTHER_ENDPOINT},
    ),
    reading("private_dns_zone_groups", OTHER_ENDPOINT, zone_group(ZONE)),
    reading("network_interface", f"{NIC}2", interface("10.0.0.9")),
]

CASES = [
    Case("nothing differs", []),
    # connections and endpoints
    Case("manual and approved", [reading("private_endpoint", ENDPOINT, private_endpoint(manual=True))]),
    Case(
        "manual and waiting",
        [connected(connection("Pending")), reading("private_endpoint", ENDPOINT, private_endpoint(manual=True))],
        {"NET-05": "fail Pending", "NET-06": "not_applicable", **NOTHING_BEYOND},
    ),
    Case(
        "the endpoint's own side is disconnected",
        [
            reading(
                "private_endpoint",
                ENDPOINT,
                private_endpoint(
                    privateLinkServiceConnections=[
                        {
                            "properties": {
                                "privateLinkServiceId": ACCOUNT,
                                "privateLinkServiceConnectionState": {"status": "Disconnected"},
                            }
                        }
                    ]
                ),
            )
        ],
        {"NET-06": "fail “Disconnected”"},
    ),
    Case(
        "in a subscription that nobody approved and nobody may read",
        [connected(connection(endpoint=FOREIGN_ENDPOINT)), denied("private_endpoint", FOREIGN_ENDPOINT)],
        {
            "NET-06": f"fail {FOREIGN}",
            **dict.fromkeys(NOTHING_BEYOND, "not_assessed The reader needs private_endpoint/read in the subscription 99999999"),
        },
    ),
    Case(
        "in another tenant, which has no such subscription for us",
        [
            connected(connection(endpoint=FOREIGN_ENDPOINT)),
            reading("private_endpoint", FOREIGN_ENDPOINT, None, GONE, permission="p/read", code="SubscriptionNotFound"),
        ],
        dict.fromkeys(("NET-06", *NOTHING_BEYOND), "not_assessed The reader needs p/read in the subscription 99999999"),
        {"approved_subscriptions": [FOREIGN]},
    ),
    Case(
        "an endpoint that was deleted",
        [reading("private_endpoints", SUBSCRIPTION, []), denied("private_endpoint", ENDPOINT, GONE)],
        {"NET-06": "fail does not exist any more", **NOTHING_BEYOND},
    ),
    Case(
        "a misshapen connection beside a good one",
        [connected(connection(), {"properties": {"privateLinkServiceConnectionState": "Approved"}})],
        {"NET-06": "not_assessed form"},
    ),
    Case("no custom subdomain", [reading("account", ACCOUNT, account(privateEndpointConnections=[connection()], customSubDomainName=None))],
         {"NET-08": "not_applicable NET-10", "NET-10": "fail no custom subdomain"}),
    # the subnet
    *(
        Case(f"policies {value}", [peered(policies=value)], {"NET-11": f"{verdict} {value or 'Disabled'}"})
        for value, verdict in (
            ("Enabled", "pass"),
            ("NetworkSecurityGroupEnabled", "pass"),
            ("Disabled", "fail"),
            ("RouteTableEnabled", "fail"),
            (None, "fail"),
        )
    ),
    Case("the subnet was deleted", [peered(subnets=[])], {"NET-11": "fail “hub/endpoints” in which"}),
    Case("a misshapen subnet beside the endpoint's",
         [peered(subnets=["odd", network()["properties"]["subnets"][0]])]),
    Case(
        "the network was deleted",
        [reading("virtual_networks", SUBSCRIPTION, []), denied("virtual_network", VNET, GONE)],
        {"NET-09": "fail network “hub” does not exist", "NET-11": "fail does not exist"},
    ),
    # zone groups and zones
    Case(
        "the zone group names a zone of the hub's subscription",
        [reading("private_dns_zone_groups", ENDPOINT, zone_group(HUB_ZONE)), *zone(HUB_ZONE, VNET)],
    ),
    Case(
        "the hub's zone can't be read",
        [
            reading("private_dns_zone_groups", ENDPOINT, zone_group(HUB_ZONE)),
            denied("dns_zone_links", HUB_ZONE),
            denied("dns_a_records", HUB_ZONE),
        ],
        {
            "NET-08": f"not_assessed The reader needs dns_a_records/read in the subscription {HUB}",
            "NET-09": f"not_assessed The reader needs dns_zone_links/read in the subscription {HUB}",
        },
    ),
    Case(
        "the zone group names a zone that was deleted",
        [
            reading("private_dns_zone_groups", ENDPOINT, zone_group(TWIN)),
            denied("dns_zone_links", TWIN, GONE),
            denied("dns_a_records", TWIN, GONE),
        ],
        dict.fromkeys(("NET-07", "NET-08", "NET-09"), f"fail “{ZONE_NAME}”"),
    ),
    Case("two zones of a name, the spoke asks the empty one",
         [zones(ZONE, TWIN), *zone(TWIN, SPOKE, addresses=None), peered(SPOKE)],
         {"NET-09": "fail “spoke”, which is peered with the endpoint's network, asks another zone of this name"}),
    Case("two zones of a name, the spoke asks the one with an old address",
         [zones(ZONE, TWIN), *zone(TWIN, SPOKE, addresses=("10.0.0.66",)), peered(SPOKE)],
         {"NET-09": "fail sends “acct” to 10.0.0.66"}),
    Case("two zones of a name, both lead here", [zones(ZONE, TWIN), *zone(TWIN, SPOKE), peered(SPOKE)]),
    Case("two zones of a name, nobody asks the other", [zones(ZONE, TWIN), *zone(TWIN, addresses=("10.0.0.66",))]),
    Case("by hand", BY_HAND, NO_GROUP),
    Case("by hand in two zones, one with an old address",
         [*BY_HAND, zones(ZONE, TWIN), *zone(TWIN, SPOKE, addresses=("10.0.0.66",)), peered(SPOKE)],
         {**NO_GROUP, "NET-08": "fail 10.0.0.66, which no endpoint", "NET-09": "fail asks another zone of this name"}),
    Case("by hand, and no zone", [*BY_HAND, zones()],
         {**NO_GROUP, "NET-08": "fail No assessed subscription", "NET-09": "fail No assessed subscription"}),
    # records
    Case("an old record", [record("10.0.0.66")], {"NET-08": "fail sends “acct” to 10.0.0.66, and the endpoint has 10.0.0.4."}),
    Case("one address too many", [record("10.0.0.4", "10.0.0.66")], {"NET-08": "fail also sends “acct” to 10.0.0.66"}),
    Case("a record under the account's name",
         [reading("account", ACCOUNT, account(privateEndpointConnections=[connection()], customSubDomainName="sub"))],
         {"NET-08": "fail only for “acct”: that is the account's name"}),
    Case("no record", without_record(), {"NET-08": "fail has no record for “acct”"}),
    Case("an address for each name",
         [addressed(("10.0.0.4", ["acct.openai.azure.us"]), ("10.0.0.5", ["acct.cognitiveservices.azure.us"]))]),
    Case("the name is at the other address",
         [addressed(("10.0.0.5", ["acct.openai.azure.us"]), ("10.0.0.4", ["acct.cognitiveservices.azure.us"]))],
         {"NET-08": "fail and the endpoint has 10.0.0.5"}),
    Case("no address for the name", [addressed(("10.0.0.4", ["acct.cognitiveservices.azure.us"]))],
         {"NET-08": "not_assessed does not say which IPv4 address"}),
    Case("addresses that don't say whose they are", [addressed(("10.0.0.4", []))]),
    Case("both versions of the protocol", [addressed(("10.0.0.4", []), ("fd00::4", []))]),
    Case("version 6 alone", [addressed(("fd00::4", []))], {"NET-08": "not_assessed IPv4"}),
    Case("the addresses are on the endpoint, for want of a zone group",
         [
             *BY_HAND,
             denied("network_interface", NIC),
             reading("private_endpoint", ENDPOINT,
                     private_endpoint(customDnsConfigs=[{"fqdn": "ACCT.openai.azure.us", "ipAddresses": ["10.0.0.4"]}])),
         ], NO_GROUP),
    # links and callers
    Case("a link that registers machines", [linked(VNET, registrationEnabled=True)]),
    Case("a link that falls back to the internet", [linked(VNET, resolutionPolicy="NxDomainRedirect")]),
    Case("a link that is done", [linked(VNET, virtualNetworkLinkState="Done")]),
    Case("a link in the making", [linked(VNET, virtualNetworkLinkState="InProgress")], {"NET-09": "fail “hub”, the endpoint's own"}),
    Case("a link to another network", [linked(FAR)], {"NET-09": "fail “hub”, the endpoint's own"}),
    Case("a misshapen link beside a good one", [reading("dns_zone_links", ZONE, ["odd", *links(VNET)])]),
    Case("a misshapen link that may be the one", [reading("dns_zone_links", ZONE, ["odd"])], {"NET-09": "not_assessed form"}),
    Case("a spoke without a link", [peered(SPOKE)], {"NET-09": "fail “spoke”, which is peered"}),
    Case("a spoke of another region without a link", [peered(SPOKE, location="japaneast")], {"NET-09": "fail “spoke”"}),
    Case("a peering that was cut", [peered(SPOKE, state="Disconnected")]),
    Case("a peering from one side only", [peered(SPOKE, state="Initiated")]),
    Case("a peer's peer", [peered(SPOKE), linked(VNET, SPOKE), reading("virtual_network", SPOKE, network(SPOKE, VNET, FAR))]),
    Case("a consumer that the parameters name", [], {"NET-09": "fail “far”, a consumer network that the parameters name"},
         {"consumer_vnets": [FAR]}),
    Case("a spoke that asks the hub's resolver", [peered(SPOKE), asking(["10.0.7.4"])]),
    Case("a spoke that asks the hub's servers and others", [peered(SPOKE), asking(["10.0.7.4", "10.77.0.4"])], {"NET-09": "fail “spoke”"}),
    Case("a spoke that asks servers of its own", [peered(SPOKE), asking(["10.9.0.4"])], {"NET-09": "fail “spoke”"}),
    Case("a linked spoke that asks servers of its own", [peered(SPOKE), linked(VNET, SPOKE), asking(["10.9.0.4"])]),
    Case("a linked spoke that asks Azure by address", [peered(SPOKE), linked(VNET, SPOKE), asking(["168.63.129.16"])]),
    Case("an unlinked spoke that asks Azure by address", [peered(SPOKE), asking(["168.63.129.16"])], {"NET-09": "fail “spoke”"}),
    Case("a linked spoke that asks servers nobody knows", [peered(SPOKE), linked(VNET, SPOKE), asking(["10.77.0.4"])],
         {"NET-09": "not_assessed 10.77.0.4"}),
    Case("a linked spoke that asks the internet", [peered(SPOKE), linked(VNET, SPOKE), asking(["9.9.9.9"])],
         {"NET-09": "fail 9.9.9.9, which can't see private zones"}),
]  # fmt: skip


def found(case: Case, subject: str = ENDPOINT) -> dict[str, Finding]:
    snapshot = whole(*case.readings, requirements=case.requirements or None)
    declared = [each for each in catalogue() if each.id in CONTROLS]
    findings = {}
    for each in judge(snapshot, declared):
        if each.subject.id.lower() in (subject.lower(), ACCOUNT.lower(), FOREIGN_ENDPOINT.lower()):
            findings.setdefault(each.control, each)
    return findings


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_difference_is_noticed_by_those_it_concerns(case: Case) -> None:
    findings = found(case)
    for control in CONTROLS:
        verdict, _, fragment = case.expected.get(control, "pass").partition(" ")
        assert findings[control].status.value == verdict, f"{control}: {findings[control].reason}"
        assert fragment in findings[control].reason, f"{control}: {findings[control].reason}"
        assert findings[control].observed


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_picture_says_what_the_controls_say(case: Case) -> None:
    """A reason of a failure is a sentence of the path, and a path without a broken link has no failed control."""
    path = private_path(whole(*case.readings, requirements=case.requirements or None), ACCOUNT)
    told = " ".join(link.sentence for each in path.shown for link in each.links) + path.account.sentence
    failed = [each for each in found(case).values() if each.status.value == "fail"]
    assert [each.reason for each in failed if each.reason not in told] == []
    states = {link.state for each in path.shown for link in each.links} | {path.account.state}
    policies = {each.reason for each in failed if "applies no security rules" in each.reason}
    assert (LinkState.BROKEN in states) == (len(failed) > len(policies))


def test_two_endpoints_write_one_record() -> None:
    """Each zone group puts its own endpoint's address: the last one wins, and the other endpoint's path is broken."""
    case = Case("", [*TWO_ENDPOINTS, record("10.0.0.9")])
    assert "the account's endpoint “pe-two” holds the same record" in found(case)["NET-08"].reason
    path = private_path(whole(*case.readings), ACCOUNT)
    assert [each.state for each in path.endpoints] == [LinkState.BROKEN, LinkState.WEAK]
    assert path.state is LinkState.WEAK
    second = {each.subject.id: each for each in judge(whole(*case.readings)) if each.control == "NET-08"}[
        OTHER_ENDPOINT
    ]
    assert second.status.value == "pass"


@pytest.mark.parametrize(
    ("kind", "suffixes"),
    [
        ("OpenAI", ("openai.azure.com",)),
        ("OpenAI", ("cognitiveservices.azure.com", "openai.azure.com")),
        ("AIServices", ("cognitiveservices.azure.com", "openai.azure.com", "services.ai.azure.com")),
        ("AIServices", ("cognitiveservices.azure.us", "openai.azure.us", "services.ai.azure.us")),
        ("AIServices", ("cognitiveservices.azure.cn", "openai.azure.cn", "services.ai.azure.cn")),
    ],
)
def test_every_zone_counts_whatever_the_cloud_calls_it(kind: str, suffixes: tuple[str, ...]) -> None:
    names = [f"privatelink.{suffix}" for suffix in suffixes]
    ids = [f"{NETWORK}/privateDnsZones/{name}" for name in names]
    base = [
        reading(
            "private_link_resources",
            ACCOUNT,
            {"value": [{"properties": {"groupId": "account", "requiredZoneNames": names}}]},
        ),
        reading("account", ACCOUNT, {**account(privateEndpointConnections=[connection()]), "kind": kind}),
        reading("private_dns_zone_groups", ENDPOINT, zone_group(*ids)),
        addressed(*((f"10.0.0.{number}", [f"acct.{suffix}"]) for number, suffix in enumerate(suffixes, 4))),
        *(each for number, arm_id in enumerate(ids, 4) for each in zone(arm_id, VNET, addresses=(f"10.0.0.{number}",))),
    ]
    assert {each.status.value for each in found(Case("", base)).values()} == {"pass"}
    last = names[-1]
    assert (
        f"“{last}”"
        in found(Case("", [*base, reading("private_dns_zone_groups", ENDPOINT, zone_group(*ids[:-1])), zones(*ids)]))[
            "NET-07"
        ].reason
    )
    stale = found(Case("", [*base, *zone(ids[-1], VNET, addresses=("10.0.0.66",))]))
    assert {key for key, each in stale.items() if each.status.value == "fail"} == {"NET-08"}
    assert f"“{last}”" in stale["NET-08"].reason
    unlinked = found(Case("", [*base, *zone(ids[-1], addresses=(f"10.0.0.{3 + len(ids)}",))]))
    assert {key for key, each in unlinked.items() if each.status.value == "fail"} == {"NET-09"}
    assert f"“{last}”" in unlinked["NET-09"].reason


ODD: list[Any] = [5, "text", [], {}, [5], ["text"], [{"properties": 5}], {"properties": []}, None, True]


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_what_has_another_shape_makes_its_own_link_unknown_and_no_other(value: Any) -> None:
    """Each answer in turn is replaced by something else: nothing raises, and nothing that hangs on it passes."""
    concerned = {
        ("private_link_resources", ACCOUNT): {"NET-07", "NET-08", "NET-09"},
        ("private_dns_zone_groups", ENDPOINT): {"NET-07"},
        ("virtual_network", VNET): {"NET-11"},
        ("dns_zone_links", ZONE): {"NET-09"},
        ("dns_a_record", f"{ZONE}/A/acct"): {"NET-08"},
        ("network_interface", NIC): {"NET-08"},
    }
    for (source, scope), controls in concerned.items():
        case = Case("", [reading(source, scope, value)])
        findings = found(case)
        assert {key for key in controls if findings[key].status.value == "pass"} == set(), source
        assert findings["NET-05"].status.value == findings["NET-10"].status.value == "pass"
        path = private_path(whole(*case.readings), ACCOUNT)
        assert path.account.state is LinkState.OK
        assert path.endpoints[0].connection.state is LinkState.OK


@pytest.mark.parametrize("value", [value for value in ODD if value not in (None, [])], ids=repr)
def test_connections_of_another_shape_may_be_endpoints(value: Any) -> None:
    odd = reading("account", ACCOUNT, account(privateEndpointConnections=value))
    declared = [each for each in catalogue() if each.id in ("NET-07", "NET-08", "NET-09", "NET-11")]
    verdicts = {each.status.value for each in judge(whole(odd), declared)}
    empty = isinstance(value, list) and all(
        isinstance(each, dict) and not isinstance(each["properties"], int) for each in value
    )
    assert verdicts == ({"not_applicable"} if empty else {"not_assessed"})


def test_a_good_endpoint_is_judged_beside_a_misshapen_connection() -> None:
    odd = connected(connection(), {"properties": {"privateEndpoint": "pe"}})
    findings = [each for each in judge(whole(odd)) if each.control == "NET-11"]
    assert [(each.subject.id, each.status.value) for each in findings] == [
        (ENDPOINT, "pass"),
        (ACCOUNT, "not_assessed"),
    ]
