"""The command `aoai`. Exit codes: 0 done, 1 something could not be completed, 2 bad input, 3 `--fail-on` reached."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from aoai_lib import console as terminal
from aoai_lib.cli_bundle import diff, explain, verify
from aoai_lib.cli_detections import detections
from aoai_lib.cli_harden import harden
from aoai_lib.cli_probe import probe
from aoai_lib.command import BAD_INPUT, DONE, FAILED_ON, INCOMPLETE, in_words, terminated_as_interrupted
from aoai_lib.model import InputError, PlaybookError, Severity
from aoai_lib.parameters import Parameters, load
from aoai_lib.storage import is_url

if TYPE_CHECKING:
    from aoai_lib.fleet import Batch, Outcome, Place

PARAMETERS: Final = Path(__file__).resolve().parent.parent / "parameters"
LAB_TENANTS: Final = ("hardened", "exposed", "mixed")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="aoai-playbook")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Assess, harden and prove the security of Azure OpenAI accounts."""


main.add_command(harden)
main.add_command(probe)
main.add_command(verify)
main.add_command(explain)
main.add_command(diff)
main.add_command(detections)


@main.command()
@click.argument("files", metavar="[PARAMETERS.yaml …]", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--out",
    default="outputs",
    show_default=True,
    metavar="DIR",
    help="Where run folders go: a folder, or a URL (abfs://…).",
)
@click.option("--phase", default="", metavar="01,03", help="Only these phases; the others are not assessed.")
@click.option(
    "--jobs",
    default=lambda: (os.cpu_count() or 1) + 1,
    show_default="one more than there are cores",
    type=click.IntRange(1, 64),
    help="Tenants assessed at once.",
)
@click.option(
    "--time-limit",
    default=120.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    metavar="MINUTES",
    help="How long one tenant may take.",
)
@click.option(
    "--scheduler",
    metavar="tcp://…",
    help="Assess on the workers of this Dask cluster instead of here; --jobs then says nothing.",
)
@click.option("--resume", is_flag=True, help="Go on with a batch: what it finished is not assessed again.")
@click.option("--replay", type=click.Path(path_type=Path), help="Answer from a requests.jsonl instead of Azure.")
@click.option(
    "--with", "observed", multiple=True, type=click.Path(path_type=Path), help="Merge what `aoai probe` saw elsewhere."
)
@click.option(
    "--fail-on", type=click.Choice([each.value for each in Severity]), help="Exit 3 on a failed control this bad."
)
@click.option(
    "--sign",
    "key",
    type=click.Path(path_type=Path),
    metavar="KEY",
    help="Sign each run with an SSH key: a private one, or the public one of a key in ssh-agent or a token.",
)
@click.option(
    "--timestamp",
    "authority",
    default="",
    metavar="URL",
    help="Have each run's digests stamped by a time-stamping authority (RFC 3161).",
)
@click.option("--pdf", is_flag=True, help="Print report.html as report.pdf too, by a browser that is installed.")
@in_words
def assess(
    files: tuple[Path, ...],
    out: str,
    phase: str,
    jobs: int,
    time_limit: float,
    scheduler: str | None,
    resume: bool,
    replay: Path | None,
    observed: tuple[Path, ...],
    fail_on: str | None,
    key: Path | None,
    authority: str,
    pdf: bool,
) -> int:
    """Assess tenants, one parameters file each; without a file, the three tenants of the lab."""
    from aoai_lib import fleet

    place = fleet.place_of(out)
    chapters = fleet.chapters_of([number.strip() for number in phase.split(",") if number.strip()])
    tenants = _tenants(files, replay)
    if replay:
        from aoai_lib.azure.replay import Recording

        Recording.load(replay)
    fleet.check_observations(observed)
    place.check()
    if key:
        from aoai_lib.bundle.signing import check_key

        check_key(key)
    fleet.check_labels([each.tenant for each in tenants], os.environ)
    if authority:
        from aoai_lib.bundle.timestamp import check_authority

        check_authority(authority)
    if pdf:
        from aoai_lib.report.pdf import browser

        browser()
    surroundings = fleet.lab_environment(tenants) if not replay else {}
    debug = {fleet.DEBUG_VARIABLE: "1"} if click.get_current_context().find_root().params.get("debug") else {}
    tasks = [
        fleet.Task(
            each,
            Path() if is_url(out) else Path(out).absolute(),
            chapters,
            surroundings.get(each.tenant, {}) | debug,
            replay.absolute() if replay else None,
            tuple(path.absolute() for path in observed),
            seconds=60 * time_limit,
            pdf=pdf,
            url=place.out if is_url(out) else "",
        )
        for each in tenants
    ]
    with place:
        batch = fleet.begin(place, tasks, resume, datetime.now(UTC))
        found = _carried_out(place, batch, scheduler, min(jobs, len(tasks)), authority)
        outcomes = [fleet.signed(place, found[each.tenant], key) for each in tenants]
    finished = [each for each in tenants if found[each.tenant].finished]
    if not finished and not any(place.names(f"{each.parameters.tenant}/{each.run_id}") for each in batch.tasks):
        place.remove(batch.journal)
    terminal.show_outcomes(outcomes)
    if len(tenants) > 1:
        terminal.show_summary(outcomes)
        if finished:
            terminal.show_overview(fleet.write_overview(place, finished[0]))
    strangers = [
        path for path in observed if all(path.absolute() in each.strangers for each in outcomes if each.finished)
    ]
    terminal.show_strangers(strangers)
    return INCOMPLETE if strangers and finished else _exit_code(outcomes, fail_on)


