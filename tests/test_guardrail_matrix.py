"""The guardrail matrix: every deployment against every filter, with what is unknown shown as unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders import ACCOUNT, DEPLOYMENT, reading, snapshot
from guardrail_samples import changed, entry, found, guarded, harms, model, policy, strict

from aoai_lib.guardrails import Matrix, guardrail_matrix
from aoai_lib.guardrails.filters import PLACES, Effect, Setting, folded
from aoai_lib.guardrails.matrix import BoundBlocklist, Row
from aoai_lib.model import Snapshot, State


def only_row(sample: Snapshot) -> Row:
    (row,) = guardrail_matrix(sample, ACCOUNT).rows
    assert tuple((cell.filter, cell.direction) for cell in row.cells) == PLACES
    return row


def effects(row: Row) -> dict[str, str]:
    """`name direction` → effect and threshold."""
    return {
        f"{cell.filter.name} {cell.direction}": f"{cell.setting.effect} {cell.setting.threshold}".strip()
        for cell in row.cells
    }


def test_what_a_deployment_does() -> None:
    weaker = changed("Sexual", "Prompt", severityThreshold="High")
    weaker["properties"]["contentFilters"].append(entry("Profanity", "Prompt", blocking=False))
    row = only_row(guarded(weaker))
    assert (row.deployment, row.model, row.policy, row.note) == ("chat", "gpt-5", "strict", "")
    shown = effects(row)
    assert shown["Hate Prompt"] == "blocks Low"
    assert shown["Sexual Prompt"] == "blocks High"
    assert shown["Jailbreak Prompt"] == "blocks"
    assert shown["Profanity Prompt"] == "annotates"
    assert shown["Profanity Completion"] == "off"


def test_deferred_filtering_shows_on_completions_only() -> None:
    shown = effects(only_row(guarded(strict(mode="Deferred"))))
    assert shown["Hate Completion"] == "deferred Low"
    assert shown["Protected Material Text Completion"] == "deferred"
    assert shown["Hate Prompt"] == "blocks Low"


def test_a_mode_that_is_not_documented_leaves_completions_unknown() -> None:
    shown = effects(only_row(guarded(strict(mode="Sometimes"))))
    assert shown["Hate Completion"] == "unknown Low"
    assert shown["Hate Prompt"] == "blocks Low"


def test_what_may_be_inherited_is_unknown() -> None:
    row = only_row(guarded(strict(without=("Jailbreak", "Indirect Attack"))))
    shown = effects(row)
    assert shown["Jailbreak Prompt"] == "unknown"
    assert shown["Indirect Attack Prompt"] == "off"
    (jailbreak,) = [cell.setting for cell in row.cells if cell.filter.name == "Jailbreak"]
    assert "not documented" in jailbreak.words


@pytest.mark.parametrize(
    ("name", "missing"),
    [("text-embedding-3-large", 8), ("gpt-image-2", 4), ("whisper", 14), ("gpt-5", 0)],
)
def test_models_without_a_filter(name: str, missing: int) -> None:
    row = only_row(guarded(strict(), deployment=model(name)))
    assert [cell.setting.effect for cell in row.cells].count(Effect.NOT_APPLICABLE) == missing


@pytest.mark.parametrize(
    ("sample", "note"),
    [
        (guarded(strict(), deployment=model("gpt-5", "")), "names no content-filter policy"),
        (guarded(strict(), deployment=model("gpt-5", "gone")), "“gone”, which the account does not list"),
        (
            snapshot(reading("rai_policies", ACCOUNT, None, State.DENIED, reason="GET answered 403.")),
            "GET answered 403.",
        ),
        (guarded(policy("strict", [{"name": "Hate", "source": "Prompt", "enabled": "yes"}])), "documented form"),
        (guarded(policy("strict", [1])), "documented form"),
    ],
)
def test_a_row_that_cannot_be_told_says_why(sample: Snapshot, note: str) -> None:
    row = only_row(sample)
    assert note in row.note
    assert {cell.setting.effect for cell in row.cells} == {Effect.UNKNOWN}


def test_blocklists_are_counted() -> None:
    lists: list[dict[str, Any]] = [
        {"blocklistName": "canary", "blocking": True, "source": "Prompt"},
        {"blocklistName": "unread", "blocking": False, "source": "Completion"},
        {"blocklistName": "long", "blocking": True, "source": "Prompt"},
    ]
    held = reading("rai_blocklist_items", f"{ACCOUNT}/raiBlocklists/canary", [{"name": "a"}, {"name": "b"}])
    more = reading("rai_blocklist_items", f"{ACCOUNT}/raiBlocklists/long", [{"name": "a"}], State.PARTIAL)
    row = only_row(guarded(strict(customBlocklists=lists), readings=[held, more]))
    assert [(each.name, each.source, each.blocking, each.entries, each.at_least) for each in row.blocklists] == [
        ("canary", "Prompt", True, 2, False),
        ("unread", "Completion", False, None, False),
        ("long", "Prompt", True, 1, True),
    ]
    assert isinstance(row.blocklists[0], BoundBlocklist)


def test_deployments_that_could_not_be_listed_are_a_gap() -> None:
    sample = guarded(strict())
    key = ("deployments", ACCOUNT.lower())
    denied = reading("deployments", ACCOUNT, None, State.DENIED, reason="GET answered 403.")
    assert guardrail_matrix(replace(sample, readings={**sample.readings, key: denied}), ACCOUNT) == Matrix(
        ACCOUNT, (), "GET answered 403."
    )
    partial = reading("deployments", ACCOUNT, [DEPLOYMENT], State.PARTIAL)
    shown = guardrail_matrix(replace(sample, readings={**sample.readings, key: partial}), ACCOUNT)
    assert len(shown.rows) == 1
    assert "complete" in shown.gap


def test_settings_speak() -> None:
    assert Setting(Effect.BLOCKS, "Low").words == "is blocked from severity Low"
    assert Setting(Effect.BLOCKS).words == "is blocked"
    assert Setting(Effect.ANNOTATES).words == "is only annotated"
    assert Setting(Effect.OFF).words == "is off"
    assert Setting(Effect.NOT_APPLICABLE).words == "is not applicable"


def test_names_fold() -> None:
    assert {folded(name) for name in ("Indirect Attack", "indirect_attack", "IndirectAttack")} == {"indirectattack"}


def test_the_lab_shows_its_own_matrix(exposed: Snapshot) -> None:
    """The exposed tenant's policy `relaxed`, read off its world file."""
    rows = [row for each in exposed.of("account") for row in guardrail_matrix(exposed, each.scope).rows]
    (relaxed,) = [row for row in rows if row.deployment == "gpt-4o"]
    shown = effects(relaxed)
    assert (relaxed.policy, shown["Hate Prompt"], shown["Violence Prompt"], shown["Selfharm Prompt"]) == (
        "relaxed",
        "blocks High",
        "annotates",
        "off",
    )
    assert shown["Jailbreak Prompt"] == "off"


