"""The findings by framework, with who says that a control belongs to a clause; and where baselines disagree, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aoai_lib.frameworks import FRAMEWORKS, by_framework, is_published
from aoai_lib.model import Json, Phase, State, Status
from aoai_lib.report.table import Cell, Table
from aoai_lib.report.tables import look, worst_of

if TYPE_CHECKING:
    from aoai_lib.run import Run

_COLUMNS: Final = (
    "framework",
    "clause",
    "title",
    "controls, published mapping",
    "controls, own reading",
    "worst verdict",
)


def frameworks(run: Run) -> Table:
    """Each clause with the controls that speak to it, by who mapped them, and how those came out.

    Over the whole catalogue, clauses that no control speaks to are there too: what a framework asks besides is not hidden.
    """
    statuses = _statuses(run)
    clauses: dict[tuple[str, str], list[str]] = {}
    for control in run.controls:
        for key, ids in by_framework(control.maps).items():
            for clause in ids:
                clauses.setdefault((key, clause), []).append(control.id)
    whole = set(run.phases) == set(Phase)
    rows: list[tuple[Cell, ...]] = []
    for key, framework in FRAMEWORKS.items():
        for clause, title in framework.clauses.items():
            ids = list(dict.fromkeys(clauses.get((key, clause), [])))
            theirs = [each for each in ids if is_published(each, key, clause)]
            ours = [each for each in ids if each not in theirs]
            if ids:
                worst = worst_of(status for each in ids for status in statuses.get(each, []))
                rows.append((framework.name, clause, title, ", ".join(theirs), ", ".join(ours), worst))
            elif whole:
                rows.append((framework.name, clause, title, "", "", "no control here"))
    return Table("Frameworks", _COLUMNS, rows, "No control of this phase maps to a framework.")


def _statuses(run: Run) -> dict[str, list[Status]]:
    found: dict[str, list[Status]] = {}
    for finding in run.findings:
        found.setdefault(finding.control, []).append(finding.status)
    return found


Accepts = Callable[[Json], bool]
"""Whether a baseline is content with an account, as `properties` and the rest of its answer say."""


@dataclass(frozen=True, slots=True)
class Position:
    """What a baseline asks on a question; `accepts` tells which accounts it is content with, where an account alone decides."""

    says: str
    accepts: Accepts | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A question on which published baselines do not agree, and the controls by which this playbook answers it."""

    asks: str
    policy: Position
    landing_zone: Position
    cis: Position
    ours: str
    controls: tuple[str, ...]


def _closed(account: Json) -> bool:
    return str(look(account, "properties.publicNetworkAccess")).lower() == "disabled"


def _denies(account: Json) -> bool:
    return str(look(account, "properties.networkAcls.defaultAction")).lower() == "deny"


def _no_ranges(account: Json) -> bool:
    return not look(account, "properties.networkAcls.ipRules")


def _own_key(account: Json) -> bool:
    return str(look(account, "properties.encryption.keySource")).lower() == "microsoft.keyvault"


_SILENT: Final = Position("does not ask")
QUESTIONS: Final = (
    Question(
        "May the public endpoint answer chosen addresses?",
        Position(
            "yes: content with public access off, or with a firewall that denies by default, whatever its IP rules "
            "(037eea7a-bd0a-46c5-9a66-03aea78705d3)",
            lambda account: _closed(account) or _denies(account),
        ),
        Position("no: refuses any IP rule", _no_ranges),
        Position("has no section for AI services; 7.16 asks for a network security perimeter where one is supported"),
        "public access off; while it is on, a firewall that denies by default, and no range beyond the approved ones",
        ("NET-01", "NET-02", "NET-03"),
    ),
    Question(
        "Must the key be the customer's own?",
        Position(
            "yes by its audit, which leaves out kind AIServices (67121cc7-ff39-4ab8-b7e3-95b84dab487d); the benchmark's DP-5 "
            "only “when required”",
            lambda account: _own_key(account) or look(account, "kind") == "AIServices",
        ),
        Position("yes, on every account", _own_key),
        Position("asks how vaults are kept, not which key an account uses"),
        "where the parameters require it (customer_managed_key)",
        ("GOV-01",),
    ),
    Question(
        "Which content-filter severity is right?",
        Position(
            "Medium or High unless told otherwise: it reports Low, which blocks most, as not compliant, and is content with "
            "High, which blocks least (930f48f9-f07e-427c-9494-52603581c6a9, preview)"
        ),
        _SILENT,
        _SILENT,
        "the required severity (filter_threshold) or a stricter one",
        ("CNT-01", "CNT-02"),
    ),
    Question(
        "Which logs must be kept?",
        Position(
            "any: content when one log is switched on (1b4d1c4e-934c-4703-944c-27c82c06bebb); what deploys settings sends the "
            "group “audit” alone (55d1f543-d1b0-4811-9663-d6d0dbc6326d)"
        ),
        _SILENT,
        Position("resource logging of every service that supports it (6.1.4), without saying which logs"),
        "every category, to a Log Analytics workspace",
        ("MON-01",),
    ),
)


def baselines(run: Run) -> Table:
    """Each question with what each baseline asks, how many accounts it is content with, and this playbook's verdict."""
    statuses = _statuses(run)
    read = [each.value for each in run.snapshot.of("account") if each.state is State.COLLECTED]
    rows: list[tuple[Cell, ...]] = [
        (
            each.asks,
            *(_told(position, read) for position in (each.policy, each.landing_zone, each.cis)),
            each.ours,
            ", ".join(each.controls),
            worst_of(status for control in each.controls for status in statuses.get(control, [])),
        )
        for each in QUESTIONS
    ]
    columns = (
        "question",
        "Azure Policy",
        "Azure landing zones",
        "CIS Azure 6.0.0",
        "this playbook",
        "controls",
        "verdict",
    )
    return Table("Where baselines disagree", columns, rows)


def _told(position: Position, read: Sequence[Json]) -> str:
    if position.accepts is None or not read:
        return position.says
    return f"{position.says}. Content with {sum(map(position.accepts, read))} of {len(read)} accounts read"
