"""The lab with answers changed on their way out, as a tenant's own data or a hostile middle could have them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from aoai_lib.lab.server import Lab


@dataclass
class Answer:
    """An answer that may be changed: `body` is JSON where it was, else bytes. `asked` are the request's headers."""

    method: str
    path: str
    query: str
    asked: dict[str, str]
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def is_sign_in(self) -> bool:
        return self.path.startswith(("/msi/", "/metadata/")) or "oauth2" in self.path

    @property
    def is_query(self) -> bool:
        return self.path.startswith("/v1/workspaces/")

    @property
    def is_data(self) -> bool:
        return "/openai/" in self.path


def tamper(lab: Lab, change: Callable[[Answer], None]) -> None:
    """Let `change` change every answer of a lab that is not a stream."""
    application = lab._application
    answer = application._answer

    def changed(request: Request, body: bytes, listener: str, fault: str) -> Response:
        response = answer(request, body, listener, fault)
        if isinstance(response, StreamingResponse):
            return response
        content = bytes(response.body)
        kept = {name: value for name, value in response.headers.items() if name != "content-length"}
        about = (request.method, request.url.path, request.url.query, dict(request.headers))
        found = Answer(*about, response.status_code, kept, _parsed(content))
        change(found)
        content = found.body if isinstance(found.body, bytes) else json.dumps(found.body).encode()
        made = Response(content, found.status)
        for name, value in found.headers.items():
            made.headers[name] = value
        made.headers["content-length"] = str(len(content))
        return made

    application._answer = changed  # type: ignore[method-assign]


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content
