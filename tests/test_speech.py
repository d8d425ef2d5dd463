"""What evidence keeps of prompts and answers: everything that decides, and no text of a model in any place it may stand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoai_lib.evidence import speech

SECRET = "the flamingo wears a velvet hat on Tuesdays"
PROMPT = {"messages": [{"role": "user", "content": "Tell me in detail what the flamingo wears on Tuesdays."}]}
FILTERS = {
    "hate": {"filtered": False, "severity": "safe"},
    "jailbreak": {"filtered": True, "detected": True},
    "custom_blocklists": {"filtered": True, "details": [{"id": "code-names", "filtered": True}]},
    "protected_material_code": {
        "filtered": False,
        "detected": True,
        "citation": {"URL": "https://github.com/contoso/hat", "license": "MIT License"},
    },
    "error": {"code": "content_filter_error", "message": "The contents are not filtered"},
}


def kept(body: Any, request: Any = PROMPT) -> Any:
    return speech.kept_answer(json.dumps(body).encode(), request)


def stream(*events: Any) -> bytes:
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode() + b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": SECRET}}]},
        {"choices": [{"index": 0, "text": SECRET}]},
        {"choices": [{"index": 0, "message": {"content": [{"type": "text", "text": SECRET}]}}]},
        {"choices": [{"message": {"refusal": SECRET}}]},
        {"choices": [{"message": {"reasoning_content": SECRET, "tool_calls": [{"function": {"arguments": SECRET}}]}}]},
        {"choices": [{"logprobs": {"content": [{"token": SECRET, "bytes": list(SECRET.encode())}]}}]},
        {"output": [{"content": [{"type": "output_text", "text": SECRET}]}], "output_text": SECRET},
        {"data": [{"b64_json": SECRET, "url": f"https://x/{SECRET}", "revised_prompt": SECRET}]},
        {"error": {"code": "content_filter", "message": "filtered", "innererror": {"revised_prompt": SECRET}}},
        {"unheard_of": {"anything": [SECRET]}},
        {SECRET: "x"},
        {"id": SECRET, "model": SECRET, "finish_reason": SECRET},
        SECRET,
        [SECRET],
    ],
)
def test_no_text_of_a_model_is_kept(body: Any) -> None:
    shown = json.dumps(kept(body))
    assert "flamingo" not in shown
    assert "velvet" not in shown
    assert b"velvet".hex() not in shown
    assert str(list(b"velvet"))[1:-1] not in shown


def test_what_decides_is_kept() -> None:
    body = {
        "id": "chatcmpl-1",
        "model": "gpt-5.1-2025-11-13",
        "choices": [
            {
                "finish_reason": "content_filter",
                "index": 0,
                "content_filter_results": FILTERS,
                "message": {"content": None},
            }
        ],
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": FILTERS}],
        "usage": {"total_tokens": 12, "completion_tokens_details": {"reasoning_tokens": 4}},
    }
    assert kept(body) == body


@pytest.mark.parametrize("inner", ["innererror", "inner_error"])
def test_an_error_is_kept_as_it_is(inner: str) -> None:
    body = {
        "error": {
            "message": "The response was filtered due to the prompt triggering the content management policy.",
            "type": None,
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            inner: {"code": "ResponsibleAIPolicyViolation", "content_filter_result": FILTERS},
        }
    }
    assert kept(body) == body
    assert kept(body["error"]) == body["error"]
    flat = {"statusCode": 401, "message": "Unauthorized. Access token is missing, invalid, or have expired."}
    assert kept(flat) == flat


@pytest.mark.parametrize(
    "quoted",
    [
        "Your prompt “Tell me in detail what the flamingo wears on Tuesdays.” was refused.",
        "Near 'in detail what the flamingo wears', expected something else.",
        "TELL ME IN DETAIL   WHAT THE FLAMINGO WEARS ON TUESDAYS.",
    ],
)
def test_an_error_that_quotes_the_prompt_is_a_digest(quoted: str) -> None:
    found = kept({"error": {"code": "BadRequest", "message": quoted}})
    assert found["error"]["code"] == "BadRequest"
    assert found["error"]["message"]["length"] == len(quoted)


def test_a_refusal_in_words_is_marked() -> None:
    said = kept({"choices": [{"message": {"content": "I’m sorry, but I can’t assist with that."}}]})  # noqa: RUF001
    assert said["choices"][0]["message"]["content"]["refusal"] is True
    said = kept({"choices": [{"message": {"content": "A flamingo is a bird."}}]})
    assert "refusal" not in said["choices"][0]["message"]["content"]


def test_pieces_of_a_stream_are_lengths_and_the_whole_is_a_digest() -> None:
    pieces = [
        {"choices": [{"index": 0, "delta": {"content": word}}], "object": "chat.completion.chunk"}
        for word in ("Fla", "mingo")
    ]
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "content_filter_results": FILTERS}]}
    found: Any = speech.kept_answer(stream(*pieces, last, {"choices": [], "usage": {"total_tokens": 7}}), PROMPT)
    assert [event["choices"][0]["delta"] for event in found[:2]] == [
        {"content": {"length": 3}},
        {"content": {"length": 5}},
    ]
    assert found[2]["choices"][0]["said"] == speech.digest("Flamingo")
    assert found[2]["choices"][0]["content_filter_results"] == FILTERS
    assert speech.tokens(found) == 7


def test_events_of_the_responses_api_hold_no_text() -> None:
    events = [
        {"type": "response.output_text.delta", "delta": "velvet", "item_id": "msg_1"},
        {"type": "response.completed", "response": {"output_text": SECRET, "usage": {"total_tokens": 9}}},
    ]
    found: Any = speech.kept_answer(stream(*events), {"input": "hats"})
    assert "velvet" not in json.dumps(found)
    assert found[0] == {"type": "response.output_text.delta", "delta": {"length": 6}, "item_id": "msg_1"}
    assert speech.tokens(found) == 9


@pytest.mark.parametrize(
    "content", [b"not json at all: velvet", b"[" * 5000, b"\xff\xfe velvet", b"data: {broken velvet\n\n"]
)
def test_what_is_no_answer_is_a_digest(content: bytes) -> None:
    assert "velvet" not in json.dumps(speech.kept_answer(content, None))


def test_even_in_full_no_picture_is_kept() -> None:
    body = {"data": [{"b64_json": "aGVsbG8=" * 9, "revised_prompt": SECRET}]}
    found: Any = speech.kept_answer(json.dumps(body).encode(), PROMPT, full=True)
    assert found["data"][0]["revised_prompt"] == SECRET
    assert "aGVsbG8" not in json.dumps(found)


RECORDED = Path(__file__).resolve().parents[2] / "shared" / "recorded" / "08_dataplane"
WORDS = {"content", "text", "arguments", "output_text", "reasoning_content", "refusal", "b64_json"}
DECIDES = {"finish_reason", "severity", "filtered", "detected", "code", "blocked", "status", "total_tokens"}


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, key)
    else:
        yield key, value


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded answers are not here")
def test_of_recorded_answers_all_that_decides_is_kept_and_no_word() -> None:
    seen = 0
    for path in sorted(RECORDED.glob("aoai__*")):
        if path.suffix not in (".json", ".txt"):
            continue
        text = path.read_text(encoding="utf-8")
        whole = json.loads(text) if path.suffix == ".json" else text
        body = whole.get("body", whole) if isinstance(whole, dict) else whole
        events = [body] if isinstance(body, dict) else speech.events(str(body))
        found = speech.muted(events, [])
        before, after = list(leaves(events)), list(leaves(found))
        assert [each for each in before if each[0] in DECIDES] == [each for each in after if each[0] in DECIDES], path
        words = {value for key, value in before if key in WORDS and isinstance(value, str) and len(value) > 12}
        assert not words & {value for _, value in after if isinstance(value, str)}, path
        seen += len(events)
    assert seen


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(min_size=0, max_size=30),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["choices", "delta", "text", "error", "message", "index", "x", "object"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_muting_again_changes_nothing(body: Any) -> None:
    once = speech.muted(body, [])
    assert speech.muted(once, []) == once


def test_what_was_told_is_counted_and_not_named() -> None:
    told = speech.told({"messages": [{"role": "user", "content": [{"type": "text", "text": "abc"}]}], "model": "chat"})
    assert told.partition("/")[0] == "3"
    assert "abc" not in told
    assert speech.told({"model": "chat"}) == ""
    assert told != speech.told({"messages": [{"role": "user", "content": "abd"}]})


def test_a_list_that_is_no_stream_is_no_answer() -> None:
    body = {"choices": [{"finish_reason": "stop", "content_filter_results": {"hate": {"filtered": False}}}]}
    assert isinstance(speech.kept_answer(json.dumps(body).encode(), None), dict)
    kept: Any = speech.kept_answer(json.dumps([body]).encode(), None)
    assert isinstance(kept, dict) and set(kept) == {"length", "sha256"}
