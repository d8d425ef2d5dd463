"""Policies, blocklists and deployments as `raiPolicies` and its neighbours list them: a test says what differs."""

from __future__ import annotations

import copy
from typing import Any

from builders import ACCOUNT, deployment, reading, snapshot

from aoai_lib.assess import judge
from aoai_lib.model import Finding, Reading, Snapshot, State, Status

HARMS = ("Hate", "Sexual", "Violence", "Selfharm")


def entry(name: str, source: str, level: str = "", **other: Any) -> dict[str, Any]:
    """One entry of `contentFilters` that blocks."""
    threshold = {"severityThreshold": level} if level else {}
    return {"name": name, **threshold, "blocking": True, "enabled": True, "source": source, **other}


def harms(level: str, **other: Any) -> list[dict[str, Any]]:
    """The four harm categories in both directions."""
    return [entry(name, source, level, **other) for name in HARMS for source in ("Prompt", "Completion")]


SHIELDS = [
    entry("Jailbreak", "Prompt"),
    entry("Indirect Attack", "Prompt"),
    entry("Protected Material Text", "Completion"),
    entry("Protected Material Code", "Completion"),
]


def policy(name: str, filters: list[dict[str, Any]], **properties: Any) -> dict[str, Any]:
    """A policy as the list holds it, user-managed where nothing else is said."""
    return {
        "id": f"{ACCOUNT}/raiPolicies/{name}",
        "name": name,
        "properties": {"type": "UserManaged", "contentFilters": filters, **properties},
    }


def strict(*, without: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    """A policy that blocks everything, from Low, on Microsoft.DefaultV2, without the filters of these names."""
    filters = [each for each in [*harms("Low"), *copy.deepcopy(SHIELDS)] if each["name"] not in without]
    return policy("strict", filters, **{"basePolicyName": "Microsoft.DefaultV2", **properties})


def changed(name: str, source: str, /, **values: Any) -> dict[str, Any]:
    """The strict policy with values of one filter changed; None takes a field away."""
    found = strict()
    for each in found["properties"]["contentFilters"]:
        if (each["name"], each["source"]) == (name, source):
            each.update(values)
            for field in [field for field, value in values.items() if value is None]:
                del each[field]
    return found


def system(name: str, filters: list[dict[str, Any]]) -> dict[str, Any]:
    """A policy that Microsoft manages."""
    return policy(name, filters, type="SystemManaged", mode="Blocking")


MICROSOFT = [
    system("Microsoft.Default", harms("Medium")),
    system(
        "Microsoft.DefaultV2",
        [
            *harms("Medium"),
            entry("Jailbreak", "Prompt"),
            entry("Protected Material Text", "Completion"),
            entry("Protected Material Code", "Completion", blocking=False),
        ],
    ),
    system("Microsoft.Nil", harms("High", blocking=False)),
]


def model(name: str, named: str | None = "strict", **capabilities: str) -> dict[str, Any]:
    """A deployment of a model under a policy."""
    found = deployment(model={"format": "OpenAI", "name": name, "version": "1"}, capabilities=capabilities)
    found["properties"]["raiPolicyName"] = named
    return found


def guarded(*policies: dict[str, Any], state: State = State.COLLECTED, **more: Any) -> Snapshot:
    """One account with these policies besides Microsoft's."""
    extra: list[Reading] = more.pop("readings", [])
    listed = [*policies, *MICROSOFT]
    return snapshot(reading("rai_policies", ACCOUNT, listed, state), *extra, **more)


def found(sample: Snapshot, control: str) -> Finding:
    """The one finding of a control."""
    (finding,) = [each for each in judge(sample) if each.control == control]
    return finding


def status(sample: Snapshot, control: str) -> Status:
    """The verdict of a control."""
    return found(sample, control).status
