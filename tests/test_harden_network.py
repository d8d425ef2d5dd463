"""Hardening the network: nobody is cut off, and the private way in is there before the public one is closed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.identity import DefaultAzureCredential
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.privatedns import PrivateDnsManagementClient
from hardening import own_lab, parameters, plan, written

from aoai_lib.harden import session
from aoai_lib.harden.plan import Plan, Step
from aoai_lib.lab.server import Lab
from aoai_lib.model import Status

HUB = "/subscriptions/7d1f8c52-64ab-4b3e-8f05-91c2d3e4a502/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/vnet-hub"
SUBNET = f"{HUB}/subnets/snet-private-endpoints"
KNOWLEDGE = "ais-halden-knowledge"


@pytest.fixture
def stripped() -> Iterator[Lab]:
    """The hardened tenant as it was before anybody hardened its network: no endpoint, one zone, public access on."""
    with own_lab("hardened") as lab:
        how = {"base_url": lab.url, "credential_scopes": [f"{lab.url}/.default"], "polling_interval": 0}
        subscription = HUB.split("/")[2]
        network = NetworkManagementClient(DefaultAzureCredential(), subscription, **how)
        dns = PrivateDnsManagementClient(DefaultAzureCredential(), subscription, **how)
        for endpoint in list(network.private_endpoints.list_by_subscription()):
            network.private_endpoints.begin_delete("rg-network", endpoint.name).result()
        for zone in list(dns.private_zones.list()):
            for link in list(dns.virtual_network_links.list("rg-network", zone.name)):
                dns.virtual_network_links.begin_delete("rg-network", zone.name, link.name).result()
            if "openai" not in zone.name:
                dns.private_zones.begin_delete("rg-network", zone.name).result()
        for account in lab.state("hardened").of_type("Microsoft.CognitiveServices/accounts"):
            account.properties["publicNetworkAccess"] = "Enabled"
        lab.requests.clear()
        yield lab


def verdicts(planned: session.Outcome) -> dict[tuple[str, str], Status]:
    return {(each.control, each.subject.rpartition("/")[2]): each.status for each in planned.proofs}


def about(planned: Plan, name: str) -> list[Step]:
    return [step for step in planned.steps if step.subject.endswith(name)]


def test_the_private_way_in_is_made_and_seen_to_answer_before_the_public_one_is_closed(
    stripped: Lab, tmp_path: Path
) -> None:
    asked = parameters("hardened", endpoint_subnet=SUBNET)
    outcome = session.carry_out(asked, plan(asked), tmp_path)
    assert {each.became.value for each in outcome.results} == {"done"}, [each.sentence for each in outcome.results]
    assert set(verdicts(outcome).values()) == {Status.PASS}
    kinds = [path.lower().rpartition("/providers/")[2].split("/", 2)[1] for _, path in written(stripped)]
    assert kinds.index("privateendpoints") < kinds.index("privatednszones") < len(kinds) - 1
    assert written(stripped)[-1] == ("PATCH", about(plan_of(outcome), KNOWLEDGE)[-1].request.path)
    assert plan(asked).steps == ()


def plan_of(outcome: session.Outcome) -> Plan:
    return Plan.model_validate_json((outcome.folder / "plan.json").read_text(encoding="utf-8"))


def test_an_endpoint_stands_where_its_network_stands(stripped: Lab) -> None:
    """Error 11 of the guide: a default region, whatever the network's is."""
    for account in stripped.state("hardened").of_type("Microsoft.CognitiveServices/accounts"):
        account.body["location"] = "eastus"
    planned = plan(parameters("hardened", endpoint_subnet=SUBNET), "NET-05")
    made = [step.request.body for step in planned.steps if step.title.startswith("Create the private endpoint")]
    assert [body["location"] for body in made] == ["swedencentral", "swedencentral"]


def test_zones_go_where_they_are_kept(stripped: Lab) -> None:
    group = f"{HUB.partition('/providers/')[0].rpartition('/')[0]}/rg-observability"
    planned = plan(parameters("hardened", endpoint_subnet=SUBNET, dns_resource_group=group), "NET-05")
    zones = [step.request.path for step in planned.steps if step.title.startswith("Create the private DNS zone")]
    assert len(zones) == 2
    assert all(path.startswith(group) for path in zones)


def test_records_are_left_to_the_zone_group(stripped: Lab) -> None:
    """Errors 5, 7 and 8 of the guide: an address read from the endpoint's answer and written as a record by hand."""
    planned = plan(parameters("hardened", endpoint_subnet=SUBNET))
    assert [step for step in planned.steps if "/A/" in step.request.path] == []
    groups = [step for step in planned.steps if "/privateDnsZoneGroups/" in step.request.path]
    covered = {len(step.request.body["properties"]["privateDnsZoneConfigs"]) for step in groups}
    assert covered == {2, 3}, "two zones for kind OpenAI, three for AIServices"


def test_a_record_made_by_hand_comes_back_when_the_zone_group_goes() -> None:
    """Error 8 of the guide: the record's type and name in the wrong order. The group replaces the record; undo restores it."""
    with own_lab("exposed"):
        planned = plan(parameters("exposed"), "NET-07")
    (group,) = [step for step in planned.steps if "/privateDnsZoneGroups/" in step.request.path]
    (restored,) = group.undo_restores
    assert restored.path.endswith("/privateDnsZones/privatelink.openai.azure.com/A/brightcart-search")
    assert restored.body == {"properties": {"ttl": 3600, "aRecords": [{"ipv4Address": "10.60.1.77"}]}}