def _carried_out(place: Place, batch: Batch, scheduler: str | None, jobs: int, authority: str) -> dict[str, Outcome]:
    """What became of every tenant of a batch, by its label. Raises `PlaybookError` where it was interrupted."""
    from aoai_lib import fleet

    found = {tenant: fleet.stamped(place, each, authority) for tenant, each in batch.finished.items()}
    try:
        with (
            terminated_as_interrupted(),
            terminal.Progress([each.parameters.tenant for each in batch.tasks], len(found)) as progress,
            fleet.cluster(scheduler, progress) if scheduler else fleet.local(jobs, progress) as (executor, line),
        ):
            for outcome in fleet.assess_all(batch.tasks, executor, line):
                found[outcome.tenant] = fleet.stamped(place, outcome, authority)
                progress.ended(outcome)
    except KeyboardInterrupt:
        whole = sum(each.finished for each in found.values())
        raise PlaybookError(
            f"Interrupted: {whole} of {len(batch.tasks) + len(batch.finished)} tenants are finished and whole. "
            "The same command with --resume assesses the rest."
        ) from None
    return found


def _tenants(files: tuple[Path, ...], replay: Path | None) -> list[Parameters]:
    """The parameters of every tenant, all read before anything is run."""
    if not files and replay:
        name = "".join(each if each.isalnum() or each in "._-" else "-" for each in replay.stem)[:64].strip("-.")
        return [Parameters(tenant=name or "replay", cloud="public")]
    tenants = [load(file) for file in files or [PARAMETERS / f"{name}.yaml" for name in LAB_TENANTS]]
    labels = [each.tenant.lower() for each in tenants]
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(f"Two parameters files name the tenant “{label}”: give each its own label.")
    return tenants


def _exit_code(outcomes: Sequence[Outcome], fail_on: str | None) -> int:
    if any(outcome.refused for outcome in outcomes) and not any(outcome.finished for outcome in outcomes):
        return BAD_INPUT
    if any(outcome.problems for outcome in outcomes):
        return INCOMPLETE
    order = [each.value for each in Severity]
    worst = order[: order.index(fail_on) + 1] if fail_on else []
    return FAILED_ON if any(each in worst for outcome in outcomes for each in outcome.severities) else DONE


@main.command()
@click.argument("control_id", metavar="[ID]", default="")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@in_words
def controls(control_id: str, as_json: bool) -> int:
    """List the catalogue, or show one control in full."""
    from aoai_lib.controls import catalogue
    from aoai_lib.frameworks import by_framework

    chosen = [each for each in catalogue() if control_id.upper() in ("", each.id)]
    if not chosen:
        raise InputError(f"There is no control “{control_id}”: `aoai controls` lists them.")
    if as_json:
        rows = [
            {
                "id": each.id,
                "title": each.title,
                "phase": each.phase.value,
                "severity": each.severity.value,
                "subject": each.subject.value,
                "frameworks": by_framework(each.maps),
                "intent": each.intent,
                "remediation": each.remediation,
            }
            for each in chosen
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif control_id:
        terminal.show_control(chosen[0])
    else:
        terminal.show_catalogue(chosen)
    return DONE


@main.command()
@click.argument("file", metavar="PARAMETERS.yaml", required=False, type=click.Path(path_type=Path))
@click.option("--role", is_flag=True, help="Print the least custom role that an assessor needs, and nothing else.")
@in_words
def doctor(file: Path | None, role: bool) -> int:
    """Can we sign in, which permissions are missing, which endpoints are reachable?"""
    from aoai_lib import doctor as checks

    if role:
        parameters = load(file) if file else None
        click.echo(json.dumps(checks.least_role(parameters.subscriptions if parameters else []), indent=2))
        return DONE
    parameters = load(file) if file else load(PARAMETERS / "hardened.yaml")
    from aoai_lib.fleet import environment, lab_environment

    with environment(lab_environment([parameters]).get(parameters.tenant, {})):
        results = checks.examine(parameters)
    terminal.show_checks(results)
    return DONE if all(result.good for result in results) else INCOMPLETE


@main.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True}, add_help_option=False)
@click.pass_context
def lab(context: click.Context) -> None:
    """Serve the lab, a simulated Azure; prints the environment that points the SDKs at it. `aoai lab --help` says more."""
    try:
        from aoai_lib.lab.__main__ import main as serve
    except ImportError as problem:
        click.echo(
            f"Error: the lab's packages are missing ({problem.name}): `make setup`, or pip install 'aoai-playbook[lab]'.",
            err=True,
        )
        sys.exit(INCOMPLETE)
    serve(args=context.args, prog_name="aoai lab")
