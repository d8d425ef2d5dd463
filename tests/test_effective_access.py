"""Effective access: real role definitions, deny assignments, scopes, how access is held, and the matrix of it."""

from __future__ import annotations

import copy
import gc
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from builders import ACCOUNT, GROUP, SUBSCRIPTION, reading
from identity_samples import (
    ALICE,
    AUTHORIZATION,
    BOB,
    COGNITIVE_SERVICES_USER,
    CONDITION,
    CONTRIBUTOR,
    CUSTOM,
    MONITORING_CONTRIBUTOR,
    OPENAI_USER,
    OWNER,
    RBAC_ADMINISTRATOR,
    READER,
    SUB,
    WORKLOAD,
    assignment,
    built_in,
    custom,
    deny,
    refused,
    schedule,
    tenant,
)

from aoai_lib.effective_access import access_matrix
from aoai_lib.effective_access.capabilities import CAPABILITIES
from aoai_lib.effective_access.records import Holding, reaches
from aoai_lib.effective_access.register import _registers, register_of
from aoai_lib.model import Snapshot, State

RECORDED = Path(__file__).resolve().parents[2] / "shared" / "recorded" / "05_rbac"

TABLE = """
8e3af657-a8ff-443c-a75c-2fe8c4bcb635 keys write network assign logs
b24988ac-6180-42a0-ab88-20f7382dd24c keys write network logs
acdd72a7-3385-48ef-bd42-f606fba81ae7
18d7d88d-d35e-4fb5-a5c3-7773c20a72d9 assign
f58310d9-a9f6-439a-9e8d-f62e7b41a168 assign
5e0bd9bd-7b93-4f28-af87-19fc36ad61bd call
a001fd3d-188f-4b5d-821b-7da978bf7442 write call
25fbc0a9-bd7c-42a3-aa1a-3b75d497ee68 keys write network logs
a97b65f3-24c7-4388-baec-2e87135dc908 keys call
19c28022-e58e-450d-a464-0b2a53034789 call
14f26b53-9d80-4924-8141-f664426a48f6 keys write network
64702f94-c441-49e6-a78b-ef80e0188fee call
b78c5d69-af96-48a3-bf8d-a8b4d589de94 keys write network logs
53ca6127-db72-4b80-b1b0-d745d6d5456d keys call
eadc314b-1a2d-4efa-be10-5d325db5065e assign call
e47c6f54-e4a2-4754-9501-8e0985b135e1 keys write network assign logs
c883944f-8b7b-4483-af10-35834be79c4a keys write network assign call
4b42bd01-da42-4c92-9b07-15ea5bd6a602 keys
f72c8140-2111-481c-87ff-72b910f6e3f8 keys
f07febfe-79bc-46b1-8b37-790e26e6e498 keys
749f88d5-cbae-40b8-bcfc-e573ddc772fa logs
92aaf0da-9dab-42b6-94a3-d43ce8d16293 logs
bba48692-92b0-4667-a9ad-c31c7b334ac2
"""
"""What built-in roles allow on an account, by GUID (azure built-in roles, 2026-08-22)."""
ROLES = {line.split()[0]: set(line.split()[1:]) for line in TABLE.strip().splitlines()}
SHORT = {
    "call models": "call",
    "read keys": "keys",
    "write deployments": "write",
    "change network": "network",
    "blind the logs": "logs",
    "assign roles": "assign",
}


@cache
def recorded() -> dict[str, Any]:
    """Role definitions that the service answered, by GUID."""
    paths = sorted(RECORDED.glob("roleDefinitions_*GET200*0467.json")) + sorted(RECORDED.glob("*_subset_*.json"))
    if not paths:
        pytest.skip("no recorded answers lie beside this checkout")
    answers = [json.loads(path.read_text(encoding="utf-8"))["value"] for path in paths]
    return {each["name"]: each for answer in answers for each in answer}


def held(definition: dict[str, Any]) -> set[str]:
    """The short names of what a role allows."""
    guid = definition["name"]
    roles = {each["name"]: each for each in built_in()} | {guid: definition}
    sample = tenant(roles=[])
    sample.readings["role_definitions", SUBSCRIPTION].value[:] = list(roles.values())
    role = register_of(sample, SUBSCRIPTION).role(guid)
    return {SHORT[each.name] for each in CAPABILITIES if each.name in SHORT and role.held(each)}


@pytest.mark.parametrize("guid", sorted(ROLES))
def test_roles_of_the_lab_allow_what_the_table_says(guid: str) -> None:
    definition = next(each for each in built_in() if each["name"] == guid)
    assert held(definition) == ROLES[guid]


@pytest.mark.parametrize("guid", sorted(ROLES))
def test_recorded_roles_allow_what_the_table_says(guid: str) -> None:
    if guid not in recorded():
        pytest.skip("this role is not among the recorded ones")
    assert held(recorded()[guid]) == ROLES[guid]


