"""Plan, preflight, apply, verify, undo: the mechanism, on the lab."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hardening import carry_out, folder_of, own_lab, parameters, plan, resources, written
from pydantic import ValidationError

from aoai_lib.azure.permission import WriteRefusedError
from aoai_lib.azure.writing import PlannedWrite
from aoai_lib.evidence.store import Evidence
from aoai_lib.harden import session
from aoai_lib.harden.journal import Journal, open_undo
from aoai_lib.harden.plan import Plan, Request, Step, load
from aoai_lib.harden.remedies.grants import STAMPS
from aoai_lib.harden.wire import holds, merged, writable
from aoai_lib.model import InputError, Status
from aoai_lib.parameters import Parameters

SHOP = "/subscriptions/2e9a6b71-04cd-4f8e-a1b3-5c6d7e8f9003/resourceGroups/rg-shop/providers/Microsoft.CognitiveServices/accounts/aoai-brightcart-shop"
OUTBOUND = {"allowed_fqdns": ["brightcart.search.windows.net"]}
"""What NET-14 needs to be told: the smallest hardening, one write an account, that cuts nobody off."""


def test_planning_only_reads_and_says_the_same_twice() -> None:
    with own_lab("exposed", identity="assessor") as lab:
        asked = parameters("exposed", **OUTBOUND)
        first, second = plan(asked), plan(asked)
        assert first.digest == second.digest
        assert len(first.steps) > 10
        assert written(lab) == []


def test_steps_come_after_what_they_need_and_the_public_way_closes_last() -> None:
    with own_lab("exposed"):
        planned = plan(parameters("exposed", **OUTBOUND))
    seen: set[str] = set()
    for step in planned.steps:
        assert set(step.after) <= seen
        seen.add(step.id)
    network = [step.control for step in planned.steps if step.control.startswith("NET")]
    assert all(
        network.index("NET-01") > place for place, control in enumerate(network) if control in ("NET-05", "NET-07")
    )


def test_a_plan_is_carried_out_read_back_and_proven(tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        asked = parameters("exposed", **OUTBOUND)
        outcome = session.carry_out(asked, plan(asked, "NET-14"), tmp_path)
        assert [each.became.value for each in outcome.results] == ["done"] * 3
        assert {each.status for each in outcome.proofs} == {Status.PASS}
        held = lab.state("exposed").find(SHOP)
        assert held is not None
        assert held.properties["restrictOutboundNetworkAccess"] is True
        assert held.properties["allowedFqdnList"] == ["brightcart.search.windows.net"]
        assert [method for method, _ in written(lab)] == ["PATCH"] * 3
        assert plan(asked, "NET-14").steps == ()
    record = json.loads((outcome.folder / "result.json").read_text(encoding="utf-8"))
    assert [step["became"] for step in record["steps"]] == ["done"] * 3


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        asked = parameters("exposed", **OUTBOUND)
        planned = plan(asked, "NET-14")
        carry_out(asked, planned, tmp_path)
        before, sent = resources(lab, "exposed"), len(written(lab))
        assert set(carry_out(asked, planned, tmp_path).values()) == {"already"}
        assert resources(lab, "exposed") == before
        assert len(written(lab)) == sent


def test_what_changed_since_the_plan_is_left_alone(tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        asked = parameters("exposed", **OUTBOUND)
        planned = plan(asked, "NET-14")
        held = lab.state("exposed").find(SHOP)
        assert held is not None
        held.properties["allowedFqdnList"] = ["somebody-elses.example"]
        outcome = session.carry_out(asked, planned, tmp_path)
        became = {each.step.subject: each for each in outcome.results}
        assert became[SHOP].became.value == "changed"
        assert "somebody-elses.example" in became[SHOP].sentence
        assert SHOP not in [path for _, path in written(lab)]
        assert held.properties["allowedFqdnList"] == ["somebody-elses.example"]


def test_whoever_may_not_write_is_told_which_permission_is_missing(tmp_path: Path) -> None:
    with own_lab("exposed", identity="assessor") as lab:
        asked = parameters("exposed", **OUTBOUND)
        before = resources(lab, "exposed")
        outcome = session.carry_out(asked, plan(asked, "NET-14"), tmp_path)
        assert {each.became.value for each in outcome.results} == {"failed"}
        assert "needs Microsoft.CognitiveServices/accounts/write" in outcome.results[0].sentence
        assert resources(lab, "exposed") == before


def test_undo_brings_everything_back(tmp_path: Path) -> None:
    """All steps that can be. The subdomain can't, nor the role of a deleted principal, nor a policy that does not exist; a
    connection that waited is rejected."""
    with own_lab("exposed") as lab:
        asked = parameters("exposed", **OUTBOUND)
        before = resources(lab, "exposed")
        planned = plan(asked)
        seen = _as_shown(asked, planned)
        became = carry_out(
            asked, planned, tmp_path, [label for label in planned.checks if not label.startswith("irreversible")]
        )
        assert list(became.values()).count("done") > 10
        assert resources(lab, "exposed") != before
        back = session.take_back(asked, folder_of(tmp_path) / "undo.json")
        left = {each.step.request.path for each in back.results if each.became.value in ("final", "stopped")}
        assert {each.step.control for each in back.results if each.became.value == "final"} == {"IAM-13", "CNT-09"}
        assert {each.step.control for each in back.results if each.became.value != "done"} == {"IAM-13", "CNT-09"}
        after, now = resources(lab, "exposed"), _as_shown(asked, planned)
    explicit = {"azurediagnostics", "ai"}  # a table and a plan that are there without being stored in the lab
    differ = {each for each in set(before) ^ set(after) if each.rpartition("/")[2] not in explicit}
    assert differ <= {each.lower() for each in left}
    changed = {key for key in seen if key not in left and not _same(seen[key], now[key])}
    names = {key.rpartition("/")[2].partition(".")[0] for key in changed}
    assert names == {"pe-brightcart-shop"}, "only what had waited, and now is rejected"
    assert (folder_of(tmp_path) / "undone.json").is_file()


def _as_shown(asked: Parameters, planned: Plan) -> dict[str, Any]:
    """Everything that the steps are about, as the service shows it; a firewall nobody set as the open one that it is."""
    with session.opened(asked, Evidence()) as opened:
        shown = {
            each.request.path: opened._azure.state(each.request.path, each.request.api_version)
            for each in planned.steps
        }
    return {
        path: merged(DEFAULTS, held) if path.rpartition("/")[0].endswith("/accounts") else held
        for path, held in shown.items()
    }


DEFAULTS = {
    "identity": {"type": "None"},
    "properties": {
        "disableLocalAuth": False,
        "storedCompletionsDisabled": False,
        "publicNetworkAccess": "Enabled",
        "restrictOutboundNetworkAccess": False,
        "networkAcls": {"defaultAction": "Allow", "bypass": "None"},
    },
}


def _same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    told = [writable(each, ("properties.privateEndpointConnections", *STAMPS)) for each in (one, other)]
    return holds(*told) and holds(*reversed(told))


def test_undo_leaves_alone_what_somebody_changed_since(tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        asked = parameters("exposed", **OUTBOUND)
        carry_out(asked, plan(asked, "NET-14"), tmp_path)
        held = lab.state("exposed").find(SHOP)
        assert held is not None
        held.properties["allowedFqdnList"] = ["brightcart.search.windows.net", "new.example"]
        back = session.take_back(asked, folder_of(tmp_path) / "undo.json")
        became = {each.step.subject: each for each in back.results}
        assert became[SHOP].became.value == "changed"
        assert "new.example" in became[SHOP].sentence
        assert held.properties["allowedFqdnList"] == ["brightcart.search.windows.net", "new.example"]
        assert [each.became.value for each in back.results if each.step.subject != SHOP] == ["done", "done"]
    assert not (folder_of(tmp_path) / "undone.json").exists()


def test_undo_data_is_on_disk_before_the_step_is_sent(tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        asked = parameters("exposed", **OUTBOUND)
        planned = plan(asked, "NET-14")
        kept: list[int] = []

        class Watching(Journal):
            def begin(self, step: Step) -> None:
                super().begin(step)
                kept.append(len(open_undo(self.path / "undo.json").steps) - len(written(lab)))

        journal = Watching.create(tmp_path, planned)
        with session.opened(asked, Evidence()) as opened:
            opened.apply(journal, (), lambda step, what: None)
        assert kept == [1, 1, 1], "each time the file tells of one step more than was sent"


def test_a_busy_resource_is_waited_for(tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        asked = parameters("exposed", **OUTBOUND)
        planned = plan(asked, "NET-14")
        lab.faults.add("429:2:accounts/aoai-brightcart-shop")
        assert set(carry_out(asked, planned, tmp_path).values()) == {"done"}


def test_the_pipeline_lets_through_the_one_write_that_is_allowed() -> None:
    with own_lab("exposed") as lab:
        asked = parameters("exposed")
        with session.opened(asked, Evidence()) as opened:
            azure = opened._azure
            write = PlannedWrite("PATCH", SHOP, "2025-09-01", {"properties": {"restrictOutboundNetworkAccess": True}})
            with azure._planned.allowing(write):  # type: ignore[union-attr]
                with pytest.raises(WriteRefusedError):
                    azure.cognitive(SHOP.split("/")[2]).accounts.list_keys("rg-shop", "aoai-brightcart-shop")
                with pytest.raises(WriteRefusedError):
                    azure.cognitive(SHOP.split("/")[2]).accounts.begin_delete("rg-shop", "aoai-brightcart-shop")
                with pytest.raises(WriteRefusedError):
                    azure.cognitive(SHOP.split("/")[2]).accounts.begin_update(
                        "rg-shop", "aoai-brightcart-shop", {"properties": {"restrictOutboundNetworkAccess": False}}
                    )
            with pytest.raises(WriteRefusedError):
                azure.cognitive(SHOP.split("/")[2]).accounts.begin_update(
                    "rg-shop", "aoai-brightcart-shop", {"properties": {"restrictOutboundNetworkAccess": True}}
                )
            assert written(lab) == []
            azure.write(write, {})
            assert written(lab) == [("PATCH", SHOP)]


def test_a_plan_survives_its_file_and_nothing_else_is_one(tmp_path: Path) -> None:
    with own_lab("exposed"):
        planned = plan(parameters("exposed", **OUTBOUND), "NET-14")
    assert load(planned.text(), "plan.json") == planned
    for text in ("", "[]", "{}", planned.text()[:-20], planned.text().replace('"PATCH"', '"POST"')):
        with pytest.raises(InputError, match="no plan of this playbook"):
            load(text, "plan.json")


def test_an_unknown_acceptance_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        asked = parameters("exposed", **OUTBOUND)
        with pytest.raises(InputError, match="No step of this plan asks"):
            session.carry_out(asked, plan(asked, "NET-14"), tmp_path, ["public-callers@aoai-brightcart-shop"])
        assert written(lab) == []


def test_an_accepted_risk_is_not_planned_for() -> None:
    with own_lab("exposed"):
        given = parameters("exposed", **OUTBOUND)
        waiver = {
            "control": "NET-14",
            "subject": "aoai-brightcart-shop",
            "reason": "Moves next month.",
            "owner": "CISO",
            "expires": "2099-01-01",
        }
        planned = plan(given.model_validate({**given.model_dump(), "waivers": [waiver]}), "NET-14")
    assert [step.subject for step in planned.steps if step.subject == SHOP] == []
    assert [each.reason for each in planned.unplanned] == ["The risk is accepted until 2099-01-01 by CISO."]


def test_a_plan_is_empty_where_nothing_fails() -> None:
    with own_lab("hardened"):
        assert plan(parameters("hardened")).steps == ()


@pytest.mark.parametrize(
    "path",
    [
        "/subscriptions/a/../b",
        "/subscriptions//a",
        "/subscriptions/a?x=1",
        "/subscriptions/a#b",
        "/subscriptions/%2e%2e/b",
        "//evil.example/subscriptions/a",
        "https://evil.example/subscriptions/a",
        "/subscriptions/a\\b",
        "/subscriptions/a/\nb",
    ],
)
def test_a_write_has_a_plain_path_below_resource_manager(path: str) -> None:
    with pytest.raises(ValidationError):
        Request(method="DELETE", path=path, api_version="1")
    assert Request(method="DELETE", path="/subscriptions/a/rg (ü) 1.x", api_version="1")
