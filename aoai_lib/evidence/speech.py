"""What a model was told and what it said, as evidence keeps it: lengths and digests, and everything that decides around them.

A report must not spread harmful text. What is kept in words is an allow-list: ids, codes, verdicts of filters, reasons, counts.
Every other text becomes

    {"length": characters, "sha256": hex digest, "refusal": true where the model declined in words}

Of a streamed answer each piece is kept as its length alone, since the digest of a word gives the word away; the text of a
whole choice stands as `said` in the last event that speaks of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from aoai_lib.evidence.redaction import redact, redact_text
from aoai_lib.model import Json

SAID: Final = "said"
"""Key that is added to a streamed choice, with the digest of all that it said."""

_KEPT: Final = frozenset(
    {
        "id",
        "object",
        "model",
        "finish_reason",
        "role",
        "type",
        "status",
        "code",
        "param",
        "severity",
        "reason",
        "custom_id",
    }
    | {"source_type", "system_fingerprint", "service_tier", "sha256", "statuscode", "license", "url", "owned_by"}
    | {"lifecycle_status", "item_id", "response_id", "blocklistname", "category"}
)
_PICTURES: Final = frozenset({"b64_json", "url", "image_url", "file_data", "b64"})
_PLAIN: Final = re.compile(r"[A-Za-z0-9_][\w.:/@+-]{0,199}")
_PLAIN_KEY: Final = re.compile(r"[\w.$-]{1,64}")
_LONGEST_MESSAGE: Final = 600
_ECHO: Final = 24
"""Characters in a row that an error's message may share with a prompt before it counts as quoting it."""
_DECLINES: Final = re.compile(
    r"(?i)\b(i['\u2019]?m|i am) (very |so |really )?(sorry|unable|not able)\b|\bi (can['\u2019]?t|cannot|can not|won['\u2019]?t|will not|must decline)\b"
    r"|\b(can['\u2019]?t|cannot|unable to) (assist|help|comply|provide|fulfil)"
)


def digest(text: str) -> dict[str, Json]:
    """A text as its length and digest; `refusal` where it declines in words."""
    kept: dict[str, Json] = {"length": len(text), "sha256": hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()}
    return {**kept, "refusal": True} if _DECLINES.search(text) else kept


def texts(request: Json) -> list[str]:
    """The texts that a request tells a model: every text below `messages`, `input`, `instructions` and `prompt`."""
    told = request if isinstance(request, dict) else {}
    return [each for key in ("messages", "input", "instructions", "prompt") for each in _leaves(told.get(key), key)]


def told(request: Json, *, full: bool = False) -> str:
    """What a model was told, for one header of a line: `length/digest`, or the redacted texts themselves. "" for nothing."""
    found = texts(request)
    if not found:
        return ""
    joined = json.dumps(found, ensure_ascii=False)
    if full:
        return redact_text(joined)
    return f"{sum(map(len, found))}/{hashlib.sha256(joined.encode('utf-8', 'replace')).hexdigest()}"


def _leaves(value: Json, key: str) -> Iterator[str]:
    if isinstance(value, str) and key not in ("role", "type"):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each, key)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _leaves(each, name)


def events(text: str) -> list[Json]:
    """The events of a stream of server-sent events, parsed; `[DONE]` is none."""
    found: list[Json] = []
    for line in text.splitlines():
        if line.startswith("data:") and (data := line[5:].strip()) != "[DONE]":
            try:
                found.append(json.loads(data))
            except (ValueError, RecursionError):
                found.append(data)
    return found


def kept_answer(content: bytes, request: Json, *, full: bool = False) -> Json:
    """An answer as evidence keeps it: JSON, a list of events, or a digest of what is neither. None for an empty one."""
    if not content:
        return None
    text = content.decode("utf-8-sig", errors="replace")
    try:
        streamed = text.startswith(("data:", "event:", ":"))
        body = events(text) if streamed else json.loads(text)
        if isinstance(body, list) and not streamed:  # a list is what a stream is kept as, and no answer of a model
            return digest(text)
        return (without_pictures(redact(body)) if full else muted(redact(body), texts(request))) or None
    except (ValueError, RecursionError):
        return digest(text)


def muted(body: Json, prompts: Sequence[str] = ()) -> Json:
    """An answer without any text of the model, and without what an error's message quotes of `prompts`. Muting again changes
    nothing. Raises `RecursionError` for an answer nested without end.
    """
    if isinstance(body, list) and body and all(isinstance(event, dict) for event in body):
        heard = _heard(body)
        return [_with_said(_muted(event, "", prompts), index, heard) for index, event in enumerate(body)]
    return _muted(body, "", prompts)


