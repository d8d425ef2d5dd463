"""Whether an answer has the form that the service documents. What has another one is no answer, however well it parses: an account
without properties would be judged by the defaults of all of them.
"""

from __future__ import annotations

from typing import Final

from aoai_lib.collect import Form, OddAnswerError, Source
from aoai_lib.model import Json

_HELD: Final[dict[Form, tuple[tuple[str, type], ...]]] = {
    Form.RESOURCE: (("id", str), ("properties", dict)),
    Form.NAMED: (("id", str),),
    Form.MODEL: (("model", dict),),
    Form.EVENT: (("operationName", dict),),
    Form.SERIES: (("timeseries", list),),
}


def check(source: Source, value: Json) -> None:
    """Raise `OddAnswerError` unless a value is what the source reads. `value` is a resource, or the items of a list."""
    if source.form is Form.ROWS:
        _check_tables(value)
        return
    if source.is_list:
        if not isinstance(value, dict) or not isinstance(value.get("value"), list):
            raise OddAnswerError("the answer holds no list")
        if value.get("nextLink"):
            raise OddAnswerError("the list goes on where none is documented to")
        value = value["value"]
    for item in value if isinstance(value, list) else [value]:
        for name, kind in _HELD[source.form]:
            if not isinstance(item, dict) or not isinstance(item.get(name), kind) or item[name] == "":
                raise OddAnswerError(f"something came without “{name}”")


def _check_tables(value: Json) -> None:
    """A log query is answered with at least one table, each row of which has a value for each column (Microsoft Learn, "Azure
    Monitor Log Analytics API response format", 2026-08)."""
    tables = value.get("tables") if isinstance(value, dict) else None
    if not isinstance(tables, list) or not tables:
        raise OddAnswerError("the answer holds no table")
    for table in tables:
        columns, rows = (table.get(name) if isinstance(table, dict) else None for name in ("columns", "rows"))
        if (
            not isinstance(columns, list)
            or not isinstance(rows, list)
            or not columns
            or not all(map(_is_column, columns))
        ):
            raise OddAnswerError("the answer holds a table without columns or rows")
        if not all(isinstance(row, list) and len(row) == len(columns) for row in rows):
            raise OddAnswerError("the answer holds rows that don't fit their columns")


def _is_column(value: Json) -> bool:
    return isinstance(value, dict) and isinstance(value.get("name"), str)
