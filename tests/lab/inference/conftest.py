"""The account's server, once a module, with new state for each test; the real clients."""

from collections.abc import Iterator

import openai
import pytest
from inference_stand import Stand, tenant
from openai import AzureOpenAI, OpenAI


@pytest.fixture(scope="module")
def server() -> Iterator[Stand]:
    stand = Stand()
    yield stand
    stand.close()


@pytest.fixture
def stand(server: Stand) -> Stand:
    server.tenant = tenant()
    return server


@pytest.fixture
def v1(stand: Stand) -> Iterator[OpenAI]:
    http = openai.DefaultHttpxClient(verify=stand.trust)
    with OpenAI(base_url=stand.url + "openai/v1/", api_key=lambda: "token", http_client=http, max_retries=0) as client:
        yield client


@pytest.fixture
def azure(stand: Stand) -> Iterator[AzureOpenAI]:
    http = openai.DefaultHttpxClient(verify=stand.trust)
    with AzureOpenAI(
        azure_endpoint=stand.url, api_key="k", api_version="2024-10-21", http_client=http, max_retries=0
    ) as client:
        yield client
