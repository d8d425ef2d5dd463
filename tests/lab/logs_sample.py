"""A workspace with an hour of rows, small enough to work out by hand what a query must answer.

The clock is 2026-11-23T09:00Z. In AzureDiagnostics: from 08:51:00 a principal calls 60 times, once a second, from
81.2.69.***; calls 10 to 14 are throttled, call 20 is a bad request. From 198.51.100.*** a key holder calls at 08:40 and
08:41, and fails with 401 at 08:42. At 08:45 somebody reads the keys. Ten days ago the same principal called once.

In AzureActivity: at 08:10 a guardrail is written (Start, five seconds later Success), at 08:20 writing a deployment fails,
at 08:30 a role is assigned, at 08:35 keys are listed, at 08:36 a storage account is written, and at 06:00 a guardrail
was deleted.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from aoai_lib.lab.logs import LogStore

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
WORKSPACE = "3f1e2d4c-0000-4000-8000-00000000000a"
PRINCIPAL = "7d3f0e52-0000-4000-8000-0000000000aa"
ACCOUNT = "/subscriptions/0a1b/resourcegroups/rg-ai/providers/microsoft.cognitiveservices/accounts/contoso"
STORAGE = "/subscriptions/0a1b/resourcegroups/rg-ai/providers/microsoft.storage/storageaccounts/contoso"


def inference_row(at: datetime, object_id: str, address: str, status: int = 200) -> dict[str, Any]:
    """A RequestResponse row of a call that sent 100 and received 200 bytes."""
    properties = {"objectId": object_id, "modelDeploymentName": "chat", "requestLength": 100, "responseLength": 200}
    return {
        "TimeGenerated": at,
        "ResourceId": ACCOUNT.upper(),
        "ResourceProvider": "MICROSOFT.COGNITIVESERVICES",
        "Category": "RequestResponse",
        "OperationName": "ChatCompletions_Create",
        "ResultSignature": str(status),
        "DurationMs": 40,
        "CallerIPAddress": address,
        "properties_s": json.dumps(properties),
    }


def activity_row(at: str, operation: str, status: str, correlation: str, resource: str = ACCOUNT) -> dict[str, Any]:
    """An AzureActivity row of this morning."""
    return {
        "TimeGenerated": f"2026-11-23T{at}Z",
        "OperationNameValue": operation.upper(),
        "ActivityStatusValue": status,
        "ResourceProviderValue": operation.upper().partition("/")[0],
        "Caller": "ana@contoso.example",
        "CallerIpAddress": "198.51.100.7",
        "CorrelationId": correlation,
        "ResourceId": resource,
    }


def sample() -> LogStore:
    """The workspace of this module's docstring."""
    store = LogStore()
    burst = datetime(2026, 11, 23, 8, 51, tzinfo=UTC)
    statuses = {**dict.fromkeys(range(10, 15), 429), 20: 400}
    diagnostics = [
        inference_row(burst + timedelta(seconds=n), PRINCIPAL, "81.2.69.***", statuses.get(n, 200)) for n in range(60)
    ]
    for minute, status in ((40, 200), (41, 200), (42, 401)):
        diagnostics.append(inference_row(burst.replace(minute=minute), "", "198.51.100.***", status))
    diagnostics.append(inference_row(NOW - timedelta(days=10), PRINCIPAL, "81.2.69.***"))
    audit = {"Category": "Audit", "OperationName": "ListKey", "ResourceProvider": "MICROSOFT.COGNITIVESERVICES"}
    diagnostics.append(audit | {"TimeGenerated": burst.replace(minute=45), "ResourceId": ACCOUNT.upper()})
    accounts = "Microsoft.CognitiveServices/accounts"
    activity = [
        activity_row("08:10:00", f"{accounts}/raiPolicies/write", "Start", "c-1"),
        activity_row("08:10:05", f"{accounts}/raiPolicies/write", "Success", "c-1"),
        activity_row("08:20:00", f"{accounts}/deployments/write", "Failure", "c-2"),
        activity_row(
            "08:30:00", "Microsoft.Authorization/roleAssignments/write", "Success", "c-3", "/subscriptions/0a1b"
        ),
        activity_row("08:35:00", f"{accounts}/listKeys/action", "Success", "c-4"),
        activity_row("08:36:00", "Microsoft.Storage/storageAccounts/write", "Success", "c-5", STORAGE),
        activity_row("06:00:00", f"{accounts}/raiPolicies/delete", "Success", "c-6"),
    ]
    store.seed((WORKSPACE, "AzureDiagnostics", row) for row in diagnostics)
    store.seed((WORKSPACE, "AzureActivity", row) for row in activity)
    return store
