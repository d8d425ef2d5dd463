"""Judge a snapshot: every control about every subject it applies to. Pure: the same snapshot gives the same findings."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from aoai_lib.controls import Control, catalogue
from aoai_lib.facts import Facts, NotCollectedError, UnexpectedShapeError, why_not_read
from aoai_lib.model import ABSENT, Finding, Kind, Observation, Reading, Snapshot, State, Status, Subject

_READABLE = (State.COLLECTED, State.PARTIAL)


@dataclass(frozen=True, slots=True)
class Gap:
    """A place where subjects of some kinds may exist that could not be listed."""

    parent: Subject
    kinds: tuple[Kind, ...]
    reading: Reading

    @property
    def observed(self) -> tuple[Observation, ...]:
        """The answer that told too little, so that what was not assessed leads to its request too."""
        value = self.reading.value if self.reading.state is State.PARTIAL else ABSENT
        return (Observation(self.reading.source, value, self.reading.evidence),)


class Subjects:
    """All subjects of a snapshot, by kind, and the gaps where some may be missing."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.found: dict[Kind, list[Subject]] = {kind: [] for kind in Kind}
        self.parents: dict[Kind, list[Subject]] = {kind: [] for kind in Kind}
        self.gaps: list[Gap] = []
        for reading in snapshot.of("accounts"):
            self._add_subscription(reading)
        for reading in snapshot.of("subscriptions"):
            if reading.state not in _READABLE:
                self.gaps.append(Gap(Subject(Kind.SUBSCRIPTION, "/"), tuple(Kind), reading))

    def _add_subscription(self, reading: Reading) -> None:
        subscription = Subject(Kind.SUBSCRIPTION, reading.scope, subscription=reading.scope)
        if reading.state is not State.COLLECTED:
            self.gaps.append(Gap(subscription, (Kind.ACCOUNT, Kind.DEPLOYMENT, Kind.PRIVATE_ENDPOINT), reading))
        accounts = reading.value if reading.state in _READABLE else []
        if accounts or reading.state is not State.COLLECTED:
            self.found[Kind.SUBSCRIPTION].append(subscription)
        for account in accounts:
            self._add_account(Subject(Kind.ACCOUNT, account, account=account, subscription=reading.scope))

    def _add_account(self, account: Subject) -> None:
        self.found[Kind.ACCOUNT].append(account)
        self.parents[Kind.DEPLOYMENT].append(account)
        self.parents[Kind.PRIVATE_ENDPOINT].append(account)
        deployments = self.snapshot.reading("deployments", account.id)
        if deployments.state is not State.COLLECTED:
            self.gaps.append(Gap(account, (Kind.DEPLOYMENT,), deployments))
        if deployments.state in _READABLE:
            for deployment in deployments.value:
                self.found[Kind.DEPLOYMENT].append(
                    Subject(Kind.DEPLOYMENT, deployment, account.id, account.subscription)
                )
        self._add_endpoints(account)

    def _add_endpoints(self, account: Subject) -> None:
        """The endpoints of the account's own connections, each once. A connection of another shape may stand for one more."""
        own = self.snapshot.reading("account", account.id)
        if own.state is not State.COLLECTED:
            self.gaps.append(Gap(account, (Kind.PRIVATE_ENDPOINT,), own))
        found: dict[str, str] = {}
        try:
            for name in _endpoints(Facts(self.snapshot, account)):
                found.setdefault(name.lower(), name)
        except NotCollectedError:
            return
        except UnexpectedShapeError as odd:
            said = replace(own, reason=f"The answer is not of the documented form: {odd}")
            self.gaps.append(Gap(account, (Kind.PRIVATE_ENDPOINT,), said))
        for name in found.values():
            self.found[Kind.PRIVATE_ENDPOINT].append(
                Subject(Kind.PRIVATE_ENDPOINT, name, account.id, account.subscription)
            )


def _endpoints(facts: Facts) -> Iterator[str]:
    """Ids of the private endpoints that the account's connections name, whatever their state; a misshapen one raises last."""
    misshapen: UnexpectedShapeError | None = None
    for connection in facts.account.each(_CONNECTIONS):
        try:
            name = connection.text("properties.privateEndpoint.id")
        except UnexpectedShapeError as odd:
            misshapen = odd
            continue
        if name:
            yield name
    if misshapen is not None:
        raise misshapen


