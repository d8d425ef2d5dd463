"""Every answer of the lab fits the models of the Azure SDKs: read by a model and written again, nothing is lost.

The lab's fields that a model does not know are exactly the ones that the service sends and no definition names; they
are listed here, each with its reason.
"""

import importlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import requests

from aoai_lib.lab.kinds import Kind, all_kinds, kind_of
from aoai_lib.lab.server import Lab, load_worlds

Json = dict[str, Any]

MODELS = {
    "azure.mgmt.cognitiveservices.models": {
        "Microsoft.CognitiveServices/accounts": "Account",
        "Microsoft.CognitiveServices/accounts/deployments": "Deployment",
        "Microsoft.CognitiveServices/accounts/raiPolicies": "RaiPolicy",
        "Microsoft.CognitiveServices/accounts/raiBlocklists": "RaiBlocklist",
        "Microsoft.CognitiveServices/accounts/raiBlocklists/raiBlocklistItems": "RaiBlocklistItem",
        "Microsoft.CognitiveServices/accounts/privateEndpointConnections": "PrivateEndpointConnection",
        "Microsoft.CognitiveServices/accounts/privateLinkResources": "PrivateLinkResource",
        "Microsoft.CognitiveServices/accounts/defenderForAISettings": "DefenderForAISetting",
        "Microsoft.CognitiveServices/accounts/networkSecurityPerimeterConfigurations": (
            "NetworkSecurityPerimeterConfiguration"
        ),
        "Microsoft.CognitiveServices/accounts/models": "AccountModel",
        "Microsoft.CognitiveServices/locations/models": "Model",
        "Microsoft.CognitiveServices/locations/raiContentFilters": "RaiContentFilter",
        "Microsoft.CognitiveServices/locations/usages": "Usage",
    },
    "azure.mgmt.network.models": {
        "Microsoft.Network/virtualNetworks": "VirtualNetwork",
        "Microsoft.Network/virtualNetworks/subnets": "Subnet",
        "Microsoft.Network/virtualNetworks/virtualNetworkPeerings": "VirtualNetworkPeering",
        "Microsoft.Network/networkSecurityGroups": "NetworkSecurityGroup",
        "Microsoft.Network/networkSecurityGroups/securityRules": "SecurityRule",
        "Microsoft.Network/applicationSecurityGroups": "ApplicationSecurityGroup",
        "Microsoft.Network/networkInterfaces": "NetworkInterface",
        "Microsoft.Network/privateEndpoints": "PrivateEndpoint",
        "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": "PrivateDnsZoneGroup",
    },
    "azure.mgmt.privatedns.models": {
        "Microsoft.Network/privateDnsZones": "PrivateZone",
        "Microsoft.Network/privateDnsZones/virtualNetworkLinks": "VirtualNetworkLink",
        "Microsoft.Network/privateDnsZones/A": "RecordSet",
        "Microsoft.Network/privateDnsZones/SOA": "RecordSet",
        "Microsoft.Network/privateDnsZones/ALL": "RecordSet",
    },
    "azure.mgmt.authorization.v2022_04_01.models": {
        "Microsoft.Authorization/roleAssignments": "RoleAssignment",
        "Microsoft.Authorization/roleDefinitions": "RoleDefinition",
        "Microsoft.Authorization/denyAssignments": "DenyAssignment",
        "Microsoft.Authorization/permissions": "Permission",
    },
    "azure.mgmt.authorization.v2015_07_01.models": {
        "Microsoft.Authorization/classicAdministrators": "ClassicAdministrator",
    },
    "azure.mgmt.authorization.v2020_10_01.models": {
        "Microsoft.Authorization/roleEligibilityScheduleInstances": "RoleEligibilityScheduleInstance",
        "Microsoft.Authorization/roleAssignmentScheduleInstances": "RoleAssignmentScheduleInstance",
    },
    "azure.mgmt.monitor.models": {
        "Microsoft.Insights/metrics": "Metric",
        "Microsoft.Insights/metricAlerts": "MetricAlertResource",
        "Microsoft.Insights/scheduledQueryRules": "ScheduledQueryRuleResource",
        "Microsoft.Insights/activityLogAlerts": "ActivityLogAlertResource",
        "Microsoft.Insights/actionGroups": "ActionGroupResource",
        "Microsoft.Insights/eventtypes/values": "EventData",
    },
    "azure.mgmt.loganalytics.models": {
        "Microsoft.OperationalInsights/workspaces": "Workspace",
        "Microsoft.OperationalInsights/workspaces/tables": "Table",
    },
    "azure.mgmt.resource.subscriptions.models": {
        "Microsoft.Resources/subscriptions": "Subscription",
        "Microsoft.Resources/tenants": "TenantIdDescription",
    },
    "azure.mgmt.resource.locks.models": {"Microsoft.Authorization/locks": "ManagementLockObject"},
}

