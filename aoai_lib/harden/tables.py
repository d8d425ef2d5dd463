"""A plan and what became of it, as tables: for a notebook and for the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aoai_lib.harden.plan import Plan
from aoai_lib.model import Json
from aoai_lib.private_link import name_of
from aoai_lib.report.table import Cell, Table

if TYPE_CHECKING:
    from aoai_lib.harden.session import Outcome

_LONGEST = 300


def plan_table(plan: Plan) -> Table:
    """A row for each step, in order, with what changes, what is asked first and how it is taken back."""
    rows: list[tuple[Cell, ...]] = []
    for number, step in enumerate(plan.steps, 1):
        first = ", ".join(check.label for check in step.checks)
        back = "yes" if step.undo is not None else f"no: {step.undo_note}"
        rows.append((number, step.control, step.title, changes_text(step.changes), step.effect, first, back))
    columns = (
        "step",
        "control",
        "what is done",
        "before → after",
        "what to expect",
        "asked first",
        "can be taken back",
    )
    empty = "No step can be planned." if plan.unplanned else "Nothing failed, so there is nothing to do."
    return Table("Hardening plan", columns, rows, empty)


def unplanned_table(plan: Plan) -> Table:
    """A row for each failed control that no step is planned for, and what a person does instead."""
    rows = [(each.control, name_of(each.subject), each.reason) for each in plan.unplanned]
    return Table("Not in the plan", ("control", "subject", "why, and what to do"), rows, "Nothing is left out.")


def outcome_table(outcome: Outcome) -> Table:
    """A row for each step: what became of it."""
    rows = [
        (number, each.step.control, each.step.title, each.became.value, "\n".join((each.sentence, *each.listed)))
        for number, each in enumerate(outcome.results, 1)
    ]
    return Table("What became of the steps", ("step", "control", "what is done", "became", "because"), rows)


def proof_table(outcome: Outcome) -> Table:
    """The verdicts of the controls that steps were taken for, judged again afterwards."""
    rows = [(each.control, name_of(each.subject), each.status, each.reason) for each in outcome.proofs]
    return Table("Judged again", ("control", "subject", "verdict", "reason"), rows, "Nothing was judged again.")


def changes_text(changes: Sequence[tuple[str, Json, Json]]) -> str:
    """One line for each property that changes."""
    return "\n".join(f"{path}: {_shown(before)} → {_shown(after)}" for path, before, after in changes)


def _shown(value: Json) -> str:
    if value is None:
        return "absent"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
