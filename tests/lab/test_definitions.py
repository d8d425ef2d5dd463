"""The lab's answers against API definitions that are not ours: every field is known, of its type, one of its values, and there.

What the service sends and no definition has is named here, each with its reason.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from definitions import Definitions, Operation
from test_round_trip import METRICS, Reader, collections

from aoai_lib.lab.kinds import Kind, all_kinds, kind_of
from aoai_lib.lab.server import Lab, load_worlds

ARCHIVE = Path(__file__).resolve().parents[3] / "shared" / "spec" / "pandora-api-definitions.tar.gz"
pytestmark = pytest.mark.skipif(not ARCHIVE.exists(), reason="the API definitions are not here (../shared/spec)")

RECORDED = "recorded answers of the service have it"
ENVELOPE = "the list of a region's models is not made of resources in the definition, on the wire it is"
NULLS = tuple((name, RECORDED) for name in ("identity", "kind", "location", "tags"))
KNOWN = {
    (
        "Authorization/RoleAssignments",
        "properties.principalType: 'Unknown'",
    ): "so it is for a principal that was deleted",
    **{("Cognitive/Models", name): ENVELOPE for name in ("id", "location", "name", "type")},
    ("Cognitive/RaiBlocklists", "properties.acsVersion"): RECORDED,
    ("Insights/ActionGroupsAPIs", "kind"): RECORDED,
    **{("Insights/DiagnosticSettings", name): why for name, why in NULLS},
    **{("Insights/DiagnosticSettingsCategories", name): why for name, why in NULLS},
    **{("Insights/SubscriptionDiagnosticSettings", name): why for name, why in NULLS},
    ("Insights/SubscriptionDiagnosticSettings", "properties.logAnalyticsDestinationType"): "shown as for resources",
    ("Insights/SubscriptionDiagnosticSettings", "properties.logs[].retentionPolicy"): "shown as for resources",
    ("Network/NetworkSecurityGroups", "properties.securityRules[].properties.protocol: 'TCP'"): RECORDED,
    ("Network/SecurityRules", "properties.protocol: 'TCP'"): RECORDED,
    ("Network/PrivateDnsZoneGroups", "type"): RECORDED,
    **{
        ("Network/PrivateDnsZoneGroups", f"properties.privateDnsZoneConfigs[].{name}"): RECORDED
        for name in ("etag", "id", "type", "properties.provisioningState")
    },
    ("Network/PrivateEndpoints", "properties.resourceGuid"): RECORDED,
    ("OperationalInsights/Workspaces", "properties.features.legacy"): RECORDED,
    ("OperationalInsights/Workspaces", "properties.features.searchVersion"): RECORDED,
}


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    return Definitions(ARCHIVE)


class Inspection:
    """What was odd about answers, what was looked at, and what no definition describes."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self.odd: set[tuple[str, str]] = set()
        self.seen: Counter[str] = Counter()

    def look(self, method: str, path: str, version: str, ask: Callable[[], Any]) -> None:
        """Ask where the question is described, and look at what comes; a refusal is not looked at."""
        operation = self._definitions.find(method, path, version)
        if operation is not None and (answer := ask()).status_code != 403:
            self.seen[f"{method} {operation.what}"] += 1
            self.odd |= set(self._odd(operation, answer))

    def _odd(self, operation: Operation, answer: Any) -> Iterator[tuple[str, str]]:
        body = answer.json() if answer.content else None
        for each in self._definitions.odd(operation, answer.status_code, body):
            place, _, what = each.removeprefix("value[].").partition(": ")
            known = {(operation.what, place), (operation.what, f"{place}: {what.partition(' is ')[0]}")}
            if not known & KNOWN.keys():
                yield operation.what, each


def options(kind: Kind, version: str) -> dict[str, str]:
    if kind.type.endswith("eventtypes/values"):
        return {"api-version": version, "$filter": "eventTimestamp ge '2026-01-01T00:00:00Z'"}
    return {"api-version": version} | (METRICS if kind.type == "Microsoft.Insights/metrics" else {})


def readable(reader: Reader) -> Iterator[tuple[str, Kind]]:
    """Every list and every resource that a world can be asked for."""
    yield from collections(reader)
    for resource in list(reader.lab.state(reader.slug).resources.values()):
        kind = kind_of(resource.type)
        if kind is not None and "GET" in kind.methods:
            yield resource.id, kind


@pytest.mark.parametrize("slug", ["hardened", "exposed", "mixed"])
def test_what_the_lab_shows_is_as_defined(slug: str, definitions: Definitions) -> None:
    inspection = Inspection(definitions)
    with Lab(load_worlds([slug])) as lab:
        reader = Reader(lab, slug)
        for path, kind in readable(reader):
            for version in kind.versions:
                ask = partial(reader.session.get, lab.url + path, params=options(kind, version), timeout=30)
                inspection.look("GET", path, version, ask)
    assert sorted(inspection.odd) == []
    assert len(inspection.seen) > 20
    assert sum(inspection.seen.values()) > 300


