"""The guide's errors about identity, each by its number in the list of corrections: what it says, and that we don't repeat it.

Numbers 16 and 26 are about disabling keys and assigning a role: they have their tests where hardening has its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from azure.identity import DefaultAzureCredential
from builders import ACCOUNT, GROUP, SUBSCRIPTION, snapshot
from identity_samples import (
    ALICE,
    COGNITIVE_SERVICES_CONTRIBUTOR,
    COGNITIVE_SERVICES_USER,
    CUSTOM,
    OPENAI_CONTRIBUTOR,
    OPENAI_USER,
    OWNER,
    RBAC_ADMINISTRATOR,
    SUB,
    USER_ACCESS_ADMINISTRATOR,
    WORKLOAD,
    assignment,
    custom,
    deny,
    finding,
    tenant,
    verdict,
)

from aoai_lib.azure import clouds, credentials
from aoai_lib.controls import catalogue
from aoai_lib.effective_access import access_matrix
from aoai_lib.effective_access.capabilities import CALL_MODELS, READ_KEYS, WRITE_DEPLOYMENTS, Capability
from aoai_lib.effective_access.register import register_of
from aoai_lib.fleet import environment
from aoai_lib.lab.server import Lab, load_worlds
from aoai_lib.model import Severity

FOUNDRY_USER = "53ca6127-db72-4b80-b1b0-d745d6d5456d"
HELLO = {"messages": [{"role": "user", "content": "hello"}], "max_completion_tokens": 20}


SAMPLE = tenant()
BLOCKLISTS_AND_POLICIES = Capability(
    "write either",
    tuple(f"Microsoft.CognitiveServices/accounts/{each}/write" for each in ("raiPolicies", "raiBlocklists")),
)


def held(role: str, capability: Capability) -> tuple[str, ...]:
    """The actions of a capability that a built-in role holds."""
    return register_of(SAMPLE, SUBSCRIPTION).role(role).held(capability)


@pytest.fixture
def shop() -> Iterator[tuple[Lab, requests.Session]]:
    """A lab of the test's own over the exposed tenant, and a session that trusts it."""
    with Lab(load_worlds(["exposed"])) as lab, requests.Session() as session:
        session.verify, session.trust_env = lab.ca_file, False
        yield lab, session


def token(lab: Lab, session: requests.Session, identity: str, resource: str) -> dict[str, str]:
    """The header by which an identity of the lab signs a request."""
    announced = lab.environment(lab.tenants[0].world.slug, identity)
    answer = session.get(
        announced["IDENTITY_ENDPOINT"],
        params={"api-version": "2019-08-01", "resource": resource},
        headers={"X-IDENTITY-HEADER": announced["IDENTITY_HEADER"]},
        timeout=30,
    )
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_15_a_key_opens_the_models_and_not_the_resource(shop: tuple[Lab, requests.Session]) -> None:
    lab, session = shop
    state = lab.state("exposed")
    account = next(each for each in state.of_type("Microsoft.CognitiveServices/accounts") if "shop" in each.name)
    key = {"api-key": state.account_keys(account.id)[0]}
    call = f"{lab.url}/brightcart-shop/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"
    assert session.post(call, json=HELLO, headers=key, timeout=30).status_code not in (401, 403)
    managed = session.get(f"{lab.url}{account.id}?api-version=2025-09-01", headers=key, timeout=30)
    assert (managed.status_code, managed.json()["error"]["code"]) == (401, "AuthenticationFailed")
    reason = finding(snapshot(), "IAM-01").reason
    assert reason == "Keys work on the account: whoever has one can call its models and stays unnamed."


def test_18_openai_user_calls_more_than_chat_completions_and_embeddings() -> None:
    called = " ".join(held(OPENAI_USER, CALL_MODELS))
    assert [each for each in ("chat", "embeddings", "audio", "realtime", "images", "responses") if each not in called] == []  # fmt: skip
    assert held(OPENAI_USER, CALL_MODELS) == CALL_MODELS.actions


def test_19_cognitive_services_contributor_calls_no_model_and_reads_the_keys() -> None:
    (row,) = access_matrix(tenant(assignment(COGNITIVE_SERVICES_CONTRIBUTOR)), ACCOUNT).rows
    assert "call models" not in row.cells
    assert "read keys" in row.cells


def test_20_openai_contributor_is_too_much_for_what_deploys() -> None:
    pipeline = assignment(OPENAI_CONTRIBUTOR, WORKLOAD, "ServicePrincipal")
    assert verdict(tenant(pipeline, deployers=[WORKLOAD]), "IAM-07") == "fail"
    least = custom(actions=["Microsoft.CognitiveServices/accounts/deployments/write"])
    narrow = assignment(CUSTOM, WORKLOAD, "ServicePrincipal")
    assert verdict(tenant(narrow, roles=[least], deployers=[WORKLOAD]), "IAM-07") == "pass"
    writes = {action.rpartition("accounts/")[2] for action in held(OPENAI_CONTRIBUTOR, BLOCKLISTS_AND_POLICIES)}
    assert writes == {"raiPolicies/write"}, "it rewrites policies and creates no blocklist"


@pytest.mark.parametrize(
    ("role", "control"),
    [(COGNITIVE_SERVICES_USER, "IAM-04"), (FOUNDRY_USER, "IAM-04"), (USER_ACCESS_ADMINISTRATOR, "IAM-08"), (RBAC_ADMINISTRATOR, "IAM-08")],
)  # fmt: skip
def test_21_roles_that_the_guide_does_not_know_are_judged_by_what_they_can_do(role: str, control: str) -> None:
    assert verdict(tenant(assignment(role)), control) == "fail"


