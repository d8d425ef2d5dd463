"""The client of the data plane over real sockets: what it sends whatever the environment says, what it refuses, what it keeps."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from probe_stand import PRIVATE, Stand, http

from aoai_lib.azure import clouds, credentials
from aoai_lib.azure.inference import DATED, DataPlane, NotAdmittedError
from aoai_lib.azure.permission import WriteRefusedError
from aoai_lib.evidence.store import Evidence, Exchange
from aoai_lib.fleet import environment
from aoai_lib.lab.server import Lab, load_worlds
from aoai_lib.probe.budget import Budget, OverBudgetError

PROMPT = "Repeat: the quince is ripe in the orchard"
SURFACES = pytest.mark.parametrize("surface", ["v1", DATED])
MARKS = {"probe": "content", "account": "/subscriptions/x/accounts/a", "deployment": "chat"}
HOSTILE = {
    "OPENAI_API_KEY": "sk-from-the-environment",
    "AZURE_OPENAI_API_KEY": "key-from-the-environment",
    "AZURE_OPENAI_AD_TOKEN": "token-from-the-environment",
    "OPENAI_BASE_URL": "https://elsewhere.example.org/v1",
    "AZURE_OPENAI_ENDPOINT": "https://elsewhere.example.org",
    "OPENAI_API_VERSION": "2020-01-01",
    "OPENAI_ORG_ID": "organisation-from-the-environment",
    "OPENAI_PROJECT_ID": "project-from-the-environment",
    "OPENAI_CUSTOM_HEADERS": "api-key: custom-from-the-environment\nx-policy-id: weak-from-the-environment",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
}


class Signed:
    """A credential with one token, that notes the scopes it was asked for; with `problem` it has none."""

    def __init__(self, problem: str = "") -> None:
        self.problem = problem
        self.scopes: list[str] = []

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes += scopes
        if self.problem:
            raise ClientAuthenticationError(self.problem)
        return AccessToken("good-token", int(time.time()) + 3600)


def chat(client: Any, **more: Any) -> object:
    return client.chat.completions.create(
        model="chat", messages=[{"role": "user", "content": PROMPT}], max_completion_tokens=20, **more
    )


@contextmanager
def calling(stand: Stand, credential: Signed | None = None, **more: Any) -> Iterator[DataPlane]:
    """The public cloud's data plane, as the stand plays it."""
    with environment({"SSL_CERT_FILE": str(stand.ca)}):
        plane = DataPlane(clouds.PUBLIC, credential or Signed(), Evidence(), "inside", stand.standpoint, **more)
        yield plane
        plane.close()


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with Stand(tmp_path) as made:
        made.lead(PRIVATE)
        made.reply = http(200, b'{"choices": [], "usage": {"total_tokens": 3}}')
        yield made


@SURFACES
def test_the_environment_changes_nothing_of_what_is_sent(stand: Stand, surface: Literal["v1", "2024-10-21"]) -> None:
    with environment(HOSTILE), calling(stand, surface=surface) as plane:
        (line,) = plane.call("contoso", chat, **MARKS)
    assert line.status == 200
    (sent,) = stand.requests
    assert stand.connected == [f"{PRIVATE}:443"]
    head = sent.partition(b"\r\n\r\n")[0].decode()
    names = [each.partition(":")[0].lower() for each in head.splitlines()[1:]]
    assert "\r\nHost: contoso.openai.azure.com" in head
    assert "authorization: bearer good-token" in head.lower()
    assert sorted(names) == sorted(set(names))
    assert "api-key" not in names
    assert "from-the-environment" not in sent.decode()
    route = "/openai/v1/chat/completions" if surface == "v1" else "/openai/deployments/chat/chat/completions"
    assert head.startswith(f"POST {route}")


@pytest.mark.parametrize(
    ("cloud", "surface", "scope"),
    [
        (clouds.PUBLIC, "v1", "https://ai.azure.com/.default"),
        (clouds.PUBLIC, DATED, "https://cognitiveservices.azure.com/.default"),
        (clouds.US_GOVERNMENT, "v1", "https://cognitiveservices.azure.us/.default"),
        (clouds.CHINA, DATED, "https://cognitiveservices.azure.cn/.default"),
    ],
)
def test_the_token_is_for_the_surface_of_the_cloud(cloud: clouds.Cloud, surface: Any, scope: str) -> None:
    credential = Signed()
    plane = DataPlane(cloud, credential, Evidence(), "inside", surface=surface)
    assert plane.caller == {}
    plane.close()
    assert credential.scopes == [scope]


