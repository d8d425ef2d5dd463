"""What must be said before something is switched on that has a price of its own."""

from __future__ import annotations

from aoai_lib.harden.preflight import Answer, preflight
from aoai_lib.model import Snapshot


@preflight("price-accepted", "Does somebody who pays for the subscription agree?")
def somebody_pays(snapshot: Snapshot, path: str) -> Answer:
    """Never good by itself: a person says so, by name."""
    return Answer(False, "The plan has a price for the whole subscription, and nobody was told to have agreed.")
