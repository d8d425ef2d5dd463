"""The sixteen lines of the validation checklist, and which controls answer each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aoai_lib.controls import catalogue
from aoai_lib.model import Status
from aoai_lib.report.table import Cell, Table
from aoai_lib.report.tables import worst_of

if TYPE_CHECKING:
    from aoai_lib.run import Run


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the checklist: what is to be validated, and the controls that together answer it."""

    area: str
    question: str
    controls: tuple[str, ...]


_NETWORK: Final = "Network isolation"
_IDENTITY: Final = "Identity and access"
_CONTENT: Final = "Content safety"
_MONITORING: Final = "Monitoring"

LINES: Final = (
    Line(_NETWORK, "From inside, the account's name resolves to its private address", ("NET-17",)),
    Line(_NETWORK, "From outside, the account answers 403", ("NET-17",)),
    Line(_NETWORK, "Security groups block subnets that have no business here", ("NET-12", "NET-13")),
    Line(_NETWORK, "Names resolve from peered networks and from on-premises", ("NET-09", "NET-18")),
    Line(_IDENTITY, "A key is refused", ("IAM-02",)),
    Line(_IDENTITY, "A managed identity signs in and calls", ("IAM-14",)),
    Line(_IDENTITY, "Cognitive Services OpenAI User cannot change deployments", ("IAM-12",)),
    Line(_IDENTITY, "Refusals are visible in the logs", ("IAM-15",)),
    Line(_CONTENT, "The content-filter tests pass on each deployment", ("CNT-12", "CNT-13", "CNT-14", "CNT-15")),
    Line(_CONTENT, "Jailbreak and indirect-attack detection block", ("CNT-03", "CNT-04")),
    Line(_CONTENT, "Custom blocklists are bound and work", ("CNT-07", "CNT-13")),
    Line(_CONTENT, "Answers carry content-filter annotations in their body", ("CNT-12",)),
    Line(_MONITORING, "Logs arrive in the workspace within their usual delay", ("MON-04",)),
    Line(_MONITORING, "Detection queries run, and find their synthetic events", ("MON-11", "MON-12")),
    Line(
        _MONITORING,
        "Alert rules exist, are enabled and tell somebody",
        ("MON-06", "MON-07", "MON-08", "MON-09", "MON-10"),
    ),
    Line(_MONITORING, "Logs are kept as long as required", ("MON-03",)),
)


def checklist(run: Run) -> Table:
    """Each line with its controls and what they say together; a control that this version lacks leaves its line open."""
    rows: list[tuple[Cell, ...]] = [
        (number, line.area, line.question, ", ".join(line.controls), *answer(run, line))
        for number, line in enumerate(LINES, 1)
    ]
    return Table("Validation checklist", ("", "area", "to be validated", "controls", "verdict", "why"), rows)


def answer(run: Run, line: Line) -> tuple[Status, str]:
    """The verdict of a line and one reason for it: any failure decides, and a missing control can't pass."""
    known = {control.id for control in catalogue()}
    missing = [control for control in line.controls if control not in known]
    found = [finding for finding in run.findings if finding.control in line.controls]
    status = worst_of([finding.status for finding in found] + [Status.NOT_ASSESSED] * bool(missing))
    reasons = [f"{finding.control}: {finding.reason}" for finding in found if finding.status is status]
    if status is Status.NOT_ASSESSED and missing:
        reasons.insert(0, f"{', '.join(missing)}: not part of this version.")
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return status, (reasons[0] + more) if reasons else "No subject of this kind was found."
