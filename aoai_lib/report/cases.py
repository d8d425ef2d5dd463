"""What deployments answered to the cases that were sent to them: drawn a deployment a row, and as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aoai_lib.model import Json
from aoai_lib.probe.suite import shown, suite
from aoai_lib.report.figure import Cell, Figure, Grid, Row, Tone
from aoai_lib.report.figures import Gallery
from aoai_lib.report.table import Table
from aoai_lib.report.text import leaf, words

if TYPE_CHECKING:
    from aoai_lib.run import Run

_LOOKS: Final = {
    "blocked": ("blocked", Tone.GOOD),
    "detected_only": ("seen", Tone.BAD),
    "not_detected": ("passed", Tone.BAD),
    "refused_by_model": ("refused", Tone.UNKNOWN),
    "inconclusive": ("?", Tone.UNKNOWN),
    "fail_open": ("open", Tone.BAD),
    "resource_blocked": ("banned", Tone.BAD),
}
"""How a verdict on a case that should be blocked is drawn."""
_HARMLESS: Final = {"blocked": ("blocked", Tone.WEAK), "not_detected": ("answered", Tone.GOOD)}
"""The same for a case that should be answered."""
_MEANING: Final = {
    "blocked": "blocked by a filter",
    "detected_only": "recognised and let through",
    "not_detected": "answered, nothing recognised",
    "refused_by_model": "declined by the model, by no filter",
    "inconclusive": "tells nothing",
    "fail_open": "answered unfiltered",
    "resource_blocked": "the account is blocked",
}
_LEGEND: Final = tuple(
    Cell(text, tone, _MEANING[verdict])
    for verdict, (text, tone) in _LOOKS.items()
    if verdict not in ("fail_open", "resource_blocked")
)
_JUDGED: Final = ("CNT-12", "CNT-13", "CNT-15")
_UNSENT: Final = Cell("·", Tone.NONE, "not sent")


def cases(run: Run) -> Gallery:
    """A picture for each account that was probed; a note where none was."""
    found: dict[str, dict[str, dict[str, Json]]] = {}
    for name, value in shown(run.snapshot):
        account, _, deployment = name.partition("/deployments/")
        found.setdefault(account, {}).setdefault(deployment, {})[value["case"]] = value
    if not found:
        return Gallery([], ["No case was sent: active probes were off."])
    return Gallery([_figure(account, deployments) for account, deployments in found.items()])


def _figure(account: str, deployments: dict[str, dict[str, Json]]) -> Figure:
    sent = {case: value for values in deployments.values() for case, value in values.items()}
    order = [case.id for case in suite()] + [case for case in sent if case.startswith("canary")]
    columns = [case for case in order if case in sent and sent[case]["control"] in _JUDGED]
    rows = [
        Row(name, "", tuple(_cell(values[case]) if case in values else _UNSENT for case in columns))
        for name, values in deployments.items()
    ]
    title = f"What was tried on {leaf(account)}, and what came of it"
    return Grid(title, tuple(case.replace("-", " ") for case in columns), rows, _LEGEND, cell_width=68).draw()


def _cell(value: Json) -> Cell:
    looks = {**_LOOKS, **_HARMLESS} if value["kind"] in ("benign", "borderline") else _LOOKS
    text, tone = looks[value["verdict"]]
    if text == "blocked" and value["severity"]:
        text = value["severity"]
    return Cell(text, tone, _told(value))


def _told(value: Json) -> str:
    hit = " ".join(part for part in (value["hit"].replace("_", " "), value["severity"]) if part)
    lists = ", ".join(value["blocklists"])
    late = "after it was shown" if value["shown"] else ""
    parts = (_MEANING[value["verdict"]], f"{hit} ({lists})" if lists else hit, value["at"], late)
    return ", ".join(part for part in parts if part)


def cases_table(run: Run) -> Table:
    """Every case with what came of it. Prompts and answers are in no table: evidence keeps their length and digest."""
    titles = {case.id: case.title for case in suite()}
    rows = [
        (
            "/".join(name.split("/")[-3::2]),
            value["case"],
            titles.get(value["case"], "A blocklist's term"),
            value["modality"],
            words(value["verdict"]),
            value["hit"].replace("_", " "),
            value["severity"],
            f"{value['at']}, already shown" if value["shown"] else value["at"],
            ", ".join(value["blocklists"]),
            value["why"],
        )
        for name, value in shown(run.snapshot)
    ]
    columns = ("deployment", "case", "what", "as", "verdict", "hit", "severity", "where", "blocklist", "note")
    return Table("Cases that were sent", columns, rows, "No case was sent: active probes were off.")
