"""What decides no verdict, found by rule: declarations, evidence labels, and whatever only reaches the words of a reason.

A region is idle where it is one of `_idle_by_form`, or where its value goes nowhere but into idle regions: a local variable, a
function, a method or a constant all of whose uses are idle. So a sentence's parts may be put together over several functions.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

SAYS: Final = frozenset({"passes", "fails", "not_applicable", "not_assessed"})
"""Say a verdict: which of them is called decides, what they are given does not."""
CITES: Final = frozenset({"record", "cite", "cite_roles"})
"""Write down what a finding cites."""
_DECLARES: Final = frozenset({"control", "mcsb", "mcsb_ai", "nist80053", "ai_rmf", "owasp", "atlas", "cis"})
_LABELLED: Final = frozenset({"of", "View"})
"""Their third argument is the label of evidence."""
_PATTERNS: Final = frozenset({"compile", "search", "_has"})
"""Take a pattern, in which a space is no sentence."""
_QUOTES: Final = "“”"
Span = tuple[tuple[int, int], tuple[int, int]]
"""Line (from 1) and column (from 0, in characters) of begin and end."""
Owner = tuple[str, str]
"""A name in the module that defines it."""


@dataclass
class Source:
    """A parsed module, with the parents of its nodes and where its imported names come from."""

    module: str
    text: str
    tree: ast.Module
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)
    imported: dict[str, Owner] = field(default_factory=dict)

    @cached_property
    def defined(self) -> dict[str, ast.stmt]:
        """Functions and constants at the module's top."""
        found: dict[str, ast.stmt] = {}
        for each in self.tree.body:
            if isinstance(each, ast.FunctionDef):
                found[each.name] = each
            elif isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name):
                found[each.targets[0].id] = each
            elif isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                found[each.target.id] = each
        return found


def read(path: Path, root: Path) -> Source:
    """A module of the package that lies in `root`."""
    text = path.read_text(encoding="utf-8")
    steps = path.relative_to(root).with_suffix("").parts
    module = ".".join(steps[:-1] if steps[-1] == "__init__" else steps)
    source = Source(module, text, ast.parse(text))
    for node in ast.walk(source.tree):
        for child in ast.iter_child_nodes(node):
            source.parents[child] = node
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                source.imported[alias.asname or alias.name] = (node.module, alias.name)
    return source


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _is_sentence(text: str) -> bool:
    return " " in text.strip() or any(quote in text for quote in _QUOTES)


def _given(call: ast.Call) -> list[ast.AST]:
    return [*call.args, *(each.value for each in call.keywords)]


def _idle_by_form(source: Source) -> Iterator[ast.AST]:
    """Imports, annotations, docstrings, declarations, sentences, what verdicts, errors and evidence are given; and a `get` whose
    value nobody takes: it is read to be cited."""
    for node in ast.walk(source.tree):
        parent = source.parents.get(node)
        name = _called(node)
        if isinstance(node, ast.Import | ast.ImportFrom) or (isinstance(node, ast.Expr) and _is_text(node.value)):
            yield node
        elif isinstance(node, ast.FunctionDef):
            yield from (each for each in node.decorator_list)
            yield from (
                each.annotation for each in ast.walk(node.args) if isinstance(each, ast.arg) and each.annotation
            )
            yield from [node.returns] if node.returns else []
        elif isinstance(node, ast.ClassDef):
            yield from node.decorator_list
        elif isinstance(node, ast.AnnAssign):
            yield node.annotation
        elif (isinstance(node, ast.JoinedStr) and _is_sentence("".join(_literals(node)))) or (
            _is_text(node) and _is_sentence(node.value) and _called(parent) not in _PATTERNS
        ):
            yield node
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield from _given(node.exc)
        elif isinstance(node, ast.Call) and name in SAYS | CITES | _DECLARES:
            yield from _given(node)
        elif name in _LABELLED and isinstance(node, ast.Call) and len(node.args) > 2:
            yield node.args[2]
        elif isinstance(node, ast.Expr) and _only_cites(node):
            yield node
        elif isinstance(node, ast.If) and not node.orelse and all(_only_cites(each) for each in node.body):
            yield node.test


