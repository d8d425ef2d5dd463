"""Long-running operations that go wrong: nothing hangs, nothing is told as done that was not read back, nothing is sent twice.

Each cell is a write over TLS to a lab that misbehaves in its answer, or in what it says of the operation. Waits are asked for and
not waited; the time limit of an operation and the patience of a step are short.
"""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from click.testing import CliRunner
from hardening import folder_of, own_lab, parameters, written
from starlette.requests import Request as Asked
from starlette.responses import Response
from tenants import ROOT

from aoai_lib.azure import operation
from aoai_lib.azure.clients import Azure
from aoai_lib.cli import main
from aoai_lib.evidence.store import Evidence
from aoai_lib.harden import session
from aoai_lib.harden.application import Application, Became, Result
from aoai_lib.harden.journal import Journal, open_undo
from aoai_lib.harden.plan import Plan, Request, Step
from aoai_lib.harden.preflight import Answer
from aoai_lib.lab.server import Lab
from aoai_lib.model import SignInError

OUTBOUND = {"allowed_fqdns": ["brightcart.search.windows.net"]}
FOREIGN = "https://localhost.example/steal"
STATUS = "azure-asyncoperation"
Change = Callable[[Response], Response]


def answered(status: int, body: object = None, **headers: str) -> Change:
    """This instead of the true answer."""
    text = body if isinstance(body, str) else json.dumps(body) if body is not None else ""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda response: Response(text, status, headers={"content-type": "application/json", **named})


def headed(**headers: str) -> Change:
    """The true answer with other headers; an empty one is left out."""

    def change(response: Response) -> Response:
        kept = {name: value for name, value in response.headers.items() if name != "content-length"}
        named = kept | {name.replace("_", "-"): value for name, value in headers.items()}
        return Response(response.body, response.status_code, headers={n: v for n, v in named.items() if v})

    return change


def located(response: Response) -> Response:
    """The operation announced by its result's address alone."""
    return headed(azure_asyncoperation="", location=response.headers[STATUS])(response)


def stated(state: object, status: int = 200) -> Change:
    """The resource, in this state, without any operation."""

    def change(response: Response) -> Response:
        body = json.loads(response.body)
        body["properties"]["provisioningState"] = state
        return headed(azure_asyncoperation="", location="")(
            Response(json.dumps(body), status, headers=response.headers)
        )

    return change


RUNNING = answered(200, {"status": "InProgress"})


@dataclass
class Spoilt:
    """What a lab answers to writes, to looks at their operations, and to reads of their resource, where that is not the truth."""

    lab: Lab
    write: Change | None = None
    poll: Change | None = None
    polls_spoilt: int | None = None
    read: Change | None = None
    polled: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._answer = self.lab._application._answer
        self.lab._application._answer = self._spoil  # type: ignore[method-assign]
        self._written = ""

    def _spoil(self, request: Asked, body: bytes, listener: str, fault: str) -> Response:
        response = self._answer(request, body, listener, fault)
        self.hosts.add(request.headers["host"])
        path = request.url.path
        if request.method in ("PUT", "PATCH", "DELETE"):
            self._written = path
            return self.write(response) if self.write else response
        if "operation" in path.lower():
            self.polled.append(path)
            spoilt = self.poll and (self.polls_spoilt is None or len(self.polled) <= self.polls_spoilt)
            return self.poll(response) if spoilt and self.poll else response
        return self.read(response) if self.read and path == self._written else response

    def mend(self) -> None:
        """From now on the truth."""
        self.write = self.poll = self.read = None


