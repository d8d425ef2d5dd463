"""Mutants of a module: each statement at the top of it, with one node of it changed."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from tests.mutants.operators import OPERATORS, returned
from tests.mutants.wording import Span, lies_in

_Named = cst.FunctionDef | cst.ClassDef
_Change = tuple[cst.CSTNode, str, cst.CSTNode, tuple[_Named, ...]]
"""A node, the operator's name, what becomes of the node, and the classes and functions around it."""
_DATA: Final = (cst.Assign, cst.AnnAssign)


@dataclass(frozen=True)
class Mutant:
    """One change. `owner` is the function, method or constant that holds it, as `name` or `Class.name`."""

    module: str
    owner: str
    line: int
    operator: str
    statement: str
    """The code of the whole statement at the module's top, changed."""
    before: str
    after: str
    """The lines that differ, without indentation."""
    extent: tuple[int, int] | None = None
    """First line of the function or method, and the one behind its last; None for a constant."""
    occurrence: int = 0
    """Tells apart changes that look the same."""

    @property
    def id(self) -> str:
        """The same in every run, wherever in the file the code stands."""
        said = "\0".join([self.module, self.owner, self.operator, self.before, self.after, str(self.occurrence)])
        return hashlib.sha256(said.encode()).hexdigest()[:12]


def mutants_of(module: str, path: Path, idle: Sequence[Span]) -> list[Mutant]:
    """All mutants of a module, in the order of its lines."""
    wrapper = MetadataWrapper(cst.parse_module(path.read_text(encoding="utf-8")))
    places = wrapper.resolve(PositionProvider)
    found: list[Mutant] = []
    counted: dict[str, int] = {}
    for statement in wrapper.module.body:
        code = cst.Module([statement]).code
        for node, operator, changed, within in _changes(statement, places, idle):
            other = cst.Module([_replaced(statement, node, changed)]).code
            before, after = _difference(code, other)
            named = within[: 2 if isinstance(statement, cst.ClassDef) else 1]
            owner = ".".join(each.name.value for each in named) or _constant(statement)
            extent = (places[named[-1]].start.line, places[named[-1]].end.line + 1) if named else None
            mutant = Mutant(module, owner, places[node].start.line, operator, other, before, after, extent)
            number = counted[mutant.id] = counted.get(mutant.id, -1) + 1
            found.append(mutant if not number else Mutant(**{**vars(mutant), "occurrence": number}))
    return found


def _replaced(statement: cst.CSTNode, node: cst.CSTNode, changed: cst.CSTNode) -> cst.CSTNode:
    return changed if statement is node else statement.deep_replace(node, changed)  # type: ignore[return-value]


def _changes(statement: cst.CSTNode, places: dict[cst.CSTNode, object], idle: Sequence[Span]) -> Iterator[_Change]:
    visitor = _Visitor(places, idle)
    statement.visit(visitor)
    yield from visitor.found


def _constant(statement: cst.CSTNode) -> str:
    """The name that an assignment at the module's top gives."""
    (line,) = statement.body if isinstance(statement, cst.SimpleStatementLine) else (statement,)
    target = line.targets[0].target if isinstance(line, cst.Assign) else line.target  # type: ignore[attr-defined]
    return cst.Module([]).code_for_node(target)


class _Visitor(cst.CSTVisitor):
    """Goes through a statement and asks every operator about every node that is not idle."""

    def __init__(self, places: dict[cst.CSTNode, object], idle: Sequence[Span]) -> None:
        super().__init__()
        self.found: list[_Change] = []
        self._places = places
        self._idle = idle
        self._within: list[_Named] = []
        self._returns: list[str] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.ClassDef | cst.FunctionDef):
            self._within.append(node)
            if isinstance(node, cst.FunctionDef):
                self._returns.append(cst.Module([]).code_for_node(node.returns.annotation) if node.returns else "")
        span = self._span(node)
        if span is not None and lies_in(span, self._idle):
            return False
        if not (isinstance(node, cst.FunctionDef | cst.ClassDef) or self._is_field(node)):
            self._ask(node)
        return not self._is_field(node)

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, cst.ClassDef | cst.FunctionDef):
            self._within.pop()
            if isinstance(original_node, cst.FunctionDef):
                self._returns.pop()

    def _is_field(self, node: cst.CSTNode) -> bool:
        """Whether a node is the default of a class's field, which no function holds."""
        return isinstance(node, _DATA) and bool(self._within) and not self._returns

    def _ask(self, node: cst.CSTNode) -> None:
        asked = [(name, act(node)) for name, (kind, act) in OPERATORS.items() if isinstance(node, kind)]
        if isinstance(node, cst.Return) and self._returns:
            asked.append(("return", returned(node, self._returns[-1])))
        for name, changed in asked:
            self.found += [(node, name, each, tuple(self._within)) for each in changed]

    def _span(self, node: cst.CSTNode) -> Span | None:
        place = self._places.get(node)
        if place is None:
            return None
        return (place.start.line, place.start.column), (place.end.line, place.end.column)  # type: ignore[attr-defined]


def _difference(code: str, other: str) -> tuple[str, str]:
    lines = [each for each in difflib.ndiff(code.splitlines(), other.splitlines()) if each[0] in "-+"]
    return tuple(" ".join(each[2:].strip() for each in lines if each[0] == sign) for sign in "-+")  # type: ignore[return-value]
