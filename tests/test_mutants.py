"""Mutation testing itself: what is left out and what is not, which changes are made, and that a mutant is killed by a test that minds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.mutants import page
from tests.mutants.making import Mutant, mutants_of
from tests.mutants.scope import ROOT, modules
from tests.mutants.trying import Outcome
from tests.mutants.wording import Idle, read

MODULE = '''"""Controls."""

from __future__ import annotations

from aoai_lib.controls import Verdict, control, fails, passes

_LIMIT = 3
_WORDS = {"a": "the first"}


def _told(name: str) -> str:
    return _WORDS.get(name, name)


def _is_open(facts: Facts) -> bool:
    return facts.account.text("kind") == "OpenAI"


@control("X-01", title="t", breaks=({"account.kind": "OpenAI"},))
def closed(facts: Facts) -> Verdict:
    """Says why."""
    name = facts.account.text("name")
    count = 4 - len(name)
    if _is_open(facts) and count > _LIMIT:
        return fails(f"“{_told(name)}” is open.")
    facts.record("seen", 1, None)
    return passes("It is closed.")
'''


def made(tmp_path: Path, text: str = MODULE) -> list[Mutant]:
    package = tmp_path / "aoai_lib"
    package.mkdir(exist_ok=True)
    (package / "own.py").write_text(text, encoding="utf-8")
    idle = Idle([read(package / "own.py", tmp_path)], ["aoai_lib.own"])
    return mutants_of("aoai_lib.own", package / "own.py", idle.spans("aoai_lib.own"))


def test_what_decides_is_changed_and_words_are_not(tmp_path: Path) -> None:
    found = {(each.owner, each.operator, each.after.removeprefix("return ")) for each in made(tmp_path)}
    assert found == {
        ("_LIMIT", "number", "_LIMIT = 4"),
        ("_is_open", "text", 'facts.account.text("XXkindXX") == "OpenAI"'),
        ("_is_open", "text", 'facts.account.text("kind") == "XXOpenAIXX"'),
        ("_is_open", "comparison, and, or, arithmetic", 'facts.account.text("kind") != "OpenAI"'),
        ("_is_open", "return", 'not (facts.account.text("kind") == "OpenAI")'),
        ("closed", "text", 'name = facts.account.text("XXnameXX")'),
        ("closed", "number", "count = 5 - len(name)"),
        ("closed", "comparison, and, or, arithmetic", "count = 4 + len(name)"),
        ("closed", "condition", "if (not (_is_open(facts) and count > _LIMIT)):"),
        ("closed", "comparison, and, or, arithmetic", "if _is_open(facts) or count > _LIMIT:"),
        ("closed", "comparison, and, or, arithmetic", "if _is_open(facts) and count >= _LIMIT:"),
        ("closed", "order", "if _is_open(facts) and count < _LIMIT:"),
        ("closed", "verdict", 'passes(f"“{_told(name)}” is open.")'),
        ("closed", "verdict", 'fails("It is closed.")'),
    }


def test_a_mutant_keeps_its_id_when_its_code_moves(tmp_path: Path) -> None:
    there = [each.id for each in made(tmp_path, MODULE.replace("_LIMIT = 3", "_LIMIT = 3\n_OTHER = None"))]
    assert set(there) == {each.id for each in made(tmp_path)}
    assert len(set(there)) == len(there)


TRIAL = """
import sys, pytest
from tests.mutants.making import mutants_of
from pathlib import Path
from tests.mutants.reaching import Reach
from tests.mutants.scope import ROOT, modules
from tests.mutants.trying import Stand
folder, *wanted = sys.argv[1:]
chosen = modules(["controls.governance_models"])
found = [each for module, path in chosen.items() for each in mutants_of(module, path, []) if each.id in wanted]
stand = Stand(found, Reach(chosen, ROOT, Path(folder)), lambda outcome: print("became", outcome.id, outcome.result, outcome.by))
pytest.main(["-p", "no:cacheprovider", "-qq", "--no-summary", "tests/test_governance_edges.py"], plugins=[stand])
"""


def test_a_mutant_is_killed_and_an_equivalent_one_lives(tmp_path: Path) -> None:
    wanted = {
        "return True": "killed",
        '"XXdevelopertierXX": _GLOBAL,': "constant",
        'return text.replace(" ", "").upper()': "lives",
    }
    ((module, path),) = modules(["controls.governance_models"]).items()
    made = {wanted[each.after]: each.id for each in mutants_of(module, path, []) if each.after in wanted}
    run = subprocess.run(
        [sys.executable, "-c", TRIAL, str(tmp_path), *made.values()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    became = dict(line.split(" ", 2)[1:] for line in run.stdout.splitlines() if line.startswith("became "))
    for each in ("killed", "constant"):  # by which test of the file: the quickest, another on another machine
        assert became[made[each]].startswith("killed tests/test_governance_edges.py::test_")
    assert became[made["lives"]].strip() == "survived"


def test_the_score_counts_what_could_be_killed(tmp_path: Path) -> None:
    found = made(tmp_path)[:5]
    results = ("killed", "timeout", "survived", "survived")
    known = {each.id: Outcome(each.id, result) for each, result in zip(found, results, strict=False)}
    excused = {found[2].id: "It is the same.", found[0].id: "It is not."}
    _, whole = page.rows(found, known, excused)
    assert whole.cells == ("all", "5", "4", "1", "1", "1", "1", "66.6 %")
    assert page.wrong_excuses(found, known, excused) == [found[0].id]
    told = page.page(found, known, excused)
    survivors, equivalent = told.partition("## Survivors")[2].split("## Equivalent mutants")
    assert (found[3].id in survivors, found[2].id in survivors, found[2].id in equivalent) == (True, False, True)


def test_each_equivalent_mutant_has_a_reason() -> None:
    groups = yaml.safe_load(page.EQUIVALENT.read_text(encoding="utf-8"))
    assert all(group["why"].endswith(".") and group["mutants"] for group in groups)
    ids = [each for group in groups for each in group["mutants"]]
    assert len(ids) == len(set(ids))
    assert page.equivalents().keys() == set(ids)


@pytest.mark.parametrize("name", ["controls.network", "guardrails"])
def test_modules_are_chosen_by_the_beginning_of_their_name(name: str) -> None:
    assert modules([name])
    assert all(each.startswith(f"aoai_lib.{name}") for each in modules([name]))
