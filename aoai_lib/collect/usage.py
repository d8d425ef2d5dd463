"""Who calls: the request logs of the accounts, one question a workspace, and the refusals in the activity log.

Can be read by itself: what it takes to find the workspaces is declared here too, and read once where other modules ask for it
as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from aoai_lib.azure.clients import Azure
from aoai_lib.callers import CALLS, MOST_ROWS
from aoai_lib.collect import EACH_SUBSCRIPTION, Form, Readings, Scopes, Source, items, monitoring
from aoai_lib.collect.monitoring import workspaces_of
from aoai_lib.evidence.clock import service_clock

QUERIES: Final = "Microsoft.OperationalInsights/workspaces/query/read"
_NEEDED: Final = ("diagnostic_settings", "workspace", "diagnostics_table")
_SHOWN: Final = "eventTimestamp,operationName,resourceId,status,subStatus,properties"
"""What is asked of an event: not who did it from where, which nothing here needs."""

QUESTION: Final = f"""AzureDiagnostics
| where ResourceProvider =~ "MICROSOFT.COGNITIVESERVICES"
| extend p = parse_json(coalesce(column_ifexists("properties_s", ""), tostring(column_ifexists("AdditionalFields", dynamic({{}})).properties_s))), Call = Category =~ "{CALLS}"
| summarize Calls = count(), First = min(TimeGenerated), Last = max(TimeGenerated) by Account = tolower(_ResourceId), Category, ObjectId = iff(Call, tolower(coalesce(tostring(p.objectId), tostring(p.callerObjectId))), ""), Address = iff(Call, column_ifexists("CallerIPAddress", ""), ""), Deployment = iff(Call, tostring(p.modelDeploymentName), ""), Operation = iff(Call, OperationName, ""), Status = iff(Call, tostring(column_ifexists("ResultSignature", "")), "")
| order by Account asc, Category asc, ObjectId asc, Address asc, Deployment asc, Operation asc, Status asc
| take {MOST_ROWS}"""
"""One row for each account, caller, address, deployment, operation and status of the request log; the account's other log
categories in one row each. The properties come as text in a column of their own, or, in a workspace with 500 columns, as text
or object in `AdditionalFields` (Microsoft Learn, AzureDiagnostics, 2026-08)."""


def _customer_ids(readings: Readings) -> Iterable[str]:
    """The workspaces that logs of accounts go to, by the id that a query names them with."""
    known = {str(each.get("id")).lower(): each for each in items(readings, "workspace") if isinstance(each, dict)}
    for workspace in workspaces_of(readings, "diagnostic_settings"):
        own = known.get(workspace.lower(), {}).get("properties")
        name = own.get("customerId") if isinstance(own, dict) else None
        if isinstance(name, str) and name:
            yield name


def _since(azure: Azure) -> str:
    """The day on which the window begins, by the service's clock. A whole day, so that a replay asks the same question."""
    now = datetime.fromisoformat(service_clock(azure.evidence))
    return f"{now - timedelta(days=azure.evidence_days):%Y-%m-%d}T00:00:00Z"


SOURCES = (
    *(source for source in monitoring.SOURCES if source.name in _NEEDED),
    Source(
        "callers",
        Scopes(("diagnostic_settings", "workspace"), _customer_ids),
        QUERIES,
        lambda azure, workspace: azure.logs().query(workspace, QUESTION),
        form=Form.ROWS,
    ),
    Source(
        "activity_events",
        EACH_SUBSCRIPTION,
        "Microsoft.Insights/eventtypes/values/read",
        lambda azure, subscription: azure.monitor(subscription).activity_logs.list(
            f"eventTimestamp ge '{_since(azure)}' and resourceProvider eq 'Microsoft.CognitiveServices'", _SHOWN
        ),
        form=Form.EVENT,
    ),
)
