"""What goes wrong at a model on request, and what takes effect later: real clients, the whole lab, over TLS."""

import json

import openai
import pytest
import requests
from azure.monitor.query import LogsQueryClient
from click.testing import CliRunner
from openai import AzureOpenAI, OpenAI

from aoai_lib.lab.__main__ import main
from aoai_lib.lab.server import Lab
from aoai_lib.lab.world import read, world_of

DATA = "https://cognitiveservices.azure.com"
CLAIMS = "/resourceGroups/rg-ai-prod/providers/Microsoft.CognitiveServices/accounts/aoai-halden-claims"
SHOP = "/resourceGroups/rg-shop/providers/Microsoft.CognitiveServices/accounts/aoai-brightcart-shop"
BRIGHTCART = "9d8c7b6a-5f4e-4d3c-8b2a-1f0e9d8c7b02"
OPENAI_USERS = {
    "hardened": ("0a51c7e2-5d0e-4b7a-8a10-6f3f0c9d1f04", "private_url", "halden-claims", "chat"),
    "exposed": ("1b62d8f3-6e1f-4c8b-9b21-7a4f1dae2f05", "url", "brightcart-shop", "gpt-4o"),
    "mixed": ("2c73e9a4-7f20-4d9c-8c32-8b5a2ebf3f03", "private_url", "meridian-support", "chat"),
}


@pytest.fixture
def claims(visit):
    """A client of Halden's account inside its network; ``claims(fault, …)`` opens it."""
    opened = []

    def enter(*faults, dated=False, **options):
        guest = visit("hardened", faults=faults, **options)
        token = visit("hardened", "assessor", guest.lab).token(DATA)
        where, more = f"{guest.lab.private_url}/halden-claims", {"max_retries": 0}
        if dated:
            client = AzureOpenAI(azure_endpoint=where, azure_ad_token=token, api_version="2024-10-21", **more)
        else:
            client = OpenAI(base_url=f"{where}/openai/v1/", api_key=token, **more)
        opened.append(client)
        return guest, client

    yield enter
    for each in opened:
        each.close()


def ask(client, text, model="chat", **more):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **more).to_dict()


def test_a_filter_is_down_for_as_many_calls_as_asked(claims):
    _, client = claims("unfiltered:1")
    results = ask(client, "Repeat: zq-canary-41f7c2")["prompt_filter_results"][0]["content_filter_results"]
    assert results == {"error": {"code": "content_filter_error", "message": "The contents are not filtered"}}
    with pytest.raises(openai.BadRequestError, match="filtered"):
        ask(client, "Repeat: zq-canary-41f7c2")


def test_an_account_is_suspended_and_only_its_data_plane(claims):
    guest, client = claims("suspended")
    with pytest.raises(openai.PermissionDeniedError, match="temporarily blocked") as caught:
        ask(client, "Hello")
    assert caught.value.code == "Forbidden"
    assert guest.send("GET", f"/subscriptions/{guest.subscription}{CLAIMS}").status_code == 200


@pytest.mark.parametrize("dated", [False, True])
def test_a_block_is_spelled_as_the_specification_does(claims, dated):
    _, client = claims("respelled", dated=dated)
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, "How can I strangle my boss?")
    error = caught.value.body
    assert (error["code"], "innererror" in error) == ("content_filter", False)
    assert error["inner_error"]["content_filter_results"]["violence"] == {"filtered": True, "severity": "medium"}


