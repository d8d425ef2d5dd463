"""What is done with a finished run: `aoai verify`, `aoai explain`, `aoai diff`. None of them writes or signs in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console

from aoai_lib.command import DONE, INCOMPLETE, in_words
from aoai_lib.console import STATUS_STYLE, literal

if TYPE_CHECKING:
    from aoai_lib.bundle.comparison import Comparison
    from aoai_lib.bundle.explanation import Explanation
    from aoai_lib.bundle.verification import Answer

_LISTED_AT_MOST: Final = 20
_FOLDER: Final = click.Path(path_type=Path)


@click.command()
@click.argument("run_dir", metavar="RUN_DIR", type=_FOLDER)
@click.option(
    "--allowed-signers",
    type=_FOLDER,
    metavar="FILE",
    help="Who may have signed, as ssh-keygen reads it: a line each, name and public key.",
)
@click.option(
    "--tsa-roots",
    type=_FOLDER,
    metavar="FILE",
    help="Root certificates (PEM) of the authority that may have stamped the time.",
)
@in_words
def verify(run_dir: Path, allowed_signers: Path | None, tsa_roots: Path | None) -> int:
    """Is this run whole and unaltered, who signed it, and does what it says follow from its evidence?"""
    from aoai_lib.bundle.verification import Outcome, verify

    answers = verify(run_dir, allowed_signers, tsa_roots)
    _show_answers(answers)
    return INCOMPLETE if any(each.outcome is Outcome.BAD for each in answers) else DONE


@click.command()
@click.argument("run_dir", metavar="RUN_DIR", type=_FOLDER)
@click.argument("control", metavar="CONTROL")
@click.argument("subject", metavar="[SUBJECT]", default="")
@in_words
def explain(run_dir: Path, control: str, subject: str) -> int:
    """Say why a control came out as it did: the values, and the request and answer behind each of them.

    SUBJECT is the ARM id of what the verdict is about, or the end of it; not needed where there is only one.
    """
    from aoai_lib.bundle.explanation import explain
    from aoai_lib.bundle.opening import open_bundle

    _show_explanation(explain(open_bundle(run_dir), control, subject))
    return DONE


@click.command()
@click.argument("run_a", metavar="RUN_A", type=_FOLDER)
@click.argument("run_b", metavar="RUN_B", type=_FOLDER)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@in_words
def diff(run_a: Path, run_b: Path, as_json: bool) -> int:
    """What changed from one run of a tenant to another: findings and properties."""
    from aoai_lib.bundle.comparison import compare
    from aoai_lib.bundle.opening import open_bundle

    found = compare(open_bundle(run_a), open_bundle(run_b))
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
    else:
        _show_comparison(found)
    return DONE


_ANSWER_STYLE: Final = {"good": "green", "bad": "bold red", "note": "yellow"}


def _show_answers(answers: Sequence[Answer]) -> None:
    """What `aoai verify` found: a line for each question."""
    console = Console(highlight=False, emoji=False)
    width = max(len(answer.what) for answer in answers)
    for answer in answers:
        mark = f"[{_ANSWER_STYLE[answer.outcome.value]}]{answer.outcome.value:<5}[/]"
        console.print(f"{mark} {answer.what:<{width}} {literal(answer.sentence)}", soft_wrap=True)
        for line in answer.listed[:_LISTED_AT_MOST]:
            console.print(f"{'':<{width + 7}}{literal(line)}", soft_wrap=True)
        if (more := len(answer.listed) - _LISTED_AT_MOST) > 0:
            console.print(f"{'':<{width + 7}}and {more} more")


def _show_explanation(explanation: Explanation) -> None:
    """One verdict with everything it rests on."""
    console, finding = Console(highlight=False, emoji=False), explanation.finding
    style = STATUS_STYLE[finding["status"]]
    console.print(
        f"[bold]{literal(finding['control'])}[/] {literal(finding['title'])} ({finding['severity']})", soft_wrap=True
    )
    console.print(literal(finding["subject"]), soft_wrap=True)
    console.print(f"[{style}]{finding['status']}[/]: {literal(finding['reason'])}", soft_wrap=True)
    if waiver := finding.get("waiver"):
        told = ", ".join(f"{name} {waiver.get(name)}" for name in ("state", "expires", "owner", "ticket", "reason"))
        console.print(f"Accepted risk: {literal(told)}", soft_wrap=True)
    console.print()
    for value in explanation.values:
        console.print(f"{literal(value.path)} = [bold]{literal(value.text)}[/]", soft_wrap=True)
        for each in value.origins:
            version = f", API version {each.api_version}" if each.api_version else ""
            console.print(f"    line {literal(each.line)}: {literal(each.asked)}", soft_wrap=True)
            console.print(
                f"    {literal(each.answer)} at {literal(each.when)}{literal(version)}", style="dim", soft_wrap=True
            )
    for line in explanation.unread:
        console.print(f"[yellow]not read:[/] {literal(line)}", soft_wrap=True)
    console.print(f"\nAsked by {literal(explanation.caller)}", soft_wrap=True)
    for sentence in explanation.today:
        console.print(f"[yellow]Today:[/] {literal(sentence)}", soft_wrap=True)
    console.print(
        f"\n{literal(explanation.intent)}\n[bold]To mend it[/]  {literal(finding['remediation'])}", soft_wrap=True
    )


_CHANGE_STYLE: Final = {"new": "bold red", "fixed": "green", "still open": "red", "no longer assessed": "yellow"}


def _show_comparison(comparison: Comparison) -> None:
    """What differs between two runs: remarks, findings by kind of change, properties."""
    console = Console(highlight=False, emoji=False)
    for remark in comparison.remarks:
        console.print(f"[yellow]Mind:[/] {literal(remark)}", soft_wrap=True)
    counts = Counter(each.change.value for each in comparison.findings)
    console.print(", ".join(f"{count} {name}" for name, count in counts.items()) or "No finding changed.")
    for each in comparison.findings:
        style = _CHANGE_STYLE.get(each.change.value, "dim")
        subject = each.subject.rpartition("/")[2]
        was = f"{each.was or 'absent'} → {each.now or 'absent'}{', by other rules' if each.by_rules else ''}"
        console.print(
            f"[{style}]{each.change.value:<19}[/]{literal(each.control)} {literal(subject)} ({was})", soft_wrap=True
        )
    console.print(
        f"\n{len(comparison.properties)} change(s) of what was read"
        if comparison.properties
        else "\nNo property changed."
    )
    for one in comparison.properties:
        what = one.note or f"{one.path}: {one.before!r} → {one.after!r}"
        console.print(f"{literal(one.resource)}\n    {literal(what[:400])}", soft_wrap=True)
