"""The data plane of an Azure OpenAI account: dated API and v1, filtered by the account's policies, answered by a model
that says nothing by chance.

`answer` takes an `InferenceCall` that was let in (network, authentication and RBAC are the door's business;
`data_action` says which data action a path needs) and gives an `InferenceAnswer` with the log rows of the call. It
never raises for what a caller did wrong: that is an answer too.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from aoai_lib.lab.inference import chat, media, refusals, responses, rows
from aoai_lib.lab.inference.call import Caller, InferenceAnswer, InferenceCall, Json, Memory, Resource, Tenant
from aoai_lib.lab.inference.model import catalogue
from aoai_lib.lab.inference.rows import list_key_row
from aoai_lib.lab.inference.turn import Route, Turn, data_action, route_of

__all__ = [
    "Caller",
    "InferenceAnswer",
    "InferenceCall",
    "Memory",
    "Resource",
    "Tenant",
    "answer",
    "data_action",
    "list_key_row",
]

HANDLERS: dict[str, Callable[[Turn], Any]] = {
    "chatCompletion": chat.complete_chat,
    "completion": chat.complete_text,
    "responses": responses.respond,
    "embeddings": media.embed,
    "imageGeneration": media.draw,
    "audioTranscription": media.hear,
    "audioTranslation": media.hear,
    "audioSpeech": media.speak,
    "models": media.list_models,
}
COMPLETIONS = ("chatCompletion", "completion")


def answer(call: InferenceCall) -> InferenceAnswer:
    """Answer one data-plane request."""
    route = route_of(call.method, call.path)
    if route is None:
        return _refused_answer(refusals.not_found(), {})
    turn = Turn(call, route)
    try:
        content = _handled(turn, route)
    except refusals.RefusedError as refused:
        if call.fault == "respelled":
            refused = refusals.respelled(refused, turn.model.name)
        result = _refused_answer(refused, turn.headers())
        size = len(result.body) if isinstance(result.body, bytes) else 0
        result.log, result.rejected = rows.rows_of(turn, result.status, size), tuple(turn.rejected)
        return result
    headers = turn.headers()
    if turn.deployment is not None:
        call.memory.spend(turn.deployment_id, turn.prompt_tokens + turn.completion_tokens)
        headers |= turn.quota_headers()
    if route.operation.name in COMPLETIONS:
        headers["x-ms-rai-invoked"] = "false" if turn.filter_is_down else "true"
    answered = _answered(turn, content, headers)
    answered.rejected = tuple(turn.rejected)
    return answered


def _handled(turn: Turn, route: Route) -> Any:
    if not route.v1 and turn.api_version not in catalogue()["api_versions"]:
        raise refusals.not_found()
    penalty = (turn.call.account.get("properties") or {}).get("abusePenalty") or {}
    if penalty.get("action") == "Block" or turn.call.fault == "suspended":
        raise refusals.temporarily_blocked()
    if route.operation.name in ("audioTranscription", "audioTranslation"):
        turn.body = media.form_of(turn.call.headers.get("content-type", ""), turn.call.body)
    elif route.operation.name != "models":
        turn.read_json()
    if route.operation.name != "models":
        turn.find_deployment(route.deployment or turn.body.get("model"))
    return HANDLERS[route.operation.name](turn)


def _answered(turn: Turn, content: Any, headers: dict[str, str]) -> InferenceAnswer:
    """An answer by the kind of its content: events, sound, text or JSON."""
    if isinstance(content, list):
        size = sum(map(len, content))
        stream: Iterator[bytes] = iter(content)
        headers["content-type"] = "text/event-stream; charset=utf-8"
        return InferenceAnswer(200, headers, stream, rows.rows_of(turn, 200, size))
    if isinstance(content, bytes):
        body, kind = content, "audio/wav"
    elif isinstance(content, str):
        body, kind = content.encode(), "text/plain; charset=utf-8"
    else:
        body, kind = _json(content), "application/json"
    return InferenceAnswer(200, headers | {"content-type": kind}, body, rows.rows_of(turn, 200, len(body)))


def _refused_answer(refused: refusals.RefusedError, headers: dict[str, str]) -> InferenceAnswer:
    sent = headers | {"content-type": "application/json"} | refused.headers
    return InferenceAnswer(refused.status, sent, _json(refused.body))


def _json(content: Json) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
