"""Microsoft.Insights: diagnostic settings and their categories, alert rules, action groups, the activity log."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aoai_lib.lab import errors
from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.kinds import GET_ONLY, NO_PATCH, Kind, Paging, Query, View, Write, declare
from aoai_lib.lab.logqueries import WORKSPACES, workspace_guid
from aoai_lib.lab.logs import LogQueryError
from aoai_lib.lab.paths import ArmPath
from aoai_lib.lab.providers.envelopes import system_data
from aoai_lib.lab.shapes import Json, parse_instant
from aoai_lib.lab.store import Resource, Tenant

SETTINGS = "Microsoft.Insights/diagnosticSettings"
CATEGORIES = {
    "microsoft.cognitiveservices/accounts": (
        "Audit",
        "RequestResponse",
        "AzureOpenAIRequestUsage",
        "Trace",
        "ManagedNetworkEvent",
    ),
    "": (
        "Administrative",
        "Security",
        "ServiceHealth",
        "Alert",
        "Recommendation",
        "Policy",
        "Autoscale",
        "ResourceHealth",
    ),
}
"""Log categories by resource type; a subscription's activity log has the empty type."""
DESTINATIONS = ("workspaceId", "storageAccountId", "eventHubAuthorizationRuleId", "marketplacePartnerId")
MAXIMUM = 5
_NO_RETENTION = {"enabled": False, "days": 0}
RECEIVERS = (
    "emailReceivers",
    "smsReceivers",
    "webhookReceivers",
    "eventHubReceivers",
    "itsmReceivers",
    "azureAppPushReceivers",
    "automationRunbookReceivers",
    "voiceReceivers",
    "logicAppReceivers",
    "azureFunctionReceivers",
    "armRoleReceivers",
)


def categories_of(scope: str) -> tuple[str, ...]:
    """The log categories of a resource (or, without a provider in its id, of a subscription)."""
    _, found, rest = scope.lower().rpartition("/providers/")
    if not found:
        return CATEGORIES[""]
    parts = rest.split("/")
    return CATEGORIES.get("/".join([parts[0], *parts[1::2]]), ())


def _show_setting(tenant: Tenant, resource: Resource, view: View) -> Json:
    own = resource.properties
    scope = resource.id.rpartition(f"/providers/{SETTINGS}")[0].lower()
    properties: Json = {
        "storageAccountId": own.get("storageAccountId"),
        "serviceBusRuleId": None,
        "workspaceId": own.get("workspaceId"),
        "eventHubAuthorizationRuleId": own.get("eventHubAuthorizationRuleId"),
        "eventHubName": own.get("eventHubName"),
    }
    subscription = "/providers/" not in scope
    if not subscription:
        metrics = own.get("metrics") or [{"category": "AllMetrics", "enabled": False}]
        properties["metrics"] = [{**entry, "retentionPolicy": dict(_NO_RETENTION)} for entry in metrics]
    properties["logs"] = _logs(own.get("logs") or [], categories_of(scope))
    properties["logAnalyticsDestinationType"] = own.get("logAnalyticsDestinationType")
    lead = scope.lstrip("/") if subscription else scope
    return {
        "id": f"{lead}/providers/microsoft.insights/diagnosticSettings/{resource.name}",
        "type": SETTINGS,
        "name": resource.name,
        "location": None,
        "kind": None,
        "tags": None,
        "properties": properties,
        "identity": None,
    }


def _logs(sent: list[Json], known: tuple[str, ...]) -> list[Json]:
    """Groups as they were sent; single categories with the ones that were not sent shown as disabled."""
    shown = [
        {
            "category": entry.get("category"),
            "categoryGroup": entry.get("categoryGroup"),
            "enabled": bool(entry.get("enabled")),
            "retentionPolicy": dict(_NO_RETENTION),
        }
        for entry in sent
    ]
    if any(entry.get("categoryGroup") for entry in sent):
        return shown
    named = {str(entry.get("category")).lower() for entry in sent}
    return shown + [
        {"category": name, "categoryGroup": None, "enabled": False, "retentionPolicy": dict(_NO_RETENTION)}
        for name in known
        if name.lower() not in named
    ]


