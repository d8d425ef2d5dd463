"""The three tenants against verdicts written by hand from the catalogue and the worlds, not from the program's output."""

from __future__ import annotations

from collections import Counter

import pytest

from aoai_lib.assess import judge
from aoai_lib.controls import catalogue
from aoai_lib.model import Snapshot, Status

SHOP, SEARCH, LEGACY = "aoai-brightcart-shop", "ais-brightcart-search", "aoai-brightcart-legacy"
ACCOUNTS = {SHOP, SEARCH, LEGACY}
DEPLOYMENTS = {"gpt-4o", "assistant", "voice", "images", "embed", "search-chat", "old-chat"}
SUBSCRIPTION = {"2e9a6b71-04cd-4f8e-a1b3-5c6d7e8f9003"}
ENDPOINT, PENDING, PARTNER = "pe-brightcart-search", "pe-brightcart-shop", "pe-analytics-partner"
NO_USE = {PENDING, LEGACY}
"""An endpoint that waits for approval carries no traffic, and the legacy account has none."""

# control: (fails, passes, not applicable, not assessed). Why a thing does not fail stands beside it.
EXPOSED: dict[str, tuple[set[str], set[str], set[str], set[str]]] = {
    "NET-01": (ACCOUNTS, set(), set(), set()),
    "NET-02": ({SHOP, LEGACY}, {SEARCH}, set(), set()),  # search: default action Deny
    "NET-03": ({SHOP, SEARCH}, {LEGACY}, set(), set()),  # legacy: no rule at all
    "NET-04": ({SHOP}, {SEARCH, LEGACY}, set(), set()),  # no bypass is set there
    "NET-05": ({SHOP, LEGACY}, {SEARCH}, set(), set()),  # search: approved
    "NET-06": ({SEARCH}, set(), {SHOP, LEGACY}, set()),  # nothing approved there
    "NET-07": ({ENDPOINT}, set(), NO_USE, {PARTNER}),  # the partner's subscription can't be read
    "NET-08": ({ENDPOINT}, set(), NO_USE, {PARTNER}),
    "NET-09": ({ENDPOINT}, set(), NO_USE, {PARTNER}),
    "NET-10": ({LEGACY}, {SHOP, SEARCH}, set(), set()),
    "NET-11": ({ENDPOINT}, set(), NO_USE, {PARTNER}),
    "NET-12": (set(), set(), {ENDPOINT} | NO_USE, {PARTNER}),  # its subnet applies no rules, so none is in the way
    "NET-13": ({ENDPOINT}, set(), NO_USE, {PARTNER}),
    "NET-14": (ACCOUNTS, set(), set(), set()),
    "NET-15": ({SEARCH}, set(), {SHOP, LEGACY}, set()),  # no perimeter there
    "NET-16": ({SHOP}, set(), {SEARCH, LEGACY}, set()),  # no rule for a subnet there
    "NET-17": ({SHOP, SEARCH}, set(), set(), {LEGACY}),  # legacy has no name of its own that could be tried
    "NET-18": ({SHOP, SEARCH}, set(), set(), {LEGACY}),
    "IAM-01": (ACCOUNTS, set(), set(), set()),
    "IAM-02": ({SHOP, SEARCH}, set(), set(), {LEGACY}),  # legacy has no name of its own that could be called
    "IAM-03": ({SEARCH}, set(), set(), {SHOP, LEGACY}),  # those two log no calls to a workspace
    "IAM-04": (ACCOUNTS, set(), set(), set()),
    "IAM-05": (ACCOUNTS, set(), set(), set()),
    "IAM-06": (ACCOUNTS, set(), set(), set()),
    "IAM-07": (ACCOUNTS, set(), set(), set()),
    "IAM-08": (ACCOUNTS, set(), set(), set()),
    "IAM-09": (ACCOUNTS, set(), set(), set()),
    "IAM-10": (SUBSCRIPTION, set(), set(), set()),
    "IAM-11": ({SHOP, LEGACY}, {SEARCH}, set(), set()),
    "IAM-12": (set(), ACCOUNTS, set(), set()),  # a built-in role: Microsoft keeps it right
    "IAM-13": (ACCOUNTS, set(), set(), set()),
    "IAM-14": (set(), {SHOP, SEARCH}, set(), {LEGACY}),  # its assessor is OpenAI User in the whole subscription
    "IAM-15": (SUBSCRIPTION, set(), set(), set()),  # refused calls of shop and legacy go nowhere
    "CNT-01": ({"gpt-4o", "images", "embed", "old-chat"}, {"search-chat"}, {"voice"}, {"assistant"}),
    "CNT-02": ({"gpt-4o", "images", "old-chat"}, {"search-chat"}, {"voice", "embed"}, {"assistant"}),
    "CNT-03": ({"gpt-4o", "images", "embed", "search-chat", "old-chat"}, set(), {"voice"}, {"assistant"}),
    "CNT-04": ({"gpt-4o", "search-chat", "old-chat"}, set(), {"voice", "images", "embed"}, {"assistant"}),
    "CNT-05": ({"gpt-4o", "search-chat", "old-chat"}, set(), {"voice", "images", "embed"}, {"assistant"}),
    "CNT-06": ({"gpt-4o", "images", "search-chat"}, {"old-chat"}, {"voice", "embed"}, {"assistant"}),
    "CNT-07": ({"gpt-4o", "images", "embed", "search-chat", "old-chat"}, set(), {"voice"}, {"assistant"}),
    "CNT-08": ({SHOP, SEARCH}, {LEGACY}, set(), set()),  # legacy has no policy of its own
    "CNT-09": ({"assistant"}, DEPLOYMENTS - {"assistant"}, set(), set()),
    "CNT-10": ({LEGACY}, {SHOP, SEARCH}, set(), set()),
    "CNT-11": (ACCOUNTS, set(), set(), set()),
    # assistant's policy is gone, so the service refuses every call of it; legacy's account has no name to be called by
    "CNT-12": (set(), {"gpt-4o", "images", "search-chat"}, {"voice", "embed"}, {"assistant", "old-chat"}),
    "CNT-13": (set(), set(), {"voice", "images", "embed"}, {"gpt-4o", "assistant", "search-chat", "old-chat"}),
    "CNT-14": (set(), {"gpt-4o", "images", "search-chat"}, {"voice", "embed"}, {"assistant", "old-chat"}),
    "CNT-15": ({"gpt-4o", "images"}, {"search-chat"}, {"voice"}, {"assistant", "embed", "old-chat"}),  # annotated only
    "CNT-16": (ACCOUNTS, set(), set(), set()),
    "MON-01": (ACCOUNTS, set(), set(), set()),
    "MON-02": (ACCOUNTS, set(), set(), set()),
    "MON-03": (ACCOUNTS, set(), set(), set()),
    "MON-04": ({"aoai-brightcart-shop", "aoai-brightcart-legacy"}, {"ais-brightcart-search"}, set(), set()),
    "MON-05": (SUBSCRIPTION, set(), set(), set()),
    "MON-06": (ACCOUNTS, set(), set(), set()),
    "MON-07": (ACCOUNTS, set(), set(), set()),
    "MON-08": (ACCOUNTS, set(), set(), set()),
    "MON-09": (ACCOUNTS, set(), set(), set()),
    "MON-10": (ACCOUNTS, set(), set(), set()),
    # only search has a setting that sends its request log to a workspace
    "MON-11": ({"aoai-brightcart-shop", "aoai-brightcart-legacy"}, {"ais-brightcart-search"}, set(), set()),
    "MON-12": ({"aoai-brightcart-shop", "aoai-brightcart-legacy"}, {"ais-brightcart-search"}, set(), set()),
    "MON-13": (SUBSCRIPTION, set(), set(), set()),
    "MON-14": ({"aoai-brightcart-shop", "aoai-brightcart-legacy"}, {"ais-brightcart-search"}, set(), set()),
    "GOV-01": (ACCOUNTS, set(), set(), set()),
    "GOV-02": (ACCOUNTS, set(), set(), set()),
    "GOV-03": (DEPLOYMENTS - {"assistant", "embed"}, {"assistant", "embed"}, set(), set()),  # offered into 2027
    "GOV-04": (DEPLOYMENTS, set(), set(), set()),
    "GOV-05": (
        DEPLOYMENTS - {"voice", "old-chat"},
        {"voice", "old-chat"},
        set(),
        set(),
    ),  # Standard stays in the region
    "GOV-06": ({"gpt-4o", "assistant", "embed", "search-chat"}, {"voice", "images", "old-chat"}, set(), set()),
    "GOV-07": (ACCOUNTS, set(), set(), set()),
    "GOV-08": (ACCOUNTS, set(), set(), set()),
    "GOV-09": (SUBSCRIPTION, set(), set(), set()),
    "GOV-10": (set(), ACCOUNTS, set(), set()),  # the kinds are known ones
}


