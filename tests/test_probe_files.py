"""The file that `aoai probe` leaves, what becomes of it in an assessment, and that a replay says the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tenants import ROOT

from aoai_lib import fleet, run
from aoai_lib.assess import judge
from aoai_lib.azure import clouds
from aoai_lib.azure.replay import Recording
from aoai_lib.cli import main
from aoai_lib.controls import catalogue
from aoai_lib.evidence.store import Evidence, Exchange
from aoai_lib.fleet import environment
from aoai_lib.lab.server import Lab, load_worlds
from aoai_lib.model import InputError, Snapshot, Status
from aoai_lib.parameters import load
from aoai_lib.probe import evidence_file, reachability

NOW = datetime.now(UTC)
CLAIMS = "halden-claims.openai.azure.com"
OBSERVED = [each for each in catalogue() if each.id in ("NET-17", "NET-18")]


@pytest.fixture(scope="module")
def own_lab() -> Iterator[Lab]:
    with Lab(load_worlds(["hardened", "exposed"])) as served:
        yield served


@pytest.fixture(scope="module")
def lines(own_lab: Lab) -> dict[str, list[Exchange]]:
    """What is seen of one account's name from each vantage point of the lab."""
    with environment(own_lab.environment("hardened")):
        places = clouds.lab().standpoints
        return {each: reachability.observe([CLAIMS], each, places[each], Evidence()) for each in places}


def aoai(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments], env={"COLUMNS": "300"})


def assessed(brought: list[Exchange], own_lab: Lab, evidence: Evidence | None = None) -> Snapshot:
    """The hardened tenant, seen from nowhere but through what is brought."""
    parameters = load(ROOT / "parameters" / "hardened.yaml").model_copy(update={"vantage": ""})
    with environment(own_lab.environment("hardened")):
        return run.collect(parameters, ("network",), evidence or Evidence(), brought=brought)


def verdicts(snapshot: Snapshot, account: str = "aoai-halden-claims") -> dict[str, tuple[str, str]]:
    found = [each for each in judge(snapshot, OBSERVED) if each.subject.name == account]
    return {each.control: (each.status.value, each.reason) for each in found}


def written(path: Path, found: list[Exchange], vantage: str = "outside") -> Path:
    evidence_file.write(path, vantage, found)
    return path


def test_a_file_comes_back_as_it_was(tmp_path: Path, lines: dict[str, list[Exchange]]) -> None:
    path = written(tmp_path / "o.jsonl", lines["outside"])
    assert evidence_file.read(path, NOW) == lines["outside"]
    assert path.stat().st_size < 10_000
    header = json.loads(path.read_text().splitlines()[0])
    assert (header["schema"], header["vantage"]) == ("aoai-playbook/observations/1", "outside")
    assert header["lines"] == len(lines["outside"])


def changed(text: str, change: str) -> str:
    head, *rest = text.splitlines()
    if change == "empty":
        return ""
    if change == "no header":
        return "\n".join(rest) + "\n"
    if change == "cut":
        return "\n".join([head, *rest[:-1]]) + "\n"
    if change == "cut within a line":
        return text[:-40]
    if change == "edited":
        return text.replace('"status": 403', '"status": 401')
    if change == "added":
        return text + rest[-1] + "\n"
    return head.replace("observations/1", "observations/2") + "\n" + "\n".join(rest) + "\n"


@pytest.mark.parametrize(
    "change", ["empty", "no header", "cut", "cut within a line", "edited", "added", "another schema"]
)
def test_a_file_that_is_not_whole_is_refused(tmp_path: Path, lines: dict[str, list[Exchange]], change: str) -> None:
    path = written(tmp_path / "o.jsonl", lines["outside"])
    path.write_text(changed(path.read_text(), change))
    with pytest.raises(InputError, match=r"o\.jsonl"):
        evidence_file.read(path, NOW)


def sealed(path: Path, records: list[Any], vantage: str = "outside") -> Path:
    """A file with a right digest around whatever somebody wrote into it."""
    content = "".join(json.dumps(each) + "\n" for each in records).encode()
    digest = hashlib.sha256(content).hexdigest()
    header = {"schema": evidence_file.SCHEMA, "vantage": vantage, "lines": len(records), "sha256": digest}
    path.write_bytes(json.dumps(header).encode() + b"\n" + content)
    return path


