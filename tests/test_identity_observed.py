"""IAM-02, IAM-14 and the attempt of IAM-12: tried in the lab, judged answer by answer, and the same in a replay."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tenants import ROOT, collect

from aoai_lib import run
from aoai_lib.assess import judge
from aoai_lib.azure.replay import Recording
from aoai_lib.evidence.store import Evidence
from aoai_lib.fleet import environment
from aoai_lib.lab.server import Lab, load_worlds
from aoai_lib.model import ABSENT, Finding, Reading, Snapshot, State
from aoai_lib.parameters import Parameters, load
from aoai_lib.parameters.wishes import Hardening, Probes

ASSISTANT = "0a51c7e2-5d0e-4b7a-8a10-6f3f0c9d1f04"
"""Client id of the hardened tenant's id-claims-assistant, which holds OpenAI User on both accounts and nothing else."""
PIPELINE = "0a51c7e2-5d0e-4b7a-8a10-6f3f0c9d1f03"
"""Client id of its deploy-pipeline, which may deploy."""
ASSESSOR = "0a51c7e2-5d0e-4b7a-8a10-6f3f0c9d1e01"
SOURCES = ("key_attempt", "model_call", "deployment_attempt")
WRONG = "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key."
LACKING = "The principal `x` lacks the required data action `…/chat/completions/action`."
NETWORK = "Access denied due to Virtual Network/Firewall rules."


@pytest.fixture
def own_lab() -> Iterator[Lab]:
    """A lab of the test's own: what is sent to it is counted."""
    with Lab(load_worlds(["hardened"])) as served:
        yield served


def judged(snapshot: Snapshot, control: str) -> list[Finding]:
    return [each for each in judge(snapshot) if each.control == control]


def said(snapshot: Snapshot, source: str, **changes: Any) -> Snapshot:
    """The snapshot with another answer to a probe of every account."""
    readings = {
        key: replace(each, value=[{**each.value[0], **changes}]) if key[0] == source else each
        for key, each in snapshot.readings.items()
    }
    return replace(snapshot, readings=readings)


def statuses(snapshot: Snapshot, control: str) -> set[str]:
    return {str(each.status) for each in judged(snapshot, control)}


@pytest.mark.parametrize(
    ("status", "code", "message", "verdict"),
    [
        (403, "AuthenticationTypeDisabled", "Key based authentication is disabled for this resource.", "pass"),
        (403, "Forbidden", "Key based authentication is disabled for this resource.", "pass"),
        (401, "401", "Local authentication is disabled for this resource.", "pass"),
        (401, "AuthenticationTypeDisabled", "", "pass"),
        (401, "401", WRONG, "fail"),
        (401, "Unauthorized", "Please provide a valid API key.", "fail"),
        (200, "", "", "fail"),
        (
            401,
            "Unauthorized",
            "Access token is missing, invalid, audience is incorrect, or have expired.",
            "not_assessed",
        ),
        (403, "403", NETWORK, "not_assessed"),
        (403, "403", "Public access is disabled. Please configure private endpoint.", "not_assessed"),
        (403, "Forbidden", "Your resource has been temporarily blocked.", "not_assessed"),
        (404, "404", "Resource not found", "not_assessed"),
        (429, "429", "Too many requests.", "not_assessed"),
        (500, "InternalServerError", WRONG, "not_assessed"),
        (None, "", "", "not_assessed"),
    ],
)
def test_every_answer_to_a_made_up_key(
    hardened: Snapshot, status: int | None, code: str, message: str, verdict: str
) -> None:
    sample = said(hardened, "key_attempt", status=status, code=code, message=message, models=status == 200)
    assert statuses(sample, "IAM-02") == {verdict}


@pytest.mark.parametrize("held", [False, ABSENT])
@pytest.mark.parametrize(
    ("source", "control", "field"), [("key_attempt", "IAM-02", "models"), ("model_call", "IAM-14", "answered")]
)
def test_a_page_with_the_status_of_a_success_is_no_answer(
    hardened: Snapshot, source: str, control: str, field: str, held: object
) -> None:
    """Nor is what was written down without a word of whether it was one."""
    assert statuses(said(hardened, source, status=200, **{field: held}), control) == {"not_assessed"}


