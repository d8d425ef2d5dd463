"""A query with its events inside: `let` shadows each table, so that a real workspace answers for synthetic rows, and nothing is ingested.

Events are as long ago as they say, counted by the workspace's own clock: the question is the same whenever it is asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from aoai_lib.detections.catalogue import Detection
from aoai_lib.detections.events import TYPES, Event, Row, untimed

_OWN: Final = {"_Ago": "timespan", "_Weekly": "timespan", "_Copies": "dynamic"}
"""When a row was: so long ago, or so long after the last week's start in which that moment is past; and one element for each
time that it is there, so that a burst stays short."""
_TIMED: Final = (
    "mv-expand _Copies "
    "| extend TimeGenerated = iff(isnull(_Weekly), now() - _Ago, startofweek(now() - _Weekly) + _Weekly) "
    "| project-away _Ago, _Weekly, _Copies"
)


def shadowed(detection: Detection, events: Iterable[Event], query: str = "") -> str:
    """The detection's query, tuned for its events, over these alone; or another `query` over the tables that it looks at."""
    return "\n".join([*shadows(detection.tables, events), query or detection.kql(**detection.trial)])


def shadows(
    tables: Iterable[str],
    events: Iterable[Event],
    types: Mapping[str, Mapping[str, str]] = TYPES,
    dressed: Callable[[str, Row], Row] = lambda table, row: row,
) -> list[str]:
    """A `let` for each table, in which it holds its rows of these events and no others.

    `types` are the columns that the tables have, `dressed` gives a row of a table what fills them.
    """
    rows: dict[str, list[Row]] = {}
    for event in events:
        for table, row in untimed(event):
            placed = {**_when(event), **dressed(table, row)}
            held = rows.setdefault(table, [])
            if held and {**held[-1], "_Copies": None} == {**placed, "_Copies": None}:
                held[-1]["_Copies"].append(0)
            else:
                held.append({**placed, "_Copies": [0]})
    return [_table(table, types[table], rows.get(table, [])) for table in tables]


def _table(name: str, columns: Mapping[str, str], rows: Iterable[Row]) -> str:
    types = {**_OWN, **columns}
    heading = ", ".join(f"{column}: {kind}" for column, kind in types.items())
    cells = ",\n".join(", ".join(_literal(row.get(column), kind) for column, kind in types.items()) for row in rows)
    # An empty datatable is not taken by every engine, so one without rows is a row that is filtered out.
    if not cells:
        empty = ", ".join(_literal([0] if kind == "dynamic" else None, kind) for kind in types.values())
        return f"let {name} = datatable({heading})[{empty}] | {_TIMED} | where isnotnull(TimeGenerated);"
    return f"let {name} = datatable({heading})[{cells}] | {_TIMED};"


def _when(event: Event) -> dict[str, timedelta]:
    return {"_Weekly": event.into_the_week} if event.weekly else {"_Ago": timedelta(minutes=event.minutes_ago)}


def _literal(value: Any, kind: str) -> str:
    """A value as KQL writes it. Text is escaped, so that what stands in an event can't end its string."""
    if kind == "timespan":
        return f"time({value.total_seconds():.0f}s)" if isinstance(value, timedelta) else "time(null)"
    if kind == "dynamic":
        return "dynamic(null)" if value is None else f"dynamic({_json(value)})"
    if kind in ("int", "real"):
        return f"{kind}({'null' if value is None else value})"
    return _json(value or "")


def _json(value: str | Mapping[str, Any] | list[int]) -> str:
    """JSON without anything outside ASCII: as a string literal of KQL it reads the same."""
    return json.dumps(value, ensure_ascii=True)
