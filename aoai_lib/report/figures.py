"""The pictures about a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from aoai_lib.model import Severity, Status
from aoai_lib.private_path import LinkState, private_path
from aoai_lib.report import guardrails as content
from aoai_lib.report import matrices
from aoai_lib.report.drawing import draw_path
from aoai_lib.report.figure import Bar, Bars, Figure, Tone
from aoai_lib.report.table import Note
from aoai_lib.report.tables import PHASE_TITLES, declared
from aoai_lib.report.text import words

if TYPE_CHECKING:
    from aoai_lib.run import Run

DRAWN_AT_MOST: Final = 12
"""Accounts of which a picture is drawn in one go, the worst first."""

_ORDER: Final = (Status.FAIL, Status.NOT_ASSESSED, Status.PASS, Status.NOT_APPLICABLE)
_PARTS: Final = tuple(zip(map(words, _ORDER), (Tone.BAD, Tone.UNKNOWN, Tone.GOOD, Tone.NONE), strict=True))


class Gallery:
    """Several pictures shown below each other, one for each account. `notes` follow them, or stand in their place."""

    def __init__(self, figures: Iterable[Figure], notes: Iterable[str] = ()) -> None:
        self.figures = list(figures)
        sentences = tuple(notes)
        self.shown: list[Figure | Note] = [*self.figures, *([Note(sentences)] if sentences else [])]

    def __repr__(self) -> str:
        return "\n\n".join(map(str, self.shown))

    def _ipython_display_(self) -> None:
        from IPython.display import display

        for each in self.shown:
            display(each)  # type: ignore[no-untyped-call]


def by_severity(run: Run) -> Figure:
    """Findings by severity of their control, the verdicts stacked."""
    controls = declared(run)
    pairs = [(controls[finding.control].severity, finding.status) for finding in run.findings]
    return _bars("Findings by severity", [(severity.value, severity) for severity in Severity], pairs)


def by_phase(run: Run) -> Figure:
    """Findings by phase, the verdicts stacked."""
    controls = declared(run)
    pairs = [(controls[finding.control].phase, finding.status) for finding in run.findings]
    return _bars("Findings by phase", [(PHASE_TITLES[phase], phase) for phase in run.phases], pairs)


def _bars(title: str, labels: list[tuple[str, Any]], pairs: list[tuple[Any, Status]]) -> Figure:
    bars = [Bar(label, tuple(pairs.count((key, status)) for status in _ORDER)) for label, key in labels]
    return Bars(title, _PARTS, bars).draw()


def private_paths(run: Run) -> Gallery:
    """The private path of each account, broken ones first, and a line for those that are not drawn."""
    order = list(reversed(LinkState))
    paths = [private_path(run.snapshot, account) for account in matrices.accounts_of(run)]
    paths.sort(key=lambda path: order.index(path.state))
    return Gallery(map(draw_path, paths[:DRAWN_AT_MOST]), _left_out(len(paths)))


def _left_out(count: int) -> list[str]:
    """What is said below pictures of so many accounts."""
    if count > DRAWN_AT_MOST:
        return [f"{count - DRAWN_AT_MOST} more accounts are not drawn; the table of findings has them."]
    return [] if count else ["No account could be read."]


def access(run: Run) -> Gallery:
    """The access matrix of each account."""
    accounts = matrices.accounts_of(run)
    drawn = (matrices.access_figure(run, each) for each in accounts[:DRAWN_AT_MOST])
    return Gallery(drawn, _left_out(len(accounts)))


def guardrails(run: Run) -> Gallery:
    """The guardrail matrix of each account, the one with the weakest deployment first."""
    accounts = content.guardrails_by_need(run)
    drawn = (content.guardrail_figure(run, each) for each in accounts[:DRAWN_AT_MOST])
    return Gallery(drawn, _left_out(len(accounts)))
