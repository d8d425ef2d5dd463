"""The detections and the five alerts as an ARM template, for whoever deploys by template. Deploy it to the resource group for alert rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from aoai_lib.detections.catalogue import Detection, catalogue
from aoai_lib.detections.rules import ACTION_GROUPS, METRIC_ALERTS, QUERY_RULES, REJECTED, TOKENS, query_rule
from aoai_lib.model import Json

_GROUP: Final = "[resourceId('Microsoft.Insights/actionGroups', parameters('actionGroup'))]"
_HOURLY: Final = frozenset({"first-seen-caller"})


def _parameter(kind: str, described: str, **more: Json) -> dict[str, Json]:
    return {"type": kind, **more, "metadata": {"description": described}}


_PARAMETERS: Final[dict[str, Json]] = {
    "accountId": _parameter("string", "ARM id of the account that metric alerts watch."),
    "workspaceId": _parameter("string", "ARM id of the Log Analytics workspace that receives its logs and the activity log."),
    "location": _parameter("string", "Region of the log rules: the workspace's.", defaultValue="[resourceGroup().location]"),
    "actionGroup": _parameter("string", "Name of the action group.", defaultValue="aoai-playbook"),
    "receivers": _parameter("array", "Who is told: objects with name, emailAddress and useCommonAlertSchema."),
    "rejectedContentPer5Minutes": _parameter("int", "Rejected requests in five minutes that raise no alert.", defaultValue=20),
    "tokensPerHour": _parameter("int", "Tokens in an hour that raise no alert.", defaultValue=500_000),
    "hasGateway": _parameter("bool", "Whether API Management logs to the workspace.", defaultValue=False),
    "hasDefender": _parameter("bool", "Whether Defender's alerts are exported to the workspace.", defaultValue=False),
}  # fmt: skip
_ONLY_WHERE: Final = {"ApiManagementGatewayLlmLog": "hasGateway", "SecurityAlert": "hasDefender"}
"""Tables that are not in every workspace: a rule over one that is missing is refused."""


def template() -> dict[str, Json]:
    """The template. Texts that would be read as expressions, because they begin with a bracket, are escaped."""
    return {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": _PARAMETERS,
        "resources": list(_resources()),
    }


def text() -> str:
    """The same as a file: the same bytes for the same catalogue."""
    return json.dumps(template(), indent=2, ensure_ascii=False) + "\n"


def _resources() -> Iterator[dict[str, Json]]:
    receivers = "[parameters('receivers')]"
    yield {
        "type": "Microsoft.Insights/actionGroups",
        "apiVersion": ACTION_GROUPS,
        "name": "[parameters('actionGroup')]",
        "location": "Global",
        "properties": {"groupShortName": "aoai", "enabled": True, "emailReceivers": receivers},
    }
    for rule, parameter in ((REJECTED, "rejectedContentPer5Minutes"), (TOKENS, "tokensPerHour")):
        described = f"{rule.metric}: more than is usual in {rule.window}."
        yield {
            "type": "Microsoft.Insights/metricAlerts",
            "apiVersion": METRIC_ALERTS,
            "name": f"[format('aoai-{{0}}-{rule.name}', last(split(parameters('accountId'), '/')))]",
            "location": "global",
            "dependsOn": [_GROUP],
            "properties": rule.properties(
                "[parameters('accountId')]", described, f"[parameters('{parameter}')]", _GROUP
            ),
        }
    yield from (_log_rule(each) for each in catalogue() if each.alertable)


def _log_rule(detection: Detection) -> dict[str, Json]:
    every = "PT1H" if detection.name in _HOURLY else "PT15M"
    properties = query_rule(detection, "[parameters('workspaceId')]", _GROUP, every)
    condition = properties["criteria"]["allOf"][0]
    condition["query"] = _plain(condition["query"])
    for name in ("displayName", "description"):
        properties[name] = _plain(properties[name])
    only = [parameter for table, parameter in _ONLY_WHERE.items() if table in detection.tables]
    return {
        **({"condition": f"[parameters('{only[0]}')]"} if only else {}),
        "type": "Microsoft.Insights/scheduledQueryRules",
        "apiVersion": QUERY_RULES,
        "name": f"[format('aoai-{{0}}-{detection.name}', last(split(parameters('workspaceId'), '/')))]",
        "location": "[parameters('location')]",
        "dependsOn": [_GROUP],
        "properties": properties,
    }


def _plain(told: str) -> str:
    return f"[{told}" if told.startswith("[") else told
