"""Content safety of an account: what callers could choose instead, and what Microsoft watches and stores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from aoai_lib.controls import Verdict, breaking, control, fails, not_applicable, not_assessed, passes
from aoai_lib.facts import Facts, NotCollectedError, UnexpectedShapeError, View
from aoai_lib.frameworks import ai_rmf, atlas, mcsb, mcsb_ai, nist80053, owasp
from aoai_lib.guardrails.filters import (
    HARMS,
    INDIRECT_ATTACK,
    JAILBREAK,
    PROTECTED_CODE,
    PROTECTED_TEXT,
    Direction,
    Place,
)
from aoai_lib.guardrails.policies import Guardrail, shortfall
from aoai_lib.model import ABSENT, Kind, Severity

REQUIRED: Final[tuple[Place, ...]] = (
    *((about, direction) for direction in Direction for about in HARMS),
    (JAILBREAK, Direction.PROMPT),
    (INDIRECT_ATTACK, Direction.PROMPT),
)
"""Where every policy must block."""
PROTECTED: Final[tuple[Place, ...]] = (
    (PROTECTED_TEXT, Direction.COMPLETION),
    (PROTECTED_CODE, Direction.COMPLETION),
)
"""Where it must too, unless its deployments are excepted."""


@control(
    "CNT-08",
    title="No content-filter policy of the account is weaker than required",
    severity=Severity.HIGH,
    subject=Kind.ACCOUNT,
    maps=(
        mcsb_ai("AI-2"),
        nist80053("SI-10", "CM-6"),
        ai_rmf("MEASURE 2.6", "MEASURE 2.7"),
        owasp("LLM01", "LLM02"),
        atlas("T0054", "M0020"),
    ),
    remediation="Delete user-managed raiPolicies that nobody needs, make the others as strict as required, and let a gateway remove "
    "the header x-policy-id from requests.",
    breaks=(
        {
            "rai_policies[+]": {
                "name": "for-tests",
                "properties": {
                    "type": "UserManaged",
                    "basePolicyName": "Microsoft.DefaultV2",
                    "contentFilters": [
                        {
                            "name": "Hate",
                            "severityThreshold": "High",
                            "blocking": True,
                            "enabled": True,
                            "source": "Prompt",
                        }
                    ],
                },
            }
        },
        {"rai_policies[+]": {"name": "empty", "properties": {"type": "UserManaged", "contentFilters": []}}},
        breaking(
            {
                "requirements.filter_threshold": "Low",
                "rai_policies[0].properties.contentFilters[0].severityThreshold": "Medium",
            },
            "CNT-01",
        ),
    ),
)
def no_weaker_policy(facts: Facts) -> Verdict:
    """A caller can choose another policy of the account for a single request, by the header x-policy-id.

    So the weakest user-managed policy is the one that counts, whether or not a deployment names it. All that CNT-01 to CNT-07
    ask of a deployment's policy is asked of each; protected material not of policies that only excepted deployments name.
    Policies that Microsoft manages are on every account (Microsoft.Nil among them) and don't count against it.
    """
    weak: list[str] = []
    unknown: list[str] = []
    own: list[str] = []
    try:
        for policy in facts.of_account("rai_policies").each():
            try:
                guardrail = Guardrail(facts, policy)
                if not guardrail.system_managed:
                    lacking, unsure = _lacking(facts, guardrail)
                    weak += [f"“{guardrail.name}” ({'; '.join(lacking)})"] if lacking else []
                    unknown += [f"“{guardrail.name}” ({'; '.join(unsure)})"] if unsure else []
                    own.append(f"“{guardrail.name}”")
            except UnexpectedShapeError as odd:
                unknown.append(f"one is not of the documented form ({odd})")
    except NotCollectedError:
        # One weak policy is enough to conclude, however many more the list may have.
        if not weak:
            raise
    if weak:
        return fails(f"Any caller can choose a weaker policy by the header “x-policy-id”: {', '.join(weak)}.")
    if unknown:
        return not_assessed(f"How strict these policies are can't be told: {', '.join(unknown)}.")
    if not own:
        return passes("The account has no policy of its own that a caller could choose.")
    return passes(f"No policy of the account is weaker than required: {', '.join(own)}.")


def _lacking(facts: Facts, guardrail: Guardrail) -> tuple[list[str], list[str]]:
    """Where a policy is weaker than required, and where that can't be known."""
    excepted = _only_excepted_name(facts, guardrail.name)
    found = shortfall(guardrail, REQUIRED if excepted else (*REQUIRED, *PROTECTED), facts.requirements.filter_threshold)
    weak, unknown = list(found.weak), list(found.unknown)
    if guardrail.deferred is None:
        unknown.append(f"the mode “{guardrail.mode}” is not documented")
    elif guardrail.deferred:
        weak.append(f"text is shown before it is filtered (“{guardrail.mode}”)")
    required = facts.requirements.required_blocklists
    if required:
        bound = {(each.blocklist.lower(), each.direction) for each in guardrail.bindings() if each.blocking}
        weak += [
            f"the blocklist “{name}” does not block both ways"
            for name in required
            if any((name.lower(), direction) not in bound for direction in Direction)
        ]
    return weak, unknown


def _only_excepted_name(facts: Facts, policy: str) -> bool:
    """Whether deployments name a policy, and all that do are excepted from protected-material filtering."""
    exceptions = {name.lower() for name in facts.requirements.protected_material_exceptions}
    if not exceptions:
        return False
    users = [each for each in _deployments(facts) if each.text("properties.raiPolicyName").lower() == policy.lower()]
    return bool(users) and all(each.name.lower() in exceptions for each in users)


