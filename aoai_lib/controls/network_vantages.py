"""What one vantage point shows of an account's names, and the verdict that several of them give together."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aoai_lib.controls import Verdict, fails, not_assessed, passes
from aoai_lib.facts import Facts, NotCollectedError, View
from aoai_lib.model import Reading, State
from aoai_lib.private_link import (
    PUBLIC_PREFIX,
    connections,
    each_sound,
    endpoint_addresses,
    endpoint_of,
    private_endpoint,
)

_PLACES: Final = {
    "inside": "from inside",
    "outside": "from outside",
    "peered": "from a peered network",
    "on_premises": "from on-premises",
}
_NO_NAME: Final = {"nxdomain": "did not exist", "no_data": "had no address"}
NO_ANSWER: Final = {
    **_NO_NAME,
    "no_answer": "no resolver answered",
    "loop": "the aliases lead in a circle",
    "servfail": "the resolver failed (SERVFAIL)",
    "refused": "the resolver refused to answer",
}


@dataclass(frozen=True)
class _Said:
    """What was seen of a name: a sentence around it, in the past tense, so that names which it holds for can share it."""

    before: str
    name: str
    after: str


@dataclass
class Seen:
    """What one vantage point shows: what is wrong, what stays open, which names are right, and which were tried.

    `missing` says that nobody looked from there, `unread` is an answer without which nothing there can be called right.
    """

    where: str
    wrong: list[_Said] = field(default_factory=list)
    open: list[_Said] = field(default_factory=list)
    right: set[str] = field(default_factory=set)
    tried: set[str] = field(default_factory=set)
    missing: bool = False
    unread: Reading | None = None

    def fails(self, name: str, what: str) -> None:
        """Note what contradicts the control."""
        self.wrong.append(_Said(self.where, name, what))

    def leaves_open(self, name: str, what: str) -> None:
        """Note what allows no conclusion."""
        self.open.append(_Said(self.where, name, what))


@dataclass(frozen=True)
class _Held:
    """The private addresses that the account's endpoints hold for a name, whether approved (NET-05) or not. Where one is
    `unread` there may be more."""

    addresses: set[str]
    unread: Reading | None

    def stray(self, address: str) -> str:
        """What is wrong with an address that a caller on the private path gets; "" where it is an endpoint's."""
        if address in self.addresses:
            return ""
        if _is_global(address):
            return f"{address}, an address of the internet"
        return "" if self.unread else f"{address}, which is no address of the account's private endpoints"


def _is_global(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def _held(facts: Facts, name: str) -> _Held:
    addresses: set[str] = set()
    unread: Reading | None = None
    for arm_id in each_sound(connections(facts), endpoint_of):
        try:
            endpoint = private_endpoint(facts, arm_id) if arm_id else None
            addresses |= endpoint_addresses(facts, endpoint, name) if endpoint is not None else set()
        except NotCollectedError as missing:
            unread = missing.reading
    return _Held(addresses, unread)


def _names(facts: Facts, domain: str, seen: Seen) -> set[str]:
    """The names that the account's private link must serve, by the service's word; none where it was not asked for it."""
    asked = facts.snapshot.reading("private_link_resources", facts.subject.account)
    if asked.state is not State.COLLECTED:
        seen.unread = None if asked.state is State.NOT_COLLECTED else asked
        return set()
    zones = [
        zone
        for each in facts.of_account("private_link_resources").each("value")
        for zone in each.texts("properties.requiredZoneNames")
    ]
    return {f"{domain}.{zone.lower().removeprefix(PUBLIC_PREFIX)}" for zone in zones}


def look(facts: Facts, vantage: str, domain: str, judge: Callable[[Facts, View, str, Seen], None]) -> Seen:
    """Judge everything that was seen from a vantage point, and that every name was tried there."""
    seen = Seen(_PLACES[vantage])
    source = f"reachability_{vantage}"
    if facts.snapshot.reading(source, facts.subject.account).state is State.NOT_COLLECTED:
        seen.missing = True
        return seen
    wanted = _names(facts, domain, seen)
    for view in facts.of_account(source).each():
        name = view.text("name").lower()
        if not wanted or name in wanted:
            seen.tried.add(name)
            judge(facts, view, name, seen)
    for name in sorted({each.name for each in seen.wrong} & seen.right):
        seen.fails(name, "was right at another time; leave out the file that is out of date")
    for name in sorted(wanted - seen.tried):
        seen.leaves_open(name, "was not tried")
    return seen


def private_address(facts: Facts, view: View, name: str, seen: Seen) -> bool:
    """Whether a name leads to the account's endpoints and nowhere else; what is not so is noted."""
    outcome = view.text("dns.outcome")
    if outcome in _NO_NAME:
        seen.fails(name, _NO_NAME[outcome])
        return False
    addresses = view.texts("dns.addresses")
    if outcome != "answered" or not addresses:
        seen.leaves_open(name, f"could not be resolved: {NO_ANSWER.get(outcome, outcome)}")
        return False
    held = _held(facts, name)
    strays = [stray for address in addresses if (stray := held.stray(address))]
    if strays:
        seen.fails(name, f"led to {' and '.join(strays)}")
    elif not held.addresses.issuperset(addresses):
        seen.unread = held.unread
    return not strays


def verdict(facts: Facts, domain: str, seen: Mapping[str, Seen], good: str) -> Verdict:
    """Wrong beats open beats missing: nothing passes that was not seen from everywhere it has to be."""
    wrong = [said for each in seen.values() for said in each.wrong]
    if wrong:
        return fails(_sentence(wrong))
    unsure = [said for each in seen.values() for said in each.open]
    if unsure:
        return not_assessed(_sentence(unsure))
    unread = next((each.unread for each in seen.values() if each.unread), None)
    if unread is not None:
        raise NotCollectedError(unread)
    if any(each.missing for each in seen.values()):
        return not_assessed(_absent(facts, domain, seen))
    if not all(each.right for each in seen.values()):
        return not_assessed("None of the account's own names was tried.")
    return passes(good)


def _absent(facts: Facts, domain: str, seen: Mapping[str, Seen]) -> str:
    """Who did not look, what the others saw, and the mend."""
    missing = [vantage for vantage, each in seen.items() if each.missing]
    there = [each.where for each in seen.values() if not each.missing]
    so_far = f"All is well {' and '.join(there)}, but nobody" if there else "Nobody"
    other = facts.snapshot.reading("reachability_other", facts.subject.account).value or []
    labels = sorted({str(each.get("vantage")) for each in other if isinstance(each, dict)})
    named = f"; what was seen from “{'”, “'.join(labels)}” has no stated meaning" if labels else ""
    names = sorted({name for each in seen.values() for name in each.tried})
    options = " ".join(f"--name {name}" for name in names) or "--from RUN_FOLDER"
    return (
        f"{so_far} looked at “{domain}” {' or '.join(seen[each].where for each in missing)}{named}. Run `aoai probe --vantage "
        f"{missing[0]} {options}` there, and merge its file with `aoai assess --with FILE`."
    )


def _sentence(parts: Iterable[_Said]) -> str:
    """Up to three of them as one sentence; what holds for several names is said once."""
    shared: dict[tuple[str, str], list[str]] = {}
    for said in parts:
        names = shared.setdefault((said.before, said.after), [])
        if f"“{said.name}”" not in names:
            names.append(f"“{said.name}”")
    clauses = [f"{before}, {_listed(names)} {after}" for (before, after), names in shared.items()]
    more = f"; and {len(clauses) - 3} more" if len(clauses) > 3 else ""
    text = "; ".join(clauses[:3]) + more
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
