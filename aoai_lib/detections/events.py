"""Synthetic events, shaped like the rows of the tables that detections look at.

Shapes: request and audit rows of Cognitive Services in AzureDiagnostics (recorded rows; the properties are text in a column of
their own, or text or object in `AdditionalFields` where a workspace has 500 columns), AzureActivity (two and more rows an
operation), AzureMetrics, SecurityAlert, and the two tables of a gateway (Microsoft Learn, Azure Monitor table reference, 2026).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

Row = dict[str, Any]
DAYS: Final = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
ACCOUNT: Final = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg/providers/Microsoft.CognitiveServices/accounts/aoai"


class Event(BaseModel):
    """One or more rows: what they are like, when they were, and what is special about them.

    `minutes_ago` counts back from now; `weekly`, as "Sun 03:00" in UTC, is the last such moment, for what depends on the clock.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    shape: str
    minutes_ago: float = Field(default=10, ge=0)
    weekly: str = Field(default="", pattern=rf"^(({'|'.join(DAYS)}) ([01]\d|2[0-3]):[0-5]\d)?$")
    times: int = Field(default=1, ge=1, le=5000)
    with_: dict[str, Any] = Field(default={}, alias="with")

    def moment(self, now: datetime) -> datetime:
        """When it was, seen from `now`; never after it."""
        if not self.weekly:
            return now - timedelta(minutes=self.minutes_ago)
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        then = midnight - timedelta(days=midnight.isoweekday() % 7) + self.into_the_week
        return then if then <= now else then - timedelta(days=7)

    @property
    def into_the_week(self) -> timedelta:
        """From the start of a week, which is Sunday, 00:00 UTC, as in Kusto; nothing where `weekly` is not set."""
        if not self.weekly:
            return timedelta()
        day, clock = self.weekly.split()
        hour, minute = map(int, clock.split(":"))
        return timedelta(days=DAYS.index(day), hours=hour, minutes=minute)


def _call(
    caller: str = "11111111-0000-4000-8000-000000000001",
    deployment: str = "chat",
    status: int = 200,
    address: str = "203.0.113.***",
    operation: str = "ChatCompletions_Create",
    request: int = 900,
    response: int = 1800,
    form: str = "text",
    category: str = "RequestResponse",
    provider: str = "MICROSOFT.COGNITIVESERVICES",
    named: str = "objectId",
) -> Row:
    held = {
        "apiName": "Azure OpenAI API version 2024-10-21",
        named: caller,
        "modelDeploymentName": deployment,
        "requestLength": request,
        "responseLength": response,
        "streamType": "Non-Streaming",
    }
    row: Row = {
        "ResourceProvider": provider,
        "Category": category,
        "OperationName": operation,
        "ResultSignature": str(status),
        "CallerIPAddress": address,
        "_ResourceId": ACCOUNT.lower(),
        "properties_s": json.dumps(held) if form == "text" else "",
        "AdditionalFields": None,
    }
    if form == "object":
        row["AdditionalFields"] = {"properties_s": held}
    elif form == "overflow":
        row["AdditionalFields"] = {"properties_s": json.dumps(held)}
    return {"AzureDiagnostics": row}


def _audit(operation: str = "ListKey") -> Row:
    (row,) = _call(caller="", deployment="", status=200, address="", operation=operation, category="Audit").values()
    return {"AzureDiagnostics": row}


def _activity(
    operation: str = "MICROSOFT.COGNITIVESERVICES/ACCOUNTS/DEPLOYMENTS/WRITE",
    status: str = "Success",
    caller: str = "lena@contoso.example",
    address: str = "203.0.113.7",
    resource: str = ACCOUNT,
    correlation: str = "22222222-0000-4000-8000-000000000001",
) -> Row:
    row = {
        "OperationNameValue": operation,
        "ActivityStatusValue": status,
        "Caller": caller,
        "CallerIpAddress": address,
        "CorrelationId": correlation,
        "_ResourceId": resource.lower(),
    }
    return {"AzureActivity": row}


