"""One run of one tenant: what a notebook opens. Collect, judge, and hand out what the notebook shows.

In a batch the run has been collected before the first notebook starts, and `AOAI_RUN` names its folder; alone, a notebook
collects what its phase needs by itself and writes nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aoai_lib import assess, storage
from aoai_lib.controls import Control, catalogue
from aoai_lib.evidence import snapshots
from aoai_lib.model import Finding, InputError, Json, Phase, Snapshot
from aoai_lib.parameters import Parameters, parse
from aoai_lib.report import (
    acceptances,
    callers,
    cases,
    checklist,
    crosswalk,
    figures,
    fired,
    guardrails,
    happenings,
    leads,
    matrices,
    observed,
    overview,
    tables,
    traffic,
)
from aoai_lib.report.table import Table, Tables

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from aoai_lib.azure.replay import Recording
    from aoai_lib.collect.snapshot import Progress
    from aoai_lib.evidence.store import Evidence, Exchange
    from aoai_lib.report.figure import Figure
    from aoai_lib.report.figures import Gallery
    from aoai_lib.report.overview import Fleet

NOTEBOOKS: Final = Path(__file__).resolve().parents[1] / "notebooks"
RUN_VARIABLE: Final = "AOAI_RUN"
"""Environment variable that names the folder of the run a notebook belongs to."""
OUT_VARIABLE: Final = "AOAI_OUT"
"""Environment variable that names the folder, or the URL, whose runs the fleet overview shows."""
RECORDS_VARIABLE: Final = "AOAI_RECORDS"
"""Environment variable that names where a notebook that was opened by hand records what it changed; else `outputs/`."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A notebook: its file's name without ending, the phases it judges, the modules of `collect` that it needs."""

    name: str
    title: str
    phases: tuple[Phase, ...]
    reads: tuple[str, ...]

    @property
    def number(self) -> str:
        """`01` … as `--phase` takes it."""
        return self.name[:2]


FLEET: Final = "06_fleet_overview"
MONITORING: Final = ("monitoring", "detections", "rule_trials", "usage", "metrics")
EVERYTHING: Final = ("network", "security_groups", "identity", "content", "governance", *MONITORING)
CHAPTERS: Final = (
    Chapter("00_scope", "Scope", (Phase.GOVERNANCE,), ("governance",)),
    Chapter("01_network_isolation", "Network isolation", (Phase.NETWORK,), ("network", "security_groups")),
    Chapter("02_identity_access", "Identity and access", (Phase.IDENTITY,), ("identity", "usage")),
    Chapter("03_content_safety", "Content safety", (Phase.CONTENT,), ("content",)),
    Chapter("04_operational_monitoring", "Operational monitoring", (Phase.MONITORING,), MONITORING),
    Chapter("05_validation_checklist", "Validation checklist", tuple(Phase), EVERYTHING),
    Chapter(FLEET, "Fleet overview", tuple(Phase), EVERYTHING),
)


def chapter(name: str) -> Chapter:
    """The chapter of that number or name. Raises `InputError`."""
    for each in CHAPTERS:
        if name in (each.number, each.name):
            return each
    raise InputError(f"There is no phase “{name}”: write one of {', '.join(each.number for each in CHAPTERS)}.")