def by_status(snapshot: Snapshot, control: str) -> tuple[set[str], ...]:
    (declared,) = [each for each in catalogue() if each.id == control]
    found = judge(snapshot, [declared])
    return tuple(
        {each.subject.name for each in found if each.status is status}
        for status in (Status.FAIL, Status.PASS, Status.NOT_APPLICABLE, Status.NOT_ASSESSED)
    )


def test_no_control_of_the_golden_was_dropped() -> None:
    assert set(EXPOSED) <= {each.id for each in catalogue()}


@pytest.mark.parametrize("control", sorted(EXPOSED))
def test_exposed(control: str, exposed: Snapshot) -> None:
    assert by_status(exposed, control) == EXPOSED[control]


def test_hardened_has_no_fail_and_nothing_unread(hardened: Snapshot) -> None:
    counted = Counter(each.status for each in judge(hardened))
    assert set(counted) == {Status.PASS, Status.NOT_APPLICABLE}
    passed = {each.control for each in judge(hardened) if each.status is Status.PASS}
    assert set(EXPOSED) - passed == {
        "NET-02",
        "NET-16",
    }  # public access is off, so there is no firewall and no rule to judge


def test_mixed_says_what_it_could_not_read(mixed: Snapshot) -> None:
    findings = judge(mixed)
    assert {each.status for each in findings} == set(Status)
    unread = [each for each in findings if each.status is Status.NOT_ASSESSED]
    denied = [each for each in unread if " answered 403" in each.reason]
    assert denied
    assert all("The reader needs Microsoft" in each.reason for each in denied), [each.reason for each in denied]
