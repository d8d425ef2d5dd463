"""The table and the page that `make faults` writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from tenants import ROOT, TENANTS

from tests.fault_matrix.answers import FAMILIES
from tests.fault_matrix.excuses import EXCUSES

PAGE: Final = ROOT / "docs" / "faults.md"
Row = Mapping[str, Any]
_INTRODUCTION: Final = """# Faults

Written by `make faults`. Each tenant of the lab is read whole once, over TLS, with probes on, and what went over the wire is put on a tape: sign-in,
Resource Manager, log queries, Microsoft Graph, calls to models, a made-up key, a refused deployment. Then, for each request and each fault
that its answer can have, the tenant is assessed anew from the tape with that one answer spoilt, through the same pipelines, SDKs, controls.
A second part breaks the wire itself, on the running lab.

A cell is wrong, and the command fails, unless all of this holds:

* The run completes, and waits for no more than twenty minutes in all. Where no token was ever had, or no account is left to assess, it ends
  with a sentence that says so and with no verdict.
* After an **unreadable** answer no verdict moves but to `not_assessed`, none turns to `pass`, and none is gone without a `not_assessed` on what
  it hung on. Each verdict that needs the answer is `not_assessed`, with a reason. A verdict needs an answer that it cites where it would be
  another were the answer empty, without rows or a 404; where the true answer is empty itself, and with probes, all that cite it need it.
  The reading tells what failed, beginning with the call.
* After a **true-looking** answer, which no client can tell from the truth (an empty list, no rows, a 404 `ResourceNotFound`), no verdict turns
  to `pass`. What then fails, or applies no more, follows from what the service said.
* After a **harmless** fault, where a retry or another answer tells the truth, no verdict moves at all.

What stays apart from that, by right, is named at the end. What a run makes of other answers than the spoilt one is taken from the true run, and
readings that are the same but for their sentence are judged once; `make test` tries a sample without either short cut.
"""
_FAMILY: Final = {
    "unreadable": "Nothing of the answer is known",
    "true-looking": "The answer looks true",
    "harmless": "The truth stays in reach",
}


def text_table(counts: Counter[tuple[str, str]], tenants: Sequence[str], faults: Iterable[str]) -> str:
    """Cells by fault and tenant, for a terminal."""
    lines = [f"{'fault':34}" + "".join(f"{tenant:>10}" for tenant in tenants)]
    for fault in faults:
        lines.append(f"{fault:34}" + "".join(f"{counts[tenant, fault]:>10,}" for tenant in tenants))
    totals = [sum(count for (tenant, _), count in counts.items() if tenant == each) for each in tenants]
    return "\n".join([*lines, f"{'all':34}" + "".join(f"{total:>10,}" for total in totals)])


def page(rows: Sequence[Row], on_wire: Sequence[Row]) -> str:
    """The page as Markdown."""
    parts = [_INTRODUCTION, _summary(rows, on_wire)]
    for family, faults in FAMILIES.items():
        parts += [f"## {_FAMILY[family]}\n", _table(rows, faults)]
    parts += ["## On the wire\n", _WIRE, _wire_table(on_wire), "## What stands by right\n", _excuses(rows)]
    return "\n".join(parts)


_WIRE: Final = """One request of each kind on the running lab, over TLS, with the wire broken there. Waits are cut short, and counted.
"""


def _summary(rows: Sequence[Row], on_wire: Sequence[Row]) -> str:
    of = {tenant: [row for row in rows if row["tenant"] == tenant] for tenant in TENANTS}
    lines = [
        "| tenant | requests | cells | verdicts opened | runs that ended with a sentence | wrong |",
        "|---|---|---|---|---|---|",
    ]
    for tenant, own in of.items():
        asked, opened = len({row["asked"] for row in own}), sum(max(0, row["opened"]) for row in own)
        stopped, wrong = sum(bool(row["stopped"]) for row in own), sum(bool(row["wrong"]) for row in own)
        lines.append(f"| `{tenant}` | {asked} | {len(own):,} | {opened:,} | {stopped} | {wrong} |")
    return "\n".join([*lines, "", f"{len(rows):,} cells from the tape, {len(on_wire):,} over the wire.\n"])


def _table(rows: Sequence[Row], faults: Iterable[str]) -> str:
    lines = [
        f"| fault | {' | '.join(TENANTS)} | verdicts opened | stood by right |",
        f"|---|{'---|' * len(TENANTS)}---|---|",
    ]
    for fault in faults:
        own = [row for row in rows if row["fault"] == fault]
        cells = " | ".join(f"{sum(row['tenant'] == tenant for row in own):,}" for tenant in TENANTS)
        opened, excused = (sum(count(row) for row in own) for count in (_opened, _excused))
        lines.append(f"| {fault} | {cells} | {opened:,} | {excused:,} |")
    return "\n".join([*lines, ""])


_opened: Final[Callable[[Row], int]] = lambda row: max(0, row["opened"])  # noqa: E731
_excused: Final[Callable[[Row], int]] = lambda row: len(row["excused"])  # noqa: E731


def _wire_table(on_wire: Sequence[Row]) -> str:
    faults = list(dict.fromkeys(row["fault"] for row in on_wire))
    lines = [f"| fault | {' | '.join(TENANTS)} | longest wait asked for |", f"|---|{'---|' * len(TENANTS)}---|"]
    for fault in faults:
        own = [row for row in on_wire if row["fault"] == fault]
        cells = " | ".join(f"{sum(row['tenant'] == tenant for row in own):,}" for tenant in TENANTS)
        lines.append(f"| {fault} | {cells} | {max(row['waited'] for row in own):.0f} s |")
    return "\n".join([*lines, ""])


def _excuses(rows: Sequence[Row]) -> str:
    counts = Counter(number for row in rows for number in row["excused"])
    lines = ["| controls | request | after | cells | why |", "|---|---|---|---|---|"]
    for number, each in enumerate(EXCUSES):
        lines.append(
            f"| {', '.join(each.controls)} | `{each.path}` | {', '.join(each.faults)} | {counts[number]:,} | {each.reason} |"
        )
    return "\n".join([*lines, "", _FURTHER, ""])


_FURTHER: Final = "[Reliability](reliability.md) tells of empty lists that something else contradicts, and of a hardening's operations."
