"""Which test reaches which line, and how long it takes: found by running every test once, and kept as long as code and tests are the same."""

from __future__ import annotations

import hashlib
import json
import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import coverage
import pytest

SAMPLES: Final = ("hardened", "exposed", "mixed")
"""Fixtures that are collected from the lab, which takes longer than all that is asked of them."""


def digest(root: Path) -> str:
    """Of all that the tests run on: the product, the lab's worlds and parameters among it, and what the tests share."""
    shared = [each for each in (root / "tests").glob("*.py") if not each.name.startswith("test_")]
    paths = [
        *(root / "aoai_lib").rglob("*.py"),
        *(root / "aoai_lib").rglob("*.yaml"),
        *(root / "parameters").glob("*.yaml"),
    ]
    found = hashlib.sha256()
    for path in sorted([*paths, *shared]):
        found.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


class Reach:
    """Lines of some modules by test, and seconds by test. `failed` are the tests that fail as things are."""

    def __init__(self, modules: Mapping[str, Path], root: Path, folder: Path) -> None:
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []
        self._modules = modules
        self._root = root
        self._folder = folder
        self._state = digest(root)
        self._lines: dict[str, dict[str, list[int]]] = {}

    def watch(self, items: Sequence[pytest.Item], run: Callable[[pytest.Item], bool]) -> None:
        """Run each test that is not known yet; `run` says whether it passed."""
        kept = self._folder / f"reach-{self._state}.json"
        known: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
        held = {each.nodeid: known.get(self._key(each)) for each in items}
        fresh = [each for each in items if not self._covers(held[each.nodeid])]
        if fresh:
            self._run(fresh, run)
        if self.failed:  # perhaps because of a sample that was collected badly: it must not be met again
            for name in SAMPLES:
                self._sample(name).unlink(missing_ok=True)
        for item in fresh:
            if item.nodeid not in self.failed:
                known[self._key(item)] = [self.seconds[item.nodeid], self._lines.get(item.nodeid, {})]
        for name, entry in held.items():
            if self._covers(entry):
                self.seconds[name], self._lines[name] = entry
        self._folder.mkdir(exist_ok=True)
        kept.write_text(json.dumps(known), encoding="utf-8")

    def tests(self, module: str, extent: tuple[int, int] | None, line: int) -> list[str]:
        """Tests that reach these lines of a module (any line of it where there is no extent): those of the line and the quick ones first."""
        wanted = range(*extent) if extent else None
        near = []
        for name, lines in self._lines.items():
            own = lines.get(module, [])
            if any(wanted is None or each in wanted for each in own):
                near.append((line not in own, self.seconds[name], name))
        return [name for _, _, name in sorted(near)]

    def sample(self, name: str, collect: Callable[[], Any]) -> Any:
        """A sample as it was collected for the same code, else collected now."""
        kept = self._sample(name)
        if not kept.exists():
            found = collect()
            self._folder.mkdir(exist_ok=True)
            kept.write_bytes(pickle.dumps(found))
            return found
        return pickle.loads(kept.read_bytes())

    def _run(self, items: Sequence[pytest.Item], run: Callable[[pytest.Item], bool]) -> None:
        watch = coverage.Coverage(data_file=None, include=[str(each) for each in self._modules.values()])
        watch.start()
        for item in items:
            watch.switch_context(item.nodeid)
            begun = time.perf_counter()
            if not run(item):
                self.failed.append(item.nodeid)
            self.seconds[item.nodeid] = time.perf_counter() - begun
        watch.stop()
        held = watch.get_data()
        for module, path in self._modules.items():
            for line, names in held.contexts_by_lineno(str(path)).items():
                for name in filter(None, names):
                    self._lines.setdefault(name, {}).setdefault(module, []).append(line)
        for item in items:
            own = self._lines.setdefault(item.nodeid, {})
            for module in self._modules:
                own.setdefault(module, [])

    def _sample(self, name: str) -> Path:
        return self._folder / f"{name}-{self._state}.pickle"

    def _covers(self, entry: Any) -> bool:
        return entry is not None and self._modules.keys() <= entry[1].keys()

    def _key(self, item: pytest.Item) -> str:
        file = self._root / item.nodeid.partition("::")[0]
        return f"{item.nodeid} {hashlib.sha256(file.read_bytes()).hexdigest()[:8]}"
