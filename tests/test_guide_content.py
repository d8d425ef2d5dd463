"""The guide's errors about configured content filters, each by its number in the list of corrections, and that we don't repeat it.

Those about probes are in test_guide_content_probes.py; 40 and 42 to 44 have a second test where hardening has its own.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient
from azure.mgmt.cognitiveservices.models import RaiPolicy
from builders import ACCOUNT, reading
from guardrail_samples import changed, entry, found, guarded, harms, model, policy, status, strict
from hardening import own_lab, parameters, plan

from aoai_lib.azure import clouds, credentials
from aoai_lib.azure.clients import Azure
from aoai_lib.collect.scope import POLICIES
from aoai_lib.controls import catalogue
from aoai_lib.evidence.store import Evidence
from aoai_lib.guardrails import guardrail_matrix
from aoai_lib.guardrails.filters import NAMED, folded
from aoai_lib.model import Snapshot, State, Status

FILTER_CONTROLS = ("CNT-01", "CNT-02", "CNT-03", "CNT-04", "CNT-05")
GUIDES = [
    {"name": name, "allowedContentLevel": "Low", "blocking": True, "enabled": True, "source": source}
    for name in ("hate", "violence", "sexual", "selfharm")
    for source in ("Prompt", "Completion")
] + [{"name": name, "blocking": True, "enabled": True, "source": "Prompt"} for name in ("jailbreak", "indirect_attack")]
"""The filters of the guide's policy: its names, and its field for the level."""


def cells(snapshot: Snapshot) -> dict[str, str]:
    """`name direction` → what the one deployment of a sample does."""
    (row,) = guardrail_matrix(snapshot, ACCOUNT).rows
    return {
        f"{cell.filter.name} {cell.direction}": f"{cell.setting.effect} {cell.setting.threshold}".strip()
        for cell in row.cells
    }


@pytest.fixture
def tenant() -> Iterator[tuple[CognitiveServicesManagementClient, Azure, str]]:
    """A lab of the test's own: the SDK as the guide uses it, our own reading client, and the id of an account."""
    with own_lab("exposed") as lab:
        cloud = clouds.find("lab")
        credential = credentials.choose("default", cloud)
        azure = Azure(cloud, credential, Evidence())
        accounts = lab.state("exposed").of_type("Microsoft.CognitiveServices/accounts")
        account = next(each.id for each in accounts if each.name == "aoai-brightcart-shop")
        scopes = ["https://management.azure.com/.default"]
        with CognitiveServicesManagementClient(
            credential,
            account.split("/")[2],
            base_url=cloud.arm,
            credential_scopes=scopes,
            connection_verify=lab.ca_file,
        ) as client:
            yield client, azure, account
        azure.close()


def test_30_the_defaults_are_more_than_four_harms_and_differ_by_kind_of_model() -> None:
    shown = cells(guarded(deployment=model("gpt-5", "Microsoft.DefaultV2")))
    assert {shown[f"{name} {way}"] for name in ("Hate", "Sexual", "Violence", "Selfharm") for way in ("Prompt", "Completion")} == {"blocks Medium"}  # fmt: skip
    assert (shown["Jailbreak Prompt"], shown["Protected Material Text Completion"]) == ("blocks", "blocks")
    assert (shown["Indirect Attack Prompt"], shown["Protected Material Code Completion"]) == ("off", "annotates")
    assert set(cells(guarded(deployment=model("whisper", "Microsoft.DefaultV2"))).values()) == {"not applicable"}
    images = cells(guarded(deployment=model("gpt-image-2", "Microsoft.DefaultV2")))
    assert (images["Hate Completion"], images["Protected Material Text Completion"]) == (
        "blocks Medium",
        "not applicable",
    )


def test_30_what_the_default_holds_is_read_and_not_remembered() -> None:
    other = policy("Microsoft.DefaultV2", harms("High"), type="SystemManaged")
    sample = guarded(
        deployment=model("gpt-5", "Microsoft.DefaultV2"), readings=[reading("rai_policies", ACCOUNT, [other])]
    )
    assert cells(sample)["Hate Prompt"] == "blocks High"
    assert {status(sample, control) for control in FILTER_CONTROLS} == {Status.FAIL}


@pytest.mark.parametrize(
    ("name", "version", "end"),
    [
        ("gpt-4", "turbo-2024-04-09", "2026-10-01"),
        ("gpt-4o", "2024-11-20", "2026-10-01"),
        ("dall-e-3", "3.0", "2026-03-01"),
        ("whisper", "001", "2026-12-15"),
    ],
)
def test_31_the_models_of_the_guide_are_retired_or_nearly(name: str, version: str, end: str) -> None:
    deployed = model(name, "Microsoft.DefaultV2")
    deployed["properties"]["model"]["version"] = version
    listed = {
        "kind": "OpenAI",
        "model": {
            "format": "OpenAI",
            "name": name,
            "version": version,
            "deprecation": {"inference": f"{end}T00:00:00Z"},
        },
    }
    region = f"{ACCOUNT.partition('/resourceGroups/')[0]}/providers/Microsoft.CognitiveServices/locations/swedencentral"
    sample = guarded(deployment=deployed, readings=[reading("models", region, [listed])])
    assert datetime.fromisoformat(sample.as_of) < datetime(2026, 12, 15, tzinfo=UTC)
    assert status(sample, "GOV-03") is Status.FAIL
    listed["model"]["deprecation"]["inference"] = "2027-12-01T00:00:00Z"  # type: ignore[index]
    assert status(sample, "GOV-03") is Status.PASS


