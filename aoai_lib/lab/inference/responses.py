"""The Responses API: a response object with ``content_filters``, or the events of its stream."""

import json
from typing import Any

from aoai_lib.lab import filters
from aoai_lib.lab.inference import refusals
from aoai_lib.lab.inference.call import Json
from aoai_lib.lab.inference.chat import pieces_of
from aoai_lib.lab.inference.model import cut, reply_to, tokens_in, tokens_in_messages
from aoai_lib.lab.inference.turn import Turn

# What a response repeats of its request, with the values that the service takes when the request says nothing.
ECHOED: Json = {
    "background": False,
    "frequency_penalty": 0.0,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": "medium", "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 0.98,
    "truncation": "disabled",
    "user": None,
}


def respond(turn: Turn) -> Json | list[bytes]:
    """Answer ``responses``: a body, or the events of a stream."""
    messages = _messages(turn)
    limit = turn.output_limit()
    turn.take_prompt(tokens_in_messages(filters.text_of(m.get("content")) for m in messages), "input")
    policy, prompt = turn.policy(), filters.prompt_of(messages)
    asked = turn.screen_prompt(policy, prompt)
    asked_length = sum(len(filters.text_of(m.get("content"))) for m in messages)
    if asked.blocked:
        raise refusals.prompt_filtered(turn.annotate(asked), [_content_filter(turn, asked, "prompt", asked_length)])
    text, reason = cut(reply_to(prompt.text or "\n".join(prompt.documents)), limit)
    turn.completion_tokens = tokens_in(text)
    said = turn.screen_completion(policy, text)
    reported = [
        _content_filter(turn, asked, "prompt", asked_length),
        _content_filter(turn, said, "completion", len(text)),
    ]
    late = policy.asynchronous and turn.streams
    outcome = "content_filter" if said.blocked else "max_output_tokens" if reason == "length" else ""
    response = _response(turn, "" if said.blocked and not late else text, outcome, reported)
    return _events(response, late=late) if turn.streams else response


def _messages(turn: Turn) -> list[Json]:
    asked = turn.require("input")
    items = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise refusals.invalid("Invalid value for 'input': expected a string or an array of items.", "input")
    instructions = turn.body.get("instructions")
    return ([{"role": "system", "content": instructions}] if instructions else []) + items


def _content_filter(turn: Turn, verdict: filters.Verdict, source: str, length: int) -> Json:
    return {
        "blocked": verdict.blocked,
        "content_filter_offsets": {"check_offset": 0, "end_offset": length, "start_offset": 0},
        "content_filter_raw": [],
        "content_filter_results": turn.annotate(verdict),
        "source_type": source,
    }


def _response(turn: Turn, text: str, outcome: str, reported: list[Json]) -> Json:
    status = "incomplete" if outcome else "completed"
    part = {"annotations": [], "logprobs": [], "text": text, "type": "output_text"}
    message = {"content": [part] if text else [], "id": f"msg_{turn.request_id.hex}", "role": "assistant"}
    message |= {"status": status, "type": "message"}
    echoed = {name: turn.body.get(name, default) for name, default in ECHOED.items()}
    return echoed | {
        "completed_at": None if outcome else turn.created,
        "content_filters": reported,
        "created_at": turn.created,
        "error": None,
        "id": f"resp_{turn.request_id.hex}",
        "incomplete_details": {"reason": outcome} if outcome else None,
        "model": turn.model.name,
        "object": "response",
        "output": [message],
        "service_tier": "default",
        "status": status,
        "usage": {
            "input_tokens": turn.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": turn.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": turn.prompt_tokens + turn.completion_tokens,
        },
    }


def _events(response: Json, *, late: bool) -> list[bytes]:
    """The stream of a response. With an asynchronous filter the verdict comes after the text, in the last event."""
    message = response["output"][0]
    begun = response | {"status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    begun |= {"completed_at": None, "content_filters": response["content_filters"][:1]}
    place: dict[str, Any] = {"item_id": message["id"], "output_index": 0}
    opened = message | {"content": [], "status": "in_progress"}
    steps: list[tuple[str, Json]] = [("response.created", {"response": begun})]
    steps.append(("response.in_progress", {"response": begun}))
    steps.append(("response.output_item.added", {"output_index": 0, "item": opened}))
    for part in message["content"]:
        inside = place | {"content_index": 0}
        steps.append(("response.content_part.added", inside | {"part": part | {"text": ""}}))
        pieces = [part["text"]] if late else pieces_of(part["text"])
        steps += [("response.output_text.delta", inside | {"delta": piece, "logprobs": []}) for piece in pieces]
        steps.append(("response.output_text.done", inside | {"text": part["text"], "logprobs": []}))
        steps.append(("response.content_part.done", inside | {"part": part}))
    steps.append(("response.output_item.done", {"output_index": 0, "item": message}))
    steps.append((f"response.{response['status']}", {"response": response}))
    return [_event(number, kind, data) for number, (kind, data) in enumerate(steps)]


def _event(number: int, kind: str, data: Json) -> bytes:
    told = json.dumps({"type": kind, "sequence_number": number} | data, separators=(",", ":"))
    return f"event: {kind}\ndata: {told}\n\n".encode()
