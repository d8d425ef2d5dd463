"""`aoai harden` as a person types it, and as a machine kills it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from hardening import folder_of, own_lab, resources, written
from tenants import ROOT

from aoai_lib.cli import main
from aoai_lib.lab.server import Lab


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """The exposed tenant's parameters, with the hosts that its accounts may call."""
    given = yaml.safe_load((ROOT / "parameters" / "exposed.yaml").read_text(encoding="utf-8"))
    given["hardening"] = {"allowed_fqdns": ["brightcart.search.windows.net"]}
    file = tmp_path / "exposed.yaml"
    file.write_text(yaml.safe_dump(given), encoding="utf-8")
    return file


def aoai(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["harden", *(str(each) for each in arguments)], env={"COLUMNS": "300"})


def test_without_apply_the_plan_is_shown_and_nothing_is_written(asked: Path, tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        result = aoai(asked, "--out", tmp_path / "out")
        assert result.exit_code == 0, result.output
        assert "Disable public network access to “aoai-brightcart-shop”" in result.output
        assert "properties.publicNetworkAccess: Enabled → Disabled" in result.output
        assert "Asked first: private-path@aoai-brightcart-shop" in result.output
        assert written(lab) == []
    assert not (tmp_path / "out").exists()


def test_nobody_there_to_agree_means_no(asked: Path, tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        result = aoai(asked, "--apply", "--only", "NET-14", "--out", tmp_path / "out")
        assert result.exit_code == 2, result.output
        assert "--yes" in result.output
        assert written(lab) == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--only", "NET-99"], "no control “NET-99”"),
        (["--undo", "nothing.json"], "can't be read"),
        (["--undo", "x.json", "--apply"], "leave --apply"),
        (["--plan", "nothing.json"], "can't be read"),
        (["--plan", "x.json", "--only", "NET-14"], "leave --only out"),
        (["--apply", "--yes", "--only", "NET-14", "--accept", "everything"], "No step of this plan asks “everything”"),
    ],
)
def test_bad_options_are_refused_in_words(asked: Path, tmp_path: Path, options: list[str], said: str) -> None:
    with own_lab("exposed") as lab:
        result = aoai(asked, *options, "--out", tmp_path / "out")
        assert result.exit_code == 2, result.output
        assert said in " ".join(result.output.split())
        assert "Traceback" not in result.output
        assert written(lab) == []


def test_apply_then_undo(asked: Path, tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        before = resources(lab, "exposed")
        applied = aoai(asked, "--apply", "--yes", "--only", "NET-14", "--out", tmp_path / "out")
        assert applied.exit_code == 0, applied.output
        assert applied.output.count("pass ") == 3
        undo = folder_of(tmp_path / "out") / "undo.json"
        back = aoai(asked, "--undo", undo, "--yes")
        assert back.exit_code == 0, back.output
        after = resources(lab, "exposed")
    for key, body in before.items():
        for name in ("restrictOutboundNetworkAccess", "allowedFqdnList"):
            assert (after[key].get("properties") or {}).get(name, None) in (
                (body.get("properties") or {}).get(name),
                False,
                [],
            )


def test_a_stopped_step_says_what_to_accept_and_the_command_ends_with_1(asked: Path, tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        result = aoai(asked, "--apply", "--yes", "--only", "NET-01", "--out", tmp_path / "out")
        assert result.exit_code == 1, result.output
        assert "--accept private-path@aoai-brightcart-shop" in result.output
        assert written(lab) == []


def test_a_plan_that_was_kept_is_the_one_that_is_carried_out(asked: Path, tmp_path: Path) -> None:
    kept = tmp_path / "plan.json"
    with own_lab("exposed") as lab:
        assert aoai(asked, "--only", "NET-14", "--save", kept).exit_code == 0
        result = aoai(asked, "--plan", kept, "--apply", "--yes", "--out", tmp_path / "out")
        assert result.exit_code == 0, result.output
        assert len(written(lab)) == 3
        stranger = aoai(
            ROOT / "parameters" / "hardened.yaml", "--plan", kept, "--apply", "--yes", "--out", tmp_path / "o"
        )
        assert stranger.exit_code == 2
        assert "is for the tenant “exposed”" in stranger.output


def start(asked: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "aoai_lib", "harden", str(asked), "--apply", "--yes", "--out", str(out)]
    accepted = [f"--accept=irreversible@{name}" for name in ("aoai-brightcart-legacy",)]
    return subprocess.Popen(
        [*command, *accepted], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ)
    )


def kill_after(lab: Lab, asked: Path, out: Path, writes: int, delay: float) -> None:
    """Start a hardening and kill it once so many writes have reached the lab."""
    process = start(asked, out)
    while len(written(lab)) < writes:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.002)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()


# Half a minute each, so `make test` takes one of them and `make kills` all.
POINTS = [(1, 0.0), (4, 0.05), (9, 0.0)] if os.environ.get("AOAI_KILLS") else [(4, 0.05)]


@pytest.mark.parametrize(("writes", "delay"), POINTS)
def test_killed_and_started_again_it_ends_as_if_nothing_had_happened(
    asked: Path, tmp_path: Path, writes: int, delay: float
) -> None:
    with own_lab("exposed") as lab:
        kill_after(lab, asked, tmp_path / "killed", writes, delay)
        folder = folder_of(tmp_path / "killed")
        assert not (folder / "result.json").exists()
        begun = {step["request"]["path"] for step in json.loads((folder / "undo.json").read_text())["steps"]}
        assert {path for _, path in written(lab)} <= begun, "undo data is there for every write that happened"
        process = start(asked, tmp_path / "killed")
        process.wait(900)
        assert folder_of(tmp_path / "killed") == folder
        assert (folder / "result.json").is_file()
        killed, sent = resources(lab, "exposed"), Counter(written(lab))
    with own_lab("exposed") as lab:
        start(asked, tmp_path / "whole").wait(900)
        assert resources(lab, "exposed") == killed
        assert Counter(written(lab)) == sent, "no write happened twice, and none was left out"
