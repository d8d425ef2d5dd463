"""Builders: a test says what differs, and these say the rest."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aoai_lib.model import ABSENT, Reading, Requirements, Snapshot, State, Subject

SUBSCRIPTION = "11111111-0000-4000-8000-000000000001"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.CognitiveServices/accounts/acct"
DEPLOYMENT = f"{ACCOUNT}/deployments/chat"
AS_OF = "2026-11-23T09:00:00Z"


def reading(source: str, scope: str, value: Any, state: State = State.COLLECTED, **more: Any) -> Reading:
    """A reading with one line of evidence."""
    return Reading(source, scope, state, value, evidence=("e1",), call=f"GET {scope}", **more)


def account(**properties: Any) -> dict[str, Any]:
    """An account as the service answers it, with these properties."""
    return {
        "id": ACCOUNT,
        "name": "acct",
        "type": "Microsoft.CognitiveServices/accounts",
        "kind": "OpenAI",
        "location": "swedencentral",
        "sku": {"name": "S0"},
        "properties": {"endpoint": "https://acct.openai.azure.com/", "customSubDomainName": "acct", **properties},
    }


def deployment(**properties: Any) -> dict[str, Any]:
    """A chat deployment as the service answers it, with these properties."""
    return {
        "id": DEPLOYMENT,
        "name": "chat",
        "type": "Microsoft.CognitiveServices/accounts/deployments",
        "sku": {"name": "Standard", "capacity": 10},
        "properties": {
            "model": {"format": "OpenAI", "name": "gpt-5", "version": "2025-08-07"},
            "raiPolicyName": "strict",
            "provisioningState": "Succeeded",
            **properties,
        },
    }


def workspace(arm_id: str) -> Reading:
    """A workspace that is there."""
    return reading("workspace", arm_id, {"id": arm_id, "name": arm_id.rpartition("/")[2], "properties": {}})


def snapshot(*readings: Reading, requirements: Mapping[str, Any] | None = None, **values: Any) -> Snapshot:
    """A snapshot of one account. Keyword arguments are sources read for the account; `readings` override and add.

    `account` and `deployment` stand for themselves; any other keyword is a source whose scope is the account.
    """
    values.setdefault("account", account())
    values.setdefault("deployment", deployment())
    found = [
        reading("subscriptions", "", [SUBSCRIPTION]),
        reading("accounts", SUBSCRIPTION, [ACCOUNT]),
        reading("account", ACCOUNT, values.pop("account")),
        reading("deployments", ACCOUNT, [DEPLOYMENT]),
        reading("deployment", DEPLOYMENT, values.pop("deployment")),
        *(reading(source, ACCOUNT, value) for source, value in values.items()),
        *readings,
    ]
    return Snapshot(
        tenant="test",
        tenant_id="",
        cloud="public",
        as_of=AS_OF,
        profile="mcsb",
        requirements=Requirements.model_validate(dict(requirements or {})),
        readings={(each.source, each.scope.lower()): each for each in found},
    )


_STEP = re.compile(r"([^.\[\]]+)|\[([^\]]*)\]")


def changed(sample: Snapshot, subject: Subject, changes: Mapping[str, Any]) -> Snapshot:
    """The sample with a control's break applied: see `aoai_lib.controls.Break`."""
    readings = dict(sample.readings)
    requirements = sample.requirements
    for path, value in changes.items():
        steps = [name or f"[{index}]" for name, index in _STEP.findall(path)]
        if steps[0] == "requirements":
            requirements = requirements.model_copy(update={steps[1]: value})
            continue
        key = _key(sample, subject, steps[0])
        holder = {"value": copy.deepcopy(readings[key].value)}
        _set(holder, ["value", *steps[1:]], value)
        readings[key] = replace(readings[key], value=holder["value"])
    return replace(sample, readings=readings, requirements=requirements)


def _key(sample: Snapshot, subject: Subject, source: str) -> tuple[str, str]:
    """The reading that a path starts in: the subject's own, its account's, its subscription's, or the first there is."""
    for scope in (subject.id, subject.account, subject.subscription, ""):
        if (source, scope.lower()) in sample.readings:
            return source, scope.lower()
    return next(key for key in sample.readings if key[0] == source)


def _set(holder: Any, steps: list[str], value: Any) -> None:
    for position, step in enumerate(steps[:-1]):
        holder = _enter(holder, step, steps[position + 1])
    last = steps[-1]
    if last == "[+]":
        holder.append(value)
    elif last.startswith("["):
        index = _index(holder, last)
        if value is ABSENT:
            del holder[index]
        else:
            holder[index] = value
    elif value is ABSENT:
        assert last in holder, f"{last} is not there to be removed"
        del holder[last]
    else:
        holder[last] = value


def _enter(holder: Any, step: str, following: str) -> Any:
    if step.startswith("["):
        return holder[_index(holder, step)]
    if holder.get(step) is None:
        holder[step] = [] if following.startswith("[") else {}
    return holder[step]


def _index(items: list[Any], step: str) -> int:
    inner = step[1:-1]
    if "=" not in inner:
        return int(inner)
    name, _, wanted = inner.partition("=")
    return next(index for index, item in enumerate(items) if _field(item, name) == wanted)


def _field(item: Any, path: str) -> Any:
    for step in path.split("/"):
        item = item.get(step) if isinstance(item, dict) else None
    return item