@pytest.mark.parametrize(
    "hostile",
    [
        {"method": "PUT"},
        {"method": ["GET"]},
        {"status": True},
        {"status": "200"},
        {"url": None},
        {"error": {}},
        {"body": json.loads("[" * 900 + "]" * 900)},
        {"headers": None},
        {"headers": {"x-aoai-vantage": "outside"}},
        {"headers": {"x-aoai-vantage": "../..", "x-aoai-name": CLAIMS, "x-aoai-began": "2026-11-23T08:00:00Z"}},
        {"headers": {"x-aoai-vantage": "outside", "x-aoai-name": "<b>.com", "x-aoai-began": "2026-11-23T08:00:00Z"}},
        {"headers": {"x-aoai-vantage": "inside", "x-aoai-name": CLAIMS, "x-aoai-began": "2026-11-23T08:00:00Z"}},
        {"headers": {"x-aoai-vantage": "outside", "x-aoai-name": CLAIMS, "x-aoai-began": "2026-99-23T08:00:00Z"}},
    ],
)
def test_lines_that_are_no_observations_are_refused(
    tmp_path: Path, lines: dict[str, list[Exchange]], hostile: dict[str, Any]
) -> None:
    path = sealed(tmp_path / "h.jsonl", [{**asdict(lines["outside"][-1]), **hostile}])
    with pytest.raises(InputError, match=r"h\.jsonl"):
        evidence_file.read(path, NOW)


def test_a_header_of_another_form_is_refused(tmp_path: Path, lines: dict[str, list[Exchange]]) -> None:
    path = written(tmp_path / "h.jsonl", lines["outside"])
    path.write_text(path.read_text().replace('"vantage": "outside"', '"vantage": ["outside"]', 1))
    with pytest.raises(InputError):
        evidence_file.read(path, NOW)


@pytest.mark.parametrize("records", [[], ["x"], [5], [[]], [None], [{}]])
def test_a_sealed_file_without_observations_is_refused(tmp_path: Path, records: list[Any]) -> None:
    with pytest.raises(InputError):
        evidence_file.read(sealed(tmp_path / "h.jsonl", records), NOW)


@pytest.mark.parametrize(
    ("moved", "said"), [(timedelta(days=8), "more than 7 days ago"), (timedelta(days=-2), "yet to come")]
)
def test_a_file_of_another_time_is_refused(
    tmp_path: Path, lines: dict[str, list[Exchange]], moved: timedelta, said: str
) -> None:
    path = written(tmp_path / "o.jsonl", lines["outside"])
    with pytest.raises(InputError, match=said):
        evidence_file.read(path, NOW + moved)


def test_files_are_merged_into_one_verdict(own_lab: Lab, lines: dict[str, list[Exchange]]) -> None:
    assert {each[0] for each in verdicts(assessed([], own_lab)).values()} == {"not_assessed"}
    half = verdicts(assessed(lines["inside"], own_lab))
    assert half["NET-17"][0] == "not_assessed"
    assert f"--vantage outside --name {CLAIMS}" in half["NET-17"][1]
    evidence = Evidence()
    whole = assessed([line for each in lines.values() for line in each], own_lab, evidence)
    assert {each[0] for each in verdicts(whole).values()} == {"pass"}
    assert verdicts(whole, "ais-halden-knowledge")["NET-17"][0] == "not_assessed"
    (finding,) = [each for each in judge(whole, OBSERVED[:1]) if each.status is Status.PASS]
    cited = {line for each in finding.observed for line in each.evidence}
    assert {"DNS", "TCP", "TLS", "GET"} <= {line.method for line in evidence.exchanges if line.id in cited}


