"""Reading Azure into a snapshot. Each module of this package declares the sources of one phase; the folder is iterated.

A `Source` says what is read, for which scopes, by which call, and which permission that takes. Adding one is adding a line
to a module's `SOURCES`; reading, recording, failing and the least role that `aoai doctor --role` prints follow from it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from aoai_lib.model import Json, Reading, State

if TYPE_CHECKING:
    from aoai_lib.azure.clients import Azure

Readings = dict[tuple[str, str], Reading]
"""Readings by source and lower-cased scope."""


class OddAnswerError(Exception):
    """The answer came and is of no use: not JSON, no list, circular links."""


@dataclass(frozen=True, slots=True)
class Scopes:
    """For what a source is read. `needs` are the sources that the scopes are found in: `find` gets their readings and no
    others, once all of them are there.
    """

    needs: tuple[str, ...]
    find: Callable[[Readings], Iterable[str]]


class Form(Enum):
    """What the service documents that an answer is made of. One of another form tells nothing."""

    RESOURCE = "an id and properties"
    NAMED = "an id"
    MODEL = "a model"
    EVENT = "an operation"
    SERIES = "series of a metric"
    ROWS = "tables of rows"


@dataclass(frozen=True, slots=True)
class Source:
    """One thing that is read. `name` is the source that controls ask `facts` for.

    `read(azure, scope)` is one SDK call; what it returns is drained, and the raw answers behind it are kept. `items` names a
    second source under which each item of the list is kept too, by its own id. `form` is that of the resource, or of each item
    of a list; `is_list` is True where a list comes whole, without pages.
    """

    name: str
    over: Scopes
    permission: str
    read: Callable[[Azure, str], Any]
    items: str = ""
    form: Form = Form.RESOURCE
    is_list: bool = False


def _values(readings: Readings, source: str) -> Iterable[Reading]:
    return [
        reading
        for (name, _), reading in readings.items()
        if name == source and reading.state in (State.COLLECTED, State.PARTIAL)
    ]


def items(readings: Readings, source: str) -> list[Json]:
    """All list items of a source over all its scopes; for a source of single objects, the objects."""
    found: list[Json] = []
    for reading in _values(readings, source):
        found.extend(reading.value if isinstance(reading.value, list) else [reading.value])
    return found


def _subscriptions(readings: Readings) -> Iterable[str]:
    return items(readings, "subscriptions")


def _accounts(readings: Readings) -> Iterable[str]:
    return items(readings, "accounts")


EACH_SUBSCRIPTION: Final = Scopes(("subscriptions",), _subscriptions)
"""Scope: a subscription id (GUID)."""
EACH_ACCOUNT: Final = Scopes(("accounts",), _accounts)
"""Scope: an account's ARM id."""


def _regions(readings: Readings) -> Iterable[str]:
    for account in items(readings, "account"):
        location = account.get("location")
        subscription = subscription_of(str(account.get("id", ""))).lower()
        if subscription and isinstance(location, str) and location:
            region = location.replace(" ", "").lower()
            yield f"/subscriptions/{subscription}/providers/Microsoft.CognitiveServices/locations/{region}"


EACH_REGION: Final = Scopes(("account",), _regions)
"""Scope: the ARM id of a region in a subscription that holds an account there."""


def subscription_of(arm_id: str) -> str:
    """The subscription id in an ARM id; "" where there is none."""
    steps = arm_id.strip("/").split("/")
    return steps[1] if len(steps) > 1 and steps[0].lower() == "subscriptions" else ""


def group_of(arm_id: str) -> str:
    """The resource group's name in an ARM id; "" where there is none."""
    steps = arm_id.strip("/").split("/")
    return steps[3] if len(steps) > 3 and steps[2].lower() == "resourcegroups" else ""


def name_of(arm_id: str) -> str:
    """The last name in an ARM id."""
    return arm_id.rstrip("/").rpartition("/")[2]


@cache
def sources() -> dict[str, tuple[Source, ...]]:
    """Every source by the module that declares it: the phases `scope` (always read), `network`, `identity` …"""
    found = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        if hasattr(module, "SOURCES"):
            found[info.name] = tuple(module.SOURCES)
    return found
