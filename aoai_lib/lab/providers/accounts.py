"""Microsoft.CognitiveServices/accounts: the account itself, its keys, usages and operations."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from aoai_lib.lab import operations, telemetry
from aoai_lib.lab.errors import bad_request, conflict
from aoai_lib.lab.inference import list_key_row
from aoai_lib.lab.kinds import GET_ONLY, Kind, Paging, Query, View, Write, declare
from aoai_lib.lab.providers import connections
from aoai_lib.lab.providers.envelopes import COGNITIVE, cognitive_etag, identity_of, operation_status, system_data
from aoai_lib.lab.shapes import Json, identifier, instant
from aoai_lib.lab.store import Resource, Tenant

ACCOUNTS = "Microsoft.CognitiveServices/accounts"
READ_ONLY = (
    "endpoint",
    "endpoints",
    "provisioningState",
    "internalId",
    "dateCreated",
    "callRateLimit",
    "isMigrated",
    "privateEndpointConnections",
    "capabilities",
    "quotaLimit",
    "abusePenalty",
    "deletionDate",
    "scheduledPurgeDate",
    "armFeatures",
)
OPENAI_APIS = (
    "OpenAI Language Model Instance API",
    "OpenAI Dall-E API",
    "OpenAI Moderations API",
    "OpenAI Whisper API",
    "OpenAI Model Scaleset API",
    "OpenAI Realtime API",
    "Token Service API",
    "Azure OpenAI Legacy API - Latest moniker",
)
FOUNDRY_APIS = ("AI Foundry API", "AI Model Inference API", "Content Safety", "SpeechServices")
MAXIMUM_FQDNS = 1000  # names that restricted outbound access may allow (Microsoft Learn, 2026-08)
TRUSTED = "Microsoft.CognitiveServices,Microsoft.MachineLearningServices,Microsoft.Search"
SINCE = {"allowProjectManagement": "2025-06-01", "storedCompletionsDisabled": "2025-09-01"}
"""Properties that older api-versions don't show (API definitions from 2024-10-01 on)."""


def endpoint_of(tenant: Tenant, resource: Resource) -> str:
    """The data plane's address: by custom subdomain, or the region's shared one where none is set."""
    domain = resource.properties.get("customSubDomainName")
    region = resource.location.replace(" ", "").lower()
    return f"{tenant.base_url}/{domain or region + '.api'}/"


def _show(tenant: Tenant, resource: Resource, view: View) -> Json:
    body: Json = {
        "id": resource.id,
        "name": resource.name,
        "type": ACCOUNTS,
        "etag": cognitive_etag(resource),
        "location": resource.location,
        "sku": resource.body.get("sku", {"name": "S0"}),
        "kind": resource.body["kind"],
    }
    if resource.body.get("tags"):
        body["tags"] = resource.body["tags"]
    found = _properties(tenant, resource)
    body["properties"] = {name: value for name, value in found.items() if SINCE.get(name, "") <= view.version}
    identity = identity_of(tenant, resource)
    if identity:
        body["identity"] = identity
    return body | {"systemData": system_data(resource)}


def _properties(tenant: Tenant, resource: Resource) -> Json:
    kind = str(resource.body["kind"])
    endpoint = endpoint_of(tenant, resource)
    apis = OPENAI_APIS + (FOUNDRY_APIS if kind == "AIServices" else ())
    own = {key: value for key, value in resource.properties.items() if key not in ("capabilities", "armFeatures")}
    found: Json = {
        "endpoint": endpoint,
        "provisioningState": operations.provisioning_state(tenant, resource),
        "internalId": identifier("internal", resource.id).replace("-", ""),
        "dateCreated": instant(resource.created),
        "apiProperties": {"qnaAzureSearchEndpointKey": None} if kind == "AIServices" else {},
        "callRateLimit": {
            "rules": [_rate("openai.dalle.post", 1, 30, "openai/images/*"), _rate("default", 1, 30, "*")]
        },
        "isMigrated": False,
        "allowProjectManagement": kind == "AIServices",
        **own,
        "privateEndpointConnections": [
            connections.embedded(each) for each in tenant.children(resource.id, "privateEndpointConnections")
        ],
        "publicNetworkAccess": own.get("publicNetworkAccess", "Enabled"),
        "capabilities": [*_capabilities(kind), *(resource.properties.get("capabilities") or [])],
        "endpoints": dict.fromkeys(apis, endpoint),
    }
    return found