def _alert(type: str = "AI.Azure_Jailbreak.ContentFiltering.BlockedAttempt", severity: str = "Medium") -> Row:  # noqa: A002
    row = {
        "AlertType": type,
        "AlertName": "A jailbreak attempt was blocked",
        "AlertSeverity": severity,
        "SystemAlertId": "33333333-0000-4000-8000-000000000001",
        "ResourceId": ACCOUNT,
        "Entities": "[]",
    }
    return {"SecurityAlert": row}


def _gateway(
    tokens: int = 1000,
    subscription: str = "team-a",
    address: str = "203.0.113.7",
    correlation: str = "c",
    deployment: str = "chat",
) -> Row:
    return {
        "ApiManagementGatewayLlmLog": {
            "CorrelationId": correlation,
            "DeploymentName": deployment,
            "PromptTokens": tokens // 2,
            "CompletionTokens": tokens - tokens // 2,
            "TotalTokens": tokens,
        },
        "ApiManagementGatewayLogs": {
            "CorrelationId": correlation,
            "ApimSubscriptionId": subscription,
            "CallerIpAddress": address,
        },
    }


def _metric(
    total: float = 1000.0,
    metric: str = "TokenTransaction",
    account: str = ACCOUNT,
    provider: str = "MICROSOFT.COGNITIVESERVICES",
) -> Row:
    return {
        "AzureMetrics": {
            "ResourceProvider": provider,
            "MetricName": metric,
            "Total": total,
            "_ResourceId": account.lower(),
        }
    }


SHAPES: Final[dict[str, Callable[..., Row]]] = {
    "call": _call,
    "audit": _audit,
    "activity": _activity,
    "alert": _alert,
    "gateway": _gateway,
    "metric": _metric,
}
"""What an event can be like; each gives one row for each table that it is in."""

TYPES: Final[dict[str, dict[str, str]]] = {
    "AzureDiagnostics": dict.fromkeys(
        (
            "ResourceProvider",
            "Category",
            "OperationName",
            "ResultSignature",
            "CallerIPAddress",
            "_ResourceId",
            "properties_s",
        ),
        "string",
    )
    | {"AdditionalFields": "dynamic"},
    "AzureActivity": dict.fromkeys(
        ("OperationNameValue", "ActivityStatusValue", "Caller", "CallerIpAddress", "CorrelationId", "_ResourceId"),
        "string",
    ),
    "SecurityAlert": dict.fromkeys(
        ("AlertType", "AlertName", "AlertSeverity", "SystemAlertId", "ResourceId", "Entities"), "string"
    ),
    "ApiManagementGatewayLlmLog": {"CorrelationId": "string", "DeploymentName": "string"}
    | dict.fromkeys(("PromptTokens", "CompletionTokens", "TotalTokens"), "int"),
    "AzureMetrics": dict.fromkeys(("ResourceProvider", "MetricName", "_ResourceId"), "string") | {"Total": "real"},
    "ApiManagementGatewayLogs": dict.fromkeys(("CorrelationId", "ApimSubscriptionId", "CallerIpAddress"), "string"),
}
"""Kusto types of the columns that events have, besides `TimeGenerated`."""


def tables_of(events: Iterable[Event]) -> dict[str, None]:
    """The tables that events are in."""
    return dict.fromkeys(table for each in events for table in SHAPES[each.shape](**each.with_))


def rows_of(events: Iterable[Event], now: datetime) -> dict[str, list[Row]]:
    """The rows of events by table, each with its `TimeGenerated`. All rows of one event have one time, and so one bin."""
    found: dict[str, list[Row]] = {}
    for event in events:
        for table, row in untimed(event):
            found.setdefault(table, []).append({"TimeGenerated": event.moment(now), **row})
    return found


def untimed(event: Event) -> Iterator[tuple[str, Row]]:
    """The rows of an event with their tables, without the time."""
    for number in range(event.times):
        told = {
            key: value.replace("{n}", str(number)) if isinstance(value, str) else value
            for key, value in event.with_.items()
        }
        yield from SHAPES[event.shape](**told).items()
