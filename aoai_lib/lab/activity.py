"""The activity log: every write that was done or refused, as Azure Monitor's events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from aoai_lib.lab.kinds import Caller, Kind, Query
from aoai_lib.lab.paths import group_of, subscription_of
from aoai_lib.lab.shapes import Json, identifier, instant
from aoai_lib.lab.store import Operation, Tenant

_VERBS = {"PUT": "write", "PATCH": "write", "DELETE": "delete"}
_METHODS = {"write": "PUT", "delete": "DELETE"}
_NOUNS = {"write": "Create or update", "delete": "Delete", "action": "Run"}
_STATUSES = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "NoContent",
    400: "BadRequest",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    412: "PreconditionFailed",
    429: "TooManyRequests",
}


@dataclass(frozen=True)
class Deed:
    """What was tried: an operation on a resource, by whom, when, and how it ended (``code`` is empty for success)."""

    operation: str
    resource_id: str
    caller: Caller
    moment: datetime
    status: int
    correlation: str
    code: str = ""


def record(
    query: Query, kind: Kind, method: str, action: str, status: int, code: str = "", operation: Operation | None = None
) -> None:
    """Record one write at the gateway: begun, and ended; or accepted, and ended when its operation is done."""
    subject = kind.operation or kind.type
    spelled = next((name for name in kind.actions if name.lower() == action.lower()), action)
    name = f"{subject}/{spelled}/action" if action else f"{subject}/{_VERBS.get(method, 'action')}"
    deed = Deed(name, query.path.text, query.caller, query.tenant.now, status, str(uuid4()), code)
    if operation is None or operation.done:
        enter(query.tenant, deed, ("Started", "Failed" if code else "Succeeded"))
        return
    enter(query.tenant, deed, ("Started", "Accepted"))
    operation.ended = lambda outcome: enter(query.tenant, _ended(deed, outcome), (outcome,))


def _ended(deed: Deed, outcome: str) -> Deed:
    return (
        replace(deed, status=200) if outcome == "Succeeded" else replace(deed, status=500, code=f"Operation{outcome}")
    )


def seed(tenant: Tenant) -> None:
    """Enter what a world says happened before: ``operation``, ``resource``, ``caller``, ``minutesAgo``, ``status``."""
    for order, entry in enumerate(tenant.world.activity):
        principal = tenant.world.principal(entry["caller"])
        caller = Caller(principal.id, principal.app_id, name=principal.name, principal_type=principal.kind)
        moment = tenant.now - timedelta(minutes=float(entry["minutesAgo"]))
        correlation = identifier(tenant.world.slug, "activity", order)
        status, code = int(entry.get("status", 200)), str(entry.get("code", ""))
        deed = Deed(entry["operation"], entry["resource"], caller, moment, status, correlation, code)
        enter(tenant, deed, ("Started", "Failed" if code else "Succeeded"))


def enter(tenant: Tenant, deed: Deed, outcomes: Sequence[str]) -> None:
    """Write a deed down as one event an outcome, and hand them to whoever exports the log."""
    subscription = subscription_of(deed.resource_id)
    if subscription is None:
        return
    for outcome in outcomes:
        event = _event(tenant, deed, outcome)
        tenant.activity.append(event)
        if tenant.exporter is not None:
            tenant.exporter(tenant, subscription, event)


def _event(tenant: Tenant, deed: Deed, outcome: str) -> Json:
    caller = deed.caller
    ended = outcome != "Started"
    phrase = _STATUSES.get(deed.status, str(deed.status)) if ended else ""
    number = identifier(deed.correlation, outcome)
    properties: Json = {"statusCode": phrase, "serviceRequestId": identifier(number, "service")} if ended else {}
    if ended and deed.code:
        properties["statusMessage"] = f'{{"error":{{"code":"{deed.code}"}}}}'
    type_, _, verb = deed.operation.rpartition("/")
    ticks = int(deed.moment.timestamp()) * 10_000_000 + deed.moment.microsecond * 10 + 621_355_968_000_000_000
    claims = {
        "http://schemas.microsoft.com/identity/claims/objectidentifier": caller.object_id,
        "appid": caller.client_id,
        "ipaddr": caller.address,
    }
    return {
        "authorization": {"action": deed.operation, "scope": deed.resource_id},
        "caller": caller.name if caller.principal_type == "User" else caller.object_id,
        "claims": claims,
        "correlationId": deed.correlation,
        "description": "",
        "eventDataId": number,
        "eventName": _named("EndRequest" if ended else "BeginRequest"),
        "category": _named("Administrative"),
        "httpRequest": {
            "clientRequestId": identifier(number, "client"),
            "clientIpAddress": caller.address,
            "method": _METHODS.get(verb, "POST"),
        },
        "id": f"{deed.resource_id}/events/{number}/ticks/{ticks}",
        "level": "Error" if ended and deed.code else "Informational",
        "resourceGroupName": group_of(deed.resource_id) or "",
        "resourceProviderName": _named(deed.operation.partition("/")[0]),
        "resourceId": deed.resource_id,
        "resourceType": _named(type_),
        "operationId": deed.correlation,
        "operationName": {"value": deed.operation, "localizedValue": f"{_NOUNS.get(verb, 'Run')} {type_}"},
        "properties": properties,
        "status": _named(outcome),
        "subStatus": _named(phrase),
        "eventTimestamp": instant(deed.moment),
        "submissionTimestamp": instant(deed.moment + timedelta(minutes=2)),
        "subscriptionId": subscription_of(deed.resource_id),
        "tenantId": tenant.world.tenant_id,
    }


def _named(value: str) -> Json:
    return {"value": value, "localizedValue": value}