def without_pictures(value: Json) -> Json:
    """The value with pictures, by address or content, as digests."""
    if isinstance(value, dict):
        return {
            key: digest(each) if key in _PICTURES and isinstance(each, str) else without_pictures(each)
            for key, each in value.items()
        }
    return [without_pictures(each) for each in value] if isinstance(value, list) else value


def _muted(value: Json, key: str, prompts: Sequence[str], inside: str = "") -> Json:
    if isinstance(value, dict):
        return _muted_object(value, key, prompts, inside)
    if isinstance(value, list):
        if len(value) > 1 and all(isinstance(each, int | float) for each in value):
            return {"length": len(value)}  # an embedding, or the bytes of a token: both tell the text
        return [_muted(each, key, prompts, inside) for each in value]
    if not isinstance(value, str):
        return value
    return _muted_text(value, key.lower(), prompts, inside)


def _muted_object(value: Mapping[str, Json], key: str, prompts: Sequence[str], inside: str) -> dict[str, Json]:
    within = "error" if key in ("error", "innererror", "inner_error") or inside == "error" else inside
    within = "citation" if key == "citation" else within
    pieces = "chunk" in str(value.get("object", "")) or key == "delta"
    within = "piece" if pieces and within != "error" else within
    flat = "message" in value and ("code" in value or "statusCode" in value) and not inside
    return {
        name if _PLAIN_KEY.fullmatch(name) else str(digest(name)["sha256"])[:16]: _muted(
            each, name, prompts, "error" if flat and name == "message" else within
        )
        for name, each in value.items()
    }


def _muted_text(text: str, key: str, prompts: Sequence[str], inside: str) -> Json:
    if key == "message" and inside == "error":
        return digest(text) if _quotes(text, prompts) else text[:_LONGEST_MESSAGE]
    if key == "license" and inside == "citation":
        return text[:64]
    plain = key in _KEPT and _PLAIN.fullmatch(text) and (key != "url" or inside == "citation")
    if plain or not text:
        return text
    return {"length": len(text)} if key == "delta" or inside == "piece" else digest(text)


def _quotes(message: str, prompts: Sequence[str]) -> bool:
    """Whether a message repeats a prompt, whole or in a piece long enough to be no accident."""
    low = " ".join(message.lower().split())
    for prompt in prompts:
        words = " ".join(prompt.lower().split())
        if len(words) >= 4 and words in low:
            return True
        if any(words[start : start + _ECHO] in low for start in range(len(words) - _ECHO + 1)):
            return True
    return False


def _heard(stream: Sequence[dict[str, Json]]) -> dict[tuple[int, Any], dict[str, Json]]:
    """The digest of all that each choice of a stream said, by the last event that speaks of it and the choice's index."""
    said: dict[Any, str] = {}
    last: dict[Any, int] = {}
    for number, event in enumerate(stream):
        for choice in _choices(event):
            index, delta = choice.get("index", 0), choice.get("delta")
            piece = delta.get("content") or delta.get("refusal") if isinstance(delta, dict) else choice.get("text")
            said[index] = said.get(index, "") + (piece if isinstance(piece, str) else "")
            last[index] = number
    return {(last[index], index): digest(text) for index, text in said.items() if text}


def _with_said(event: Json, number: int, heard: Mapping[tuple[int, Any], dict[str, Json]]) -> Json:
    for choice in _choices(event):
        found = heard.get((number, choice.get("index", 0)))
        if found is not None:
            choice[SAID] = found
    return event


def _choices(event: Json) -> list[dict[str, Any]]:
    choices = event.get("choices") if isinstance(event, dict) else None
    found = [each for each in choices if isinstance(each, dict)] if isinstance(choices, list) else []
    return [each for each in found if isinstance(each.get("index", 0), int)]


def tokens(body: Json) -> int | None:
    """The tokens that an answer says were used (`usage.total_tokens`, in a stream's last event that has it); None where it
    says nothing."""
    for event in reversed(body) if isinstance(body, list) else [body]:
        held = event.get("response", event) if isinstance(event, dict) else None
        usage = held.get("usage") if isinstance(held, dict) else None
        total = usage.get("total_tokens") if isinstance(usage, dict) else None
        if isinstance(total, int) and not isinstance(total, bool) and total >= 0:
            return total
    return None
