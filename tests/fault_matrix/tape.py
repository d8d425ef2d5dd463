"""The wire of an assessment on a tape: what was sent and what came, below the SDKs, as bytes.

A tape is taken once from the lab, over TLS. Played, it answers at the same two places (the adapter of `requests`, the pool of
`httpcore2`), so that everything above them is the product's own: pipelines, retries, sign-in, SDKs, probes. Nothing is sent then,
and waiting is counted instead of waited.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpcore2
import requests
import urllib3
from requests.adapters import HTTPAdapter

from aoai_lib.azure.pace import Pace

_RANDOM: Final = (
    (re.compile(r"aoai-playbook-[0-9a-f]{12}"), "aoai-playbook-0"),
    (re.compile(r"no-such-model-[0-9a-f]{8}"), "no-such-model-0"),
)
"""Names that a run makes up anew."""


class NotOnTapeError(requests.ConnectionError):
    """The tape holds no answer to this request, so nothing can be said of what the service would answer."""


class NoAnswerError(Exception):
    """Instead of an answer, on either wire: `adapter` is what `requests` raises then, `pool` what `httpcore2` does."""

    def __init__(self, adapter: Exception, pool: Exception) -> None:
        super().__init__(str(adapter))
        self.adapter, self.pool = adapter, pool


@dataclass(frozen=True)
class Answer:
    """What came: the status, the headers by lower-cased name, the body as bytes."""

    status: int
    headers: dict[str, str]
    content: bytes


@dataclass(frozen=True, order=True)
class Asked:
    """One question: method, address with its query sorted, digest of the body. Names made up at random are the same in each run."""

    method: str
    url: str
    body: str = ""

    @classmethod
    def of(cls, method: str, url: str, content: str | bytes | None) -> Asked:
        sent = content.encode() if isinstance(content, str) else content or b""
        text = sent.decode(errors="replace")
        for random, plain in _RANDOM:
            url, text = random.sub(plain, url), random.sub(plain, text)
        parts = urlsplit(url)
        query = urlencode(sorted(parse_qsl(parts.query, keep_blank_values=True)))
        address = f"{parts.scheme}://{parts.netloc}{parts.path}".lower() + (f"?{query}" if query else "")
        return cls(method.upper(), address, hashlib.sha256(text.encode()).hexdigest()[:16] if text else "")

    @property
    def path(self) -> str:
        """The path alone, lower-cased."""
        return urlsplit(self.url).path

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        return f"{self.method} {parts.path}{'?' + parts.query if parts.query else ''}{' ' + self.body if self.body else ''}"


Spoil = Callable[[Asked, Answer, int], Answer]
"""Makes of a question, its true answer and the count of its sendings so far the answer that comes instead. Raises `NoAnswerError`."""


@dataclass
class Wire:
    """Answers from a tape; `spoilt` is the question whose answers `spoil` makes. `waited` counts seconds, `struck` spoilt answers."""

    answers: dict[Asked, Answer]
    spoilt: Asked | None = None
    spoil: Spoil | None = None
    waited: float = 0.0
    struck: int = 0
    missed: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, asked: Asked) -> Answer:
        """Raises `NoAnswerError`, and `NotOnTapeError` for a question that the true run did not ask."""
        own = self._own(asked)
        found = self.answers.get(own or asked)
        if found is None:
            with self.lock:
                self.missed.append(asked)
            said = f"{asked} is not on the tape"
            raise NoAnswerError(NotOnTapeError(said), httpcore2.ConnectError(said))
        if own is None or self.spoil is None:
            return found
        with self.lock:
            times, self.struck = self.struck, self.struck + 1
        return self.spoil(asked, found, times)

    def _own(self, asked: Asked) -> Asked | None:
        """The spoilt question where this is it, or a page that its spoilt answers led to."""
        if self.spoilt is None:
            return None
        return self.spoilt if asked == self.spoilt or (FURTHER in asked.url and _page_of(asked, self.spoilt)) else None

    def wait(self, seconds: float) -> None:
        """Count, and wait for nobody. Raises ValueError for what no clock can wait, as `time.sleep` does."""
        if not seconds >= 0:
            raise ValueError("sleep length must be non-negative")
        with self.lock:
            self.waited += seconds


FURTHER: Final = "spoiltpage="
"""What the links to pages hold that a fault made up."""


def _page_of(asked: Asked, spoilt: Asked) -> bool:
    return asked.url.partition(FURTHER)[0].rstrip("?&") in spoilt.url and asked.path == spoilt.path


def _prepared(answer: Answer, request: requests.PreparedRequest) -> requests.Response:
    found = requests.Response()
    found.status_code, found.url, found.request = answer.status, request.url or "", request
    found.headers.update(answer.headers)
    raw = urllib3.HTTPResponse(
        BytesIO(answer.content), headers=answer.headers, status=answer.status, preload_content=False
    )
    found.raw = raw
    return found


@contextmanager
def taking(answers: dict[Asked, Answer]) -> Iterator[None]:
    """Put on a tape what goes over the wire inside the block. The last answer to a question counts."""
    send, handle = HTTPAdapter.send, httpcore2.ConnectionPool.handle_request
    lock = threading.Lock()

    def keep(method: str, url: str, body: str | bytes | None, answer: Answer) -> None:
        with lock:
            answers[Asked.of(method, url, body)] = answer

    def sent(adapter: HTTPAdapter, request: requests.PreparedRequest, *some: Any, **more: Any) -> requests.Response:
        response = send(adapter, request, *some, **more)
        headers = {name.lower(): value for name, value in response.headers.items()}
        answer = Answer(response.status_code, headers, response.content)
        keep(request.method or "", request.url or "", request.body, answer)
        return _prepared(answer, request)

    def handled(pool: httpcore2.ConnectionPool, request: httpcore2.Request) -> httpcore2.Response:
        body = b"".join(request.stream)  # type: ignore[arg-type]
        response = handle(pool, request)
        content = response.read()
        response.close()
        headers = {name.decode().lower(): value.decode() for name, value in response.headers}
        keep(request.method.decode(), _address(request.url), body, Answer(response.status, headers, content))
        return httpcore2.Response(response.status, headers=response.headers, content=content)

    with patch.object(HTTPAdapter, "send", sent), patch.object(httpcore2.ConnectionPool, "handle_request", handled):
        yield


def _address(url: httpcore2.URL) -> str:
    return f"{url.scheme.decode()}://{url.host.decode()}{url.target.decode()}"


@contextmanager
def playing(wire: Wire) -> Iterator[None]:
    """Answer from the tape inside the block, in every thread."""

    def sent(adapter: HTTPAdapter, request: requests.PreparedRequest, *some: Any, **more: Any) -> requests.Response:
        try:
            answer = wire.find(Asked.of(request.method or "", request.url or "", request.body))
        except NoAnswerError as none:
            raise none.adapter from None
        return _prepared(answer, request)

    def handled(pool: httpcore2.ConnectionPool, request: httpcore2.Request) -> httpcore2.Response:
        body = b"".join(request.stream)  # type: ignore[arg-type]
        try:
            answer = wire.find(Asked.of(request.method.decode(), _address(request.url), body))
        except NoAnswerError as none:
            raise none.pool from None
        headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        return httpcore2.Response(answer.status, headers=headers, content=answer.content)

    def paced(pace: Pace, place: str) -> None:
        """No clock moves here, and what a pace holds back for has been counted by the retry that waited as long."""

    with ExitStack() as stack:
        stack.enter_context(patch.object(Pace, "wait", paced))
        stack.enter_context(patch.object(HTTPAdapter, "send", sent))
        stack.enter_context(patch.object(httpcore2.ConnectionPool, "handle_request", handled))
        stack.enter_context(patch.object(time, "sleep", wire.wait))
        yield


def changed(answer: Answer, **changes: Any) -> Answer:
    """The answer with other parts."""
    return replace(answer, **changes)
