"""KQL on the lab's log rows: reads a query, maps what the engine lacks, answers refusals in the service's own words.

The engine is duckdb-kql on DuckDB. What it does not hold it refuses, and so does this module: an operator that is
missing is a 400 that says so, never an empty result. Two things are done before the engine sees a query:

* ``column_ifexists("name", default)`` is replaced by the column or by the default, according to the columns that the
  pipeline really has at that place.
* Names are compared exactly. Kusto is case-sensitive (``CallerIPAddress`` in AzureDiagnostics, ``CallerIpAddress`` in
  AzureActivity) and DuckDB is not, so a name that differs only in case is refused here.

Error bodies follow the query API (Microsoft Learn, "Azure Monitor Log Analytics API errors", and public issue reports).
Codes LAB0001 (not held) and LAB0002 (held, but the engine failed) are the lab's own.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*)
      | (?P<text>@"(?:[^"]|"")*" | @'(?:[^']|'')*' | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' | ```.*?```)
      | (?P<number>\d[\w.]*)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:-(?:expand|apply|series|away|keep|rename|reorder|nested|hitters))?)
      | (?P<mark>==|=~|!~|!=|<=|>=|=>|\.\.|[^\s])
      | (?P<space>\s+)""",
    re.VERBOSE | re.DOTALL,
)
OPENING, CLOSING = "([{", ")]}"
ENGINE = "The lab's query engine"


class QueryRefusedError(Exception):
    """A query that is not answered: ``status`` and ``body`` as the query API sends them."""

    def __init__(self, kind: str, code: str, message: str, *, place: tuple[int, int] | None = None) -> None:
        super().__init__(message)
        inner: dict[str, Any] = {"code": code, "message": message}
        if place:
            inner |= {"line": place[0], "pos": place[1]}
        about = {
            "SyntaxError": "A recognition error occurred in the query.",
            "SemanticError": "A semantic error occurred.",
        }
        self.status = 400
        self.body = error_body(
            "BadArgumentError",
            "The request had some invalid properties",
            {"code": kind, "message": about[kind], "innererror": inner},
        )


def error_body(code: str, message: str, inner: dict[str, Any] | None = None) -> dict[str, Any]:
    """The query API's error envelope."""
    error: dict[str, Any] = {"message": message, "code": code}
    if inner:
        error["innererror"] = inner
    return {"error": error}


@dataclass(frozen=True)
class Token:
    """One lexical unit of a query: its kind (a group name of ``TOKEN``), text and offsets."""

    kind: str
    text: str
    start: int
    end: int


@lru_cache(maxsize=8)
def tokens_of(query: str) -> tuple[Token, ...]:
    """The query's tokens without white space and comments. Several look at the same query, one after the other."""
    found: Iterator[re.Match[str]] = TOKEN.finditer(query)
    return tuple(
        Token(str(m.lastgroup), m.group(), m.start(), m.end()) for m in found if m.lastgroup not in ("space", "comment")
    )


