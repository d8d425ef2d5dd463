"""What every active probe works with: where it stands, whom it calls, how much it may send, and the lines of an earlier run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from aoai_lib.azure.clouds import Cloud, Standpoint
from aoai_lib.azure.inference import DataPlane
from aoai_lib.azure.recording import PREFIX, PROBE, PROMPT, identity
from aoai_lib.azure.replay import Recording
from aoai_lib.evidence import speech
from aoai_lib.evidence.store import VANTAGE, Evidence, Exchange
from aoai_lib.model import Json, Reading, Snapshot, State
from aoai_lib.parameters import Parameters
from aoai_lib.probe.budget import Budget
from aoai_lib.probe.observations import marked_line, meaning

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

ACCOUNT: Final = f"{PREFIX}account"
"""Header of a line: the ARM id of the account that was asked."""
LOG_ROW: Final = "log_row"
"""What lines say in `x-aoai-probe` that no model answered, but a workspace: there is no speech in them to be taken out."""
UNSTATED: Final = "unstated"
"""The label of a vantage point that the parameters don't name."""

_DOMAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_CALLED: Final = frozenset({"openai", "aiservices"})
"""Kinds of accounts, lower-cased, that have models to call under the OpenAI suffix."""
_TOLD: Final = re.compile(r"\d{1,9}/[0-9a-f]{64}")
_LONGEST_MARK: Final = 20_000


@dataclass(frozen=True)
class Stage:
    """A run's means to probe, shared by all that probe in it. Close it when done."""

    parameters: Parameters
    plane: DataPlane
    budget: Budget

    def close(self) -> None:
        """Give up the connections."""
        self.plane.close()


def place(cloud: Cloud, vantage: str) -> tuple[str, Standpoint] | None:
    """The label and the standpoint that calls are made from: this machine, or in the lab the vantage point that the parameters
    mean, inside where they mean none. None in a lab that has no such place.
    """
    if cloud.name != "lab":
        return vantage or UNSTATED, Standpoint()
    named = meaning(vantage) or "inside"
    return (named, cloud.standpoints[named]) if named in cloud.standpoints else None


def opened(
    parameters: Parameters, cloud: Cloud, credential: TokenCredential, evidence: Evidence, budget: Budget
) -> Stage | None:
    """The stage of a run; None where there is nowhere to stand."""
    standing = place(cloud, parameters.vantage)
    if standing is None:
        return None
    wishes = parameters.probes
    plane = DataPlane(
        cloud,
        credential,
        evidence,
        *standing,
        surface=wishes.surface,
        text=wishes.text,
        admits=budget.admits,
    )
    return Stage(parameters, plane, budget)


def accounts(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The accounts that have models to call and a name of their own: ARM id and custom subdomain."""
    for reading in snapshot.of("account"):
        value: Any = reading.value if isinstance(reading.value, dict) else {}
        properties = value.get("properties")
        domain = properties.get("customSubDomainName") if isinstance(properties, dict) else None
        if str(value.get("kind")).lower() in _CALLED and isinstance(domain, str) and _DOMAIN.fullmatch(domain):
            yield reading.scope, domain.lower()


def recorded(recording: Recording, snapshot: Snapshot, parameters: Parameters, evidence: Evidence) -> list[Exchange]:
    """The lines of probes in a recording about this tenant's accounts, as they now stand in `evidence`.

    A text that they hold is taken out again unless the parameters allow it.
    """
    known = {account.lower() for account, _ in accounts(snapshot)}
    lines: list[Exchange] = []
    for record in recording.observed:
        line = marked_line(record, _LONGEST_MARK)
        if line is None or PROBE not in line.headers or line.headers.get(ACCOUNT, "").lower() not in known:
            continue
        if parameters.probes.text == "digest" and line.headers[PROBE] != LOG_ROW:
            line = _muted(line)
        kept = replace(line, id=evidence.name(line.method, identity(line.headers)))
        evidence.add(kept)
        lines.append(kept)
    return lines


def _muted(line: Exchange) -> Exchange:
    prompt = line.headers.get(PROMPT, "")
    plain = prompt if not prompt or _TOLD.fullmatch(prompt) else speech.told({"prompt": prompt})
    headers = {name: plain if name == PROMPT else value for name, value in line.headers.items()}
    return replace(line, headers=headers, body=speech.muted(line.body))


def readings_of(source: str, lines: list[Exchange], values: dict[str, list[Json]]) -> dict[tuple[str, str], Reading]:
    """A reading of that source for each account that `values` holds something of, citing its lines."""
    return {
        (source, account.lower()): Reading(
            source,
            account,
            State.COLLECTED,
            found,
            tuple(line.id for line in lines if line.headers[ACCOUNT].lower() == account.lower()),
            f"{source.replace('_', ' ')} from {lines[-1].headers[VANTAGE]}",
        )
        for account, found in values.items()
    }