def test_files_that_contradict_one_another_fail(own_lab: Lab, lines: dict[str, list[Exchange]]) -> None:
    yesterday = (NOW - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    before = [
        replace(
            line,
            status=401 if line.method == "GET" else None,
            headers={**line.headers, "x-aoai-began": yesterday},
        )
        for line in lines["outside"]
    ]
    status, reason = verdicts(assessed([*lines["inside"], *lines["outside"], *before], own_lab))["NET-17"]
    assert (status, "was right at another time" in reason) == ("fail", True), reason


def test_observations_of_others_stay_outside(own_lab: Lab, lines: dict[str, list[Exchange]]) -> None:
    evidence = Evidence()
    stranger = [
        replace(each, headers={**each.headers, "x-aoai-name": "other.openai.azure.com"}) for each in lines["inside"]
    ]
    snapshot = assessed(stranger, own_lab, evidence)
    assert not [each for each in snapshot.readings if each[0].startswith("reachability")]
    assert "other.openai" not in json.dumps([asdict(each) for each in evidence.exchanges])


def test_hostile_content_is_shown_as_data(own_lab: Lab, lines: dict[str, list[Exchange]]) -> None:
    nasty = '\u202e<script>alert(1)</script>\x1b[2J{"status":"pass"} sk-abcdefghijklmnopqrstuvwxyz0123'
    changed = [
        replace(line, status=418, body={"error": {"code": "x", "message": nasty}}) if line.method == "GET" else line
        for line in lines["outside"]
    ]
    records = [json.loads(json.dumps(asdict(each))) for each in changed]
    read = [found for each in records if (found := reachability.line_of(each)) is not None]
    status, reason = verdicts(assessed([*lines["inside"], *read], own_lab))["NET-17"]
    assert status == "not_assessed"
    assert "<script>" in reason
    assert "sk-abc" not in reason


def test_a_run_with_observations_replays_to_the_same_findings(
    tmp_path: Path, own_lab: Lab, lines: dict[str, list[Exchange]]
) -> None:
    evidence = Evidence(tmp_path / "requests.jsonl")
    first = assessed([line for each in lines.values() for line in each], own_lab, evidence)
    evidence.close()
    recording = Recording.load(tmp_path / "requests.jsonl")
    assert recording.left_out == 0
    parameters = load(ROOT / "parameters" / "hardened.yaml")
    second = run.collect(parameters, ("network",), Evidence(), recording=recording)
    assert [asdict(each) for each in judge(second, OBSERVED)] == [asdict(each) for each in judge(first, OBSERVED)]


def test_a_replay_observes_nothing_by_itself(hardened: Snapshot) -> None:
    recording = Recording.load(ROOT / "docs" / "samples" / "recorded.jsonl")
    parameters = load(ROOT / "parameters" / "hardened.yaml")
    evidence = Evidence()
    run.collect(parameters, run.EVERYTHING, evidence, recording=recording)
    assert {each.method for each in evidence.exchanges} == {"GET"}
    assert [each.source for each in hardened.of("reachability_inside")] == ["reachability_inside"] * 2


def test_without_a_vantage_point_nothing_is_tried(own_lab: Lab) -> None:
    before = len(own_lab.requests)
    snapshot = assessed([], own_lab)
    assert not [each for each in own_lab.requests[before:] if each.path.startswith("/openai")]
    reason = verdicts(snapshot)["NET-17"][1]
    assert reason.startswith("Nobody looked at “halden-claims” from outside or from inside. Run `aoai probe --vantage")


def test_the_command_needs_names_and_no_sign_in(own_lab: Lab, tmp_path: Path) -> None:
    with environment({**own_lab.environment("hardened"), "IDENTITY_HEADER": "wrong"}):
        done = aoai("probe", "--vantage", "outside", "--name", CLAIMS.upper(), "--out", tmp_path / "o.jsonl")
    assert done.exit_code == 0, done.output
    assert "403 Public access is disabled." in done.output
    (seen,) = {line.headers["x-aoai-name"] for line in evidence_file.read(tmp_path / "o.jsonl", NOW)}
    assert seen == CLAIMS


def test_the_command_finds_names_by_parameters(own_lab: Lab, tmp_path: Path) -> None:
    with environment(own_lab.environment("hardened")):
        done = aoai("probe", ROOT / "parameters" / "hardened.yaml", "--out", tmp_path / "o.jsonl")
    assert done.exit_code == 0, done.output
    found = evidence_file.read(tmp_path / "o.jsonl", NOW)
    assert {line.headers["x-aoai-vantage"] for line in found} == {"inside"}
    assert len({line.headers["x-aoai-name"] for line in found}) == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Say where this machine stands"),
        (("--vantage", "inside"), "Say what to try"),
        (("--vantage", "in side", "--name", CLAIMS), "is no label"),
        (("--vantage", "inside", "--name", "http://x/"), "no full host name"),
        (("--vantage", "inside", "--name", "10.0.0.4"), "no full host name"),
        (("--vantage", "inside", "--name", CLAIMS, "--resolver", "dns.example"), "no IP address"),
        (
            ("--vantage", "inside", "--from", "nowhere"),
            "can't be read: there is no such file. Name the snapshot.json of a run",
        ),
        (("--vantage", "inside", "--name", CLAIMS, "--out", "/nowhere/at/all.jsonl"), "can't be written"),
    ],
)
def test_the_command_refuses_bad_input(
    own_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with environment(own_lab.environment("hardened")):
        done = aoai("probe", *arguments)
    assert (done.exit_code, said in " ".join(done.output.split())) == (2, True), done.output
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_not_overwritten(tmp_path: Path) -> None:
    there = tmp_path / "o.jsonl"
    there.write_text("mine")
    done = aoai("probe", "--vantage", "inside", "--name", CLAIMS, "--out", there)
    assert (done.exit_code, there.read_text()) == (2, "mine")


@pytest.mark.parametrize("twice", [False, True])
def test_an_assessment_refuses_files_that_can_not_be_merged(
    tmp_path: Path, lines: dict[str, list[Exchange]], twice: bool
) -> None:
    path = written(tmp_path / "o.jsonl", lines["outside"])
    if not twice:
        path.write_text("{}\n")
    files = ["--with", str(path)] * (2 if twice else 1)
    done = aoai("assess", ROOT / "parameters" / "hardened.yaml", *files, "--out", tmp_path / "out")
    assert (done.exit_code, (tmp_path / "out").exists()) == (2, False), done.output
    assert "o.jsonl" in done.output


def test_a_whole_assessment_says_which_files_it_took(
    tmp_path: Path, own_lab: Lab, lines: dict[str, list[Exchange]]
) -> None:
    """Without notebooks: everything else of a run, and what it says of a file in which no name is this tenant's."""
    ours, theirs = written(tmp_path / "ours.jsonl", lines["outside"]), tmp_path / "theirs.jsonl"
    stranger = [
        replace(each, headers={**each.headers, "x-aoai-name": "other.openai.azure.com"}) for each in lines["outside"]
    ]
    written(theirs, stranger)
    parameters = load(ROOT / "parameters" / "hardened.yaml").model_copy(update={"vantage": ""})
    task = fleet.Task(parameters, tmp_path / "out", (), own_lab.environment("hardened"), None, (ours, theirs))
    outcome = fleet.assess_tenant(task, lambda *_: None)
    assert (outcome.problems, outcome.strangers) == ((), (theirs,))
    assert outcome.folder is not None
    about = json.loads((outcome.folder / "run.json").read_text())
    assert about["observed"] == ["ours.jsonl", "theirs.jsonl"]
    kept = (outcome.folder / "requests.jsonl").read_text()
    assert CLAIMS in kept
    assert "other.openai.azure.com" not in kept
    assert "20.95.217.158 answered" not in (outcome.folder / "report.html").read_text()


def test_observations_are_a_table(own_lab: Lab, lines: dict[str, list[Exchange]]) -> None:
    snapshot = assessed([*lines["inside"], *lines["outside"]], own_lab)
    table = run.Run(load(ROOT / "parameters" / "hardened.yaml"), snapshot).observations()
    assert [row[:4] for row in table.rows] == [
        ("inside", CLAIMS, "10.40.1.4", "TLSv1.3"),
        ("outside", CLAIMS, "20.95.217.158", "TLSv1.3"),
    ]
    assert str(table.rows[1][4]) == "403 Public access is disabled. Please configure private endpoint."
