"""Private DNS: zones, links to virtual networks, record sets."""

from __future__ import annotations

from collections.abc import Sequence

from aoai_lib.lab import errors, rbac
from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.kinds import GET_ONLY, Kind, Paging, Query, View, Write, declare
from aoai_lib.lab.paths import ArmPath
from aoai_lib.lab.providers.envelopes import cognitive_etag, operation_status
from aoai_lib.lab.shapes import Json, identifier
from aoai_lib.lab.store import Resource, Tenant

ZONES = "Microsoft.Network/privateDnsZones"
LINKS = f"{ZONES}/virtualNetworkLinks"
JOIN_NETWORK = "Microsoft.Network/virtualNetworks/join/action"
VERSIONS = ("2018-09-01", "2020-01-01", "2020-06-01", "2024-06-01")
RECORD_TYPES = ("A", "AAAA", "CNAME", "MX", "PTR", "SOA", "SRV", "TXT")
LISTS = {name: f"{name.lower()}Records" for name in ("A", "AAAA", "MX", "PTR", "SRV", "TXT")}


def _records(tenant: Tenant, zone_id: str) -> list[Resource]:
    return [record for type_ in RECORD_TYPES for record in tenant.children(zone_id, type_)]


def _show_zone(tenant: Tenant, resource: Resource, view: View) -> Json:
    links = tenant.children(resource.id, "virtualNetworkLinks")
    body: Json = {"id": resource.id, "name": resource.name, "type": ZONES, "etag": resource.etag, "location": "global"}
    if resource.body.get("tags"):
        body["tags"] = resource.body["tags"]
    body["properties"] = {
        "internalId": identifier("zone", resource.id),
        "maxNumberOfRecordSets": 25000,
        "maxNumberOfVirtualNetworkLinks": 1000,
        "maxNumberOfVirtualNetworkLinksWithRegistration": 100,
        "numberOfRecordSets": len(_records(tenant, resource.id)),
        "numberOfVirtualNetworkLinks": len(links),
        "numberOfVirtualNetworkLinksWithRegistration": sum(
            bool(each.properties.get("registrationEnabled")) for each in links
        ),
        "provisioningState": "Succeeded",
    }
    return body


def _write_zone(write: Write) -> None:
    """A zone begins with its start of authority, and stands in no region."""
    resource, tenant = write.resource, write.tenant
    if resource.location.lower() not in ("", "global"):
        raise errors.bad_request(
            "LocationNotAvailableForResourceType",
            f"The provided location '{resource.location}' is not available for resource type '{ZONES}'. List of"
            " available regions for the resource type is 'global'.",
        )
    if tenant.child(resource.id, "SOA", "@") is not None:
        return
    soa = {
        "host": "azureprivatedns.net",
        "email": "azureprivatedns-host.microsoft.com",
        "serialNumber": 1,
        "refreshTime": 3600,
        "retryTime": 300,
        "expireTime": 2419200,
        "minimumTtl": 10,
    }
    body = {"properties": {"ttl": 3600, "soaRecord": soa}}
    author = (resource.author, resource.author_kind)
    tenant.put(Resource(f"{resource.id}/SOA/@", f"{ZONES}/SOA", "@", body, resource.created, resource.created, *author))


def _erase_zone(write: Write) -> None:
    for link in write.tenant.children(write.resource.id, "virtualNetworkLinks"):
        nested = f"{ZONES}/{write.resource.name}/virtualNetworkLinks/{link.name}"
        raise errors.conflict(
            "CannotDeleteResource",
            "Cannot delete resource while nested resources exist. Some existing nested resource IDs include:"
            f" '{nested}'. Please delete all nested resources before deleting this resource.",
        )


