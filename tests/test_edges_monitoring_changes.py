"""MON-08 at its edges: what each field of a condition, and each operator of a query, lets through."""

from __future__ import annotations

from typing import Any

import pytest
from alerts import activity, exported, query, verdict
from builders import ACCOUNT
from test_monitoring_changes import CHANGED, IN, with_conditions

from aoai_lib.controls.monitoring_queries import understand

ON_THE_ACCOUNT = [
    "Microsoft.CognitiveServices/accounts/write", "Microsoft.CognitiveServices/accounts/delete",
    "Microsoft.CognitiveServices/accounts/listKeys/action", "Microsoft.CognitiveServices/accounts/regenerateKey/action",
]  # fmt: skip
PROVIDERS = ["Microsoft.CognitiveServices", "Microsoft.Insights", "Microsoft.Authorization"]
ACCOUNTS = "Microsoft.CognitiveServices/accounts"
TYPES = [
    ACCOUNTS, f"{ACCOUNTS}/deployments", f"{ACCOUNTS}/raiPolicies", f"{ACCOUNTS}/raiBlocklists",
    f"{ACCOUNTS}/raiBlocklists/raiBlocklistItems", f"{ACCOUNTS}/defenderForAISettings",
    f"{ACCOUNTS}/privateEndpointConnections", "Microsoft.Insights/diagnosticSettings",
    "Microsoft.Authorization/roleAssignments",
]  # fmt: skip


def leaf(field: str, *values: str) -> dict[str, Any]:
    return {"field": field, "containsAny": list(values)}


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (leaf("status", "Started"), "pass"),
        (leaf("status", "Succeeded"), "pass"),
        (leaf("status", "Accepted"), "fail"),
        (leaf("level", "Informational"), "pass"),
        (leaf("level", "Warning"), "fail"),
        (leaf("resourceProvider", *PROVIDERS), "pass"),
        (leaf("resourceProvider", *PROVIDERS[:2]), "fail"),
        (leaf("resourceType", *TYPES), "pass"),
        (leaf("resourceType", *TYPES[1:]), "fail"),
        (leaf("resourceGroup", "RG"), "pass"),
        (leaf("resourceGroup", "rg-2"), "fail"),
        (leaf("resourceId", ACCOUNT), "fail"),
        (leaf("properties.entity", ACCOUNT), "fail"),
    ],
    ids=["started", "succeeded", "only-of-what-takes-long", "informational", "warnings", "each-provider", "two-providers",
         "each-type", "all-but-the-account", "its-group", "other-group", "the-account-alone", "unknown-field"],
)  # fmt: skip
def test_what_a_condition_lets_through(condition: Any, status: str) -> None:
    assert verdict("MON-08", activities=[with_conditions(condition)]).status == status


def test_a_rule_for_the_accounts_own_id_sees_nothing_of_what_lies_in_it() -> None:
    """A field's value is compared whole with the rule's (Microsoft Learn, AlertRuleLeafCondition): a deployment has an id of its own."""
    own = with_conditions(leaf("resourceId", ACCOUNT.upper()))
    others = [activity(operation) for operation in CHANGED if operation not in ON_THE_ACCOUNT]
    assert verdict("MON-08", activities=[own, *others]).status == "pass"
    without = verdict("MON-08", activities=[own, *others[1:]])
    assert without.status == "fail" and "accounts/deployments/write" in without.reason
    another = with_conditions(leaf("resourceId", f"{ACCOUNT}-2"))
    assert verdict("MON-08", activities=[another, *others]).status == "fail"


@pytest.mark.parametrize("conditions", [[], [leaf("operationName", *CHANGED)]], ids=["none", "no-category"])
def test_a_rule_that_names_no_category_is_no_evidence(conditions: list[Any]) -> None:
    """The service takes none without it (400), so what looks like one is something else."""
    rule = with_conditions()
    rule["properties"]["condition"]["allOf"] = conditions
    assert verdict("MON-08", activities=[rule]).status == "fail"


