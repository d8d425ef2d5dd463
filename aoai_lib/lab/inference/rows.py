"""The log rows that a data-plane call leaves, in the columns of AzureDiagnostics.

RequestResponse as in published samples of real rows: sizes, not tokens; no prompt, no answer, no filter verdict;
``objectId`` is empty when a key was used; the last octet of the caller's address is masked. The keys of
AzureOpenAIRequestUsage are what field reports name (one-element lists), not documented by Microsoft.
"""

import json
from datetime import UTC, datetime

from aoai_lib.lab.inference.call import Json
from aoai_lib.lab.inference.turn import Turn, route_of

EPOCH = datetime(1, 1, 1, tzinfo=UTC)
BASE_MILLISECONDS, MILLISECONDS_PER_TOKEN = 40, 12


def masked(address: str) -> str:
    """An address as logs show it: without its last part."""
    head, dot, _ = address.rpartition(".")
    return f"{head}.***" if dot else ""


def ticks(moment: datetime) -> int:
    """A moment in .NET ticks (100 ns since year 1), the unit of requestTime and responseTime."""
    passed = moment - EPOCH
    return (passed.days * 86400 + passed.seconds) * 10_000_000 + passed.microseconds * 10


def rows_of(turn: Turn, status: int, response_length: int) -> list[tuple[str, Json]]:
    """The rows of one call, of every category; the diagnostic settings decide which of them arrive."""
    duration = BASE_MILLISECONDS + MILLISECONDS_PER_TOKEN * turn.completion_tokens
    begun = ticks(turn.call.now)
    deployed: Json = {}
    if turn.deployment is not None:
        deployed = {"modelDeploymentName": turn.deployment.name, "modelName": turn.model.name}
        deployed |= {"modelVersion": str(turn.model_reference.get("version") or "")}
    request: Json = {
        "apiName": turn.api_name,
        "requestTime": begun,
        "requestLength": len(turn.call.body),
        "responseTime": begun + duration * 10_000,
        "responseLength": response_length,
        "objectId": turn.call.caller.object_id,
        "streamType": "Streaming" if turn.streams else "Non-Streaming",
    }
    found = [_row(turn, "RequestResponse", status, duration, request | deployed)]
    if status < 400 and turn.deployment is not None:
        prompt, completion = turn.prompt_tokens, turn.completion_tokens
        used: Json = {"promptTokens": [prompt], "completionTokens": [completion], "totalTokens": [prompt + completion]}
        found.append(_row(turn, "AzureOpenAIRequestUsage", status, duration, deployed | used))
    note: Json = {"message": f"{turn.route.operation.log_name} ended with {status}"}
    found.append(_row(turn, "Trace", status, duration, note))
    return [("AzureDiagnostics", row) for row in found]


def list_key_row(account: Json, now: datetime, object_id: str) -> Json:
    """The Audit row of a key read: no caller address, no result, no correlation id, as in published samples."""
    row = _place(str(account["id"]), str(account.get("location") or ""), now)
    row |= {"Category": "Audit", "OperationName": "ListKey", "event_s": "ShoeboxAuditEvent"}
    return row | {"properties_s": json.dumps({"objectId": object_id}, separators=(",", ":"))}


def refused_row(account: Json, now: datetime, path: str, address: str, status: int, request_id: str) -> Json:
    """The RequestResponse row of a call that was refused at the door: no deployment is known yet, and no caller."""
    route = route_of("POST", path) or route_of("GET", path)
    properties: Json = {"apiName": "Azure OpenAI API", "requestTime": ticks(now), "objectId": ""}
    return _place(str(account["id"]), str(account.get("location") or ""), now) | {
        "Category": "RequestResponse",
        "OperationName": route.operation.log_name if route else "Request",
        "ResultSignature": str(status),
        "DurationMs": BASE_MILLISECONDS,
        "CorrelationId": request_id,
        "CallerIPAddress": masked(address),
        "event_s": "ShoeboxCallResult",
        "properties_s": json.dumps(properties | {"streamType": "Non-Streaming"}, separators=(",", ":")),
    }


def _row(turn: Turn, category: str, status: int, duration: int, properties: Json) -> Json:
    call = turn.call
    return _place(call.account_id, str(call.account.get("location") or ""), call.now) | {
        "Category": category,
        "OperationName": turn.route.operation.log_name,
        "ResultSignature": str(status),
        "DurationMs": duration,
        "CorrelationId": str(turn.request_id),
        "CallerIPAddress": masked(call.caller.address),
        "event_s": "ShoeboxCallResult",
        "properties_s": json.dumps(properties, separators=(",", ":")),
    }


def _place(account_id: str, location: str, now: datetime) -> Json:
    """What every row says of its resource: ids in upper case, ``_ResourceId`` in lower case."""
    _, _, subscription, _, group, *_, name = account_id.split("/")
    return {
        "TimeGenerated": now.isoformat(),
        "ResourceId": account_id.upper(),
        "_ResourceId": account_id.lower(),
        "SubscriptionId": subscription.lower(),
        "ResourceGroup": group.upper(),
        "ResourceProvider": "MICROSOFT.COGNITIVESERVICES",
        "ResourceType": "ACCOUNTS",
        "Resource": name.upper(),
        "SourceSystem": "Azure",
        "location_s": location,
        "Tenant_s": location,
    }
