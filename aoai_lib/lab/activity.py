"""The activity log: every write that was done or refused, as Azure Monitor's events and as AzureActivity rows."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from aoai_lib.lab.kinds import Kind, Query
from aoai_lib.lab.shapes import Json, instant

_VERBS = {"PUT": "write", "PATCH": "write", "DELETE": "delete"}
_NOUNS = {"write": "Create or update", "delete": "Delete", "action": "Run"}


def record(query: Query, kind: Kind, method: str, action: str, status: int, code: str = "") -> None:
    """Record one write at the gateway: a start, and how it ended."""
    path = query.path
    if path.subscription is None:
        return
    subject = kind.operation or kind.type
    spelled = next((name for name in kind.actions if name.lower() == action.lower()), action)
    operation = f"{subject}/{spelled}/action" if action else f"{subject}/{_VERBS[method]}"
    correlation = str(uuid4())
    for index, outcome in enumerate(("Started", "Failed" if code else "Succeeded")):
        event = _event(query, operation, outcome, correlation, status if index else 0, code if index else "", index)
        query.tenant.activity.append(event)
        if query.tenant.exporter is not None:
            query.tenant.exporter(query.tenant, path.subscription, event)


def _event(query: Query, operation: str, outcome: str, correlation: str, status: int, code: str, order: int) -> Json:
    path, caller, tenant = query.path, query.caller, query.tenant
    moment = tenant.now + timedelta(milliseconds=len(tenant.activity))
    names = {200: "OK", 201: "Created", 202: "Accepted", 204: "NoContent", 403: "Forbidden", 409: "Conflict"}
    names |= {400: "BadRequest", 404: "NotFound", 405: "MethodNotAllowed"}
    verb = operation.rpartition("/")[2]
    plain = f"{_NOUNS[verb]} {operation.rpartition('/')[0]}"
    identifier = str(uuid4())
    event_name = {"Started": "BeginRequest"}.get(outcome, "EndRequest")
    properties: Json = (
        {"statusCode": names.get(status, str(status)), "serviceRequestId": str(uuid4())} if status else {}
    )
    if code:
        properties["statusMessage"] = f'{{"error":{{"code":"{code}"}}}}'
    return {
        "authorization": {"action": operation, "scope": path.text},
        "caller": caller.object_id,
        "channels": "Operation",
        "claims": {
            "http://schemas.microsoft.com/identity/claims/objectidentifier": caller.object_id,
            "appid": caller.client_id,
            "ipaddr": caller.address,
        },
        "correlationId": correlation,
        "description": "",
        "eventDataId": identifier,
        "eventName": {"value": event_name, "localizedValue": event_name},
        "category": {"value": "Administrative", "localizedValue": "Administrative"},
        "httpRequest": {
            "clientRequestId": str(uuid4()),
            "clientIpAddress": caller.address,
            "method": _method(operation),
        },
        "id": f"{path.text}/events/{identifier}/ticks/{_ticks(query, order)}",
        "level": "Error" if code else "Informational",
        "resourceGroupName": path.group or "",
        "resourceProviderName": {"value": path.namespace, "localizedValue": path.namespace},
        "resourceId": path.text,
        "resourceType": {"value": operation.rpartition("/")[0], "localizedValue": operation.rpartition("/")[0]},
        "operationId": correlation,
        "operationName": {"value": operation, "localizedValue": plain},
        "properties": properties,
        "status": {"value": outcome, "localizedValue": outcome},
        "subStatus": {"value": names.get(status, ""), "localizedValue": names.get(status, "")},
        "eventTimestamp": instant(moment),
        "submissionTimestamp": instant(moment + timedelta(minutes=2)),
        "subscriptionId": path.subscription,
        "tenantId": tenant.world.tenant_id,
    }


def _method(operation: str) -> str:
    return {"write": "PUT", "delete": "DELETE"}.get(operation.rpartition("/")[2], "POST")


def _ticks(query: Query, order: int) -> int:
    """The event's time in ticks of 100 ns since year one, the last part of an event's id."""
    return int(query.tenant.now.timestamp() * 10_000_000) + 621_355_968_000_000_000 + len(query.tenant.activity) + order