WANTED = frozenset(
    {
        "microsoft.cognitiveservices/accounts/write", "microsoft.cognitiveservices/accounts/deployments/write",
        "microsoft.cognitiveservices/accounts/deployments/delete", "microsoft.insights/diagnosticsettings/write",
    }
)  # fmt: skip
WRITE = {"microsoft.cognitiveservices/accounts/write"}
DEPLOYMENTS = {
    "microsoft.cognitiveservices/accounts/deployments/write",
    "microsoft.cognitiveservices/accounts/deployments/delete",
}
OWN = {*WRITE, *DEPLOYMENTS}


@pytest.mark.parametrize(
    ("test", "operations"),
    [
        ('OperationNameValue == "MICROSOFT.COGNITIVESERVICES/ACCOUNTS/WRITE"', WRITE),
        ('OperationNameValue == "Microsoft.CognitiveServices/accounts/write"', set()),
        ('OperationNameValue == "MICROSOFT.COGNITIVESERVICES/ACCOUNTS"', set()),
        ('OperationNameValue =~ "Microsoft.CognitiveServices/accounts/write"', WRITE),
        ('OperationNameValue =~ "Microsoft.CognitiveServices/accounts"', set()),
        ('OperationNameValue in ("MICROSOFT.COGNITIVESERVICES/ACCOUNTS")', set()),
        ('OperationNameValue in~ ("Microsoft.CognitiveServices/accounts/deployments")', set()),
        ('OperationNameValue startswith "microsoft.cognitiveservices"', OWN),
        ('OperationNameValue startswith "accounts/deployments"', set()),
        ('OperationNameValue contains "deploy"', DEPLOYMENTS),
        ('OperationNameValue has "deployments"', DEPLOYMENTS),
        ('OperationNameValue has "deploy"', set()),
        ('OperationNameValue has_any ("diagnosticSettings", "accounts/write")', {*WRITE, "microsoft.insights/diagnosticsettings/write"}),
        ('OperationNameValue has "deployments" or OperationNameValue =~ "Microsoft.CognitiveServices/accounts/write"', OWN),
        ('OperationNameValue has "deployments" and OperationNameValue has "write"', {"microsoft.cognitiveservices/accounts/deployments/write"}),
        ('OperationNameValue !startswith "MICROSOFT."', set()),
        ('ResourceProviderValue =~ "MICROSOFT.COGNITIVESERVICES"', OWN),
        ('ResourceProviderValue =~ "MICROSOFT.INSIGHTS"', set()),
        ('ActivityStatusValue == "Start"', WANTED),
        ('ActivityStatusValue == "Success"', WANTED),
        ('ActivityStatusValue == "Started"', WANTED),
        ('ActivityStatusValue == "Succeeded"', WANTED),
        ('ActivityStatusValue in~ ("Accept", "Accepted")', set()),
    ],
)  # fmt: skip
def test_what_a_test_of_a_row_lets_through(test: str, operations: set[str]) -> None:
    assert understand(f"AzureActivity | where {test}").operations(WANTED) == operations


def test_operations_are_in_the_activity_log_and_nowhere_else() -> None:
    assert (
        verdict("MON-08", queries=[query(f"AzureDiagnostics | where OperationNameValue in~ ({IN})")]).status == "fail"
    )


def test_rules_of_two_kinds_report_everything_together_and_are_counted() -> None:
    """The provider's own rows by a log alert, the rest by activity log alerts."""
    provider = query('AzureActivity | where ResourceProviderValue =~ "MICROSOFT.COGNITIVESERVICES"')
    rest = [activity(operation) for operation in CHANGED[-4:]]
    found = verdict("MON-08", queries=[provider], activities=rest)
    assert (found.status, found.reason.partition(" ")[0]) == ("pass", "5")
    two = [query(f"AzureActivity | where OperationNameValue in~ ({IN})")] * 2
    assert verdict("MON-08", queries=two).reason.partition(" ")[0] == "2"
    assert verdict("MON-08", queries=[provider]).status == "fail"


def test_without_an_export_the_reason_is_named() -> None:
    found = verdict("MON-08", *exported(activity_log=False))
    assert found.status == "fail" and "no workspace receives the category Administrative" in found.reason