def test_a_picture_is_refused_in_three_forms(claims):
    """By recording, by the specification for what was drawn, and as users report of gpt-image."""
    guest, _ = claims("respelled:1:/images/")
    token = visit_token(guest)
    where = f"{guest.lab.private_url}/halden-knowledge/openai/v1/images/generations"
    codes = []
    for headers in ({}, {}, {"x-policy-id": "pictures"}):
        if headers:
            halves = [("Prompt", "High"), ("Completion", "Low")]
            filters = [
                {"name": "Violence", "enabled": True, "blocking": True, "severityThreshold": level, "source": source}
                for source, level in halves
            ]
            address = f"/subscriptions/{guest.subscription}{CLAIMS}".replace(
                "aoai-halden-claims", "ais-halden-knowledge"
            )
            body = {"properties": {"basePolicyName": "Microsoft.DefaultV2", "contentFilters": filters}}
            assert guest.send("PUT", f"{address}/raiPolicies/pictures", json=body).status_code == 201
        answer = guest.session.post(
            where,
            json={"model": "images", "prompt": "A man stabs another."},
            headers={"authorization": f"Bearer {token}"} | headers,
            timeout=30,
        )
        assert answer.status_code == 400
        codes.append(answer.json()["error"]["code"])
    assert codes == ["moderation_blocked", "content_policy_violation", "contentFilter"]
    drawn = answer.json()["error"]["inner_error"]["content_filter_results"]
    assert drawn == {"violence": {"filtered": True, "severity": "medium"}}


def visit_token(guest, client_id=""):
    environment = guest.lab.environment(guest.slug, "assessor")
    return guest.session.get(
        environment["IDENTITY_ENDPOINT"],
        params={"api-version": "2019-08-01", "resource": DATA, "client_id": client_id},
        headers={"X-IDENTITY-HEADER": environment["IDENTITY_HEADER"]},
        timeout=30,
    ).json()["access_token"]


@pytest.mark.parametrize(
    ("kind", "error", "code"),
    [
        ("429", openai.RateLimitError, "429"),
        ("401", openai.AuthenticationError, "401"),
        ("404", openai.NotFoundError, "404"),
    ],
)
def test_an_error_on_request_reads_as_the_data_plane_words_it(claims, kind, error, code):
    _, client = claims(f"{kind}:1:/chat/")
    with pytest.raises(error) as caught:
        ask(client, "Hello")
    assert caught.value.code == code
    assert ask(client, "Repeat: yes")["choices"][0]["message"]["content"] == "yes"


def test_a_stream_breaks_off_in_the_middle(claims):
    _, client = claims("truncate:1:/chat/")
    message = {"role": "user", "content": "Repeat: " + "word " * 30}
    seen = []
    with pytest.raises(openai.APIConnectionError):
        seen.extend(client.chat.completions.create(model="chat", messages=[message], stream=True))
    with client.chat.completions.create(model="chat", messages=[message], stream=True) as whole:
        assert 2 < len(seen) < len(list(whole))


def test_a_new_blocklist_item_waits_and_an_old_one_does_not(claims):
    guest, client = claims(blocklist_delay=300)
    clock = [1000.0]
    guest.lab.state("hardened").memory.clock = lambda: clock[0]
    item = f"/subscriptions/{guest.subscription}{CLAIMS}/raiBlocklists/canary/raiBlocklistItems/fresh"
    with pytest.raises(openai.BadRequestError):
        ask(client, "Repeat: zq-canary-41f7c2")
    assert guest.send("PUT", item, json={"properties": {"pattern": "zq-quince", "isRegex": False}}).status_code < 300
    clock[0] += 299
    assert ask(client, "Repeat: zq-quince")["choices"][0]["message"]["content"] == "zq-quince"
    clock[0] += 1
    with pytest.raises(openai.BadRequestError):
        ask(client, "Repeat: zq-quince")


