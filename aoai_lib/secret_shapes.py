"""What a secret looks like, so that none is kept in a file, printed into a notebook or repeated in a message.

Nothing here returns the secret: only what kind it seems to be. Shapes err towards refusing: a parameters file holds
names, ids and numbers, and none of those look like these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

SHAPES: Final[Mapping[str, re.Pattern[str]]] = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    # RFC 7519: a JSON object in base64url begins with eyJ.
    "a token (JWT)": re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}"),
    "a bearer token": re.compile(r"(?i)\bbearer\s+[\w.~+/-]{16,}"),
    "a shared access signature": re.compile(r"(?i)(?:^|[?&;\s])sig=[\w%+/=-]{16,}"),
    "a connection string": re.compile(
        r"(?i)\b(?:account|sharedaccess|primary|secondary)_?key\s*=|\bsharedaccesssignature\s*="
        r"|\b(?:password|pwd|client_?secret|api[-_]?key)\s*="
    ),
    "an address with a password in it": re.compile(r"://[^\s/:@]{0,200}:[^\s/@]{1,200}@"),
    # Entra ID: three characters, a digit, "Q~", 31 to 34 more; older ones are 34 to 40 characters with a "~" in them.
    "a client secret of an app registration": re.compile(
        r"(?<![\w.~-])(?:[\w.~-]{3}\dQ~[\w.~-]{31,34}|(?=[\w.-]*~)(?=[\w.~-]*\d)[\w.~-]{34,40})(?![\w.~-])"
    ),
    # Cognitive Services: 32 hexadecimal digits, or 84 letters and digits (since 2024).
    "an Azure OpenAI key": re.compile(r"(?i)(?<![0-9a-z-])(?:[0-9a-f]{32}|[0-9a-z]{84})(?![0-9a-z-])"),
    # 64 or 32 bytes in base64: storage, Cosmos DB, Service Bus, Log Analytics, container registry.
    "an access key": re.compile(r"(?<![\w+/])(?:[A-Za-z0-9+/]{86}==|[A-Za-z0-9+/]{43}=)(?![\w+/=])"),
    "an OpenAI key": re.compile(r"\bsk-[\w-]{20,}"),
    # 32 octets in base32, in small letters; newer ones are 84 letters and digits.
    "an Azure DevOps token": re.compile(r"(?<![0-9A-Za-z])(?=(?:[a-z]*[2-7]){3})[a-z2-7]{52}(?![0-9A-Za-z])"),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]_\w{36}|github_pat_\w{22,})"),
    # Azure's keys that carry the name of their service near the end: Search, container registry, Functions.
    "a key of an Azure service": re.compile(
        r"(?<![\w+/-])(?:[0-9A-Za-z]{42}AzSe[A-D][0-9A-Za-z]{5}|[0-9A-Za-z+/]{42}\+ACR[A-D][0-9A-Za-z+/]{5}"
        r"|[\w-]{44}AzFu[\w-]{5}[AQgw]==)"
    ),
    "an address that lets its holder post": re.compile(
        r"(?i)https://(?:hooks\.slack\.com/services|(?:\w+\.)?discord(?:app)?\.com/api/webhooks|[\w.-]*webhook\.office\.com/webhookb2"
        r"|outlook\.office\.com/webhook|api\.telegram\.org/bot\w+)[^\s\"'<>\\]+"
    ),
    "a key of another service": re.compile(
        r"(?<![\w-])(?:A[KS]IA[0-9A-Z]{16}|AIza[\w-]{35}|xox[abprs]-[\w-]{10,}|SG\.[\w-]{16,}\.[\w-]{16,}|hf_\w{30,}"
        r"|glpat-[\w-]{20,}|dapi[0-9a-f]{32}|dop_v1_[0-9a-f]{64}|npm_\w{36}|GOCSPX-[\w-]{28}|[sr]k_live_\w{24,}|shp\w{2}_[0-9a-f]{32}"
        r"|pypi-[\w-]{50,})"
    ),
}

_TELLING_PARTS: Final = (
    "password", "passwd", "passphrase", "secret", "token", "connectionstring", "privatekey",
    "apikey", "accesskey", "accountkey", "sharedkey", "storagekey", "subscriptionkey", "openaikey", "clientkey",
)  # fmt: skip
_TELLING_NAMES: Final = frozenset({"key", "key1", "key2", "keys", "pwd", "pass", "sas", "pat", "jwt", "bearer"})


def kind_of(text: str) -> str | None:
    """What kind of secret the text holds or is, as in "an Azure OpenAI key"; None when it looks like none."""
    return next((kind for kind, shape in SHAPES.items() if shape.search(text)), None)


def names_a_secret(name: str) -> bool:
    """Whether a parameter of this name would hold a secret: `client_secret`, `API-Key`, `pwd` …"""
    bare = re.sub(r"[^a-z0-9]", "", name.lower())
    return bare in _TELLING_NAMES or any(part in bare for part in _TELLING_PARTS)
