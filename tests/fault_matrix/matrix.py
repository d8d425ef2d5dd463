"""Cells of the matrix: one question, one fault, and what must hold of the verdicts then."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final
from unittest.mock import patch

from azure.core.credentials import AccessToken, TokenCredential
from tenants import ROOT, collect

from aoai_lib import run
from aoai_lib.assess import judge
from aoai_lib.azure import clouds, credentials
from aoai_lib.azure.clients import Azure
from aoai_lib.azure.inference import DataPlane
from aoai_lib.azure.recording import PROBE, instant, keep
from aoai_lib.collect import Source, reader
from aoai_lib.collect import snapshot as stages
from aoai_lib.collect.reader import read
from aoai_lib.evidence.store import VANTAGE, Evidence, Exchange
from aoai_lib.fleet import environment
from aoai_lib.lab.server import Lab, load_worlds
from aoai_lib.model import Finding, Observation, PlaybookError, Reading, Snapshot, State, Status
from aoai_lib.parameters import Parameters, load
from aoai_lib.probe import arrival, content, identity
from tests.fault_matrix.answers import EMPTY, GONE, HARMLESS, NO_ROWS, SPOILS, TRUE_LOOKING, faults_of, is_empty
from tests.fault_matrix.excuses import EXCUSES
from tests.fault_matrix.tape import Answer, Asked, Wire, playing, taking

Verdicts = Mapping[tuple[str, str], Finding]
TOKENS: Final = "/msi/token"
_CASE: Final = re.compile(r"content_cases\[(\d+)\]")
OPENAI_USERS: Final = {
    "hardened": "0a51c7e2-5d0e-4b7a-8a10-6f3f0c9d1f04",
    "exposed": "1b62d8f3-6e1f-4c8b-9b21-7a4f1dae2f05",
    "mixed": "2c73e9a4-7f20-4d9c-8c32-8b5a2ebf3f03",
}
"""Client ids of the identities that hold OpenAI User and nothing else (docs/lab.md)."""
MOST_PAGES: Final = 40
"""Pages after which a list is taken to be endless here: no true one has as many, and the product's 2,000 only take longer."""
MOST_SECONDS: Final = 1200
"""What a run may wait more than the true one did for one request that fails for good."""


class AtOnce(Executor):
    """Does each task when it is handed in. Where next to nothing is left to do, threads would cost more than they do."""

    def __init__(self, workers: int) -> None:
        """Takes the number of threads that there are none of."""

    def submit(self, task: Callable[..., Any], /, *some: Any, **more: Any) -> Future[Any]:  # type: ignore[override]
        """The task's result, or what it raised."""
        future: Future[Any] = Future()
        try:
            future.set_result(task(*some, **more))
        except PlaybookError as problem:
            future.set_exception(problem)
        return future


@dataclass
class Made:
    """What a read or a call to a model made in the true run: its result, its lines, and what was asked for it."""

    result: Any
    lines: list[Exchange]
    asked: frozenset[Asked]
    source: Source | None = None


@dataclass
class Trace:
    """Which question each thread asked last, and all since it was told to begin: lines are kept by the thread that sent."""

    local: threading.local = field(default_factory=threading.local)
    asked_by: dict[str, Asked] = field(default_factory=dict)

    def note(self, asked: Asked) -> None:
        self.local.last = asked
        self.local.since = [*getattr(self.local, "since", ()), asked]

    def begin(self) -> None:
        self.local.since = []

    def since(self) -> frozenset[Asked]:
        return frozenset(self.local.since)

    def cite(self, line: Exchange) -> None:
        if getattr(self.local, "last", None) is not None:
            self.asked_by[line.id] = self.local.last


class Traced(Wire):
    """A wire that tells a trace what is asked."""

    trace: Trace

    def find(self, asked: Asked) -> Answer:
        self.trace.note(asked)
        return super().find(asked)


