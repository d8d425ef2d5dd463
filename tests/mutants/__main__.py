"""Try every mutant of the controls and of what they judge by; print the score and the survivors."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click
import pytest
from rich.console import Console

from tests.mutants.keeping import Results
from tests.mutants.making import Mutant
from tests.mutants.scope import ROOT, modules, mutants, tests_of
from tests.mutants.trying import Outcome, Stand

KEPT = ROOT / ".mutants" / "results.jsonl"


def attempt(chosen: Sequence[Mutant], results: Results, console: Console, jobs: int) -> None:
    """Try mutants in one session of pytest, and keep what becomes of them."""
    by_id = {each.id: each for each in chosen}
    done = 0

    def told(outcome: Outcome) -> None:
        nonlocal done
        done += 1
        results.keep(outcome, by_id[outcome.id])
        if done % 100 == 0:
            console.print(f"{done} of {len(by_id)} tried")

    files = modules([each.removeprefix("aoai_lib.") for each in sorted({mutant.module for mutant in chosen})])
    stand = Stand(chosen, files, told, jobs)
    tests = [str(each) for each in tests_of(list(files))]
    code = pytest.main(["-p", "no:cacheprovider", "-qq", "--no-summary", *tests], plugins=[stand])
    if stand.failed or code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise click.ClickException(f"without any mutant the tests must pass: {stand.failed[:5] or code}")


@click.command(help=__doc__)
@click.argument("names", nargs=-1)
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, help="Mutants tried at once.")
def main(names: Sequence[str], jobs: int) -> None:
    console = Console(soft_wrap=True, highlight=False, markup=False)
    found = mutants(modules(names))
    results = Results(KEPT, ROOT)
    left = [each for each in found if each.id not in results.known(found)]
    console.print(f"{len(found)} mutants, {len(left)} to try")
    if left:
        attempt(left, results, console, jobs)
    known = results.known(found)
    for each in found:
        if known[each.id].result != "killed":
            console.print(
                f"{known[each.id].result} {each.id} {each.module[9:]}:{each.line} {each.owner} [{each.operator}]"
            )
            console.print(f"    {each.before}\n    {each.after}")
    killed = sum(each.result in ("killed", "timeout") for each in known.values())
    console.print(f"{killed} of {len(found)} killed")


if __name__ == "__main__":
    sys.exit(main())
