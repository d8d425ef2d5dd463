"""What a condition on a role is about, as far as its text tells without evaluating it.

A condition is `clause AND clause …`; a clause that leaves other actions alone begins with `!(ActionMatches{'…'})`, followed
by OR and what is asked of that action (Microsoft Learn, "Azure role assignment condition format and syntax", 2026-08).
The Foundry roles and Role Based Access Control Administrator as the portal writes it limit role assignments in this form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(r"'[^']*'|[(){}]|\bAND\b|\bOR\b|&&|\|\||[^'(){}&|\s]+|[&|]", re.IGNORECASE)
_AND: Final = frozenset({"and", "&&"})
_OR: Final = frozenset({"or", "||"})
_ROLES: Final = re.compile(
    r"@Request\[[^\]]*:RoleDefinitionId\]\s*(?:\w+:)?Guid(Not)?Equals\s*\{([^}]*)\}", re.IGNORECASE
)


@lru_cache(maxsize=1024)
def actions_under(condition: str) -> frozenset[str] | None:
    """The patterns of the actions that a condition can narrow, lower-cased; None where it may be any."""
    found: set[str] = set()
    if condition.count("'") % 2:  # a text that does not end, so no word after it is known to be one
        return None
    for clause in _parts(_WORD.findall(condition), _AND):
        first = _bare(_parts(clause, _OR)[0])
        inner = _bare(first[1:]) if first[:1] == ["!"] else []
        named = list(_named(inner))
        if not named or "!" in inner or any(part.startswith("!") for part in inner):
            return None
        found.update(each.lower() for each in named)
    return frozenset(found)


def _named(tokens: list[str]) -> Iterator[str]:
    """The patterns that `ActionMatches{'…'}` holds; not what a text between quotes says."""
    for word, opening, text, closing in zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False):
        if word.lower() == "actionmatches" and (opening, closing) == ("{", "}") and text.startswith("'"):
            yield text[1:-1]


def assignable_roles(condition: str) -> tuple[frozenset[str], bool]:
    """GUIDs of the roles that a condition on role assignments names, and whether it allows just those rather than all others."""
    listed, allowed = set(), True
    for negated, ids in _ROLES.findall(condition):
        listed |= {each.strip().strip("'").lower() for each in ids.split(",") if each.strip()}
        allowed = allowed and not negated
    return frozenset(listed), allowed


def _bare(tokens: list[str]) -> list[str]:
    """Tokens without the parentheses around all of them."""
    while tokens[:1] == ["("] and _closing(tokens) == len(tokens) - 1:
        tokens = tokens[1:-1]
    return tokens


def _closing(tokens: list[str]) -> int:
    """Where the parenthesis that opens first closes; -1 where it doesn't."""
    depth = 0
    for position, word in enumerate(tokens):
        depth += (word == "(") - (word == ")")
        if depth == 0:
            return position
    return -1


def _parts(tokens: list[str], words: frozenset[str]) -> list[list[str]]:
    """Tokens, their outer parentheses gone, split at words that stand in no parenthesis."""
    parts: list[list[str]] = [[]]
    depth = 0
    for word in _bare(tokens):
        depth += (word == "(") - (word == ")")
        if depth == 0 and word.lower() in words:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts
