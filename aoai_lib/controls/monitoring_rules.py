"""Alert rules, joined: which of them cover an account, whether they are on, and whether they tell anybody."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from aoai_lib.controls import Verdict, fails, passes
from aoai_lib.controls.monitoring_processing import added_groups, muted, unread
from aoai_lib.controls.monitoring_queries import understand
from aoai_lib.detections import rows_in
from aoai_lib.facts import Facts, NotCollectedError, View
from aoai_lib.model import Json, Reading, Snapshot, State

METRIC: Final = "metric_alerts"
LOG: Final = "scheduled_query_rules"
ACTIVITY: Final = "activity_log_alerts"
SOURCES: Final = (METRIC, LOG, ACTIVITY)
KEYS: Final = "keys"
CALLERS: Final = "callers"
CHANGED: Final = "changes"
"""What a log rule's query is tried for: use of a key, callers never seen before, changes of the account."""

_NOT_TAKEN: Final = "BadArgumentError"
"""What a workspace answers to a query that names a column or table which is not there (400)."""
_OPEN: Final = "A rule that covers it may report this, but its query has steps whose effect its text does not tell, and it was not tried"
_DURATION: Final = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")

Lacks = Callable[[Facts, View], "str | None"]
"""Judges one rule: None where it watches something else, "" where it is as it should be, else what it lacks."""


@dataclass(frozen=True, slots=True, eq=False)
class _Shared:
    """A snapshot as a key of a cache: by identity, since its readings can't be hashed."""

    snapshot: Snapshot

    def __hash__(self) -> int:
        return id(self.snapshot)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Shared) and other.snapshot is self.snapshot


@lru_cache(maxsize=2)
def _by_scope(shared: _Shared, source: str) -> dict[str, list[tuple[Reading, int]]]:
    """Rules of a source by the scopes they name, so that a thousand accounts don't each walk through every rule."""
    found: dict[str, list[tuple[Reading, int]]] = {}
    for reading in shared.snapshot.of(source):
        for index, rule in enumerate(reading.value if isinstance(reading.value, list) else []):
            for scope in _scopes(rule):
                found.setdefault(scope, []).append((reading, index))
    return found


def _scopes(rule: Json) -> set[str]:
    """A rule's scopes, lower case and without a leading slash (some have none). "" for one of unknown form."""
    properties = rule.get("properties") if isinstance(rule, dict) else None
    scopes = properties.get("scopes") if isinstance(properties, dict) else None
    if isinstance(scopes, list) and all(isinstance(scope, str) for scope in scopes):
        return {scope.strip("/").lower() for scope in scopes}
    return set() if scopes is None else {""}


@lru_cache(maxsize=2)
def _trials(shared: _Shared) -> dict[tuple[str, str], dict[str, Reading]]:
    """Trials by topic and rule, and of these by account (ARM ids without the leading slash, lower case)."""
    found: dict[tuple[str, str], dict[str, Reading]] = {}
    for reading in shared.snapshot.of("rule_trial"):
        place, account, rule = (each.lower() for each in reading.scope.split("/subscriptions/"))
        by_account = found.setdefault((place.rpartition("/")[2], f"subscriptions/{rule}"), {})
        by_account[f"subscriptions/{account}"] = reading
    return found


def tried(facts: Facts, rule: View, topic: str) -> Reading:
    """The answer that a log rule's own query gave for synthetic events of that topic. Not collected where it was not tried.

    What it gave for another account counts where the query does not look at the resources of rows.
    """
    condition = next(iter(rule.each("properties.criteria.allOf")), None)
    apart = condition is not None and understand(condition.text("query")).tells_accounts_apart
    own = rule.text("id").strip("/")
    trials = _trials(_Shared(facts.snapshot)).get((topic, own.lower()), {})
    reading = trials.get(facts.subject.account.strip("/").lower()) or (
        None if apart else next(iter(trials.values()), None)
    )
    if reading is None:
        return Reading(
            "rule_trial", own, State.NOT_COLLECTED, reason="it reaches past its tables, or there are too many rules"
        )
    rows = len(rows_in(reading.value)) if reading.state is State.COLLECTED else None
    facts.record(f"rule_trial[{rule.name}].{topic}", rows, reading)
    return reading


