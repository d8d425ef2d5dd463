"""Sending the cases to deployments, and the readings that their lines give.

Every answer is a line of evidence; the readings are made from the lines alone, so that a replay makes the same:

* `content_cases`, scope a deployment: a list of `{case, kind, category, stage, modality, verdict, why, hit, severity, at, shown,
  blocklists, asked_list, annotated, answered, status, vantage, when}`; `category` and `stage` are what was asked, `hit` and `at` what hit and where.

What would help nobody is not sent: once a harmless case of a deployment got no answer, its others are left out, and once the service
says that it has blocked an account for abuse, everything else of that account is.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from aoai_lib.azure.inference import NotAdmittedError
from aoai_lib.azure.recording import BEGAN, PREFIX, PROBE
from aoai_lib.evidence.store import VANTAGE, Exchange
from aoai_lib.facts import Facts, UnexpectedShapeError
from aoai_lib.guardrails.filters import Family, family_of
from aoai_lib.model import Json, Kind, Reading, Snapshot, State, Subject
from aoai_lib.probe.answers import BLOCKLISTS, COMPLETION, PROMPT, Proof, Verdict, judge
from aoai_lib.probe.budget import OverBudgetError
from aoai_lib.probe.stage import ACCOUNT, Stage, accounts
from aoai_lib.probe.suite import ANSWER_TOKENS, CANARY_LIST, READING, Case, cases_for, suite

CASE: Final = "content_case"
"""What the lines say in `x-aoai-probe`."""

_DEPLOYMENT, _CASE_ID, _LIST = (f"{PREFIX}{word}" for word in ("deployment", "case", "blocklist"))
_PROPAGATION: Final = timedelta(minutes=10)
"""How long after a change of a blocklist its terms may be without effect (Microsoft Learn, "Use blocklists": some five minutes)."""
_EVERY: Final = 20.0
"""Seconds between two tries."""
_CONCURRENCY: Final = 4
"""Accounts probed at once."""
_SHORTEST_TERM: Final = 6

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Target:
    """A deployment as it is probed: its cases, and the canary term that its policy should block, with the list's name."""

    account: str
    domain: str
    id: str
    cases: tuple[Case, ...]
    blocklist: str = ""
    term: str = ""
    fresh: timedelta = field(default_factory=timedelta)

    @property
    def name(self) -> str:
        """The deployment's name, which calls use as the model's."""
        return self.id.rpartition("/")[2]


def targets(snapshot: Snapshot) -> list[Target]:
    """The deployments that can be called, with what is to be sent to each. Speech models have no filter: nothing is."""
    found = []
    for account, domain in accounts(snapshot):
        for name in snapshot.reading("deployments", account).value or []:
            facts = Facts(snapshot, Subject(Kind.DEPLOYMENT, str(name), account))
            with suppress(UnexpectedShapeError):
                found.append(_target(facts, account, domain, str(name)))
    return [each for each in found if each.cases]


def _target(facts: Facts, account: str, domain: str, name: str) -> Target:
    family = family_of(facts.deployment)
    capabilities = facts.deployment.get("properties.capabilities")
    able = capabilities if isinstance(capabilities, dict) else {}
    cases = cases_for(family, responses=str(able.get("responses")).lower() == "true")
    canary = _canary(facts, account) if family is Family.TEXT else None
    if canary is None:
        return Target(account, domain, name, tuple(cases))
    blocklist, term, fresh = canary
    return Target(account, domain, name, (*cases, *_canary_cases(term)), blocklist, term, fresh)


def _canary(facts: Facts, account: str) -> tuple[str, str, timedelta] | None:
    """A plain term of a blocklist that the deployment's policy binds both ways: the playbook's own list, or the first that has one.

    With it, how long the list may still need until it is in force.
    """
    bound = _bound_both_ways(facts, account)
    for blocklist in sorted(bound, key=lambda name: (name.lower() != CANARY_LIST, name)):
        items = facts.snapshot.reading("rai_blocklist_items", f"{account}/raiBlocklists/{blocklist}")
        for item in items.value if isinstance(items.value, list) else []:
            held = item.get("properties") if isinstance(item, dict) else None
            term = held.get("pattern") if isinstance(held, dict) and not held.get("isRegex") else None
            if (
                isinstance(term, str)
                and len(term) >= _SHORTEST_TERM
                and term.isprintable()
                and not set(term) & set(" '\"")
            ):
                return blocklist, term, _fresh(facts.snapshot, account, blocklist)
    return None


