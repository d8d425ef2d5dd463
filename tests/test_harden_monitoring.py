"""Logs, retention, alerts and Defender's plan are mended on the lab, judged again, and taken back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hardening import folder_of, own_lab, parameters, plan, resources, written

from aoai_lib.detections import find
from aoai_lib.evidence.store import Evidence
from aoai_lib.harden import session
from aoai_lib.harden.plan import Plan
from aoai_lib.lab.server import Lab
from aoai_lib.model import State, Status
from aoai_lib.parameters import Parameters, parse

LOGS = ("MON-01", "MON-02", "MON-05")
ALERTS = ("MON-06", "MON-07", "MON-08", "MON-09", "MON-10")


def wishing(lab: Lab, tenant: str, **more: Any) -> Parameters:
    """Parameters that name a workspace, a group for rules, and who is told."""
    workspace = next(lab.state(tenant).of_type("Microsoft.OperationalInsights/workspaces")).id
    group = workspace.partition("/providers/")[0]
    given = {"log_workspace": workspace, "alert_group": group, "alert_emails": ["soc@contoso.example"], **more}
    return parameters(tenant, **given)


def unlock(lab: Lab, tenant: str) -> None:
    state = lab.state(tenant)
    for lock in [key for key in state.resources if "/locks/" in key]:
        state.remove(lock)


def controls(planned: Plan) -> set[str]:
    return {each.control for each in planned.steps}


def test_logs_go_to_the_workspace_that_is_named_and_come_back(tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        asked = wishing(lab, "exposed")
        before = resources(lab, "exposed")
        outcome = session.carry_out(asked, plan(asked, *LOGS), tmp_path)
        assert {each.became.value for each in outcome.results} == {"done"}, [each.sentence for each in outcome.results]
        assert {each.status for each in outcome.proofs} == {Status.PASS}
        assert plan(asked, *LOGS).steps == ()
        back = session.take_back(asked, folder_of(tmp_path) / "undo.json")
        assert {each.became.value for each in back.results} == {"done"}, [each.sentence for each in back.results]
        assert set(resources(lab, "exposed")) == set(before)


def test_a_setting_that_sends_to_a_workspace_is_changed_and_not_doubled() -> None:
    with own_lab("exposed") as lab:
        asked = wishing(lab, "exposed")
        kept = [
            each
            for each in lab.state("exposed").of_type("Microsoft.Insights/diagnosticSettings")
            if each.properties.get("workspaceId")
        ]
        planned = plan(asked, *LOGS)
    changed = {each.request.path.lower(): each for each in planned.steps if each.before is not None}
    for each in kept:
        step = changed.get(each.id.lower())
        if step is not None:
            body = step.request.body["properties"]
            assert body["workspaceId"].lower() == each.properties["workspaceId"].lower()
            assert body.get("storageAccountId") == each.properties.get("storageAccountId")
            assert "retentionPolicy" not in str(step.request.body)
    assert changed


def test_without_a_workspace_nothing_is_planned_and_that_is_said() -> None:
    with own_lab("exposed"):
        planned = plan(parameters("exposed"), "MON-01", "MON-06", "MON-07")
    assert "Name the Log Analytics workspace in hardening.log_workspace." in {each.reason for each in planned.unplanned}
    assert any("hardening.alert_group" in each.reason for each in planned.unplanned)


def test_tables_are_kept_as_long_as_required(tmp_path: Path) -> None:
    with own_lab("mixed") as lab:
        unlock(lab, "mixed")
        asked = wishing(lab, "mixed")
        planned = plan(asked, "MON-03")
        assert planned.steps and {
            each.request.body["properties"]["totalRetentionInDays"] for each in planned.steps
        } == {365}
        outcome = session.carry_out(asked, planned, tmp_path)
        assert {each.became.value for each in outcome.results} == {"done"}, [each.sentence for each in outcome.results]
        assert plan(asked, "MON-03").steps == ()
        back = session.take_back(asked, folder_of(tmp_path) / "undo.json")
        assert {each.became.value for each in back.results} <= {"done", "already"}, [
            each.sentence for each in back.results
        ]
        assert plan(asked, "MON-03").steps


@pytest.mark.parametrize("days", [731, 366 * 12])
def test_a_retention_is_one_that_the_service_takes(days: int) -> None:
    with own_lab("mixed") as lab:
        given = wishing(lab, "mixed")
        asked = given.model_copy(
            update={"requirements": given.requirements.model_copy(update={"retention_days": days})}
        )
        steps = plan(asked, "MON-03").steps
    allowed = {1095, 4383, 4018}
    assert steps and {each.request.body["properties"]["totalRetentionInDays"] for each in steps} <= allowed


def test_the_five_alerts_are_made_judged_and_taken_back(tmp_path: Path) -> None:
    """Error 60 of the guide: its alerts are only a table, without rules and without anybody who is told."""
    with own_lab("exposed") as lab:
        asked = wishing(lab, "exposed")
        before = {each for each in resources(lab, "exposed") if "/tables/" not in each}
        planned = plan(asked, *LOGS, *ALERTS)
        assert controls(planned) == {"MON-01", "MON-05", *ALERTS}, "alerts on logs that the same plan sends"
        outcome = session.carry_out(asked, planned, tmp_path / "alerts")
        assert {each.became.value for each in outcome.results} == {"done"}, [each.sentence for each in outcome.results]
        assert {each.status for each in outcome.proofs} == {Status.PASS}, [
            (each.control, each.reason) for each in outcome.proofs if each.status is not Status.PASS
        ]
        assert plan(asked, *LOGS, *ALERTS).steps == ()
        session.take_back(asked, folder_of(tmp_path / "alerts") / "undo.json")
        assert {each for each in resources(lab, "exposed") if "/tables/" not in each} == before


def test_a_workspace_that_nobody_sends_to_yet_gets_the_alerts_that_need_no_row() -> None:
    """AzureDiagnostics comes into being with its first row, and a rule over a table that is not there is refused."""
    with own_lab("exposed") as lab:
        asked = wishing(lab, "exposed")
        for setting in list(lab.state("exposed").of_type("Microsoft.Insights/diagnosticSettings")):
            lab.state("exposed").remove(setting.id)
        only = (*LOGS, "MON-03", *ALERTS)
        with session.opened(asked, Evidence()) as opened:
            found = opened.look(only)
            assert [each.state for each in found.of("diagnostics_table")] == [State.COLLECTED], (
                "read, though nothing is sent there"
            )
            assert "MON-07" in controls(opened.plan(found, only))
            for key, each in found.readings.items():
                if each.source == "diagnostics_table":
                    found.readings[key] = replace(each, state=State.NOT_FOUND, value=None, code="ResourceNotFound")
            planned = opened.plan(found, only)
    assert controls(planned) == {"MON-01", "MON-03", "MON-05", "MON-06", "MON-08", "MON-09"}
    left = {each.control: each.reason for each in planned.unplanned}
    assert "made by its first row" in left["MON-07"] and "made by its first row" in left["MON-03"]


def test_an_action_group_that_tells_nobody_is_mended_and_taken_back(tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        asked = wishing(lab, "exposed")
        session.carry_out(asked, plan(asked, "MON-06"), tmp_path / "first")
        (group,) = (
            each
            for each in lab.state("exposed").of_type("Microsoft.Insights/actionGroups")
            if each.name == "aoai-playbook"
        )
        group.properties["enabled"] = False
        planned = plan(asked, "MON-06")
        outcome = session.carry_out(asked, planned, tmp_path / "second")
        assert {each.status for each in outcome.proofs} == {Status.PASS}
        assert len([each for each in planned.steps if "/actionGroups/" in each.request.path]) == 1
        assert plan(asked, "MON-06").steps == ()
        session.take_back(asked, folder_of(tmp_path / "second") / "undo.json")
        (again,) = (
            each
            for each in lab.state("exposed").of_type("Microsoft.Insights/actionGroups")
            if each.name == "aoai-playbook"
        )
        assert again.properties["enabled"] is False


def test_log_rules_ask_the_proven_detections() -> None:
    with own_lab("exposed") as lab:
        steps = plan(wishing(lab, "exposed"), "MON-07", "MON-10").steps
    queries = {
        each.request.path.rpartition("/")[2].partition("-log-brightcart-")[2] or each.title: each.request.body
        for each in steps
        if "/scheduledQueryRules/" in each.request.path
    }
    (key_use,) = (each for name, each in queries.items() if name.endswith("key-use"))
    assert key_use["properties"]["criteria"]["allOf"][0]["query"] == find("key-use").kql()
    (newcomer,) = (each for name, each in queries.items() if name.endswith("first-seen-caller"))
    assert newcomer["properties"]["overrideQueryTimeRange"] == "P2D"


def test_a_plan_that_costs_is_only_switched_on_when_somebody_says_so(tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        asked = wishing(lab, "exposed")
        planned = plan(asked, "MON-13")
        refused = session.carry_out(asked, planned, tmp_path / "no")
        assert {each.became.value for each in refused.results} == {"stopped"} and written(lab) == []
        accepted = session.carry_out(asked, planned, tmp_path / "yes", list(planned.checks))
        assert {each.became.value for each in accepted.results} == {"done"}
        assert {each.status for each in accepted.proofs} == {Status.PASS}
        back = session.take_back(asked, folder_of(tmp_path / "yes") / "undo.json")
        assert {each.became.value for each in back.results} == {"done"}
        assert controls(plan(asked, "MON-13")) == {"MON-13"}


@pytest.mark.parametrize("name", ["alert_group", "log_workspace"])
def test_a_place_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(Exception, match=f"hardening.{name} must be the ARM id"):
        parse({"hardening": {name: "somewhere"}})
