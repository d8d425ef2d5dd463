"""Take secrets out of an answer before anything keeps it. What is judged and what is stored is the redacted form.

A secret is found by the name of what holds it (`naming`), by its shape (`secret_shapes`), or because nothing but chance makes
such a text; also below JSON in a string, percent and base64 encodings and escapes. It is replaced by its mask (`masking`).
Redacting what is redacted changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from aoai_lib.evidence import notations, wrappings
from aoai_lib.evidence.masking import is_mask, mask
from aoai_lib.evidence.naming import holds_secret, holds_speech, traits
from aoai_lib.model import Json
from aoai_lib.secret_shapes import SHAPES

__all__ = ["KEPT_HEADERS", "keep_headers", "mask", "redact", "redact_text", "redact_url"]

_SHORTEST: Final = 6
"""Texts shorter than this hold neither a name with a value nor the shape of a secret."""
_SHORT: Final = 400
_DEEPEST: Final = 5
"""Wrappings in each other that are opened."""
_NO_SECRET: Final = frozenset(
    {
        "true",
        "false",
        "null",
        "none",
        "enabled",
        "disabled",
        "required",
        "optional",
        "undefined",
        "string",
        "securestring",
    }
    | {"bool", "datetime", "dynamic", "guid", "int", "long", "real", "timespan"}
)
_TELLS_KIND: Final = frozenset({"authtype", "clientid", "id", "kind", "name", "resourceid", "tenantid", "type"})
"""Members of an object called `credentials` that are no secrets."""
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

_HEXADECIMAL: Final = re.compile(r"(?i)[0-9a-f]{32,128}")
_KEY_IN_VAULT: Final = re.compile(r"(?i)/(?:keys|secrets|certificates)/[\w-]{1,127}/$")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.S
)
_USER: Final = re.compile(r"(?<=://)(?!redacted:)([^\s/:@\"'<>]{0,200}):([^\s/@\"'<>]{1,400})(?=@)")
_QUERY: Final = re.compile(r"(?<=[?&#;])(?:amp;)?([\w$.%-]{1,64})=([^&#;\s\"'<>\\]+)")
_HEADER: Final = re.compile(
    r"(?i)(?<![\w.-])((?:proxy-)?authorization|(?:set-)?cookie2?|x-ms-operation-identifier)"
    r"([\"'\\]{0,4}\s{0,4}[:=]\s{0,4}[\"'\\]{0,4})(?!redacted:)(\w[^\"'\\\r\n]+)"
)
_SCHEME: Final = re.compile(
    r"(?i)\b(bearer|basic|negotiate|sharedkey(?:lite)?|digest|apikey|token)(\s{1,4})(?!redacted:)([^\s\"'\\<>,;]{8,})"
)
_SIGNS: Final = re.compile("[=:\uff1a\uff1d]")
_NAME: Final = re.compile(
    r"(?<![\w.-])((?:[A-Za-z][\w.-]{0,40} )?[A-Za-z][\w.-]{0,80})([\"'\\]{0,4}\s{0,4}(?:=(?![=~>])|:=?|\uff1a|\uff1d)\s{0,4})"
)
_QUOTED: Final = re.compile(r"(\\{0,4}[\"'])(.*?)(?:(?<!\\)\1|\Z)", re.DOTALL)
_STATEMENT: Final = re.compile(r"[^;\r\n\"]*(?=;)")
_WORD: Final = re.compile(r"[^\s,;&\"'<>)\]}\\]+")
_CALL: Final = re.compile(r"[A-Za-z_]\w*\(")
_OPTION: Final = re.compile(r"(?<!\S)(--?[A-Za-z][\w-]{0,40})(\s{1,4})([^\s-]\S*)")
_SECRET_QUERY: Final = frozenset({"c", "code", "h", "key", "s", "sig", "t", "token"})
_LONG_ENOUGH: Final = 16


def redact(value: Json, name: str = "") -> Json:
    """A JSON value without secrets. `name` is what the value is called. Raises `RecursionError` for one nested without end."""
    return _value(value, name, 0)


def redact_text(text: str) -> str:
    """The text with every secret in it masked, and with halves of surrogate pairs, which no file can hold, replaced."""
    return _text(text, 0)


def redact_url(url: str) -> str:
    """A URL whose secrets are masked and whose user info and fragment are gone; as `redact_text` leaves it otherwise."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    return redact_text(urlunsplit((parts.scheme, netloc, parts.path, parts.query, "")))


