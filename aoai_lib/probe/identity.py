"""Who gets in: a key that nobody has, a call by the identity that runs this, a deployment that must be refused.

Every answer is a line of evidence, and the readings are made from the lines alone, so that a replay makes the same. They are
lists with one item for each account that was asked:

* `key_attempt`: `{vantage, at, status, code, message, error, models}`; a made-up key against `GET /openai/models`, and whether models
  came.
* `model_call`: the same, `deployment`, `surface`, `caller` (object id), `type` (`app`, `user` or ""), `managed`, `meant` (whether
  the parameters name the caller as one that should call), `tokens`, `answered` (whether the body is a model's answer); one chat completion or embedding.
* `deployment_attempt`: the same as the first, `identity` (object id), `name`, `left` (status of the GET after it), `made` (whether the
  answer to the PUT is a resource).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from operator import itemgetter
from typing import Any, Final

from aoai_lib.azure import credentials
from aoai_lib.azure.clients import Azure
from aoai_lib.azure.clouds import Cloud
from aoai_lib.azure.inference import DATED, NotAdmittedError
from aoai_lib.azure.recording import BEGAN, PREFIX, PROBE, marking
from aoai_lib.azure.writing import CallError, PlannedWrite, PlannedWritesPolicy
from aoai_lib.effective_access.capabilities import OPENAI_USER, WRITE_DEPLOYMENTS
from aoai_lib.effective_access.register import ACTIVE, UNKNOWN, Register
from aoai_lib.evidence import speech
from aoai_lib.evidence.store import VANTAGE, Evidence, Exchange
from aoai_lib.model import GONE, Json, Reading, SignInError, Snapshot
from aoai_lib.parameters import Parameters
from aoai_lib.probe.budget import OverBudgetError
from aoai_lib.probe.observations import error_of
from aoai_lib.probe.stage import ACCOUNT, Stage, accounts, place, readings_of

KEY, CALL, DEPLOY = "key_attempt", "model_call", "deployment_attempt"
"""What the lines say in `x-aoai-probe`, and the sources of the readings."""
CALL_TOKENS: Final = 64
"""What one call may use at worst: some ten for the prompt, and up to 16 that may be answered (reasoning included)."""

_ANSWERED: Final = 16
_CONCURRENCY: Final = 4
_TRIED: Final = 2
_NOT_OURS: Final = (400, 404)
"""Statuses that are about the deployment and not about the caller."""
_DEPLOYMENT, CALLER, _TYPE, _MANAGED = (
    f"{PREFIX}{word}" for word in ("deployment", "caller", "caller-type", "managed")
)
_ATTEMPTED: Final = f"{PREFIX}attempted"
_VERSION: Final = "2025-09-01"


def planned(snapshot: Snapshot) -> tuple[int, int]:
    """The requests and, at worst, tokens that a run asks for here."""
    known = sum(1 for _ in accounts(snapshot))
    return (1 + _TRIED) * known, CALL_TOKENS * _TRIED * known


def calls_planned(snapshot: Snapshot) -> tuple[int, int]:
    """The same for the calls of models alone."""
    known = sum(1 for _ in accounts(snapshot))
    return _TRIED * known, CALL_TOKENS * _TRIED * known


def probe(stage: Stage, snapshot: Snapshot) -> list[Exchange]:
    """Try a made-up key on every account, and call a model of each as whoever the credential names: another deployment where
    the first can't be called by anybody.
    """
    return _each_account(stage, snapshot, with_key=True)


def calls(stage: Stage, snapshot: Snapshot) -> list[Exchange]:
    """The calls of models alone, whose rows show whether logs arrive."""
    return _each_account(stage, snapshot, with_key=False)


def _each_account(stage: Stage, snapshot: Snapshot, *, with_key: bool) -> list[Exchange]:
    caller = stage.plane.caller
    marks = {
        "caller": caller.get("object_id", ""),
        "caller_type": caller.get("type", ""),
        "managed": "true" if caller.get("managed") else "",
    }
    signed = {name: value for name, value in marks.items() if value}
    with ThreadPoolExecutor(_CONCURRENCY) as pool:
        found = pool.map(lambda each: _probe_account(stage, snapshot, each, signed, with_key), list(accounts(snapshot)))
        return [line for lines in found for line in lines]


def _probe_account(
    stage: Stage, snapshot: Snapshot, named: tuple[str, str], signed: Mapping[str, str], with_key: bool
) -> list[Exchange]:
    tried = _try_key(stage, named) if with_key else []
    return [*tried, *_call_model(stage, snapshot, named, signed)]


def _try_key(stage: Stage, named: tuple[str, str]) -> list[Exchange]:
    account, domain = named
    with suppress(OverBudgetError, NotAdmittedError), stage.budget.spending(0):
        return stage.plane.try_key(domain, probe=KEY, account=account)
    return []


def _call_model(stage: Stage, snapshot: Snapshot, named: tuple[str, str], signed: Mapping[str, str]) -> list[Exchange]:
    account, domain = named
    lines: list[Exchange] = []
    for name, ask in _smallest(snapshot, account)[:_TRIED]:
        spent: list[Exchange] = []
        with suppress(OverBudgetError, NotAdmittedError), stage.budget.spending(CALL_TOKENS) as spending:
            spent = stage.plane.call(domain, ask, probe=CALL, account=account, deployment=name, **signed)
            spending.settle(spent)
        lines += spent
        if not spent or spent[-1].status not in _NOT_OURS:
            break
    return lines


def _smallest(snapshot: Snapshot, account: str) -> list[tuple[str, Callable[[Any], object]]]:
    """The deployments that chat and then those that embed, each by name, with the smallest call of it. Both use one of the data
    actions of Cognitive Services OpenAI User under `OpenAI/deployments/`; to list models would take another."""
    found = sorted(_deployments(snapshot, account), key=itemgetter(0))
    return [
        (name, partial(ask, name))
        for capability, ask in (("chatCompletion", _chat), ("embeddings", _embed))
        for name, capabilities in found
        if str(capabilities.get(capability)).lower() == "true"
    ]


def _chat(deployment: str, client: Any) -> object:
    return client.chat.completions.create(
        model=deployment, messages=[{"role": "user", "content": "Say hello."}], max_completion_tokens=_ANSWERED
    )


def _embed(deployment: str, client: Any) -> object:
    return client.embeddings.create(model=deployment, input="hello")


def _deployments(snapshot: Snapshot, account: str) -> Iterable[tuple[str, dict[str, Json]]]:
    for name in snapshot.reading("deployments", account).value or []:
        value: Any = snapshot.reading("deployment", str(name)).value
        properties = value.get("properties") if isinstance(value, dict) else None
        capabilities = properties.get("capabilities") if isinstance(properties, dict) else None
        if isinstance(capabilities, dict):
            yield str(name).rpartition("/")[2], capabilities


def attempt(parameters: Parameters, cloud: Cloud, snapshot: Snapshot, evidence: Evidence) -> list[Exchange]:
    """With the named identity, try one deployment on one account where it holds OpenAI User and nothing more.

    The one request of a run that is no read: a PUT, under a random name, of a model that does not exist, so that nothing can
    come about even where it is not refused. Without that parameter, and where the identity's roles are not known to be that
    one alone, nothing is sent.
    """
    standing = place(cloud, parameters.vantage)
    if not parameters.probes.openai_user or standing is None:
        return []
    azure = Azure(
        cloud, credentials.identity_of(parameters.probes.openai_user), evidence, planned=PlannedWritesPolicy()
    )
    try:
        own = azure.caller().get("object_id", "").lower()
        for account, _ in accounts(snapshot):
            if own and _holds_only_openai_user(snapshot, account, own):
                return _try_deployment(azure, account, own, standing[0])
    finally:
        azure.close()
    return []


def _holds_only_openai_user(snapshot: Snapshot, account: str, identity: str) -> bool:
    """Whether OpenAI User is the only role that the identity is given itself, and no group that may deploy has it as a member.
    What was not read makes it false."""
    register = Register(snapshot, account.split("/")[2])
    try:
        reaching = list(register.reaching(account, ACTIVE))
        own = {each.role for each in reaching if each.principal.lower() == identity}
        groups = [each for each in reaching if each.is_group and register.held(each, WRITE_DEPLOYMENTS)]
        through = [each for group in groups for each in register.through(group) if each.principal.lower() == identity]
    except UNKNOWN:
        return False
    return own == {OPENAI_USER} and not through


def _try_deployment(azure: Azure, account: str, identity: str, vantage: str) -> list[Exchange]:
    name = f"aoai-playbook-{secrets.token_hex(6)}"
    path = f"{account}/deployments/{name}"
    body = {
        "sku": {"name": "Standard", "capacity": 1},
        "properties": {"model": {"format": "OpenAI", "name": f"no-such-model-{secrets.token_hex(4)}", "version": "0"}},
    }
    with marking(vantage, probe=DEPLOY, account=account, caller=identity, attempted=name) as lines:
        with suppress(CallError, SignInError):  # the lines say what came
            azure.write(PlannedWrite("PUT", path, _VERSION, body), {})
        with suppress(CallError, SignInError):
            azure.state(path, _VERSION)
    return lines


def readings(lines: Iterable[Exchange], parameters: Parameters) -> dict[tuple[str, str], Reading]:
    """What the lines of these probes say, by source and account: the last answer of each."""
    grouped: dict[str, list[Exchange]] = {KEY: [], CALL: [], DEPLOY: []}
    for line in lines:
        if line.headers[PROBE] in grouped:
            grouped[line.headers[PROBE]].append(line)
    found: dict[tuple[str, str], Reading] = {}
    for source, own in grouped.items():
        last: dict[str, list[Exchange]] = {}
        for line in own:
            last.setdefault(line.headers[ACCOUNT], []).append(line)
        values: dict[str, list[Json]] = {
            account: [_value(source, of_account, parameters)] for account, of_account in last.items()
        }
        found |= readings_of(source, own, values)
    return found


def _holds(body: Json, *names: str) -> bool:
    """Whether a body has a list under one of some names: an answer of the data plane, and not of a proxy on the way."""
    return isinstance(body, dict) and any(isinstance(body.get(name), list) for name in names)


def _status(line: Exchange) -> int | None:
    """The status of an answer; None for a 404 that does not say that there is no such thing, as of a subscription that can't be seen."""
    return None if line.status == 404 and error_of(line.body)[0] not in GONE else line.status


