"""What may be sent, and where to. An assessment reads, and a token goes to its own service: anything else is refused here, at the wire,
whatever the code above it meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import SansIOHTTPPolicy

from aoai_lib.evidence.redaction import redact_text
from aoai_lib.model import PlaybookError

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineRequest

_LOG_QUERY = re.compile(r"/v1/workspaces/[^/]+/query", re.IGNORECASE)
_READING_POSTS = (
    _LOG_QUERY,
    re.compile(r"/providers/microsoft\.resourcegraph/resources", re.IGNORECASE),
    re.compile(r"/v1\.0/directoryObjects/getByIds", re.IGNORECASE),
)
_INFERENCE = re.compile(
    r"(/[^/]+)?/openai/(v1|deployments/[^/]+)/"
    r"(chat/completions|completions|responses|embeddings|images/generations|audio/(speech|transcriptions|translations))",
    re.IGNORECASE,
)


class WriteRefusedError(PlaybookError):
    """Something tried to send a request that could write, from a part of the playbook that only reads."""


def refuse_writes(method: str, url: str, *, inference: bool) -> None:
    """Raise `WriteRefusedError` unless the request can only read.

    GET and HEAD read. POST reads on log queries, Resource Graph and the directory's look-up by ids, and, with `inference`,
    calls a model. Everything else, `listKeys` first of all and the registration of a resource provider that ARM clients
    try by themselves, is refused.
    """
    verb, path = method.upper(), urlsplit(url).path
    if verb in ("GET", "HEAD"):
        return
    if verb == "POST" and any(route.fullmatch(path) for route in _READING_POSTS):
        return
    if verb == "POST" and inference and _INFERENCE.fullmatch(path):
        return
    raise WriteRefusedError(f"An assessment only reads: {verb} {path} was not sent.")


def is_log_query(method: str, url: str) -> bool:
    """Whether a request is a question to a Log Analytics workspace that stands in its body."""
    return method.upper() == "POST" and _LOG_QUERY.fullmatch(urlsplit(url).path) is not None


class ReadOnlyPolicy(SansIOHTTPPolicy[Any, Any]):
    """The same, as a policy of the azure-core pipeline."""

    def __init__(self, *, inference: bool = False) -> None:
        self._inference = inference

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Refuse before anything is sent, signed or recorded."""
        refuse_writes(request.http_request.method, request.http_request.url, inference=self._inference)


def refuse_strangers(url: str, endpoint: str) -> None:
    """Raise `AzureError` unless an address that an answer gave (a next page, an operation) is the endpoint's host, or a regional one below it."""
    link, own = urlsplit(url), urlsplit(endpoint).netloc.lower()
    place = link.netloc.lower().removesuffix(":443")
    if link.scheme != "https" or not re.fullmatch(rf"([a-z0-9-]+\.)*{re.escape(own)}", place):
        named = redact_text(f"{link.scheme}://{link.netloc}")
        raise AzureError(f"it was to be asked for at {named}, which is another service: nothing was sent there")


class OwnHostPolicy(SansIOHTTPPolicy[Any, Any]):
    """The same, as a policy of the azure-core pipeline: the SDKs follow a list's `nextLink` to whatever host it names, token and all."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Refuse before anything is sent, signed or recorded."""
        refuse_strangers(request.http_request.url, self._endpoint)