def test_a_key_is_made_up_each_time_and_kept_nowhere(stand: Stand) -> None:
    with environment(HOSTILE), calling(stand) as plane:
        lines = [
            *plane.try_key("contoso", probe="key", account="a"),
            *plane.try_key("contoso", probe="key", account="a"),
        ]
    keys = [sent.decode().lower().partition("api-key: ")[2].partition("\r\n")[0] for sent in stand.requests]
    assert [len(key) for key in keys] == [32, 32]
    assert keys[0] != keys[1]
    kept = json.dumps([[line.url, line.headers, line.body, line.error] for line in lines])
    assert not [key for key in keys if key in kept]
    for sent in stand.requests:
        assert sent.startswith(b"GET /openai/models?api-version=2024-10-21 HTTP/1.1")
        assert b"authorization" not in sent.lower()


def test_what_is_no_inference_is_refused_before_it_is_sent(stand: Stand) -> None:
    def upload(client: Any) -> object:
        return client.post("/files", cast_to=object, body={"purpose": "x"})

    with calling(stand) as plane, pytest.raises(WriteRefusedError, match="POST /openai/v1/files was not sent"):
        plane.call("contoso", upload, **MARKS)
    assert stand.connected == []


def test_no_redirect_is_followed(stand: Stand) -> None:
    stand.reply = b"HTTP/1.1 307 Elsewhere\r\nLocation: https://elsewhere.example.org/\r\nContent-Length: 0\r\n\r\n"
    with calling(stand) as plane:
        lines = plane.call("contoso", chat, **MARKS)
    assert [line.status for line in lines] == [307]
    assert len(stand.requests) == 1


@pytest.mark.parametrize(("waits", "sent"), [("0", 3), ("3600", 1), ("Wed, 21 Oct 2099 07:28:00 GMT", 1), ("soon", 3)])
def test_retry_after_is_honoured_within_its_cap(stand: Stand, waits: str, sent: int) -> None:
    stand.reply = f"HTTP/1.1 429 Busy\r\nRetry-After: {waits}\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    began = time.monotonic()
    with calling(stand) as plane:
        lines = plane.call("contoso", chat, **MARKS)
    assert [line.status for line in lines] == [429] * sent
    assert len({line.id for line in lines}) == sent
    assert time.monotonic() - began < 10


def test_a_wait_that_is_asked_for_is_kept(stand: Stand) -> None:
    stand.reply = b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}"
    began = time.monotonic()
    with calling(stand) as plane:
        assert len(plane.call("contoso", chat, **MARKS)) == 3
    assert 2 <= time.monotonic() - began < 5


def test_a_certificate_of_an_unknown_issuer_is_not_accepted(tmp_path: Path) -> None:
    with Stand(tmp_path, trusted=False) as stand:
        stand.lead(PRIVATE)
        with calling(stand) as plane:
            (line,) = plane.call("contoso", chat, **MARKS)
    assert (line.status, stand.requests) == (None, [])
    assert "CERTIFICATE_VERIFY_FAILED" in line.error


@pytest.mark.parametrize("at_gateway", ["refuse", "plain", "hang up"])
def test_a_call_that_is_not_answered_is_a_line(stand: Stand, at_gateway: str) -> None:
    stand.at_gateway = at_gateway
    with calling(stand) as plane:
        (line,) = plane.call("contoso", chat, **MARKS)
    assert line.status is None
    assert line.error
    assert line.headers["x-aoai-vantage"] == "inside"


def test_a_name_that_does_not_exist_is_a_line(stand: Stand) -> None:
    with calling(stand) as plane:
        (line,) = plane.call("nobody", chat, **MARKS)
    assert "could not be resolved" in line.error
    assert stand.connected == []


def test_without_a_token_nothing_is_sent_and_a_line_says_so(stand: Stand) -> None:
    with calling(stand, Signed("no managed identity here")) as plane:
        (line,) = plane.call("contoso", chat, **MARKS)
    assert (line.status, line.error) == (None, "no token: no managed identity here")
    assert stand.connected == []


def test_the_budget_stops_at_the_wire_retries_included(stand: Stand) -> None:
    stand.reply = b"HTTP/1.1 429 Busy\r\nRetry-After: 0\r\nContent-Length: 2\r\n\r\n{}"
    budget = Budget(2, 1000)
    with calling(stand, admits=budget.admits) as plane:
        assert len(plane.call("contoso", chat, **MARKS)) == 2
        with pytest.raises(NotAdmittedError):
            plane.call("contoso", chat, **MARKS)
    assert len(stand.requests) == 2
    assert budget.counted == {"requests": 2, "tokens": 0, "left_out": 0}


