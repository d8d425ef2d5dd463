"""Microsoft.Resources: tenants, subscriptions and resource groups."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aoai_lib.lab import errors, rbac
from aoai_lib.lab.kinds import GET_ONLY, Kind, Paging, Query, View, Write, all_kinds, declare
from aoai_lib.lab.paths import group_of
from aoai_lib.lab.providers.envelopes import versions_of
from aoai_lib.lab.shapes import Json, instant
from aoai_lib.lab.store import Resource, Tenant

VERSIONS = versions_of("Microsoft.Resources")
_TERM = re.compile(r"(resourceType|resourceGroup|name|location) eq '([^']*)'", re.IGNORECASE)


def _tenants(query: Query) -> Sequence[Json]:
    world = query.tenant.world
    return [
        {
            "id": f"/tenants/{world.tenant_id}",
            "tenantId": world.tenant_id,
            "countryCode": "NL",
            "displayName": world.name,
            "domains": [f"{world.slug}.example"],
            "tenantCategory": "Home",
            "defaultDomain": f"{world.slug}.example",
            "tenantType": "AAD",
        }
    ]


def _subscription(tenant: Tenant, entry: Json) -> Json:
    identifier = entry["subscriptionId"]
    body: Json = {
        "id": f"/subscriptions/{identifier}",
        "subscriptionId": identifier,
        "tenantId": tenant.world.tenant_id,
        "displayName": entry["displayName"],
        "state": entry.get("state", "Enabled"),
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "EnterpriseAgreement_2014-09-01",
            "spendingLimit": "Off",
        },
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
    }
    return body | ({"tags": entry["tags"]} if entry.get("tags") else {})


def _subscriptions(query: Query) -> Sequence[Json]:
    tenant = query.tenant
    if query.path.is_collection:
        return [_subscription(tenant, entry) for entry in rbac.reachable_subscriptions(tenant, query.caller)]
    entry = tenant.subscription(query.path.names[-1])
    return [] if entry is None else [_subscription(tenant, entry) | {"name": query.path.names[-1]}]


def _group(tenant: Tenant, resource: Resource, view: View) -> Json:
    body: Json = {
        "id": resource.id,
        "name": resource.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": resource.location,
    }
    if resource.body.get("tags"):
        body["tags"] = resource.body["tags"]
    return body | {"properties": {"provisioningState": "Succeeded"}}


def _groups(query: Query) -> Sequence[Resource]:
    return list(query.tenant.of_type("Microsoft.Resources/resourceGroups", query.path.parent))


def _write_group(write: Write) -> None:
    write.resource.type = "Microsoft.Resources/resourceGroups"


def _everything(query: Query) -> Sequence[Json]:
    """The generic resource list: tracked top-level resources by id, name, type and location."""
    scope = query.path.parent
    terms = [(name.lower(), value.lower()) for name, value in _TERM.findall(_option(query, "$filter"))]
    expanded = {name.strip() for name in _option(query, "$expand").split(",")}
    found = []
    for resource in query.tenant.resources.values():
        inside = resource.id.lower().startswith(f"{scope.lower()}/") and "/providers/" in resource.id
        if (
            inside
            and resource.type.count("/") == 1
            and resource.location
            and all(_has(resource, *each) for each in terms)
        ):
            found.append(_entry(resource, expanded))
    return found


def _option(query: Query, name: str) -> str:
    return next((value for key, value in query.options.items() if key.lower() == name), "")


def _has(resource: Resource, name: str, value: str) -> bool:
    held = {
        "resourcetype": resource.type,
        "resourcegroup": group_of(resource.id) or "",
        "name": resource.name,
        "location": resource.location,
    }
    return held[name].lower() == value


def _entry(resource: Resource, expanded: set[str]) -> Json:
    entry: Json = {"id": resource.id, "name": resource.name, "type": resource.type}
    entry |= {
        key: resource.body[key] for key in ("location", "tags", "kind", "sku", "identity") if resource.body.get(key)
    }
    times = {"createdTime": resource.created, "changedTime": resource.changed}
    entry |= {name: instant(moment) for name, moment in times.items() if name in expanded}
    return entry | ({"provisioningState": "Succeeded"} if "provisioningState" in expanded else {})


def _providers(query: Query) -> Sequence[Json]:
    """The resource providers that the lab has, each with its types and api-versions. All are registered."""
    subscription = f"/subscriptions/{query.path.subscription}"
    types: dict[str, list[Json]] = {}
    for kind in all_kinds():
        namespace, _, type_ = kind.type.partition("/")
        versions = sorted(kind.versions, reverse=True)
        types.setdefault(namespace, []).append({"resourceType": type_, "locations": [], "apiVersions": versions})
    return [
        {
            "id": f"{subscription}/providers/{namespace}",
            "name": namespace,
            "namespace": namespace,
            "resourceTypes": found,
            "registrationState": "Registered",
            "registrationPolicy": "RegistrationRequired",
        }
        for namespace, found in sorted(types.items())
    ]


def _register(query: Query, payload: object) -> Json:
    wanted = query.path.names[-1].lower()
    found = next((each for each in _providers(query) if each["namespace"].lower() == wanted), None)
    if found is None:
        raise errors.unknown_namespace(query.path.names[-1])
    return found


declare(
    [
        Kind("Microsoft.Resources/tenants", VERSIONS, items=_tenants, methods=GET_ONLY),
        Kind("Microsoft.Resources/subscriptions", VERSIONS, items=_subscriptions, methods=GET_ONLY),
        Kind(
            "Microsoft.Resources/subscriptions/resourceGroups",
            VERSIONS,
            show=_group,
            listed=_groups,
            write=_write_group,
        ),
        *(
            Kind(
                f"Microsoft.Resources/{scope}/resources",
                VERSIONS,
                items=_everything,
                methods=GET_ONLY,
                paging=Paging(100, "$skiptoken", top=True),
            )
            for scope in ("subscriptions", "subscriptions/resourceGroups")
        ),
        Kind(
            "Microsoft.Resources/subscriptions/providers",
            VERSIONS,
            items=_providers,
            methods=GET_ONLY,
            actions={"register": _register},
        ),
    ]
)
