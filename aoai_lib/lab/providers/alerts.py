"""Microsoft.AlertsManagement/alerts: the lab's alert rules, evaluated at its clock, which stands still.

Log rules by their query over the window that ends now, metric rules by their totals, activity log alerts by each event of the
time asked for. Shape: Microsoft Learn, "Alerts - Get All" (2018-05-05, 2019-05-05-preview).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from operator import ge, gt, le, lt
from typing import Any

from aoai_lib.lab import errors
from aoai_lib.lab.kinds import GET_ONLY, Kind, Paging, Query, View, Write, declare
from aoai_lib.lab.logqueries import WORKSPACES, workspace_guid
from aoai_lib.lab.logs import LogQueryError, window_of
from aoai_lib.lab.shapes import Json, identifier, parse_instant
from aoai_lib.lab.store import Resource, Tenant

PROCESSING = "Microsoft.AlertsManagement/actionRules"
RANGES = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "greaterthan": gt,
    "greaterthanorequal": ge,
    "greaterorlessthan": gt,
    "lessthan": lt,
    "lessthanorequal": le,
}
_Fired = tuple[datetime, str]
"""When a rule fired, and the resource that it was about."""


def _alerts(query: Query) -> Sequence[Json]:
    asked = {key.lower(): value for key, value in query.options.items()}
    reach = RANGES.get(asked.get("timerange", "1d").lower())
    if reach is None:
        raise errors.bad_request("BadRequest", f"The time range must be one of {', '.join(RANGES)}.")
    tenant, found = query.tenant, []
    for type_, (signal, service, evaluate) in _RULES.items():
        for rule in tenant.of_type(f"Microsoft.Insights/{type_}", f"/subscriptions/{query.path.subscription}"):
            if rule.properties.get("enabled", True):
                for moment, target in evaluate(tenant, rule, tenant.now - reach):
                    suppressed = _suppressed(tenant, target)
                    found.append(_shown(rule, signal, service, moment, target, suppressed=suppressed))
    return sorted(found, key=lambda each: str(each["properties"]["essentials"]["startDateTime"]), reverse=True)


def _suppressed(tenant: Tenant, target: str) -> bool:
    """Whether an alert processing rule without conditions or schedule takes the action groups of alerts about a resource away."""
    about = f"{target.strip('/').lower()}/"
    return any(
        about.startswith(f"{scope.strip('/').lower()}/")
        for rule in tenant.of_type(PROCESSING)
        if rule.properties.get("enabled", True)
        and not rule.properties.get("conditions")
        and not rule.properties.get("schedule")
        and any(each.get("actionType") == "RemoveAllActionGroups" for each in rule.properties.get("actions") or [])
        for scope in rule.properties.get("scopes") or []
    )


def _show_processing(tenant: Tenant, resource: Resource, view: View) -> Json:
    return {
        "id": resource.id,
        "type": PROCESSING,
        "name": resource.name,
        "location": "Global",
        "tags": resource.body.get("tags") or {},
        "properties": {"enabled": True, **resource.properties},
    }


def _write_processing(write: Write) -> None:
    own = write.resource.properties
    if not own.get("scopes") or not own.get("actions"):
        raise errors.bad_request("BadRequest", "An alert processing rule has scopes and actions.")


def _shown(rule: Resource, signal: str, service: str, moment: datetime, target: str, *, suppressed: bool) -> Json:
    number = identifier("alert", rule.id.lower(), target.lower(), moment.isoformat())
    steps, at = target.strip("/").split("/"), moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "id": f"/subscriptions/{steps[1]}/providers/Microsoft.AlertsManagement/alerts/{number}",
        "name": rule.name,
        "type": "Microsoft.AlertsManagement/alerts",
        "properties": {
            "essentials": {
                "severity": f"Sev{rule.properties.get('severity', 4)}",
                "signalType": signal,
                "alertState": "New",
                "monitorCondition": "Fired",
                "monitorService": service,
                "targetResource": target.lower(),
                "targetResourceName": steps[-1].lower(),
                "targetResourceGroup": steps[3].lower() if len(steps) > 3 else "",
                "targetResourceType": "/".join(steps[5:7]).lower(),
                "alertRule": rule.id,
                "startDateTime": at,
                "lastModifiedDateTime": at,
                "lastModifiedUserName": "System",
                "actionStatus": {"isSuppressed": suppressed},
                "description": str(rule.properties.get("description", "")),
            }
        },
    }


def _log(tenant: Tenant, rule: Resource, since: datetime) -> Iterator[_Fired]:
    """A log rule fires once, at the lab's clock, about its first scope. A query that the engine does not take fires nothing."""
    conditions = (rule.properties.get("criteria") or {}).get("allOf") or []
    scopes = [str(each).lower() for each in rule.properties.get("scopes") or []]
    places = [each for each in tenant.of_type(WORKSPACES) if each.id.lower() in scopes]
    span = str(rule.properties.get("overrideQueryTimeRange") or rule.properties.get("windowSize") or "PT5M")
    met = [any(_meets(tenant, workspace_guid(each), condition, span) for each in places) for condition in conditions]
    if met and all(met):
        yield tenant.now, places[0].id


