"""Try every mutant of the controls, or of what they rest on; print the score by module and the survivors.

NAMES are beginnings of modules below aoai_lib (`controls.network`, `guardrails`). Without any, those of all controls are tried, and
docs/mutation.md is written.
What was killed in an earlier run, also an interrupted one, is not tried again while code and test are the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

import click
import pytest
from rich.console import Console
from rich.table import Table

from tests.mutants import page
from tests.mutants.keeping import Results
from tests.mutants.making import Mutant
from tests.mutants.reaching import Reach
from tests.mutants.scope import ROOT, modules, mutants, tests_of
from tests.mutants.trying import LIVES, Outcome, Stand

KEPT = ROOT / ".mutants"
PAGE = ROOT / "docs" / "mutation.md"


def attempt(chosen: Sequence[Mutant], tests: Sequence[str], results: Results, console: Console, jobs: int) -> None:
    """Try mutants against files of tests in one session of pytest, and keep what becomes of them."""
    by_id = {each.id: each for each in chosen}
    done = 0

    def told(outcome: Outcome) -> None:
        nonlocal done
        done += 1
        results.keep(outcome, by_id[outcome.id])
        if done % 100 == 0:
            console.print(f"{done} of {len(by_id)} tried")

    files = modules(sorted({each.module.removeprefix("aoai_lib.") for each in chosen}))
    stand = Stand(chosen, Reach(files, ROOT, KEPT), told, jobs)
    tests = tests or [str(each) for each in tests_of(list(files))]
    code = pytest.main(["-p", "no:cacheprovider", "-qq", "--no-summary", *tests], plugins=[stand])
    if stand.reach.failed or code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise click.ClickException(f"without any mutant the tests must pass: {stand.reach.failed[:5] or code}")


def tell(found: Sequence[Mutant], known: Mapping[str, Outcome], excused: Mapping[str, str], console: Console) -> None:
    """Print the survivors, and the score by module."""
    for each in found:
        outcome = known.get(each.id)
        if outcome and outcome.result in LIVES and each.id not in excused:
            console.print(f"{each.id} {outcome.result} {each.module[9:]}:{each.line} {each.owner} [{each.operator}]")
            console.print(f"    {each.before}\n    {each.after}")
    table = Table(*page.HEAD)
    for row in page.rows(found, known, excused):
        table.add_row(*row.cells)
    console.print(table)


@click.command(help=__doc__)
@click.argument("names", nargs=-1)
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, help="Mutants tried at once.")
@click.option(
    "--tests",
    multiple=True,
    type=click.Path(exists=True),
    help="Try what lives against this file alone; may be repeated.",
)
@click.option("--tell", "tell_only", is_flag=True, help="Try nothing; print what is known.")
def main(names: Sequence[str], jobs: int, tests: Sequence[str], tell_only: bool) -> None:
    console = Console(soft_wrap=True, highlight=False, markup=False)
    found = mutants(modules(names))
    results = Results(KEPT / "results.jsonl", ROOT)
    known, excused = results.known(found), page.equivalents()
    left = [each for each in found if each.id not in known or known[each.id].result in LIVES]
    left.sort(
        key=lambda each: (each.id in excused, each.id in known)
    )  # what lives meets every test, which takes minutes
    if not tell_only:
        console.print(f"{len(found)} mutants, {len(left)} to try")
        attempt(left, tests, results, console, jobs)
        known = results.known(found)
    tell(found, known, excused, console)
    wrong = page.wrong_excuses(found, known, excused)
    gone = [] if names else sorted(excused.keys() - {each.id for each in found})
    if not names:
        PAGE.write_text(page.page(found, known, excused), encoding="utf-8")
    if wrong or gone:
        raise click.ClickException(f"equivalent.yaml lists killed mutants {wrong} and unknown ones {gone}")


if __name__ == "__main__":
    sys.exit(main())
