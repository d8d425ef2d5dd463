"""Data plane and logs in the lab itself: real credential, real openai client, real LogsQueryClient, over TLS."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import openai
import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential, get_bearer_token_provider
from azure.monitor.query import LogsQueryClient, LogsQueryResult

from aoai_lib.lab.inference.model import model_named
from aoai_lib.lab.server import Lab, load_worlds

WORLDS = ("hardened", "exposed", "mixed")
WORKSPACE = "3c9d8e7f-1a2b-4c3d-9e4f-5a6b7c8d9e01"
ASSESSOR = "0a51c7e2-5d0e-4b7a-8a10-6f3f0c9d1e01"
DEPLOYMENTS = "Microsoft.CognitiveServices/accounts/deployments"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(load_worlds(list(WORLDS))) as running:
        yield running


@pytest.fixture
def credential(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[DefaultAzureCredential]:
    for name, value in lab.environment("hardened").items():
        monkeypatch.setenv(name, value)
    with DefaultAzureCredential() as found:
        yield found


@pytest.fixture
def logs(lab: Lab, credential: DefaultAzureCredential) -> Iterator[LogsQueryClient]:
    with LogsQueryClient(credential, endpoint=f"{lab.url}/v1", retry_total=0) as client:
        yield client


@pytest.fixture
def client(lab: Lab, credential: DefaultAzureCredential) -> Iterator[openai.OpenAI]:
    tokens = get_bearer_token_provider(credential, "https://cognitiveservices.azure.com/.default")
    address = f"{lab.private_url}/halden-claims/openai/v1/"
    with openai.OpenAI(base_url=address, api_key=tokens, max_retries=0) as made:
        yield made


def test_a_call_can_be_found_in_the_workspace(logs: LogsQueryClient, client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="chat", messages=[{"role": "user", "content": "Repeat: quince"}]
    )
    assert raw.parse().choices[0].message.content == "quince"
    query = f"""AzureDiagnostics | where CorrelationId == "{raw.headers["apim-request-id"]}"
        | where Category == "RequestResponse" | project TimeGenerated, OperationName, properties_s, DurationMs"""
    answer = logs.query_workspace(WORKSPACE, query, timespan=timedelta(hours=1))
    assert isinstance(answer, LogsQueryResult)
    (row,) = answer.tables[0].rows
    assert row["TimeGenerated"] == datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert row["OperationName"] == "ChatCompletions_Create"
    assert isinstance(row["DurationMs"], int)
    assert json.loads(row["properties_s"])["objectId"] == ASSESSOR


def test_the_canary_of_the_hardened_world_is_blocked(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "Repeat: zq-canary-41f7c2"}])
    assert caught.value.code == "content_filter"
    blocklists = caught.value.body["innererror"]["content_filter_result"]["custom_blocklists"]  # type: ignore[index]
    assert {"filtered": True, "id": "canary"} in blocklists["details"]


def test_a_query_with_an_interval_and_one_that_is_refused(logs: LogsQueryClient) -> None:
    span = (datetime(2026, 11, 23, 8, tzinfo=UTC), datetime(2026, 11, 23, 9, tzinfo=UTC))
    answer = logs.query_workspace(WORKSPACE, "print n = 1, at = now(), o = dynamic([1])", timespan=span)
    assert isinstance(answer, LogsQueryResult)
    assert list(answer.tables[0].rows[0]) == [1, datetime(2026, 11, 23, 9, tzinfo=UTC), "[1]"]
    with pytest.raises(HttpResponseError, match="BadArgumentError") as caught:
        logs.query_workspace(WORKSPACE, "Nowhere | count", timespan=None)
    assert caught.value.status_code == 400
    assert "SEM0100" in str(caught.value)


def test_an_unknown_workspace(logs: LogsQueryClient) -> None:
    with pytest.raises(HttpResponseError) as caught:
        logs.query_workspace("00000000-0000-4000-8000-00000000dead", "AzureDiagnostics | count", timespan=None)
    assert caught.value.status_code == 404
    assert "WorkspaceNotFoundError" in str(caught.value)


@pytest.mark.parametrize("world", WORLDS)
def test_every_deployment_of_a_world_has_a_model_that_can_do_something(lab: Lab, world: str) -> None:
    deployments = list(lab.state(world).of_type(DEPLOYMENTS))
    names = {each.properties["model"]["name"] for each in deployments}
    assert names
    assert {name for name in names if not model_named(name).operations} == set()
