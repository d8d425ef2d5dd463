"""How content filters are mended: a policy written whole, with everything it held; a deployment bound to it, and nothing else of it.

raiPolicies of Microsoft.CognitiveServices 2026-05-01: PUT replaces a policy, so what is there is read by that version, kept, and
laid under what is required. Deployments, blocklists and Defender's switch by 2025-09-01; a deployment's PATCH takes only SKU and
tags there, so it is written whole as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from aoai_lib.collect.scope import POLICIES
from aoai_lib.controls.content_account import PROTECTED, REQUIRED
from aoai_lib.facts import Facts, View
from aoai_lib.guardrails.filters import PROFANITY, Direction, Family, Filter, family_of, folded
from aoai_lib.guardrails.policies import Guardrail, find_policy
from aoai_lib.harden.making import CannotPlanError, Site, mends
from aoai_lib.harden.plan import Check, Step
from aoai_lib.harden.remedies.network import ACCOUNTS
from aoai_lib.harden.wire import holds
from aoai_lib.model import Finding, Json
from aoai_lib.private_link import name_of
from aoai_lib.probe.suite import CANARY_LIST as CANARY

_PROVIDER: Final = "Microsoft.CognitiveServices/accounts"
_BASE: Final = "Microsoft.DefaultV2"
_POLICY_READ_ONLY: Final = ("properties.type",)
_DEPLOYMENT_READ_ONLY: Final = (
    "properties.capabilities",
    "properties.callRateLimit",
    "properties.rateLimits",
    "properties.dynamicThrottlingEnabled",
    "properties.model.callRateLimit",
)
_STRICTNESS: Final = {"low": 1, "medium": 2, "high": 3}


def canary_of(account: str) -> str:
    """The canary term of an account: always the same, so that a second plan finds it and a probe knows it."""
    return f"zq-canary-{uuid5(NAMESPACE_URL, account.lower())}"


@mends("CNT-09")
@mends("CNT-01", after=("CNT-09",))
@mends("CNT-02", after=("CNT-09",))
@mends("CNT-03", after=("CNT-09",))
@mends("CNT-04", after=("CNT-09",))
@mends("CNT-05", after=("CNT-09",))
@mends("CNT-06", after=("CNT-09",))
def filter_strictly(site: Site, finding: Finding) -> Iterator[Step]:
    """Strengthen the policy that the deployment names, where it is the account's own; else bind the deployment to one that is
    made for it. Microsoft's policies can't be changed."""
    yield from _guard(site, finding, site.facts(finding.subject))


@mends("CNT-07", after=("CNT-06",))
def bind_blocklists(site: Site, finding: Finding) -> Iterator[Step]:
    """Bind what is required both ways, and say which lists nobody gave entries for."""
    facts = site.facts(finding.subject)
    there = _lists(site, facts)
    if there:
        yield from _guard(site, finding, facts)
    if missing := [each for each in facts.requirements.required_blocklists if each not in there]:
        named = ", ".join(f"“{each}”" for each in missing)
        raise CannotPlanError(f"{named} does not exist: name its entries in hardening.blocklists.")


@mends("CNT-13", unassessed=True)
def plant_canary(site: Site, finding: Finding) -> Iterator[Step]:
    """Where it is wished: a blocklist with a term of our own, bound both ways, that a probe can show to be blocked."""
    facts = site.facts(finding.subject)
    if not site.wishes.canary or family_of(facts.deployment) is not Family.TEXT:
        return
    named = facts.deployment.text("properties.raiPolicyName")
    found = find_policy(facts, named) if named else None
    if found is None or Guardrail(facts, found).system_managed:
        raise CannotPlanError(
            "The deployment names no policy of the account's own that could bind a canary: mend CNT-01 first."
        )
    yield from _blocklist(site, finding, facts, CANARY)
    path = f"{finding.subject.account}/raiPolicies/{found.name}"
    expected = site.expected(path, found.value)
    target = {"properties": deepcopy(_shown(expected)["properties"])}
    _bind(target["properties"].setdefault("customBlocklists", []), CANARY)
    if not holds(_shown(expected), target):
        yield site.put(
            finding,
            path,
            POLICIES,
            found.value,
            target,
            title=f"Bind the canary to the content-filter policy “{found.name}” of “{name_of(finding.subject.account)}”",
            effect="A term that means nothing is blocked both ways. Nothing else of the policy changes.",
            permission=f"{_PROVIDER}/raiPolicies/write",
            read_only=_POLICY_READ_ONLY,
            unproven="That the term is blocked was not seen yet: an assessment with active probes sees it, minutes later.",
        )


def _guard(site: Site, finding: Finding, facts: Facts) -> Iterator[Step]:
    named = facts.deployment.text("properties.raiPolicyName")
    found = find_policy(facts, named) if named else None
    own = found is not None and not Guardrail(facts, found).system_managed
    lists = _lists(site, facts)
    yield from (step for name in lists for step in _blocklist(site, finding, facts, name))
    policy = found.name if found is not None and own else site.wishes.filter_policy
    yield from _write_policy(site, finding, facts, policy, lists)
    if not own:
        yield _binding(site, finding, facts, policy)


@mends("CNT-08", after=("CNT-01", "CNT-02", "CNT-03", "CNT-04", "CNT-05", "CNT-06", "CNT-07"))
def leave_none_weak(site: Site, finding: Finding) -> Iterator[Step]:
    """Any caller can choose any policy by header: those that deployments name are strengthened, the other weak ones go."""
    facts = site.facts(finding.subject)
    for policy in facts.of_account("rai_policies").each():
        guardrail = Guardrail(facts, policy)
        if guardrail.system_managed:
            continue
        target = _target(facts, policy, _lists(site, facts))
        if holds(_shown(policy.value), _shown(target)):
            continue
        if users(facts, policy.name):
            yield from _write_policy(site, finding, facts, policy.name, _lists(site, facts))
        else:
            yield _removal(site, finding, policy)


def _shown(policy: Json) -> Json:
    return {"properties": {key: value for key, value in policy["properties"].items() if key != "type"}}


def users(facts: Facts, policy: str) -> list[str]:
    """Names of the account's deployments that name a policy."""
    found = []
    for each in facts.of_account("deployments").each():
        deployment = facts.of("deployment", str(each.value))
        if deployment.text("properties.raiPolicyName").lower() == policy.lower():
            found.append(deployment.name)
    return found


