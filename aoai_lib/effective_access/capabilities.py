"""What somebody may be able to do to an account, each as the actions that give it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OPENAI_USER: Final = "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd"
"""The built-in role Cognitive Services OpenAI User: the most that a workload should hold."""
_ACCOUNTS: Final = "Microsoft.CognitiveServices/accounts"


@dataclass(frozen=True, slots=True, eq=False)
class Capability:
    """Something that matters: whoever holds one of the actions has it. `data`: they are data actions."""

    name: str
    actions: tuple[str, ...]
    data: bool = False


_POLICY_ACTIONS = tuple(
    f"{_ACCOUNTS}/{action}"
    for action in (
        "raiPolicies/write",
        "raiPolicies/delete",
        "raiBlocklists/write",
        "raiBlocklists/delete",
        "raiBlocklists/raiBlocklistItems/write",
        "raiBlocklists/raiBlocklistItems/delete",
    )
)
CALL_MODELS: Final = Capability(
    "call models",
    tuple(
        f"{_ACCOUNTS}/OpenAI/{action}"
        for action in (
            "deployments/chat/completions/action",
            "deployments/completions/action",
            "deployments/embeddings/action",
            "deployments/audio/action",
            "deployments/realtime/action",
            "images/generations/action",
            "responses/write",
        )
    ),
    data=True,
)
READ_KEYS: Final = Capability("read keys", (f"{_ACCOUNTS}/listKeys/action", f"{_ACCOUNTS}/regenerateKey/action"))
WRITE_DEPLOYMENTS: Final = Capability("write deployments", (f"{_ACCOUNTS}/deployments/write",))
WRITE_POLICIES: Final = Capability("write content-filter policies or blocklists", _POLICY_ACTIONS)
WEAKEN_FILTERS: Final = Capability("weaken filters", (*WRITE_DEPLOYMENTS.actions, *_POLICY_ACTIONS))
"""Who writes deployments can bind another policy, so that is a way to weaken filters too."""
CHANGE_NETWORK: Final = Capability(
    "change network", (f"{_ACCOUNTS}/write", f"{_ACCOUNTS}/privateEndpointConnections/write")
)
BLIND_LOGS: Final = Capability(
    "blind the logs", ("Microsoft.Insights/diagnosticSettings/write", "Microsoft.Insights/diagnosticSettings/delete")
)
ASSIGN_ROLES: Final = Capability("assign roles", ("Microsoft.Authorization/roleAssignments/write",))
FULL_CONTROL: Final = Capability(
    "control the account",
    tuple(f"{_ACCOUNTS}/{each}" for each in ("listKeys/action", "write", "deployments/write", "raiPolicies/write")),
)
"""Whoever holds all of these can do to an account what Cognitive Services Contributor can."""
POWER: Final = Capability(
    "have power over the account",
    tuple(
        action
        for each in (READ_KEYS, WEAKEN_FILTERS, CHANGE_NETWORK, BLIND_LOGS, ASSIGN_ROLES)
        for action in each.actions
    ),
)
"""What makes a role powerful. Calling models does not."""
CAPABILITIES: Final = (
    CALL_MODELS, READ_KEYS, WRITE_DEPLOYMENTS, WEAKEN_FILTERS, CHANGE_NETWORK, BLIND_LOGS, ASSIGN_ROLES,
)  # fmt: skip
"""The columns of the access matrix."""
