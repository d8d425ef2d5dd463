"""Content-filter policies and blocklists as the lab keeps them, api-version by api-version."""

import pytest
from azure.core.exceptions import HttpResponseError

BASE = "/subscriptions/2e9a6b71-04cd-4f8e-a1b3-5c6d7e8f9003/resourceGroups/rg-shop/providers/"
ACCOUNT = f"{BASE}Microsoft.CognitiveServices/accounts/aoai-brightcart-shop"
WHERE = ("rg-shop", "aoai-brightcart-shop")


def policy(*filters, **more):
    return {"properties": {"basePolicyName": "Microsoft.DefaultV2", "contentFilters": list(filters), **more}}


def hate(**more):
    return {"name": "Hate", "enabled": True, "blocking": True, "source": "Prompt", **more}


def filters(guest, version, name="new"):
    return guest.send("GET", f"{ACCOUNT}/raiPolicies/{name}", version).json()["properties"]["contentFilters"]


def test_the_list_holds_own_and_microsofts_policies_and_says_which(visit):
    found = visit("exposed", "assessor").accounts.rai_policies.list(*WHERE)
    kinds = {each.name: each.properties.type for each in found}
    assert kinds["relaxed"] == "UserManaged"
    assert sorted(name for name, kind in kinds.items() if kind == "SystemManaged") == [
        "Microsoft.Audio",
        "Microsoft.Default",
        "Microsoft.DefaultV2",
        "Microsoft.Nil",
        "Microsoft.Reasoning",
        "Microsoft.Streaming",
    ]


def test_each_api_version_spells_the_threshold_its_way(visit):
    guest = visit("exposed")
    made = guest.send("PUT", f"{ACCOUNT}/raiPolicies/new", json=policy(hate(severityThreshold="Low")))
    assert made.status_code == 201
    assert filters(guest, "2025-09-01")[0]["severityThreshold"] == "Low"
    assert filters(guest, "2024-04-01-preview")[0]["allowedContentLevel"] == "Low"
    assert filters(guest, "2026-05-01")[0]["action"] == "BLOCKING"


def test_a_threshold_in_the_wrong_spelling_is_lost(visit):
    guest = visit("exposed")
    guest.send("PUT", f"{ACCOUNT}/raiPolicies/new", json=policy(hate(allowedContentLevel="Low")))
    assert filters(guest, "2025-09-01")[0]["severityThreshold"] == "Medium"


def test_put_replaces_the_whole_policy(visit):
    guest = visit("exposed")
    jailbreak = {"name": "Jailbreak", "enabled": True, "blocking": True, "source": "Prompt"}
    guest.send(
        "PUT", f"{ACCOUNT}/raiPolicies/new", json=policy(hate(severityThreshold="Low"), jailbreak, mode="Default")
    )
    guest.send("PUT", f"{ACCOUNT}/raiPolicies/new", json=policy(jailbreak))
    left = guest.send("GET", f"{ACCOUNT}/raiPolicies/new").json()["properties"]
    assert ([each["name"] for each in left["contentFilters"]], "mode" in left) == (["Jailbreak"], False)


@pytest.mark.parametrize(
    "body",
    [
        policy(hate(name="Task Adherence")),
        {"properties": {"contentFilters": []}},
        policy(customBlocklists=[{"blocklistName": "nowhere", "blocking": True, "source": "Prompt"}]),
    ],
)
def test_what_a_policy_cannot_say_is_refused(visit, body):
    answer = visit("exposed").send("PUT", f"{ACCOUNT}/raiPolicies/new", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidResourceProperties")


def test_a_policy_in_use_stays(visit):
    guest = visit("exposed")
    with pytest.raises(HttpResponseError) as caught:
        guest.accounts.rai_policies.begin_delete(*WHERE, "relaxed")
    assert caught.value.error.code == "RaiPolicyInUse"


def test_blocklist_items_are_added_and_removed_in_batches(visit):
    accounts = visit("exposed").accounts
    accounts.rai_blocklists.create_or_update(*WHERE, "canary", {"properties": {"description": "proof"}})
    batch = [{"name": f"item-{n}", "properties": {"pattern": f"token-{n}", "isRegex": False}} for n in range(5)]
    accounts.rai_blocklist_items.batch_add(*WHERE, "canary", batch)
    assert len(list(accounts.rai_blocklist_items.list(*WHERE, "canary"))) == 5
    accounts.rai_blocklist_items.batch_delete(*WHERE, "canary", ["item-0", "item-1"])
    left = [each.name for each in accounts.rai_blocklist_items.list(*WHERE, "canary")]
    assert left == ["item-2", "item-3", "item-4"]


def test_filters_of_a_region_have_names_with_spaces_and_ids_without(visit):
    found = list(visit("exposed", "assessor").accounts.rai_content_filters.list("eastus"))
    names = {each.name: each.properties.name for each in found}
    assert names["IndirectAttack"] == "Indirect Attack"


def test_defenders_switch_is_read_and_thrown(visit):
    accounts = visit("exposed").accounts
    assert accounts.defender_for_ai_settings.get(*WHERE, "Default").state == "Disabled"
    accounts.defender_for_ai_settings.create_or_update(*WHERE, "Default", {"properties": {"state": "Enabled"}})
    assert accounts.defender_for_ai_settings.get(*WHERE, "Default").state == "Enabled"
