"""The lab's model: a deterministic one that answers in short fixed forms, and the catalogue of what models can do.

* ``Repeat: X`` is answered with X.
* A prompt that asks to join, concatenate or combine is answered with its quoted parts (or, without quotes, what follows
  the last colon) put together without a space.
* A prompt that the filters' lexicon calls a harm, a jailbreak or a misuse is declined.
* A prompt that asks for protected text or code is answered with the made-up word that stands for it.
* Any other prompt is answered with its length and its first words.

Tokens: one for each four bytes of UTF-8 begun, and three for each message. The model spends none on reasoning.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from aoai_lib.lab.filters import is_sensitive, lexicon, mentions

REPEAT = re.compile(r"\s*(?:please\s+)?repeat(?:\s+[\w ]{1,40})?:\s*(?P<text>.+)", re.IGNORECASE | re.DOTALL)
JOIN = re.compile(r"\b(?:join|concatenate|combine)\b", re.IGNORECASE)
QUOTED = re.compile(r"\"([^\"]+)\"|'([^']+)'|`([^`]+)`|“([^”]+)”")
DECLINED = "I can't help with that."


@dataclass(frozen=True)
class Model:
    """What a model can do: data-plane operations, prompt tokens that fit, and its own rules."""

    name: str
    operations: tuple[str, ...]
    context: int
    reasoning: bool = False
    dimensions: int = 0


@cache
def catalogue() -> dict[str, Any]:
    """The catalogue file: ``models``, ``api_versions``, ``regions``."""
    text = (Path(__file__).parent.parent / "catalog" / "inference_models.yaml").read_text(encoding="utf-8")
    held: dict[str, Any] = yaml.safe_load(text)
    return held


def model_named(name: str) -> Model:
    """The model of that name, by the longest prefix in the catalogue; an unknown one can do nothing."""
    models = catalogue()["models"]
    prefix = max((each for each in models if name.lower().startswith(each)), key=len, default="")
    entry = dict(models.get(prefix) or {"operations": [], "context": 1})
    return Model(name, tuple(entry.pop("operations")), **entry)


def reply_to(text: str) -> str:
    """What the model says to a prompt."""
    if found := REPEAT.fullmatch(text):
        return found["text"].strip()
    if JOIN.search(text):
        parts = ["".join(groups) for groups in QUOTED.findall(text)]
        if len(parts) < 2:
            parts = [p for p in re.split(r"[\s,+]+", text.rpartition(":")[2]) if p.lower() not in ("", "and")]
        return "".join(parts)
    if is_sensitive(text):
        return DECLINED
    for place in (each for each in lexicon() if each.startswith("recited.")):
        if mentions(text, place):
            return f"Of course: {place.removeprefix('recited.')}"
    words = text.split()
    return f"You wrote {len(words)} words, beginning with: {' '.join(words[:8])}"


def tokens_in(text: str) -> int:
    """The tokens of a text."""
    return -(-len(text.encode()) // 4)


def tokens_in_messages(texts: Iterable[str]) -> int:
    """The tokens of a conversation."""
    return sum(3 + tokens_in(text) for text in texts)


def cut(text: str, limit: int | None) -> tuple[str, str]:
    """A text within ``limit`` tokens, and why it ended: ``stop`` or ``length``."""
    if limit is None or tokens_in(text) <= limit:
        return text, "stop"
    return text.encode()[: limit * 4].decode(errors="ignore"), "length"
