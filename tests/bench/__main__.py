"""Run the measurements, print the table, and write docs/benchmarks.md when all of them were run."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version

import click
from rich.console import Console
from rich.table import Table

from tests.bench.measures import MEASURES, ROOT, Measure

PAGE = ROOT / "docs" / "benchmarks.md"
PACKAGES = ("papermill", "ipykernel", "azure-core", "distributed", "duckdb")
_INTRODUCTION = """# Benchmarks

Written by `make bench`, on the lab: every ratio compares two things that were measured in the same run, on one machine, one
after the other. The lab's own work is part of each figure, since it answers on the same processors. No goal is a test.
"""


def _met(each: Measure) -> str:
    return {True: "yes", False: "**no**", None: ""}[each.met]


def page(found: Sequence[Measure]) -> str:
    """The table as Markdown, with the machine and the versions that it is of."""
    rows = [f"| {each.what} | {each.figure} | {each.goal} | {_met(each)} |" for each in found]
    machine = (
        f"{os.cpu_count()} processors, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return "\n".join(
        [
            _INTRODUCTION,
            "| what | measured | goal | met |",
            "|---|---|---|---|",
            *rows,
            "",
            f"{machine}; {packages}.",
            "",
        ]
    )


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(list(MEASURES)))
def main(names: Sequence[str]) -> None:
    progress, found, failed = Console(stderr=True), list[Measure](), list[str]()
    for number, name in enumerate(names or MEASURES, 1):
        progress.print(f"{number} of {len(names or MEASURES)}: {MEASURES[name].__doc__}", highlight=False)
        try:
            found += MEASURES[name]()
        except (RuntimeError, OSError, subprocess.SubprocessError) as problem:
            failed.append(name)
            progress.print(f"Not measured: {problem}", markup=False, style="red")
    table = Table("what", "measured", "goal", "met")
    for each in found:
        table.add_row(each.what, each.figure, each.goal, _met(each).strip("*"))
    Console().print(table)
    if failed:
        raise click.ClickException(f"Not measured, so the page is left as it was: {', '.join(failed)}.")
    if not names:
        PAGE.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