def _only_cites(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and _called(node.value) in {"get", *CITES}


def _is_text(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _literals(node: ast.JoinedStr) -> list[str]:
    return [str(each.value) for each in node.values if isinstance(each, ast.Constant)]


class Idle:
    """The idle regions of some modules, found by following the uses of each name through all of them."""

    def __init__(self, sources: Iterable[Source], scope: Iterable[str]) -> None:
        self.sources = {each.module: each for each in sources}
        self.scope = [self.sources[each] for each in scope]
        self._idle: set[ast.AST] = set()
        self._names: dict[ast.FunctionDef, set[str]] = {}
        for source in self.sources.values():
            self._idle.update(_idle_by_form(source))
        self._uses = self._all_uses()
        while self._grow():
            pass

    def spans(self, module: str) -> list[Span]:
        """The idle regions of a module."""
        source = self.sources[module]
        lines = source.text.splitlines()
        found = [node for node in ast.walk(source.tree) if node in self._idle and hasattr(node, "lineno")]
        return [_span(node, lines) for node in found]

    def is_idle(self, source: Source, node: ast.AST) -> bool:
        """Whether a node lies in an idle region."""
        at: ast.AST | None = node
        while at is not None:
            if at in self._idle:
                return True
            at = source.parents.get(at)
        return False

    def _all_uses(self) -> dict[Owner, list[tuple[Source, ast.AST]]]:
        """Where each function, constant and (by name alone, in module "") attribute is used."""
        found: dict[Owner, list[tuple[Source, ast.AST]]] = {}
        for source in self.sources.values():
            for node in ast.walk(source.tree):
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                    found.setdefault(("", node.attr), []).append((source, node))
                elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                    owner = self._owner(source, node.id)
                    if owner and not self._is_local(source, node):
                        found.setdefault(owner, []).append((source, node))
        return found

    def _owner(self, source: Source, name: str) -> Owner | None:
        if name in source.defined:
            return source.module, name
        owner = source.imported.get(name)
        while owner and owner[0] in self.sources and owner[1] in self.sources[owner[0]].imported:
            owner = self.sources[owner[0]].imported[owner[1]]
        return owner

    def _is_local(self, source: Source, node: ast.Name) -> bool:
        at = source.parents.get(node)
        while at is not None:
            if isinstance(at, ast.FunctionDef) and node.id in self._bound(at):
                return True
            at = source.parents.get(at)
        return False

    def _bound(self, function: ast.FunctionDef) -> set[str]:
        if function not in self._names:
            stored = (
                each for each in ast.walk(function) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
            )
            given = (each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg))
            self._names[function] = {*given, *(each.id for each in stored)}
        return self._names[function]

    def _grow(self) -> bool:
        before = len(self._idle)
        for source in self.scope:
            for name, node in source.defined.items():
                self._settle(source, node, self._uses.get((source.module, name), []))
            for node in ast.walk(source.tree):
                if isinstance(node, ast.ClassDef):
                    for method in node.body:
                        if isinstance(method, ast.FunctionDef) and method.name == "__str__":
                            self._idle.add(method)
                        elif isinstance(method, ast.FunctionDef) and not method.name.startswith("__"):
                            self._settle(source, method, self._uses.get(("", method.name), []))
                elif isinstance(node, ast.Assign | ast.AugAssign | ast.NamedExpr):
                    self._settle_local(source, node)
        return len(self._idle) > before

    def _settle(self, source: Source, node: ast.AST, uses: list[tuple[Source, ast.AST]]) -> None:
        own = [(other, use) for other, use in uses if not _within(other, use, node)]
        if own and all(self.is_idle(other, use) for other, use in own):
            self._idle.add(node)

    def _settle_local(self, source: Source, node: ast.Assign | ast.AugAssign | ast.NamedExpr) -> None:
        function = _function(source, node)
        if function is None:
            return
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        pairs: list[tuple[ast.AST, ast.AST]] = [(target, node.value)]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(target.elts, node.value.elts, strict=True))
        for name, value in pairs:
            if isinstance(name, ast.Name) and self._only_said(source, function, name.id):
                self._idle.add(value)

    def _only_said(self, source: Source, function: ast.AST, name: str) -> bool:
        loads = [
            each
            for each in ast.walk(function)
            if isinstance(each, ast.Name) and each.id == name and isinstance(each.ctx, ast.Load)
        ]
        return bool(loads) and all(self.is_idle(source, each) for each in loads)


def _within(source: Source, node: ast.AST, outer: ast.AST) -> bool:
    at: ast.AST | None = node
    while at is not None:
        if at is outer:
            return True
        at = source.parents.get(at)
    return False


def _function(source: Source, node: ast.AST) -> ast.AST | None:
    """The outermost function around a node: inner ones share its variables."""
    found, at = None, source.parents.get(node)
    while at is not None:
        found = at if isinstance(at, ast.FunctionDef) else found
        at = source.parents.get(at)
    return found


def _span(node: ast.AST, lines: list[str]) -> Span:
    def place(line: int, column: int) -> tuple[int, int]:
        return line, len(lines[line - 1].encode()[:column].decode())

    return place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]


def lies_in(span: Span, idle: Iterable[Span]) -> bool:
    """Whether a region lies within one of others."""
    return any(each[0] <= span[0] and span[1] <= each[1] for each in idle)


def idle_of(root: Path, package: str, scope: Iterable[str]) -> Mapping[str, list[Span]]:
    """Idle regions of the modules in `scope`, by all uses in the package but the lab's, which the product knows nothing of."""
    paths = [each for each in sorted((root / package).rglob("*.py")) if "lab" not in each.relative_to(root).parts]
    found = Idle((read(each, root) for each in paths), scope)
    return {source.module: found.spans(source.module) for source in found.scope}
