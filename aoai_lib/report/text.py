"""Text as it may be shown. Names and values come from the tenant, so whoever is assessed can write anything into them."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Final

from aoai_lib.model import ABSENT, Absent, Json

_CODE: Final = re.compile(r"`([A-Za-z][\w./ -]{1,60})`")
MOST_CHARACTERS: Final = 2000
"""Length at which any text is cut where nothing shorter is asked for."""

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def visible(text: str, limit: int = MOST_CHARACTERS) -> str:
    """The text with control, direction and invisible characters written as their numbers, cut with its length named.

    What is shown has no more than `limit` characters and the naming of the length, whatever the text is made of.
    """
    told = text[:limit]
    if not (told.isascii() and told.isprintable()):
        told = "".join(f"\\u{ord(each):04x}" if unicodedata.category(each) in _INVISIBLE else each for each in told)
    return told if len(text) <= limit and len(told) <= limit else f"{told[:limit]}… ({len(text):,} characters)"


def pieces(text: str) -> list[tuple[str, bool]]:
    """A sentence of the playbook in parts, and of each whether it stood between backticks: a name of a parameter or a command."""
    return [(part, number % 2 == 1) for number, part in enumerate(_CODE.split(visible(text)))]


def fitted(text: str, letters: int) -> str:
    """The text for a place of so many letters, where the whole of it stands elsewhere too: its end gives way to “…”."""
    safe = visible(text)
    return safe if len(safe) <= letters else f"{safe[: letters - 1]}…"


def shown(value: Json | Absent, limit: int = 160) -> str:
    """A value off the wire, for a person."""
    if value is ABSENT:
        return "absent"
    return visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), limit)


def inert(text: str) -> str:
    """The text as a spreadsheet opens it without running it: what could begin a formula gets an apostrophe before it.

    OWASP, "CSV Injection": `=`, `+`, `-`, `@`, their full-width forms, tab, carriage return and line feed at the start of a cell; also
    behind spaces, which a program may take off.
    """
    bare = text.lstrip()
    return f"'{text}" if bare.startswith(_FORMULA_STARTS) or text.startswith(("\t", "\r", "\n")) else text


def brief(text: str) -> str:
    """A sentence with each request shortened to the end of its path, for where the whole of it stands elsewhere."""
    return _REQUEST.sub(r"\1 …/\2", text)


_REQUEST: Final = re.compile(r"\b(GET|POST) /\S+/([^/\s]+)")


def words(name: str) -> str:
    """A constant of the model as words: `not_assessed` is “not assessed”."""
    return name.replace("_", " ")


def leaf(arm_id: str) -> str:
    """The last name in an ARM id."""
    return arm_id.rstrip("/").rpartition("/")[2] or arm_id


def subject_name(arm_id: str) -> str:
    """A short name that is unique enough to read: deployments carry their account's name."""
    steps = arm_id.strip("/").split("/")
    lowered = [step.lower() for step in steps]
    if len(steps) >= 4 and lowered[-2] == "deployments" and lowered[-4] == "accounts":
        return f"{steps[-3]} / {steps[-1]}"
    return leaf(arm_id)
