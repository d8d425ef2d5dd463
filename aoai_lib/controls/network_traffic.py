"""Who gets through to a private endpoint: what the security rules around it let in and keep out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from aoai_lib.controls import Verdict, breaking, control, fails, not_applicable, not_assessed, passes
from aoai_lib.controls.network_endpoints import endpoint_in_use
from aoai_lib.controls.network_perimeters import NoRangeError, address_range, is_internet
from aoai_lib.facts import Facts, NotCollectedError, UnexpectedShapeError, View
from aoai_lib.frameworks import ai_rmf, atlas, cis, mcsb, nist80053
from aoai_lib.model import ABSENT, Json, Kind, Requirements, Severity
from aoai_lib.network_traffic.address_names import beyond_services, spans_of
from aoai_lib.network_traffic.decisions import PROTOCOLS, WITH_PORTS, Decision, Outcome, decide
from aoai_lib.network_traffic.inbound import Inbound, Place, Way, inbound, place_of
from aoai_lib.network_traffic.spans import PORTS, SPACE, Spans, addresses_text, common, count, ports_text, without
from aoai_lib.private_link import name_of

HTTPS: Final[Spans] = ((443, 443),)
CALLERS: Final[Spans] = ((1024, 65535),)
"""Ports that a client calls from (RFC 6335 and what operating systems use beyond it)."""

_TRAFFIC: Final = (mcsb("NS-1", "NS-2"), cis("7.11"), nist80053("AC-4", "SC-7"), ai_rmf("MEASURE 2.7"), atlas("T0040"))
_GROUP: Final = "network_security_group.properties.securityRules"
_NO_RANGES: Final = "No approved source is known: name the callers' ranges in approved_source_ranges of the parameters."


def _rule(**differing: Json) -> Json:
    """A rule above all others, for the breaks: it lets in everything on 443/TCP, but for what differs."""
    usual = {
        "priority": 99,
        "direction": "Inbound",
        "access": "Allow",
        "protocol": "Tcp",
        "sourceAddressPrefix": "*",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": "443",
    }
    return {"name": "first", "properties": {**usual, **differing}}


def _standing(facts: Facts) -> tuple[View, Place] | Verdict:
    """The subject and its subnet, or the verdict on one that carries no traffic."""
    found = endpoint_in_use(facts)
    if isinstance(found, Verdict):
        return found
    place = place_of(facts, found[1])
    if place is None:
        return not_assessed("The subnet in which the endpoint should stand does not exist: see NET-11.")
    try:
        approved_ranges(facts.requirements)
    except NoRangeError as odd:
        return not_assessed(f"An approved range of the parameters can't be used: {odd}.")
    return found[1], place


def _rules(facts: Facts, endpoint: View, place: Place) -> Inbound | Verdict:
    """The rules on the ways to the endpoint, or why they can't be told."""
    found = inbound(facts, endpoint, place)
    if found is None:
        return not_assessed(f"The subnet names the security group “{name_of(place.group)}”, which can't be found.")
    if not found.ways:
        return not_assessed("The endpoint has no address yet, so no rule can be held against it.")
    return found


def approved_ranges(asked: Requirements) -> list[str]:
    """The approved sources. A range as wide as the internet names nobody, as in NET-03. Raises `NoRangeError`."""
    return [text for text in asked.approved_source_ranges if not is_internet(address_range(text))]


def _unenforced(place: Place) -> str:
    return (
        f"The subnet “{name_of(place.id)}” applies no security rules to private endpoints ({place.policies}; "
        "see NET-11)"
    )


def _hangs(found: Inbound, decision: Decision, what: str) -> Verdict:
    """The verdict where something can't be resolved; raises `NotCollectedError` where that could have been read."""
    for label in sorted(decision.hangs_on):
        if label in found.missing:
            raise found.missing[label]
    return not_assessed(f"Whether {what} gets in hangs on {_named(decision)}.")


def _named(decision: Decision) -> str:
    """What a decision hangs on, as words."""
    labels = sorted(decision.hangs_on)
    more = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
    return " and on ".join(labels[:3]) + more


def _callers(way: Way, approved: list[str], outcome: Outcome) -> Iterator[tuple[Spans, Decision]]:
    """Approved sources whose calls come to this end on the way, each with the decision."""
    wanted = spans_of(approved, way.version)
    for decision in decide(way.rules, "Tcp", SPACE[way.version]):
        is_call = common(decision.ports, HTTPS) and common(decision.source_ports, CALLERS)
        met = common(decision.sources, wanted) if is_call and decision.outcome is outcome else ()
        if met:
            yield met, decision


def _kept_out(found: Inbound, approved: list[str]) -> str:
    """The widest approved source that a rule keeps out, as the end of a sentence; "" where there is none."""
    shut = [(met, way, each) for way in found.ways for met, each in _callers(way, approved, Outcome.DENIED)]
    if not shut:
        return ""
    met, way, decision = max(shut, key=lambda each: count(each[0]))
    shown = addresses_text(met, way.version)
    return f"the rule “{decision.rules[-1].name}” keeps the approved {shown} from port 443 of {way.address}."


