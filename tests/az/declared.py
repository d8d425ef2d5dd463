"""What a world file declares against what the Azure CLI shows: field by field, with no client of ours between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from aoai_lib.lab.world import Declared, World

Json = dict[str, Any]


def of_type(world: World, type_: str, below: str = "") -> list[Declared]:
    """The resources of one type that a world declares, below an address."""
    found = (each for each in world.declared if each.type.lower() == type_.lower())
    return [each for each in found if each.id.lower().startswith(f"{below.lower()}/")]


def differences(declared: Iterable[Declared], shown: Iterable[Json]) -> list[str]:
    """Where the two disagree: a resource on one side only, or a declared field that is shown otherwise."""
    answers = {each["id"].lower().strip("/"): each for each in shown}
    wanted = {each.id.lower().strip("/"): each for each in declared}
    found = [f"{key}: declared, not shown" for key in wanted.keys() - answers.keys()]
    found += [f"{key}: shown, not declared" for key in answers.keys() - wanted.keys()]
    for key in wanted.keys() & answers.keys():
        found += _missing(_flat(wanted[key].body), _flat(answers[key]), wanted[key].name)
    return sorted(found)


def _flat(value: Any) -> Any:
    """Without ``properties``: some commands show its members among the resource's own."""
    if isinstance(value, list):
        return [_flat(each) for each in value]
    if not isinstance(value, dict):
        return value
    inner = value.get("properties")
    rest = {key: _flat(each) for key, each in value.items() if key != "properties"}
    return rest | (_flat(inner) if isinstance(inner, dict) else {})


def _missing(wanted: Any, shown: Any, path: str) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(shown, dict):
        spelled = {key.lower(): value for key, value in shown.items()}
        for key, value in wanted.items():
            yield from _missing(value, spelled.get(key.lower()), f"{path}.{key}")
    elif isinstance(wanted, list) and isinstance(shown, list) and len(wanted) == len(shown):
        for index, (one, other) in enumerate(zip(_ordered(wanted), _ordered(shown), strict=True)):
            yield from _missing(one, other, f"{path}[{index}]")
    elif _plain(wanted) != _plain(shown):
        yield f"{path}: declared {wanted!r}, shown {shown!r}"


def _ordered(values: list[Any]) -> list[Any]:
    """Lists of named things are sets: some answers sort them."""
    named = all(isinstance(each, dict) and "name" in each for each in values)
    return sorted(values, key=lambda each: str(each["name"])) if named else values


def _plain(value: Any) -> Any:
    """Addresses and enumerations have no case, an empty value is none, and an instant may name its zone otherwise."""
    if isinstance(value, str):
        return value.lower().replace("+00:00", "z") or None
    return value if value or isinstance(value, bool | int | float) else None