@pytest.mark.parametrize(
    ("scope", "reached"),
    [
        ("/", True),
        ("/providers/Microsoft.Management/managementGroups/mg", True),
        (SUB, True),
        (SUB.upper() + "/", True),
        (SUB.lstrip("/"), True),
        (GROUP.replace("resourceGroups", "resourcegroups"), True),
        (ACCOUNT.upper(), True),
        (f"{ACCOUNT}/projects/p", False),
        (f"{ACCOUNT}-other", False),
        (f"{GROUP}-other", False),
        (f"{GROUP}/providers/Microsoft.Storage/storageAccounts/s", False),
        ("/subscriptions/22222222-0000-4000-8000-000000000002", False),
    ],
)
def test_scopes(scope: str, reached: bool) -> None:
    assert reaches(scope, ACCOUNT) is reached
    matrix = access_matrix(tenant(assignment(OWNER, scope=scope)), ACCOUNT)
    assert bool(matrix.rows) is reached


def level(sample: Snapshot, capability: str, principal: str = ALICE) -> Holding | None:
    """How a principal holds a capability; None where the matrix says it doesn't."""
    rows = [row for row in access_matrix(sample, ACCOUNT).rows if row.principal == principal]
    return rows[0].level(capability) if rows else None


def test_permission_blocks_add_up_and_subtract_within_themselves() -> None:
    blocks = [{"actions": ["*"], "notActions": ["Microsoft.CognitiveServices/*"]}, {"actions": ["Microsoft.CognitiveServices/accounts/listKeys/action"]}]  # fmt: skip
    role = custom()
    role["properties"]["permissions"] = blocks
    sample = tenant(assignment(CUSTOM), roles=[role])
    assert level(sample, "read keys") is Holding.STANDING
    assert level(sample, "write deployments") is None
    assert level(sample, "blind the logs") is Holding.STANDING


LIST_KEYS = "microsoft.cognitiveservices/accounts/LISTKEYS/action"


@pytest.mark.parametrize(
    ("denial", "principal", "kind", "remains"),
    [
        (deny(LIST_KEYS), ALICE, "User", False),
        (deny("*"), ALICE, "Group", False),
        (deny(LIST_KEYS, spared={BOB: "User"}), ALICE, "User", False),
        (deny(LIST_KEYS, spared={ALICE: "User"}), ALICE, "User", True),
        (deny(LIST_KEYS, spared={BOB: "Group"}), ALICE, "User", True),
        (deny(LIST_KEYS, spared={BOB: "User"}), ALICE, "Group", True),
        (deny(LIST_KEYS, principals=[{"id": ALICE, "type": "User"}]), ALICE, "User", False),
        (deny(LIST_KEYS, principals=[{"id": BOB, "type": "Group"}]), ALICE, "User", True),
        (deny(LIST_KEYS, doNotApplyToChildScopes=True), ALICE, "User", True),
        (deny(LIST_KEYS, doNotApplyToChildScopes=True, scope=ACCOUNT), ALICE, "User", False),
        (deny(LIST_KEYS, scope=f"{GROUP}-other"), ALICE, "User", True),
        (deny(LIST_KEYS, condition="@Resource[x] StringEquals 'y'"), ALICE, "User", True),
        (deny("Microsoft.CognitiveServices/accounts/write"), ALICE, "User", True),
    ],
)
def test_the_matrix_takes_away_only_what_is_surely_denied(
    denial: dict[str, Any], principal: str, kind: str, remains: bool
) -> None:
    role = custom(actions=["Microsoft.CognitiveServices/accounts/listKeys/action"])
    sample = tenant(assignment(CUSTOM, principal, kind), roles=[role], denials=[denial])
    assert (level(sample, "read keys", principal) is Holding.STANDING) is remains


def test_denying_one_way_to_the_keys_leaves_the_other() -> None:
    assert level(tenant(assignment(CONTRIBUTOR), denials=[deny(LIST_KEYS)]), "read keys") is Holding.STANDING


def test_how_access_is_held() -> None:
    standing, bound, active = (assignment(OWNER, principal) for principal in (ALICE, BOB, WORKLOAD))
    sample = tenant(
        standing,
        bound,
        active,
        eligible=[assignment(OWNER, "eeeeeeee-0000-4000-8000-00000000000e")],
        schedules=[
            schedule(standing, "Assigned", None),
            schedule(bound, "Assigned", "2027-01-01T00:00:00Z"),
            schedule(active, "Activated", "2026-11-23T17:00:00Z"),
        ],
    )
    levels = {row.principal[0]: row.level("read keys") for row in access_matrix(sample, ACCOUNT).rows}
    assert levels == {
        "a": Holding.STANDING, "b": Holding.TIME_BOUND, "d": Holding.ACTIVATED, "e": Holding.ELIGIBLE,
    }  # fmt: skip


def test_a_schedule_is_found_without_the_id_of_its_assignment() -> None:
    made = assignment(OWNER)
    instance = schedule(made, "Activated", "2026-11-23T17:00:00Z", originRoleAssignmentId=None)
    assert level(tenant(made, schedules=[instance]), "read keys") is Holding.ACTIVATED


