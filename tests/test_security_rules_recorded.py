"""Security groups as Azure answered them to others' tests, put in front of an endpoint. Skipped where the recordings are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders import reading
from traffic_samples import GUARD, decisions, network, peering, verdict

from aoai_lib.model import Reading

RECORDED = Path(__file__).resolve().parent.parent.parent / "shared" / "recorded" / "04_network"
NAMES = sorted(path.name for path in RECORDED.glob("networkSecurityGroups*.json"))
pytestmark = pytest.mark.skipif(not NAMES, reason="the recorded answers are not on this machine")


def groups(name: str) -> list[Any]:
    """The security groups in an answer: one, a list of them, or none where it is an error."""
    answer = json.loads((RECORDED / name).read_text(encoding="utf-8"))
    found = answer.get("value", [answer]) if isinstance(answer, dict) else []
    return [each for each in found if "properties" in each]


def named(group: str) -> Reading:
    """The recorded group of this name, in front of the endpoint."""
    found = (each for name in NAMES for each in groups(name) if each["name"] == group)
    return reading("network_security_group", GUARD, next(found))


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_group_is_judged(name: str) -> None:
    for each in groups(name):
        guard = reading("network_security_group", GUARD, each)
        assert decisions(guard)
        for control in ("NET-12", "NET-13"):
            assert verdict(control, guard).status.value in ("pass", "fail", "not_assessed")


PEERED = network(peerings=[peering("10.1.0.0/16")])


@pytest.mark.parametrize(
    ("group", "around", "let_in", "others", "says"),
    [
        # Allow 80/TCP from anywhere, and Azure's own rules: 10.1.0.0/24 belongs to no network here, unless it is peered.
        ("miq-nsg-lb-westus", network(), "fail", "fail", "“miq-nsg-rule-westus” lets in any address on port 80"),
        ("miq-nsg-lb-westus", PEERED, "pass", "fail", "“miq-nsg-rule-westus” lets in any address on port 80"),
        # No rule of its own, with Azure's and (`samplensg` as first answered) without them.
        ("sec73484", network(), "fail", "fail", "“AllowVnetInBound” lets in 10.0.0.0/16"),
        ("sec73484", PEERED, "pass", "fail", "“AllowVnetInBound” lets in 10.0.0.0/15"),
        ("samplensg", PEERED, "pass", "fail", "“AllowVnetInBound” lets in 10.0.0.0/15"),
    ],
)
def test_verdicts_worked_out_by_hand(group: str, around: Reading, let_in: str, others: str, says: str) -> None:
    assert verdict("NET-12", around, named(group)).status.value == let_in
    found = verdict("NET-13", around, named(group))
    assert (found.status.value, says in found.reason) == (others, True), found.reason


def test_rules_with_source_ports_as_recorded() -> None:
    """22 from anywhere, and 80 and 443 but only from those ports: whether callers from 10.1.0.0/24 get in can't be told, unless
    Azure's own rule lets them in as peers."""
    name = next(
        each["name"]
        for file in NAMES
        for each in groups(file)
        if any(rule["properties"]["sourcePortRange"] == "443" for rule in each["properties"].get("securityRules", []))
    )
    assert verdict("NET-12", named(name)).status.value == "not_assessed"
    assert verdict("NET-12", PEERED, named(name)).status.value == "pass"
    said = verdict("NET-13", named(name)).reason
    assert "lets in any address on port 22" in said