def _meets(tenant: Tenant, guid: str, condition: Json, span: str) -> bool:
    try:
        answer = tenant.logs.query(guid, str(condition.get("query", "")), span, tenant.now)
    except LogQueryError:
        return False
    table = answer["tables"][0]
    measured = str(condition.get("metricMeasureColumn") or "")
    names = [each["name"] for each in table["columns"]]
    if not measured:
        return _above(condition, len(table["rows"]))
    values = [row[names.index(measured)] for row in table["rows"]] if measured in names else []
    return bool(values) and _above(condition, sum(float(each or 0) for each in values))


def _above(condition: Json, value: float) -> bool:
    operator = _OPERATORS.get(str(condition.get("operator", "")).lower())
    threshold = condition.get("threshold")
    return operator is not None and isinstance(threshold, int | float) and operator(value, threshold)


def _metric(tenant: Tenant, rule: Resource, since: datetime) -> Iterator[_Fired]:
    """A metric rule fires at the clock for each account in whose window every condition is met by one combination of its dimensions."""
    conditions = (rule.properties.get("criteria") or {}).get("allOf") or []
    window = window_of(str(rule.properties.get("windowSize") or "PT5M"), tenant.now)
    scopes = [str(each).strip("/").lower() for each in rule.properties.get("scopes") or []]
    if window is None or not conditions:
        return
    totals = [_totals(tenant, condition, window[0]) for condition in conditions]
    for account in sorted({account for each in totals for account, _ in each}):
        covered = any(f"{account.strip('/')}/".startswith(f"{scope}/") for scope in scopes)
        met = [
            any(_above(condition, total) for (own, _), total in each.items() if own == account)
            for condition, each in zip(conditions, totals, strict=True)
        ]
        if covered and all(met):
            yield tenant.now, account


def _totals(tenant: Tenant, condition: Json, since: datetime) -> Counter[tuple[str, tuple[str, ...]]]:
    """The total of a condition's metric since a moment, by account and the dimensions that it is split by."""
    split = {str(each.get("name")): each.get("values") or ["*"] for each in condition.get("dimensions") or []}
    found: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for point, count in tenant.meter.of(str(condition.get("metricName", ""))):
        held = dict(point.dimensions)
        values = tuple(held.get(name, "") for name in split)
        wanted = all("*" in allowed or value in allowed for value, allowed in zip(values, split.values(), strict=True))
        if wanted and point.moment >= since:
            found[point.account.lower(), values] += count
    return found


def _activity(tenant: Tenant, rule: Resource, since: datetime) -> Iterator[_Fired]:
    """An activity log alert fires for each event that meets all its conditions."""
    conditions = (rule.properties.get("condition") or {}).get("allOf") or []
    scopes = [str(each).strip("/").lower() for each in rule.properties.get("scopes") or []]
    for event in tenant.activity:
        moment, about = parse_instant(event["eventTimestamp"]), str(event["resourceId"])
        covered = any(f"{about.strip('/').lower()}/".startswith(f"{scope}/") for scope in scopes)
        if covered and conditions and moment >= since and all(_leaf(event, each) for each in conditions):
            yield moment, about


def _leaf(event: Json, condition: Json) -> bool:
    if condition.get("anyOf"):
        return any(_leaf(event, each) for each in condition["anyOf"])
    field = str(condition.get("field", "")).lower()
    value = {
        "category": event["category"]["value"],
        "operationname": event["operationName"]["value"],
        "status": event["status"]["value"],
        "level": event["level"],
        "caller": event["caller"],
        "resourceid": event["resourceId"],
        "resourcegroup": event["resourceGroupName"],
        "resourceprovider": event["resourceProviderName"]["value"],
        "resourcetype": event["operationName"]["value"].removesuffix("/action").rpartition("/")[0],
    }.get(field, "")
    wanted = [condition.get("equals"), *(condition.get("containsAny") or [])]
    return str(value).lower() in {str(each).lower() for each in wanted if each}


_RULES: dict[str, tuple[str, str, Callable[[Tenant, Resource, datetime], Iterator[_Fired]]]] = {
    "scheduledQueryRules": ("Log", "Log Alerts V2", _log),
    "metricAlerts": ("Metric", "Platform", _metric),
    "activityLogAlerts": ("Log", "Activity Log Administrative", _activity),
}

declare(
    [
        Kind(PROCESSING, ("2021-08-08", "2021-08-08-preview"), _show_processing, write=_write_processing),
        Kind(
            "Microsoft.AlertsManagement/alerts",
            ("2018-05-05", "2019-03-01", "2019-05-05-preview"),
            items=_alerts,
            methods=GET_ONLY,
            paging=Paging(25, "$skipToken"),
        ),
    ]
)
