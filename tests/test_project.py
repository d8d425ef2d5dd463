"""The outer shell: what the checkout promises before any of its code runs."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SOURCES = [path for path in (ROOT / "aoai_lib").rglob("*.py") if path.stat().st_size]


def tracked() -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("this is an export without history: what is tracked is unknown")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name]


def test_the_checkout_holds_no_output_and_no_environment() -> None:
    assert [name for name in tracked() if name.startswith("outputs/")] == ["outputs/README.md"]
    assert not [name for name in tracked() if re.search(r"(^|/)(\.venv|__pycache__|\.ipynb_checkpoints)/", name)]


def test_every_text_is_utf8_with_unix_line_ends() -> None:
    for name in tracked():
        path = ROOT / name
        if path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".ipynb", ".json", ".kql"} and path.exists():
            assert "\r\n" not in path.read_text(encoding="utf-8"), name


def test_modules_stay_small() -> None:
    long = {path.name: n for path in SOURCES if (n := len(path.read_text(encoding="utf-8").splitlines())) > 350}
    assert long == {}, "where a module outgrows its room, the idea is not yet simple enough"


def test_modules_are_named_after_what_they_are() -> None:
    assert not [path for path in SOURCES if path.stem in {"utils", "util", "helpers", "manager", "common", "misc"}]


def test_nothing_is_left_to_do_in_sources() -> None:
    assert not [path for path in SOURCES if re.search(r"\b(TODO|FIXME|XXX)\b", path.read_text(encoding="utf-8"))]


def test_a_room_that_exists_is_not_optional_in_the_layers() -> None:
    layers = " ".join(PROJECT["tool"]["importlinter"]["contracts"][0]["layers"])
    packages = {path.parent.name for path in (ROOT / "aoai_lib").glob("*/__init__.py")}
    modules = {path.stem for path in (ROOT / "aoai_lib").glob("*.py")}
    assert not set(re.findall(r"\((\w+)\)", layers)) & (packages | modules), "remove its brackets in pyproject.toml"


def test_every_command_of_the_makefile_is_in_the_readme() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in phony[1].split() if f"make {name}" not in readme] == []


def test_links_in_the_documentation_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "outputs" / "README.md"]:
        text = re.sub(r"`[^`\n]*`", "", page.read_text(encoding="utf-8"))  # code holds no links
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_hooks_before_a_commit_run_offline() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    assert all(hook["entry"].startswith(".venv/bin/python ") for hook in config["repos"][0]["hooks"])


def test_continuous_integration_runs_what_a_person_types() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").splitlines()[-1] == "exec make test"


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
@pytest.mark.parametrize(
    ("pythons", "answer"),
    [
        ({"python3": (3, 12)}, "python3 "),
        ({"python3": (3, 9), "python3.12": (3, 12)}, "python3.12 "),
        ({"python3": (3, 15), "python3.11": (3, 11)}, "python3.11 "),
        ({"python3": (3, 15)}, "python3 "),
        ({"python3": (3, 9)}, "Python 3.11 or newer with venv is needed"),
        ({}, "Python 3.11 or newer with venv is needed"),
    ],
)
def test_setup_finds_a_python_that_is_new_enough(
    tmp_path: Path, pythons: dict[str, tuple[int, int]], answer: str
) -> None:
    """Each stand-in answers the version question as its version would, says who it is, and builds nothing."""
    folder = tmp_path / "with a space"
    folder.mkdir()
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "make", "test", "touch"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    for name, version in pythons.items():
        stand_in = tools / name
        stand_in.write_text(
            f'#!/bin/sh\ncase "$1" in\n-c) exec "{sys.executable}" -c "import sys; sys.version_info = {version}; $2" ;;\n'
            f'-V) echo "{name} ({version})" ;;\n*) exit 9 ;;\nesac\n'
        )
        stand_in.chmod(0o755)
    done = subprocess.run(
        ["make", "setup"], cwd=folder, env={"PATH": str(tools)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert answer in done.stdout + done.stderr
    assert not (folder / ".venv").exists()
