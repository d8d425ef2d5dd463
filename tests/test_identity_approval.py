"""Phase 2, what only approved principals may do: the traps, each as a case with its verdict."""

from __future__ import annotations

from typing import Any

import pytest
from builders import ACCOUNT, GROUP
from identity_samples import (
    ALICE,
    BOB,
    COGNITIVE_SERVICES_CONTRIBUTOR,
    COGNITIVE_SERVICES_USER,
    CONDITION,
    CONTRIBUTOR,
    CUSTOM,
    MONITORING_CONTRIBUTOR,
    OPENAI_CONTRIBUTOR,
    OWNER,
    RBAC_ADMINISTRATOR,
    READER,
    SUB,
    USER_ACCESS_ADMINISTRATOR,
    WORKLOAD,
    assignment,
    built_in,
    custom,
    deny,
    finding,
    refused,
    tenant,
    verdict,
)

from aoai_lib.model import State, Status

NO_LICENCE = "GET it answered 400 AadPremiumLicenseRequired"
UNKNOWN_ROLE = "12345678-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("control", "role"),
    [
        ("IAM-04", COGNITIVE_SERVICES_USER),
        ("IAM-04", CONTRIBUTOR),
        ("IAM-07", OPENAI_CONTRIBUTOR),
        ("IAM-07", COGNITIVE_SERVICES_CONTRIBUTOR),
        ("IAM-08", RBAC_ADMINISTRATOR),
        ("IAM-08", USER_ACCESS_ADMINISTRATOR),
        ("IAM-09", MONITORING_CONTRIBUTOR),
    ],
)
def test_only_approval_makes_it_right(control: str, role: str) -> None:
    given = assignment(role)
    assert verdict(tenant(given), control) == "fail"
    assert verdict(tenant(given, approved=[ALICE.upper()]), control) == "pass"
    assert verdict(tenant(given, approved=[BOB]), control) == "fail"
    assert verdict(tenant(eligible=[given]), control) == "fail"
    assert verdict(tenant(assignment(role, scope=f"{ACCOUNT}/projects/p")), control) == "pass"
    assert verdict(tenant(assignment(role, kind="Group"), approved=[ALICE]), control) == "pass"
    assert verdict(tenant(given, roles=[], unread=refused("role_definitions")), control) == "not_assessed"


@pytest.mark.parametrize("control", ["IAM-04", "IAM-05", "IAM-06", "IAM-07", "IAM-08", "IAM-09"])
def test_a_reader_breaks_nothing(control: str) -> None:
    assert verdict(tenant(assignment(READER), assignment(READER, WORKLOAD, "ServicePrincipal")), control) == "pass"


@pytest.mark.parametrize(
    "action",
    ["*", "Microsoft.CognitiveServices/*", "MICROSOFT.COGNITIVESERVICES/ACCOUNTS/LISTKEYS/ACTION", "*/action",
     "Microsoft.CognitiveServices/accounts/regenerateKey/action", "Microsoft.CognitiveServices/accounts/*/action"],
)  # fmt: skip
def test_a_custom_role_reads_keys_by_any_spelling(action: str) -> None:
    assert verdict(tenant(assignment(CUSTOM), roles=[custom(actions=[action])]), "IAM-04") == "fail"


def test_not_actions_take_keys_away_again() -> None:
    block = {"actions": ["Microsoft.CognitiveServices/*"], "notActions": ["microsoft.cognitiveservices/accounts/*/ACTION"]}  # fmt: skip
    assert verdict(tenant(assignment(CUSTOM), roles=[custom(**block)]), "IAM-04") == "pass"


def test_a_role_of_one_assignment_takes_nothing_from_another() -> None:
    narrow = custom(actions=["*"], notActions=["Microsoft.CognitiveServices/accounts/*/action"])
    both = tenant(assignment(CUSTOM), assignment(COGNITIVE_SERVICES_USER), roles=[narrow])
    assert verdict(both, "IAM-04") == "fail"


def test_cognitive_services_contributor_writes_policies_whatever_its_not_actions_seem_to_say() -> None:
    role = next(each for each in built_in() if each["name"] == COGNITIVE_SERVICES_CONTRIBUTOR)
    assert any("raiPolicy" in each for each in role["properties"]["permissions"][0]["notActions"])
    assert verdict(tenant(assignment(COGNITIVE_SERVICES_CONTRIBUTOR)), "IAM-07") == "fail"


@pytest.mark.parametrize(
    ("denials", "status"),
    [
        ([deny("Microsoft.CognitiveServices/accounts/*/action")], "pass"),
        ([deny("*", spared={BOB: "User"})], "pass"),
        ([deny("*", spared={BOB: "Group"})], "not_assessed"),
        ([deny("Microsoft.CognitiveServices/accounts/listKeys/action")], "fail"),
    ],
)
def test_deny_assignments_count_where_they_surely_stop_it(denials: list[Any], status: str) -> None:
    assert verdict(tenant(assignment(CONTRIBUTOR), denials=denials), "IAM-04") == status


