"""JSON that somebody else may have written: read whole and in one way, or refused in a sentence.

Python's reader takes `NaN`, lets the second of two equal names win and makes `1e400` infinite. What would be read in two ways, or
could not be written again as JSON, is refused here.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aoai_lib.model import InputError, Json
from aoai_lib.text_file import read_text


def parse(text: str) -> Json:
    """The value that a text holds. Raises `ValueError` that says in words what is wrong with it."""
    check_density(text)
    try:
        return _decoded(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except json.JSONDecodeError as problem:
        raise ValueError(f"{problem.msg} at character {problem.pos + 1}") from None


def read(path: Path, what: str) -> Json:
    """The value in a file. Raises `InputError`."""
    try:
        return parse(read_text(path, what))
    except ValueError as problem:
        raise InputError(f"{path} can't be read as JSON ({problem}): name {what}.") from None


def check_density(text: str) -> None:
    """Raise `ValueError` where a text holds more values than anybody writes in so many characters: each takes the memory of twenty."""
    if len(text) > _FEW and sum(map(text.count, ",[{")) > max(_FEW, len(text) // _SHORTEST):
        raise ValueError("it holds millions of values of hardly a character each")


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ValueError(f"the name {twice[:60]!r} stands twice in one object")
    return found


def finite(text: str) -> float:
    """A number as `parse_float` of `json` takes it. Raises `ValueError` for one that would be infinite."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:60]} is too large")
    return number


def integer(text: str) -> int:
    """The same for `parse_int`."""
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"the number {text[:20]}… is too large")
    return int(text)


def no_number(text: str) -> Json:
    """What `parse_constant` of `json` gets: never a number of JSON. Raises `ValueError`."""
    raise ValueError(f"{text} is no number of JSON")


_FEW: Final = 1_000_000
_SHORTEST: Final = 8
"""Characters for each value, on average: the files of runs have 16 or more."""
_MOST_DIGITS: Final = 310
"""What has more digits is infinite to programs that keep numbers as floating point, as JavaScript and most databases do."""
_decoded: Final[Callable[[str], Json]] = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=finite, parse_int=integer, parse_constant=no_number
).decode
