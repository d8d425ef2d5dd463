"""The guardrail matrix: every deployment of an account against every filter, as the notebook draws and tabulates it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from aoai_lib.facts import Facts, NotCollectedError, UnexpectedShapeError
from aoai_lib.guardrails.filters import PLACES, Direction, Effect, Family, Filter, Setting, applies, family_of
from aoai_lib.guardrails.policies import Extra, Guardrail, Unresolved, guardrail_of
from aoai_lib.model import Kind, Snapshot, State, Subject


@dataclass(frozen=True, slots=True)
class Cell:
    """One filter in one direction of one deployment."""

    filter: Filter
    direction: Direction
    setting: Setting


@dataclass(frozen=True, slots=True)
class BoundBlocklist:
    """A blocklist on a deployment; `source` is where it looks, as the policy spells it.

    `entries` is None where they could not be counted; `at_least` where there may be more.
    """

    name: str
    source: str
    blocking: bool
    entries: int | None
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A deployment: its model, the policy it names ("" for none), its cells in the order of `filters.PLACES`.

    `base` is the policy that the named one is based on ("" for none), `extras` what it lists beside the cells. `note` says
    why cells are unknown, or why none applies.
    """

    deployment: str
    model: str
    family: Family | None
    policy: str
    mode: str
    cells: tuple[Cell, ...]
    blocklists: tuple[BoundBlocklist, ...] = ()
    base: str = ""
    extras: tuple[Extra, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Matrix:
    """The deployments of an account. `gap` says why some may be missing; "" where all are here."""

    account: str
    rows: tuple[Row, ...]
    gap: str = ""


def guardrail_matrix(snapshot: Snapshot, account_id: str) -> Matrix:
    """What happens at which severity on each deployment of an account. Never raises for what could not be read."""
    listing = snapshot.reading("deployments", account_id)
    listed = listing.state in (State.COLLECTED, State.PARTIAL)
    gap = ""
    if listing.state is not State.COLLECTED:
        gap = listing.reason or "The list of deployments is not known to be complete."
    rows = tuple(_row(snapshot, account_id, deployment) for deployment in (listing.value if listed else []))
    return Matrix(account_id, rows, gap)


def _row(snapshot: Snapshot, account_id: str, deployment_id: str) -> Row:
    facts = Facts(snapshot, Subject(Kind.DEPLOYMENT, deployment_id, account_id))
    row = Row(facts.subject.name, "", None, "", "", _cells(Setting(Effect.UNKNOWN)))
    try:
        deployment = facts.deployment
        row = replace(row, model=deployment.text("properties.model.name"), family=family_of(deployment))
        row = replace(row, policy=deployment.text("properties.raiPolicyName"))
        if row.family is Family.SPEECH:
            none = "Models that turn speech into text or text into speech have no content filter."
            return replace(row, cells=_cells(Setting(Effect.NOT_APPLICABLE)), note=none)
        guardrail = guardrail_of(facts)
        if isinstance(guardrail, Unresolved):
            return replace(row, note=guardrail.why)
        row = replace(row, mode=guardrail.mode, base=guardrail.base, cells=_effects(row.family, guardrail))
        row = replace(row, extras=tuple(guardrail.extras()))
        return replace(row, blocklists=tuple(_blocklists(snapshot, account_id, guardrail)))
    except NotCollectedError as missing:
        return replace(row, note=str(missing))
    except UnexpectedShapeError as odd:
        return replace(row, note=f"The answer is not of the documented form: {odd}")


def _cells(setting: Setting) -> tuple[Cell, ...]:
    return tuple(Cell(about, direction, setting) for about, direction in PLACES)


def _effects(family: Family | None, guardrail: Guardrail) -> tuple[Cell, ...]:
    """The cells of a deployment whose policy is known; a filter that the model does not have is not applicable."""
    cells = []
    for about, direction in PLACES:
        setting = Setting(Effect.NOT_APPLICABLE)
        if family is None or applies(family, about, direction):
            setting = guardrail.setting(about, direction)
            if setting.effect is Effect.BLOCKS and direction is Direction.COMPLETION:
                setting = _as_shown(setting, guardrail.deferred)
        cells.append(Cell(about, direction, setting))
    return tuple(cells)


def _as_shown(setting: Setting, deferred: bool | None) -> Setting:
    """What blocking a completion means in the policy's mode: deferred, the caller has seen the text before it is blocked."""
    if deferred is None:
        return Setting(Effect.UNKNOWN, setting.threshold, "is blocked in a mode that is not documented")
    if deferred:
        return Setting(Effect.DEFERRED, setting.threshold, "is blocked only after it was shown")
    return setting


def _blocklists(snapshot: Snapshot, account_id: str, guardrail: Guardrail) -> Iterator[BoundBlocklist]:
    for bound in guardrail.bindings():
        items = snapshot.reading("rai_blocklist_items", f"{account_id}/raiBlocklists/{bound.blocklist}")
        known = isinstance(items.value, list) and items.state in (State.COLLECTED, State.PARTIAL)
        entries = len(items.value) if known else None
        yield BoundBlocklist(
            bound.blocklist, bound.source, bound.blocking, entries, at_least=items.state is State.PARTIAL
        )
