"""Content safety of deployments: what blocks, what only seems to, and what can't be told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders import ACCOUNT, deployment, reading
from guardrail_samples import changed, entry, found, guarded, harms, model, policy, status, strict

from aoai_lib.model import Snapshot, State, Status

RECORDED = Path(__file__).resolve().parents[2] / "shared" / "recorded" / "03_rai"
FILTER_CONTROLS = ("CNT-01", "CNT-02", "CNT-03", "CNT-04", "CNT-05")
EVERY = (*FILTER_CONTROLS, "CNT-06", "CNT-09")


def named(policy_name: str | None) -> dict[str, Any]:
    return model("gpt-5", policy_name)


@pytest.mark.parametrize("control", EVERY)
def test_a_policy_that_blocks_everything_passes(control: str) -> None:
    assert status(guarded(strict()), control) is Status.PASS


@pytest.mark.parametrize(
    ("level", "required", "expected"),
    [
        ("Low", "Low", Status.PASS),
        ("Low", "Medium", Status.PASS),
        ("Medium", "Medium", Status.PASS),
        ("Medium", "Low", Status.FAIL),
        ("High", "Medium", Status.FAIL),
        ("High", "High", Status.PASS),
        ("low", "Low", Status.PASS),
    ],
)
def test_low_is_the_strictest_threshold(level: str, required: str, expected: Status) -> None:
    """Azure Policy 5207647b passes High and flags Low with its defaults: the wrong way round."""
    sample = guarded(policy("strict", harms(level)), requirements={"filter_threshold": required})
    assert status(sample, "CNT-01") is expected
    assert status(sample, "CNT-02") is expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"blocking": False}, Status.FAIL),
        ({"enabled": False}, Status.FAIL),
        ({"blocking": None}, Status.FAIL),
        ({"enabled": None}, Status.FAIL),
        ({"action": "BLOCKING"}, Status.PASS),
        ({"action": "Blocking", "blocking": None}, Status.PASS),
        ({"action": "ANNOTATING"}, Status.FAIL),
        ({"action": "None"}, Status.FAIL),
        ({"action": "BLOCKING", "enabled": False}, Status.FAIL),
        ({"action": "BLOCKING", "blocking": False}, Status.NOT_ASSESSED),
        ({"action": "HITL"}, Status.NOT_ASSESSED),
        ({"severityThreshold": None}, Status.NOT_ASSESSED),
        ({"severityThreshold": "Severe"}, Status.NOT_ASSESSED),
        ({"severityThreshold": None, "allowedContentLevel": "Low"}, Status.PASS),
        ({"severityThreshold": None, "allowedContentLevel": "High"}, Status.FAIL),
        ({"source": None}, Status.NOT_ASSESSED),
        ({"blocking": "yes"}, Status.NOT_ASSESSED),
    ],
)
def test_what_an_entry_says(change: dict[str, Any], expected: Status) -> None:
    assert status(guarded(changed("Violence", "Prompt", **change)), "CNT-01") is expected


def test_directions_are_judged_apart() -> None:
    sample = guarded(changed("Hate", "Completion", blocking=False))
    assert status(sample, "CNT-01") is Status.PASS
    assert status(sample, "CNT-02") is Status.FAIL
    assert "hate (completions) is only annotated" in found(sample, "CNT-02").reason


def test_of_two_entries_for_one_filter_the_weaker_counts() -> None:
    doubled = strict()
    doubled["properties"]["contentFilters"].append(entry("hate", "prompt", "High"))
    assert status(guarded(doubled), "CNT-01") is Status.FAIL


def test_names_compare_without_case_space_and_underscore() -> None:
    filters = [
        entry(name, source, allowedContentLevel="Low")
        for name in ("hate", "sexual", "violence", "self_harm")
        for source in ("prompt", "completion")
    ]
    filters += [entry("jailbreak", "Prompt"), entry("indirect_attack", "Prompt")]
    filters += [entry("protected_material_text", "completion"), entry("ProtectedMaterialCode", "Completion")]
    sample = guarded(policy("strict", filters))
    assert {status(sample, control) for control in FILTER_CONTROLS} == {Status.PASS}


@pytest.mark.parametrize(
    ("without", "base", "control", "expected"),
    [
        ("Indirect Attack", "Microsoft.DefaultV2", "CNT-04", Status.FAIL),
        ("Jailbreak", "Microsoft.DefaultV2", "CNT-03", Status.NOT_ASSESSED),
        ("Jailbreak", "microsoft.defaultv2", "CNT-03", Status.NOT_ASSESSED),
        ("Jailbreak", "Microsoft.Default", "CNT-03", Status.FAIL),
        ("Jailbreak", "", "CNT-03", Status.FAIL),
        ("Jailbreak", "Microsoft.DefaultV9", "CNT-03", Status.NOT_ASSESSED),
        ("Protected Material Code", "Microsoft.DefaultV2", "CNT-05", Status.FAIL),
        ("Protected Material Text", "Microsoft.DefaultV2", "CNT-05", Status.NOT_ASSESSED),
        ("Hate", "Microsoft.DefaultV2", "CNT-01", Status.NOT_ASSESSED),
        ("Hate", "Microsoft.Nil", "CNT-01", Status.FAIL),
    ],
)
def test_a_filter_that_is_not_listed(without: str, base: str, control: str, expected: Status) -> None:
    sample = guarded(strict(without=(without,), basePolicyName=base))
    assert status(sample, control) is expected
    assert "is not listed" in found(sample, control).reason


def test_a_base_that_would_be_too_weak_fails_even_if_inherited() -> None:
    sample = guarded(strict(without=("Hate",)), requirements={"filter_threshold": "Low"})
    assert status(sample, "CNT-01") is Status.FAIL


@pytest.mark.parametrize("filters", [None, []])
def test_a_policy_without_filters_is_no_protection(filters: list[Any] | None) -> None:
    bare = policy("strict", [])
    bare["properties"]["contentFilters"] = filters
    assert [status(guarded(bare), control) for control in FILTER_CONTROLS] == [Status.FAIL] * 5


@pytest.mark.parametrize("name", ["", None])
def test_the_account_default_is_not_known_and_never_a_pass(name: str | None) -> None:
    sample = guarded(strict(), deployment=named(name))
    assert {status(sample, control) for control in EVERY} == {Status.NOT_ASSESSED}


def test_a_name_that_the_list_does_not_hold_fails_once() -> None:
    sample = guarded(strict(), deployment=named("gone"))
    assert status(sample, "CNT-09") is Status.FAIL
    assert {status(sample, control) for control in (*FILTER_CONTROLS, "CNT-06")} == {Status.NOT_ASSESSED}


def test_a_partial_list_proves_what_is_in_it_only() -> None:
    here = guarded(strict(), state=State.PARTIAL)
    gone = guarded(strict(), state=State.PARTIAL, deployment=named("gone"))
    assert {status(here, control) for control in EVERY} == {Status.PASS}
    assert {status(gone, control) for control in EVERY} == {Status.NOT_ASSESSED}


def test_policy_names_ignore_case_and_microsofts_own_count() -> None:
    assert status(guarded(strict(), deployment=named("STRICT")), "CNT-01") is Status.PASS
    assert status(guarded(deployment=named("microsoft.defaultv2")), "CNT-09") is Status.PASS
    assert status(guarded(deployment=named("Microsoft.DefaultV2")), "CNT-03") is Status.PASS
    assert status(guarded(deployment=named("Microsoft.DefaultV2")), "CNT-05") is Status.FAIL
    assert status(guarded(deployment=named("Microsoft.Nil")), "CNT-01") is Status.FAIL


def test_other_policies_of_the_account_do_not_count_for_a_deployment() -> None:
    assert status(guarded(strict(), policy("weak", harms("High"))), "CNT-01") is Status.PASS


PASS, FAIL, NONE = Status.PASS, Status.FAIL, Status.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("deployed", "expected"),
    [
        (model("gpt-5"), [PASS] * 6),
        (model("gpt-realtime", realtime="true", audio="true"), [PASS] * 6),
        (model("text-embedding-3-large", embeddings="true"), [PASS, NONE, PASS, NONE, NONE, NONE]),
        (model("whisper", audio="true"), [NONE] * 6),
        (model("gpt-4o-mini-transcribe"), [NONE] * 6),
        (model("gpt-4o-mini-tts"), [NONE] * 6),
        (model("tts-hd"), [NONE] * 6),
        (model("gpt-image-2", imageGenerations="true"), [PASS, PASS, PASS, NONE, NONE, PASS]),
        (model("sora-2"), [PASS, PASS, PASS, NONE, NONE, PASS]),
        (model("Cohere-embed-v3-english"), [PASS, NONE, PASS, NONE, NONE, NONE]),
        (model("in-house", embeddings="true"), [PASS, NONE, PASS, NONE, NONE, NONE]),
        (model("in-house", chatCompletion="true"), [PASS] * 6),
        (model("something-new"), [PASS] * 6),
        (model("gpt-4o-2024-08-06.ft-0a1b2c-my-tts-embed"), [PASS] * 6),
    ],
    ids=lambda value: value["properties"]["model"]["name"] if isinstance(value, dict) else "",
)
def test_models_are_judged_by_what_the_service_filters(deployed: dict[str, Any], expected: list[Status]) -> None:
    sample = guarded(strict(), deployment=deployed)
    assert [status(sample, control) for control in (*FILTER_CONTROLS, "CNT-06")] == expected


def test_an_unknown_model_under_a_weak_policy_fails() -> None:
    sample = guarded(policy("strict", harms("High")), deployment=model("something-new"))
    assert status(sample, "CNT-01") is Status.FAIL


def test_protected_material_may_be_excepted_by_name() -> None:
    weak = changed("Protected Material Text", "Completion", blocking=False)
    assert status(guarded(weak), "CNT-05") is Status.FAIL
    assert status(guarded(weak, requirements={"protected_material_exceptions": ["CHAT"]}), "CNT-05") is Status.PASS
    assert status(guarded(weak, requirements={"protected_material_exceptions": ["chat2"]}), "CNT-05") is Status.FAIL


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ({}, PASS),
        ({"mode": "Default"}, PASS),
        ({"mode": "Blocking"}, PASS),
        ({"mode": "Deferred"}, FAIL),
        ({"mode": "Asynchronous_filter"}, FAIL),
        ({"mode": "Sometimes"}, Status.NOT_ASSESSED),
    ],
)
def test_modes(mode: dict[str, str], expected: Status) -> None:
    assert status(guarded(strict(**mode)), "CNT-06") is expected


def bound(*sources: str, blocking: bool = True) -> dict[str, Any]:
    lists = [{"blocklistName": "Canary", "blocking": blocking, "source": source} for source in sources]
    return strict(customBlocklists=lists)


def with_blocklist(bound_policy: dict[str, Any], items: Any = None, **more: Any) -> Snapshot:
    entries = [{"name": "token", "properties": {"pattern": "zq", "isRegex": False}}] if items is None else items
    holds = reading(
        "rai_blocklist_items", f"{ACCOUNT}/raiBlocklists/canary", entries, more.pop("state", State.COLLECTED)
    )
    more.setdefault("requirements", {"required_blocklists": ["canary"]})
    more.setdefault("rai_blocklists", [{"name": "canary", "properties": {"acsVersion": 0}}])
    return guarded(bound_policy, readings=[holds], **more)


OLDER = strict(
    promptBlocklists=[{"blocklistName": "canary", "blocking": True}],
    completionBlocklists=[{"blocklistName": "canary", "blocking": True}],
)


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (with_blocklist(bound("Prompt", "Completion")), PASS),
        (with_blocklist(OLDER), PASS),
        (with_blocklist(bound("Prompt")), FAIL),
        (with_blocklist(bound("Completion")), FAIL),
        (with_blocklist(bound("Prompt", "Completion", blocking=False)), FAIL),
        (with_blocklist(strict()), FAIL),
        (with_blocklist(bound("Prompt", "Completion"), items=[]), FAIL),
        (with_blocklist(bound("Prompt", "Completion"), rai_blocklists=[]), FAIL),
        (with_blocklist(bound("Prompt", "Completion"), state=State.DENIED), Status.NOT_ASSESSED),
        (with_blocklist(bound("Prompt", "Completion"), state=State.PARTIAL), PASS),
        (with_blocklist(bound("Prompt", "Completion"), items=[], state=State.PARTIAL), Status.NOT_ASSESSED),
        (with_blocklist(bound("Prompt"), deployment=model("text-embedding-3-small")), PASS),
        (with_blocklist(bound("Prompt"), deployment=model("whisper")), NONE),
        (with_blocklist(bound("Prompt"), requirements={}), NONE),
        (with_blocklist(bound("Prompt", "Completion"), deployment=named("")), Status.NOT_ASSESSED),
    ],
)
def test_blocklists(sample: Snapshot, expected: Status) -> None:
    assert status(sample, "CNT-07") is expected


def test_what_was_not_needed_is_not_asked_of_a_blocklist() -> None:
    """A list that nobody binds fails, though its entries were never read."""
    sample = guarded(strict(), rai_blocklists=[], requirements={"required_blocklists": ["canary"]})
    assert status(sample, "CNT-07") is Status.FAIL
    assert "does not block prompts and completions" in found(sample, "CNT-07").reason


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded answers are not beside this checkout")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("testPolicy", [PASS, PASS, FAIL, FAIL, FAIL, PASS, PASS]),
        ("Microsoft.Default", [PASS, PASS, FAIL, FAIL, FAIL, PASS, PASS]),
        ("Microsoft.DefaultV2", [PASS, PASS, PASS, FAIL, FAIL, PASS, PASS]),
        ("Microsoft.Audio", [PASS, PASS, PASS, FAIL, FAIL, PASS, PASS]),
        ("Microsoft.Nil", [FAIL, FAIL, FAIL, FAIL, FAIL, PASS, PASS]),
        ("Microsoft.Streaming", [FAIL, FAIL, FAIL, FAIL, FAIL, PASS, PASS]),
        ("Microsoft.Reasoning", [FAIL, FAIL, FAIL, FAIL, FAIL, PASS, PASS]),
    ],
)
def test_the_recorded_policies(name: str, expected: list[Status]) -> None:
    """testPolicy, on Microsoft.Default, lists the eight harm filters only."""
    listed = json.loads((RECORDED / "raiPolicies_list_with_user_2024-10-01.json").read_text(encoding="utf-8"))["value"]
    sample = guarded(deployment=deployment(raiPolicyName=name), readings=[reading("rai_policies", ACCOUNT, listed)])
    assert [status(sample, control) for control in EVERY] == expected
