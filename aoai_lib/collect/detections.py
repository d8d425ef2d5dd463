"""How fresh the logs are, and what the detections find: each is run over a workspace's own rows, and tried on its synthetic events, with nothing ingested.

Every workspace that logs go to is asked, so the number of questions follows from the workspaces and not from the accounts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from aoai_lib.azure.clients import Azure
from aoai_lib.collect import Form, Readings, Scopes, Source, items, monitoring
from aoai_lib.collect.monitoring import workspaces_of
from aoai_lib.collect.usage import QUERIES
from aoai_lib.detections import catalogue, find, shadowed

MOST_ROWS: Final = 500
"""Rows of a detection that are asked for: leads are read by people."""
ARRIVALS: Final = """AzureDiagnostics
| where ResourceProvider =~ "MICROSOFT.COGNITIVESERVICES"
| extend Delay = datetime_diff('second', ingestion_time(), TimeGenerated)
| summarize Rows = count(), Last = max(TimeGenerated), Usual = percentile(Delay, 50), Slowest = max(Delay) by Account = tolower(_ResourceId), Category
| order by Account asc, Category asc"""
"""How long rows took to the workspace, in seconds, by account and category (Microsoft Learn, "Log data ingestion time in Azure
Monitor", 2026-02-27: the difference of `ingestion_time()` and `TimeGenerated`)."""
TABLE_QUERIES: Final = frozenset(
    f"Microsoft.OperationalInsights/workspaces/query/{table}/read"
    for table in ("AzureDiagnostics", *(table for each in catalogue() for table in each.tables))
)
"""What queries take besides `QUERIES`, for each table that they name (Microsoft Learn, "Manage table-level read access")."""
NEEDED: Final = ("diagnostic_settings", "subscription_diagnostic_settings", "workspace")
"""The sources that the workspaces which logs go to are found in."""


def customer_ids(readings: Readings) -> Iterable[str]:
    """The customer id of every workspace that logs go to."""
    return workspaces(readings).values()


def workspaces(readings: Readings) -> dict[str, str]:
    """Every workspace that logs go to: its customer id by its ARM id, lower case."""
    known = {str(each.get("id")).lower(): each for each in items(readings, "workspace") if isinstance(each, dict)}
    named = workspaces_of(readings, "diagnostic_settings") + workspaces_of(readings, "subscription_diagnostic_settings")
    found = {}
    for workspace in dict.fromkeys(each.lower() for each in named):
        own = known.get(workspace, {}).get("properties")
        name = own.get("customerId") if isinstance(own, dict) else None
        if isinstance(name, str) and name:
            found[workspace] = name
    return found


def _each(readings: Readings) -> Iterable[str]:
    """`<customer id>/<detection>` for each of them and every detection."""
    return [f"{name}/{each.id}" for name in customer_ids(readings) for each in catalogue()]


def _asked(question: Callable[[str, int], str]) -> Callable[[Azure, str], Any]:
    def read(azure: Azure, scope: str) -> Any:
        workspace, _, detection = scope.rpartition("/")
        return azure.logs().ask(workspace, question(detection, azure.evidence_days))

    return read


def _over_own_rows(name: str, days: int) -> str:
    return f"{find(name).over(days)}\n| take {MOST_ROWS}"


def _over_events(name: str, _: int) -> str:
    detection = find(name)
    return shadowed(detection, (*detection.hits, *detection.misses))


SOURCES = (
    *(source for source in monitoring.SOURCES if source.name in NEEDED),
    Source(
        "arrivals",
        Scopes(NEEDED, customer_ids),
        QUERIES,
        lambda azure, name: azure.logs().query(name, ARRIVALS),
        form=Form.ROWS,
    ),
    Source("detection", Scopes(NEEDED, _each), QUERIES, _asked(_over_own_rows), form=Form.ROWS),
    Source("detection_trial", Scopes(NEEDED, _each), QUERIES, _asked(_over_events), form=Form.ROWS),
)
