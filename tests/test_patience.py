"""A run waits for the service as long as is sensible, and no longer, whatever it is told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import requests
from azure.core.pipeline import Pipeline, PipelineResponse
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest, HttpResponse

from aoai_lib.azure import patience
from aoai_lib.azure.patience import PatiencePolicy, PatientTransport, WholeAnswerAdapter

NOW = "Mon, 23 Nov 2026 09:00:00 GMT"


@contextmanager
def serving(*pieces: bytes, pause: float = 0.0) -> Iterator[tuple[str, list[bytes]]]:
    """A server on loopback that sends these pieces to each request, with a pause after each; its address, and what it was sent."""
    seen: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                seen.append(connection.recv(65536))
                try:
                    for piece in pieces:
                        connection.sendall(piece)
                        time.sleep(pause)
                except OSError:
                    continue

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", seen
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def throttled(*headers: str) -> bytes:
    lines = [
        "HTTP/1.1 429 Too Many Requests",
        f"Date: {NOW}",
        "Content-Length: 0",
        "Connection: close",
        *headers,
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(
    ("header", "asked", "waits"),
    [
        ("Retry-After: 2", 4, [2.0, 2.0, 2.0]),
        ("Retry-After: 86400", 1, []),
        ("Retry-After: 1e400", 1, []),
        ("Retry-After: nan", 4, [1.6, 3.2]),
        ("Retry-After: -5", 4, [1.6, 3.2]),
        ("Retry-After: soon", 4, [1.6, 3.2]),
        ("Retry-After: Mon, 23 Nov 2026 09:00:07 GMT", 4, [7.0, 7.0, 7.0]),
        ("Retry-After: Fri, 31 Dec 2049 23:59:59 GMT", 1, []),
        ("Retry-After: Thu, 01 Jan 1970 00:00:00 GMT", 4, [1.6, 3.2]),
        ("x-ms-retry-after-ms: 50", 4, [0.05, 0.05, 0.05]),
        ("x-ms-retry-after-ms: 99999999", 1, []),
        ("X-Nothing: 1", 4, [1.6, 3.2]),
    ],
)
def test_a_retry_after_is_waited_for_or_not_at_all(
    header: str, asked: int, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    transport = RequestsTransport()
    monkeypatch.setattr(transport, "sleep", waited.append)
    with serving(throttled(header)) as (address, seen), transport:
        pipeline: Pipeline[HttpRequest, HttpResponse] = Pipeline(transport, [PatiencePolicy()])
        answer: PipelineResponse[HttpRequest, HttpResponse] = pipeline.run(HttpRequest("GET", address))
    assert answer.http_response.status_code == 429
    assert (len(seen), waited) == (asked, waits)


def test_a_clock_that_jumps_ends_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    jumping = iter(range(0, 10**12, 10**9))
    monkeypatch.setattr("azure.core.pipeline.policies._retry.time.time", lambda: next(jumping))
    transport = RequestsTransport()
    monkeypatch.setattr(transport, "sleep", lambda _: None)
    with serving(throttled("Retry-After: 1")) as (address, seen), transport:
        answer = Pipeline(transport, [PatiencePolicy()]).run(HttpRequest("GET", address))
    assert (answer.http_response.status_code, len(seen)) == (429, 4)


def session() -> requests.Session:
    found = requests.Session()
    found.trust_env = False
    found.mount("http://", WholeAnswerAdapter())
    return found


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize("head", [HEAD + b"Content-Length: 100000\r\n\r\n", HEAD + b"\r\n"])
def test_an_answer_that_drips_for_ever_is_given_up(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LONGEST_ANSWER", 0.3)
    drips = [b" "] * 200
    gives_up = pytest.raises(requests.ReadTimeout, match=r"did not end in 0\.3 s")
    with serving(head, *drips, pause=0.02) as (address, _), session() as own, gives_up:
        own.get(address, timeout=5)


def test_an_answer_that_drips_and_ends_is_whole() -> None:
    chunks = [b"1\r\n%c\r\n" % each for each in b'{"value":[]}']
    pieces = (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *chunks, b"0\r\n\r\n")
    with serving(*pieces, pause=0.01) as (address, _), session() as own:
        assert own.get(address, timeout=5).json() == {"value": []}


@pytest.mark.parametrize(
    "pieces",
    [
        (HEAD + b"Content-Length: 50\r\n\r\n", b'{"value":['),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b'a\r\n{"value":[\r\n'),
    ],
)
def test_an_answer_that_is_cut_off_is_none(pieces: tuple[bytes, ...]) -> None:
    with serving(*pieces) as (address, _), session() as own, pytest.raises(requests.exceptions.ChunkedEncodingError):
        own.get(address, timeout=5)


def test_an_answer_without_measure_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LARGEST_ANSWER", 1000)
    with serving(HEAD + b"\r\n", b" " * 2000) as (address, _), session() as own, pytest.raises(requests.ReadTimeout):
        own.get(address, timeout=5)


@pytest.mark.parametrize("asked", [86400.0, float("inf"), float("nan"), 61.0])
def test_a_sign_in_waits_a_minute_at_most(asked: float, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("azure.core.pipeline.transport._base.time.sleep", waited.append)
    PatientTransport().sleep(asked)
    PatientTransport().sleep(3)
    assert waited == [60.0, 3]
