"""Making a plan: for each failed finding, what a module of this package plans for its control. Pure: no network, no clock."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any, Final

from pydantic import ValidationError

from aoai_lib.controls import catalogue
from aoai_lib.facts import Facts, NotCollectedError, UnexpectedShapeError
from aoai_lib.harden.plan import Plan, Request, Step, Unplanned, in_order, step_id
from aoai_lib.harden.remedies import import_declarations
from aoai_lib.harden.wire import merged, projected, writable
from aoai_lib.model import Finding, InputError, Json, Snapshot, Status, Subject
from aoai_lib.parameters import Hardening, Parameters
from aoai_lib.report.findings import waiver_of

_MASK: Final = "redacted:"


class CannotPlanError(Exception):
    """No step can be planned; the text says what a person has to do or to say first."""


@dataclass
class Site:
    """A tenant while it is planned for: what was read, what is wished, and what earlier steps will have changed."""

    snapshot: Snapshot
    wishes: Hardening
    steps: dict[str, Step] = field(default_factory=dict)
    _expected: dict[str, Json] = field(default_factory=dict)
    _needs: tuple[str, ...] = ()
    _of_account: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def facts(self, subject: Subject) -> Facts:
        """A view of what was read."""
        return Facts(self.snapshot, subject)

    def expected(self, path: str, found: Json) -> Json:
        """A resource as the steps planned so far will leave it; `found` is how it was read."""
        return self._expected.get(path.lower(), found)

    def patch(self, finding: Finding, path: str, version: str, found: Json, change: Json, **about: Any) -> Step:
        """A step that changes some properties. `default` says what the service takes for a property that is absent."""
        before = self.expected(path, found)
        defaults = about.pop("default", {})
        held = projected(before, change)
        about.setdefault("undo", Request(method="PATCH", path=path, api_version=version, body=_filled(held, defaults)))
        request = Request(method="PATCH", path=path, api_version=version, body=change)
        return self._add(finding, request, before=held, leaves=merged(before, change), **about)

    def put(self, finding: Finding, path: str, version: str, found: Json, body: Json, **about: Any) -> Step:
        """A step that writes a resource whole. For one that is there, `body` is laid over what it holds."""
        before = self.expected(path, found)
        read_only = about.get("read_only", ())
        held = None if before is None else writable(before, read_only)
        whole = body if held is None else merged(held, body)
        gone = Request(method="DELETE", path=path, api_version=version)
        restored = Request(method="PUT", path=path, api_version=version, body=held)
        about.setdefault("undo", gone if held is None else restored)
        request = Request(method="PUT", path=path, api_version=version, body=whole)
        return self._add(finding, request, before=held, leaves=whole, **about)

    def delete(self, finding: Finding, path: str, version: str, found: Json, **about: Any) -> Step:
        """A step that removes a resource. By default the undo writes the very same one again."""
        held = writable(self.expected(path, found), about.get("read_only", ()))
        about.setdefault("undo", Request(method="PUT", path=path, api_version=version, body=held))
        request = Request(method="DELETE", path=path, api_version=version)
        return self._add(finding, request, before=held, leaves=None, **about)

    def plan(self, remedy: Remedy, finding: Finding) -> None:
        """Add the steps that mend a finding. Raises `CannotPlanError`, and what `Facts` raises for what was not read."""
        account = finding.subject.account.lower()
        self._needs = tuple(step for control in remedy.needs for step in self._of_account.get((control, account), []))
        for step in remedy.plan(self, finding):
            self._needs = (*self._needs, step.id)
            self._of_account.setdefault((finding.control, account), []).append(step.id)

    def _add(self, finding: Finding, request: Request, *, before: Json, leaves: Json, **about: Any) -> Step:
        if _MASK in request.model_dump_json():
            raise CannotPlanError("What would have to be written back holds a value that was masked when it was read.")
        name = step_id(finding.control, request.path)
        same = next((each for each in self.steps.values() if each.request == request), None)
        if same is not None:
            return same
        about.setdefault("after", self._needs)
        step = Step(
            id=name, control=finding.control, subject=finding.subject.id, request=request, before=before, **about
        )
        self.steps[name] = step
        self._expected[request.path.lower()] = leaves
        return step


def _filled(held: Json, defaults: Mapping[str, Json]) -> Json:
    """What was there before, with the service's own default for what was absent."""
    if not isinstance(held, dict):
        return held
    return {key: defaults.get(key) if value is None else _filled(value, defaults) for key, value in held.items()}


