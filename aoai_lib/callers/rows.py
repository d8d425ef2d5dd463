"""The rows of the request logs, as the workspaces answer them: read, checked, and put together."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from aoai_lib.facts import UnexpectedShapeError
from aoai_lib.model import Json, Reading, Snapshot

CALLS: Final = "RequestResponse"
"""The log category that holds calls."""
MOST_ROWS: Final = 10_000
"""Rows that a workspace is asked for. One that answers as many may hold more."""

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_TEXTS: Final = ("Account", "Category", "ObjectId", "Address", "Deployment", "Operation", "Status")


@dataclass(frozen=True, slots=True)
class Row:
    """Calls of one kind: `status` is the HTTP status as logged, times are ISO 8601 in UTC, to the second."""

    category: str
    object_id: str
    address: str
    deployment: str
    operation: str
    status: str
    calls: int
    first: str
    last: str

    @property
    def succeeded(self) -> bool:
        """Whether the service answered with a 2xx."""
        return len(self.status) == 3 and self.status.startswith("2")

    @property
    def refused(self) -> bool:
        """Whether the service let the caller not in."""
        return self.status in ("401", "403")

    @property
    def with_key(self) -> bool:
        """Whether a call succeeded with a key."""
        return self.succeeded and bool(self.deployment) and not self.object_id

    @property
    def nameless(self) -> bool:
        """Whether a call succeeded and the row tells neither who called nor what: nothing follows from it."""
        return self.succeeded and not self.object_id and not self.deployment


_tables: dict[int, dict[str, dict[str, list[Row]]]] = {}


def held(snapshot: Snapshot, reading: Reading) -> dict[str, list[Row]]:
    """The rows of a workspace's answer by account, read once and kept as long as the snapshot is."""
    kept = _tables.get(id(snapshot))
    if kept is None:
        kept = _tables[id(snapshot)] = {}
        weakref.finalize(snapshot, _tables.pop, id(snapshot), None)
    if reading.scope not in kept:
        found: dict[str, list[Row]] = {}
        for cells in _cells(reading.value):
            found.setdefault(str(cells["Account"]).lower(), []).append(_row(cells))
        kept[reading.scope] = found
    return kept[reading.scope]


def _cells(answer: Json) -> Iterator[dict[str, Json]]:
    """The rows of the first table, each by the names of its columns."""
    tables = answer.get("tables") if isinstance(answer, dict) else None
    table = tables[0] if isinstance(tables, list) and tables else None
    columns, rows = (table.get("columns"), table.get("rows")) if isinstance(table, dict) else (None, None)
    if not isinstance(columns, list) or not isinstance(rows, list):
        raise UnexpectedShapeError("callers.tables", "a table with columns and rows", tables)
    names = [str(column.get("name")) if isinstance(column, dict) else "" for column in columns]
    if not {*_TEXTS, "Calls", "First", "Last"}.issubset(names):
        raise UnexpectedShapeError("callers.tables[0].columns", "the columns that were asked for", columns)
    for row in rows:
        if not isinstance(row, list) or len(row) != len(names):
            raise UnexpectedShapeError("callers.tables[0].rows", "as wide as its columns", row)
        yield dict(zip(names, row, strict=True))


def _row(cells: Mapping[str, Json]) -> Row:
    texts = {name: cells[name] or "" for name in (*_TEXTS, "First", "Last")}
    for name, text in texts.items():
        if not isinstance(text, str) or (name in ("First", "Last") and not _TIME.match(text)):
            raise UnexpectedShapeError(f"callers.{name}", "a time" if name in ("First", "Last") else "text", text)
    calls = cells["Calls"]
    if isinstance(calls, bool) or not isinstance(calls, int):
        raise UnexpectedShapeError("callers.Calls", "a number", calls)
    return Row(
        category=CALLS if texts["Category"].lower() == CALLS.lower() else texts["Category"],
        object_id=texts["ObjectId"].lower(),
        address=texts["Address"],
        deployment=texts["Deployment"],
        operation=texts["Operation"],
        status=texts["Status"].strip(),
        calls=calls,
        first=f"{texts['First'][:19]}Z",
        last=f"{texts['Last'][:19]}Z",
    )


def joined(rows: Iterable[Row]) -> list[Row]:
    """The rows of several workspaces without counting a call twice: see the package's own words."""
    found: dict[tuple[str, ...], Row] = {}
    for row in sorted(rows, key=lambda each: each.first):
        key = (row.category, row.object_id, row.address, row.deployment, row.operation, row.status)
        one = found.get(key, row)
        if one is not row:
            apart = row.first > one.last
            calls = one.calls + row.calls if apart else max(one.calls, row.calls)
            row = replace(row, calls=calls, first=one.first, last=max(one.last, row.last))
        found[key] = row
    return list(found.values())
