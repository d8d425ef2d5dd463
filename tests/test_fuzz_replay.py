"""Whatever a replay file holds: a sentence that names it, or a run that is whole. `AOAI_FUZZ=N` tries N times as often."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fuzzing import changes, dumped, fuzzed, spoiled
from hypothesis import example, given
from hypothesis import strategies as st
from tenants import ROOT

from aoai_lib.azure.replay import Recording
from aoai_lib.bundle.verification import Outcome, verify
from aoai_lib.fleet import assessment
from aoai_lib.folder import RunFolder
from aoai_lib.model import InputError, PlaybookError
from aoai_lib.parameters import Parameters, load

SMALL = (ROOT / "docs" / "samples" / "recorded.jsonl").read_bytes()
SMALL_LINES: list[dict[str, Any]] = [json.loads(line) for line in SMALL.splitlines()]


PLAIN = Parameters(tenant="fuzz", cloud="public")


def lines(records: Any) -> bytes:
    return b"".join(dumped(each) + b"\n" for each in records) if isinstance(records, list) else dumped(records)


def assessed(path: Path, out: Path, parameters: Parameters = PLAIN) -> dict[str, Any] | None:
    """The findings of a whole, sealed run over a recording, without notebooks; None where it was refused and nothing is left."""
    task = assessment.Task(parameters, out, (), {}, path)
    folder = RunFolder.create(out, "fuzz", "20261123T190455Z-4f2a")
    try:
        run, evidence = assessment._collect(task, folder, lambda *_: None)
    except PlaybookError as problem:
        assert str(problem)
        folder.discard()
        return None
    assessment._report(task, folder, run, evidence, [], lambda *_: None)
    found: dict[str, Any] = json.loads(
        (folder.path / "findings.json").read_text(encoding="utf-8"), parse_constant=pytest.fail
    )
    assert [each for each in verify(folder.path) if each.outcome is Outcome.BAD] == []
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replay")


def put(folder: Path, content: bytes) -> Path:
    path = folder / "fuzzed.jsonl"
    path.write_bytes(content)
    return path


@fuzzed(300)
@given(content=spoiled(SMALL) | changes(SMALL_LINES).map(lines))
@example(SMALL.replace(b"https://", b"https://["))
def test_a_file_is_a_recording_or_refused_by_its_name(folder: Path, content: bytes) -> None:
    path = put(folder, content)
    try:
        found = Recording.load(path)
    except InputError as problem:
        assert str(problem).startswith(str(path))
    else:
        assert isinstance(found.accounts, list)


@fuzzed(3)
@given(records=changes(SMALL_LINES))
def test_a_changed_recording_gives_a_whole_run_or_nothing(folder: Path, records: Any) -> None:
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    if assessed(put(folder, lines(records)), out) is None:
        assert list(out.iterdir()) == []


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), min_size=1, max_size=40) | st.sampled_from(
    [
        "*",
        "?*",
        "[",
        "[!a]",
        "=1+1",
        "@SUM(A1)",
        "<script>",
        "[red]",
        "{{7*7}}",
        "\\",
        "\uffff",
        "\U0010ffff",
        "\u202e",
        "_x0041_",
        "a" * 500,
    ]
)
DAYS = st.dates().map(str)
REQUIREMENTS = st.fixed_dictionaries(
    {},
    optional={
        "approved_source_ranges": st.lists(
            st.ip_addresses().map(str) | st.sampled_from(["::/0", "::ffff:10.0.0.0/104", "fe80::%eth0/64"]), max_size=3
        ),
        "required_blocklists": st.lists(TEXTS, max_size=3),
        "allowed_regions": st.lists(TEXTS, max_size=3),
        "required_tags": st.lists(TEXTS, max_size=3),
        "protected_material_exceptions": st.lists(TEXTS, max_size=3),
        "retention_days": st.integers(1, 4383),
        "rejected_content_per_5_minutes": st.integers(0, 10**17),
        "tokens_per_hour": st.integers(1, 10**17),
        "capacity_cap": st.none() | st.integers(1, 10**17),
        "retirement_warning_days": st.integers(0, 10**17),
    },
)
WAIVER = st.fixed_dictionaries(
    {
        "control": st.sampled_from(["NET-01", "IAM-01", "CNT-01", "ZZ-99"]),
        "reason": TEXTS,
        "owner": TEXTS,
        "expires": DAYS,
    },
    optional={"subject": TEXTS, "ticket": TEXTS},
)
GIVEN = st.fixed_dictionaries(
    {
        "tenant": st.just("fuzz"),
        "cloud": st.just("public"),
        "requirements": REQUIREMENTS,
        "waivers": st.lists(WAIVER, max_size=4),
    }
)


@fuzzed(5)
@given(given_=GIVEN)
def test_with_whatever_parameters_a_file_is_refused_or_the_run_whole(folder: Path, given_: dict[str, Any]) -> None:
    path = folder / "given.yaml"
    path.write_bytes(dumped(given_))
    try:
        parameters = load(path)
    except InputError as problem:
        assert all(line.startswith(str(path)) for line in str(problem).splitlines())
        return
    out = folder / "given"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    found = assessed(ROOT / "docs" / "samples" / "recorded.jsonl", out, parameters)
    assert found is not None
    waived = [each for each in found["findings"] if each["waiver"]]
    assert all(each["waiver"]["reason"] in {one["reason"] for one in given_["waivers"]} for each in waived)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b'{"method":"GET","url":"https://a/","status":200,"body":[' + b"[]," * 3_000_000 + b"[]]}",
            "millions of values",
        ),
        (b"{}\n" * 3_000_000, "millions of values"),
        (b"{" + b",".join(b'"%x":0' % number for number in range(200_000)) + b',"1":0}', "stands twice"),
        (b'{"method":"GET","url":"https://a/?' + b"a=b&" * 1_000_000 + b'","status":200}', "no recorded request"),
    ],
)
def test_what_would_take_minutes_or_all_memory_is_refused(folder: Path, content: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Recording.load(put(folder, content))


@pytest.mark.parametrize("status", [0, -1, 99, 1000, 10**40])
def test_a_line_without_a_status_of_three_digits_is_no_request(folder: Path, status: int) -> None:
    with pytest.raises(InputError, match="no recorded request"):
        Recording.load(put(folder, lines([{**SMALL_LINES[0], "status": status}])))
