"""Calls to models: by token and never by a key, over one wire that refuses, counts, retries and records.

The clients are the `openai` package's own. Beneath them stands a transport of ours, so that what is sent and kept does not
depend on how a call is made: nothing but reads and inference passes, headers are an allow-list (`OPENAI_CUSTOM_HEADERS` and
its kin change nothing), no redirect is followed, no proxy is used, and every sending is one line of evidence without the text
of prompts and answers. An answer is read to its end before it is handed on, also a streamed one.
"""

from __future__ import annotations

import email.utils
import hashlib
import json
import secrets
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Literal

import httpcore2
import httpx2
import openai
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import get_bearer_token_provider

from aoai_lib.azure.clouds import Cloud, Standpoint
from aoai_lib.azure.credentials import who
from aoai_lib.azure.permission import refuse_writes
from aoai_lib.azure.recording import PROMPT, identity, instant, keep, marked, marking
from aoai_lib.azure.standing import StandingBackend
from aoai_lib.evidence import speech
from aoai_lib.evidence.redaction import keep_headers, redact_text, redact_url
from aoai_lib.evidence.store import Evidence, Exchange
from aoai_lib.model import Json, PlaybookError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

DATED: Final = "2024-10-21"
"""The last stable dated version of the data plane: the other surface beside v1."""
_SENT_HEADERS: Final = frozenset(
    {
        "accept",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
    }
)
_ATTEMPTS: Final = 3
_LONGEST_WAIT: Final = 60.0
"""Seconds of a Retry-After that are waited for; who asks for more gets no second request."""
_RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
_CONNECT, _READ, _ANSWER = 10.0, 60.0, 300.0
_MOST_BYTES: Final = 64 << 20
_LONGEST_ERROR: Final = 300


class NotAdmittedError(PlaybookError):
    """The budget for requests was used up before this one, which was not sent."""


@dataclass
class DataPlane:
    """The data plane of a tenant's accounts as one identity calls it from one standpoint. Safe for threads.

    `vantage` labels every line. `admits` is asked before each sending, retries included. `text` is `digest` or `full`: what
    the lines keep of prompts and answers.
    """

    cloud: Cloud
    credential: TokenCredential
    evidence: Evidence
    vantage: str
    standpoint: Standpoint = field(default_factory=Standpoint)
    surface: Literal["v1", "2024-10-21"] = "v1"
    text: Literal["digest", "full"] = "digest"
    admits: Callable[[], bool] = lambda: True

    def __post_init__(self) -> None:
        own = self.cloud.v1_scope if self.surface == "v1" else ""
        self._tokens = get_bearer_token_provider(self.credential, own or self.cloud.inference_scope)
        self._http = openai.DefaultHttpxClient(
            transport=_Wire(self),
            timeout=httpx2.Timeout(_READ, connect=_CONNECT),
            follow_redirects=False,
            trust_env=False,
        )

    def client(self, domain: str) -> openai.OpenAI:
        """A client for the account of that custom subdomain. It does not retry by itself: the wire does."""
        address = f"https://{domain}.{self.cloud.openai_suffix}"
        if self.surface == DATED:
            return openai.AzureOpenAI(
                azure_endpoint=address,
                api_version=DATED,
                azure_ad_token_provider=self._tokens,
                http_client=self._http,
                max_retries=0,
            )
        return openai.OpenAI(
            base_url=f"{address}/openai/v1/", api_key=self._tokens, http_client=self._http, max_retries=0
        )

    def call(self, domain: str, ask: Callable[[openai.OpenAI], object], **marks: str) -> list[Exchange]:
        """Call an account; one line for each sending, whatever was answered. What the SDK makes of it is not asked for. Where
        no token can be had, nothing is sent and one line says so.

        `marks` name the probe, the account and whatever tells the call from others. Raises `NotAdmittedError` where nothing
        could be sent.
        """
        with marking(self.vantage, **marks) as lines:
            try:
                ask(self.client(domain))
            except ClientAuthenticationError as problem:
                self._keep_unsigned(domain, problem)
            except (openai.OpenAIError, ValueError, TypeError, AttributeError, KeyError) as problem:
                if isinstance(problem.__cause__, PlaybookError):  # refused at the wire
                    raise problem.__cause__ from problem
                if not lines:
                    raise
        return lines

    def _keep_unsigned(self, domain: str, problem: ClientAuthenticationError) -> None:
        marks, url = marked(), f"https://{domain}.{self.cloud.openai_suffix}/openai"
        error = redact_text(f"no token: {problem.message}").splitlines()[0][:300]
        line = Exchange(
            self.evidence.name("POST", identity(marks)), instant(), "POST", url, None, 0, marks, error=error
        )
        keep(self.evidence, line)

    def try_key(self, domain: str, **marks: str) -> list[Exchange]:
        """Ask an account for its models with a key that was just made up, as nobody's is: the lines that this leaves.

        `GET /openai/models`, API version 2024-10-21. The key is in no line.
        """
        url = f"https://{domain}.{self.cloud.openai_suffix}/openai/models?api-version={DATED}"
        with marking(self.vantage, **marks) as lines, suppress(httpx2.TransportError):
            self._http.get(url, headers={"api-key": secrets.token_hex(16)})
        return lines

    @property
    def caller(self) -> dict[str, str]:
        """Whom the token names that calls are signed with: see `credentials.who`; nobody where there is none."""
        try:
            return who(self._tokens())
        except ClientAuthenticationError:
            return {}

    def close(self) -> None:
        """Give up the connections."""
        self._http.close()


