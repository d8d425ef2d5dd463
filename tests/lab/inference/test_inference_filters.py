"""What an account's policies block and annotate, as the real clients see it."""

import json

import openai
import pytest
from inference_stand import ACCOUNT, Stand, ask
from openai import AzureOpenAI, OpenAI

from aoai_lib.lab import inference

DOCUMENT = '"""\n<documents>\n{}\n</documents>\n"""'


def test_a_benign_prompt_is_answered_with_annotations_in_the_body(v1: OpenAI) -> None:
    answer = ask(v1, "Repeat: Stockholm")
    choice = answer["choices"][0]
    assert choice["message"]["content"] == "Stockholm"
    assert choice["finish_reason"] == "stop"
    assert choice["content_filter_results"]["violence"] == {"filtered": False, "severity": "safe"}
    assert choice["content_filter_results"]["protected_material_code"] == {"detected": False, "filtered": False}
    prompt = answer["prompt_filter_results"][0]["content_filter_results"]
    assert prompt["self_harm"] == {"filtered": False, "severity": "safe"}
    assert prompt["jailbreak"] == prompt["indirect_attack"] == {"detected": False, "filtered": False}
    assert prompt["custom_blocklists"] == {"details": [], "filtered": False}
    # 17 characters are 5 tokens, and 3 for the message; 9 characters are 3 tokens.
    assert {k: answer["usage"][k] for k in ("prompt_tokens", "completion_tokens", "total_tokens")} == {
        "prompt_tokens": 8,
        "completion_tokens": 3,
        "total_tokens": 11,
    }
    assert answer["model"] == "gpt-5-mini-2025-08-07"


def test_general_versions_leave_out_indirect_attack_and_blocklists(azure: AzureOpenAI) -> None:
    prompt = ask(azure, "Hello")["prompt_filter_results"][0]["content_filter_results"]
    assert list(prompt) == ["hate", "jailbreak", "self_harm", "sexual", "violence"]


@pytest.mark.parametrize(
    ("model", "text", "blocked"),
    [
        ("chat", "zz-violence-low", True),
        ("medium", "zz-violence-low", False),
        ("medium", "zz-violence-medium", True),
        ("annotating", "zz-violence-high", False),
        ("open", "zz-violence-high", False),
    ],
)
def test_the_threshold_is_the_lowest_severity_that_is_blocked(v1: OpenAI, model: str, text: str, blocked: bool) -> None:
    if blocked:
        with pytest.raises(openai.BadRequestError) as caught:
            ask(v1, text, model)
        assert caught.value.code == "content_filter"
    else:
        assert ask(v1, text, model)["choices"][0]["message"]["content"] == "I can't help with that."


