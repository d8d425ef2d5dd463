"""Logs for tests: a tenant of the lab with rows of a test's own, and answers of workspaces typed by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from builders import ACCOUNT, GROUP, reading

from aoai_lib import run
from aoai_lib.evidence.store import Evidence
from aoai_lib.fleet import environment
from aoai_lib.lab.server import Lab
from aoai_lib.lab.world import read, world_of
from aoai_lib.model import Reading, Snapshot, State
from aoai_lib.parameters import Parameters

LAB_SUBSCRIPTION = "7d1f8c52-64ab-4b3e-8f05-91c2d3e4a502"
CLAIMS = (
    f"/subscriptions/{LAB_SUBSCRIPTION}/resourceGroups/rg-ai-prod/providers/Microsoft.CognitiveServices/accounts/"
    "aoai-halden-claims"
)
LOGS = "log-halden-central"
ROBOT = "0a51c7e2-5d0e-4b7a-8a10-6f3f0c9d1e04"

WORKSPACE = f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/central"
CUSTOMER = "3c9d8e7f-0000-4000-8000-000000000001"
COLUMNS = ("Account", "Category", "ObjectId", "Address", "Deployment", "Operation", "Status", "Calls", "First", "Last")


def logged(minutes_ago: float, status: str = "200", address: str = "10.41.2.***", **more: Any) -> dict[str, Any]:
    """An entry of a world's logs: one row of a call. Whatever else is given is a column, or `workspace`."""
    workspace = more.pop("workspace", LOGS)
    row = {
        "ResourceProvider": "MICROSOFT.COGNITIVESERVICES",
        "ResourceId": CLAIMS.upper(),
        "Category": "RequestResponse",
        "OperationName": "ChatCompletions_Create",
        "ResultSignature": status,
        "CallerIPAddress": address,
        **more,
    }
    return {"workspace": workspace, "table": "AzureDiagnostics", "minutesAgo": minutes_ago, "row": row}


def told(object_id: str = ROBOT, deployment: str = "chat", **more: str) -> str:
    """The properties of a call as the service writes them."""
    return json.dumps({"apiName": "x", "objectId": object_id, "modelDeploymentName": deployment, **more})


def world(logs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The document of the hardened world with these log rows and no others."""
    document = deepcopy(read("hardened"))
    document["logs"] = list(logs)
    return document


def collected(
    document: Mapping[str, Any],
    reads: tuple[str, ...] = ("usage",),
    evidence: Evidence | None = None,
    faults: Iterable[str] = (),
    **parameters: Any,
) -> Snapshot:
    """What is read of a world, by its assessor, through the real clients."""
    with Lab([world_of(document)], faults=list(faults)) as lab, environment(lab.environment("hardened")):
        asked = Parameters(tenant="hardened", cloud="lab", **parameters)
        return run.collect(asked, reads, evidence or Evidence())


def call(object_id: str = ROBOT, address: str = "10.1.2.***", deployment: str = "chat", **more: Any) -> list[Any]:
    """A row of a workspace's answer; `category`, `operation`, `status`, `calls`, `first`, `last`, `account` differ by name."""
    return [
        more.get("account", ACCOUNT.lower()),
        more.get("category", "RequestResponse"),
        object_id,
        address,
        deployment,
        more.get("operation", "ChatCompletions_Create"),
        more.get("status", "200"),
        more.get("calls", 10),
        more.get("first", "2026-11-01T08:00:00.1234567Z"),
        more.get("last", "2026-11-22T08:00:00Z"),
    ]


def answer(*rows: list[Any], **more: Any) -> dict[str, Any]:
    """A workspace's answer."""
    columns = [{"name": name, "type": "string"} for name in COLUMNS]
    return {"tables": [{"name": "PrimaryResult", "columns": columns, "rows": list(rows)}], **more}


def setting(workspace: str = WORKSPACE, **log: Any) -> dict[str, Any]:
    """A diagnostic setting that sends everything to a workspace, or one entry that differs."""
    entry = log or {"categoryGroup": "allLogs", "enabled": True}
    return {"name": "to-logs", "properties": {"workspaceId": workspace, "logs": [entry]}}


def workspace(arm_id: str = WORKSPACE, customer: str = CUSTOMER, days: int = 90) -> Reading:
    """The reading of a workspace."""
    value = {"name": arm_id.rpartition("/")[2], "properties": {"customerId": customer, "retentionInDays": days}}
    return reading("workspace", arm_id, value)


def answered(*rows: list[Any], customer: str = CUSTOMER, state: State = State.COLLECTED, **more: Any) -> Reading:
    """The reading of a workspace's answer."""
    return reading("callers", customer, answer(*rows, **more), state)
