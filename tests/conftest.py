"""The lab, served once for the whole suite, and what is collected from it through the real SDKs."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tenants import TENANTS, collect

from aoai_lib.lab.server import Lab, load_worlds
from aoai_lib.model import Snapshot


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab with its three tenants. Tests only read from it; one that writes starts its own."""
    with Lab(load_worlds(TENANTS)) as served:
        yield served


def _alone(tenant: str, **changes: object) -> Snapshot:
    """A tenant read from a lab of its own: what was asked before, and who was refused, is in the lab's logs."""
    with Lab(load_worlds([tenant])) as served:
        return collect(served, tenant, **changes)


@pytest.fixture(scope="session")
def hardened() -> Snapshot:
    """The hardened sample that every control's breaks start from, probed too: without probes some controls can't be judged."""
    return _alone("hardened", active_probes=True)


@pytest.fixture(scope="session")
def exposed() -> Snapshot:
    """The tenant in which everything is open, probed too."""
    return _alone("exposed", active_probes=True)


@pytest.fixture(scope="session")
def mixed() -> Snapshot:
    """The tenant half-way, with parts that can't be read."""
    return _alone("mixed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what tests that kill have counted."""
    for report in terminalreporter.stats.get("passed", []) if os.environ.get("AOAI_KILLS") else []:
        for name, value in report.user_properties:
            if name == "killed":
                terminalreporter.write_line(str(value))