@pytest.mark.parametrize(
    ("status", "code", "message", "meant", "verdict"),
    [
        (200, "", "", False, "pass"),
        (401, "PermissionDenied", LACKING, True, "fail"),
        (403, "PermissionDenied", LACKING, True, "fail"),
        (401, "PermissionDenied", LACKING, False, "not_assessed"),
        (403, "403", NETWORK, True, "not_assessed"),
        (401, "401", "Access token is missing, invalid, audience is incorrect, or have expired.", True, "not_assessed"),
        (403, "Forbidden", "Your resource has been temporarily blocked.", True, "not_assessed"),
        (400, "content_filter", "The response was filtered.", True, "not_assessed"),
        (404, "DeploymentNotFound", "The API deployment for this resource does not exist.", True, "not_assessed"),
        (429, "429", "Too many requests.", True, "not_assessed"),
        (None, "", "", True, "not_assessed"),
    ],
)
def test_every_answer_to_a_call(
    hardened: Snapshot, status: int | None, code: str, message: str, meant: bool, verdict: str
) -> None:
    sample = said(hardened, "model_call", status=status, code=code, message=message, meant=meant)
    assert statuses(sample, "IAM-14") == {verdict}


@pytest.mark.parametrize(
    ("kind", "managed", "verdict"), [("user", False, "not_assessed"), ("", False, "not_assessed"), ("", True, "pass")]
)
def test_a_persons_call_proves_nothing_about_a_workload(
    hardened: Snapshot, kind: str, managed: bool, verdict: str
) -> None:
    assert statuses(said(hardened, "model_call", type=kind, managed=managed), "IAM-14") == {verdict}


def test_a_pass_names_who_called_what_from_where(hardened: Snapshot) -> None:
    (first, _) = judged(hardened, "IAM-14")
    for part in (ASSESSOR, "“chat”", "v1 API", "“inside”", "workload identity"):
        assert part in first.reason
    assert judged(hardened, "IAM-02")[0].reason == (
        "A made-up key was refused because keys are disabled: answered 403 AuthenticationTypeDisabled “Key based authentication "
        "is disabled for this resource”."
    )


def test_from_outside_the_question_stays_open(own_lab: Lab) -> None:
    snapshot = collect(own_lab, "hardened", active_probes=True, vantage="outside-berlin")
    for control in ("IAM-02", "IAM-14"):
        for finding in judged(snapshot, control):
            assert str(finding.status) == "not_assessed"
            assert "from the vantage point “outside” the account's network refused the caller" in finding.reason


def test_an_identity_that_should_call_and_may_not_fails(own_lab: Lab) -> None:
    meant = Hardening(workload_identities=["0A51C7E2-5D0E-4B7A-8A10-6F3F0C9D1E02"])
    parameters = parameters_of(active_probes=True, hardening=meant)
    with environment(own_lab.environment("hardened", "operator")):
        snapshot = run.collect(parameters, ("identity",), Evidence())
    assert {str(each.status) for each in judged(snapshot, "IAM-14")} == {"fail"}


def parameters_of(**changes: Any) -> Parameters:
    return load(ROOT / "parameters" / "hardened.yaml").model_copy(update=changes)


def test_nothing_is_sent_to_the_data_plane_unless_probes_are_on(own_lab: Lab) -> None:
    snapshot = collect(own_lab, "hardened", vantage="")
    assert [each for each in own_lab.requests if "/openai/" in each.path] == []
    assert {each.method for each in own_lab.requests if each.method not in ("GET", "POST")} == set()
    for control in ("IAM-02", "IAM-14"):
        for finding in judged(snapshot, control):
            assert str(finding.status) == "not_assessed"
            assert "Set `active_probes` to true" in finding.reason
    assert snapshot.reading("probes", "/").state is State.NOT_COLLECTED


