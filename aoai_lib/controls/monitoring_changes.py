"""What an activity log alert reports: which operations its conditions let through."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from aoai_lib.facts import View

CHANGES: Final = frozenset(
    operation.lower()
    for operation in (
        "Microsoft.CognitiveServices/accounts/write",
        "Microsoft.CognitiveServices/accounts/delete",
        "Microsoft.CognitiveServices/accounts/listKeys/action",
        "Microsoft.CognitiveServices/accounts/regenerateKey/action",
        "Microsoft.CognitiveServices/accounts/deployments/write",
        "Microsoft.CognitiveServices/accounts/deployments/delete",
        "Microsoft.CognitiveServices/accounts/raiPolicies/write",
        "Microsoft.CognitiveServices/accounts/raiPolicies/delete",
        "Microsoft.CognitiveServices/accounts/raiBlocklists/write",
        "Microsoft.CognitiveServices/accounts/raiBlocklists/delete",
        "Microsoft.CognitiveServices/accounts/raiBlocklists/raiBlocklistItems/write",
        "Microsoft.CognitiveServices/accounts/raiBlocklists/raiBlocklistItems/delete",
        "Microsoft.CognitiveServices/accounts/defenderForAISettings/write",
        "Microsoft.CognitiveServices/accounts/privateEndpointConnections/write",
        "Microsoft.CognitiveServices/accounts/privateEndpointConnections/delete",
        "Microsoft.Insights/diagnosticSettings/write",
        "Microsoft.Insights/diagnosticSettings/delete",
        "Microsoft.Authorization/roleAssignments/write",
        "Microsoft.Authorization/roleAssignments/delete",
    )
)
"""Operations that change deployments or how the account is protected, and the two on keys. Lower case."""

_OF_ACCOUNT: Final = ("resourceid", "resourcegroup")
"""Fields whose answer depends on the account."""
_HAPPENED: Final = frozenset({"started", "succeeded"})
"""What an event of every operation says of its status. Only what takes long says in between that it was accepted."""
_ACCOUNTS: Final = "microsoft.cognitiveservices/accounts"


def reported(rule: View, account: str) -> frozenset[str]:
    """Which of `CHANGES` an activity log alert reports about an account (its ARM id). All its conditions have to hold."""
    found, administrative = CHANGES, False
    for condition in rule.each("properties.condition.allOf"):
        either = list(condition.each("anyOf")) if condition.at("anyOf").value else [condition]
        found &= frozenset().union(*(_passing(leaf, account) for leaf in either))
        administrative |= any(leaf.text("field").lower() == "category" for leaf in either)
    return found if administrative else frozenset()


def _passing(leaf: View, account: str) -> frozenset[str]:
    """The operations that one condition lets through. A field that is not known here may let nothing through."""
    field = leaf.text("field").lower()
    values = frozenset(value.lower() for value in (leaf.text("equals"), *leaf.texts("containsAny")) if value)
    return _let_through(field, values, account.lower() if field in _OF_ACCOUNT else "")


@lru_cache(maxsize=1024)
def _let_through(field: str, values: frozenset[str], account: str) -> frozenset[str]:
    test = _TESTS.get(field)
    return frozenset(each for each in CHANGES if test(each, values, account)) if test else frozenset()


def _type_of(operation: str) -> str:
    return operation.removesuffix("/action").rpartition("/")[0]


_TESTS: Final[dict[str, Callable[[str, frozenset[str], str], bool]]] = {
    "category": lambda operation, values, account: "administrative" in values,
    "operationname": lambda operation, values, account: operation in values,
    "status": lambda operation, values, account: bool(values & _HAPPENED),
    "level": lambda operation, values, account: "informational" in values,
    "resourceprovider": lambda operation, values, account: operation.partition("/")[0] in values,
    "resourcetype": lambda operation, values, account: _type_of(operation) in values,
    # compared whole: what happens to a deployment has the deployment's id
    "resourceid": lambda operation, values, account: account in values and _type_of(operation) == _ACCOUNTS,
    "resourcegroup": lambda operation, values, account: account.split("/")[4] in values,
}
