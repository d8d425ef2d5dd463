"""Faults and slowness on request: what a client must survive, asked for by one short text.

`SPOILED` answers are the true ones, sent badly; `PAGING` strikes only lists of Resource Manager, and leads from page to page without
end, or to another host; `ON_WRITES` strikes only writes there, which are carried out, and whose operation then ends badly, never, or is not known any
more; `ON_DATA` strikes only calls to a model, and the account answers them itself.

A fault is ``KIND[:COUNT[:PATH]]``: ``429:3:deployments`` answers 429 to the first three requests whose path holds
``deployments`` (without case). Without a count it never ends, without a path it meets every request but sign-in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from aoai_lib.lab.shapes import Json

STATUSES = ("401", "403", "404", "409", "429", "500", "502", "503", "504")
SPOILED = ("drip", "truncate")
PAGING = ("endless", "circle", "elsewhere")
ON_WRITES = ("failed", "canceled", "stuck", "vanished")
ON_DATA = ("unfiltered", "suspended", "respelled")
WORDED = ("expired", "429silent", "429day")
TRUE = (*SPOILED, *PAGING, *ON_WRITES, *ON_DATA)
"""Kinds that leave the answer to whoever would give it, or to the account."""
KINDS = (*STATUSES, *WORDED, "reset", "timeout", "badjson", "null", "emptylist", *TRUE)


_MANAGED = ("/subscriptions", "/providers/")


@dataclass
class Fault:
    """One fault: its kind, how often it still strikes (None: always), the path substring that it waits for."""

    kind: str
    left: int | None = None
    path: str = ""
    struck: int = 0

    def meets(self, path: str, method: str = "GET") -> bool:
        return self._suits(path, method) and self.left != 0 and self.path.lower() in path.lower()

    def _suits(self, path: str, method: str) -> bool:
        if self.kind in ON_DATA:
            return is_data(path)
        if self.kind in ON_WRITES:
            return method in ("PUT", "PATCH", "DELETE") and path.startswith(_MANAGED)
        return self.kind not in PAGING or (method == "GET" and path.startswith(_MANAGED))


@dataclass
class Faults:
    """The faults in force, first come first served. Tests may add and clear them while the lab runs."""

    active: list[Fault] = field(default_factory=list)

    def add(self, spec: str) -> Fault:
        """Add a fault. Raises ValueError when the text names none."""
        kind, _, rest = spec.partition(":")
        count, _, path = rest.partition(":")
        if kind not in KINDS:
            raise ValueError(f"{spec!r} names no fault; known are {', '.join(KINDS)}")
        if count and not count.isdigit():
            raise ValueError(f"{spec!r}: {count!r} is no count")
        fault = Fault(kind, int(count) if count else None, path)
        self.active.append(fault)
        return fault

    def extend(self, specs: Iterable[str]) -> None:
        for spec in specs:
            self.add(spec)

    def clear(self) -> None:
        self.active.clear()

    def take(self, path: str, method: str = "GET") -> Fault | None:
        """The fault that strikes this request, counted."""
        for fault in self.active:
            if fault.meets(path, method) and (fault.path or not path.startswith(("/msi/", "/metadata/"))):
                fault.struck += 1
                if fault.left is not None:
                    fault.left -= 1
                return fault
        return None


def is_data(path: str) -> bool:
    """Whether a path is one of an account's data plane."""
    return "/openai/" in path


_MESSAGES = {
    "401": ("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time."),
    "403": ("AuthorizationFailed", "The client does not have authorization to perform the action over the scope."),
    "404": ("ResourceNotFound", "The resource was not found."),
    "409": ("Conflict", "Another operation on this or dependent resource is in progress."),
    "429": ("TooManyRequests", "The request is being throttled as the limit has been reached for operation type."),
    "500": ("InternalServerError", "The server encountered an internal error. Please retry."),
    "504": ("GatewayTimeout", "The gateway did not receive a response within the specified time period."),
}

_OF_DATA = {
    "401": ("401", "Access denied due to invalid subscription key or wrong API endpoint."),
    "403": ("403", "Access denied due to Virtual Network/Firewall rules."),
    "404": ("404", "Resource not found"),
    "429": ("429", "Requests have exceeded the token rate limit of your pricing tier. Please retry after 1 second."),
}
"""The same on a data plane, whose errors have their status as code."""


_HEADERS = {
    "429": {"retry-after": "1", "x-ms-retry-after-ms": "50"},
    "429day": {"retry-after": "86400"},
    "expired": {
        "www-authenticate": 'Bearer authorization_uri="https://login.microsoftonline.com/common", error="invalid_token", '
        'error_description="The access token has expired."'
    },
}


def answer(kind: str, path: str = "") -> tuple[int, str, bytes, dict[str, str]]:
    """Status, content type, body and headers of a fault that is an answer to a request for ``path``."""
    if kind == "502":
        return 502, "text/plain", b"Bad Gateway", {}
    if kind == "503":
        page = (
            b"<html><head><title>503</title></head><body><h2>Our services aren't available right now</h2></body></html>"
        )
        return 503, "text/html", page, {}
    if kind == "null":
        return 200, "application/json; charset=utf-8", b"null", {}
    if kind == "emptylist":
        return 200, "application/json; charset=utf-8", b'{"value":[]}', {}
    if kind == "badjson":
        return 200, "application/json; charset=utf-8", b'{"value":[{"id":"/subscriptions/', {}
    headers: dict[str, str] = _HEADERS.get(kind, {})
    kind = {"expired": "401", "429silent": "429", "429day": "429"}.get(kind, kind)
    code, message = (_MESSAGES | _OF_DATA if is_data(path) else _MESSAGES)[kind]
    return int(kind), "application/json; charset=utf-8", _json({"error": {"code": code, "message": message}}), headers


def onward(kind: str, body: object, address: str) -> object:
    """A page of a list, made to lead on for ever: to a page that was not there before, back to itself, or to what is another host for a
    client. Any other answer as it is."""
    if not isinstance(body, dict) or not isinstance(body.get("value"), list):
        return body
    found = re.search(r"&furtherPage=(\d{1,9})", address)
    number, again = (int(found[1]), address.replace(found[0], "")) if found else (0, address)
    if kind == "elsewhere":
        address = address.replace("//localhost", "//127.0.0.1")
    return {**body, "nextLink": f"{again}&furtherPage={number + 1}" if kind == "endless" else address}


def _json(body: Json) -> bytes:
    return json.dumps(body).encode()
