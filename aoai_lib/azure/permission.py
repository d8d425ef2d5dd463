"""What may be sent. An assessment reads: anything else is refused here, at the wire, whatever the code above it meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.pipeline.policies import SansIOHTTPPolicy

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
