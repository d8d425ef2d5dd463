"""A sample of the fault matrix (tests/fault_matrix); `make faults` tries the whole."""

from __future__ import annotations

import random

import pytest

from aoai_lib.model import Status
from tests.fault_matrix.answers import FAMILIES
from tests.fault_matrix.matrix import Trials, Truth, is_probe, play, tried, truth_of

CELLS = 40
WHOLE = 2


@pytest.fixture(scope="module")
def truth() -> Truth:
    """A tenant that passes everything."""
    return truth_of("hardened")


@pytest.fixture(scope="module")
def mixed_truth() -> Truth:
    """A tenant of which much is refused, paged and waived."""
    return truth_of("mixed")


def test_the_matrix_holds_every_request_and_every_fault(truth: Truth) -> None:
    cells = truth.cells()
    assert {asked for asked, _ in cells} == set(truth.tape)
    assert {fault for _, fault in cells} == {fault for family in FAMILIES.values() for fault in family}
    assert {asked.path.split("/")[1] for asked, _ in cells} == {"subscriptions", "v1", "v1.0", "msi", "openai"}
    assert len(cells) > 7000


@pytest.mark.parametrize("tenant", ["truth", "mixed_truth"])
def test_no_sampled_fault_loses_anything_or_passes_anything(tenant: str, request: pytest.FixtureRequest) -> None:
    known: Truth = request.getfixturevalue(tenant)
    trials = Trials(known)
    sample = random.Random(20261128).sample(known.cells(), CELLS)
    wrong = {f"{asked}: {fault}": cell.wrong for asked, fault in sample if (cell := trials.tried(asked, fault)).wrong}
    assert wrong == {}


def test_the_short_cuts_change_nothing(truth: Truth) -> None:
    trials = Trials(truth)
    for asked, fault in random.Random(4).sample(truth.cells(), WHOLE):
        short, whole = trials.tried(asked, fault), tried(truth, asked, fault, whole=True)
        assert (short.opened, short.stopped, short.wrong) == (whole.opened, whole.stopped, whole.wrong), (asked, fault)


def test_a_spoilt_answer_is_missed_by_the_verdicts_that_need_it(truth: Truth) -> None:
    """The matrix itself would see a control that passes without its answer."""
    asked = next(each for each in truth.tape if each.path.endswith("/accounts") and not is_probe(each))
    needing = truth.needing(asked)
    after = play(truth, asked, "403").verdicts
    assert len(needing) > 20
    assert {after[key].status for key in needing if key in after} <= {Status.NOT_ASSESSED}