def test_a_weak_policy_is_not_hidden_by_a_strict_one() -> None:
    row = only_row(guarded(policy("weak", harms("High")), strict(), deployment=model("gpt-5", "weak")))
    assert effects(row)["Hate Prompt"] == "blocks High"


def test_bases_modes_and_what_agents_are_given() -> None:
    listed = strict(
        mode="Default", customBlocklists=[{"blocklistName": "x", "blocking": True, "source": "PreToolCall"}]
    )
    listed["properties"]["contentFilters"] += [
        entry("Indirect Attack", "PreToolCall", action="BLOCKING"),
        entry("indirect_attack_spotlighting", ""),
        entry("Task Adherence", "PostRun", action="ANNOTATING"),
        entry("Jailbreak", "Completion", blocking=False),
        entry("PII", "Prompt", "Low"),
    ]
    row = only_row(guarded(listed))
    assert (row.base, row.mode, row.note) == ("Microsoft.DefaultV2", "Default", "")
    assert [(each.name, each.source, each.setting.effect) for each in row.extras] == [
        ("Indirect Attack", "PreToolCall", Effect.BLOCKS),
        ("indirect_attack_spotlighting", "", Effect.BLOCKS),
        ("Task Adherence", "PostRun", Effect.UNKNOWN),
        ("Jailbreak", "Completion", Effect.ANNOTATES),
        ("PII", "Prompt", Effect.UNKNOWN),
    ]
    assert "no category known here" in row.extras[2].setting.words
    assert "only annotated" in row.extras[2].setting.words
    assert [each.source for each in row.blocklists] == ["PreToolCall"]
    assert effects(row)["Indirect Attack Prompt"] == "blocks"


def test_a_shield_for_tools_is_none_for_prompts() -> None:
    listed = strict(without=("Jailbreak",), basePolicyName="Microsoft.Default")
    listed["properties"]["contentFilters"].append(entry("Jailbreak", "PreToolCall"))
    sample = guarded(listed)
    assert effects(only_row(sample))["Jailbreak Prompt"] == "off"
    assert found(sample, "CNT-03").status == "fail"


def test_an_odd_blocklist_hides_no_filter() -> None:
    row = only_row(guarded(strict(customBlocklists={})))
    assert "documented form" in row.note
    assert effects(row)["Hate Prompt"] == "blocks Low"


def test_microsofts_policies_stand_on_no_other() -> None:
    row = only_row(guarded(deployment=model("gpt-5", "Microsoft.DefaultV2")))
    assert (row.base, row.extras) == ("", ())
