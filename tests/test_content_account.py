"""Content safety of accounts: policies that callers could choose, abuse monitoring, Defender's switch, stored completions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders import ACCOUNT, account, reading, snapshot
from guardrail_samples import changed, found, guarded, harms, model, policy, status, strict

from aoai_lib.collect import items
from aoai_lib.collect.content import SOURCES
from aoai_lib.model import Snapshot, State, Status

RECORDED = Path(__file__).resolve().parents[2] / "shared" / "recorded" / "03_rai"
PASS, FAIL, UNKNOWN = Status.PASS, Status.FAIL, Status.NOT_ASSESSED


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (guarded(strict()), PASS),
        (guarded(), PASS),
        (guarded(strict(), policy("for-tests", harms("High"))), FAIL),
        (guarded(strict(mode="Deferred")), FAIL),
        (guarded(strict(mode="Sometimes")), UNKNOWN),
        (guarded(strict(without=("Jailbreak",))), UNKNOWN),
        (guarded(strict(without=("Indirect Attack",))), FAIL),
        (guarded(strict(), requirements={"required_blocklists": ["canary"]}), FAIL),
        (guarded(strict(), state=State.PARTIAL), UNKNOWN),
        (guarded(policy("weak", harms("High")), state=State.PARTIAL), FAIL),
        (guarded(strict(), deployment=model("gpt-5", "Microsoft.Nil")), PASS),
    ],
)
def test_policies_that_a_caller_could_choose(sample: Snapshot, expected: Status) -> None:
    assert status(sample, "CNT-08") is expected


def test_every_weak_policy_is_named() -> None:
    sample = guarded(policy("one", harms("High")), strict(), policy("two", harms("Low", blocking=False)))
    reason = found(sample, "CNT-08").reason
    assert "“one”" in reason
    assert "“two”" in reason
    assert "“strict”" not in reason
    assert "Microsoft.Nil" not in reason


def test_a_policy_for_excepted_deployments_may_let_protected_material_pass() -> None:
    weak = changed("Protected Material Code", "Completion", blocking=False)
    assert status(guarded(weak), "CNT-08") is FAIL
    assert status(guarded(weak, requirements={"protected_material_exceptions": ["chat"]}), "CNT-08") is PASS
    other = model("gpt-5", "Microsoft.DefaultV2")
    excepted = guarded(weak, deployment=other, requirements={"protected_material_exceptions": ["chat"]})
    assert status(excepted, "CNT-08") is FAIL


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"capabilities": [{"name": "VirtualNetworks"}]}, PASS),
        ({"capabilities": []}, PASS),
        ({}, UNKNOWN),
        ({"capabilities": [{"name": "ContentLogging", "value": "false"}]}, FAIL),
        ({"capabilities": [{"name": "ContentLogging", "value": "true"}]}, PASS),
        ({"capabilities": [], "abusePenalty": None}, PASS),
        ({"capabilities": [], "abusePenalty": {"action": "Throttle"}}, FAIL),
        ({"capabilities": [], "abusePenalty": {}}, FAIL),
        ({"capabilities": [], "abusePenalty": {"action": "Block", "expiration": "2026-12-01T00:00:00Z"}}, FAIL),
        ({"capabilities": [], "abusePenalty": {"action": "Block", "expiration": "2026-11-01T00:00:00.1234567Z"}}, PASS),
        ({"capabilities": [], "abusePenalty": {"action": "Block", "expiration": "soon"}}, FAIL),
        ({"capabilities": "none"}, UNKNOWN),
    ],
)
def test_abuse_monitoring(properties: dict[str, Any], expected: Status) -> None:
    assert status(snapshot(account=account(**properties)), "CNT-10") is expected


def test_abuse_monitoring_may_be_off_and_a_penalty_may_not_be_in_force() -> None:
    off: dict[str, Any] = {"capabilities": [{"name": "ContentLogging", "value": "false"}]}
    waived = {"abuse_monitoring": False}
    assert status(snapshot(account=account(**off), requirements=waived), "CNT-10") is PASS
    penalised = account(**off, abusePenalty={"action": "Block"})
    assert status(snapshot(account=penalised, requirements=waived), "CNT-10") is FAIL


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"properties": {"state": "Enabled"}}, PASS),
        ({"properties": {"state": "Disabled"}}, FAIL),
        ({"properties": {}}, FAIL),
        ({"properties": {"state": True}}, UNKNOWN),
    ],
)
def test_defenders_switch(answer: dict[str, Any], expected: Status) -> None:
    assert status(snapshot(defender_for_ai=answer), "CNT-11") is expected


@pytest.mark.parametrize("state", [State.NOT_FOUND, State.DENIED])
def test_a_switch_that_was_not_read_is_not_assessed(state: State) -> None:
    sample = snapshot(reading("defender_for_ai", ACCOUNT, None, state, reason="GET answered nothing"))
    assert status(sample, "CNT-11") is UNKNOWN


@pytest.mark.parametrize(
    ("properties", "required", "expected"),
    [
        ({"storedCompletionsDisabled": True}, True, PASS),
        ({"storedCompletionsDisabled": False}, True, FAIL),
        ({"storedCompletionsDisabled": None}, True, FAIL),
        ({}, True, FAIL),
        ({}, False, Status.NOT_APPLICABLE),
        ({"storedCompletionsDisabled": "true"}, True, UNKNOWN),
    ],
)
def test_stored_completions(properties: dict[str, Any], required: bool, expected: Status) -> None:
    sample = snapshot(account=account(**properties), requirements={"stored_completions_disabled": required})
    assert status(sample, "CNT-16") is expected


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded answers are not beside this checkout")
@pytest.mark.parametrize(
    ("listing", "expected"),
    [("raiPolicies_list_system_only_2024-10-01.json", PASS), ("raiPolicies_list_with_user_2024-10-01.json", FAIL)],
)
def test_microsofts_policies_do_not_fail_an_account(listing: str, expected: Status) -> None:
    """The list holds Nil and Reasoning, which only annotate, on every account."""
    listed = json.loads((RECORDED / listing).read_text(encoding="utf-8"))["value"]
    sample = snapshot(rai_policies=listed)
    assert status(sample, "CNT-08") is expected
    assert "Microsoft." not in found(sample, "CNT-08").reason.replace("Microsoft.Default”", "")


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded answers are not beside this checkout")
def test_the_recorded_switch() -> None:
    answer = json.loads((RECORDED / "defenderForAISettings_get_Default_2024-10-01.json").read_text(encoding="utf-8"))
    assert status(snapshot(defender_for_ai=answer), "CNT-11") is PASS


def test_reads_are_few_and_ask_for_entries_of_bound_blocklists_only(mixed: Snapshot) -> None:
    accounts = len(list(mixed.of("account")))
    assert [len(list(mixed.of(source))) for source in ("rai_blocklists", "defender_for_ai")] == [accounts, accounts]
    asked = {each.scope.rpartition("/")[2] for each in mixed.of("rai_blocklist_items")}
    assert asked == {"canary"}
    assert {each.permission for each in SOURCES} == {
        "Microsoft.CognitiveServices/accounts/raiBlocklists/read",
        "Microsoft.CognitiveServices/accounts/raiBlocklists/raiBlocklistItems/read",
        "Microsoft.CognitiveServices/accounts/defenderForAISettings/read",
    }


@pytest.mark.parametrize("odd", [{}, {"name": "x"}, {"name": "x", "properties": None}, {"name": 1, "properties": []}])
def test_odd_policies_do_not_stop_the_reads(odd: dict[str, Any]) -> None:
    (blocklists,) = [each for each in SOURCES if each.name == "rai_blocklist_items"]
    sample = guarded(
        odd, {"name": "strict", "properties": {"customBlocklists": [None, {"blocklistName": "canary"}, {}]}}
    )
    readings = dict(sample.readings)
    assert items(readings, "deployment")
    assert list(blocklists.over.find(readings)) == [f"{ACCOUNT}/raiBlocklists/canary"]