@dataclass(frozen=True)
class Truth:
    """A tenant as the lab answers: its tape, what was made of it, and the verdicts that follow."""

    parameters: Parameters
    surroundings: Mapping[str, str]
    tape: dict[Asked, Answer]
    observed: tuple[Exchange, ...]
    made: dict[tuple[str, ...], Made]
    asked_by: Mapping[str, Asked]
    verdicts: Verdicts
    snapshot: Snapshot
    marks: Mapping[str, Mapping[str, str]]
    lines: tuple[Exchange, ...]
    needs: dict[Asked, frozenset[tuple[str, str]]] = field(default_factory=dict)
    signed_in: dict[str, SignedIn] = field(default_factory=dict)
    judged: dict[tuple[Any, ...], tuple[Any, Any]] = field(default_factory=dict)

    def cells(self) -> list[tuple[Asked, str]]:
        """Every question that was sent, each with every fault that its answer can have."""
        return [(asked, fault) for asked, answer in self.tape.items() for fault in faults_of(asked, answer)]

    def cited(self, asked: Asked) -> frozenset[str]:
        """Ids of the lines that the answers to a question left."""
        return frozenset(line for line, each in self.asked_by.items() if each == asked)

    def needing(self, asked: Asked) -> frozenset[tuple[str, str]]:
        """The verdicts that need the answer to a question: those that cite it and would be others were the answer another. Where
        the true answer is an empty list, or a probe's, which other one there could be is not tried: all that cite it need it.
        """
        if asked not in self.needs:
            self.needs[asked] = frozenset(self._needing(asked))
        return self.needs[asked]

    def _needing(self, asked: Asked) -> Iterator[tuple[str, str]]:
        citing = {key for key, each in self.verdicts.items() if self.cited(asked) & self._rests_on(each)}
        others = [fault for fault in faults_of(asked, self.tape[asked]) if fault in (EMPTY, NO_ROWS, GONE)]
        if is_empty(self.tape[asked]) or is_probe(asked):
            yield from citing
            return
        for fault in others:
            try:
                after = play(self, asked, fault).verdicts
            except PlaybookError:  # the run ends, so every verdict needed it
                after = {}
            yield from (key for key in citing if key not in after or after[key].status is not self.verdicts[key].status)

    def _rests_on(self, finding: Finding) -> frozenset[str]:
        """The lines that a verdict cites. What was read of the cases sent to a deployment is cited case by case."""
        return frozenset(line for each in finding.observed for line in self._lines(finding, each))

    def _lines(self, finding: Finding, observed: Observation) -> Iterable[str]:
        case = _CASE.match(observed.path)
        if case is None:
            return observed.evidence
        if observed.path.endswith((".case", ".control")):  # declared with the case, and no part of an answer
            return ()
        name = self.snapshot.reading("content_cases", finding.subject.id).value[int(case[1])]["case"]
        return [line for line in observed.evidence if self.marks[line].get("x-aoai-case") == name]


@dataclass(frozen=True)
class Played:
    """A run from the tape."""

    snapshot: Snapshot
    evidence: Evidence
    verdicts: Verdicts
    wire: Wire
    asked_by: Mapping[str, Asked]


def is_probe(asked: Asked) -> bool:
    """Whether a question is one that tries something, and not a read."""
    return "/openai/" in asked.path or "/deployments/aoai-playbook-0" in asked.path


def by_subject(findings: Iterable[Finding]) -> dict[tuple[str, str], Finding]:
    return {(each.control, each.subject.id.lower()): each for each in findings}


def truth_of(tenant: str) -> Truth:
    """Read a tenant of the lab whole, probed, once over TLS and once from the tape; both must say the same."""
    whole = load(ROOT / "parameters" / f"{tenant}.yaml")
    probes = whole.probes.model_copy(update={"openai_user": OPENAI_USERS[tenant]})
    evidence, tape = Evidence(), dict[Asked, Answer]()
    with Lab(load_worlds([tenant])) as lab, taking(tape):
        live = collect(lab, tenant, evidence, active_probes=True, probes=probes)
        surroundings = lab.environment(tenant)
    observed = tuple(each for each in evidence.exchanges if VANTAGE in each.headers and PROBE not in each.headers)
    parameters = whole.model_copy(update={"active_probes": True, "probes": probes, "vantage": ""})
    made: dict[tuple[str, ...], Made] = {}
    bare = Truth(parameters, surroundings, tape, observed, made, {}, {}, live, {}, ())
    played = play(bare, learn=True)
    before, after = by_subject(judge(live)), played.verdicts
    assert {key: each.status for key, each in before.items()} == {key: each.status for key, each in after.items()}
    assert not played.wire.missed
    marks = {each.id: each.headers for each in played.evidence.exchanges}
    return Truth(
        parameters,
        surroundings,
        tape,
        observed,
        made,
        played.asked_by,
        after,
        played.snapshot,
        marks,
        tuple(played.evidence.exchanges),
    )


