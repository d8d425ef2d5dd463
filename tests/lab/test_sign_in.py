"""Signing in to the lab: TLS, managed identity, client credentials, and every way a token can be wrong."""

import time

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.mgmt.resource.subscriptions import SubscriptionClient

from aoai_lib.lab.server import Lab, load_worlds

SUBSCRIPTIONS = "/subscriptions"


def test_the_default_credential_signs_in_over_tls_and_lists_subscriptions(visit):
    guest = visit("hardened", "assessor")
    client = SubscriptionClient(
        guest.credential, base_url=guest.lab.url, credential_scopes=["https://management.azure.com/.default"]
    )
    assert [each.display_name for each in client.subscriptions.list()] == ["Halden AI Production"]


def test_without_the_labs_authority_tls_fails(visit):
    guest = visit("hardened")
    with pytest.raises(requests.exceptions.SSLError):
        stranger = requests.Session()
        stranger.trust_env = False
        stranger.get(guest.lab.url, timeout=10)


def test_a_wrong_identity_header_gets_no_token(visit):
    guest = visit("hardened")
    answer = guest.session.get(
        f"{guest.lab.url}/msi/token",
        params={"resource": "https://management.azure.com"},
        headers={"X-IDENTITY-HEADER": "guess"},
        timeout=10,
    )
    assert (answer.status_code, "access_token" in answer.text) == (403, False)


@pytest.mark.parametrize(
    ("header", "code"), [(None, "AuthenticationFailed"), ("Bearer a.b.c", "InvalidAuthenticationToken")]
)
def test_no_token_and_a_broken_token_are_told_apart(visit, header, code):
    guest = visit("hardened")
    headers = {"Authorization": header} if header else {}
    answer = guest.session.get(
        guest.lab.url + SUBSCRIPTIONS, params={"api-version": "2022-12-01"}, headers=headers, timeout=10
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
    assert answer.headers["www-authenticate"].startswith("Bearer authorization_uri=")


def test_a_token_for_another_audience_is_refused(visit):
    guest = visit("hardened")
    token = guest.token("https://cognitiveservices.azure.com")
    answer = guest.send("GET", SUBSCRIPTIONS, "2022-12-01", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
    assert "wrong audience" in answer.json()["error"]["message"]


def test_an_expired_token_is_refused_with_the_times(visit):
    guest = visit("hardened", token_seconds=1)
    token = guest.token()
    time.sleep(1.2)
    answer = guest.send("GET", SUBSCRIPTIONS, "2022-12-01", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "ExpiredAuthenticationToken")


def test_a_tenant_cannot_read_anothers_subscription(visit):
    with Lab(load_worlds(["hardened", "exposed"])) as lab:
        guest = visit("hardened", "operator", lab=lab)
        other = lab.state("exposed").world.subscriptions[0]["subscriptionId"]
        answer = guest.send("GET", f"/subscriptions/{other}", "2022-12-01")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "InvalidAuthenticationTokenTenant")


def test_client_credentials_sign_in_with_the_process_secret_only(visit):
    guest = visit("hardened")
    who = guest.lab.service_principal("hardened")
    about = guest.session.get(f"{guest.lab.url}/{who['tenant']}/v2.0/.well-known/openid-configuration", timeout=10)
    form = {"grant_type": "client_credentials", "scope": "https://management.azure.com/.default", **who}
    answer = guest.session.post(about.json()["token_endpoint"], data=form, timeout=10)
    assert answer.json()["token_type"] == "Bearer"
    refused = guest.session.post(about.json()["token_endpoint"], data=form | {"client_secret": "guess"}, timeout=10)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


def test_the_cloud_describes_itself_for_az(visit):
    guest = visit("hardened")
    answer = guest.session.get(
        f"{guest.lab.url}/metadata/endpoints", params={"api-version": "2022-09-01"}, timeout=10
    ).json()
    assert answer["resourceManager"] == f"{guest.lab.url}/"
    assert answer["authentication"]["loginEndpoint"] == f"{guest.lab.url}/"


def test_an_sdk_call_with_an_unknown_identity_fails_as_authentication(visit, monkeypatch):
    guest = visit("hardened")
    monkeypatch.setenv("IDENTITY_HEADER", "guess")
    with pytest.raises(ClientAuthenticationError):
        guest.credential.get_token("https://vault.azure.net/.default")


def test_the_machine_holds_no_person_and_not_the_one_that_may_write(lab: Lab) -> None:
    """By a client id an assessor gets another workload's token, never the operator's, a user's or a group's."""
    tenant = lab.state("exposed")
    announced = lab.environment("exposed")
    got: dict[str, int] = {}
    with requests.Session() as line:
        line.verify, line.trust_env = lab.ca_file, False
        for each in tenant.world.principals:
            if each.app_id:
                answer = line.get(
                    announced["IDENTITY_ENDPOINT"],
                    params={
                        "api-version": "2019-08-01",
                        "resource": "https://management.azure.com",
                        "client_id": each.app_id,
                    },
                    headers={"X-IDENTITY-HEADER": announced["IDENTITY_HEADER"]},
                    timeout=30,
                )
                got[each.name] = answer.status_code
    assert got["id-shop-backend"] == got["assessor"] == 200
    assert got["operator"] == 400
    assert not [name for name, status in got.items() if "@" in name and status == 200]
