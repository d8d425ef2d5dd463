"""The security rules in front of each private endpoint, in order, with what each still decides after those above it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aoai_lib.assess import Subjects
from aoai_lib.facts import Facts, NotCollectedError, UnexpectedShapeError, View
from aoai_lib.model import Kind, Snapshot, Subject
from aoai_lib.network_traffic.decisions import PROTOCOLS, Decision, Outcome, Rule, decide
from aoai_lib.network_traffic.inbound import Place, Way, inbound, place_of
from aoai_lib.network_traffic.spans import SPACE, addresses_text, count, ports_text
from aoai_lib.private_link import name_of
from aoai_lib.report.table import Cell, Table
from aoai_lib.report.text import shown, subject_name

if TYPE_CHECKING:
    from aoai_lib.run import Run

COLUMNS = ("endpoint", "subnet", "rules", "priority", "rule", "action", "protocol", "what it decides after those above")
_NOTHING = "nothing that is left"


def traffic(run: Run) -> Table:
    """One line for each inbound rule on the way to each private endpoint. What could not be read has a line that says so."""
    subjects = Subjects(run.snapshot).found[Kind.PRIVATE_ENDPOINT]
    rows = [row for subject in subjects for row in _rows(run.snapshot, subject)]
    return Table("What the security rules let in", COLUMNS, rows, "There is no private endpoint.")


def _rows(snapshot: Snapshot, subject: Subject) -> Iterator[tuple[Cell, ...]]:
    if subject.kind is not Kind.PRIVATE_ENDPOINT:
        return
    facts = Facts(snapshot, subject)
    name = subject_name(subject.id)
    try:
        endpoint = facts.endpoint
        place = place_of(facts, endpoint)
        if place is None:
            yield _line(name, "", "", "the subnet does not exist")
            return
        yield from _ways(facts, endpoint, place, name)
    except (NotCollectedError, UnexpectedShapeError) as problem:
        yield _line(name, "", "not known", str(problem))


def _line(endpoint: str, subnet: str, effect: str, sentence: str) -> tuple[Cell, ...]:
    return endpoint, subnet, effect, None, "", "", "", shown(sentence, 600)


def _ways(facts: Facts, endpoint: View, place: Place, name: str) -> Iterator[tuple[Cell, ...]]:
    subnet = name_of(place.id)
    effect = "in effect" if place.enforces else f"without effect ({shown(place.policies, 40)})"
    if not place.group:
        yield _line(name, subnet, "none", "no security group: everything gets in")
        return
    found = inbound(facts, endpoint, place)
    if found is None or not found.ways:
        yield _line(name, subnet, effect, "the security group can't be found" if found is None else "no address yet")
        return
    seen: dict[tuple[Rule, ...], list[Way]] = {}
    for way in found.ways:
        seen.setdefault(way.rules, []).append(way)
    for rules, ways in seen.items():
        to = name if len(seen) == 1 else f"{name} at {', '.join(way.address for way in ways)}"
        for rule in rules:
            action = "allow" if rule.allows else "deny"
            says = _decides(rule, ways[0])
            yield to, subnet, effect, rule.priority, shown(rule.name, 80), action, shown(rule.protocol, 20), says


def _decides(rule: Rule, way: Way) -> str:
    """What a rule decides of the plainest protocol that it names."""
    protocol = next(each for each in PROTOCOLS if each in rule.protocols)
    found = [each for each in decide(way.rules, protocol, SPACE[way.version]) if rule in each.rules]
    certain = [each for each in found if each.outcome is not Outcome.UNKNOWN and each.rules[-1] == rule]
    texts = [_text(each, way) for each in sorted(certain, key=lambda each: -count(each.sources))[:3]]
    hanging = sorted({label for each in found if each.outcome is Outcome.UNKNOWN for label in each.hangs_on})
    if hanging:
        texts.append(f"and perhaps more: it hangs on {' and on '.join(hanging[:2])}")
    return shown("; ".join(texts) or _NOTHING, 400)


def _text(decision: Decision, way: Way) -> str:
    return f"{addresses_text(decision.sources, way.version)} on {ports_text(decision.ports)}"
