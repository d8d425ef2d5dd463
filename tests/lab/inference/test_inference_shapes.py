"""The lab's answers beside recorded real ones: the same keys with the same JSON types."""

import json

import openai
import pytest
from inference_stand import ask, chunks_of, recorded, shape
from openai import AzureOpenAI, OpenAI


def test_a_chat_answer_has_the_recorded_shape(azure: AzureOpenAI) -> None:
    real = json.loads(recorded("aoai__2024-02-01__POST200__openllmetry__0637.json"))
    answer = ask(azure.copy(api_version="2024-02-01"), "Repeat: 3", "plain", max_completion_tokens=50)
    assert shape(answer) == shape(real)


def test_a_response_has_the_recorded_shape(v1: OpenAI) -> None:
    real = json.loads(recorded("aoai__none__POST200__pydantic-ai__0643.json"))
    answer = v1.responses.create(model="plain", input="Repeat: Paris").to_dict()
    assert shape(answer["content_filters"]) == shape(real["content_filters"])
    assert shape(answer["usage"]) == shape(real["usage"])
    # The recorded model is newer: it says its phase, its moderation and its cache retention; ours says none.
    assert set(real) - set(answer) == {"moderation", "prompt_cache_retention"}
    assert set(answer) - set(real) == set()


def test_a_stream_has_the_recorded_shape(azure: AzureOpenAI) -> None:
    lines = recorded("aoai__none__POST200__mirascope__0653.sse.txt").splitlines()
    real = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    ours = chunks_of(azure, "Repeat: a b", "plain", stream_options={"include_usage": True})
    for index in (0, 1, 2, -2, -1):
        want, got = real[index], ours[index]
        want.pop("obfuscation", None)
        for chunk in (want, got):
            for choice in chunk["choices"]:
                # Protected material came into streamed annotations later than this recording.
                for key in ("protected_material_text", "protected_material_code"):
                    choice["content_filter_results"].pop(key, None)
        assert shape(got) == shape(want)


def test_late_verdicts_have_the_recorded_shape(v1: OpenAI) -> None:
    lines = recorded("sse_async_filter_semantic_kernel_testdata.sse.txt").splitlines()
    real = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    ours = chunks_of(v1, "Repeat: Kindness", "late")
    for want, got in zip(real[-2:], ours[-2:], strict=True):
        got["choices"][0]["content_filter_results"].pop("custom_blocklists", None)
        assert shape(got) == shape(want)
    assert shape(ours[1]["choices"]) != shape(real[0]["choices"])
    assert "content_filter_results" not in ours[2]["choices"][0]


def test_a_missing_deployment_is_told_as_recorded(azure: AzureOpenAI) -> None:
    real = json.loads(recorded("aoai__2024-02-01__POST404__openllmetry__0638.json"))
    with pytest.raises(openai.NotFoundError) as caught:
        ask(azure, "Hello", "nowhere")
    assert caught.value.body == real["error"]