def _lists(site: Site, facts: Facts) -> list[str]:
    """The blocklists that a policy must bind and that there are, or will be: those required, and the canary where it is wished."""
    wanted = [*facts.requirements.required_blocklists, *([CANARY] if site.wishes.canary else [])]
    return [each for each in wanted if _is_there(facts, each) or _terms(site, facts.subject.account, each)]


def _is_there(facts: Facts, blocklist: str) -> bool:
    return any(each.name.lower() == blocklist.lower() for each in facts.of_account("rai_blocklists").each())


def _terms(site: Site, account: str, blocklist: str) -> list[str]:
    """What a blocklist that is made holds: terms are never invented, but for the canary's."""
    return [canary_of(account)] if blocklist == CANARY else list(site.wishes.blocklists.get(blocklist, []))


def _write_policy(site: Site, finding: Finding, facts: Facts, name: str, lists: list[str]) -> Iterator[Step]:
    """Write a policy as it must be, whole; nothing where it already is or an earlier step makes it so."""
    account = finding.subject.account
    found = find_policy(facts, name)
    path = f"{account}/raiPolicies/{name}"
    expected = site.expected(path, found.value if found is not None else None)
    target = _target(facts, found, lists) if found is not None else _fresh(facts, lists)
    if expected is not None and holds(_shown(expected), _shown(target)):
        return
    named_by = ", ".join(f"“{each}”" for each in users(facts, name)) or "no deployment yet"
    yield site.put(
        finding,
        path,
        POLICIES,
        found.value if found is not None else None,
        target,
        title=f"{'Make' if found is None else 'Strengthen'} the content-filter policy “{name}” of “{name_of(account)}”",
        effect=f"It is named by {named_by}. What it recognises from severity {facts.requirements.filter_threshold} on is refused "
        "with 400 content_filter, where it was answered before. Other properties of it stay.",
        permission=f"{_PROVIDER}/raiPolicies/write",
        read_only=_POLICY_READ_ONLY,
    )


def _fresh(facts: Facts, lists: list[str]) -> Json:
    """A policy that lists every filter: whether one inherits what it does not list is not documented."""
    made = _strengthened(
        {"properties": {"basePolicyName": _BASE, "mode": "Default", "contentFilters": []}}, facts, lists
    )
    made["properties"]["contentFilters"].append(
        {"name": PROFANITY.name, "enabled": True, "blocking": False, "action": "ANNOTATING", "source": "Prompt"}
    )
    return made


def _target(facts: Facts, policy: View, lists: list[str]) -> Json:
    """A policy as it is, made as strict as required. Protected material is left where all deployments of it are excepted."""
    exceptions = {each.lower() for each in facts.requirements.protected_material_exceptions}
    named_by = {each.lower() for each in users(facts, policy.name)}
    return _strengthened(policy.value, facts, lists, protected=not (named_by and named_by <= exceptions))