def _deployments(facts: Facts) -> Iterator[View]:
    ids: Iterable[View] = facts.of_account("deployments").each()
    return (facts.of("deployment", str(each.value)) for each in ids)


@control(
    "CNT-10",
    title="Abuse monitoring is on and no penalty is in force",
    severity=Severity.MEDIUM,
    subject=Kind.ACCOUNT,
    maps=(
        mcsb_ai("AI-6"),
        nist80053("SI-4"),
        ai_rmf("MANAGE 3.1", "MANAGE 4.1"),
        owasp("LLM10"),
        atlas("T0054", "M0015"),
    ),
    remediation="Find and stop the traffic that Microsoft penalises, then answer Microsoft's notification. Where modified abuse "
    "monitoring was approved, record the decision in `abuse_monitoring` and detect abuse yourself.",
    breaks=(
        {"account.properties.capabilities[+]": {"name": "ContentLogging", "value": "false"}},
        {"account.properties.capabilities[+]": {"name": "contentLogging", "value": False}},
        {"account.properties.abusePenalty": {"action": "Throttle", "rateLimitPercentage": 0.5}},
        {"account.properties.abusePenalty": {"action": "Block", "expiration": "2099-01-01T00:00:00Z"}},
    ),
)
def abuse_monitoring_on(facts: Facts) -> Verdict:
    """Microsoft watches for abuse and throttles or blocks accounts that show it; some customers were allowed to opt out.

    The capability ContentLogging with the value false says that storing and review of flagged content are off; otherwise it
    is not listed. `abusePenalty` is what Microsoft holds against the account now; one whose `expiration` has passed is over.
    """
    account = facts.account
    penalty = account.at("properties.abusePenalty")
    if penalty.present and not _is_over(penalty, facts.as_of):
        action = penalty.text("action", "unnamed")
        return fails(f"Microsoft holds a penalty for abuse against the account: “{action}”.")
    if not facts.requirements.abuse_monitoring:
        return passes("No penalty is in force, and abuse monitoring is not required.")
    if account.at("properties.capabilities").value in (None, ABSENT):
        account.get("properties.capabilities")
        return not_assessed(
            "The account's answer lists no capabilities, so whether abuse monitoring is on can't be told."
        )
    for capability in account.each("properties.capabilities"):
        name = capability.text("name").lower()
        if name == "contentlogging" and str(capability.get("value")).lower() == "false":
            return fails("Abuse monitoring is modified: content that is flagged is neither stored nor reviewed.")
    return passes("Abuse monitoring is on, and Microsoft holds no penalty against the account.")


def _is_over(penalty: View, as_of: str) -> bool:
    """Whether a penalty ended before the reading began. One without a readable end is in force."""
    try:
        ends = datetime.fromisoformat(penalty.text("expiration"))
        return ends.replace(tzinfo=ends.tzinfo or UTC) <= datetime.fromisoformat(as_of)
    except ValueError:
        return False


@control(
    "CNT-11",
    title="Defender for AI services is switched on for the account",
    severity=Severity.MEDIUM,
    subject=Kind.ACCOUNT,
    maps=(
        mcsb("LT-1"),
        mcsb_ai("AI-6"),
        nist80053("SI-4", "RA-5"),
        ai_rmf("MANAGE 4.1"),
        owasp("LLM01", "LLM10"),
        atlas("T0051", "T0054", "T0034"),
    ),
    remediation="Set defenderForAISettings/Default of the account to state Enabled. It takes effect with the subscription's plan for "
    "AI services: see MON-13.",
    breaks=(
        {"defender_for_ai.properties.state": "Disabled"},
        {"defender_for_ai.properties.state": ABSENT},
        {"defender_for_ai.properties": {}},
    ),
)
def defender_switched_on(facts: Facts) -> Verdict:
    """Defender for Cloud raises alerts on jailbreaks, stolen credentials and unusual use, per subscription and per account.

    This is the account's own switch. The subscription's plan is MON-13: both are needed.
    """
    state = facts.of_account("defender_for_ai").text("properties.state")
    if state.lower() == "enabled":
        return passes("Defender for AI services is switched on for the account.")
    return fails(f"Defender for AI services is not switched on for the account (“{state or 'no state'}”).")


@control(
    "CNT-16",
    title="Completions are not stored in the account",
    severity=Severity.LOW,
    subject=Kind.ACCOUNT,
    maps=(nist80053("SC-28"), ai_rmf("MEASURE 2.10"), owasp("LLM02"), atlas("M0012")),
    remediation="Set storedCompletionsDisabled to true on the account, or allow storing in `stored_completions_disabled`.",
    breaks=(
        {"account.properties.storedCompletionsDisabled": False},
        {"account.properties.storedCompletionsDisabled": ABSENT},
        {"account.properties.storedCompletionsDisabled": None},
    ),
)
def completions_not_stored(facts: Facts) -> Verdict:
    """A caller that asks for it (`store: true`) leaves prompts and completions in the account, for distillation and evaluation.

    Only `storedCompletionsDisabled: true` prevents that; absent or null, callers decide.
    """
    disabled = facts.account.flag("properties.storedCompletionsDisabled")
    if disabled:
        return passes("Completions can't be stored in the account.")
    if not facts.requirements.stored_completions_disabled:
        return not_applicable("Storing of completions is allowed here.")
    return fails("Callers can have prompts and completions stored in the account.")
