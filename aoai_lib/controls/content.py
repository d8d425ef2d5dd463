"""Content safety of a deployment: which of its guardrails block, which only annotate, which are off.

The chain is deployment → the policy it names → that policy's filters. A policy that no deployment names protects nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aoai_lib.controls import Break, Verdict, breaking, control, fails, not_applicable, not_assessed, passes
from aoai_lib.facts import Facts
from aoai_lib.frameworks import ai_rmf, atlas, mcsb_ai, nist80053, owasp
from aoai_lib.guardrails.filters import (
    HARMS,
    INDIRECT_ATTACK,
    JAILBREAK,
    PROTECTED_CODE,
    PROTECTED_TEXT,
    Direction,
    Family,
    Place,
    applies,
    family_of,
)
from aoai_lib.guardrails.policies import Unresolved, guardrail_of, shortfall
from aoai_lib.model import ABSENT, Json, Kind, Severity

_FILTER_MAPS: Final = (
    mcsb_ai("AI-2"),
    nist80053("SI-10", "SI-4", "SC-5"),
    ai_rmf("MEASURE 2.6", "MEASURE 2.7", "MANAGE 2.4", "MANAGE 3.1"),
    owasp("LLM01", "LLM02", "LLM05", "LLM09"),
    atlas("T0051.000", "T0054", "M0020", "M0015"),
)
STRICT: Final = "rai_policies[properties/type=UserManaged]"
"""The policy that the hardened sample's deployments name: the only user-managed one."""

_LACKS: Final = {
    Family.SPEECH: "turns speech into text or text into speech, and the service has no content filter for such models",
    Family.EMBEDDINGS: "is an embedding model, which this filter does not look at",
    Family.IMAGES: "generates images, and the service has no such filter for image models",
    Family.TEXT: "has no such filter",
}

_ANNOTATES: Final = {"blocking": False, "action": "ANNOTATING"}


def _changed(filters: str, **fields: Json) -> Break:
    """A break of the strict policy: these fields of the filter that the condition selects; no fields take the filter away."""
    path = f"{STRICT}.properties.contentFilters[{filters}]"
    changes = {f"{path}.{field}": value for field, value in fields.items()}
    return breaking(changes or {path: ABSENT}, "CNT-08")


def lacks(facts: Facts, family: Family) -> Verdict:
    """The verdict where the deployment's model has no filter of the kind that a control asks for."""
    return not_applicable(f"The model “{facts.deployment.text('properties.model.name')}” {_LACKS[family]}.")


def _blocked(facts: Facts, places: Iterable[Place]) -> Verdict:
    """Whether the deployment's policy blocks in all of these places that its model has, at the required severity."""
    family = family_of(facts.deployment)
    wanted = [place for place in places if applies(family, *place)]
    if not wanted:
        return lacks(facts, family)
    guardrail = guardrail_of(facts)
    if isinstance(guardrail, Unresolved):
        return not_assessed(guardrail.why)
    threshold = facts.requirements.filter_threshold
    found = shortfall(guardrail, wanted, threshold)
    asked = f", with severity {threshold} required" if any(about.levelled for about, _ in wanted) else ""
    if found.weak:
        return fails(f"In the policy “{guardrail.name}”{asked}: {'; '.join(found.weak)}.")
    if found.unknown:
        return not_assessed(f"In the policy “{guardrail.name}”: {'; '.join(found.unknown)}.")
    names = ", ".join(about.label for about, _ in wanted)
    since = f" of severity {threshold} and above" if asked else ""
    return passes(f"The policy “{guardrail.name}” blocks what is recognised as {names}{since}.")


@control(
    "CNT-01",
    title="Harmful prompts are blocked at the required severity",
    severity=Severity.HIGH,
    subject=Kind.DEPLOYMENT,
    maps=_FILTER_MAPS,
    remediation="In the policy that the deployment names, set Hate, Sexual, Violence and Selfharm with source Prompt to enabled, "
    "blocking and the required severityThreshold (Low is the strictest), or name such a policy in the deployment's raiPolicyName.",
    breaks=(
        _changed("name=Hate", severityThreshold="High"),
        _changed("name=Violence", **_ANNOTATES),
        _changed("name=Violence", blocking=ABSENT, action=ABSENT),
        _changed("name=Sexual", enabled=False),
        _changed("name=Selfharm", action="ANNOTATING"),
        breaking(
            {
                f"{STRICT}.properties.basePolicyName": "Microsoft.Nil",
                f"{STRICT}.properties.contentFilters[name=Hate]": ABSENT,
            },
            "CNT-08",
        ),
        breaking(
            {"deployment.properties.raiPolicyName": "microsoft.nil"}, "CNT-02", "CNT-03", "CNT-04", "CNT-05", "CNT-07"
        ),
    ),
)
def harmful_prompts_blocked(facts: Facts) -> Verdict:
    """The four harm categories are what the service's filters are for, and each has a severity from which it blocks.

    A threshold is the lowest severity that is blocked: Low blocks most, High least. A filter that only annotates, is off
    or is not listed lets everything through. The deployment's own policy is judged, whatever others the account has.
    """
    return _blocked(facts, [(about, Direction.PROMPT) for about in HARMS])


