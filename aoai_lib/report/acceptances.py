"""The accepted risks that the parameters name: what each does to the findings, as a table and in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from aoai_lib.controls import catalogue
from aoai_lib.model import Finding, Status
from aoai_lib.report.findings import is_about, state, waiver_of
from aoai_lib.report.table import Table

if TYPE_CHECKING:
    from aoai_lib.parameters import Waiver
    from aoai_lib.run import Run


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A waiver on the day of the snapshot: `state` is `active` or `expired`, `failed` how many failures it is about.

    `sentence` says what it does; `needs_a_look` whether somebody should see to it: it ended, or is about nothing that fails.
    """

    waiver: Waiver
    state: str
    failed: int
    sentence: str
    needs_a_look: bool


def acceptances(run: Run) -> list[Acceptance]:
    """Every waiver of the parameters, in their order."""
    return [_acceptance(run, each) for each in run.parameters.waivers]


def _acceptance(run: Run, waiver: Waiver) -> Acceptance:
    held = state(waiver, _today(run))
    about = [each for each in run.findings if each.control == waiver.control and is_about(waiver, each)]
    failed = sum(each.status is Status.FAIL for each in about)
    if failed and held == "active":
        return Acceptance(waiver, held, failed, f"Accepts {_failures(failed)} until {waiver.expires}.", False)
    if failed and not (counting := sum(_counts(run, each) for each in about)):
        return Acceptance(waiver, held, failed, f"Ended on {waiver.expires}; another acceptance holds.", True)
    if failed:
        again = f"{_failures(counting)} count{'s' if counting == 1 else ''} again"
        return Acceptance(waiver, held, failed, f"Ended on {waiver.expires}: {again}.", True)
    return Acceptance(waiver, held, failed, _idle(waiver, about), True)


def _failures(number: int) -> str:
    return "1 failed finding" if number == 1 else f"{number} failed findings"


def _counts(run: Run, finding: Finding) -> bool:
    """Whether a failure is an accepted risk by none of the waivers."""
    found = waiver_of(finding, run.parameters.waivers, _today(run))
    return finding.status is Status.FAIL and (found is None or found["state"] != "active")


def _idle(waiver: Waiver, about: list[Finding]) -> str:
    """Why a waiver accepts nothing."""
    if about:
        passed = all(each.status is not Status.NOT_ASSESSED for each in about)
        return (
            "Nothing that it is about fails."
            if passed
            else "Nothing that it is about is known to fail: some was not assessed."
        )
    if waiver.control not in {each.id for each in catalogue()}:
        return f"Matches nothing: this catalogue has no control {waiver.control}."
    return f"Matches nothing: {waiver.control} has no finding about “{waiver.subject}”."


def accepted(run: Run, finding: Finding) -> str:
    """The waiver of a finding in a sentence, with its state; "" where there is none."""
    found = waiver_of(finding, run.parameters.waivers, _today(run))
    if found is None:
        return ""
    until = "Accepted until" if found["state"] == "active" else "Was accepted until"
    ticket = f", {found['ticket']}" if found["ticket"] else ""
    return f"{until} {found['expires']} by {found['owner']}{ticket}: {found['reason']}"


def waivers(run: Run) -> Table:
    """Each accepted risk with its state on the day of the snapshot, and what it does."""
    rows = [
        (
            each.waiver.control,
            each.waiver.subject,
            each.waiver.reason,
            each.waiver.owner,
            each.waiver.ticket,
            each.waiver.expires.isoformat(),
            each.state,
            each.failed,
            each.sentence,
        )
        for each in acceptances(run)
    ]
    columns = ("control", "subject", "reason", "owner", "ticket", "until", "state", "failures", "what it does")
    return Table("Accepted risks", columns, rows, "No risk is accepted.")


def reminders(run: Run) -> list[str]:
    """A sentence for each acceptance that somebody should see to."""
    return [
        f"Accepted risk {each.waiver.control} on “{each.waiver.subject}” ({each.waiver.owner}): {each.sentence}"
        for each in acceptances(run)
        if each.needs_a_look
    ]


def tally(run: Run) -> str:
    """How many failures are accepted, and how many are so no longer, in a sentence; "" where no failure has a waiver."""
    today = _today(run)
    failed = [each for each in run.findings if each.status is Status.FAIL]
    found = [waiver_of(each, run.parameters.waivers, today) for each in failed]
    states = [each["state"] for each in found if each is not None]
    told = []
    if active := states.count("active"):
        told.append(
            f"{active} of the failures {'is an' if active == 1 else 'are'} accepted risk{'s' if active != 1 else ''}"
        )
    if ended := states.count("expired"):
        told.append(f"the acceptance of {ended} has ended, and {'it counts' if ended == 1 else 'they count'} again")
    return f"{'; '.join(told)[0].upper()}{'; '.join(told)[1:]}." if told else ""


def _today(run: Run) -> date:
    return date.fromisoformat(run.snapshot.as_of[:10])