def test_the_matrix_tells_direct_from_inherited_and_lists_what_lies_below() -> None:
    sample = tenant(
        assignment(OPENAI_USER, WORKLOAD, "ServicePrincipal", ACCOUNT),
        assignment(COGNITIVE_SERVICES_USER, WORKLOAD, "ServicePrincipal"),
        assignment(READER, BOB),
        assignment(OWNER, BOB, scope=f"{ACCOUNT}/projects/p"),
    )
    matrix = access_matrix(sample, ACCOUNT)
    (row,) = matrix.rows
    assert {name: [(each.role, each.direct) for each in cell] for name, cell in row.cells.items()} == {
        "call models": [("Cognitive Services User", False), ("Cognitive Services OpenAI User", True)],
        "read keys": [("Cognitive Services User", False)],
    }
    assert row.direct
    assert matrix.others == 1
    assert [(each.principal, each.scope) for each in matrix.below] == [(BOB, f"{ACCOUNT}/projects/p".lower())]
    assert matrix.gaps == ()


def test_who_can_deploy_can_weaken_filters() -> None:
    role = custom(actions=["Microsoft.CognitiveServices/accounts/deployments/write"])
    (row,) = access_matrix(tenant(assignment(CUSTOM), roles=[role]), ACCOUNT).rows
    assert set(row.cells) == {"write deployments", "weaken filters"}


def test_a_condition_is_shown() -> None:
    (row,) = access_matrix(tenant(assignment(RBAC_ADMINISTRATOR, condition="((!(ActionMatches…")), ACCOUNT).rows
    assert [each.conditional for each in row.cells["assign roles"]] == [{"assign roles"}]


def test_a_condition_narrows_what_it_is_about_and_nothing_else() -> None:
    role = custom(actions=["Microsoft.CognitiveServices/*", "Microsoft.Authorization/roleAssignments/write"])
    role["properties"]["permissions"][0]["condition"] = CONDITION
    (row,) = access_matrix(tenant(assignment(CUSTOM), roles=[role]), ACCOUNT).rows
    narrowed = {name for name, entries in row.cells.items() if any(name in each.conditional for each in entries)}
    assert (narrowed, row.level("read keys")) == ({"assign roles"}, Holding.STANDING)


@pytest.mark.parametrize(
    ("source", "rows"),
    [("role_assignments", 1), ("role_eligibility", 1), ("role_definitions", 0), ("role_schedules", 2), ("deny_assignments", 2)],
)  # fmt: skip
def test_the_matrix_says_what_is_missing(source: str, rows: int) -> None:
    sample = tenant(assignment(OWNER), eligible=[assignment(OWNER, BOB)], unread=refused(source))
    matrix = access_matrix(sample, ACCOUNT)
    assert len(matrix.rows) == rows
    assert matrix.gaps
    assert all("GET it answered 403." in gap for gap in matrix.gaps)


def test_a_list_that_may_be_longer_is_a_gap() -> None:
    assert access_matrix(tenant(state=State.PARTIAL), ACCOUNT).gaps == (
        "The list of role assignments is not known to be complete.",
    )


def odd_shapes() -> Iterator[dict[str, Any]]:
    """Assignments that are not of the documented form."""
    for path, value in (("properties", None), ("principalId", 7), ("scope", ["/"]), ("roleDefinitionId", {})):
        made = copy.deepcopy(assignment(OWNER))
        if path == "properties":
            made["properties"] = value
        else:
            made["properties"][path] = value
        yield made


@pytest.mark.parametrize("odd", list(odd_shapes()))
def test_an_odd_assignment_is_a_gap_and_never_a_crash(odd: dict[str, Any]) -> None:
    matrix = access_matrix(tenant(odd), ACCOUNT)
    assert matrix.rows == ()
    assert matrix.gaps or matrix.others


@pytest.mark.parametrize(
    ("source", "scope", "value"),
    [
        ("tenant_role_definitions", "", list(built_in())),
        ("role_definition", f"/{AUTHORIZATION}/roleDefinitions/{OWNER}", built_in()[0]),
    ],
)
def test_a_definition_is_taken_from_wherever_it_was_read(source: str, scope: str, value: Any) -> None:
    unread = refused("role_definitions")
    assert level(tenant(assignment(OWNER), unread=unread), "read keys") is None
    elsewhere = {source: reading(source, scope, value)}
    assert level(tenant(assignment(OWNER), unread=unread | elsewhere), "read keys") is Holding.STANDING


def test_registers_live_as_long_as_their_snapshot() -> None:
    sample = tenant(assignment(MONITORING_CONTRIBUTOR))
    assert register_of(sample, SUBSCRIPTION) is register_of(sample, SUBSCRIPTION)
    key = id(sample)
    assert key in _registers
    del sample
    gc.collect()
    assert key not in _registers
