"""One run of one tenant: what a notebook opens. Collect, judge, and hand out what the notebook shows.

In a batch the run has been collected before the first notebook starts, and `AOAI_RUN` names its folder; alone, a notebook
collects what its phase needs by itself and writes nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aoai_lib import assess
from aoai_lib.controls import Control, catalogue
from aoai_lib.evidence import snapshots
from aoai_lib.model import Finding, InputError, Json, Phase, Snapshot
from aoai_lib.parameters import Parameters, parse

if TYPE_CHECKING:
    from aoai_lib.azure.replay import Recording
    from aoai_lib.collect.snapshot import Progress
    from aoai_lib.evidence.store import Evidence

RUN_VARIABLE: Final = "AOAI_RUN"
"""Environment variable that names the folder of the run a notebook belongs to."""


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


EVERYTHING: Final = ("network", "identity", "content", "monitoring", "governance")
CHAPTERS: Final = (
    Chapter("00_scope", "Scope", (Phase.GOVERNANCE,), ("governance",)),
    Chapter("01_network_isolation", "Network isolation", (Phase.NETWORK,), ("network",)),
    Chapter("02_identity_access", "Identity and access", (Phase.IDENTITY,), ("identity",)),
    Chapter("03_content_safety", "Content safety", (Phase.CONTENT,), ("content",)),
    Chapter("04_operational_monitoring", "Operational monitoring", (Phase.MONITORING,), ("monitoring",)),
    Chapter("05_validation_checklist", "Validation checklist", tuple(Phase), EVERYTHING),
    Chapter("06_fleet_overview", "Fleet overview", tuple(Phase), EVERYTHING),
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


def collect(
    parameters: Parameters,
    reads: Collection[str],
    evidence: Evidence,
    *,
    recording: Recording | None = None,
    progress: Progress | None = None,
) -> Snapshot:
    """Read a tenant. With a recording nothing is sent. Raises `InputError`, `SignInError`."""
    from aoai_lib.azure import clouds, credentials
    from aoai_lib.azure.clients import Azure
    from aoai_lib.collect.snapshot import Collector

    if recording is not None:
        cloud = clouds.find("public" if parameters.cloud == "lab" else parameters.cloud)
        azure = Azure(cloud, credentials.NoCredential(), evidence, recording=recording)
    else:
        cloud = clouds.find(parameters.cloud)
        azure = Azure(cloud, credentials.choose(parameters.credential, cloud, parameters.tenant_id), evidence)
    try:
        collector = Collector(azure, parameters, progress) if progress else Collector(azure, parameters)
        return collector.collect(reads)
    finally:
        azure.close()


def open(notebook: str, values: Mapping[str, Json]) -> Run:  # noqa: A001 - run.open reads as what it does
    """The run that a notebook shows. `values` is the notebook's `globals()`: its parameters are picked by their names.

    Raises `InputError` for parameters that are wrong, before anything is read.
    """
    about = chapter(notebook)
    parameters = parse({name: values[name] for name in Parameters.model_fields if name in values})
    folder = os.environ.get(RUN_VARIABLE, "")
    if folder:
        path = Path(folder) / "snapshot.json"
        snapshot = snapshots.load(json.loads(path.read_text(encoding="utf-8")))
        return Run(parameters, snapshot, about.phases, path.parent.name)
    if parameters.cloud == "lab":
        _reach_lab(parameters.tenant)
    from aoai_lib.evidence.store import Evidence

    return Run(parameters, collect(parameters, about.reads, Evidence()), about.phases)


def _reach_lab(tenant: str) -> None:
    """Point this process at a lab, starting one where none is announced."""
    from aoai_lib.azure import embedded

    if not embedded.announced():
        os.environ.update(embedded.environment(embedded.start("--tenant", tenant), tenant))
