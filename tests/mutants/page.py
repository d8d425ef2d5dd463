"""The score as a table, and docs/mutation.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from tests.mutants.making import Mutant
from tests.mutants.operators import OPERATORS
from tests.mutants.trying import LIVES, Outcome

EQUIVALENT: Final = Path(__file__).with_name("equivalent.yaml")
"""Mutants that no test can kill, in groups with the reason."""
_INTRODUCTION: Final = """# Mutation testing

Written by `make mutants`. A mutant is the code with one small change. Each is tried against the tests that reach its function, until one of
them fails: then it is killed. One that lives is a line that could be wrong without anybody noticing.

What is changed: {operators}. The changes are mutmut's, but for a verdict turned into another (whatever is wrong becomes a pass), what a
function returns, the condition of an `if` and the order of a comparison, which are ours. Mutmut's own runner leaves decorated functions out, and
controls are decorated; so the tests run in one session that makes a copy of its process for each mutant (`tests/mutants`).

What is left out, by rule and not by list (`tests/mutants/wording.py`): what controls declare (ids, titles, severities, clauses, remediation,
breaks), docstrings, annotations, defaults of fields, evidence labels and values that are read only to be cited; and the words of reasons, with
all that goes into nothing else: a variable, function or constant all of whose uses lie in such words. Which verdict is given is never left out.
Nor is a text that is compared, looked up or returned to be judged.

An equivalent mutant gives the same verdicts as the code, so no test can kill it; each is listed with its reason. The score is the killed of all
others. A mutant that does not end within its time counts as killed, and is counted apart.
"""


@dataclass(frozen=True)
class Row:
    """The count of one module."""

    module: str
    total: int
    tried: int
    killed: int
    timeouts: int
    equivalent: int

    @property
    def survived(self) -> int:
        return self.tried - self.killed - self.timeouts - self.equivalent

    @property
    def score(self) -> str:
        """Killed of those tried that could be, in per cent, rounded down: 100 means all."""
        could = self.tried - self.equivalent
        return f"{1000 * (self.killed + self.timeouts) // could / 10:.1f} %" if could else ""

    @property
    def cells(self) -> tuple[str, ...]:
        figures = (self.total, self.tried, self.killed, self.timeouts, self.equivalent, self.survived)
        return (self.module, *(f"{each:,}" for each in figures), self.score)


HEAD: Final = ("module", "mutants", "tried", "killed", "timeouts", "equivalent", "survived", "score")


def equivalents() -> dict[str, str]:
    """The reason by mutant."""
    groups = yaml.safe_load(EQUIVALENT.read_text(encoding="utf-8"))
    return {mutant: group["why"] for group in groups for mutant in group["mutants"]}


def rows(mutants: Sequence[Mutant], known: Mapping[str, Outcome], excused: Mapping[str, str]) -> list[Row]:
    """A row for each module, and one for all."""
    modules = list(dict.fromkeys(each.module for each in mutants))
    found = [_row(module, [each for each in mutants if each.module == module], known, excused) for module in modules]
    return [*found, _row("all", mutants, known, excused)]


def _row(name: str, mutants: Sequence[Mutant], known: Mapping[str, Outcome], excused: Mapping[str, str]) -> Row:
    results = {each.id: known[each.id].result for each in mutants if each.id in known}
    counted = list(results.values())
    equivalent = sum(each in excused and result in LIVES for each, result in results.items())
    short = name.removeprefix("aoai_lib.")
    return Row(short, len(mutants), len(results), counted.count("killed"), counted.count("timeout"), equivalent)


def wrong_excuses(mutants: Iterable[Mutant], known: Mapping[str, Outcome], excused: Mapping[str, str]) -> list[str]:
    """Mutants that are called equivalent and were killed."""
    tried = [each.id for each in mutants if each.id in excused and each.id in known]
    return [each for each in tried if known[each].result not in LIVES]


def page(mutants: Sequence[Mutant], known: Mapping[str, Outcome], excused: Mapping[str, str]) -> str:
    """The page as Markdown."""
    living = [each for each in mutants if each.id in known and known[each.id].result in LIVES]
    operators = ", ".join([*OPERATORS, "return"])
    table = [f"| {' | '.join(each.cells)} |" for each in rows(mutants, known, excused)]
    lines = [_INTRODUCTION.format(operators=operators), f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}", *table]
    survivors = [each for each in living if each.id not in excused]
    lines += ["", "## Survivors", "", *([_told(each) for each in survivors] or ["None."])]
    lines += ["", "## Equivalent mutants", ""]
    for why in dict.fromkeys(excused.values()):
        group = [each for each in living if excused.get(each.id) == why]
        lines += [f"{why}", "", *(_told(each) for each in group), ""] if group else []
    return "\n".join(lines).rstrip() + "\n"


def _told(each: Mutant) -> str:
    return f"* `{each.id}` {each.module.removeprefix('aoai_lib.')}, `{each.owner}`: `{each.before}` → `{each.after}`"