def test_without_a_subnet_to_stand_in_no_endpoint_is_planned_and_the_public_way_stays_open(
    stripped: Lab, tmp_path: Path
) -> None:
    """Error 2 of the guide: public access disabled before anything else was looked at."""
    asked = parameters("hardened")
    planned = plan(asked)
    assert [each.reason for each in planned.unplanned if each.control == "NET-05"] == [
        "Name the subnet for a private endpoint in hardening.endpoint_subnet."
    ] * 2
    outcome = session.carry_out(asked, planned, tmp_path)
    (closing,) = [each for each in outcome.results if each.step.control == "NET-01"]
    assert closing.became.value == "stopped"
    assert "The account has no private endpoint." in " ".join(closing.listed)
    assert written(stripped) == []


def test_an_endpoint_that_does_not_answer_stops_it(stripped: Lab, tmp_path: Path) -> None:
    """Nobody inside tried the name: configured is not observed."""
    given = parameters("hardened", endpoint_subnet=SUBNET)
    asked = given.model_copy(update={"vantage": ""})
    outcome = session.carry_out(asked, plan(asked), tmp_path)
    became = {each.step.control: each for each in outcome.results}
    assert became["NET-05"].became.value == "done"
    assert became["NET-01"].became.value == "stopped"
    assert "inside" in became["NET-01"].sentence


def test_callers_that_would_be_cut_off_are_listed_and_stop_it(tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        asked = parameters("exposed")
        planned = plan(asked, "NET-01")
        whole = [label for label in planned.checks if label.startswith("private-path")]
        outcome = session.carry_out(asked, planned, tmp_path, whole)
        became = {each.step.subject.rpartition("/")[2]: each for each in outcome.results}
        search, shop = became["ais-brightcart-search"], became["aoai-brightcart-shop"]
        assert {search.became.value, shop.became.value} == {"stopped"}
        assert search.sentence.startswith("3 caller(s) of “ais-brightcart-search” would be cut off:")
        assert "--accept public-callers@ais-brightcart-search" in search.sentence
        assert [line.partition(" (")[0] for line in search.listed] == [
            "a key from 203.0.113.***",
            "a key from 192.0.2.***",
            "1b62d8f3-6e1f-4c8b-9b21-7a4f1dae2e03 from 203.0.113.***",
        ]
        assert "nobody can say who calls" in shop.sentence, "its requests are not logged: that is no proof of silence"
        assert written(lab) == []


def test_a_closed_firewall_is_no_condition_for_closing_the_public_way() -> None:
    with own_lab("exposed"):
        planned = plan(parameters("exposed"), "NET-01", "NET-02")
    assert all(step.after == () for step in planned.steps)


def test_a_firewall_keeps_what_is_approved_and_its_lists_can_be_restored(tmp_path: Path) -> None:
    """Error 3 of the guide: empty lists, sent without a way back."""
    with own_lab("exposed") as lab:
        asked = parameters("exposed")
        (step,) = [each for each in plan(asked, "NET-03").steps if each.subject.endswith("aoai-brightcart-shop")]
        rules = step.request.body["properties"]["networkAcls"]
        assert rules["ipRules"] == [{"value": "198.51.100.0/24"}]
        assert rules["defaultAction"] == "Deny"
        assert rules["bypass"] == "None"
        held = lab.state("exposed").find(step.subject)
        assert held is not None
        assert step.undo is not None
        assert step.undo.body["properties"]["networkAcls"] == held.properties["networkAcls"]


def test_the_guides_rules_come_before_the_switch_that_gives_them_effect() -> None:
    """Error 12 of the guide: rules without effect, and a denial that hits the neighbours."""
    with own_lab("exposed"):
        planned = plan(parameters("exposed"), "NET-11", "NET-12", "NET-13")
    allow, deny = [step for step in planned.steps if "/securityRules/" in step.request.path]
    (switch,) = [step for step in planned.steps if step.control == "NET-11"]
    assert {allow.id, deny.id} <= set(switch.after)
    body = [step.request.body["properties"] for step in (allow, deny)]
    assert [each["access"] for each in body] == ["Allow", "Deny"]
    assert [each["priority"] for each in body] == [198, 199], "before the group's own first rule, 200"
    assert body[0]["destinationPortRange"] == "443"
    assert body[1]["destinationAddressPrefixes"] == body[0]["destinationAddressPrefixes"] != ["*"]
    assert switch.request.body["properties"]["privateEndpointNetworkPolicies"] == "NetworkSecurityGroupEnabled"
    assert switch.request.body["properties"]["addressPrefix"] == "10.60.1.0/24", "the subnet is sent whole"
    assert switch.checks[0].name == "shared-subnet"


def test_rules_put_in_force_let_the_approved_in_and_nobody_else(tmp_path: Path) -> None:
    with own_lab("exposed"):
        asked = parameters("exposed")
        planned = plan(asked, "NET-11", "NET-12", "NET-13")
        outcome = session.carry_out(asked, planned, tmp_path, list(planned.checks))
        assert {each.became.value for each in outcome.results} == {"done"}, [each.sentence for each in outcome.results]
        assert set(verdicts(outcome).values()) == {Status.PASS}, outcome.proofs
