"""Conditions: what they are about, as their text tells; a form that is not understood is about anything."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from identity_samples import CONDITION

from aoai_lib.effective_access.conditions import actions_under, assignable_roles
from aoai_lib.effective_access.records import narrows

WRITE, DELETE = (f"Microsoft.Authorization/roleAssignments/{verb}" for verb in ("write", "delete"))
KEYS = "Microsoft.CognitiveServices/accounts/listKeys/action"
ROLE = "53ca6127-db72-4b80-b1b0-d745d6d5456d"
REQUESTED = "@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId]"


@pytest.mark.parametrize(
    ("condition", "about"),
    [
        (CONDITION, {WRITE, DELETE}),
        (f"((!(ActionMatches{{'{WRITE}'}})) OR ({REQUESTED} ForAnyOfAnyValues:GuidEquals {{{ROLE}}}))", {WRITE}),
        (f"(!(ActionMatches{{'{WRITE}'}} OR ActionMatches{{'{DELETE}'}}) OR @Principal[x] StringEquals 'a AND b')", {WRITE, DELETE}),
        (f"!(ActionMatches{{'{KEYS}'}}) || (@Resource[x] StringEquals '(')", {KEYS}),
        (f"!(ActionMatches{{'{KEYS}'}} AND SubOperationMatches{{'x'}}) OR @Resource[x] StringEquals 'y'", {KEYS}),
        ("(@Subject.Application == '55dc16a2') || (@Subject.Application == '5b306cba')", None),
        (f"@Resource[x] StringEquals 'y' OR !(ActionMatches{{'{WRITE}'}})", None),
        (f"!(ActionMatches{{'{WRITE}'}} AND !ActionMatches{{'{DELETE}'}}) OR @Resource[x] StringEquals 'y'", None),
        (f"!(ActionMatches{{'{WRITE}'}}) OR @Resource[x] StringEquals 'y' AND @Resource[z] StringEquals 'y'", None),
        ("(((", None),
        ("nonsense", None),
    ],
)  # fmt: skip
def test_what_a_condition_is_about(condition: str, about: set[str] | None) -> None:
    assert actions_under(condition) == (about and {each.lower() for each in about})
    for action in (WRITE, DELETE, KEYS):
        assert narrows(condition, action) is (about is None or action in about)


def test_no_condition_narrows_nothing() -> None:
    assert not narrows("", KEYS)


@pytest.mark.parametrize(
    ("condition", "roles", "only_those"),
    [
        (CONDITION, {ROLE}, True),
        (f"{REQUESTED} ForAnyOfAnyValues:GuidEquals{{{ROLE}, {ROLE[::-1]}}}", {ROLE, ROLE[::-1]}, True),
        (f"{REQUESTED} ForAnyOfAllValues:GuidNotEquals {{{ROLE}}}", {ROLE}, False),
        ("@Request[x:PrincipalType] StringEquals 'ServicePrincipal'", set(), True),
    ],
)
def test_which_roles_a_condition_names(condition: str, roles: set[str], only_those: bool) -> None:
    assert assignable_roles(condition) == (roles, only_those)


@example(["!", "'", "ActionMatches{'a'}", "ActionMatches{'a'}"])
@example(["!", "'", "ActionMatches{'a'}", "ActionMatches{'a'}", "'"])
@given(st.lists(st.sampled_from(["(", ")", "!", "AND", "OR", "ActionMatches{'a'}", "{", "'", "x", "&&", "|", "'a'"])))
def test_any_text_is_read_without_a_crash(words: list[str]) -> None:
    found = actions_under(" ".join(words))
    assert found is None or found == {"a"}
