"""How fast Azure is asked: one clock for all threads, as the service's answers set it."""

from __future__ import annotations

import pytest
from tenants import collect

from aoai_lib.azure.pace import Pace, place_of, reads_left
from aoai_lib.evidence.store import Evidence
from aoai_lib.lab.quota import quota_of
from aoai_lib.lab.server import Lab, load_worlds
from aoai_lib.model import State


class Clock:
    """A clock that only sleeping moves, so that no test waits or depends on the machine."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def sent(pace: Pace, clock: Clock, place: str, count: int) -> list[float]:
    """When so many requests to a place would go out, one after the other."""
    found = []
    for _ in range(count):
        pace.wait(place)
        found.append(round(clock.now, 3))
    return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace(clock, clock.sleep)


def test_nobody_waits_while_there_is_plenty(pace: Pace, clock: Clock) -> None:
    pace.hear("a", 199, None)
    assert sent(pace, clock, "a", 3) == [0, 0, 0]


def test_few_reads_left_space_requests_before_any_is_refused(pace: Pace, clock: Clock) -> None:
    pace.hear("a", 49, None)
    assert sent(pace, clock, "a", 4) == [0, 0.05, 0.1, 0.15]
    assert sent(pace, clock, "b", 2) == [0.15, 0.15]
    pace.hear("a", 50, None)
    assert sent(pace, clock, "a", 2) == [0.15, 0.15]


def test_a_time_to_wait_holds_for_everybody_there_and_ends_spaced(pace: Pace, clock: Clock) -> None:
    pace.hear("a", None, 7)
    pace.hear("a", None, 2)
    assert sent(pace, clock, "b", 1) == [0]
    assert sent(pace, clock, "a", 3) == [7, 7.05, 7.1]


def test_who_waits_for_a_turn_hears_that_the_place_has_closed() -> None:
    clock = Clock()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.now < 1:
            pace.hear("a", None, 5)

    pace = Pace(clock, sleep)
    pace.hear("a", 10, None)
    pace.wait("a")
    pace.wait("a")
    assert clock.now == pytest.approx(5.05)


def test_what_shares_a_limit() -> None:
    assert place_of("https://management.azure.com/subscriptions/AB/x?y=1") == "management.azure.com/ab"
    assert place_of("https://management.azure.com/providers/x") == "management.azure.com"
    assert place_of("https://api.loganalytics.io/v1/workspaces/w/query") == "api.loganalytics.io"
    left = {"X-Ms-Ratelimit-Remaining-Subscription-Reads": "12", "x-ms-ratelimit-remaining-tenant-reads": "9"}
    assert reads_left(left) == 9
    assert (
        reads_left({"x-ms-ratelimit-remaining-subscription-writes": "1", "x-ms-ratelimit-remaining-x-reads": "?"})
        is None
    )


def test_a_quota_like_the_services_is_read_to_its_end_without_a_refusal() -> None:
    """The tenant takes some hundred reads: more than are there at once, and than are left when spacing begins."""
    evidence = Evidence()
    with Lab(load_worlds(["hardened"]), quota="80:25") as lab:
        snapshot = collect(lab, "hardened", evidence)
    reads = [each for each in evidence.exchanges if "/subscriptions/" in each.url]
    left = [int(each.headers["x-ms-ratelimit-remaining-subscription-reads"]) for each in reads]
    assert min(left) < 50
    assert {each.status for each in reads} == {200}
    assert {each.state for each in snapshot.readings.values()} == {State.COLLECTED}


def test_what_is_refused_for_a_while_is_asked_again_after_it() -> None:
    evidence = Evidence()
    with Lab(load_worlds(["hardened"]), quota="8:8") as lab:
        snapshot = collect(lab, "hardened", evidence)
    refused = [each for each in evidence.exchanges if each.status == 429]
    assert refused
    assert {each.headers["retry-after"] for each in refused} == {"1"}
    assert {each.state for each in snapshot.readings.values()} == {State.COLLECTED}


def test_a_quota_is_each_callers_and_each_subscriptions() -> None:
    quota = quota_of("2:1")
    assert [quota.take("me", "S"), quota.take("me", "s"), quota.take("me", "other"), quota.take("you", "s")] == [
        1,
        0,
        1,
        1,
    ]
    with pytest.raises(ValueError, match="250:25"):
        quota_of("250")
