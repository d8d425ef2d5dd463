"""Reading detections from their files. Whatever is wrong with one is refused by its name."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aoai_lib.detections.events import SHAPES, Event, tables_of
from aoai_lib.model import InputError
from aoai_lib.strict_yaml import SIZE_LIMIT, parse_text
from aoai_lib.text_file import read_text

FOLDER: Final = Path(__file__).parent / "files"
_PLACE: Final = re.compile(r"\{\{(\w+)\}\}")
_TIMESPAN: Final = re.compile(r"[1-9]\d{0,2}[mhd]")
_ALERT_LIMIT: Final = 2880
"""Minutes that a log alert can look back (Microsoft Learn, "Create a log search alert rule", 2026)."""
_UNALERTABLE: Final = re.compile(r"\b(bag_unpack|pivot|narrow)\b")
_AGO: Final = re.compile(r"\bago\(\s*([^)]*?)\s*\)")
_UNIT: Final = {"m": 1, "h": 60, "d": 1440}


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Parameter(_Record):
    """A value that may be tuned. It is put into the query as a literal of its type, never as text of the query."""

    type: Literal["timespan", "int", "texts"]
    default: Any
    help: str

    def literal(self, value: Any) -> str:
        """The value in KQL. Raises `InputError` for one of another type."""
        if self.type == "timespan" and isinstance(value, str) and _TIMESPAN.fullmatch(value):
            return value
        if self.type == "int" and isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if self.type == "texts" and isinstance(value, list) and all(isinstance(each, str) for each in value):
            return f"dynamic({json.dumps(value)})"
        raise InputError(f"{value!r} is no {self.type}, as in {self.default!r}.")


class Detection(_Record):
    """One detection. `rows` are what its events give: each holds at least these columns with these values, and there are no others.

    `trial` are parameters that the events are made for, so that few rows are enough. `alertable` says that it can be a log alert as it
    stands; `guide` what the hardening guide's version of it gets wrong; `optional` that its tables are only there where a gateway is.
    A parameter `window` is how far it looks back, `each` the time whose numbers are counted together, and `before` how far back
    that lies which it compares `recent` with.
    """

    id: str = Field(pattern=r"^DET-[0-9]{2}$")
    name: str = Field(pattern=r"^[a-z-]+$")
    title: str
    finds: str
    severity: Literal["critical", "high", "medium", "low", "info"]
    atlas: tuple[str, ...]
    owasp: tuple[str, ...] = ()
    tables: dict[str, tuple[str, ...]]
    blind_spots: str
    on_hit: str
    alertable: bool
    guide: str = ""
    optional: bool = False
    parameters: dict[str, Parameter] = {}
    query: str
    trial: dict[str, Any] = {}
    hits: tuple[Event, ...]
    misses: tuple[Event, ...]
    rows: tuple[dict[str, Any], ...]

    @model_validator(mode="after")
    def _check(self) -> Detection:
        if set(_PLACE.findall(self.query)) != set(self.parameters):
            raise ValueError("the parameters are not those that the query names")
        if not (self.hits and self.misses and self.rows):
            raise ValueError("it needs events to find, events to leave, and the rows that they give")
        self.kql(**self.trial)
        if unknown := {each.shape for each in (*self.hits, *self.misses)} - SHAPES.keys():
            raise ValueError(f"there is no event of the shape {min(unknown)}")
        if strange := set(tables_of((*self.hits, *self.misses))) - self.tables.keys():
            raise ValueError(f"its events are in {min(strange)}, which it does not look at")
        if self.alertable and (reason := self.alert_limit()):
            raise ValueError(f"it is no log alert: {reason}")
        return self

    @property
    def rows_have(self) -> set[str]:
        """The columns that the query names in its last grouping: what a row is by."""
        return set(re.findall(r"\b\w+\b", self.query.rpartition(" by ")[2]))

    def kql(self, **values: Any) -> str:
        """The query with its parameters, the defaults where none is given. Raises `InputError` for an unknown or a wrong one."""
        if unknown := sorted(values.keys() - self.parameters.keys()):
            raise InputError(f"{self.id} has no parameter “{unknown[0]}”.")
        literals = {name: each.literal(values.get(name, each.default)) for name, each in self.parameters.items()}
        return _PLACE.sub(lambda match: literals[match[1]], self.query).strip()

    def over(self, days: int) -> str:
        """The query over so many days back. One that compares now with a time before looks at now, and takes all these days as before where it can."""
        reach = "before" if "before" in self.parameters else "window" if "recent" not in self.parameters else ""
        return self.kql(**({reach: f"{days}d"} if reach in self.parameters else {}))

    def alert_limit(self, **values: Any) -> str:
        """Why the query with these parameters can't be a log alert; "" where it can. Raises `InputError` as `kql` does."""
        return _not_alertable(self.kql(**values))

    def missing(self, columns: dict[str, set[str]]) -> list[str]:
        """What a workspace lacks of what the query needs: tables, and columns as `Table.Column`. Columns are named exactly."""
        lacking = [table for table in self.tables if table not in columns]
        return lacking + [
            f"{table}.{name}"
            for table, names in self.tables.items()
            if table in columns
            for name in names
            if name not in columns[table]
        ]


def _not_alertable(query: str) -> str:
    if found := _UNALERTABLE.search(query):
        return f"{found[1]} is not allowed in one"
    for argument in _AGO.findall(query):
        if not _TIMESPAN.fullmatch(argument):
            return "ago() takes a literal there"
        if int(argument[:-1]) * _UNIT[argument[-1]] > _ALERT_LIMIT:
            return f"it looks back {argument}, and two days is the most"
    return ""


@cache
def catalogue() -> tuple[Detection, ...]:
    """Every detection, by id. Raises `InputError` that names the file."""
    found = [read(path) for path in sorted(FOLDER.glob("*.yaml"))]
    for key in ("id", "name"):
        named = [getattr(each, key) for each in found]
        if twice := {each for each in named if named.count(each) > 1}:
            raise InputError(f"Two detections have the {key} “{min(twice)}”.")
    return tuple(sorted(found, key=lambda each: each.id))


def find(name: str) -> Detection:
    """The detection of that id or name. Raises `InputError`."""
    for each in catalogue():
        if name in (each.id, each.name):
            return each
    raise InputError(f"There is no detection “{name}”.")


def read(path: Path) -> Detection:
    """The detection in a file. Raises `InputError` that names the file and what is wrong in it."""
    try:
        return Detection.model_validate(parse_text(read_text(path, "a detection", SIZE_LIMIT), path.name).value)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        at = ".".join(map(str, first["loc"]))
        raise InputError(f"{path.name}{f', {at}' if at else ''}: {first['msg']}.") from None
