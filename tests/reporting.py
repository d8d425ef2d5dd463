"""Runs and documents for the tests of reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aoai_lib.evidence import snapshots
from aoai_lib.model import Snapshot
from aoai_lib.parameters import Parameters, load
from aoai_lib.report import findings
from aoai_lib.run import Run

ROOT = Path(__file__).resolve().parent.parent
NOW = "2026-11-23T09:00:05Z"
HOSTILE = "=cmd|'A1'!<img src=x onerror=alert(1)>\u202egnp.exe\"&lt;"
"""A name that is a formula, markup, an entity and a text that turns round."""


def run_of(snapshot: Snapshot, **parameters: Any) -> Run:
    """A run of a tenant of the lab, with its own parameters but for those given."""
    own = load(ROOT / "parameters" / f"{snapshot.tenant}.yaml").model_dump(mode="json")
    return Run(Parameters.model_validate_json(json.dumps(own | parameters)), snapshot, run_id="20261123T090000Z-0000")


def document_of(run: Run) -> findings.Document:
    """The findings of a run, written at a fixed time."""
    return findings.document(run, NOW)


def renamed(snapshot: Snapshot, old: str, new: str) -> Snapshot:
    """The snapshot with one name replaced wherever it stands as a whole segment: in ids, keys and values."""
    text = json.dumps(snapshots.dump(snapshot))
    inside = json.dumps(new)[1:-1]
    for before, after in (('"', '"'), ("/", '"'), ("/", "/"), ("“", "”")):
        text = text.replace(f"{before}{old}{after}", f"{before}{inside}{after}")
    return snapshots.load(json.loads(text))
