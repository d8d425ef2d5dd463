"""`aoai assess`: one batch of tenants, from parameters files to sealed runs."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from aoai_lib import console as terminal
from aoai_lib.command import BAD_INPUT, DONE, FAILED_ON, INCOMPLETE, in_words, terminated_as_interrupted
from aoai_lib.model import InputError, PlaybookError, Severity
from aoai_lib.parameters import Parameters, load
from aoai_lib.storage import is_url

if TYPE_CHECKING:
    from aoai_lib.fleet import Batch, Outcome, Place

PARAMETERS: Final = Path(__file__).resolve().parent.parent / "parameters"
LAB_TENANTS: Final = ("hardened", "exposed", "mixed")


@click.command()
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
    _check(tenants, place, replay, observed)
    _check_means(key, authority, pdf)
    surroundings = _surroundings(tenants, replay)
    tasks = [
        fleet.Task(
            each,
            Path() if is_url(out) else Path(out).absolute(),
            chapters,
            surroundings[each.tenant],
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
    _forget_if_in_vain(place, batch, found)
    finished = [each for each in tenants if found[each.tenant].finished]
    _show(place, outcomes, finished)
    return INCOMPLETE if _show_strangers(observed, outcomes) and finished else _exit_code(outcomes, fail_on)


def _surroundings(tenants: Sequence[Parameters], replay: Path | None) -> dict[str, dict[str, str]]:
    """The environment of each tenant's process, by its label; the lab is started where one needs it."""
    from aoai_lib import fleet

    found = fleet.lab_environment(tenants) if not replay else {}
    debug = {fleet.DEBUG_VARIABLE: "1"} if click.get_current_context().find_root().params.get("debug") else {}
    return {each.tenant: found.get(each.tenant, {}) | debug for each in tenants}


def _check(tenants: Sequence[Parameters], place: Place, replay: Path | None, observed: Sequence[Path]) -> None:
    """Raise `InputError` for what would only be found wrong after a long run."""
    from aoai_lib import fleet

    if replay:
        from aoai_lib.azure.replay import Recording

        if left_out := Recording.load(replay).left_out:
            terminal.show_left_out(replay, left_out)
    fleet.check_observations(observed)
    place.check()
    fleet.check_labels([each.tenant for each in tenants], os.environ)


def _check_means(key: Path | None, authority: str, pdf: bool) -> None:
    """Raise `InputError` unless everything is there by which runs are signed, stamped and printed."""
    if key:
        from aoai_lib.bundle.signing import check_key

        check_key(key)
    if authority:
        from aoai_lib.bundle.timestamp import check_authority

        check_authority(authority)
    if pdf:
        from aoai_lib.report.pdf import browser

        browser()


def _forget_if_in_vain(place: Place, batch: Batch, found: Mapping[str, Outcome]) -> None:
    """Take the journal of a batch away that left no run to go on with."""
    finished = any(each.finished for each in found.values())
    if not finished and not any(place.names(f"{each.parameters.tenant}/{each.run_id}") for each in batch.tasks):
        place.remove(batch.journal)


def _show(place: Place, outcomes: Sequence[Outcome], finished: Sequence[Parameters]) -> None:
    """What became of each tenant; of several, also all at a glance."""
    from aoai_lib import fleet

    terminal.show_outcomes(outcomes)
    if len(outcomes) > 1:
        terminal.show_summary(outcomes)
        if finished:
            terminal.show_overview(fleet.write_overview(place, finished[0]))


def _show_strangers(observed: Sequence[Path], outcomes: Sequence[Outcome]) -> bool:
    """Name the files of observations that are about none of the tenants; whether there are any."""
    strangers = [
        path for path in observed if all(path.absolute() in each.strangers for each in outcomes if each.finished)
    ]
    terminal.show_strangers(strangers)
    return bool(strangers)


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
        name = re.sub(r"[^A-Za-z0-9._-]", "-", replay.stem)[:64].strip("-.")
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
