"""Big worlds: one world's first account, multiplied deterministically, for measuring how far things carry."""

from __future__ import annotations

from copy import deepcopy

from aoai_lib.lab.shapes import Json
from aoai_lib.lab.world_form import WorldError

PER_GROUP = 50
ACCOUNTS = "Microsoft.CognitiveServices/accounts"


def multiplied(document: Json, count: int) -> Json:
    """A world's document with ``count`` accounts in resource groups of fifty, each a copy of an original in turn.

    Copies keep children and extensions; names and subdomains are numbered, connections to private endpoints (of which
    there are no copies) are left out. Raises WorldError when the document holds no account.
    """
    found = deepcopy(document)
    home = next((each for each in found["subscriptions"] if _accounts(each)), None)
    if home is None:
        raise WorldError("the world holds no account to multiply")
    originals = _accounts(home)
    region = originals[0]["location"]
    for start in range(len(originals), count, PER_GROUP):
        group: Json = {"name": f"rg-fleet-{start // PER_GROUP:04d}", "location": region, "resources": []}
        for index in range(start, min(start + PER_GROUP, count)):
            group["resources"].append(_copy(originals[index % len(originals)], index))
        home["resourceGroups"].append(group)
    return found


def _accounts(subscription: Json) -> list[Json]:
    return [
        resource
        for group in subscription.get("resourceGroups") or ()
        for resource in group.get("resources") or ()
        if resource["type"] == ACCOUNTS
    ]


def _copy(original: Json, index: int) -> Json:
    found = deepcopy(original)
    found["name"] = f"aoai-fleet-{index:05d}"
    properties = found.setdefault("properties", {})
    if properties.get("customSubDomainName"):
        properties["customSubDomainName"] = found["name"]
    (found.get("children") or {}).pop("privateEndpointConnections", None)
    return found
