"""Take secrets out of an answer before anything keeps it. What is judged and what is stored is the redacted form.

A secret is replaced by `redacted:` and the first twelve digits of its SHA-256: the same secret stays the same text, so
that answers can still be joined, and long random secrets can't be found from it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from aoai_lib.model import Json
from aoai_lib.secret_shapes import SHAPES

SHORTEST: Final = 16
"""Texts shorter than this hold no secret that a shape could tell from a name."""

_WHOLE: Final = frozenset({"a connection string", "a private key", "an address with a password in it"})
_SECRET_PROPERTY: Final = re.compile(
    r"(?i)(key[12]|(primary|secondary)(shared|master|readonly)?key|(primary|secondary)?connectionstring|"
    r"(access|refresh|id)_?token|client_?secret|password|sharedaccesskey|accountkey|apikey|api_key|secretvalue)"
)
_SECRET_QUERY: Final = frozenset({"sig", "code", "key", "token", "access_token", "c", "h", "s", "t"})
KEPT_HEADERS: Final = frozenset(
    {
        "apim-request-id",
        "content-type",
        "date",
        "etag",
        "retry-after",
        "x-aoai-partial",
        "x-ms-correlation-request-id",
        "x-ms-failure-cause",
        "x-ms-ratelimit-remaining-subscription-global-reads",
        "x-ms-ratelimit-remaining-subscription-reads",
        "x-ms-region",
        "x-ms-request-id",
        "x-ms-routing-request-id",
    }
)
"""Answer headers that evidence keeps. `x-ms-operation-identifier` names the caller in plain text and is not among them."""


def mask(secret: str) -> str:
    """The form in which a secret is kept."""
    return f"redacted:{hashlib.sha256(secret.encode()).hexdigest()[:12]}"


def redact_text(text: str) -> str:
    """The text with everything that has the shape of a secret masked."""
    if len(text) < SHORTEST:
        return text
    for kind, shape in SHAPES.items():
        if shape.search(text):
            if kind in _WHOLE:
                return mask(text)
            text = shape.sub(lambda found: mask(found.group()), text)
    return text


def redact(value: Json, name: str = "") -> Json:
    """A JSON value without secrets: by the name of the property that holds them, and by their shape anywhere."""
    if isinstance(value, dict):
        return {redact_text(key): redact(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [redact(inner, name) for inner in value]
    if not isinstance(value, str):
        return value
    return mask(value) if value and _SECRET_PROPERTY.fullmatch(name) else redact_text(value)


def redact_url(url: str) -> str:
    """A URL whose signatures, codes and certificates in the query are masked, and whose user info is gone."""
    parts = urlsplit(url)
    if not parts.query and "@" not in parts.netloc:
        return url
    query = [
        (key, mask(value) if key.lower() in _SECRET_QUERY and len(value) >= SHORTEST else redact_text(value))
        for key, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, netloc, parts.path, urlencode(query, safe="$'(),/:"), ""))


def keep_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The answer headers that evidence keeps, by lower-cased name."""
    return {name.lower(): value for name, value in headers.items() if name.lower() in KEPT_HEADERS}