def silent(facts: Facts, rule: View, topic: str, explained: bool) -> str:
    """What is wrong with a log rule whose query gives no row for the synthetic events of a topic; "" where it does.

    Raises `NotCollectedError` where it was tried and no answer came, and where it was not tried and its text alone does not tell
    (`explained`): it may be such a rule. A workspace that does not take the query with synthetic events in it (400) says nothing of it.
    """
    reading = tried(facts, rule, topic)
    untried = reading.state is State.NOT_COLLECTED or reading.code == _NOT_TAKEN
    if untried and not explained:
        raise NotCollectedError(
            Reading("rule_trial", reading.scope, State.NOT_COLLECTED, reason=f"{_OPEN}: {reading.reason.rstrip('.')}")
        )
    if not untried and reading.state is not State.COLLECTED:
        raise NotCollectedError(reading)
    if reading.state is State.COLLECTED and not rows_in(reading.value):
        return "does not fire: its query gives no row for synthetic events that it has to report"
    return ""


def told_of_trial(facts: Facts, rule: View, topic: str) -> str:
    """A sentence about the trial of a rule that passed."""
    reading = tried(facts, rule, topic)
    if reading.state is State.COLLECTED:
        return " Its query was tried on synthetic events, and finds them."
    return f" Its query was not tried: {reading.reason.rstrip('.')}."


def containers(account: str) -> list[str]:
    """The account, its resource group and its subscription, as rules' scopes are compared."""
    steps = account.strip("/").lower().split("/")
    return ["/".join(steps), "/".join(steps[:4]), "/".join(steps[:2])]


def covering(facts: Facts, source: str, scopes: Iterable[str]) -> Iterator[View]:
    """The rules of a source that name one of the scopes. A rule whose scopes have an unknown form is among them."""
    index = _by_scope(_Shared(facts.snapshot), source)
    seen: set[tuple[str, int]] = set()
    for scope in (*scopes, ""):
        for reading, position in index.get(scope.strip("/").lower(), ()):
            if (reading.scope, position) not in seen:
                seen.add((reading.scope, position))
                own = reading.scope.lower() == facts.subject.subscription.lower()
                label = source if own else f"{source}({reading.scope})"
                rule = View(facts, reading, f"{label}[{position}]", reading.value[position])
                rule.texts("properties.scopes")
                yield rule


def listed(facts: Facts, source: str, subscriptions: Iterable[str]) -> None:
    """Raise `NotCollectedError` unless the rules of these subscriptions were all listed: "there is none" needs that."""
    for subscription in subscriptions:
        reading = facts.snapshot.reading(source, subscription)
        facts.of(source, subscription)
        facts.record(f"{source}.length", len(reading.value) if isinstance(reading.value, list) else None, reading)
        if reading.state is State.PARTIAL:
            raise NotCollectedError(reading)


def subscription_in(arm_id: str) -> str:
    """The subscription in an ARM id."""
    return arm_id.strip("/").split("/")[1]


def minutes(view: View, path: str) -> float | None:
    """An ISO 8601 duration in minutes; None where there is none that can be read."""
    match = _DURATION.fullmatch(view.text(path))
    if match is None or not any(match.groups()):
        return None
    days, hours, mins, seconds = (float(part or 0) for part in match.groups())
    return days * 1440 + hours * 60 + mins + seconds / 60


