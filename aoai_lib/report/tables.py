"""The tables about a run that notebooks, the page and the workbook show. All are views of its snapshot and findings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from aoai_lib.model import Finding, Json, Kind, Phase, Reading, Severity, Snapshot, State, Status
from aoai_lib.report.acceptances import accepted
from aoai_lib.report.findings import arm_id
from aoai_lib.report.table import Cell, Table
from aoai_lib.report.text import MOST_CHARACTERS, shown, subject_name, visible, words

if TYPE_CHECKING:
    from aoai_lib.controls import Control
    from aoai_lib.run import Run

WORST_FIRST: Final = {severity: rank for rank, severity in enumerate(Severity)}
PHASE_TITLES: Final = {
    Phase.NETWORK: "Network isolation",
    Phase.IDENTITY: "Identity and access",
    Phase.CONTENT: "Content safety",
    Phase.MONITORING: "Operational monitoring",
    Phase.GOVERNANCE: "Governance and data protection",
}
_UNREAD: Final = (State.DENIED, State.FAILED, State.PARTIAL, State.NOT_COLLECTED)
_NAMED_AT_MOST: Final = 6


def declared(run: Run) -> dict[str, Control]:
    """The run's controls by id."""
    return {control.id: control for control in run.controls}


def named(ids: Iterable[str]) -> str:
    """Short names of subjects, the first few of them."""
    names = list(dict.fromkeys(subject_name(each) for each in ids))
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more:,} more" if more > 0 else "")


def look(value: Json, path: str) -> Json:
    """The value at a dotted path; None where there is none, whatever stands in the way."""
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _look(reading: Reading, path: str, default: str = "") -> str:
    if reading.state is not State.COLLECTED:
        return "not read"
    value = look(reading.value, path)
    return default if value is None else shown(value, 80)


def scope(run: Run) -> Table:
    """What this run is about, and as of when."""
    snapshot = run.snapshot
    subscriptions = snapshot.reading("subscriptions", "").value or []
    subjects = {finding.subject for finding in run.findings}
    rows: list[tuple[Cell, ...]] = [
        ("tenant", snapshot.tenant),
        ("directory", snapshot.tenant_id or "not known"),
        ("cloud", snapshot.cloud),
        ("as of", snapshot.as_of),
        ("read by", reader(snapshot)),
        ("profile", snapshot.profile),
        ("vantage point", run.parameters.vantage or "not stated"),
        ("active probes", _probes(run)),
        ("subscriptions", ", ".join(map(str, subscriptions)) or "none could be listed"),
    ]
    for kind in (Kind.ACCOUNT, Kind.DEPLOYMENT, Kind.PRIVATE_ENDPOINT):
        count = sum(subject.kind is kind for subject in subjects)
        if count:
            rows.append((f"{words(kind)}s", count))
    return Table("What was assessed", ("", "value"), rows)


def reader(snapshot: Snapshot) -> str:
    """Who read, as far as the token told: name and object id."""
    told = [snapshot.caller.get(name, "") for name in ("name", "object_id")]
    return " ".join(filter(None, told)) or "nobody: this was replayed"


def _probes(run: Run) -> str:
    """Whether probes were on, how far they might go, and what they came to."""
    if not run.parameters.active_probes:
        return "off"
    limits, spent = run.parameters.probes, run.snapshot.reading("probes", "/").value
    limited = f"on, with at most {limits.requests} requests and {limits.tokens} tokens"
    if not isinstance(spent, dict):
        return f"{limited}; none was sent"
    left = f", {spent['left_out']} calls left out" if spent["left_out"] else ""
    return f"{limited}; {spent['requests']} requests and {spent['tokens']} tokens were used{left}"


def accounts(run: Run) -> Table:
    """Every account with the properties that decide most; an absent one is shown as the service reads it."""
    rows = []
    for reading in run.snapshot.of("account"):
        rows.append(
            (
                subject_name(reading.scope),
                _look(reading, "kind"),
                _look(reading, "location"),
                _look(reading, "properties.publicNetworkAccess", "Enabled (absent)"),
                {"true": "off", "false": "on", "absent": "on (absent)"}.get(
                    _look(reading, "properties.disableLocalAuth", "absent"), "not read"
                ),
                _look(reading, "properties.customSubDomainName", "none"),
            )
        )
    columns = ("account", "kind", "region", "public access", "keys", "subdomain")
    return Table("Accounts", columns, sorted(rows), "No account could be read.")


