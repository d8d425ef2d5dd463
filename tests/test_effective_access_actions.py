"""Actions and wildcards: the matcher against an independent oracle, and what follows from it."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aoai_lib.effective_access.actions import Permission, excess, matches, narrowed, reckless

PATTERNS = st.text(alphabet="aAbB/*", max_size=9)
ACTIONS = st.text(alphabet="aAbB/", max_size=12)


def oracle(pattern: str, action: str) -> bool:
    """The textbook table: can pattern[:i] stand for action[:j]? Written without find, split or regular expressions."""
    reachable = {0}
    for sign in pattern:
        if sign == "*":
            reachable = set(range(min(reachable), len(action) + 1)) if reachable else set()
        else:
            reachable = {at + 1 for at in reachable if at < len(action) and action[at].upper() == sign.upper()}
    return len(action) in reachable


@given(PATTERNS, ACTIONS)
@example("a*a", "a")
@example("*a*a", "a")
@example("a**", "a")
@example("", "")
@example("*", "")
@example("a*b*a", "aba")
def test_the_matcher_agrees_with_the_table(pattern: str, action: str) -> None:
    assert matches(pattern, action) is oracle(pattern, action)


@given(PATTERNS, PATTERNS, ACTIONS)
def test_what_covers_a_pattern_matches_all_that_it_matches(wide: str, narrow: str, action: str) -> None:
    if matches(wide, narrow) and matches(narrow, action):
        assert matches(wide, action)


@given(st.data())
def test_a_pattern_matches_what_its_stars_are_filled_with(data: st.DataObject) -> None:
    pattern = data.draw(PATTERNS)
    filled = "".join(data.draw(ACTIONS) if sign == "*" else sign for sign in pattern)
    assert matches(pattern.swapcase(), filled)


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        ("*", "microsoft.cognitiveservices/*"),
        ("*/read", "microsoft.cognitiveservices/*/read"),
        ("Microsoft.*", "microsoft.cognitiveservices/*"),
        ("Microsoft.CognitiveServices/*", "microsoft.cognitiveservices/*"),
        ("Microsoft.CognitiveServices/accounts/read", "microsoft.cognitiveservices/accounts/read"),
        ("Microsoft.Cognitive", ""),
        ("Microsoft.Insights/*", ""),
    ],
)
def test_a_pattern_is_narrowed_to_the_service(pattern: str, part: str) -> None:
    assert narrowed(pattern) == part


@pytest.mark.parametrize(
    ("block", "found"),
    [
        (Permission(actions=("*",)), ["*"]),
        (Permission(actions=("*",), not_actions=("Microsoft.CognitiveServices/*",)), []),
        (Permission(actions=("*",), not_actions=("Microsoft.CognitiveServices/accounts/*",)), ["*"]),
        (Permission(actions=("*/read",)), []),
        (Permission(actions=("Microsoft.CognitiveServices/*/READ",)), []),
        (Permission(data_actions=("*/read",)), ["*/read"]),
        (Permission(actions=("Microsoft.CognitiveServices/accounts/write",)), []),
        (Permission(actions=("Microsoft.Storage/*",)), []),
    ],
)
def test_reckless_wildcards(block: Permission, found: list[str]) -> None:
    assert reckless([block]) == found


def test_what_the_reference_withholds_is_excess() -> None:
    reference = [Permission(data_actions=("microsoft.cognitiveservices/a/*/read",), not_data_actions=("microsoft.cognitiveservices/a/s/read",))]  # fmt: skip
    same = [Permission(data_actions=("microsoft.cognitiveservices/a/*/read",))]
    assert excess(reference, reference) == []
    assert excess(same, reference) == [("microsoft.cognitiveservices/a/s/read", True)]
