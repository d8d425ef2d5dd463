"""`snapshot.json`: what was judged, written so that it can be judged again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from pydantic import ValidationError

from aoai_lib.model import InputError, Json, Reading, Requirements, Snapshot, State

SCHEMA: Final = "aoai-playbook/snapshot/1"


def dump(snapshot: Snapshot) -> dict[str, Json]:
    """The snapshot as plain JSON."""
    return {
        "schema": SCHEMA,
        "tenant": snapshot.tenant,
        "tenant_id": snapshot.tenant_id,
        "cloud": snapshot.cloud,
        "caller": dict(snapshot.caller),
        "as_of": snapshot.as_of,
        "profile": snapshot.profile,
        "evidence_days": snapshot.evidence_days,
        "requirements": snapshot.requirements.model_dump(mode="json"),
        "readings": [asdict(reading) for reading in snapshot.readings.values()],
    }


def load(document: Json) -> Snapshot:
    """The snapshot in a `snapshot.json`. Raises `InputError` where it is none."""
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise InputError(f"This is no snapshot of this playbook: its schema should be {SCHEMA}.")
    try:
        readings = [_reading(entry) for entry in document["readings"]]
        return Snapshot(
            tenant=document["tenant"],
            tenant_id=document["tenant_id"],
            cloud=document["cloud"],
            as_of=document["as_of"],
            profile=document["profile"],
            requirements=Requirements.model_validate(document["requirements"]),
            caller=document["caller"],
            evidence_days=document.get("evidence_days", 30),
            readings={(reading.source, reading.scope.lower()): reading for reading in readings},
        )
    except (KeyError, TypeError, ValueError, ValidationError) as problem:
        raise InputError(f"The snapshot is damaged: {problem}.") from problem


def _reading(entry: dict[str, Json]) -> Reading:
    return Reading(**{**entry, "state": State(entry["state"]), "evidence": tuple(entry["evidence"])})
