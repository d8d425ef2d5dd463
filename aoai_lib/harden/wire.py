"""What a resource holds against what a write says: compared as Resource Manager compares, not byte by byte.

Names of properties and most values (ids, enumerations, regions) have no case there; lists of objects keep no order; and an
answer holds more than a request does. A write's body is compared leaf by leaf, so what the service adds makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Final

from aoai_lib.evidence.masking import comparable
from aoai_lib.model import Json

READ_ONLY: Final = (
    "id",
    "name",
    "type",
    "etag",
    "systemData",
    "properties.provisioningState",
    "properties.resourceGuid",
)
"""Members of every resource that the service sets and a request need not hold."""


def holds(resource: Json, wanted: Json) -> bool:
    """Whether a resource says everything that `wanted` says. Absent, null and empty are the same."""
    if isinstance(wanted, dict):
        have = {key.lower(): value for key, value in resource.items()} if isinstance(resource, dict) else {}
        return all(holds(have.get(key.lower()), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return _hold_all(resource if isinstance(resource, list) else [], wanted)
    if isinstance(wanted, str) and isinstance(resource, str):
        return _plain(resource) == _plain(wanted)
    if wanted is None or resource is None:
        return _is_empty(resource if wanted is None else wanted)
    return type(resource) is type(wanted) and bool(resource == wanted)


def _is_empty(value: Json) -> bool:
    """Whether a value says no more than an absent one does. `False` and 0 do say something."""
    return (
        all(_is_empty(inner) for inner in value.values())
        if isinstance(value, dict)
        else value is None or value == "" or value == []
    )


def _hold_all(resource: Sequence[Json], wanted: Sequence[Json]) -> bool:
    """Whether each wanted item has an item of its own, and none is left over."""
    left = list(resource)
    for item in wanted:
        found = next((index for index, each in enumerate(left) if holds(each, item)), None)
        if found is None:
            return False
        del left[found]
    return not left


def _plain(text: str) -> str:
    """Regions come as `swedencentral` and as `Sweden Central`; ids and enumerations in any case; masks that are another in each
    run say no more than that something is there."""
    return comparable(text).replace(" ", "").lower()


def writable(resource: Json, read_only: Sequence[str] = ()) -> Json:
    """A resource as a request may send it back: without what only the service sets. Paths are dotted; `*` is any item."""
    copy = deepcopy(resource)
    for path in (*READ_ONLY, *read_only):
        _drop(copy, path.split("."))
    return copy


def _drop(value: Json, steps: Sequence[str]) -> None:
    if steps[0] == "*" and isinstance(value, list):
        for item in value:
            _drop(item, steps[1:])
    elif isinstance(value, dict):
        key = next((each for each in value if each.lower() == steps[0].lower()), None)
        if key is None:
            return
        if len(steps) == 1:
            del value[key]
        else:
            _drop(value[key], steps[1:])


def projected(resource: Json, shape: Json) -> Json:
    """What a resource holds at each leaf of a request: None where it holds nothing. Lists are leaves."""
    if not isinstance(shape, dict):
        return deepcopy(resource)
    have = {key.lower(): value for key, value in resource.items()} if isinstance(resource, dict) else {}
    return {key: projected(have.get(key.lower()), value) for key, value in shape.items()}


def merged(resource: Json, change: Json) -> Json:
    """A resource with a change laid over it, as JSON merge does: objects are joined, everything else is replaced."""
    if not (isinstance(resource, dict) and isinstance(change, dict)):
        return deepcopy(change)
    spelled = {key.lower(): key for key in resource}
    joined = dict(resource)
    for key, value in change.items():
        at = spelled.get(key.lower(), key)
        joined[at] = merged(joined.get(at), value)
    return joined


def differences(before: Json, after: Json, path: str = "") -> Iterator[tuple[str, Json, Json]]:
    """Each leaf that changes: dotted path, value before, value after. Lists are leaves."""
    if (isinstance(before, dict) and isinstance(after, dict | None)) or (before is None and isinstance(after, dict)):
        old, new = before or {}, after or {}
        spelled = {key.lower(): key for key in (*old, *new)}
        for name, key in spelled.items():
            yield from differences(_member(old, name), _member(new, name), f"{path}.{key}" if path else key)
    elif not (holds(before, after) and holds(after, before)):
        yield path, before, after


def _member(value: Json, name: str) -> Json:
    """A member by its lower-cased name."""
    return next((inner for key, inner in value.items() if key.lower() == name), None)


def changed_since(when: str, before: Json, now: Json) -> str:
    """Sentences on what differs, and what to do about it."""
    if before is None or now is None:
        what = "it exists now" if before is None else "it does not exist any more"
        return f"It changed since {when}, so nothing was sent: {what}. Make a new plan."
    return f"It changed since {when}, so nothing was sent: {shown(differences(before, now))}. Make a new plan."


def shown(changes: Iterable[tuple[str, Json, Json]], limit: int = 3) -> str:
    """The first differences in words, and how many more there are."""
    words = [f"{path} is {_value(after)} instead of {_value(before)}" for path, before, after in changes]
    more = f" and {len(words) - limit} more" if len(words) > limit else ""
    return "; ".join(words[:limit]) + more


def _value(value: Json) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
