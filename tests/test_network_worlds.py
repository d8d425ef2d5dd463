"""One link of the hardened tenant is broken in the lab, and read again from the wire: who fails, and what the reason names."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tenants import ROOT

from aoai_lib import run
from aoai_lib.assess import judge
from aoai_lib.controls import catalogue
from aoai_lib.evidence.store import Evidence
from aoai_lib.fleet import environment
from aoai_lib.lab.server import Lab, load_worlds
from aoai_lib.lab.store import Resource, Tenant
from aoai_lib.parameters import load

CONTROLS = ("NET-05", "NET-06", "NET-07", "NET-08", "NET-09", "NET-11")
NETWORKS = "Microsoft.Network/virtualNetworks"
ZONES = "Microsoft.Network/privateDnsZones"


def the(tenant: Tenant, kind: str, end: str) -> Resource:
    """The one resource of a type whose id ends so."""
    (found,) = [each for each in tenant.of_type(kind) if each.id.lower().endswith(end.lower())]
    return found


def remove(kind: str, end: str) -> Callable[[Tenant], object]:
    return lambda tenant: tenant.remove(the(tenant, kind, end).id)


def change(kind: str, end: str, name: str, value: object) -> Callable[[Tenant], object]:
    return lambda tenant: the(tenant, kind, end).properties.update({name: value})


def delete_zone(tenant: Tenant) -> None:
    zone = the(tenant, ZONES, "privatelink.services.ai.azure.com")
    inside = [each.id for kind in ("A", "virtualNetworkLinks") for each in tenant.children(zone.id, kind)]
    for arm_id in [*inside, zone.id]:
        tenant.remove(arm_id)


WORLDS: list[tuple[str, Callable[[Tenant], object], dict[str, str]]] = [
    ("nothing", lambda tenant: None, {}),
    ("record gone", remove(f"{ZONES}/A", "services.ai.azure.com/A/halden-knowledge"), {"NET-08": "no record for “halden-knowledge”"}),
    (
        "record drifted",
        change(f"{ZONES}/A", "privatelink.openai.azure.com/A/halden-knowledge", "aRecords", [{"ipv4Address": "10.40.1.250"}]),
        {"NET-08": "to 10.40.1.250"},
    ),
    ("spoke unlinked", remove(f"{ZONES}/virtualNetworkLinks", "services.ai.azure.com/virtualNetworkLinks/link-claims"), {"NET-09": "“vnet-claims”"}),
    (
        "spoke asks the internet",
        change(NETWORKS, "/vnet-claims", "dhcpOptions", {"dnsServers": ["9.9.9.9"]}),
        {"NET-09": "“vnet-claims”"},
    ),
    ("zone gone", delete_zone, dict.fromkeys(("NET-07", "NET-08", "NET-09"), "“privatelink.services.ai.azure.com”")),
    ("zone group gone", remove("Microsoft.Network/privateEndpoints/privateDnsZoneGroups", "pe-halden-knowledge/privateDnsZoneGroups/default"),
     {"NET-07": "no DNS zone group"}),
    (
        "policies off",
        change(f"{NETWORKS}/subnets", "/snet-private-endpoints", "privateEndpointNetworkPolicies", "Disabled"),
        {"NET-11": "“vnet-hub/snet-private-endpoints”"},
    ),
    ("endpoint gone", remove("Microsoft.Network/privateEndpoints", "/pe-halden-knowledge"), {"NET-06": "“pe-halden-knowledge”"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "spoil", "expected"), WORLDS, ids=[each[0] for each in WORLDS])
def test_a_broken_link_is_found_on_the_wire(
    name: str, spoil: Callable[[Tenant], object], expected: dict[str, str]
) -> None:
    with Lab(load_worlds(["hardened"])) as lab:
        spoil(lab.state("hardened"))
        with environment(lab.environment("hardened")):
            parameters = load(ROOT / "parameters" / "hardened.yaml").model_copy(update={"vantage": ""})
            snapshot = run.collect(parameters, ("network",), Evidence())
    declared = [each for each in catalogue() if each.id in CONTROLS]
    failed = {each.control: each.reason for each in judge(snapshot, declared) if each.status.value == "fail"}
    assert set(failed) == set(expected), failed
    assert [control for control, fragment in expected.items() if fragment not in failed[control]] == [], failed
    assert not [each for each in judge(snapshot, declared) if each.status.value == "not_assessed"]