_CONNECTIONS = "properties.privateEndpointConnections"
_NONE_HERE = {
    Kind.DEPLOYMENT: "The account has no deployment.",
    Kind.PRIVATE_ENDPOINT: "The account has no private endpoint: see NET-05.",
}


def judge(snapshot: Snapshot, controls: Iterable[Control] | None = None) -> list[Finding]:
    """One finding for each control and subject, in the order of the catalogue.

    Where subjects could not be listed, each control about them gives one `not_assessed` finding on the parent; where an
    account has none of a kind, one `not_applicable`.
    """
    subjects = Subjects(snapshot)
    with _without_cycle_collection():
        return [
            finding
            for control in (catalogue() if controls is None else controls)
            for finding in _judged(snapshot, control, subjects)
        ]


def _judged(snapshot: Snapshot, control: Control, subjects: Subjects) -> Iterator[Finding]:
    found = subjects.found[control.subject]
    yield from (judge_one(snapshot, control, subject) for subject in found)
    gaps = [gap for gap in subjects.gaps if control.subject in gap.kinds]
    for gap in gaps:
        yield Finding(control.id, Status.NOT_ASSESSED, gap.parent, why_not_read(gap.reading), gap.observed)
    covered = {subject.account for subject in found} | {gap.parent.id for gap in gaps}
    for parent in subjects.parents[control.subject]:
        if parent.id not in covered:
            yield Finding(
                control.id,
                Status.NOT_APPLICABLE,
                parent,
                _NONE_HERE[control.subject],
                _none_of(snapshot, control.subject, parent),
            )


def _none_of(snapshot: Snapshot, kind: Kind, account: Subject) -> tuple[Observation, ...]:
    """What was looked at to say that an account has none of a kind."""
    facts = Facts(snapshot, account)
    if kind is Kind.DEPLOYMENT:
        list(facts.of_account("deployments").each())
    else:
        facts.account.get(_CONNECTIONS)
    return facts.observed


@contextmanager
def _without_cycle_collection() -> Iterator[None]:
    """Judging makes many small values, which stay, and no cycles: to look for cycles again and again takes a third of the time.

    Afterwards they are put among the old ones as they are, so that not all of them are looked at when the next value is made.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            if not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def judge_one(snapshot: Snapshot, control: Control, subject: Subject) -> Finding:
    """The verdict of one control about one subject. What was not collected, or has no known shape, is not assessed."""
    facts = Facts(snapshot, subject)
    try:
        verdict = control.judge(facts)
    except NotCollectedError as missing:
        return Finding(control.id, Status.NOT_ASSESSED, subject, why_not_read(missing.reading), facts.observed)
    except UnexpectedShapeError as odd:
        return Finding(
            control.id, Status.NOT_ASSESSED, subject, f"The answer is not of the documented form: {odd}", facts.observed
        )
    if verdict.status is Status.PASS and (doubt := _doubt(facts)):
        return Finding(control.id, Status.NOT_ASSESSED, subject, doubt, facts.observed)
    return Finding(control.id, verdict.status, subject, verdict.reason, facts.observed)


def _doubt(facts: Facts) -> str:
    """Why the settings that a pass rests on may not be in force: the last write of the account or deployment failed, or goes on. It shows
    what was asked for all the same (Microsoft Learn, "Track asynchronous Azure operations": the request is accepted before it is done).
    """
    for source, scope in (("account", facts.subject.account), ("deployment", facts.subject.id)):
        if not any(each.path.startswith(f"{source}.properties.") for each in facts.observed):
            continue
        reading = facts.snapshot.reading(source, scope)
        properties = reading.value.get("properties") if isinstance(reading.value, dict) else None
        state = properties.get("provisioningState") if isinstance(properties, dict) else None
        if state and str(state).lower() not in _SETTLED:
            facts.record(f"{source}.properties.provisioningState", state, reading)
            return f"The {source} is in the state “{state}”, so what it shows may not be in force: assess it again when it has succeeded."
    return ""


_SETTLED = frozenset({"succeeded", "resolvingdns"})
"""States of an account or a deployment whose settings are in force (api 2025-09-01, `ProvisioningState`); a name that is still to
resolve changes none of them.
"""
