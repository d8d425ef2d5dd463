"""What a write depends on: the version it was meant for (If-Match, If-None-Match), and that nothing else is under way.

Codes and wording of conflicts follow answers of the service (Microsoft.Network 2020-11-01 to 2025-03-01,
Microsoft.CognitiveServices 2023 to 2026). A refused write counts as a look at the operation that it met, so that one
which nobody follows ends all the same.
"""

from __future__ import annotations

from aoai_lib.lab import errors, operations
from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.kinds import Kind, Query, View
from aoai_lib.lab.paths import ArmPath
from aoai_lib.lab.store import Operation, Resource, Tenant

NETWORK, COGNITIVE, DNS = "microsoft.network", "microsoft.cognitiveservices", "privatednszones"


def demand_version(kind: Kind, query: Query, before: Resource | None) -> None:
    """Raise 412 when If-Match or If-None-Match says that the write was meant for another version of the resource.

    Microsoft.Network heeds them; Microsoft.CognitiveServices documents no such header for accounts and what is in them.
    """
    if query.path.namespace.lower() != NETWORK or kind.show is None:
        return
    wanted, unwanted = query.headers.get("if-match", ""), query.headers.get("if-none-match", "")
    current = str(kind.show(query.tenant, before, View(query.version)).get("etag", "")) if before else ""
    if unwanted == "*" and before is not None:
        raise _changed(query, "If-None-Match", "*", current)
    if wanted and (before is None or (wanted != "*" and _bare(wanted) != _bare(current))):
        raise _changed(query, "If-Match", wanted, current)


def _bare(etag: str) -> str:
    return etag.strip().removeprefix("W/").strip('"')


def _changed(query: Query, header: str, sent: str, current: str) -> ArmError:
    if query.path.types[0].lower() == DNS:
        message = f"The condition '{sent}' in the {header} header was not satisfied. The current was '{current}'."
        return ArmError(412, "PreconditionFailed", message, headers=errors.SERVICE)
    told = (
        f"Etag provided in {header.lower()} header {sent} does not match etag {current} of resource"
        f" {query.path.text} in NRP data store."
    )
    details = [{"code": "PreconditionFailedEtagMismatch", "message": told}]
    return ArmError(412, "PreconditionFailed", "Precondition failed.", headers=errors.SERVICE, details=details)


def demand_idle(query: Query) -> None:
    """Raise 409 or 429 while an operation on the resource, on what it is part of, or on its siblings is under way."""
    path = query.path
    namespace = path.namespace.lower()
    if namespace not in (NETWORK, COGNITIVE) or path.types[0].lower() == DNS or not path.names:
        return
    running = under_way(query.tenant, path.prefix(1))
    if running is None:
        return
    running.look()
    if namespace == COGNITIVE:
        raise _account_busy(path)
    raise _network_busy(query, running)


def under_way(tenant: Tenant, resource_id: str) -> Operation | None:
    """A write to a resource, or to one below it, that is not done yet. Deletions don't count: here they act at once."""
    key = resource_id.lower()
    running = (each for each in tenant.operations.values() if not each.done and each.verb != "DELETE")
    return next((each for each in running if f"{each.resource_id.lower()}/".startswith(f"{key}/")), None)


def _account_busy(path: ArmPath) -> ArmError:
    account = path.prefix(1)
    if len(path.types) > 1:
        message = f"Another operation is being performed on the parent resource '{account}'. Please try again later."
    else:
        message = (
            f"Cannot modify resource with id '{account}' because the resource entity provisioning state is not terminal."
            " Please wait for the provisioning state to become terminal and then retry the request."
        )
    return errors.conflict("RequestConflict", message)


def _network_busy(query: Query, running: Operation) -> ArmError:
    if running.resource_id.lower() == query.path.text.lower():
        address = operations.headers(query.tenant, running, query.version)["azure-asyncoperation"]
        message = (
            "Another operation on this or dependent resource is in progress. To retrieve status of the operation use"
            f" uri: {address}."
        )
        return ArmError(409, "AnotherOperationInProgress", message, headers=errors.SERVICE, details=[])
    told = f"Operation {running.label} ({running.id}) is updating resource {query.path.prefix(1)}."
    return retryable("RetryableErrorDueToAnotherOperation", f"{told} The call can be retried in 11 seconds.")


def retryable(code: str, message: str) -> ArmError:
    """The 429 of Microsoft.Network. Some of the service's have Retry-After with 11 to 14 seconds, most have none."""
    headers = errors.SERVICE | {"x-ms-retry-after-ms": str(operations.RETRY_MS)}
    details = [{"code": code, "message": message}]
    return ArmError(429, "RetryableError", "A retryable error occurred.", headers=headers, details=details)