NO_MODEL = {
    "Microsoft.AlertsManagement/actionRules": "no pinned package has alert processing rules",
    "Microsoft.AlertsManagement/alerts": "no SDK of the playbook reads fired alerts",
    "Microsoft.Resources/subscriptions/resourceGroups": "no pinned package has resource groups",
    "Microsoft.Resources/subscriptions/resources": "no pinned package has the generic list",
    "Microsoft.Resources/subscriptions/resourceGroups/resources": "no pinned package has the generic list",
    "Microsoft.Resources/subscriptions/providers": "no pinned package has providers",
    "Microsoft.Insights/diagnosticSettings": "azure-mgmt-monitor 7 dropped them",
    "Microsoft.Insights/diagnosticSettingsCategories": "azure-mgmt-monitor 7 dropped them",
    "Microsoft.ManagedServices/registrationAssignments": "no pinned package",
    "Microsoft.Security/pricings": "no pinned package",
    "Microsoft.Consumption/budgets": "no pinned package",
    "Microsoft.PolicyInsights/policyStates": "no pinned package, and no GET",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "no pinned package",
    "Microsoft.KeyVault/vaults": "no pinned package",
    "Microsoft.Storage/storageAccounts": "no pinned package",
    "Microsoft.CognitiveServices/locations/operationResults": "a status, no resource",
    "Microsoft.Network/locations/operations": "a status, no resource",
    "Microsoft.Network/locations/operationResults": "a status, no resource",
    "Microsoft.Network/privateDnsOperationStatuses": "a status, no resource",
    "Microsoft.Network/privateDnsOperationResults": "a status, no resource",
}

UNDEFINED = "sent by the service, in no definition"
ZONE_GROUPS = "Microsoft.Network/privateEndpoints/privateDnsZoneGroups"
MODELS_HERE = "Microsoft.CognitiveServices/locations/models"
ENVELOPE = "the list of a region's models is not made of resources in the definition, on the wire it is"
WIRE_ONLY = {
    ("Microsoft.CognitiveServices/accounts/raiBlocklists", "properties.acsVersion"): UNDEFINED,
    (MODELS_HERE, "id"): ENVELOPE,
    (MODELS_HERE, "location"): ENVELOPE,
    (MODELS_HERE, "name"): ENVELOPE,
    (MODELS_HERE, "type"): ENVELOPE,
    ("Microsoft.Network/privateEndpoints", "properties.resourceGuid"): UNDEFINED,
    (ZONE_GROUPS, "type"): UNDEFINED,
    (ZONE_GROUPS, "properties.privateDnsZoneConfigs[].id"): UNDEFINED,
    (ZONE_GROUPS, "properties.privateDnsZoneConfigs[].etag"): UNDEFINED,
    (ZONE_GROUPS, "properties.privateDnsZoneConfigs[].type"): UNDEFINED,
    (ZONE_GROUPS, "properties.privateDnsZoneConfigs[].properties.provisioningState"): UNDEFINED,
    ("Microsoft.OperationalInsights/workspaces", "properties.features.legacy"): UNDEFINED,
    ("Microsoft.OperationalInsights/workspaces", "properties.features.searchVersion"): UNDEFINED,
}


METRICS = {
    "region": "swedencentral",
    "metricnamespace": "Microsoft.CognitiveServices/accounts",
    "metricnames": "AzureOpenAIRequests,TokenTransaction,RAIRejectedRequests",
    "aggregation": "total",
    "interval": "P1D",
    "timespan": "P30D",
    "$filter": "Microsoft.ResourceId eq '*' and ModelDeploymentName eq '*'",
}
"""The question that metrics are asked with: they have no list without one."""


def class_of(type_: str) -> Any:
    for module, names in MODELS.items():
        if type_ in names:
            return getattr(importlib.import_module(module), names[type_])
    raise KeyError(type_)


def rewritten(type_: str, wire: Json) -> Json:
    """What is left of a wire object after the SDK's model has read and written it."""
    model = class_of(type_)
    if hasattr(model, "_attribute_map"):
        serialized: Json = model.deserialize(wire).serialize(keep_readonly=True)
        return serialized
    return known_part(model, wire)


def known_part(model: Any, wire: Any) -> Any:
    """The part of a wire object that a dict-like model declares: such models keep what they don't know."""
    base = importlib.import_module(model.__module__.rpartition(".models")[0] + "._utils.model_base")
    read = base._deserialize(model, wire)
    return _declared(read, wire)


def _declared(read: Any, wire: Any) -> Any:
    fields = getattr(read, "_attr_to_rest_field", None)
    if fields is not None and isinstance(wire, dict):
        names = {field._rest_name: attribute for attribute, field in fields.items()}
        return {key: _declared(getattr(read, names[key]), value) for key, value in wire.items() if key in names}
    if isinstance(read, list) and isinstance(wire, list):
        return [_declared(*pair) for pair in zip(read, wire, strict=True)]
    return wire


def lost(wire: Any, kept: Any, path: str = "") -> Iterator[str]:
    """The paths of a wire object whose value did not survive. Null and absent are the same to a model."""
    if wire is None or same(wire, kept):
        return
    if isinstance(wire, dict) and isinstance(kept, dict):
        for key, value in wire.items():
            yield from lost(value, kept.get(key), f"{path}.{key}" if path else key)
    elif isinstance(wire, list) and isinstance(kept, list) and len(wire) == len(kept):
        for one, other in zip(wire, kept, strict=True):
            yield from lost(one, other, f"{path}[]")
    else:
        yield path


