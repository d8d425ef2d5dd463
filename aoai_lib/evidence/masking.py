"""The form in which a secret is kept: one text for one secret, from which the secret can't be found.

A secret that a machine drew at random is kept as `redacted:` and twelve digits of its SHA-256: the same in every run. What a
person may have thought of could be guessed from a digest, so it is kept as `redacted:run-` and twelve digits of a digest with a
key that this process drew and never tells: the same within a run, another in the next.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Final

PREFIX: Final = "redacted:"
_KEY: Final = secrets.token_bytes(32)
_MASK: Final = re.compile(r"redacted:(?:run-)?[0-9a-f]{12}")
_OF_ONE_RUN: Final = re.compile(r"redacted:run-[0-9a-f]{12}")
_DISTINCT: Final = 10
_RANDOM: Final = re.compile(
    r"[0-9a-f]{32}|[0-9A-Za-z]{52}|[0-9A-Za-z]{84}|[A-Za-z0-9+/]{86}==|[A-Za-z0-9+/]{43}="
    r"|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)*|[\w.~-]{3}\dQ~[\w.~-]{31,34}|gh[pousr]_\w{36}"
)
"""Shapes of generated secrets, 128 bits and more of them drawn at random."""


def mask(secret: str) -> str:
    """The form in which a secret is kept. What is a mask already stays it."""
    if is_mask(secret):
        return secret
    content = secret.encode("utf-8", "replace")
    if _RANDOM.fullmatch(secret) and len(set(secret)) >= _DISTINCT:
        return f"{PREFIX}{hashlib.sha256(content).hexdigest()[:12]}"
    return f"{PREFIX}run-{hmac.new(_KEY, content, hashlib.sha256).hexdigest()[:12]}"


def is_mask(text: str) -> bool:
    """Whether a text is the form of a secret, and nothing else."""
    return _MASK.fullmatch(text) is not None


def comparable(text: str) -> str:
    """The text as texts of two runs can be compared: masks that are another in each run are all the same."""
    return _OF_ONE_RUN.sub(f"{PREFIX}run", text) if f"{PREFIX}run-" in text else text
