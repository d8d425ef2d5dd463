"""Builds every client of Azure over one pipeline. SDKs are imported when their client is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, TypeVar

import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.core.paging import ItemPaged
from azure.core.pipeline.policies import (
    BearerTokenCredentialPolicy,
    ContentDecodePolicy,
    RequestIdPolicy,
    UserAgentPolicy,
)
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest, HttpResponse
from azure.mgmt.core import ARMPipelineClient

from aoai_lib.azure.answers import AnswerShapePolicy, body_of
from aoai_lib.azure.clouds import Cloud
from aoai_lib.azure.credentials import who
from aoai_lib.azure.graph import Graph
from aoai_lib.azure.logs import Logs
from aoai_lib.azure.pace import Pace, PacingPolicy
from aoai_lib.azure.patience import PatiencePolicy, WholeAnswerAdapter
from aoai_lib.azure.permission import OwnHostPolicy, ReadOnlyPolicy, WriteRefusedError
from aoai_lib.azure.recording import RecordingPolicy
from aoai_lib.azure.replay import Recording, ReplayAdapter
from aoai_lib.azure.writing import CallError, PlannedWrite, PlannedWritesPolicy, explained, quoted, send
from aoai_lib.evidence.store import Evidence
from aoai_lib.model import Json

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.mgmt.authorization import AuthorizationManagementClient
    from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient
    from azure.mgmt.loganalytics import LogAnalyticsManagementClient
    from azure.mgmt.monitor import MonitorManagementClient
    from azure.mgmt.network import NetworkManagementClient
    from azure.mgmt.privatedns import PrivateDnsManagementClient
    from azure.mgmt.resource.locks import ManagementLockClient
    from azure.mgmt.resource.subscriptions import SubscriptionClient

CONCURRENCY: Final = 16
"""Requests in flight at once. How many go out each second is for `pace` to say."""

_TIMEOUT: Final = (10, 60)
"""Seconds to connect, and between bytes."""

Client = TypeVar("Client")


def _as_signed(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """The request with the token that the pipeline gave it. Without this, requests looks into ~/.netrc for each request, and puts
    the password that stands there for a host, or for any, in the token's place.
    """
    return request


class Azure:
    """One tenant's Azure: typed clients by subscription, and `arm` for what the SDKs lack. Safe for threads."""

    def __init__(
        self,
        cloud: Cloud,
        credential: TokenCredential,
        evidence: Evidence,
        *,
        recording: Recording | None = None,
        planned: PlannedWritesPolicy | None = None,
        evidence_days: int = 30,
    ) -> None:
        self.cloud = cloud
        self.evidence_days = evidence_days
        self._planned = planned
        self.evidence = evidence
        self.recording = recording
        self._credential = credential
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = RLock()
        self._pace = Pace()
        session = requests.Session()
        session.auth = _as_signed
        adapter = ReplayAdapter(recording) if recording else WholeAnswerAdapter(pool_maxsize=CONCURRENCY)
        session.mount("https://", adapter)
        self._transport = RequestsTransport(
            session=session, session_owner=False, connection_timeout=_TIMEOUT[0], read_timeout=_TIMEOUT[1]
        )
        self._session = session

    def policies(self, endpoint: str, scope: str) -> list[Any]:
        """The pipeline of every client: refuse, retry, wait, sign, record. Its order is what makes the record complete."""
        return [
            RequestIdPolicy(),
            UserAgentPolicy(sdk_moniker="aoai-playbook"),
            self._planned or ReadOnlyPolicy(),
            *([OwnHostPolicy(endpoint)] if self.recording is None else []),
            AnswerShapePolicy(),
            ContentDecodePolicy(),
            PatiencePolicy(tries=self.recording is None, posts=self._planned is None),
            *([PacingPolicy(self._pace)] if self.recording is None else []),
            BearerTokenCredentialPolicy(self._credential, scope),
            RecordingPolicy(self.evidence),
        ]

    def _options(self) -> dict[str, Any]:
        return {
            "base_url": self.cloud.arm,
            "credential_scopes": [self.cloud.arm_scope],
            "policies": self.policies(self.cloud.arm, self.cloud.arm_scope),
            "transport": self._transport,
        }

    def _client(self, name: str, subscription: str, build: Callable[[], Client]) -> Client:
        with self._lock:
            if (name, subscription) not in self._clients:
                self._clients[name, subscription] = build()
            client: Client = self._clients[name, subscription]
            return client

    def subscriptions(self) -> SubscriptionClient:
        """Lists subscriptions. API version 2022-12-01."""
        from azure.mgmt.resource.subscriptions import SubscriptionClient

        return self._client(
            "subscriptions", "", lambda: SubscriptionClient(credential=self._credential, **self._options())
        )

    def cognitive(self, subscription: str) -> CognitiveServicesManagementClient:
        """Accounts, deployments, content-filter policies, blocklists, models. API version 2025-09-01."""
        from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient as Sdk

        return self._client("cognitive", subscription, lambda: Sdk(self._credential, subscription, **self._options()))

    def network(self, subscription: str) -> NetworkManagementClient:
        """Virtual networks, security groups, private endpoints."""
        from azure.mgmt.network import NetworkManagementClient as Sdk

        return self._client("network", subscription, lambda: Sdk(self._credential, subscription, **self._options()))

    def dns(self, subscription: str) -> PrivateDnsManagementClient:
        """Private DNS zones, their links and records. API version 2024-06-01."""
        from azure.mgmt.privatedns import PrivateDnsManagementClient as Sdk

        return self._client("dns", subscription, lambda: Sdk(self._credential, subscription, **self._options()))

    def authorization(self, subscription: str) -> AuthorizationManagementClient:
        """Role assignments, definitions, deny assignments, eligibility."""
        from azure.mgmt.authorization import AuthorizationManagementClient as Sdk

        return self._client(
            "authorization", subscription, lambda: Sdk(self._credential, subscription, **self._options())
        )

    def monitor(self, subscription: str) -> MonitorManagementClient:
        """Alerts, action groups, activity log, metrics. Diagnostic settings are not in this SDK: use `arm`."""
        from azure.mgmt.monitor import MonitorManagementClient as Sdk

        return self._client("monitor", subscription, lambda: Sdk(self._credential, subscription, **self._options()))

    def workspaces(self, subscription: str) -> LogAnalyticsManagementClient:
        """Log Analytics workspaces and their tables."""
        from azure.mgmt.loganalytics import LogAnalyticsManagementClient as Sdk

        return self._client("workspaces", subscription, lambda: Sdk(self._credential, subscription, **self._options()))

    def locks(self, subscription: str) -> ManagementLockClient:
        """Resource locks. API version 2016-09-01."""
        from azure.mgmt.resource.locks import ManagementLockClient as Sdk

        return self._client("locks", subscription, lambda: Sdk(self._credential, subscription, **self._options()))

    def graph(self) -> Graph:
        """The directory behind the credential: members of groups, names of principals. Microsoft Graph v1.0."""
        cloud = self.cloud
        return self._client(
            "graph", "", lambda: Graph(cloud.graph, self.policies(cloud.graph, cloud.graph_scope), self._transport)
        )

    def logs(self) -> Logs:
        """Log Analytics workspaces, looked back on for `evidence_days`."""
        cloud = self.cloud
        return self._client(
            "logs",
            "",
            lambda: Logs(cloud.logs, self.evidence_days, self.policies(cloud.logs, cloud.logs_scope), self._transport),
        )

    @property
    def _arm(self) -> ARMPipelineClient[Any, Any]:
        return self._client("arm", "", lambda: ARMPipelineClient(**self._options()))

    def get(self, path: str, api_version: str) -> Json:
        """One resource that the SDKs don't cover, by its path below the ARM endpoint. Raises azure-core's errors."""
        response = self._arm.send_request(
            HttpRequest("GET", f"{self.cloud.arm}{quoted(path)}", params={"api-version": api_version})
        )
        return body_of(response)

    def write(self, request: PlannedWrite, headers: Mapping[str, str]) -> Json:
        """Send one planned write and follow its operation to the end; what the service answers last.

        Raises `CallError`, `DoubtfulWriteError` among them, and `WriteRefusedError` from an `Azure` that may not write.
        """
        if self._planned is None:
            raise WriteRefusedError(f"An assessment only reads: {request.method} {request.path} was not sent.")
        with self._planned.allowing(request), explained(request.method, request.path):
            return send(self._arm, self.cloud.arm, request, headers)

    def state(self, path: str, api_version: str) -> Json:
        """A resource as it is now, None where there is none. Raises `CallError`, also for a subscription that can't be seen."""
        try:
            with explained("GET", path):
                return self.get(path, api_version)
        except CallError as problem:
            if problem.status == 404 and problem.code != "SubscriptionNotFound":
                return None
            raise

    def list(self, path: str, api_version: str, older: str = "", **options: str) -> ItemPaged[Json]:
        """A paged list that the SDKs don't cover. Links are followed untouched; absent, null and empty ones end it.

        `older` is the API version to ask by where the cloud does not know the first one yet; `options` are the query's other parts.
        """
        arm = self._arm

        def ask(url: str, **query: str) -> Any:
            return arm.send_request(HttpRequest("GET", url, params=query or None))

        def fetch(link: str | None) -> Any:
            url = link or f"{self.cloud.arm}{path}"
            response = ask(url) if link else ask(url, **options, **{"api-version": api_version})
            if older and not link and response.status_code in (400, 404) and _is_unknown_version(response):
                response = ask(url, **options, **{"api-version": older})
            return body_of(response)

        def unpack(page: Json) -> tuple[str | None, Any]:
            items = page.get("value")
            return page.get("nextLink") or None, iter(items if isinstance(items, list) else [])

        return ItemPaged(fetch, unpack)

    def caller(self) -> dict[str, str]:
        """Who the credential signs in as: see `credentials.who`. Nobody is named where no token can be had any more."""
        try:
            return who(self._credential.get_token(self.cloud.arm_scope).token)
        except ClientAuthenticationError:
            return {}

    def close(self) -> None:
        """Give up the connections, the credential's too."""
        self._session.close()
        for each in (*self._clients.values(), self._credential):
            if hasattr(each, "close"):
                each.close()


_UNKNOWN_VERSION: Final = frozenset({"InvalidApiVersionParameter", "NoRegisteredProviderFound", "InvalidResourceType"})
"""Codes by which Resource Manager says that it does not have an API version for a type here."""


def _is_unknown_version(response: HttpResponse) -> bool:
    try:
        body = response.json()
    except ValueError:
        return False
    error = body.get("error") if isinstance(body, dict) else None
    return isinstance(error, dict) and error.get("code") in _UNKNOWN_VERSION
