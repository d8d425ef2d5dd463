"""What was begun, so that `--resume` knows what is left: `<out>/.fleet/<batch>.json`, written before the first tenant starts.

A batch gives out the run ids. A run of the journal that is sealed is finished; one that is not is what an interrupt left, and
goes when its tenant is assessed anew. A journal is written once, whole, and is never changed: to resume is to begin another batch
that takes over the finished runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field

from aoai_lib import strict_json
from aoai_lib.evidence.seal import SUMS, digest
from aoai_lib.fleet.assessment import Task
from aoai_lib.fleet.outcome import Outcome, failed_severities
from aoai_lib.fleet.places import Place
from aoai_lib.folder import RUN_ID, new_run_id
from aoai_lib.model import InputError
from aoai_lib.report import shapes

FOLDER: Final = ".fleet"
SCHEMA: Final = "aoai-playbook/batch/1"


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be done: `tasks` with their run ids, `finished` what was done before, by tenant. `journal` is its file's name."""

    journal: str
    tasks: tuple[Task, ...]
    finished: Mapping[str, Outcome]


def begin(place: Place, tasks: Sequence[Task], resume: bool, now: datetime) -> Batch:
    """Write the journal of a batch, once what an earlier one left is looked through. Raises `InputError`, `ClaimedError`.

    Without `resume` every task is done. Journals of which all tenants are among these are superseded.
    """
    earlier = _journals(place)
    asked = {task.parameters.tenant: digest_of(task) for task in tasks}
    finished, runs = _left(place, _newest(place, earlier, asked), asked) if resume else ({}, {})
    todo = tuple(replace(task, run_id=new_run_id(now)) for task in tasks if task.parameters.tenant not in finished)
    ids = runs | {task.parameters.tenant: task.run_id for task in todo}
    name = f"{FOLDER}/{new_run_id(now)}.json"
    entries = [{"tenant": tenant, "task": asked[tenant], "run_id": ids[tenant]} for tenant in asked]
    document = {"schema": SCHEMA, "started_at": now.isoformat(timespec="seconds"), "tenants": entries}
    place.begin(name, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    for each, entries_before in earlier.items():
        if {entry["tenant"] for entry in entries_before} <= asked.keys() and (resume or not place.at_work(each)):
            place.remove(each)
    return Batch(name, todo, finished)


def digest_of(task: Task) -> str:
    """What was asked of a tenant: parameters, notebooks, the content of the files that go in, and whether a PDF. SHA-256 in hexadecimal."""
    asked = {
        "parameters": task.parameters.model_dump(mode="json"),
        "chapters": [chapter.name for chapter in task.chapters],
        "replay": digest(task.replay) if task.replay else "",
        "observed": sorted(digest(path) for path in task.observed),
        "pdf": task.pdf,
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def outcome_at(place: Place, tenant: str, run_id: str) -> Outcome | None:
    """What a sealed run says became of its tenant; None where it is not sealed, or not as it was sealed."""
    folder = f"{tenant}/{run_id}"
    sums = place.read(f"{folder}/{SUMS}")
    if sums is None:
        return None
    lines = sums.decode(errors="replace").splitlines()
    listed = {name: digits for digits, _, name in (line.partition("  ") for line in lines)}
    parts = {name: place.read(f"{folder}/{name}") for name in ("findings.json", "run.json")}
    for name, content in parts.items():
        if content is None or hashlib.sha256(content).hexdigest() != listed.get(name):
            raise InputError(
                f"{place.shown(folder)} is sealed, and {name} in it is not as it was sealed: look into it with `aoai verify`, "
                "move it away, and assess with --resume again."
            )
    document, about = (_parsed(content or b"", place.shown(f"{folder}/{name}")) for name, content in parts.items())
    shapes.check(shapes.Findings, document, place.shown(f"{folder}/findings.json"))
    shapes.check(shapes.About, about, place.shown(f"{folder}/run.json"))
    return Outcome(
        tenant,
        counts=document["counts"],
        severities=failed_severities(document),
        problems=tuple(about["problems"]),
        earlier=True,
        folder=place.folder(folder),
        url=place.url(folder),
    )


def _parsed(content: bytes, where: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = strict_json.parse(content.decode())
    except ValueError as problem:
        raise InputError(f"{where} can't be read: {problem}.") from None
    return found


def _journals(place: Place) -> dict[str, list[dict[str, Any]]]:
    """The entries of every journal by its name, the oldest first."""
    found = {}
    for name in sorted(place.names(FOLDER)):
        try:
            told = _Journal.model_validate(strict_json.parse((place.read(name) or b"").decode()))
        except ValueError:
            continue
        found[name] = [each.model_dump() for each in told.tenants]
    return found


class _Entry(BaseModel):
    """A tenant of a batch. What its run is called is a folder that `--resume` may take away: no path."""

    tenant: str
    task: str
    run_id: Annotated[str, Field(pattern=rf"^{RUN_ID.pattern}$")]


class _Journal(BaseModel):
    schema_: Literal["aoai-playbook/batch/1"] = Field(alias="schema")
    tenants: list[_Entry]


def _newest(
    place: Place, journals: Mapping[str, list[dict[str, Any]]], asked: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The entry of each tenant asked for in the newest journal that names it. Raises `InputError` while one of those is at work."""
    found: dict[str, dict[str, Any]] = {}
    for name in reversed(list(journals)):
        entries = [entry for entry in journals[name] if entry["tenant"] in asked and entry["tenant"] not in found]
        if entries and place.at_work(name):
            raise InputError("This batch is still being assessed by another process: wait for its end, or end it.")
        found |= {entry["tenant"]: entry for entry in entries}
    return list(found.values())


def _left(
    place: Place, entries: Sequence[Mapping[str, Any]], asked: Mapping[str, str]
) -> tuple[dict[str, Outcome], dict[str, str]]:
    """Of an earlier batch, what is finished and was asked in the same way: outcomes and run ids. Unfinished runs go."""
    finished: dict[str, Outcome] = {}
    runs: dict[str, str] = {}
    for entry in entries:
        tenant, run_id = entry["tenant"], entry["run_id"]
        outcome = outcome_at(place, tenant, run_id)
        if outcome is None:
            place.abandon(f"{tenant}/{run_id}")
        elif asked[tenant] == entry["task"]:
            finished[tenant], runs[tenant] = outcome, run_id
    return finished, runs
