"""The switches of an account that concern content: Defender for AI services, and the storing of completions.

Microsoft.CognitiveServices 2025-09-01.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aoai_lib.harden.making import Site, mends
from aoai_lib.harden.plan import Request, Step
from aoai_lib.harden.remedies.network import ACCOUNTS
from aoai_lib.model import Finding
from aoai_lib.private_link import name_of

_PROVIDER: Final = "Microsoft.CognitiveServices/accounts"


@mends("CNT-11")
def switch_defender_on(site: Site, finding: Finding) -> Iterator[Step]:
    """The account's own switch; the subscription's plan is MON-13."""
    account = finding.subject.account
    path = f"{account}/defenderForAISettings/Default"
    held = site.snapshot.reading("defender_for_ai", account).value
    off = Request(method="PUT", path=path, api_version=ACCOUNTS, body={"properties": {"state": "Disabled"}})
    yield site.put(
        finding,
        path,
        ACCOUNTS,
        held,
        {"properties": {"state": "Enabled"}},
        title=f"Switch Defender for AI services on for “{name_of(account)}”",
        effect="With the subscription's plan for AI services, which has its price, alerts are raised for the account.",
        permission=f"{_PROVIDER}/defenderForAISettings/write",
        undo=off,
    )


@mends("CNT-16")
def store_nothing(site: Site, finding: Finding) -> Iterator[Step]:
    """Keep callers from having prompts and completions stored."""
    account = finding.subject.account
    yield site.patch(
        finding,
        account,
        ACCOUNTS,
        site.facts(finding.subject).account.value,
        {"properties": {"storedCompletionsDisabled": True}},
        default={"storedCompletionsDisabled": False},
        title=f"Keep completions from being stored in “{name_of(account)}”",
        effect="Calls with store: true are answered and not kept; distillation and evaluation from stored completions stop.",
        permission=f"{_PROVIDER}/write",
    )
