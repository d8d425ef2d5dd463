"""Access that no role assignment shows: delegated to another tenant (Azure Lighthouse), or by a classic administrator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aoai_lib.effective_access.records import Assignment, Origin, normal, role_id
from aoai_lib.facts import Facts, UnexpectedShapeError, View

OWNER: Final = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
_DELEGATIONS: Final = "/providers/microsoft.managedservices/registrationassignments/"
_WITHOUT_EFFECT: Final = frozenset({"failed", "canceled", "deleted"})
_CLASSIC: Final = frozenset({"serviceadministrator", "coadministrator"})
"""What gave the power of an Owner over the subscription. An account administrator pays for it and has no more than that."""


def delegations_of(origin: Origin, facts: Facts) -> Iterator[Assignment]:
    """What one registration assignment gives to another tenant's principals (API version 2022-10-01, definition expanded).

    Their types are not told. One that is not of the documented form is an odd assignment to somebody unknown.
    """
    view = origin.view(facts)
    try:
        head, marked, _ = view.id.partition(_DELEGATIONS)
        scope = normal(head) if marked else "/"
        own = view.at("properties.registrationDefinition.properties")
        if not own.present:
            raise UnexpectedShapeError(own.path, "an object", own.value)
        if own.text("provisioningState").lower() in _WITHOUT_EFFECT:
            return
        tenant = own.text("managedByTenantName") or own.text("managedByTenantId")
        for eligible, name in ((False, "authorizations"), (True, "eligibleAuthorizations")):
            for each in own.each(name):
                yield _authorization(each, origin, scope, tenant, eligible)
    except UnexpectedShapeError as problem:
        yield Assignment("", "", "", "", "/", False, "", "", origin, odd=problem)


def _authorization(each: View, origin: Origin, scope: str, tenant: str, eligible: bool) -> Assignment:
    definition = each.text("roleDefinitionId")
    found = Assignment(
        principal=each.text("principalId").lower(),
        principal_type="",
        role=role_id(definition),
        role_definition=definition,
        scope=scope,
        eligible=eligible,
        condition="",
        ends="",
        origin=origin,
        tenant=tenant,
        title=each.text("principalIdDisplayName"),
    )
    if not found.principal or not found.role:
        raise UnexpectedShapeError(each.path, "a principal and a role", each.value)
    return found


def classic_of(origin: Origin, facts: Facts, subscription: str) -> Iterator[Assignment]:
    """A classic administrator, who had what an Owner of the subscription has (API version 2015-07-01).

    The roles were retired on 2024-08-31: no answer, or an empty one, is what to expect (Microsoft Learn, "Azure classic
    subscription administrators"). Whoever is still named counts, for the service would not name them for nothing.
    """
    own = origin.view(facts).at("properties")
    try:
        name, roles = own.text("emailAddress"), own.text("role")
    except UnexpectedShapeError:
        return
    if name and _CLASSIC & {each.strip().lower() for each in roles.split(";")}:
        yield Assignment(
            principal=name.lower(),
            principal_type="User",
            role=OWNER,
            role_definition=f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{OWNER}",
            scope=normal(f"subscriptions/{subscription}"),
            eligible=False,
            condition="",
            ends="",
            origin=origin,
            title=roles,
        )
