"""Chat completions and the older text completions, whole or as server-sent events."""

import json
import re
from collections.abc import Sequence

from aoai_lib.lab import filters
from aoai_lib.lab.inference import refusals
from aoai_lib.lab.inference.call import Json
from aoai_lib.lab.inference.model import cut, reply_to, tokens_in, tokens_in_messages
from aoai_lib.lab.inference.turn import Turn

NO_DETAILS = {
    "completion_tokens_details": {
        "accepted_prediction_tokens": 0,
        "audio_tokens": 0,
        "reasoning_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
    "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0},
}


def event(data: Json | str) -> bytes:
    """One server-sent event."""
    return f"data: {data if isinstance(data, str) else json.dumps(data, separators=(',', ':'))}\n\n".encode()


def pieces_of(text: str) -> list[str]:
    """A text in the pieces in which it is streamed: word by word."""
    return re.findall(r"\s*\S+|\s+$", text)


def complete_chat(turn: Turn) -> Json | list[bytes]:
    """Answer ``chat/completions``: a body, or the events of a stream."""
    messages = turn.require("messages")
    if not isinstance(messages, list) or not all(isinstance(m, dict) and "role" in m for m in messages):
        raise refusals.invalid("Invalid value for 'messages': expected an array of message objects.", "messages")
    limit = turn.output_limit()
    turn.take_prompt(tokens_in_messages(filters.text_of(m.get("content")) for m in messages), "messages")
    prompt = filters.prompt_of(messages)
    return _answer(turn, prompt, limit, chat=True)


def complete_text(turn: Turn) -> Json | list[bytes]:
    """Answer ``completions``: one prompt (of a list, the first counts)."""
    asked = turn.require("prompt")
    text = asked if isinstance(asked, str) else str(asked[0])
    limit = turn.output_limit() or 16
    turn.take_prompt(tokens_in(text), "prompt")
    return _answer(turn, filters.Prompt(text, tuple(filters.documents_in(text))), limit, chat=False)


def _answer(turn: Turn, prompt: filters.Prompt, limit: int | None, *, chat: bool) -> Json | list[bytes]:
    policy = turn.policy()
    asked = turn.screen_prompt(policy, prompt)
    if asked.blocked:
        raise refusals.prompt_filtered(turn.annotate(asked))
    text, reason = cut(reply_to(prompt.text or "\n".join(prompt.documents)), limit)
    turn.completion_tokens = tokens_in(text)
    said = turn.screen_completion(policy, text)
    if turn.streams:
        return _stream(turn, policy, prompt, asked, said, text, reason, chat=chat)
    if said.blocked:
        text, reason = "", "content_filter"
    count = max(1, int(turn.body.get("n") or 1))
    choices = [_choice(turn.annotate(said), text, reason, index, chat=chat) for index in range(count)]
    return _envelope(turn, "chat.completion" if chat else "text_completion", choices, chat=chat) | {
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": turn.annotate(asked)}],
        "usage": usage(turn),
    }


def _choice(results: Json, text: str, reason: str, index: int, *, chat: bool) -> Json:
    common = {"content_filter_results": results, "finish_reason": reason, "index": index, "logprobs": None}
    if not chat:
        return common | {"text": text}
    message: Json = {"annotations": [], "refusal": None, "role": "assistant"}
    return common | {"message": message | {"content": None if reason == "content_filter" else text}}


def _envelope(turn: Turn, kind: str, choices: Sequence[Json], *, chat: bool) -> Json:
    return {
        "choices": list(choices),
        "created": turn.created,
        "id": f"{'chatcmpl' if chat else 'cmpl'}-{turn.request_id.hex}",
        "model": turn.model_label,
        "object": kind,
        "system_fingerprint": None,
    }


def usage(turn: Turn) -> Json:
    """The tokens of a completion, as chat and text completions report them."""
    total = turn.prompt_tokens + turn.completion_tokens
    spent: Json = {"completion_tokens": turn.completion_tokens, "prompt_tokens": turn.prompt_tokens}
    return spent | {"total_tokens": total} | NO_DETAILS


def _stream(
    turn: Turn,
    policy: filters.Policy,
    prompt: filters.Prompt,
    asked: filters.Verdict,
    said: filters.Verdict,
    text: str,
    reason: str,
    *,
    chat: bool,
) -> list[bytes]:
    """The events of a completion.

    Buffered: nothing that is blocked is shown, the last chunk says content_filter. Asynchronous: all is shown first,
    and chunks with ``content_filter_offsets`` follow, any of which may end the answer with content_filter.
    """
    first = {"choices": [], "created": 0, "id": "", "model": "", "object": ""}
    first |= {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": turn.annotate(asked)}]}
    shown = pieces_of(text) if policy.asynchronous or not said.blocked else []
    results = {} if policy.asynchronous else {"content_filter_results": turn.annotate(said)}
    opening: Json = {} if policy.asynchronous else {"content_filter_results": {}}
    chunks = [_chunk(turn, opening, "", None, chat=chat, opens=True)] if chat else []
    chunks += [_chunk(turn, results, piece, None, chat=chat) for piece in shown]
    if policy.asynchronous:
        chunks += [_chunk(turn, {}, None, reason, chat=chat), *_late_verdicts(turn, len(prompt.text), said, text)]
    elif said.blocked:
        chunks.append(_chunk(turn, results, None, "content_filter", chat=chat))
    else:
        chunks.append(_chunk(turn, opening, None, reason, chat=chat))
    if (turn.body.get("stream_options") or {}).get("include_usage"):
        chunks = [chunk | {"usage": None} for chunk in chunks]
        kind = "chat.completion.chunk" if chat else "text_completion"
        chunks.append(_envelope(turn, kind, [], chat=chat) | {"usage": usage(turn)})
    return [event(first), *map(event, chunks), event("[DONE]")]


def _chunk(
    turn: Turn, results: Json, piece: str | None, reason: str | None, *, chat: bool, opens: bool = False
) -> Json:
    choice: Json = {"finish_reason": reason, "index": 0, "logprobs": None} | results
    if chat:
        delta: Json = {} if piece is None else {"content": piece}
        choice["delta"] = delta | ({"refusal": None, "role": "assistant"} if opens else {})
    else:
        choice["text"] = piece or ""
    return _envelope(turn, "chat.completion.chunk" if chat else "text_completion", [choice], chat=chat)


def _late_verdicts(turn: Turn, prompt_end: int, said: filters.Verdict, text: str) -> list[Json]:
    """An asynchronous filter's chunks: harms, then protected material, each with the offsets that it has checked, the prompt counted."""
    offsets = {"check_offset": prompt_end, "start_offset": prompt_end, "end_offset": prompt_end + len(text)}
    annotated = turn.annotate(said)
    material = {key: value for key, value in annotated.items() if key.startswith("protected_material")}
    harms = {key: value for key, value in annotated.items() if key not in material}
    found = []
    for results in (harms, material):
        blocked = any(result.get("filtered") for result in results.values())
        choice = {"content_filter_offsets": offsets, "content_filter_results": results, "index": 0}
        choice |= {"finish_reason": "content_filter" if blocked else None}
        found.append({"choices": [choice], "created": 0, "id": "", "model": "", "object": ""})
    return found
