"""What a workspace answers: its rows, and whose they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aoai_lib.model import Json


def rows_in(answer: Json) -> list[dict[str, Any]]:
    """The rows of an answer's first table, each by the names of its columns; none where the answer has no such table."""
    tables = answer.get("tables") if isinstance(answer, dict) else None
    table = tables[0] if isinstance(tables, list) and tables else None
    columns, rows = (table.get("columns"), table.get("rows")) if isinstance(table, dict) else (None, None)
    if not isinstance(columns, list) or not isinstance(rows, list):
        return []
    names = [str(column.get("name")) if isinstance(column, dict) else "" for column in columns]
    return [dict(zip(names, row, strict=False)) for row in rows if isinstance(row, list)]


def lead_of(row: Mapping[str, Any], account: str) -> bool:
    """Whether a row speaks of an account, of something inside it or of something it lies in; or names no resource at all."""
    named = str(row.get("_ResourceId") or row.get("ResourceId") or "").strip("/").lower()
    own = account.strip("/").lower()
    return not named or f"{named}/".startswith(f"{own}/") or f"{own}/".startswith(f"{named}/")