@control(
    "NET-12",
    title="Traffic on port 443 from each approved source is allowed",
    severity=Severity.MEDIUM,
    subject=Kind.PRIVATE_ENDPOINT,
    maps=_TRAFFIC,
    remediation="Allow 443/TCP from each approved range to the endpoint's subnet, in rules with a lower number than the one that "
    "denies it. A range that no caller uses any more leaves approved_source_ranges instead.",
    breaks=(
        {f"{_GROUP}[+]": _rule(access="Deny", sourceAddressPrefix="10.41.2.128/25")},
        {f"{_GROUP}[+]": _rule(access="Deny", protocol="*", destinationPortRange="*")},
        {f"{_GROUP}[name=allow-claims-https].properties.access": "Deny"},
        {f"{_GROUP}[name=allow-claims-https].properties.sourceAddressPrefix": "10.41.2.0/26"},
        {f"{_GROUP}[name=allow-claims-https].properties.protocol": "Udp"},
        {"requirements.approved_source_ranges": ["10.41.2.0/24", "10.40.2.0/27", "10.44.0.0/24"]},
    ),
)
def approved_sources_allowed(facts: Facts) -> Verdict:
    """The callers that the organisation approved must get through the security rules in front of the endpoint: by priority,
    direction, addresses, tags, application security groups and Azure's own default rules. A caller may come from any port
    from 1024 up.

    Not applicable where the subnet applies no rules to endpoints. Nothing is in the callers' way then, but nothing was found
    right either: the verdict names whom the written rules would keep out once NET-11 is mended. Not assessed where it hangs on
    addresses that can't be told from what was read.
    """
    found = _standing(facts)
    if isinstance(found, Verdict):
        return found
    endpoint, place = found
    if not place.enforces:
        return not_applicable(
            f"{_unenforced(place)}, so no rule is in the callers' way.{_once(facts, endpoint, place)}"
        )
    approved = approved_ranges(facts.requirements)
    if not approved:
        return not_assessed(_NO_RANGES)
    if not place.group:
        return passes(f"The subnet “{name_of(place.id)}” has no security group, so nothing keeps callers out.")
    rules = _rules(facts, endpoint, place)
    if isinstance(rules, Verdict):
        return rules
    kept_out = _kept_out(rules, approved)
    if kept_out:
        return fails(f"{kept_out[0].upper()}{kept_out[1:]}")
    for way in rules.ways:
        for met, decision in _callers(way, approved, Outcome.UNKNOWN):
            return _hangs(rules, decision, f"{addresses_text(met, way.version)} on port 443, which is approved,")
        if not spans_of(approved, way.version):
            return not_assessed(
                f"The endpoint has the address {way.address}, and no approved range is of its IP version."
            )
    return passes(f"The security group “{name_of(place.group)}” lets in every approved source on port 443.")


def _once(facts: Facts, endpoint: View, place: Place) -> str:
    """Whom the written rules would keep out once they have effect, as a sentence; "" where nobody or where it can't be told."""
    if not place.group:
        return ""
    try:
        rules = inbound(facts, endpoint, place)
    except (NotCollectedError, UnexpectedShapeError):
        # Only a warning beside the verdict, which does not hang on it.
        return ""
    kept_out = _kept_out(rules, approved_ranges(facts.requirements)) if rules else ""
    return f" Once it does, {kept_out}" if kept_out else ""


@dataclass(frozen=True, slots=True)
class Hole:
    """Traffic that is not approved and gets in, or may."""

    way: Way
    protocol: str
    sources: Spans
    ports: Spans
    decision: Decision

    @property
    def width(self) -> tuple[int, int, int, int]:
        """To compare by: addresses, then ports, then the ports that they call from, then the plainest protocol."""
        from_ports = count(self.decision.source_ports)
        return count(self.sources), count(self.ports), from_ports, -PROTOCOLS.index(self.protocol)

    @property
    def rule(self) -> str:
        """The name of the rule that lets it in."""
        return self.decision.rules[-1].name

    @property
    def extent(self) -> str:
        """From where and to what, for a person."""
        ports = ports_text(self.ports)
        how = {"Tcp": f"on {ports}", "Udp": f"on UDP {ports}"}.get(self.protocol, f"by {self.protocol.upper()}")
        source_ports = self.decision.source_ports
        calling = f" from {ports_text(source_ports)}" if source_ports != PORTS and self.protocol in WITH_PORTS else ""
        return f"{addresses_text(self.sources, self.way.version)} {how}{calling}"

    def __str__(self) -> str:
        return self.extent + (f" (but for {_named(self.decision)})" if self.decision.hangs_on else "")

    @property
    def certain(self) -> bool:
        """Whether some of it gets in for certain: all, or what is outside the service tags that are denied."""
        outcome, hangs_on = self.decision.outcome, self.decision.hangs_on
        excepted = self.decision.otherwise and beyond_services(hangs_on, self.sources, self.way.version)
        return outcome is Outcome.ALLOWED or excepted


