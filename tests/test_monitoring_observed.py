"""MON-04, MON-11, MON-12 and MON-14: what workspaces answer, and what the controls make of refusals, delays and odd answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tenants import ROOT, collect
from usage_samples import world

from aoai_lib import run
from aoai_lib.assess import judge
from aoai_lib.azure.replay import Recording
from aoai_lib.collect.detections import MOST_ROWS
from aoai_lib.controls import catalogue as controls
from aoai_lib.detections import catalogue, lead_of, rows_in
from aoai_lib.doctor import permissions
from aoai_lib.evidence.store import Evidence
from aoai_lib.fleet import environment
from aoai_lib.lab.server import Lab, load_worlds
from aoai_lib.lab.world import world_of
from aoai_lib.model import Finding, Json, Reading, Snapshot, State
from aoai_lib.parameters import load

CLAIMS = "aoai-halden-claims"
IDS = ("MON-04", "MON-11", "MON-12", "MON-14")


def found(sample: Snapshot, id: str, name: str = CLAIMS) -> Finding:  # noqa: A002
    """The finding of a control about the account of that name."""
    (own,) = [each for each in judge(sample, [one for one in controls() if one.id == id]) if each.subject.name == name]
    return own


def with_readings(sample: Snapshot, source: str, change: Callable[[Reading], Reading], only: str = "") -> Snapshot:
    """The sample with the readings of a source changed: all, or those whose scope ends so."""
    readings = {
        key: change(each) if key[0] == source and each.scope.endswith(only) else each
        for key, each in sample.readings.items()
    }
    return replace(sample, readings=readings)


def refused(message: str) -> Callable[[Reading], Reading]:
    """As the reader keeps a 400 of the query API."""
    return lambda each: replace(
        each,
        state=State.FAILED,
        value=None,
        code="BadArgumentError",
        reason=f"POST /v1/workspaces/w/query answered 400 BadArgumentError ({message})",
    )


def denied(each: Reading) -> Reading:
    return replace(each, state=State.DENIED, value=None, code="InsufficientAccessError", reason="POST answered 403")


def answered(columns: list[str], *rows: list[Json]) -> Callable[[Reading], Reading]:
    """As a workspace answers."""
    table = {"name": "PrimaryResult", "columns": [{"name": name, "type": "string"} for name in columns], "rows": rows}
    return lambda each: replace(each, value={"tables": [json.loads(json.dumps(table))]})


def test_every_detection_is_asked_once_over_its_rows_and_once_over_its_events(hardened: Snapshot) -> None:
    for source in ("detection", "detection_trial"):
        scopes = [each.scope for each in hardened.of(source)]
        assert len(scopes) == len(set(scopes)) >= len(catalogue())
        assert {scope.rpartition("/")[2] for scope in scopes} == {each.id for each in catalogue()}
        assert all(each.evidence for each in hardened.of(source))


def test_a_missing_table_or_column_is_named(hardened: Snapshot) -> None:
    lost = with_readings(
        hardened, "detection", refused("Failed to resolve table or column expression named 'SecurityAlert'"), "DET-08"
    )
    verdict = found(lost, "MON-11")
    assert verdict.status == "fail"
    assert "1 of 20" in verdict.reason and "DET-08" in verdict.reason and "SecurityAlert" in verdict.reason
    assert found(lost, "MON-14").status == "fail"
    assert found(lost, "MON-12").status == "pass", "its events come with the question"


def test_a_gateway_is_not_required(hardened: Snapshot) -> None:
    lost = with_readings(hardened, "detection", refused("Failed to resolve 'ApiManagementGatewayLlmLog'"), "DET-02")
    verdict = found(lost, "MON-11")
    assert verdict.status == "pass" and verdict.reason.startswith("19 detections run")
    assert found(lost, "MON-14").status == "pass"


@pytest.mark.parametrize("id", ["MON-11", "MON-12", "MON-14"])
def test_what_was_not_answered_is_open(hardened: Snapshot, id: str) -> None:  # noqa: A002
    source = "detection_trial" if id == "MON-12" else "detection"
    assert found(with_readings(hardened, source, denied, "DET-05"), id).status == "not_assessed"
    partial = with_readings(hardened, source, lambda each: replace(each, state=State.PARTIAL), "DET-05")
    assert found(partial, id).status == "not_assessed"


def test_a_query_that_finds_less_or_more_than_its_events_fails(hardened: Snapshot) -> None:
    none = with_readings(hardened, "detection_trial", answered(["Caller"]), "DET-04")
    assert "DET-04" in found(none, "MON-12").reason and found(none, "MON-12").status == "fail"
    odd = with_readings(hardened, "detection_trial", lambda each: replace(each, value={"tables": "none"}), "DET-04")
    assert found(odd, "MON-12").status == "fail"


@pytest.mark.parametrize("id", ["MON-11", "MON-14"])
def test_an_answer_without_the_columns_that_were_asked_for_is_none(hardened: Snapshot, id: str) -> None:  # noqa: A002
    """Whatever stands between may answer 200 with a table of its own."""
    odd = found(with_readings(hardened, "detection", answered(["Status"]), "DET-05"), id)
    assert odd.status == "not_assessed" and "answered with other columns than those asked for by DET-05" in odd.reason


def test_leads_are_those_of_the_account(hardened: Snapshot) -> None:
    own = found(hardened, "MON-14").subject.id
    group = own.rpartition("/providers/")[0]
    for resource, whose in ((own.upper(), True), (f"{own}/deployments/x", True), (group, True), ("", True)):
        assert lead_of({"_ResourceId": resource}, own) is whose
    for resource in (f"{own}2", f"{group}/providers/Microsoft.KeyVault/vaults/v"):
        assert not lead_of({"_ResourceId": resource}, own)
        assert not lead_of({"Resources": json.dumps([resource, f"{own}3"])}, own)
    assert lead_of({"Resources": json.dumps([f"{own}2", own.upper()])}, own)
    assert lead_of({"Resources": "[no set"}, own), "it names nothing that could be read"
    other = with_readings(hardened, "detection", answered(["_ResourceId", "Last"], [f"{own}2", ""]))
    assert "nothing to look at" in found(other, "MON-14").reason
    hit = with_readings(other, "detection", answered(["_ResourceId", "Last"], [own, ""], [own.upper(), ""]), "DET-04")
    assert "A call with a key succeeded (2)" in found(hit, "MON-14").reason


def test_rows_of_any_answer_are_rows_or_none() -> None:
    for odd in (
        None,
        [],
        "x",
        {},
        {"tables": []},
        {"tables": [{"rows": [[1]]}]},
        {"tables": [{"columns": [], "rows": {}}]},
    ):
        assert rows_in(odd) == []
    assert rows_in({"tables": [{"columns": [{"name": "a"}, 3], "rows": [[1, 2], "x", [5]]}]}) == [
        {"a": 1, "": 2},
        {"a": 5},
    ]


ROWS = ["Account", "Category", "Rows", "Last", "Usual", "Slowest"]
QUIET = ("log_row",)


def passive(sample: Snapshot, *rows: list[Json]) -> Finding:
    """MON-04 without probes, with these rows about the account: category and usual delay in seconds."""
    own = found(sample, "MON-04").subject.id.lower()
    told = [[own, category, 5, "2026-11-23T08:00:00Z", usual, usual] for category, usual in rows]
    silent = replace(sample, readings={key: each for key, each in sample.readings.items() if key[0] not in QUIET})
    return found(with_readings(silent, "arrivals", answered(ROWS, *told)), "MON-04")


def test_rows_prove_that_the_log_arrives(hardened: Snapshot) -> None:
    assert passive(hardened, ["RequestResponse", 240], ["Audit", 600]).status == "pass"
    late = passive(hardened, ["RequestResponse", 240], ["Audit", 1801])
    assert late.status == "fail" and "Audit (30 minutes)" in late.reason
    assert passive(hardened, ["RequestResponse", 1800]).status == "pass"


def test_without_a_row_of_a_call_it_is_open_and_with_other_rows_of_calls_it_fails(hardened: Snapshot) -> None:
    assert passive(hardened).status == "not_assessed"
    assert passive(hardened, ["Audit", 60]).status == "not_assessed"
    lost = passive(hardened, ["AzureOpenAIRequestUsage", 60])
    assert lost.status == "fail" and "none in the request log" in lost.reason
    assert passive(hardened, ["RequestResponse", None]).status == "not_assessed"


def awaited(sample: Snapshot, **changes: Json) -> Finding:
    """MON-04 with probes, the run's own row being another."""
    own = found(sample, "MON-04").subject.id.lower()
    reading = sample.readings["log_row", own]
    value = deepcopy(reading.value)
    value[0].update(changes)
    return found(
        replace(sample, readings={**sample.readings, ("log_row", own): replace(reading, value=value)}), "MON-04"
    )


