"""Deployments of models, and the models that a region or an account offers with their retirement dates."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from aoai_lib.lab import errors
from aoai_lib.lab.kinds import GET_ONLY, Kind, Paging, Query, View, Write, declare
from aoai_lib.lab.paths import ArmPath
from aoai_lib.lab.providers import guardrails
from aoai_lib.lab.providers.envelopes import COGNITIVE, quoted_etag, system_data
from aoai_lib.lab.shapes import Json, merged, parse_instant
from aoai_lib.lab.store import Resource, Tenant
from aoai_lib.lab.world import catalog

DEPLOYMENTS = "Microsoft.CognitiveServices/accounts/deployments"


@cache
def offered() -> list[Json]:
    """The models that the lab's regions offer: name, version, family, skus, lifecycle and retirement."""
    return list(catalog("models")["models"])


def model_named(name: str, version: str | None) -> Json | None:
    """A model by name and version; without a version, the default one."""
    named = [entry for entry in offered() if entry["name"].lower() == name.lower()]
    if version:
        return next((entry for entry in named if str(entry["version"]) == version), None)
    return next((entry for entry in named if entry.get("default")), None)


def _show(tenant: Tenant, resource: Resource, view: View) -> Json:
    properties = resource.properties
    sku = {"name": "Standard", "capacity": 1, **(resource.body.get("sku") or {})}
    model = properties["model"]
    known = model_named(model["name"], str(model.get("version") or "")) or {}
    account = tenant.find(resource.id.rpartition("/deployments/")[0])
    body: Json = {
        "id": resource.id,
        "type": DEPLOYMENTS,
        "name": resource.name,
        "sku": sku,
        "properties": {
            "model": {"publisher": "OpenAI", "format": "OpenAI", **model},
            "versionUpgradeOption": properties.get("versionUpgradeOption", "OnceNewDefaultVersionAvailable"),
            "currentCapacity": sku["capacity"],
            "capabilities": {"area": _area(account), **known.get("capabilities", {})},
            **{key: value for key, value in properties.items() if key not in ("model", "versionUpgradeOption")},
            "provisioningState": "Succeeded",
            "rateLimits": _rate_limits(known, sku["capacity"]),
        },
        "systemData": system_data(resource),
        "etag": quoted_etag(resource),
    }
    return body | ({"tags": resource.body["tags"]} if resource.body.get("tags") else {})


def _area(account: Resource | None) -> str:
    return "US" if account is not None and "us" in account.location.lower() else "EUR"


def _rate_limits(model: Json, capacity: int) -> list[Json]:
    requests: Json = {"key": "request", "renewalPeriod": 10.0, "count": float(capacity)}
    if model.get("family") in ("audio", "image"):
        return [requests]
    return [requests, {"key": "token", "renewalPeriod": 60.0, "count": float(capacity * 1000)}]


def _write(write: Write) -> None:
    properties = write.resource.properties
    if write.seeding:
        return
    for name in ("provisioningState", "currentCapacity", "capabilities", "rateLimits", "callRateLimit"):
        properties.pop(name, None)
    model = properties.get("model")
    if not isinstance(model, dict) or not model.get("name"):
        raise errors.bad_request("InvalidRequestContent", "The property 'properties.model.name' is required.")
    known = model_named(str(model["name"]), str(model.get("version") or "") or None)
    asked = f"Format:{model.get('format', 'OpenAI')},Name:{model['name']},Version:{model.get('version', '')}"
    if known is None:
        message = f"The model '{asked}' of account deployment is not supported."
        raise errors.bad_request("DeploymentModelNotSupported", message)
    model.setdefault("version", str(known["version"]))
    if write.before is None and parse_instant(str(known["retirement"])) <= write.tenant.now:
        raise errors.bad_request(
            "ServiceModelDeprecated", f"The model '{asked}' has been deprecated since {known['retirement']}."
        )
    _check_policy(write, properties)


def _check_policy(write: Write, properties: Json) -> None:
    name = properties.get("raiPolicyName")
    if name is None:
        properties["raiPolicyName"] = guardrails.DEFAULT_POLICY
        return
    account_id = write.resource.id.rpartition("/deployments/")[0]
    if guardrails.policy(write.tenant, account_id, str(name)) is None:
        raise errors.bad_request(
            "InvalidResourceProperties", f"The RAI policy '{name}' cannot be found on the account."
        )


def _patch(before: Resource, sent: Json) -> Json:
    """PATCH changes the sku and the tags of a deployment, nothing else."""
    allowed = {key: value for key, value in sent.items() if key in ("sku", "tags")}
    return merged(before.body, allowed)


def _not_found(path: ArmPath) -> errors.ArmError:
    return errors.specified_not_found(path.text)


def account_model(entry: Json) -> Json:
    """A model as an account or a region lists it."""
    return {
        "format": "OpenAI",
        "name": entry["name"],
        "version": str(entry["version"]),
        "isDefaultVersion": bool(entry.get("default")),
        "skus": [
            {
                "name": sku,
                "usageName": f"OpenAI.{sku}.{entry['name']}",
                "deprecationDate": f"{entry['retirement']}T00:00:00Z",
                "capacity": {"minimum": 1, "maximum": 1000, "step": 1, "default": 10},
            }
            for sku in entry["skus"]
        ],
        "maxCapacity": 3,
        "capabilities": entry["capabilities"],
        "lifecycleStatus": entry["lifecycle"],
        "deprecation": {"inference": f"{entry['retirement']}T00:00:00Z"},
        "systemData": {
            "createdBy": "Microsoft",
            "createdByType": "Application",
            "createdAt": f"{entry['released']}T00:00:00Z",
            "lastModifiedBy": "Microsoft",
            "lastModifiedByType": "Application",
            "lastModifiedAt": f"{entry['released']}T00:00:00Z",
        },
    }


def _account_models(query: Query) -> Sequence[Json]:
    return [account_model(entry) for entry in offered()]


def _location_models(query: Query) -> Sequence[Json]:
    region = query.path.names[0]
    found = []
    for kind in ("OpenAI", "AIServices"):
        for entry in offered():
            name = f"OpenAI.{entry['name']}.{entry['version']}"
            address = f"{query.path.scope}/providers/Microsoft.CognitiveServices/locations/{region}/models/{name}"
            model = account_model(entry)
            found.append(
                {
                    "id": address,
                    "type": "Microsoft.CognitiveServices/locations/models",
                    "name": name,
                    "location": region,
                    "kind": kind,
                    "skuName": "S0",
                    "model": model,
                }
            )
    return found


declare(
    [
        Kind(
            DEPLOYMENTS,
            COGNITIVE,
            show=_show,
            write=_write,
            patch=_patch,
            paging=Paging(10, "$skiptoken"),
            missing=_not_found,
        ),
        Kind(
            "Microsoft.CognitiveServices/accounts/models",
            COGNITIVE,
            items=_account_models,
            methods=GET_ONLY,
            paging=Paging(10, "$skiptoken"),
        ),
        Kind(
            "Microsoft.CognitiveServices/locations/models",
            COGNITIVE,
            items=_location_models,
            methods=GET_ONLY,
            paging=Paging(30, "$skiptoken"),
        ),
    ]
)