def _holes(found: Inbound, approved: Mapping[int, Spans]) -> list[Hole]:
    """What gets in, or may, without being approved: from elsewhere, or to another port than 443."""
    holes: list[Hole] = []
    for way in found.ways:
        for protocol in PROTOCOLS:
            for each in decide(way.rules, protocol, SPACE[way.version]):
                if each.outcome is Outcome.DENIED:
                    continue
                other_ports = without(each.ports, HTTPS) if protocol in WITH_PORTS else ()
                strangers = without(each.sources, approved[way.version])
                # By source for all its ports, and by port for all its sources: each as wide as it is.
                holes.extend(
                    Hole(way, protocol, sources, ports, each)
                    for sources, ports in ((strangers, each.ports), (each.sources, other_ports))
                    if sources and ports
                )
    return holes


@control(
    "NET-13",
    title="Every other source and port is denied",
    severity=Severity.MEDIUM,
    subject=Kind.PRIVATE_ENDPOINT,
    maps=_TRAFFIC,
    remediation="End the subnet's security group with a rule that denies all inbound traffic (priority 4096), and above it "
    "allow only the approved ranges, only to the endpoint's addresses, only 443/TCP. That rule also counts for everything "
    "else in the subnet, so see first what that needs.",
    breaks=(
        {f"{_GROUP}[+]": _rule()},
        {f"{_GROUP}[+]": _rule(sourceAddressPrefix="VirtualNetwork")},
        {f"{_GROUP}[+]": _rule(sourceAddressPrefix="Internet")},
        {f"{_GROUP}[+]": _rule(sourceAddressPrefix="10.41.2.0/23")},
        {f"{_GROUP}[+]": _rule(sourceAddressPrefix=None, sourceAddressPrefixes=["10.41.2.0/24", "10.9.9.9"])},
        {f"{_GROUP}[+]": _rule(sourceAddressPrefix="10.41.2.0/24", destinationPortRange="440-443")},
        {f"{_GROUP}[+]": _rule(protocol="Icmp", destinationPortRange="*")},
        {f"{_GROUP}[+]": _rule(sourcePortRange="53")},
        {f"{_GROUP}[name=deny-the-rest]": ABSENT},
        {f"{_GROUP}[name=deny-the-rest].properties.direction": "Outbound"},
        {"virtual_network.properties.subnets[0].properties.networkSecurityGroup": ABSENT},
        {"requirements.approved_source_ranges": ["10.41.2.0/24"]},
        breaking(
            {"virtual_network.properties.subnets[0].properties.privateEndpointNetworkPolicies": "Disabled"}, "NET-11"
        ),
    ),
)
def others_denied(facts: Facts) -> Verdict:
    """What is neither an approved source nor port 443 must not get through to the endpoint. The verdict names the widest source
    and ports that still do, with the rule that lets them in; ICMP and other protocols without ports count by their source.

    Where the subnet applies no rules to endpoints, or has no security group, everything gets in that can route there, whatever
    is written: that fails. Not assessed where it hangs on addresses that can't be told from what was read, unless something
    else gets in for certain.
    """
    found = _standing(facts)
    if isinstance(found, Verdict):
        return found
    endpoint, place = found
    if not place.enforces:
        return fails(f"{_unenforced(place)}, so any address that can route to the endpoint gets in on every port.")
    if not place.group:
        return fails(
            f"The subnet “{name_of(place.id)}” has no security group: any address that can route to the endpoint "
            "gets in on every port."
        )
    rules = _rules(facts, endpoint, place)
    if isinstance(rules, Verdict):
        return rules
    return _widest(facts.requirements, rules, name_of(place.group))


def _widest(asked: Requirements, rules: Inbound, group: str) -> Verdict:
    ranges = approved_ranges(asked)
    named = {version: spans_of(ranges, version) for version in SPACE}
    # Where nobody says who is approved, everybody may be, until nothing else is left to find.
    approved = named if asked.approved_source_ranges else SPACE
    holes = sorted(_holes(rules, approved), key=lambda hole: (hole.certain, hole.width), reverse=True)
    if holes and holes[0].certain:
        name = holes[0].rule
        more = len({hole.rule for hole in holes if hole.certain} - {name})
        others = f"; so do {more} more rule(s)" if more else ""
        return fails(f"The rule “{name}” lets in {holes[0]}, which is not approved{others}.")
    if holes:
        return _hangs(rules, holes[0].decision, f"{holes[0].extent}, which is not approved,")
    if not asked.approved_source_ranges and _holes(rules, named):
        return not_assessed(_NO_RANGES)
    return passes(f"The security group “{group}” lets in nobody but the approved sources, and them on port 443 only.")
