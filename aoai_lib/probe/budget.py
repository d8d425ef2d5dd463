"""How much probes may send: a hard stop on requests and tokens, shared by every part of a run that probes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from aoai_lib.azure.inference import NotAdmittedError
from aoai_lib.evidence import speech
from aoai_lib.evidence.store import Exchange
from aoai_lib.model import PlaybookError


class OverBudgetError(PlaybookError):
    """One more call could use more than was allowed; it was left out."""


@dataclass
class Spending:
    """One call that is under way: what it reserved, and what it turned out to use."""

    tokens: int
    used: int

    def settle(self, lines: Iterable[Exchange]) -> None:
        """Take what the answers say was used. An answer that may have reached a model and names no usage keeps all that was
        reserved; a refusal before the model used nothing.
        """
        self.used = sum(self._of(line) for line in lines)

    def _of(self, line: Exchange) -> int:
        said = speech.tokens(line.body)
        return said if said is not None else self.tokens if line.status in (None, 200, 400) else 0


class Budget:
    """`requests` and `tokens` are limits for the whole run. Safe for threads."""

    def __init__(self, requests: int, tokens: int) -> None:
        self.limits = {"requests": requests, "tokens": tokens}
        self.sent = 0
        self.used = 0
        self.left_out = 0
        self._reserved = 0
        self._lock = Lock()

    @contextmanager
    def spending(self, tokens: int) -> Iterator[Spending]:
        """Reserve a call that may use so many tokens at worst. Raises `OverBudgetError`; that, and a call that the wire did not
        admit, is counted as left out.
        """
        with self._lock:
            beyond = self.used + self._reserved + tokens > self.limits["tokens"]
            if beyond or self.sent >= self.limits["requests"]:
                self.left_out += 1
                raise OverBudgetError("The budget for probes is used up.")
            self._reserved += tokens
        spending = Spending(tokens, tokens)
        try:
            yield spending
        except NotAdmittedError:
            spending.used = 0
            with self._lock:
                self.left_out += 1
            raise
        finally:
            with self._lock:
                self._reserved -= tokens
                self.used += spending.used

    def admits(self) -> bool:
        """Whether one more request may be sent, retries included; it is counted if so. Asked at the wire."""
        with self._lock:
            if self.sent >= self.limits["requests"]:
                return False
            self.sent += 1
            return True

    @property
    def counted(self) -> dict[str, int]:
        """What was spent so far: `requests`, `tokens`, and calls `left_out`."""
        return {"requests": self.sent, "tokens": self.used, "left_out": self.left_out}