def test_the_runs_own_call_is_the_proof(hardened: Snapshot) -> None:
    value: Any = hardened.readings["log_row", found(hardened, "MON-04").subject.id.lower()].value
    assert value[0]["rows"] >= 1 and value[0]["received"].startswith("2026-11-23T09:00:00")
    assert "The row of a call at" in found(hardened, "MON-04").reason
    soon = awaited(hardened, rows=0, received="", asked="2026-11-23T09:09:59+00:00")
    assert soon.status == "not_assessed" and "may still come" in soon.reason
    assert awaited(hardened, rows=0, received="", asked="2026-11-23T09:31:00+00:00").status == "fail"
    assert awaited(hardened, received="2026-11-23T09:31:00Z").status == "fail"
    # an answer about a workspace that the log no longer goes to leaves it to the rows of the window; one that did not come, open
    assert awaited(hardened, workspace="other").reason.startswith("Rows usually arrive")
    unread = awaited(hardened, status=403)
    assert unread.status == "not_assessed" and unread.reason.endswith("was asked for its row: 403 came.")


def test_a_workspace_that_holds_nothing_yet(hardened: Snapshot) -> None:
    """A fresh workspace of the real lab: AzureDiagnostics comes with its first row, and a query that names it is refused."""
    with Lab([world_of(world([]))]) as lab:
        sample = collect(lab, "hardened")
    verdict = found(sample, "MON-11")
    assert verdict.status == "fail" and "AzureDiagnostics" in verdict.reason
    assert found(sample, "MON-12").status == "pass"
    assert found(sample, "MON-04").status == "not_assessed"
    assert found(sample, "MON-14").status == "fail"


