"""How roles are given: under names that follow from what is given, so that a second run finds them and gives nothing twice.

Role assignments and definitions of Microsoft.Authorization 2022-04-01. An assignment that is there is never written again, so a
condition on it stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from aoai_lib.effective_access.capabilities import OPENAI_USER
from aoai_lib.effective_access.register import ACTIVE, Register, register_of
from aoai_lib.harden.making import Site
from aoai_lib.harden.plan import Step
from aoai_lib.harden.wire import holds
from aoai_lib.model import Finding
from aoai_lib.private_link import name_of, subscription_of

AUTHORIZATION: Final = "2022-04-01"
STAMPS: Final = tuple(f"properties.{each}" for each in ("createdOn", "createdBy", "updatedOn", "updatedBy"))
"""What the service notes on assignments and definitions by itself."""
_ACCOUNTS: Final = "Microsoft.CognitiveServices/accounts"
_TYPES: Final = ("User", "Group", "ServicePrincipal")
_DEPLOYING: Final = (
    f"{_ACCOUNTS}/read",
    f"{_ACCOUNTS}/models/read",
    f"{_ACCOUNTS}/deployments/read",
    f"{_ACCOUNTS}/deployments/write",
    f"{_ACCOUNTS}/deployments/delete",
    f"{_ACCOUNTS}/raiPolicies/read",
    "Microsoft.CognitiveServices/locations/models/read",
    "Microsoft.CognitiveServices/locations/usages/read",
)
"""What it takes to deploy models under a policy that somebody else made: no policy, no blocklist, no key, no network, no call."""


def register(site: Site, account: str) -> Register:
    """Who holds what in the subscription of an account."""
    return register_of(site.snapshot, subscription_of(account))


def let_call(site: Site, finding: Finding, account: str, principal: str) -> Iterator[Step]:
    """The least role that calls models, for a workload that does not hold it here or from above."""
    if _holds(site, account, principal, OPENAI_USER):
        return
    yield _grant(
        site,
        finding,
        (account, principal, OPENAI_USER),
        title=f"Let the workload {principal} call models of “{name_of(account)}”",
        effect="It gets Cognitive Services OpenAI User on this account: it may call models, and change nothing.",
        after=(),
    )


def let_deploy(site: Site, finding: Finding, account: str, principal: str) -> Iterator[Step]:
    """A custom role that writes deployments and nothing else, and its assignment, where either is missing."""
    subscription = f"/subscriptions/{account.split('/')[2]}"
    guid = str(uuid5(NAMESPACE_URL, f"{subscription}|write deployments".lower()))
    made = _deployment_role(site, finding, subscription, guid)
    if made is not None:
        yield made
    if not _holds(site, account, principal, guid):
        yield _grant(
            site,
            finding,
            (account, principal, guid),
            title=f"Let the automation {principal} write deployments of “{name_of(account)}”",
            effect="It may deploy models under the policies that are there. A template that it runs at the resource group needs "
            "Microsoft.Resources/deployments/write there besides.",
            after=(made.id,) if made else (),
        )


def _holds(site: Site, account: str, principal: str, role: str) -> bool:
    reaching = register(site, account).reaching(account, ACTIVE)
    return any(each.principal == principal.lower() and each.role == role for each in reaching)


def _grant(
    site: Site, finding: Finding, given: tuple[str, str, str], *, title: str, effect: str, after: tuple[str, ...]
) -> Step:
    """The assignment on an account, to a principal, of a role (a GUID)."""
    account, principal, role = given
    definitions = f"/subscriptions/{account.split('/')[2]}/providers/Microsoft.Authorization/roleDefinitions"
    name = uuid5(NAMESPACE_URL, "|".join(given).lower())
    return site.put(
        finding,
        f"{account}/providers/Microsoft.Authorization/roleAssignments/{name}",
        AUTHORIZATION,
        None,
        {
            "properties": {
                "roleDefinitionId": f"{definitions}/{role}",
                "principalId": principal,
                "principalType": _type_of(site, account, principal.lower()),
            }
        },
        title=title,
        effect=effect,
        permission="Microsoft.Authorization/roleAssignments/write",
        after=after,
    )


def _type_of(site: Site, account: str, principal: str) -> str:
    """What a principal is: the directory's word, or that of another assignment; a workload where neither tells."""
    own = register(site, account)
    person = own.directory.find(principal)
    held = (each for group in own.given(ACTIVE).values() for each in group)
    told = [person.kind] if person else [each.principal_type for each in held if each.principal == principal]
    return next((each for each in told if each in _TYPES), "ServicePrincipal")


def _deployment_role(site: Site, finding: Finding, subscription: str, guid: str) -> Step | None:
    """The step that makes the role, or makes it right; None where it is as it should be."""
    wanted = {
        "properties": {
            "roleName": f"Azure OpenAI deployments ({name_of(subscription)})",
            "description": "Writes deployments under the policies that are there. No policies, blocklists, keys, network or calls.",
            "type": "CustomRole",
            "assignableScopes": [subscription],
            "permissions": [{"actions": list(_DEPLOYING), "notActions": [], "dataActions": [], "notDataActions": []}],
        }
    }
    listed = site.facts(finding.subject).of_subscription("role_definitions").each()
    held = next((each.value for each in listed if each.text("name").lower() == guid), None)
    if held is not None and holds(held, wanted):
        return None
    return site.put(
        finding,
        f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{guid}",
        AUTHORIZATION,
        held,
        wanted,
        title="Define a custom role that writes deployments and nothing else",
        effect="A role by itself gives nobody anything.",
        permission="Microsoft.Authorization/roleDefinitions/write",
        read_only=STAMPS,
        after=(),
    )
