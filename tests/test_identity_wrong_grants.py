"""One wrong grant in an otherwise clean tenant: at each scope, in each way, by the role or by the actions in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from builders import ACCOUNT, GROUP
from identity_samples import (
    ALICE,
    BOB,
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
    custom,
    delegation,
    deny,
    finding,
    person,
    refused,
    tenant,
    verdict,
)
from tenants import ROOT

from aoai_lib import run
from aoai_lib.assess import judge
from aoai_lib.controls import catalogue
from aoai_lib.evidence.store import Evidence
from aoai_lib.fleet import environment
from aoai_lib.lab.server import Lab
from aoai_lib.lab.world import read, world_of
from aoai_lib.model import Snapshot, State, Status
from aoai_lib.parameters import load

OBSERVED = ("IAM-02", "IAM-03", "IAM-14", "IAM-15")
"""Judged by calls and logs, which these tests do not read."""
MANAGEMENT_GROUP = "/providers/Microsoft.Management/managementGroups/mg"
SCOPES = (ACCOUNT, GROUP, SUB, MANAGEMENT_GROUP, "/")
TEAM = "12121212-0000-4000-8000-000000000012"
ACTIONS = {
    "IAM-04": "Microsoft.CognitiveServices/*/action",
    "IAM-07": "Microsoft.CognitiveServices/accounts/rai*/write",
    "IAM-08": "Microsoft.Authorization/role*/write",
    "IAM-09": "Microsoft.Insights/diagnosticSettings/*",
}
"""By control, a wildcard that gives away what only approved principals may do."""
RESERVED = pytest.mark.parametrize("control", sorted(ACTIONS))
AT = pytest.mark.parametrize("scope", SCOPES, ids=("account", "group", "subscription", "management group", "root"))

Way = Callable[[str, str, Any], Snapshot]


def by_role(scope: str, kind: str, role: Any) -> Snapshot:
    return tenant(assignment(CUSTOM, kind=kind, scope=scope), roles=[role])


def on_request(scope: str, kind: str, role: Any) -> Snapshot:
    return tenant(eligible=[assignment(CUSTOM, kind=kind, scope=scope)], roles=[role])


@RESERVED
@AT
@pytest.mark.parametrize("kind", ["User", "Group", "ServicePrincipal", "ForeignGroup"])
@pytest.mark.parametrize("way", [by_role, on_request])
def test_a_custom_wildcard_is_found_at_every_scope(control: str, scope: str, kind: str, way: Way) -> None:
    role = custom(actions=[ACTIONS[control]])
    found = finding(way(scope, kind, role), control)
    assert found.status is Status.FAIL
    assert ("on the account" if scope == ACCOUNT else f"inherited from “{scope}”") in found.reason
    harmless = {each for each in ACTIONS if verdict(way(scope, kind, role), each) == "pass"}
    assert harmless == set(ACTIONS) - {control}


@RESERVED
@AT
def test_a_deny_assignment_takes_it_away_again(control: str, scope: str) -> None:
    given, role = assignment(CUSTOM, scope=scope), custom(actions=[ACTIONS[control]])
    for at in (ACCOUNT, GROUP, SUB):
        assert verdict(tenant(given, roles=[role], denials=[deny(ACTIONS[control], scope=at)]), control) == "pass"
    elsewhere = deny(ACTIONS[control], scope=f"{SUB}/resourceGroups/elsewhere")
    assert verdict(tenant(given, roles=[role], denials=[elsewhere]), control) == "fail"


@pytest.mark.parametrize("scope", [GROUP, SUB])
@pytest.mark.parametrize("eligible", [False, True])
def test_delegation_to_another_tenant_counts(scope: str, eligible: bool) -> None:
    sample = tenant(delegations=[delegation(CONTRIBUTOR, scope=scope, eligible=eligible)])
    found = finding(sample, "IAM-04")
    assert found.status is Status.FAIL
    assert f"principal “Night shift” ({BOB}) of the tenant “Managed Things Inc.”, by delegation, by “Contributor”" in found.reason  # fmt: skip
    assert verdict(tenant(delegations=[delegation(READER, scope=scope)]), "IAM-04") == "pass"
    assert verdict(tenant(delegations=[delegation(CONTRIBUTOR, scope=f"{GROUP}-b")]), "IAM-04") == "pass"
    approved = tenant(delegations=[delegation(CONTRIBUTOR, scope=scope)], approved=[BOB])
    assert verdict(approved, "IAM-04") == "pass"
    assert verdict(sample, "IAM-06") == ("pass" if eligible else "not_assessed"), "its type is not told"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (refused("delegations"), "not_assessed"),
        (refused("delegations", State.FAILED, "GET it answered 409 MissingSubscriptionRegistration"), "pass"),
        (refused("delegations", State.NOT_FOUND, "GET it answered 404 InvalidResourceNamespace"), "pass"),
        (refused("delegations", State.NOT_FOUND, "GET it answered 404 SubscriptionNotFound"), "not_assessed"),
        (refused("classic_administrators"), "pass"),
        (refused("classic_administrators", State.NOT_FOUND, "GET it answered 404"), "pass"),
    ],
)
def test_what_the_lists_of_outsiders_may_answer(answer: Any, status: str) -> None:
    assert verdict(tenant(unread=answer), "IAM-04") == status


def test_a_delegation_that_is_no_longer_or_not_told_whole() -> None:
    gone = delegation(CONTRIBUTOR, provisioningState="Deleted")
    assert verdict(tenant(delegations=[gone]), "IAM-04") == "pass"
    unexpanded = {**gone, "properties": {"registrationDefinitionId": "/x"}}
    assert verdict(tenant(delegations=[unexpanded]), "IAM-04") == "not_assessed"


@pytest.mark.parametrize(
    ("role", "status"),
    [("ServiceAdministrator;AccountAdministrator", "fail"), ("CoAdministrator", "fail"), ("AccountAdministrator", "pass")],
)  # fmt: skip
def test_classic_administrators_that_are_still_named(role: str, status: str) -> None:
    classic = {"id": "x", "properties": {"emailAddress": "Root@contoso.example", "role": role}}
    assert {verdict(tenant(classic=[classic]), control) for control in (*ACTIONS, "IAM-06")} == {status}
    if status == "fail":
        assert f"“root@contoso.example” by “{role}”" in finding(tenant(classic=[classic]), "IAM-06").reason


@AT
@pytest.mark.parametrize("role", [OPENAI_CONTRIBUTOR, COGNITIVE_SERVICES_USER, MONITORING_CONTRIBUTOR, USER_ACCESS_ADMINISTRATOR])  # fmt: skip
def test_a_workload_has_what_its_group_has(scope: str, role: str) -> None:
    given = assignment(role, TEAM, "Group", scope)
    robot = person(WORKLOAD, "servicePrincipal", "robot")
    found = finding(tenant(given, members={TEAM: [robot, person(ALICE, name="alice@contoso.example")]}), "IAM-05")
    assert found.status is Status.FAIL
    assert f"service principal “robot” ({WORKLOAD}) through group “{TEAM}”" in found.reason
    assert verdict(tenant(given, members={TEAM: [person(ALICE)]}), "IAM-05") == "pass"
    assert verdict(tenant(given, members={TEAM: [robot]}, approved=[TEAM]), "IAM-05") == "pass"
    assert verdict(tenant(given, members={TEAM: [robot]}, deployers=[WORKLOAD]), "IAM-05") == "pass"
    closed = finding(tenant(given, members={TEAM: None}), "IAM-05")
    assert closed.status is Status.NOT_ASSESSED
    assert "The reader needs Microsoft Graph's GroupMember.Read.All or Directory.Read.All." in closed.reason


def test_no_verdict_hangs_on_a_group_that_holds_no_more_than_openai_user() -> None:
    assert verdict(tenant(assignment(OPENAI_USER, TEAM, "Group"), members={TEAM: None}), "IAM-05") == "pass"


@RESERVED
def test_approval_is_of_the_group_and_not_of_its_members(control: str) -> None:
    role = custom(actions=[ACTIONS[control]])
    given = assignment(CUSTOM, TEAM, "Group")
    for members in (None, [], [person(ALICE)]):
        assert verdict(tenant(given, roles=[role], members={TEAM: members}, approved=[TEAM]), control) == "pass"
        assert verdict(tenant(given, roles=[role], members={TEAM: members}, approved=[ALICE]), control) == "fail"


@pytest.mark.parametrize(
    ("members", "status"), [([ALICE], "pass"), ([BOB], "fail"), ([], "fail"), (None, "not_assessed")]
)
def test_a_deny_assignment_for_a_group_stops_those_who_are_in_it(members: list[str] | None, status: str) -> None:
    denial = deny("*", principals=[{"id": TEAM, "type": "Group"}])
    opened = None if members is None else [person(each) for each in members]
    assert verdict(tenant(assignment(OWNER), denials=[denial], members={TEAM: opened}), "IAM-04") == status


@pytest.mark.parametrize(
    ("members", "status"), [([ALICE], "fail"), ([BOB], "pass"), ([], "pass"), (None, "not_assessed")]
)
def test_a_deny_assignment_spares_those_who_are_in_a_spared_group(members: list[str] | None, status: str) -> None:
    denial = deny("*", spared={TEAM: "Group"})
    opened = None if members is None else [person(each) for each in members]
    assert verdict(tenant(assignment(OWNER), denials=[denial], members={TEAM: opened}), "IAM-04") == status


@pytest.mark.parametrize("members", [[ALICE, BOB], None])
def test_a_group_keeps_what_one_spared_member_keeps(members: list[str] | None) -> None:
    opened = None if members is None else [person(each) for each in members]
    for spared, status in ((ALICE, "fail"), (WORKLOAD, "pass")):
        sample = tenant(
            assignment(OWNER, TEAM, "Group"), denials=[deny("*", spared={spared: "User"})], members={TEAM: opened}
        )
        assert verdict(sample, "IAM-04") == ("not_assessed" if members is None else status)


def test_one_way_that_is_left_for_sure_settles_what_a_group_leaves_open() -> None:
    hangs = deny("Microsoft.CognitiveServices/accounts/listKeys/action", spared={TEAM: "Group"})
    assert verdict(tenant(assignment(OWNER), denials=[hangs]), "IAM-04") == "fail"


@AT
@pytest.mark.parametrize(
    ("actions", "status"),
    [(["*"], "fail"), (["Microsoft.CognitiveServices/*"], "fail"), (["Microsoft.CognitiveServices/accounts/listKeys/action"], "pass")],
)  # fmt: skip
def test_standing_power_is_known_by_what_it_can_do(scope: str, actions: list[str], status: str) -> None:
    given, role = assignment(CUSTOM, scope=scope), custom(actions=actions)
    assert verdict(tenant(given, roles=[role]), "IAM-06") == status
    assert verdict(tenant(given, roles=[role], denials=[deny("*")]), "IAM-06") == "pass"
    assert verdict(tenant(eligible=[given], roles=[role]), "IAM-06") == "pass"


def odd(name: str, value: Any, role: str = OWNER, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = assignment(role, BOB, **more)
    made["properties"][name] = value
    return made


@RESERVED
@pytest.mark.parametrize(
    ("broken", "status"),
    [
        (odd("principalId", 7), "not_assessed"),
        (odd("roleDefinitionId", None), "not_assessed"),
        (odd("scope", ["/"]), "not_assessed"),
        ({"id": "x", "properties": "y"}, "not_assessed"),
        (odd("condition", {"a": 1}), "not_assessed"),
        (odd("principalId", 7, READER), "pass"),
        (odd("principalId", 7, scope=f"{SUB}/resourceGroups/elsewhere"), "pass"),
    ],
)
def test_one_odd_assignment_clouds_only_what_it_could_change(control: str, broken: Any, status: str) -> None:
    fine = assignment(READER)
    assert verdict(tenant(fine, broken), control) == status
    assert verdict(tenant(assignment(OWNER), broken), control) == "fail", "the rest is judged all the same"
    assert verdict(tenant(eligible=[broken]), control) == status


def test_an_odd_assignment_of_an_approved_principal_clouds_nothing() -> None:
    assert verdict(tenant(odd("roleDefinitionId", None), approved=[BOB]), "IAM-04") == "pass"


@pytest.mark.parametrize(
    ("denial", "status"),
    [({"id": f"{SUB}/x", "properties": 7}, "not_assessed"), (deny("*", excludePrincipals=7), "not_assessed"),
     (deny("*", permissions=[{"actions": 1}], scope=f"{SUB}/resourceGroups/elsewhere"), "fail")],
)  # fmt: skip
def test_an_odd_deny_assignment_leaves_open_what_it_could_stop(denial: Any, status: str) -> None:
    assert verdict(tenant(assignment(OWNER), denials=[denial]), "IAM-04") == status
    assert verdict(tenant(assignment(READER), denials=[denial]), "IAM-04") == "pass"
    assert verdict(tenant(assignment(OWNER), denials=[denial, deny("*")]), "IAM-04") == "pass"


def test_an_odd_schedule_leaves_open_only_who_it_could_be_about() -> None:
    broken = {"id": f"{SUB}/x", "properties": {"principalId": 1}}
    assert verdict(tenant(assignment(OWNER), schedules=[broken]), "IAM-06") == "not_assessed"
    assert verdict(tenant(assignment(READER), schedules=[broken]), "IAM-06") == "pass"


def test_an_odd_role_definition_clouds_those_who_have_it() -> None:
    role = custom(actions=["*/read"])
    role["properties"]["permissions"] = {"actions": []}
    assert verdict(tenant(assignment(CUSTOM), roles=[role]), "IAM-04") == "not_assessed"
    assert verdict(tenant(assignment(READER), roles=[role]), "IAM-04") == "pass"
    assert verdict(tenant(roles=[role]), "IAM-10") == "not_assessed"
    wild = custom(actions=["*"])
    wild["name"] = "cccccccc-0000-4000-8000-0000000000cc"
    assert verdict(tenant(roles=[role, wild]), "IAM-10") == "fail"


GRANTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "keys on an account, which a deny assignment of that world keeps": (
        {"scope": "@prod:rg-ai-prod/Microsoft.CognitiveServices/accounts/aoai-halden-claims", "role": "Cognitive Services User", "principal": "amara.okafor@hardened.example"},
        set(),
    ),
    "policies in a group": (
        {"scope": "@prod:rg-ai-prod", "role": "Cognitive Services OpenAI Contributor", "principal": "security-operations"},
        {"IAM-07"},
    ),
    "logs in a subscription": (
        {"scope": "@prod:", "role": "Monitoring Contributor", "principal": "amara.okafor@hardened.example"},
        {"IAM-09"},
    ),
    "roles in a management group": (
        {"scope": "/providers/Microsoft.Management/managementGroups/mg-halden", "role": "User Access Administrator", "principal": "amara.okafor@hardened.example"},
        {"IAM-08"},
    ),
    "more than calls at the root": (
        {"scope": "/", "role": "Cognitive Services Data Contributor (Preview)", "principal": "id-claims-assistant"},
        {"IAM-05"},
    ),
    "somebody deleted": (
        {"scope": "@prod:", "role": "Reader", "principal": "0f0f0f0f-0000-4000-8000-00000000000f", "principalType": "User"},
        {"IAM-13"},
    ),
    "an owner that was activated for hours": (
        {"scope": "@prod:", "role": "Owner", "principal": "ai-platform-admins", "assignmentType": "Activated", "endDateTime": "2026-11-23T17:00:00Z"},
        set(),
    ),
    "an owner for a year": (
        {"scope": "@prod:", "role": "Owner", "principal": "ai-platform-admins", "endDateTime": "2027-11-23T17:00:00Z"},
        {"IAM-06"},
    ),
}  # fmt: skip
"""A grant added to the hardened world, and the controls that then fail: those and no others of phase 2."""


def failed(section: str, grant: dict[str, Any]) -> set[str]:
    """The controls of phase 2 that fail in the hardened world with one entry more."""
    document = read("hardened")
    document.setdefault(section, []).append(grant)
    with Lab([world_of(document)]) as lab, environment(lab.environment("hardened")):
        sample = run.collect(load(ROOT / "parameters" / "hardened.yaml"), ["identity"], Evidence())
    asked = [each for each in catalogue() if each.id.startswith("IAM") and each.id not in OBSERVED]
    return {each.control for each in judge(sample, asked) if each.status is Status.FAIL}


@pytest.mark.parametrize("name", sorted(GRANTS))
def test_one_wrong_grant_in_a_world_fails_its_control_alone(name: str) -> None:
    grant, expected = GRANTS[name]
    assert failed("roleAssignments", grant) == expected


def test_access_that_no_role_assignment_shows_fails_in_a_world_too() -> None:
    provider = {"tenantId": "77777777-0000-4000-8000-000000000077", "tenantName": "Managed Things Inc."}
    watched = {"principalId": BOB, "name": "Night shift", "role": "Monitoring Contributor"}
    assert failed("delegations", {"scope": "@prod:rg-ai-prod", **provider, "authorizations": [watched]}) == {"IAM-09"}
    assert failed("delegations", {"scope": "@prod:", **provider, "eligible": [watched]}) == {"IAM-09"}
    assert failed("delegations", {"scope": "@prod:rg-network", **provider, "authorizations": [watched]}) == set()
    classic = {"scope": "@prod:", "emailAddress": "root@hardened.example", "role": "CoAdministrator"}
    assert failed("classicAdministrators", classic) == {"IAM-04", "IAM-06", "IAM-07", "IAM-08", "IAM-09"}
    eligible = {"scope": "@prod:", "role": "Monitoring Contributor", "principal": "security-operations"}
    assert failed("eligibility", eligible) == {"IAM-09"}