class _Wire(httpx2.BaseTransport):
    """Sends for a `DataPlane`, and keeps what came."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane
        self._agent = f"aoai-playbook/{version('aoai-playbook')}"
        self._pool = (
            httpcore2.ConnectionPool(  # every call connects anew: what a kept connection does is no observation
                ssl_context=ssl.create_default_context(),
                max_keepalive_connections=0,
                network_backend=StandingBackend(plane.standpoint),
            )
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, read to its end, after as many sendings as it takes and is allowed. Raises httpx2's errors."""
        refuse_writes(request.method, str(request.url), inference=True)
        headers = self._headers(request)
        for attempt in range(1, _ATTEMPTS + 1):
            if not self._plane.admits():
                if attempt == 1:
                    raise NotAdmittedError("The budget for requests is used up.")
                break
            response = self._send(request, headers)
            wait = _pause(response, attempt)
            if wait is None or attempt == _ATTEMPTS:
                break
            time.sleep(wait)
        return response

    def _headers(self, request: httpx2.Request) -> list[tuple[bytes, bytes]]:
        """The headers that are sent. A key goes out in one case: made up here, on a read, without a token beside it."""
        allowed = _SENT_HEADERS
        if request.method == "GET" and "authorization" not in request.headers:
            allowed = allowed | {"api-key"}
        kept = [(name, value) for name, value in request.headers.raw if name.decode().lower() in allowed]
        kept = [(name, self._agent.encode() if name.lower() == b"user-agent" else value) for name, value in kept]
        return [*kept, (b"Accept-Encoding", b"identity")]

    def _send(self, request: httpx2.Request, headers: list[tuple[bytes, bytes]]) -> httpx2.Response:
        started = time.monotonic()
        url = httpcore2.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        sent = httpcore2.Request(
            request.method, url, headers=headers, content=request.read(), extensions=request.extensions
        )
        try:
            answer = self._pool.handle_request(sent)
            try:
                content = _read(answer, started + _ANSWER)
            finally:
                answer.close()
        except httpcore2.TimeoutException as problem:
            self._keep(request, started, error=f"timeout: {_words(problem)}")
            raise httpx2.ReadTimeout(str(problem), request=request) from problem
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as problem:
            self._keep(request, started, error=_words(problem))
            raise httpx2.ConnectError(str(problem), request=request) from problem
        response = httpx2.Response(answer.status, headers=answer.headers, content=content, request=request)
        self._keep(request, started, response)
        return response

    def _keep(
        self, request: httpx2.Request, started: float, response: httpx2.Response | None = None, error: str = ""
    ) -> None:
        full, asked, marks = self._plane.text == "full", _json(request), marked()
        if prompt := speech.told(asked, full=full):
            marks[PROMPT] = prompt
        content = response.content if response is not None else b""
        line = Exchange(
            id=self._plane.evidence.name(request.method, identity(marks)),
            time=instant(),
            method=request.method,
            url=redact_url(str(request.url)),
            status=response.status_code if response is not None else None,
            duration_ms=round((time.monotonic() - started) * 1000),
            headers={**(keep_headers(dict(response.headers)) if response is not None else {}), **marks},
            body=speech.kept_answer(content, asked, full=full),
            sha256=hashlib.sha256(content).hexdigest() if content else "",
            error=redact_text(error)[:_LONGEST_ERROR],
        )
        keep(self._plane.evidence, line)

    def close(self) -> None:
        """Give up the connections."""
        self._pool.close()


def _read(answer: httpcore2.Response, until: float) -> bytes:
    """The whole body. Raises httpcore2's `ReadTimeout` and `ReadError` for one that comes too slowly or is too long."""
    parts: list[bytes] = []
    size = 0
    for part in answer.iter_stream():
        parts.append(part)
        size += len(part)
        if time.monotonic() > until:
            raise httpcore2.ReadTimeout(f"the answer did not end in {_ANSWER:g} s")
        if size > _MOST_BYTES:
            raise httpcore2.ReadError("the answer is too long")
    return b"".join(parts)


def _pause(response: httpx2.Response, attempt: int) -> float | None:
    """Seconds to wait before the next sending; None where there should be none."""
    if response.status_code not in _RETRIED:
        return None
    named = response.headers.get("retry-after", "")
    if not named:
        return float(2 ** (attempt - 1))
    try:
        wait = float(named)
    except ValueError:
        moment = email.utils.parsedate_tz(named)
        wait = email.utils.mktime_tz(moment) - time.time() if moment else 1.0
    return max(wait, 0.0) if wait <= _LONGEST_WAIT else None


def _json(request: httpx2.Request) -> Json:
    try:
        return json.loads(request.content) if request.content else None
    except (ValueError, RecursionError):
        return {"input": request.content.decode(errors="replace")}


def _words(problem: BaseException) -> str:
    text: Any = str(problem) or type(problem).__name__
    return f"{type(problem).__name__}: {text}"
