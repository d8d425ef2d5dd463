"""All active probes of a run, or in place of them what a recording holds; and the readings that either gives."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aoai_lib.azure.clouds import Cloud
from aoai_lib.azure.recording import PROBE
from aoai_lib.azure.replay import Recording
from aoai_lib.evidence import speech
from aoai_lib.evidence.store import Evidence, Exchange
from aoai_lib.model import Json, Reading, Snapshot, State
from aoai_lib.parameters import Parameters
from aoai_lib.probe import arrival, content, identity
from aoai_lib.probe.budget import Budget
from aoai_lib.probe.stage import LOG_ROW, Stage, opened, recorded

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

COUNTED: Final = "probes"
"""The source of the one reading, of scope `/`, that says what was sent: `requests`, `tokens`, and calls `left_out`
(None in a replay)."""

Progress = Callable[[str, int, int], None]


Planned = Callable[[Snapshot], tuple[int, int]]
Probe = Callable[[Stage, Snapshot, Progress | None], list[Exchange]]
_PARTS: Final[dict[str, tuple[Planned, Probe]]] = {
    "identity": (identity.planned, lambda stage, snapshot, progress: identity.probe(stage, snapshot)),
    "content": (content.planned, content.probe),
    "detections": (identity.calls_planned, lambda stage, snapshot, progress: identity.calls(stage, snapshot)),
}
"""What is probed, by the module of `collect` that it goes with: what it would send at most, and its sending. The calls of models whose
rows the detections' phase waits for are among those of identity."""


def probed(
    snapshot: Snapshot,
    parameters: Parameters,
    reads: Collection[str],
    cloud: Cloud,
    credential: TokenCredential,
    evidence: Evidence,
    recording: Recording | None = None,
    progress: Progress | None = None,
) -> Snapshot:
    """The snapshot with what was tried. Nothing is sent with a recording, nor unless `active_probes` is on."""
    if recording is not None:
        lines = recorded(recording, snapshot, parameters, evidence)
        return _with(snapshot, lines, parameters, evidence, _count(lines) if lines else None)
    parts = {name: part for name, part in _PARTS.items() if name in reads}
    if "identity" in parts:
        parts.pop("detections", None)
    if not parameters.active_probes or not parts:
        return snapshot
    budget = Budget(parameters.probes.requests, parameters.probes.tokens)
    if progress is not None:
        requests, tokens = map(sum, zip(*(plan(snapshot) for plan, _ in parts.values()), strict=True))
        limits = parameters.probes
        most = f"{min(requests, limits.requests)} requests and {min(tokens, limits.tokens)} tokens"
        progress(f"probing with at most {most}", 1, 1)
    stage = opened(parameters, cloud, credential, evidence, budget)
    if stage is None:
        return snapshot
    try:
        lines = [line for _, send in parts.values() for line in send(stage, snapshot, progress)]
    finally:
        stage.close()
    if "identity" in parts:
        lines += identity.attempt(parameters, cloud, snapshot, evidence)
    if not parts.keys().isdisjoint(("identity", "detections")):
        lines += arrival.awaited(lines, snapshot, parameters, cloud, credential, evidence, progress)
    return _with(snapshot, lines, parameters, evidence, budget.counted)


def _count(lines: list[Exchange]) -> Json:
    """What recorded lines say that was sent to models. What was left out is in none of them."""
    lines = [line for line in lines if line.headers[PROBE] != LOG_ROW]
    return {"requests": len(lines), "tokens": sum(speech.tokens(line.body) or 0 for line in lines), "left_out": None}


def _with(
    snapshot: Snapshot, lines: list[Exchange], parameters: Parameters, evidence: Evidence, counted: Json
) -> Snapshot:
    found = {
        **identity.readings(lines, parameters),
        **content.readings(lines, snapshot),
        **arrival.readings(lines, evidence),
    }
    if counted is not None:
        found[COUNTED, "/"] = Reading(COUNTED, "/", State.COLLECTED, counted, call="active probes")
    return replace(snapshot, readings={**snapshot.readings, **found})
