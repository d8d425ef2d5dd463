"""How an account is brought to identities: the callers' role, a managed identity of its own, and keys switched off.

Account properties of Microsoft.CognitiveServices 2025-09-01, role assignments of Microsoft.Authorization 2022-04-01.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import NAMESPACE_URL, uuid5

from aoai_lib.effective_access.capabilities import OPENAI_USER
from aoai_lib.effective_access.register import ACTIVE, register_of
from aoai_lib.harden.making import Site, mends
from aoai_lib.harden.plan import Check, Request, Step
from aoai_lib.harden.remedies.network import ACCOUNTS
from aoai_lib.model import Finding
from aoai_lib.private_link import name_of

_WRITE_ACCOUNT = "Microsoft.CognitiveServices/accounts/write"


@mends("IAM-01", needs=("NET-10",))
def disable_keys(site: Site, finding: Finding) -> Iterator[Step]:
    """Switch keys off once everybody signs in. The property reads true at once; keys are refused minutes to hours later."""
    account = finding.subject.account
    yield from _grants(site, finding)
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
        checks=(Check(name="entra-callers", about=account), Check(name="key-callers", about=account)),
    )


def _grants(site: Site, finding: Finding) -> Iterator[Step]:
    """The least role that calls models, for each named workload that does not hold it here or from above."""
    account = finding.subject.account
    subscription = account.split("/")[2]
    reaching = register_of(site.snapshot, subscription.lower()).reaching(account, ACTIVE)
    holding = {each.principal.lower() for each in reaching if each.role.lower() == OPENAI_USER}
    role = f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{OPENAI_USER}"
    for workload in site.wishes.workload_identities:
        if workload.lower() in holding:
            continue
        name = uuid5(NAMESPACE_URL, f"{account}|{workload}|{OPENAI_USER}".lower())
        grant = {"roleDefinitionId": role, "principalId": workload, "principalType": "ServicePrincipal"}
        yield site.put(
            finding,
            f"{account}/providers/Microsoft.Authorization/roleAssignments/{name}",
            "2022-04-01",
            None,
            {"properties": grant},
            title=f"Let the workload {workload} call models of “{name_of(account)}”",
            effect="It gets Cognitive Services OpenAI User on this account: it may call models, and change nothing.",
            permission="Microsoft.Authorization/roleAssignments/write",
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
