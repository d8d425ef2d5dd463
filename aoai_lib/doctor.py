"""Before an assessment: can we sign in, do the endpoints answer, which permissions are missing?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aoai_lib.collect import sources
from aoai_lib.collect.detections import TABLE_QUERIES
from aoai_lib.collect.scope import ACCOUNTS, SUBSCRIPTIONS
from aoai_lib.evidence.store import VANTAGE, Evidence
from aoai_lib.model import Json, PlaybookError, SignInError, Snapshot, State
from aoai_lib.parameters import Parameters
from aoai_lib.probe.reachability import SOURCE
from aoai_lib.run import EVERYTHING, collect

ROLE_NAME: Final = "Azure OpenAI assessor (read only)"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried."""

    what: str
    good: bool
    result: str


def permissions() -> list[str]:
    """Every action of Resource Manager that an assessment takes, sorted. Microsoft Graph's permissions are no actions."""
    declared = {source.permission for group in sources().values() for source in group if "/" in source.permission}
    return sorted(declared | {SUBSCRIPTIONS, ACCOUNTS, *TABLE_QUERIES}, key=str.lower)


def least_role(subscriptions: Sequence[str]) -> Json:
    """A custom role that may do what an assessment does and nothing else, as `az role definition create` takes it."""
    return {
        "Name": ROLE_NAME,
        "Description": "May read what the Azure OpenAI hardening playbook assesses. Holds no data action and can't read keys.",
        "Actions": permissions(),
        "NotActions": [],
        "DataActions": [],
        "NotDataActions": [],
        "AssignableScopes": [f"/subscriptions/{each}" for each in subscriptions]
        or ["/subscriptions/00000000-0000-0000-0000-000000000000"],
    }


def examine(parameters: Parameters) -> list[Check]:
    """Sign in and read everything once; a check for each source. Nothing is written anywhere."""
    evidence = Evidence()
    try:
        snapshot = collect(parameters, EVERYTHING, evidence)
    except SignInError as problem:
        return [Check("sign in", good=False, result=str(problem))]
    except PlaybookError as problem:
        return [
            Check("sign in", good=True, result="signed in"),
            Check("find accounts", good=False, result=str(problem)),
        ]
    hosts = sorted({each.url.split("/")[2] for each in evidence.exchanges if VANTAGE not in each.headers})
    found = [Check("sign in", good=True, result=f"signed in; answered: {', '.join(hosts)}")]
    found += [_check(snapshot, source.name, source.permission) for group in sources().values() for source in group]
    tried = [each for each in snapshot.readings.values() if each.source.startswith(SOURCE)]
    return found + [_tried(observation) for reading in tried for observation in reading.value]


def _tried(observation: Json) -> Check:
    """Whether anything answered to a name, from the vantage point of the parameters; a refusal is an answer."""
    answers = [(each["address"], each["http"]["status"]) for each in observation["reached"]]
    result = ", ".join(f"{address} {status or 'does not answer'}" for address, status in answers)
    what = f"{observation['name']} from {observation['vantage'].replace('_', ' ')}"
    good = bool(answers) and all(status for _, status in answers)
    return Check(what, good=good, result=result or observation["dns"]["outcome"].replace("_", " "))


def _check(snapshot: Snapshot, source: str, permission: str) -> Check:
    """How the reading of a source went over all its scopes."""
    readings = list(snapshot.of(source))
    name = source.replace("_", " ")
    failed = [reading for reading in readings if reading.state not in (State.COLLECTED, State.PARTIAL, State.NOT_FOUND)]
    if not failed:
        return Check(name, good=True, result=f"{len(readings)} read" if readings else "nothing to read")
    denied = any(reading.state is State.DENIED for reading in failed)
    mend = f"; grant {permission}" if denied else ""
    return Check(name, good=False, result=f"{failed[0].reason} ({len(failed)} of {len(readings)}){mend}")