Planner = Callable[[Site, Finding], Iterator[Step]]


@dataclass(frozen=True, slots=True)
class Remedy:
    """How a control is mended. Steps of the controls in `after` come first; those in `needs`, for the same account, must
    have come about besides. With `unassessed` it is also asked where the control could not be judged."""

    control: str
    after: tuple[str, ...]
    needs: tuple[str, ...]
    unassessed: bool
    plan: Planner


_declared: Final[dict[str, Remedy]] = {}


def mends(
    control: str, *, after: tuple[str, ...] = (), needs: tuple[str, ...] = (), unassessed: bool = False
) -> Callable[[Planner], Planner]:
    """Declare how a control is mended. The function yields steps made by `Site.patch`, `Site.put` and `Site.delete`; each
    needs those before it, unless `after` names others. It raises `CannotPlanError` where a person must act or decide first."""

    def declare(planner: Planner) -> Planner:
        _declared[control] = Remedy(control, (*after, *needs), needs, unassessed, planner)
        return planner

    return declare


@cache
def remedies() -> tuple[Remedy, ...]:
    """Every remedy, so that each comes after those it waits for; otherwise by the number of its control."""
    import_declarations()
    known = {control.id for control in catalogue()}
    if unknown := [
        name for remedy in _declared.values() for name in (remedy.control, *remedy.after) if name not in known
    ]:
        raise InputError(f"A remedy names {unknown[0]}, which is no control.")
    ordered: list[Remedy] = []
    waiting = sorted(
        _declared.values(), key=lambda remedy: [control.id for control in catalogue()].index(remedy.control)
    )
    while waiting:
        left = {remedy.control for remedy in waiting}
        ready = next(remedy for remedy in waiting if left.isdisjoint(remedy.after))
        ordered.append(ready)
        waiting.remove(ready)
    return tuple(ordered)


def make(parameters: Parameters, snapshot: Snapshot, findings: Iterable[Finding], only: Collection[str] = ()) -> Plan:
    """The plan for a tenant's failed findings, or for those of some controls. Raises `InputError` for an unknown control."""
    if unknown := [each for each in only if each not in {control.id for control in catalogue()}]:
        raise InputError(f"There is no control “{unknown[0]}”: `aoai controls` lists them.")
    site = Site(snapshot, parameters.hardening)
    asked = [each for each in findings if not only or each.control in only]
    failed = [each for each in asked if each.status is Status.FAIL]
    left = list[Unplanned]()
    for remedy in remedies():
        open_too = [each for each in asked if remedy.unassessed and each.status is Status.NOT_ASSESSED]
        for finding in (each for each in (*failed, *open_too) if each.control == remedy.control):
            if reason := _not_planned(site, remedy, finding, parameters):
                left.append(Unplanned(control=finding.control, subject=finding.subject.id, reason=reason))
    known = {remedy.control for remedy in remedies()}
    by_hand = {control.id: control.remediation for control in catalogue()}
    left += [
        Unplanned(control=each.control, subject=each.subject.id, reason=f"By hand: {by_hand[each.control]}")
        for each in failed
        if each.control not in known
    ]
    return Plan(
        tenant=snapshot.tenant,
        tenant_id=snapshot.tenant_id,
        cloud=snapshot.cloud,
        as_of=snapshot.as_of,
        steps=in_order(site.steps.values()),
        unplanned=tuple(left),
    )


def _not_planned(site: Site, remedy: Remedy, finding: Finding, parameters: Parameters) -> str:
    """Plan for a finding; why that was not possible, "" where it was."""
    waiver = waiver_of(finding, parameters.waivers, date.fromisoformat(site.snapshot.as_of[:10]))
    if waiver is not None and waiver["state"] == "active":
        return f"The risk is accepted until {waiver['expires']} by {waiver['owner']}."
    try:
        site.plan(remedy, finding)
    except CannotPlanError as problem:
        return str(problem)
    except ValidationError as problem:
        if any(each["loc"] != ("path",) for each in problem.errors()):
            raise
        return "Its name can't stand in the address of a request: mend it by hand, and ask who named it so."
    except (NotCollectedError, UnexpectedShapeError) as problem:
        return f"What the step rests on could not be read: {str(problem).rstrip('.')}."
    return ""
