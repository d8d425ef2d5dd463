"""Streams, the Responses API, embeddings, images and audio, as the real clients parse them."""

import base64
import struct

import openai
import pytest
from inference_stand import chunks_of
from openai import AzureOpenAI, OpenAI


def test_a_stream_begins_with_the_prompt_and_ends_with_the_reason(v1: OpenAI) -> None:
    chunks = chunks_of(v1, "Repeat: one two", "chat", stream_options={"include_usage": True})
    assert chunks[0]["choices"] == []
    assert chunks[0]["prompt_filter_results"][0]["prompt_index"] == 0
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[1:-1]]
    assert [delta.get("content") for delta in deltas] == ["", "one", " two", None]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[1:-1]] == [None, None, None, "stop"]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] == 9


def test_a_buffered_stream_shows_nothing_that_is_blocked(v1: OpenAI) -> None:
    chunks = chunks_of(v1, 'Join "zz-viol" and "ence-high"', "chat")
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks[1:]) == ""
    last = chunks[-1]["choices"][0]
    assert last["finish_reason"] == "content_filter"
    assert last["content_filter_results"]["violence"] == {"filtered": True, "severity": "high"}


def test_an_asynchronous_filter_shows_first_and_tells_later(v1: OpenAI) -> None:
    chunks = chunks_of(v1, 'Join "zz-viol" and "ence-high"', "late")
    shown = "".join((c["choices"][0].get("delta") or {}).get("content") or "" for c in chunks[1:])
    assert shown == "zz-violence-high"
    harms, material = (chunk["choices"][0] for chunk in chunks[-2:])
    assert harms["content_filter_offsets"] == {"check_offset": 30, "start_offset": 30, "end_offset": 46}
    assert harms["finish_reason"] == "content_filter"
    assert material["content_filter_results"]["protected_material_text"] == {"detected": False, "filtered": False}


def test_responses_report_their_filters(v1: OpenAI) -> None:
    answer = v1.responses.create(model="chat", input="Repeat: Paris")
    assert answer.output_text == "Paris"
    told = answer.to_dict()["content_filters"]
    assert [(each["source_type"], each["blocked"]) for each in told] == [("prompt", False), ("completion", False)]
    blocked = v1.responses.create(model="chat", input='Join "zq-can" and "ary-1234"')
    assert (blocked.status, blocked.output_text) == ("incomplete", "")
    assert blocked.incomplete_details is not None
    assert blocked.incomplete_details.reason == "content_filter"
    with pytest.raises(openai.BadRequestError) as caught:
        v1.responses.create(model="chat", input="zz-jailbreak")
    assert caught.value.body["content_filters"][0]["blocked"] is True  # type: ignore[index]


def test_responses_stream(v1: OpenAI) -> None:
    events = list(v1.responses.create(model="chat", input="Repeat: a b", instructions="Be brief.", stream=True))
    assert [event.type for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(10))


def test_embeddings_are_filtered_on_the_prompt_only(v1: OpenAI, azure: AzureOpenAI) -> None:
    one = v1.embeddings.create(model="embed", input=["a", "b"], dimensions=8)
    assert [len(item.embedding) for item in one.data] == [8, 8]
    assert sum(value**2 for value in one.data[0].embedding) == pytest.approx(1, abs=1e-6)
    packed = azure.embeddings.create(model="embed", input="a", dimensions=8, encoding_format="base64").data[0].embedding
    assert isinstance(packed, str)
    unpacked = struct.unpack("<8f", base64.b64decode(packed))
    assert unpacked == pytest.approx(one.data[0].embedding, abs=1e-6)
    with pytest.raises(openai.BadRequestError) as caught:
        v1.embeddings.create(model="embed", input="zz-hate-low")
    assert caught.value.code == "content_filter"


def test_images_are_annotated_each_and_refused_by_code(v1: OpenAI) -> None:
    answer = v1.images.generate(model="draw", prompt="A blue square", n=2).to_dict()
    assert len(answer["data"]) == 2  # type: ignore[arg-type]
    item = answer["data"][0]  # type: ignore[index]
    assert base64.b64decode(item["b64_json"]).startswith(b"\x89PNG")
    assert item["content_filter_results"]["hate"] == {"filtered": False, "severity": "safe"}
    assert item["prompt_filter_results"]["jailbreak"] == {"detected": False, "filtered": False}
    with pytest.raises(openai.BadRequestError) as caught:
        v1.images.generate(model="draw", prompt="zz-violence-high")
    error = caught.value.body
    assert isinstance(error, dict)
    assert error["code"] == "content_policy_violation"
    results = error["inner_error"]["content_filter_results"]
    assert results["violence"] == {"filtered": False, "severity": "high"}


def test_audio_is_not_filtered(v1: OpenAI, azure: AzureOpenAI) -> None:
    sound = b"zz-violence-high"
    assert v1.audio.transcriptions.create(model="listen", file=("a.wav", sound)).text == "A recording of 16 bytes."
    said = azure.audio.transcriptions.create(model="listen", file=("a.wav", sound), response_format="text")
    assert said == "A recording of 16 bytes."
    with pytest.warns(DeprecationWarning):
        translated = azure.audio.translations.create(model="listen", file=("a.wav", sound))
    assert translated.text == "A recording of 16 bytes."
    assert v1.audio.speech.create(model="speak", input="Hello", voice="alloy").content.startswith(b"RIFF")


def test_text_completions(azure: AzureOpenAI) -> None:
    answer = azure.completions.create(model="instruct", prompt="Repeat: yes")
    assert (answer.object, answer.choices[0].text) == ("text_completion", "yes")
