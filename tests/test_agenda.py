"""In which order a tenant is read: nothing waits for what it does not need, and what it needs is said."""

from __future__ import annotations

from graphlib import CycleError

import pytest

from aoai_lib.collect import Scopes, Source, sources
from aoai_lib.collect.agenda import Agenda
from aoai_lib.model import Reading, Snapshot, State


def source(name: str, *needs: str, items: str = "") -> Source:
    return Source(name, Scopes(needs, lambda readings: ()), "p", lambda azure, scope: None, items)


def answer(name: str, scope: str) -> Reading:
    return Reading(name, scope, State.COLLECTED)


def taken(agenda: Agenda) -> list[str]:
    found = []
    while work := agenda.take():
        found.append(f"{work.source.name}:{work.scope}")
    return found


def test_a_source_is_opened_when_what_it_needs_is_read_whatever_else_is_not() -> None:
    long, short, last = source("long"), source("short"), source("last", "short")
    agenda = Agenda([last, long, short], {})
    for each in agenda.opened():
        agenda.plan(each, ["a", "b"])
    works = {(work.source.name, work.scope): work for work in iter(agenda.take, None)}
    assert agenda.close(works["short", "b"], answer("short", "b")) is None
    assert list(agenda.opened()) == []
    kept = agenda.close(works["short", "a"], answer("short", "a"))
    assert [each.scope for each in kept or ()] == ["a", "b"]
    assert list(agenda.opened()) == [last]


def test_what_most_hangs_on_is_read_first_and_then_what_was_found_last() -> None:
    agenda = Agenda([source("alone"), source("second", "first"), source("first"), source("third", "second")], {})
    for each in agenda.opened():
        agenda.plan(each, [] if each.name == "first" else ["x", "y"])
    assert taken(agenda) == ["second:x", "second:y", "alone:x", "alone:y"]


def test_items_what_is_told_besides_and_namesakes_are_waited_for() -> None:
    listing = source("things", items="thing")
    single = source("thing", "things")
    again = source("things", "chosen", items="thing")
    chooser = source("all")
    agenda = Agenda([listing, single, again, chooser], {"all": ["chosen"]})
    opened = list(agenda.opened())
    assert opened == [listing, chooser]
    for each in opened:
        agenda.plan(each, [])
    assert list(agenda.opened()) == [again]
    agenda.plan(again, [])
    assert list(agenda.opened()) == [single]
    assert agenda.names() == ["things", "thing", "all", "chosen"]


def test_sources_that_wait_for_each_other_are_refused() -> None:
    with pytest.raises(CycleError):
        Agenda([source("one", "other"), source("other", "one")], {})


@pytest.mark.parametrize("tenant", ["hardened", "exposed", "mixed"])
def test_scopes_are_found_in_what_their_source_says_that_it_needs(tenant: str, request: pytest.FixtureRequest) -> None:
    snapshot: Snapshot = request.getfixturevalue(tenant)
    found = 0
    for each in dict.fromkeys(source for group in sources().values() for source in group):
        others = {key: reading for key, reading in snapshot.readings.items() if key[0] != each.name}
        needed = {key: reading for key, reading in others.items() if key[0] in each.over.needs}
        scopes = list(each.over.find(others))
        assert scopes == list(each.over.find(needed)), each.name
        found += bool(scopes)
    assert found > 30


def test_what_a_source_needs_is_told_by_some_source() -> None:
    every = [source for group in sources().values() for source in group]
    told = {name for each in every for name in (each.name, each.items)}
    told |= {"subscription_list", "subscriptions", "account", "accounts"}
    assert {name for each in every for name in each.over.needs} <= told
