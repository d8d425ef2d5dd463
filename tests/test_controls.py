"""The contract that every control keeps, over the whole catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from builders import changed

from aoai_lib.assess import Subjects, judge, judge_one
from aoai_lib.controls import Break, CatalogueError, Control, catalogue, control, passes
from aoai_lib.frameworks import FRAMEWORKS
from aoai_lib.model import Finding, Kind, Severity, Snapshot, State, Status, Subject

CONTROLS = pytest.mark.parametrize("declared", catalogue(), ids=lambda each: each.id)
BREAKS = pytest.mark.parametrize(
    ("declared", "broken"),
    [
        pytest.param(each, one, id=f"{each.id}-{number}")
        for each in catalogue()
        for number, one in enumerate(each.breaks)
    ],
)


def verdicts(snapshot: Snapshot) -> dict[tuple[str, str], Finding]:
    """Findings by control and subject."""
    return {(finding.control, finding.subject.id.lower()): finding for finding in judge(snapshot)}


@CONTROLS
def test_the_hardened_sample_does_not_fail(declared: Control, hardened: Snapshot) -> None:
    found = judge(hardened, [declared])
    assert found
    assert [(each.status, each.reason) for each in found if each.status in (Status.FAIL, Status.NOT_ASSESSED)] == []


def broken_samples(declared: Control, broken: Break, hardened: Snapshot) -> Iterator[tuple[Subject, Snapshot]]:
    """The hardened sample with a break applied, for each subject that it can be applied to."""
    for subject in Subjects(hardened).found[declared.subject]:
        try:
            yield subject, changed(hardened, subject, broken.changes)
        except (LookupError, StopIteration, TypeError, AttributeError):
            continue


@BREAKS
def test_a_break_fails_its_control(declared: Control, broken: Break, hardened: Snapshot) -> None:
    found = [judge_one(sample, declared, subject) for subject, sample in broken_samples(declared, broken, hardened)]
    assert Status.FAIL in {each.status for each in found}, f"no subject of the hardened sample fails with {broken}"


@BREAKS
def test_a_break_fails_no_other_control(declared: Control, broken: Break, hardened: Snapshot) -> None:
    before = verdicts(hardened)
    for subject, sample in broken_samples(declared, broken, hardened):
        after = verdicts(sample)
        own = after[declared.id, subject.id.lower()]
        if own.status is not Status.FAIL:
            continue
        newly = {
            key[0]
            for key, each in after.items()
            if each.status is Status.FAIL and before[key].status is not Status.FAIL
        }
        assert newly - broken.also == {declared.id}, f"{own.reason}; also failed: {newly - {declared.id}}"
        assert broken.also <= newly, f"expected to fail too and did not: {broken.also - newly}"
        return
    pytest.fail(f"no subject of the hardened sample fails with {dict(broken.changes)}")


@CONTROLS
@pytest.mark.parametrize("state", [State.NOT_COLLECTED, State.DENIED, State.FAILED, State.NOT_FOUND])
def test_no_evidence_is_never_a_pass(declared: Control, state: State, hardened: Snapshot) -> None:
    unread = {
        key: replace(each, state=state, value=None, reason=f"{each.call} answered nothing", evidence=())
        for key, each in hardened.readings.items()
    }
    nothing = replace(hardened, readings=unread)
    for subject in Subjects(hardened).found[declared.subject]:
        assert judge_one(nothing, declared, subject).status is Status.NOT_ASSESSED


@CONTROLS
def test_a_source_that_is_missing_never_makes_a_pass(declared: Control, hardened: Snapshot) -> None:
    """Take each source away in turn: no verdict may turn to pass, and what was a pass and read it may not stay one."""
    subjects = Subjects(hardened).found[declared.subject]
    for source in {key[0] for key in hardened.readings}:
        readings = {
            key: replace(each, state=State.DENIED, value=None, reason="GET answered 403") if key[0] == source else each
            for key, each in hardened.readings.items()
        }
        for subject in subjects:
            whole = judge_one(hardened, declared, subject)
            without = judge_one(replace(hardened, readings=readings), declared, subject)
            if whole.status is not Status.PASS:
                assert without.status is not Status.PASS, source
            elif any(each.path.split(".")[0].split("[")[0] == source for each in whole.observed):
                assert without.status is not Status.PASS or without.observed != whole.observed, source


@CONTROLS
def test_every_verdict_cites_evidence(
    declared: Control, hardened: Snapshot, exposed: Snapshot, mixed: Snapshot
) -> None:
    """Also what could not be listed leads to the refusal, and what there is none of to the answer that shows it."""
    for sample in (hardened, exposed, mixed):
        asked = {source for (source, _), reading in sample.readings.items() if reading.evidence}
        for finding in judge(sample, [declared]):
            assert finding.observed, finding
            never_asked = finding.status is Status.NOT_ASSESSED and finding.observed[-1].path not in asked
            assert never_asked or any(each.evidence for each in finding.observed), finding
            assert finding.reason.endswith("."), finding.reason


@CONTROLS
def test_every_citation_exists(declared: Control) -> None:
    for clause in declared.maps:
        assert clause.id in FRAMEWORKS[clause.framework].clauses
    assert declared.remediation.endswith(".")
    assert not declared.title.endswith(".")


def test_judging_again_gives_the_same(exposed: Snapshot) -> None:
    assert judge(exposed) == judge(exposed)


@pytest.mark.parametrize(
    ("id", "title"),
    [("NET-1", "t"), ("XYZ-01", "t"), ("NET-01", "t"), ("NET-99", "")],
    ids=["form", "prefix", "twice", "untitled"],
)
def test_a_wrong_declaration_is_refused(id: str, title: str) -> None:  # noqa: A002
    declare = control(
        id,
        title=title,
        severity=Severity.LOW,
        subject=Kind.ACCOUNT,
        maps=(),
        remediation="r.",
        breaks=({"account.x": 1},),
    )
    with pytest.raises(CatalogueError):
        declare(lambda facts: passes("p."))


def test_accounts_that_cannot_be_listed_are_not_assessed(hardened: Snapshot) -> None:
    subscription = next(iter(hardened.of("accounts"))).scope
    key = ("accounts", subscription)
    denied = replace(hardened.readings[key], state=State.DENIED, value=None, reason="GET answered 403")
    findings = judge(replace(hardened, readings={**hardened.readings, key: denied}))
    about = [each for each in findings if each.subject == Subject(Kind.SUBSCRIPTION, subscription, "", subscription)]
    assert {each.control for each in about} >= {
        each.id for each in catalogue() if each.subject is not Kind.SUBSCRIPTION
    }
    assert {each.status for each in about if each.control.startswith("NET")} == {Status.NOT_ASSESSED}
