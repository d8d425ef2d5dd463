"""What a world file must look like to be laid out. A file that a person wrote is checked here, before anything is built of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from aoai_lib.lab.shapes import Json, parse_instant

LARGEST = 16 << 20
_MOST_VALUES = 2_000_000
_MOST_WRITTEN = 500_000
"""Values in the text itself: reading so many takes half a minute."""
_MERGE = "tag:yaml.org,2002:merge"


class WorldError(ValueError):
    """A world file that cannot be used, with the place in it."""


class _Form(BaseModel):
    """Members beyond the declared ones are the wire's own."""

    model_config = ConfigDict(extra="allow")


class _Tenant(_Form):
    slug: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]
    id: str
    name: str


class _Principal(_Form):
    name: str
    type: str
    id: str | None = None
    appId: str | None = None  # noqa: N815 - as the file spells it
    members: list[str] | None = None
    title: str = ""
    graph: list[str] | None = None


class _Child(_Form):
    name: Annotated[str, Field(min_length=1)]
    properties: dict[str, Any] | None = None
    children: dict[str, list[_Child]] | None = None
    extensions: dict[str, list[_Child]] | None = None


class _Resource(_Child):
    type: Annotated[str, Field(min_length=1)]


class _Group(_Form):
    name: Annotated[str, Field(min_length=1)]
    resources: list[_Resource] | None = None
    extensions: dict[str, list[_Child]] | None = None


class _Subscription(_Form):
    alias: str
    subscriptionId: str  # noqa: N815 - as the file spells it
    resourceGroups: list[_Group] | None = None  # noqa: N815 - as the file spells it
    extensions: dict[str, list[_Child]] | None = None


def _timed(row: dict[str, Any]) -> dict[str, Any]:
    """The row, whose own times can be read. Raises ValueError."""
    for name in row.keys() & {"TimeGenerated", "_TimeReceived"}:
        parse_instant(str(row[name]))
    return row


_Minutes = Annotated[float, Field(ge=0, le=5_256_000)]


class _Row(_Form):
    workspace: str
    table: str
    row: Annotated[dict[str, Any], AfterValidator(_timed)]
    minutesAgo: _Minutes = 0  # noqa: N815 - as the file spells it
    delayMinutes: _Minutes = 4  # noqa: N815 - as the file spells it
    every: _Minutes = 1
    times: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    tokens: Annotated[int, Field(ge=0)] = 0
    rejected: dict[str, Annotated[int, Field(ge=1)]] | None = None


class _World(_Form):
    tenant: _Tenant
    principals: list[_Principal]
    subscriptions: Annotated[list[_Subscription], Field(min_length=1)]
    managementGroups: dict[str, str | None] | None = None  # noqa: N815 - as the file spells it
    logs: list[_Row] | None = None
    activity: list[dict[str, Any]] | None = None
    roleAssignments: list[dict[str, Any]] | None = None  # noqa: N815 - as the file spells it
    roleDefinitions: list[dict[str, Any]] | None = None  # noqa: N815 - as the file spells it
    denyAssignments: list[dict[str, Any]] | None = None  # noqa: N815 - as the file spells it
    eligibility: list[dict[str, Any]] | None = None
    delegations: list[dict[str, Any]] | None = None
    classicAdministrators: list[dict[str, Any]] | None = None  # noqa: N815 - as the file spells it
    vantages: dict[str, str] | None = None
    delays: dict[str, Annotated[float, Field(ge=0, le=1e9)]] | None = None


def read_file(path: Path) -> Json:
    """The document in a world file. Raises WorldError that names the file, and line or member."""
    try:
        if path.exists() and not path.is_file():
            raise WorldError(f"{path} is no regular file: name a world's YAML file")
        if path.stat().st_size > LARGEST:
            raise WorldError(f"{path} is larger than {LARGEST >> 20} MiB, which no world is")
        document = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Loader)  # noqa: S506 - a safe loader
        _check_size(document, path)
        _World.model_validate(document)
    except WorldError:
        raise
    except yaml.MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark else 1
        raise WorldError(f"{path}, line {line}: this is no valid YAML ({problem.problem or problem.context})") from None
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(step)[:60] for step in first["loc"]) or "the document"
        raise WorldError(f"{path}: {place}: {first['msg']}") from None
    except (
        yaml.YAMLError,
        ValueError,
        OverflowError,
        RecursionError,
    ) as problem:  # numbers and times that Python has no room for, too
        raise WorldError(f"{path} is no YAML text ({type(problem).__name__})") from None
    except OSError as problem:
        raise WorldError(f"{path} can't be read: {problem.strerror}") from None
    found: Json = document
    return found


class _Loader(yaml.SafeLoader):
    """Refuses two equal names in one mapping, of which the second would win unseen, and what makes a small text large before it is built."""

    written = 0
    merged = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.written += 1
        if self.written > _MOST_WRITTEN:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="there are more values than in any world", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        own = Counter(key.value for key, _ in node.value if key.tag != _MERGE and isinstance(key.value, str))
        twice = next((name for name, times in own.items() if times > 1), None)
        if twice is not None and not getattr(node, "merged", False):
            raise yaml.MarkedYAMLError(problem=f"{twice[:60]!r} stands twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node: Any) -> None:
        """What a merge brings in may be overridden: names that stand twice after it are meant. One mapping is merged into another:
        of several, a few lines unfold to more than any memory holds.
        """
        sources = [value for key, value in node.value if key.tag == _MERGE]
        if len(sources) > 1 or any(not isinstance(source, yaml.MappingNode) for source in sources):
            raise yaml.MarkedYAMLError(problem="<< takes one mapping", problem_mark=node.start_mark)
        for source in sources:
            self.flatten_mapping(source)
            self.merged += len(source.value)
        if self.merged > _MOST_VALUES:
            raise yaml.MarkedYAMLError(
                problem="it unfolds to more values than any world holds", problem_mark=node.start_mark
            )
        super().flatten_mapping(node)
        if sources:
            node.merged = True


def _check_size(document: Any, path: Path) -> None:
    """Raise WorldError where aliases unfold to more than any world holds."""
    todo, count = [document], 0
    while todo:
        count += 1
        if count > _MOST_VALUES:
            raise WorldError(f"{path} unfolds to more values than any world holds")
        value = todo.pop()
        todo += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
