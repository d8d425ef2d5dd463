"""Phase 3 at its edges: what each answer to a case comes to, and what stands in its way."""

from __future__ import annotations

from typing import Any

import pytest
from builders import DEPLOYMENT, account, deployment, reading, snapshot
from guardrail_samples import found as of_policies
from guardrail_samples import guarded, status, strict
from test_content import bound, with_blocklist

from aoai_lib.assess import judge
from aoai_lib.controls import catalogue
from aoai_lib.model import Finding

LIST = "canary-list"


def case(name: str, control: str, verdict: str = "blocked", **more: Any) -> dict[str, Any]:
    """What a probe saw of one case, as `aoai_lib.probe` writes it down."""
    return {
        "case": name,
        "control": control,
        "category": "hate",
        "verdict": verdict,
        "hit": "",
        "severity": "",
        "why": "",
        "answered": verdict == "not_detected",
        "annotated": ["prompt", "completion"],
        "blocklists": [LIST],
        "asked_list": LIST,
        **more,
    }


def found(control: str, *cases: dict[str, Any], **deployed: Any) -> Finding:
    """The finding about a deployment that these cases were sent to."""
    own = deployment() | deployed
    sent = reading("content_cases", DEPLOYMENT, list(cases))
    declared = [each for each in catalogue() if each.id == control]
    (one,) = judge(snapshot(sent, reading("probes", "/", {}), account=account(), deployment=own), declared)
    return one


@pytest.mark.parametrize(
    ("annotated", "status"),
    [
        (["prompt", "completion"], "pass"),
        (["prompt"], "fail"),
        (["completion"], "fail"),
        ([], "fail"),
    ],
)
def test_an_answer_is_annotated_on_both_sides(annotated: list[str], status: str) -> None:
    assert found("CNT-12", case("benign", "CNT-12", "not_detected", annotated=annotated)).status == status


@pytest.mark.parametrize("verdict", ["inconclusive", "refused_by_model", "fail_open", "resource_blocked"])
def test_a_term_that_nobody_answered_for_is_open(verdict: str) -> None:
    prompt = case("canary-prompt", "CNT-13")
    one = found("CNT-13", prompt, case("canary-answer", "CNT-13", verdict))
    assert one.status == "not_assessed" and verdict.replace("_", " ") in one.reason
    assert found("CNT-13", prompt, case("canary-answer", "CNT-13")).status == "pass"
    assert found("CNT-13", prompt, case("canary-answer", "CNT-13", "detected_only")).status == "fail"


def test_one_side_of_a_deployment_is_half_a_proof() -> None:
    one = found("CNT-13", case("canary-prompt", "CNT-13"))
    assert one.status == "not_assessed" and one.reason.startswith("Only one side")


def test_why_no_term_was_tried() -> None:
    unsent, unbound = found("CNT-13"), found("CNT-13", case("benign", "CNT-12"))
    assert (unsent.status, unbound.status) == ("not_assessed", "not_assessed")
    assert "the budget was used up" in unsent.reason
    assert "binds no blocklist both ways" in unbound.reason


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("whisper", "The model “whisper” "),
        ("text-embedding-3-large", "Only models that chat are asked for a term."),
        ("dall-e-3", "Only models that chat are asked for a term."),
    ],
)
def test_models_that_are_asked_for_no_term(model: str, reason: str) -> None:
    named = {"model": {"format": "OpenAI", "name": model, "version": "1"}, "raiPolicyName": "strict"}
    one = found("CNT-13", properties=named)
    assert (one.status, one.reason.startswith(reason)) == ("not_applicable", True), one.reason


HARM = case("harm-hate", "CNT-15")


@pytest.mark.parametrize(
    ("other", "status", "part"),
    [
        (case("harm-2", "CNT-15", "resource_blocked"), "not_assessed", "see CNT-10"),
        (case("harm-2", "CNT-15", "fail_open"), "fail", "let through"),
        (case("harm-2", "CNT-15", "not_detected"), "fail", "let through"),
        (case("harm-2", "CNT-15", "detected_only"), "fail", "let through"),
        (case("harm-2", "CNT-15", "refused_by_model", answered=True), "pass", "1 tell nothing"),
        (case("harm-2", "CNT-15", hit="violence"), "pass", "1 tell nothing"),
        (case("harm-2", "CNT-15", hit="hate"), "pass", "2 of 2 cases were blocked"),
        (case("harm-2", "CNT-15", "inconclusive"), "not_assessed", "got no answer"),
    ],
    ids=["account-blocked", "filters-down", "let-through", "annotated-only", "model-refused", "another-filter", "its-filter", "lost"],
)  # fmt: skip
def test_harm_beside_a_case_that_was_blocked_by_no_named_filter(other: Any, status: str, part: str) -> None:
    one = found("CNT-15", HARM, other)
    assert (one.status, part in one.reason) == (status, True), one.reason


def test_a_block_that_names_no_filter_counts() -> None:
    assert found("CNT-15", HARM).status == "pass"
    assert found("CNT-15", HARM | {"hit": "violence"}).status == "not_assessed"


@pytest.mark.parametrize(
    ("other", "status"),
    [
        (case("harm-2", "CNT-15", "inconclusive", annotated=[]), "not_assessed"),
        (case("harm-2", "CNT-15", "inconclusive", answered=True), "pass"),
        (case("harm-2", "CNT-15", "refused_by_model"), "pass"),
        (case("harm-2", "CNT-15", "fail_open"), "fail"),
    ],
    ids=["lost", "answered-without-a-word", "refused-by-the-model", "unfiltered"],
)
def test_an_answer_that_was_lost_may_have_come_unfiltered(other: Any, status: str) -> None:
    assert found("CNT-14", case("benign", "CNT-12", "not_detected"), other).status == status


@pytest.mark.parametrize(
    ("expiration", "verdict"),
    [
        ("2026-11-23T09:00:00Z", "pass"),
        ("2026-11-23T09:00:01Z", "fail"),
        ("2026-11-01T00:00:00", "pass"),
        ("2026-12-01T00:00:00", "fail"),
        ("2026-11-23T10:30:00+02:00", "pass"),
        ("2026-11-23T08:30:00-02:00", "fail"),
    ],
    ids=["ends-now", "ends-in-a-second", "no-zone-over", "no-zone-in-force", "other-zone-over", "other-zone-in-force"],
)
def test_when_a_penalty_is_over(expiration: str, verdict: str) -> None:
    """As of 09:00 UTC. An end without a zone is in UTC, as all of the service's are."""
    penalty = {"action": "Block", "expiration": expiration}
    assert status(snapshot(account=account(capabilities=[], abusePenalty=penalty)), "CNT-10") == verdict


def test_a_pass_says_whether_there_is_a_policy_to_choose() -> None:
    assert of_policies(guarded(), "CNT-08").reason == "The account has no policy of its own that a caller could choose."
    assert of_policies(guarded(strict()), "CNT-08").reason == (
        "No policy of the account is weaker than required: “strict”."
    )


def test_the_entry_that_makes_a_blocklist_block_is_cited() -> None:
    one = of_policies(with_blocklist(bound("Prompt", "Completion")), "CNT-07")
    assert [each.value for each in one.observed if each.path.startswith("rai_blocklist_items")] == ["token"]
