"""Microsoft.OperationalInsights: Log Analytics workspaces and their tables with retention."""

from __future__ import annotations

from collections.abc import Sequence

from aoai_lib.lab import errors
from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.kinds import Kind, Paging, Query, View, Write, declare
from aoai_lib.lab.logqueries import WORKSPACES, workspace_guid
from aoai_lib.lab.logs import catalogue
from aoai_lib.lab.paths import ArmPath
from aoai_lib.lab.providers.envelopes import cognitive_etag
from aoai_lib.lab.shapes import Json, instant
from aoai_lib.lab.store import Resource, Tenant

TABLES = f"{WORKSPACES}/tables"
VERSIONS = (
    "2020-08-01",
    "2021-06-01",
    "2021-12-01-preview",
    "2022-10-01",
    "2023-09-01",
    "2025-02-01",
    "2025-07-01",
)
DEFAULT_RETENTION = 30
FREE_NINETY = ("AzureActivity", "Usage")  # tables that keep ninety days whatever the workspace says, without charge


def _show(tenant: Tenant, resource: Resource, view: View) -> Json:
    own = resource.properties
    moment = instant(resource.created)
    body: Json = {
        "properties": {
            "customerId": workspace_guid(resource),
            "provisioningState": "Succeeded",
            "sku": {"name": (own.get("sku") or {}).get("name", "PerGB2018"), "lastSkuUpdate": moment},
            "retentionInDays": own.get("retentionInDays", DEFAULT_RETENTION),
            "features": {
                "legacy": 0,
                "searchVersion": 1,
                "enableLogAccessUsingOnlyResourcePermissions": True,
                **(own.get("features") or {}),
            },
            "workspaceCapping": {
                "dailyQuotaGb": -1.0,
                "quotaNextResetTime": instant(tenant.now),
                "dataIngestionStatus": "RespectQuota",
                **(own.get("workspaceCapping") or {}),
            },
            "publicNetworkAccessForIngestion": own.get("publicNetworkAccessForIngestion", "Enabled"),
            "publicNetworkAccessForQuery": own.get("publicNetworkAccessForQuery", "Enabled"),
            "createdDate": moment,
            "modifiedDate": instant(resource.changed),
        },
        "location": resource.location,
    }
    if resource.body.get("tags"):
        body["tags"] = resource.body["tags"]
    return body | {
        "id": resource.id,
        "name": resource.name,
        "type": WORKSPACES,
        "etag": cognitive_etag(resource),
    }


def _write(write: Write) -> None:
    """The workspace takes queries from now on."""
    days = write.resource.properties.get("retentionInDays", DEFAULT_RETENTION)
    if not write.seeding and not (isinstance(days, int) and 4 <= days <= 730):
        raise errors.bad_request("InvalidParameter", "The retention must be between 4 and 730 days.")
    write.tenant.logs.open(workspace_guid(write.resource))


def _erase(write: Write) -> None:
    write.tenant.logs.close(workspace_guid(write.resource))


def _table(tenant: Tenant, workspace: Resource, name: str) -> Json:
    stored = tenant.child(workspace.id, "tables", name)
    own = stored.properties if stored else {}
    default = workspace.properties.get("retentionInDays", DEFAULT_RETENTION)
    if name in FREE_NINETY:
        default = max(default, 90)
    # -1 asks for the default again
    kept = own.get("retentionInDays") if own.get("retentionInDays", -1) != -1 else None
    total = own.get("totalRetentionInDays") if own.get("totalRetentionInDays", -1) != -1 else None
    retention = kept or default
    return {
        "properties": {
            "totalRetentionInDays": total or retention,
            "archiveRetentionInDays": (total or retention) - retention,
            "plan": own.get("plan", "Analytics"),
            "retentionInDaysAsDefault": kept is None,
            "totalRetentionInDaysAsDefault": total is None,
            "schema": {
                "tableSubType": "Any" if name == "AzureDiagnostics" else "DataCollectionRuleBased",
                "name": name,
                "tableType": "Microsoft",
                "columns": [],
            },
            "provisioningState": "Succeeded",
            "retentionInDays": retention,
        },
        "id": f"{workspace.id}/tables/{name}",
        "name": name,
    }


def _tables(query: Query) -> Sequence[Json]:
    workspace = query.tenant.find(query.path.parent)
    if workspace is None:
        return []
    return [_table(query.tenant, workspace, name) for name in _there(query.tenant, workspace)]


def _there(tenant: Tenant, workspace: Resource) -> list[str]:
    """The tables of a workspace: AzureDiagnostics is not among them before its first row."""
    return [name for name in catalogue() if name in tenant.logs.open(workspace_guid(workspace)).tables]


def _show_table(tenant: Tenant, resource: Resource, view: View) -> Json:
    workspace = tenant.find(resource.id.rpartition("/tables/")[0])
    if workspace is None:
        raise ArmError(404, "ResourceNotFound", f"The workspace of '{resource.id}' was not found.")
    return _table(tenant, workspace, resource.name)


def _write_table(write: Write) -> None:
    own = write.resource.properties
    kept, total = own.get("retentionInDays", -1), own.get("totalRetentionInDays", -1)
    if write.resource.name not in catalogue():
        raise _no_table_named(write.resource.name)
    if -1 not in (kept, total) and total < kept:
        message = "totalRetentionInDays must not be less than retentionInDays."
        raise errors.bad_request("InvalidParameter", message)


def _no_table_named(name: str) -> ArmError:
    return ArmError(404, "ResourceNotFound", f"Table {name} was not found in the workspace.", headers=errors.SERVICE)


def _no_table(path: ArmPath) -> ArmError:
    return _no_table_named(path.names[-1])


declare(
    [
        Kind(WORKSPACES, VERSIONS, _show, write=_write, erase=_erase),
        Kind(
            TABLES,
            VERSIONS,
            _show_table,
            items=_tables,
            write=_write_table,
            missing=_no_table,
            created_status=200,
            paging=Paging(50, "$skipToken"),
        ),
    ]
)
