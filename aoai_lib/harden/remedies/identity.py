"""How an account is brought to identities: the callers' role, a managed identity of its own, and keys switched off.

Account properties of Microsoft.CognitiveServices 2025-09-01.
"""

from __future__ import annotations

from collections.abc import Iterator

from aoai_lib.harden.making import Site, mends
from aoai_lib.harden.plan import Check, Request, Step
from aoai_lib.harden.remedies.grants import let_call
from aoai_lib.harden.remedies.network import ACCOUNTS
from aoai_lib.model import Finding
from aoai_lib.private_link import name_of

_WRITE_ACCOUNT = "Microsoft.CognitiveServices/accounts/write"


@mends("IAM-01", needs=("NET-10",))
def disable_keys(site: Site, finding: Finding) -> Iterator[Step]:
    """Switch keys off once everybody signs in. The property reads true at once; keys are refused minutes to hours later."""
    account = finding.subject.account
    for workload in site.wishes.workload_identities:
        yield from let_call(site, finding, account, workload)
    yield site.patch(
        finding,
        account,
        ACCOUNTS,
        site.facts(finding.subject).account.value,
        {"properties": {"disableLocalAuth": True}},
        default={"disableLocalAuth": False},
        title=f"Disable key authentication on “{name_of(account)}”",
        effect="Whoever uses a key is refused, not at once but within minutes to several hours: IAM-02 and IAM-03 show when.",
        permission=_WRITE_ACCOUNT,
        checks=tuple(Check(name=each, about=account) for each in ("key-callers", "custom-subdomain", "entra-callers")),
        unproven="The property reads true; that a key is refused was not seen yet. IAM-02 sees it, minutes to hours later.",
    )


@mends("IAM-11")
def give_identity(site: Site, finding: Finding) -> Iterator[Step]:
    """Give the account a system-assigned identity. One that has none loses none."""
    account = finding.subject.account
    yield site.patch(
        finding,
        account,
        ACCOUNTS,
        site.facts(finding.subject).account.value,
        {"identity": {"type": "SystemAssigned"}},
        title=f"Give “{name_of(account)}” a managed identity",
        effect="The account can be granted access to storage, search and keys without a secret. By itself this grants nothing.",
        permission=_WRITE_ACCOUNT,
        undo=Request(method="PATCH", path=account, api_version=ACCOUNTS, body={"identity": {"type": "None"}}),
        undo_note="Grants that the identity got meanwhile are left without a holder.",
    )
