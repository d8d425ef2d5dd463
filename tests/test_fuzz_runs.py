"""Whatever a run's folder holds, and whatever Azure answered: what is told of it is a sentence, never a traceback."""

from __future__ import annotations

import inspect
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fuzzing import JUNK, PUT, aoai, changed, changes, dumped, fuzzed, listing, places, spoiled
from hypothesis import assume, given
from hypothesis import strategies as st
from tenants import ROOT

from aoai_lib.assess import judge
from aoai_lib.azure import clouds, credentials
from aoai_lib.azure.clients import Azure
from aoai_lib.azure.replay import Recording
from aoai_lib.collect import Source, sources
from aoai_lib.collect.reader import read
from aoai_lib.evidence import snapshots
from aoai_lib.evidence.seal import seal
from aoai_lib.evidence.store import Evidence
from aoai_lib.model import InputError, Reading, Snapshot, State, Status
from aoai_lib.parameters import Parameters
from aoai_lib.report import findings, ocsf, page, workbook
from aoai_lib.report.changes import without_earlier
from aoai_lib.run import Run

SAMPLE = ROOT / "docs" / "sample" / "run"
SNAPSHOT = json.loads((SAMPLE / "snapshot.json").read_text(encoding="utf-8"))
READINGS = [each for each in SNAPSHOT["readings"] if each["value"] not in (None, [], {})]
VIEWS = [
    name for name, _ in inspect.getmembers(Run, inspect.isfunction) if not name.startswith("_") and name != "verdicts"
]
LINES = {
    line["id"]: line for line in map(json.loads, (SAMPLE / "requests.jsonl").read_text(encoding="utf-8").splitlines())
}
SOURCES = {source.name: source for group in sources().values() for source in group}
WHOLE: Snapshot = snapshots.load(SNAPSHOT)
READ: list[tuple[Source, Reading]] = [
    (SOURCES[each.source], each)
    for each in WHOLE.readings.values()
    if each.source in SOURCES and each.state is State.COLLECTED and each.evidence and set(each.evidence) <= LINES.keys()
]
CHANGED: Any = {
    **without_earlier("20261124T140133Z-b5e1", "mixed"),
    "previous": {"run_id": "20261123T140133Z-b5e1", "as_of": "2026-11-22T09:00:00Z", "catalogue_version": "1", "seal": "0" * 64},
    "passed_over": [{"run_id": "20261122T140133Z-b5e1", "why": "It is unfinished."}],
    "findings": [
        {"change": "new", "control": "NET-01", "title": "t", "severity": "high", "subject": "/s", "was": "pass", "now": "fail",
         "reason": "r", "since": "2026-11-23T09:00:00Z", "by_rules": False}
    ],
    "properties": [{"resource": "/s", "path": "p", "before": 1, "after": [2], "note": ""}],
}  # fmt: skip


def of_values(readings: list[Any]) -> st.SearchStrategy[list[Any]]:
    """One to three readings, each with values in it changed."""

    def changed_one(reading: Any) -> st.SearchStrategy[Any]:
        return changes(reading["value"], 3).map(lambda value: {**reading, "value": value})

    return st.lists(st.sampled_from(readings).flatmap(changed_one), min_size=1, max_size=3)


@st.composite
def answers(draw: st.DrawFn) -> tuple[Source, Reading, list[Any]]:
    """A source, its reading, and the recorded answers it was read from, one with values in it changed."""
    source, reading = draw(st.sampled_from(READ))
    lines = [LINES[name] for name in reading.evidence]
    which = draw(st.integers(0, len(lines) - 1))
    body = draw(changes(lines[which]["body"], 3))
    return source, reading, [{**line, "body": body} if at == which else line for at, line in enumerate(lines)]


@fuzzed(40)
@given(case=answers())
def test_whatever_an_answer_holds_it_is_read_or_said_to_be_unreadable(case: Any) -> None:
    source, before, records = case
    azure = Azure(clouds.find("public"), credentials.NoCredential(), Evidence(), recording=Recording(records))
    try:
        found = read(azure, source, before.scope)
    finally:
        azure.close()
    assert found.state is State.COLLECTED or (found.value is None and found.reason)
    readings = {**WHOLE.readings, (found.source, found.scope.lower()): found}
    if found.value is None or not source.items:
        for each in SOURCES.values():
            assert all(isinstance(scope, str) for scope in each.over.find(readings))


