"""A read-only view of the snapshot that remembers what it was asked: what a control read is its evidence.

A control gets `Facts` for one subject. It asks for readings by source (`of_account`, `of_subscription`, `of`) and looks
into them with `View`. Whatever was not collected raises `NotCollectedError`, and a value of another shape than the
service documents raises `UnexpectedShapeError`; `assess` turns both into `not_assessed`. So a control never has to think
about failure, and can't mistake one for an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from aoai_lib.model import ABSENT, Json, Observation, PlaybookError, Reading, Requirements, Snapshot, State, Subject


def why_not_read(reading: Reading) -> str:
    """One sentence: what was asked, what came, and the permission that would help, with the subscription it is needed in."""
    sentence = reading.reason.rstrip(".")
    if reading.state is State.PARTIAL:
        sentence = f"The list of {reading.source.replace('_', ' ')} is not known to be complete"
        sentence += f": {reading.reason.rstrip('.')}" if reading.reason else ""
    hidden = reading.state is State.NOT_FOUND and not reading.is_gone
    if reading.permission and (reading.state is State.DENIED or hidden):
        _, _, below = reading.call.lower().partition(" /subscriptions/")
        where = f" in the subscription {below.partition('/')[0]}" if below else ""
        return f"{sentence}. The reader needs {reading.permission}{where}."
    return f"{sentence}."


class NotCollectedError(PlaybookError):
    """A source that the control needs holds no answer."""

    def __init__(self, reading: Reading) -> None:
        super().__init__(why_not_read(reading))
        self.reading = reading


class UnexpectedShapeError(PlaybookError):
    """An answer holds something of another type than the API documents, so nothing can be concluded from it."""

    def __init__(self, path: str, expected: str, value: Json) -> None:
        super().__init__(f"{path} should be {expected} and is {type(value).__name__}.")


@lru_cache(maxsize=4096)
def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


class View:
    """A value inside a reading, with its path. Looking at it is recorded; looking past it (`at`, `each`) is not."""

    __slots__ = ("_facts", "_reading", "path", "value")

    def __init__(self, facts: Facts, reading: Reading, path: str, value: Json) -> None:
        self._facts = facts
        self._reading = reading
        self.path = path
        self.value = value

    def _find(self, path: str) -> Json:
        value = self.value
        for step in _steps(path):
            if value is None or value is ABSENT:
                return ABSENT
            if not isinstance(value, dict):
                raise UnexpectedShapeError(f"{self.path}.{path}", "inside an object", value)
            value = value.get(step, ABSENT)
        return value

    def get(self, path: str, default: Json = None) -> Json:
        """The value at a dotted path; `default` where it is absent or null. Recorded as it was on the wire."""
        own = self.value
        value = own.get(path, ABSENT) if type(own) is dict and "." not in path else self._find(path)
        self._facts.record(f"{self.path}.{path}", value, self._reading)
        return default if value is None or value is ABSENT else value

    def text(self, path: str, default: str = "") -> str:
        """A string; raises `UnexpectedShapeError` for anything else that is there."""
        value = self.get(path, default)
        if not isinstance(value, str):
            raise UnexpectedShapeError(f"{self.path}.{path}", "text", value)
        return value

    def flag(self, path: str, default: bool = False) -> bool:
        """A boolean, with the service's own default for an absent one."""
        value = self.get(path, default)
        if not isinstance(value, bool):
            raise UnexpectedShapeError(f"{self.path}.{path}", "true or false", value)
        return value

    def number(self, path: str, default: float | None = None) -> float | None:
        """A number, or `default`."""
        value = self.get(path, default)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise UnexpectedShapeError(f"{self.path}.{path}", "a number", value)
        return value

    def texts(self, path: str) -> list[str]:
        """A list of strings; an absent one is empty."""
        value = self.get(path, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise UnexpectedShapeError(f"{self.path}.{path}", "a list of texts", value)
        return value

    def at(self, path: str) -> View:
        """A view of an inner value (ABSENT included), not recorded until something in it is read."""
        return View(self._facts, self._reading, f"{self.path}.{path}", self._find(path))

    def each(self, path: str = "") -> Iterator[View]:
        """Views of a list's items. An absent or empty list is recorded, and so is each value read in an item.

        Raises `NotCollectedError` after the last item where the list may have had more (`State.PARTIAL`): what was found
        counts, but nothing may be concluded from what was not.
        """
        target = self.at(path) if path else self
        items = target.value
        if items is None or items is ABSENT:
            items = []
        if not isinstance(items, list):
            raise UnexpectedShapeError(target.path, "a list", items)
        if not items:
            self._facts.record(target.path, target.value, self._reading)
        for index, item in enumerate(items):
            yield View(self._facts, self._reading, f"{target.path}[{index}]", item)
        if self._reading.state is State.PARTIAL and target.value is self._reading.value:
            raise NotCollectedError(self._reading)

    @property
    def present(self) -> bool:
        """Whether the service sent it, and not as null."""
        self._facts.record(self.path, self.value, self._reading)
        return self.value is not None and self.value is not ABSENT

    @property
    def id(self) -> str:
        """The ARM id, lower-cased for comparing: the service's casing varies from answer to answer."""
        return self.text("id").lower()

    @property
    def name(self) -> str:
        """The resource's name as the service spells it."""
        return self.text("name")


class Facts:
    """What is known about one subject. `snapshot` is shared and never changed."""

    __slots__ = ("_seen", "snapshot", "subject")

    def __init__(self, snapshot: Snapshot, subject: Subject) -> None:
        self.snapshot = snapshot
        self.subject = subject
        self._seen: dict[str, Observation] = {}

    @property
    def requirements(self) -> Requirements:
        """What the organisation asks for."""
        return self.snapshot.requirements

    @property
    def as_of(self) -> str:
        """The service's clock when the reading began, ISO 8601 in UTC."""
        return self.snapshot.as_of

    @property
    def observed(self) -> tuple[Observation, ...]:
        """Every value read so far, each path once, in the order of reading."""
        return tuple(self._seen.values())

    def record(self, path: str, value: Json, reading: Reading) -> None:
        """Remember that a value was read."""
        if path not in self._seen:
            self._seen[path] = Observation(path, value, reading.evidence)

    def repeat(self, observed: Iterable[Observation]) -> None:
        """Remember what other facts of the same snapshot saw."""
        for each in observed:
            self._seen.setdefault(each.path, each)

    def of(self, source: str, scope: str, label: str = "") -> View:
        """A view of a reading; raises `NotCollectedError` where it holds no answer. `label` names it in the paths."""
        reading = self.snapshot.reading(source, scope)
        if reading.state not in (State.COLLECTED, State.PARTIAL):
            self.record(source, ABSENT, reading)
            raise NotCollectedError(reading)
        return View(self, reading, label or source, reading.value)

    def of_account(self, source: str) -> View:
        """A source that is read once for the subject's account."""
        return self.of(source, self.subject.account)

    def of_subscription(self, source: str) -> View:
        """A source that is read once for the subject's subscription."""
        return self.of(source, self.subject.subscription)

    @property
    def account(self) -> View:
        """The account itself."""
        return self.of("account", self.subject.account)

    @property
    def deployment(self) -> View:
        """The deployment that is judged."""
        return self.of("deployment", self.subject.id)

    @property
    def endpoint(self) -> View:
        """The private endpoint that is judged."""
        return self.of("private_endpoint", self.subject.id)