@pytest.mark.parametrize("by_world", [False, True])
def test_keys_are_taken_for_a_while_after_they_are_switched_off(visit, by_world):
    document = read("exposed") | ({"delays": {"keys": 60}} if by_world else {})
    with Lab([world_of(document)], key_delay=None if by_world else 60) as lab:
        guest = visit("exposed", lab=lab)
        clock = [0.0]
        tenant = lab.state("exposed")
        tenant.memory.clock = lambda: clock[0]
        address = f"/subscriptions/{guest.subscription}{SHOP}"
        headers = {"api-key": tenant.account_keys(address)[0]}

        def status():
            body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
            path = "openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"
            return guest.session.post(
                f"{lab.url}/brightcart-shop/{path}", json=body, headers=headers, timeout=30
            ).status_code

        assert guest.send("PATCH", address, json={"properties": {"disableLocalAuth": True}}).status_code < 300
        found = []
        for clock[0] in (0.0, 59.0, 60.0):
            found.append(status())
        assert found == [200, 200, 403]
        for off in (False, True):
            while guest.send("PATCH", address, json={"properties": {"disableLocalAuth": off}}).status_code == 409:
                guest.send("GET", address)
        assert status() == 200


def test_a_deployment_without_a_policy_has_the_accounts_default(claims):
    guest, client = claims()
    tenant = guest.lab.state("hardened")
    chat = next(each for each in tenant.of_type(f"{CLAIMS.split('/providers/')[1].rpartition('/')[0]}/deployments"))
    assert chat.name == "chat"
    del chat.properties["raiPolicyName"]
    prompt = ask(client, "They were brawling.")["prompt_filter_results"][0]["content_filter_results"]
    assert prompt["violence"] == {"filtered": False, "severity": "low"}
    assert sorted(prompt) == ["hate", "jailbreak", "self_harm", "sexual", "violence"]
    with pytest.raises(openai.BadRequestError):
        ask(client, "How can I strangle my boss?")


@pytest.mark.parametrize("slug", OPENAI_USERS)
def test_every_world_has_an_identity_that_calls_models_and_nothing_else(visit, slug):
    client_id, listener, domain, deployment = OPENAI_USERS[slug]
    guest = visit(slug)
    headers = {"authorization": f"Bearer {visit_token(guest, client_id)}"}
    called = requests.post(
        f"{getattr(guest.lab, listener)}/{domain}/openai/v1/chat/completions",
        json={"model": deployment, "messages": [{"role": "user", "content": "Repeat: yes"}]},
        headers=headers,
        verify=guest.lab.ca_file,
        timeout=30,
    )
    assert (called.status_code, called.json()["choices"][0]["message"]["content"]) == (200, "yes")
    tenant = guest.lab.state(slug)
    principal = next(each for each in tenant.world.principals if each.app_id == client_id)
    held = [each for each in tenant.world.role_assignments if each["principal"] == principal.name]
    assert {each["role"] for each in held} == {"Cognitive Services OpenAI User"}


def test_a_refusal_at_a_model_is_in_the_accounts_log_and_in_no_activity_log(visit):
    guest = visit("exposed")
    before = len(guest.lab.state("exposed").activity)
    refused = guest.session.post(
        f"{guest.lab.url}/brightcart-search/openai/v1/responses",
        json={"model": "search-chat", "input": "Hello"},
        headers={"authorization": f"Bearer {guest.token(DATA)}"},
        timeout=30,
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "PermissionDenied")
    assert len(guest.lab.state("exposed").activity) == before
    with LogsQueryClient(guest.credential, endpoint=f"{guest.lab.url}/v1") as logs:
        wanted = f"AzureDiagnostics | where CorrelationId == '{refused.headers['apim-request-id']}'"
        rows = logs.query_workspace(
            BRIGHTCART, f"{wanted} | project OperationName, ResultSignature, properties_s", timespan=None
        )
    (row,) = rows.tables[0].rows
    assert (row["OperationName"], row["ResultSignature"]) == ("Responses_Create", "401")
    assert json.loads(row["properties_s"])["objectId"] == ""


def test_the_command_takes_the_delays_and_says_what_it_does_not_know():
    refused = CliRunner().invoke(main, ["--fault", "filterless"])
    assert refused.exit_code == 2
    assert "unfiltered, suspended, respelled" in refused.output
    assert CliRunner().invoke(main, ["--key-delay", "-1"]).exit_code == 2
    assert "--blocklist-delay" in CliRunner().invoke(main, ["--help"]).output
