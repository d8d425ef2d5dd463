"""Try the whole matrix, print it, and write docs/faults.md when all of it was tried. What was tried before an interrupt stays in the
folder `.faults`, and is not tried again while the code is the same.
"""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import click
from tenants import ROOT, TENANTS

from tests.fault_matrix import page, wire_faults
from tests.fault_matrix.answers import FAMILIES
from tests.fault_matrix.matrix import Cell, Trials, Truth, truth_of
from tests.fault_matrix.tape import Asked

KEPT: Final = ROOT / ".faults"
Row = dict[str, Any]
_trials: dict[str, Trials] = {}


def _code() -> str:
    """A digest of everything that a cell depends on."""
    own = (ROOT / "tests" / "fault_matrix" / f"{name}.py" for name in ("answers", "matrix", "tape", "excuses"))
    paths = [*ROOT.glob("aoai_lib/**/*.py"), *ROOT.glob("aoai_lib/**/*.yaml"), *own]
    digest = hashlib.sha256(b"".join(each.read_bytes() for each in sorted(paths)))
    return digest.hexdigest()[:12]


def _try(tenant: str, cells: Sequence[tuple[Asked, str]]) -> list[Row]:
    found = []
    for asked, fault in cells:
        cell = _trials[tenant].tried(asked, fault)
        found.append(_row(tenant, str(asked), fault, cell))
    return found


def _row(tenant: str, asked: str, fault: str, cell: Cell) -> Row:
    return {
        "tenant": tenant,
        "asked": asked,
        "fault": fault,
        "opened": cell.opened,
        "stopped": cell.stopped,
        "waited": cell.waited,
        "excused": list(cell.excused),
        "wrong": list(cell.wrong),
    }


def _kept(tenant: str) -> tuple[Path, dict[tuple[str, str], Row]]:
    path = KEPT / f"{tenant}-{_code()}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines if line.endswith("}")]
    return path, {(row["asked"], row["fault"]): row for row in rows}


def _tenant(tenant: str, jobs: int) -> Iterable[Row]:
    """Every cell of a tenant, each as soon as it is tried. All cells of a question go to one process, which judges like ones once."""
    path, done = _kept(tenant)
    truth: Truth = truth_of(tenant)
    _trials[tenant] = Trials(truth)
    by_question: dict[Asked, list[tuple[Asked, str]]] = {}
    # The lab listens elsewhere each time, which is no part of a question.
    for asked, fault in truth.cells():
        if (str(asked), fault) not in done:
            by_question.setdefault(asked, []).append((asked, fault))
    yield from done.values()
    with path.open("a", encoding="utf-8") as file, multiprocessing.get_context("fork").Pool(jobs) as pool:
        work = [(tenant, cells) for cells in by_question.values()]
        for rows in pool.imap_unordered(_star, work):
            for row in rows:
                file.write(json.dumps(row) + "\n")
                file.flush()
            yield from rows


def _star(work: tuple[str, Sequence[tuple[Asked, str]]]) -> list[Row]:
    return _try(*work)


@click.command(help=__doc__)
@click.option("--jobs", default=2, show_default=True, help="Processes at once.")
@click.option("--tenant", "tenants", multiple=True, type=click.Choice(TENANTS), help="These alone; no page is written.")
def main(jobs: int, tenants: Sequence[str]) -> None:
    logging.disable(logging.CRITICAL)
    KEPT.mkdir(exist_ok=True)
    rows: list[Row] = []
    began = told = time.monotonic()
    for tenant in tenants or TENANTS:
        for row in _tenant(tenant, jobs):
            rows.append(row)
            for wrong in row["wrong"]:
                click.echo(f"{tenant}: {row['asked']}: {row['fault']}: {wrong}")
            if time.monotonic() - told > 20:
                told = time.monotonic()
                click.echo(f"{tenant}: {len(rows):,} cells in {told - began:,.0f} s", err=True)
    on_wire = [] if tenants else [row for tenant in TENANTS for row in wire_faults.rows(tenant, click.echo)]
    wrong = [row for row in [*rows, *on_wire] if row["wrong"]]
    counts = Counter((row["tenant"], row["fault"]) for row in rows)
    click.echo(page.text_table(counts, tenants or TENANTS, [fault for family in FAMILIES.values() for fault in family]))
    click.echo(f"{len(rows):,} cells from the tape and {len(on_wire):,} over the wire, {len(wrong)} wrong.")
    if not tenants and not wrong:
        page.PAGE.write_text(page.page(rows, on_wire), encoding="utf-8")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
