"""Keys are switched off when somebody works without one and nobody uses one, or a person says so by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hardening import carry_out, folder_of, own_lab, parameters, plan, written

from aoai_lib.harden import session
from aoai_lib.harden.session import Outcome
from aoai_lib.lab import propagation
from aoai_lib.lab.server import Lab
from aoai_lib.lab.store import Resource
from aoai_lib.model import Status


def accounts(lab: Lab, tenant: str) -> list[Resource]:
    return list(lab.state(tenant).of_type("Microsoft.CognitiveServices/accounts"))


def verdicts(outcome: Outcome) -> set[Status]:
    return {each.status for each in outcome.proofs}


def test_keys_go_where_identities_work_and_no_key_is_used(tmp_path: Path) -> None:
    with own_lab("hardened") as lab:
        for account in accounts(lab, "hardened"):
            account.properties["disableLocalAuth"] = False
        asked = parameters("hardened")
        outcome = session.carry_out(asked, plan(asked, "IAM-01"), tmp_path)
        assert {each.became.value for each in outcome.results} == {"done"}, [each.sentence for each in outcome.results]
        assert verdicts(outcome) == {Status.PASS}
        assert all(account.properties["disableLocalAuth"] is True for account in accounts(lab, "hardened"))
        assert plan(asked, "IAM-01").steps == ()
        session.take_back(asked, folder_of(tmp_path) / "undo.json")
        assert all(account.properties["disableLocalAuth"] is False for account in accounts(lab, "hardened"))


def test_those_who_would_break_are_listed_and_stop_it(tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        asked = parameters("exposed")
        outcome = session.carry_out(asked, plan(asked, "IAM-01"), tmp_path)
        became = {each.step.subject.rpartition("/")[2]: each for each in outcome.results}
        assert {each.became.value for each in outcome.results} == {"stopped"}
        search = became["ais-brightcart-search"]
        assert search.sentence.startswith("2 caller(s) of “ais-brightcart-search” use a key and would be refused:")
        assert [line.partition(" (")[0] for line in search.listed] == [
            "a key from 203.0.113.***",
            "a key from 192.0.2.***",
            "1b62d8f3-6e1f-4c8b-9b21-7a4f1dae2e03 from 203.0.113.***",
        ], "the last calls with an identity that holds no role for it now"
        assert "--accept key-callers@ais-brightcart-search" in search.sentence
        assert "--accept entra-callers@aoai-brightcart-shop" in became["aoai-brightcart-shop"].sentence
        assert written(lab) == []


def test_a_person_can_say_so_by_name(tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        asked = parameters("exposed")
        accepted = ["key-callers@ais-brightcart-search", "entra-callers@ais-brightcart-search"]
        became = carry_out(asked, plan(asked, "IAM-01"), tmp_path, accepted)
        assert became["Disable key authentication on “ais-brightcart-search”"] == "done"
        assert list(became.values()).count("stopped") == 2
        assert len(written(lab)) == 1


def test_16_setting_the_property_is_not_told_as_keys_being_refused(tmp_path: Path) -> None:
    """Error 16 of the guide: “API keys are now non-functional”, said right after the request."""
    with own_lab("hardened") as lab:
        for account in accounts(lab, "hardened"):
            account.properties["disableLocalAuth"] = False
        asked = parameters("hardened")
        planned = plan(asked, "IAM-01")
        assert all("not at once but within minutes to several hours" in step.effect for step in planned.steps)
        outcome = session.carry_out(asked, planned, tmp_path)
        assert {each.became.value for each in outcome.results} == {"done"}
        assert all("that a key is refused was not seen yet" in each.sentence for each in outcome.results)


@pytest.mark.parametrize("tenant", ["exposed", "mixed"])
def test_an_account_without_an_identity_gets_one_and_loses_it_again(tenant: str, tmp_path: Path) -> None:
    with own_lab(tenant) as lab:
        for account in accounts(lab, tenant):
            account.body.pop("identity", None)
        asked = parameters(tenant)
        outcome = session.carry_out(asked, plan(asked, "IAM-11"), tmp_path)
        assert {each.became.value for each in outcome.results} == {"done"}, [each.sentence for each in outcome.results]
        assert verdicts(outcome) == {Status.PASS}
        back = session.take_back(asked, folder_of(tmp_path) / "undo.json")
        assert {each.became.value for each in back.results} == {"done"}
        assert {step.control for step in plan(asked, "IAM-11").steps} == {"IAM-11"}


BACKEND = "1b62d8f3-6e1f-4c8b-9b21-7a4f1dae2e03"
ASSESSOR = "1b62d8f3-6e1f-4c8b-9b21-7a4f1dae2e01"
"""Holds OpenAI User on the subscription already."""


def test_named_workloads_get_the_least_role_first_and_once(tmp_path: Path) -> None:
    """Error 26 of the guide: a random name, so that a second run meets its own assignment as a conflict."""
    with own_lab("exposed") as lab:
        asked = parameters("exposed", workload_identities=[BACKEND, ASSESSOR])
        planned = plan(asked, "IAM-01")
        grants = [step for step in planned.steps if "/roleAssignments/" in step.request.path]
        assert len(grants) == 3, "one an account, and none for whoever holds the role from above"
        assert {step.request.body["properties"]["principalId"] for step in grants} == {BACKEND}
        for step in planned.steps:
            if step not in grants:
                assert set(step.after) & {grant.id for grant in grants}, "keys go after the grant"
        carry_out(asked, planned, tmp_path)
        sent = len(written(lab))
        assert sent == 3
        again = plan(asked, "IAM-01")
        assert [step for step in again.steps if "/roleAssignments/" in step.request.path] == []
        assert set(carry_out(asked, planned, tmp_path).values()) == {"already", "stopped"}
        assert len(written(lab)) == sent


def test_with_probes_a_key_is_tried_until_it_is_refused(tmp_path: Path) -> None:
    with own_lab("hardened") as lab:
        for account in accounts(lab, "hardened"):
            account.properties["disableLocalAuth"] = False
        asked = parameters("hardened").model_copy(update={"active_probes": True})
        outcome = session.carry_out(asked, plan(asked, "IAM-01"), tmp_path)
        proofs = {(each.control, each.status) for each in outcome.proofs}
        assert proofs == {("IAM-01", Status.PASS), ("IAM-02", Status.PASS)}
        assert not [each for each in lab.requests if "listkeys" in each.path.lower()]


def test_where_keys_still_work_that_is_said_and_not_hidden(tmp_path: Path) -> None:
    """Error 16 again: the property is set, and the data plane has not heard of it yet."""
    with own_lab("hardened", key_delay=3600) as lab:
        for account in accounts(lab, "hardened"):
            account.properties["disableLocalAuth"] = False
        propagation.observe(lab.state("hardened"))
        asked = parameters("hardened", patience_minutes=0).model_copy(update={"active_probes": True})
        outcome = session.carry_out(asked, plan(asked, "IAM-01"), tmp_path)
        assert {each.became.value for each in outcome.results} == {"done"}
        unseen = [each for each in outcome.proofs if each.control == "IAM-02"]
        assert {each.status for each in unseen} == {Status.FAIL}
        assert all("it may take several hours, so look again" in each.reason for each in unseen)