def test_a_call_that_the_wire_does_not_admit_is_left_out() -> None:
    budget = Budget(1, 100)
    with pytest.raises(NotAdmittedError), budget.spending(10), budget.spending(10):
        assert [budget.admits(), budget.admits()] == [True, False]
        raise NotAdmittedError("The budget for requests is used up.")
    assert budget.counted == {"requests": 1, "tokens": 0, "left_out": 2}


def test_tokens_are_reserved_before_and_counted_after() -> None:
    budget = Budget(10, 100)
    with budget.spending(60) as spending:
        with pytest.raises(OverBudgetError), budget.spending(60):
            pytest.fail("more was given out than there is")
        spending.settle([_line(200, {"usage": {"total_tokens": 25}})])
    with budget.spending(60) as spending:
        spending.settle([_line(401, {"error": {"code": "401"}})])
    with budget.spending(60) as spending:
        spending.settle([_line(None, None)])
    assert budget.counted == {"requests": 0, "tokens": 85, "left_out": 1}


def test_threads_never_spend_more_than_there_is() -> None:
    budget = Budget(50, 500)

    def spend(_: int) -> int:
        try:
            with budget.spending(20) as spending:
                spending.used = 20 if budget.admits() else 0
                return spending.used
        except OverBudgetError:
            return 0

    with ThreadPoolExecutor(8) as pool:
        used = sum(pool.map(spend, range(200)))
    assert used == budget.counted["tokens"] <= 500
    assert budget.counted["requests"] <= 50


def _line(status: int | None, body: Any) -> Exchange:
    return Exchange("a", "2026-11-23T09:00:00Z", "POST", "https://a/", status, 1, {}, body)


@pytest.fixture(scope="module")
def own_lab() -> Iterator[Lab]:
    with Lab(load_worlds(["hardened"])) as served:
        yield served


@contextmanager
def inside(lab: Lab, **more: Any) -> Iterator[DataPlane]:
    with environment(lab.environment("hardened")):
        cloud = clouds.find("lab")
        credential = credentials.choose("default", cloud)
        plane = DataPlane(cloud, credential, Evidence(), "inside", cloud.standpoints["inside"], **more)
        yield plane
        plane.close()


def _shown(lines: list[Exchange]) -> str:
    return json.dumps([[line.url, line.headers, line.body, line.error] for line in lines])


@SURFACES
@pytest.mark.parametrize("ask", [chat, lambda client: chat(client, stream=True)], ids=["whole", "streamed"])
def test_a_private_account_answers_from_inside_and_no_text_is_kept(
    own_lab: Lab, surface: Any, ask: Callable[[Any], object]
) -> None:
    with inside(own_lab, surface=surface) as plane:
        (line,) = plane.call("halden-claims", ask, case="benign", **MARKS)
    assert line.status == 200
    assert line.headers["x-aoai-case"] == "benign"
    kept = _shown([line])
    assert not [word for word in ("quince", "orchard", "ripe") if word in kept]
    events = line.body if isinstance(line.body, list) else [line.body]
    assert "prompt_filter_results" in events[0]
    (said,) = [
        found
        for event in events
        for choice in event["choices"]
        if (found := choice.get("said") or choice.get("message", {}).get("content"))
    ]
    assert said["length"] == len("the quince is ripe in the orchard")
    length, _, digest = line.headers["x-aoai-prompt"].partition("/")
    assert (length, len(digest)) == (str(len(PROMPT)), 64)


def test_text_is_kept_where_that_was_asked_for(own_lab: Lab) -> None:
    with inside(own_lab, text="full") as plane:
        (line,) = plane.call("halden-claims", chat, **MARKS)
    assert PROMPT in line.headers["x-aoai-prompt"]
    assert line.body["choices"][0]["message"]["content"] == "the quince is ripe in the orchard"


def test_lines_have_the_same_ids_in_every_run(own_lab: Lab) -> None:
    def run() -> list[str]:
        with inside(own_lab) as plane:
            return [line.id for case in ("a", "b") for line in plane.call("halden-claims", chat, case=case, **MARKS)]

    first, second = run(), run()
    assert first == second
    assert len(set(first)) == 2


def test_an_account_refuses_the_outside(own_lab: Lab) -> None:
    with environment(own_lab.environment("hardened")):
        cloud = clouds.find("lab")
        credential = credentials.choose("default", cloud)
        plane = DataPlane(cloud, credential, Evidence(), "outside", cloud.standpoints["outside"])
        (line,) = plane.call("halden-claims", chat, **MARKS)
        plane.close()
    assert line.status == 403
    assert line.body["error"]["message"] == "Public access is disabled. Please configure private endpoint."
