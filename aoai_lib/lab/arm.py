"""Azure Resource Manager: one request in, one answer out.

The engine knows addresses, versions, access control, locks, paging and long-running operations. What a resource type
is, its provider declares (``kinds.Kind``).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from aoai_lib.lab import activity, errors, locks, operations, preconditions, rbac
from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.kinds import Caller, Kind, Query, View, Write, kind_of, known_namespace
from aoai_lib.lab.paths import RESOURCES, ArmPath, parse
from aoai_lib.lab.shapes import Json, merged
from aoai_lib.lab.store import Operation, Resource, Tenant

_ENVELOPE = ("id", "name", "type", "etag", "systemData")
_VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}


@dataclass
class Answer:
    """An HTTP answer: status, JSON body (None for none) and extra headers."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    operation: Operation | None = None


def handle(
    tenant: Tenant,
    caller: Caller,
    method: str,
    text: str,
    options: Mapping[str, str],
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Answer one ARM request of an authenticated caller; headers in lower case. Raises ArmError for every refusal."""
    version = next((value for key, value in options.items() if key.lower() == "api-version"), "")
    if not version:
        raise errors.missing_version()
    path = parse(text)
    if path is None:
        raise ArmError(404, "InvalidResourceUri", f"The request URI '{text}' is invalid.")
    if path.subscription and tenant.subscription(path.subscription) is None:
        raise errors.subscription_not_found(path.subscription)
    action = ""
    if method == "POST" and path.is_collection:
        action, path = _without_action(path)
    kind = _kind(path, version)
    query = Query(tenant, path, version, options, caller, headers or {})
    if method in ("GET", "HEAD"):
        return _read(kind, query)
    try:
        answer = _change(kind, query, method, action, body)
    except ArmError as error:
        if not kind.silent:
            activity.record(query, kind, method, action, error.status, error.code)
        raise
    if not kind.silent:
        activity.record(query, kind, method, action, answer.status, operation=answer.operation)
    return answer


def _without_action(path: ArmPath) -> tuple[str, ArmPath]:
    text = path.text.rpartition("/")[0]
    return path.types[-1], replace(path, text=text, types=path.types[:-1])


def _kind(path: ArmPath, version: str) -> Kind:
    kind = kind_of(path.type)
    if kind is None:
        if not known_namespace(path.namespace):
            raise errors.unknown_namespace(path.namespace)
        raise errors.unknown_type(path.namespace, version)
    if version.lower() not in kind.versions:
        raise errors.unknown_version(path.namespace, "/".join(path.types), version, kind.versions, "global")
    return kind


def _action(kind: Kind, method: str, action: str) -> str:
    subject = kind.operation or kind.type
    if action:
        return f"{subject}/{_spelling(kind, action)}" + ("/read" if kind.silent else "/action")
    return f"{subject}/{_VERBS[method]}"


def _spelling(kind: Kind, action: str) -> str:
    return next((name for name in kind.actions if name.lower() == action.lower()), action)


def _read(kind: Kind, query: Query) -> Answer:
    path, tenant = query.path, query.tenant
    if kind.type != "Microsoft.Resources/subscriptions" and kind.type != "Microsoft.Resources/tenants":
        rbac.demand(tenant, query.caller, _action(kind, "GET", ""), path.parent if path.is_collection else path.text)
    elif not path.is_collection:
        rbac.demand(tenant, query.caller, "Microsoft.Resources/subscriptions/read", path.text)
    if "GET" not in kind.methods:
        raise errors.method_not_allowed("GET")
    _demand_container(query.tenant, path, "read")
    if path.is_collection:
        return Answer(200, kind.report(query)) if kind.report is not None else _page(kind, query)
    if kind.single is not None:
        return Answer(200, kind.single(query), {"x-ms-retry-after-ms": str(operations.RETRY_MS)})
    if kind.items is not None:
        found = [each for each in kind.items(query) if str(each["name"]).lower() == path.names[-1].lower()]
        if not found:
            raise _missing(kind, path)
        return Answer(200, found[0])
    resource = tenant.find(path.text)
    if resource is None or kind.show is None:
        raise _missing(kind, path)
    answer = Answer(200, kind.show(tenant, resource, View(query.version)))
    operation = tenant.operation_on(resource.id)
    if operation is not None:
        operation.look()
    return answer


def _missing(kind: Kind, path: ArmPath) -> ArmError:
    if kind.missing is not None:
        return kind.missing(path)
    if path.namespace == RESOURCES and path.group:
        return errors.group_not_found(path.group)
    pairs = "/".join(part for pair in zip(path.types, path.names, strict=True) for part in pair)
    return errors.resource_not_found(f"{path.namespace}/{pairs}", path.group or "")


def _demand_container(tenant: Tenant, path: ArmPath, verb: str) -> None:
    """The group, and the parent resource, must be there before anything else is looked at."""
    group = path.group
    if (
        group
        and path.namespace != RESOURCES
        and not tenant.find(f"/subscriptions/{path.subscription}/resourceGroups/{group}")
    ):
        raise errors.group_not_found(group)
    parent = path.parent
    if "/providers/" not in parent.lower() or "/locations/" in parent.lower() or tenant.find(parent):
        return
    above = parse(parent)
    kind = kind_of(above.type) if above else None
    if above is None or kind is None or kind.show is None:
        return
    dns = "/privatednszones/" in f"{above.text}/".lower()
    if verb == "read" or (verb == "delete" and above.namespace.lower() == "microsoft.network" and not dns):
        raise _missing(replace(kind, missing=None), above)
    raise errors.parent_not_found(verb, "/".join(path.types), above.text)


def _page(kind: Kind, query: Query) -> Answer:
    start = _offset(kind, query.options)
    end = start + _size(kind, query.options)
    if kind.items is not None:
        items = kind.items(query)
        number, value = len(items), list(items[start:end])
    else:
        resources = _listed(kind, query)
        number, value = len(resources), _shown(kind, query, resources[start:end])
    body: Json = {"value": value}
    if end < number:
        body["nextLink"] = _next_link(kind, query, end)
    elif kind.paging.end != "absent":
        body["nextLink"] = "" if kind.paging.end == "empty" else None
    if kind.type == "Microsoft.Resources/subscriptions":
        body["count"] = {"type": "Total", "value": number}
    return Answer(200, body)


def _listed(kind: Kind, query: Query) -> Sequence[Resource]:
    tenant, path = query.tenant, query.path
    if kind.listed is not None:
        return kind.listed(query)
    if kind.extension or len(path.types) > 1:
        above = path.parent if len(path.types) > 1 else f"{path.scope}/providers/{path.namespace}"
        return tenant.children(above, path.types[-1])
    return list(tenant.of_type(kind.type, path.scope))


def _shown(kind: Kind, query: Query, resources: Sequence[Resource]) -> list[Json]:
    if kind.show is None:
        raise errors.method_not_allowed("GET")
    view = View(query.version, listing=True)
    return [kind.show(query.tenant, each, view) for each in resources]


def _size(kind: Kind, options: Mapping[str, str]) -> int:
    asked = next((value for key, value in options.items() if key.lower() == "$top"), "") if kind.paging.top else ""
    return min(kind.paging.size, int(asked)) if asked.isdigit() and int(asked) else kind.paging.size


def _offset(kind: Kind, options: Mapping[str, str]) -> int:
    token = next((value for key, value in options.items() if key.lower() == kind.paging.token.lower()), None)
    if token is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token.encode()).decode().removeprefix("from:"))
    except (ValueError, binascii.Error) as error:
        raise errors.bad_request("InvalidSkipToken", "The skip token is invalid.") from error


def _next_link(kind: Kind, query: Query, offset: int) -> str:
    token = base64.urlsafe_b64encode(f"from:{offset}".encode()).decode()
    kept = {key: value for key, value in query.options.items() if key.lower() != kind.paging.token.lower()}
    pairs = "&".join(f"{key}={quote(value, safe='')}" for key, value in kept.items())
    return f"{query.tenant.base_url}{quote(query.path.text)}?{pairs}&{kind.paging.token}={quote(token, safe='')}"


def _change(kind: Kind, query: Query, method: str, action: str, body: object) -> Answer:
    tenant, path, caller = query.tenant, query.path, query.caller
    properties = body.get("properties") if isinstance(body, dict) else None
    role = str(properties.get("roleDefinitionId") or "") if isinstance(properties, dict) and method == "PUT" else ""
    if method == "DELETE" and (assignment := tenant.find(path.text)) is not None:
        role = str(assignment.body.get("properties", {}).get("roleDefinitionId") or "")
    rbac.demand(tenant, caller, _action(kind, method, action), path.text, role=role)
    if (action and action.lower() not in {name.lower() for name in kind.actions}) or (
        not action and (method not in kind.methods or path.is_collection)
    ):
        raise errors.method_not_allowed(method)
    _demand_container(tenant, path, {"PUT": "write", "PATCH": "write", "DELETE": "delete"}.get(method, "read"))
    if not kind.silent:
        locks.demand_unlocked(tenant, path.text, method)
    if action:
        return _act(kind, query, action, body)
    preconditions.demand_idle(query)
    preconditions.demand_version(kind, query, tenant.find(path.text))
    if method == "DELETE":
        return _delete(kind, query)
    if not isinstance(body, dict) or not isinstance(body.get("properties", {}), dict):
        raise errors.bad_request(
            "InvalidRequestContent", "The request content was invalid and could not be deserialized."
        )
    return _store(kind, query, method, body)


def _act(kind: Kind, query: Query, action: str, payload: object) -> Answer:
    if not kind.silent and kind.show is not None and query.tenant.find(query.path.text) is None:
        raise _missing(kind, query.path)
    result = kind.actions[_spelling(kind, action)](query, payload)
    return Answer(204 if result is None else 200, result)


def _store(kind: Kind, query: Query, method: str, body: Json) -> Answer:
    tenant, path = query.tenant, query.path
    before = tenant.find(path.text)
    if method == "PATCH" and before is None and not _computed(kind, query):
        raise _missing(kind, path)
    sent = {key: value for key, value in deepcopy(body).items() if key not in _ENVELOPE}
    if method == "PATCH" and before is not None:
        sent = kind.patch(before, sent) if kind.patch else merged(deepcopy(before.body), sent)
    resource = _resource(kind, query, before, sent)
    if kind.write is not None:
        kind.write(Write(tenant, resource, before, query.version, query.caller))
    tenant.put(resource)
    headers: dict[str, str] = {}
    operation = None
    if kind.lro and method in kind.waits:
        region = resource.location or _region(tenant, resource)
        operation = operations.start(tenant, resource, method, kind.lro, region)
        headers = operations.headers(tenant, operation, query.version)
    if kind.lro == "dns" and method == "PUT":
        return Answer(202, {}, headers, operation)
    status = 200 if before is not None else kind.created_status
    shown = kind.show(tenant, resource, View(query.version)) if kind.show else None
    return Answer(status, shown, headers, operation)


def _computed(kind: Kind, query: Query) -> bool:
    """Whether the service shows the resource without anybody having written it (a workspace's tables)."""
    if kind.items is None:
        return False
    return any(str(each["name"]).lower() == query.path.names[-1].lower() for each in kind.items(query))


def _resource(kind: Kind, query: Query, before: Resource | None, body: Json) -> Resource:
    tenant, path, caller = query.tenant, query.path, query.caller
    if before is not None:
        return replace(before, body=body, changed=tenant.now, revision=before.revision + 1)
    parent = tenant.find(path.parent)
    base = parent.id if parent else path.parent
    if len(path.types) == 1:
        base = f"{base}/providers/{kind.type.rpartition('/')[0]}"
    address = f"{base}/{kind.type.rpartition('/')[2]}/{path.names[-1]}"
    author_kind = "User" if caller.principal_type == "User" else "Application"
    author = caller.name if author_kind == "User" else caller.client_id
    return Resource(address, kind.type, path.names[-1], body, tenant.now, tenant.now, author, author_kind)


def _region(tenant: Tenant, resource: Resource) -> str:
    """The region of a child's nearest ancestor that has one."""
    address = resource.id
    while "/" in address[1:]:
        address = address.rpartition("/")[0]
        above = tenant.find(address)
        if above is not None and above.location:
            return above.location
    return "global"


def _delete(kind: Kind, query: Query) -> Answer:
    tenant = query.tenant
    before = tenant.find(query.path.text)
    if before is None:
        return Answer(204)
    shown = kind.show(tenant, before, View(query.version)) if kind.show and kind.erase_body else None
    if kind.erase is not None:
        kind.erase(Write(tenant, before, before, query.version, query.caller))
    tenant.remove(before.id)
    if not kind.lro or "DELETE" not in kind.waits:
        return Answer(kind.erase_status, shown)
    operation = operations.start(tenant, before, "DELETE", kind.lro, before.location or _region(tenant, before))
    return Answer(202, None, operations.headers(tenant, operation, query.version), operation)
