"""A lab of one's own for each test, and the real SDK clients pointed at it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from azure.identity import DefaultAzureCredential
from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient
from azure.mgmt.network import NetworkManagementClient

from aoai_lib.lab.server import Lab, load_worlds

ARM_SCOPE = ["https://management.azure.com/.default"]


@dataclass
class Guest:
    """Somebody signed in at a lab: raw requests by ``send``, SDK clients by ``client``."""

    lab: Lab
    slug: str
    identity: str
    session: requests.Session
    credential: DefaultAzureCredential

    @property
    def subscription(self) -> str:
        return str(self.lab.state(self.slug).world.subscriptions[0]["subscriptionId"])

    def token(self, resource: str = "https://management.azure.com") -> str:
        environment = self.lab.environment(self.slug, self.identity)
        answer = self.session.get(
            environment["IDENTITY_ENDPOINT"],
            params={"api-version": "2019-08-01", "resource": resource},
            headers={"X-IDENTITY-HEADER": environment["IDENTITY_HEADER"]},
            timeout=30,
        )
        return str(answer.json()["access_token"])

    def send(self, method: str, path: str, version: str = "2025-09-01", **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token()}"} | options.pop("headers", {})
        params = {"api-version": version} | (options.pop("params", None) or {})
        url = path if path.startswith("https:") else self.lab.url + path
        return self.session.request(method, url, params=params, headers=headers, timeout=30, **options)

    def client(self, kind: Callable[..., Any], subscription: str = "") -> Any:
        options: dict[str, Any] = {"base_url": self.lab.url, "credential_scopes": ARM_SCOPE, "retry_total": 0}
        return kind(self.credential, subscription or self.subscription, **options)

    @property
    def accounts(self) -> CognitiveServicesManagementClient:
        return self.client(CognitiveServicesManagementClient)

    @property
    def network(self) -> NetworkManagementClient:
        return self.client(NetworkManagementClient)


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Guest]]:
    """Open a lab over one world and sign in: ``visit("hardened", "assessor", polls=1)``."""
    opened: list[Any] = []

    def enter(slug: str, identity: str = "operator", lab: Lab | None = None, **options: Any) -> Guest:
        if lab is None:
            lab = Lab(load_worlds([slug]), **options).start()
            opened.append(lab)
            lab_stop.append(lab)
        for name, value in lab.environment(slug, identity).items():
            monkeypatch.setenv(name, value)
        session = requests.Session()
        session.verify = lab.ca_file
        credential = DefaultAzureCredential(require_envvar=True)
        opened.extend([session, credential])
        return Guest(lab, slug, identity, session, credential)

    lab_stop: list[Lab] = []
    yield enter
    for each in opened:
        if not isinstance(each, Lab):
            each.close()
    for lab in lab_stop:
        lab.stop()
