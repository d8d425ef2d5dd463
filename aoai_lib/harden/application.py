"""Carrying a plan out, and taking it back. Every step looks before it writes, writes down how to return, and looks again."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from tenacity import (
    Retrying,
    retry_if_exception,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential,
)

from aoai_lib.azure.writing import CallError, DoubtfulWriteError, PlannedWrite
from aoai_lib.evidence.redaction import redact
from aoai_lib.harden.journal import Journal
from aoai_lib.harden.plan import Check, Request, Step
from aoai_lib.harden.preflight import Answer
from aoai_lib.harden.wire import changed_since, differences, holds, shown
from aoai_lib.model import Json

_BUSY: Final = frozenset(
    {"anotheroperationinprogress", "requestconflict", "accountprovisioningstateinvalid", "retryableerror"}
)
"""Codes of a 409 that pass by themselves: another operation on the same resource is under way."""
_THERE: Final = "roleassignmentexists"
"""Code of a 409: the principal has the role at that scope already, by an assignment of another name."""
_BAD: Final = frozenset({"failed", "canceled"})
_ENDED: Final = frozenset({"", "succeeded", *_BAD})


_AFTER_A_FAILURE: Final = (
    "Start the same command again to have what is missing planned anew, or take back what was done by --undo."
)


class Became(StrEnum):
    """What became of a step."""

    DONE = "done"
    ALREADY = "already"
    STOPPED = "stopped"
    CHANGED = "changed"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"
    FINAL = "final"


GOOD: Final = frozenset({Became.DONE, Became.ALREADY})


@dataclass(frozen=True, slots=True)
class Result:
    """A step and what became of it. `listed` are lines to read with the sentence: callers that would be cut off."""

    step: Step
    became: Became
    sentence: str
    listed: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether what was asked is in force: the change, or its being taken back."""
        return self.became in GOOD


class Writer(Protocol):
    """What a hardening needs of Azure: `aoai_lib.azure.clients.Azure` has it."""

    def state(self, path: str, api_version: str) -> Json:
        """A resource as it is now."""

    def write(self, request: PlannedWrite, headers: dict[str, str]) -> Json:
        """Send one planned write."""


Progress = Callable[[Step, str], None]
"""Called with a step and what is being done about it."""


