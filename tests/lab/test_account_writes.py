"""What hardening writes to an account, by the real SDKs, and that both listeners of the data plane notice at once."""

import pytest
import requests
from azure.core.exceptions import HttpResponseError

SHOP = "/subscriptions/2e9a6b71-04cd-4f8e-a1b3-5c6d7e8f9003/resourceGroups"
ACCOUNT = f"{SHOP}/rg-shop/providers/Microsoft.CognitiveServices/accounts/aoai-brightcart-shop"
NAME = ("rg-shop", "aoai-brightcart-shop")
SUBNET = f"{SHOP}/rg-net/providers/Microsoft.Network/virtualNetworks/vnet-shop/subnets/snet-backend"
TARGET = {"name": "a", "properties": {"privateLinkServiceId": ACCOUNT, "groupIds": ["account"]}}


def change(guest, **properties):
    return guest.accounts.accounts.begin_update(*NAME, {"properties": properties}).result()


def ask(guest, listener, **headers):
    """The status and code that the data plane answers to a key, at the public or the private listener."""
    url = guest.lab.private_url if listener == "private" else guest.lab.url
    answer = requests.post(
        f"{url}/brightcart-shop/openai/deployments/gpt-4o/chat/completions",
        params={"api-version": "2024-10-21"},
        headers={"api-key": guest.lab.state("exposed").account_keys(ACCOUNT)[0], **headers},
        json={"messages": [{"role": "user", "content": "hello"}]},
        verify=guest.lab.ca_file,
        timeout=30,
    )
    return answer.status_code, answer.json().get("error", {}).get("code")


def connect(guest, name, member):
    body = {"location": "eastus", "properties": {"subnet": {"id": SUBNET}, member: [TARGET]}}
    guest.network.private_endpoints.begin_create_or_update("rg-net", name, body).result()
    found = guest.accounts.private_endpoint_connections.list(*NAME).value
    return next(each.id.rpartition("/")[2] for each in found if f"/{name}." in each.id)


def decide(guest, connection, status, description=None):
    body = {"properties": {"privateLinkServiceConnectionState": {"status": status, "description": description}}}
    return guest.send("PUT", f"{ACCOUNT}/privateEndpointConnections/{connection}", json=body)


def test_the_firewalls_lists_are_replaced_whole(visit):
    guest = visit("exposed")
    first = [{"value": "198.51.100.7"}, {"value": "192.0.2.0/24"}]
    change(guest, networkAcls={"defaultAction": "Deny", "ipRules": first, "virtualNetworkRules": []})
    change(guest, networkAcls={"ipRules": [{"value": "192.0.2.0/24"}]})
    acls = guest.accounts.accounts.get(*NAME).properties.network_acls
    assert ([each.value for each in acls.ip_rules], acls.default_action) == (["192.0.2.0/24"], "Deny")


def test_what_a_change_does_not_name_stays_and_every_change_has_a_new_etag(visit):
    guest = visit("exposed")
    before = guest.accounts.accounts.get(*NAME)
    after = change(
        guest, disableLocalAuth=True, restrictOutboundNetworkAccess=True, allowedFqdnList=["st.blob.core.windows.net"]
    )
    assert (after.properties.disable_local_auth, after.properties.allowed_fqdn_list) == (
        True,
        ["st.blob.core.windows.net"],
    )
    kept = ("custom_sub_domain_name", "public_network_access", "network_acls")
    assert [getattr(after.properties, each) for each in kept] == [getattr(before.properties, each) for each in kept]
    assert (after.kind, after.sku, after.tags) == (before.kind, before.sku, before.tags)
    assert after.etag != before.etag


