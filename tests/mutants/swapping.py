"""A mutant put in the place of the code, in a process that is thrown away afterwards.

A function's code object is exchanged, so that everybody who holds the function runs the changed one. A constant is computed anew with
those that follow from it, and put wherever it was imported.
"""

from __future__ import annotations

import ast
import gc
import importlib
import re
import sys
from collections.abc import Iterator
from functools import _lru_cache_wrapper, cached_property
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

from aoai_lib.controls import catalogue
from aoai_lib.effective_access import register
from tests.mutants.making import Mutant


class NotSwappedError(Exception):
    """A mutant of a form that can't be put in place."""


def swap(mutant: Mutant) -> bool:
    """Make this process run the mutant; False where its module would not load any more."""
    module = importlib.import_module(mutant.module)
    (statement,) = ast.parse(mutant.statement).body
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        _swap_function(module, statement, mutant.owner)
    else:
        try:
            _swap_constant(module, statement)
        except (re.error, LookupError, ValueError, TypeError, AttributeError):
            return False
    forget()
    return True


def _run(module: ModuleType, statement: ast.stmt, space: dict[str, Any]) -> None:
    flags = module.annotations.compiler_flag if hasattr(module, "annotations") else 0
    exec(compile(ast.Module([statement], []), str(module.__file__), "exec", flags=flags, dont_inherit=True), space)


def _swap_function(module: ModuleType, statement: ast.FunctionDef | ast.ClassDef, owner: str) -> None:
    statement.decorator_list = []
    space = dict(vars(module))
    _run(module, statement, space)
    old: Any = module
    new: Any = SimpleNamespace(**{statement.name: space[statement.name]})
    for step in owner.split("."):
        old, new = vars(old)[step], vars(new)[step]
    name = owner.rpartition(".")[2]
    function, changed = _function(old, name), _function(new, name)
    function.__code__ = changed.__code__
    function.__defaults__, function.__kwdefaults__ = changed.__defaults__, changed.__kwdefaults__


def _function(held: Any, name: str) -> FunctionType:
    """The function of this name below what decorators made of it."""
    while not (isinstance(held, FunctionType) and held.__name__ == name):
        if isinstance(held, property):
            held = held.fget
        elif isinstance(held, cached_property):
            held = held.func
        elif isinstance(held, staticmethod | classmethod):
            held = held.__func__
        elif hasattr(held, "__wrapped__"):
            held = held.__wrapped__
        elif getattr(held, "__closure__", None):
            held = next(each.cell_contents for each in held.__closure__ if callable(each.cell_contents))
        else:
            raise NotSwappedError(f"{held!r} holds no function {name}")
    return held


def _swap_constant(module: ModuleType, changed: ast.stmt) -> None:
    """Run the module's assignments again, with this one changed."""
    space = dict(vars(module))
    before = dict(space)
    (name,) = _names(changed)
    text = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    assignments = [each for each in text.body if isinstance(each, ast.Assign | ast.AnnAssign) and any(_names(each))]
    for each in assignments:
        _run(module, changed if _names(each) == [name] else each, space)
    names = {each for statement in assignments for each in _names(statement)}
    for each in names:
        if _differs(space[each], before[each]):
            _spread(each, before[each], space[each])


def _names(statement: ast.stmt) -> list[str]:
    target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target  # type: ignore[attr-defined]
    return [each.id for each in ast.walk(target) if isinstance(each, ast.Name)]


def _differs(new: Any, old: Any) -> bool:
    return type(new) is not type(old) or bool(new != old)


def _spread(name: str, old: Any, new: Any) -> None:
    for module in list(sys.modules.values()):
        held = getattr(module, "__dict__", {})
        if held.get(name) is old:
            held[name] = new


def forget() -> None:
    """Empty what was remembered of earlier calls."""
    for each in _caches():
        each.cache_clear()
    register._registers.clear()


def _caches() -> Iterator[Any]:
    if not _found:
        catalogue()  # imports every control: what is loaded later would not be found
        _found.extend(
            each
            for each in gc.get_objects()
            if isinstance(each, _lru_cache_wrapper) and str(getattr(each, "__module__", "")).startswith("aoai_lib.")
        )
    yield from _found


_found: list[Any] = []
