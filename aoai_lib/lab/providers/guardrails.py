"""Content-filter policies, blocklists and their items, the filters that a region offers, Defender's switch."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from typing import Any

from aoai_lib.lab import errors
from aoai_lib.lab.kinds import GET_ONLY, NO_PATCH, Kind, Paging, Query, View, Write, declare
from aoai_lib.lab.paths import ArmPath
from aoai_lib.lab.providers.envelopes import COGNITIVE, quoted_etag, system_data
from aoai_lib.lab.shapes import Json
from aoai_lib.lab.store import Resource, Tenant
from aoai_lib.lab.world import catalog

ACCOUNTS = "Microsoft.CognitiveServices/accounts"
POLICIES = f"{ACCOUNTS}/raiPolicies"
BLOCKLISTS = f"{ACCOUNTS}/raiBlocklists"
ITEMS = f"{BLOCKLISTS}/raiBlocklistItems"
DEFENDER = f"{ACCOUNTS}/defenderForAISettings"
DEFAULT_POLICY = "Microsoft.DefaultV2"
LEVELLED = ("hate", "sexual", "violence", "selfharm")
EARLY = ("2023-10-01-preview", "2024-04-01-preview")
LATE = ("2025-10-01-preview", "2025-12-01", "2026-03-01", "2026-05-01", "2026-05-15-preview")
FILTER_FIELDS = ("name", "severityThreshold", "blocking", "enabled", "source", "action")


@cache
def system_policies() -> dict[str, Json]:
    """The policies that Microsoft manages, by name: ``mode`` and ``contentFilters`` in the 2024-10-01 schema."""
    return {entry["name"]: entry["properties"] for entry in catalog("policies")}


def policy(tenant: Tenant, account_id: str, name: str) -> Json | None:
    """The properties of a policy of an account, user-managed or Microsoft's, in the 2024-10-01 schema; None if absent."""
    stored = tenant.child(account_id, "raiPolicies", name)
    if stored is not None:
        return deepcopy(stored.properties)
    found = next((each for known, each in system_policies().items() if known.lower() == name.lower()), None)
    return deepcopy(found)


def _as_version(filters: list[Json], version: str) -> list[Json]:
    """Content filters as an api-version spells them: older ones say allowedContentLevel, newer ones add action."""
    shown = []
    for entry in filters:
        found = {key: value for key, value in entry.items() if key != "action"}
        if version in EARLY and "severityThreshold" in found:
            found["allowedContentLevel"] = found.pop("severityThreshold")
        if version in LATE:
            blocking = "BLOCKING" if entry.get("blocking") else "ANNOTATING"
            found["action"] = entry.get("action", blocking if entry.get("enabled") else "None")
        shown.append(found)
    return shown


def _show(tenant: Tenant, resource: Resource, view: View) -> Json:
    properties: Json = {"type": "UserManaged"} if view.listing else {}
    properties |= {key: value for key, value in resource.properties.items() if key != "type"}
    properties["contentFilters"] = _as_version(properties.get("contentFilters") or [], view.version)
    if not properties.get("customBlocklists"):
        properties.pop("customBlocklists", None)
    return {
        "id": resource.id,
        "type": POLICIES,
        "name": resource.name,
        "properties": properties,
        "systemData": system_data(resource),
        "etag": quoted_etag(resource),
    }


def policies(tenant: Tenant, account_id: str, version: str = "2025-09-01") -> list[Json]:
    """What the list of an account's policies answers: its own, then the ones that Microsoft manages."""
    own = [_show(tenant, each, View(version, listing=True)) for each in tenant.children(account_id, "raiPolicies")]
    return own + [
        {
            "id": f"{account_id}/raiPolicies/{name}",
            "type": POLICIES,
            "name": name,
            "properties": {
                "type": "SystemManaged",
                "mode": entry["mode"],
                "contentFilters": _as_version(entry["contentFilters"], version),
            },
        }
        for name, entry in system_policies().items()
    ]


def _policies(query: Query) -> Sequence[Json]:
    """The whole list; by name only the account's own (the service answers 404 for Microsoft's)."""
    account = query.tenant.find(query.path.parent)
    base = account.id if account else query.path.parent
    if query.path.is_collection:
        return policies(query.tenant, base, query.version)
    return [_show(query.tenant, each, View(query.version)) for each in query.tenant.children(base, "raiPolicies")]


def _write(write: Write) -> None:
    if write.seeding:
        return
    name, properties = write.resource.name, write.resource.properties
    if name.lower().startswith("microsoft.") or not properties.get("basePolicyName"):
        raise errors.bad_request(
            "InvalidResourceProperties", f"The policy '{name}' needs another name, or a basePolicyName."
        )
    if properties["basePolicyName"] not in system_policies():
        message = f"The base policy '{properties['basePolicyName']}' cannot be found."
        raise errors.bad_request("InvalidResourceProperties", message)
    properties["contentFilters"] = [_stored(entry, write.version) for entry in properties.get("contentFilters") or ()]
    account_id = write.resource.id.rpartition("/raiPolicies/")[0]
    for entry in properties.get("customBlocklists") or ():
        if write.tenant.child(account_id, "raiBlocklists", str(entry.get("blocklistName"))) is None:
            message = f"The blocklist '{entry.get('blocklistName')}' cannot be found."
            raise errors.bad_request("InvalidResourceProperties", message)
    kept = ("basePolicyName", "mode", "contentFilters", "customBlocklists", "customTopics")
    write.resource.body["properties"] = {key: value for key, value in properties.items() if key in kept}


