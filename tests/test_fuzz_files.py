"""Plans, undo files, observations, parameters: whatever such a file holds, the command ends with a sentence that names it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fuzzing import aoai, changes, dumped, fuzzed, listing, spoiled
from hypothesis import given
from hypothesis import strategies as st
from tenants import ROOT

from aoai_lib.azure import clouds
from aoai_lib.evidence.store import Exchange
from aoai_lib.harden.plan import Plan, Request, Step
from aoai_lib.model import InputError
from aoai_lib.probe import evidence_file
from aoai_lib.probe.observations import observations
from aoai_lib.report.observed import rows

ACCOUNT = "/subscriptions/7c1f6d52-90b4-4f7e-8a35-0d9b2e6c4a11/resourceGroups/rg/providers/Microsoft.CognitiveServices/accounts/a"
PLAN: Any = json.loads(
    Plan(
        tenant="fuzz",
        tenant_id="",
        cloud="public",
        as_of="2026-11-23T09:00:00Z",
        steps=tuple(
            Step(
                id=f"NET-01:a:{number}",
                control="NET-01",
                subject=ACCOUNT,
                title="Switch public access off",
                effect="Nobody reaches it from outside.",
                permission="Microsoft.CognitiveServices/accounts/write",
                request=Request(
                    method="PATCH",
                    path=ACCOUNT,
                    api_version="2025-09-01",
                    body={"properties": {"publicNetworkAccess": "Disabled", "networkAcls": {"ipRules": [{"value": "x"}]}}},
                ),
                before={"properties": {"publicNetworkAccess": "Enabled"}},
                after=("NET-01:a:0",) if number else (),
                undo=Request(method="PATCH", path=ACCOUNT, api_version="2025-09-01", body={"properties": {"publicNetworkAccess": "Enabled"}}),
            )
            for number in range(2)
        ),
    ).text()
)  # fmt: skip
PARAMETERS = "tenant: fuzz\ncloud: public\n"
YAML = (ROOT / "parameters" / "mixed.yaml").read_bytes()
SAMPLE = ROOT / "docs" / "sample" / "run"
SEEN = [
    json.loads(line)
    for line in (SAMPLE / "requests.jsonl").read_bytes().splitlines()
    if b'"x-aoai-vantage": "outside"' in line and b'"x-aoai-probe"' not in line
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("files")
    (made / "p.yaml").write_text(PARAMETERS, encoding="utf-8")
    return made


def refused_or_shown(folder: Path, name: str, *words: str) -> None:
    """The command with a file in a folder: exit 0, or exit 2 with the file's name; nothing in the folder is another."""
    before = listing(folder)
    done = aoai(*words)
    assert done.exit_code in (0, 2), done.output
    assert done.exit_code == 0 or name in done.stderr, done.output
    assert listing(folder) == before


@fuzzed(40)
@given(content=changes(PLAN).map(dumped) | spoiled(dumped(PLAN)))
def test_a_plan_is_shown_or_refused(folder: Path, content: bytes) -> None:
    (folder / "plan.json").write_bytes(content)
    parameters = str(folder / "p.yaml")
    refused_or_shown(
        folder, "plan.json", "harden", parameters, "--plan", str(folder / "plan.json"), "--out", str(folder / "out")
    )


@fuzzed(20)
@given(content=changes(PLAN).map(dumped) | spoiled(dumped(PLAN)))
def test_an_undo_is_shown_or_refused_and_not_carried_out_unasked(folder: Path, content: bytes) -> None:
    (folder / "hardening").mkdir(exist_ok=True)
    undo = folder / "hardening" / "undo.json"
    undo.write_bytes(content)
    before = listing(folder)
    done = aoai("harden", folder / "p.yaml", "--undo", undo)
    assert done.exit_code in (0, 1, 2), done.output
    assert done.exit_code != 2 or "undo.json" in done.stderr or "say --yes" in done.stderr, done.output
    assert listing(folder) == before


def begun(out: Path) -> Path:
    """The folder of a hardening that was begun and not finished, with its plan."""
    made = out / "fuzz" / "hardening" / "20261123T190455Z-4f2a"
    made.mkdir(parents=True)
    (made / "plan.json").write_bytes(dumped(PLAN))
    return made


