"""YAML as people mean it: one mapping, read without guessing, and the line of every value in it.

PyYAML, like papermill, reads YAML 1.1: `NO` is false, `010` is 8, `1:30` is 90, and of two equal keys the second wins.
All of these are refused here, with the line and the mend. What is accepted has the value that papermill gives it, and
dates stay text in both.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from aoai_lib.model import InputError, Json

Location = tuple[str | int, ...]
"""Where a value is: keys and list positions from the top, as in `("waivers", 0, "owner")`."""

SIZE_LIMIT: Final = 1024 * 1024
"""Octets. No file that a person writes is larger."""
DEPTH_LIMIT: Final = 20
VALUE_LIMIT: Final = 50_000
"""Values, names among them. Reading so many takes seconds."""

_SAME_IN_BOTH: Final[Mapping[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    "true": True,
    "false": False,
}
_TRUTH: Final = re.compile(r"(?i)(y|n|yes|no|on|off|true|false)")
_PLAIN_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_PLAIN_DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,17}")
_NUMBER_LIKE: Final = re.compile(
    r"(?i)[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-f_]+|[0-9][0-9_]*(:[0-9]+)+(\.[0-9]*)?"
    r"|[0-9][0-9_]*(\.[0-9_]*)?(e[-+]?[0-9]+)?|\.[0-9][0-9_]*(e[-+]?[0-9]+)?|\.inf|\.nan)"
)
_SHOWN: Final = 60


@dataclass(frozen=True)
class Document:
    """The mapping that a file holds. `lines` has each key and list item, from 1; `name` is the file as it was named."""

    name: str
    value: Mapping[str, Json]
    lines: Mapping[Location, int] = field(default_factory=dict)

    def line(self, location: Location) -> int:
        """The line of the value, else of the nearest thing around it that has one; 0 = none has."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 0)

    def place(self, location: Location) -> str:
        """`file, line 12`."""
        line = self.line(location)
        return f"{self.name}, line {line}" if line else self.name


def shown(value: object) -> str:
    """A value as a message may show it: quoted and short."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def parse_text(text: str, name: str) -> Document:
    """The one mapping that a YAML text holds. Raises InputError, naming file and line, for everything else."""
    reader = _Reader(name)
    try:
        node = yaml.compose(text, Loader=reader.loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{name}{line}: this is not valid YAML ({error.problem or error.context}).") from error
    except yaml.reader.ReaderError as error:
        line = f", line {text.count(chr(10), 0, error.position) + 1}" if isinstance(error.position, int) else ""
        raise InputError(f"{name}{line}: a control character is not allowed in YAML; remove it.") from error
    except (ValueError, OverflowError) as error:  # PyYAML lets these out for escapes beyond Unicode, as in "\UFFFFFFFF"
        raise InputError(f"{name}: an escape in double quotes stands for no character; use single quotes.") from error
    if node is None:
        raise InputError(f"{name} is empty; start from parameters/template.yaml.")
    if not isinstance(node, yaml.MappingNode):
        raise InputError(f'{name} does not hold "name: value" lines; start from parameters/template.yaml.')
    value = reader.mapping(node, ())
    return Document(name, value, reader.lines)


class _Loader(yaml.SafeLoader):
    """Refuses, before anything is built, what makes a small text large (references, deep nesting), and tags."""

    depth = 0
    values = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        problem = None
        if event.anchor is not None:
            problem = "anchors and aliases are not supported, write the value out"
        elif event.tag is not None:
            problem = "tags, an exclamation mark before a value, are not supported"
        elif self.depth >= DEPTH_LIMIT:
            problem = "it is nested too deeply"
        elif self.values >= VALUE_LIMIT:
            problem = f"it holds more than {VALUE_LIMIT:,} values"
        if problem:
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        self.depth, self.values = self.depth + 1, self.values + 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Reader:
    """Builds values from nodes and notes their lines."""

    loader = _Loader

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[Location, int] = {}

    def refuse(self, node: yaml.Node, sentence: str) -> InputError:
        return InputError(f"{self.name}, line {node.start_mark.line + 1}: {sentence}")

    def build(self, node: yaml.Node, location: Location) -> Json:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, location)
        if isinstance(node, yaml.SequenceNode):
            return [self.item(child, (*location, index)) for index, child in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self.scalar(node)

    def item(self, node: yaml.Node, location: Location) -> Json:
        self.lines[location] = node.start_mark.line + 1
        return self.build(node, location)

    def mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Json]:
        built: dict[str, Json] = {}
        for key_node, value_node in node.value:
            key = self.key(key_node)
            if key in built:
                first = self.lines[(*location, key)]
                raise self.refuse(
                    key_node, f"{shown(key)} stands here again (first on line {first}); keep one of them."
                )
            self.lines[(*location, key)] = key_node.start_mark.line + 1
            built[key] = self.build(value_node, (*location, key))
        return built

    def key(self, node: yaml.Node) -> str:
        key = self.scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            raise self.refuse(node, "a name to the left of a colon must be plain text; correct it or put it in quotes.")
        return key

    def scalar(self, node: yaml.ScalarNode) -> Json:
        text: str = node.value
        if any(unicodedata.category(character) in ("Cc", "Cs") and character not in "\t\n" for character in text):
            raise self.refuse(node, "this text holds a control character; remove it.")
        return self.plain(node, text) if node.style is None else text

    def plain(self, node: yaml.Node, text: str) -> Json:
        """A scalar without quotes: only what YAML 1.1 and 1.2 read alike."""
        if text in _SAME_IN_BOTH:
            return _SAME_IN_BOTH[text]
        if _PLAIN_INTEGER.fullmatch(text):
            return int(text)
        if _PLAIN_DECIMAL.fullmatch(text):
            return float(text)
        if _TRUTH.fullmatch(text):
            raise self.refuse(node, f"YAML may read {text} as a truth value; write true or false, or quote the text.")
        if _NUMBER_LIKE.fullmatch(text):
            raise self.refuse(
                node, f"YAML readers disagree about {shown(text)}; write a plain number, or quote the text."
            )
        if text in ("<<", "="):
            raise self.refuse(node, f"{text} has a special meaning in YAML; put it in quotes.")
        return text