def deployments(run: Run) -> Table:
    """Every deployment: model, where it runs, how much it may use, and its content-filter policy."""
    rows = []
    for reading in run.snapshot.of("deployment"):
        model = f"{_look(reading, 'properties.model.name')} {_look(reading, 'properties.model.version')}".strip()
        rows.append(
            (
                subject_name(reading.scope),
                model,
                _look(reading, "sku.name"),
                _look(reading, "sku.capacity"),
                _look(reading, "properties.raiPolicyName", "none named"),
                _look(reading, "properties.versionUpgradeOption", "not stated"),
            )
        )
    columns = ("deployment", "model", "type", "capacity", "content-filter policy", "version upgrade")
    return Table("Deployments", columns, sorted(rows), "No deployment could be read.")


def requirements(run: Run) -> Table:
    """What the organisation asks of its accounts, with what each line decides."""
    asked = run.snapshot.requirements
    rows = [
        (words(name), shown(getattr(asked, name)), field.description or "")
        for name, field in type(asked).model_fields.items()
    ]
    return Table("Requirements", ("requirement", "value", "decides"), rows)


def verdicts(run: Run, controls: Sequence[str]) -> Table:
    """The findings of some controls with what was observed. An id that is not in the catalogue is shown as such.

    Controls that say the same of the same subject share a row: what could not be listed would else be told for each.
    """
    titles = declared(run)
    groups: dict[tuple[str, Status, str, str], list[str]] = {}
    for control in controls:
        found = [finding for finding in run.findings if finding.control == control]
        for each in found:
            why = f"{each.reason} {accepted(run, each)}".rstrip()
            key = (subject_name(arm_id(each.subject)), each.status, why, observed(run, each))
            groups.setdefault(key, []).append(control)
        if not found:
            why = "No subject of this kind was found." if control in titles else "Not part of this version."
            groups.setdefault(("", Status.NOT_ASSESSED, why, ""), []).append(control)
    rows = [(", ".join(dict.fromkeys(ids)), *rest) for rest, ids in groups.items()]
    rows.sort(key=lambda row: controls.index(row[0].partition(",")[0]))
    caption = "; ".join(f"{control} {titles[control].title}" for control in controls if control in titles)
    return Table(caption or ", ".join(controls), ("control", "subject", "verdict", "why", "observed"), rows)


def observed(run: Run, finding: Finding, limit: int = 3) -> str:
    """The first values that a control looked at, as text. Ids are left out: they only say where it looked."""
    seen = [each for each in finding.observed if not each.path.endswith(".id")]
    texts = [f"{_last(each.path)} = {_settled(run, each.value)}" for each in seen]
    more = len(texts) - limit
    return "; ".join(texts[:limit]) + (f"; and {more} more" if more > 0 else "")


def _last(path: str) -> str:
    """The end of an observation's path; of how many there are, also what there are so many of."""
    before, _, last = path.rpartition(".")
    return f"{before.rpartition('.')[2]}.{last}" if last == "length" else last


def _settled(run: Run, value: Json) -> str:
    """A value as text. The lab's port is drawn anew at each start and says nothing about the account, so it is left out."""
    text = shown(value, MOST_CHARACTERS)
    return visible(_LAB_PORT.sub("localhost", text) if run.snapshot.cloud == "lab" else text, 60)


_LAB_PORT: Final = re.compile(r"\blocalhost:\d+")


def results(run: Run) -> Table:
    """One line for each control: how many subjects passed, failed and so on, worst first."""
    statuses: dict[str, list[Status]] = {}
    for finding in run.findings:
        statuses.setdefault(finding.control, []).append(finding.status)
    judged = [control for control in run.controls if control.id in statuses]
    judged.sort(key=lambda each: (Status.FAIL not in statuses[each.id], WORST_FIRST[each.severity]))
    rows = [
        (each.id, each.title, each.severity, *(statuses[each.id].count(status) or None for status in Status))
        for each in judged
    ]
    columns = ("control", "passes when", "severity", *(words(status) for status in Status))
    return Table("Findings, failed controls first", columns, rows, "No control of this phase found a subject.")