@dataclass(frozen=True)
class Run:
    """A collected tenant and what was concluded. `phases` are those whose findings are shown."""

    parameters: Parameters
    snapshot: Snapshot
    phases: tuple[Phase, ...] = tuple(Phase)
    run_id: str = ""

    @cached_property
    def controls(self) -> tuple[Control, ...]:
        """The controls of the run's phases, by phase and number."""
        return tuple(control for control in catalogue() if control.phase in self.phases)

    @cached_property
    def findings(self) -> list[Finding]:
        """Every verdict, in the order of the catalogue."""
        return assess.judge(self.snapshot, self.controls)

    def scope(self) -> Table:
        """What this run is about, and as of when."""
        return tables.scope(self)

    def accounts(self) -> Table:
        """The accounts with the properties that decide most."""
        return tables.accounts(self)

    def deployments(self) -> Table:
        """The deployments: model, type, capacity, content-filter policy."""
        return tables.deployments(self)

    def requirements(self) -> Table:
        """What the organisation asks of its accounts."""
        return tables.requirements(self)

    def waivers(self) -> Table:
        """The accepted risks, and whether they still hold."""
        return acceptances.waivers(self)

    def verdicts(self, *controls: str) -> Table:
        """The findings of some controls, with what was observed."""
        return tables.verdicts(self, controls)

    def by_severity(self) -> Figure:
        """Findings by severity, as a picture."""
        return figures.by_severity(self)

    def by_phase(self) -> Figure:
        """Findings by phase, as a picture."""
        return figures.by_phase(self)

    def observations(self) -> Table:
        """What the accounts' names led to and who answered, by vantage point."""
        return observed.table(self)

    def private_path(self) -> Gallery:
        """The private path to each account, as pictures."""
        return figures.private_paths(self)

    def traffic(self) -> Table:
        """The security rules in front of each private endpoint, and what they let in."""
        return traffic.traffic(self)

    def access_matrix(self) -> Gallery:
        """Who can do what to each account, as pictures."""
        return figures.access(self)

    def access(self) -> Table:
        """Every way in which a principal can do something to an account."""
        return matrices.access_table(self)

    def callers(self) -> Gallery:
        """Who calls each account, with a key or an identity, as pictures."""
        return callers.callers(self)

    def calls(self) -> Table:
        """Every caller in the request logs of the evidence window."""
        return callers.callers_table(self)

    def guardrail_matrix(self) -> Gallery:
        """What the content filters of each deployment do, as pictures."""
        return figures.guardrails(self)

    def guardrails(self) -> Table:
        """The same in words, with the kind of each model, the base of each policy, and what it lists for agents."""
        return guardrails.guardrail_details(self)

    def cases(self) -> Gallery:
        """What each deployment answered to the cases that were sent, as pictures."""
        return cases.cases(self)

    def cases_sent(self) -> Table:
        """Every case with what came of it."""
        return cases.cases_table(self)

    def blocklists(self) -> Table:
        """The blocklists that each deployment's policy binds."""
        return guardrails.blocklists(self)

    def leads(self) -> Gallery:
        """What the detections found in the evidence window, as a time line."""
        return leads.leads_by_day(self)

    def happenings(self) -> Gallery:
        """Calls by day, tokens by deployment, rejected content by category and top callers, as pictures."""
        return happenings.happenings(self)

    def happenings_counted(self) -> Tables:
        """What metrics counted, by day, by deployment and by category."""
        return happenings.happenings_tables(self)

    def alerts_fired(self) -> Table:
        """Which alert rules fired in the last thirty days."""
        return fired.alerts_fired(self)

    def leads_found(self) -> Table:
        """Every lead, with what to do on it."""
        return leads.leads_table(self)

    def results(self) -> Table:
        """One line for each control, failed ones first."""
        return tables.results(self)

    def failures(self) -> Table:
        """Every failed finding, worst first."""
        return tables.failures(self)

    def not_assessed(self) -> Table:
        """What no verdict could be given on, and why."""
        return tables.not_assessed(self)

    def not_read(self) -> Table:
        """The calls without a usable answer, and the permission that each needs."""
        return tables.not_read(self)

    def harden(self) -> Tables:
        """The plan that mends what failed, and what stays for a person; with the parameter `apply`, carried out. One that was
        interrupted is gone on with, and shown as it is.

        Raises `InputError` where a batch run is told to apply: that is done by hand, or by `aoai harden`.
        """
        from aoai_lib.harden import journal, making, tables

        records = Path(os.environ.get(RECORDS_VARIABLE) or Path(__file__).resolve().parent.parent / "outputs")
        begun = journal.Journal.unfinished(records, self.parameters.tenant) if self.parameters.apply else None
        plan = begun.plan if begun else making.make(self.parameters, self.snapshot, self.findings)
        shown = (tables.plan_table(plan), tables.unplanned_table(plan))
        if not self.parameters.apply:
            return Tables(shown, "Nothing was changed: `apply` is False.")
        if self.run_id:
            said = "A run only assesses: set apply in a notebook opened by hand, or use `aoai harden --apply`."
            raise InputError(said)
        from aoai_lib.harden import session

        outcome = session.carry_out(self.parameters, plan, records)
        became = (tables.outcome_table(outcome), tables.proof_table(outcome))
        return Tables((*shown, *became), f"Recorded in {outcome.folder.name}.")

    def checklist(self) -> Table:
        """The validation checklist, line by line."""
        return checklist.checklist(self)

    def frameworks(self) -> Table:
        """Which clauses the controls speak to, and how those came out."""
        return crosswalk.frameworks(self)

    @cached_property
    def fleet(self) -> Fleet:
        """The tenants of the folder that `AOAI_OUT` names, side by side; this run's alone where nothing names one."""
        folder = os.environ.get(OUT_VARIABLE, "")
        return overview.load(storage.tree(folder)) if folder else overview.of_run(self)


