"""A hardening from plan to proof: carry the plan out, read the tenant again, and say what became of each control."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aoai_lib import assess
from aoai_lib.azure import clouds, credentials
from aoai_lib.azure.clients import Azure
from aoai_lib.azure.writing import PlannedWritesPolicy
from aoai_lib.collect.snapshot import Collector
from aoai_lib.controls import catalogue
from aoai_lib.evidence.store import Evidence, Exchange
from aoai_lib.folder import new_run_id
from aoai_lib.harden.application import Application, Became, Progress, Result
from aoai_lib.harden.journal import FOLDER, Journal, alone, folder_of, open_undo
from aoai_lib.harden.making import make
from aoai_lib.harden.plan import Check, Plan
from aoai_lib.harden.preflight import Answer, answer, find
from aoai_lib.harden.proving import SEEN_LATER, SHOWN_BY, Proving
from aoai_lib.model import Finding, InputError, Json, Snapshot, Status
from aoai_lib.parameters import Parameters
from aoai_lib.probe import reachability

_OF_WORKSPACE = ("workspace", "diagnostics_table", "activity_table")
"""What is read of the workspace that is wished for, also where nothing is sent to it yet."""
READS: Mapping[str, tuple[str, ...]] = {
    "NET": ("network", "security_groups", "usage", "monitoring"),
    "IAM": ("identity", "usage", "monitoring"),
    "CNT": ("content",),
    "MON": ("monitoring",),
    "GOV": ("governance",),
}
"""What the plan of a control and its checks need read, by the prefix of its id."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The verdict, after the hardening, of a control that had failed and that steps were taken for."""

    control: str
    subject: str
    status: Status
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a hardening."""

    folder: Path
    results: tuple[Result, ...]
    proofs: tuple[Proof, ...] = ()

    @property
    def good(self) -> bool:
        """Whether every step is in force."""
        return all(result.good for result in self.results)


class Session:
    """One tenant, opened for planned writes. Close it by leaving the `with` block of `opened`."""

    def __init__(
        self, azure: Azure, parameters: Parameters, proving: Proving, brought: Sequence[Exchange] = ()
    ) -> None:
        self._azure = azure
        self._proving = proving
        self._parameters = parameters
        self._brought = brought

    def look(self, controls: Collection[str] = ()) -> Snapshot:
        """Read what the plan of these controls needs, of all where none is named."""
        prefixes = {each[:3] for each in controls} or set(READS)
        return self._collect({name for prefix in prefixes for name in READS[prefix]})

    def _collect(self, reads: Collection[str]) -> Snapshot:
        workspace = self._parameters.hardening.log_workspace
        besides = {each: [workspace] for each in _OF_WORKSPACE} if workspace else {}
        snapshot = Collector(self._azure, self._parameters, besides=besides).collect(reads)
        vantage = self._parameters.vantage
        if "network" not in reads or not (vantage or self._brought):
            return snapshot
        return reachability.observed(snapshot, self._azure.cloud, vantage, self._azure.evidence, brought=self._brought)

    def plan(self, snapshot: Snapshot, only: Collection[str] = ()) -> Plan:
        """The plan for what fails there."""
        return make(self._parameters, snapshot, judged(snapshot, only), only)

    def ask(self, check: Check) -> Answer:
        """Answer a check on the tenant as it is now."""
        return answer(check, self._collect(find(check).reads))

    def apply(self, journal: Journal, accepted: Collection[str], progress: Progress) -> Outcome:
        """Carry a plan out, and judge again what it was for."""
        controls = {step.control for step in journal.plan.steps}
        planned = {
            (step.control, step.subject.lower()) for step in journal.plan.steps if step.control not in SEEN_LATER
        }
        results = Application(self._azure, journal, self.ask, accepted, progress).apply()
        seen = self.look(controls)
        after = [each for each in judged(seen, controls) if (each.control, each.subject.id.lower()) in planned]
        after += self._tried(seen, results, progress)
        proofs = [Proof(each.control, each.subject.id, each.status, each.reason) for each in after]
        journal.finish("result.json", [_row(each) for each in results], [_proof(each) for each in proofs])
        return Outcome(journal.path, tuple(results), tuple(proofs))

    def _tried(self, snapshot: Snapshot, results: Sequence[Result], progress: Progress) -> list[Finding]:
        """What trying shows of steps that are done, where a property does not."""
        done = [each.step for each in results if each.good and each.step.control in SHOWN_BY]
        switched = {each.request.path.lower(): each for each in done if each.request.method == "PATCH"}
        if not switched:
            return []
        last = next(reversed(switched.values()))
        return self._proving.keys_refused(snapshot, switched.keys(), lambda what: progress(last, what))

    def undo(self, journal: Journal, progress: Progress) -> Outcome:
        """Take a hardening back, last step first."""
        results = Application(self._azure, journal, self.ask, (), progress).undo()
        if all(each.good or each.became is Became.FINAL for each in results):
            journal.finish("undone.json", [_row(each) for each in results], [])
        return Outcome(journal.path, tuple(results))


@contextmanager
def opened(parameters: Parameters, evidence: Evidence, brought: Sequence[Exchange] = ()) -> Iterator[Session]:
    """Sign in to a tenant for planned writes. `brought` are lines of observations from elsewhere.

    Raises `InputError` for a cloud that is not there.
    """
    cloud = clouds.find(parameters.cloud)
    credential = credentials.choose(parameters.credential, cloud, parameters.tenant_id)
    days = parameters.evidence_days
    azure = Azure(cloud, credential, evidence, planned=PlannedWritesPolicy(), evidence_days=days)
    try:
        yield Session(azure, parameters, Proving(parameters, cloud, credential, evidence), brought)
    finally:
        azure.close()


def carry_out(
    parameters: Parameters,
    plan: Plan,
    out: Path,
    accepted: Collection[str] = (),
    progress: Progress = lambda step, what: None,
    *,
    brought: Sequence[Exchange] = (),
) -> Outcome:
    """Carry a plan out, or go on with it where that was interrupted. Everything is recorded below `out`.

    Raises `InputError` for a check that no step asks, while another process hardens the tenant, and where a hardening by another
    plan was interrupted: before anything is done.
    """
    if unknown := [each for each in accepted if each not in plan.checks]:
        known = ", ".join(plan.checks) or "none"
        raise InputError(f"No step of this plan asks “{unknown[0]}”; what can be accepted: {known}.")
    folder = out / parameters.tenant / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        begun = Journal.unfinished(out, parameters.tenant)
        if begun is not None and begun.plan != plan:
            raise InputError(
                f"The hardening in {begun.path} was interrupted, and it has another plan: go on with it first by `aoai harden --apply`, "
                f"or take it back with --undo {begun.path / 'undo.json'}."
            )
        journal = begun or Journal.create(out, plan)
        with _recorded(parameters, journal, brought) as session:
            return session.apply(journal, accepted, progress)


def take_back(parameters: Parameters, undo: Path, progress: Progress = lambda step, what: None) -> Outcome:
    """Take back what an `undo.json` tells of, last step first."""
    with alone(folder_of(undo)):
        journal = Journal(undo.parent, open_undo(undo))
        with _recorded(parameters, journal) as session:
            return session.undo(journal, progress)


@contextmanager
def _recorded(parameters: Parameters, journal: Journal, brought: Sequence[Exchange] = ()) -> Iterator[Session]:
    evidence = Evidence(journal.path / f"requests-{new_run_id(datetime.now(UTC))}.jsonl")
    try:
        with opened(parameters, evidence, brought) as session:
            yield session
    finally:
        evidence.close()


def judged(snapshot: Snapshot, only: Collection[str] = ()) -> list[Finding]:
    """The findings of some controls, of all where none is named."""
    return assess.judge(snapshot, [each for each in catalogue() if not only or each.id in only])


def _row(result: Result) -> Json:
    return {
        "step": result.step.id,
        "control": result.step.control,
        "title": result.step.title,
        "became": result.became.value,
        "sentence": result.sentence,
        "listed": list(result.listed),
    }


def _proof(proof: Proof) -> Json:
    return {"control": proof.control, "subject": proof.subject, "status": proof.status.value, "reason": proof.reason}
