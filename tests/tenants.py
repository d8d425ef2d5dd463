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


def collect(lab: Lab, tenant: str, evidence: Evidence | None = None) -> Snapshot:
    """Everything about a tenant of the lab, through the real SDKs."""
    with environment(lab.environment(tenant)):
        return run.collect(load(ROOT / "parameters" / f"{tenant}.yaml"), run.EVERYTHING, evidence or Evidence())
