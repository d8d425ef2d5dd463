"""What the guardrails of an account's deployments do: drawn, the weakest first, and as rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from aoai_lib.guardrails import Matrix, guardrail_matrix
from aoai_lib.guardrails.filters import PLACES, PROFANITY, PROTECTED_CODE, PROTECTED_TEXT, Direction, Effect, Family
from aoai_lib.guardrails.filters import Setting as FilterSetting
from aoai_lib.guardrails.matrix import Cell as FilterCell
from aoai_lib.guardrails.matrix import Row as Deployment
from aoai_lib.model import Requirements
from aoai_lib.report import table
from aoai_lib.report.figure import Cell, Figure, Grid, Row, Tone
from aoai_lib.report.matrices import DRAWN_AT_MOST, accounts_of, lines_by_subject
from aoai_lib.report.table import Table
from aoai_lib.report.text import leaf, words

if TYPE_CHECKING:
    from aoai_lib.run import Run

_ORDER: Final = sorted(range(len(PLACES)), key=lambda place: PLACES[place][1] is Direction.COMPLETION)
_LEGEND: Final = (
    Cell("Low+", Tone.GOOD, "blocked from there"),
    Cell("blocks", Tone.GOOD, "blocked"),
    Cell("High+", Tone.WEAK, "from too high a severity"),
    Cell("late", Tone.WEAK, "shown, then blocked"),
    Cell("notes", Tone.BAD, "annotated"),
    Cell("off", Tone.BAD, "off"),
    Cell("?", Tone.UNKNOWN, "not known"),
    Cell("·", Tone.NONE, "no such filter"),
)
_JUDGING_FILTERS: Final = frozenset({"CNT-01", "CNT-02", "CNT-03", "CNT-04", "CNT-05", "CNT-07", "CNT-09"})
"""Controls of a deployment that read its policy, the policies below that, and its lists."""
_KINDS: Final = {
    None: "not known",
    Family.TEXT: "text: all filters",
    Family.EMBEDDINGS: "embeddings: prompts only, no documents",
    Family.IMAGES: "images: harms both ways, jailbreaks in prompts",
    Family.SPEECH: "speech: no content filter",
}


def guardrails_by_need(run: Run) -> list[str]:
    """ARM ids of the run's accounts, the one with the weakest deployment first."""
    asked = run.snapshot.requirements
    weakest = {
        each: max((_weakness(row, asked) for row in guardrail_matrix(run.snapshot, each).rows), default=(0, 0, 0))
        for each in accounts_of(run)
    }
    return sorted(weakest, key=lambda each: weakest[each], reverse=True)


def guardrail_figure(run: Run, account: str) -> Figure:
    """What the content filters of one account's deployments do, the weakest deployment first, prompts first."""
    matrix = guardrail_matrix(run.snapshot, account)
    asked = run.snapshot.requirements
    worst_first = sorted(matrix.rows, key=lambda row: _weakness(row, asked), reverse=True)[:DRAWN_AT_MOST]
    columns = ("in all", *(PLACES[place][0].label for place in _ORDER), "block lists")
    prompts = sum(direction is Direction.PROMPT for _, direction in PLACES)
    groups = (("", 1), ("prompts", prompts), ("completions", len(PLACES) - prompts), ("", 1))
    title = f"Guardrails of {leaf(account)} (required: blocked from severity {asked.filter_threshold})"
    rows = [_drawn_row(row, asked) for row in worst_first]
    return Grid(title, columns, rows, _LEGEND, groups, list(_notes(matrix, worst_first)), cell_width=66).draw()


def _notes(matrix: Matrix, drawn: Iterable[Deployment]) -> Iterator[str]:
    if matrix.gap:
        yield matrix.gap
    if len(matrix.rows) > DRAWN_AT_MOST:
        yield f"{len(matrix.rows) - DRAWN_AT_MOST} more deployments are in the table."
    for row in drawn:
        if row.note:
            yield f"{row.deployment}: {row.note}"
        for each in _extras(row):
            yield f"{row.deployment}: the policy also lists {each}"


def _drawn_row(row: Deployment, asked: Requirements) -> Row:
    base = f"{row.policy} on {row.base}" if row.base else row.policy
    detail = ", ".join(part for part in (row.model, base) if part)
    return Row(row.deployment, detail, (_in_all(row, asked), *_cells(row, asked), _blocklists_cell(row, asked)))


def _cells(row: Deployment, asked: Requirements) -> list[Cell]:
    excepted = row.deployment.lower() in {name.lower() for name in asked.protected_material_exceptions}
    optional = (PROFANITY, PROTECTED_TEXT, PROTECTED_CODE) if excepted else (PROFANITY,)
    return [_cell(row.cells[place], asked, row.cells[place].filter in optional) for place in _ORDER]


def _cell(cell: FilterCell, asked: Requirements, optional: bool) -> Cell:
    """Nothing asks for profanity to be blocked, nor for an approved exception, so there absence is no fault."""
    setting, fault = cell.setting, Tone.NONE if optional else Tone.BAD
    if setting.effect is Effect.BLOCKS:
        met = setting.meets(asked.filter_threshold)
        text = f"{setting.threshold}+" if setting.threshold else "blocks"
        return Cell(text, Tone.GOOD if met else Tone.WEAK, setting.words)
    text, tone = {
        Effect.DEFERRED: ("late", Tone.NONE if optional else Tone.WEAK),
        Effect.UNKNOWN: ("?", Tone.NONE if optional else Tone.UNKNOWN),
        Effect.ANNOTATES: ("notes", fault),
        Effect.OFF: ("off", fault),
        Effect.NOT_APPLICABLE: ("·", Tone.NONE),
    }[setting.effect]
    return Cell(text, tone, setting.words)


