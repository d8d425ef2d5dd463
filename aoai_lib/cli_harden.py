"""The command `aoai harden`: show the plan; with `--apply`, and after asking, carry it out; with `--undo`, take it back."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aoai_lib import console as terminal
from aoai_lib.command import DONE, INCOMPLETE, in_words
from aoai_lib.folder import check_file
from aoai_lib.model import InputError
from aoai_lib.parameters import Parameters, load

if TYPE_CHECKING:
    from aoai_lib.harden.plan import Plan
    from aoai_lib.harden.session import Outcome


@click.command()
@click.argument("file", metavar="PARAMETERS.yaml", type=click.Path(path_type=Path))
@click.option("--apply", is_flag=True, help="Carry the plan out, after asking.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--only", default="", metavar="NET-01,…", help="Only what mends these controls.")
@click.option(
    "--accept", multiple=True, metavar="CHECK@ACCOUNT", help="A risk that a check named, accepted; may be repeated."
)
@click.option(
    "--with", "observed", multiple=True, type=click.Path(path_type=Path), help="Merge what `aoai probe` saw elsewhere."
)
@click.option("--undo", type=click.Path(path_type=Path), metavar="UNDO.json", help="Take a hardening back.")
@click.option("--save", type=click.Path(path_type=Path), metavar="PLAN.json", help="Keep the plan, for approval.")
@click.option("--plan", "saved", type=click.Path(path_type=Path), metavar="PLAN.json", help="Use a plan that was kept.")
@click.option(
    "--out", default="outputs", show_default=True, type=click.Path(path_type=Path), help="Where it is recorded."
)
@in_words
def harden(
    file: Path,
    apply: bool,
    yes: bool,
    only: str,
    accept: tuple[str, ...],
    observed: tuple[Path, ...],
    undo: Path | None,
    save: Path | None,
    saved: Path | None,
    out: Path,
) -> int:
    """Show how to mend what fails. Nothing is changed without --apply."""
    from aoai_lib.fleet import environment, lab_environment

    parameters = load(file)
    chosen = tuple(each.strip().upper() for each in only.split(",") if each.strip())
    _check_options(apply, undo, save, saved, chosen)
    with environment(lab_environment([parameters], identity="operator").get(parameters.tenant, {})):
        if undo is not None:
            return _undo(parameters, undo, yes)
        return _harden(parameters, chosen, saved, save, out, observed, apply=apply, yes=yes, accept=accept)


def _check_options(
    apply: bool, undo: Path | None, save: Path | None, saved: Path | None, only: tuple[str, ...]
) -> None:
    if save is not None:
        check_file(save)
    if undo is not None and (apply or save or saved or only):
        raise InputError("--undo takes a whole hardening back: leave --apply, --only, --save and --plan out.")
    if saved is not None and only:
        raise InputError("--plan is a plan already made: leave --only out, or make a new plan with it.")


def _harden(
    parameters: Parameters,
    only: tuple[str, ...],
    saved: Path | None,
    save: Path | None,
    out: Path,
    observed: tuple[Path, ...],
    *,
    apply: bool,
    yes: bool,
    accept: tuple[str, ...],
) -> int:
    from aoai_lib.folder import write_durably
    from aoai_lib.harden.session import carry_out
    from aoai_lib.probe import evidence_file

    brought = [line for path in observed for line in evidence_file.read(path, datetime.now(UTC))]
    plan = (_interrupted(parameters, saved, out) if apply else None) or _plan(parameters, only, saved)
    terminal.show_plan(plan)
    if save is not None:
        write_durably(save, plan.text())
    if not apply or not plan.steps:
        return DONE
    if not yes and not _agreed(len(plan.steps), "Carry out"):
        return INCOMPLETE
    with terminal.StepProgress(len(plan.steps)) as progress:
        outcome = carry_out(parameters, plan, out, accept, progress, brought=brought)
    return _told(outcome)


def _interrupted(parameters: Parameters, saved: Path | None, out: Path) -> Plan | None:
    """The plan of the tenant's hardening that was begun and not finished, to go on with. Raises `InputError` where one is still at work."""
    from aoai_lib.folder import check_writable
    from aoai_lib.harden.journal import FOLDER, Journal, alone

    folder = out / parameters.tenant / FOLDER
    check_writable(folder)
    if not folder.is_dir():
        return None
    with alone(folder):
        begun = Journal.unfinished(out, parameters.tenant)
    if begun is None:
        return None
    _check_tenant(begun.plan, parameters, begun.path)
    if saved is not None and _read_plan(parameters, saved) != begun.plan:
        raise InputError(
            f"The hardening in {begun.path} was interrupted, and it has another plan than {saved}: go on with it first, without "
            f"--plan, or take it back with --undo {begun.path / 'undo.json'}."
        )
    click.echo(f"A hardening was interrupted: going on with {begun.path}.", err=True)
    return begun.plan


def _plan(parameters: Parameters, only: tuple[str, ...], saved: Path | None) -> Plan:
    from aoai_lib.evidence.store import Evidence
    from aoai_lib.harden.session import opened

    if saved is not None:
        return _read_plan(parameters, saved)
    with opened(parameters, Evidence()) as session:
        return session.plan(session.look(only), only)


def _read_plan(parameters: Parameters, saved: Path) -> Plan:
    from aoai_lib.harden import plan as plans

    plan = plans.read(saved, "a plan that --save kept")
    _check_tenant(plan, parameters, saved)
    return plan


def _check_tenant(plan: Plan, parameters: Parameters, where: Path) -> None:
    """A plan is for one tenant of one cloud; paths of another must not be sent to it."""
    if (plan.tenant, plan.cloud) != (parameters.tenant, parameters.cloud) or (
        parameters.tenant_id and plan.tenant_id and plan.tenant_id != parameters.tenant_id
    ):
        raise InputError(
            f"{where} is for the tenant “{plan.tenant}” ({plan.cloud} {plan.tenant_id}), not for this one."
        )


def _agreed(steps: int, what: str) -> bool:
    if not sys.stdin.isatty():
        raise InputError(f"{what} {steps} step(s)? Nobody is there to answer: say --yes.")
    return click.confirm(f"{what} {steps} step(s)?", default=False)


def _undo(parameters: Parameters, undo: Path, yes: bool) -> int:
    from aoai_lib.harden.journal import later, open_undo
    from aoai_lib.harden.session import take_back

    begun = open_undo(undo)
    _check_tenant(begun, parameters, undo)
    if newer := later(undo.absolute().parent):
        raise InputError(f"{newer[-1].name} came after it and rests on it: take that one back first.")
    terminal.show_plan(begun, heading="To be taken back, last step first")
    if not yes and not _agreed(len(begun.steps), "Take back"):
        return INCOMPLETE
    with terminal.StepProgress(len(begun.steps)) as progress:
        outcome = take_back(parameters, undo, progress)
    return _told(outcome)


def _told(outcome: Outcome) -> int:
    terminal.show_hardening(outcome)
    return DONE if outcome.good else INCOMPLETE
