"""What surrounds accounts: Defender plans, budgets, policy states, and neighbours that are only named (identities,
vaults, storage)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aoai_lib.lab import errors
from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.kinds import GET_ONLY, NO_PATCH, Kind, Query, View, Write, declare
from aoai_lib.lab.paths import ArmPath
from aoai_lib.lab.providers.envelopes import quoted_etag, user_identity
from aoai_lib.lab.shapes import Json, instant
from aoai_lib.lab.store import Resource, Tenant

PRICINGS = "Microsoft.Security/pricings"
BUDGETS = "Microsoft.Consumption/budgets"
STATES = "Microsoft.PolicyInsights/policyStates"
PLANS = ("VirtualMachines", "SqlServers", "AppServices", "StorageAccounts", "KeyVaults", "Arm", "CloudPosture", "AI")


def _plan(tenant: Tenant, subscription: str, name: str) -> Json:
    stored = tenant.find(f"{subscription}/providers/{PRICINGS}/{name}")
    own = stored.properties if stored else {}
    tier = own.get("pricingTier", "Free")
    properties: Json = {"pricingTier": tier, "freeTrialRemainingTime": "PT0S"}
    if stored is not None and tier == "Standard":
        properties["enablementTime"] = instant(stored.changed)
    if own.get("extensions"):
        properties["extensions"] = own["extensions"]
    return {
        "properties": properties,
        "id": f"{subscription}/providers/{PRICINGS}/{name}",
        "name": name,
        "type": PRICINGS,
    }


def _plans(query: Query) -> Sequence[Json]:
    return [_plan(query.tenant, query.path.scope, name) for name in PLANS]


def _show_plan(tenant: Tenant, resource: Resource, view: View) -> Json:
    return _plan(tenant, resource.id.rpartition("/providers/")[0], resource.name)


def _write_plan(write: Write) -> None:
    if write.resource.properties.get("pricingTier") not in ("Free", "Standard"):
        raise errors.bad_request("InvalidPricingTier", "The pricing tier must be Free or Standard.")


def _no_plan(path: ArmPath) -> ArmError:
    return ArmError(404, "NotFound", f"The plan '{path.names[-1]}' was not found.", headers=errors.SERVICE)


def _show_budget(tenant: Tenant, resource: Resource, view: View) -> Json:
    properties = {"currentSpend": {"amount": 0.0, "unit": "EUR"}, **resource.properties}
    return {
        "id": resource.id,
        "name": resource.name,
        "type": BUDGETS,
        "eTag": quoted_etag(resource),
        "properties": properties,
    }


def _write_budget(write: Write) -> None:
    own = write.resource.properties
    if not write.seeding and not all(own.get(name) for name in ("amount", "timeGrain", "timePeriod")):
        raise errors.bad_request("400", "A budget needs amount, timeGrain and timePeriod.")


def _policy_states(query: Query, payload: Any) -> Json:
    """The latest policy states of everything at or below the scope."""
    scope = query.path.scope.lower()
    rows = [
        {
            "@odata.id": None,
            "@odata.context": "$metadata#latest/$entity",
            "timestamp": instant(query.tenant.now),
            **state,
        }
        for state in _states(query.tenant)
        if f"{str(state['resourceId']).lower()}/".startswith(f"{scope}/")
    ]
    return {
        "@odata.context": f"{query.tenant.base_url}{query.path.scope}/providers/{STATES}/$metadata#latest",
        "@odata.count": len(rows),
        "@odata.nextLink": None,
        "value": rows,
    }


def _states(tenant: Tenant) -> list[Json]:
    return [dict(each.properties) for each in tenant.of_type(STATES)]


def _show_state(tenant: Tenant, resource: Resource, view: View) -> Json:
    return {"id": resource.id, "name": resource.name, "type": STATES, "properties": resource.properties}


def _show_identity(tenant: Tenant, resource: Resource, view: View) -> Json:
    principal, client = user_identity(tenant, resource.id)
    return {
        "id": resource.id,
        "name": resource.name,
        "type": resource.type,
        "location": resource.location,
        "tags": resource.body.get("tags") or {},
        "properties": {"tenantId": tenant.world.tenant_id, "principalId": principal, "clientId": client},
    }


def _show_neighbour(tenant: Tenant, resource: Resource, view: View) -> Json:
    own = {key: value for key, value in resource.body.items() if key != "properties"}
    properties = {"provisioningState": "Succeeded", **resource.properties}
    return {"id": resource.id, "name": resource.name, "type": resource.type, **own, "properties": properties}


declare(
    [
        Kind(
            PRICINGS,
            ("2018-06-01", "2022-03-01", "2023-01-01", "2024-01-01"),
            _show_plan,
            items=_plans,
            methods=NO_PATCH,
            write=_write_plan,
            extension=True,
            missing=_no_plan,
            created_status=200,
        ),
        Kind(
            BUDGETS,
            ("2019-10-01", "2021-10-01", "2023-05-01", "2023-11-01", "2024-08-01"),
            _show_budget,
            methods=NO_PATCH,
            write=_write_budget,
            extension=True,
        ),
        Kind(
            STATES,
            ("2018-04-04", "2019-10-01", "2024-10-01"),
            _show_state,
            methods=frozenset(),
            extension=True,
            silent=True,
            actions={"queryResults": _policy_states},
        ),
        Kind(
            "Microsoft.ManagedIdentity/userAssignedIdentities",
            ("2018-11-30", "2023-01-31", "2024-11-30", "2025-05-31-preview"),
            _show_identity,
        ),
        Kind(
            "Microsoft.KeyVault/vaults", ("2022-07-01", "2023-07-01", "2024-11-01"), _show_neighbour, methods=GET_ONLY
        ),
        Kind(
            "Microsoft.Storage/storageAccounts",
            ("2023-01-01", "2023-05-01", "2024-01-01", "2025-08-01"),
            _show_neighbour,
            methods=GET_ONLY,
        ),
    ]
)
