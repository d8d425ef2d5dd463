"""The pictures about a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from aoai_lib.model import Severity, Status
from aoai_lib.private_path import LinkState, private_path
from aoai_lib.report import matrices
from aoai_lib.report.drawing import draw_paths
from aoai_lib.report.figure import Bar, Bars, Figure, Tone
from aoai_lib.report.tables import PHASE_TITLES, declared
from aoai_lib.report.text import words

if TYPE_CHECKING:
    from aoai_lib.run import Run

DRAWN_AT_MOST: Final = 12
"""Accounts of which a picture is drawn in one go, the worst first."""

_ORDER: Final = (Status.FAIL, Status.NOT_ASSESSED, Status.PASS, Status.NOT_APPLICABLE)
_PARTS: Final = tuple(zip(map(words, _ORDER), (Tone.BAD, Tone.UNKNOWN, Tone.GOOD, Tone.NONE), strict=True))
_WORST_PATH: Final = (LinkState.BROKEN, LinkState.UNKNOWN, LinkState.OK)


class Gallery:
    """Several pictures shown below each other, one for each account."""

    def __init__(self, figures: Iterable[Figure], empty: str) -> None:
        self.figures = list(figures)
        self._empty = empty

    def __repr__(self) -> str:
        return "\n\n".join(map(str, self.figures)) or self._empty

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if not self.figures:
            display(self._empty)  # type: ignore[no-untyped-call]
        for figure in self.figures:
            display(figure)  # type: ignore[no-untyped-call]


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


def private_paths(run: Run) -> Figure:
    """The private path of every account, broken ones first."""
    paths = [private_path(run.snapshot, account) for account in matrices.accounts_of(run)]
    paths.sort(key=lambda path: _WORST_PATH.index(path.state))
    more = len(paths) - DRAWN_AT_MOST
    note = f"{more} more accounts are not drawn; the table of findings has them." if more > 0 else ""
    title = "The private path to each account" if paths else "No account could be read, so no private path is known"
    return draw_paths(paths[:DRAWN_AT_MOST], title, note)


def access(run: Run) -> Gallery:
    """The access matrix of each account."""
    accounts = matrices.accounts_of(run)[:DRAWN_AT_MOST]
    return Gallery((matrices.access_figure(run, each) for each in accounts), "No account could be read.")


def guardrails(run: Run) -> Gallery:
    """The guardrail matrix of each account."""
    accounts = matrices.accounts_of(run)[:DRAWN_AT_MOST]
    return Gallery((matrices.guardrail_figure(run, each) for each in accounts), "No account could be read.")