def _rate(key: str, period: float, count: float, path: str) -> Json:
    patterns = [{"path": path, "method": "POST" if key != "default" else "*"}]
    return {"key": key, "renewalPeriod": period, "count": count, "matchPatterns": patterns}


def _capabilities(kind: str) -> list[Json]:
    found: list[Json] = [{"name": "VirtualNetworks"}]
    if kind == "OpenAI":
        found.append({"name": "CustomerManagedKey"})
    return [*found, {"name": "EnabledApimVnet", "value": "true"}, {"name": "TrustedServices", "value": TRUSTED}]


def _write(write: Write) -> None:
    resource, before, tenant = write.resource, write.before, write.tenant
    kept = before.properties if before else {}
    if not write.seeding:
        for name in READ_ONLY:
            resource.properties.pop(name, None)
            if name in kept:
                resource.properties[name] = kept[name]
        _check(tenant, resource, before)
    default = f"{resource.id}/defenderForAISettings/Default"
    if tenant.find(default) is None:
        tenant.put(
            Resource(
                default,
                f"{ACCOUNTS}/defenderForAISettings",
                "Default",
                {"properties": {"state": "Disabled"}},
                resource.created,
                resource.created,
                resource.author,
                resource.author_kind,
            )
        )


def _check(tenant: Tenant, resource: Resource, before: Resource | None) -> None:
    if not resource.body.get("kind") or not (resource.body.get("sku") or {}).get("name"):
        raise bad_request("InvalidRequestContent", "The properties 'kind' and 'sku.name' are required.")
    if not resource.location:
        raise bad_request("LocationRequired", "The location property is required for this definition.")
    domain = resource.properties.get("customSubDomainName")
    old = before.properties.get("customSubDomainName") if before else None
    if old and domain != old:
        if domain is not None:
            raise bad_request(
                "CustomSubDomainNameChangeNotAllowed", "The custom subdomain name cannot be changed once set."
            )
        resource.properties["customSubDomainName"] = old
    taken = (each for each in tenant.of_type(ACCOUNTS) if each.properties.get("customSubDomainName") == domain != old)
    if domain and any(each.id.lower() != resource.id.lower() for each in taken):
        message = (
            f"Please pick a different name. The subdomain name '{domain}' is not available as it's already used by a"
            " resource. If the resource using the name was deleted in the last 48 hours, you may need to purge the"
            " deleted resource."
        )
        raise conflict("CustomDomainInUse", message)
    _check_network(tenant, resource, before)


def _check_network(tenant: Tenant, resource: Resource, before: Resource | None) -> None:
    """Public access, the firewall and outbound restrictions: values that the service knows, rules that it can keep."""
    own = resource.properties
    acls = own.get("networkAcls") or {}
    for name, value, known in (
        ("publicNetworkAccess", own.get("publicNetworkAccess"), ("enabled", "disabled")),
        ("networkAcls.defaultAction", acls.get("defaultAction"), ("allow", "deny")),
        ("networkAcls.bypass", acls.get("bypass"), ("none", "azureservices")),
    ):
        if value is not None and str(value).lower() not in known:
            raise bad_request("InvalidRequestContent", f"The value '{value}' of property '{name}' is invalid.")
    kept = (before.properties.get("networkAcls") if before else None) or {}
    for rule in acls.get("ipRules") or ():
        _check_address(str(rule.get("value", "")))
    for rule in acls.get("virtualNetworkRules") or ():
        if rule not in (kept.get("virtualNetworkRules") or ()):
            _check_rule(tenant, rule)
    if len(own.get("allowedFqdnList") or ()) > MAXIMUM_FQDNS:
        raise bad_request("InvalidRequestContent", f"At most {MAXIMUM_FQDNS} names can be allowed in allowedFqdnList.")
    if acls and not own.get("customSubDomainName"):
        message = "Network rules need a custom subdomain name: set customSubDomainName first."
        raise bad_request("CustomSubDomainNameRequired", message)


