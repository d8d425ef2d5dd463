"""A network security group's answer as rules over addresses and ports, for traffic to one address.

Microsoft Learn, "Azure network security groups overview" (2026-08): the rule with the lowest number that matches decides.
"What is a private endpoint", limitations (2026-08): for traffic to a private endpoint the service takes a rule's source ports
as any. That is a limitation of the day and not a promise, so both readings count here: a verdict that hangs on it is not given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from aoai_lib.facts import UnexpectedShapeError, View
from aoai_lib.model import Json
from aoai_lib.network_traffic.address_names import ANYWHERE, Named, Neighbours, addresses_of
from aoai_lib.network_traffic.decisions import PROTOCOLS, Condition, Part, Rule
from aoai_lib.network_traffic.spans import PORTS, SPACE, Spans, common, joined, of_ports, without

HEEDED: Final = "whether the endpoint heeds the source ports that a rule names"


def _default(name: str, priority: int, access: str, source: str, destination: str) -> Json:
    return {
        "name": name,
        "properties": {
            "priority": priority,
            "direction": "Inbound",
            "access": access,
            "protocol": "*",
            "sourceAddressPrefix": source,
            "sourcePortRange": "*",
            "destinationAddressPrefix": destination,
            "destinationPortRange": "*",
        },
    }


DEFAULT_RULES: Final = (
    _default("AllowVnetInBound", 65000, "Allow", "VirtualNetwork", "VirtualNetwork"),
    _default("AllowAzureLoadBalancerInBound", 65001, "Allow", "AzureLoadBalancer", "*"),
    _default("DenyAllInBound", 65500, "Deny", "*", "*"),
)
"""What Azure puts at the end of every group, inbound (Microsoft Learn, "Azure network security groups overview")."""


@dataclass(frozen=True, slots=True)
class Written:
    """An inbound rule as it is written, its form checked. `place` names it in sentences about its form."""

    place: str
    name: str
    priority: int
    allows: bool
    body: Json

    def texts(self, one: str, several: str) -> list[str]:
        """What stands in a property and its plural. Either is filled, the other empty, null or absent."""
        single, many = self.body.get(one), self.body.get(several)
        found = [*([] if single is None else [single]), *_listed(many, f"{self.place}.{several}")]
        if not all(isinstance(each, str) for each in found):
            raise UnexpectedShapeError(f"{self.place}.{one}", "text", found)
        return [each for each in found if each.strip()]

    def groups(self, side: str) -> list[str]:
        """The ids of the application security groups on a side, `source` or `destination`."""
        place = f"{self.place}.{side}ApplicationSecurityGroups"
        found = []
        for each in _listed(self.body.get(f"{side}ApplicationSecurityGroups"), place):
            arm_id = each.get("id") if isinstance(each, dict) else None
            if not isinstance(arm_id, str) or not arm_id:
                raise UnexpectedShapeError(f"{place}.id", "text", arm_id)
            found.append(arm_id)
        return found


def _listed(value: Json, place: str) -> list[Json]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise UnexpectedShapeError(place, "a list", value)
    return value


def inbound_rules(group: View) -> list[Written]:
    """The inbound rules of a security group, its own and Azure's, in the order in which they count.

    Raises `UnexpectedShapeError` for a rule that does not say when and what it does.
    """
    found = [rule for each in group.each("properties.securityRules") if (rule := _written(each))]
    defaults = [rule for each in group.each("properties.defaultSecurityRules") if (rule := _written(each))]
    if not defaults:
        place = f"{group.path}.default"
        defaults = [_read(each["name"], each["properties"], place) for each in DEFAULT_RULES]
    rules = sorted([*found, *defaults], key=lambda rule: rule.priority)
    for one, other in pairwise(rules):
        if one.priority == other.priority:
            raise UnexpectedShapeError(f"{other.place}.priority", "a priority of its own", other.body)
    return rules


def _written(rule: View) -> Written | None:
    """A rule, recorded whole; None where it is for outbound traffic."""
    body = rule.at("properties").value
    if not isinstance(body, dict):
        raise UnexpectedShapeError(f"{rule.path}.properties", "an object", body)
    direction = body.get("direction")
    if not isinstance(direction, str) or direction.lower() not in ("inbound", "outbound"):
        raise UnexpectedShapeError(f"{rule.path}.properties.direction", "Inbound or Outbound", direction)
    if direction.lower() == "outbound":
        return None
    name = rule.value.get("name")
    return _read(name if isinstance(name, str) else "", rule.get("properties"), f"{rule.path}.properties")


def _read(name: str, body: Json, place: str) -> Written:
    access, priority = body.get("access"), body.get("priority")
    if not isinstance(access, str) or access.lower() not in ("allow", "deny"):
        raise UnexpectedShapeError(f"{place}.access", "Allow or Deny", access)
    if isinstance(priority, bool) or not isinstance(priority, int):
        raise UnexpectedShapeError(f"{place}.priority", "a whole number", priority)
    return Written(place, name, priority, access.lower() == "allow", body)


@dataclass(frozen=True, slots=True)
class Target:
    """Where traffic goes: an address of the endpoint, and the application security groups that it is in, lower-cased."""

    version: int
    address: int
    groups: frozenset[str]


def rule_for(written: Written, target: Target, around: Neighbours, members: Callable[[str], Named]) -> Rule:
    """A rule as it concerns traffic to the target. `members` tells the addresses of an application security group."""
    protocols, odd = _protocols(written)
    sources = [each for text in _sources(written) for each in addresses_of(text, around, target.version)]
    sources += [each for group in written.groups("source") for each in members(group)]
    if not _sources(written) and not written.groups("source"):
        sources = [(SPACE[target.version], _unstated(written, "source"))]
    parts = [
        Part(addresses, source_ports, ports, whence | by | to | where | odd)
        for addresses, whence in _merged(sources)
        for source_ports, by in _source_ports(written)
        for ports, to in _ports(written, "destinationPortRange", "its ports")
        for where in _reaches(written, target, around)
    ]
    parts = [part for part in parts if not _contradicts(part.conditions)]
    parts.sort(key=lambda part: len(part.conditions))
    protocol = written.body.get("protocol")
    return Rule(written.name, written.priority, written.allows, protocols, tuple(parts), str(protocol))


def _sources(written: Written) -> list[str]:
    return written.texts("sourceAddressPrefix", "sourceAddressPrefixes")


def _contradicts(conditions: frozenset[Condition]) -> bool:
    return len({label for label, _ in conditions}) < len(conditions)


def _unstated(written: Written, what: str) -> frozenset[Condition]:
    return frozenset({(f"{what} in the rule “{written.name}”, which is not readable", True)})


def _merged(named: Named) -> Named:
    """Address sets under the same conditions as one."""
    found: dict[frozenset[Condition], Spans] = {}
    for spans, conditions in named:
        found[conditions] = joined((*found.get(conditions, ()), *spans))
    return [(spans, conditions) for conditions, spans in found.items() if spans]


def _protocols(written: Written) -> tuple[frozenset[str], frozenset[Condition]]:
    protocol = written.body.get("protocol")
    word = protocol.strip().lower() if isinstance(protocol, str) else ""
    if word in ANYWHERE:
        return frozenset(PROTOCOLS), frozenset()
    known = frozenset(each for each in PROTOCOLS if each.lower() == word)
    return (known, frozenset()) if known else (frozenset(PROTOCOLS), _unstated(written, "the protocol"))


def _ports(written: Written, one: str, what: str) -> Named:
    """The ports that a rule names; all of them under a condition where one is no port."""
    texts = written.texts(one, f"{one}s")
    read = [of_ports(text) for text in texts]
    found: Named = [(joined(span for spans in read if spans for span in spans), frozenset())]
    if not texts or not all(read):
        found.append((PORTS, _unstated(written, what)))
    return _merged(found)


def _source_ports(written: Written) -> Iterator[tuple[Spans, frozenset[Condition]]]:
    for ports, conditions in _ports(written, "sourcePortRange", "its source ports"):
        yield ports, conditions
        others = without(PORTS, ports)
        if others:
            yield others, conditions | {(HEEDED, False)}


def _reaches(written: Written, target: Target, around: Neighbours) -> list[frozenset[Condition]]:
    """What must hold for a rule to be about the target: nothing, one of several things, or (an empty list) it never is."""
    texts = written.texts("destinationAddressPrefix", "destinationAddressPrefixes")
    groups = written.groups("destination")
    if not texts and not groups:
        return [_unstated(written, "the destination")]
    here = ((target.address, target.address),)
    named = [each for text in texts for each in addresses_of(text, around, target.version)]
    # A source and a destination are two addresses: what holds of one says nothing about the other.
    found = [
        frozenset((f"{label} (as a destination)", holds) for label, holds in conditions)
        for spans, conditions in named
        if common(spans, here)
    ]
    if any(group.lower() in target.groups for group in groups):
        found.append(frozenset())
    return [frozenset()] if frozenset() in found else list(dict.fromkeys(found))
