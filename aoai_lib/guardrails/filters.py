"""The content filters that the service has, what a setting of one means, and which filters a model has at all.

Facts: Microsoft Learn, "Configure content filters" (2026) and "Default Guardrail policies for Azure OpenAI" (2026-05-31);
filter names from raiContentFilters, API version 2024-10-01. A threshold is the lowest severity that is blocked, so `Low`
is the strictest and `High` the weakest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from aoai_lib.facts import View
from aoai_lib.model import Threshold


@lru_cache(maxsize=1024)
def folded(name: str) -> str:
    """A filter's name as it is compared: API versions and surfaces differ in case, spaces and underscores."""
    return name.lower().replace(" ", "").replace("_", "").replace("-", "")


class Direction(StrEnum):
    """What a filter looks at, as `source` spells it."""

    PROMPT = "Prompt"
    COMPLETION = "Completion"


class Effect(StrEnum):
    """What happens to content that a filter recognises, from best to worst; the last is for models without the filter."""

    BLOCKS = "blocks"
    DEFERRED = "deferred"
    UNKNOWN = "unknown"
    ANNOTATES = "annotates"
    OFF = "off"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Filter:
    """A content filter: its name on the wire, what a person calls it, whether it has severities, where it looks."""

    name: str
    label: str
    levelled: bool = False
    directions: tuple[Direction, ...] = (Direction.PROMPT, Direction.COMPLETION)

    @property
    def key(self) -> str:
        """The name as names are compared."""
        return folded(self.name)


HARMS: Final = (
    Filter("Hate", "hate", levelled=True),
    Filter("Sexual", "sexual content", levelled=True),
    Filter("Violence", "violence", levelled=True),
    Filter("Selfharm", "self-harm", levelled=True),
)
JAILBREAK: Final = Filter("Jailbreak", "jailbreak", directions=(Direction.PROMPT,))
INDIRECT_ATTACK: Final = Filter("Indirect Attack", "indirect attack", directions=(Direction.PROMPT,))
PROTECTED_TEXT: Final = Filter("Protected Material Text", "protected text", directions=(Direction.COMPLETION,))
PROTECTED_CODE: Final = Filter("Protected Material Code", "protected code", directions=(Direction.COMPLETION,))
PROFANITY: Final = Filter("Profanity", "profanity")
FILTERS: Final = (*HARMS, JAILBREAK, INDIRECT_ATTACK, PROTECTED_TEXT, PROTECTED_CODE, PROFANITY)
_BESIDE: Final = (
    Filter("Indirect Attack Spotlighting", "spotlighting", directions=(Direction.PROMPT,)),
    Filter("Ungrounded Material", "ungrounded material"),
)
NAMED: Final = {each.key: each for each in (*FILTERS, *_BESIDE)}
"""The filters whose meaning is known, by the name as names are compared: those of the matrix, and two that nothing requires."""

Place = tuple[Filter, Direction]
"""A filter where it looks."""

PLACES: Final[tuple[Place, ...]] = tuple((each, direction) for each in FILTERS for direction in each.directions)

_RANK: Final = {"": 0, "Low": 1, "Medium": 2, "High": 3}
_BADNESS: Final = list(Effect)


@dataclass(frozen=True, slots=True)
class Setting:
    """What one filter does in one direction.

    `threshold` is the lowest severity that is blocked ("" for a filter without severities), `note` why the effect is what
    it is where that is not plain. An `UNKNOWN` setting with a threshold is at best that strict.
    """

    effect: Effect
    threshold: Threshold | str = ""
    note: str = ""

    @property
    def badness(self) -> tuple[int, int]:
        """Orders settings from the strictest to the weakest."""
        return _BADNESS.index(self.effect), _RANK[self.threshold]

    @property
    def words(self) -> str:
        """The end of a sentence that begins with the filter's label."""
        if self.note:
            return self.note
        if self.effect is Effect.BLOCKS:
            return f"is blocked from severity {self.threshold}" if self.threshold else "is blocked"
        return {Effect.ANNOTATES: "is only annotated", Effect.OFF: "is off"}.get(self.effect, f"is {self.effect}")

    def meets(self, required: Threshold) -> bool | None:
        """Whether this blocks from the required severity or stricter; None where that can't be known."""
        too_weak = _RANK[self.threshold] > _RANK[required]
        if self.effect is Effect.BLOCKS:
            return not too_weak
        if self.effect is Effect.UNKNOWN and not too_weak:
            return None
        return False


class Family(StrEnum):
    """What a model makes of what: it decides which filters the service runs."""

    TEXT = "text"
    EMBEDDINGS = "embeddings"
    IMAGES = "images"
    SPEECH = "speech"


_NAMED: Final = (
    (re.compile(r"^text-embedding|(^|-)embed"), Family.EMBEDDINGS),
    (re.compile(r"^(whisper|tts)|-(whisper|transcribe|tts|voice)\b"), Family.SPEECH),
    (re.compile(r"^(dall-e|sora|flux|stable-diffusion)|(^|-)image\b"), Family.IMAGES),
)
_ABLE: Final = (
    (frozenset({"chatcompletion", "completion", "responses", "realtime"}), Family.TEXT),
    (frozenset({"embeddings"}), Family.EMBEDDINGS),
    (frozenset({"imagegenerations", "imageedits", "videogenerations"}), Family.IMAGES),
    (frozenset({"audiotranscriptions", "audiotranslations", "audiospeech"}), Family.SPEECH),
)


def family_of(deployment: View) -> Family:
    """The family of a deployment's model, by the model's name and else by its capabilities.

    A model that neither tells is taken for a text model: the default filters run on every model but the speech ones. So is
    one that is able of `audio` and no more, as models that talk are. The suffix that a customer chose for a fine-tuned model
    says nothing.
    """
    name = deployment.text("properties.model.name").lower().partition(".ft-")[0]
    for pattern, family in _NAMED:
        if pattern.search(name):
            return family
    capabilities = deployment.get("properties.capabilities")
    if isinstance(capabilities, dict):
        able = {key.lower() for key, value in capabilities.items() if str(value).lower() == "true"}
        for keys, family in _ABLE:
            if keys & able:
                return family
    return Family.TEXT


def applies(family: Family, about: Filter, direction: Direction) -> bool:
    """Whether the service runs a filter in a direction for a family of models.

    Embedding models answer no text. Documents are told from other text in chat messages only, so indirect attacks are
    looked for in text models alone. Image models have no filter for protected text or code; theirs for art is not configured
    by a policy. Speech models (Whisper, transcription, text to speech) have no content filter.
    """
    if family is Family.TEXT:
        return True
    if family is Family.EMBEDDINGS:
        return direction is Direction.PROMPT and about is not INDIRECT_ATTACK
    if family is Family.IMAGES:
        return about in HARMS or (direction is Direction.PROMPT and about in (JAILBREAK, PROFANITY))
    return False
