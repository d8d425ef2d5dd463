"""What became of the mutants, kept in a file line by line, so that an interrupted run goes on and a changed test costs little.

That a mutant was killed holds while what it rests on is unchanged: the mutant's module but for what its controls declare, and the file of
the test that killed it, with what that imports of the tests. What lives is tried again in each run.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from tests.mutants.making import Mutant
from tests.mutants.trying import Outcome


class Results:
    """The results in a file, those that still hold."""

    def __init__(self, path: Path, root: Path) -> None:
        self._path = path
        self._root = root
        # all at once: what is edited while mutants are tried is not what they are tried with
        self._files = {each.stem: each.read_text(encoding="utf-8") for each in sorted((root / "tests").glob("*.py"))}
        self._modules = {each: each.read_text(encoding="utf-8") for each in (root / "aoai_lib").rglob("*.py")}

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
        test = Path(outcome.by.partition("::")[0]).stem
        text = self._modules[self._root / f"{module.replace('.', '/')}.py"]
        declared = [text] if test == "test_controls" else []
        rests = [_undeclared(text), *(self._files[each] for each in sorted(self._imported(test))), *declared]
        return hashlib.sha256("\n".join(rests).encode()).hexdigest()[:12]

    def _imported(self, test: str) -> set[str]:
        """A module of the tests, with those that it imports, and the fixtures of all."""
        found, left = set[str](), [test, "conftest"]
        while left:
            name = left.pop()
            if name in self._files and name not in found:
                found.add(name)
                left += _imports(self._files[name])
        return found


@cache
def _imports(text: str) -> list[str]:
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    return [
        name
        for node in found
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    ]


@cache
def _undeclared(text: str) -> str:
    """A module's code without what its controls declare."""
    tree = ast.parse(text)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = []
    return ast.dump(tree)
