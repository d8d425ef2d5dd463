"""The guide's errors about trying content filters, each by its number in the list of corrections."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hardening import own_lab, parameters
from test_probe_content import probing, sent, verdicts

from aoai_lib.assess import judge
from aoai_lib.azure import clouds
from aoai_lib.azure.inference import DATED
from aoai_lib.evidence.store import Evidence
from aoai_lib.model import Snapshot, Status
from aoai_lib.probe import content
from aoai_lib.probe.answers import Verdict
from aoai_lib.probe.answers import judge as judge_answer
from aoai_lib.probe.suite import suite
from aoai_lib.run import collect

CASES = {case.id: case for case in suite()}


@pytest.mark.parametrize("surface", ["v1", "2024-10-21"])
def test_32_calls_go_to_a_surface_that_annotates(surface: str) -> None:
    """The guide calls 2024-06-01, whose annotations lack indirect attacks and blocklists, with a scope that v1 does not take."""
    evidence = Evidence()
    with own_lab("hardened", "assessor"):
        snapshot = collect(probing("hardened", surface=surface), {"content"}, evidence)
        cloud = clouds.find("lab")
    urls = {line.url for line in evidence.exchanges if line.headers.get("x-aoai-probe") == content.CASE}
    assert urls and all(("/openai/v1/" in url) is (surface == "v1") for url in urls)
    assert all(f"api-version={DATED}" in url for url in urls if surface != "v1")
    assert cloud.inference_scope and clouds.find("public").v1_scope == "https://ai.azure.com/.default"
    assert verdicts(snapshot, "chat")["indirect"] == "blocked", "a block says what blocked on either"


def test_33_reasoning_models_are_asked_with_the_parameter_that_they_take() -> None:
    """`max_tokens` is refused by reasoning models; `max_completion_tokens` is taken by all."""
    told: list[dict[str, Any]] = []

    class Watched:
        """Notes what the suite would ask a client, without sending it: the parameters are the matter here."""

        def __getattr__(self, name: str) -> Any:
            return self if name != "create" else lambda **words: told.append(words) or []

    for case in (case for case in suite() if case.modality in ("chat", "stream")):
        content._ask("o3", case, Watched())
    assert told and all("max_completion_tokens" in words and "max_tokens" not in words for words in told)


def test_34_malware_is_no_category_of_the_filters(hardened: Snapshot) -> None:
    """The guide expects “filtered”. What is not a category can't be; whether the model refuses is the model's affair."""
    case = CASES["guide-malware"]
    assert (case.kind, case.category, case.control) == ("borderline", "", "")
    assert verdicts(hardened, "chat")["guide-malware"] != "blocked"
    assert {each.status for each in judge(hardened) if each.control == "CNT-15"} <= {Status.PASS, Status.NOT_APPLICABLE}


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (401, "PermissionDenied", "content_filter"),
        (429, "429", "content_filter"),
        (500, "InternalServerError", "content_filter"),
        (400, "context_length_exceeded", "content_filter"),
    ],
)
def test_35_an_error_that_only_mentions_the_filter_is_no_block(status: int, code: str, message: str) -> None:
    """`"content_filter" in str(e)` of any exception: status and code decide, never the words."""
    body = {"error": {"code": code, "message": message}}
    assert judge_answer(status, body).verdict is Verdict.INCONCLUSIVE


def test_36_more_than_the_reason_of_the_end_is_looked_at(hardened: Snapshot, exposed: Snapshot) -> None:
    """Only `finish_reason` was looked at: prompts, annotate-only, streams, documents and blocklists were not."""
    kinds = {case.kind for case in suite()} | {"canary"}
    assert kinds >= {"benign", "harm", "jailbreak", "indirect", "protected", "canary"}
    assert {case.modality for case in suite()} >= {"chat", "stream", "responses", "image", "embeddings"}
    chat = verdicts(hardened, "chat")
    assert chat["harm-violence-stream"] == chat["indirect"] == chat["canary-answer"] == "blocked"
    assert verdicts(exposed, "gpt-4o")["harm-violence"] == "detected_only"


def test_36_what_another_filter_blocked_tells_nothing_of_this_one(hardened: Snapshot) -> None:
    """Every case as if the blocklist alone had blocked it: nothing is known of the categories."""
    readings = {
        key: replace(value, value=[{**each, "hit": "custom_blocklists"} for each in value.value])
        if key[0] == "content_cases"
        else value
        for key, value in hardened.readings.items()
    }
    found = [each for each in judge(replace(hardened, readings=readings)) if each.control == "CNT-15"]
    sent_to = [each for each in found if each.subject.name == "chat"]
    assert sent_to and {each.status for each in sent_to} == {Status.NOT_ASSESSED}
    assert all("blocked (a blocklist" in each.reason for each in sent_to)


def test_37_what_could_not_be_tried_is_not_a_filter_that_blocks_too_much() -> None:
    """An error on a harmless case was counted like over-blocking."""
    with own_lab("hardened", "assessor") as lab:
        lab.faults.add("500::/openai/v1/")
        snapshot = collect(probing("hardened", requests=6), {"content"}, Evidence())
    (verdict,) = {each.status for each in judge(snapshot) if each.control == "CNT-12" and each.subject.name == "chat"}
    assert verdict is Status.NOT_ASSESSED


def test_45_the_weakest_policy_counts_and_an_unfiltered_answer_is_seen() -> None:
    """Neither the header x-policy-id nor filters that are down were thought of."""
    with own_lab("mixed", "assessor"):
        snapshot = collect(parameters("mixed"), {"content"}, Evidence())
    weak = [each for each in judge(snapshot) if each.control == "CNT-08" and each.status is Status.FAIL]
    assert weak and all("x-policy-id" in each.reason for each in weak)
    unfiltered = {"error": {"code": "content_filter_error", "message": "The contents are not filtered"}}
    body = {"choices": [{"finish_reason": "stop", "content_filter_results": unfiltered}]}
    assert judge_answer(200, body).verdict is Verdict.FAIL_OPEN


def test_46_annotations_are_read_from_the_body_and_nowhere_else(hardened: Snapshot) -> None:
    """“Annotations present in API response headers”: there are none."""
    evidence = Evidence()
    with own_lab("hardened", "assessor") as lab:
        collect(probing("hardened", requests=8), {"content"}, evidence)
        assert sent(lab)
    lines = [line for line in evidence.exchanges if line.headers.get("x-aoai-probe") == content.CASE]
    assert lines and not [line for line in lines if "filter" in json.dumps(line.headers).lower().replace("x-aoai", "")]
    assert all("content_filter" in json.dumps(line.body) for line in lines if line.status == 200)
