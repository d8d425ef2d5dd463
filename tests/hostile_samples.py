"""Strings that a tenant may hold and that want to be more than text, and a change that puts them into every answer of the lab."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tampered import Answer

LONG = 1_000_000
ESCAPED = "escaped-from-the-run"
"""A file of this name must not come to be anywhere."""
ALWAYS = {"search-chat": "long", "gpt-4o": "direction"}
"""What some deployments are named, whichever request is answered first: the rest is handed out in the order of the requests."""


def payloads(port: int) -> dict[str, str]:
    """Each by what it tries; the addresses are a server's that counts who comes."""
    home = f"http://127.0.0.1:{port}"
    return {
        "image": f'<img src="{home}/image" onerror="alert(1)">',
        "script": f'<script>alert(1);fetch("{home}/script")</script>',
        "attribute": '" onmouseover="alert(1)" autofocus onfocus="alert(1)" x="',
        "svg": '"><svg/onload=alert(1)>',
        "end of title": "</title></style></script></svg><script>alert(1)</script>",
        "cdata": "]]><script>alert(1)</script>",
        "style": f"</style><style>@import url({home}/style);</style>",
        "refresh": f'<meta http-equiv="refresh" content="0;url={home}/refresh"><base href="{home}/base/">',
        "frame": f'<iframe src="{home}/frame"></iframe><link rel="prefetch" href="{home}/prefetch">',
        "entities": "&lt;script&gt;alert(1)&lt;/script&gt; &#x3C;b&#x3E;",
        "address": "javascript:alert(1)",
        "link": f"[click]({home}/link) ![picture]({home}/picture) <{home}/auto>",
        "heading": "# heading\n\n* item\n\n---\n\n```\ncode",
        "row": "| a | b |\n|---|---|\n| 1 | 2 |",
        "mathematics": "$\\href{javascript:alert(1)}{x}$ \\(x\\)",
        "formula": f'=HYPERLINK("{home}/formula","x")',
        "plus": "+1+1",
        "minus": "-2+3+cmd|' /C calc'!A0",
        "at": "@SUM(1+1)",
        "tab": "\t=1+1",
        "return": "\r\n=1+1",
        "wide": "\uff1d1+1",
        "separators": 'a";"=1+1,"=2+2',
        "terminal": "\x1b[31mred\x1b]0;title\x07\x1b[2J\x9b31m",
        "direction": "\u202egnp.exe\u202c\u2066\u200b\ufeff",
        "control": "a\x00b\x08\x0b\x0c\x7f\x85\u2028\u2029",
        "half": "\ud800",
        "up": f"../../../../../../tmp/{ESCAPED}",
        "windows": f"..\\..\\{ESCAPED}:stream",
        "root": f"/tmp/{ESCAPED}",
        "template": "{{ 7*7 }}{% raw %}${7*7}#{7*7}",
        "lookup": f"${{jndi:ldap://127.0.0.1:{port}/lookup}}",
        "markup": "[bold red]red[/] [link=http://a.example]x[/link] :warning:",
        "header": "%0d%0aSet-Cookie:%20a=b",
        "line": "x\nexposed: everything passed",
        "long": f"<b>{'m' * LONG}</b>",
    }


_STRUCTURE = frozenset(
    {"apiversion", "createddatetime", "date", "datetime", "etag", "expiration", "id", "kind", "location", "nextlink"}
    | {"odatatype", "oid", "principalid", "principaltype", "resourceid", "roledefinitionid", "scope", "subscriptionid"}
    | {"tenantid", "time", "timegenerated", "timestamp", "type"}
)
_ID = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT.*|[\d.:/]+|P.{1,9}|true|false|", re.IGNORECASE
)


@dataclass
class Spoiler:
    """Spoils answers of the lab: names, descriptions, tags and cells; with `thorough` every text that is no id, number or time."""

    port: int
    thorough: bool = False
    served: Counter[str] = field(default_factory=Counter)
    turn: int = 0
    long_left: int = 6

    def __post_init__(self) -> None:
        self.kinds = payloads(self.port)

    def text(self) -> str:
        """The next payload, behind a word by which it is found again."""
        names = list(self.kinds)
        name = names[self.turn % len(names)]
        self.turn += 1
        if name == "long":
            if not self.long_left:
                return self.text()
            self.long_left -= 1
        self.served[name] += 1
        return self.kinds[name] if self.turn % 2 else f"{self.kinds[name]} mark-{name.replace(' ', '-')}"

    def __call__(self, answer: Answer) -> None:
        if answer.is_sign_in or isinstance(answer.body, bytes):
            return
        if answer.is_data:
            self._model(answer)
        elif answer.is_query and isinstance(answer.body, dict):
            for table in answer.body.get("tables", []):
                for row in table["rows"]:
                    row[:] = [self._leaf(cell, "") if isinstance(cell, str) else cell for cell in row]
        elif answer.status >= 400 and isinstance(answer.body, dict):
            inner = answer.body.get("error")
            if isinstance(inner, dict):
                inner["message"] = self.text()
        else:
            self._resources(answer.body, answer.path)

    def _leaf(self, value: str, key: str) -> str:
        plain = key.lower().replace("@", "").replace(".", "")
        return (
            value if plain in _STRUCTURE or _ID.fullmatch(value) or value.startswith("/subscriptions/") else self.text()
        )

    def _resources(self, body: Any, path: str) -> None:
        items = body.get("value") if isinstance(body, dict) and isinstance(body.get("value"), list) else [body]
        for item in items:
            if isinstance(item, dict):
                self._resource(item, path)

    def _resource(self, item: dict[str, Any], path: str) -> None:
        if re.search(
            r"/(deployments|raipolicies|raiblocklists|metricalerts|activitylogalerts|budgets|locks)$", path.lower()
        ):
            self._rename(item)
        item["tags"] = {**(item.get("tags") or {}), self.text()[:500]: self.text(), "owner": self.text()}
        for name in ("displayName", "userPrincipalName", "description"):
            if isinstance(item.get(name), str):
                item[name] = self.text()
        properties = item.get("properties")
        if isinstance(properties, dict):
            self._inside(properties)
            properties |= {"description": self.text(), "x-note": self.text()}

    def _rename(self, item: dict[str, Any]) -> None:
        always = ALWAYS.get(str(item.get("name")))
        name = self.kinds[always] if always else self.text()
        if "id" in item and isinstance(item["id"], str):
            item |= {"id": f"{item['id'].rpartition('/')[0]}/{name}", "name": name}

    def _inside(self, value: Any, key: str = "") -> None:
        """Names and descriptions below a resource; with `thorough` every text."""
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for name, each in list(pairs):
            called = name if isinstance(name, str) else key
            if isinstance(each, dict | list):
                self._inside(each, called)
            elif isinstance(each, str) and (
                self.thorough or called.lower() in ("name", "description", "displayname", "caller")
            ):
                value[name] = self._leaf(each, called)

    def _model(self, answer: Answer) -> None:
        body = answer.body
        if not isinstance(body, dict):
            return
        body |= {"note": self.text(), "model": self.text()}
        for choice in body.get("choices", []):
            if isinstance(choice.get("message"), dict):
                choice["message"]["content"] = self.text()
        if isinstance(body.get("error"), dict):
            body["error"] |= {"message": self.text(), "code": self.text()}
