"""How the rows that a query gave differ from those that its events must give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def unlike(rows: Iterable[Mapping[str, Any]], wanted: Iterable[Mapping[str, Any]]) -> str:
    """A clause that says what is missing or too much; "" where rows and wanted ones are the same, in any order.

    Of a wanted row only some columns are named: a row is it where these are equal.
    """
    left = list(rows)
    for each in wanted:
        found = next((row for row in left if all(row.get(key) == value for key, value in each.items())), None)
        if found is None:
            return f"no row with {_told(each)}"
        left.remove(found)
    return f"a row too many: {_told(left[0])}" if left else ""


def _told(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} “{value}”" for key, value in row.items())