@dataclass
class Stand:
    """A lab, the plan of some writes, and what is asked to wait."""

    lab: Lab
    planned: Plan
    azure: Azure
    waits: list[float]
    out: Path

    def apply(self, planned: Plan | None = None) -> list[Result]:
        """Carry the plan out, in a journal of its own."""
        self.journal = Journal.create(self.out, planned or self.planned)
        return self._application().apply()

    def undo(self) -> list[Result]:
        return self._application().undo()

    def _application(self) -> Application:
        return Application(self.azure, self.journal, lambda check: Answer(True, ""))

    @contextmanager
    def anew(self) -> Iterator[None]:
        """With an `Azure` of its own: one that waits for answers as it is told now, and whose waits burden nobody else."""
        kept = self.azure
        with session.opened(parameters("exposed"), Evidence()) as opened:
            self.azure = opened._azure
            yield
        self.azure = kept

    def sent(self) -> list[tuple[str, str]]:
        return written(self.lab)


def patient(planned: Plan, *numbers: int, seconds: int = 1) -> Plan:
    steps = [planned.steps[number].model_copy(update={"patience": seconds}) for number in numbers]
    return planned.model_copy(update={"steps": tuple(each.model_copy(update={"after": ()}) for each in steps)})


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Lab, Plan, Azure]]:
    asked = parameters("exposed", **OUTBOUND)
    with own_lab("exposed") as lab, session.opened(asked, Evidence()) as opened:
        yield lab, opened.plan(opened.look(["NET-14"]), ["NET-14"]), opened._azure


