"""What a person sees on the terminal: progress, tables, errors. Plain lines where it is no terminal."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from aoai_lib.frameworks import FRAMEWORKS, by_framework
from aoai_lib.model import Phase, Status
from aoai_lib.report import observed
from aoai_lib.report.text import visible
from aoai_lib.storage import is_url

if TYPE_CHECKING:
    from aoai_lib.controls import Control
    from aoai_lib.doctor import Check
    from aoai_lib.fleet import Outcome
    from aoai_lib.harden.plan import Plan, Step
    from aoai_lib.harden.session import Outcome as Hardened

LONGEST_LINE: Final = 4000
"""Characters of a line that a terminal is shown."""
_DONE: Final = "done"
_ENDED: Final = frozenset({"done", "already", "stopped", "changed", "failed", "unconfirmed", "final"})
"""What may have become of a step: `aoai_lib.harden.application.Became`."""
STATUS_STYLE: Final = {"pass": "green", "fail": "bold red", "not_applicable": "dim", "not_assessed": "yellow"}


def plain(text: str) -> str:
    """Text that a terminal shows and does not obey: control and direction characters are written as their numbers, line feeds
    stay, and long lines are cut."""
    return "\n".join(visible(line, LONGEST_LINE) for line in text.split("\n"))


def literal(text: str) -> str:
    """One line of it for rich, which would take what stands in brackets for its own. A line feed in it begins no line of its own:
    what a tenant wrote must not look as if the playbook said it."""
    return escape(visible(text, LONGEST_LINE))


_MOST_BARS: Final = 12
"""Tenants with a bar each; of more, only those at work have one."""


class Progress:
    """A bar for each tenant and one for all; one line for each step where the output is no terminal. Safe for threads."""

    def __init__(self, tenants: Sequence[str], finished: int = 0) -> None:
        self._console = Console(stderr=True, highlight=False, emoji=False)
        self._bars = Bars(
            TextColumn("{task.fields[tenant]:<18}"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, str] = {}
        self._tenants = tenants
        self._finished, self._all = finished, finished + len(tenants)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._bars.start()
        if self._all > 1:
            self._tasks[""] = self._bars.add_task(
                "tenants done", total=self._all, completed=self._finished, tenant="all"
            )
        for tenant in self._tenants:
            shown = len(self._tenants) <= _MOST_BARS
            self._tasks[tenant] = self._bars.add_task(
                "waiting", start=False, total=1.0, tenant=literal(tenant), visible=shown
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def tell(self, tenant: str, what: str, share: float) -> None:
        """Show what is being done about a tenant."""
        with self._lock:
            if tenant not in self._said:
                self._bars.start_task(self._tasks[tenant])
            self._bars.update(self._tasks[tenant], completed=share, description=literal(what), visible=True)
            stage = what.split(" ")[0] if what.startswith("reading") else what
            if self._bars.disable and self._said.get(tenant) != stage and stage != _DONE:
                self._console.print(f"{literal(tenant)}: {literal(stage)}", soft_wrap=True)
            self._said[tenant] = stage

    def say(self, tenant: str, text: str) -> None:
        """Show a line that was printed while a tenant was assessed."""
        self._bars.console.print(f"{literal(tenant)}: {literal(text)}", soft_wrap=True)

    def ended(self, outcome: Outcome) -> None:
        """Show that a tenant has come to its end, whichever."""
        with self._lock:
            self._finished += 1
            what = _DONE if outcome.finished else "not assessed"
            task = self._tasks[outcome.tenant]
            self._bars.update(task, description=what, visible=len(self._tenants) <= _MOST_BARS)
            self._bars.stop_task(task)
            if "" in self._tasks:
                self._bars.advance(self._tasks[""])
            if self._bars.disable:
                of_all = f" ({self._finished} of {self._all} tenants)" if self._all > 1 else ""
                self._console.print(f"{literal(outcome.tenant)}: {what}{of_all}", soft_wrap=True)


def show_outcomes(outcomes: Sequence[Outcome]) -> None:
    """The table of counts by tenant and phase, where the reports are, and what went wrong."""
    console = Console(highlight=False, emoji=False)
    table = Table(title="Verdicts by tenant and phase", title_justify="left", show_lines=False)
    for heading in ("tenant", "phase"):
        table.add_column(heading, no_wrap=heading == "phase")
    for heading in ("pass", "fail", "n/a", "not assessed"):
        table.add_column(heading, justify="right")
    for outcome in outcomes:
        if outcome.counts is not None:
            _add_rows(table, outcome)
    if table.row_count:
        console.print(table)
    for outcome in outcomes:
        if outcome.finished:
            page = _near(outcome.folder / "report.html") if outcome.folder else f"{outcome.url}/report.html"
            earlier = " (finished before)" if outcome.earlier else ""
            console.print(f"{literal(outcome.tenant)}: {literal(page)}{earlier}", soft_wrap=True)
        for sentence in outcome.told:
            console.print(f"    {literal(sentence)}", soft_wrap=True)
        for problem in outcome.problems:
            console.print(f"[bold red]{literal(outcome.tenant)}:[/] {literal(problem)}", soft_wrap=True)


def show_summary(outcomes: Sequence[Outcome]) -> None:
    """Of many tenants, how many came to which end; and how to go on where some did not."""
    finished = [each for each in outcomes if each.finished]
    earlier = sum(each.earlier for each in finished)
    parts = [f"{len(finished)} of {len(outcomes)} tenants are finished"]
    parts += [f"{earlier} of them before"] if earlier else []
    if gaps := sum(bool(each.problems) for each in finished):
        parts.append(f"{gaps} with problems")
    mend = ". The rest: the same command with --resume" if len(finished) < len(outcomes) else ""
    Console(highlight=False).print(f"{', '.join(parts)}{mend}.", soft_wrap=True)


def show_strangers(files: Sequence[Path]) -> None:
    """Files of observations that belonged to nobody."""
    for path in files:
        said = f"{path} was merged into nothing: none of the assessed accounts has a name in it."
        Console(highlight=False, emoji=False).print(f"[bold red]Observations:[/] {literal(said)}", soft_wrap=True)


def show_left_out(recording: Path, count: int) -> None:
    """How many lines of a recording were no requests."""
    lines = "1 line is no request and was" if count == 1 else f"{count:,} lines are no requests and were"
    said = f"{lines} left out of {recording}."
    Console(highlight=False, emoji=False).print(f"[bold yellow]Recording:[/] {literal(said)}", soft_wrap=True)


def show_overview(page: str) -> None:
    """Where the fleet overview is: a file, or a URL."""
    shown = page if is_url(page) else _near(Path(page))
    Console(highlight=False, emoji=False).print(f"all tenants: {literal(shown)}", soft_wrap=True)


def _add_rows(table: Table, outcome: Outcome) -> None:
    by_phase = outcome.counts["by_phase"]
    for row, phase in enumerate(each.value for each in Phase):
        counts = by_phase.get(phase, {})
        cells = [
            f"[{STATUS_STYLE[status.value]}]{count}[/]" if (count := counts.get(status.value, 0)) else "·"
            for status in Status
        ]
        table.add_row("" if row else literal(outcome.tenant), phase.replace("_", " "), *cells, end_section=row == 4)


def _near(path: Path) -> str:
    """The path as a person at this folder would write it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def show_catalogue(controls: Sequence[Control]) -> None:
    """A line for each control."""
    table = Table(title=f"{len(controls)} controls", title_justify="left")
    for heading in ("id", "severity", "subject", "passes when"):
        table.add_column(heading, no_wrap=heading != "passes when")
    for control in controls:
        table.add_row(control.id, control.severity.value, control.subject.value.replace("_", " "), control.title)
    Console(highlight=False, emoji=False).print(table)