def play(
    truth: Truth, asked: Asked | None = None, fault: str = "", *, learn: bool = False, whole: bool = False
) -> Played:
    """Assess a tenant from its tape, with the answers to one question spoilt. What was made without that question in the true
    run is not made again, unless `whole`."""
    trace, evidence = Trace(), Evidence()
    wire = Traced(truth.tape, asked, SPOILS[fault] if asked else None)
    wire.trace = trace
    keeps = not whole and asked is not None and asked.path != TOKENS
    with ExitStack() as stack:
        stack.enter_context(environment(truth.surroundings))
        stack.enter_context(playing(wire))
        stack.enter_context(_citing(trace))
        stack.enter_context(patch.object(reader, "MOST_PAGES", MOST_PAGES))
        if learn or keeps:
            stack.enter_context(_making(truth.made, trace, asked))
        if keeps:
            stack.enter_context(_signed_in(truth))
        snapshot = run.collect(truth.parameters, run.EVERYTHING, evidence, brought=truth.observed)
    return Played(snapshot, evidence, by_subject(judge(snapshot)), wire, trace.asked_by)


@contextmanager
def _citing(trace: Trace) -> Iterator[None]:
    add = Evidence.add

    def added(evidence: Evidence, line: Exchange) -> None:
        trace.cite(line)
        add(evidence, line)

    with patch.object(Evidence, "add", added):
        yield


class SignedIn:
    """A credential that keeps its tokens from cell to cell: signing in is tried by cells of its own."""

    def __init__(self, credential: TokenCredential) -> None:
        self._credential = credential
        self._tokens: dict[tuple[str, ...], AccessToken] = {}

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """The first token of these scopes."""
        if scopes not in self._tokens:
            self._tokens[scopes] = self._credential.get_token(*scopes)
        return self._tokens[scopes]


@contextmanager
def _signed_in(truth: Truth) -> Iterator[None]:
    choose, identity_of, judge = credentials.choose, credentials.identity_of, content.judge

    def chosen(name: str, *some: Any) -> TokenCredential:
        return truth.signed_in.setdefault(name, SignedIn(choose(name, *some)))

    def named(client: str) -> TokenCredential:
        return truth.signed_in.setdefault(client, SignedIn(identity_of(client)))

    def judged(status: int | None, body: Any, error: str, **asked: str) -> Any:
        key = (status, id(body), error, *sorted(asked.items()))
        if key not in truth.judged:
            truth.judged[key] = (body, judge(status, body, error, **asked))
        return truth.judged[key][1]

    with (
        patch.object(credentials, "choose", chosen),
        patch.object(credentials, "identity_of", named),
        patch.object(content, "judge", judged),
    ):
        yield


