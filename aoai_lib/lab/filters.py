"""Content filters: from a deployment's policy and a text to what is annotated and what is blocked.

Semantics (Microsoft Learn, "Configure content filters", 2026): the threshold is the lowest severity that is flagged, so
``Low`` blocks low, medium and high (strictest) and ``High`` only high; ``safe`` is never blocked. ``blocking: false``
annotates only, ``enabled: false`` is off and leaves no annotation. A filter that a policy does not name is off.

Harms and jailbreak look at the latest user content. Indirect attacks are looked for only in text that is marked as a
document: ``\"\"\"`` ``<documents>`` JSON-escaped text ``</documents>`` ``\"\"\"`` in a user or system message.
Severities come from a lexicon of tame trigger phrases (catalog/inference_lexicon.yaml), not from a classifier.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

Source = Literal["prompt", "completion"]
Json = dict[str, Any]
SEVERITIES = ("safe", "low", "medium", "high")
HARMS = {"hate": "hate", "sexual": "sexual", "violence": "violence", "selfharm": "self_harm"}
FLAGS: dict[Source, dict[str, str]] = {
    "prompt": {"jailbreak": "jailbreak", "indirectattack": "indirect_attack", "profanity": "profanity"},
    "completion": {
        "protectedmaterialtext": "protected_material_text",
        "protectedmaterialcode": "protected_material_code",
        "profanity": "profanity",
    },
}
DOCUMENT = re.compile(r'"""\s*\n?<documents>\n?(.*?)\n?</documents>\s*\n?"""', re.DOTALL)
NOT_FILTERED = {"error": {"code": "content_filter_error", "message": "The contents are not filtered"}}


@cache
def lexicon() -> Mapping[str, re.Pattern[str]]:
    """What a text is searched for, by its place in the catalogue file: ``harms.hate.low``, ``jailbreak``."""
    text = (Path(__file__).parent / "catalog" / "inference_lexicon.yaml").read_text(encoding="utf-8")
    return dict(_compiled(yaml.safe_load(text), ""))


def _compiled(phrases: Json | list[str], place: str) -> Iterator[tuple[str, re.Pattern[str]]]:
    if isinstance(phrases, list):
        yield place, re.compile(rf"(?<![\w-])(?:{'|'.join(phrases)})(?![\w-])", re.IGNORECASE)
        return
    for name, below in phrases.items():
        yield from _compiled(below, f"{place}.{name}" if place else name)


@dataclass(frozen=True)
class Setting:
    """One filter in one direction: blocks from ``threshold`` (index into `SEVERITIES`) on, or only annotates."""

    blocking: bool
    threshold: int = 2


@dataclass(frozen=True)
class Blocklist:
    """A blocklist as one direction of a policy uses it."""

    name: str
    blocking: bool
    patterns: tuple[re.Pattern[str], ...]


@dataclass(frozen=True)
class Policy:
    """A policy as it is enforced. ``settings`` holds only filters that are on."""

    name: str
    mode: str
    settings: Mapping[tuple[Source, str], Setting]
    blocklists: Mapping[Source, tuple[Blocklist, ...]]

    @property
    def asynchronous(self) -> bool:
        """Whether streamed tokens are shown before they are vetted."""
        return self.mode.lower() in ("deferred", "asynchronous_filter")


@dataclass(frozen=True)
class Prompt:
    """What the prompt filters look at: the latest user content, and documents marked as such anywhere."""

    text: str
    documents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """The annotation of one text, as on the wire, and whether any filter blocked it."""

    results: Json = field(default_factory=dict)
    blocked: bool = False

    def shown(self, hidden: Iterable[str] = (), *, blocklist_list: bool = False) -> Json:
        """The annotation for one API version: without what it cannot say, unless that is what blocked the text.

        ``blocklist_list`` writes custom_blocklists in the older shape, a list of ``{"id", "filtered"}``.
        """
        shown = {key: value for key, value in self.results.items() if key not in hidden or value.get("filtered")}
        if blocklist_list and "custom_blocklists" in shown:
            shown["custom_blocklists"] = shown["custom_blocklists"]["details"]
        return shown


def read_policy(body: Mapping[str, Any], items_of: Callable[[str], Iterable[Mapping[str, Any]]]) -> Policy:
    """A raiPolicy resource as it is enforced. ``items_of(blocklist name)`` gives the items' ``properties``."""
    properties = body.get("properties") or {}
    settings = {}
    for declared in properties.get("contentFilters") or []:
        source: Source = "completion" if str(declared.get("source", "Prompt")).lower() == "completion" else "prompt"
        if setting := _setting(declared):
            settings[source, _folded(declared["name"])] = setting
    lists: dict[Source, list[Blocklist]] = {"prompt": [], "completion": []}
    bound = [(each.get("source", "Prompt"), each) for each in properties.get("customBlocklists") or []]
    bound += [("Prompt", each) for each in properties.get("promptBlocklists") or []]
    bound += [("Completion", each) for each in properties.get("completionBlocklists") or []]
    for direction, each in bound:
        name = str(each["blocklistName"])
        patterns = tuple(_pattern(item) for item in items_of(name))
        side: Source = "completion" if str(direction).lower() == "completion" else "prompt"
        lists[side].append(Blocklist(name, bool(each.get("blocking", True)), patterns))
    frozen: dict[Source, tuple[Blocklist, ...]] = {"prompt": (*lists["prompt"],), "completion": (*lists["completion"],)}
    return Policy(str(body["name"]), str(properties.get("mode") or "Default"), settings, frozen)


