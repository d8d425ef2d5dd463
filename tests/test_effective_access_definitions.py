"""Role definitions by the thousand, in every shape that they come in: quick, and never a crash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders import ACCOUNT, SUBSCRIPTION, reading
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from identity_samples import CUSTOM, SUB, assignment, built_in, custom, tenant

from aoai_lib.assess import judge
from aoai_lib.controls import catalogue
from aoai_lib.effective_access import access_matrix
from aoai_lib.effective_access.capabilities import CAPABILITIES, FULL_CONTROL, POWER
from aoai_lib.effective_access.register import register_of
from aoai_lib.model import Phase

RECORDED = Path(__file__).resolve().parents[2] / "shared" / "recorded" / "05_rbac"
HOLDERS = [each for each in catalogue() if each.id in {"IAM-04", "IAM-05", "IAM-06", "IAM-07", "IAM-08", "IAM-09", "IAM-10", "IAM-13"}]  # fmt: skip
ALL = (*CAPABILITIES, FULL_CONTROL, POWER)


def dump() -> list[dict[str, Any]]:
    """Some 1,200 definitions: the recorded ones where they lie beside this checkout, the lab's, and custom ones of them."""
    path = RECORDED / "roleDefinitions__2022-05-01-preview__GET200__azure-cli-extensions__0467.json"
    real = json.loads(path.read_text(encoding="utf-8"))["value"] if path.is_file() else []
    known = [*real, *built_in()]
    made = []
    for number in range(1200 - len(known)):
        like = known[number % len(known)]
        role = custom()
        role["name"] = f"{number:08x}-0000-4000-8000-00000000cafe"
        role["id"] = f"{SUB}/providers/Microsoft.Authorization/roleDefinitions/{role['name']}"
        role["properties"]["permissions"] = like["properties"]["permissions"]
        made.append(role)
    return known + made


def plain(definition: dict[str, Any], action: str, data: bool) -> bool:
    """Whether a definition holds an action, said as briefly as it can be: the textbook's table, block by block."""
    yes, no = ("dataActions", "notDataActions") if data else ("actions", "notActions")

    def stands_for(pattern: str) -> bool:
        reachable = {0}
        for sign in pattern.lower():
            if sign == "*":
                reachable = set(range(min(reachable), len(action) + 1)) if reachable else set()
            else:
                reachable = {at + 1 for at in reachable if at < len(action) and action[at] == sign}
        return len(action) in reachable

    return any(
        any(map(stands_for, block.get(yes) or [])) and not any(map(stands_for, block.get(no) or []))
        for block in definition["properties"]["permissions"]
    )


def test_twelve_hundred_definitions_are_judged() -> None:
    definitions = dump()
    sample = tenant(unread={"role_definitions": reading("role_definitions", SUBSCRIPTION, definitions)})
    register = register_of(sample, SUBSCRIPTION)
    held = [bool(register.role(each["name"]).held(capability)) for each in definitions for capability in ALL]
    assert len(held) == len(definitions) * len(ALL)
    assert any(held)


def test_every_real_definition_agrees_with_the_textbook() -> None:
    definitions = dump()[:560]
    sample = tenant(unread={"role_definitions": reading("role_definitions", SUBSCRIPTION, definitions)})
    register = register_of(sample, SUBSCRIPTION)
    asked = [("microsoft.cognitiveservices/accounts/listkeys/action", False), ("microsoft.authorization/roleassignments/write", False),
             ("microsoft.cognitiveservices/accounts/openai/deployments/chat/completions/action", True)]  # fmt: skip
    for each in definitions:
        blocks = register.role(each["name"]).permissions
        for action, data in asked:
            assert any(block.allows(action, data) for block in blocks) is plain(each, action, data), each["name"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 1) | st.sampled_from(["", "*", "/", SUB, CUSTOM, "CustomRole", "Group"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "properties", "name"]), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


def _spoilt(good: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(good))
    holder = made
    *steps, last = path.split(".")
    for step in steps:
        holder = holder[step]
    holder[last] = value
    return made


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["id", "name", "properties", "properties.roleName", "properties.type", "properties.assignableScopes", "properties.permissions"]),
    st.sampled_from(["id", "name", "properties", "properties.principalId", "properties.principalType", "properties.roleDefinitionId", "properties.scope", "properties.condition"]),
    JSON,
    JSON,
)  # fmt: skip
def test_odd_shapes_are_never_a_crash_and_never_a_pass_for_what_they_could_hide(
    of_role: str, of_assignment: str, first: Any, second: Any
) -> None:
    role = _spoilt(custom(actions=["*"]), of_role, first)
    given_ = _spoilt(assignment(CUSTOM), of_assignment, second)
    sample = tenant(given_, roles=[role])
    judged = {each.control: each.status.value for each in judge(sample, HOLDERS)}
    elsewhere = of_assignment == "properties.scope" and isinstance(second, str) and second not in ("", "/", SUB)
    nothing = of_role == "properties.permissions" and first == []
    assert judged["IAM-04"] != "pass" or elsewhere or nothing
    access_matrix(sample, ACCOUNT)


@pytest.mark.parametrize("answer", [[7], ["x"], [None], [[]], [{}]])
@pytest.mark.parametrize(
    "source", ["role_assignments", "role_definitions", "deny_assignments", "role_eligibility", "role_schedules", "delegations", "classic_administrators"]
)  # fmt: skip
def test_lists_of_something_else_are_no_crash(source: str, answer: list[Any]) -> None:
    sample = tenant(assignment(CUSTOM), roles=[custom(actions=["*/read"])], unread={source: reading(source, SUBSCRIPTION, answer)})  # fmt: skip
    judged = {each.control: each.status.value for each in judge(sample, [each for each in catalogue() if each.phase is Phase.IDENTITY])}  # fmt: skip
    assert {judged[each] for each in ("IAM-04", "IAM-07", "IAM-08", "IAM-09")} <= {"pass", "not_assessed"}
    if source in ("role_assignments", "role_eligibility", "delegations"):
        assert judged["IAM-04"] == "not_assessed"
    access_matrix(sample, ACCOUNT)
