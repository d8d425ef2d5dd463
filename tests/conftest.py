"""The lab, served once for the whole suite, and what is collected from it through the real SDKs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aoai_lib import run
from aoai_lib.evidence.store import Evidence
from aoai_lib.fleet import environment
from aoai_lib.lab.server import Lab, load_worlds
from aoai_lib.model import Snapshot
from aoai_lib.parameters import load

ROOT = Path(__file__).resolve().parent.parent
TENANTS = ("hardened", "exposed", "mixed")


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab with its three tenants. Tests only read from it; one that writes starts its own."""
    with Lab(load_worlds(TENANTS)) as served:
        yield served


def collect(lab: Lab, tenant: str, evidence: Evidence | None = None) -> Snapshot:
    """Everything about a tenant of the lab, through the real SDKs."""
    with environment(lab.environment(tenant)):
        return run.collect(load(ROOT / "parameters" / f"{tenant}.yaml"), run.EVERYTHING, evidence or Evidence())


@pytest.fixture(scope="session")
def hardened(lab: Lab) -> Snapshot:
    """The hardened sample that every control's breaks start from."""
    return collect(lab, "hardened")


@pytest.fixture(scope="session")
def exposed(lab: Lab) -> Snapshot:
    """The tenant in which everything is open."""
    return collect(lab, "exposed")


@pytest.fixture(scope="session")
def mixed(lab: Lab) -> Snapshot:
    """The tenant half-way, with parts that can't be read."""
    return collect(lab, "mixed")