def _stored(entry: Json, version: str) -> Json:
    """A filter as the lab keeps it. What the api-version does not know is dropped, as JSON services do; a level that
    is missing for a category with levels becomes Medium, the base policies' own."""
    known = catalog("filters")
    name = str(entry.get("name") or "")
    canonical = next((each["name"] for each in known if _plain(each["name"]) == _plain(name)), None)
    if canonical is None:
        raise errors.bad_request("InvalidResourceProperties", f"The content filter '{name}' is not supported.")
    sent = dict(entry)
    if version in EARLY:
        sent["severityThreshold"] = sent.pop("allowedContentLevel", None)
    if version not in LATE:
        sent.pop("action", None)
    found: Json = {key: sent[key] for key in FILTER_FIELDS if sent.get(key) is not None}
    found |= {"name": canonical, "blocking": bool(sent.get("blocking")), "enabled": bool(sent.get("enabled"))}
    if _plain(canonical) in LEVELLED:
        found.setdefault("severityThreshold", "Medium")
    else:
        found.pop("severityThreshold", None)
    return found


def _plain(name: str) -> str:
    return name.lower().replace(" ", "").replace("_", "")


def _erase(write: Write) -> None:
    account_id = write.resource.id.rpartition("/raiPolicies/")[0]
    users = [
        each.name
        for each in write.tenant.children(account_id, "deployments")
        if str(each.properties.get("raiPolicyName", "")).lower() == write.resource.name.lower()
    ]
    if users:
        message = f"The policy '{write.resource.name}' is used by the deployment(s) {', '.join(users)}."
        raise errors.conflict("RaiPolicyInUse", message)


def _blocklist(tenant: Tenant, resource: Resource, view: View) -> Json:
    return {
        "id": resource.id,
        "type": BLOCKLISTS,
        "name": resource.name,
        "properties": {**resource.properties, "acsVersion": 0},
        "systemData": system_data(resource),
        "etag": quoted_etag(resource),
    }


def _item(tenant: Tenant, resource: Resource, view: View) -> Json:
    properties = {"pattern": resource.properties.get("pattern"), "isRegex": bool(resource.properties.get("isRegex"))}
    return {
        "id": resource.id,
        "type": ITEMS,
        "name": resource.name,
        "properties": properties,
        "etag": quoted_etag(resource),
    }


def _write_item(write: Write) -> None:
    pattern = write.resource.properties.get("pattern")
    if not pattern or len(str(pattern)) > 1000:
        raise errors.bad_request(
            "InvalidResourceProperties", "A blocklist item needs a pattern of at most 1000 characters."
        )


def _add_items(query: Query, payload: Any) -> Json:
    """POST addRaiBlocklistItems: a list of ``{name, properties}``."""
    tenant = query.tenant
    blocklist = tenant.find(query.path.text)
    if blocklist is None or not isinstance(payload, list):
        raise errors.specified_not_found(query.path.text)
    for entry in payload:
        address = f"{blocklist.id}/raiBlocklistItems/{entry['name']}"
        author = blocklist.author
        body = {"properties": dict(entry.get("properties") or {})}
        item = Resource(address, ITEMS, str(entry["name"]), body, tenant.now, tenant.now, author, blocklist.author_kind)
        _write_item(Write(tenant, item, None, query.version, query.caller))
        tenant.put(item)
    return _blocklist(tenant, blocklist, View(query.version))


def _delete_items(query: Query, payload: Any) -> None:
    """POST deleteRaiBlocklistItems: a list of names."""
    for name in payload if isinstance(payload, list) else ():
        address = f"{query.path.text}/raiBlocklistItems/{name}"
        if query.tenant.find(address) is not None:
            query.tenant.remove(address)


def _filters(query: Query) -> Sequence[Json]:
    region = query.path.names[0]
    base = f"{query.path.scope}/providers/Microsoft.CognitiveServices/locations/{region}/raiContentFilters"
    return [
        {
            "id": f"{base}/{entry['name'].replace(' ', '')}",
            "type": "Microsoft.CognitiveServices/locations/raiContentFilters",
            "name": entry["name"].replace(" ", ""),
            "properties": dict(entry),
        }
        for entry in catalog("filters")
    ]


def _defender(tenant: Tenant, resource: Resource, view: View) -> Json:
    return {
        "id": resource.id,
        "type": DEFENDER,
        "name": resource.name,
        "properties": {"state": resource.properties.get("state", "Disabled")},
        "systemData": system_data(resource),
        "etag": quoted_etag(resource),
    }


def _not_found(path: ArmPath) -> errors.ArmError:
    return errors.specified_not_found(path.text)


declare(
    [
        Kind(
            POLICIES,
            COGNITIVE,
            _show,
            items=_policies,
            methods=NO_PATCH,
            write=_write,
            erase=_erase,
            missing=_not_found,
        ),
        Kind(
            BLOCKLISTS,
            COGNITIVE,
            _blocklist,
            methods=NO_PATCH,
            missing=_not_found,
            actions={"addRaiBlocklistItems": _add_items, "deleteRaiBlocklistItems": _delete_items},
        ),
        Kind(
            ITEMS,
            COGNITIVE,
            _item,
            methods=NO_PATCH,
            write=_write_item,
            missing=_not_found,
            paging=Paging(3, "$skiptoken", "empty"),
        ),
        Kind(
            "Microsoft.CognitiveServices/locations/raiContentFilters",
            COGNITIVE,
            items=_filters,
            methods=GET_ONLY,
            missing=_not_found,
        ),
        Kind(DEFENDER, COGNITIVE, _defender, missing=_not_found),
    ]
)