def show_control(control: Control) -> None:
    """Everything that is declared of a control."""
    console = Console(highlight=False, emoji=False)
    console.print(f"[bold]{control.id}[/] {literal(control.title)}")
    console.print(f"{control.severity.value}, about each {control.subject.value.replace('_', ' ')}\n")
    console.print(escape(plain(inspect.cleandoc(control.intent))) + "\n", soft_wrap=True)
    console.print(f"[bold]To mend it[/]  {literal(control.remediation)}\n")
    for key, clauses in by_framework(control.maps).items():
        console.print(f"{FRAMEWORKS[key].name}: {', '.join(clauses)}")


def show_observations(observations: Sequence[dict[str, Any]]) -> None:
    """What names led to and who answered, a line for each address that was tried."""
    table = Table(title="Observed", title_justify="left")
    for heading in observed.COLUMNS:
        table.add_column(heading, overflow="fold")
    for each in observations:
        for row in observed.rows(each):
            table.add_row(*(literal(cell) for cell in row))
    console = Console(highlight=False, emoji=False)
    console.print(table)
    if any(each["proxy"] for each in observations):
        console.print("A proxy is set here. It was not used: what it sees is not what this machine sees.")


def show_checks(checks: Sequence[Check]) -> None:
    """What `aoai doctor` found."""
    table = Table(title="Doctor", title_justify="left")
    for heading in ("", "what", "result"):
        table.add_column(heading, no_wrap=not heading, overflow="fold")
    for check in checks:
        table.add_row("[green]ok[/]" if check.good else "[bold red]no[/]", literal(check.what), literal(check.result))
    Console(highlight=False, emoji=False).print(table)


