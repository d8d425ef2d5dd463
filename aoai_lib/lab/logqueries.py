"""The Log Analytics query API: which workspace, may the caller read it, and what the engine answers."""

from __future__ import annotations

from collections.abc import Mapping

from aoai_lib.lab import rbac
from aoai_lib.lab.arm import Answer
from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.kinds import Caller
from aoai_lib.lab.logs import LogQueryError
from aoai_lib.lab.shapes import identifier
from aoai_lib.lab.store import Resource, Tenant

WORKSPACES = "Microsoft.OperationalInsights/workspaces"
QUERY = f"{WORKSPACES}/query/read"


def workspace_guid(workspace: Resource) -> str:
    """A workspace's customer id, by which log queries name it."""
    return str(workspace.properties.get("customerId") or identifier("workspace", workspace.id))


def handle(tenant: Tenant, caller: Caller, method: str, path: str, options: Mapping[str, str], body: object) -> Answer:
    """Answer ``/v1/workspaces/{guid}/query`` (GET or POST). Raises ArmError for refusals."""
    parts = path.strip("/").split("/")
    if len(parts) != 4 or parts[3] != "query" or method not in ("GET", "POST"):
        raise ArmError(404, "PathNotFoundError", "The requested path does not exist")
    guid = parts[2].lower()
    workspace = next((each for each in tenant.of_type(WORKSPACES) if workspace_guid(each).lower() == guid), None)
    if workspace is None:
        raise ArmError(404, "WorkspaceNotFoundError", f"The workspace could not be found: {guid}")
    if not rbac.decide(tenant, caller.object_id, QUERY, workspace.id).allowed:
        raise _insufficient()
    asked = body if isinstance(body, dict) else options
    query = asked.get("query")
    if not isinstance(query, str) or not query.strip():
        raise ArmError(400, "BadArgumentError", "The request had some invalid properties")
    try:
        return Answer(200, tenant.logs.query(workspace_guid(workspace), query, asked.get("timespan"), tenant.now))
    except LogQueryError as error:
        return Answer(error.status, error.body)


def _insufficient() -> ArmError:
    message = "The provided credentials have insufficient access to perform the requested operation"
    return ArmError(403, "InsufficientAccessError", message)