def test_a_replay_gives_the_same(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    evidence = Evidence(path)
    with Lab(load_worlds(["hardened"])) as lab:
        first = collect(lab, "hardened", evidence, active_probes=True)
    evidence.close()
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    asked = [line for line in lines if "request" in line]
    assert len(asked) >= 2 * len(catalogue()) and all(line["method"] == "POST" for line in asked)
    assert len({line["id"] for line in lines}) == len(lines)
    parameters = load(ROOT / "parameters" / "hardened.yaml")
    again = run.collect(parameters, run.EVERYTHING, Evidence(), recording=Recording.load(path))
    for id in IDS:  # noqa: A001
        ours, theirs = found(first, id), found(again, id)
        assert (ours.status, ours.reason) == (theirs.status, theirs.reason) and ours.status == "pass"


def test_the_phase_alone_makes_the_call_whose_row_it_waits_for() -> None:
    parameters = load(ROOT / "parameters" / "hardened.yaml").model_copy(update={"active_probes": True})
    with Lab(load_worlds(["hardened"])) as lab, environment(lab.environment("hardened")):
        sample = run.collect(parameters, run.MONITORING, Evidence())
    assert "The row of a call at 2026-11-23T09:00:00" in found(sample, "MON-04").reason
    assert not list(sample.of("key_attempt")), "a made-up key is for the phase of identities"


def test_rows_that_are_asked_for_are_bounded(hardened: Snapshot) -> None:
    assert all(len(rows_in(each.value)) <= MOST_ROWS for each in hardened.of("detection"))


def test_the_least_role_may_query_every_table_that_is_asked() -> None:
    asked = {"AzureDiagnostics"} | {table for each in catalogue() for table in each.tables}
    granted = set(permissions())
    assert {f"Microsoft.OperationalInsights/workspaces/query/{table}/read" for table in asked} <= granted
    assert "Microsoft.OperationalInsights/workspaces/query/read" in granted
