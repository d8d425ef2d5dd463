"""NET-12 and NET-13: who gets through to a private endpoint. Verdicts are worked out by hand from the rules in each test."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from builders import ACCOUNT, SUBSCRIPTION, reading
from network_samples import ENDPOINT, FOREIGN, NIC, VNET, denied, private_endpoint, whole
from network_samples import interface as nic
from traffic_samples import (
    ASG,
    GUARD,
    decisions,
    group,
    interface,
    machines,
    network,
    peering,
    rule,
    statuses,
    verdict,
    ways,
)

from aoai_lib.assess import judge
from aoai_lib.collect import Readings, sources
from aoai_lib.controls import catalogue
from aoai_lib.model import Reading, Snapshot, State
from aoai_lib.network_traffic.decisions import Outcome
from aoai_lib.parameters import Parameters
from aoai_lib.report.traffic import traffic
from aoai_lib.run import Run

DENY_ALL = rule(4096, "Deny")
GUIDE = (
    rule(100, "Allow", "10.1.0.0/24", "443", "Tcp", destinationAddressPrefix="10.0.0.0/24"),
    rule(110, "Allow", "10.1.1.0/24", "443", "Tcp", destinationAddressPrefix="10.0.0.0/24"),
    rule(4096, "Deny", "*", "*", "*", destinationAddressPrefix="10.0.0.0/24"),
)
"""The table of the guide: an application's subnet, a gateway's, and nobody else."""
APPROVED = ("10.1.0.0/24", "10.1.1.0/24")
CALLER = rule(100, "Allow", "10.1.0.0/24", "443", "Tcp")


def test_the_three_rules_of_the_guide_hold_where_the_subnet_enforces_them() -> None:
    assert statuses(group(*GUIDE), approved=APPROVED) == ("pass", "pass")


@pytest.mark.parametrize("policies", ["Disabled", "RouteTableEnabled", ""])
def test_the_same_rules_protect_nothing_where_the_subnet_does_not(policies: str) -> None:
    readings = (network(policies), group(*GUIDE))
    assert statuses(*readings, approved=APPROVED) == ("not_applicable", "fail")
    for control in ("NET-12", "NET-13"):
        said = verdict(control, *readings, approved=APPROVED).reason
        assert said.startswith("The subnet “endpoints” applies no security rules to private endpoints")


def test_whom_the_rules_would_keep_out_is_said_before_they_have_effect() -> None:
    found = verdict("NET-12", network("Disabled"), group(rule(100, "Deny", "10.1.0.64/26"), *GUIDE[1:]))
    assert "the rule “r4096” keeps the approved 10.1.0.128/25 and 1 more range(s) from port 443" in found.reason
    unread = verdict("NET-12", network("Disabled"), denied("network_security_group", GUARD))
    assert unread.status.value == "not_applicable"


def test_without_a_security_group_everybody_gets_in() -> None:
    assert statuses(network(guard=None)) == ("pass", "fail")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((CALLER, DENY_ALL), ("pass", "pass")),
        ((DENY_ALL,), ("fail", "pass")),
        ((CALLER,), ("pass", "fail")),  # Azure's own rules let in the network
        ((rule(100, "Deny"), rule(200, "Allow", "10.1.0.0/24", "443")), ("fail", "pass")),
        ((rule(200, "Deny"), rule(100, "Allow", "10.1.0.0/24", "443")), ("pass", "pass")),
        ((rule(100, "Allow", "10.1.0.0/25", "443", "Tcp"), DENY_ALL), ("fail", "pass")),
        ((rule(100, "Allow", ["10.1.0.0/25", "10.1.0.128/25"], ["440-441", "443"], "Tcp"), DENY_ALL), ("pass", "fail")),
        ((rule(100, "Allow", ["10.1.0.0/25", "10.1.0.128/25"], ["443"], "TCP"), DENY_ALL), ("pass", "pass")),
        ((rule(100, "Allow", "10.1.0.0/24", "443", "Udp"), DENY_ALL), ("fail", "pass")),
        ((rule(100, "Allow", "10.1.0.0/24", "443", "*"), DENY_ALL), ("pass", "pass")),
        ((rule(100, "Allow", "10.1.0.0/24", "80", "Tcp"), DENY_ALL), ("fail", "fail")),
        ((rule(100, "Allow", "10.0.0.0/8", "443", "Tcp"), DENY_ALL), ("pass", "fail")),
        ((CALLER, rule(101, "Allow", "*", "*", "Icmp"), DENY_ALL), ("pass", "fail")),
        ((CALLER, rule(101, "Allow", "10.1.0.0/24", "*", "Icmp"), DENY_ALL), ("pass", "pass")),
        ((CALLER, rule(101, "Allow", "*", "53", "Udp"), DENY_ALL), ("pass", "fail")),
        ((CALLER, rule(101, "Allow", direction="Outbound"), DENY_ALL), ("pass", "pass")),
        ((rule(100, "Allow", "10.1.0.0/24", "443", destinationAddressPrefix="10.0.0.5"), DENY_ALL), ("fail", "pass")),
        ((CALLER, rule(200, "Deny", "VirtualNetwork"), rule(210, "Deny", "10.1.0.0/16")), ("pass", "pass")),
        ((CALLER, rule(200, "Deny", "10.0.0.0/8")), ("pass", "fail")),  # Azure's load balancer is left
        ((rule(100, "Allow", "Internet", "443"), DENY_ALL), ("not_assessed", "fail")),  # 10.1 is nobody's here
        ((rule(99, "Allow", "2001:db8::/32", "*"), CALLER, DENY_ALL), ("pass", "pass")),
        ((rule(100, "Allow", "Any", "Any", "Any"), DENY_ALL), ("pass", "fail")),
    ],
)
def test_the_first_rule_that_matches_decides(rules: Any, expected: tuple[str, str]) -> None:
    assert statuses(group(*rules)) == expected


def test_the_widest_way_in_is_named_and_not_the_first() -> None:
    rules = (rule(100, "Allow", "10.0.3.7", "22"), rule(110, "Allow", "10.8.0.0/13", "1000-2000"), CALLER, DENY_ALL)
    said = verdict("NET-13", group(*rules[:1], rules[1], rule(120, "Allow", *("10.1.0.0/24", "443")), DENY_ALL)).reason
    assert said == (
        "The rule “r110” lets in 10.8.0.0/13 on ports 1000–2000, which is not approved; so do 1 more rule(s)."  # noqa: RUF001
    )


def test_what_is_let_in_is_what_the_rules_above_left() -> None:
    rules = (rule(100, "Deny", "10.0.0.0/9"), rule(110, "Allow", "10.0.0.0/8", "443"), DENY_ALL)
    assert "“r110” lets in 10.128.0.0/9 on port 443" in verdict("NET-13", group(*rules)).reason


@pytest.mark.parametrize(
    ("rules", "expected", "hangs_on"),
    [
        (
            (rule(100, "Allow", "AzureCloud", "443"), CALLER | {"name": "c"}, DENY_ALL),
            ("pass", "not_assessed"),
            "AzureCloud",
        ),
        ((rule(90, "Deny", "Storage.WestEurope"), CALLER, DENY_ALL), ("not_assessed", "pass"), "Storage.WestEurope"),
        (
            (rule(90, "Deny", "CorpNetPublic"), rule(95, "Allow", "*", "22"), CALLER, DENY_ALL),
            ("not_assessed", "fail"),
            "",
        ),
        ((rule(90, "Allow", "AzureCloud", "*"), rule(95, "Allow", "*", "22"), CALLER, DENY_ALL), ("pass", "fail"), ""),
        ((CALLER, rule(200, "Deny", "AzureCloud"), DENY_ALL), ("pass", "pass"), ""),
        ((rule(90, "Deny", "10.0.0.300"), CALLER, DENY_ALL), ("not_assessed", "pass"), "10.0.0.300"),
    ],
)
def test_what_hangs_on_a_tag_is_not_guessed(rules: Any, expected: tuple[str, str], hangs_on: str) -> None:
    rules = tuple({**each, "properties": {**each["properties"], "priority": 100 + n}} for n, each in enumerate(rules))
    assert statuses(group(*rules)) == expected
    said = " ".join(verdict(control, group(*rules)).reason for control in ("NET-12", "NET-13"))
    assert hangs_on in said


@pytest.mark.parametrize(
    ("around", "expected"),
    [
        (network(), "fail"),
        (network(peerings=[peering("10.1.0.0/16")]), "pass"),
        (network(peerings=[peering("10.1.0.0/16", state="Initiated")]), "fail"),
        (network(peerings=[peering("10.1.0.0/16", allowVirtualNetworkAccess=False)]), "fail"),
        (network(peerings=[peering("10.2.0.0/16", useRemoteGateways=True)]), "not_assessed"),
        (network(peerings=[peering("")]), "not_assessed"),  # the peer's space is told nowhere
        (network(routeTable={"id": f"{SUBSCRIPTION}/rt"}), "not_assessed"),
    ],
)
def test_the_tag_of_the_network_holds_peers_and_maybe_more(around: Reading, expected: str) -> None:
    assert statuses(around, group(rule(100, "Allow", "VirtualNetwork", "443"), DENY_ALL))[0] == expected


def test_a_gateway_widens_the_tag_and_the_same_tag_is_the_same_in_two_rules() -> None:
    around = network()
    around.value["properties"]["subnets"].append({"id": f"{VNET}/subnets/GatewaySubnet", "name": "GatewaySubnet"})
    closed = (CALLER, rule(200, "Deny", "VirtualNetwork"))
    assert statuses(around, group(rule(100, "Allow", "VirtualNetwork", "443"), DENY_ALL))[0] == "not_assessed"
    # Whoever the first rule does not deny as part of the network, Azure's own rule does not let in as part of it either.
    assert statuses(around, group(*closed)) == ("pass", "pass")


def test_source_ports_decide_nothing_that_could_turn_out_otherwise() -> None:
    """Microsoft documents that endpoints take source ports as any; nobody should rely on that."""
    from_443 = rule(100, "Allow", "10.1.0.0/24", "443", "Tcp", sourcePortRange="443")
    assert statuses(group(from_443, DENY_ALL)) == ("not_assessed", "pass")
    from_any = rule(100, "Allow", "10.1.0.0/24", "443", "Tcp", sourcePortRange="1024-65535")
    assert statuses(group(from_any, DENY_ALL)) == ("pass", "pass")
    assert statuses(group(CALLER, rule(200, "Deny", sourcePortRange="53"))) == ("pass", "not_assessed")
    hole = group(rule(99, "Allow", "*", "443", sourcePortRange="53"), CALLER, DENY_ALL)
    assert statuses(hole) == ("pass", "fail")


MEMBER = {"sourceApplicationSecurityGroups": [{"id": f"{ASG}/web"}]}


def test_application_security_groups_are_their_members() -> None:
    allow = rule(100, "Allow", "", "443", "Tcp", **MEMBER)
    inside, outside = interface("a", "10.1.0.4", "web"), interface("b", "10.2.0.4", "web", "jobs")
    assert statuses(group(allow, DENY_ALL), *machines(inside), approved=["10.1.0.4/32"]) == ("pass", "pass")
    assert statuses(group(allow, DENY_ALL), *machines(inside)) == ("fail", "pass")
    assert "10.2.0.4 on port 443" in verdict("NET-13", group(allow, DENY_ALL), *machines(inside, outside)).reason


def test_members_that_can_not_be_read_are_not_assessed_with_the_permission() -> None:
    allow = rule(110, "Allow", "", "443", "Tcp", **MEMBER)
    unread = denied("network_interfaces", SUBSCRIPTION)
    found = verdict("NET-13", group(CALLER, allow, DENY_ALL), unread)
    assert (found.status.value, "network_interfaces/read" in found.reason) == ("not_assessed", True)
    assert statuses(group(CALLER, allow, rule(120, "Allow", "*", "22"), DENY_ALL), unread)[1] == "fail"


def test_a_scale_set_in_the_network_may_have_members_that_no_list_shows() -> None:
    around = network()
    scaled = {"id": f"{VNET}/x/virtualMachineScaleSets/s/virtualMachines/0/networkInterfaces/n/ipConfigurations/c"}
    around.value["properties"]["subnets"].append(
        {"id": f"{VNET}/subnets/s", "properties": {"ipConfigurations": [scaled]}}
    )
    allow = rule(110, "Allow", "", "443", "Tcp", **MEMBER)
    found = verdict("NET-13", around, group(CALLER, allow, DENY_ALL), *machines(interface("a", "10.1.0.4", "web")))
    assert (found.status.value, "“rg/web”" in found.reason) == ("not_assessed", True)


def test_a_rule_to_a_group_counts_for_an_endpoint_in_it() -> None:
    to_group = rule(100, "Allow", "10.1.0.0/24", "443", destinationAddressPrefix="")
    to_group["properties"]["destinationApplicationSecurityGroups"] = [{"id": f"{ASG}/Endpoints"}]
    member = private_endpoint(applicationSecurityGroups=[{"id": f"{ASG}/endpoints"}])
    assert statuses(group(to_group, DENY_ALL)) == ("fail", "pass")
    assert statuses(group(to_group, DENY_ALL), reading("private_endpoint", ENDPOINT, member)) == ("pass", "pass")


def test_every_address_of_the_endpoint_counts() -> None:
    two = nic()
    two["properties"]["ipConfigurations"].append({"name": "two", "properties": {"privateIPAddress": "10.0.0.5"}})
    only = rule(100, "Allow", "10.1.0.0/24", "443", destinationAddressPrefix="10.0.0.4")
    found = verdict("NET-12", group(only, DENY_ALL), reading("network_interface", NIC, two))
    assert (found.status.value, "port 443 of 10.0.0.5" in found.reason) == ("fail", True)


def test_an_ipv6_endpoint_is_judged_by_ipv6_rules() -> None:
    around = network()
    around.value["properties"]["addressSpace"]["addressPrefixes"].append("fd00::/48")
    six = reading("network_interface", NIC, nic("fd00::4"))
    rules = group(rule(100, "Allow", "fd00:1::/64", "443"), DENY_ALL)
    assert statuses(around, six, rules, approved=["fd00:1::/64"]) == ("pass", "pass")
    assert statuses(around, six, rules, approved=["10.1.0.0/24"])[0] == "not_assessed"
    assert statuses(around, six, group(DENY_ALL), approved=["fd00:1::/64"]) == ("fail", "pass")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((CALLER, DENY_ALL), ("not_assessed", "not_assessed")),
        ((DENY_ALL,), ("not_assessed", "pass")),
        ((CALLER, rule(101, "Allow", "10.1.0.0/24", "22"), DENY_ALL), ("not_assessed", "fail")),
        ((rule(100, "Allow", "AzureCloud", "443"), DENY_ALL), ("not_assessed", "not_assessed")),
    ],
)
def test_without_approved_sources_only_what_no_approval_could_excuse_fails(
    rules: Any, expected: tuple[str, str]
) -> None:
    assert statuses(group(*rules), approved=[]) == expected
    assert "approved_source_ranges" in verdict("NET-12", group(*rules), approved=[]).reason


def test_an_approval_of_the_internet_approves_nobody() -> None:
    assert statuses(group(rule(100, "Allow", "*", "443"), DENY_ALL), approved=["0.0.0.0/0"]) == ("not_assessed", "fail")


def odd(**properties: Any) -> Any:
    """A rule with properties replaced; `...` leaves one out."""
    made = rule(100, "Allow", "*", "*")
    made["properties"] = {k: v for k, v in {**made["properties"], **properties}.items() if v is not ...}
    return made


@pytest.mark.parametrize(
    "bad",
    [
        odd(access="Maybe"),
        odd(access=...),
        odd(priority="100"),
        odd(priority=...),
        odd(priority=True),
        odd(priority=float("nan")),
        odd(priority=4096),  # the same as another's
        odd(direction="Sideways"),
        odd(direction=None),
        odd(sourceAddressPrefix=7),
        odd(sourceAddressPrefixes="10.0.0.0/8"),
        odd(sourceAddressPrefixes=[None]),
        odd(destinationPortRange=443),
        odd(destinationPortRanges={"0": "443"}),
        odd(sourceApplicationSecurityGroups=[{}]),
        odd(sourceApplicationSecurityGroups="web"),
        odd(destinationApplicationSecurityGroups=["web"]),
        {"name": "r", "properties": None},
        {"name": "r"},
        {"name": "r", "properties": []},
        None,
        "rule",
    ],
)
def test_a_rule_of_another_shape_is_not_assessed(bad: Any) -> None:
    assert statuses(group(CALLER | {"name": "c"}, bad, DENY_ALL)) == ("not_assessed", "not_assessed")


@pytest.mark.parametrize(
    "bad",
    [
        odd(sourceAddressPrefix="", sourceAddressPrefixes=[]),
        odd(destinationPortRange="https"),
        odd(destinationPortRange="90-80"),
        odd(destinationPortRange="0-70000"),
        odd(destinationPortRange=..., destinationPortRanges=...),
        odd(destinationAddressPrefix=None),
        odd(protocol=None),
        odd(protocol="Sctp"),
        odd(protocol=6),
    ],
)
def test_a_rule_with_an_unreadable_side_is_not_guessed_and_hides_no_hole(bad: Any) -> None:
    allowed = CALLER | {"properties": {**CALLER["properties"], "priority": 90}}
    assert statuses(group(allowed, bad, DENY_ALL)) == ("pass", "not_assessed")
    assert statuses(group(allowed, rule(95, "Allow", "*", "22"), bad, DENY_ALL))[1] == "fail"


@pytest.mark.parametrize(
    "differing",
    [
        denied("network_security_group", GUARD),
        denied("network_security_group", GUARD, State.NOT_FOUND),
        denied("virtual_network", VNET),
        reading("network_interface", NIC, nic("")),
        reading("network_interface", NIC, nic("10.0.0.x")),
        reading("network_security_group", GUARD, {"id": GUARD, "properties": {"securityRules": {}}}),
    ],
)
def test_what_can_not_be_read_is_not_assessed(differing: Reading) -> None:
    assert statuses(group(CALLER, DENY_ALL), differing) == ("not_assessed", "not_assessed")


def test_the_default_rules_count_as_answered() -> None:
    answered = [rule(65000, "Deny", "*", "*")]
    assert statuses(group(CALLER, defaultSecurityRules=answered)) == ("pass", "pass")
    # An answer that does not end with a rule for all traffic was not whole.
    assert (
        statuses(group(CALLER, defaultSecurityRules=[rule(65000, "Allow", "10.1.0.0/24", "443")]))[1] == "not_assessed"
    )


def test_the_table_shows_each_rule_with_what_it_still_decides() -> None:
    name = "r<script>\u202e"
    rules = group(CALLER | {"name": name}, rule(200, "Deny", "10.0.0.0/8"), DENY_ALL)
    table = traffic(Run(Parameters(), whole(network(), rules)))
    assert [row[3] for row in table.rows] == [100, 200, 4096, 65000, 65001, 65500]
    decided = [row[-1] for row in table.rows]
    assert decided[0] == "10.1.0.0/24 on port 443"
    assert decided[1].startswith("10.1.1.0–10.255.255.255 and 1 more range(s) on every port")  # noqa: RUF001
    assert set(decided[3:]) == {"nothing that is left"}
    page = table._repr_mimebundle_()["text/html"]
    assert "<script>" not in page
    assert "\u202e" not in page + str(table)


@pytest.mark.parametrize(
    ("differing", "effect", "says"),
    [
        (network(guard=None), "none", "everything gets in"),
        (network("Disabled"), "without effect (Disabled)", "10.1.0.0/24 on port 443"),
        (denied("network_security_group", GUARD), "not known", "network_security_group/read"),
        (denied("network_security_group", GUARD, State.NOT_FOUND), "in effect", "can't be found"),
        (denied("virtual_network", VNET, State.NOT_FOUND), "", "subnet does not exist"),
    ],
)
def test_the_table_says_what_has_no_effect_and_what_is_not_known(differing: Reading, effect: str, says: str) -> None:
    rows = traffic(Run(Parameters(), whole(network(), group(CALLER, DENY_ALL), differing))).rows
    assert (rows[0][2], says in str(rows[0][-1])) == (effect, True)


def test_only_groups_in_front_of_endpoints_are_read_and_only_members_that_rules_ask_for() -> None:
    scopes = {source.name: source.over for source in sources()["security_groups"]}
    readings: Readings = dict(whole(network()).readings)
    assert list(scopes["network_security_groups"].find(readings)) == [SUBSCRIPTION]
    guard = group(CALLER, rule(110, "Allow", "", "443", **MEMBER), rule(120, "Allow", direction="Outbound"))
    readings["network_security_group", GUARD.lower()] = guard
    assert list(scopes["network_security_group"].find(readings)) == []
    assert list(scopes["network_interfaces"].find(readings)) == [SUBSCRIPTION]
    foreign = GUARD.replace(SUBSCRIPTION, FOREIGN)
    readings["virtual_network", VNET.lower()] = network(guard=foreign)
    assert list(scopes["network_security_groups"].find(readings)) == []
    assert list(scopes["network_security_group"].find(readings)) == [foreign]
    del readings["virtual_network", VNET.lower()]
    assert list(scopes["network_security_groups"].find(readings)) == []


def many(count: int) -> Snapshot:
    """A snapshot with so many approved endpoints in one subnet."""
    base = whole(network(), group(*GUIDE), requirements={"approved_source_ranges": list(APPROVED)})
    readings = dict(base.readings)
    account = readings["account", ACCOUNT.lower()].value
    pattern = account["properties"]["privateEndpointConnections"][0]
    links = []
    for number in range(count):
        arm_id, address = f"{ENDPOINT}{number}", f"10.0.{number // 250}.{number % 250 + 4}"
        links.append({**pattern, "properties": {**pattern["properties"], "privateEndpoint": {"id": arm_id}}})
        body = private_endpoint(customDnsConfigs=[{"fqdn": "a", "ipAddresses": [address]}])
        readings["private_endpoint", arm_id.lower()] = reading("private_endpoint", arm_id, {**body, "id": arm_id})
    changed = {**account, "properties": {**account["properties"], "privateEndpointConnections": links}}
    readings["account", ACCOUNT.lower()] = reading("account", ACCOUNT, changed)
    return replace(base, readings=readings)


def test_a_subnet_with_many_endpoints_is_judged_at_once() -> None:
    found = many(100)
    declared = [each for each in catalogue() if each.id in ("NET-12", "NET-13")]
    begun = time.perf_counter()
    assert len(judge(found, declared)) == 200
    assert time.perf_counter() - begun < 5


def test_a_group_made_to_be_slow_is_judged_in_time() -> None:
    """As many rules as Azure takes, none of them alike: overlapping sources, ports of their own, every third one denies."""
    rules = [
        rule(100 + n, "Deny" if n % 3 else "Allow", [f"10.{n % 200}.{m}.0/{16 + m}" for m in range(4)], str(n), "Tcp")
        for n in range(1000)
    ]
    begun = time.perf_counter()
    assert any(each.outcome is Outcome.ALLOWED for each in decisions(group(*rules, DENY_ALL)))
    assert time.perf_counter() - begun < 20


def test_the_hardened_tenant_lets_in_what_it_approved_and_the_mixed_one_too(
    hardened: Snapshot, mixed: Snapshot
) -> None:
    for snapshot, expected in ((hardened, {"pass"}), (mixed, {"pass", "not_applicable", "fail", "not_assessed"})):
        found = judge(snapshot, [each for each in catalogue() if each.id in ("NET-12", "NET-13")])
        assert {each.status.value for each in found} <= expected
    said = {each.subject.name: each.reason for each in judge(mixed, [c for c in catalogue() if c.id == "NET-13"])}
    assert said["pe-support-we"].startswith("The security group “nsg-endpoints” lets in nobody")


def test_ways_lead_to_each_address_once() -> None:
    assert [way.address for way in ways(group(*GUIDE)).ways] == ["10.0.0.4"]
