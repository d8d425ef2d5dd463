"""The command line: what it refuses, in which words and with which exit code, and that nothing was written then."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from tenants import ROOT

from aoai_lib.cli import main
from aoai_lib.command import in_words
from aoai_lib.controls import catalogue
from aoai_lib.fleet import environment
from aoai_lib.lab.server import Lab

GUID = "11111111-0000-4000-8000-000000000001"


def aoai(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments], env={"COLUMNS": "300"})


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "tenant.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tenat: a\n", "did you mean tenant"),
        ("requirements: {retention_dayz: 3}\n", "did you mean retention_days"),
        ("tenant: a\ntenant: b\n", "tenant"),
        ("active_probes: 'true'\n", "must be true or false"),
        ("active_probes: NO\n", "NO"),
        ("subscriptions: yes\n", "truth value"),
        ("evidence_days: 400\n", "90 or less"),
        ("accounts: [sk-abcdefghijklmnopqrstuvwxyz0123]\n", "looks like"),
        ("client_secret: hello\n", "secret"),
        ("cloud: moon\n", "public"),
        (f"tenant_id: {GUID[:-1]}\n", "GUID"),
        ("subscriptions: [sub-1]\n", "GUID"),
        ("tenant: ../../etc\n", "letters"),
        ("- a\n- b\n", "name"),
        ("tenant: [\n", "YAML"),
        (b"\xff\xfe\x00tenant", "UTF-8"),
        ("", "empty"),
    ],
)
def test_bad_parameters_are_refused_and_nothing_is_written(tmp_path: Path, text: str | bytes, said: str) -> None:
    file, out = written(tmp_path, text), tmp_path / "out"
    result = aoai("assess", file, "--out", out)
    assert result.exit_code == 2, result.output
    assert said in result.output
    assert "Traceback" not in result.output
    assert "sk-abc" not in result.output
    assert not out.exists()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    result = aoai("assess", tmp_path / "none.yaml", "--out", tmp_path / "out")
    assert (result.exit_code, (tmp_path / "out").exists()) == (2, False)
    assert "none.yaml" in result.output


def test_one_bad_file_among_good_ones_stops_all(tmp_path: Path) -> None:
    bad = written(tmp_path, "cloud: moon\n")
    result = aoai("assess", ROOT / "parameters" / "hardened.yaml", bad, "--out", tmp_path / "out")
    assert (result.exit_code, (tmp_path / "out").exists()) == (2, False)


def test_two_files_of_one_tenant(tmp_path: Path) -> None:
    file = ROOT / "parameters" / "hardened.yaml"
    result = aoai("assess", file, file, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "its own label" in result.output


def test_out_is_a_file(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("")
    result = aoai("assess", ROOT / "parameters" / "hardened.yaml", "--out", out / "deeper")
    assert result.exit_code == 2
    assert "--out" in result.output


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_out_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert aoai("assess", ROOT / "parameters" / "hardened.yaml", "--out", tmp_path / "out").exit_code == 2


@pytest.mark.parametrize("phase", ["07", "1", "01,xx", "06"])
def test_unknown_phases(tmp_path: Path, phase: str) -> None:
    result = aoai("assess", "--phase", phase, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "There is no phase" in result.output


@pytest.mark.parametrize(
    "arguments", [("assess", "--jobs", "0"), ("assess", "--fail-on", "awful"), ("asses",), ("assess", "--nothing")]
)
def test_unknown_options(arguments: Sequence[str]) -> None:
    assert aoai(*arguments).exit_code == 2


def test_a_replay_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text("not json\n")
    result = aoai("assess", "--replay", file, "--out", tmp_path / "out")
    assert (result.exit_code, (tmp_path / "out").exists()) == (2, False)
    assert "line 1" in result.output


@pytest.mark.parametrize(
    ("others", "said"),
    [(0, ""), (1, "1 line is no request and was left out of"), (2, "2 lines are no requests and were left out of")],
)
def test_lines_of_a_recording_that_are_no_requests_are_counted(tmp_path: Path, others: int, said: str) -> None:
    file = tmp_path / "r.jsonl"
    url = "https://management.azure.com/subscriptions?api-version=2022-12-01"
    request = {"method": "GET", "url": url, "status": 200, "headers": {}, "body": {"value": []}}
    file.write_text("\n".join(json.dumps(each) for each in [request, *[{"note": "by hand"}] * others]))
    result = aoai("assess", "--replay", file, "--out", tmp_path / "out")
    assert ("left out" in result.output, said in " ".join(result.output.split())) == (others > 0, True)


def test_no_account_is_found(lab: Lab, tmp_path: Path) -> None:
    file = written(tmp_path, "tenant: hardened\ncloud: lab\naccounts: ['nothing-like-it*']\n")
    with environment(lab.environment("hardened")):
        result = aoai("assess", file, "--out", tmp_path / "out")
    assert result.exit_code == 2, result.output
    assert "No Azure OpenAI account that matches nothing-like-it*" in " ".join(result.output.split())
    assert not list((tmp_path / "out").glob("*"))


def test_controls_are_listed_and_shown() -> None:
    listed, one, data = aoai("controls"), aoai("controls", "net-01"), aoai("controls", "--json")
    assert f"{len(catalogue())} controls" in listed.output
    assert all(each.id in listed.output for each in catalogue())
    assert "To mend it" in one.output
    assert [each["id"] for each in json.loads(data.output)] == [each.id for each in catalogue()]
    assert aoai("controls", "NET-99").exit_code == 2


def test_doctor_prints_the_least_role() -> None:
    role = json.loads(aoai("doctor", "--role").output)
    assert role["DataActions"] == []
    assert all(action.lower().endswith("/read") for action in role["Actions"])
    assert "Microsoft.CognitiveServices/accounts/read" in role["Actions"]
    assert not [action for action in role["Actions"] if "*" in action]


def test_doctor_examines_a_tenant(lab: Lab) -> None:
    with environment(lab.environment("hardened")):
        good = aoai("doctor", ROOT / "parameters" / "hardened.yaml")
    assert good.exit_code == 0, good.output
    with environment(lab.environment("mixed")):
        gaps = aoai("doctor", ROOT / "parameters" / "mixed.yaml")
    assert gaps.exit_code == 1
    assert "grant Microsoft." in gaps.output
    with environment({**lab.environment("hardened"), "IDENTITY_HEADER": "wrong"}):
        out = aoai("doctor", ROOT / "parameters" / "hardened.yaml")
    assert out.exit_code == 1
    assert "Sign in first" in " ".join(out.output.split())


@pytest.mark.parametrize("debug", [False, True])
def test_what_nobody_foresaw_is_one_sentence_and_with_debug_what_it_is(debug: bool) -> None:
    """By a command that is at fault by intent: those of the playbook are mended instead."""

    @click.group()
    @click.option("--debug", is_flag=True)
    def group(debug: bool) -> None: ...

    @group.command()
    @in_words
    def faulty() -> int:
        raise LookupError("[bold]x\n")

    done = CliRunner().invoke(group, [*(["--debug"] if debug else []), "faulty"])
    assert done.exit_code == 1
    assert isinstance(done.exception, LookupError if debug else SystemExit)
    assert done.stderr.count("\n") == (0 if debug else 1)
    assert ("a fault of the playbook" in done.stderr, "LookupError: [bold]x" in done.stderr) == (not debug, not debug)