def keep_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The answer headers that evidence keeps, by lower-cased name."""
    return {name.lower(): redact_text(value) for name, value in headers.items() if name.lower() in KEPT_HEADERS}


def _value(value: Json, name: str, depth: int, *, held: bool = False, log: bool = False) -> Json:
    """`held`: inside of what holds nothing but secrets; `log`: inside of rows of a log."""
    if isinstance(value, dict):
        return _object(value, name, depth, held=held, log=log)
    if isinstance(value, list):
        return [_value(each, name, depth, held=held, log=log) for each in value]
    if not isinstance(value, str):
        return value
    named = traits(name, in_log=log)
    if (held or named.secret) and _may_be_secret(value):
        return mask(value)
    if named.speech and _may_be_secret(value) and " " in value.strip():
        return mask(value)
    if named.told and _HEXADECIMAL.fullmatch(value):
        return value
    return _address(value) if named.posted_to else _text(value, depth, log=log)


def _object(value: dict[str, Json], name: str, depth: int, *, held: bool, log: bool) -> dict[str, Json]:
    columns, rows = value.get("columns"), value.get("rows")
    if isinstance(columns, list) and isinstance(rows, list):
        titles = [str(each.get("name", "")) if isinstance(each, dict) else "" for each in columns]
        cells = [
            _row(row, titles, depth) if isinstance(row, list) else _value(row, "", depth, log=True) for row in rows
        ]
        rest = {key: _value(each, key, depth) for key, each in value.items() if key != "rows"}
        return {key: cells if key == "rows" else rest[key] for key in value}
    called = value.get("name", value.get("key"))
    pair = called if isinstance(called, str) and "value" in value and not isinstance(value["value"], dict) else ""
    inside = held or name.lower() in ("credentials", "secrets")
    found: dict[str, Json] = {}
    for key, each in value.items():
        own = (pair or name) if key.lower() in ("value", "defaultvalue") and holds_secret(pair or name) else key
        safe = key.lower() in _TELLS_KIND
        found[_text(key, depth)] = _value(each, own, depth, held=inside and not safe, log=log)
    return found


def _row(row: list[Json], titles: list[str], depth: int) -> list[Json]:
    named = [*titles, *[""] * (len(row) - len(titles))]
    return [_value(cell, title, depth, log=True) for cell, title in zip(row, named, strict=False)]


def _may_be_secret(value: str) -> bool:
    return bool(value.strip()) and value.strip().lower() not in _NO_SECRET and not is_mask(value)


def _address(url: str) -> str:
    """An address that lets its holder post: only the host is kept."""
    parts = urlsplit(url)
    rest = urlunsplit(("", "", parts.path.lstrip("/"), parts.query, parts.fragment))
    if not rest:
        return redact_text(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}/{mask(rest)}" if host else mask(url)


def _text(text: str, depth: int, *, log: bool = False) -> str:
    return _short(text, depth, log) if len(text) <= _SHORT else _found(text, depth, log)


def _found(text: str, depth: int, log: bool) -> str:
    text = _SURROGATE.sub("\ufffd", text)
    if len(text) < _SHORTEST or depth > _DEEPEST:
        return text
    inner = _json(text, depth, log=log)
    if inner is not None:
        return inner

    def below(plain: str) -> str:
        return _text(plain, depth + 1, log=log)

    plain = wrappings.unescaped(text, below)
    if plain is not None:
        return plain
    text = _QUERY.sub(_query, text) if "=" in text else text
    return _shaped_parts(_named_parts(wrappings.decoded_parts(text, below)))


_short = lru_cache(1 << 15)(_found)
"""Names, ids and types come again and again."""


def _json(text: str, depth: int, *, log: bool) -> str | None:
    """A text that is a JSON object, list or string, redacted as such; None for any other."""
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return None
    try:
        held = json.loads(text)
        kept = _value(held, "", depth + 1, log=log)
    except (ValueError, RecursionError):
        return None
    return text if kept == held else json.dumps(kept, ensure_ascii=False)


def _named_parts(text: str) -> str:
    """Values masked for the name before them, as connection strings, headers, queries, options and code write it."""
    if "-----BEGIN" in text:
        text = _PRIVATE_KEY.sub(_masked, text)
    if "@" in text:
        text = _USER.sub(_masked, text)
    text = notations.masked(text, _mask_told)
    if _SIGNS.search(text):
        text = _assigned(_HEADER.sub(_header, text))
    if " -" in text or text.startswith("-"):
        text = _OPTION.sub(_option, text)
    return _SCHEME.sub(_scheme, text)


def _shaped_parts(text: str) -> str:
    for kind, shape in SHAPES.items():
        if kind not in _BY_NAME:
            text = shape.sub(_shaped, text)
    return wrappings.without_random(text, mask)


_BY_NAME: Final = frozenset(
    {
        "a private key",
        "a bearer token",
        "a shared access signature",
        "a connection string",
        "an address with a password in it",
    }
)
"""Shapes that only say that a secret follows: `_named_parts` finds what it is."""


def _mask_told(value: str) -> str:
    bare = value.strip()
    return value.replace(bare, mask(bare)) if _may_be_secret(bare) and not bare.startswith("redacted:") else value


def _masked(found: re.Match[str]) -> str:
    return mask(found[0])


def _shaped(found: re.Match[str]) -> str:
    """Masked, unless it is the version in an identifier of Key Vault."""
    return (
        found[0] if _KEY_IN_VAULT.search(found.string[max(0, found.start() - 150) : found.start()]) else mask(found[0])
    )


def _query(found: re.Match[str]) -> str:
    name, value = found[1].lower(), unquote(found[2])
    by_letter = name in _SECRET_QUERY and (len(value) >= _LONG_ENOUGH or name == "sig")
    if not _may_be_secret(value) or not (by_letter or _names_secret(name, value)):
        return found[0]
    return f"{found[0].removesuffix(found[2])}{mask(value)}"


def _names_secret(name: str, value: str) -> bool:
    """`token` alone is as well a count, or a place in a list, as a secret."""
    return holds_secret(name) and (name.lower() != "token" or len(value) >= _LONG_ENOUGH)


def _header(found: re.Match[str]) -> str:
    value = found[3].rstrip()
    if _CALL.match(value) or not _may_be_secret(re.split(r"\W", value, maxsplit=1)[0]):
        return found[0]
    scheme = _SCHEME.fullmatch(value)
    kept = f"{scheme[1]}{scheme[2]}{mask(scheme[3])}" if scheme else mask(value)
    return f"{found[1]}{found[2]}{kept}"


def _scheme(found: re.Match[str]) -> str:
    """A scheme with its credential. “Basic authentication” and the like are words."""
    return f"{found[1]}{found[2]}{mask(found[3])}" if wrappings.is_credential(found[1], found[3]) else found[0]


def _option(found: re.Match[str]) -> str:
    secret = holds_secret(found[1]) and _may_be_secret(found[3])
    return f"{found[1]}{found[2]}{mask(found[3])}" if secret else found[0]


def _assigned(text: str) -> str:
    """Values after a name that tells of a secret: quoted, up to a semicolon as in connection strings, or a word."""
    kept, done = [], 0
    for found in _NAME.finditer(text):
        if found.start() < done or not _tells(found[1]):
            continue
        start, end = _extent(text, found.end(), connection="=" in found[2])
        value = text[start:end]
        short = found[1].rpartition(" ")[2].lower() == "token" and len(value) < _LONG_ENOUGH
        if _may_be_secret(value) and not (short or value.startswith("redacted:") or _CALL.match(value)):
            kept += [text[done:start], mask(value)]
            done = end
    return "".join([*kept, text[done:]])


def _tells(name: str) -> bool:
    """Whether a name, or the last word of two, tells of a secret or of what was said to a model."""
    last = name.rpartition(" ")[2]
    return holds_secret(name) or holds_secret(last) or holds_speech(last)


def _extent(text: str, at: int, *, connection: bool) -> tuple[int, int]:
    """Where the value that begins there begins and ends, without its quotes."""
    if quoted := _QUOTED.match(text, at):
        return quoted.span(2)
    found = (_STATEMENT.match(text, at) if connection else None) or _WORD.match(text, at)
    return found.span() if found else (at, at)