@control(
    "CNT-02",
    title="Harmful completions are blocked at the required severity",
    severity=Severity.HIGH,
    subject=Kind.DEPLOYMENT,
    maps=_FILTER_MAPS,
    remediation="In the policy that the deployment names, set Hate, Sexual, Violence and Selfharm with source Completion to "
    "enabled, blocking and the required severityThreshold (Low is the strictest).",
    breaks=(
        _changed("source=Completion", severityThreshold="High"),
        _changed("source=Completion", **_ANNOTATES),
        _changed("source=Completion", enabled=False),
        breaking(
            {
                f"{STRICT}.properties.basePolicyName": ABSENT,
                f"{STRICT}.properties.contentFilters[source=Completion]": ABSENT,
            },
            "CNT-08",
        ),
    ),
)
def harmful_completions_blocked(facts: Facts) -> Verdict:
    """What a model answers can be harmful though the prompt was not. Judged as CNT-01, on the other side.

    Embedding models answer numbers, and speech models have no filter: not applicable.
    """
    return _blocked(facts, [(about, Direction.COMPLETION) for about in HARMS])


@control(
    "CNT-03",
    title="Jailbreak attempts are blocked",
    severity=Severity.HIGH,
    subject=Kind.DEPLOYMENT,
    maps=(
        mcsb_ai("AI-2"),
        nist80053("SI-10", "SI-4"),
        ai_rmf("MEASURE 2.7", "MANAGE 2.4"),
        owasp("LLM01"),
        atlas("T0051.000", "T0054", "M0020", "M0015"),
    ),
    remediation="List the filter Jailbreak (source Prompt) as enabled and blocking in the policy that the deployment names.",
    breaks=(
        _changed("name=Jailbreak", **_ANNOTATES),
        _changed("name=Jailbreak", enabled=False),
        breaking(
            {
                f"{STRICT}.properties.basePolicyName": "Microsoft.Default",
                f"{STRICT}.properties.contentFilters[name=Jailbreak]": ABSENT,
            },
            "CNT-08",
        ),
    ),
)
def jailbreaks_blocked(facts: Facts) -> Verdict:
    """A jailbreak talks a model out of its instructions; the filter sees the attempt before the model does.

    A policy on the base Microsoft.Default that does not list the filter has none. Where the base has it and the policy does
    not list it, whether it is inherited is not documented: not assessed until the policy lists it.
    """
    return _blocked(facts, [(JAILBREAK, Direction.PROMPT)])


@control(
    "CNT-04",
    title="Indirect attacks in documents are blocked",
    severity=Severity.HIGH,
    subject=Kind.DEPLOYMENT,
    maps=(
        mcsb_ai("AI-2"),
        nist80053("SI-10"),
        ai_rmf("MEASURE 2.7"),
        owasp("LLM01", "LLM08"),
        atlas("T0051.001", "T0070", "M0020", "M0015"),
    ),
    remediation="List the filter Indirect Attack (source Prompt) as enabled and blocking in the policy that the deployment names, "
    "and have the application mark the documents that it puts into prompts.",
    breaks=(
        _changed("name=Indirect Attack"),
        _changed("name=Indirect Attack", enabled=False),
        _changed("name=Indirect Attack", **_ANNOTATES),
    ),
)
def indirect_attacks_blocked(facts: Facts) -> Verdict:
    """Instructions hidden in a document, a mail or a web page reach the model with the user's rights.

    The filter is off in Microsoft's default policies, and looks only at text that the application marks as a document.
    Only chat messages can mark documents, so embedding and image models are not applicable.
    """
    return _blocked(facts, [(INDIRECT_ATTACK, Direction.PROMPT)])


@control(
    "CNT-05",
    title="Protected text and code are blocked in completions",
    severity=Severity.MEDIUM,
    subject=Kind.DEPLOYMENT,
    maps=(mcsb_ai("AI-2"), ai_rmf("MAP 4.2", "GOVERN 6.1"), owasp("LLM02"), atlas("T0057", "M0020")),
    remediation="List Protected Material Text and Protected Material Code (source Completion) as enabled and blocking in the policy "
    "that the deployment names, or approve the exception in `protected_material_exceptions`.",
    breaks=(
        _changed("name=Protected Material Text", **_ANNOTATES),
        _changed("name=Protected Material Code", enabled=False),
        _changed("name=Protected Material Code"),
    ),
)
def protected_material_blocked(facts: Facts) -> Verdict:
    """A model can repeat song texts, articles or licensed code; the Customer Copyright Commitment asks for these filters.

    Microsoft.DefaultV2 blocks protected text and only annotates protected code. Deployments may be excepted by name.
    """
    family = family_of(facts.deployment)
    exceptions = {name.lower() for name in facts.requirements.protected_material_exceptions}
    if family is Family.TEXT and facts.deployment.name.lower() in exceptions:
        return passes(f"Protected material need not be blocked on “{facts.deployment.name}”: an approved exception.")
    return _blocked(facts, [(PROTECTED_TEXT, Direction.COMPLETION), (PROTECTED_CODE, Direction.COMPLETION)])