def show_plan(plan: Plan, heading: str = "Hardening plan") -> None:
    """The steps, each with what changes and what to expect, and the failures that no step mends."""
    from aoai_lib.harden.tables import changes_text

    console = Console(highlight=False, emoji=False)
    console.print(
        f"[bold]{heading}[/] for {literal(plan.tenant)}, as of {literal(plan.as_of)}: {len(plan.steps)} step(s)"
    )
    for number, step in enumerate(plan.steps, 1):
        console.print(f"\n[bold]{number:>3}  {literal(step.title)}[/]  ({step.control})", soft_wrap=True)
        console.print(f"     {step.request.method} {literal(step.request.path)}", style="dim", soft_wrap=True)
        for line in changes_text(step.changes).splitlines():
            console.print(f"     {literal(line)}", soft_wrap=True)
        console.print(f"     To expect: {literal(step.effect)}", soft_wrap=True)
        for check in step.checks:
            console.print(f"     Asked first: {literal(check.label)}", soft_wrap=True)
        if step.undo is None or step.undo_note:
            console.print(f"     Taking back: {literal(step.undo_note)}", soft_wrap=True)
    if plan.unplanned:
        console.print("\n[bold]Not in the plan[/]")
        for each in plan.unplanned:
            subject = each.subject.rpartition("/")[2]
            console.print(f"     {each.control} {literal(subject)}: {literal(each.reason)}", soft_wrap=True)


class StepProgress:
    """A bar over the steps of a hardening; one line for each step where the output is no terminal."""

    def __init__(self, steps: int) -> None:
        self._console = Console(stderr=True, highlight=False, emoji=False)
        self._bars = Bars(
            BarColumn(bar_width=28),
            TextColumn("{task.completed:.0f} of {task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bars.add_task("", total=steps)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, step: Step, what: str) -> None:
        """Show what is being done about a step."""
        self._bars.update(self._task, description=literal(f"{step.title}: {what}"))
        if what in _ENDED:
            self._bars.advance(self._task)
            if self._bars.disable:
                self._console.print(f"{literal(step.title)}: {what}", soft_wrap=True)


def show_hardening(outcome: Hardened) -> None:
    """What became of each step and of each control, and where it is recorded."""
    console = Console(highlight=False, emoji=False)
    for result in outcome.results:
        style = "green" if result.good else "bold red"
        console.print(
            f"[{style}]{result.became.value:<12}[/]{literal(result.step.title)}: {literal(result.sentence)}",
            soft_wrap=True,
        )
        for line in result.listed:
            console.print(f"{'':<12}  {literal(line)}", soft_wrap=True)
    for proof in outcome.proofs:
        style = STATUS_STYLE[proof.status.value]
        name = proof.subject.rpartition("/")[2]
        console.print(
            f"[{style}]{proof.status.value:<12}[/] {proof.control} {literal(name)}: {literal(proof.reason)}",
            soft_wrap=True,
        )
    console.print(f"Recorded in {literal(_near(outcome.folder))}", soft_wrap=True)
    if (outcome.folder / "undo.json").is_file() and not (outcome.folder / "undone.json").is_file():
        console.print(f"To take it back: --undo {literal(_near(outcome.folder / 'undo.json'))}", soft_wrap=True)
