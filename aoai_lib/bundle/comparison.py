"""Two runs of a tenant, compared: by finding, and by property of what was read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from aoai_lib import assess
from aoai_lib.bundle.opening import Bundle
from aoai_lib.collect import sources
from aoai_lib.controls import catalogue_version
from aoai_lib.harden.wire import differences
from aoai_lib.model import PHASE_OF_PREFIX, InputError, Json, Reading, Snapshot, State, Status
from aoai_lib.parameters import Parameters
from aoai_lib.report.findings import arm_id

_HAPPENINGS: Final = (
    "activity_events",
    "arrivals",
    "callers",
    "detection",
    "metrics_",
    "models",
    "reachability_",
    "usage",
    "probe",
)
"""Sources that hold what happened or what is on offer, not how something is set: they differ from run to run by themselves."""
_RESTLESS: Final = frozenset({"currentspend", "etag", "systemdata"})


class Change(StrEnum):
    """What became of a finding between two runs."""

    NEW = "new"
    FIXED = "fixed"
    OPEN = "still open"
    LOST = "no longer assessed"
    FOUND = "assessed now"
    GONE = "no longer there"
    OTHER = "otherwise changed"


@dataclass(frozen=True, slots=True)
class FindingChange:
    """A finding in both runs: `was` and `now` are statuses, "" where a run has none of it.

    `by_rules` says that the earlier evidence, judged as the later run judges, comes out as now: nothing changed in Azure.
    """

    change: Change
    control: str
    title: str
    severity: str
    subject: str
    was: str
    now: str
    reason: str
    by_rules: bool = False


@dataclass(frozen=True, slots=True)
class PropertyChange:
    """A property of a resource that reads otherwise. `path` is "" for a resource that came, went or could not be read."""

    resource: str
    path: str
    before: Json
    after: Json
    note: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that differs, and `remarks` on what makes the two hard to compare."""

    findings: tuple[FindingChange, ...]
    properties: tuple[PropertyChange, ...]
    remarks: tuple[str, ...]


def compare(before: Bundle, after: Bundle) -> Comparison:
    """Compare two runs. Raises `InputError` where they are of different tenants."""
    one, other = before.document["tenant"], after.document["tenant"]
    if one != other:
        raise InputError(f"These are runs of two tenants, “{one}” and “{other}”: changes are told of one.")
    looked_at = after.parameters
    again = _judged_again(before, after)
    asked, left_out = before.phases & after.phases, _sources_of_one(before, after)
    return Comparison(
        tuple(
            replace(each, by_rules=again.get((each.control, each.subject.lower())) == each.now != each.was)
            for each in finding_changes(before.findings, after.findings, looked_at)
            if PHASE_OF_PREFIX.get(each.control[:3]) in asked or Status.NOT_ASSESSED not in (each.was, each.now)
        ),
        tuple(property_changes(before.snapshot, after.snapshot, looked_at, left_out)),
        tuple(_remarks(before, after)),
    )


def _sources_of_one(before: Bundle, after: Bundle) -> set[str]:
    """The sources that only one of the two runs was to read, since they were about different phases."""

    def names(modules: set[str]) -> set[str]:
        return {name for each in modules for source in sources()[each] for name in (source.name, source.items)}

    return names(before.reads | after.reads) - names((before.reads & after.reads) | {"scope"})


def _judged_again(before: Bundle, after: Bundle) -> dict[tuple[str, str], str]:
    """What the earlier evidence comes to by the rules of the later run; nothing where those are the same, or not at hand."""
    same = before.document["catalogue_version"] == after.document["catalogue_version"]
    same = same and before.snapshot.requirements == after.snapshot.requirements
    if same or after.document["catalogue_version"] != catalogue_version():
        return {}
    now = after.snapshot
    found = assess.judge(replace(before.snapshot, requirements=now.requirements, profile=now.profile))
    return {(each.control, arm_id(each.subject).lower()): each.status.value for each in found}


def _remarks(before: Bundle, after: Bundle) -> Iterator[str]:
    if str(before.about.get("as_of")) > str(after.about.get("as_of")):
        yield "The first run is the later one: what is called new was there before."
    if before.document["catalogue_version"] != after.document["catalogue_version"]:
        yield "The two were judged by different catalogues: a verdict may have changed without anything else."
    if before.about.get("chapters") != after.about.get("chapters"):
        yield "The two were about different phases: what only one assessed is not compared."
    if _scope(before.parameters) != _scope(after.parameters):
        yield "The two were about different accounts or subscriptions: what only the later one looked at counts as new."
    if before.parameters.requirements != after.parameters.requirements:
        yield "The requirements are not the same: a verdict may have changed without anything in Azure."


def _scope(parameters: Parameters) -> tuple[set[str], set[str]]:
    return {each.lower() for each in parameters.subscriptions}, {each.lower() for each in parameters.accounts}


def _in_scope(parameters: Parameters, name: str) -> bool:
    """Whether a run with these parameters looks at a resource, by its ARM id; what belongs to no account it does."""
    subscription = re.match(r"/subscriptions/([^/]+)", name)
    account = _ACCOUNT.match(name)
    wanted = [each.lower() for each in parameters.subscriptions]
    outside = subscription is not None and bool(wanted) and subscription[1].lower() not in wanted
    return not outside and (account is None or parameters.selects(account[0]))