class Application:
    """Carries the steps of a plan out on one tenant, or takes them back."""

    def __init__(
        self,
        azure: Writer,
        journal: Journal,
        ask: Callable[[Check], Answer],
        accepted: Collection[str] = (),
        progress: Progress = lambda step, what: None,
    ) -> None:
        self._azure = azure
        self._journal = journal
        self._ask = ask
        self._accepted = frozenset(accepted)
        self._progress = progress

    def apply(self) -> list[Result]:
        """Carry the plan out, in its order. A step whose needs did not come about is not taken."""
        results: dict[str, Result] = {}
        for step in self._journal.plan.steps:
            missing = [results[each].step for each in step.after if each in results and not results[each].good]
            results[step.id] = self._blocked(step, missing) if missing else self._guarded(step, self._take)
        return list(results.values())

    def undo(self) -> list[Result]:
        """Take back what was begun, last step first. What a step that stays rests on is not taken from under it."""
        results: dict[str, Result] = {}
        for step in reversed(self._journal.begun):
            resting = [each for each in results.values() if step.id in each.step.after and not each.good]
            for_good = all(each.became is Became.FINAL for each in resting)
            results[step.id] = (
                self._blocked(step, [each.step for each in resting], Became.FINAL if for_good else Became.STOPPED)
                if resting
                else self._guarded(step, self._take_back)
            )
        return list(results.values())

    def _blocked(self, step: Step, because: Sequence[Step], became: Became = Became.STOPPED) -> Result:
        names = ", ".join(f"“{each.title}”" for each in because)
        return self._result(step, became, f"Not touched, because of {names}.")

    def _guarded(self, step: Step, act: Callable[[Step], Result]) -> Result:
        try:
            return act(step)
        except CallError as problem:
            if problem.status == 409 and problem.code.lower() == _THERE:
                return self._result(step, Became.ALREADY, "It is so already, by an assignment of another name.")
            mend = f" The signed-in identity needs {step.permission}." if problem.status in (401, 403) else ""
            after = f" {_AFTER_A_FAILURE}" if problem.status and problem.status < 400 else ""
            return self._result(step, Became.FAILED, f"{problem}{mend}{after}")

    def _result(self, step: Step, became: Became, sentence: str, listed: tuple[str, ...] = ()) -> Result:
        self._journal.note(step.id, became.value, sentence)
        self._progress(step, became.value)
        return Result(step, became, sentence, listed)

    def _take(self, step: Step) -> Result:
        resource = self._read(step)
        if step.done(resource):
            return self._settle(step, Became.ALREADY, "It was so already.")
        if _is_under_way(resource):
            resource, unread = self._await(step, lambda seen: not _is_under_way(seen))
            if unread or _is_under_way(resource):
                why = f"Nothing was sent: {step.patience} s later {unread or _at_work(resource)}."
                return self._result(step, Became.STOPPED, f"{why} Start the same command again when that has ended.")
            if step.done(resource):
                return self._settle(step, Became.ALREADY, "It was so already.")
        if not step.unchanged(resource):
            return self._result(step, Became.CHANGED, changed_since("the plan", step.before, step.seen(resource)))
        if refused := list(self._refused(step)):
            return self._stopped(step, refused)
        self._journal.begin(step)
        doubt = self._send(step, step.request, resource, self._shows(step))
        return self._settle(step, Became.DONE, f"Done, and read back. {doubt} {step.unproven}".strip(), doubt)

    def _refused(self, step: Step) -> Iterator[tuple[Check, Answer]]:
        """The step's checks that are neither good nor accepted, with their answers: all of them, so that they are told at once."""
        for check in step.checks:
            self._progress(step, f"asking: {check.name}")
            answer = self._ask(check)
            if not answer.good and check.label not in self._accepted:
                yield check, answer

    def _stopped(self, step: Step, refused: Sequence[tuple[Check, Answer]]) -> Result:
        reasons = " ".join(answer.sentence for _, answer in refused)
        accept = " ".join(f"--accept {check.label}" for check, _ in refused)
        sentence = f"{reasons} To do it all the same, accept it by name: {accept}"
        return self._result(step, Became.STOPPED, sentence, tuple(line for _, each in refused for line in each.listed))

    def _settle(self, step: Step, became: Became, sentence: str, doubt: str = "") -> Result:
        """Wait until the service shows what was written, and has ended its own work on it. `doubt` says why that may not have been."""
        self._progress(step, "reading back")
        resource, unread = self._await(step, step.done)
        if unread or _is_under_way(resource):
            return self._unconfirmed(step, doubt, unread or _at_work(resource))
        if not step.done(resource):
            otherwise = shown(differences(step.seen(resource) or {}, step.request.body or {}))
            return self._unconfirmed(step, doubt, f"it reads otherwise: {otherwise}")
        if _state(resource) in _BAD:
            return self._ended_badly(step, doubt, resource)
        return self._result(step, became, sentence)

    def _unconfirmed(self, step: Step, doubt: str, shown: str) -> Result:
        again = "Start the same command again: it looks before it sends."
        return self._result(step, Became.UNCONFIRMED, f"{doubt or 'Sent.'} {step.patience} s later {shown}. {again}")

    def _ended_badly(self, step: Step, doubt: str, resource: Json) -> Result:
        said = f"{doubt} The service says that its last operation ended as “{_state(resource)}”. {_AFTER_A_FAILURE}"
        return self._result(step, Became.FAILED, said.strip())

    def _take_back(self, step: Step) -> Result:
        resource = self._read(step)
        if step.undone(resource):
            self._restore(step)
            return self._result(step, Became.ALREADY, "It is as it was before.")
        if step.undo is None:
            return self._result(step, Became.FINAL, f"This can't be taken back: {step.undo_note}")
        untouched = step.done(resource) and (step.undo_while is None or holds(resource, step.undo_while))
        if not untouched:
            wanted = step.undo_while if step.done(resource) else step.request.body
            odd = shown(differences(step.seen(resource) or {}, wanted or {}))
            return self._result(
                step, Became.CHANGED, f"It was changed since by somebody else, and is left alone: {odd}."
            )
        self._journal.note(step.id, "taking back")
        doubt = self._send(step, step.undo, resource, self._shows(step))
        resource, unread = self._await(step, step.undone)
        if unread or not step.undone(resource):
            return self._unconfirmed(step, doubt, unread or "it is not as before")
        if _state(resource) in _BAD:
            return self._ended_badly(step, doubt, resource)
        self._restore(step)
        return self._result(step, Became.DONE, f"{step.undo_note or 'Taken back, and read back.'} {doubt}".rstrip())

    def _restore(self, step: Step) -> None:
        """Write again what the step had replaced on the side, where it is gone."""
        for request in step.undo_restores:
            if not self._is_there(request) and (doubt := self._send(step, request, None, self._is_there)):
                raise CallError(doubt, None, "")

    def _is_there(self, request: Request) -> bool:
        return self._azure.state(request.path, request.api_version) is not None

    def _shows(self, step: Step) -> Callable[[Request], bool]:
        """Whether the service shows what a request of the step was to bring about: its change, or its being taken back."""
        return lambda request: (step.done if request is step.request else step.undone)(self._read(step))

    def _read(self, step: Step) -> Json:
        self._progress(step, "reading")
        return redact(self._azure.state(step.request.path, step.request.api_version))

    def _await(self, step: Step, reached: Callable[[Json], bool]) -> tuple[Json, str]:
        """The resource when it shows what was sent, or at the end of the step's patience; and why it can't be read, where that is so."""
        looking = Retrying(
            stop=stop_after_delay(step.patience),
            wait=wait_exponential(0.25, max=15),
            retry=retry_if_result(lambda seen: not (reached(seen) and not _is_under_way(seen))),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
            sleep=time.sleep,
        )
        try:
            return looking(self._read, step), ""
        except CallError as problem:
            return None, f"it can't be read: {problem}".rstrip(".")

    def _send(self, step: Step, request: Request, resource: Json, arrived: Callable[[Request], bool]) -> str:
        """Send it; where the resource has an etag, only while it still is the one that was looked at. Why nobody knows whether it was
        carried out, "" where that is known. A service that was too busy is asked again, when `arrived` says that it has not come about.
        """
        self._progress(step, f"sending {request.method}")
        etag = resource.get("etag") if isinstance(resource, dict) else None
        headers = {"If-Match": etag} if isinstance(etag, str) and request.path == step.request.path else {}
        write = PlannedWrite(request.method, request.path, request.api_version, request.body)
        patient = Retrying(
            stop=stop_after_attempt(6),
            wait=wait_exponential(1, max=30),
            retry=retry_if_exception(
                lambda problem: _is_busy(problem) or _is_to_be_sent_again(problem, request, arrived)
            ),
            reraise=True,
            sleep=time.sleep,
        )
        try:
            patient(self._azure.write, write, headers)
        except DoubtfulWriteError as problem:
            return f"{str(problem).rstrip('.')}."
        return ""


def _is_to_be_sent_again(problem: BaseException, request: Request, arrived: Callable[[Request], bool]) -> bool:
    """Whether the service was too busy for it, and shows that it was not carried out all the same."""
    if not (isinstance(problem, DoubtfulWriteError) and problem.status == 503):
        return False
    try:
        return not arrived(request)
    except CallError:
        return False


def _is_busy(problem: BaseException) -> bool:
    return isinstance(problem, CallError) and problem.status == 409 and problem.code.lower() in _BUSY


def _state(resource: Json) -> str:
    """The provisioning state, lower-cased; "" where there is none."""
    properties = resource.get("properties") if isinstance(resource, dict) else None
    state = properties.get("provisioningState") if isinstance(properties, dict) else None
    return state.lower() if isinstance(state, str) else ""


def _is_under_way(resource: Json) -> bool:
    """Whether the service is still at work on a resource."""
    return _state(resource) not in _ENDED


def _at_work(resource: Json) -> str:
    return f"the service is still at work on it (“{_state(resource)}”)"