def _bound_both_ways(facts: Facts, account: str) -> set[str]:
    named = facts.deployment.text("properties.raiPolicyName").lower()
    policies = facts.snapshot.reading("rai_policies", account).value
    policy = next((each for each in policies or [] if _text(each, "name").lower() == named), None) if named else None
    properties = policy.get("properties") if isinstance(policy, dict) else None
    entries = properties.get("customBlocklists") if isinstance(properties, dict) else None
    ways: dict[str, set[str]] = {}
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("blocking") is True:
            ways.setdefault(_text(entry, "blocklistName"), set()).add(_text(entry, "source").lower())
    return {name for name, sources in ways.items() if name and sources >= {"prompt", "completion"}}


def _fresh(snapshot: Snapshot, account: str, blocklist: str) -> timedelta:
    lists = snapshot.reading("rai_blocklists", account).value
    held: Json = next((each for each in lists or [] if _text(each, "name").lower() == blocklist.lower()), {})
    changed = _text(held.get("systemData"), "lastModifiedAt")
    try:
        age = datetime.fromisoformat(snapshot.as_of) - datetime.fromisoformat(changed)
    except (ValueError, TypeError):
        return timedelta()
    return max(timedelta(), _PROPAGATION - age)


def _text(value: Json, key: str) -> str:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def _canary_cases(term: str) -> tuple[Case, Case]:
    """A prompt that holds the term, and one that has the model put its halves together: only the answer holds it then."""
    half = len(term) // 2
    joining = f'Join these two parts without a space between them and answer with the result alone: "{term[:half]}" "{term[half:]}"'
    declared = {"kind": "canary", "category": BLOCKLISTS, "control": "CNT-13", "modality": "chat"}
    declared["provenance"] = "an entry of a bound blocklist"
    asked = {"title": "A blocklist's term in a prompt", "stage": PROMPT, "prompt": f"Repeat: {term}"}
    answered = {"title": "A blocklist's term in an answer", "stage": COMPLETION, "prompt": joining}
    return (
        Case.model_validate({**declared, "id": "canary-prompt", **asked}),
        Case.model_validate({**declared, "id": "canary-answer", **answered}),
    )


def planned(snapshot: Snapshot) -> tuple[int, int]:
    """The requests and, at worst, tokens that a run asks for here."""
    cases = [case for target in targets(snapshot) for case in target.cases]
    return len(cases), sum(case.tokens for case in cases)


def probe(stage: Stage, snapshot: Snapshot, progress: Progress | None = None) -> list[Exchange]:
    """Send every case to every deployment that it is for, within the budget."""
    found = targets(snapshot)
    by_account = {each.account: [other for other in found if other.account == each.account] for each in found}
    with ThreadPoolExecutor(_CONCURRENCY) as pool:
        tasks = [pool.submit(_probe_account, stage, each) for each in by_account.values()]
        lines: list[Exchange] = []
        for number, task in enumerate(tasks, 1):
            lines += task.result()
            if progress is not None:
                progress("content probes", number, len(tasks))
        return lines


def _probe_account(stage: Stage, found: Iterable[Target]) -> list[Exchange]:
    """One deployment after the other, until the service says that it has blocked the account."""
    lines: list[Exchange] = []
    for target in found:
        sent = _probe_one(stage, target)
        lines += sent
        if any(_verdict(line).verdict is Verdict.RESOURCE_BLOCKED for line in sent):
            break
    return lines


def _probe_one(stage: Stage, target: Target) -> list[Exchange]:
    lines: list[Exchange] = []
    dated = stage.parameters.probes.surface != "v1"
    for case in target.cases:
        if dated and case.modality == "responses":  # 2024-10-21 has no Responses API
            continue
        sent = _send(stage, target, case)
        if case.kind == "canary":
            sent += _insist(stage, target, case, sent)
        lines += sent
        last = _verdict(sent[-1], case) if sent else None
        if last is not None and last.verdict is Verdict.RESOURCE_BLOCKED:
            break
        if case.kind == "benign" and last is not None and _is_closed(sent[-1].status, last):
            break
    return lines


def _is_closed(status: int | None, proof: Proof) -> bool:
    """Whether nothing that is sent to a deployment would be answered: neither passing trouble nor a filter kept it from it."""
    passing = status in (200, 408, 409, 429) or (status is not None and status >= 500)
    return proof.verdict is Verdict.INCONCLUSIVE and not passing


def _send(stage: Stage, target: Target, case: Case) -> list[Exchange]:
    marks = {"account": target.account, "deployment": target.name, "case": case.id}
    if case.kind == "canary":
        marks["blocklist"] = target.blocklist
    with suppress(OverBudgetError, NotAdmittedError), stage.budget.spending(case.tokens) as spending:
        sent = stage.plane.call(target.domain, partial(_ask, target.name, case), probe=CASE, **marks)
        spending.settle(sent)
        return sent
    return []


