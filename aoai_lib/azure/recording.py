"""The recording policy: every request that leaves, each retry of it too, becomes one line of evidence.

It stands next to the transport, so nothing that is sent passes it by, and it redacts before it keeps. Lines that belong to a
probe carry its marks, by which they are found again in a recording.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import HTTPPolicy

from aoai_lib.azure.permission import is_log_query
from aoai_lib.evidence.redaction import keep_headers, redact, redact_text, redact_url
from aoai_lib.evidence.store import VANTAGE, Evidence, Exchange
from aoai_lib.model import Json
from aoai_lib.strict_json import finite, integer, no_number

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineRequest, PipelineResponse

PREFIX: Final = "x-aoai-"
BEGAN, PROMPT, PROBE = (f"{PREFIX}{word}" for word in ("began", "prompt", "probe"))
"""Headers of a line that no service sent: since when, what a model was told, and which probe asked."""

_watched: ContextVar[list[Exchange] | None] = ContextVar("watched", default=None)
_marks: ContextVar[Mapping[str, str] | None] = ContextVar("marks", default=None)


@contextmanager
def watching() -> Iterator[list[Exchange]]:
    """The exchanges made inside the block by this thread, in order: the raw answers behind what an SDK call returns."""
    seen: list[Exchange] = []
    token = _watched.set(seen)
    try:
        yield seen
    finally:
        _watched.reset(token)


@contextmanager
def marking(vantage: str, **marks: str) -> Iterator[list[Exchange]]:
    """The exchanges made inside the block by this thread, each marked by `x-aoai-…` headers of these names: `probe`, `account` …"""
    named = {f"{PREFIX}{name.replace('_', '-')}": value for name, value in marks.items()}
    token = _marks.set({VANTAGE: vantage, BEGAN: instant(), **named})
    try:
        with watching() as seen:
            yield seen
    finally:
        _marks.reset(token)


def marked() -> dict[str, str]:
    """The marks of the lines that this thread leaves now."""
    return dict(_marks.get() or {})


def identity(marks: Mapping[str, str]) -> str:
    """What a marked line's id is made of: its marks, without the time and what was told."""
    steps = [value for name, value in sorted(marks.items()) if name.startswith(PREFIX) and name not in (BEGAN, PROMPT)]
    return f"probe:///{'/'.join(step.strip('/') for step in steps)}"


def keep(evidence: Evidence, line: Exchange) -> None:
    """Keep a line, and show it to whoever is watching."""
    evidence.add(line)
    seen = _watched.get()
    if seen is not None:
        seen.append(line)


def instant() -> str:
    """Now, as lines have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def kept(content: bytes) -> Json:
    """The body as evidence keeps it: JSON, or text where it is none, no program could read it back, or it has no end; None for an empty one."""
    if not content:
        return None
    text = content.decode("utf-8-sig", errors="replace")
    try:
        return redact(json.loads(text, parse_float=finite, parse_int=integer, parse_constant=no_number))
    except (ValueError, RecursionError):
        return redact_text(text)


def asked_in_body(method: str, url: str, content: str | bytes | None) -> Json:
    """What a log query asks in its body, redacted; None for every other request."""
    if not content or not is_log_query(method, url):
        return None
    return kept(content if isinstance(content, bytes) else content.encode())


def _content(response: Any) -> bytes:
    """The body of either kind of azure-core response, decoded from its transfer encoding."""
    content = response.read() if hasattr(response, "read") else response.body()
    return bytes(content or b"")


class RecordingPolicy(HTTPPolicy[Any, Any]):
    """Writes each exchange to `Evidence` and to whoever is `watching`."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__()
        self._evidence = evidence

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Pass the request on; record what came, or that nothing came."""
        sent, started = request.http_request, time.monotonic()
        try:
            response = self.next.send(request)
            content = _content(response.http_response)
        except AzureError as problem:
            self._keep(sent, started, None, {}, b"", f"{type(problem).__name__}: {problem.message}")
            raise
        http = response.http_response
        self._keep(sent, started, int(http.status_code), dict(http.headers), content, "")
        return response

    def _keep(
        self, sent: Any, started: float, status: int | None, headers: dict[str, str], content: bytes, error: str
    ) -> None:
        marks, asked = marked(), asked_in_body(sent.method, sent.url, getattr(sent, "content", None))
        exchange = Exchange(
            id=self._evidence.name(sent.method, identity(marks) if marks else sent.url, asked),
            time=instant(),
            method=sent.method,
            url=redact_url(sent.url),
            status=status,
            duration_ms=round((time.monotonic() - started) * 1000),
            headers={**keep_headers(headers), **marks},
            body=kept(content),
            sha256=hashlib.sha256(content).hexdigest() if status is not None else "",
            error=redact_text(error),
            request=asked,
        )
        keep(self._evidence, exchange)
