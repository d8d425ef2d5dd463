"""What names led to and who answered, as rows: on a terminal, in a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, StrictBool

from aoai_lib.report import shapes
from aoai_lib.report.table import Table

if TYPE_CHECKING:
    from aoai_lib.run import Run

COLUMNS: Final = ("from", "name", "leads to", "TLS", "HTTP")


def table(run: Run) -> Table:
    """Every observation of a run, a row for each address that was tried."""
    found = [
        observation
        for reading in run.snapshot.readings.values()
        if reading.source.startswith("reachability_") and isinstance(reading.value, list)
        for observation in reading.value
    ]
    everything = [row for observation in found for row in rows(observation)]
    return Table("What was observed", COLUMNS, everything, "No vantage point is stated, so nothing was tried.")


class _Resolved(BaseModel):
    outcome: str
    error: str


class _Connected(BaseModel):
    connected: StrictBool
    error: str


class _Secured(BaseModel):
    verified: StrictBool
    version: Any
    error: str


class _Answered(BaseModel):
    status: int | None
    message: str
    error: str


class _Reached(BaseModel):
    address: str
    tcp: _Connected
    tls: _Secured
    http: _Answered


class _Observation(BaseModel):
    vantage: str
    name: str
    dns: _Resolved
    reached: list[_Reached]


def rows(observation: dict[str, Any]) -> Iterator[tuple[str, str, str, str, str]]:
    """An observation (`aoai_lib.probe.observations`) as rows of `COLUMNS`; one where the name led nowhere.

    Raises `InputError` for one of another form: it stands in a snapshot that somebody changed.
    """
    shapes.check(_Observation, observation, "An observation in the snapshot")
    place, name, resolved = (observation[key] for key in ("vantage", "name", "dns"))
    if not observation["reached"]:
        yield place, name, f"{resolved['outcome'].replace('_', ' ')} {resolved['error']}".strip(), "", ""
    for each in observation["reached"]:
        tcp, tls, http = each["tcp"], each["tls"], each["http"]
        secured = str(tls["version"]) if tls["verified"] else tls["error"]
        answered = f"{http['status']} {http['message']}".strip() if http["status"] else http["error"]
        yield (
            place,
            name,
            each["address"],
            secured if tcp["connected"] else f"no connection: {tcp['error']}",
            answered if tls["verified"] else "",
        )