def _write_setting(write: Write) -> None:
    own = write.resource.properties
    if write.seeding:
        return
    scope = write.resource.id.rpartition(f"/providers/{SETTINGS}")[0]
    logs = own.get("logs") or []
    groups = [entry for entry in logs if entry.get("categoryGroup")]
    if groups and len(groups) != len(logs):
        raise errors.bad_request(
            "BadRequest", "Category groups and categories cannot be mixed in one diagnostic setting."
        )
    for entry in logs:
        name = entry.get("category")
        if name and str(name).lower() not in {known.lower() for known in categories_of(scope)}:
            raise errors.bad_request("BadRequest", f"Category '{name}' is not supported.")
    if not any(own.get(name) for name in DESTINATIONS):
        message = "At least one data sink needs to be specified."
        raise errors.bad_request("BadRequest", message)
    workspace = own.get("workspaceId")
    if workspace and write.tenant.find(str(workspace)) is None:
        raise errors.bad_request("ResourceNotFound", f"The workspace '{workspace}' could not be found.")
    if write.before is None and len(write.tenant.extensions(scope, SETTINGS)) >= MAXIMUM:
        raise errors.conflict("Conflict", f"A resource can have at most {MAXIMUM} diagnostic settings.")


def _no_setting(path: ArmPath) -> ArmError:
    message = f"The diagnostic setting '{path.names[-1]}' doesn't exist."
    return ArmError(
        404, "ResourceNotFound", message, headers=errors.SERVICE, body={"code": "ResourceNotFound", "message": message}
    )


def _categories(query: Query) -> Sequence[Json]:
    scope = query.path.scope.lower()
    type_ = "microsoft.insights/diagnosticSettingsCategories"
    found: list[Json] = [{"name": "AllMetrics", "properties": {"categoryType": "Metrics", "categoryGroups": []}}]
    for name in categories_of(scope):
        groups = ["allLogs", "audit"] if name == "Audit" else ["allLogs"]
        found.append({"name": name, "properties": {"categoryType": "Logs", "categoryGroups": groups}})
    return [
        {
            "id": f"{scope}/providers/{type_}/{entry['name']}",
            "type": type_,
            "location": None,
            "kind": None,
            "tags": None,
        }
        | entry
        | {"identity": None}
        for entry in found
    ]


def _show_metric_alert(tenant: Tenant, resource: Resource, view: View) -> Json:
    own = resource.properties
    defaults: Json = {"autoMitigate": True, "actions": []}
    body: Json = {
        "id": resource.id,
        "name": resource.name,
        "type": "Microsoft.Insights/metricAlerts",
        "location": "global",
    }
    if resource.body.get("tags"):
        body["tags"] = resource.body["tags"]
    return body | {"properties": defaults | own}


def _show_query_rule(tenant: Tenant, resource: Resource, view: View) -> Json:
    body: Json = {
        "id": resource.id.replace("Microsoft.Insights/scheduledQueryRules", "microsoft.insights/scheduledqueryrules"),
        "name": resource.name,
        "type": "microsoft.insights/scheduledqueryrules",
        "kind": "LogAlert",
        "location": resource.location,
        "systemData": system_data(resource),
    }
    if resource.body.get("tags"):
        body["tags"] = resource.body["tags"]
    return body | {"properties": {"createdWithApiVersion": "2023-12-01", **resource.properties}}


def _write_query_rule(write: Write) -> None:
    own = write.resource.properties
    if not write.seeding and (not own.get("scopes") or not (own.get("criteria") or {}).get("allOf")):
        raise errors.bad_request("BadRequest", "A scheduled query rule needs scopes and criteria.")
    if not write.seeding and own.get("skipQueryValidation") is not True:
        _validate_queries(write.tenant, own)


def _validate_queries(tenant: Tenant, own: Json) -> None:
    """The service runs a rule's query on its workspace before it takes the rule: one over a missing table is a 400."""
    places = [each for each in map(tenant.find, map(str, own["scopes"])) if each is not None]
    for workspace in (each for each in places if each.type.lower() == WORKSPACES.lower()):
        for condition in own["criteria"]["allOf"]:
            try:
                tenant.logs.query(workspace_guid(workspace), str(condition.get("query", "")), None, tenant.now)
            except LogQueryError as refused:
                inner = refused.body["error"].get("innererror", {}).get("innererror", {})
                if not str(inner.get("code", "")).startswith(
                    "LAB"
                ):  # what the lab's engine lacks, the service may hold
                    raise errors.bad_request("BadRequest", str(inner.get("message", refused))) from refused


