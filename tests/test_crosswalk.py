"""The findings by framework: who mapped what, what no control asks, and where baselines disagree."""

from __future__ import annotations

import pytest
from reporting import document_of, run_of

from aoai_lib.controls import catalogue
from aoai_lib.frameworks import FRAMEWORKS, by_framework, is_published, published
from aoai_lib.model import Phase, Snapshot, Status
from aoai_lib.report import crosswalk, page
from aoai_lib.run import Run


@pytest.mark.parametrize(("control", "framework", "clause"), published())
def test_what_is_called_published_is_cited_by_its_control(control: str, framework: str, clause: str) -> None:
    declared = {each.id: each for each in catalogue()}
    assert clause in by_framework(declared[control].maps)[framework]


def test_own_reading_is_what_nobody_published() -> None:
    assert is_published("IAM-01", "mcsb_v1", "IM-1") and is_published("IAM-11", "mcsb_v2", "IM-3")
    assert not is_published("IAM-11", "mcsb_v1", "IM-3"), "only version 2's initiative maps it"
    assert not is_published("IAM-03", "mcsb_v1", "IM-1"), "the policy asks for the switch, not for the calls"
    only_own = {"nist_ai_rmf_1_0", "owasp_llm_2025", "mitre_atlas", "cis_azure_6_0"}
    assert not only_own & {framework for _, framework, _ in published()}
    assert all(each.provenance for each in FRAMEWORKS.values())


def test_every_mapping_stands_once_in_its_column(mixed: Snapshot) -> None:
    run = run_of(mixed)
    rows = {(row[0], row[1]): row[3:] for row in crosswalk.frameworks(run).rows}
    for control in run.controls:
        for key, clauses in by_framework(control.maps).items():
            for clause in clauses:
                theirs, ours, _ = rows[FRAMEWORKS[key].name, clause]
                wanted = (control.id in str(theirs).split(", "), control.id in str(ours).split(", "))
                mapped = is_published(control.id, key, clause)
                assert wanted == (mapped, not mapped)


def test_clauses_that_no_control_asks_are_shown_as_such(mixed: Snapshot) -> None:
    rows = {(row[0], row[1]): row for row in crosswalk.frameworks(run_of(mixed)).rows}
    assert rows[FRAMEWORKS["mcsb_v2"].name, "AI-3"][3:] == ("", "", "no control here")
    one_phase = Run(run_of(mixed).parameters, mixed, (Phase.NETWORK,))
    assert "no control here" not in {row[-1] for row in crosswalk.frameworks(one_phase).rows}


def test_baselines_are_held_against_the_accounts(mixed: Snapshot, hardened: Snapshot) -> None:
    """Of the three accounts of `mixed` one is closed, one denies by default with an IP rule, one is open."""
    first = crosswalk.baselines(run_of(mixed)).rows[0]
    assert "Content with 2 of 3 accounts read" in str(first[1])
    assert "Content with 2 of 3 accounts read" in str(first[2])
    assert first[-1] is Status.FAIL
    assert crosswalk.baselines(run_of(hardened)).rows[0][-1] is Status.PASS
    known = {each.id for each in catalogue()}
    assert {control for each in crosswalk.QUESTIONS for control in each.controls} <= known


def test_the_page_shows_both(mixed: Snapshot) -> None:
    run = run_of(mixed)
    text = page.compose(run, document_of(run), [])
    assert "controls, published mapping" in text and "controls, own reading" in text
    assert "Where baselines disagree" in text
    assert all(each.provenance.partition(";")[0].replace("'", "&#39;") in text for each in FRAMEWORKS.values())
