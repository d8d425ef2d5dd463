"""Phase 2 at its edges: what a case that differs in one thing from a usual one has to come to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders import ACCOUNT, SUBSCRIPTION, reading
from identity_samples import (
    ALICE,
    BOB,
    COGNITIVE_SERVICES_CONTRIBUTOR,
    CONTRIBUTOR,
    OPENAI_CONTRIBUTOR,
    OWNER,
    RBAC_ADMINISTRATOR,
    READER,
    WORKLOAD,
    assignment,
    built_in,
    custom,
    delegation,
    deny,
    finding,
    person,
    refused,
    schedule,
    tenant,
    verdict,
)
from test_identity_use import SECOND, activity, event, logs
from test_identity_use import verdict as seen
from usage_samples import WORKSPACE, call, setting

from aoai_lib.assess import judge_one
from aoai_lib.controls import catalogue
from aoai_lib.model import Finding, Kind, Reading, Snapshot, State, Subject

UNLISTED = "12345678-0000-4000-8000-000000000000"
TEAM = "12121212-0000-4000-8000-000000000012"
ROOT = {"id": "x", "properties": {"emailAddress": "root@contoso.example", "role": "CoAdministrator"}}
"""A classic administrator."""


# -- IAM-05 to IAM-08, IAM-10, IAM-13, IAM-15 ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["User", "Unknown"])
def test_what_a_person_holds_is_no_matter_of_workloads_even_where_it_is_not_known(kind: str) -> None:
    assert verdict(tenant(assignment(UNLISTED, kind=kind)), "IAM-05") == "pass"
    assert verdict(tenant(assignment(UNLISTED, WORKLOAD, "ServicePrincipal")), "IAM-05") == "not_assessed"


def test_a_principal_of_the_type_application_is_a_workload() -> None:
    sample = tenant(assignment(CONTRIBUTOR, WORKLOAD, "Application"))
    assert (verdict(sample, "IAM-05"), verdict(sample, "IAM-06")) == ("fail", "pass")


def test_what_a_workload_may_ask_for_it_does_not_hold() -> None:
    assert verdict(tenant(delegations=[delegation(CONTRIBUTOR, eligible=True)]), "IAM-05") == "pass"
    assert verdict(tenant(delegations=[delegation(CONTRIBUTOR)]), "IAM-05") == "not_assessed", "its type is not told"


@pytest.mark.parametrize("position", [0, 1])
def test_a_workload_in_a_group_is_found_beside_people(position: int) -> None:
    members = [person(ALICE), person(BOB)]
    members.insert(position, person(WORKLOAD, "servicePrincipal", "robot"))
    sample = tenant(assignment(OPENAI_CONTRIBUTOR, TEAM, "Group"), members={TEAM: members})
    assert verdict(sample, "IAM-05") == "fail"


def test_a_deny_assignment_holds_one_member_of_a_group_down() -> None:
    group = assignment(OPENAI_CONTRIBUTOR, TEAM, "Group")
    robots = {TEAM: [person(WORKLOAD, "servicePrincipal", "robot")]}
    denial = deny("Microsoft.CognitiveServices/*", principals=[{"id": WORKLOAD, "type": "ServicePrincipal"}])
    denial["properties"]["permissions"][0]["dataActions"] = ["Microsoft.CognitiveServices/*"]
    assert verdict(tenant(group, members=robots, denials=[denial]), "IAM-05") == "pass"
    robots[TEAM].append(person(BOB, "servicePrincipal", "other"))
    assert verdict(tenant(group, members=robots, denials=[denial]), "IAM-05") == "fail"


def test_who_exceeds_nothing_needs_no_deny_assignments() -> None:
    unread = refused("deny_assignments")
    reader = assignment(READER, WORKLOAD, "ServicePrincipal")
    assert verdict(tenant(reader, unread=unread), "IAM-05") == "pass"
    exceeding = assignment(OPENAI_CONTRIBUTOR, WORKLOAD, "ServicePrincipal")
    assert verdict(tenant(exceeding, unread=unread), "IAM-05") == "not_assessed"


@pytest.mark.parametrize("role", [OWNER, CONTRIBUTOR, COGNITIVE_SERVICES_CONTRIBUTOR])
def test_each_of_the_three_roles_is_known_without_its_definition(role: str) -> None:
    assert verdict(tenant(assignment(role), unread=refused("role_definitions")), "IAM-06") == "fail"


def test_the_schedule_is_cited_and_classic_administrators_have_none() -> None:
    made = assignment(OWNER)
    found = finding(tenant(made, schedules=[schedule(made, "Activated", "2026-11-23T17:00:00Z")]), "IAM-06")
    cited = {each.path: each.value for each in found.observed}
    assert cited["role_schedules[0].properties.assignmentType"] == "Activated"
    assert verdict(tenant(classic=[ROOT], unread=refused("role_schedules")), "IAM-06") == "fail"


def test_definitions_that_were_cut_off_prove_no_absence_of_wildcards() -> None:
    cut = {"role_definitions": reading("role_definitions", SUBSCRIPTION, list(built_in()), State.PARTIAL)}
    assert verdict(tenant(unread=cut), "IAM-10") == "not_assessed"


def test_a_custom_role_counts_in_a_subscription_whose_accounts_could_not_be_listed() -> None:
    hidden = refused("accounts")
    assert verdict(tenant(roles=[custom(actions=["*"])], unread=hidden), "IAM-10") == "fail"
    assert verdict(tenant(roles=[custom(actions=["*/read"])], unread=hidden), "IAM-10") == "pass"


def test_a_right_to_assign_every_role_is_told_without_a_condition() -> None:
    assert finding(tenant(assignment(RBAC_ADMINISTRATOR)), "IAM-08").reason == (
        "1 principal without approval can assign roles on the account: "
        f"user “{ALICE}” by “Role Based Access Control Administrator” inherited from “/subscriptions/{SUBSCRIPTION}”."
    )


@pytest.mark.parametrize(
    ("properties", "status"),
    [({"principalType": 5}, "not_assessed"), ({"condition": 5}, "pass"), ({}, "pass")],
    ids=["type-unreadable", "something-else-unreadable", "readable"],
)
def test_an_assignment_that_can_t_be_read_whole_may_be_left_over(properties: Any, status: str) -> None:
    odd = assignment(READER)
    odd["properties"].update(properties)
    assert verdict(tenant(assignment(READER, BOB), odd), "IAM-13") == status


@pytest.mark.parametrize(("kind", "status"), [("ForeignGroup", "pass"), ("User", "fail")])
def test_the_directory_does_not_know_a_group_of_another_tenant(kind: str, status: str) -> None:
    found = finding(tenant(assignment(READER, kind=kind), known=[]), "IAM-13")
    assert found.status.value == status
    assert ("directory_objects.length", 0) in [(each.path, each.value) for each in found.observed]


@pytest.mark.parametrize(
    ("state", "status"), [(State.DENIED, "not_assessed"), (State.PARTIAL, "not_assessed"), (None, "pass")]
)
def test_a_directory_that_did_not_answer_for_one_of_several_proves_nobody_gone(
    state: State | None, status: str
) -> None:
    """Beside an assignment of somebody whom it was never asked for, and a question about others."""
    asked = ",".join(sorted((ALICE, UNLISTED)))
    unread = {"d": reading("directory_objects", asked if state else UNLISTED, None, state or State.DENIED)}
    assert verdict(tenant(assignment(READER), assignment(READER, BOB), unread=unread), "IAM-13") == status


def test_a_pass_says_whether_the_directory_was_asked() -> None:
    asked, unasked = tenant(assignment(READER), known=[person(ALICE)]), tenant(assignment(READER))
    assert finding(asked, "IAM-13").reason == "The directory knows every principal with a role on the account."
    assert finding(unasked, "IAM-13").reason.endswith("the directory could not be asked.")


@pytest.mark.parametrize(
    ("sub_status", "code"),
    [("Forbidden", ""), ("Unauthorized", ""), ("", "401"), ("", "403"), ("403", ""), ("", "Unauthorized")],
)
def test_a_refused_operation_is_one_by_either_way_of_telling(sub_status: str, code: str) -> None:
    refused_one = logs(call(), readings=(activity(event(sub_status=sub_status, code=code)),))
    assert seen("IAM-15", refused_one).status.value == "pass"
    gone_wrong = logs(call(), readings=(activity(event(sub_status="Conflict", code="409")),))
    assert seen("IAM-15", gone_wrong).status.value == "not_assessed"


def test_one_account_that_may_log_nowhere_leaves_refusals_open() -> None:
    both = (
        reading("accounts", SUBSCRIPTION, [ACCOUNT, SECOND]),
        reading("diagnostic_settings", SECOND, None, State.DENIED),
    )
    assert seen("IAM-15", logs(call(status="401"), readings=both)).status.value == "not_assessed"
    assert seen("IAM-15", logs(call(status="401"))).status.value == "pass"


def test_one_workspace_that_was_read_is_enough_to_see_a_refusal_and_not_to_see_none() -> None:
    hidden = reading("workspace", f"{WORKSPACE}-2", None, State.DENIED, reason="GET it answered 403")
    settings = [setting(), setting(f"{WORKSPACE}-2")]
    assert (
        seen("IAM-15", logs(call(status="401"), readings=(hidden,), diagnostic_settings=settings)).status.value
        == "pass"
    )
    quiet = logs(call(), readings=(hidden, activity(event())), diagnostic_settings=settings)
    assert seen("IAM-15", quiet).status.value == "not_assessed"


def test_an_activity_log_that_was_cut_off_shows_the_refusals_that_it_holds() -> None:
    def cut(*events: Any) -> Finding:
        held = reading("activity_events", SUBSCRIPTION, list(events), State.PARTIAL)
        return seen("IAM-15", logs(call(), readings=(held,)))

    found = cut(event())
    assert found.status.value == "pass"
    assert "activity_events[0].operationName.value" in [each.path for each in found.observed]
    none = cut(event("Succeeded"))
    assert none.status.value == "not_assessed" and "not known to be complete" in none.reason


# -- what probes saw: IAM-12 and IAM-14 ---------------------------------------------------------------------------------


def probed(hardened: Snapshot, control: str, source: str, **answer: Any) -> Finding:
    """The finding about an account of the hardened sample of which a probe saw another answer."""
    own = hardened.reading(
        "model_call" if source == "model_call" else "key_attempt", next(iter(hardened.of("account"))).scope
    )
    told = Reading(source, own.scope, State.COLLECTED, [{**own.value[0], **answer}], own.evidence)
    sample = replace(hardened, readings={**hardened.readings, (source, own.scope.lower()): told})
    declared = next(each for each in catalogue() if each.id == control)
    return judge_one(sample, declared, Subject(Kind.ACCOUNT, own.scope, own.scope, own.scope.split("/")[2]))


@pytest.mark.parametrize(
    ("status", "code", "left", "verdict", "part"),
    [
        (403, "AuthorizationFailed", None, "not_assessed", "could not be read"),
        (403, "AuthorizationFailed", 300, "not_assessed", "could not be read"),
        (403, "AuthorizationFailed", 200, "not_assessed", "was there after the attempt"),
        (403, "AuthorizationFailed", 299, "not_assessed", "was there after the attempt"),
        (None, "", 200, "not_assessed", "was there after the attempt"),
        (300, "", 200, "not_assessed", "was there after the attempt"),
        (300, "", 404, "not_assessed", "an attempt showed nothing"),
        (199, "", 200, "not_assessed", "was there after the attempt"),
        (200, "", 200, "fail", "was let deploy"),
        (201, "", 200, "fail", "was let deploy"),
        (200, "", None, "fail", "was let deploy"),
        (200, "", 404, "fail", "was let deploy"),
        (299, "", 404, "fail", "was let deploy"),
        (409, "Conflict", 404, "not_assessed", "was not refused for lack of a right"),
        (422, "Unprocessable", 404, "not_assessed", "was not refused for lack of a right"),
        (410, "Gone", 404, "not_assessed", "an attempt showed nothing"),
    ],
)
def test_what_an_attempt_to_deploy_left_behind(
    hardened: Snapshot, status: int | None, code: str, left: int | None, verdict: str, part: str
) -> None:
    answer = {
        "status": status,
        "code": code,
        "message": "",
        "identity": "robot",
        "name": "n",
        "made": True,
        "left": left,
    }
    found = probed(hardened, "IAM-12", "deployment_attempt", **answer)
    assert (found.status.value, part in found.reason) == (verdict, True), found.reason


@pytest.mark.parametrize(
    ("made", "left", "verdict"),
    [
        (True, 404, "fail"),
        (None, 404, "fail"),
        (False, 404, "not_assessed"),
        (False, 300, "not_assessed"),
        (False, 299, "fail"),
        (False, None, "fail"),
    ],
)
def test_a_success_that_shows_no_deployment_counts_unless_none_is_there(
    hardened: Snapshot, made: bool | None, left: int | None, verdict: str
) -> None:
    answer = {"status": 201, "code": "", "message": "", "identity": "robot", "name": "n", "made": made, "left": left}
    assert probed(hardened, "IAM-12", "deployment_attempt", **answer).status.value == verdict


@pytest.mark.parametrize("status", [400, 403])
def test_an_attempt_that_failed_otherwise_was_not_refused(hardened: Snapshot, status: int) -> None:
    other = "InvalidRequest" if status == 403 else "AuthorizationFailed"
    answer = {"status": status, "code": other, "message": "", "identity": "robot", "name": "n", "left": 404}
    assert probed(hardened, "IAM-12", "deployment_attempt", **answer).status.value == "not_assessed"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("PermissionDenied", "No."),
        ("permissiondenied", ""),
        ("401", "The principal `x` lacks the required data action `y`."),
    ],
)
def test_a_call_is_refused_by_its_code_or_by_its_words(hardened: Snapshot, code: str, message: str) -> None:
    found = probed(hardened, "IAM-14", "model_call", status=401, code=code, message=message, meant=True)
    assert found.status.value == "fail", found.reason


def test_a_call_that_worked_for_a_person_is_told_as_one(hardened: Snapshot) -> None:
    found = probed(hardened, "IAM-14", "model_call", status=200, type="user", managed=False)
    assert found.status.value == "not_assessed" and "which is not known to be a workload: probe as one" in found.reason