def _show_link(tenant: Tenant, resource: Resource, view: View) -> Json:
    own = resource.properties
    body: Json = {
        "id": resource.id,
        "name": resource.name,
        "type": f"{ZONES}/virtualNetworkLinks",
        "etag": cognitive_etag(resource),
        "location": "global",
    }
    if resource.body.get("tags"):
        body["tags"] = resource.body["tags"]
    properties: Json = {
        "provisioningState": "Succeeded",
        "registrationEnabled": bool(own.get("registrationEnabled")),
        "virtualNetwork": own["virtualNetwork"],
        "virtualNetworkLinkState": "Completed",
    }
    if own.get("resolutionPolicy"):
        properties["resolutionPolicy"] = own["resolutionPolicy"]
    return body | {"properties": properties}


def _write_link(write: Write) -> None:
    """A network is linked to one zone of a name only: with two, it would not know which to ask."""
    tenant, link = write.tenant, write.resource
    network = str((link.properties.get("virtualNetwork") or {}).get("id", ""))
    if write.seeding:
        return
    if tenant.find(network) is None:
        raise errors.bad_request("BadRequest", f"The virtual network '{network}' was not found.")
    rbac.demand_linked(tenant, write.caller, JOIN_NETWORK, network, f"{LINKS}/write", link.id)
    zone = link.id.split("/")[8]
    for other in tenant.of_type(LINKS):
        held = str(other.properties["virtualNetwork"]["id"])
        same = held.lower() == network.lower() and other.id.split("/")[8].lower() == zone.lower()
        if same and other.id.lower() != link.id.lower():
            message = (
                "A virtual network cannot be linked to multiple zones with overlapping namespaces. You tried to link"
                f" virtual network with '{zone}' and '{zone}' zones."
            )
            raise errors.bad_request("BadRequest", message)


def _show_record(tenant: Tenant, resource: Resource, view: View) -> Json:
    zone = resource.id.split("/")[8]
    own, leaf = resource.properties, resource.type.rpartition("/")[2]
    fqdn = f"{zone}." if resource.name == "@" else f"{resource.name}.{zone}."
    properties: Json = {
        **({"metadata": own["metadata"]} if own.get("metadata") else {}),
        "fqdn": fqdn,
        "ttl": own.get("ttl", 3600),
        **({LISTS[leaf]: []} if leaf in LISTS else {}),
        **{key: value for key, value in own.items() if key.endswith(("Record", "Records"))},
        "isAutoRegistered": False,
    }
    return {
        "id": resource.id,
        "name": resource.name,
        "type": resource.type,
        "etag": resource.etag,
        "properties": properties,
    }


def _write_record(write: Write) -> None:
    """PUT spells ``ttl`` in lower case and PATCH too; older clients send TTL."""
    own = write.resource.properties
    if "TTL" in own:
        own["ttl"] = own.pop("TTL")


def _all_records(query: Query) -> Sequence[Json]:
    view = View(query.version, listing=True)
    return [_show_record(query.tenant, each, view) for each in _records(query.tenant, query.path.parent)]


def _missing_record(path: ArmPath) -> ArmError:
    name, zone = path.names[-1], path.names[0]
    message = f"The resource record '{name}' does not exist in resource group '{path.group}' of zone '{zone}'."
    return ArmError(404, "NotFound", message, headers=errors.SERVICE, body={"code": "NotFound", "message": message})


declare(
    [
        Kind(ZONES, VERSIONS, _show_zone, write=_write_zone, erase=_erase_zone, lro="dns"),
        Kind(f"{ZONES}/virtualNetworkLinks", VERSIONS, _show_link, write=_write_link, lro="dns"),
        Kind(f"{ZONES}/ALL", VERSIONS, items=_all_records, methods=GET_ONLY, paging=Paging(20, "$skipToken", top=True)),
        Kind("Microsoft.Network/privateDnsOperationStatuses", VERSIONS, single=operation_status, methods=GET_ONLY),
        Kind("Microsoft.Network/privateDnsOperationResults", VERSIONS, single=operation_status, methods=GET_ONLY),
        *(
            Kind(f"{ZONES}/{type_}", VERSIONS, _show_record, write=_write_record, missing=_missing_record)
            for type_ in RECORD_TYPES
        ),
    ]
)
