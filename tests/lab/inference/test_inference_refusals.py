"""What the data plane refuses, what its headers say and which log rows a call leaves."""

import json

import openai
import pytest
from inference_stand import ACCOUNT, PRINCIPAL, Stand, ask
from openai import AzureOpenAI, OpenAI

from aoai_lib.lab import inference


def test_models_are_listed(v1: OpenAI, azure: AzureOpenAI) -> None:
    assert "gpt-5" in {model.id for model in v1.models.list()}
    assert "whisper" in {model.id for model in azure.models.list()}


def test_what_the_data_plane_refuses(stand: Stand, v1: OpenAI, azure: AzureOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        ask(azure, "Hello", "nowhere")
    assert missing.value.code == "DeploymentNotFound"
    with pytest.raises(openai.BadRequestError) as wrong:
        ask(v1, "Hello", "embed")
    assert wrong.value.code == "OperationNotSupported"
    with pytest.raises(openai.BadRequestError) as old:
        ask(v1, "Hello", max_tokens=5)
    assert (old.value.code, old.value.param) == ("unsupported_parameter", "max_tokens")
    with pytest.raises(openai.BadRequestError) as warm:
        ask(v1, "Hello", temperature=0)
    assert warm.value.code == "unsupported_value"
    with pytest.raises(openai.BadRequestError) as long:
        v1.embeddings.create(model="embed", input="a" * 40_000)
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.NotFoundError) as version:
        ask(azure.copy(api_version="2019-01-01"), "Hello")
    assert version.value.code == "404"
    stand.tenant.account["properties"] = {"abusePenalty": {"action": "Block"}}
    with pytest.raises(openai.PermissionDeniedError) as blocked:
        ask(v1, "Hello")
    assert blocked.value.code == "Forbidden"
    assert "temporarily blocked" in blocked.value.message


def test_an_answer_is_cut_at_the_token_limit(v1: OpenAI) -> None:
    choice = ask(v1, "Repeat: abcdefgh and more", max_completion_tokens=2)["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("abcdefgh", "length")


def test_the_quota_of_a_deployment_is_kept(stand: Stand, v1: OpenAI) -> None:
    clock = [0.0]
    stand.tenant.memory = inference.Memory(clock=lambda: clock[0])
    first = v1.chat.completions.with_raw_response.create(
        model="tiny", messages=[{"role": "user", "content": "a" * 3600}]
    )
    # 900 tokens and 3 for the message, and 257 for the answer that repeats its one word, of a thousand a minute.
    assert first.headers["x-ratelimit-limit-tokens"] == "1000"
    assert first.headers["x-ratelimit-remaining-tokens"] == "0"
    clock[0] = 18.5
    with pytest.raises(openai.RateLimitError) as caught:
        ask(v1, "Hello", "tiny")
    assert caught.value.response.headers["retry-after"] == "42"
    assert caught.value.code == "429"
    clock[0] = 60.0
    assert ask(v1, "Repeat: ok", "tiny")["choices"][0]["message"]["content"] == "ok"


def test_headers(v1: OpenAI) -> None:
    raw = v1.chat.completions.with_raw_response.create(model="chat", messages=[{"role": "user", "content": "Hello"}])
    assert raw.headers["x-ms-region"] == "Sweden Central"
    assert raw.headers["x-ms-rai-invoked"] == "true"
    assert raw.headers["x-ms-deployment-name"] == "chat"
    assert len(raw.headers["apim-request-id"]) == 36
    embedded = v1.embeddings.with_raw_response.create(model="embed", input="a")
    assert "x-ms-rai-invoked" not in embedded.headers


def test_a_call_leaves_rows_without_prompt_or_verdict(stand: Stand, v1: OpenAI, azure: AzureOpenAI) -> None:
    raw = v1.chat.completions.with_raw_response.create(
        model="chat", messages=[{"role": "user", "content": "Repeat: marzipan"}]
    )
    request, used, trace = stand.tenant.rows
    assert [request["Category"], used["Category"], trace["Category"]] == [
        "RequestResponse",
        "AzureOpenAIRequestUsage",
        "Trace",
    ]
    assert request["CorrelationId"] == raw.headers["apim-request-id"]
    assert request["ResultSignature"] == "200"
    assert request["CallerIPAddress"] == "198.51.100.***"
    assert request["ResourceId"] == ACCOUNT.upper()
    assert request["_ResourceId"] == ACCOUNT.lower()
    assert request["OperationName"] == "ChatCompletions_Create"
    properties = json.loads(request["properties_s"])
    assert properties["objectId"] == PRINCIPAL
    assert properties["modelDeploymentName"] == "chat"
    assert properties["responseLength"] == len(raw.content)
    # .NET ticks: 100 ns since year 1; the Unix epoch is at 621355968000000000 and this world's clock at 1795424400.
    assert properties["requestTime"] == 621_355_968_000_000_000 + 1_795_424_400 * 10_000_000
    assert "marzipan" not in json.dumps(stand.tenant.rows)
    # 16 characters are 4 tokens and 3 for the message; the answer's 8 are 2.
    assert json.loads(used["properties_s"])["totalTokens"] == [9]
    stand.tenant.rows.clear()
    with pytest.raises(openai.BadRequestError):
        ask(azure, "zz-hate-high")
    refused = stand.tenant.rows[0]
    assert (refused["ResultSignature"], json.loads(refused["properties_s"])["objectId"]) == ("400", "")
    assert "zz-hate-high" not in json.dumps(stand.tenant.rows)
    assert [row["Category"] for row in stand.tenant.rows] == ["RequestResponse", "Trace"]


def test_data_actions_of_paths() -> None:
    prefix = "Microsoft.CognitiveServices/accounts/OpenAI/"
    chat = prefix + "deployments/chat/completions/action"
    assert inference.data_action("POST", "v1/chat/completions") == chat
    assert inference.data_action("POST", "deployments/d/chat/completions") == chat
    assert inference.data_action("POST", "v1/responses") == prefix + "responses/write"
    assert inference.data_action("GET", "models") == prefix + "models/read"
    assert inference.data_action("DELETE", "v1/models") is None
