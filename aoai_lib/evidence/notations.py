"""How programs and people write a secret beside its name other than as `name=value` or `name: value`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from aoai_lib.evidence.naming import holds_secret

_ELEMENT: Final = re.compile(r"<([A-Za-z][\w:.-]{0,60})(?:\s[^<>]{0,200})?>([^<>]{1,4000})</\1\s*>")
_PAIR: Final = re.compile(
    r"\b(?:key|name)[\"'\\]{0,4}\s{0,4}[:=]\s{0,4}\\{0,4}[\"']([^\"'\\<>]{1,80})\\{0,4}[\"']\s{0,4},?\s{0,4}"
    r"[\"'\\]{0,4}value[\"'\\]{0,4}\s{0,4}[:=]\s{0,4}\\{0,4}[\"']([^\"'\\]{1,4000})",
    re.IGNORECASE,
)
_ARROW: Final = re.compile(r"[\"']([\w.-]{1,60})[\"']\s{0,4}=>\s{0,4}[\"']([^\"'\r\n]{1,4000})")
_BLOCK: Final = re.compile(
    r"(?<![\w.-])([\w.-]{1,60})[\"']?:[ \t]{0,4}[|>][+\d-]{0,2}[ \t]{0,4}(?:\r?\n|\\n)"
    r"((?:[ \t]+[^\s\\](?:(?!\\n)[^\n])*(?:\n|\\n)?)+)"
)
_SAID: Final = re.compile(r"(?i)\b(pass(?:word|wd|phrase)|pwd)[ \t]+(?:(?:is|was)[ \t]+)?([^\s\"'<>,;=:(]{6,200})")
_USER: Final = re.compile(r"(?<!\S)(-u|--user|--proxy-user|-U)[ =]{1,2}[\"']?[^\s:\"']{1,100}:([^\s\"']{1,400})")
_ATTACHED: Final = re.compile(r"\b(mysql\w*|mariadb[\w-]*|sshpass)\b[^\n|;&]{0,200}?\s-p([^\s\"'-][^\s\"']{0,200})")
_TOKEN_BEFORE_HOST: Final = re.compile(r"(https?)://(?!redacted:)([\w~-]{16,400})@(?=[\w-]+\.)")

Span = tuple[int, int]


def spans(text: str) -> Iterator[Span]:
    """Where in a text values stand that are secret by how they are written there, and for no other reason. May overlap."""
    for gate, pattern, tells in _NOTATIONS:
        if gate in text:
            for found in pattern.finditer(text):
                if tells(found[1], found[2]):
                    yield found.span(2)


def masked(text: str, mask: Callable[[str], str]) -> str:
    """The text with those values given to `mask`."""
    done, kept = 0, []
    for start, end in sorted(set(spans(text))):
        if start >= done:
            kept += [text[done:start], mask(text[start:end])]
            done = end
    return "".join([*kept, text[done:]])


def _by_name(name: str, _: str) -> bool:
    return holds_secret(name)


def _mixed(_: str, value: str) -> bool:
    """Letters and digits in one word: “password policy” and “-u 1000:1000” are none."""
    return any(each.isdigit() for each in value) and any(each.isalpha() for each in value)


def _worded(_: str, value: str) -> bool:
    return not value.isdigit()


_NOTATIONS: Final[tuple[tuple[str, re.Pattern[str], Callable[[str, str], bool]], ...]] = (
    ("</", _ELEMENT, _by_name),
    ("alue", _PAIR, _by_name),
    ("=>", _ARROW, _by_name),
    (":", _BLOCK, _by_name),
    (" ", _SAID, _mixed),
    ("-", _USER, _worded),
    (" -p", _ATTACHED, _worded),
    ("://", _TOKEN_BEFORE_HOST, _mixed),
)
"""What a text must hold to be looked through, the notation, and what its first and second part must be."""