def test_a_pass_by_a_deny_assignment_cites_it() -> None:
    found = finding(tenant(assignment(CONTRIBUTOR), denials=[deny("*")]), "IAM-04")
    assert ("deny_assignments[0].properties.denyAssignmentName", "Hands off") in [
        (each.path, each.value) for each in found.observed
    ]


def test_deny_assignments_are_needed_only_where_somebody_would_have_access() -> None:
    unread = refused("deny_assignments")
    assert verdict(tenant(assignment(READER), unread=unread), "IAM-04") == "pass"
    assert verdict(tenant(assignment(CONTRIBUTOR), unread=unread), "IAM-04") == "not_assessed"


@pytest.mark.parametrize("control", ["IAM-04", "IAM-07", "IAM-08", "IAM-09"])
def test_without_eligibility_nothing_passes_but_a_fail_stands(control: str) -> None:
    unread = refused("role_eligibility")
    found = finding(tenant(unread=unread), control)
    assert found.status is Status.NOT_ASSESSED
    assert found.reason == "GET it answered 403. The reader needs the/permission."
    assert verdict(tenant(assignment(OWNER), unread=unread), control) == "fail"


@pytest.mark.parametrize("control", ["IAM-04", "IAM-06", "IAM-07", "IAM-08", "IAM-09"])
def test_a_tenant_without_the_licence_has_nobody_eligible(control: str) -> None:
    unread = refused("role_eligibility", State.FAILED, NO_LICENCE) | refused("role_schedules", State.FAILED, NO_LICENCE)
    assert verdict(tenant(assignment(READER), unread=unread), control) == "pass"
    assert verdict(tenant(assignment(OWNER), unread=unread), control) == "fail"


@pytest.mark.parametrize("control", ["IAM-04", "IAM-05", "IAM-06", "IAM-07", "IAM-08", "IAM-09", "IAM-13"])
def test_a_list_that_may_be_longer_proves_no_absence(control: str) -> None:
    assert verdict(tenant(assignment(READER), state=State.PARTIAL), control) == "not_assessed"
    everything = [
        assignment(OWNER),
        assignment(OWNER, WORKLOAD, "ServicePrincipal"),
        assignment(READER, BOB, "Unknown"),
    ]
    assert verdict(tenant(*everything, state=State.PARTIAL), control) == "fail"


@pytest.mark.parametrize("control", ["IAM-04", "IAM-05", "IAM-07", "IAM-08", "IAM-09"])
def test_a_role_that_nobody_can_read_is_never_a_pass(control: str) -> None:
    given = assignment(UNKNOWN_ROLE, WORKLOAD, "ServicePrincipal")
    found = finding(tenant(given), control)
    assert found.status is Status.NOT_ASSESSED
    assert UNKNOWN_ROLE in found.reason
    assert verdict(tenant(given, approved=[WORKLOAD]), control) == "pass"
    assert verdict(tenant(given, assignment(OWNER, BOB, "ServicePrincipal")), control) == "fail"


def test_an_approved_deployer_may_deploy_and_write_no_policy() -> None:
    deploys = custom(actions=["Microsoft.CognitiveServices/accounts/deployments/write"])
    pipeline = assignment(CUSTOM, WORKLOAD, "ServicePrincipal")
    assert verdict(tenant(pipeline, roles=[deploys], deployers=[WORKLOAD]), "IAM-07") == "pass"
    too_much = assignment(OPENAI_CONTRIBUTOR, WORKLOAD, "ServicePrincipal")
    assert verdict(tenant(too_much, deployers=[WORKLOAD]), "IAM-07") == "fail"
    assert verdict(tenant(too_much, approved=[WORKLOAD]), "IAM-07") == "pass"


@pytest.mark.parametrize(
    "action", ["raiBlocklists/write", "raiBlocklists/raiBlocklistItems/delete", "raiPolicies/delete"]
)
def test_emptying_a_blocklist_weakens_filters_too(action: str) -> None:
    role = custom(actions=[f"Microsoft.CognitiveServices/accounts/{action}"])
    assert verdict(tenant(assignment(CUSTOM), roles=[role]), "IAM-07") == "fail"


def test_a_conditional_right_to_assign_roles_counts_and_is_said_to_be_one() -> None:
    found = finding(tenant(assignment(RBAC_ADMINISTRATOR, condition=CONDITION)), "IAM-08")
    assert (found.status.value, found.reason) == (
        "fail",
        f"1 principal without approval can assign roles on the account: user “{ALICE}” by "
        f"“Role Based Access Control Administrator” inherited from “{SUB}” under a condition that names “Foundry User”.",
    )


def test_a_reason_names_three_principals_once_each_and_counts_the_rest() -> None:
    people = [f"{digit * 8}-0000-4000-8000-000000000001" for digit in "12345"]
    given = [assignment(OWNER, each, scope=scope) for each in people for scope in (SUB, GROUP)]
    found = finding(tenant(*given, eligible=[assignment(OWNER, people[0])]), "IAM-04")
    assert found.reason.startswith(
        "5 principals without approval can read or regenerate the account's keys: user “1111"
    )
    assert found.reason.endswith("; and 2 more.")
    assert "once activated" not in found.reason
    assert sum(each.path.endswith("principalId") for each in found.observed) == 11