@contextmanager
def _making(made: dict[tuple[str, ...], Made], trace: Trace, spoilt: Asked | None) -> Iterator[None]:
    """Learn what each read and call makes of which questions; with a spoilt question, hand out what others made."""
    read, call, try_key, attempt, ask = (
        stages.read, DataPlane.call, DataPlane.try_key, identity._try_deployment, arrival._ask
    )  # fmt: skip

    def kept(
        key: tuple[str, ...], evidence: Evidence, make: Any, admits: Any = None, source: Source | None = None
    ) -> Any:
        held = made.get(key)
        if spoilt is not None and held is not None and spoilt not in held.asked:
            trace.local.last = None
            for line in held.lines:
                if admits is not None:
                    admits()
                keep(evidence, replace(line, time=instant()))  # as if it came now: times of one run lie together
            return held.result
        trace.begin()
        before = len(evidence.exchanges)
        result = make()
        if spoilt is None:
            asked = trace.since()
            lines = result if isinstance(result, list) else _lines(evidence.exchanges[before:], result)
            made[key] = Made(result, list(lines), asked, source)
        return result

    def reading(azure: Azure, source: Source, scope: str) -> Reading:
        key = (source.name, scope.lower(), scope)
        found: Reading = kept(key, azure.evidence, lambda: read(azure, source, scope), None, source)
        return found

    def called(plane: DataPlane, domain: str, ask: Any, **marks: str) -> list[Exchange]:
        key = ("call", domain, *(f"{name}={value}" for name, value in sorted(marks.items())))
        lines: list[Exchange] = kept(key, plane.evidence, lambda: call(plane, domain, ask, **marks), plane.admits)
        return lines

    def tried(plane: DataPlane, domain: str, **marks: str) -> list[Exchange]:
        key = ("key", domain, *(f"{name}={value}" for name, value in sorted(marks.items())))
        lines: list[Exchange] = kept(key, plane.evidence, lambda: try_key(plane, domain, **marks), plane.admits)
        return lines

    def attempted(azure: Azure, account: str, *some: str) -> list[Exchange]:
        key = ("attempt", account, *some)
        lines: list[Exchange] = kept(key, azure.evidence, lambda: attempt(azure, account, *some))
        return lines

    def asked_for(azure: Azure, call: Any) -> list[Exchange]:
        lines: list[Exchange] = kept(("row", str(call)), azure.evidence, lambda: ask(azure, call))
        return lines

    with (
        patch.object(stages, "ThreadPoolExecutor", AtOnce),
        patch.object(content, "ThreadPoolExecutor", AtOnce),
        patch.object(identity, "ThreadPoolExecutor", AtOnce),
        patch.object(stages, "read", reading),
        patch.object(identity, "_try_deployment", attempted),
        patch.object(arrival, "_ask", asked_for),
        patch.object(DataPlane, "call", called),
        patch.object(DataPlane, "try_key", tried),
    ):
        yield


def _lines(lines: list[Exchange], reading: Reading) -> list[Exchange]:
    return [each for each in lines if each.id in reading.evidence]


@dataclass(frozen=True)
class Cell:
    """What one spoilt answer did: how many verdicts are open now, the error that ended the run, and every sentence about what
    should not have happened."""

    opened: int
    stopped: str
    waited: float
    wrong: tuple[str, ...]
    excused: tuple[int, ...] = ()


class Reader:
    """Makes the readings that one question goes into, and nothing else."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._azure: Azure | None = None

    def readings(self, asked: Asked, wire: Wire) -> list[Reading]:
        """None where a question is no read's, or one that more hangs on than its readings."""
        of = [(key, made) for key, made in self._truth.made.items() if asked in made.asked]
        if not of or any(made.source is None for _, made in of):
            return []
        with (
            environment(self._truth.surroundings),
            playing(wire),
            patch.object(reader, "MOST_PAGES", MOST_PAGES),
        ):
            azure = self._opened()
            return [read(azure, made.source, key[2]) for key, made in of if made.source is not None]

    def _opened(self) -> Azure:
        """With the true run's lines behind it, so that it is the same time for the service."""
        if self._azure is None:
            cloud = clouds.find("lab")
            evidence = Evidence()
            evidence.exchanges.extend(self._truth.lines)
            self._azure = Azure(cloud, credentials.choose("default", cloud), evidence)
        return self._azure


class Trials:
    """Tries cells of a tenant. Verdicts are a pure function of the readings (docs/architecture.md), so what makes the same
    readings, apart from the sentence that says why there is none, is judged once.
    """

    def __init__(self, truth: Truth) -> None:
        self._truth, self._reader = truth, Reader(truth)
        self._judged: dict[tuple[Any, ...], Cell] = {}

    def tried(self, asked: Asked, fault: str) -> Cell:
        """A cell, in the shortest way."""
        if fault in HARMLESS or asked.path == TOKENS:
            return tried(self._truth, asked, fault)
        wire = Wire(self._truth.tape, asked, SPOILS[fault])
        readings = self._reader.readings(asked, wire)
        if not readings:
            return tried(self._truth, asked, fault)
        made = tuple((each.source, each.scope, each.state, each.code, json.dumps(each.value)) for each in readings)
        key = (asked, fault in TRUE_LOOKING, made)
        if key not in self._judged:
            self._judged[key] = tried(self._truth, asked, fault)
        own = [] if wire.waited <= MOST_SECONDS else [f"waited for {wire.waited:.0f} s"]
        own += [f"{each.source}: “{each.reason}” names no call" for each in readings if not _explains(each)]
        own += [] if wire.struck else ["the request was not made"]
        found = self._judged[key]
        return replace(found, waited=wire.waited, wrong=tuple(dict.fromkeys((*found.wrong, *own))))


