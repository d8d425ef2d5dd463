"""What an answer must look like before an SDK parses it. The SDKs stumble over other shapes in their own ways."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import DecodeError
from azure.core.pipeline.policies import ContentDecodePolicy, SansIOHTTPPolicy

from aoai_lib.model import Json

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineRequest, PipelineResponse
    from azure.core.rest import HttpResponse

_paging: ContextVar[bool] = ContextVar("paging", default=False)


@contextmanager
def paging() -> Iterator[None]:
    """What this thread reads inside the block are pages of a list."""
    token = _paging.set(True)
    try:
        yield
    finally:
        _paging.reset(token)


def body_of(response: HttpResponse) -> Json:
    """What a read was answered with. Raises azure-core's errors for every other status than 200, a redirect among them."""
    response.raise_for_status()
    if response.status_code != 200:
        raise DecodeError(f"the answer is {response.status_code} and not 200", response=response)
    return response.json()


class AnswerShapePolicy(SansIOHTTPPolicy[Any, Any]):
    """A successful answer to a read is an object and no error; a page of a list holds a list of objects as its `value`.

    Raises `DecodeError` for anything else. Stands outside `ContentDecodePolicy`, whose result it looks at.
    """

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:
        """Check what was decoded."""
        if response.http_response.status_code != 200 or request.http_request.method in ("PUT", "PATCH", "DELETE"):
            return
        body = response.context.get(ContentDecodePolicy.CONTEXT_NAME)
        if not isinstance(body, dict):
            raise DecodeError("the answer is no object", response=response.http_response)
        if "error" in body and not {"id", "value", "tables", "status"} & body.keys():
            raise DecodeError("the answer is an error with the status of a success", response=response.http_response)
        items = body.get("value", None if _paging.get() else [])
        is_page = _paging.get() or "nextLink" in body or isinstance(items, list)
        if is_page and not (isinstance(items, list) and all(isinstance(item, dict) for item in items)):
            raise DecodeError("the list is no list of objects", response=response.http_response)