def _weakness(row: Deployment, asked: Requirements) -> tuple[int, int, int]:
    """How many cells are bad, weak and unknown: what deployments are ordered by."""
    tones = [cell.tone for cell in _cells(row, asked)]
    return tones.count(Tone.BAD), tones.count(Tone.WEAK), tones.count(Tone.UNKNOWN)


def _in_all(row: Deployment, asked: Requirements) -> Cell:
    """The deployment in one cell."""
    bad, weak, unknown = _weakness(row, asked)
    if bad or weak:
        tip = f"of the filters, {bad} let everything through and {weak} block less or later than required"
        return Cell(f"{bad + weak} weak", Tone.BAD if bad else Tone.WEAK, tip)
    if unknown:
        return Cell("?", Tone.UNKNOWN, f"not known of {unknown} of the filters")
    if row.family is Family.SPEECH:
        return Cell("·", Tone.NONE, "no content filter")
    return Cell("met", Tone.GOOD, "as required")


def _blocklists_cell(row: Deployment, asked: Requirements) -> Cell:
    """How many blocklists block something; whether those required are in force both ways is CNT-07's verdict."""
    if row.family is Family.SPEECH:
        return Cell("·", Tone.NONE, "no content filter")
    if row.note:
        return Cell("?", Tone.UNKNOWN, "not known")
    names = {each.name.lower() for each in row.blocklists if each.blocking and each.entries != 0}
    missing = any(name.lower() not in names for name in asked.required_blocklists)
    return Cell(str(len(names) or "none"), Tone.BAD if missing else Tone.NONE, _lists(row) or "none")


def guardrail_details(run: Run) -> Table:
    """Each deployment in words: its kind of model, its policy and that one's base, what happens both ways and for agents."""
    columns = ("deployment", "model", "kind", "policy", "prompts", "completions", "also listed", "note")
    found = (
        (
            f"{leaf(account)} / {row.deployment}",
            row.model,
            _KINDS[row.family],
            _policy(row),
            *(_summary(row, direction) for direction in Direction),
            "; ".join(_extras(row)),
            row.note,
        )
        for account, row in _all(run)
    )
    return Table("Guardrails in words", columns, list(found), "No deployment could be read.")


def _policy(row: Deployment) -> str:
    base = f", on {row.base}" if row.base else ""
    mode = f", mode {row.mode}" if row.mode else ""
    return f"{row.policy}{base}{mode}" if row.policy else "none named"


def _summary(row: Deployment, direction: Direction) -> str:
    """The filters of a direction by what they do: `Low+: hate, violence; off: jailbreak`."""
    found: dict[str, list[str]] = {}
    for cell in row.cells:
        if cell.direction is direction:
            found.setdefault(_told(cell.setting), []).append(cell.filter.label)
    parts = [f"{told}: {', '.join(labels)}" for told, labels in found.items()]
    return "; ".join(parts) if len(found) > 1 else next(iter(found))


def guardrail_table(run: Run) -> Table:
    """Each deployment with what each filter does in each direction, a column each: what a workbook is filtered by."""
    names = tuple(f"{PLACES[place][0].label}, {words(PLACES[place][1].value.lower())}s" for place in _ORDER)
    columns = (
        *("account", "deployment", "model", "kind", "policy", "base policy", "mode"),
        *names,
        *("also listed", "blocklists", "note"),
    )
    rows: list[tuple[table.Cell, ...]] = [
        (
            *(
                leaf(account),
                row.deployment,
                row.model,
                _KINDS[row.family],
                row.policy or "none named",
                row.base,
                row.mode,
            ),
            *(_told(row.cells[place].setting) for place in _ORDER),
            *("; ".join(_extras(row)), _lists(row), row.note),
        )
        for account, row in _all(run)
    ]
    cited = lines_by_subject(run, _JUDGING_FILTERS)
    evidence = [cited.get(f"{account}/deployments/{row.deployment}".lower(), "") for account, row in _all(run)]
    return Table("Guardrails", columns, rows, "No deployment could be read.", evidence)


def blocklists(run: Run) -> Table:
    """The blocklists that each deployment's policy binds."""
    rows: list[tuple[table.Cell, ...]] = [
        (f"{leaf(account)} / {row.deployment}", row.policy or "none named", _lists(row) or "none")
        for account, row in _all(run)
    ]
    return Table("Blocklists", ("deployment", "policy", "blocklists"), rows, "No deployment could be read.")


def _all(run: Run) -> Iterator[tuple[str, Deployment]]:
    for account in accounts_of(run):
        for row in guardrail_matrix(run.snapshot, account).rows:
            yield account, row


def _told(setting: FilterSetting) -> str:
    return f"{setting.effect.value} from {setting.threshold}" if setting.threshold else setting.effect.value


def _extras(row: Deployment) -> Iterator[str]:
    for each in row.extras:
        yield f"“{each.name}” at {f'“{each.source}”' if each.source else 'no source'}, which {each.setting.words}"


def _lists(row: Deployment) -> str:
    return "; ".join(_each_list(row))


def _each_list(row: Deployment) -> Iterator[str]:
    for bound in row.blocklists:
        count = "1 entry" if bound.entries == 1 else f"{bound.entries}{'+' if bound.at_least else ''} entries"
        counted = "entries not counted" if bound.entries is None else count
        where = (
            f"on {bound.source.lower()}s" if bound.source in tuple(Direction) else f"at “{bound.source or 'no source'}”"
        )
        yield f"{bound.name} {where} ({'blocks' if bound.blocking else 'does not block'}, {counted})"
