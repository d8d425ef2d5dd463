"""Long-running operations: how each provider announces them, and what their status address answers.

Real answers carry no Retry-After (Cognitive Services) or ten seconds of it (network). The lab adds
``x-ms-retry-after-ms``, which azure-core honours, so that pollers don't wait out their default thirty seconds.
"""

from __future__ import annotations

from uuid import uuid4

from aoai_lib.lab.shapes import Json, instant
from aoai_lib.lab.store import Operation, Resource, Tenant

_PENDING = {"cognitive": {"PUT": "Accepted", "PATCH": "Accepted", "DELETE": "Deleting"}}
PROVIDERS = {"cognitive": "Microsoft.CognitiveServices", "network": "Microsoft.Network", "dns": "Microsoft.Network"}
RETRY_MS = 20


def start(tenant: Tenant, resource: Resource, verb: str, style: str, region: str) -> Operation:
    """Begin an operation on a resource; it is done after the tenant's number of polls."""
    operation = Operation(str(uuid4()), resource.id, verb, tenant.poll_count, tenant.now, style, region)
    tenant.operations[operation.id] = operation
    return operation


def doom(tenant: Tenant, operation: Operation, fault: str) -> None:
    """Have an operation end badly, never, or not be known any more. What was written stays."""
    if fault == "vanished":
        del tenant.operations[operation.id]
    else:
        operation.fate = {"failed": "Failed", "canceled": "Canceled"}.get(fault, fault)


def headers(tenant: Tenant, operation: Operation, version: str) -> dict[str, str]:
    """The headers that announce an operation."""
    address = f"{tenant.base_url}{_status_path(operation)}?api-version={version}"
    found = {"azure-asyncoperation": address, "x-ms-retry-after-ms": str(RETRY_MS)}
    if operation.style == "cognitive":
        address = address.replace(f"api-version={version}", "api-version=2017-04-18")
        found["azure-asyncoperation"] = f"{address}&t={operation.started:%Y%j%H%M%S}"
    elif operation.style == "network":
        found["azure-asyncnotification"] = "enabled"
    if operation.verb == "DELETE" or operation.style == "dns":
        results = {"privateDnsOperationStatuses": "privateDnsOperationResults", "/operations/": "/operationResults/"}
        target = found["azure-asyncoperation"]
        for status, result in results.items():
            target = target.replace(status, result)
        found["location"] = target
    return found


def _status_path(operation: Operation) -> str:
    parts = operation.resource_id.split("/")
    subscription, provider = "/".join(parts[:3]), PROVIDERS[operation.style]
    if operation.style == "dns":
        group = "/".join(parts[:5])
        return f"{group}/providers/{provider}/privateDnsOperationStatuses/{operation.id}"
    noun = "operationResults" if operation.style == "cognitive" else "operations"
    region = operation.region.replace(" ", "").lower() or "global"
    return f"{subscription}/providers/{provider}/locations/{region}/{noun}/{operation.id}"


def status_body(tenant: Tenant, operation: Operation, address: str) -> Json:
    """What the status address answers now. Looking brings the operation nearer to its end."""
    operation.look()
    if operation.style != "cognitive":
        return {"status": operation.outcome if operation.done else "InProgress"} | _error(operation)
    body: Json = {
        "id": address,
        "name": operation.id,
        "status": operation.outcome if operation.done else _running(operation.verb),
        "startTime": instant(operation.started),
    }
    if operation.done:
        body["endTime"] = instant(operation.started)
    return body | _error(operation)


def _error(operation: Operation) -> Json:
    """What a status says beside Failed and Canceled. The wording is the lab's."""
    if not operation.done or operation.outcome == "Succeeded":
        return {}
    code = f"Operation{operation.outcome}"
    return {"error": {"code": code, "message": f"The operation on '{operation.resource_id}' was not completed."}}


def _running(verb: str) -> str:
    return {"PUT": "Creating", "PATCH": "Updating", "DELETE": "Deleting"}[verb]


def provisioning_state(tenant: Tenant, resource: Resource) -> str:
    """Succeeded, or the state in between while an operation on the resource runs. Reading it is not a look."""
    operation = tenant.operation_on(resource.id)
    if operation is None:
        last = tenant.last_on(resource.id)
        return last.outcome if last is not None else "Succeeded"
    return _PENDING.get(operation.style, {}).get(operation.verb, "Updating")