@fuzzed(3)
@given(readings=of_values(READINGS))
def test_whatever_was_read_is_judged_and_shown(tmp_path_factory: pytest.TempPathFactory, readings: Any) -> None:
    made = {(each["source"], each["scope"]): each for each in readings}
    whole = [made.get((each["source"], each["scope"]), each) for each in SNAPSHOT["readings"]]
    try:
        run = Run(Parameters(tenant="fuzz"), snapshots.load({**SNAPSHOT, "readings": whole}))
        for name in VIEWS:
            shown = getattr(run, name)()
            for each in getattr(shown, "figures", [shown]):
                assert each._repr_mimebundle_()
    except InputError:
        return
    document = findings.document(run, "2026-11-23T19:04:55Z")
    folder = tmp_path_factory.getbasetemp() / "shown"
    folder.mkdir(exist_ok=True)
    assert len(ocsf.events(document, run)) == len(document["findings"])
    page.write(run, document, [], folder / "report.html", without_earlier("run", "fuzz"))
    findings.write_csv(document, folder / "findings.csv")
    workbook.write(run, document, [], folder / "findings.xlsx", without_earlier("run", "fuzz"))


@fuzzed(40)
@given(data=st.data())
def test_what_could_not_be_read_turns_no_verdict_into_a_pass(hardened: Snapshot, data: st.DataObject) -> None:
    """Any number of answers lost at once: a verdict stays as it was, opens, or is gone with its subject."""
    known = [*hardened.readings]
    lost = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=12, unique=True))
    how = data.draw(st.sampled_from([State.DENIED, State.FAILED]))
    unread = {
        key: replace(hardened.readings[key], state=how, value=None, reason="GET / answered 503.", code="")
        for key in lost
    }
    before = {(each.control, each.subject.id): each.status for each in judge(hardened)}
    for each in judge(replace(hardened, readings={**hardened.readings, **unread})):
        was = before.get((each.control, each.subject.id))
        assert each.status in (was, Status.NOT_ASSESSED), (lost, each)


JUDGED = {(each.control, each.subject.id): each.status for each in judge(WHOLE)}
INNER = [
    (key, at)
    for key, each in WHOLE.readings.items()
    if each.state is State.COLLECTED and each.source not in ("subscriptions", "accounts", "deployments")
    for at in places(each.value)[1:]
]


@fuzzed(60)
@given(where=st.sampled_from(INNER), junk=st.sampled_from([*JUNK, "Enabled ", "TRUE", ["x"], {"x": 1}]))
def test_no_value_of_another_type_turns_a_verdict_into_a_pass(where: Any, junk: Any) -> None:
    key, at = where
    reading = WHOLE.readings[key]
    before: Any = reading.value
    for step in at:
        before = before[step]
    assume(type(before) is not type(junk))
    odd = replace(reading, value=changed(reading.value, at, PUT, junk))
    for each in judge(replace(WHOLE, readings={**WHOLE.readings, key: odd})):
        assert each.status is not Status.PASS or JUDGED.get((each.control, each.subject.id)) is Status.PASS, each


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sample, unsigned."""
    made = Path(shutil.copytree(SAMPLE, tmp_path_factory.mktemp("folder") / "run"))
    (made / "SHA256SUMS.sig").unlink()
    return made


PARTS: dict[str, Any] = {
    "run.json": json.loads((SAMPLE / "run.json").read_text(encoding="utf-8")),
    "findings.json": json.loads((SAMPLE / "findings.json").read_text(encoding="utf-8")),
    "snapshot.json": SNAPSHOT,
    "changes.json": CHANGED,
}
PLACES = {name: [place for place in places(part) if len(place) <= 4] for name, part in PARTS.items()}


@st.composite
def parts(draw: st.DrawFn) -> tuple[str, bytes]:
    """A file of the run and what it holds now: a few values changed, mostly near the top, or bytes of it."""
    name = draw(st.sampled_from([*PARTS, "requests.jsonl"]))
    if name == "requests.jsonl":
        records = draw(changes(list(LINES.values())[:5]))
        rest = list(LINES.values())[5:]
        return name, b"".join(
            dumped(each) + b"\n" for each in [*(records if isinstance(records, list) else [records]), *rest]
        )
    if draw(st.integers(0, 4)) == 0:
        return name, draw(spoiled((SAMPLE / name).read_bytes()))
    return name, dumped(draw(changes(PARTS[name], 2, PLACES[name])))


@fuzzed(3)
@given(part=parts())
def test_a_changed_and_sealed_folder_is_told_of_or_refused(run: Path, part: tuple[str, bytes]) -> None:
    name, content = part
    (run / name).write_bytes(content)
    seal(run)
    before = listing(run)
    for words in (("explain", run, "NET-01"), ("diff", SAMPLE, run), ("diff", "--json", run, SAMPLE), ("verify", run)):
        done = aoai(*words)
        assert done.exit_code in (0, 1, 2), done.output
    assert listing(run) == before
    shutil.copy(SAMPLE / name, run / name)
