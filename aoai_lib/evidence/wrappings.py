"""What a secret may be wrapped in inside of a text, and how a text looks that nothing but chance makes."""

from __future__ import annotations

import base64
import binascii
import html
import re
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Final
from urllib.parse import unquote

from aoai_lib.evidence.masking import mask

Redact = Callable[[str], str]

_PERCENT: Final = re.compile(r"[^\s\"'<>]*%[0-9A-Fa-f]{2}[^\s\"'<>]*")
_ESCAPE: Final = re.compile(r"\\u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})|\\([/\\\"nrt])")
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t"}
_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos);")
_BASE64: Final = re.compile(r"(?<![\w+/=-])(?:[A-Za-z0-9+/]{12,}|[A-Za-z0-9_-]{12,})={0,2}(?![\w+/=-])")
_READABLE: Final = re.compile(rb"[\t\n\r\x20-\x7e]{12,}|(?:[\t\n\r\x20-\x7e]\x00){12,}")
_LONG_PIECE: Final = re.compile(r"(?<![\w-])[\w-]{40,4096}={0,2}(?![\w-])")
_PIECE: Final = re.compile(r"(?<![A-Za-z0-9+])[A-Za-z0-9+]{24,4096}(?![A-Za-z0-9+])")
_LINES: Final = re.compile(r"(?<![\w+/=-])(?:[A-Za-z0-9+/]{60,76}\r?\n)+[A-Za-z0-9+/]{1,76}={0,2}(?![\w+/=-])")
_HEXADECIMAL: Final = re.compile(r"(?<![0-9A-Za-z])(?:[0-9a-fA-F]{2}){12,}(?![0-9A-Za-z])")
_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
_GZIP: Final = b"\x1f\x8b"
_MOST_UNPACKED: Final = 1 << 20
_ID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SHORT: Final = 100
_MIXED: Final = 0.42
"""Share of neighbours of different kinds (capital, small letter, digit): 0.6 where drawn at random, 0.2 in words with numbers."""


def unescaped(text: str, redact: Redact) -> str | None:
    """The text redacted without its escapes, where a secret stands in it that way; None where none does. `redact` masks in plain
    text."""
    plain = _ENTITY.sub(lambda found: html.unescape(found[0]), text) if "&" in text else text
    plain = _unescaped(plain)
    plain = plain if plain.isascii() else _INVISIBLE.sub("", plain)
    kept = redact(plain) if plain != text else plain
    return kept if kept != plain else None


def decoded_parts(text: str, redact: Redact) -> str:
    """The text with its percent-encoded parts decoded, and its parts in base64 masked, where there is a secret in them."""
    if "%" in text:
        text = _PERCENT.sub(lambda found: _redecoded(found[0], redact), text)
    if "\n" in text:
        text = _LINES.sub(lambda found: _kept_lines(found[0], redact), text)
    text = _HEXADECIMAL.sub(lambda found: _kept_hexadecimal(found[0], redact), text)
    return _BASE64.sub(lambda found: _kept(found[0], redact), text)


def _redecoded(piece: str, redact: Redact) -> str:
    plain = unquote(piece)
    kept = redact(plain)
    return piece if kept == plain else kept


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(_meant, text)


def _meant(found: re.Match[str]) -> str:
    return _ESCAPED.get(found[3], found[3]) if found[3] else chr(int(found[1] or found[2], 16))


def _kept(piece: str, redact: Redact) -> str:
    texts = _short_texts(piece) if len(piece) <= _SHORT else _texts(piece)
    return mask(piece) if any(redact(each) != each for each in texts) else piece


def _kept_lines(piece: str, redact: Redact) -> str:
    """Base64 that is broken into lines: what it says may stand across their ends."""
    return mask(piece) if _kept(whole := "".join(piece.split()), redact) != whole else piece


def _kept_hexadecimal(piece: str, redact: Redact) -> str:
    """The octets of a readable text, as digits; those of a digest or an id are never all readable."""
    plain = _read(bytes.fromhex(piece), "utf-8")
    return piece if plain is None or redact(plain) == plain else mask(piece)


def _texts(piece: str) -> tuple[str, ...]:
    """What a text in base64 may say."""
    plain = decoded(piece)
    return tuple(_readable(piece)) if plain is None else (plain,)


_short_texts = lru_cache(1 << 14)(_texts)
"""The words of paths look like base64, and come again and again."""


def _readable(piece: str) -> Iterator[str]:
    """What can be read in a base64 text that has something else before or behind it, wherever it begins."""
    bare = piece.rstrip("=").replace("-", "+").replace("_", "/")
    for start in range(4):
        left = bare[start:-1] if (len(bare) - start) % 4 == 1 else bare[start:]
        content = base64.b64decode(left + "=" * (-len(left) % 4))
        for found in _READABLE.finditer(content):
            text = found[0].replace(b"\0", b"").decode("ascii")
            yield from (text[most:] for most in range(3))  # what came before may have left a letter or two


def decoded(piece: str) -> str | None:
    """The text that stands in a base64 text; None where that is no text."""
    bare = piece.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        content = base64.b64decode(bare + "=" * (-len(bare) % 4))
        if content.startswith(_GZIP):
            content = zlib.decompressobj(31).decompress(content, _MOST_UNPACKED)
    except (ValueError, binascii.Error, zlib.error):
        return None
    return _read(content, "utf-16-le" if content[1::2].count(0) > len(content) // 3 else "utf-8")


def _read(content: bytes, encoding: str) -> str | None:
    """Octets as text; None where that is none that anybody reads."""
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    shown = sum(each.isprintable() or each in "\r\n\t" for each in _INVISIBLE.sub("?", text))
    return text if shown == len(text) > 0 else None


def is_credential(scheme: str, value: str) -> bool:
    """Whether what stands after the name of a scheme is a credential and no word."""
    if scheme.lower() == "bearer":
        return len(value) >= 16
    if scheme.lower() == "basic":
        return ":" in (decoded(value) or "")
    return len(value) >= 16 and any(each.isdigit() for each in value) and any(each.isalpha() for each in value)


def without_random(text: str, mask: Callable[[str], str]) -> str:
    """The text with what only chance makes given to `mask`: a long piece as a whole, else the parts of it between signs."""

    def parts(found: re.Match[str]) -> str:
        return mask(found[0]) if is_random(found[0]) else found[0]

    def whole(found: re.Match[str]) -> str:
        return mask(found[0]) if is_random(found[0]) else _PIECE.sub(parts, found[0])

    return _PIECE.sub(parts, _LONG_PIECE.sub(whole, text))


def is_random(piece: str) -> bool:
    """Whether letters and digits follow each other as only a generator puts them. Ids, digests, names and words do not."""
    bare = _ID.sub("", piece)
    kinds = ["d" if each.isdigit() else "u" if each.isupper() else "l" for each in bare if each.isalnum()]
    if len(kinds) < 22 or min(kinds.count(kind) for kind in "dul") < 2:
        return False
    changes = sum(one != other for one, other in pairwise(kinds))
    text = decoded(piece)
    return changes / len(kinds) >= _MIXED and (text is None or not text.isascii())
