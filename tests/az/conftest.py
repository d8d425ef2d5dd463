"""The Azure CLI, where there is one: named by AOAI_AZ (as ``make az`` does) or found on the PATH."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from az_client import Az, signed_in
from azure.identity import ManagedIdentityCredential

from aoai_lib.lab.server import Lab, load_worlds

SCOPES = ["https://management.azure.com/.default"]


@pytest.fixture(scope="session")
def command() -> str:
    found = os.environ.get("AOAI_AZ") or shutil.which("az")
    if not found:
        pytest.skip("no Azure CLI here: `make az` sets one up and runs these tests")
    return found


@pytest.fixture
def whole() -> None:
    """For the tests beyond the sample: a command takes a second or two, and there are a hundred."""
    if not os.environ.get("AOAI_AZ"):
        pytest.skip("beyond the sample: `make az` runs it")


@pytest.fixture(scope="session")
def assessor(command: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Az]:
    """Signed in at the hardened tenant as somebody who may read."""
    with Lab(load_worlds(["hardened"])) as served:
        yield signed_in(command, served, "hardened", "assessor", tmp_path_factory.mktemp("az"))


@pytest.fixture(scope="module")
def shop() -> Iterator[Lab]:
    """A lab over the exposed tenant, to write in."""
    with Lab(load_worlds(["exposed"])) as served:
        yield served


@pytest.fixture(scope="module")
def operator(command: str, shop: Lab, tmp_path_factory: pytest.TempPathFactory) -> Az:
    """Signed in at the exposed tenant as somebody who may write."""
    return signed_in(command, shop, "exposed", "operator", tmp_path_factory.mktemp("az"))


@pytest.fixture
def sdk(shop: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """The real SDK's clients at the same lab, to see what the CLI's writes came to."""
    for name, value in shop.environment("exposed", "operator").items():
        monkeypatch.setenv(name, value)
    subscription = shop.state("exposed").world.subscriptions[0]["subscriptionId"]
    opened: list[Any] = [ManagedIdentityCredential()]

    def client(kind: Callable[..., Any]) -> Any:
        made = kind(opened[0], subscription, base_url=shop.url, credential_scopes=SCOPES, retry_total=0)
        opened.append(made)
        return made

    yield client
    for each in opened:
        each.close()
