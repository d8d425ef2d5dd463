"""GOV-01 to GOV-10 on the shapes that the service really answers with."""

from __future__ import annotations

from typing import Any

import pytest
from builders import ACCOUNT, GROUP, SUBSCRIPTION, account, deployment, reading, snapshot

from aoai_lib.assess import judge
from aoai_lib.controls import catalogue
from aoai_lib.model import Finding, Reading, State

MODELS = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.CognitiveServices/locations/swedencentral"
KEY = {"keyName": "k", "keyVersion": "1", "keyVaultUri": "https://v.vault.azure.net/"}


def verdict(id: str, *readings: Reading, requirements: Any = None, **values: Any) -> Finding:  # noqa: A002
    control = next(each for each in catalogue() if each.id == id)
    (found,) = judge(snapshot(*readings, requirements=requirements, **values), [control])
    return found


@pytest.mark.parametrize(
    ("encryption", "required", "optional"),
    [
        ({"keySource": "Microsoft.KeyVault", "keyVaultProperties": KEY}, "pass", "pass"),
        ({"keySource": "Microsoft.Keyvault", "keyVaultProperties": KEY}, "pass", "pass"),
        ({"keySource": "Microsoft.CognitiveServices"}, "fail", "not_applicable"),
        ({"keySource": "Microsoft.KeyVault"}, "fail", "not_applicable"),
        (None, "fail", "not_applicable"),
        ({}, "fail", "not_applicable"),
    ],
    ids=["vault", "casing", "the-block-alone-is-no-key", "vault-without-key", "null", "empty"],
)
@pytest.mark.parametrize("kind", ["OpenAI", "AIServices"])
def test_customer_managed_key(encryption: Any, required: str, optional: str, kind: str) -> None:
    """Of every kind: other tools leave AIServices out."""
    body = account(encryption=encryption) | {"kind": kind}
    assert verdict("GOV-01", account=body, requirements={"customer_managed_key": True}).status == required
    assert verdict("GOV-01", account=body).status == optional


def test_an_account_without_the_property_has_no_key_of_its_own() -> None:
    assert verdict("GOV-01", requirements={"customer_managed_key": True}).status == "fail"


@pytest.mark.parametrize(
    ("storage", "required", "optional"),
    [
        ([{"resourceId": f"{GROUP}/providers/Microsoft.Storage/storageAccounts/st"}], "pass", "pass"),
        ([{"resourceId": None}], "fail", "not_applicable"),
        ([], "fail", "not_applicable"),
        (None, "fail", "not_applicable"),
    ],
)
def test_customer_owned_storage(storage: Any, required: str, optional: str) -> None:
    body = account(userOwnedStorage=storage)
    assert verdict("GOV-02", account=body, requirements={"customer_owned_storage": True}).status == required
    assert verdict("GOV-02", account=body).status == optional


def offered(inference: Any, kind: str = "OpenAI", version: str = "2025-08-07", **model: Any) -> dict[str, Any]:
    """An entry of a region's model list (2025-06-01): the model lies one level down."""
    inner = {"format": "OpenAI", "name": "gpt-5", "version": version, "lifecycleStatus": "GenerallyAvailable", **model}
    if inference is not None:
        inner["deprecation"] = {"inference": inference}
    return {"kind": kind, "skuName": "S0", "name": f"OpenAI.gpt-5.{version}", "model": inner}


@pytest.mark.parametrize(
    ("models", "status"),
    [
        pytest.param([offered("2027-02-05T00:00:00Z")], "pass", id="lives"),
        pytest.param([offered("2026-10-01T00:00:00Z")], "fail", id="retired"),
        pytest.param([offered("2026-11-23T09:00:00Z")], "fail", id="retires-now"),
        pytest.param([offered("2026-11-23T09:00:01.1234567Z")], "fail", id="seven-digits-and-soon"),
        pytest.param([offered("2027-01-22T09:00:00Z")], "fail", id="in-exactly-60-days"),
        pytest.param([offered("2027-01-22T09:00:01Z")], "pass", id="in-60-days-and-a-second"),
        pytest.param([offered("2027-02-05")], "pass", id="a-day-without-time"),
        pytest.param([offered(None)], "not_assessed", id="no-date"),
        pytest.param([offered("soon")], "not_assessed", id="no-date-at-all"),
        pytest.param([offered("2099-01-01T00:00:00Z", version="2026-01-01")], "not_assessed", id="other-version-only"),
        pytest.param([], "not_assessed", id="not-listed"),
        pytest.param([offered("2026-01-01T00:00:00Z", kind="AIServices"), offered("2027-09-01T00:00:00Z")], "pass", id="own-kind-first"),
        pytest.param([offered("2026-01-01T00:00:00Z", kind="AIServices")], "fail", id="another-kind-is-better-than-none"),
        pytest.param([{"model": None}, {"kind": "OpenAI"}, offered("2027-09-01T00:00:00Z")], "pass", id="odd-entries"),
    ],
)  # fmt: skip
def test_retirement(models: Any, status: str) -> None:
    assert verdict("GOV-03", reading("models", MODELS, models)).status == status