def _explains(reading: Reading) -> bool:
    """Whether a reading that is none says so, with its call."""
    if reading.state in (State.COLLECTED, State.PARTIAL):
        return True
    return (
        bool(reading.call) and reading.reason.startswith(reading.call) and len(reading.reason) > len(reading.call) + 3
    )


def tried(truth: Truth, asked: Asked, fault: str, *, whole: bool = False) -> Cell:
    """Assess a tenant with one answer spoilt."""
    try:
        played = play(truth, asked, fault, whole=whole)
    except PlaybookError as problem:
        return Cell(0, f"{type(problem).__name__}: {problem}", 0, ())
    wrong: list[str] = []
    excused: list[int] = []
    if not played.wire.struck:
        wrong.append("the request was not made")
    if played.wire.waited > MOST_SECONDS:
        wrong.append(f"waited for {played.wire.waited:.0f} s")
    spoilt = frozenset(
        line
        for line, each in played.asked_by.items()
        if each.path == asked.path and (each == asked or "spoiltpage" in each.url)
    )
    if fault in HARMLESS:
        wrong += _moved(truth.verdicts, played.verdicts)
    else:
        strict = fault not in TRUE_LOOKING
        for control, sentence in _wrong(truth, played.verdicts, asked, strict=strict):
            found = [
                number for number, each in enumerate(EXCUSES) if each.covers(control, asked.path, fault, strict=strict)
            ]
            excused += found[:1]
            wrong += [] if found else [sentence]
        if strict and asked.path != TOKENS and not _told(played.snapshot, played.evidence, spoilt):
            wrong.append("nothing tells that the answer was not read")
    count = lambda found: sum(each.status is Status.NOT_ASSESSED for each in found.values())  # noqa: E731
    opened = count(played.verdicts) - count(truth.verdicts)
    return Cell(opened, "", played.wire.waited, tuple(wrong), tuple(excused))


def _told(snapshot: Snapshot, evidence: Evidence, spoilt: frozenset[str]) -> bool:
    """Whether a reading that rests on the spoilt answer is none, or the lines of a probe say what came."""
    marked = any(each.id in spoilt and PROBE in each.headers for each in evidence.exchanges)
    return marked or any(
        each.state is not State.COLLECTED and spoilt & set(each.evidence) for each in snapshot.readings.values()
    )


def _moved(before: Verdicts, after: Verdicts) -> Iterator[str]:
    for key in before | after:
        was, now = before.get(key), after.get(key)
        if was is None or now is None or was.status is not now.status:
            yield f"{key[0]} {key[1].rpartition('/')[2]}: was {was and was.status}, is {now and now.status}: {now and now.reason}"


def _wrong(truth: Truth, after: Verdicts, asked: Asked, *, strict: bool) -> Iterator[tuple[str, str]]:
    """Each verdict that should not be what it is: its control, and a sentence."""
    open_controls: dict[str, list[str]] = {}
    for each in after.values():
        if each.status is Status.NOT_ASSESSED:
            open_controls.setdefault(each.control, []).append(each.subject.id.lower())
    needing = truth.needing(asked) if strict else frozenset()
    for key, was in truth.verdicts.items():
        now = after.get(key)
        name = f"{was.control} {was.subject.name}"
        if now is None:
            if strict and not any(
                each == "/" or each in key[1] or each in was.subject.account.lower() or each == was.subject.subscription
                for each in open_controls.get(was.control, [])
            ):
                yield was.control, f"{name}: was {was.status}, and nothing is said any more"
        elif now.status is Status.NOT_ASSESSED:
            if not now.reason.strip():
                yield was.control, f"{name}: is not assessed, and there is no reason"
        elif now.status is not was.status:
            if strict or now.status is Status.PASS:
                yield was.control, f"{name}: was {was.status}, is {now.status}: {now.reason}"
        elif strict and now.status in (Status.PASS, Status.NOT_APPLICABLE) and key in needing:
            yield was.control, f"{name}: still {now.status} without {asked.path}: {now.reason}"
    for key, now in after.items():
        if (
            key not in truth.verdicts
            and now.status is not Status.NOT_ASSESSED
            and (strict or now.status is Status.PASS)
        ):
            yield now.control, f"{now.control} {now.subject.name}: is {now.status}, and was not there: {now.reason}"
