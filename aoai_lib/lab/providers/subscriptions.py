"""Microsoft.Resources: tenants, subscriptions and resource groups."""

from __future__ import annotations

from collections.abc import Sequence

from aoai_lib.lab import rbac
from aoai_lib.lab.kinds import GET_ONLY, Kind, Paging, Query, View, Write, declare
from aoai_lib.lab.paths import subscription_of
from aoai_lib.lab.shapes import Json
from aoai_lib.lab.store import Resource, Tenant

VERSIONS = tuple(
    """
    2014-04-01 2015-01-01 2015-11-01 2016-02-01 2016-06-01 2016-09-01 2017-05-10 2018-01-01 2018-02-01 2018-05-01
    2018-06-01 2019-03-01 2019-05-01 2019-05-10 2019-06-01 2019-07-01 2019-08-01 2019-10-01 2019-11-01 2020-01-01
    2020-06-01 2020-08-01 2020-10-01 2021-01-01 2021-04-01 2022-09-01 2022-12-01 2023-07-01 2024-03-01 2024-07-01
    2024-11-01 2025-03-01 2025-04-01
    """.split()
)


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
    found = []
    for resource in query.tenant.resources.values():
        inside = subscription_of(resource.id) == query.path.subscription
        if inside and resource.type.count("/") == 1 and resource.location and "/resourceGroups/" in resource.id:
            entry = {"id": resource.id, "name": resource.name, "type": resource.type, "location": resource.location}
            if resource.type != "Microsoft.Resources/resourceGroups":
                found.append(entry | ({"tags": resource.body["tags"]} if resource.body.get("tags") else {}))
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
        Kind(
            "Microsoft.Resources/subscriptions/resources",
            VERSIONS,
            items=_everything,
            methods=GET_ONLY,
            paging=Paging(100, "$skiptoken"),
        ),
    ]
)
