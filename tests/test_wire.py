"""What goes over the wire: only reads, each recorded, none with a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest
from builders import SUBSCRIPTION
from tenants import ROOT, collect

from aoai_lib import run
from aoai_lib.azure import clouds, credentials
from aoai_lib.azure.clients import Azure
from aoai_lib.azure.permission import WriteRefusedError, refuse_strangers, refuse_writes
from aoai_lib.azure.replay import Recording
from aoai_lib.collect import network, reader
from aoai_lib.collect.reader import read
from aoai_lib.evidence.redaction import mask
from aoai_lib.evidence.store import Evidence
from aoai_lib.fleet import environment
from aoai_lib.lab.server import Lab, load_worlds
from aoai_lib.model import SignInError, State
from aoai_lib.parameters import Parameters, load

ARM = "https://management.azure.com"
ACCOUNT = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.CognitiveServices/accounts/a"
DATA = "https://a.openai.azure.com/openai"


@pytest.fixture
def own_lab() -> Iterator[Lab]:
    """A lab of the test's own, to spoil."""
    with Lab(load_worlds(["hardened"])) as served:
        yield served


@pytest.fixture
def azure(own_lab: Lab) -> Iterator[Azure]:
    with environment(own_lab.environment("hardened")):
        client = Azure(clouds.find("lab"), credentials.choose("default", clouds.find("lab")), Evidence())
        yield client
        client.close()


def subscription(azure: Azure) -> str:
    return next(iter(azure.subscriptions().subscriptions.list())).subscription_id


@pytest.mark.parametrize(
    ("method", "url", "inference"),
    [
        ("PUT", f"{ARM}{ACCOUNT}", True),
        ("PATCH", f"{ARM}{ACCOUNT}", True),
        ("DELETE", f"{ARM}{ACCOUNT}/deployments/d", True),
        ("POST", f"{ARM}{ACCOUNT}/listKeys?api-version=2025-09-01", True),
        ("POST", f"{ARM}{ACCOUNT}/regenerateKey", True),
        ("POST", f"{ARM}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.CognitiveServices/register", True),
        ("POST", f"{ARM}{ACCOUNT}/listKeys/v1/workspaces/x/query", True),
        ("POST", f"{ARM}{ACCOUNT}/providers/Microsoft.ResourceGraph/resources", True),
        ("POST", f"{DATA}/deployments/d/chat/completions", False),
        ("POST", f"{DATA}/v1/files", True),
        ("POST", f"{DATA}/v1/fine_tuning/jobs", True),
        ("MERGE", f"{ARM}{ACCOUNT}", True),
    ],
)
def test_what_could_write_is_refused(method: str, url: str, inference: bool) -> None:
    with pytest.raises(WriteRefusedError, match="only reads"):
        refuse_writes(method, url, inference=inference)


@pytest.mark.parametrize(
    ("method", "url", "inference"),
    [
        ("GET", f"{ARM}{ACCOUNT}", False),
        ("head", f"{ARM}{ACCOUNT}", False),
        ("POST", "https://api.loganalytics.io/v1/workspaces/w/query", False),
        ("POST", "https://graph.microsoft.com/v1.0/directoryObjects/getByIds", False),
        ("POST", f"{ARM}/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01", False),
        ("POST", f"{DATA}/deployments/d/chat/completions?api-version=2024-10-21", True),
        ("POST", f"{DATA}/v1/responses", True),
    ],
)
def test_what_reads_may_pass(method: str, url: str, inference: bool) -> None:
    refuse_writes(method, url, inference=inference)


def test_writes_through_the_sdks_never_leave(azure: Azure, own_lab: Lab) -> None:
    sub = subscription(azure)
    cognitive = azure.cognitive(sub)
    account = next(iter(cognitive.accounts.list()))
    group = account.id.split("/")[4]
    assignment = "00000000-0000-4000-8000-00000000beef"
    attempts = [
        lambda: cognitive.accounts.list_keys(group, account.name),
        lambda: cognitive.accounts.begin_delete(group, account.name),
        lambda: cognitive.accounts.begin_update(group, account.name, {"properties": {"disableLocalAuth": False}}),
        lambda: cognitive.rai_policies.create_or_update(group, account.name, "weak", {"properties": {}}),
        lambda: azure.authorization(sub).role_assignments.create(account.id, assignment, {"properties": {}}),
        lambda: azure.network(sub).private_endpoints.begin_delete(group, "pe"),
        lambda: azure._arm.send_request(HttpRequest("POST", f"{azure.cloud.arm}{account.id}/listKeys")),
    ]
    before = len(own_lab.requests)
    for attempt in attempts:
        with pytest.raises(WriteRefusedError):
            attempt()
    assert len(own_lab.requests) == before


