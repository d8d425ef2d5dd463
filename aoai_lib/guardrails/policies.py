"""From a deployment over the policy it names to what each filter of that policy does.

Fields of raiPolicies by API version: `allowedContentLevel` and snake-case names up to 2024-04-01-preview, `severityThreshold`
since 2024-10-01, `action` since 2025-10-01-preview. Microsoft's own policies are only in the list, never behind a GET.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from aoai_lib.facts import Facts, UnexpectedShapeError, View
from aoai_lib.guardrails.filters import NAMED, PLACES, Direction, Effect, Filter, Place, Setting, folded
from aoai_lib.model import ABSENT, Threshold


@dataclass(frozen=True, slots=True)
class Binding:
    """A blocklist as a policy binds it at one source. `direction` is None where that is neither prompts nor completions."""

    blocklist: str
    direction: Direction | None
    blocking: bool
    source: str


@dataclass(frozen=True, slots=True)
class Extra:
    """An entry of `contentFilters` beside the known filters and directions, as the policy spells it: a category that is not
    known here, or a source of agents (PreToolCall, PostToolCall, PreRun, PostRun; API version 2025-10-01-preview on)."""

    name: str
    source: str
    setting: Setting


@dataclass(frozen=True, slots=True)
class Unresolved:
    """The policy of a deployment can't be told; `why` is a sentence."""

    why: str


class Guardrail:
    """One content-filter policy of an account, read through the facts of a subject so that every look is evidence."""

    def __init__(self, facts: Facts, policy: View) -> None:
        self._facts = facts
        self._policy = policy
        self.name = policy.name
        self._entries: dict[tuple[str, str], list[View]] = {}
        for entry in policy.each("properties.contentFilters"):
            if not isinstance(entry.value, dict):
                raise UnexpectedShapeError(entry.path, "an object", entry.value)
            source = folded(str(entry.value.get("source") or ""))
            self._entries.setdefault((folded(str(entry.value.get("name"))), source), []).append(entry)

    @property
    def system_managed(self) -> bool:
        """Whether Microsoft manages it. The list says so in `properties.type`; an answer without it goes by the name."""
        kind = self._policy.text("properties.type")
        return kind.lower() == "systemmanaged" if kind else self.name.lower().startswith("microsoft.")

    @property
    def deferred(self) -> bool | None:
        """Whether streamed text is shown before it was vetted; None for a mode that is not documented.

        A policy without a mode is buffered: user policies on the wire have none (API version 2024-10-01).
        """
        mode = folded(self._policy.text("properties.mode"))
        if mode in ("deferred", "asynchronousfilter"):
            return True
        return False if mode in ("", "default", "blocking") else None

    @property
    def base(self) -> str:
        """The policy that this one is based on; "" for Microsoft's own and where the service sends none."""
        return "" if self.system_managed else self._policy.text("properties.basePolicyName")

    @property
    def mode(self) -> str:
        """The mode as the service spells it; "" where it sends none."""
        return self._policy.text("properties.mode")

    def setting(self, about: Filter, direction: Direction) -> Setting:
        """What a filter does in a direction. Where it is listed twice, the weaker entry counts."""
        found = self._listed(about, direction)
        if found:
            return max(found, key=lambda each: each.badness)
        for entries in self._entries.values():
            for entry in entries:
                entry.get("name")
        return self._unlisted(about, direction)

    def _listed(self, about: Filter, direction: Direction) -> list[Setting]:
        found = [_read(entry, about) for entry in self._entries.get((about.key, direction.lower()), ())]
        for entry in self._entries.get((about.key, ""), ()):
            entry.present  # noqa: B018 - looking is what records it
            plain = len(about.directions) == 1
            note = "is listed without saying whether for prompts or completions"
            found.append(_read(entry, about) if plain else Setting(Effect.UNKNOWN, note=note))
        return found

    def _unlisted(self, about: Filter, direction: Direction) -> Setting:
        """A filter that the policy does not list: off, unless the base policy blocks it.

        Whether a policy inherits what it does not list is not documented, so a base that blocks decides nothing.
        """
        base_name = self.base
        if not base_name:
            return Setting(Effect.OFF, note="is not listed, so it is off")
        base = find_policy(self._facts, base_name)
        if base is None:
            return Setting(Effect.UNKNOWN, note=f"is not listed, and the base policy “{base_name}” is unknown")
        provided = max(
            Guardrail(self._facts, base)._listed(about, direction), key=lambda each: each.badness, default=None
        )
        if provided is None or provided.effect is not Effect.BLOCKS:
            return Setting(Effect.OFF, note=f"is not listed, nor blocked by the base policy “{base_name}”")
        note = (
            f"is not listed; the base policy “{base_name}” blocks it, but whether that is inherited is not documented"
        )
        return Setting(Effect.UNKNOWN, provided.threshold, note)

    def extras(self) -> Iterator[Extra]:
        """What the policy lists beside the known filters where they are known to look, in its own order."""
        known = {(about.key, source) for about, direction in PLACES for source in (direction.lower(), "")}
        for (key, source), entries in self._entries.items():
            if (key, source) not in known:
                for entry in entries:
                    yield Extra(entry.text("name"), entry.text("source"), _extra(entry, NAMED.get(key)))

    def bindings(self) -> Iterator[Binding]:
        """The blocklists that the policy binds, in both ways that API versions have spelled that."""
        for entry in self._policy.each("properties.customBlocklists"):
            source = entry.text("source")
            direction = _DIRECTIONS.get(folded(source))
            yield Binding(entry.text("blocklistName"), direction, entry.flag("blocking"), source)
        older = {"promptBlocklists": Direction.PROMPT, "completionBlocklists": Direction.COMPLETION}
        for field, direction in older.items():
            if self._policy.at(f"properties.{field}").value not in (None, ABSENT):
                for entry in self._policy.each(f"properties.{field}"):
                    yield Binding(entry.text("blocklistName"), direction, entry.flag("blocking"), direction.value)


