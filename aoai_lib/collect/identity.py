"""What phase 2 reads: who holds which role, what the roles allow, what is denied, who may become more on request.

One list a subscription gives the role assignments at, above and below it, so nothing is asked once an account. Access that
is delegated to other tenants, and classic administrators, stand in lists of their own; names and groups in the directory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from aoai_lib.collect import EACH_SUBSCRIPTION, Readings, Scopes, Source, items
from aoai_lib.collect.directory import SOURCES_OF_NAMES
from aoai_lib.effective_access.capabilities import OPENAI_USER
from aoai_lib.effective_access.records import chain, is_above, normal, role_id
from aoai_lib.model import Json, State

AUTHORIZATION: Final = "Microsoft.Authorization"
_ASSIGNED: Final = (
    "subscriptions",
    "accounts",
    "role_assignments",
    "role_eligibility",
    "role_definitions",
    "tenant_role_definitions",
)
SCHEDULES_VERSION: Final = "2020-10-01"
"""The API version of schedule instances. They are read without the SDK: its one client speaks several versions and keeps
the last one asked for, so that the second page of a list read at the same time would be asked for in the wrong version."""


def _schedules(kind: str) -> str:
    return f"providers/{AUTHORIZATION}/{kind}"


def _delegations(subscription: str) -> str:
    """Delegations at a subscription and in it, each with the principals and roles that it is for."""
    kind = "registrationAssignments?$expandRegistrationDefinition=true"
    return f"/subscriptions/{subscription}/providers/Microsoft.ManagedServices/{kind}"


def _unlisted(readings: Readings) -> Iterable[str]:
    """The tenant's own list is read once where a subscription's list of role definitions could not be."""
    listed = [reading for (name, _), reading in readings.items() if name == "role_definitions"]
    return [""] if any(reading.state is not State.COLLECTED for reading in listed) else []


def _text(resource: Json, name: str) -> str:
    own = resource.get("properties") if isinstance(resource, dict) else None
    value = own.get(name) if isinstance(own, dict) else None
    return value if isinstance(value, str) else ""


def _in_use(readings: Readings) -> Iterator[str]:
    """Role definitions that an assignment or an eligibility names which reaches an account, and OpenAI User's."""
    scopes = {scope for account in items(readings, "accounts") for scope in chain(account)}
    for source in ("role_assignments", "role_eligibility"):
        for each in items(readings, source):
            if is_above(scope := normal(_text(each, "scope"))) or scope in scopes:
                yield _text(each, "roleDefinitionId")
    for subscription in items(readings, "subscriptions"):
        yield f"/subscriptions/{subscription}/providers/{AUTHORIZATION}/roleDefinitions/{OPENAI_USER}"


def _unknown(readings: Readings) -> Iterable[str]:
    """Those in use that no list holds, each once."""
    lists = [*items(readings, "role_definitions"), *items(readings, "tenant_role_definitions")]
    known = {role_id(str(each.get("id", ""))) for each in lists}
    missing: dict[str, str] = {}
    for definition in _in_use(readings):
        if definition and role_id(definition) not in known:
            missing.setdefault(role_id(definition), definition)
    return missing.values()


SOURCES = (
    Source(
        "role_assignments",
        EACH_SUBSCRIPTION,
        f"{AUTHORIZATION}/roleAssignments/read",
        lambda azure, subscription: azure.authorization(subscription).role_assignments.list_for_subscription(),
    ),
    Source(
        "role_definitions",
        EACH_SUBSCRIPTION,
        f"{AUTHORIZATION}/roleDefinitions/read",
        lambda azure, subscription: azure.authorization(subscription).role_definitions.list(
            f"/subscriptions/{subscription}"
        ),
    ),
    Source(
        "deny_assignments",
        EACH_SUBSCRIPTION,
        f"{AUTHORIZATION}/denyAssignments/read",
        lambda azure, subscription: azure.authorization(subscription).deny_assignments.list(),
    ),
    Source(
        "role_eligibility",
        EACH_SUBSCRIPTION,
        f"{AUTHORIZATION}/roleEligibilityScheduleInstances/read",
        lambda azure, subscription: azure.list(
            f"/subscriptions/{subscription}/{_schedules('roleEligibilityScheduleInstances')}", SCHEDULES_VERSION
        ),
    ),
    Source(
        "role_schedules",
        EACH_SUBSCRIPTION,
        f"{AUTHORIZATION}/roleAssignmentScheduleInstances/read",
        lambda azure, subscription: azure.list(
            f"/subscriptions/{subscription}/{_schedules('roleAssignmentScheduleInstances')}", SCHEDULES_VERSION
        ),
    ),
    Source(
        "delegations",
        EACH_SUBSCRIPTION,
        "Microsoft.ManagedServices/registrationAssignments/read",
        lambda azure, subscription: azure.list(_delegations(subscription), "2022-10-01"),
    ),
    Source(
        "classic_administrators",
        EACH_SUBSCRIPTION,
        f"{AUTHORIZATION}/classicAdministrators/read",
        lambda azure, subscription: azure.list(
            f"/subscriptions/{subscription}/providers/{AUTHORIZATION}/classicAdministrators", "2015-07-01"
        ),
    ),
    Source(
        "tenant_role_definitions",
        Scopes(("role_definitions",), _unlisted),
        f"{AUTHORIZATION}/roleDefinitions/read",
        lambda azure, _: azure.authorization("").role_definitions.list(""),
    ),
    Source(
        "role_definition",
        Scopes(_ASSIGNED, _unknown),
        f"{AUTHORIZATION}/roleDefinitions/read",
        lambda azure, definition: azure.authorization("").role_definitions.get_by_id(definition),
    ),
    *SOURCES_OF_NAMES,
)
