"""How long Azure is waited for: a few tries, short pauses, and an end for every answer, whatever the service or the clock says.

azure-core sleeps for as long as a `Retry-After` asks, raises where one can't be read, counts its patience by the machine's clock,
and takes an answer that comes byte by byte for alive for ever. None of that may hold up a run.
"""

from __future__ import annotations

import email.utils
import math
import time
from typing import Any, Final

import requests
import urllib3
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import RetryPolicy
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter

LONGEST_WAIT: Final = 60.0
"""Seconds of a Retry-After that are waited for; who asks for more gets no second request."""
LONGEST_ANSWER: Final = 120.0
"""Seconds from the first line of an answer to its end."""
LARGEST_ANSWER: Final = 256 << 20
"""Bytes of an answer: a page of a thousand resources is some megabytes."""
_PIECE: Final = 1 << 16
_RETRIES: Final = 4
_NAMED: Final = (("retry-after", 1.0), ("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001))
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
WRITING: Final = frozenset({"PUT", "PATCH", "DELETE"})
"""Methods that change what is there. A POST asks, or is one of those that are never sent again."""


class PatiencePolicy(RetryPolicy[Any, Any]):
    """Retries of azure-core with an end. A write is sent again after a 429 alone: with any other answer, or none, it may have been
    carried out, and whoever sent it must look first. With `posts`, POST is sent again too: right where a POST only asks. `tries` is False for a
    recording, which answers the second time as the first.
    """

    def __init__(self, *, tries: bool = True, posts: bool = False) -> None:
        super().__init__(retry_total=_RETRIES if tries else 0, retry_backoff_max=30)
        self._methods = _READING | {"POST"} if posts else _READING

    def configure_retries(self, options: dict[str, Any]) -> dict[str, Any]:
        """Settings of one request."""
        options.setdefault("retry_on_methods", self._methods)
        return super().configure_retries(options)

    def get_retry_after(self, response: PipelineResponse[Any, Any]) -> float | None:
        """Seconds that the answer asks to wait; None where it asks for none that can be understood."""
        headers = response.http_response.headers
        for name, unit in _NAMED:
            if said := headers.get(name):
                return _seconds(said, headers.get("date", ""), unit)
        return None

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        """Whether to send again: not after a recording, and not where that would have to wait too long."""
        if self.total_retries == 0 or (self.get_retry_after(response) or 0.0) > LONGEST_WAIT:
            return False
        if response.http_request.method in WRITING:
            return bool(response.http_response.status_code == 429 and settings["total"])
        return bool(super().is_retry(settings, response))

    def _configure_timeout(
        self, request: PipelineRequest[Any], absolute_timeout: float, is_response_error: bool
    ) -> None:
        """azure-core ends a request here by the machine's clock, which may jump. Tries, pauses and answers have ends of their own."""


def _seconds(said: str, date: str, unit: float) -> float | None:
    """What a Retry-After asks for. A moment is measured by the service's own clock, where the answer tells it."""
    try:
        wait = float(said) * unit
    except ValueError:
        then, now = email.utils.parsedate_tz(said), email.utils.parsedate_tz(date)
        if then is None:
            return None
        wait = email.utils.mktime_tz(then) - (email.utils.mktime_tz(now) if now else time.time())
    return None if math.isnan(wait) else max(0.0, wait)


class WholeAnswerAdapter(HTTPAdapter):
    """Reads each answer to its end, and gives up one that takes too long or is too long."""

    def send(self, request: requests.PreparedRequest, *some: Any, **more: Any) -> requests.Response:
        """See `HTTPAdapter`. Raises `requests.ReadTimeout` for an answer without end."""
        response = super().send(request, *some, **more)
        try:
            content = _whole(response.raw, time.monotonic() + LONGEST_ANSWER)
        except urllib3.exceptions.ReadTimeoutError as slow:
            raise requests.ReadTimeout(slow, request=request) from slow
        except urllib3.exceptions.SSLError as broken:
            raise requests.exceptions.SSLError(broken, request=request) from broken
        except urllib3.exceptions.DecodeError as odd:
            raise requests.exceptions.ContentDecodingError(odd, request=request) from odd
        except urllib3.exceptions.ProtocolError as cut:
            raise requests.exceptions.ChunkedEncodingError(cut, request=request) from cut
        finally:
            response.raw.release_conn()
        response._content, response._content_consumed = content, True  # type: ignore[attr-defined]
        return response


def _whole(raw: urllib3.HTTPResponse, until: float) -> bytes:
    """The body, piece by piece as it comes. Raises urllib3's errors, and `requests.ReadTimeout`."""
    parts: list[bytes] = []
    size = 0
    while part := raw.read1(_PIECE, decode_content=True):
        parts.append(part)
        size += len(part)
        if time.monotonic() > until or size > LARGEST_ANSWER:
            raw.close()
            raise requests.ReadTimeout(f"the answer did not end in {LONGEST_ANSWER:g} s")
    return b"".join(parts)


class PatientTransport(RequestsTransport):  # type: ignore[misc]  # azure-core exports it without its type
    """The transport of a sign-in, whose pipeline is azure-identity's own: its answers end, and so do its pauses."""

    def open(self) -> None:
        """Have a session, whose answers are read by `WholeAnswerAdapter`."""
        super().open()
        if self.session is not None and not isinstance(self.session.get_adapter("https://"), WholeAnswerAdapter):
            self.session.mount("https://", WholeAnswerAdapter())

    def sleep(self, duration: float) -> None:
        """Wait, and no longer than `LONGEST_WAIT`."""
        super().sleep(duration if 0 <= duration <= LONGEST_WAIT else LONGEST_WAIT)
