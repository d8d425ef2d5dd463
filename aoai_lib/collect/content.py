"""Content safety: blocklists and their entries, and the account's switch of Defender for AI services.

Policies and deployments are read with the scope. API version 2025-09-01.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aoai_lib.azure.clients import Azure
from aoai_lib.collect import EACH_ACCOUNT, Readings, Scopes, Source, group_of, items, name_of, subscription_of
from aoai_lib.model import Json, State

_BLOCKLISTS = "/raiBlocklists/"


def _text(value: Json, *path: str) -> str:
    """The string at a path of an answer; "" for anything else, which the controls judge and the reads pass over."""
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _bound_names(policy: Json) -> set[str]:
    """Names of the blocklists that a policy binds, in the fields of all API versions."""
    properties = policy.get("properties") if isinstance(policy, dict) else None
    names = set()
    for field in ("customBlocklists", "promptBlocklists", "completionBlocklists"):
        entries = properties.get(field) if isinstance(properties, dict) else None
        names |= {_text(entry, "blocklistName") for entry in (entries if isinstance(entries, list) else [])}
    return names - {""}


def _blocklists_in_use(readings: Readings) -> Iterable[str]:
    """Ids of the blocklists that the policies of deployments bind: the entries of others decide nothing."""
    used = {
        (
            _text(deployment, "id").lower().partition("/deployments/")[0],
            _text(deployment, "properties", "raiPolicyName"),
        )
        for deployment in items(readings, "deployment")
    }
    named = {(account, policy.lower()) for account, policy in used}
    for (source, account), reading in list(readings.items()):
        if source == "rai_policies" and reading.state in (State.COLLECTED, State.PARTIAL):
            for policy in reading.value:
                if (account, _text(policy, "name").lower()) in named:
                    yield from (f"{reading.scope}{_BLOCKLISTS}{name}" for name in sorted(_bound_names(policy)))


def _read_entries(azure: Azure, blocklist: str) -> Any:
    account = blocklist.rpartition(_BLOCKLISTS)[0]
    client = azure.cognitive(subscription_of(account))
    return client.rai_blocklist_items.list(group_of(account), name_of(account), name_of(blocklist))


SOURCES = (
    Source(
        "rai_blocklists",
        EACH_ACCOUNT,
        "Microsoft.CognitiveServices/accounts/raiBlocklists/read",
        lambda azure, account: azure.cognitive(subscription_of(account)).rai_blocklists.list(
            group_of(account), name_of(account)
        ),
    ),
    Source(
        "rai_blocklist_items",
        Scopes(("deployment", "rai_policies"), _blocklists_in_use),
        "Microsoft.CognitiveServices/accounts/raiBlocklists/raiBlocklistItems/read",
        _read_entries,
    ),
    Source(
        "defender_for_ai",
        EACH_ACCOUNT,
        "Microsoft.CognitiveServices/accounts/defenderForAISettings/read",
        lambda azure, account: azure.cognitive(subscription_of(account)).defender_for_ai_settings.get(
            group_of(account), name_of(account), "Default"
        ),
    ),
)
