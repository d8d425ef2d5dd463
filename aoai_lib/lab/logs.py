"""The lab's Log Analytics: rows per workspace, queried in KQL, answered in the query API's shape.

A `LogStore` holds the workspaces of one tenant. Rows are cheap to append (they are loaded when somebody asks) and a
query reads what was appended before it. DuckDB is imported with the first query. Any thread may call.

What a query answers (query API v1): ``{"tables": [{"name", "columns": [{"name", "type"}], "rows"}]}`` with Kusto type
names, datetimes as ISO 8601 in UTC, timespans as ``[d.]hh:mm:ss[.fffffff]`` and dynamic objects and lists as JSON text.
"""

import json
import math
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from aoai_lib.lab import kusto

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SQL_TYPES = {
    "string": "VARCHAR",
    "datetime": "TIMESTAMP",
    "long": "BIGINT",
    "int": "INTEGER",
    "real": "DOUBLE",
    "bool": "BOOLEAN",
    "dynamic": "JSON",
}
SUFFIXES = {"_s": "string", "_g": "string", "_d": "real", "_b": "bool", "_t": "datetime"}
DURATION = re.compile(
    r"P(?:(?P<weeks>[\d.]+)W)?(?:(?P<days>[\d.]+)D)?"
    r"(?:T(?:(?P<hours>[\d.]+)H)?(?:(?P<minutes>[\d.]+)M)?(?:(?P<seconds>[\d.]+)S)?)?"
)
Row = Mapping[str, Any]
Window = tuple[datetime, datetime]


