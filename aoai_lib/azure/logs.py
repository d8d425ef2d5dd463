"""Log Analytics: questions in KQL, put to a workspace. Query API v1.

The API takes GET and POST (Microsoft Learn, "Request format for the Azure Monitor Logs query API", 2026-08). A short question is
sent as GET and is part of the address, which stays below `LONGEST`; a long one is sent in the body, which evidence then keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from azure.core import PipelineClient
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.rest import HttpRequest

from aoai_lib.azure.answers import body_of
from aoai_lib.model import Json

if TYPE_CHECKING:
    from azure.core.pipeline.transport import RequestsTransport

LONGEST: Final = 2048
"""Characters of an address that every server on the way takes."""

_PATIENCE: Final = 200
"""Seconds to wait for an answer: the service gives a query three minutes, then it answers 504."""


class Logs:
    """The workspaces that the credential may query, looked back on for so many days."""

    def __init__(self, endpoint: str, days: int, policies: Sequence[Any], transport: RequestsTransport) -> None:
        self._endpoint = endpoint
        self._days = days
        self._client: PipelineClient[Any, Any] = PipelineClient(endpoint, policies=policies, transport=transport)

    def query(self, workspace: str, question: str) -> Json:
        """What a workspace, named by its customer id (a GUID), answers over the days looked back on: `tables`, and `error` where they are not whole.

        Raises azure-core's errors. A token that is refused is one of them and not the end of a run: Resource Manager's tokens
        are another matter.
        """
        asked = {"query": quote(question, safe=""), "timespan": f"P{self._days}D"}
        return self._send(HttpRequest("GET", f"{self._endpoint}/workspaces/{workspace}/query", params=asked))

    def ask(self, workspace: str, question: str) -> Json:
        """The same for a question of any length, over whatever time the question names itself."""
        return self._send(
            HttpRequest("POST", f"{self._endpoint}/workspaces/{workspace}/query", json={"query": question})
        )

    def _send(self, request: HttpRequest) -> Json:
        try:
            response = self._client.send_request(request, read_timeout=_PATIENCE)
        except ClientAuthenticationError as problem:
            raise AzureError(f"No token for Log Analytics: {problem.message}") from problem
        return body_of(response)
