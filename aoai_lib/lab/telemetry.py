"""Where rows go: diagnostic settings decide which categories of an account, and whether the activity log, reach a
workspace. Only what a setting enables arrives, and only in the workspace that it names."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.inference.rows import refused_row
from aoai_lib.lab.logqueries import WORKSPACES, workspace_guid
from aoai_lib.lab.paths import subscription_of
from aoai_lib.lab.shapes import Json, instant, parse_instant
from aoai_lib.lab.store import Resource, Tenant

if TYPE_CHECKING:
    from aoai_lib.lab.dataplane import Call

SETTINGS = "Microsoft.Insights/diagnosticSettings"
AUDIT = ("Audit",)


def enabled_workspaces(tenant: Tenant, scope: str, category: str) -> list[str]:
    """The GUIDs of the workspaces that a log category of a resource or subscription goes to."""
    found = []
    for setting in tenant.extensions(scope, SETTINGS):
        workspace = tenant.find(str(setting.properties.get("workspaceId") or ""))
        if workspace is not None and workspace.type == WORKSPACES and _sends(setting, category):
            found.append(workspace_guid(workspace))
    return found


def _sends(setting: Resource, category: str) -> bool:
    for log in setting.properties.get("logs") or ():
        group = str(log.get("categoryGroup") or "").lower()
        named = str(log.get("category") or "").lower() == category.lower()
        if log.get("enabled") and (named or group == "alllogs" or (group == "audit" and category in AUDIT)):
            return True
    return False


def deliver(tenant: Tenant, account: Resource, rows: Iterable[tuple[str, Json]]) -> None:
    """Append the rows of a call to the workspaces that want their category."""
    for table, row in rows:
        for guid in enabled_workspaces(tenant, account.id, str(row.get("Category", ""))):
            tenant.logs.append(guid, table, row)


def measure(tenant: Tenant, rows: Iterable[tuple[str, Json]], rejected: Iterable[str]) -> None:
    """Count a call by the rows that it leaves, wherever they go; ``rejected`` is what the content filter blocked it for."""
    for _, row in rows:
        tenant.meter.take(row, rejected)


def refused(tenant: Tenant, account: Resource, call: Call, below: str, error: ArmError) -> None:
    """Log a refusal at the door as the service does: in the account's log and in no activity log."""
    about: Json = {"id": account.id, "location": account.location}
    request_id = error.headers["apim-request-id"]
    row = refused_row(about, tenant.now, below, call.address, error.status, request_id)
    deliver(tenant, account, [("AzureDiagnostics", row)])


def export_activity(tenant: Tenant, subscription_id: str, event: Json) -> None:
    """Send one activity log event to the workspaces of the subscription's own diagnostic setting."""
    scope = f"/subscriptions/{subscription_id}"
    for guid in enabled_workspaces(tenant, scope, str(event["category"]["value"])):
        tenant.logs.append(guid, "AzureActivity", activity_row(event))


def activity_row(event: Json) -> Json:
    """An activity log event as the AzureActivity table has it."""
    outcome = {"Started": "Start", "Succeeded": "Success", "Failed": "Failure"}.get(event["status"]["value"], "Accept")
    return {
        "TimeGenerated": instant(parse_instant(event["eventTimestamp"]) + timedelta(0), 6),
        "OperationNameValue": event["operationName"]["value"].upper(),
        "OperationName": event["operationName"]["localizedValue"],
        "ActivityStatusValue": outcome,
        "ActivitySubstatusValue": event["subStatus"]["value"],
        "CategoryValue": event["category"]["value"],
        "Caller": event["caller"],
        "CallerIpAddress": event["httpRequest"]["clientIpAddress"],
        "CorrelationId": event["correlationId"],
        "EventDataId": event["eventDataId"],
        "Level": event["level"],
        "ResourceGroup": event["resourceGroupName"].upper(),
        "ResourceProviderValue": event["resourceProviderName"]["value"].upper(),
        "SubscriptionId": subscription_of(event["resourceId"]) or "",
        "_ResourceId": event["resourceId"].lower(),
        "Resource": event["resourceId"].rpartition("/")[2],
        "Type": "AzureActivity",
    }