_DIRECTIONS: Final = {direction.lower(): direction for direction in Direction}


def _extra(entry: View, about: Filter | None) -> Setting:
    """What an entry says; of a category that is not known here, what blocking means is not known either."""
    if about is not None:
        return _read(entry, about)
    said = _read(entry, Filter(entry.text("name"), "", levelled="severityThreshold" in entry.value))
    return Setting(
        Effect.UNKNOWN, said.threshold, f"is no category known here, of which the policy says that it {said.words}"
    )


def _read(entry: View, about: Filter) -> Setting:
    """The effect of one entry of `contentFilters`.

    `action` came with API version 2025-10-01-preview and outranks `blocking`, except that a block which the older property
    denies is not believed. A flag that is not there is not set.
    """
    entry.text("name")
    entry.text("source")
    action = folded(entry.text("action")) if "action" in entry.value else ""
    if not entry.flag("enabled") or action == "none":
        return Setting(Effect.OFF)
    if action == "annotating":
        return Setting(Effect.ANNOTATES)
    if action not in ("", "blocking"):
        return Setting(Effect.UNKNOWN, note=f"has the action “{entry.text('action')}”, which is not a plain block")
    if not entry.flag("blocking", default=bool(action)):
        conflict = Setting(Effect.UNKNOWN, note="says both that it blocks (action) and that it does not (blocking)")
        return conflict if action else Setting(Effect.ANNOTATES)
    if not about.levelled:
        return Setting(Effect.BLOCKS)
    threshold = (entry.text("severityThreshold") or entry.text("allowedContentLevel")).capitalize()
    if threshold not in ("Low", "Medium", "High"):
        return Setting(Effect.UNKNOWN, note="is blocked, but no known severity says from where")
    return Setting(Effect.BLOCKS, threshold)


def find_policy(facts: Facts, name: str) -> View | None:
    """The policy of that name in the account's list, which holds Microsoft's too; the service ignores case.

    Raises `NotCollectedError` where the list was not read, or is not complete and does not hold it.
    """
    wanted = name.lower()
    for policy in facts.of_account("rai_policies").each():
        if isinstance(policy.value, dict) and str(policy.value.get("name")).lower() == wanted:
            return policy
    return None


NO_POLICY: Final = "The deployment names no content-filter policy, so the account's default applies, and Azure does not say which that is."


def guardrail_of(facts: Facts) -> Guardrail | Unresolved:
    """The guardrail of the subject, a deployment."""
    name = facts.deployment.text("properties.raiPolicyName")
    if not name:
        return Unresolved(NO_POLICY)
    policy = find_policy(facts, name)
    if policy is None:
        return Unresolved(f"The deployment names the policy “{name}”, which the account does not list: see CNT-09.")
    return Guardrail(facts, policy)


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Where a guardrail is weaker than required, and where that can't be known: ends of sentences with their labels."""

    weak: tuple[str, ...]
    unknown: tuple[str, ...]


def shortfall(guardrail: Guardrail, places: Iterable[Place], required: Threshold) -> Shortfall:
    """Compare a guardrail with what is required of it in these places."""
    weak: dict[tuple[str, str], list[str]] = {}
    unknown: dict[tuple[str, str], list[str]] = {}
    for about, direction in places:
        setting = guardrail.setting(about, direction)
        met = setting.meets(required)
        if not met:
            where = f" ({direction.lower()}s)" if len(about.directions) > 1 else ""
            (unknown if met is None else weak).setdefault((setting.words, where), []).append(about.label)
    return Shortfall(_told(weak), _told(unknown))


def _told(found: dict[tuple[str, str], list[str]]) -> tuple[str, ...]:
    """What is the same of several filters, said once."""
    return tuple(
        f"{'each of ' if len(labels) > 1 else ''}{', '.join(labels)}{where} {told}"
        for (told, where), labels in found.items()
    )