def test_the_list_is_looked_up_by_region_in_any_spelling() -> None:
    body = account() | {"location": "Sweden Central"}
    listed = reading("models", MODELS, [offered("2027-09-01T00:00:00Z")])
    assert verdict("GOV-03", listed, account=body).status == "pass"


def test_a_list_that_was_cut_off_does_not_prove_absence() -> None:
    partial = reading("models", MODELS, [offered("2027-09-01T00:00:00Z", version="1")], State.PARTIAL)
    found = verdict("GOV-03", partial)
    assert found.status == "not_assessed"
    assert "not known to be complete" in found.reason


def test_the_warning_time_is_a_requirement() -> None:
    listed = reading("models", MODELS, [offered("2026-12-15T00:00:00Z")])
    assert verdict("GOV-03", listed, requirements={"retirement_warning_days": 10}).status == "pass"
    assert verdict("GOV-03", listed, requirements={"retirement_warning_days": 30}).status == "fail"


@pytest.mark.parametrize(
    ("option", "sku", "status"),
    [
        ("OnceCurrentVersionExpired", "Standard", "pass"),
        ("OnceNewDefaultVersionAvailable", "GlobalStandard", "pass"),
        (None, "Standard", "pass"),
        ("NoAutoUpgrade", "Standard", "fail"),
        ("NoAutoUpgrade", "ProvisionedManaged", "fail"),
        ("OnceCurrentVersionExpired", "GlobalProvisionedManaged", "not_assessed"),
        ("SomethingNew", "Standard", "not_assessed"),
    ],
)
def test_upgrades(option: Any, sku: str, status: str) -> None:
    body = deployment(versionUpgradeOption=option) | {"sku": {"name": sku, "capacity": 1}}
    assert verdict("GOV-04", deployment=body).status == status


@pytest.mark.parametrize(
    ("sku", "in_region", "in_zone"),
    [
        ("Standard", "pass", "pass"),
        ("ProvisionedManaged", "pass", "pass"),
        ("DataZoneStandard", "fail", "pass"),
        ("DataZoneBatch", "fail", "pass"),
        ("GlobalStandard", "fail", "fail"),
        ("GlobalBatch", "fail", "fail"),
        ("GlobalProvisionedManaged", "fail", "fail"),
        ("globalstandard", "fail", "fail"),
        ("StandardPlus", "not_assessed", "not_assessed"),
        (None, "not_assessed", "not_assessed"),
    ],
)
def test_residency(sku: Any, in_region: str, in_zone: str) -> None:
    body = deployment() | {"sku": {"name": sku}}
    assert verdict("GOV-05", deployment=body, requirements={"residency": "region"}).status == in_region
    assert verdict("GOV-05", deployment=body, requirements={"residency": "data_zone"}).status == in_zone
    assert verdict("GOV-05", deployment=body).status == "not_applicable"


@pytest.mark.parametrize(
    ("location", "status"),
    [("swedencentral", "pass"), ("Sweden Central", "pass"), ("eastus", "fail"), (None, "not_assessed")],
)
def test_allowed_regions(location: Any, status: str) -> None:
    asked = {"allowed_regions": ["swedencentral", "Norway East"]}
    body = account() | {"location": location}
    assert verdict("GOV-05", account=body, requirements=asked).status == status
    assert verdict("GOV-05", account=body, requirements=asked | {"residency": "region"}).status == status


