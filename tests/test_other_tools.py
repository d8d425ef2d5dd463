"""What other tools get wrong, and our verdict on the same: docs/other-tools.md is made of these cases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import SUBSCRIPTION, changed, reading, snapshot
from other_tools import CASES, PAGE, Case, page
from tenants import collect

from aoai_lib.assess import Subjects, judge, judge_one
from aoai_lib.controls import catalogue
from aoai_lib.lab.server import Lab, load_worlds
from aoai_lib.model import Finding, Kind, Snapshot, State, Status

CATALOGUE = {each.id: each for each in catalogue()}
CLAIMS_SUBSCRIPTION = "7d1f8c52-64ab-4b3e-8f05-91c2d3e4a502"


def ours(case: Case, sample: Snapshot) -> Finding:
    """Our verdict on a case's subject: the first of that name."""
    declared = CATALOGUE[case.control]
    subject = next(each for each in Subjects(sample).found[declared.subject] if each.name == case.subject)
    return judge_one(changed(sample, subject, case.changes), declared, subject)


@pytest.mark.parametrize("case", [each for each in CASES if not each.test], ids=lambda each: each.id)
def test_our_verdict(case: Case, hardened: Snapshot, exposed: Snapshot) -> None:
    found = ours(case, {"hardened": hardened, "exposed": exposed}[case.tenant])
    assert found.status.value == case.status, found.reason
    assert case.says in found.reason


@pytest.mark.parametrize(
    "case", [each for each in CASES if each.changes and each.status == "fail"], ids=lambda each: each.id
)
def test_it_is_the_change_that_fails(case: Case, hardened: Snapshot) -> None:
    """The same subject passes without it: the situation is what we judge, and nothing beside it."""
    assert ours(replace(case, changes={}), hardened).status is Status.PASS


def test_the_page_tells_these_cases() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()
    assert sorted({int(each.id[:2]) for each in CASES}) == list(range(1, 14))


@pytest.mark.parametrize("case", [each for each in CASES if each.test], ids=lambda each: each.id)
def test_a_named_test_is_here(case: Case) -> None:
    file, _, name = case.test.partition("::")
    assert file == "test_other_tools.py"
    assert callable(globals()[name])


def test_a_subscription_without_accounts_passes_nothing() -> None:
    assert judge(snapshot(reading("accounts", SUBSCRIPTION, []))) == []


def test_every_control_can_pass_and_can_fail(hardened: Snapshot) -> None:
    for declared in CATALOGUE.values():
        seen: set[Status] = set()
        for subject in Subjects(hardened).found[declared.subject]:
            seen.add(judge_one(hardened, declared, subject).status)
            for each in declared.breaks:
                try:
                    sample = changed(hardened, subject, each.changes)
                except (LookupError, StopIteration, TypeError, AttributeError):
                    continue
                seen.add(judge_one(sample, declared, subject).status)
        assert Status.FAIL in seen, declared.id
        assert seen & {Status.PASS, Status.NOT_APPLICABLE}, declared.id


def test_a_hardened_account_is_tried_by_token(hardened: Snapshot) -> None:
    """The lab refuses any key on it, as IAM-02 saw; the cases for the filters were sent all the same."""
    for account in Subjects(hardened).found[Kind.ACCOUNT]:
        assert hardened.reading("account", account.id).value["properties"]["disableLocalAuth"] is True
        assert judge_one(hardened, CATALOGUE["IAM-02"], account).status is Status.PASS
    (calls, *_) = hardened.of("content_cases")
    assert len(calls.value) >= 4
    assert all(each["status"] in (200, 400) for each in calls.value)


def test_a_filters_block_is_a_result(hardened: Snapshot) -> None:
    for deployment in Subjects(hardened).found[Kind.DEPLOYMENT]:
        if deployment.name == "chat":
            cases = hardened.reading("content_cases", deployment.id).value
            blocked = {
                each["category"]: each["hit"] for each in cases if each["verdict"] == "blocked" and each["category"]
            }
            assert blocked
            assert all(category == hit for category, hit in blocked.items())
            assert judge_one(hardened, CATALOGUE["CNT-15"], deployment).status is Status.PASS


def test_a_list_that_is_denied_is_a_finding_of_every_control() -> None:
    with Lab(load_worlds(["hardened"])) as lab:
        lab.faults.add("403::Microsoft.CognitiveServices/accounts")
        denied = collect(lab, "hardened")
    found = {each.control: each for each in judge(denied) if each.subject.id == CLAIMS_SUBSCRIPTION}
    about = {each.id for each in CATALOGUE.values() if each.subject is not Kind.SUBSCRIPTION}
    assert about <= found.keys()
    assert {found[each].status for each in about} == {Status.NOT_ASSESSED}
    assert all("answered 403" in found[each].reason for each in about)
    assert all("Microsoft.CognitiveServices/accounts/read" in found[each].reason for each in about)


def test_every_type_that_is_read_exists(hardened: Snapshot) -> None:
    """The lab answers as Resource Manager does for a type or a category that does not exist; no reading of it is one."""
    codes = {each.code for each in hardened.readings.values() if each.state is not State.COLLECTED}
    assert codes.isdisjoint(
        {"InvalidResourceType", "InvalidResourceNamespace", "NoRegisteredProviderFound", "BadRequest"}
    )
