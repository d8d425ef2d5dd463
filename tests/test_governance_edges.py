"""GOV controls at their edges: every kind, name and type they know, and the values next to those that decide."""

from __future__ import annotations

from typing import Any

import pytest
from builders import ACCOUNT, SUBSCRIPTION, account, deployment, reading, snapshot

from aoai_lib.assess import judge
from aoai_lib.controls import catalogue
from aoai_lib.model import Finding, Reading

MODELS = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.CognitiveServices/locations/swedencentral"


def verdict(id: str, *readings: Reading, requirements: Any = None, **values: Any) -> Finding:  # noqa: A002
    control = next(each for each in catalogue() if each.id == id)
    (found,) = judge(snapshot(*readings, requirements=requirements, **values), [control])
    return found


@pytest.mark.parametrize(
    "host",
    [
        "a.openai.azure.com", "a.cognitiveservices.azure.com", "a.services.ai.azure.com", "eastus.api.cognitive.microsoft.com",
        "a.openai.azure.us", "a.cognitiveservices.azure.us", "a.services.ai.azure.us", "usgovarizona.api.cognitive.microsoft.us",
        "a.openai.azure.cn", "a.cognitiveservices.azure.cn", "a.services.ai.azure.cn", "chinaeast2.api.cognitive.azure.cn",
    ],
)  # fmt: skip
def test_every_public_name_of_the_service_is_known(host: str) -> None:
    assert verdict("GOV-10", account=account(endpoint=f"https://{host}/")).status == "pass"


@pytest.mark.parametrize(
    "kind",
    [
        "CognitiveServices", "ComputerVision", "ContentModerator", "ContentSafety", "CustomVision.Prediction",
        "CustomVision.Training", "Face", "FormRecognizer", "ImmersiveReader", "LUIS", "LUIS.Authoring", "Personalizer",
        "QnAMaker", "QnAMaker.v2", "SpeechServices", "TextAnalytics", "TextTranslation",
    ],
)  # fmt: skip
def test_every_kind_that_serves_other_things_is_known(kind: str) -> None:
    assert verdict("GOV-10", account=account() | {"kind": kind}).status == "fail"


@pytest.mark.parametrize("half", [{"keyName": "k"}, {"keyVaultUri": "https://v.vault.azure.net/"}])
def test_half_a_customer_managed_key_is_none(half: dict[str, str]) -> None:
    body = account(encryption={"keySource": "Microsoft.KeyVault", "keyVaultProperties": half})
    found = verdict("GOV-01", account=body, requirements={"customer_managed_key": True})
    assert found.status == "fail"
    assert "names no vault or no key" in found.reason


def test_the_storage_is_named() -> None:
    storage = [{"resourceId": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/st/"}]
    assert "“st”" in verdict("GOV-02", account=account(userOwnedStorage=storage)).reason


def test_where_no_tag_is_required_there_is_nothing_to_judge() -> None:
    assert verdict("GOV-08", account=account() | {"tags": {"owner": "x"}}).status == "not_applicable"


def budget(**properties: Any) -> Reading:
    told = {"enabled": True, "contactEmails": ["a@example.com"]}
    body = {"timePeriod": {}, "notifications": {"n": told}, **properties}
    return reading("budgets", SUBSCRIPTION, [{"id": "/b", "name": "b", "properties": body}])


def dimension(name: str, value: str, **more: str) -> dict[str, Any]:
    return {"dimensions": {"name": name, "values": [value], **more}}


GROUP = dimension("ResourceGroupName", "rg")


@pytest.mark.parametrize(
    ("properties", "status"),
    [
        pytest.param({"timePeriod": {"endDate": "2026-11-23T09:00:00Z"}}, "fail", id="ends-now"),
        pytest.param({"timePeriod": {"endDate": "2026-11-23T09:00:01Z"}}, "pass", id="ends-in-a-second"),
        pytest.param({"timePeriod": {"endDate": "2026-11-23T10:30:00+02:00"}}, "fail", id="ended-in-another-zone"),
        pytest.param({"notifications": {"n": {"enabled": True, "contactGroups": ["/ag"]}}}, "pass", id="group"),
        pytest.param({"filter": GROUP}, "pass", id="no-operator-is-in"),
        pytest.param({"filter": {"and": [GROUP, dimension("ResourceGroup", "rg")]}}, "pass", id="both-parts-include"),
        pytest.param({"filter": dimension("ResourceGroup", "rg-2")}, "fail", id="other-group-by-its-other-name"),
        pytest.param({"filter": dimension("ResourceId", f"{ACCOUNT}/")}, "pass", id="id-with-slash"),
        pytest.param({"filter": {"not": GROUP}}, "fail", id="neither-dimension-nor-tag"),
    ],
)
def test_budgets(properties: Any, status: str) -> None:
    assert verdict("GOV-09", budget(**properties)).status == status


@pytest.mark.parametrize("properties", [{}, {"notifications": {}}, {"filter": {}}])
def test_what_is_read_of_a_budget_is_cited(properties: Any) -> None:
    assert {each.evidence for each in verdict("GOV-09", budget(**properties)).observed} == {("e1",)}


@pytest.mark.parametrize(
    ("sku", "in_region", "in_zone"),
    [
        ("DeveloperTier", "fail", "fail"),
        ("DataZoneProvisionedManaged", "fail", "pass"),
        ("Provisioned", "pass", "pass"),
    ],
)
def test_residency(sku: str, in_region: str, in_zone: str) -> None:
    body = deployment() | {"sku": {"name": sku}}
    assert verdict("GOV-05", deployment=body, requirements={"residency": "region"}).status == in_region
    assert verdict("GOV-05", deployment=body, requirements={"residency": "data_zone"}).status == in_zone


def test_where_any_place_will_do_the_region_alone_decides() -> None:
    body = deployment() | {"sku": {"name": "SomethingNew"}}
    assert verdict("GOV-05", deployment=body, requirements={"allowed_regions": ["swedencentral"]}).status == "pass"


def offered(ends: str, kind: str = "OpenAI", **model: Any) -> dict[str, Any]:
    inner = {"format": "OpenAI", "name": "gpt-5", "version": "2025-08-07", "deprecation": {"inference": ends}, **model}
    return {"kind": kind, "model": inner}


LIVES, GONE = "2027-09-01T00:00:00Z", "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("other", "status"),
    [
        (offered(GONE), "fail"),
        (offered(GONE, format="Meta"), "pass"),
        (offered(GONE, name="gpt-4"), "pass"),
        (offered(GONE, version="2025-08-08"), "pass"),
        (offered(GONE, format=None), "pass"),
    ],
)
def test_only_the_very_model_counts(other: dict[str, Any], status: str) -> None:
    assert verdict("GOV-03", reading("models", MODELS, [offered(LIVES), other])).status == status


def test_versions_compare_in_any_case() -> None:
    body = deployment(model={"format": "OpenAI", "name": "gpt-5", "version": "Turbo-1"})
    listed = reading("models", MODELS, [offered(LIVES, version="turbo-1")])
    assert verdict("GOV-03", listed, deployment=body).status == "pass"


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ([{"kind": "OpenAI"}, {"kind": "OpenAI", "model": "gpt-5"}], "does not hold"),
        ([offered(LIVES, version=5)], "does not hold"),
        ([offered("2026-11-23T09:00:00Z")], "was retired on 2026-11-23"),
        ([offered("2026-11-24T09:00:00Z")], "retires on 2026-11-24, within 60 days"),
    ],
)
def test_the_reason_tells_which_it_is(models: Any, said: str) -> None:
    assert said in verdict("GOV-03", reading("models", MODELS, models)).reason
