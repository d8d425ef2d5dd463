"""Address ranges, and the network security perimeters that decide about them in an account's place."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from aoai_lib.controls import Verdict, control, fails, not_applicable, passes
from aoai_lib.facts import Facts, NotCollectedError
from aoai_lib.frameworks import ai_rmf, atlas, cis, mcsb, nist80053, owasp
from aoai_lib.model import ABSENT, NOT_OFFERED, Kind, Severity, State
from aoai_lib.private_link import name_of

Range = ipaddress.IPv4Network | ipaddress.IPv6Network

WIDEST: Final = {4: 8, 6: 24}
"""Shortest prefix by IP version that an approval can cover: whatever is wider is taken for the internet itself."""


class NoRangeError(ValueError):
    """Something stands where an address range should."""


def address_range(text: str) -> Range:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError as problem:
        raise NoRangeError(f"“{text}” is no address range") from problem


def is_internet(network: Range) -> bool:
    return network.prefixlen < WIDEST[network.version]


def lies_in(network: Range, approved: Iterable[Range]) -> bool:
    first, last = int(network.network_address), int(network.broadcast_address)
    return any(
        network.version == each.version and int(each.network_address) <= first and last <= int(each.broadcast_address)
        for each in approved
    )


PUBLIC_ACCESS: Final = (
    *(mcsb("NS-2"), nist80053("AC-4", "SC-7", "SC-7(3)"), ai_rmf("MEASURE 2.7")),
    *(owasp("LLM10"), atlas("T0040", "T0049", "M0019")),
)
"""Clauses that every control on the public way in cites."""


@dataclass(frozen=True, slots=True)
class Perimeter:
    """An association of the account with a network security perimeter, and the address ranges that it lets in."""

    name: str
    mode: str
    enforced: bool
    ranges: tuple[str, ...]


def perimeters_of(facts: Facts) -> Iterator[Perimeter]:
    reading = facts.snapshot.reading("network_security_perimeters", facts.subject.account)
    if reading.is_gone or reading.code in NOT_OFFERED:
        facts.record("network_security_perimeters", ABSENT, reading)
        return
    for found in facts.of_account("network_security_perimeters").each():
        mode = found.text("properties.resourceAssociation.accessMode")
        state = found.text("properties.provisioningState", "Succeeded")
        ranges = [
            prefix
            for rule in found.each("properties.profile.accessRules")
            if rule.text("properties.direction").lower() == "inbound"
            for prefix in rule.texts("properties.addressPrefixes")
        ]
        name = name_of(found.text("properties.networkSecurityPerimeter.id")) or found.name
        enforced = mode.lower() == "enforced" and state.lower() == "succeeded"
        yield Perimeter(name, mode, enforced, tuple(ranges))


def associated(facts: Facts) -> tuple[list[Perimeter], NotCollectedError | None]:
    """The account's perimeters, and why they could not be read where that is so. Each lets in whom its rules name: one in
    Learning mode does so besides the account's own rules, an enforced one in their place."""
    try:
        return list(perimeters_of(facts)), None
    except NotCollectedError as missing:
        # Public access that is on stays a finding without this answer, so the caller decides what it is worth.
        return [], missing


def was_asked(missing: NotCollectedError) -> bool:
    """Whether the perimeter was asked for and not told: in an old recording it was not."""
    return missing.reading.state is not State.NOT_COLLECTED


@control(
    "NET-15",
    title="An associated network security perimeter is enforced",
    severity=Severity.MEDIUM,
    subject=Kind.ACCOUNT,
    maps=(*(mcsb("NS-2"), cis("7.16"), nist80053("SC-7", "AC-4"), ai_rmf("MEASURE 2.7")), atlas("T0040")),
    remediation="Watch the perimeter's access logs until nothing legitimate is missed, then set accessMode of the association "
    "to Enforced.",
    breaks=(
        {"network_security_perimeters[0].properties.resourceAssociation.accessMode": "Learning"},
        {"network_security_perimeters[0].properties.resourceAssociation.accessMode": ABSENT},
        {"network_security_perimeters[0].properties.provisioningState": "Failed"},
    ),
)
def perimeter_enforced(facts: Facts) -> Verdict:
    """A perimeter in Learning mode writes down what it would have refused and refuses nothing: it looks like protection in
    every inventory and is none. Not applicable where no perimeter is associated.
    """
    found = list(perimeters_of(facts))
    if not found:
        return not_applicable("No network security perimeter is associated with the account.")
    for perimeter in found:
        if perimeter.mode.lower() != "enforced":
            mode = f"in {perimeter.mode} mode" if perimeter.mode else "without an access mode"
            return fails(f"The network security perimeter “{perimeter.name}” is {mode}: it logs and refuses nothing.")
        if not perimeter.enforced:
            return fails(
                f"The network security perimeter “{perimeter.name}” is set to Enforced and could not be applied."
            )
    return passes(f"The network security perimeter “{found[0].name}” is enforced.")
