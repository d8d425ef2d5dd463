"""Faults that live on the wire: one request of each kind goes to the running lab, over TLS, and the wire is broken there.

Everything else is answered from the tape of the same lab, so that what a cell shows is the broken wire's doing.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import urlsplit

import requests
import trustme
from requests.adapters import HTTPAdapter

from aoai_lib.azure import patience, recording
from aoai_lib.azure.patience import WholeAnswerAdapter
from aoai_lib.evidence import clock
from aoai_lib.lab.server import Lab, load_worlds
from tests.fault_matrix import matrix
from tests.fault_matrix.matrix import TOKENS, Cell, Truth, is_probe, play, tried, truth_of
from tests.fault_matrix.tape import Answer, Asked, NoAnswerError

_SEND: Final = HTTPAdapter.send
_STRICT, _HARMLESS = "timeout", "reset once"
"""Cells of the tape whose rules hold for what stays broken, and for what comes right by itself."""

OF_LAB: Final[Mapping[str, tuple[str, str]]] = {
    "reset": ("reset", _STRICT),
    "reset once": ("reset:1", _HARMLESS),
    "silence": ("timeout", _STRICT),
    "slow drip without end in time": ("drip", _STRICT),
    "cut off half-way": ("truncate", _STRICT),
    "401": ("401", _STRICT),
    "429 with Retry-After": ("429", _STRICT),
    "429 once": ("429:1", _HARMLESS),
    "500": ("500", _STRICT),
    "502 as text": ("502", _STRICT),
    "503 as HTML": ("503", _STRICT),
    "503 twice": ("503:2", _HARMLESS),
    "504": ("504", _STRICT),
    "invalid JSON": ("badjson", _STRICT),
    "null": ("null", _STRICT),
}
"""Faults that the lab commits, and by which rules they are judged."""
ELSEWHERE: Final = ("connection refused", "DNS failure", "TLS, untrusted", "TLS, another's name")
"""Faults before the lab is reached: the request is led to nobody, to no name, or to a server that is not the lab."""


@dataclass
class Wrong:
    """Where a request is led instead: the port of nobody, and servers with a certificate of another authority, or for another name."""

    closed: int
    untrusted: int
    other_name: int
    authority: str


@contextmanager
def wrong_places() -> Iterator[Wrong]:
    """The places, served for the length of the block."""
    authority, stranger = trustme.CA(), trustme.CA()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        authority.cert_pem.write_to_path(folder / "ca.pem")
        ports = [
            stack.enter_context(_serving(each))
            for each in (stranger.issue_cert("localhost"), authority.issue_cert("elsewhere.example"))
        ]
        with closing(socket.create_server(("127.0.0.1", 0))) as listener:
            closed = listener.getsockname()[1]
        yield Wrong(closed, *ports, authority=str(folder / "ca.pem"))


@contextmanager
def _serving(certificate: trustme.LeafCert) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:  # the client does not trust us: that is what we are for
                connection.close()

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


class Wire:
    """Sends what is asked for in a cell over the real wire, to where the fault leads it."""

    def __init__(self, wrong: Wrong) -> None:
        self._wrong = wrong
        self._sent = threading.local()
        self.fault = ""

    @contextmanager
    def broken(self) -> Iterator[None]:
        """Remember what is sent, so that a spoilt answer can be fetched for it."""
        played = HTTPAdapter.send

        def sent(adapter: HTTPAdapter, request: requests.PreparedRequest, *some: Any, **more: Any) -> requests.Response:
            self._sent.of = (request, more)
            return inner[0](adapter, request, *some, **more)

        inner: list[Callable[..., requests.Response]] = [played]
        original = matrix.playing

        @contextmanager
        def playing(wire: Any) -> Iterator[None]:
            with original(wire):
                inner[0] = HTTPAdapter.send
                with patch.object(HTTPAdapter, "send", sent):
                    yield

        spoils = {**matrix.SPOILS, _STRICT: self._fetch, _HARMLESS: self._fetch}
        with patch.object(matrix, "playing", playing), patch.object(matrix, "SPOILS", spoils):
            yield

    def _fetch(self, asked: Asked, answer: Answer, times: int) -> Answer:
        request, more = self._sent.of
        led, verify = self._led(request, more["verify"])
        more = {**more, "timeout": (2, 0.4), "verify": verify}
        with patch.object(HTTPAdapter, "send", _SEND), closing(WholeAnswerAdapter()) as adapter:
            try:
                response = adapter.send(led, **more)
            except requests.RequestException as problem:
                raise NoAnswerError(problem, problem) from problem
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, response.content)

    def _led(self, request: requests.PreparedRequest, verify: Any) -> tuple[requests.PreparedRequest, Any]:
        led, parts = request.copy(), urlsplit(request.url or "")
        places = {
            "connection refused": (f"localhost:{self._wrong.closed}", verify),
            "DNS failure": ("management.invalid", verify),
            "TLS, untrusted": (f"localhost:{self._wrong.untrusted}", verify),
            "TLS, another's name": (f"localhost:{self._wrong.other_name}", self._wrong.authority),
        }
        place, trusted = places.get(self.fault, (parts.netloc, verify))
        led.url = parts._replace(netloc=place).geturl()
        return led, trusted


def kinds(truth: Truth) -> list[Asked]:
    """One question of each kind: the first that each source asked, a list and a single resource each."""
    first: dict[str, Asked] = {}
    for key, made in truth.made.items():
        for asked in made.asked if made.source is not None else ():
            if asked.path != TOKENS and not is_probe(asked):
                first.setdefault(key[0], asked)
    return list(dict.fromkeys(first.values()))


def rows(tenant: str, say: Callable[[str], None], most: int | None = None) -> Iterator[dict[str, Any]]:
    """Every cell on the wire; `most` questions of them."""
    with Lab(load_worlds([tenant])) as lab, wrong_places() as wrong:
        with patch.object(matrix, "Lab", lambda worlds: nullcontext(lab)):
            truth_of(tenant)  # leaves the rows of its refused calls in the lab's logs, where every later run finds some
            truth = truth_of(tenant)
        wire = Wire(wrong)
        with wire.broken(), patch.object(patience, "LONGEST_ANSWER", 0.5):
            for asked in kinds(truth)[:most]:
                for fault in (*OF_LAB, *ELSEWHERE):
                    cell = _cell(lab, truth, wire, asked, fault)
                    for sentence in cell.wrong:
                        say(f"{tenant}, on the wire: {asked}: {fault}: {sentence}")
                    yield _row(tenant, str(asked), fault, cell)
        for fault, by in CLOCKS.items():
            yield _row(tenant, "", fault, clock_cell(truth, by))


def _cell(lab: Lab, truth: Truth, wire: Wire, asked: Asked, fault: str) -> Cell:
    wire.fault = fault
    spec, rules = OF_LAB.get(fault, ("", _STRICT))
    if spec:
        kind, _, count = spec.partition(":")
        lab.faults.add(f"{kind}:{count}:{asked.path}")
    try:
        return tried(truth, asked, rules)
    finally:
        lab.faults.clear()


CLOCKS: Final[Mapping[str, timedelta]] = {
    "the clock jumps ahead ten years": timedelta(days=3653),
    "the clock jumps back ten years": timedelta(days=-3653),
    "the clock jumps ahead an hour": timedelta(hours=1),
}


def clock_cell(truth: Truth, by: timedelta) -> Cell:
    """A whole run in the middle of which this machine's clock jumps: no verdict may move."""
    told, jumped = time.time, [0]

    def now() -> float:
        jumped[0] += 1
        return told() + (by.total_seconds() if jumped[0] > 20 else 0)

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.fromtimestamp(now(), tz or UTC)

    with (
        patch.object(time, "time", now),
        patch.object(clock, "datetime", Jumping),
        patch.object(recording, "datetime", Jumping),
    ):
        played = play(truth, whole=True)
    return Cell(0, "", played.wire.waited, tuple(matrix._moved(truth.verdicts, played.verdicts)))


def _row(tenant: str, asked: str, fault: str, cell: Cell) -> dict[str, Any]:
    return {
        "tenant": tenant,
        "asked": asked,
        "fault": fault,
        "waited": cell.waited,
        "opened": cell.opened,
        "stopped": cell.stopped,
        "excused": list(cell.excused),
        "wrong": list(cell.wrong),
    }
