"""An assessment sends no request that could write, and leaves the tenant as it was; a hardening sends what its plan says, and nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import papermill
import pytest
import yaml
from click.testing import CliRunner
from hardening import carry_out, own_lab, parameters, plan, resources, written
from kill_stand import EVERYTHING
from tenants import ROOT, TENANTS

from aoai_lib import run
from aoai_lib.azure.clients import Azure
from aoai_lib.azure.permission import WriteRefusedError
from aoai_lib.cli import main
from aoai_lib.evidence.store import Evidence
from aoai_lib.fleet import environment
from aoai_lib.harden import session
from aoai_lib.harden.plan import Plan
from aoai_lib.kernels import LocalKernelManager
from aoai_lib.lab.app import Received
from aoai_lib.lab.server import Lab, load_worlds
from aoai_lib.parameters import Parameters, load

READING = (r"/v1/workspaces/[^/]+/query", r"/v1\.0/directoryObjects/getByIds")
"""What an assessment posts: questions to logs and to the directory."""
CALLING = r"(/[^/]+)?/openai/(v1|deployments/[^/]+)/(chat/completions|completions|responses|embeddings|images/generations|audio/\w+)"
"""What it posts with active probes on: calls of models."""
TRYING = r"/subscriptions/.+/accounts/[^/]+/deployments/aoai-playbook-[0-9a-f]{12}"
"""What it puts where `probes.openai_user` names an identity that must be refused."""
ASSISTANT = "0a51c7e2-5d0e-4b7a-8a10-6f3f0c9d1f04"
OUTBOUND = {"allowed_fqdns": ["brightcart.search.windows.net"]}


def unread(sent: Sequence[Received], probes: bool = False) -> list[Received]:
    """The requests that are none of those that an assessment may send."""
    posts = "|".join((*READING, CALLING) if probes else READING)
    return [
        each
        for each in sent
        if each.method not in ("GET", "HEAD") and not (each.method == "POST" and re.fullmatch(posts, each.path))
    ]


def state(lab: Lab, tenant: str) -> str:
    """Everything of a tenant that a write could change, as text: resources with their revisions, operations, the activity log."""
    held = lab.state(tenant)
    revisions = {key: [each.body, each.revision, str(each.changed)] for key, each in held.resources.items()}
    return json.dumps([revisions, sorted(held.operations), held.activity], sort_keys=True, default=str)


def of(tenant: str, probes: bool) -> Parameters:
    return load(ROOT / "parameters" / f"{tenant}.yaml").model_copy(update={"active_probes": probes})


BOTH = pytest.mark.parametrize("probes", [False, True], ids=["reads", "probes"])
EACH = pytest.mark.parametrize("tenant", TENANTS)


@EACH
@BOTH
def test_reading_a_whole_tenant_changes_nothing(tenant: str, probes: bool) -> None:
    if probes and tenant != "exposed" and not EVERYTHING:
        pytest.skip("`make kills` does it")
    evidence = Evidence()
    with Lab(load_worlds([tenant])) as lab, environment(lab.environment(tenant)):
        before = state(lab, tenant)
        run.collect(of(tenant, probes), run.EVERYTHING, evidence)
        assert unread(lab.requests, probes) == []
        assert any(each.method == "POST" and re.fullmatch(CALLING, each.path) for each in lab.requests) is probes
        assert not [each for each in lab.requests if "listkeys" in each.path.lower()]
        assert state(lab, tenant) == before
        sent = [each for each in lab.requests if "/msi/token" not in each.path]
    if not probes:  # a probe that is not answered in time is a line all the same
        assert len([each for each in evidence.exchanges if each.method in ("GET", "POST")]) == len(sent)


def test_the_one_write_that_is_tried_is_the_one_that_was_asked_for(tmp_path: Path) -> None:
    """Refused, it leaves nothing but its own line in the activity log."""
    asked = of("hardened", True)
    asked = asked.model_copy(update={"probes": asked.probes.model_copy(update={"openai_user": ASSISTANT})})
    with Lab(load_worlds(["hardened"])) as lab, environment(lab.environment("hardened")):
        before = resources(lab, "hardened")
        run.collect(asked, ("identity",), Evidence())
        (tried,) = unread(lab.requests, probes=True)
        assert (tried.method, tried.status) == ("PUT", 403) and re.fullmatch(TRYING, tried.path)
        assert resources(lab, "hardened") == before


@pytest.mark.skipif(not EVERYTHING, reason="`make kills` does it")
@EACH
@BOTH
def test_a_batch_and_each_notebook_alone_change_nothing(
    tenant: str, probes: bool, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """As they are started: `aoai assess` over all phases, and every notebook under papermill."""
    given = yaml.safe_load((ROOT / "parameters" / f"{tenant}.yaml").read_text(encoding="utf-8"))
    given |= {"active_probes": probes}
    file = tmp_path / "tenant.yaml"
    file.write_text(yaml.safe_dump(given), encoding="utf-8")
    with Lab(load_worlds([tenant])) as lab, environment(lab.environment(tenant)):
        before = state(lab, tenant)
        command = [sys.executable, "-m", "aoai_lib", "assess", str(file), "--out", str(tmp_path / "out")]
        done = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        whole = len(lab.requests)
        assert whole > 50
        for chapter in run.CHAPTERS:
            papermill.execute_notebook(
                ROOT / "notebooks" / f"{chapter.name}.ipynb",
                tmp_path / "alone.ipynb",
                parameters=given,
                progress_bar=False,
                cwd=tmp_path,
                kernel_manager_class=LocalKernelManager,
            )
        assert len(lab.requests) > 2 * whole
        assert unread(lab.requests, probes) == []
        assert state(lab, tenant) == before
    posted = sum(each.method == "POST" for each in lab.requests)
    said = f"{len(lab.requests)} requests, {posted} of them named POSTs, none that writes"
    record_property("killed", f"{tenant}, probes {'on' if probes else 'off'}, a batch and 7 notebooks alone: {said}")


def test_a_hardening_that_is_not_told_to_apply_only_reads(tmp_path: Path) -> None:
    with own_lab("mixed") as lab:
        before = state(lab, "mixed")
        result = CliRunner().invoke(main, ["harden", str(ROOT / "parameters" / "mixed.yaml"), "--out", str(tmp_path)])
        assert result.exit_code == 0, result.output
        assert unread(lab.requests) == [] and state(lab, "mixed") == before


@pytest.mark.parametrize("tenant", ["exposed", "mixed"] if EVERYTHING else ["exposed"])
def test_a_hardening_sends_what_its_plan_says_each_once(tenant: str, tmp_path: Path) -> None:
    """All of it where everything is done; where a step is refused, that and what rests on it is missing, and nothing is added."""
    only = () if EVERYTHING else ("NET-14", "NET-05", "CNT-09", "IAM-13")
    with own_lab(tenant) as lab:
        asked = parameters(tenant, **OUTBOUND)
        planned = plan(asked, *only)
        said = Counter((each.request.method, each.request.path) for each in planned.steps)
        became = carry_out(asked, planned, tmp_path, list(planned.checks))
        assert "failed" in became.values() or Counter(written(lab)) == said
        assert Counter(written(lab)) <= said and len(written(lab)) > len(planned.steps) - 3
        others = [each for each in unread(lab.requests) if (each.method, each.path) not in said]
        assert others == []


def altered(planned: Plan, number: int, **request: Any) -> Plan:
    step = planned.steps[number]
    changed = step.model_copy(update={"request": step.request.model_copy(update=request)})
    return planned.model_copy(update={"steps": (*planned.steps[:number], changed, *planned.steps[number + 1 :])})


def test_a_plan_that_was_tampered_with_does_not_reach_what_it_was_not_made_for(tmp_path: Path) -> None:
    """Aimed at another resource, or at one that is not there: that is not as the plan saw it, and nothing is sent."""
    with own_lab("exposed") as lab:
        asked = parameters("exposed", **OUTBOUND)
        planned = plan(asked, "CNT-16")
        other = planned.steps[0].request.path.replace("/accounts/", "/accounts/not-")
        policy = f"{planned.steps[0].request.path}/raiPolicies/relaxed"
        for number, path in enumerate((other, policy)):
            became = carry_out(asked, altered(planned, 0, path=path, method="DELETE"), tmp_path / str(number))
            assert next(iter(became.values())) in ("changed", "already")
        assert not [each for each in written(lab) if each[1] in (other, policy) or each[0] == "DELETE"]


def test_a_remedy_that_would_send_something_else_is_refused_at_the_wire(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the code above sends, the pipeline is open for the planned method, address and body alone."""
    with own_lab("exposed") as lab:
        asked = parameters("exposed", **OUTBOUND)
        planned = plan(asked, "CNT-16")
        refused = []

        def write(azure: Azure, request: Any, headers: Any) -> Any:
            """A writer gone astray: the pipeline is opened as planned, and something else is sent through it."""
            assert azure._planned is not None
            account = request.path.split("/")
            accounts = azure.cognitive(account[2]).accounts
            with azure._planned.allowing(request):
                for astray in (
                    lambda: accounts.begin_delete(account[4], account[8]),
                    lambda: accounts.begin_update(account[4], account[8], {"properties": {"disableLocalAuth": False}}),
                    lambda: accounts.list_keys(account[4], account[8]),
                    lambda: accounts.regenerate_key(account[4], account[8], {"keyName": "Key1"}),
                ):
                    with pytest.raises(WriteRefusedError):
                        astray()
                    refused.append(request.path)
            raise WriteRefusedError("astray")

        monkeypatch.setattr(Azure, "write", write)
        before = state(lab, "exposed")
        with pytest.raises(WriteRefusedError):
            session.carry_out(asked, planned, tmp_path)
        assert len(refused) == 4
        assert written(lab) == [] and unread(lab.requests) == [] and state(lab, "exposed") == before
