"""What a data-plane call brings and what an answer holds; the memory that outlives a call."""

import math
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

Json = dict[str, Any]
WINDOW_SECONDS = 60.0


def item_mark(item_id: str, item: Mapping[str, Any]) -> str:
    """By what a blocklist item is known: a changed pattern is a new one."""
    return f"item:{item_id.lower()}:{bool(item.get('isRegex'))}:{item.get('pattern')}"


def keys_mark(account_id: str) -> str:
    """By what it is known that an account's keys are switched off."""
    return f"keys:{account_id.lower()}"


class Resource(Protocol):
    """A stored child resource of an account."""

    @property
    def name(self) -> str: ...
    @property
    def body(self) -> Mapping[str, Any]: ...
    @property
    def properties(self) -> Mapping[str, Any]: ...


class Tenant(Protocol):
    """The part of a tenant's state that inference reads. ``now`` is the world's clock."""

    @property
    def now(self) -> datetime: ...

    def children(self, parent_id: str, child_type: str) -> Sequence[Resource]:
        """The children of a resource by the last part of their type, e.g. ``deployments``."""


class Caller(Protocol):
    """Who calls: an Entra principal by object id, or the holder of a key, who has none."""

    @property
    def object_id(self) -> str: ...
    @property
    def address(self) -> str: ...


@dataclass
class Memory:
    """What outlives a call, one for a tenant: tokens spent, since when what was written is known, and switches for tests.

    ``blocklist_delay`` (seconds) is how long a blocklist item stays without effect, ``key_delay`` how long keys are still
    taken once they are switched off: on the service some five minutes, and minutes to hours. ``filter_outages`` holds account ids (lower case) whose
    content filter is down, so that answers come unfiltered with an error in the annotation.
    """

    blocklist_delay: float = 0.0
    key_delay: float = 0.0
    filter_outages: set[str] = field(default_factory=set)
    clock: Callable[[], float] = time.monotonic
    _since: dict[str, float] = field(default_factory=dict)
    _spent: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    _count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_id(self, account_id: str) -> uuid.UUID:
        """A new request id: the same sequence in every process, so that a replayed session reads the same."""
        with self._lock:
            self._count += 1
            return uuid.uuid5(uuid.NAMESPACE_URL, f"{account_id.lower()}#{self._count}")

    def observe(self, present: Iterable[str], *, long_since: bool = False) -> None:
        """Take down what is written now, by its mark: what is new begins to take effect, what is gone is forgotten."""
        with self._lock:
            moment = -math.inf if long_since else self.clock()
            self._since = {mark: self._since.get(mark, moment) for mark in present}

    def holds(self, item_id: str, item: Mapping[str, Any]) -> bool:
        """Whether a blocklist item has taken effect."""
        return self._in_force(item_mark(item_id, item), self.blocklist_delay)

    def keys_refused(self, account_id: str) -> bool:
        """Whether it has taken effect that an account's keys are switched off."""
        return self._in_force(keys_mark(account_id), self.key_delay)

    def _in_force(self, mark: str, delay: float) -> bool:
        with self._lock:
            now = self.clock()
            return now - self._since.setdefault(mark, now) >= delay

    def spent(self, deployment_id: str) -> tuple[int, int, float]:
        """Tokens and requests of the last minute, and the seconds until the oldest of them is a minute old."""
        with self._lock:
            now = self.clock()
            live = [(at, n) for at, n in self._spent.get(deployment_id.lower(), []) if now - at < WINDOW_SECONDS]
            self._spent[deployment_id.lower()] = live
            wait = WINDOW_SECONDS - (now - live[0][0]) if live else 0.0
            return sum(n for _, n in live), len(live), wait

    def spend(self, deployment_id: str, tokens: int) -> None:
        """Count a call against its deployment's quota."""
        with self._lock:
            self._spent.setdefault(deployment_id.lower(), []).append((self.clock(), tokens))


@dataclass(frozen=True)
class InferenceCall:
    """One authenticated and authorised data-plane request.

    ``account`` is the account as ARM answers it (id, name, location, properties); ``policies`` is what its raiPolicies
    LIST answers, system-managed ones included; ``fault`` is one of `faults.ON_DATA`, or ""; ``path`` is what follows ``/openai/``; ``headers`` have lower-case
    names.
    """

    tenant: Tenant
    account: Mapping[str, Any]
    caller: Caller
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    policies: Sequence[Mapping[str, Any]]
    memory: Memory
    fault: str = ""

    @property
    def now(self) -> datetime:
        return self.tenant.now

    @property
    def account_id(self) -> str:
        return str(self.account["id"])


@dataclass
class InferenceAnswer:
    """``body`` is bytes, or an iterator of bytes for server-sent events; ``log`` is rows as ``(table, row)``, ``rejected`` what
    the content filter blocked it for, by the names of its annotations."""

    status: int
    headers: dict[str, str]
    body: bytes | Iterator[bytes]
    log: list[tuple[str, Json]] = field(default_factory=list)
    rejected: tuple[str, ...] = ()