@pytest.mark.parametrize(
    ("properties", "status", "code"),
    [
        ({"customSubDomainName": "other"}, 400, "CustomSubDomainNameChangeNotAllowed"),
        ({"publicNetworkAccess": "Off"}, 400, "InvalidRequestContent"),
        ({"networkAcls": {"defaultAction": "Refuse"}}, 400, "InvalidRequestContent"),
        ({"networkAcls": {"bypass": "Everything"}}, 400, "InvalidRequestContent"),
        ({"networkAcls": {"ipRules": [{"value": "300.1.1.1"}]}}, 400, "InvalidNetworkAclsIpRule"),
        ({"networkAcls": {"virtualNetworkRules": [{"id": f"{SUBNET}-no"}]}}, 400, "InvalidResourceReference"),
        ({"networkAcls": {"virtualNetworkRules": [{"id": SUBNET}]}}, 400, "SubnetsHaveNoServiceEndpointsConfigured"),
        ({"allowedFqdnList": [f"h{number}.example" for number in range(1001)]}, 400, "InvalidRequestContent"),
    ],
)
def test_a_change_is_checked(visit, properties, status, code):
    answer = visit("exposed").send("PATCH", ACCOUNT, json={"properties": properties})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_subnet_without_the_service_endpoint_is_taken_when_that_is_waived(visit):
    rule = {"id": SUBNET, "ignoreMissingVnetServiceEndpoint": True}
    acls = change(visit("exposed"), networkAcls={"virtualNetworkRules": [rule]}).properties.network_acls
    assert [each.id for each in acls.virtual_network_rules] == [SUBNET]


def test_a_subdomain_is_nobodys_elses(visit):
    guest = visit("exposed")
    body = {
        "location": "eastus",
        "kind": "OpenAI",
        "sku": {"name": "S0"},
        "properties": {"customSubDomainName": "brightcart-shop"},
    }
    with pytest.raises(HttpResponseError) as caught:
        guest.accounts.accounts.begin_create("rg-shop", "aoai-new", body)
    assert (caught.value.status_code, caught.value.error.code) == (409, "CustomDomainInUse")


def test_closing_public_access_is_noticed_by_the_public_listener_at_once(visit):
    guest = visit("exposed")
    connect(guest, "pe-new", "privateLinkServiceConnections")
    assert (ask(guest, "public"), ask(guest, "private")) == ((200, None), (200, None))
    change(guest, publicNetworkAccess="Disabled")
    assert (ask(guest, "public"), ask(guest, "private")) == ((403, "403"), (200, None))
    change(guest, publicNetworkAccess="Enabled")
    assert ask(guest, "public") == (200, None)


def test_the_firewall_is_noticed_by_the_public_listener_at_once(visit):
    guest = visit("exposed")
    change(guest, networkAcls={"defaultAction": "Deny", "ipRules": [{"value": "198.51.100.0/24"}]})
    assert ask(guest, "public") == (403, "403")
    assert ask(guest, "public", **{"x-forwarded-for": "198.51.100.9"}) == (200, None)


def test_keys_that_are_switched_off_are_refused_at_once(visit):
    guest = visit("exposed")
    change(guest, disableLocalAuth=True)
    assert ask(guest, "public") == (403, "AuthenticationTypeDisabled")


def test_a_connection_is_decided_at_once_and_both_sides_tell_the_same(visit):
    guest = visit("exposed")
    name = connect(guest, "pe-asked", "manualPrivateLinkServiceConnections")
    for status in ("Approved", "Rejected"):
        answer = decide(guest, name, status)
        state = answer.json()["properties"]["privateLinkServiceConnectionState"]
        assert (answer.status_code, "azure-asyncoperation" in answer.headers) == (200, False)
        assert state == {"status": status, "actionsRequired": "None"}, "a description of null is left out"
        assert seen_by_the_endpoint(guest) == status
    assert answer.json()["name"] == f"aoai-brightcart-shop/{name}"
    guest.accounts.private_endpoint_connections.begin_delete(*NAME, name).result()
    assert seen_by_the_endpoint(guest) == "Disconnected"


def seen_by_the_endpoint(guest):
    endpoint = guest.network.private_endpoints.get("rg-net", "pe-asked").properties
    manual = endpoint.manual_private_link_service_connections[0].properties
    return manual.private_link_service_connection_state.status


@pytest.mark.parametrize("status", ["Sure", None])
def test_a_connection_takes_known_states_only(visit, status):
    guest = visit("exposed")
    name = connect(guest, "pe-asked", "manualPrivateLinkServiceConnections")
    assert decide(guest, name, status).status_code == 400
    assert decide(guest, "made-up", "Approved").status_code == 400


def test_a_lock_that_forbids_writing_keeps_the_account_and_what_is_in_it(visit):
    guest = visit("exposed")
    lock = {"properties": {"level": "ReadOnly"}}
    guest.send("PUT", f"{ACCOUNT}/providers/Microsoft.Authorization/locks/keep", "2020-05-01", json=lock)
    for path in (ACCOUNT, f"{ACCOUNT}/raiBlocklists/x"):
        answer = guest.send("PUT", path, json={"properties": {}})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "ScopeLocked")
