"""What an answer proves about content filters: every documented form, look-alikes that are no blocks, and recorded answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenants import ROOT

from aoai_lib.evidence import speech
from aoai_lib.probe.answers import Proof, Verdict, judge

RECORDED = ROOT.parent / "shared" / "recorded" / "08_dataplane"
SAFE = {"filtered": False, "severity": "safe"}
CLEAN = {
    "hate": SAFE,
    "sexual": SAFE,
    "violence": SAFE,
    "self_harm": SAFE,
    "jailbreak": {"detected": False, "filtered": False},
}
HATE = {**CLEAN, "hate": {"filtered": True, "severity": "medium"}}
LIST_OBJECT = {**CLEAN, "custom_blocklists": {"filtered": True, "details": [{"id": "canary", "filtered": True}]}}
LIST_ARRAY = {**CLEAN, "custom_blocklists": [{"id": "canary", "filtered": True}]}


def kept(body: Any) -> Any:
    """A body as evidence keeps it: texts are digests."""
    return speech.kept_answer(json.dumps(body).encode(), None)


def streamed(*events: Any) -> Any:
    lines = "".join(f"data: {json.dumps(each)}\n\n" for each in events) + "data: [DONE]\n\n"
    return speech.kept_answer(lines.encode(), None)


def blocked_prompt(results: Any, inner: str = "innererror", name: str = "content_filter_result", **error: Any) -> Any:
    held = {"code": "ResponsibleAIPolicyViolation", name: results}
    said = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
    return {
        "error": {
            "message": said,
            "type": None,
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            inner: held,
            **error,
        }
    }


def answered(results: Any = CLEAN, prompt: Any = CLEAN, reason: str = "stop", text: str = "Paris.") -> Any:
    choice = {"finish_reason": reason, "index": 0, "message": {"role": "assistant", "content": text}}
    if results is not None:
        choice["content_filter_results"] = results
    body: dict[str, Any] = {"choices": [choice], "object": "chat.completion"}
    if prompt is not None:
        body["prompt_filter_results"] = [{"prompt_index": 0, "content_filter_results": prompt}]
    return body


def chunk(**choice: Any) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "finish_reason": None, **choice}]}


FIRST = {"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": CLEAN}]}

BLOCKS: dict[str, tuple[int, Any, tuple[str, str, str, tuple[str, ...]]]] = {
    "innererror, content_filter_result": (400, kept(blocked_prompt(HATE)), ("hate", "medium", "prompt", ())),
    "inner_error, content_filter_results": (
        400,
        kept(blocked_prompt(HATE, "inner_error", "content_filter_results")),
        ("hate", "medium", "prompt", ()),
    ),
    "mixed spellings": (
        400,
        kept(blocked_prompt(HATE, "innererror", "content_filter_results")),
        ("hate", "medium", "prompt", ()),
    ),
    "blocklist as object": (400, kept(blocked_prompt(LIST_OBJECT)), ("custom_blocklists", "", "prompt", ("canary",))),
    "blocklist as list": (400, kept(blocked_prompt(LIST_ARRAY)), ("custom_blocklists", "", "prompt", ("canary",))),
    "no detail": (400, kept({"error": {"code": "content_filter", "message": "filtered"}}), ("", "", "prompt", ())),
    "error not nested": (400, kept({"code": "content_filter", "message": "filtered"}), ("", "", "prompt", ())),
    "image": (
        400,
        kept({"error": {"code": "content_policy_violation", "inner_error": {"content_filter_results": HATE}}}),
        ("hate", "medium", "prompt", ()),
    ),
    "image, contentFilter": (400, kept({"error": {"code": "contentFilter", "message": "x"}}), ("", "", "prompt", ())),
    "image, moderation_blocked": (400, kept({"error": {"code": "moderation_blocked"}}), ("", "", "prompt", ())),
    "Responses API, error": (
        400,
        kept(
            {
                "error": {
                    "code": "content_filter",
                    "content_filters": [{"blocked": True, "source_type": "prompt", "content_filter_results": HATE}],
                }
            }
        ),
        ("hate", "medium", "prompt", ()),
    ),
    "completion": (200, kept(answered(HATE, reason="content_filter", text="")), ("hate", "medium", "completion", ())),
    "completion, blocklist": (
        200,
        kept(answered(LIST_OBJECT, reason="content_filter")),
        ("custom_blocklists", "", "completion", ("canary",)),
    ),
    "completion, streamed": (
        200,
        streamed(
            FIRST,
            chunk(delta={"content": ""}),
            chunk(delta={}, content_filter_results=HATE, finish_reason="content_filter"),
        ),
        ("hate", "medium", "completion", ()),
    ),
    "Responses API, incomplete": (
        200,
        kept(
            {
                "object": "response",
                "status": "incomplete",
                "incomplete_details": {"reason": "content_filter"},
                "content_filters": [{"blocked": True, "source_type": "completion", "content_filter_results": HATE}],
            }
        ),
        ("hate", "medium", "completion", ()),
    ),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_is_known_in_each_of_its_forms(name: str) -> None:
    status, body, (category, severity, stage, lists) = BLOCKS[name]
    proof = judge(status, body, category="hate")
    assert proof.verdict is Verdict.BLOCKED
    assert (proof.category, proof.severity, proof.stage, proof.blocklists) == (category, severity, stage, lists)
    assert bool(proof.why) is not bool(category)


def error(code: str, message: str) -> Any:
    return kept({"error": {"code": code, "message": message, "type": "invalid_request_error", "param": None}})


NO_BLOCKS: dict[str, tuple[int | None, Any]] = {
    "401": (401, error("PermissionDenied", "The principal lacks the required data action. content_filter")),
    "401, a key": (401, error("401", "Access denied due to invalid subscription key")),
    "403, network": (403, error("403", "Access denied due to Virtual Network/Firewall rules.")),
    "403, keys off": (403, error("AuthenticationTypeDisabled", "Key based authentication is disabled")),
    "404": (404, error("DeploymentNotFound", "content_filter")),
    "429": (429, error("429", "Requests have exceeded the rate limit; content_filter")),
    "500": (500, error("InternalServerError", "content_filter")),
    "502 as text": (502, {"length": 11, "sha256": "0" * 64}),
    "503": (503, None),
    "504": (504, error("GatewayTimeout", "content_filter")),
    "context length": (400, error("context_length_exceeded", "This model's maximum context length … content_filter")),
    "policy named by header": (
        400,
        error("InvalidContentFilterPolicy", "Your request contains invalid content filter policy."),
    ),
    "parameter": (400, error("unsupported_parameter", "Unsupported parameter: 'max_tokens'")),
    "message alone": (400, error("BadRequest", "content_filter ResponsibleAIPolicyViolation")),
    "code of a block with another status": (403, error("content_filter", "filtered")),
    "no code": (400, kept({"error": {"message": "content_filter"}})),
    "error as text": (400, kept({"error": "content_filter"})),
    "null": (400, None),
    "list": (400, ["content_filter"]),
    "no answer": (None, None),
}


@pytest.mark.parametrize("name", NO_BLOCKS)
def test_what_only_looks_like_a_block_is_none(name: str) -> None:
    status, body = NO_BLOCKS[name]
    proof = judge(status, body, "timeout", category="hate")
    assert proof.verdict is Verdict.INCONCLUSIVE and proof.why


def test_an_account_that_microsoft_blocked_is_said_so() -> None:
    message = (
        "Your resource has been temporarily blocked because we detected behavior that may violate our content policy."
    )
    assert judge(403, error("Forbidden", message)).verdict is Verdict.RESOURCE_BLOCKED


def test_an_answer_that_was_not_filtered_says_so_itself() -> None:
    for code in ("content_filter_error", 500):
        unfiltered = {"error": {"code": code, "message": "The contents are not filtered"}}
        for results, prompt in ((unfiltered, CLEAN), (CLEAN, unfiltered), (unfiltered, None)):
            proof = judge(200, kept(answered(results, prompt)), category="hate")
            assert proof.verdict is Verdict.FAIL_OPEN and "not filtered" in proof.why
    held = answered(None)
    held["choices"][0]["content_filter_result"] = {"error": {"code": "content_filter_error", "message": "x"}}
    assert judge(200, kept(held)).verdict is Verdict.FAIL_OPEN


@pytest.mark.parametrize(
    ("found", "severity"),
    [({"filtered": False, "severity": "low"}, "low"), ({"filtered": False, "detected": True}, "")],
)
def test_what_is_recognised_and_let_through_is_detected_only(found: Any, severity: str) -> None:
    proof = judge(200, kept(answered(CLEAN, {**CLEAN, "hate": found})), category="hate", stage="prompt")
    assert (proof.verdict, proof.category, proof.severity) == (Verdict.DETECTED_ONLY, "hate", severity)


def test_another_category_is_not_this_one() -> None:
    other = {**CLEAN, "violence": {"filtered": False, "severity": "high"}}
    assert judge(200, kept(answered(CLEAN, other)), category="hate", stage="prompt").verdict is Verdict.NOT_DETECTED
    assert judge(200, kept(answered(other, CLEAN)), category="violence", stage="prompt").verdict is Verdict.NOT_DETECTED
    assert judge(200, kept(answered(CLEAN, other)), category="violence").verdict is Verdict.DETECTED_ONLY
    proof = judge(400, kept(blocked_prompt(HATE)), category="violence")
    assert (proof.verdict, proof.category) == (Verdict.BLOCKED, "hate"), "blocked, and it is said by what"


def test_silence_is_not_taken_for_a_clean_answer() -> None:
    for body in (answered(None, None), answered({}, {}), answered(None, None, text="")):
        proof = judge(200, kept(body), category="hate", stage="prompt")
        assert proof.verdict is Verdict.INCONCLUSIVE and "no annotation" in proof.why


def test_a_refusal_of_the_model_is_no_filter() -> None:
    """Also where nothing but its words tell: they are known before they become a digest."""
    for text in ("I'm sorry, but I can't assist with that.", "I can\u2019t help with that."):
        assert judge(200, kept(answered(text=text)), category="hate").verdict is Verdict.REFUSED
    formal = answered(text="")
    formal["choices"][0]["message"] |= {"content": None, "refusal": "No."}
    assert judge(200, kept(formal), category="hate").verdict is Verdict.REFUSED
    assert (
        judge(200, kept(answered(HATE, reason="content_filter", text="I can't help with that."))).verdict
        is Verdict.BLOCKED
    )


def test_a_stream_that_shows_first_and_blocks_later_is_said_so() -> None:
    offsets = {"check_offset": 0, "start_offset": 0, "end_offset": 20}
    late = {
        "choices": [
            {
                "index": 0,
                "content_filter_offsets": offsets,
                "content_filter_results": HATE,
                "finish_reason": "content_filter",
            }
        ]
    }
    proof = judge(
        200, streamed(FIRST, chunk(delta={"content": "They are"}), chunk(delta={}, finish_reason="stop"), late)
    )
    assert (proof.verdict, proof.shown, proof.stage) == (Verdict.BLOCKED, True, "completion")
    at_once = streamed(FIRST, chunk(delta={}, content_filter_results=HATE, finish_reason="content_filter"))
    assert judge(200, at_once).shown is False


def test_a_stream_is_read_to_its_end_and_in_its_older_form() -> None:
    older = {"choices": [], "prompt_annotations": [{"prompt_index": 0, "content_filter_results": CLEAN}]}
    whole = streamed(
        older, chunk(delta={"content": "Oslo"}, content_filter_results=CLEAN), chunk(delta={}, finish_reason="stop")
    )
    proof = judge(200, whole, category="hate")
    assert proof.verdict is Verdict.NOT_DETECTED and proof.annotated == ("completion", "prompt")
    broken = judge(200, streamed(older, chunk(delta={"content": "Os"})))
    assert broken.verdict is Verdict.INCONCLUSIVE and "broke off" in broken.why


@pytest.mark.parametrize("code", ["server_error", "context_length_exceeded", 500, None])
def test_an_error_after_the_status_is_neither_a_block_nor_a_clean_answer(code: object) -> None:
    """Streams and the Responses API fail with 200; what the filters said before does not make an answer of it."""
    looked = [{"blocked": False, "source_type": "prompt", "content_filter_results": CLEAN}]
    failed = {"code": code, "message": "content_filter"}
    response = {"object": "response", "status": "failed", "error": failed, "content_filters": looked}
    for body in (kept(response), streamed(FIRST, chunk(delta={"content": "Os"}), {"error": failed})):
        proof = judge(200, body, category="hate")
        assert proof.verdict is Verdict.INCONCLUSIVE and "error" in proof.why and not proof.answered


def test_a_block_that_comes_as_an_error_within_a_stream_is_one() -> None:
    body = streamed(FIRST, chunk(delta={"content": "Os"}), blocked_prompt(HATE))
    proof = judge(200, body, category="hate")
    assert (proof.verdict, proof.category, proof.stage) == (Verdict.BLOCKED, "hate", "completion")


def test_pictures_carry_their_annotations_themselves() -> None:
    item = {
        "b64_json": "aGVsbG8=",
        "prompt_filter_results": CLEAN,
        "content_filter_results": {"hate": SAFE, "violence": SAFE},
    }
    proof = judge(200, kept({"created": 1, "data": [item]}), category="violence")
    assert proof.verdict is Verdict.NOT_DETECTED and proof.annotated == ("completion", "prompt")


def test_a_vector_tells_nothing_of_filters() -> None:
    body = kept({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}], "usage": {}})
    assert judge(200, body, category="violence").verdict is Verdict.INCONCLUSIVE


@given(
    status=st.integers(100, 599).filter(lambda each: each not in (200, 400)),
    code=st.sampled_from(["content_filter", "content_policy_violation", "moderation_blocked", "429", ""]),
    results=st.sampled_from([HATE, CLEAN, LIST_OBJECT, {}]),
)
def test_no_other_status_is_ever_a_block(status: int, code: str, results: Any) -> None:
    assert judge(status, kept(blocked_prompt(results, code=code))).verdict is not Verdict.BLOCKED


KEYS = ["choices", "error", "code", "innererror", "content_filter_results", "prompt_filter_results", "hate", "filtered"]
KEYS += [
    "severity",
    "detected",
    "finish_reason",
    "custom_blocklists",
    "details",
    "id",
    "data",
    "message",
    "delta",
    "status",
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["content_filter", "stop", "prompt"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(status=st.sampled_from([200, 400, 403, 500, None]), body=JSON)
def test_whatever_comes_there_is_a_verdict(status: int | None, body: Any) -> None:
    proof = judge(status, body, "reset", category="hate")
    assert isinstance(proof, Proof)
    if status in (None, 403, 500):
        assert proof.verdict in (Verdict.INCONCLUSIVE, Verdict.RESOURCE_BLOCKED)


# What each recorded answer shows, read off it by hand: those with text and annotations, and the rest.
EXPECTED = {
    "0641": Verdict.INCONCLUSIVE,  # 2023-07-01-preview: no annotation at all
    "0642": Verdict.INCONCLUSIVE,  # 401
    "0638": Verdict.INCONCLUSIVE,  # 404
    "0646": Verdict.INCONCLUSIVE,  # 201, a file
    "0656": Verdict.REFUSED,  # "I'm sorry, but I can't …", all safe
}


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded answers are not beside this checkout")
def test_recorded_answers_are_judged_as_they_are() -> None:
    judged = {}
    for path in sorted(RECORDED.iterdir()):
        if path.suffix == ".src" or "POST" not in path.name:
            continue
        status = int(path.name.partition("POST")[2][:3])
        number = path.name.partition(".")[0].rpartition("_")[2]
        judged[number] = judge(status, speech.kept_answer(path.read_bytes(), None)).verdict
    assert len(judged) > 25
    assert {number: verdict for number, verdict in judged.items() if verdict is not Verdict.NOT_DETECTED} == EXPECTED


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded answers are not beside this checkout")
def test_the_recorded_blocklist_and_late_stream_are_read() -> None:
    profane = (RECORDED / "chat_completion_200_custom_blocklists_profanity.json").read_bytes()
    proof = judge(200, speech.kept_answer(profane, None), category="custom_blocklists")
    assert proof.verdict is Verdict.NOT_DETECTED, "an empty list of blocklists says that none hit"
    late = (RECORDED / "sse_async_filter_semantic_kernel_testdata.sse.txt").read_bytes()
    assert judge(200, speech.kept_answer(late, None)).verdict is Verdict.NOT_DETECTED
