"""Writes: one at a time, each exactly as its plan says, and nothing else.

The pipeline of a hardening reads as freely as an assessment's. For a write it is opened for the length of one call, and lets
through that call's method, address and body alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.rest import HttpRequest
from azure.mgmt.core.exceptions import ARMErrorFormat

from aoai_lib.azure.operation import FailedOperationError, follow
from aoai_lib.azure.patience import WRITING
from aoai_lib.azure.permission import refuse_writes
from aoai_lib.evidence.redaction import redact_text
from aoai_lib.model import Json, PlaybookError, SignInError

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineRequest
    from azure.mgmt.core import ARMPipelineClient


_IN_DOUBT: Final = frozenset({408, *range(500, 600)})
"""Statuses of an answer to a write that do not say whether it was carried out."""


@dataclass(frozen=True, slots=True)
class PlannedWrite:
    """One request to Resource Manager: `path` below its endpoint, without query; `body` is None where none is sent."""

    method: str
    path: str
    api_version: str
    body: Json = None


class PlannedWritesPolicy(SansIOHTTPPolicy[Any, Any]):
    """Lets reads through, and of writes only the one that is being allowed. One hardening, one thread."""

    def __init__(self) -> None:
        self._allowed: PlannedWrite | None = None

    @contextmanager
    def allowing(self, write: PlannedWrite) -> Iterator[None]:
        """For the length of the block this write may be sent."""
        self._allowed = write
        try:
            yield
        finally:
            self._allowed = None

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Refuse what is neither a read nor the write that is being allowed."""
        sent = request.http_request
        if self._allowed is None or not _same(sent, self._allowed):
            refuse_writes(sent.method, sent.url, inference=False)


def quoted(path: str) -> str:
    """A path as it stands in a URL: names of resources may hold spaces and letters of any language."""
    return quote(path, safe="/:@!$&'()*+,;=~-._")


def _same(sent: Any, planned: PlannedWrite) -> bool:
    address = urlsplit(sent.url)
    body = json.loads(sent.content) if sent.content else None
    return (
        sent.method == planned.method
        and unquote(address.path) == planned.path
        and parse_qs(address.query) == {"api-version": [planned.api_version]}
        and body == planned.body
    )


class CallError(PlaybookError):
    """A call of a hardening that was not answered as hoped. `status` is None where no answer came."""

    def __init__(self, sentence: str, status: int | None, code: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code


class DoubtfulWriteError(CallError):
    """A write that may have been carried out, and of which nobody knows: it was answered by an error of the service, by nothing or
    by what is no answer, or its operation could not be followed to its end. What became of it must be read.
    """


@contextmanager
def explained(method: str, path: str) -> Iterator[None]:
    """Turns azure-core's errors inside the block into `CallError`, and a missing token into `SignInError`."""
    try:
        yield
    except ClientAuthenticationError as problem:
        if problem.status_code is None:
            raise SignInError(f"Azure gave no token: {_first_line(problem)}") from problem
        raise _call_error(problem, method, path) from problem
    except AzureError as problem:
        raise _call_error(problem, method, path) from problem


def _call_error(problem: AzureError, method: str, path: str) -> CallError:
    status = getattr(problem, "status_code", None)
    code = _code(problem)
    what = f"answered {status} {code}".rstrip() if status else "got no answer"
    sentence = f"{method} {path} {what}: {_first_line(problem)}"
    in_doubt = method in WRITING and (status is None or status < 400 or status in _IN_DOUBT)
    return (DoubtfulWriteError if in_doubt else CallError)(sentence, status, code)


def _code(problem: AzureError) -> str:
    return str(getattr(getattr(problem, "error", None), "code", "") or "")


def _first_line(problem: Exception) -> str:
    text = str(getattr(problem, "message", "") or problem).strip() or type(problem).__name__
    return redact_text(text).splitlines()[0][:300]


def send(client: ARMPipelineClient[Any, Any], endpoint: str, write: PlannedWrite, headers: Mapping[str, str]) -> Json:
    """Send it, once, and follow its operation. Raises azure-core's errors where it was refused or not answered, `CallError` where its
    operation failed, and `DoubtfulWriteError` where nobody can tell.
    """
    request = HttpRequest(
        write.method,
        f"{endpoint}{quoted(write.path)}",
        params={"api-version": write.api_version},
        json=write.body,
        headers=dict(headers),
    )
    answer = client.send_request(request, _return_pipeline_response=True)
    status = answer.http_response.status_code
    if status not in (200, 201, 202, 204):
        raise HttpResponseError(response=answer.http_response, error_format=ARMErrorFormat)
    sent = f"{write.method} {write.path}"
    try:
        return follow(client, endpoint, answer)
    except FailedOperationError as problem:
        raise CallError(f"{sent} was accepted, and its operation {problem}.", status, problem.code) from problem
    except AzureError as problem:
        why = f"{_code(problem)}: {_first_line(problem)}".removeprefix(": ").rstrip(".")
        raise DoubtfulWriteError(
            f"{sent} was accepted, and its operation could not be followed: {why}.", status, _code(problem)
        ) from problem
