"""Microsoft Graph, as far as access needs it: who is in a group, and whom an object id names. Version v1.0, reads only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from azure.core import PipelineClient
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.paging import ItemPaged
from azure.core.rest import HttpRequest

from aoai_lib.azure.answers import body_of
from aoai_lib.model import Json

if TYPE_CHECKING:
    from azure.core.pipeline.transport import RequestsTransport

MOST_IDS: Final = 1000
"""Object ids that one `getByIds` takes (Microsoft Learn, "directoryObject: getByIds")."""
_SHOWN: Final = "id,displayName,userPrincipalName"
"""What is asked of a member: no more of a person than it takes to tell one from another."""


class TokenRefusedError(AzureError):
    """No token for Microsoft Graph could be had. Resource Manager's tokens are another matter, so a run goes on."""


class Graph:
    """The directory of the tenant that the credential signs in to. Lists are fetched as they are walked."""

    def __init__(self, endpoint: str, policies: Sequence[Any], transport: RequestsTransport) -> None:
        self._endpoint = f"{endpoint}/v1.0"
        self._client: PipelineClient[Any, Any] = PipelineClient(endpoint, policies=policies, transport=transport)

    def members(self, group: str) -> ItemPaged[Json]:
        """Everybody in a group, through groups within it too: users, service principals, devices, those groups."""
        query = {"$select": _SHOWN, "$top": "999"}
        return self._pages(
            lambda: HttpRequest("GET", f"{self._endpoint}/groups/{group}/transitiveMembers", params=query)
        )

    def objects(self, ids: Sequence[str]) -> ItemPaged[Json]:
        """The objects with these ids, `MOST_IDS` at most. An id that the directory does not know is left out of the answer."""
        return self._pages(
            lambda: HttpRequest("POST", f"{self._endpoint}/directoryObjects/getByIds", json={"ids": list(ids)})
        )

    def _pages(self, first: Callable[[], HttpRequest]) -> ItemPaged[Json]:
        def fetch(link: str | None) -> Any:
            try:
                response = self._client.send_request(HttpRequest("GET", link) if link else first())
            except ClientAuthenticationError as problem:
                raise TokenRefusedError(f"No token for Microsoft Graph: {problem.message}") from problem
            return body_of(response)

        def unpack(page: Json) -> tuple[str | None, Any]:
            items = page.get("value")
            return page.get("@odata.nextLink") or None, iter(items if isinstance(items, list) else [])

        return ItemPaged(fetch, unpack)
