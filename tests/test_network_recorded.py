"""Real answers of Microsoft.Network about endpoints, zones, groups, links and networks, as other projects recorded them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders import ACCOUNT, SUBSCRIPTION, account, reading
from network_samples import ENDPOINT, VNET, ZONE, connected, finding, network, whole
from tenants import ROOT

from aoai_lib.assess import judge
from aoai_lib.facts import Facts
from aoai_lib.model import Kind, Reading, State, Subject
from aoai_lib.private_link import endpoint_addresses, grouped_zones, linked_networks, peered_networks, record_addresses
from aoai_lib.private_path import private_path

FOLDER = ROOT.parent / "shared" / "recorded" / "04_network"
SUBJECT = Subject(Kind.PRIVATE_ENDPOINT, ENDPOINT, ACCOUNT, SUBSCRIPTION)


def recorded(pattern: str) -> Any:
    """The body of the one answer whose file fits."""
    (path,) = sorted(FOLDER.glob(f"{pattern}.json")) or [pytest.skip("no recorded answers lie beside this checkout")]
    return json.loads(path.read_text(encoding="utf-8"))


def answers() -> list[Path]:
    return [path for path in sorted(FOLDER.glob("*.json")) if not path.name.startswith("networkSecurityGroups")]


MISSING = pytest.param(Path(), marks=pytest.mark.skip("no recorded answers lie beside this checkout"))


def places(path: Path, body: Any) -> list[Reading]:
    """The places of the private path in which an answer can stand, under the ids that the path asks for."""
    kind = path.name.split("_", 1)[0]
    if "404" in path.name or "error" in body:
        code = body["error"]["code"] if "error" in body else body.get("code", "")
        return [reading("private_endpoint", ENDPOINT, None, State.NOT_FOUND, code=code)]
    if kind in ("privateEndpoints", "privateEndpoint"):
        return [reading("private_endpoint", ENDPOINT, body)]
    if kind == "cogsvc":
        return [connected(body)]
    if kind == "privateDnsZoneGroups":
        return [reading("private_dns_zone_groups", ENDPOINT, [body])]
    if kind == "virtualNetworks":
        return [reading("virtual_network", VNET, body)]
    if kind == "subnets":
        return [reading("virtual_network", VNET, network(subnets=[body]))]
    return [reading("dns_zone_links", ZONE, [body]), reading("dns_a_record", f"{ZONE}/A/acct", body)]


@pytest.mark.parametrize("path", answers() or [MISSING], ids=lambda path: path.name[:60])
def test_no_real_answer_is_too_much(path: Path) -> None:
    """Each real answer in each place where it could stand: nothing raises, and what belongs to somebody else never makes a pass."""
    for differing in places(path, json.loads(path.read_text(encoding="utf-8"))):
        snapshot = whole(differing)
        findings = {each.control: each for each in judge(snapshot) if each.control.startswith("NET")}
        assert all(each.reason.endswith(".") for each in findings.values())
        shown = [link.sentence for each in private_path(snapshot, ACCOUNT).shown for link in each.links]
        assert shown
        concerned = {"dns_zone_links": "NET-09", "dns_a_record": "NET-08", "private_dns_zone_groups": "NET-07"}
        if control := concerned.get(differing.source):
            assert findings[control].status.value != "pass"


def test_an_endpoint_to_an_account_and_its_connection_belong_together() -> None:
    endpoint, joined = (
        recorded("privateEndpoint_put_201_cogsvc*"),
        recorded("cogsvc_privateEndpointConnection_get_approved*"),
    )
    assert joined["properties"]["privateEndpoint"]["id"] == endpoint["id"]
    target = endpoint["properties"]["privateLinkServiceConnections"][0]["properties"]["privateLinkServiceId"]
    owner = {**account(privateEndpointConnections=[joined]), "id": target}
    nothing = "00000000-0000-0000-0000-000000000000"
    snapshot = whole(
        reading("subscriptions", "", [nothing]),
        reading("accounts", SUBSCRIPTION, []),
        reading("accounts", nothing, [target]),
        reading("account", target, owner),
        reading("private_endpoint", endpoint["id"], endpoint),
    )
    verdicts = {each.control: each.status.value for each in judge(snapshot) if each.subject.id == target}
    assert (verdicts["NET-05"], verdicts["NET-06"]) == ("pass", "pass")


@pytest.mark.parametrize(
    ("pattern", "verdict", "fragment"),
    [
        ("privateEndpoints__2025-03-01__GET200__*__0247", "fail", "“asoteststoriphqpp”"),  # storage
        ("privateEndpoints__2021-05-01__GET200__*__0527", "fail", "“kustoCluster”"),  # manual, and waiting
        ("privateEndpoints__2025-03-01__GET200__*__0255", "pass", ""),  # an alias does not say where it leads
        ("privateEndpoints__2025-03-01__PUT201__*__0254", "fail", "“Pending”"),  # the same before it was approved
    ],
)
def test_where_a_real_endpoint_leads(pattern: str, verdict: str, fragment: str) -> None:
    found = finding("NET-06", reading("private_endpoint", ENDPOINT, recorded(pattern)))
    assert found.status.value == verdict, found.reason
    assert fragment in found.reason


@pytest.mark.parametrize(
    ("pattern", "host", "addresses"),
    [
        ("privateEndpoints__2025-03-01__GET200__*__0247", "", {"10.0.0.4"}),
        ("privateEndpoints__2022-01-01__GET200__*__0449", "cbn.his.arc.azure.com", {"10.0.0.5"}),
        ("privateEndpoints__2022-01-01__GET200__*__0449", "", {f"10.0.0.{number}" for number in range(4, 11)}),
        ("privateEndpoints__2022-01-01__GET200__*__0449", "acct.openai.azure.com", set()),
    ],
)
def test_the_addresses_of_real_endpoints(pattern: str, host: str, addresses: set[str]) -> None:
    """0449 is an endpoint with seven names and addresses: an answer for one name is not one for another."""
    snapshot = whole(reading("private_endpoint", ENDPOINT, recorded(pattern)))
    facts = Facts(snapshot, SUBJECT)
    assert endpoint_addresses(facts, facts.endpoint, host) == addresses


def test_real_groups_links_and_records_are_read_as_they_are() -> None:
    group = recorded("privateDnsZoneGroups__2025-03-01__GET200__*__0249")
    link = recorded("privateDnsZones_links__2024-06-01__GET200__*")
    a_record = recorded("privateDnsZones_records__2024-06-01__PUT201__*__0345")
    snapshot = whole(
        reading("private_dns_zone_groups", ENDPOINT, [group]),
        reading("dns_zone_links", ZONE, [link]),
        reading("dns_a_record", f"{ZONE}/A/acct", a_record),
    )
    facts = Facts(snapshot, SUBJECT)
    assert list(grouped_zones(facts, ENDPOINT)) == ["privatelink.blob.core.windows.net"]
    assert [each.rpartition("/")[2] for each in linked_networks(facts, ZONE)] == ["asotest-vn-nkcdpr"]
    assert record_addresses(facts, ZONE, "acct") == {"10.0.1.9"}


def test_a_real_peering_from_one_side_carries_nothing() -> None:
    """The other side had not been made when this was recorded: `Initiated`."""
    found = [path for path in answers() if '"Initiated"' in path.read_text(encoding="utf-8")]
    if not found:
        pytest.skip("no recorded answers lie beside this checkout")
    body = json.loads(found[0].read_text(encoding="utf-8"))
    peering = body if "peeringState" in body["properties"] else body["properties"]["virtualNetworkPeerings"][0]
    facts = Facts(whole(reading("virtual_network", VNET, network(virtualNetworkPeerings=[peering]))), SUBJECT)
    assert list(peered_networks(facts.of("virtual_network", VNET))) == []