def collect(
    parameters: Parameters,
    reads: Collection[str],
    evidence: Evidence,
    *,
    recording: Recording | None = None,
    brought: Sequence[Exchange] = (),
    progress: Progress | None = None,
) -> Snapshot:
    """Read a tenant, and probe it where the parameters say so. With a recording nothing is sent. `brought` are lines of
    observations from elsewhere. Raises `InputError`, `SignInError`.
    """
    from aoai_lib.azure import clouds, credentials
    from aoai_lib.azure.clients import Azure
    from aoai_lib.collect.snapshot import Collector

    days = parameters.evidence_days
    credential: TokenCredential = credentials.NoCredential()
    if recording is not None:
        cloud = clouds.resembled(parameters.cloud)
    else:
        cloud = clouds.find(parameters.cloud)
        credential = credentials.choose(parameters.credential, cloud, parameters.tenant_id)
    azure = Azure(cloud, credential, evidence, recording=recording, evidence_days=days)
    try:
        collector = Collector(azure, parameters, progress) if progress else Collector(azure, parameters)
        snapshot = collector.collect(reads)
        if "network" in reads and (parameters.vantage or brought or recording):
            from aoai_lib.probe import reachability

            snapshot = reachability.observed(
                snapshot, cloud, parameters.vantage, evidence, recording, brought, progress
            )
        if parameters.active_probes or recording:
            from aoai_lib.probe import active

            snapshot = active.probed(snapshot, parameters, reads, cloud, credential, evidence, recording, progress)
        return snapshot
    finally:
        azure.close()


def open(notebook: str, values: Mapping[str, Json]) -> Run:  # noqa: A001 - run.open reads as what it does
    """The run that a notebook shows. `values` is the notebook's `globals()`: its parameters are picked by their names.

    Raises `InputError` for parameters that are wrong, before anything is read.
    """
    about = chapter(notebook)
    parameters = parse({name: values[name] for name in Parameters.model_fields if name in values})
    collected = _collected(about, parameters.tenant)
    if collected is not None:
        run_id, snapshot = collected
        return Run(parameters, snapshots.load(json.loads(snapshot)), about.phases, run_id)
    if parameters.cloud == "lab":
        _reach_lab(parameters.tenant, "operator" if parameters.apply else "assessor")
    from aoai_lib.evidence.store import Evidence

    return Run(parameters, collect(parameters, about.reads, Evidence()), about.phases)


def _collected(about: Chapter, tenant: str) -> tuple[str, bytes] | None:
    """The run that a notebook belongs to, by its id, and what it collected; None where the notebook has to do that by itself."""
    folder = os.environ.get(RUN_VARIABLE, "")
    if folder:
        return Path(folder).name, (Path(folder) / "snapshot.json").read_bytes()
    out = os.environ.get(OUT_VARIABLE, "")
    if not out or about.name != FLEET:
        return None
    tree = storage.tree(out)
    run_id = overview.newest(tree, tenant)
    return (run_id, tree.read(f"{tenant}/{run_id}/snapshot.json") or b"") if run_id else None


def _reach_lab(tenant: str, identity: str) -> None:
    """Point this process at a lab, starting one where none is announced."""
    from aoai_lib.azure import embedded

    if not embedded.announced():
        os.environ.update(embedded.environment(embedded.start("--tenant", tenant, "--identity", identity), tenant))
