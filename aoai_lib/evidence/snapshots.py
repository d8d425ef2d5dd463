"""`snapshot.json`: what was judged, written so that it can be judged again."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

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
        told = _Document.model_validate({name: value for name, value in document.items() if name != "schema"})
    except ValidationError as problem:
        detail = problem.errors(include_url=False, include_input=False, include_context=False)[0]
        at = ".".join(str(step)[:60] for step in detail["loc"])
        raise InputError(f"The snapshot.json is damaged: {at}: {detail['msg']}.") from None
    values = {name: getattr(told, name) for name in _Document.model_fields}
    readings = {(reading.source, reading.scope.lower()): reading for reading in told.readings}
    return Snapshot(**{**values, "readings": readings})


def _instant(text: str) -> str:
    if not 2000 < datetime.fromisoformat(text).astimezone(UTC).year < 2200:
        raise ValueError("no service had that time")
    return text


def _listed(readings: list[Reading]) -> list[Reading]:
    """Subjects are found by these lists of ids, so nothing can be judged where one is none."""
    read = [each for each in readings if each.source in _OF_IDS and each.state in (State.COLLECTED, State.PARTIAL)]
    for each in read:
        if not isinstance(each.value, list) or not all(isinstance(name, str) for name in each.value):
            raise ValueError(f"{each.source} is no list of ids")
    return readings


_OF_IDS: Final = frozenset({"subscriptions", "accounts", "deployments"})


class _Document(BaseModel):
    """The members of a `snapshot.json` besides its schema."""

    model_config = ConfigDict(extra="forbid")

    tenant: str
    tenant_id: str
    cloud: str
    as_of: Annotated[str, AfterValidator(_instant)]
    profile: str
    requirements: Requirements
    readings: Annotated[list[Reading], AfterValidator(_listed)]
    caller: dict[str, str]
    evidence_days: Annotated[int, Field(strict=True, ge=1, le=36500)] = 30