@fuzzed(15)
@given(plan=changes(PLAN).map(dumped) | spoiled(dumped(PLAN)), undo=st.just(dumped(PLAN)) | changes(PLAN).map(dumped))
def test_a_hardening_that_was_begun_is_gone_on_with_or_named(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, plan: bytes, undo: bytes
) -> None:
    """Nobody is there to agree, so nothing is sent."""
    out = tmp_path_factory.mktemp("begun")
    made = begun(out)
    (made / "plan.json").write_bytes(plan)
    (made / "undo.json").write_bytes(undo)
    done = aoai("harden", folder / "p.yaml", "--apply", "--out", out)
    assert done.exit_code in (0, 2), done.output
    assert done.exit_code == 0 or made.name in done.stderr or "say --yes" in done.stderr, done.output
    assert ((made / "plan.json").read_bytes(), (made / "undo.json").read_bytes()) == (plan, undo)


@pytest.mark.skipif(sys.platform != "linux", reason="pipes, links and devices of Linux")
@pytest.mark.parametrize("target", ["nowhere", "undo.json", "/dev/zero", "/proc/self/mem", ".."])
def test_a_way_back_that_is_no_file_is_not_taken_for_none(folder: Path, tmp_path: Path, target: str) -> None:
    (begun(tmp_path) / "undo.json").symlink_to(target)
    done = aoai("harden", folder / "p.yaml", "--apply", "--yes", "--out", tmp_path)
    assert (done.exit_code, "undo.json" in done.stderr) == (2, True), done.output


@fuzzed(60)
@given(content=spoiled(YAML) | spoiled(PARAMETERS.encode()))
def test_parameters_are_taken_or_refused(folder: Path, content: bytes) -> None:
    (folder / "fuzz.yaml").write_bytes(content)
    refused_or_shown(folder, "fuzz.yaml", "doctor", str(folder / "fuzz.yaml"), "--role")