def prompt_of(messages: Sequence[Mapping[str, Any]]) -> Prompt:
    """What is looked at in a list of chat messages (``content`` a string or a list of text parts)."""
    texts = [(str(message.get("role")), text_of(message.get("content"))) for message in messages]
    latest = next((text for role, text in reversed(texts) if role == "user"), "")
    return Prompt(
        text=DOCUMENT.sub("", latest),
        documents=tuple(
            d for role, text in texts if role in ("user", "system", "developer") for d in documents_in(text)
        ),
    )


def text_of(content: Any) -> str:
    """The text of a message's content; parts that are no text (images, audio) say nothing here."""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content or [] if isinstance(part, dict))


def documents_in(text: str) -> list[str]:
    """The documents that a text marks, unescaped. A block that is not JSON-escaped is not recognised as a document."""
    found = []
    for block in DOCUMENT.findall(text):
        try:
            found.append(json.loads(f'"{block}"'))
        except ValueError:
            continue
    return found


def screen_prompt(policy: Policy, prompt: Prompt) -> Verdict:
    """Judge a prompt."""
    whole = "\n".join((prompt.text, *prompt.documents))
    inputs = {"jailbreak": prompt.text, "indirect_attack": "\n".join(prompt.documents), "profanity": prompt.text}
    return _screen(policy, "prompt", whole, inputs)


def screen_completion(policy: Policy, text: str) -> Verdict:
    """Judge a completion."""
    return _screen(policy, "completion", text, dict.fromkeys(FLAGS["completion"].values(), text))


def is_sensitive(text: str) -> bool:
    """Whether the lab's model declines a prompt: for a harm, a jailbreak, or what no filter looks for."""
    harmful = any(severity_of(text, harm) for harm in HARMS.values())
    return harmful or mentions(text, "jailbreak") or mentions(text, "declined")


def severity_of(text: str, harm: str) -> int:
    """The highest severity (index into `SEVERITIES`) of a harm category in a text."""
    ranks = range(len(SEVERITIES) - 1, 0, -1)
    return next((rank for rank in ranks if mentions(text, f"harms.{harm}.{SEVERITIES[rank]}")), 0)


def mentions(text: str, place: str) -> bool:
    """Whether a text has what a place of the `lexicon` lists."""
    return lexicon()[place].search(" ".join(text.split())) is not None


def _screen(policy: Policy, source: Source, text: str, inputs: Mapping[str, str]) -> Verdict:
    results: Json = {}
    for name, key in HARMS.items():
        if setting := policy.settings.get((source, name)):
            rank = severity_of(text, key)
            filtered = setting.blocking and 0 < setting.threshold <= rank
            results[key] = {"filtered": filtered, "severity": SEVERITIES[rank]}
    for name, key in FLAGS[source].items():
        if setting := policy.settings.get((source, name)):
            detected = mentions(inputs[key], key)
            results[key] = {"detected": detected, "filtered": detected and setting.blocking}
            if key == "protected_material_code" and detected:
                results[key]["citation"] = {"URL": "https://example.com/zz-protected-code", "license": "NOASSERTION"}
    if lists := policy.blocklists[source]:
        hits = [each for each in lists if any(pattern.search(text) for pattern in each.patterns)]
        details = [{"filtered": each.blocking, "id": each.name} for each in hits]
        results["custom_blocklists"] = {"details": details, "filtered": any(each.blocking for each in hits)}
    ordered = dict(sorted(results.items()))
    return Verdict(ordered, blocked=any(result["filtered"] for result in ordered.values()))


def _setting(declared: Mapping[str, Any]) -> Setting | None:
    """One entry of contentFilters; ``action`` (api-version 2025-10-01-preview and later) outranks ``blocking``."""
    action = str(declared.get("action") or "").upper()
    if not declared.get("enabled", True) or action == "NONE":
        return None
    level = str(declared.get("severityThreshold") or declared.get("allowedContentLevel") or "Medium").lower()
    blocking = action == "BLOCKING" if action else bool(declared.get("blocking", True))
    return Setting(blocking, SEVERITIES.index(level))


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


def _pattern(item: Mapping[str, Any]) -> re.Pattern[str]:
    """A blocklist item: a case-sensitive substring, or a regular expression."""
    pattern = str(item.get("pattern", ""))
    return re.compile(pattern if item.get("isRegex") else re.escape(pattern))