def test_what_is_sent_is_what_was_announced(own_lab: Lab) -> None:
    announced: list[str] = []
    evidence = Evidence()
    with environment(own_lab.environment("hardened")):
        snapshot = run.collect(
            parameters_of(active_probes=True, vantage="inside"),
            ("identity",),
            evidence,
            progress=lambda what, *_: announced.append(what),
        )
    sent = [each for each in own_lab.requests if each.path.startswith("/openai/")]
    lines = [line for line in evidence.exchanges if "x-aoai-probe" in line.headers]
    spent = snapshot.reading("probes", "/").value
    assert sorted((each.method, each.status) for each in sent) == [("GET", 403)] * 2 + [("POST", 200)] * 2
    assert spent == {
        "requests": len(sent),
        "tokens": sum(line.body["usage"]["total_tokens"] for line in lines if line.method == "POST"),
        "left_out": 0,
    }
    (told,) = [what for what in announced if what.startswith("probing")]
    assert told == "probing with at most 6 requests and 256 tokens"


@pytest.mark.parametrize(
    ("limits", "sent", "left_out"), [({"requests": 1}, 1, 3), ({"requests": 0}, 0, 4), ({"tokens": 70}, 3, 1)]
)
def test_the_budget_is_a_hard_stop(own_lab: Lab, limits: dict[str, int], sent: int, left_out: int) -> None:
    snapshot = collect_identity(own_lab, probes=Probes(**limits))
    assert len([each for each in own_lab.requests if each.path.startswith("/openai/")]) == sent
    assert snapshot.reading("probes", "/").value["requests"] == sent
    assert snapshot.reading("probes", "/").value["left_out"] == left_out
    unseen = [each for each in judged(snapshot, "IAM-14") if "the budget was used up" in each.reason]
    assert unseen
    assert {str(each.status) for each in unseen} == {"not_assessed"}


def collect_identity(lab: Lab, evidence: Evidence | None = None, **changes: Any) -> Snapshot:
    with environment(lab.environment("hardened")):
        return run.collect(parameters_of(active_probes=True, **changes), ("identity",), evidence or Evidence())


@pytest.mark.parametrize("text", ["digest", "full"])
def test_a_replay_gives_the_same_findings(own_lab: Lab, tmp_path: Path, text: str) -> None:
    probes = Probes(openai_user=ASSISTANT, text=text)  # type: ignore[arg-type]
    evidence = Evidence(tmp_path / "requests.jsonl")
    first = collect_identity(own_lab, evidence, probes=probes)
    evidence.close()
    before = len(own_lab.requests)
    again = Evidence()
    recording = Recording.load(tmp_path / "requests.jsonl")
    second = run.collect(parameters_of(probes=Probes(openai_user=ASSISTANT)), ("identity",), again, recording=recording)
    assert judge(second) == judge(first)
    assert {key: each for key, each in second.readings.items() if key[0] in SOURCES} == {
        key: each for key, each in first.readings.items() if key[0] in SOURCES
    }
    assert len(own_lab.requests) == before
    kept = json.dumps([[line.headers, line.body] for line in again.exchanges])
    assert "Say hello." not in kept
    assert "Say hello." in (tmp_path / "requests.jsonl").read_text() if text == "full" else "Say hello." not in kept