def test_38_levels_are_sent_by_the_name_that_they_have_now() -> None:
    with own_lab("exposed"):
        planned = plan(parameters("exposed"), "CNT-01", "CNT-02", "CNT-03", "CNT-04")
    bodies = [each.request for each in planned.steps if "/raiPolicies/" in each.request.path]
    assert bodies
    for request in bodies:
        filters = request.body["properties"]["contentFilters"]
        assert request.api_version == POLICIES
        assert not [each for each in filters if "allowedContentLevel" in each]
        assert [each["name"] for each in filters if folded(each["name"]) in ("hate", "selfharm") and "severityThreshold" not in each] == []  # fmt: skip


def test_38_an_old_answer_is_read_all_the_same() -> None:
    assert cells(guarded(policy("strict", GUIDES)))["Violence Completion"] == "blocks Low"


def test_39_names_are_sent_as_the_service_spells_them(
    tenant: tuple[CognitiveServicesManagementClient, Azure, str],
) -> None:
    client, _, _ = tenant
    offered = {each.properties.name for each in client.rai_content_filters.list("eastus")}
    planned = plan(parameters("exposed"), "CNT-01", "CNT-03", "CNT-04", "CNT-05")
    sent = {
        each["name"]
        for step in planned.steps
        if "/raiPolicies/" in step.request.path
        for each in step.request.body["properties"]["contentFilters"]
    }
    assert {"Selfharm", "Indirect Attack", "Protected Material Text"} <= sent <= offered
    assert {folded(name) for name in offered} <= set(NAMED)


def test_39_the_guides_spelling_is_understood_when_it_is_read() -> None:
    sample = guarded(policy("strict", GUIDES))
    assert {status(sample, control) for control in FILTER_CONTROLS[:4]} == {Status.PASS}


def test_40_a_threshold_that_the_sdk_drops_is_missed_when_it_is_read_back(
    tenant: tuple[CognitiveServicesManagementClient, Azure, str],
) -> None:
    """The guide's body through the SDK: all levels are gone on the way, and what the service holds is not Low."""
    client, azure, account = tenant
    body: Any = {"properties": {"basePolicyName": "Microsoft.DefaultV2", "contentFilters": GUIDES}}
    group, name = account.split("/")[4], account.rpartition("/")[2]
    answer = client.rai_policies.create_or_update(group, name, "strict", body)
    assert isinstance(answer, RaiPolicy)
    listed = list(azure.list(f"{account}/raiPolicies", POLICIES))
    (held,) = (each for each in listed if each["name"] == "strict")
    sample = guarded(held, requirements={"filter_threshold": "Low"})
    assert cells(sample)["Hate Prompt"] == "blocks Medium"
    assert status(sample, "CNT-01") is Status.FAIL
    unread = copy.deepcopy(held)
    for each in unread["properties"]["contentFilters"]:
        each.pop("severityThreshold", None)
    assert status(guarded(unread), "CNT-01") is Status.NOT_ASSESSED, "a level that is nowhere is not taken for any"


@pytest.mark.parametrize(("level", "expected"), [("Low", "pass"), ("Medium", "fail"), ("High", "fail")])
def test_41_low_is_strict_and_said_to_block_from_low_up(level: str, expected: str) -> None:
    sample = guarded(changed("Hate", "Prompt", severityThreshold=level), requirements={"filter_threshold": "Low"})
    judged = found(sample, "CNT-01")
    assert judged.status == expected
    said = (
        "of severity Low and above"
        if level == "Low"
        else f"severity Low required: hate (prompts) is blocked from severity {level}"
    )
    assert said in judged.reason


def test_42_what_the_guides_policy_leaves_out_is_missed() -> None:
    sample = guarded(policy("strict", GUIDES), requirements={"required_blocklists": ["canary"]}, rai_blocklists=[])
    assert {status(sample, control) for control in ("CNT-05", "CNT-07", "CNT-08")} == {Status.FAIL}
    assert status(guarded(strict(mode="Asynchronous_filter")), "CNT-06") is Status.FAIL


def test_43_a_policy_that_no_deployment_names_protects_nothing() -> None:
    unbound = guarded(strict(), policy("weak", harms("High")), deployment=model("gpt-5", "weak"))
    assert {status(unbound, control) for control in FILTER_CONTROLS} == {Status.FAIL}
    nothing = guarded(strict(), deployment=model("gpt-5", None))
    assert {status(nothing, control) for control in (*FILTER_CONTROLS, "CNT-09")} == {Status.NOT_ASSESSED}


@pytest.mark.parametrize("state", [State.DENIED, State.NOT_FOUND, State.FAILED])
def test_44_a_read_that_failed_is_no_word_about_filters(state: State) -> None:
    refused = reading("rai_policies", ACCOUNT, None, state, reason="GET answered 403.")
    sample = guarded(readings=[refused])
    controls = [each.id for each in catalogue() if each.id in (*FILTER_CONTROLS, "CNT-06", "CNT-08", "CNT-09")]
    assert [status(sample, control) for control in controls] == [Status.NOT_ASSESSED] * 8
    assert set(cells(sample).values()) == {"unknown"}


def test_45_any_policy_of_the_account_may_be_chosen_by_header() -> None:
    spare = guarded(strict(), policy("for-tests", [*harms("Low", blocking=False), entry("Jailbreak", "Prompt")]))
    assert status(spare, "CNT-01") is Status.PASS, "the deployment itself is well"
    judged = found(spare, "CNT-08")
    assert judged.status is Status.FAIL
    assert "“x-policy-id”: “for-tests”" in judged.reason