def _strengthened(policy: Json, facts: Facts, lists: list[str], *, protected: bool = True) -> Json:
    properties: dict[str, Any] = {key: deepcopy(value) for key, value in policy["properties"].items() if key != "type"}
    filters = properties.setdefault("contentFilters", [])
    newest = not filters or any("action" in each for each in filters)
    for about, direction in (*REQUIRED, *(PROTECTED if protected else ())):
        _block(filters, about, direction, facts.requirements.filter_threshold, newest=newest)
    if folded(str(properties.get("mode") or "")) not in ("", "default", "blocking"):
        properties["mode"] = "Default"
    bound = properties.setdefault("customBlocklists", [])
    for name in lists:
        _bind(bound, name)
    if not bound:
        del properties["customBlocklists"]
    return {"properties": properties}


def _block(
    filters: list[dict[str, Json]], about: Filter, direction: Direction, threshold: str, *, newest: bool
) -> None:
    """Let a filter block in a direction, from the required severity or the stricter one that it has."""
    same = [each for each in filters if folded(str(each.get("name"))) == about.key and _looks(each, about, direction)]
    if not same:
        same = [{"name": about.name, "source": direction.value}]
        filters += same
    for entry in same:
        entry.update(enabled=True, blocking=True, source=direction.value)
        if newest:
            entry["action"] = "BLOCKING"
        if about.levelled:
            held = str(entry.get("severityThreshold") or entry.get("allowedContentLevel") or "")
            stricter = _STRICTNESS.get(held.lower(), 4) < _STRICTNESS[threshold.lower()]
            entry["severityThreshold"] = held.capitalize() if stricter else threshold


def _looks(entry: dict[str, Json], about: Filter, direction: Direction) -> bool:
    """Whether an entry is about a direction. One that does not say so is, where the filter has only one."""
    source = folded(str(entry.get("source") or ""))
    return source == folded(direction) or (not source and about.directions == (direction,))


def _bind(bound: list[dict[str, Json]], name: str) -> None:
    for direction in Direction:
        same = [
            each
            for each in bound
            if str(each.get("blocklistName")).lower() == name.lower()
            and folded(str(each.get("source"))) == folded(direction)
        ]
        if not same:
            same = [{"blocklistName": name, "source": direction.value}]
            bound += same
        for entry in same:
            entry["blocking"] = True


def _binding(site: Site, finding: Finding, facts: Facts, policy: str) -> Step:
    deployment = facts.deployment
    before = deployment.text("properties.raiPolicyName") or "none"
    about: dict[str, Json] = {}
    if before != "none" and find_policy(facts, before) is None:
        about = {"undo": None, "undo_note": f"No deployment can be bound to “{before}”, which does not exist."}
    return site.put(
        finding,
        finding.subject.id,
        ACCOUNTS,
        deployment.value,
        {"properties": {"raiPolicyName": policy}},
        title=f"Bind the deployment “{deployment.name}” to the policy “{policy}” instead of “{before}”",
        effect="Its calls are filtered by that policy from then on. Model, version, capacity and all else stay as they are.",
        permission=f"{_PROVIDER}/deployments/write",
        read_only=_DEPLOYMENT_READ_ONLY,
        **about,
    )


def _removal(site: Site, finding: Finding, policy: View) -> Step:
    account = finding.subject.account
    path = f"{account}/raiPolicies/{policy.name}"
    return site.delete(
        finding,
        path,
        POLICIES,
        policy.value,
        title=f"Delete the weak content-filter policy “{policy.name}” of “{name_of(account)}”",
        effect="No deployment names it. Whoever chose it by the header x-policy-id gets InvalidContentFilterPolicy.",
        permission=f"{_PROVIDER}/raiPolicies/delete",
        read_only=_POLICY_READ_ONLY,
        checks=(Check(name="policy-unnamed", about=path),),
    )


def _blocklist(site: Site, finding: Finding, facts: Facts, name: str) -> Iterator[Step]:
    """A blocklist that is not there, with its entries."""
    account = finding.subject.account
    if _is_there(facts, name):
        return
    path = f"{account}/raiBlocklists/{name}"
    common = {"permission": f"{_PROVIDER}/raiBlocklists/write"}
    yield site.put(
        finding,
        path,
        ACCOUNTS,
        None,
        {"properties": {"description": "Made by the Azure OpenAI hardening playbook."}},
        title=f"Make the blocklist “{name}” on “{name_of(account)}”",
        effect="A blocklist by itself blocks nothing: a policy has to bind it.",
        **common,
    )
    for term in _terms(site, account, name):
        item = f"item-{hashlib.sha256(term.encode()).hexdigest()[:12]}"
        yield site.put(
            finding,
            f"{path}/raiBlocklistItems/{item}",
            ACCOUNTS,
            None,
            {"properties": {"pattern": term, "isRegex": False}},
            title=f"Add a term to the blocklist “{name}” on “{name_of(account)}”",
            effect="Prompts and answers that hold it, in this very spelling, are blocked some five minutes later.",
            **common,
        )