def test_lines_about_another_tenants_account_stay_out(own_lab: Lab, tmp_path: Path) -> None:
    evidence = Evidence(tmp_path / "requests.jsonl")
    collect_identity(own_lab, evidence)
    evidence.close()
    text = (tmp_path / "requests.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        if "x-aoai-account" in line["headers"]:
            line["headers"]["x-aoai-account"] = "/subscriptions/x/resourceGroups/y/providers/z/accounts/other"
    (tmp_path / "moved.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    recording = Recording.load(tmp_path / "moved.jsonl")
    snapshot = run.collect(parameters_of(), ("identity",), Evidence(), recording=recording)
    assert [key for key in snapshot.readings if key[0] in SOURCES] == []
    assert statuses(snapshot, "IAM-02") == {"not_assessed"}


def test_openai_user_is_refused_to_deploy_and_nothing_comes_about(own_lab: Lab) -> None:
    before = own_lab.state("hardened").of_type("Microsoft.CognitiveServices/accounts/deployments")
    count = len(list(before))
    evidence = Evidence()
    snapshot = collect_identity(own_lab, evidence, probes=Probes(openai_user=ASSISTANT))
    writes = [each for each in own_lab.requests if each.method not in ("GET", "POST", "HEAD")]
    assert [(each.method, each.status) for each in writes] == [("PUT", 403)]
    assert "/deployments/aoai-playbook-" in writes[0].path
    after = own_lab.state("hardened").of_type("Microsoft.CognitiveServices/accounts/deployments")
    assert len(list(after)) == count
    reasons = [each.reason for each in judged(snapshot, "IAM-12") if "was refused when it tried" in each.reason]
    assert len(reasons) == 1
    assert "answered 403 AuthorizationFailed" in reasons[0]
    assert reasons[0].endswith("and nothing was there afterwards.")
    assert statuses(snapshot, "IAM-12") == {"pass"}


@pytest.mark.parametrize("client", ["", PIPELINE, "00000000-0000-4000-8000-00000000dead"])
def test_no_attempt_without_an_identity_that_is_openai_user_only(own_lab: Lab, client: str) -> None:
    snapshot = collect_identity(own_lab, probes=Probes(openai_user=client))
    assert {each.method for each in own_lab.requests} <= {"GET", "POST"}
    assert list(snapshot.of("deployment_attempt")) == []
    assert statuses(snapshot, "IAM-12") == {"pass"}


def test_no_attempt_where_the_roles_could_not_be_read(own_lab: Lab) -> None:
    own_lab.faults.add("403::roleAssignments")
    collect_identity(own_lab, probes=Probes(openai_user=ASSISTANT))
    assert {each.method for each in own_lab.requests} <= {"GET", "POST"}


@pytest.mark.parametrize(
    ("status", "code", "verdict", "part"),
    [
        (403, "AuthorizationFailed", "pass", "was refused when it tried"),
        (201, "", "fail", "was let deploy"),
        (400, "DeploymentModelNotSupported", "not_assessed", "was not refused for lack of a right"),
        (403, "RequestDisallowedByPolicy", "not_assessed", "an attempt showed nothing"),
        (None, "", "not_assessed", "an attempt showed nothing"),
        (429, "TooManyRequests", "not_assessed", "an attempt showed nothing"),
    ],
)
def test_every_answer_to_an_attempt(hardened: Snapshot, status: int | None, code: str, verdict: str, part: str) -> None:
    own = hardened.reading("key_attempt", next(iter(hardened.of("account"))).scope)
    value = {
        **own.value[0],
        "status": status,
        "code": code,
        "message": "",
        "identity": ASSISTANT,
        "name": "n",
        "left": 404,
    }
    tried = Reading("deployment_attempt", own.scope, State.COLLECTED, [value], own.evidence)
    sample = replace(hardened, readings={**hardened.readings, ("deployment_attempt", own.scope.lower()): tried})
    (finding,) = [each for each in judged(sample, "IAM-12") if each.subject.id == own.scope]
    assert (str(finding.status), part in finding.reason) == (verdict, True), finding.reason


def test_a_deployment_that_nobody_can_call_is_passed_over(exposed: Snapshot) -> None:
    """The shop's first deployment names a policy that is gone, and answers 400 to everybody."""
    (call,) = [each for each in exposed.of("model_call") if each.scope.endswith("aoai-brightcart-shop")]
    assert call.value[0]["deployment"] == "gpt-4o"
    assert len(call.evidence) == 2


def test_a_run_says_what_was_spent_and_holds_no_word_of_it(tmp_path: Path) -> None:
    """The whole of a run, through the command: the budget before, what was spent after, the same in the notebook's table."""
    parameters = (ROOT / "parameters" / "hardened.yaml").read_text() + "active_probes: true\n"
    (tmp_path / "hardened.yaml").write_text(parameters)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "aoai_lib",
            "assess",
            str(tmp_path / "hardened.yaml"),
            "--out",
            str(tmp_path),
            "--phase",
            "02",
        ],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "hardened: probing with at most " in done.stderr
    (folder,) = [each for each in (tmp_path / "hardened").iterdir() if each.is_dir()]
    spent = json.loads((folder / "run.json").read_text())["probes"]
    lines = [json.loads(line) for line in (folder / "requests.jsonl").read_text().splitlines()]
    sent = [line for line in lines if line["headers"].get("x-aoai-probe", "log_row") != "log_row"]
    assert spent["requests"] == len(sent)
    assert spent["tokens"] > 0
    for path in folder.rglob("*"):
        assert path.is_dir() or b"Say hello." not in path.read_bytes(), path
