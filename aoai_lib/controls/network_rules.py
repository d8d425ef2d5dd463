"""The holes in an account's firewall: rules for addresses and for subnets."""

from __future__ import annotations

from collections.abc import Iterator

from aoai_lib.controls import Verdict, breaking, control, fails, not_applicable, not_assessed, passes
from aoai_lib.controls.network_endpoints import judged
from aoai_lib.controls.network_perimeters import (
    PUBLIC_ACCESS,
    NoRangeError,
    address_range,
    associated,
    is_internet,
    lies_in,
    was_asked,
)
from aoai_lib.facts import Facts, NotCollectedError, UnexpectedShapeError, View
from aoai_lib.frameworks import ai_rmf, mcsb, nist80053
from aoai_lib.model import Kind, Severity
from aoai_lib.private_link import name_of, network_of, subnet
from aoai_lib.private_path.links import Link, broken, ok, unknown

_HUB = "/subscriptions/7d1f8c52-64ab-4b3e-8f05-91c2d3e4a502/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks"


def _let_in(facts: Facts) -> Iterator[tuple[str, str]]:
    """Address ranges that are let in, each with what lets it in. The account's own rules count though they may be dormant."""
    for rule in facts.account.each("properties.networkAcls.ipRules"):
        yield "The IP rule", rule.text("value")
    perimeters, missing = associated(facts)
    for perimeter in perimeters:
        for text in perimeter.ranges:
            yield f"The perimeter “{perimeter.name}” with its rule", text
    if missing is not None and was_asked(missing):
        raise missing


@control(
    "NET-03",
    title="No IP rule lets in a wide, public or unapproved range",
    severity=Severity.HIGH,
    subject=Kind.ACCOUNT,
    maps=PUBLIC_ACCESS,
    remediation="Remove the rule from networkAcls.ipRules, or name the range in approved_source_ranges of the parameters if it "
    "is the organisation's own. A PATCH replaces the whole list, so send every rule that stays.",
    breaks=(
        {"account.properties.networkAcls.ipRules[+]": {"value": "0.0.0.0/0"}},
        {"account.properties.networkAcls.ipRules[+]": {"value": "20.0.0.0/8"}},
        {"account.properties.networkAcls.ipRules[+]": {"value": "198.51.100.7"}},
        # Who approves the internet approves nobody, so whatever the security rules let in is not approved either.
        breaking(
            {
                "account.properties.networkAcls.ipRules[+]": {"value": "0.0.0.0/1"},
                "requirements.approved_source_ranges": ["0.0.0.0/0"],
            },
            "NET-13",
        ),
    ),
)
def ip_rules_approved(facts: Facts) -> Verdict:
    """Each IP rule is a hole in the firewall. A rule is in order when its range lies within one that the organisation
    approved; one wider than a /8 (IPv6: /24) never is, whoever approved it. Rules are judged while public access is off
    too: they come to life the moment that somebody switches it on.

    The inbound address rules of a network security perimeter are held to the same, in any mode: they let in whom they name.
    """
    try:
        approved = [address_range(text) for text in facts.requirements.approved_source_ranges]
    except NoRangeError as odd:
        return not_assessed(f"An approved range of the parameters can't be used: {odd}.")
    count = 0
    unreadable = ""
    for what, text in _let_in(facts):
        count += 1
        try:
            network = address_range(text)
        except NoRangeError as odd:
            unreadable = f"{what} can't be judged: {odd}."
            continue
        if is_internet(network):
            return fails(f"{what} “{text}” lets in {network.num_addresses:,} addresses, as good as the whole internet.")
        if not lies_in(network, approved):
            return fails(f"{what} “{text}” lets in {network.num_addresses:,} address(es) outside the approved ranges.")
    if unreadable:
        return not_assessed(unreadable)
    if not count:
        return passes("There is no IP rule: who gets in is decided by public access and the default action alone.")
    return passes(f"Each of the {count} IP rule(s) lies within an approved range.")


@control(
    "NET-16",
    title="Every subnet rule names a subnet that exists and has the service endpoint",
    severity=Severity.MEDIUM,
    subject=Kind.ACCOUNT,
    maps=(mcsb("NS-1", "NS-2"), nist80053("AC-4", "SC-7"), ai_rmf("MEASURE 2.7")),
    remediation="Add the service endpoint Microsoft.CognitiveServices to the subnet, or remove the rule from "
    "networkAcls.virtualNetworkRules. A private endpoint makes the rule unnecessary.",
    breaks=(
        {"account.properties.networkAcls.virtualNetworkRules[+]": {"id": f"{_HUB}/vnet-gone/subnets/snet-app"}},
        {"account.properties.networkAcls.virtualNetworkRules[+]": {"id": f"{_HUB}/vnet-hub/subnets/snet-gone"}},
        {"account.properties.networkAcls.virtualNetworkRules[+]": {"id": f"{_HUB}/vnet-claims/subnets/snet-app"}},
    ),
)
def subnet_rules_effective(facts: Facts) -> Verdict:
    """A rule for a subnet only works through the service endpoint: without it the subnet's traffic leaves under a public
    address and is refused. A rule whose subnet is gone lets in whoever makes one of the same name again.
    Not applicable where the firewall has no such rule.
    """
    links = [_link(facts, rule) for rule in facts.account.each("properties.networkAcls.virtualNetworkRules")]
    if not links:
        return not_applicable("The firewall has no rule for a subnet.")
    return judged(
        links, f"Each of the {len(links)} subnet rule(s) names a subnet that exists and has the service endpoint."
    )


def _link(facts: Facts, rule: View) -> Link:
    try:
        arm_id = rule.text("id")
        name = f"{name_of(network_of(arm_id))}/{name_of(arm_id)}"
        found = subnet(facts, arm_id)
        if found is None:
            return broken("subnet_rule", name, f"The firewall lets in the subnet “{name}”, which does not exist.")
        if not _has_service_endpoint(found):
            told = f"The firewall lets in the subnet “{name}”, which has no service endpoint for Cognitive Services."
            return broken("subnet_rule", name, told)
    except (NotCollectedError, UnexpectedShapeError) as problem:
        return unknown("subnet_rule", "", problem)
    return ok("subnet_rule", name, f"The subnet “{name}” exists and has the service endpoint.")


def _has_service_endpoint(found: View) -> bool:
    return any(
        each.text("service").lower() == "microsoft.cognitiveservices"
        and each.text("provisioningState", "Succeeded").lower() == "succeeded"
        for each in found.each("properties.serviceEndpoints")
    )
