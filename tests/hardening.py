"""A lab that a test may change, and a hardening of one of its tenants."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tenants import ROOT

from aoai_lib.evidence.store import Evidence
from aoai_lib.fleet import environment
from aoai_lib.harden import session
from aoai_lib.harden.plan import Plan
from aoai_lib.lab.server import Lab, load_worlds
from aoai_lib.parameters import Parameters, load


@contextmanager
def own_lab(tenant: str, identity: str = "operator", **how: Any) -> Iterator[Lab]:
    """A lab of one tenant, and this process signed in to it."""
    with Lab(load_worlds([tenant]), **how) as lab, environment(lab.environment(tenant, identity)):
        yield lab


def parameters(tenant: str, **hardening: Any) -> Parameters:
    """The tenant's own parameters, with wishes for a hardening."""
    given = load(ROOT / "parameters" / f"{tenant}.yaml")
    return Parameters.model_validate({**given.model_dump(), "hardening": hardening})


def plan(asked: Parameters, *only: str) -> Plan:
    """The plan for what fails now."""
    with session.opened(asked, Evidence()) as opened:
        return opened.plan(opened.look(only), only)


def carry_out(asked: Parameters, planned: Plan, out: Path, accepted: Collection[str] = ()) -> dict[str, str]:
    """Carry a plan out; what became of each step, by its title."""
    outcome = session.carry_out(asked, planned, out, accepted)
    return {each.step.title: each.became.value for each in outcome.results}


def resources(lab: Lab, tenant: str) -> dict[str, Any]:
    """Everything that the lab holds of a tenant, by lower-cased id."""
    return {key: copy.deepcopy(each.body) for key, each in lab.state(tenant).resources.items()}


def written(lab: Lab) -> list[tuple[str, str]]:
    """Method and path of each request that could write, in order."""
    return [(each.method, each.path) for each in lab.requests if each.method not in ("GET", "POST", "HEAD")]


def folder_of(out: Path) -> Path:
    """The one hardening that was recorded there."""
    (folder,) = (path for path in out.glob("*/hardening/*") if path.is_dir())
    return folder
