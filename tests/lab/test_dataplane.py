"""The door of the data plane: networks, keys, identities and roles decide who is let in."""

import pytest

PATH = "openai/deployments/{}/chat/completions?api-version=2024-10-21"
HELLO = {"messages": [{"role": "user", "content": "hello"}], "max_completion_tokens": 20}
DATA = "https://cognitiveservices.azure.com"


def call(guest, where, *, key=None, token=None, address=None):
    headers = {"api-key": key} if key else {"Authorization": f"Bearer {token}"} if token else {}
    headers |= {"x-forwarded-for": address} if address else {}
    return guest.session.post(where, json=HELLO, headers=headers, timeout=30)


def shop(guest, deployment="assistant", listener="url"):
    return f"{getattr(guest.lab, listener)}/brightcart-search/" + PATH.format(deployment)


def key_of(guest, account):
    tenant = guest.lab.state(guest.slug)
    found = next(each for each in tenant.of_type("Microsoft.CognitiveServices/accounts") if each.name == account)
    return tenant.account_keys(found.id)[0]


def error_of(answer):
    return answer.status_code, answer.json()["error"]["code"]


def claims(guest, listener):
    return f"{getattr(guest.lab, listener)}/halden-claims/" + PATH.format("chat")


def test_public_access_off_answers_403_outside_and_works_inside(visit):
    guest = visit("hardened", "assessor")
    token = guest.token(DATA)
    assert error_of(call(guest, claims(guest, "url"), token=token)) == (403, "403")
    assert call(guest, claims(guest, "private_url"), token=token).status_code == 200


def test_switched_off_keys_are_refused_whatever_they_are(visit):
    guest = visit("hardened", "assessor")
    answer = call(guest, claims(guest, "private_url"), key="0" * 32)
    assert error_of(answer) == (403, "AuthenticationTypeDisabled")


def test_a_good_key_is_taken_and_a_wrong_one_is_not(visit):
    guest = visit("exposed")
    where = f"{guest.lab.url}/brightcart-shop/" + PATH.format("gpt-4o")
    assert error_of(call(guest, where, key="0" * 32)) == (401, "401")
    good = call(guest, where, key=key_of(guest, "aoai-brightcart-shop"))
    assert good.status_code != 401


def test_a_firewall_lets_in_its_ranges_only(visit):
    guest = visit("mixed", "assessor")
    token = guest.token(DATA)
    where = f"{guest.lab.url}/meridian-timetables/" + PATH.format("planner")
    assert error_of(call(guest, where, token=token, address="192.0.2.7")) == (403, "403")
    assert call(guest, where, token=token, address="203.0.113.9").status_code == 200


def test_without_a_data_role_the_missing_action_is_named(visit):
    guest = visit("mixed", "operator")
    where = f"{guest.lab.url}/meridian-timetables/" + PATH.format("planner")
    answer = call(guest, where, token=guest.token(DATA))
    assert error_of(answer) == (401, "PermissionDenied")
    assert "OpenAI/deployments/chat/completions/action" in answer.json()["error"]["message"]


@pytest.mark.parametrize("audience", ["https://management.azure.com", None])
def test_a_token_for_another_audience_does_not_open_the_data_plane(visit, audience):
    guest = visit("mixed", "assessor")
    where = f"{guest.lab.url}/meridian-timetables/" + PATH.format("planner")
    answer = call(guest, where, token=guest.token(audience) if audience else None)
    assert error_of(answer) == (401, "Unauthorized")


def test_the_shared_regional_endpoint_takes_keys_only(visit):
    guest = visit("exposed")
    where = f"{guest.lab.url}/eastus.api/" + PATH.format("old-chat")
    assert call(guest, where, token=guest.token(DATA)).status_code == 400
    assert call(guest, where, key=key_of(guest, "aoai-brightcart-legacy")).status_code in (200, 404)
    assert error_of(call(guest, where, key="0" * 32)) == (401, "401")


def test_there_is_no_private_way_in_without_an_approved_connection(visit):
    guest = visit("exposed")
    where = f"{guest.lab.private_url}/brightcart-shop/" + PATH.format("gpt-4o")
    assert call(guest, where, key=key_of(guest, "aoai-brightcart-shop")).status_code == 404


def test_a_key_is_refused_as_soon_as_keys_are_switched_off(visit):
    guest = visit("exposed")
    where = f"{guest.lab.url}/brightcart-shop/" + PATH.format("gpt-4o")
    key = key_of(guest, "aoai-brightcart-shop")
    assert call(guest, where, key=key).status_code != 403
    guest.accounts.accounts.begin_update(
        "rg-shop", "aoai-brightcart-shop", {"properties": {"disableLocalAuth": True}}
    ).result()
    assert error_of(call(guest, where, key=key)) == (403, "AuthenticationTypeDisabled")