def told(facts: Facts, source: str, rule: View) -> str:
    """ "" where the rule has an enabled action group with a receiver that nothing takes away, else what it lacks.

    One group that is in order is enough, so one that can't be read only matters where no other is. Alert processing rules add groups
    and take them away. Raises `NotCollectedError` where these, or the groups, could not be read and would decide.
    """
    unlisted = unread(facts, source, rule)
    lacking, gap = "names no action group", unlisted
    for group in (*_groups(source, rule), *added_groups(facts, source, rule)):
        try:
            lacking = _silent(facts, group)
        except NotCollectedError as missing:
            gap = missing
            continue
        if not lacking:
            lacking = muted(facts, source, rule)
            gap = None if lacking else unlisted
            break
    if gap is not None:
        raise gap
    return lacking


def _groups(source: str, rule: View) -> list[str]:
    if source == LOG:
        return rule.texts("properties.actions.actionGroups")
    path = "properties.actions" if source == METRIC else "properties.actions.actionGroups"
    return [action.text("actionGroupId") for action in rule.each(path)]


def _silent(facts: Facts, group: str) -> str:
    """What keeps an action group from telling anybody; "" where nothing does."""
    name = group.rstrip("/").rpartition("/")[2]
    label = f"action_group[{name}]"
    reading = facts.snapshot.reading("action_group", group)
    if reading.is_gone:
        facts.record(label, None, reading)
        return f"tells nobody: its action group “{name}” does not exist"
    view = facts.of("action_group", group, label)
    if not view.flag("properties.enabled", True):
        return f"tells nobody: its action group “{name}” is switched off"
    return "" if _heard(view) else f"tells nobody: its action group “{name}” has no receiver"


def _heard(group: View) -> bool:
    """Whether a receiver of any kind listens. One that unsubscribed or was switched off has status Disabled."""
    properties = group.at("properties").value
    kinds = [name for name in properties if name.endswith("Receivers")] if isinstance(properties, dict) else []
    return any(
        receiver.text("status").lower() != "disabled" for kind in kinds for receiver in group.each(f"properties.{kind}")
    )


def switched_off(source: str, rule: View) -> str:
    """ "" where the rule is on. An activity log alert without the flag is on; the others always have it."""
    return "" if rule.flag("properties.enabled", source == ACTIVITY) else "is switched off"


@dataclass(slots=True)
class Search:
    """Looks for a rule that is as it should be, and remembers why others are not and what could not be read."""

    facts: Facts
    lacking: list[str]
    unknown: int = 0
    unread: NotCollectedError | None = None

    def fit(self, source: str, scopes: Iterable[str], judge: Lacks) -> Iterator[View]:
        """The rules that watch, are on and tell somebody."""
        for rule in covering(self.facts, source, scopes):
            try:
                lack = self._lack(source, rule, judge)
            except NotCollectedError as missing:  # another rule may do, so this one's unreadable group can wait
                self.unread = missing
                continue
            if lack is None:
                self.unknown += source == LOG
            elif lack:
                self.lacking.append(f"rule “{rule.name}” {lack}")
            else:
                yield rule

    def _lack(self, source: str, rule: View, judge: Lacks) -> str | None:
        lack = judge(self.facts, rule)
        if lack is None:
            return None
        return lack or switched_off(source, rule) or told(self.facts, source, rule)

    def listed(self, source: str, subscriptions: Iterable[str]) -> None:
        """Note it where the rules of a subscription could not be listed."""
        try:
            listed(self.facts, source, subscriptions)
        except NotCollectedError as missing:
            self.unread = missing

    def verdict(self, found: View | None, good: str, bad: str) -> Verdict:
        """Pass with the rule's name, or fail with what the nearest ones lack. Raises where something was not read."""
        if found is not None:
            return passes(f"Rule “{found.name}” {good}")
        if self.unread is not None:
            raise self.unread
        return fails(f"{bad}{self.why()}.")

    def why(self) -> str:
        """What the rules that come near lack, as the end of a sentence."""
        if self.lacking:
            more = f" (and {len(self.lacking) - 2} more)" if len(self.lacking) > 2 else ""
            return ": " + "; ".join(self.lacking[:2]) + more
        if self.unknown:
            return f"; {self.unknown} log rule(s) that cover it have a query that is not recognised as watching this"
        return ""
