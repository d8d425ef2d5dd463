"""A query with its events inside: `let` shadows each table, so that a real workspace answers for synthetic rows, and nothing is ingested."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from aoai_lib.detections.catalogue import Detection
from aoai_lib.detections.events import TYPES, Event, Row, rows_of


def shadowed(detection: Detection, events: Iterable[Event], now: datetime) -> str:
    """The detection's query, tuned for its events, over these alone. `now` is the workspace's own time, from which `ago()` counts."""
    rows = rows_of(events, now)
    lets = [_table(table, rows.get(table, [])) for table in detection.tables]
    return "\n".join([*lets, detection.kql(**detection.trial)])


def _table(name: str, rows: Iterable[Row]) -> str:
    types = {"TimeGenerated": "datetime", **TYPES[name]}
    heading = ", ".join(f"{column}: {kind}" for column, kind in types.items())
    cells = ",\n".join(", ".join(_literal(row.get(column), kind) for column, kind in types.items()) for row in rows)
    # An empty datatable is not taken by every engine, so one without rows is a row that is filtered out.
    if not cells:
        empty = ", ".join(_literal(None, kind) for kind in types.values())
        return f"let {name} = datatable({heading})[{empty}] | where isnotempty(TimeGenerated);"
    return f"let {name} = datatable({heading})[{cells}];"


def _literal(value: Any, kind: str) -> str:
    """A value as KQL writes it. Text is escaped, so that what stands in an event can't end its string."""
    if kind == "datetime":
        return f"datetime({value:%Y-%m-%dT%H:%M:%S.%f}Z)" if isinstance(value, datetime) else "datetime(null)"
    if kind == "dynamic":
        return "dynamic(null)" if value is None else f"dynamic({_json(value)})"
    if kind in ("int", "real"):
        return f"{kind}({'null' if value is None else value})"
    return _json(value or "")


def _json(value: str | Mapping[str, Any]) -> str:
    """JSON without anything outside ASCII: as a string literal of KQL it reads the same."""
    return json.dumps(value, ensure_ascii=True)
