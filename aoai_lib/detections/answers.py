"""What a workspace answers: its rows, and whose they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aoai_lib.model import Json


def columns_in(answer: Json) -> list[str]:
    """The names of the columns of an answer's first table; none where the answer has no such table."""
    tables = answer.get("tables") if isinstance(answer, dict) else None
    table = tables[0] if isinstance(tables, list) and tables else None
    columns = table.get("columns") if isinstance(table, dict) else None
    held = columns if isinstance(columns, list) else []
    return [str(column.get("name")) if isinstance(column, dict) else "" for column in held]


def rows_in(answer: Json) -> list[dict[str, Any]]:
    """The rows of an answer's first table, each by the names of its columns; none where the answer has no such table."""
    tables = answer.get("tables") if isinstance(answer, dict) else None
    table = tables[0] if isinstance(tables, list) and tables else None
    rows = table.get("rows") if isinstance(table, dict) else None
    names = columns_in(answer)
    if not names or not isinstance(rows, list):
        return []
    return [dict(zip(names, row, strict=False)) for row in rows if isinstance(row, list)]


def lead_of(row: Mapping[str, Any], account: str) -> bool:
    """Whether a row speaks of an account, of something inside it or of something it lies in; or names no resource at all."""
    own = account.strip("/").lower()
    named = [each.strip("/").lower() for each in resources_of(row)]
    return not named or any(f"{each}/".startswith(f"{own}/") or f"{own}/".startswith(f"{each}/") for each in named)


def resources_of(row: Mapping[str, Any]) -> list[str]:
    """The ids of the resources that a row names: one, or those in `Resources`, a set, which the service answers as JSON text."""
    several = row.get("Resources")
    try:
        several = json.loads(several) if isinstance(several, str) else several
    except ValueError:  # no set: then the row names none in it
        several = None
    if isinstance(several, list):
        return [str(each) for each in several]
    one = row.get("_ResourceId") or row.get("ResourceId")
    return [str(one)] if one else []
