"""Cases sent to the lab's deployments: within the budget, nothing where probes are off, and no text left in what is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import hardening
import pytest
from hardening import own_lab, parameters
from reporting import run_of
from tenants import ROOT

from aoai_lib.assess import judge
from aoai_lib.azure.replay import Recording
from aoai_lib.bundle.verification import Outcome, verify
from aoai_lib.evidence import speech
from aoai_lib.evidence.store import Evidence, Exchange
from aoai_lib.fleet import Task, assess_tenant, environment
from aoai_lib.guardrails.filters import Family
from aoai_lib.lab.server import Lab
from aoai_lib.model import InputError, Snapshot, Status
from aoai_lib.parameters import Parameters, load
from aoai_lib.probe import content
from aoai_lib.probe.answers import judge as judged
from aoai_lib.probe.suite import CANARY_LIST, READING, Case, cases_for, shown, suite
from aoai_lib.probe.suite import load as load_cases
from aoai_lib.run import collect

CLEAN_LISTS = {"custom_blocklists": {"filtered": False, "details": []}}
OBSERVED = ("CNT-12", "CNT-13", "CNT-14", "CNT-15")


def probing(tenant: str, **probes: Any) -> Parameters:
    given = parameters(tenant)
    return given.model_copy(update={"active_probes": True, "probes": given.probes.model_copy(update=probes)})


def look(asked: Parameters, evidence: Evidence | None = None) -> Snapshot:
    return collect(asked, {"content"}, evidence or Evidence())


def verdicts(snapshot: Snapshot, deployment: str) -> dict[str, str]:
    return {value["case"]: value["verdict"] for name, value in shown(snapshot) if name.endswith(f"/{deployment}")}


def statuses(snapshot: Snapshot, control: str) -> dict[str, Status]:
    return {each.subject.name: each.status for each in judge(snapshot) if each.control == control}


def sent(lab: Lab) -> list[str]:
    return [each.path for each in lab.requests if "/openai/" in each.path and each.method == "POST"]


def test_nothing_is_sent_where_probes_are_off() -> None:
    with own_lab("hardened", "assessor") as lab:
        snapshot = look(parameters("hardened"))
        assert sent(lab) == []
    for control in OBSERVED:
        reasons = {
            each.reason for each in judge(snapshot) if each.control == control and each.status is Status.NOT_ASSESSED
        }
        assert reasons == {"No case was sent: active probes were off. Set `active_probes` to true in the parameters."}


def test_a_hardened_tenant_blocks_what_it_should(hardened: Snapshot) -> None:
    chat = verdicts(hardened, "chat")
    harmful = {case.id for case in suite() if case.control == "CNT-15" and case.modality in ("chat", "stream")}
    assert harmful and {chat[name] for name in harmful} == {"blocked"}
    assert {chat[name] for name in ("benign", "benign-stream", "benign-responses", "guide-tls")} == {"not_detected"}
    assert (chat["canary-prompt"], chat["canary-answer"]) == ("blocked", "blocked")


def test_the_budget_is_kept_to_and_what_it_left_out_is_said() -> None:
    with own_lab("hardened", "assessor") as lab:
        snapshot = look(probing("hardened", requests=5))
        assert len(sent(lab)) == 5
        counted = snapshot.reading("probes", "/").value
        assert counted["requests"] == 5 and counted["left_out"] > 20
    with own_lab("hardened", "assessor") as lab:
        snapshot = look(probing("hardened", tokens=300))
        used = snapshot.reading("probes", "/").value
        assert used["tokens"] <= 300 and used["left_out"] > 20
        assert 0 < len(sent(lab)) < 10
    open_ones = [each for each in judge(snapshot) if each.control == "CNT-15" and each.status is Status.NOT_ASSESSED]
    assert open_ones and all("budget was used up" in each.reason for each in open_ones)


def test_what_was_planned_bounds_what_was_sent() -> None:
    with own_lab("exposed", "assessor") as lab:
        snapshot = look(probing("exposed"))
        requests, tokens = content.planned(snapshot)
        counted = snapshot.reading("probes", "/").value
        assert len(sent(lab)) == counted["requests"] <= requests
        assert counted["tokens"] <= tokens and counted["left_out"] == 0


def test_an_account_that_microsoft_blocked_is_left_alone() -> None:
    with own_lab("hardened", "assessor") as lab:
        for account in lab.state("hardened").of_type("Microsoft.CognitiveServices/accounts"):
            account.properties["abusePenalty"] = {"action": "Block"}
        snapshot = look(probing("hardened"))
        assert len(sent(lab)) == 2, "one an account, and then no more"
    assert set(statuses(snapshot, "CNT-15").values()) <= {Status.NOT_ASSESSED, Status.NOT_APPLICABLE}


def test_filters_that_are_down_are_seen() -> None:
    with own_lab("hardened", "assessor") as lab:
        state = lab.state("hardened")
        state.memory.filter_outages.update(
            each.id.lower() for each in state.of_type("Microsoft.CognitiveServices/accounts")
        )
        snapshot = look(probing("hardened"))
    assert verdicts(snapshot, "chat")["benign"] == "fail_open"
    assert statuses(snapshot, "CNT-14")["chat"] is Status.FAIL
    assert statuses(snapshot, "CNT-15")["chat"] is Status.FAIL


def test_an_answer_that_broke_off_is_no_word_of_the_filters(hardened: Snapshot) -> None:
    events = [{"choices": [], "prompt_filter_results": [{"content_filter_results": {"hate": {"filtered": False}}}]}]
    cut = judged(200, events)
    assert (cut.verdict, cut.annotated, cut.answered) == ("inconclusive", ("prompt",), False)
    told = {"verdict": str(cut.verdict), "why": cut.why, "annotated": ["prompt"], "answered": False}
    readings = dict(hardened.readings)
    for reading in hardened.of(READING):
        cases: Any = reading.value
        half = [{**each, **told} if each["case"] == "benign-stream" else each for each in cases]
        readings[READING, reading.scope.lower()] = replace(reading, value=half)
    snapshot = replace(hardened, readings=readings)
    for control in ("CNT-12", "CNT-14"):
        assert statuses(hardened, control)["chat"] is Status.PASS
        assert statuses(snapshot, control)["chat"] is not Status.PASS
    assert statuses(snapshot, "CNT-14")["chat"] is Status.NOT_ASSESSED


def test_a_deployment_that_is_not_there_costs_one_call() -> None:
    with own_lab("hardened", "assessor") as lab:
        lab.faults.add("404::/openai/v1/")
        snapshot = look(probing("hardened"))
        assert len(sent(lab)) == len({name for name, _ in shown(snapshot)})
    assert Status.PASS not in statuses(snapshot, "CNT-12").values()


@pytest.mark.parametrize("fault", ["503", "badjson", "null", "429"])
def test_a_fault_is_never_a_block(fault: str) -> None:
    with own_lab("hardened", "assessor") as lab:
        lab.faults.add(f"{fault}::/openai/v1/")
        snapshot = look(probing("hardened", requests=6))
    assert set(verdicts(snapshot, "chat").values()) <= {"inconclusive"}
    for control in OBSERVED:
        assert set(statuses(snapshot, control).values()) <= {Status.NOT_ASSESSED, Status.NOT_APPLICABLE}


def test_a_replay_gives_the_same_readings(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    evidence = Evidence(path)
    with own_lab("hardened", "assessor"):
        asked = probing("hardened")
        first = look(asked, evidence)
    evidence.close()
    again = collect(asked, {"content"}, Evidence(), recording=Recording.load(path))
    cases = {key: value.value for key, value in first.readings.items() if key[0] == READING}
    assert cases and cases == {key: value.value for key, value in again.readings.items() if key[0] == READING}


def test_no_text_of_a_prompt_or_an_answer_is_left_in_a_run(tmp_path: Path) -> None:
    """The whole folder is searched for each prompt, for what the model said, and for the term of the blocklist."""
    with own_lab("hardened", "assessor") as lab:
        state = lab.state("hardened")
        terms = {
            each.properties["pattern"]
            for each in state.of_type("Microsoft.CognitiveServices/accounts/raiBlocklists/raiBlocklistItems")
        }
        outcome = assess_tenant(Task(probing("hardened"), tmp_path, ()), lambda *_: None)
    assert outcome.folder is not None and not outcome.problems
    written = b"\n".join(path.read_bytes() for path in outcome.folder.iterdir())
    said = [b"You wrote ", b"beginning with:"]
    texts = [case.prompt for case in suite()] + [case.document for case in suite() if case.document]
    for text in [*(each.encode() for each in texts), *said]:
        assert text not in written
        assert json.dumps(text.decode())[1:-1].encode() not in written
    assert {each.outcome for each in verify(outcome.folder)} <= {Outcome.GOOD, Outcome.NOTE}
    lines = [json.loads(line) for line in (outcome.folder / "requests.jsonl").read_text().splitlines()]
    probes = [each for each in lines if each["headers"].get("x-aoai-probe") == content.CASE]
    assert len(probes) > 30
    assert not [each for each in probes if any(term in json.dumps(each) for term in terms)]


def test_texts_are_kept_only_where_the_parameters_say_so(tmp_path: Path) -> None:
    evidence = Evidence()
    with own_lab("hardened", "assessor"):
        look(probing("hardened", text="full"), evidence)
    kept = json.dumps([line.body for line in evidence.exchanges])
    assert "beginning with:" in kept


@pytest.mark.parametrize("said", ["", "I joined them: ", None])
def test_an_answer_without_the_term_says_nothing_of_the_list(said: str | None, hardened: Snapshot) -> None:
    """A model that does not comply, or that ran out of tokens, leaves completions open; one that says the term fails them."""
    target = next(each for each in content.targets(hardened) if each.term)
    lines = []
    for case in target.cases[-2:]:
        text = target.term if said is None else said
        choice = {
            "finish_reason": "stop",
            "message": {"content": text},
            "content_filter_results": CLEAN_LISTS,
        }
        headers = {"x-aoai-probe": content.CASE, "x-aoai-account": target.account, "x-aoai-deployment": target.name}
        headers |= {"x-aoai-case": case.id, "x-aoai-vantage": "inside", "x-aoai-began": "2026-11-23T09:00:00.000Z"}
        headers["x-aoai-blocklist"] = target.blocklist
        body = speech.muted({"choices": [choice], "prompt_filter_results": [{"content_filter_results": CLEAN_LISTS}]})
        lines.append(
            Exchange(
                case.id,
                "2026-11-23T09:00:00.000Z",
                "POST",
                "https://a/openai/v1/chat/completions",
                200,
                1,
                headers,
                body,
            )
        )
    (reading,) = content.readings(lines, hardened).values()
    verdicts = {each["case"]: each["verdict"] for each in reading.value}
    assert verdicts["canary-answer"] == ("not_detected" if said is None else "inconclusive")
    assert verdicts["canary-prompt"] == "not_detected"


def test_the_list_that_was_made_for_it_is_preferred_and_patterns_are_not_tried(hardened: Snapshot) -> None:
    (account, _), *_ = content.accounts(hardened)
    policies = hardened.reading("rai_policies", account)
    own = next(each for each in policies.value if each["properties"].get("customBlocklists"))
    both = [{"blocklistName": CANARY_LIST, "blocking": True, "source": each} for each in ("Prompt", "Completion")]
    changed = {
        **own,
        "properties": {**own["properties"], "customBlocklists": [*own["properties"]["customBlocklists"], *both]},
    }

    def with_items(*items: dict[str, Any]) -> list[content.Target]:
        values = [changed if each is own else each for each in policies.value]
        scope = f"{account}/raiBlocklists/{CANARY_LIST}"
        held = replace(
            policies, source="rai_blocklist_items", scope=scope, value=[{"properties": each} for each in items]
        )
        readings = {
            **hardened.readings,
            ("rai_policies", account.lower()): replace(policies, value=values),
            ("rai_blocklist_items", scope.lower()): held,
        }
        return [
            each
            for each in content.targets(replace(hardened, readings=readings))
            if each.term and each.account == account
        ]

    (target,) = with_items({"pattern": "zq-canary-1", "isRegex": False})
    assert (target.blocklist, target.term) == (CANARY_LIST, "zq-canary-1")
    for useless in (
        {"pattern": "zq.*", "isRegex": True},
        {"pattern": "two words"},
        {"pattern": "abc"},
        {"pattern": 7},
        {},
    ):
        (target,) = with_items(useless)
        assert target.blocklist == "canary", useless


def test_every_family_has_its_cases_and_each_is_declared_whole() -> None:
    assert cases_for(Family.SPEECH, responses=True) == []
    for family in (Family.TEXT, Family.EMBEDDINGS, Family.IMAGES):
        kinds = {case.kind for case in cases_for(family, responses=True)}
        assert {"benign", "harm"} <= kinds
    text = {case.category for case in cases_for(Family.TEXT, responses=False) if case.control == "CNT-15"}
    assert text == {"hate", "sexual", "violence", "self_harm", "jailbreak", "indirect_attack"}
    assert len(cases_for(Family.TEXT, responses=True)) <= 16, "few: what is blocked is scored and billed"
    assert all(case.kind == "benign" for case in suite()[:5]), "what they show decides whether the others are sent"


def test_a_document_is_marked_as_the_service_wants_it() -> None:
    (case,) = (each for each in suite() if each.document)
    body = case.text.partition("<documents>\n")[2].partition("\n</documents>")[0]
    assert json.loads(f'"{body}"') == case.document and "\n" not in body
    assert case.text.startswith(case.prompt) and '"""\n<documents>\n' in case.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {id: x}", "case 0.id"),
        ("- {id: abc, title: T, kind: evil, modality: chat, prompt: P, provenance: mine}", "case 0.kind"),
        ("- {id: abc, title: T, kind: harm, modality: chat, prompt: P, provenance: mine, more: 1}", "case 0.more"),
        ("a: [", "can't be read"),
    ],
)
def test_a_wrong_case_is_refused_by_name(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "cases.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        load_cases(path)


def test_what_came_of_the_cases_is_drawn_and_told(exposed: Snapshot) -> None:
    run = run_of(exposed)
    pictures = run.cases().figures
    assert len(pictures) == 2, "one for each account that could be called"
    told = "\n".join(picture.text for picture in pictures)
    assert "harm violence: recognised and let through, violence medium, prompt" in told
    assert "jailbreak: declined by the model, by no filter" in told
    assert all("<title" in picture.svg for picture in pictures)
    table = run.cases_sent()
    assert len(table.rows) == len(list(shown(exposed)))
    row = next(each for each in table.rows if each[1] == "harm-violence" and str(each[0]).endswith("gpt-4o"))
    assert row[4:8] == ("detected only", "violence", "medium", "prompt")
    written = str(table.rows) + told
    assert not [case for case in suite() if case.prompt in written]


def test_where_nothing_was_sent_that_is_said(mixed: Snapshot) -> None:
    run = run_of(mixed)
    assert "No case was sent" in repr(run.cases()) and run.cases_sent().rows == []


def test_parameters_of_the_lab_keep_probes_off() -> None:
    for tenant in ("hardened", "exposed", "mixed"):
        assert load(ROOT / "parameters" / f"{tenant}.yaml").active_probes is False
    assert isinstance(suite()[0], Case)


def test_a_canary_that_was_just_planted_is_asked_until_it_is_in_force(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The lab's blocklist has no effect for the first seconds; the pause between two tries is shortened for the test alone."""
    monkeypatch.setattr(content, "_EVERY", 0.3)
    with own_lab("exposed") as lab:
        asked = parameters("exposed", canary=True)
        hardening.carry_out(asked, hardening.plan(asked, "CNT-13"), tmp_path)
        lab.state("exposed").memory.blocklist_delay = 3.0
        evidence = Evidence()
        with environment(lab.environment("exposed", "assessor")):
            snapshot = look(asked.model_copy(update={"active_probes": True}), evidence)
    tries = [line for line in evidence.exchanges if line.headers.get("x-aoai-case") == "canary-prompt"]
    assert len(tries) > 2 and tries[0].status == 200 and tries[-1].status == 400
    assert statuses(snapshot, "CNT-13")["search-chat"] is Status.PASS