def _check_address(text: str) -> None:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise bad_request("InvalidNetworkAclsIpRule", f"The IP rule '{text}' is no address or range.") from error


def _check_rule(tenant: Tenant, rule: Json) -> None:
    """A subnet in the firewall must be there, and unless that is waived have the service endpoint."""
    wanted = str(rule.get("id", ""))
    subnet = tenant.find(wanted)
    if subnet is None:
        raise bad_request("InvalidResourceReference", f"The subnet '{wanted}' of a virtual network rule was not found.")
    services = [str(each.get("service")) for each in subnet.properties.get("serviceEndpoints") or ()]
    if not rule.get("ignoreMissingVnetServiceEndpoint") and "Microsoft.CognitiveServices" not in services:
        message = (
            f"Subnets {subnet.name} of virtual network {subnet.id.rpartition('/subnets/')[0]} do not have ServiceEndpoints"
            " for Microsoft.CognitiveServices resources configured."
        )
        raise bad_request("SubnetsHaveNoServiceEndpointsConfigured", message)


def _list_keys(query: Query, payload: object) -> Json:
    tenant, account = query.tenant, query.tenant.find(query.path.text)
    if account is not None:
        row = list_key_row({"id": account.id, "location": account.location}, tenant.now, query.caller.object_id)
        telemetry.deliver(tenant, account, [("AzureDiagnostics", row)])
    first, second = tenant.account_keys(query.path.text)
    return {"key1": first, "key2": second}


def _regenerate_key(query: Query, payload: object) -> Json:
    name = payload.get("keyName") if isinstance(payload, dict) else None
    if name not in ("Key1", "Key2"):
        raise bad_request("InvalidRequestContent", "The key name must be Key1 or Key2.")
    keys = list(query.tenant.account_keys(query.path.text))
    place = 0 if name == "Key1" else 1
    keys[place] = identifier(keys[place]).replace("-", "")
    query.tenant.keys[query.path.text.lower()] = (keys[0], keys[1])
    return {"key1": keys[0], "key2": keys[1]}


def _usages(query: Query) -> Sequence[Json]:
    """The quota in use of a region, a line a model and deployment type, as the location's usages list it."""
    used: dict[str, float] = {}
    region = query.path.names[0].replace(" ", "").lower()
    for deployment in query.tenant.of_type(f"{ACCOUNTS}/deployments", query.path.scope):
        account = query.tenant.find(deployment.id.rpartition("/deployments/")[0])
        if account is None or account.location.replace(" ", "").lower() != region:
            continue
        sku = deployment.body.get("sku") or {}
        name = f"OpenAI.{sku.get('name')}.{deployment.properties['model']['name']}"
        used[name] = used.get(name, 0.0) + float(sku.get("capacity") or 0)
    return [
        {"unit": "Count", "name": {"value": name, "localizedValue": name}, "currentValue": value, "limit": 1000.0}
        for name, value in used.items()
    ]


declare(
    [
        Kind(
            ACCOUNTS,
            COGNITIVE,
            show=_show,
            write=_write,
            lro="cognitive",
            paging=Paging(50, "$skiptoken"),
            actions={"listKeys": _list_keys, "regenerateKey": _regenerate_key},
        ),
        Kind("Microsoft.CognitiveServices/locations/usages", COGNITIVE, items=_usages, methods=GET_ONLY),
        Kind(
            "Microsoft.CognitiveServices/locations/operationResults",
            COGNITIVE,
            single=operation_status,
            methods=GET_ONLY,
        ),
    ]
)