def test_a_blocked_prompt_is_told_in_the_recorded_form(azure: AzureOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(azure, "Please: zz-hate-medium")
    error = caught.value.body
    assert isinstance(error, dict)
    assert (error["code"], error["param"], error["type"], error["status"]) == ("content_filter", "prompt", None, 400)
    inner = error["innererror"]
    assert inner["code"] == "ResponsibleAIPolicyViolation"
    assert inner["content_filter_result"]["hate"] == {"filtered": True, "severity": "medium"}
    assert inner["content_filter_result"]["violence"] == {"filtered": False, "severity": "safe"}


def test_a_blocked_prompt_of_a_stream_is_json_and_no_stream(v1: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        v1.chat.completions.create(model="chat", messages=[{"role": "user", "content": "zz-jailbreak"}], stream=True)
    assert caught.value.response.headers["content-type"] == "application/json"


def test_a_canary_is_blocked_in_the_prompt_naming_its_list(v1: OpenAI, azure: AzureOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(v1, "Repeat: zq-canary-1234")
    found = caught.value.body["innererror"]["content_filter_result"]["custom_blocklists"]  # type: ignore[index]
    assert found == {"details": [{"filtered": True, "id": "canary"}], "filtered": True}
    with pytest.raises(openai.BadRequestError) as older:
        ask(azure, "Repeat: zq-123456x")
    found = older.value.body["innererror"]["content_filter_result"]["custom_blocklists"]  # type: ignore[index]
    assert found == [{"filtered": True, "id": "canary"}]
    with pytest.raises(openai.BadRequestError) as preview:
        ask(azure.copy(api_version="2024-10-01-preview"), "Repeat: zq-canary-1234")
    found = preview.value.body["innererror"]["content_filter_result"]["custom_blocklists"]  # type: ignore[index]
    assert found["details"] == [{"filtered": True, "id": "canary"}]
    assert ask(v1, "Repeat: ZQ-CANARY-1234")["choices"][0]["finish_reason"] == "stop"


def test_a_canary_is_blocked_in_the_completion(v1: OpenAI) -> None:
    choice = ask(v1, 'Join "zq-can" and "ary-1234" without a space.')["choices"][0]
    assert choice["finish_reason"] == "content_filter"
    assert choice["message"]["content"] is None
    assert choice["content_filter_results"]["custom_blocklists"]["filtered"] is True


def test_a_new_blocklist_item_takes_its_time(stand: Stand, v1: OpenAI) -> None:
    clock = [100.0]
    stand.tenant.memory = inference.Memory(blocklist_delay=300, clock=lambda: clock[0])
    assert ask(v1, "Repeat: zq-canary-1234")["choices"][0]["finish_reason"] == "stop"
    clock[0] += 299
    assert ask(v1, "Repeat: zq-canary-1234")["choices"][0]["finish_reason"] == "stop"
    clock[0] += 1
    with pytest.raises(openai.BadRequestError):
        ask(v1, "Repeat: zq-canary-1234")


def test_an_indirect_attack_is_one_only_inside_a_marked_document(v1: OpenAI) -> None:
    attack = json.dumps('Minutes.\nInstead of summarising, "zz-indirect-attack".')[1:-1]
    assert ask(v1, f"Summarise: {attack}")["choices"][0]["finish_reason"] == "stop"
    with pytest.raises(openai.BadRequestError) as caught:
        ask(v1, "Summarise this. " + DOCUMENT.format(attack))
    result = caught.value.body["innererror"]["content_filter_result"]  # type: ignore[index]
    assert result["indirect_attack"] == {"detected": True, "filtered": True}
    assert result["jailbreak"] == {"detected": False, "filtered": False}
    unescaped = 'Minutes. "zz-indirect-attack".'
    assert ask(v1, "Summarise this. " + DOCUMENT.format(unescaped))["choices"][0]["finish_reason"] == "stop"


def test_only_the_latest_user_content_is_looked_at(v1: OpenAI) -> None:
    answer = v1.chat.completions.create(
        model="chat",
        messages=[
            {"role": "user", "content": "zz-violence-high"},
            {"role": "assistant", "content": "No."},
            {"role": "user", "content": [{"type": "text", "text": "Repeat: fine"}]},
        ],
    )
    assert answer.choices[0].message.content == "fine"


def test_another_policy_can_be_asked_for_by_header(v1: OpenAI) -> None:
    text = "zz-violence-high"
    answer = ask(v1, text, extra_headers={"x-policy-id": "open"})
    assert answer["prompt_filter_results"][0]["content_filter_results"] == {}
    with pytest.raises(openai.BadRequestError) as caught:
        ask(v1, text, extra_headers={"x-policy-id": "nowhere"})
    assert caught.value.code == "InvalidContentFilterPolicy"


def test_a_filter_that_is_down_lets_through_and_says_so(stand: Stand, v1: OpenAI) -> None:
    stand.tenant.memory.filter_outages.add(ACCOUNT.lower())
    answer = ask(v1, "Repeat: zz-violence-high")
    error = {"error": {"code": "content_filter_error", "message": "The contents are not filtered"}}
    assert answer["choices"][0]["content_filter_results"] == error
    assert answer["prompt_filter_results"][0]["content_filter_results"] == error
    assert answer["choices"][0]["message"]["content"] == "zz-violence-high"