class LogQueryError(Exception):
    """A query that the service would not answer: HTTP ``status`` and JSON ``body``."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(body["error"]["message"])
        self.status = status
        self.body = body


@cache
def catalogue() -> dict[str, dict[str, Any]]:
    """The tables that a workspace knows: name → ``{"columns": {name: type}, "grows": bool}``."""
    text = (Path(__file__).parent / "catalog" / "log_tables.yaml").read_text(encoding="utf-8")
    tables: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return tables


class LogStore:
    """The workspaces of one tenant, by workspace GUID (the ``customerId``, not the ARM id)."""

    def __init__(self, workspaces: Iterable[str] = ()) -> None:
        self._lock = threading.RLock()
        self._workspaces: dict[str, Workspace] = {}
        for guid in workspaces:
            self.open(guid)

    def open(self, workspace_guid: str) -> "Workspace":
        """The workspace, made known if it was not. Without rows its tables are empty, and AzureDiagnostics is not there yet."""
        with self._lock:
            return self._workspaces.setdefault(workspace_guid.lower(), Workspace(workspace_guid))

    def close(self, workspace_guid: str) -> None:
        """Forget a workspace and its rows: queries then answer 404."""
        with self._lock:
            self._workspaces.pop(workspace_guid.lower(), None)

    def append(self, workspace_guid: str, table: str, row: Row) -> None:
        """Add one row. Raises `ValueError` for a table or column that the catalogue does not hold."""
        self.open(workspace_guid).append(table, row)

    def seed(self, world_rows: Iterable[tuple[str, str, Row]]) -> None:
        """Add many rows of ``(workspace guid, table, row)``."""
        for workspace_guid, table, row in world_rows:
            self.append(workspace_guid, table, row)

    def query(self, workspace_guid: str, kql: str, timespan: str | None, now: datetime) -> dict[str, Any]:
        """Run ``kql`` on one workspace; ``timespan`` is an ISO 8601 duration (up to ``now``) or interval.

        Raises `LogQueryError`: 404 for an unknown workspace, 400 for what is wrong with the query or not held.
        """
        with self._lock:
            workspace = self._workspaces.get(workspace_guid.lower())
        if workspace is None:
            raise LogQueryError(404, kusto.error_body("WorkspaceNotFoundError", "The workspace could not be found"))
        try:
            return workspace.query(kql, window_of(timespan, now), now)
        except kusto.QueryRefusedError as refused:
            raise LogQueryError(refused.status, refused.body) from refused


class Workspace:
    """One workspace: its schema, the rows not yet loaded, and the engine once somebody asked."""

    def __init__(self, guid: str) -> None:
        self.guid = guid.lower()
        self.tables = {n: dict(table["columns"]) for n, table in catalogue().items() if not table.get("grows")}
        self._waiting: dict[str, list[Row]] = {}
        self._engine: DuckDBPyConnection | None = None
        self._lock = threading.Lock()

    def append(self, table: str, row: Row) -> None:
        """Add a row; TenantId, Type, _TimeReceived, _ResourceId and _SubscriptionId are filled in where they are missing."""
        if table not in catalogue():
            raise ValueError(f"the lab holds no log table {table!r}")
        with self._lock:
            if table not in self.tables:
                self._begin(table)
            for column in row.keys() - self.tables[table].keys():
                kind = SUFFIXES.get(column[-2:]) if catalogue()[table].get("grows") else None
                if kind is None:
                    raise ValueError(f"log table {table} has no column {column!r}")
                self._grow(table, column, kind)
            self._waiting.setdefault(table, []).append(self._completed(table, row))

    def query(self, kql: str, window: Window | None, now: datetime) -> dict[str, Any]:
        """Answer a query on the rows inside ``window`` (by TimeGenerated). Raises `kusto.QueryRefusedError`."""
        with self._lock:
            engine = self._load()
            kusto.check_names(kql, self.tables)
            kql = kusto.map_ingestion_time(kql)
            self._show(engine, kql, window)
            columns = {name: list(held) for name, held in self.tables.items()}
            mapped = kusto.map_optional_columns(kql, lambda part: self._run(engine, part, columns, now).columns)
            relation = self._run(engine, mapped, columns, now)
            names, kinds = relation.columns, [kusto_type(str(kind)) for kind in relation.types]
            rows = self._fetched(kql, relation)
        name = "getschema" if re.search(r"\|\s*getschema\s*$", kql) else "PrimaryResult"
        described = [{"name": n, "type": k} for n, k in zip(names, kinds, strict=True)]
        answered = [[wire_value(v, k) for v, k in zip(row, kinds, strict=True)] for row in rows]
        return {"tables": [{"name": name, "columns": described, "rows": answered}]}

    def _run(self, engine: Any, kql: str, columns: Mapping[str, Sequence[str]], now: datetime) -> Any:
        """The query bound to the engine, not yet read: column names and types are known, rows are not."""
        import duckdb

        sql, parameters = kusto.translate(kql, columns, now)
        try:
            return engine.sql(sql, params=parameters) if parameters else engine.sql(sql)
        except duckdb.Error as error:
            raise kusto.refusal_of(kql, str(error)) from error

    def _fetched(self, kql: str, relation: Any) -> list[tuple[Any, ...]]:
        import duckdb

        try:
            rows: list[tuple[Any, ...]] = relation.fetchall()
        except duckdb.Error as error:
            raise kusto.refusal_of(kql, str(error)) from error
        return rows

    def _completed(self, table: str, row: Row) -> Row:
        resource = str(row.get("ResourceId") or row.get("_ResourceId") or "").lower()
        subscription = resource.split("/")[2] if resource.startswith("/subscriptions/") else ""
        common: dict[str, Any] = {
            "TenantId": self.guid,
            "Type": table,
            "_ResourceId": resource,
            "_SubscriptionId": subscription,
        }
        common["_TimeReceived"] = row.get("TimeGenerated")
        return {k: v for k, v in common.items() if k in self.tables[table]} | dict(row)

    def _begin(self, table: str) -> None:
        """Make a table that comes with its first row (Microsoft Learn, AzureDiagnostics: there is none before)."""
        self.tables[table] = dict(catalogue()[table]["columns"])
        if self._engine is not None:
            self._create(self._engine, table)

    def _create(self, engine: Any, table: str) -> None:
        fields = ", ".join(f'"{name}" {SQL_TYPES[kind]}' for name, kind in self.tables[table].items())
        engine.execute(f'CREATE TABLE held.main."{table}" ({fields})')

    def _grow(self, table: str, column: str, kind: str) -> None:
        self.tables[table][column] = kind
        if self._engine is not None:
            default = " DEFAULT ''" if kind == "string" else ""
            self._engine.execute(f'ALTER TABLE held.main."{table}" ADD COLUMN "{column}" {SQL_TYPES[kind]}{default}')

    def _load(self) -> Any:
        """The engine with every waiting row in its table. Tables live in a database of their own; queries see views."""
        if self._engine is None:
            import duckdb

            self._engine = duckdb.connect(config={"enable_external_access": False, "threads": 2})
            self._engine.execute("SET TimeZone='UTC'; ATTACH ':memory:' AS held")
            for table in self.tables:
                self._create(self._engine, table)
        for table, rows in self._waiting.items():
            columns = self.tables[table]
            told = [{name: wire_text(row.get(name), kind) for name, kind in columns.items()} for row in rows]
            shape = json.dumps([dict.fromkeys(columns, "VARCHAR")])
            fields = ", ".join(f'CAST(r."{name}" AS {SQL_TYPES[kind]})' for name, kind in columns.items())
            names = ", ".join(f'"{name}"' for name in columns)
            added = self._engine.execute(
                f'INSERT INTO held.main."{table}" ({names}) SELECT {fields} '  # noqa: S608 (names are the catalogue's)
                "FROM (SELECT unnest(from_json(?::JSON, ?)) AS r)",
                [json.dumps(told), shape],
            ).fetchone()
            if added != (len(rows),):
                raise RuntimeError(f"{table}: {len(rows)} rows were to be loaded, the engine took {added}")
        self._waiting.clear()
        return self._engine

    def _show(self, engine: Any, kql: str, window: Window | None) -> None:
        """A view for each table, holding what lies inside the window."""
        for table in self.tables:
            condition = "true"
            if window:
                start, end = (moment.astimezone(UTC).replace(tzinfo=None).isoformat() for moment in window)
                condition = f"TimeGenerated BETWEEN TIMESTAMP '{start}' AND TIMESTAMP '{end}'"
            if table in kql:
                engine.execute(
                    f'CREATE OR REPLACE VIEW "{table}" AS '  # noqa: S608 (names are the catalogue's)
                    f'SELECT * FROM held.main."{table}" WHERE {condition}'
                )


def window_of(timespan: str | None, now: datetime) -> Window | None:
    """What an ISO 8601 ``timespan`` spans: a duration up to ``now``, or ``start/end`` where one may be a duration.

    Raises `LogQueryError` (400) for anything else.
    """
    if not timespan:
        return None
    first, _, last = timespan.partition("/")
    start, end = _moment(first), _moment(last) if last else now
    if isinstance(start, timedelta) and isinstance(end, datetime):
        return end - start, end
    if isinstance(start, datetime) and isinstance(end, timedelta):
        return start, start + end
    if isinstance(start, datetime) and isinstance(end, datetime) and start <= end:
        return start, end
    inner = {"code": "InvalidTimespan", "message": f"The timespan '{timespan}' is not an ISO 8601 duration or interval"}
    raise LogQueryError(400, kusto.error_body("BadArgumentError", "The request had some invalid properties", inner))


def _moment(text: str) -> datetime | timedelta | None:
    found = DURATION.fullmatch(text)
    if found and any(found.groups()):
        return timedelta(**{unit: float(count) for unit, count in found.groupdict().items() if count})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def wire_text(value: Any, kind: str) -> str | None:
    """A row's value as the text that the engine casts to ``kind``; strings are never null."""
    if kind == "string":
        return "" if value is None else value if isinstance(value, str) else json.dumps(value)
    if value is None:
        return None
    if kind == "dynamic":
        return value if isinstance(value, str) and _is_json(value) else json.dumps(value)
    if kind == "datetime":
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return (
            (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).replace(tzinfo=None).isoformat()
        )
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_json(text: str) -> bool:
    """Whether a dynamic's text is JSON; any other is a string, as in Kusto."""
    try:
        json.loads(text, parse_constant=_no_constant)
    except ValueError:
        return False
    return True


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def kusto_type(sql_type: str) -> str:
    """The Kusto name of a DuckDB type; structures are dynamic."""
    from duckdb_kql.types import kusto_type as named

    return named(sql_type)


def wire_value(value: Any, kind: str) -> Any:
    """A result's value as the query API writes it."""
    if value is None:
        return "" if kind == "string" else None
    if kind == "dynamic":
        decoded = json.loads(value) if isinstance(value, str) else value
        return json.dumps(decoded, separators=(",", ":"), default=str) if isinstance(decoded, dict | list) else decoded
    if isinstance(value, datetime):
        return (
            f"{value:%Y-%m-%dT%H:%M:%S}" + (f".{value.microsecond:06}".rstrip("0") if value.microsecond else "") + "Z"
        )
    if isinstance(value, timedelta):
        return _timespan(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if isinstance(value, bool | int | float | str) else str(value)


def _timespan(value: timedelta) -> str:
    sign, left = ("-", -value) if value < timedelta(0) else ("", value)
    hours, rest = divmod(left.seconds, 3600)
    days = f"{left.days}." if left.days else ""
    fraction = f".{left.microseconds:06}0" if left.microseconds else ""
    return f"{sign}{days}{hours:02}:{rest // 60:02}:{rest % 60:02}{fraction}"