@pytest.fixture
def stand(served: tuple[Lab, Plan, Azure], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    lab, planned, azure = served
    slept, waits = time.sleep, []

    def sleep(seconds: float) -> None:
        if threading.current_thread() is threading.main_thread():
            waits.append(seconds)
        slept(min(seconds, 0.005))

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(operation, "OPERATION_SECONDS", 0.12)
    state, answer = lab.state("exposed"), lab._application._answer
    held = {key: copy.deepcopy(each) for key, each in state.resources.items()}
    lab.requests.clear()
    yield Stand(lab, patient(planned, 0), azure, waits, tmp_path)
    lab._application._answer = answer  # type: ignore[method-assign]
    lab.faults.clear()
    state.operations.clear()
    for each in set(state.resources) - set(held):
        state.remove(each)
    for each in held.values():
        state.put(each)


CELLS: dict[str, tuple[dict[str, Any], Became, str]] = {
    # (a) ends badly
    "failed": (
        {"poll": answered(200, {"status": "Failed", "error": {"code": "Quota", "message": "Too much."}})},
        Became.FAILED, "its operation ended as “Failed”: Quota: Too much. Start the same command",
    ),
    "canceled": ({"poll": answered(200, {"status": "Canceled"})}, Became.FAILED, "its operation ended as “Canceled”. Start"),
    "failed at its result's address": (
        {"write": located, "poll": answered(409, {"error": {"code": "Conflict", "message": "No."}})},
        Became.FAILED, "its operation failed: Conflict: No. Start",
    ),
    "failed by its state": ({"write": stated("Failed")}, Became.FAILED, "its operation ended as “Failed”. Start"),
    "canceled by its state, later": (
        {"write": stated("Updating"), "read": stated("Canceled")}, Became.FAILED, "its operation ended as “Canceled”. Start",
    ),
    # (b) never ends; the resource shows what was written all the same, or does not
    "never ends": ({"poll": RUNNING}, Became.DONE, "it did not end in 0.002 minutes"),
    "never ends, and the resource says so": (
        {"poll": RUNNING, "read": stated("Accepted")}, Became.UNCONFIRMED,
        "it did not end in 0.002 minutes. 1 s later the service is still at work on it (“accepted”). Start the same command again",
    ),
    "never ends at its result's address": ({"write": located, "poll": answered(202)}, Became.DONE, "it did not end in"),
    "never ends by its state": ({"write": stated("Updating"), "read": stated("Updating")}, Became.UNCONFIRMED, "it did not end in"),
    # (c) asks to wait absurdly: see below
    "Retry-After of a day in the answer to the write": ({"write": headed(retry_after="86400")}, Became.DONE, "Done, and read back."),
    # (d) vanishes
    "vanished": (
        {"poll": answered(404, {"error": {"code": "NotFound", "message": "Operation cannot be found."}})},
        Became.DONE, "Done, and read back. PATCH",
    ),
    "vanished, and nothing is shown": (
        {"poll": answered(404, "Not Found"), "read": answered(404, {"error": {"code": "ResourceNotFound"}})},
        Became.UNCONFIRMED, "could not be followed",
    ),
    # (e) rubbish
    **{
        f"rubbish: {body!r}": ({"poll": answered(200, body)}, Became.DONE, "could not be followed")
        for body in ("null", "", "Bad Gateway", '"Succeeded"', "42", "[]", "{}", '{"status":null}', '{"status":5}',
                     '{"status":{"value":"Succeeded"}}', '{"error":{"code":"InternalServerError"}}', '{"value":[]}')
    },
    "an unknown word": ({"poll": answered(200, {"status": "Wandering"})}, Became.DONE, "it did not end in"),
    "a page at its result's address": (
        {"write": located, "poll": answered(200, "<html>Sign in</html>")}, Became.DONE, "could not be followed",
    ),
    # (f) leads elsewhere
    **{
        f"leads to {place}": ({"write": headed(azure_asyncoperation=place)}, Became.DONE, "is another service: nothing was sent")
        for place in (FOREIGN, "http://localhost/x", "https://localhost:1/x", "//localhost.example/x", "/relative", "file:///etc/passwd",
                      "https://localhost.example\\@localhost/x", "https://127.0.0.1/x", "https://localhost@localhost.example/")
    },
    "its result's address leads elsewhere, later": (
        {"write": located, "poll": answered(202, location=FOREIGN)}, Became.DONE, "is another service: nothing was sent",
    ),
    "the look is redirected": ({"poll": answered(302, location=FOREIGN)}, Became.DONE, "could not be followed"),
    "the result stands elsewhere": (
        {"poll": answered(200, {"status": "Succeeded", "resourceLocation": FOREIGN})}, Became.DONE, "is another service",
    ),
    # (g) the look is refused
    **{
        f"looks answer {status}": ({"poll": answered(status, {"error": {"code": "No", "message": "No."}})}, Became.DONE, "could not be followed: No: ")
        for status in (401, 403, 429, 500, 503)
    },
    **{
        f"looks answer {status} for a while": (
            {"poll": answered(status, {"error": {"code": "No", "message": "No."}}), "polls_spoilt": 3}, Became.DONE, "Done, and read back.",
        )
        for status in (429, 500, 503)
    },
    "looks are refused, and the resource too": (
        {"poll": answered(403, {"error": {"code": "No"}}), "read": answered(403, {"error": {"code": "AuthorizationFailed"}})},
        Became.UNCONFIRMED, "it can't be read: GET ",
    ),
    # (h) the answer to the write names no operation
    "202 without a word": ({"write": answered(202)}, Became.DONE, "Done, and read back."),
    "201 without a word": ({"write": answered(201, {})}, Became.DONE, "Done, and read back."),
    "200, creating": ({"write": stated("Creating")}, Became.DONE, "Done, and read back."),
    "200, properties are null": ({"write": answered(200, {"id": "/x", "properties": None})}, Became.DONE, "Done, and read back."),
    "204": ({"write": answered(204)}, Became.DONE, "Done, and read back."),
    "a list": ({"write": answered(200, [])}, Became.DONE, "Done, and read back. PATCH"),
    "half a body": ({"write": answered(200, '{"id":"/subscr')}, Became.DONE, "Done, and read back. PATCH"),
    # (i) carried out, and the answer is an error of the way back
    **{
        f"carried out, and answered {status}": ({"write": answered(status, "")}, Became.DONE, f"answered {status}")
        for status in (408, 500, 502, 503, 504)
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_an_operation_that_goes_wrong(stand: Stand, name: str) -> None:
    spoils, became, words = CELLS[name]
    spoilt = Spoilt(stand.lab, **spoils)
    (result,) = stand.apply()
    assert (result.became, words in result.sentence) == (became, True), result
    assert [each.id for each in open_undo(stand.journal.path / "undo.json").steps] == [result.step.id]
    assert len(stand.sent()) == 1
    assert max(stand.waits, default=0) <= 60
    assert spoilt.hosts == {stand.lab.url.removeprefix("https://")}
    _mended(stand, spoilt)


def _mended(stand: Stand, spoilt: Spoilt) -> None:
    """When the service has come to its senses the same plan is carried out without a second write, and taken back with one."""
    spoilt.mend()
    (again,) = stand.apply()
    assert again.became is Became.ALREADY, again
    assert len(stand.sent()) == 1
    stand.journal.begin(stand.planned.steps[0])
    (back,) = stand.undo()
    assert back.became is Became.DONE, back
    assert len(stand.sent()) == 2


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("432000", 60), ("-7", 5), ("soon", 5), ("nan", 5), ("inf", 60), ("1e400", 60), ("0", 5), ("", 5), ("7", 7),
     ("Fri, 31 Dec 2049 23:59:59 GMT", 60), ("Thu, 01 Jan 1970 00:00:00 GMT", 5)],
)  # fmt: skip
def test_an_operation_asks_to_wait(stand: Stand, said: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """For as long as it asks, up to a minute; five seconds where that is not a time."""
    monkeypatch.setattr(operation, "OPERATION_SECONDS", 1800)
    Spoilt(stand.lab, poll=answered(200, {"status": "InProgress"}, retry_after=said), polls_spoilt=2)
    (result,) = stand.apply()
    assert (result.became, result.sentence) == (Became.DONE, "Done, and read back.")
    assert stand.waits[:2] == [seconds] * 2


@pytest.mark.parametrize("fault", ["reset", "timeout", "truncate"])
def test_a_write_that_was_not_answered_is_looked_for_and_not_sent_again(
    stand: Stand, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off before it was carried out, silent, or carried out and half answered."""
    monkeypatch.setattr("aoai_lib.azure.clients._TIMEOUT", (10, 0.3))
    path = stand.planned.steps[0].request.path
    stand.lab.faults.add(f"{fault}:1:{path}")
    spoilt = Spoilt(stand.lab)
    meets = type(stand.lab.faults.active[0]).meets
    monkeypatch.setattr("aoai_lib.lab.faults.Fault.meets", lambda *of: of[2] == "PATCH" and meets(*of))
    with stand.anew():
        (result,) = stand.apply()
    assert "got no answer" in result.sentence
    assert len(stand.sent()) == 1
    if fault == "truncate":
        assert result.became is Became.DONE, result
        _mended(stand, spoilt)
        return
    assert result.became is Became.UNCONFIRMED, result
    assert "Start the same command again: it looks before it sends." in result.sentence
    (again,) = stand.apply()
    assert again.became is Became.DONE, again


def test_a_service_that_is_too_busy_is_asked_again_when_nothing_came_about(stand: Stand) -> None:
    stand.lab.faults.add(f"503:1:{stand.planned.steps[0].request.path}")
    stand.lab.faults.active[0].meets = lambda path, method="GET": (
        method == "PATCH" and stand.lab.faults.active[0].left != 0
    )  # type: ignore[method-assign]
    (result,) = stand.apply()
    assert result.became is Became.DONE, result
    assert len(stand.sent()) == 2


def test_a_throttled_write_is_sent_again(stand: Stand) -> None:
    fault = stand.lab.faults.add(f"429silent:2:{stand.planned.steps[0].request.path}")
    fault.meets = lambda path, method="GET": method == "PATCH" and fault.left != 0  # type: ignore[method-assign]
    (result,) = stand.apply()
    assert result.became is Became.DONE, result
    assert [each.status for each in stand.lab.requests if each.method == "PATCH"] == [429, 429, 200]


def test_whoever_shall_come_back_in_a_day_is_told(stand: Stand) -> None:
    fault = stand.lab.faults.add("429day")
    fault.meets = lambda path, method="GET": method == "PATCH"  # type: ignore[method-assign]
    with stand.anew():
        (result,) = stand.apply()
    assert (result.became, len(stand.sent())) == (Became.FAILED, 1)
    assert "answered 429 TooManyRequests" in result.sentence


@pytest.mark.parametrize(
    ("kind", "became", "again"),
    [
        ("failed", Became.FAILED, Became.FAILED),
        ("canceled", Became.FAILED, Became.FAILED),
        ("stuck", Became.UNCONFIRMED, Became.UNCONFIRMED),
        ("vanished", Became.DONE, Became.ALREADY),
        ("expired", Became.FAILED, Became.DONE),
    ],
)
def test_the_lab_s_own_faults(stand: Stand, kind: str, became: Became, again: Became) -> None:
    """Failed stays on the resource: the same plan, carried out anew, does not call that done, and sends nothing over it."""
    fault = stand.lab.faults.add(f"{kind}:1")
    if kind == "expired":
        fault.meets = lambda path, method="GET": method == "PATCH" and fault.left != 0  # type: ignore[method-assign]
    assert [each.became for each in stand.apply()] == [became]
    assert [each.became for each in stand.apply()] == [again]
    assert len(stand.sent()) == (2 if kind == "expired" else 1)


def test_nobody_goes_on_asking_about_an_operation_that_was_given_up(
    served: tuple[Lab, Plan, Azure], stand: Stand
) -> None:
    """Three writes whose operations never end: when one is sent, those before it are not asked about any more."""
    spoilt = Spoilt(stand.lab, poll=RUNNING)
    threads = set(threading.enumerate())
    results = stand.apply(patient(served[1], 0, 1, 2))
    assert [each.became for each in results] == [Became.DONE] * 3
    assert {each.name for each in set(threading.enumerate()) - threads if "Poller" in each.name} == set()
    order = list(dict.fromkeys(spoilt.polled))
    assert [path for index, path in enumerate(spoilt.polled) if index == 0 or spoilt.polled[index - 1] != path] == order
    assert len(order) == 3
    count = len(stand.lab.requests)
    time.sleep(1)
    assert len(stand.lab.requests) == count


def test_what_the_service_is_at_work_on_is_waited_for_before_anything_is_sent(stand: Stand) -> None:
    spoilt = Spoilt(stand.lab, read=stated("Accepted"))
    spoilt._written = stand.planned.steps[0].request.path
    (result,) = stand.apply()
    assert (result.became, stand.sent()) == (Became.STOPPED, [])
    assert "Nothing was sent: 1 s later the service is still at work on it (“accepted”)." in result.sentence


def test_taking_back_is_not_told_as_done_where_its_operation_failed(stand: Stand) -> None:
    stand.apply()
    stand.lab.faults.add("failed")
    (back,) = stand.undo()
    assert (back.became, len(stand.sent())) == (Became.FAILED, 2)


def test_the_command_says_what_to_do_and_goes_on_rightly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One operation of three fails, one vanishes: exit code 1, undo data of all three; started again, one write is missing."""
    given = (ROOT / "parameters" / "exposed.yaml").read_text(encoding="utf-8")
    file = tmp_path / "exposed.yaml"
    file.write_text(given + "\nhardening:\n  allowed_fqdns: [brightcart.search.windows.net]\n", encoding="utf-8")
    asked = ["harden", str(file), "--apply", "--yes", "--only", "NET-14", "--out", str(tmp_path / "out")]
    with own_lab("exposed", faults=["failed:1:aoai-brightcart-shop", "vanished:1"]) as lab:
        first = CliRunner().invoke(main, asked, env={"COLUMNS": "300"})
        assert (first.exit_code, "Traceback" in first.output) == (1, False), first.output
        assert "its operation ended as “Failed”: OperationFailed" in " ".join(first.output.split())
        assert "--undo" in first.output
        assert len(open_undo(folder_of(tmp_path / "out") / "undo.json").steps) == len(written(lab)) == 3
        second = CliRunner().invoke(main, asked, env={"COLUMNS": "300"})
        assert second.exit_code == 0, second.output
        assert len(written(lab)) == 3


ZONE = "/subscriptions/2e9a6b71-04cd-4f8e-a1b3-5c6d7e8f9003/resourceGroups/rg-shop/providers/Microsoft.Network/privateDnsZones/new.example"
WRITE = Request(method="PUT", path=ZONE, api_version="2024-06-01", body={"location": "global", "tags": {"a": "b"}})
NEW_ZONE = Step(
    id="zone", control="NET-08", subject=ZONE, title="A zone", effect="", permission="Microsoft.Network/privateDnsZones/write",
    request=WRITE, undo=Request(method="DELETE", path=ZONE, api_version="2024-06-01"), patience=1,
)  # fmt: skip
"""Answered 202, with its operation's address and its result's; taken back by a DELETE, which is answered so too."""


@pytest.mark.parametrize(
    ("spoils", "made", "unmade"),
    [
        ({}, Became.DONE, Became.DONE),
        ({"write": headed(azure_asyncoperation=FOREIGN)}, Became.DONE, Became.DONE),
        ({"write": headed(azure_asyncoperation="", location=FOREIGN)}, Became.DONE, Became.DONE),
        ({"write": headed(azure_asyncoperation="", location="")}, Became.DONE, Became.DONE),
        ({"write": answered(500)}, Became.DONE, Became.DONE),
        ({"write": answered(503)}, Became.DONE, Became.DONE),
        ({"write": answered(202, "<html>")}, Became.DONE, Became.DONE),
        ({"poll": answered(404)}, Became.DONE, Became.DONE),
        ({"poll": RUNNING}, Became.DONE, Became.DONE),
        ({"poll": answered(200, {"status": "Failed"})}, Became.FAILED, Became.FAILED),
        ({"poll": answered(500), "read": answered(500)}, Became.UNCONFIRMED, Became.FAILED),
    ],
)
def test_what_is_made_and_taken_away_again(stand: Stand, spoils: dict[str, Any], made: Became, unmade: Became) -> None:
    """Each write is sent once, and a resource that is there, or gone, is told so only when that was read."""
    planned = stand.planned.model_copy(update={"steps": (NEW_ZONE,)})
    spoilt = Spoilt(stand.lab, **spoils)
    (result,) = stand.apply(planned)
    assert (result.became, stand.sent()) == (made, [("PUT", ZONE)]), result
    assert stand.lab.state("exposed").find(ZONE) is not None
    (back,) = stand.undo()
    assert back.became is unmade, back
    assert stand.sent() == [("PUT", ZONE), ("DELETE", ZONE)][: 1 if spoilt.read else 2]
    assert (stand.lab.state("exposed").find(ZONE) is None) is (spoilt.read is None)
    assert spoilt.hosts == {stand.lab.url.removeprefix("https://")}


def test_a_token_that_can_t_be_had_any_more_leaves_a_hardening_to_go_on_with(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While its operation is followed: undo data is there, nothing is called done, and the same plan finds what was sent."""
    spoilt = Spoilt(stand.lab)

    def lost(response: Response) -> Response:
        monkeypatch.setattr(BearerTokenCredentialPolicy, "on_request", refused)
        return RUNNING(response)

    def refused(policy: object, request: object) -> None:
        raise ClientAuthenticationError("no token")

    spoilt.poll = lost
    with pytest.raises(SignInError):
        stand.apply()
    assert len(open_undo(stand.journal.path / "undo.json").steps) == 1
    monkeypatch.undo()
    spoilt.mend()
    (again,) = stand.apply()
    assert (again.became, len(stand.sent())) == (Became.ALREADY, 1)