def same(wire: Any, kept: Any) -> bool:
    if isinstance(wire, str) and isinstance(kept, str) and wire.endswith("Z") and "T" in wire:
        return datetime.fromisoformat(wire) == datetime.fromisoformat(kept)
    return (type(wire) is not bool and bool(wire == kept)) or wire is kept


class Reader:
    """Reads the lab as one identity, with the identity's token."""

    def __init__(self, lab: Lab, slug: str) -> None:
        self.lab, self.slug, self.session = lab, slug, requests.Session()
        self.session.trust_env, self.session.verify = False, lab.ca_file
        environment = lab.environment(slug, "operator")
        token = self.session.get(
            environment["IDENTITY_ENDPOINT"],
            params={"resource": "https://management.azure.com", "api-version": "2019-08-01"},
            headers={"X-IDENTITY-HEADER": environment["IDENTITY_HEADER"]},
            timeout=30,
        ).json()["access_token"]
        self.session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, kind: Kind) -> requests.Response:
        options = {"api-version": kind.versions[-1] if "Cognitive" not in kind.type else "2025-09-01"}
        if kind.type.endswith("eventtypes/values"):
            options["$filter"] = "eventTimestamp ge '2026-01-01T00:00:00Z'"
        if kind.type == "Microsoft.Insights/metrics":
            options |= METRICS
        return self.session.get(self.lab.url + path, params=options, timeout=30)

    def pages(self, path: str, kind: Kind) -> Iterator[Json]:
        answer = self.get(path, kind)
        while True:
            assert answer.status_code in (200, 403), (path, answer.text)
            body = answer.json()
            yield from body.get("value", [])
            if not body.get("nextLink"):
                return
            answer = self.session.get(body["nextLink"], timeout=30)


def collections(reader: Reader) -> Iterator[tuple[str, Kind]]:
    """Every collection that a world can be asked for."""
    tenant = reader.lab.state(reader.slug)
    yield "/subscriptions", kind_of("Microsoft.Resources/subscriptions")
    yield "/tenants", kind_of("Microsoft.Resources/tenants")
    for entry in tenant.world.subscriptions:
        base = f"/subscriptions/{entry['subscriptionId']}"
        yield (
            f"{base}/providers/Microsoft.Insights/eventtypes/management/values",
            kind_of("Microsoft.Insights/eventtypes/values"),
        )
        for leaf in ("models", "raiContentFilters", "usages"):
            path = f"{base}/providers/Microsoft.CognitiveServices/locations/swedencentral/{leaf}"
            yield path, kind_of(f"Microsoft.CognitiveServices/locations/{leaf}")
        for kind in all_kinds():
            if kind.type.count("/") == 1 and "GET" in kind.methods and not kind.single and "Resources" not in kind.type:
                yield f"{base}/providers/{kind.type}", kind
    for resource in list(tenant.resources.values()):
        for kind in all_kinds():
            if kind.type.rpartition("/")[0] == resource.type and "GET" in kind.methods and not kind.single:
                yield f"{resource.id}/{kind.type.rpartition('/')[2]}", kind


@pytest.mark.parametrize("slug", ["hardened", "exposed", "mixed"])
def test_nothing_is_lost_in_the_models_of_the_sdk(slug: str) -> None:
    losses: dict[tuple[str, str], str] = {}
    seen: set[str] = set()
    with Lab(load_worlds([slug])) as lab:
        reader = Reader(lab, slug)
        answers = [(kind, item) for path, kind in collections(reader) for item in reader.pages(path, kind)]
        for resource in list(lab.state(slug).resources.values()):
            kind = kind_of(resource.type)
            if kind is not None and "GET" in kind.methods and (answer := reader.get(resource.id, kind)).ok:
                answers.append((kind, answer.json()))
    for kind, item in answers:
        if kind.type in NO_MODEL:
            continue
        seen.add(kind.type)
        for path in lost(item, rewritten(kind.type, item)):
            losses[kind.type, path] = item.get("id", "")
    assert len(seen) > 25
    assert sorted(set(losses) - set(WIRE_ONLY)) == []


def test_every_type_of_the_lab_has_a_model_or_a_reason() -> None:
    modelled = {type_ for names in MODELS.values() for type_ in names}
    records = {kind.type for kind in all_kinds() if kind.type.startswith("Microsoft.Network/privateDnsZones/")}
    assert {kind.type for kind in all_kinds()} - modelled - set(NO_MODEL) - records == set()


def test_a_field_that_no_model_knows_is_noticed() -> None:
    wire = {"name": "x", "properties": {"model": {"name": "gpt-5.1", "colour": "red"}}}
    kept = rewritten("Microsoft.CognitiveServices/accounts/deployments", wire)
    assert list(lost(wire, kept)) == ["properties.model.colour"]
    wire = {"name": "x", "properties": {"subnet": {"id": "/a", "colour": "red"}}}
    kept = rewritten("Microsoft.Network/privateEndpoints", wire)
    assert list(lost(wire, kept)) == ["properties.subnet.colour"]
