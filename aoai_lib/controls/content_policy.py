"""Content safety of a deployment's policy as a whole: that it exists, when it filters, which blocklists it binds."""

from __future__ import annotations

from collections.abc import Iterable

from aoai_lib.controls import Verdict, breaking, control, fails, not_applicable, not_assessed, passes
from aoai_lib.controls.content import STRICT, lacks
from aoai_lib.facts import Facts
from aoai_lib.frameworks import ai_rmf, atlas, mcsb_ai, nist80053, owasp
from aoai_lib.guardrails.filters import Direction, Family, family_of
from aoai_lib.guardrails.policies import NO_POLICY, Guardrail, Unresolved, find_policy, guardrail_of
from aoai_lib.model import Kind, Severity


@control(
    "CNT-06",
    title="Answers are filtered before they are shown",
    severity=Severity.MEDIUM,
    subject=Kind.DEPLOYMENT,
    maps=(mcsb_ai("AI-2"), nist80053("SI-10"), ai_rmf("MEASURE 2.6", "MANAGE 2.4"), owasp("LLM05"), atlas("M0020")),
    remediation="Set the mode of the policy that the deployment names to Default.",
    breaks=(
        breaking({f"{STRICT}.properties.mode": "Asynchronous_filter"}, "CNT-08"),
        breaking({f"{STRICT}.properties.mode": "Deferred"}, "CNT-08"),
    ),
)
def filtering_not_deferred(facts: Facts) -> Verdict:
    """Deferred (asynchronous) filtering streams text to the caller and looks at it afterwards.

    Harmful text is seen before it is withdrawn, and the Customer Copyright Commitment may not hold for it.
    """
    family = family_of(facts.deployment)
    if family in (Family.SPEECH, Family.EMBEDDINGS):
        return lacks(facts, family)
    guardrail = guardrail_of(facts)
    if isinstance(guardrail, Unresolved):
        return not_assessed(guardrail.why)
    if guardrail.deferred is None:
        return not_assessed(f"The policy “{guardrail.name}” has the mode “{guardrail.mode}”, which is not documented.")
    if guardrail.deferred:
        return fails(f"The policy “{guardrail.name}” shows streamed text before filtering it (“{guardrail.mode}”).")
    return passes(f"The policy “{guardrail.name}” filters text before it is shown.")


@control(
    "CNT-07",
    title="Required blocklists are bound and hold entries",
    severity=Severity.MEDIUM,
    subject=Kind.DEPLOYMENT,
    maps=(mcsb_ai("AI-2"), nist80053("SI-10"), ai_rmf("MEASURE 2.6", "MANAGE 2.4"), owasp("LLM02"), atlas("M0020")),
    remediation="Bind each required blocklist in customBlocklists of the deployment's policy twice, blocking, with source Prompt and "
    "with source Completion, and add entries with addRaiBlocklistItems.",
    breaks=(
        breaking({"requirements.required_blocklists": ["nobody-bound-this"]}, "CNT-08"),
        breaking(
            {
                "requirements.required_blocklists": ["canary"],
                f"{STRICT}.properties.customBlocklists[blocklistName=canary].blocking": False,
            },
            "CNT-08",
        ),
        breaking(
            {
                "requirements.required_blocklists": ["canary"],
                f"{STRICT}.properties.customBlocklists[source=Completion].source": "Prompt",
            },
            "CNT-08",
        ),
        {"requirements.required_blocklists": ["canary"], "rai_blocklist_items": []},
        {"requirements.required_blocklists": ["canary"], "rai_blocklists": []},
    ),
)
def required_blocklists_bound(facts: Facts) -> Verdict:
    """A blocklist stops what only this organisation must not say: code names, case numbers, a canary that proves filtering.

    It works only where the deployment's policy binds it, blocking, in both directions, and where it holds entries. Which
    lists are required is a requirement. Models whose answers are no text are asked for prompts only.
    """
    family = family_of(facts.deployment)
    if family is Family.SPEECH:
        return lacks(facts, family)
    required = facts.requirements.required_blocklists
    if not required:
        return not_applicable("No blocklist is required.")
    guardrail = guardrail_of(facts)
    if isinstance(guardrail, Unresolved):
        return not_assessed(guardrail.why)
    directions = tuple(Direction) if family is Family.TEXT else (Direction.PROMPT,)
    missing = [gap for name in required if (gap := _unbound(guardrail, name, directions) or _empty(facts, name))]
    if missing:
        return fails(f"In the policy “{guardrail.name}”: {'; '.join(missing)}.")
    return passes(f"The policy “{guardrail.name}” binds the required blocklists, which hold entries.")


def _unbound(guardrail: Guardrail, name: str, directions: Iterable[Direction]) -> str:
    """Where a policy does not bind a blocklist so that it blocks; "" where it does in all these directions."""
    bound = {
        each.direction for each in guardrail.bindings() if each.blocking and each.blocklist.lower() == name.lower()
    }
    open_ones = [f"{direction.lower()}s" for direction in directions if direction not in bound]
    return f"the blocklist “{name}” does not block {' and '.join(open_ones)}" if open_ones else ""


def _empty(facts: Facts, name: str) -> str:
    """Why a blocklist blocks nothing: it does not exist, or holds no entry; "" where it holds one."""
    lists = facts.of_account("rai_blocklists").each()
    if not any(each.name.lower() == name.lower() for each in lists):
        return f"the blocklist “{name}” does not exist"
    entries = facts.of("rai_blocklist_items", f"{facts.subject.account}/raiBlocklists/{name}")
    for entry in entries.each():
        entry.text("name")
        return ""
    return f"the blocklist “{name}” holds no entry"


@control(
    "CNT-09",
    title="The content-filter policy that the deployment names exists",
    severity=Severity.HIGH,
    subject=Kind.DEPLOYMENT,
    maps=(mcsb_ai("AI-2"), nist80053("CM-6"), ai_rmf("MANAGE 2.4"), owasp("LLM01"), atlas("M0020")),
    remediation="Set the deployment's raiPolicyName to a policy that the account lists, or create the missing policy.",
    breaks=({"deployment.properties.raiPolicyName": "deleted-long-ago"},),
)
def named_policy_exists(facts: Facts) -> Verdict:
    """A deployment that names a policy which is gone is filtered by something that nobody decided on.

    Microsoft's own policies count, as the account's list holds them. A deployment that names none uses the account's default
    policy, which Azure does not name: not assessed.
    """
    name = facts.deployment.text("properties.raiPolicyName")
    if not name:
        return not_assessed(NO_POLICY)
    policy = find_policy(facts, name)
    if policy is not None:
        return passes(f"The policy “{policy.name}” that the deployment names is listed by the account.")
    for listed in facts.of_account("rai_policies").each():
        listed.get("name")
    return fails(f"The deployment names the policy “{name}”, which the account does not list.")