def test_22_each_of_the_two_contributors_is_taken_for_itself() -> None:
    assert verdict(tenant(assignment(COGNITIVE_SERVICES_CONTRIBUTOR)), "IAM-06") == "fail"
    assert verdict(tenant(assignment(OPENAI_CONTRIBUTOR)), "IAM-06") == "pass"
    assert "“Cognitive Services OpenAI Contributor”" in finding(tenant(assignment(OPENAI_CONTRIBUTOR)), "IAM-07").reason


def test_23_not_only_users_and_not_only_assignments_are_looked_at() -> None:
    role = custom(actions=["*"])
    for kind in ("User", "Group", "ServicePrincipal"):
        assert verdict(tenant(assignment(CUSTOM, kind=kind), roles=[role]), "IAM-04") == "fail"
    assert verdict(tenant(eligible=[assignment(CUSTOM)], roles=[role]), "IAM-04") == "fail"
    assert verdict(tenant(assignment(CUSTOM), roles=[role], denials=[deny("*")]), "IAM-04") == "pass"
    assert f"inherited from “{GROUP}”" in finding(tenant(assignment(OWNER, scope=GROUP)), "IAM-04").reason
    assert "on the account" in finding(tenant(assignment(OWNER, scope=ACCOUNT)), "IAM-04").reason.partition(":")[2]


def test_24_what_lies_below_the_account_or_beside_it_does_not_reach_it() -> None:
    below = assignment(OWNER, scope=f"{ACCOUNT}/projects/p")
    beside = assignment(OWNER, scope=f"{SUB}/resourceGroups/elsewhere")
    sample = tenant(below, beside)
    assert verdict(sample, "IAM-04") == "pass"
    assert [each.scope for each in access_matrix(sample, ACCOUNT).below] == [f"{ACCOUNT}/projects/p".lower()]
    assert access_matrix(sample, ACCOUNT).rows == ()


def test_25_roles_are_named_by_their_names_and_known_by_their_actions() -> None:
    unheard = custom(actions=["Microsoft.CognitiveServices/accounts/listKeys/action"])
    found = finding(tenant(assignment(CUSTOM), roles=[unheard]), "IAM-04")
    assert found.reason == f"1 principal without approval can read or regenerate the account's keys: user “{ALICE}” by “Custom” inherited from “{SUB}”."  # fmt: skip
    assert held(OPENAI_USER, READ_KEYS) == held(OPENAI_USER, WRITE_DEPLOYMENTS) == ()


def test_27_what_a_key_does_is_nobodys_and_that_is_a_grave_matter() -> None:
    severities = {each.id: each.severity for each in catalogue()}
    assert {severities["IAM-01"], severities["IAM-03"]} == {Severity.HIGH}
    assert "stays unnamed" in finding(snapshot(), "IAM-01").reason


def test_28_a_refusal_of_the_data_plane_is_in_no_activity_log(shop: tuple[Lab, requests.Session]) -> None:
    lab, session = shop
    state = lab.state("exposed")
    call = f"{lab.url}/brightcart-shop/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"
    path = f"{lab.url}/subscriptions/{state.world.subscriptions[0]['subscriptionId']}/providers/Microsoft.Insights/eventtypes/management/values"
    since = {"api-version": "2015-04-01", "$filter": "eventTimestamp ge '2026-11-23T00:00:00Z'"}
    reader = token(lab, session, "operator", "https://management.azure.com")

    def events() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = session.get(path, params=since, headers=reader, timeout=30).json()["value"]
        return found

    before = len(events())
    owner = token(lab, session, "operator", "https://cognitiveservices.azure.com")
    refused = session.post(call, json=HELLO, headers=owner, timeout=30)
    assert (refused.status_code, len(events())) == (401, before), "an Owner has no data actions"
    managed = session.put(
        f"{path.partition('/providers')[0]}/resourceGroups/rg-shop/providers/Microsoft.CognitiveServices/accounts/aoai-brightcart-shop/raiPolicies/x",
        params={"api-version": "2025-09-01"},
        json={"properties": {}},
        headers=token(lab, session, "assessor", "https://management.azure.com"),
        timeout=30,
    )
    assert (managed.status_code, len(events()) > before) == (403, True), "a refusal of the management plane is"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("managed_identity", "ManagedIdentityCredential"), ("cli", "AzureCliCredential"), ("device_code", "DeviceCodeCredential")],
)  # fmt: skip
def test_29_production_names_its_credential(name: str, kind: str) -> None:
    assert type(credentials.choose(name, clouds.find("public")).inner).__name__ == kind
    with environment({"AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential"}):
        chain = credentials.choose("default", clouds.find("public")).inner
        assert isinstance(chain, DefaultAzureCredential)
        assert [type(each).__name__ for each in chain.credentials] == ["ManagedIdentityCredential"]
    assert "AZURE_TOKEN_CREDENTIALS" not in os.environ


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (403, "AuthenticationTypeDisabled", "Key based authentication is disabled for this resource.", "pass"),
        (401, "AuthenticationTypeDisabled", "", "pass"),
        (401, "401", "Access denied due to invalid subscription key or wrong API endpoint.", "fail"),
        (403, "403", "Public access is disabled. Please configure private endpoint.", "not_assessed"),
    ],
)
def test_17_a_refused_key_is_known_by_its_code_and_not_by_401(
    status: int, code: str, message: str, expected: str
) -> None:
    tried = {"vantage": "inside", "at": "2026-11-24T03:00:00Z", "status": status, "code": code, "message": message}
    assert verdict(snapshot(key_attempt=[{**tried, "error": ""}]), "IAM-02") == expected
