"""What an answer must look like before an SDK parses it. The SDKs stumble over other shapes in their own ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azure.core.exceptions import DecodeError
from azure.core.pipeline.policies import ContentDecodePolicy, SansIOHTTPPolicy

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineRequest, PipelineResponse


class AnswerShapePolicy(SansIOHTTPPolicy[Any, Any]):
    """A successful answer to a read is an object; where it is a page, its `value` is a list of objects.

    Raises `DecodeError` for anything else. Stands outside `ContentDecodePolicy`, whose result it looks at.
    """

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:
        """Check what was decoded."""
        if response.http_response.status_code != 200 or request.http_request.method in ("PUT", "PATCH", "DELETE"):
            return
        body = response.context.get(ContentDecodePolicy.CONTEXT_NAME)
        if not isinstance(body, dict):
            raise DecodeError("the answer is no object", response=response.http_response)
        items = body.get("value", [])
        is_page = "nextLink" in body or isinstance(items, list)
        if is_page and not (isinstance(items, list) and all(isinstance(item, dict) for item in items)):
            raise DecodeError("the list is no list of objects", response=response.http_response)