def failures(run: Run) -> Table:
    """Every failed finding, worst first, with its waiver where there is one."""
    rows = [
        (control.severity, control.id, subject_name(arm_id(finding.subject)), finding.reason, accepted(run, finding))
        for finding, control in _failed(run)
    ]
    columns = ("severity", "control", "subject", "why", "waiver")
    return Table("What failed", columns, rows, "Nothing failed.")


def worst(run: Run, limit: int) -> list[tuple[Severity, str, str, str]]:
    """The gravest failures, each once: severity, control, reason, and the subjects that share it."""
    groups: dict[tuple[Severity, str, str], list[Finding]] = {}
    for finding, control in _failed(run):
        groups.setdefault((control.severity, control.id, finding.reason), []).append(finding)
    return [(*key, _subjects(found) + _of_these_accepted(run, found)) for key, found in list(groups.items())[:limit]]


def _of_these_accepted(run: Run, found: Sequence[Finding]) -> str:
    count = sum(accepted(run, each).startswith("Accepted until") for each in found)
    return f" ({count} accepted)" if count else ""


def _failed(run: Run) -> list[tuple[Finding, Control]]:
    controls = declared(run)
    found = [(each, controls[each.control]) for each in run.findings if each.status is Status.FAIL]
    return sorted(found, key=lambda pair: WORST_FIRST[pair[1].severity])


def not_assessed(run: Run) -> Table:
    """What no verdict could be given on, grouped by the reason."""
    groups: dict[str, list[Finding]] = {}
    for finding in run.findings:
        if finding.status is Status.NOT_ASSESSED:
            groups.setdefault(finding.reason, []).append(finding)
    rows = [
        (len(found), ", ".join(dict.fromkeys(each.control for each in found)), _subjects(found), reason)
        for reason, found in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]
    columns = ("findings", "controls", "subjects", "why not")
    return Table("Not assessed", columns, rows, "Every control of this catalogue came to a verdict.")


def _subjects(found: Iterable[Finding]) -> str:
    return named(arm_id(each.subject) for each in found)


def not_read(run: Run) -> Table:
    """The calls that gave no usable answer, and the permission that each needs."""
    rows: dict[tuple[str, str, str], str] = {}
    for each in run.snapshot.readings.values():
        if each.state in _UNREAD:
            answer = each.reason.removeprefix(each.call).strip() or words(each.state)
            rows.setdefault((each.call or "not sent", answer, each.permission), words(each.source))
    columns = ("what", "call", "answer", "permission needed")
    table = [(what, *call) for call, what in rows.items()]
    return Table("Calls without a usable answer", columns, table, "Every call was answered.")


def by_phase(run: Run) -> Table:
    """Counts of verdicts by phase."""
    phase_of = {control.id: control.phase for control in run.controls}
    rows: list[tuple[Cell, ...]] = []
    for phase in run.phases:
        found = [finding.status for finding in run.findings if phase_of[finding.control] is phase]
        rows.append((PHASE_TITLES[phase], *(found.count(status) for status in Status)))
    return Table("Verdicts by phase", ("phase", *(words(status) for status in Status)), rows)


def by_account(run: Run) -> Table:
    """Counts of verdicts by account, with the worst failed control."""
    controls = declared(run)
    groups: dict[str, list[Finding]] = {}
    for finding in run.findings:
        if finding.subject.account:
            groups.setdefault(finding.subject.account, []).append(finding)
    rows: list[tuple[Cell, ...]] = []
    for account, found in groups.items():
        failed = [controls[each.control] for each in found if each.status is Status.FAIL]
        gravest = min(failed, key=lambda each: WORST_FIRST[each.severity], default=None)
        counts = (sum(each.status is status for each in found) for status in Status)
        rows.append((subject_name(account), *counts, f"{gravest.id} {gravest.title}" if gravest else ""))
    columns = ("account", *(words(status) for status in Status), "worst failed control")
    return Table("Verdicts by account", columns, rows, "No account could be listed.")


_WORST: Final = (Status.FAIL, Status.NOT_ASSESSED, Status.PASS, Status.NOT_APPLICABLE)


def worst_of(statuses: Iterable[Status]) -> Status:
    """One verdict for several: a failure outweighs a gap, a gap outweighs a pass. No verdict at all is a gap."""
    found = set(statuses)
    return next((status for status in _WORST if status in found), Status.NOT_ASSESSED)
