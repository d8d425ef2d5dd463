"""The lab's tenants as tests assess them."""

from __future__ import annotations

from pathlib import Path

from aoai_lib import run
from aoai_lib.evidence.store import Evidence
from aoai_lib.fleet import environment
from aoai_lib.lab.server import Lab
from aoai_lib.model import Snapshot
from aoai_lib.parameters import load

ROOT = Path(__file__).resolve().parent.parent
TENANTS = ("hardened", "exposed", "mixed")


def collect(lab: Lab, tenant: str, evidence: Evidence | None = None, **changes: object) -> Snapshot:
    """Everything about a tenant of the lab, through the real SDKs; `changes` are of its parameters."""
    parameters = load(ROOT / "parameters" / f"{tenant}.yaml").model_copy(update=changes)
    with environment(lab.environment(tenant)):
        return run.collect(parameters, run.EVERYTHING, evidence or Evidence())
