"""Faults and slowness on request: what a client must survive, asked for by one short text.

A fault is ``KIND[:COUNT[:PATH]]``: ``429:3:deployments`` answers 429 to the first three requests whose path holds
``deployments`` (without case). Without a count it never ends, without a path it meets every request but sign-in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from aoai_lib.lab.shapes import Json

KINDS = (
    "401 403 404 409 429 500 502 503 504 reset timeout drip truncate badjson null emptylist".split()  # noqa: SIM905
)


@dataclass
class Fault:
    """One fault: its kind, how often it still strikes (None: always), the path substring that it waits for."""

    kind: str
    left: int | None = None
    path: str = ""
    struck: int = 0

    def meets(self, path: str) -> bool:
        return self.left != 0 and self.path.lower() in path.lower()


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

    def take(self, path: str) -> Fault | None:
        """The fault that strikes this request, counted."""
        for fault in self.active:
            if fault.meets(path) and (fault.path or not path.startswith(("/msi/", "/metadata/"))):
                fault.struck += 1
                if fault.left is not None:
                    fault.left -= 1
                return fault
        return None


_MESSAGES = {
    "401": ("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time."),
    "403": ("AuthorizationFailed", "The client does not have authorization to perform the action over the scope."),
    "404": ("ResourceNotFound", "The resource was not found."),
    "409": ("Conflict", "Another operation on this or dependent resource is in progress."),
    "429": ("TooManyRequests", "The request is being throttled as the limit has been reached for operation type."),
    "500": ("InternalServerError", "The server encountered an internal error. Please retry."),
    "504": ("GatewayTimeout", "The gateway did not receive a response within the specified time period."),
}


def answer(kind: str) -> tuple[int, str, bytes, dict[str, str]]:
    """Status, content type, body and headers of a fault that is an answer."""
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
    code, message = _MESSAGES[kind]
    headers = {"retry-after": "1", "x-ms-retry-after-ms": "50"} if kind == "429" else {}
    return int(kind), "application/json; charset=utf-8", _json({"error": {"code": code, "message": message}}), headers


def _json(body: Json) -> bytes:
    import json

    return json.dumps(body).encode()
