"""DNS zone groups of private endpoints: the A records that Azure keeps for an endpoint's names."""

from __future__ import annotations

from aoai_lib.lab import errors, operations, rbac
from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.kinds import NO_PATCH, Kind, View, Write, declare
from aoai_lib.lab.providers.envelopes import NETWORK, weak_etag
from aoai_lib.lab.providers.network import ENDPOINTS, envelope, missing_child, unreachable
from aoai_lib.lab.shapes import Json, identifier
from aoai_lib.lab.store import Resource, Tenant

GROUPS = f"{ENDPOINTS}/privateDnsZoneGroups"
JOIN_ZONE = "Microsoft.Network/privateDnsZones/join/action"
MAXIMUM_ZONES = 5  # zones in one group (Microsoft Learn, private endpoint DNS, 2026-04)
TTL = 10  # seconds, what a zone group gives its records


def _show_group(tenant: Tenant, resource: Resource, view: View) -> Json:
    state = operations.provisioning_state(tenant, resource)
    configs = [
        {
            "name": entry["name"],
            "id": f"{resource.id}/privateDnsZoneConfigs/{entry['name']}",
            "etag": weak_etag(resource),
            "type": f"{GROUPS}/privateDnsZoneConfigs",
            "properties": {
                "provisioningState": state,
                "privateDnsZoneId": entry["properties"]["privateDnsZoneId"],
                "recordSets": [
                    each | {"provisioningState": state} for each in entry["properties"].get("recordSets") or ()
                ],
            },
        }
        for entry in resource.properties.get("privateDnsZoneConfigs") or ()
    ]
    return envelope(tenant, resource, {"privateDnsZoneConfigs": configs}, tracked=False)


def _write_group(write: Write) -> None:
    """ARM owns the records of a zone group: one A record a name and zone, with the interface's address."""
    tenant, group = write.tenant, write.resource
    endpoint = tenant.find(group.id.rpartition("/privateDnsZoneGroups/")[0])
    interface = tenant.find(str(endpoint.properties.get("interfaceId") or "")) if endpoint else None
    if endpoint is None or interface is None:
        raise errors.bad_request("InvalidResourceReference", "The private endpoint has no network interface.")
    _check_group(write, endpoint)
    if write.before is not None:
        remove_records(tenant, write.before)
    for entry in group.properties.get("privateDnsZoneConfigs") or ():
        zone = tenant.resources[str(entry["properties"]["privateDnsZoneId"]).lower()]
        suffix = zone.name.lower().removeprefix("privatelink.")
        sets = []
        for held in interface.properties["addresses"]:
            label, _, rest = held["fqdn"].partition(".")
            if rest == suffix:
                sets.append(_record_set(label, zone.name, held["address"]))
                _put_record(tenant, endpoint, zone, label, held["address"])
        entry["properties"] = {"privateDnsZoneId": zone.id, "recordSets": sets}


def _check_group(write: Write, endpoint: Resource) -> None:
    """One group an endpoint, at most five zones in it, each named once and there, and the caller's to join."""
    tenant, group = write.tenant, write.resource
    configs = group.properties.get("privateDnsZoneConfigs") or []
    others = [each for each in tenant.children(endpoint.id, "privateDnsZoneGroups") if each.id != group.id]
    if others and not write.seeding:
        message = f"Cannot create more than one private dns zone groups in the private endpoint {endpoint.id}."
        raise errors.bad_request("MoreThanOnePrivateDnsZoneGroupPerPrivateEndpointNotAllowed", message)
    if len(configs) > MAXIMUM_ZONES:
        message = f"A private DNS zone group can have at most {MAXIMUM_ZONES} private DNS zones."
        raise errors.bad_request("TooManyPrivateDnsZones", message)
    names = [str(entry.get("name", "")).lower() for entry in configs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        told = f"Resource {group.id} has two child resources with the same name ({twice})."
        details = [{"code": "DuplicateResourceName", "message": told}]
        raise ArmError(
            400, "InvalidRequestFormat", "Cannot parse the request.", headers=errors.SERVICE, details=details
        )
    for entry in configs:
        zone_id = str((entry.get("properties") or {}).get("privateDnsZoneId", ""))
        if tenant.find(zone_id) is None:
            raise unreachable(zone_id, group.id)
        if not write.seeding:
            rbac.demand_linked(tenant, write.caller, JOIN_ZONE, zone_id, f"{GROUPS}/write", group.id)


def _record_set(label: str, zone: str, address: str) -> Json:
    return {
        "recordType": "A",
        "recordSetName": label,
        "fqdn": f"{label}.{zone}",
        "ttl": TTL,
        "provisioningState": "Succeeded",
        "ipAddresses": [address],
    }


def _put_record(tenant: Tenant, endpoint: Resource, zone: Resource, label: str, address: str) -> None:
    creator = f"created by private endpoint {endpoint.name} with resource guid {identifier('guid', endpoint.id)}"
    properties = {"ttl": TTL, "aRecords": [{"ipv4Address": address}], "metadata": {"creator": creator}}
    record = f"{zone.id}/A/{label}"
    made, changed = endpoint.created, tenant.now if tenant.exporter else endpoint.changed
    type_ = "Microsoft.Network/privateDnsZones/A"
    tenant.put(Resource(record, type_, label, {"properties": properties}, made, changed, endpoint.author))


def remove_records(tenant: Tenant, group: Resource) -> None:
    """Take the records that a group made out of their zones."""
    for entry in group.properties.get("privateDnsZoneConfigs") or ():
        for record in entry["properties"].get("recordSets") or ():
            address = f"{entry['properties']['privateDnsZoneId']}/A/{record['recordSetName']}"
            if tenant.find(address) is not None:
                tenant.remove(address)


def _erase_group(write: Write) -> None:
    remove_records(write.tenant, write.resource)


declare(
    [
        Kind(
            GROUPS,
            NETWORK,
            _show_group,
            write=_write_group,
            erase=_erase_group,
            methods=NO_PATCH,
            lro="network",
            missing=missing_child,
        ),
    ]
)
