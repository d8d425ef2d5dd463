"""Phase 2: the traps of identity and access, each as a case with its verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders import ACCOUNT, GROUP, SUBSCRIPTION, account, changed, reading, snapshot
from identity_samples import (
    ALICE,
    AUTHORIZATION,
    BOB,
    COGNITIVE_SERVICES_CONTRIBUTOR,
    COGNITIVE_SERVICES_USER,
    CONTRIBUTOR,
    CUSTOM,
    MONITORING_CONTRIBUTOR,
    OPENAI_CONTRIBUTOR,
    OPENAI_USER,
    OWNER,
    READER,
    SUB,
    USER_ACCESS_ADMINISTRATOR,
    WORKLOAD,
    assignment,
    built_in,
    custom,
    definition,
    deny,
    finding,
    refused,
    schedule,
    tenant,
    verdict,
)

from aoai_lib.assess import Subjects, judge
from aoai_lib.collect import sources
from aoai_lib.collect.identity import SOURCES
from aoai_lib.controls import catalogue
from aoai_lib.model import Kind, Phase, Snapshot, State, Status

SHARED = Path(__file__).resolve().parents[2] / "shared" / "recorded"
JUDGED = [each for each in catalogue() if each.phase is Phase.IDENTITY]
OBSERVED = {"IAM-02", "IAM-03", "IAM-14", "IAM-15"}
"""Judged by calls and logs, not by who holds which role."""
UNKNOWN_ROLE = "12345678-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("properties", "status"),
    [({"disableLocalAuth": True}, "pass"), ({"disableLocalAuth": False}, "fail"), ({"disableLocalAuth": None}, "fail"),
     ({}, "fail"), ({"disableLocalAuth": "true"}, "not_assessed")],
)  # fmt: skip
def test_keys_work_unless_the_service_says_otherwise(properties: dict[str, Any], status: str) -> None:
    assert verdict(snapshot(account=account(**properties)), "IAM-01") == status


@pytest.mark.parametrize(
    ("identity", "status"),
    [({"type": "SystemAssigned, UserAssigned"}, "pass"), ({"type": "SystemAssigned,UserAssigned"}, "pass"),
     ({"type": "UserAssigned"}, "pass"), ({"type": "systemassigned"}, "pass"), ({"type": "None"}, "fail"),
     ({"type": None}, "fail"), ({}, "fail"), (None, "fail"), ({"type": ["SystemAssigned"]}, "not_assessed")],
)  # fmt: skip
def test_one_or_both_kinds_of_identity_count(identity: Any, status: str) -> None:
    assert verdict(snapshot(account={**account(), "identity": identity}), "IAM-11") == status


@pytest.mark.parametrize(
    ("role", "kind", "status"),
    [
        (OPENAI_USER, "ServicePrincipal", "pass"),
        (OPENAI_CONTRIBUTOR, "ServicePrincipal", "fail"),
        (COGNITIVE_SERVICES_USER, "ServicePrincipal", "fail"),
        (CONTRIBUTOR, "ServicePrincipal", "fail"),
        (USER_ACCESS_ADMINISTRATOR, "ServicePrincipal", "fail"),
        (MONITORING_CONTRIBUTOR, "ServicePrincipal", "fail"),
        (READER, "ServicePrincipal", "pass"),
        (OWNER, "User", "pass"),
        (OWNER, "Group", "not_assessed"),
        (OWNER, "Unknown", "pass"),
        (OWNER, None, "not_assessed"),
        (READER, None, "pass"),
    ],
)
def test_what_a_workload_may_hold(role: str, kind: str | None, status: str) -> None:
    assert verdict(tenant(assignment(role, WORKLOAD, kind)), "IAM-05") == status


@pytest.mark.parametrize(
    ("block", "status"),
    [
        ({"dataActions": ["Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action"]}, "pass"),
        ({"dataActions": ["Microsoft.CognitiveServices/accounts/OpenAI/responses/read"]}, "pass"),
        ({"dataActions": ["Microsoft.CognitiveServices/accounts/OpenAI/files/delete"]}, "fail"),
        ({"dataActions": ["Microsoft.CognitiveServices/accounts/OpenAI/*/read"]}, "fail"),
        ({"dataActions": ["Microsoft.CognitiveServices/accounts/ContentSafety/*"]}, "fail"),
        ({"dataActions": ["*"], "notDataActions": ["Microsoft.CognitiveServices/*"]}, "pass"),
        ({"dataActions": ["Microsoft.Storage/*"], "actions": ["Microsoft.Storage/*", "*/read"]}, "pass"),
        ({"actions": ["Microsoft.CognitiveServices/accounts/write"]}, "fail"),
        ({"actions": ["Microsoft.Insights/*"]}, "fail"),
    ],
)
def test_a_workload_is_measured_by_actions(block: dict[str, list[str]], status: str) -> None:
    given = assignment(CUSTOM, WORKLOAD, "ServicePrincipal")
    assert verdict(tenant(given, roles=[custom(**block)]), "IAM-05") == status


def test_deny_assignments_hold_a_workload_down() -> None:
    given = assignment(CUSTOM, WORKLOAD, "ServicePrincipal")
    role = custom(actions=["Microsoft.CognitiveServices/accounts/*"])
    assert verdict(tenant(given, roles=[role], denials=[deny("Microsoft.CognitiveServices/*")]), "IAM-05") == "pass"
    pierced = deny()
    pierced["properties"]["permissions"] = [
        {"actions": ["*"], "notActions": ["Microsoft.CognitiveServices/accounts/read"]}
    ]
    assert verdict(tenant(given, roles=[role], denials=[pierced]), "IAM-05") == "fail"


def test_automation_that_is_approved_is_no_workload() -> None:
    given = assignment(OPENAI_CONTRIBUTOR, WORKLOAD, "ServicePrincipal")
    assert verdict(tenant(given, deployers=[WORKLOAD]), "IAM-05") == "pass"
    assert verdict(tenant(given, approved=[WORKLOAD]), "IAM-05") == "pass"


@pytest.mark.parametrize("role", [OWNER, CONTRIBUTOR, COGNITIVE_SERVICES_CONTRIBUTOR])
@pytest.mark.parametrize(
    ("kind", "status"),
    [("User", "fail"), ("Group", "fail"), ("ForeignGroup", "fail"), ("ServicePrincipal", "pass"), ("Unknown", "pass"),
     (None, "not_assessed")],
)  # fmt: skip
def test_people_and_groups_hold_no_power_for_good(role: str, kind: str | None, status: str) -> None:
    assert verdict(tenant(assignment(role, kind=kind)), "IAM-06") == status
    assert verdict(tenant(assignment(role, kind=kind), approved=[ALICE]), "IAM-06") == status


@pytest.mark.parametrize(("control", "kind"), [("IAM-06", "User"), ("IAM-13", "Unknown")])
def test_what_is_known_without_role_definitions_is_said_without_them(control: str, kind: str) -> None:
    found = finding(
        tenant(assignment(OWNER, kind=kind), assignment(READER, BOB), unread=refused("role_definitions")), control
    )
    assert found.status is Status.FAIL
    assert f"by “{OWNER}”" in found.reason


def test_openai_contributor_is_not_taken_for_cognitive_services_contributor() -> None:
    assert verdict(tenant(assignment(OPENAI_CONTRIBUTOR)), "IAM-06") == "pass"
    assert verdict(tenant(assignment(COGNITIVE_SERVICES_CONTRIBUTOR)), "IAM-06") == "fail"


@pytest.mark.parametrize(
    ("kind", "ends", "status"),
    [("Activated", "2026-11-23T17:00:00Z", "pass"), ("Activated", None, "fail"), ("Assigned", None, "fail"),
     ("Assigned", "2027-01-01T00:00:00Z", "fail")],
)  # fmt: skip
def test_what_was_activated_for_hours_does_not_stand(kind: str, ends: str | None, status: str) -> None:
    made = assignment(OWNER)
    found = finding(tenant(made, schedules=[schedule(made, kind, ends)]), "IAM-06")
    assert found.status.value == status
    assert ("until 2027-01-01" in found.reason) is (ends == "2027-01-01T00:00:00Z")


def test_eligible_power_does_not_stand() -> None:
    assert verdict(tenant(eligible=[assignment(OWNER)]), "IAM-06") == "pass"


def test_without_schedules_standing_and_activated_look_the_same() -> None:
    unread = refused("role_schedules")
    assert verdict(tenant(assignment(OWNER), unread=unread), "IAM-06") == "not_assessed"
    assert verdict(tenant(assignment(READER), unread=unread), "IAM-06") == "pass"


def test_inherited_power_is_named_with_its_scope() -> None:
    scope = "/providers/Microsoft.Management/managementGroups/mg"
    found = finding(tenant(assignment(OWNER, kind="Group", scope=scope)), "IAM-06")
    assert found.reason == (
        "1 person or group has standing power over the account: "
        f"group “{ALICE}” by “Owner” inherited from “{scope}”."
    )  # fmt: skip
    assert "on the account" in finding(tenant(assignment(OWNER, scope=ACCOUNT)), "IAM-06").reason.partition(":")[2]


@pytest.mark.parametrize(
    ("block", "status"),
    [
        ({"actions": ["*"]}, "fail"),
        ({"actions": ["Microsoft.CognitiveServices/accounts/*"]}, "fail"),
        ({"dataActions": ["*/read"]}, "fail"),
        ({"actions": ["*/read", "Microsoft.Storage/*"]}, "pass"),
        ({"actions": ["*"], "notActions": ["microsoft.cognitiveservices/*"]}, "pass"),
        ({"actions": ["Microsoft.CognitiveServices/accounts/write"]}, "pass"),
    ],
)
def test_custom_roles_with_wildcards(block: dict[str, list[str]], status: str) -> None:
    assert verdict(tenant(roles=[custom(**block)]), "IAM-10") == status


@pytest.mark.parametrize(
    ("scope", "status"),
    [("/", "fail"), (SUB.upper(), "fail"), (GROUP, "fail"), ("/providers/Microsoft.Management/managementGroups/m", "fail"),
     (f"{SUB}/resourceGroups/elsewhere", "pass"), ("/subscriptions/22222222-0000-4000-8000-000000000002", "pass")],
)  # fmt: skip
def test_a_custom_role_counts_where_it_may_be_assigned(scope: str, status: str) -> None:
    role = custom(actions=["*"])
    role["properties"]["assignableScopes"] = [scope]
    assert verdict(tenant(roles=[role]), "IAM-10") == status


def test_built_in_wildcards_are_not_custom_roles() -> None:
    role = definition(CUSTOM, "Made by Microsoft", {"actions": ["*"]}, type="BuiltInRole")
    assert verdict(tenant(roles=[role]), "IAM-10") == "pass"


def test_the_tenants_list_can_show_a_wildcard_but_not_that_there_is_none() -> None:
    unread = refused("role_definitions")
    harmless = {"tenant_role_definitions": reading("tenant_role_definitions", "", [custom(actions=["*/read"])])}
    assert verdict(tenant(unread=unread | harmless), "IAM-10") == "not_assessed"
    listed = {"tenant_role_definitions": reading("tenant_role_definitions", "", [custom(actions=["*"])])}
    assert verdict(tenant(unread=unread), "IAM-10") == "not_assessed"
    assert verdict(tenant(unread=unread | listed), "IAM-10") == "fail"


@pytest.mark.parametrize(
    ("actions", "not_actions", "status"),
    [
        (["Microsoft.CognitiveServices/*/read"], [], "pass"),
        (["Microsoft.CognitiveServices/accounts/deployments/*"], [], "fail"),
        (["*"], [], "fail"),
        (["*"], ["Microsoft.CognitiveServices/accounts/deployments/write"], "pass"),
    ],
)
def test_openai_user_is_judged_as_it_is_defined_now(actions: list[str], not_actions: list[str], status: str) -> None:
    role = definition(OPENAI_USER, "Renamed", {"actions": actions, "notActions": not_actions}, type="BuiltInRole")
    listed = {"role_definitions": reading("role_definitions", SUBSCRIPTION, [role])}
    assert verdict(tenant(unread=listed), "IAM-12") == status


def test_openai_user_that_no_answer_holds_is_not_assessed() -> None:
    missing = {"role_definitions": reading("role_definitions", SUBSCRIPTION, [])}
    assert verdict(tenant(unread=missing), "IAM-12") == "not_assessed"
    by_id = f"{SUB}/{AUTHORIZATION}/roleDefinitions/{OPENAI_USER}"
    found = {"one": reading("role_definition", by_id, next(each for each in built_in() if each["name"] == OPENAI_USER))}
    assert verdict(tenant(unread=missing | found), "IAM-12") == "pass"


@pytest.mark.parametrize(("kind", "status"), [("Unknown", "fail"), ("", "fail"), (None, "fail"), ("User", "pass")])
def test_deleted_principals(kind: str | None, status: str) -> None:
    assert verdict(tenant(assignment(READER, BOB), assignment(READER, kind=kind)), "IAM-13") == status
    assert verdict(tenant(assignment(READER, BOB), assignment(READER, kind=kind, scope=f"{ACCOUNT}/x/y")), "IAM-13") == status  # fmt: skip
    assert (
        verdict(tenant(assignment(READER, BOB), assignment(READER, kind=kind, scope=f"{GROUP}-b")), "IAM-13") == "pass"
    )


def test_an_answer_without_any_types_says_nothing_about_deletion() -> None:
    assert verdict(tenant(assignment(READER, kind=None), assignment(READER, BOB, None)), "IAM-13") == "not_assessed"


def test_the_hardened_tenant_is_read_in_seven_requests_a_subscription_and_two_of_the_directory(
    hardened: Snapshot,
) -> None:
    mine = {source.name for source in SOURCES}
    asked = [each for each in hardened.readings.values() if each.source in mine]
    assert sorted(each.source for each in asked) == [
        "classic_administrators", "delegations", "deny_assignments", "directory_objects", "group_members",
        "role_assignments", "role_definitions", "role_eligibility", "role_schedules",
    ]  # fmt: skip
    assert sources()["identity"] == SOURCES


def test_unlisted_definitions_are_read_by_their_id_and_only_those_in_use(mixed: Snapshot) -> None:
    from aoai_lib.collect.identity import _unknown, _unlisted

    readings = dict(
        tenant(assignment(UNKNOWN_ROLE), assignment(CUSTOM, scope=f"{SUB}/resourceGroups/elsewhere")).readings
    )
    assert list(_unlisted(readings)) == []
    assert list(_unknown(readings)) == [f"{SUB}/{AUTHORIZATION}/roleDefinitions/{UNKNOWN_ROLE}"]
    readings |= {("role_definitions", SUBSCRIPTION): refused("role_definitions")["role_definitions"]}
    assert list(_unlisted(readings)) == [""]
    assert [each.rpartition("/")[2] for each in _unknown(readings)] == [UNKNOWN_ROLE, OPENAI_USER]
    assert mixed.reading("tenant_role_definitions", "").state is State.DENIED


@pytest.mark.parametrize(
    "path", sorted((SHARED / "05_rbac").glob("role*GET200*.json")), ids=lambda path: path.name[:60]
)
def test_recorded_answers_are_judged_without_a_crash(path: Path) -> None:
    body = json.loads(path.read_text(encoding="utf-8"))
    value = body.get("value", [body])
    source = "role_assignments" if path.name.startswith("roleAssignments") else "role_definitions"
    sample = tenant(unread={source: reading(source, SUBSCRIPTION, value)})
    assert len(judge(sample, JUDGED)) == len(JUDGED)


def test_recorded_assignments_are_understood() -> None:
    path = SHARED / "05_rbac" / "roleAssignments__2022-04-01__GET200__azure-cli-extensions__0404.json"
    if not path.is_file():
        pytest.skip("no recorded answers lie beside this checkout")
    text = path.read_text(encoding="utf-8").replace("/subscriptions/00000000-0000-0000-0000-000000000000", SUB)
    sample = tenant(unread={"role_assignments": reading("role_assignments", SUBSCRIPTION, json.loads(text)["value"])})
    found = finding(sample, "IAM-06")
    assert found.status is Status.FAIL
    assert found.reason.startswith("1 person or group has standing power over the account: user “")
    assert verdict(sample, "IAM-04") == "fail"


def test_every_reading_gone_leaves_no_verdict_standing(hardened: Snapshot) -> None:
    (subscription,) = Subjects(hardened).found[Kind.SUBSCRIPTION]
    gone = changed(hardened, subscription, {})
    for key in [key for key in gone.readings if key[0] in {source.name for source in SOURCES}]:
        del gone.readings[key]  # type: ignore[attr-defined]
    passed = {each.control for each in judge(gone, JUDGED) if each.status is Status.PASS}
    assert passed - OBSERVED == {"IAM-01", "IAM-11"}