def _value(source: str, lines: list[Exchange], parameters: Parameters) -> Json:
    """What the last line says; of an attempt to deploy, what the last PUT says."""
    puts = [line for line in lines if line.method == "PUT"]
    line = puts[-1] if puts else lines[-1]
    code, message = error_of(line.body)
    value: dict[str, Json] = {
        "vantage": line.headers[VANTAGE],
        "at": line.headers[BEGAN],
        "status": line.status,
        "code": code,
        "message": message,
        "error": line.error,
    }
    if source == KEY:
        value["models"] = _holds(line.body, "data")
    if source == CALL:
        meant = [each.lower() for each in parameters.hardening.workload_identities]
        caller = line.headers.get(CALLER, "")
        value |= {
            "deployment": line.headers.get(_DEPLOYMENT, ""),
            "surface": f"dated API {DATED}" if "api-version=" in line.url else "v1 API",
            "caller": caller,
            "type": line.headers.get(_TYPE, ""),
            "managed": line.headers.get(_MANAGED) == "true",
            "meant": caller.lower() in meant,
            "tokens": speech.tokens(line.body),
            "answered": _holds(line.body, "choices", "data"),
        }
    if source == DEPLOY:
        seen = [_status(each) for each in lines if each.method == "GET"]
        value |= {
            "identity": line.headers.get(CALLER, ""),
            "name": line.headers.get(_ATTEMPTED, ""),
            "left": seen[-1] if seen else None,
            "made": isinstance(line.body, dict) and isinstance(line.body.get("id"), str),
        }
    return value
