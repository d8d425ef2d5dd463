"""What became of the mutants, kept in a file line by line, so that an interrupted run goes on and a changed test costs little.

A result is taken over while what it rests on is unchanged: the mutant's module but for what its controls declare, what the tests share,
and the file of the test that killed it; for a mutant that lives, all tests.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from pathlib import Path

from tests.mutants.making import Mutant
from tests.mutants.trying import Outcome


class Results:
    """The results in a file, those that still hold."""

    def __init__(self, path: Path, root: Path) -> None:
        self._path = path
        self._root = root

    def known(self, mutants: Iterable[Mutant]) -> dict[str, Outcome]:
        """Results that hold, by mutant."""
        modules = {each.id: each.module for each in mutants}
        found: dict[str, Outcome] = {}
        for line in self._lines():
            rests = line.pop("rests")
            outcome = Outcome(**line)
            if outcome.id in modules and rests == self._rests(outcome, modules[outcome.id]):
                found[outcome.id] = outcome
        return found

    def keep(self, outcome: Outcome, mutant: Mutant) -> None:
        """Write down one more."""
        self._path.parent.mkdir(exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**vars(outcome), "rests": self._rests(outcome, mutant.module)}) + "\n")

    def _lines(self) -> Iterator[dict[str, str]]:
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                yield json.loads(line)

    def _rests(self, outcome: Outcome, module: str) -> str:
        test = outcome.by.partition("::")[0]
        path = self._root / f"{module.replace('.', '/')}.py"
        own = [
            _undeclared(path.read_text(encoding="utf-8")),
            self._shared,
            self._file(self._root / test) if test.endswith(".py") else self._tests,
        ]
        if "test_controls" in test:
            own.append(self._file(path))
        return hashlib.sha256(" ".join(own).encode()).hexdigest()[:12]

    @cache  # noqa: B019 - one object a process
    def _file(self, path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    @cached_property
    def _tests(self) -> str:
        return " ".join(self._file(each) for each in sorted((self._root / "tests").glob("test_*.py")))

    @cached_property
    def _shared(self) -> str:
        shared = (each for each in sorted((self._root / "tests").glob("*.py")) if not each.name.startswith("test_"))
        return " ".join(self._file(each) for each in shared)


@cache
def _undeclared(text: str) -> str:
    """A module's code without what its controls declare."""
    tree = ast.parse(text)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = []
    return ast.dump(tree)