def observed(records: Any) -> bytes:
    """A file of observations as a program could write it that knows how they are digested."""
    made = [each if isinstance(each, dict) else {} for each in records] if isinstance(records, list) else []
    content = b"".join(dumped({**each, "id": "a", "request": None} if "id" in each else each) + b"\n" for each in made)
    header = {
        "schema": evidence_file.SCHEMA,
        "vantage": "outside",
        "lines": len(made),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return dumped(header) + b"\n" + content


@fuzzed(100)
@given(content=changes(SEEN).map(observed) | spoiled(observed(SEEN)))
def test_observations_are_merged_or_refused_by_the_files_name(folder: Path, content: bytes) -> None:
    path = folder / "observed.jsonl"
    path.write_bytes(content)
    try:
        lines = evidence_file.read(path, datetime.now(UTC))
    except InputError as problem:
        assert str(path) in str(problem)
        return
    for each in observations(lines):
        assert list(rows(each.value))
    assert all(asdict(line) for line in lines if isinstance(line, Exchange))


def test_the_observations_that_are_changed_are_good_ones(folder: Path) -> None:
    path = folder / "good.jsonl"
    path.write_bytes(observed(SEEN))
    assert len(evidence_file.read(path, datetime.now(UTC))) == len(SEEN) > 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
@pytest.mark.parametrize("what", ["a folder", "a pipe", "/dev/zero", "nothing", "unreadable"])
def test_what_is_no_file_is_refused_at_once(folder: Path, tmp_path: Path, what: str) -> None:
    """By every option that takes one: none waits for a pipe, none fills the memory."""
    place = Path("/dev/zero") if what == "/dev/zero" else tmp_path / "odd"
    if what == "a folder":
        place.mkdir()
    elif what == "a pipe":
        os.mkfifo(place)
    elif what == "unreadable":
        place.write_text("{}")
        place.chmod(0)
        if os.access(place, os.R_OK):
            pytest.skip("whoever runs this may read everything")
    parameters = str(folder / "p.yaml")
    for words in (
        ("assess", "--replay", place, "--out", tmp_path / "out"),
        ("assess", parameters, "--with", place, "--out", tmp_path / "out"),
        ("assess", place, "--out", tmp_path / "out"),
        ("assess", parameters, "--sign", place, "--out", tmp_path / "out"),
        ("harden", parameters, "--plan", place),
        ("harden", parameters, "--undo", place),
        ("harden", place),
        ("doctor", place),
        ("verify", place),
        ("verify", SAMPLE, "--allowed-signers", place),
        ("verify", SAMPLE, "--tsa-roots", place),
        ("explain", place, "NET-01"),
        ("diff", place, place),
        ("probe", "--vantage", "inside", "--from", place, "--out", tmp_path / "o.jsonl"),
    ):
        done = aoai(*words)
        assert (done.exit_code, place.name in done.stderr) == (2, True), (words, done.output)
    assert not (tmp_path / "out").exists()


def as_folder(path: Path) -> None:
    path.mkdir(parents=True)


def as_pipe(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)


def as_link_to_nowhere(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to("nowhere")


def as_loop(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(path.name)


def below_a_loop(path: Path) -> None:
    path.parent.symlink_to(path.parent.name)


def below_a_file(path: Path) -> None:
    path.parent.write_text("mine")


def as_it_is(_: Path) -> None: ...


ODD: dict[str, tuple[Callable[[Path], None], str]] = {
    "a folder": (as_folder, "odd/x"),
    "a pipe": (as_pipe, "odd/x"),
    "a link that leads nowhere": (as_link_to_nowhere, "odd/x"),
    "a link to itself": (as_loop, "odd/x"),
    "below a link to itself": (below_a_loop, "odd/x"),
    "below a file": (below_a_file, "odd/x"),
    "a device": (as_it_is, "/dev/null"),
    "a name that no system takes": (as_it_is, "odd/" + "x" * 5000),
    "a name that is no text": (as_it_is, os.fsdecode(b"odd\xff/x")),
}


@pytest.mark.skipif(sys.platform != "linux", reason="pipes, links and devices of Linux")
@pytest.mark.parametrize("what", ODD)
def test_nothing_is_written_to_an_odd_place(folder: Path, tmp_path: Path, what: str) -> None:
    """By every option that names a place: it is said before anything is done, and what was there stays."""
    make, name = ODD[what]
    place = tmp_path / name
    make(place)
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    parameters, sample = folder / "p.yaml", ROOT / "docs" / "samples" / "recorded.jsonl"
    for words in (
        ("assess", parameters, "--replay", sample, "--out", place),
        ("detections", "--template", place),
        ("probe", "--vantage", "inside", "--name", "x.invalid", "--resolver", "127.0.0.1:9", "--out", place),
        ("harden", parameters, "--plan", "nowhere", "--save", place),
    ):
        if words[0] == "assess" and what == "a folder":
            continue
        done = aoai(*words)
        assert done.exit_code == 2 and "nowhere can't be read" not in done.stderr, (words, done.output)
        assert sorted(str(path) for path in tmp_path.rglob("*")) == before
    assert Path("/dev/null").is_char_device()


@pytest.mark.skipif(sys.platform != "linux", reason="names of Linux")
def test_a_recording_of_an_odd_name_is_assessed(tmp_path: Path) -> None:
    name = os.fsdecode("é[red] ".encode() + b"\xff.jsonl")
    shutil.copy(ROOT / "docs" / "samples" / "recorded.jsonl", tmp_path / name)
    done = aoai("assess", "--replay", tmp_path / name, "--phase", "00", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    (about,) = (json.loads(path.read_text(encoding="utf-8")) for path in tmp_path.glob("out/*/2*/run.json"))
    assert about["replay"] == "é[red] \\udcff.jsonl"


LAB = {
    "AOAI_LAB": "https://localhost:8443",
    "AOAI_LAB_VANTAGES": json.dumps({"inside": {"resolver": "127.0.0.1:53", "gateway": "127.0.0.1:80"}}),
}


@fuzzed(300)
@given(
    address=st.just(LAB["AOAI_LAB"])
    | st.sampled_from(["x", "https://[", "http://a", "https://a:99999", "https://u:p@a", "\udcff"])
    | st.text(max_size=9),
    vantages=changes(json.loads(LAB["AOAI_LAB_VANTAGES"])).map(json.dumps)
    | st.text(max_size=9)
    | st.just("[" * 100_000),
)
def test_an_environment_names_a_lab_or_is_refused_without_repeating_it(address: str, vantages: str) -> None:
    try:
        found = clouds.lab({"AOAI_LAB": address, "AOAI_LAB_VANTAGES": vantages})
    except InputError as problem:
        assert "aoai lab" in str(problem) and "u:p" not in str(problem)
        return
    assert found.arm.startswith("https://")
    assert all(isinstance(each.resolver, str) for each in found.standpoints.values())