def test_what_the_lab_answers_to_writes_is_as_defined(definitions: Definitions) -> None:
    inspection, refused = Inspection(definitions), Counter[str]()
    with Lab(load_worlds(["hardened"])) as lab:
        reader = Reader(lab, "hardened")
        for resource in list(lab.state("hardened").resources.values()):
            kind = kind_of(resource.type)
            if kind is None or "PUT" not in kind.methods:
                continue
            version = options(kind, "2025-09-01" if "Cognitive" in kind.type else kind.versions[-1])
            shown = reader.session.get(lab.url + resource.id, params=version, timeout=30).json()
            answer = reader.session.put(lab.url + resource.id, params=version, json=shown, timeout=30)
            if answer.ok:
                inspection.look("PUT", resource.id, version["api-version"], lambda answer=answer: answer)
            else:
                refused[f"{resource.type} {answer.status_code} {answer.json()['error']['code']}"] += 1
            for _ in range(3):  # an operation ends when it was looked at twice
                reader.session.get(lab.url + resource.id, params=version, timeout=30)
    assert sorted(inspection.odd) == []
    assert set(refused) == {
        f"Microsoft.Authorization/{name} 403 AuthorizationFailed"
        for name in ("locks", "roleAssignments", "roleDefinitions")
    }
    assert len(inspection.seen) > 10


UNDESCRIBED = {
    "Microsoft.AlertsManagement/actionRules",
    "Microsoft.AlertsManagement/alerts",
    "Microsoft.Authorization/classicAdministrators",
    "Microsoft.Authorization/locks",
    "Microsoft.Authorization/roleAssignmentScheduleInstances",
    "Microsoft.Authorization/roleEligibilityScheduleInstances",
    "Microsoft.CognitiveServices/locations/operationResults",
    "Microsoft.Consumption/budgets",
    "Microsoft.KeyVault/vaults",
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.ManagedServices/registrationAssignments",
    "Microsoft.Network/applicationSecurityGroups",
    "Microsoft.Network/locations/operationResults",
    "Microsoft.Network/locations/operations",
    "Microsoft.Network/networkInterfaces",
    "Microsoft.Network/privateDnsOperationResults",
    "Microsoft.Network/privateDnsOperationStatuses",
    "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
    "Microsoft.PolicyInsights/policyStates",
    "Microsoft.Resources/subscriptions",
    "Microsoft.Resources/subscriptions/providers",
    "Microsoft.Resources/subscriptions/resourceGroups",
    "Microsoft.Resources/subscriptions/resourceGroups/resources",
    "Microsoft.Resources/subscriptions/resources",
    "Microsoft.Resources/tenants",
    "Microsoft.Security/pricings",
    "Microsoft.Storage/storageAccounts",
}
"""Types of the lab that the archive has nothing about; the SDKs' models hold most of them (test_round_trip)."""


def sample(kind: Kind) -> list[str]:
    """Addresses that a resource of a type, or a list of such, may have. Everything is named as the one name that is part of an address."""
    namespace, *names = kind.type.split("/")
    name = "/management"
    listed = "".join(f"/{each}{name}" for each in names).removesuffix(name)
    bases = ("/subscriptions/s", "/subscriptions/s/resourceGroups/g")
    return [f"{base}/providers/{namespace}{listed}{end}" for base in bases for end in ("", name)]


def test_each_type_is_described_or_not_for_a_reason(definitions: Definitions) -> None:
    described = {
        kind.type
        for kind in all_kinds()
        if any(definitions.find("GET", path, version) for path in sample(kind) for version in kind.versions)
    }
    assert {kind.type for kind in all_kinds()} - described == UNDESCRIBED


def test_oddities_are_noticed(definitions: Definitions) -> None:
    path = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a/raiPolicies"
    filters = [{"name": "Hate", "blocking": "yes", "severityThreshold": "Lowest", "colour": "red"}]
    listed = definitions.find("GET", path, "2025-09-01")
    assert listed is not None
    assert list(definitions.odd(listed, 202, {"value": [{"properties": {"contentFilters": filters}}], "next": ""})) == [
        "status: 202 is none of (200,)",
        "next: is not defined",
        "properties.contentFilters[].blocking: 'yes' is no Boolean",
        "properties.contentFilters[].severityThreshold: 'Lowest' is no ContentLevel",
        "properties.contentFilters[].colour: is not defined",
    ]
    rule = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Insights/metricAlerts/m"
    criteria = {"odata.type": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria", "allOf": [{"name": 1}]}
    alert = definitions.find("GET", rule, "2018-03-01")
    assert alert is not None
    found = set(definitions.odd(alert, 200, {"location": "global", "properties": {"criteria": criteria}}))
    assert {"properties.criteria.allOf[].name: 1 is no String", "properties.severity: is missing"} <= found
    assert definitions.find("GET", "/subscriptions/s/providers/Microsoft.Nothing/things", "2025-09-01") is None