def test_an_unregistered_provider_is_not_registered() -> None:
    """ARM clients answer MissingSubscriptionRegistration by registering the provider, which is a write."""
    error = {
        "error": {
            "code": "MissingSubscriptionRegistration",
            "message": "Not registered to use namespace 'Microsoft.CognitiveServices'",
        }
    }
    url = f"{ARM}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.CognitiveServices/accounts"
    recording = Recording([{"method": "GET", "url": url, "status": 409, "headers": {}, "body": error}])
    evidence = Evidence()
    snapshot = run.collect(Parameters(tenant="t", cloud="public"), (), evidence, recording=recording)
    reading = snapshot.reading("accounts", SUBSCRIPTION)
    assert reading.state is State.FAILED
    assert "409 MissingSubscriptionRegistration" in reading.reason
    assert {each.method for each in evidence.exchanges} == {"GET"}


def test_each_try_is_a_line(azure: Azure, own_lab: Lab) -> None:
    own_lab.faults.add("503:1:subscriptions")
    subscription(azure)
    first, second = azure.evidence.exchanges
    assert (first.status, second.status) == (503, 200)
    assert second.id == f"{first.id}-2"
    assert second.headers["date"] == "Mon, 23 Nov 2026 09:00:00 GMT"
    assert len(second.sha256) == 64
    assert "x-ms-operation-identifier" not in second.headers


def test_evidence_names_are_the_same_in_every_run(lab: Lab) -> None:
    runs = [Evidence(), Evidence()]
    for evidence in runs:
        collect(lab, "hardened", evidence)
    first, second = ({(each.id, each.method, each.url) for each in evidence.exchanges} for evidence in runs)
    assert first == second


def test_no_token_is_in_the_evidence(lab: Lab) -> None:
    evidence = Evidence()
    collect(lab, "hardened", evidence)
    text = json.dumps([each.body for each in evidence.exchanges]) + str([each.headers for each in evidence.exchanges])
    assert "eyJ" not in text
    assert "Bearer" not in text


def test_no_token_is_a_clear_error(own_lab: Lab) -> None:
    with (
        environment({**own_lab.environment("hardened"), "IDENTITY_HEADER": "wrong"}),
        pytest.raises(SignInError) as told,
    ):
        run.collect(load(ROOT / "parameters" / "hardened.yaml"), (), Evidence())
    assert "Sign in first" in str(told.value)
    assert "\n" not in str(told.value)


def test_no_password_of_a_netrc_file_takes_the_tokens_place(
    own_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login somebody password something\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    evidence = Evidence()
    collect(own_lab, "hardened", evidence, vantage="")
    assert {each.status for each in evidence.exchanges} == {200}


def test_masked_secrets_stay_joinable() -> None:
    assert mask("a" * 40) == mask("a" * 40) != mask("b" * 40)


@pytest.mark.parametrize(
    ("fault", "state", "why"),
    [
        ("circle", State.FAILED, "the pages of the list lead in a circle"),
        ("endless", State.FAILED, "the pages of the list lead in a circle"),
        ("elsewhere", State.FAILED, "which is another service: nothing was sent there"),
        ("expired", State.DENIED, "answered 401 ExpiredAuthenticationToken"),
        ("429day", State.FAILED, "answered 429 TooManyRequests"),
    ],
)
def test_a_list_that_leads_on_for_ever_or_is_refused_is_not_read(
    own_lab: Lab, azure: Azure, fault: str, state: State, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nobody waits a day."""
    monkeypatch.setattr(reader, "MOST_PAGES", 5)
    own_lab.faults.add(f"{fault}::privateEndpoints")
    subscription = str(own_lab.state("hardened").world.subscriptions[0]["subscriptionId"])
    listing = next(each for each in network.SOURCES if each.name == "private_endpoints")
    found = read(azure, listing, subscription)
    assert (found.state, found.value) == (state, None)
    assert why in found.reason
    assert len([each for each in own_lab.requests if "privateEndpoints" in each.path]) <= (
        1 if fault == "elsewhere" else 7
    )


@pytest.mark.parametrize(
    "address",
    [
        "https://management.azure.com.evil.example/x", "https://evil.example/https://management.azure.com", "http://management.azure.com/x",
        "https://evil.example\\@management.azure.com/x", "https://management.azure.com@evil.example/x", "https://management.azure.com:8443/x",
        "https://evilmanagement.azure.com/x", "https://graph.microsoft.com/v1.0/users", "//management.azure.com/x", "/subscriptions", "",
    ],
)  # fmt: skip
def test_no_token_goes_to_another_host(address: str) -> None:
    with pytest.raises(AzureError, match="nothing was sent there"):
        refuse_strangers(address, ARM)


@pytest.mark.parametrize(
    "address",
    [f"{ARM}/x", f"{ARM}:443/x", "https://MANAGEMENT.azure.com/x", "https://westeurope.management.azure.com/x"],
)
def test_a_next_page_may_be_at_the_service_or_a_region_of_it(address: str) -> None:
    refuse_strangers(address, ARM)