@pytest.mark.parametrize(
    ("capacity", "dynamic", "status"),
    [(10, None, "pass"), (11, None, "fail"), (10, True, "fail"), (10, False, "pass"), (None, None, "not_assessed")],
)
def test_capacity(capacity: Any, dynamic: Any, status: str) -> None:
    body = deployment(dynamicThrottlingEnabled=dynamic) | {"sku": {"name": "Standard", "capacity": capacity}}
    assert verdict("GOV-06", deployment=body, requirements={"capacity_cap": 10}).status == status
    assert verdict("GOV-06", deployment=body).status == "not_applicable"


def lock(scope: str, level: Any = "CanNotDelete") -> dict[str, Any]:
    return {
        "id": f"{scope}/providers/Microsoft.Authorization/locks/keep",
        "name": "keep",
        "type": "Microsoft.Authorization/locks",
        "properties": {"level": level, "notes": ""},
    }


@pytest.mark.parametrize(
    ("locks", "status"),
    [
        ([lock(ACCOUNT)], "pass"),
        ([lock(GROUP.replace("resourceGroups", "resourcegroups").upper())], "pass"),
        ([lock(f"/subscriptions/{SUBSCRIPTION}")], "pass"),
        ([lock(GROUP, "ReadOnly")], "pass"),
        ([lock(GROUP, "NotSpecified")], "fail"),
        ([lock(GROUP, None)], "fail"),
        ([lock(f"{GROUP}-2")], "fail"),
        ([lock(f"{ACCOUNT}-2")], "fail"),
        ([lock(f"{ACCOUNT}/deployments/chat")], "fail"),
        ([lock(GROUP, "NotSpecified"), lock(ACCOUNT)], "pass"),
        ([lock(f"{ACCOUNT}/providers/Microsoft.Authorization/locks/keep")], "fail"),
        ([lock(GROUP) | {"id": GROUP}], "fail"),
        ([{"name": "odd"}], "fail"),
        ([], "fail"),
    ],
    ids=["account", "group-upper-case", "subscription", "read-only", "not-specified", "null", "other-group",
         "longer-name", "child", "second-one", "on-a-lock", "no-lock's-id", "no-id", "none"],
)  # fmt: skip
def test_locks(locks: Any, status: str) -> None:
    assert verdict("GOV-07", reading("locks", SUBSCRIPTION, locks)).status == status


def test_a_cut_off_list_of_locks_does_not_prove_absence() -> None:
    assert verdict("GOV-07", reading("locks", SUBSCRIPTION, [], State.PARTIAL)).status == "not_assessed"
    assert verdict("GOV-07", reading("locks", SUBSCRIPTION, [lock(GROUP)], State.PARTIAL)).status == "pass"


@pytest.mark.parametrize(
    ("tags", "status"),
    [
        ({"Owner": "x", "costCenter": "1"}, "pass"),
        ({"owner": "x"}, "fail"),
        ({"owner": "x", "costCenter": " "}, "fail"),
        (None, "fail"),
        ("owner", "not_assessed"),
    ],
    ids=["case", "one-missing", "blank", "null", "odd"],
)
def test_tags(tags: Any, status: str) -> None:
    body = account() | {"tags": tags}
    assert verdict("GOV-08", account=body, requirements={"required_tags": ["owner", "costCenter"]}).status == status


def budget(**properties: Any) -> dict[str, Any]:
    told = {"enabled": True, "operator": "GreaterThan", "threshold": 80.0, "contactEmails": ["a@example.com"]}
    return {
        "id": f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Consumption/budgets/b",
        "name": "b",
        "properties": {
            "amount": 100.0,
            "timePeriod": {"startDate": "2026-01-01T00:00:00Z", "endDate": "2027-01-01T00:00:00Z"},
            "notifications": {"actual_80.5": told},
            **properties,
        },
    }


def dimension(name: str, *values: str, operator: str = "In") -> dict[str, Any]:
    return {"dimensions": {"name": name, "operator": operator, "values": list(values)}}


TAGGED = account() | {"tags": {"Team": "AI"}}