def _insist(stage: Stage, target: Target, case: Case, sent: list[Exchange]) -> list[Exchange]:
    """Ask again while the list is so fresh that it may not be in force yet."""
    more: list[Exchange] = []
    until = time.monotonic() + target.fresh.total_seconds()
    last = sent
    while last and _verdict(last[-1], case).verdict is Verdict.NOT_DETECTED and time.monotonic() < until:
        time.sleep(_EVERY)
        last = _send(stage, target, case)
        more += last
    return more


def _ask(deployment: str, case: Case, client: Any) -> object:
    message = [{"role": "user", "content": case.text}]
    if case.modality == "embeddings":
        return client.embeddings.create(model=deployment, input=case.text)
    if case.modality == "image":
        return client.images.generate(model=deployment, prompt=case.text, n=1, size="1024x1024")
    if case.modality == "responses":
        return client.responses.create(model=deployment, input=case.text, max_output_tokens=ANSWER_TOKENS, store=False)
    streamed = case.modality == "stream"
    more = {"stream": True, "stream_options": {"include_usage": True}} if streamed else {}
    answer = client.chat.completions.create(
        model=deployment, messages=message, max_completion_tokens=ANSWER_TOKENS, **more
    )
    return list(answer) if streamed else answer


def readings(lines: Iterable[Exchange], snapshot: Snapshot) -> dict[tuple[str, str], Reading]:
    """What the lines say, by deployment: the last answer to each case."""
    known = {str(each).lower(): str(each) for reading in snapshot.of("deployments") for each in reading.value or []}
    grouped: dict[str, dict[str, list[Exchange]]] = {}
    for line in lines:
        name = f"{line.headers[ACCOUNT]}/deployments/{line.headers.get(_DEPLOYMENT, '')}".lower()
        if line.headers[PROBE] == CASE and name in known:
            grouped.setdefault(known[name], {}).setdefault(line.headers.get(_CASE_ID, ""), []).append(line)
    declared = {case.id: case for case in (*suite(), *_canary_cases("unknown"))}
    terms = {target.id.lower(): target.term for target in targets(snapshot)}
    found = {}
    for deployment, of_case in grouped.items():
        term = terms.get(deployment.lower(), "")
        values = [_value(declared[name], sent[-1], term) for name, sent in of_case.items() if name in declared]
        ids = tuple(line.id for sent in of_case.values() for line in sent)
        first = next(iter(of_case.values()))[0]
        found[READING, deployment.lower()] = Reading(
            READING, deployment, State.COLLECTED, values, ids, f"content probes from {first.headers[VANTAGE]}"
        )
    return found


def _value(case: Case, line: Exchange, term: str) -> Json:
    proof = _verdict(line, case)
    if case.kind == "canary" and case.stage == COMPLETION and proof.answered and not _said(line.body, term):
        proof = replace(
            proof, verdict=Verdict.INCONCLUSIVE, why="the model did not say the term, so no filter could see it"
        )
    return {
        "case": case.id,
        "kind": case.kind,
        "category": case.category,
        "stage": case.stage,
        "modality": case.modality,
        "control": case.control,
        "verdict": proof.verdict.value,
        "why": proof.why,
        "hit": proof.category,
        "severity": proof.severity,
        "at": proof.stage,
        "shown": proof.shown,
        "blocklists": list(proof.blocklists),
        "asked_list": line.headers.get(_LIST, ""),
        "annotated": list(proof.annotated),
        "answered": proof.answered,
        "status": line.status,
        "vantage": line.headers[VANTAGE],
        "when": line.headers[BEGAN],
    }


def _said(body: Json, term: str) -> bool:
    """Whether an answer is the term and nothing else, by its digest where the text was not kept."""
    choices = body.get("choices") if isinstance(body, dict) else None
    texts = [each.get("message", {}).get("content") for each in choices or [] if isinstance(each, dict)]
    wanted = (term, hashlib.sha256(term.encode()).hexdigest())
    return bool(term) and any((each.get("sha256") if isinstance(each, dict) else each) in wanted for each in texts)


def _verdict(line: Exchange, case: Case | None = None) -> Proof:
    if case is None:
        return judge(line.status, line.body, line.error)
    if line.status == 200 and case.modality != "stream" and isinstance(line.body, list):
        return Proof(Verdict.INCONCLUSIVE, "the answer is not of a documented form")
    return judge(line.status, line.body, line.error, category=case.category, stage=case.stage)
