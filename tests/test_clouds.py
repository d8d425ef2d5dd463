"""Real tenants: nothing but parameters changes."""

from __future__ import annotations

import base64
import json

import pytest

from aoai_lib.azure import clouds, credentials
from aoai_lib.azure.clients import Azure
from aoai_lib.evidence.store import Evidence
from aoai_lib.fleet import environment
from aoai_lib.model import InputError

SUBSCRIPTION = "11111111-0000-4000-8000-000000000001"
TENANT = "22222222-0000-4000-8000-000000000002"


@pytest.mark.parametrize(
    ("name", "arm", "zone"),
    [
        ("public", "https://management.azure.com", "privatelink.openai.azure.com"),
        ("usgov", "https://management.usgovcloudapi.net", "privatelink.openai.azure.us"),
        ("china", "https://management.chinacloudapi.cn", "privatelink.openai.azure.cn"),
    ],
)
def test_every_client_speaks_to_its_cloud(name: str, arm: str, zone: str) -> None:
    cloud = clouds.find(name)
    azure = Azure(cloud, credentials.NoCredential(), Evidence())
    assert cloud.arm == arm
    assert zone in cloud.private_zones.values()
    builders = (
        azure.cognitive,
        azure.network,
        azure.dns,
        azure.authorization,
        azure.monitor,
        azure.workspaces,
        azure.locks,
    )
    addresses = {build(SUBSCRIPTION)._client._base_url for build in builders}
    configured = {getattr(build(SUBSCRIPTION)._config, "base_url", arm) for build in builders}
    assert addresses - {"{endpoint}"} <= {arm}
    assert configured == {arm}
    azure.close()


def test_the_lab_is_a_cloud_that_the_environment_names() -> None:
    with environment({"AOAI_LAB": "https://localhost:4711/"}):
        assert clouds.find("lab").arm == "https://localhost:4711"
    with pytest.raises(InputError, match="aoai lab"):
        clouds.lab({})


def test_an_unknown_cloud_is_refused() -> None:
    with pytest.raises(InputError, match="public, usgov, china or lab"):
        clouds.find("moon")


@pytest.mark.parametrize(
    ("name", "kind", "needs"),
    [
        ("default", "DefaultAzureCredential", {}),
        ("cli", "AzureCliCredential", {}),
        ("managed_identity", "ManagedIdentityCredential", {}),
        (
            "workload_identity",
            "WorkloadIdentityCredential",
            {"AZURE_CLIENT_ID": SUBSCRIPTION, "AZURE_FEDERATED_TOKEN_FILE": "token"},
        ),
        ("environment", "EnvironmentCredential", {}),
        ("device_code", "DeviceCodeCredential", {}),
    ],
)
@pytest.mark.parametrize("cloud", ["public", "usgov", "china"])
def test_each_credential_can_be_chosen(name: str, kind: str, needs: dict[str, str], cloud: str) -> None:
    with environment(needs):
        credential = credentials.choose(name, clouds.find(cloud), TENANT)
    assert type(credential.inner).__name__ == kind
    credential.close()


def test_the_authority_is_the_clouds_own() -> None:
    credential = credentials.choose("device_code", clouds.find("usgov"), TENANT)
    assert credential.inner._authority == "https://login.microsoftonline.us"
    credential.close()


def test_an_unknown_credential_is_refused() -> None:
    with pytest.raises(InputError, match="device_code"):
        credentials.choose("password", clouds.find("public"))


def token(claims: object) -> str:
    return ".".join(["e30", base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("="), "s"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (token({"oid": "o", "appid": "a", "tid": "t"}), {"object_id": "o", "app_id": "a", "tenant_id": "t"}),
        (token({"oid": "o", "upn": "kim@example.org", "exp": 5}), {"object_id": "o", "name": "kim@example.org"}),
        (token(["oid"]), {}),
        ("a.%%%.c", {}),
        ("opaque", {}),
    ],
)
def test_a_token_tells_who_reads(text: str, told: dict[str, str]) -> None:
    assert credentials.who(text) == told


def test_names_of_a_run_on_the_lab_are_known_without_a_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is verified, and its plan made again, long after the lab is gone."""
    monkeypatch.delenv("AOAI_LAB", raising=False)
    assert clouds.resembled("lab").private_zones == clouds.find("public").private_zones
    assert clouds.resembled("china") is clouds.find("china")
