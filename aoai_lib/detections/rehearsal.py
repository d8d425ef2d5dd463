"""A log alert's own query over synthetic events in the place of its tables: what a client's rule does when the thing happens.

A rule may use columns that no detection needs, so rows are as wide here as recorded ones of the service are (AzureDiagnostics of
Cognitive Services) and as the table reference has them (AzureActivity; Microsoft Learn, Azure Monitor table reference, 2026).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from aoai_lib.detections.events import TYPES, Event, Row
from aoai_lib.detections.shadow import shadows

_TEXT: Final = {
    "AzureDiagnostics": (
        "CorrelationId", "Resource", "ResourceGroup", "ResourceId", "ResourceType", "ResultDescription", "ResultType",
        "SourceSystem", "SubscriptionId", "TenantId", "Tenant_s", "Type", "_SubscriptionId", "event_s", "location_s",
    ),
    "AzureActivity": (
        "ActivityStatus", "ActivitySubstatusValue", "Authorization", "CategoryValue", "Claims", "EventDataId", "HTTPRequest",
        "Level", "OperationName", "Properties", "Resource", "ResourceGroup", "ResourceId", "ResourceProvider",
        "ResourceProviderValue", "SubscriptionId", "TenantId", "Type", "_SubscriptionId",
    ),
}  # fmt: skip
WIDE: Final = {table: TYPES[table] | dict.fromkeys(columns, "string") for table, columns in _TEXT.items()}
WIDE["AzureDiagnostics"]["DurationMs"] = "int"
"""Columns of the tables that a trial puts its rows into, with their Kusto types, besides `TimeGenerated`."""
_ELSEWHERE: Final = re.compile(
    r"^\s*\.|\b(adx|app|arg|cluster|database|externaldata|external_table|http_request\w*|resource|table|workspace)\s*\(|\bevaluate\b",
    re.IGNORECASE | re.MULTILINE,
)
_ANY: Final = "00000000-0000-4000-8000-000000000000"


def askable(query: str) -> bool:
    """False for a query that would reach past the tables put before it: another workspace, a plugin, a command, the web.

    A rule's text is its author's. Asked with the assessor's rights, it must see nothing but what is put before it.
    """
    return bool(query.strip()) and _ELSEWHERE.search(query) is None


def rehearsed(query: str, account: str, events: Iterable[Event]) -> str:
    """The query over these events alone, as if they had happened to the account (an ARM id)."""
    named = [table for table in WIDE if re.search(rf"\b{table}\b", query)]
    return "\n".join([*shadows(named, events, WIDE, lambda table, row: _of(account, table, row)), query])


def _of(account: str, table: str, row: Row) -> Row:
    """A row with the columns that name the account, and those that every row of the service has."""
    steps = account.strip("/").split("/")
    subscription, group, name = steps[1].lower(), steps[3], steps[-1]
    wide: Row = {
        "CorrelationId": _ANY,
        "ResourceGroup": group.upper(),
        "SubscriptionId": subscription,
        "TenantId": _ANY,
        "Type": table,
        "_ResourceId": account.lower(),
        "_SubscriptionId": subscription,
        "Resource": name.upper(),
        "ResourceId": account.upper(),
    }
    if table == "AzureDiagnostics":
        wide |= {"ResourceType": "ACCOUNTS", "SourceSystem": "Azure", "event_s": "ShoeboxCallResult", "DurationMs": 840}
    else:
        provider = row["OperationNameValue"].partition("/")[0]
        wide |= {
            "ActivityStatus": {"Success": "Succeeded", "Start": "Started"}.get(row["ActivityStatusValue"], "Accepted"),
            "CategoryValue": "Administrative",
            "Level": "Informational",
            "ResourceProviderValue": provider,
            "ResourceProvider": provider,
            "OperationName": row["OperationNameValue"],
            "Resource": name,
        }
    return {**row, **wide}
