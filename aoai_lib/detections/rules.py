"""Alert rules as Azure Monitor takes them: what hardening makes and what the exported template holds, from one place.

Microsoft.Insights: actionGroups 2023-01-01, metricAlerts 2018-03-01, scheduledQueryRules 2023-12-01.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from aoai_lib.detections.catalogue import Detection
from aoai_lib.model import Json

ACTION_GROUPS: Final = "2023-01-01"
METRIC_ALERTS: Final = "2018-03-01"
QUERY_RULES: Final = "2023-12-01"
_SEVERITY: Final = {"critical": 0, "high": 1, "medium": 2, "low": 3, "info": 4}
_AGO: Final = re.compile(r"\bago\(([1-9]\d*)([mhd])\)")
_MINUTES: Final = {"m": 1, "h": 60, "d": 1440}
_RANGES: Final = {15: "PT15M", 60: "PT1H", 120: "PT2H", 360: "PT6H", 720: "PT12H", 1440: "P1D", 2880: "P2D"}
"""Time ranges, in minutes, that a rule may ask for besides its window (`overrideQueryTimeRange`, up to two days)."""


@dataclass(frozen=True, slots=True)
class MetricRule:
    """A threshold on the total of a metric of an account, by deployment.

    By nothing else: parts that are counted each by itself may stay below a number that they exceed together.
    """

    name: str
    metric: str
    window: str
    every: str

    def properties(self, account: str, described: str, most: Json, group: str) -> dict[str, Json]:
        """The rule's properties: more than `most` in the window tells the action group."""
        criterion = {
            "criterionType": "StaticThresholdCriterion",
            "name": self.name,
            "metricNamespace": "Microsoft.CognitiveServices/accounts",
            "metricName": self.metric,
            "operator": "GreaterThan",
            "threshold": most,
            "timeAggregation": "Total",
            "dimensions": [{"name": "ModelDeploymentName", "operator": "Include", "values": ["*"]}],
        }
        return {
            "description": described,
            "severity": 2,
            "enabled": True,
            "scopes": [account],
            "evaluationFrequency": self.every,
            "windowSize": self.window,
            "criteria": {
                "odata.type": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
                "allOf": [criterion],
            },
            "actions": [{"actionGroupId": group}],
        }


REJECTED: Final = MetricRule("rejected-content", "RAIRejectedRequests", "PT5M", "PT1M")
TOKENS: Final = MetricRule("token-consumption", "TokenTransaction", "PT1H", "PT15M")


def query_rule(detection: Detection, workspace: str, group: str, every: str = "PT15M") -> dict[str, Json]:
    """The properties of a log rule that tells the action group of the first row. `every` is how often it looks."""
    condition = {
        "query": detection.kql(),
        "timeAggregation": "Count",
        "operator": "GreaterThan",
        "threshold": 0,
        "resourceIdColumn": "_ResourceId",
        "failingPeriods": {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1},
    }
    properties: dict[str, Json] = {
        "displayName": detection.title,
        "description": detection.finds,
        "severity": _SEVERITY[detection.severity],
        "enabled": True,
        "scopes": [workspace],
        "evaluationFrequency": every,
        "windowSize": "PT1H",
        "criteria": {"allOf": [condition]},
        "autoMitigate": False,
        "actions": {"actionGroups": [group]},
    }
    if "_ResourceId" not in detection.rows_have:
        del condition["resourceIdColumn"]
    reach = max((int(number) * _MINUTES[unit] for number, unit in _AGO.findall(detection.kql())), default=0)
    if reach > 60:
        properties["overrideQueryTimeRange"] = next(text for minutes, text in _RANGES.items() if minutes >= reach)
    return properties