_ACCOUNT: Final = re.compile(r"/.+/providers/microsoft\.cognitiveservices/accounts/[^/]+", re.IGNORECASE)


def finding_changes(
    before: Mapping[tuple[str, str], Mapping[str, Any]],
    after: Mapping[tuple[str, str], Mapping[str, Any]],
    looked_at: Parameters | None = None,
) -> Iterator[FindingChange]:
    """The findings that changed, and the failed ones that did not, worst first as the catalogue has them.

    What lies outside the later run's parameters is no longer assessed; without them everything is taken to lie inside.
    """
    for key in dict.fromkeys((*after, *before)):
        was, now = before.get(key), after.get(key) or _of_parent(after, key)
        one, other = (each["status"] if each else "" for each in (was, now))
        change = _change(one, other)
        known = now or was
        if change is Change.GONE and looked_at is not None and not _in_scope(looked_at, key[1]):
            change = Change.LOST
        if change is not None and known is not None:
            yield FindingChange(
                change, key[0], known["title"], known["severity"], known["subject"], one, other, known["reason"]
            )


def _of_parent(findings: Mapping[tuple[str, str], Mapping[str, Any]], key: tuple[str, str]) -> Mapping[str, Any] | None:
    """The finding that stands for a subject which could not be listed: about its account or subscription, not assessed."""
    control, subject = key
    above = (findings.get((control, subject[: match.start()])) for match in re.finditer("/", subject))
    return next((each for each in above if each is not None and each["status"] == "not_assessed"), None)


def _change(was: str, now: str) -> Change | None:
    """None where nothing is to be told: the same verdict, unless it is a failure that stays."""
    if was == now:
        return Change.OPEN if now == "fail" else None
    if now == "fail":
        return Change.NEW
    if not now:
        return Change.GONE
    if now == "not_assessed":
        return Change.LOST if was else Change.OTHER
    if was == "fail":
        return Change.FIXED
    return Change.FOUND if was == "not_assessed" else Change.OTHER


def property_changes(
    before: Snapshot, after: Snapshot, looked_at: Parameters | None = None, left_out: Collection[str] = ()
) -> Iterator[PropertyChange]:
    """How the resources that were read differ. One that a run could not read is said so, never called removed.

    Of sources that are `left_out` only what both hold is compared.
    """
    one, other = _resources(before), _resources(after)
    for key in sorted(one.keys() | other.keys()):
        source, name = key
        if source in left_out and not (key in one and key in other):
            continue
        if key in one and key in other:
            for path, old, new in differences(_named(one[key]), _named(other[key])):
                yield PropertyChange(name, path, old, new)
        elif key in one:
            seen = looked_at is None or _in_scope(looked_at, name)
            note = "removed" if seen and _would_show(after, source, name) else "not read any more"
            yield PropertyChange(name, "", None, None, note)
        else:
            note = "added" if _would_show(before, source, name) else "not read before"
            yield PropertyChange(name, "", None, None, note)


def _resources(snapshot: Snapshot) -> dict[tuple[str, str], Json]:
    """What is set, by source and name: an ARM id where there is one."""
    found: dict[tuple[str, str], Json] = {}
    for reading in snapshot.readings.values():
        if reading.source.startswith(_HAPPENINGS) or reading.state not in (State.COLLECTED, State.PARTIAL):
            continue
        for item in reading.value if isinstance(reading.value, list) else [reading.value]:
            if isinstance(item, dict):
                own = item.get("id")
                found[reading.source, own.lower() if isinstance(own, str) else reading.scope.lower()] = item
    found_twice = {key for key in found if key[0].startswith("listed_")}
    return {key: value for key, value in found.items() if key not in found_twice}


def _would_show(snapshot: Snapshot, source: str, name: str) -> bool:
    """Whether a run that lacks a resource read the whole list that would hold it."""
    lists = {each.name for group in sources().values() for each in group if each.items == source} or {source}
    lists |= {"accounts"} if source == "account" else set()
    return any(_covers(reading, name) for each in lists for reading in snapshot.of(each))


def _covers(reading: Reading, name: str) -> bool:
    return reading.state is State.COLLECTED and reading.scope.lower().strip("/") in name


def _named(value: Json) -> Json:
    """The same with lists of named things as objects by name, so that one that changed is told alone; without what is restless."""
    if isinstance(value, dict):
        return {key: _named(inner) for key, inner in value.items() if key.lower() not in _RESTLESS}
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        names = [_name(each) for each in value]
        if all(names) and len(set(names)) == len(names):
            return {name: _named(each) for name, each in zip(names, value, strict=True)}
    return value


def _name(item: Mapping[str, Json]) -> str:
    """What an item of a list is called; a filter of a policy is so by its direction too."""
    name = item.get("name") or item.get("id") or item.get("category") or item.get("categoryGroup")
    source = item.get("source")
    return f"{name}:{source}" if isinstance(source, str) else str(name or "")