@pytest.mark.parametrize(
    ("properties", "status"),
    [
        pytest.param({}, "pass", id="whole-subscription"),
        pytest.param({"filter": None}, "pass", id="filter-null"),
        pytest.param({"filter": {}}, "pass", id="filter-empty"),
        pytest.param({"filter": dimension("ResourceGroupName", "RG")}, "pass", id="own-group"),
        pytest.param({"filter": dimension("ResourceId", ACCOUNT.lower())}, "pass", id="own-id"),
        pytest.param({"filter": dimension("ResourceGroupName", "rg-2")}, "fail", id="other-group"),
        pytest.param({"filter": dimension("ResourceGroupName", "rg", operator="NotIn")}, "fail", id="all-but-own"),
        pytest.param({"filter": dimension("MeterCategory", "Storage")}, "fail", id="by-meter"),
        pytest.param({"filter": {"and": [dimension("ResourceGroupName", "rg"), dimension("MeterCategory", "Storage")]}}, "fail", id="narrowed"),
        pytest.param({"filter": {"tags": {"name": "team", "operator": "In", "values": ["ai"]}}}, "pass", id="by-tag"),
        pytest.param({"filter": {"tags": {"name": "team", "operator": "In", "values": ["web"]}}}, "fail", id="other-tag"),
        pytest.param({"notifications": None}, "fail", id="no-notification"),
        pytest.param({"notifications": {"a": {"enabled": False, "contactEmails": ["a@example.com"]}}}, "fail", id="disabled"),
        pytest.param({"notifications": {"a": {"enabled": True, "contactEmails": [], "contactRoles": None}}}, "fail", id="nobody"),
        pytest.param({"notifications": {"a": {"enabled": True, "contactRoles": ["Owner"]}}}, "pass", id="role"),
        pytest.param({"timePeriod": {"endDate": "2026-11-01T00:00:00Z"}}, "fail", id="ended"),
        pytest.param({"timePeriod": {}}, "pass", id="no-end"),
    ],
)  # fmt: skip
def test_budgets(properties: Any, status: str) -> None:
    assert verdict("GOV-09", reading("budgets", SUBSCRIPTION, [budget(**properties)]), account=TAGGED).status == status


def test_a_budget_has_to_cover_every_account() -> None:
    second = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-2/providers/Microsoft.CognitiveServices/accounts/two"
    both = reading("accounts", SUBSCRIPTION, [ACCOUNT, second])
    one = reading("budgets", SUBSCRIPTION, [budget(filter=dimension("ResourceGroupName", "rg"))])
    found = verdict("GOV-09", both, one)
    assert found.status == "fail"
    assert "not seen to include “two”" in found.reason
    assert verdict("GOV-09", both, reading("budgets", SUBSCRIPTION, [budget()])).status == "pass"


def test_budgets_that_may_not_be_read_are_not_assessed() -> None:
    denied = reading("budgets", SUBSCRIPTION, None, State.DENIED, reason="GET x answered 403")
    assert verdict("GOV-09", denied).status == "not_assessed"


@pytest.mark.parametrize(
    ("kind", "endpoint", "status"),
    [
        ("OpenAI", "https://acct.openai.azure.com/", "pass"),
        ("AIServices", "https://acct.cognitiveservices.azure.com/", "pass"),
        ("OpenAI", "https://eastus.api.cognitive.microsoft.com/", "pass"),
        ("OpenAI", "https://acct.openai.azure.us/", "pass"),
        ("OpenAI", "https://openai.azure.com.example.net/", "not_assessed"),
        ("OpenAI", "https://acct.openai.example/", "not_assessed"),
        ("OpenAI", "http://acct.openai.azure.com/", "fail"),
        ("OpenAI", None, "not_assessed"),
        ("OpenAI.Next", "https://acct.openai.azure.com/", "not_assessed"),
        (None, "https://acct.openai.azure.com/", "not_assessed"),
        ("TextAnalytics", "https://acct.cognitiveservices.azure.com/", "fail"),
    ],
)
def test_known_kind_and_endpoint(kind: Any, endpoint: Any, status: str) -> None:
    assert verdict("GOV-10", account=account(endpoint=endpoint) | {"kind": kind}).status == status


def test_an_address_that_the_account_itself_lists_is_known() -> None:
    """A cloud that is not in the table, the lab's among them: the account's own list of endpoints says the same host."""
    own = account(
        endpoint="https://localhost:8443/acct/", endpoints={"Token Service API": "https://localhost:8443/acct/"}
    )
    assert verdict("GOV-10", account=own).status == "pass"
