"""Embeddings, images, audio, and the list of models."""

import base64
import hashlib
import io
import math
import struct
import wave
import zlib
from email import message_from_bytes
from typing import Any

from aoai_lib.lab import filters
from aoai_lib.lab.inference import refusals
from aoai_lib.lab.inference.call import Json
from aoai_lib.lab.inference.model import catalogue, tokens_in
from aoai_lib.lab.inference.turn import Turn


def embed(turn: Turn) -> Json:
    """Answer ``embeddings``. Only the prompt is filtered; the answer has no annotation."""
    asked = turn.require("input")
    texts = [asked] if isinstance(asked, str) else [each if isinstance(each, str) else str(each) for each in asked]
    turn.take_prompt(sum(tokens_in(text) for text in texts), "input")
    verdict = turn.screen_prompt(turn.policy(), filters.Prompt("\n".join(texts)))
    if verdict.blocked:
        raise refusals.prompt_filtered(turn.annotate(verdict))
    size = int(turn.body.get("dimensions") or turn.model.dimensions)
    if size > turn.model.dimensions:
        raise refusals.invalid(f"'dimensions' must be at most {turn.model.dimensions} for this model.", "dimensions")
    packed = turn.body.get("encoding_format") == "base64"
    data = [
        {"embedding": _packed(vector) if packed else vector, "index": index, "object": "embedding"}
        for index, vector in enumerate(vector_of(text, size) for text in texts)
    ]
    used = {"prompt_tokens": turn.prompt_tokens, "total_tokens": turn.prompt_tokens}
    return {"data": data, "model": turn.model.name, "object": "list", "usage": used}


def vector_of(text: str, size: int) -> list[float]:
    """A unit vector that depends on nothing but the text."""
    raw = b"".join(hashlib.sha256(f"{text}#{block}".encode()).digest() for block in range(-(-size // 32)))[:size]
    centred = [byte - 127.5 for byte in raw]
    length = math.sqrt(sum(value * value for value in centred))
    return [round(value / length, 8) for value in centred]


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def draw(turn: Turn) -> Json:
    """Answer ``images/generations``: each image is one pixel whose colour depends on the prompt. To the filters of
    completions a picture shows what its prompt says."""
    prompt = str(turn.require("prompt"))
    turn.take_prompt(tokens_in(prompt), "prompt")
    policy = turn.policy()
    asked = turn.screen_prompt(policy, filters.Prompt(prompt))
    if asked.blocked:
        raise refusals.image_prompt_filtered(turn.annotate(asked))
    pixel = hashlib.sha256(prompt.encode()).digest()[:3]
    image = base64.b64encode(_png(pixel)).decode()
    results = turn.annotate(turn.screen_completion(policy, prompt))
    harms = {key: value for key, value in results.items() if key in (*filters.HARMS.values(), "error")}
    if any(value.get("filtered") for value in harms.values()):
        raise refusals.image_filtered(harms)
    item: Json = {"b64_json": image, "content_filter_results": harms, "prompt_filter_results": turn.annotate(asked)}
    if turn.model.name.startswith("dall-e"):
        item |= {"revised_prompt": prompt}
    turn.completion_tokens = 1
    count = max(1, int(turn.body.get("n") or 1))
    used: Json = {
        "input_tokens": turn.prompt_tokens,
        "output_tokens": count,
        "total_tokens": turn.prompt_tokens + count,
    }
    used |= {"input_tokens_details": {"image_tokens": 0, "text_tokens": turn.prompt_tokens}}
    return {"created": turn.created, "data": [item] * count, "usage": used}


def _png(colour: bytes) -> bytes:
    """A PNG of one pixel."""
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" + colour)),
        (b"IEND", b""),
    ]
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def hear(turn: Turn) -> Json | str:
    """Answer transcriptions and translations: JSON, or text for the formats that are text. No content filter looks."""
    audio = turn.body.get("file")
    if not isinstance(audio, bytes):
        raise refusals.invalid("Missing required parameter: 'file'.", "file", "missing_required_parameter")
    text = f"A recording of {len(audio)} bytes."
    turn.take_prompt(1, "file")
    turn.completion_tokens = tokens_in(text)
    form = str(turn.body.get("response_format") or "json")
    if form == "verbose_json":
        return {"duration": 1.0, "language": "english", "segments": [], "task": "transcribe", "text": text}
    if form == "srt":
        return f"1\n00:00:00,000 --> 00:00:01,000\n{text}\n"
    if form == "vtt":
        return f"WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n{text}\n"
    return text if form == "text" else {"text": text}


def speak(turn: Turn) -> bytes:
    """Answer ``audio/speech``: silence in WAV, a hundredth of a second for each token."""
    text = str(turn.require("input"))
    turn.take_prompt(tokens_in(text), "input")
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0\0" * 80 * turn.prompt_tokens)
    return sound.getvalue()


def form_of(content_type: str, body: bytes) -> dict[str, Any]:
    """The fields of a multipart form: files as bytes, the rest as text."""
    message = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    if not message.is_multipart():
        raise refusals.invalid("The request must be multipart/form-data.")
    fields: dict[str, Any] = {}
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            fields[name] = content if part.get_filename() else content.decode()
    return fields


def list_models(turn: Turn) -> Json:
    """Answer ``models``: the base models that the lab knows."""
    names = sorted(catalogue()["models"])
    if turn.v1:
        data: list[Json] = [{"created": 0, "id": name, "object": "model", "owned_by": "system"} for name in names]
    else:
        data = [{"created_at": 0, "id": name, "object": "model", "status": "succeeded"} for name in names]
        for item in data:
            can = catalogue()["models"][item["id"]]["operations"]
            item["capabilities"] = {
                "chat_completion": "chatCompletion" in can,
                "completion": "completion" in can,
                "embeddings": "embeddings" in can,
                "fine_tune": False,
                "inference": True,
            }
    return {"data": data, "object": "list"}