def check_names(query: str, tables: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse what only a case-insensitive or an unconfined engine would answer.

    ``tables`` is name → columns (name → type). Raises `QueryRefusedError` for a control command, for a function that
    leaves the workspace, and for a table or column whose case is wrong.
    """
    tokens = tokens_of(query)
    if not tokens or tokens[0].text == ".":
        raise QueryRefusedError("SyntaxError", "SYN0002", "Query could not be parsed at '' on line [1,0]", place=(1, 0))
    declared = {t.text for t, after in _pairs(tokens) if t.kind == "name" and after in ("=", ":")}
    used = [name for name in tables if any(t.text == name for t in tokens)]
    exact = {column for name in used for column in tables[name]} | declared | set(tables)
    folded = {name.lower() for name in exact - declared}
    before = ""
    for token, after in _pairs(tokens):
        if token.kind == "name" and before not in (".", "$"):
            if after == "(" and token.text.lower() in ("database", "cluster", "externaldata", "external_table"):
                raise _unheld(f"{token.text}()")
            if after != "(" and token.text not in exact and token.text.lower() in folded:
                raise unresolved(query, token.text)
        before = token.text


def unresolved(query: str, name: str, what: str = "") -> QueryRefusedError:
    """The refusal of a name that is neither table nor column, citing the operator that holds it as the service does."""
    tokens = tokens_of(query)
    at = next((i for i, token in enumerate(tokens) if token.text == name), 0)
    is_source = at == 0 or tokens[at - 1].text in ("(", ";", "=", ",")
    after = next((i for i in range(at, len(tokens)) if tokens[i].text == "|"), None) if is_source else None
    pipe = after if after is not None else next((i for i in range(at, -1, -1) if tokens[i].text == "|"), None)
    where = f"'{tokens[pipe + 1].text}' operator: " if pipe is not None and pipe + 1 < len(tokens) else ""
    what = what or ("table or column expression" if is_source else "column or scalar expression")
    return QueryRefusedError("SemanticError", "SEM0100", f"{where}Failed to resolve {what} named '{name}'")


def map_ingestion_time(query: str) -> str:
    """Replace ``ingestion_time()`` by the column that says when the lab's workspace had the row."""
    for token, after in reversed(list(_pairs(tokens_of(query)))):
        if token.text == "ingestion_time" and after == "(":
            query = f"{query[: token.start]}_TimeReceived{query[query.index(')', token.end) + 1 :]}"
    return query


def map_optional_columns(query: str, columns_of: Callable[[str], Sequence[str]]) -> str:
    """Replace each ``column_ifexists("name", default)`` by ``name`` or by the default.

    ``columns_of(pipeline)`` answers the columns of a query text; it is asked for the part in front of the operator that
    holds the call, so that columns that were projected away or extended count as they do in the service.
    """
    while True:
        tokens = tokens_of(query)
        at = next((i for i, t in enumerate(tokens) if t.text in ("column_ifexists", "columnifexists")), None)
        if at is None:
            return query
        opening, comma, closing = _call(query, tokens, at)
        wanted = tokens[opening + 1].text.strip("@\"'")
        default = query[tokens[comma].end : tokens[closing].start].strip()
        held = columns_of(_pipeline_before(query, tokens, at))
        put = (wanted if wanted.isidentifier() else f"['{wanted}']") if wanted in held else default
        query = query[: tokens[at].start] + put + query[tokens[closing].end :]


def translate(query: str, columns: Mapping[str, Sequence[str]], now: Any) -> tuple[str, dict[str, Any]]:
    """The query as DuckDB SQL with its parameters. ``now`` (aware datetime) is what ``now()`` and ``ago()`` count from.

    Raises `QueryRefusedError` for a syntax error and for what the engine does not hold.
    """
    import duckdb_kql

    try:
        named = [table for table in columns if table in query or "*" in query]
        result = _translated(query, tuple((table, tuple(columns[table])) for table in named), now)
    except duckdb_kql.KqlSyntaxError as error:
        span = error.diagnostics[0].span
        token = next((t.text for t in tokens_of(query.split("\n")[span.line - 1][span.column :])), "")
        message = f"Query could not be parsed at '{token}' on line [{span.line},{span.column}]"
        raise QueryRefusedError("SyntaxError", "SYN0002", message, place=(span.line, span.column)) from error
    except duckdb_kql.KqlUnsupportedError as error:
        raise _unheld(error.construct) from error
    except duckdb_kql.KqlSchemaError as error:
        if any(error.name == table for table in columns) or error.hint:
            raise QueryRefusedError("SemanticError", "LAB0002", f"{ENGINE}: {error}") from error
        raise unresolved(query, error.name) from error
    return str(result), dict(result.parameters)


@lru_cache(maxsize=256)
def _translated(query: str, columns: tuple[tuple[str, tuple[str, ...]], ...], now: Any) -> Any:
    """Parsing is what takes time, and the same questions come again and again."""
    import duckdb_kql

    return duckdb_kql.to_sql(query, {table: list(held) for table, held in columns}, allow_write=False, query_now=now)


def refusal_of(query: str, message: str) -> QueryRefusedError:
    """What DuckDB's binder or executor said, in the service's words where it has some."""
    for pattern in (
        r'Referenced column "([^"]+)" not found',
        r"Table with name (\S+) does not exist",
        r'Column "([^"]+)" referenced that exists in the SELECT clause',
        r'Column "([^"]+)" in (?:EXCLUDE|REPLACE) list not found',
        r'Referenced table "([^"]+)" not found',
    ):
        if found := re.search(pattern, message):
            return unresolved(query, found.group(1))
    return QueryRefusedError("SemanticError", "LAB0002", f"{ENGINE} could not run the query: {message.splitlines()[0]}")


def _unheld(construct: str) -> QueryRefusedError:
    """The refusal of an operator or function that the lab lacks, in the service's shape."""
    return QueryRefusedError("SemanticError", "LAB0001", f"{ENGINE} does not hold '{construct}'; the real service may.")


def _pairs(tokens: Sequence[Token]) -> Iterator[tuple[Token, str]]:
    """Each token with the text of the one that follows it."""
    following = [t.text for t in tokens[1:]] + [""]
    return zip(tokens, following, strict=True)


def _call(query: str, tokens: Sequence[Token], at: int) -> tuple[int, int, int]:
    """Indexes of the opening bracket, the first comma and the closing bracket of the two-argument call at ``at``."""
    depth, comma = 0, None
    for i in range(at + 1, len(tokens)):
        text = tokens[i].text
        depth += (text in OPENING) - (text in CLOSING) if tokens[i].kind == "mark" else 0
        if depth == 1 and text == "," and comma is None:
            comma = i
        if depth == 0:
            if comma is None or tokens[at + 2].kind != "text":
                break
            return at + 1, comma, i
    raise QueryRefusedError(
        "SemanticError", "SEM0219", f"{tokens[at].text}(): expects a column name literal and a default"
    )


def _pipeline_before(query: str, tokens: Sequence[Token], at: int) -> str:
    """The pipeline in front of the operator that holds token ``at``, with the statements that it may refer to."""
    depth, pipe, start = 0, None, 0
    statement = next((tokens[i].end for i in range(at, -1, -1) if tokens[i].text == ";"), 0)
    for i in range(at - 1, -1, -1):
        text = tokens[i].text if tokens[i].kind == "mark" else ""
        if text and text in CLOSING:
            depth += 1
        elif text and text in OPENING:
            if depth == 0 and pipe is not None:
                start = tokens[i].end
                break
            depth = max(depth - 1, 0)
        elif depth == 0 and text == "|":
            pipe = pipe if pipe is not None else i
        elif depth == 0 and (text == ";" or (text == "=" and i > 1 and tokens[i - 2].text == "let")):
            start = tokens[i].end
            break
    if pipe is None:
        raise QueryRefusedError("SemanticError", "SEM0100", f"{tokens[at].text}(): there is no table in front of it")
    source = query[start : tokens[pipe].start].strip()
    return f"{query[:statement]}\n{source}"
