"""Names that say of what they hold that it is secret, or that it is what somebody said to a model."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

_NOTHING: Final = re.compile(r"[^a-z0-9]")
_ALONE: Final = frozenset(
    {
        "bearer",
        "jwt",
        "key1",
        "key2",
        "pass",
        "pat",
        "pwd",
        "sas",
        "sastoken",
        "secrettext",
        "sig",
        "sshkey",
        "token",
        "xapikey",
        "xmsoperationidentifier",
    }
)
_ENDS: Final = re.compile(
    r"(?:password|passwd|passphrase|secretkey|secret|secretvalue|conn(?:ection)?str(?:ing)?|authorization|cookie"
    r"|(?:access|account|admin|api|app|client|function|host|instrumentation|master|openai|private|readonly|shared|shared?access|signing"
    r"|storage|subscription|system|workspace|services?|primary|secondary|encryption)key[12]?"
    r"|(?:access|refresh|id|auth|api|bearer|sas|session|security|bot|account|deploy|personalaccess)token"
    r"|(?:primary|secondary)(?:master|readonly|shared)*key)(?:value|text|plain|plaintext)?"
)
_SPOKEN: Final = re.compile(
    r"(?:last|input|user|system|model|suspected|malicious|original|raw|full|backend)*"
    r"(?:prompts?|completions?|requestmessages|responsemessages|(?:request|response)content|(?:prompt|completion)s?"
    r"(?:text|evidence|segments?|content|messages?))"
)
_SPOKEN_IN_LOGS: Final = re.compile(
    r"(?:backend)?(?:request|response)body|messages?(?:content)?|requests?text|responses?text|input|output|content"
)
_TOLD: Final = frozenset({"contentmd5", "etag", "hash", "internalid", "keyversion", "md5", "thumbprint"})
_POSTED_TO: Final = frozenset(
    {"callbackurl", "httptriggerurl", "serviceuri", "webhookuri", "webhookurl", "incomingwebhook", "webhook"}
)
_LONGEST_NAME: Final = 201
"""What is as long or longer is no name."""
_COLUMN_KIND: Final = re.compile(r"_[sdgbt]$")
"""What Log Analytics puts behind a custom column's name."""


@lru_cache(4096)
def bare(name: str) -> str:
    """A name in lower case, without signs and without the kind of a log's column."""
    return _NOTHING.sub("", _COLUMN_KIND.sub("", name).lower())


@lru_cache(4096)
def holds_secret(name: str) -> bool:
    """Whether a value of this name is secret whatever it looks like: `key1`, `clientSecret`, `X-Api-Key`, `Password_s` …

    What only speaks of a secret is none: `keyName`, `secretUri`, `maxTokens`.
    """
    if len(name) >= _LONGEST_NAME:
        return False
    plain = bare(name)
    return plain in _ALONE or _ends(plain, _ENDS.search(plain))


def _ends(plain: str, found: re.Match[str] | None) -> bool:
    while found is not None:
        if found.end() == len(plain):
            return True
        found = _ENDS.search(plain, found.start() + 1)
    return False


def holds_speech(name: str, *, in_log: bool = False) -> bool:
    """Whether a value of this name is what was said to a model or by it. Gateways' logs have more names for that."""
    plain = bare(name[: _LONGEST_NAME - 1])
    return bool(_SPOKEN.fullmatch(plain) or (in_log and _SPOKEN_IN_LOGS.fullmatch(plain)))


class Traits(NamedTuple):
    """What a name says of its value."""

    secret: bool
    """See `holds_secret`."""
    speech: bool
    """See `holds_speech`."""
    told: bool
    """A version, an id or a digest, though it looks like a key: 32 hexadecimal digits."""
    posted_to: bool
    """An address that lets whoever knows it post."""


def traits(name: str, *, in_log: bool) -> Traits:
    """All that a name says of its value."""
    return _traits(name[:_LONGEST_NAME], in_log)


@lru_cache(1 << 13)
def _traits(name: str, in_log: bool) -> Traits:
    plain = bare(name[: _LONGEST_NAME - 1])
    return Traits(holds_secret(name), holds_speech(name, in_log=in_log), plain in _TOLD, plain in _POSTED_TO)
