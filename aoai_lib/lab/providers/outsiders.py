"""Access without a role assignment: delegation to another tenant (Azure Lighthouse), and classic administrators."""

from __future__ import annotations

from collections.abc import Sequence

from aoai_lib.lab.kinds import GET_ONLY, Kind, Query, declare
from aoai_lib.lab.providers.authorization import role_guid
from aoai_lib.lab.shapes import Json, identifier

DELEGATIONS = "Microsoft.ManagedServices/registrationAssignments"
CLASSIC = "Microsoft.Authorization/classicAdministrators"


def _delegations(query: Query) -> Sequence[Json]:
    """Those at the scope and below it. The definition is shown only where it is asked for."""
    options = {key.lower(): value.lower() for key, value in query.options.items()}
    expanded = options.get("$expandregistrationdefinition") == "true"
    under = query.path.scope.lower().rstrip("/")
    entries = [each for each in query.tenant.world.delegations if f"{each['scope']}/".lower().startswith(f"{under}/")]
    return [_delegation(query, each, expanded) for each in entries]


def _delegation(query: Query, entry: Json, expanded: bool) -> Json:
    world, scope = query.tenant.world, entry["scope"]
    name, definition = (identifier(world.slug, what, scope, entry["tenantId"]) for what in ("delegation", "definition"))
    address = f"{scope}/providers/Microsoft.ManagedServices/registrationDefinitions/{definition}"
    properties: Json = {"provisioningState": "Succeeded", "registrationDefinitionId": address}
    if expanded:
        properties["registrationDefinition"] = {
            "properties": {
                "description": entry.get("description"),
                "managedByTenantId": entry["tenantId"],
                "managedByTenantName": entry.get("tenantName"),
                "manageeTenantId": world.tenant_id,
                "manageeTenantName": world.name,
                "registrationDefinitionName": entry.get("offer", "Managed service"),
                "provisioningState": "Succeeded",
                "authorizations": [_authorization(query, each) for each in entry.get("authorizations") or ()],
                "eligibleAuthorizations": [_authorization(query, each) for each in entry.get("eligible") or ()],
            },
            "id": address,
            "type": "Microsoft.ManagedServices/registrationDefinitions",
            "name": definition,
        }
    return {
        "properties": properties,
        "id": f"{scope}/providers/{DELEGATIONS}/{name}",
        "type": DELEGATIONS,
        "name": name,
    }


def _authorization(query: Query, entry: Json) -> Json:
    return {
        "principalId": entry["principalId"],
        "principalIdDisplayName": entry.get("name"),
        "roleDefinitionId": role_guid(query.tenant, entry["role"]),
    }


def _classic(query: Query) -> Sequence[Json]:
    """Classic administrators of the subscription: none, unless a world still has some."""
    scope = query.path.scope
    return [
        {
            "properties": {"emailAddress": entry["emailAddress"], "role": entry["role"]},
            "id": f"{scope}/providers/{CLASSIC}/{(name := identifier(entry['scope'], entry['emailAddress']))}",
            "type": CLASSIC,
            "name": name,
        }
        for entry in query.tenant.world.classic_administrators
        if str(entry["scope"]).lower() == scope.lower()
    ]


declare(
    [
        Kind(
            DELEGATIONS,
            ("2019-06-01", "2019-09-01", "2022-10-01"),
            items=_delegations,
            methods=GET_ONLY,
            extension=True,
        ),
        Kind(CLASSIC, ("2015-06-01", "2015-07-01"), items=_classic, methods=GET_ONLY, extension=True),
    ]
)