def _show_activity_alert(tenant: Tenant, resource: Resource, view: View) -> Json:
    body: Json = {
        "id": resource.id,
        "name": resource.name,
        "type": "Microsoft.Insights/ActivityLogAlerts",
        "location": resource.location or "global",
    }
    if resource.body.get("tags"):
        body["tags"] = resource.body["tags"]
    return body | {"properties": {"enabled": True, "actions": {"actionGroups": []}, **resource.properties}}


def _show_action_group(tenant: Tenant, resource: Resource, view: View) -> Json:
    own = resource.properties
    receivers = {name: own.get(name) or [] for name in RECEIVERS}
    receivers["emailReceivers"] = [{"status": "Enabled", **entry} for entry in receivers["emailReceivers"]]
    properties = {"groupShortName": own.get("groupShortName", ""), "enabled": own.get("enabled", True), **receivers}
    return {
        "id": resource.id.replace("Microsoft.Insights", "microsoft.insights"),
        "type": "Microsoft.Insights/ActionGroups",
        "name": resource.name,
        "location": resource.location or "Global",
        "kind": None,
        "tags": resource.body.get("tags"),
        "properties": properties,
    }


_TERM = re.compile(r"(\w+)\s+(eq|ge|le|gt|lt)\s+'?([^'\s]+)'?", re.IGNORECASE)


def _events(query: Query) -> Sequence[Json]:
    """The activity log, newest first. The service wants a filter with a start."""
    text = next((value for key, value in query.options.items() if key.lower() == "$filter"), "")
    terms = [(name.lower(), operator.lower(), value) for name, operator, value in _TERM.findall(text)]
    if not any(name == "eventtimestamp" and operator in ("ge", "gt") for name, operator, _ in terms):
        raise errors.bad_request("BadRequest", "The filter must have a start time: eventTimestamp ge '…'.")
    mine = [event for event in query.tenant.activity if event["subscriptionId"] == query.path.subscription]
    return [event for event in reversed(mine) if all(_holds(event, *term) for term in terms)]


def _holds(event: Json, name: str, operator: str, value: str) -> bool:
    if name == "eventtimestamp":
        moment, bound = parse_instant(event["eventTimestamp"]), parse_instant(value)
        return moment >= bound if operator in ("ge", "gt") else moment <= bound
    found = {
        "resourcegroupname": event["resourceGroupName"],
        "resourceuri": event["resourceId"],
        "resourceid": event["resourceId"],
        "resourceprovider": event["resourceProviderName"]["value"],
        "correlationid": event["correlationId"],
        "status": event["status"]["value"],
        "caller": event["caller"],
        "levels": event["level"],
    }.get(name)
    return found is None or str(found).lower() == value.lower()


declare(
    [
        Kind(
            SETTINGS,
            ("2017-05-01-preview", "2021-05-01-preview"),
            _show_setting,
            methods=NO_PATCH,
            write=_write_setting,
            extension=True,
            missing=_no_setting,
            created_status=200,
        ),
        Kind(
            "Microsoft.Insights/diagnosticSettingsCategories",
            ("2017-05-01-preview", "2021-05-01-preview"),
            items=_categories,
            methods=GET_ONLY,
            extension=True,
        ),
        Kind(
            "Microsoft.Insights/metricAlerts",
            ("2018-03-01", "2024-03-01-preview"),
            _show_metric_alert,
            created_status=200,
        ),
        Kind(
            "Microsoft.Insights/scheduledQueryRules",
            (
                "2021-08-01",
                "2022-06-15",
                "2022-08-01-preview",
                "2023-03-15-preview",
                "2023-12-01",
                "2025-01-01-preview",
            ),
            _show_query_rule,
            write=_write_query_rule,
        ),
        Kind(
            "Microsoft.Insights/activityLogAlerts",
            ("2017-04-01", "2020-10-01", "2023-01-01-preview"),
            _show_activity_alert,
        ),
        Kind(
            "Microsoft.Insights/actionGroups",
            ("2019-06-01", "2021-09-01", "2022-06-01", "2023-01-01", "2023-09-01-preview", "2024-10-01-preview"),
            _show_action_group,
        ),
        Kind(
            "Microsoft.Insights/eventtypes/values",
            ("2015-04-01", "2017-03-01-preview"),
            items=_events,
            methods=GET_ONLY,
            paging=Paging(20, "$skipToken"),
        ),
    ]
)
