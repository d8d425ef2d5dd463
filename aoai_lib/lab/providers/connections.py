"""What connects an account privately, and the perimeter around it: private endpoint connections, private link
resources, network security perimeter configurations."""

from __future__ import annotations

from collections.abc import Sequence

from aoai_lib.lab import errors
from aoai_lib.lab.kinds import GET_ONLY, NO_PATCH, Kind, Query, View, Write, declare
from aoai_lib.lab.paths import ArmPath
from aoai_lib.lab.providers.envelopes import COGNITIVE, cognitive_etag
from aoai_lib.lab.shapes import Json
from aoai_lib.lab.store import Resource, Tenant

CONNECTIONS = "Microsoft.CognitiveServices/accounts/privateEndpointConnections"
PERIMETERS = "Microsoft.CognitiveServices/accounts/networkSecurityPerimeterConfigurations"
STATES = ("Pending", "Approved", "Rejected", "Disconnected")

ZONES = {
    "OpenAI": {"privatelink.openai.azure.com": "openai.azure.com"},
    "AIServices": {
        "privatelink.cognitiveservices.azure.com": "cognitiveservices.azure.com",
        "privatelink.openai.azure.com": "openai.azure.com",
        "privatelink.services.ai.azure.com": "services.ai.azure.com",
    },
}
"""Private DNS zones by kind of account, each with the public suffix whose names it answers for."""

MEMBERS = ("default", "secondary", "third")


def zones_of(kind: str) -> dict[str, str]:
    return ZONES.get(kind, {"privatelink.cognitiveservices.azure.com": "cognitiveservices.azure.com"})


def embedded(resource: Resource) -> Json:
    """A connection as the account carries it: without provisioning state, etag and location."""
    properties = {key: value for key, value in resource.properties.items() if key != "provisioningState"}
    return {"id": resource.id, "name": resource.name, "type": CONNECTIONS, "properties": properties}


def _show(tenant: Tenant, resource: Resource, view: View) -> Json:
    account = resource.id.split("/")[8]
    return {
        "id": resource.id,
        "name": f"{account}/{resource.name}",
        "type": CONNECTIONS,
        "etag": cognitive_etag(resource),
        "location": resource.location,
        "properties": {**resource.properties, "provisioningState": "Succeeded"},
    }


def _write(write: Write) -> None:
    """Approving or rejecting is a write; only the endpoint's own creation makes a connection."""
    if write.seeding:
        account = write.tenant.find(write.resource.id.rpartition("/privateEndpointConnections/")[0])
        write.resource.body.setdefault("location", account.location if account else "")
        return
    if write.before is None:
        raise errors.bad_request("BadRequest", "A private endpoint connection is made by its private endpoint.")
    state = write.resource.properties.get("privateLinkServiceConnectionState") or {}
    if state.get("status") not in STATES:
        raise errors.bad_request("InvalidRequestContent", f"The status must be one of {', '.join(STATES)}.")
    state = {"actionsRequired": "None"} | {key: value for key, value in state.items() if value is not None}
    write.resource.body = {
        **write.before.body,
        "properties": {**write.before.properties, "privateLinkServiceConnectionState": state},
    }
    _tell_endpoint(write.tenant, write.resource, state)


def _tell_endpoint(tenant: Tenant, connection: Resource, state: Json) -> None:
    """The endpoint's own view of the connection follows the account's."""
    endpoint = tenant.find(connection.properties["privateEndpoint"]["id"])
    if endpoint is None:
        return
    account_id = connection.id.rpartition("/privateEndpointConnections/")[0].lower()
    for member in ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections"):
        for entry in endpoint.properties.get(member) or ():
            if entry["properties"]["privateLinkServiceId"].lower() == account_id:
                entry["properties"]["privateLinkServiceConnectionState"] = {"actionsRequired": "None", **state}


def _erase(write: Write) -> None:
    _tell_endpoint(write.tenant, write.resource, {"status": "Disconnected", "description": "Deleted by the owner"})


def _link_resources(query: Query) -> Sequence[Json]:
    account = query.tenant.find(query.path.parent)
    kind = str(account.body["kind"]) if account else ""
    zones = list(zones_of(kind))
    return [
        {
            "id": f"{query.path.parent}/privateLinkResources/account",
            "name": "account",
            "type": "Microsoft.CognitiveServices/accounts/privateLinkResources",
            "properties": {
                "groupId": "account",
                "displayName": "Cognitive Service Account",
                "requiredMembers": list(MEMBERS[: len(zones)]),
                "requiredZoneNames": zones,
            },
        }
    ]


def _perimeter(tenant: Tenant, resource: Resource, view: View) -> Json:
    properties = {"provisioningState": "Succeeded", "provisioningIssues": [], **resource.properties}
    return {"id": resource.id, "name": resource.name, "type": PERIMETERS, "properties": properties}


def _not_found(path: ArmPath) -> errors.ArmError:
    return errors.specified_not_found(path.text)


declare(
    [
        Kind(
            CONNECTIONS,
            COGNITIVE,
            show=_show,
            write=_write,
            erase=_erase,
            lro="cognitive",
            waits=frozenset({"DELETE"}),
            methods=NO_PATCH,
            missing=_not_found,
        ),
        Kind(
            "Microsoft.CognitiveServices/accounts/privateLinkResources",
            COGNITIVE,
            items=_link_resources,
            methods=GET_ONLY,
        ),
        Kind(PERIMETERS, COGNITIVE, show=_perimeter, methods=GET_ONLY, missing=_not_found),
    ]
)
