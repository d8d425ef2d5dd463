"""The examples for schedulers, which nothing here can run: they parse, and what they call is there, with those options."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from tenants import ROOT

from aoai_lib.cli import main
from aoai_lib.parameters import Parameters
from aoai_lib.storage import check_address

PAGE = ROOT / "docs" / "fleet.md"
FOLDER = ROOT / "docs" / "schedulers"


def strings_of(value: Any) -> list[str]:
    """Every text in a document."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in strings_of(each)]
    if isinstance(value, list):
        return [text for each in value for text in strings_of(each)]
    return [value] if isinstance(value, str) else []


def texts_of(path: Path) -> list[str]:
    """The strings that a scheduler would see; in Python, what stands in braces as it is written."""
    if path.suffix != ".py":
        return strings_of(yaml.safe_load(path.read_text(encoding="utf-8")))
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [ast.unparse(node)[2:-1] for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]


def commands(texts: list[str]) -> list[list[str]]:
    """The words after `aoai_lib` of each command; what a scheduler or a shell fills in becomes one word."""
    filled = [re.sub(r"\$?\{+[^}]*\}+|\$\([^)]*\)", "filled-in", text) for text in texts]
    return [shlex.split(found, comments=True) for text in filled for found in re.findall(r"-m aoai_lib ([^\n]*)", text)]


def parsed(words: list[str]) -> dict[str, Any]:
    """What the command would be called with. Raises `click.UsageError` for what it doesn't know."""
    name, *arguments = words
    return main.commands[name].make_context(name, arguments).params


def test_every_command_of_the_page_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = commands([line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("    ")])
    assert len(found) >= 4
    assert {words[0] for words in found} == {"assess"}
    for words in found:
        parsed(words)
    with pytest.raises(click.UsageError):
        parsed(["assess", "x.yaml", "--job", "4", "--nothing"])


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_an_example_says_that_it_was_not_run_and_calls_what_is_there(path: Path) -> None:
    assert "Not run here" in path.read_text(encoding="utf-8").split("\n\n")[0]
    assert f"schedulers/{path.name}" in PAGE.read_text(encoding="utf-8")
    (words,) = commands(texts_of(path))
    called = parsed(words)
    assert called["resume"] and called["files"]
    if called["out"] != "filled-in":
        check_address(called["out"])
        assert called["out"].endswith("/filled-in"), "each period has a folder of its own"


def test_the_papermill_operator_is_given_a_notebook_and_what_it_takes() -> None:
    """Its input exists, and parameters files are its parameters: the names of the notebooks' own."""
    tree = ast.parse((FOLDER / "airflow_dag.py").read_text(encoding="utf-8"))
    (call,) = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "PapermillOperator"
    ]
    given = {each.arg: ast.unparse(each.value) for each in call.keywords}
    assert set(given) == {"task_id", "input_nb", "output_nb", "parameters"}
    assert (ROOT / "notebooks" / re.findall(r"'([\w.]+\.ipynb)'", given["input_nb"])[0]).is_file()
    assert given["parameters"].startswith("yaml.safe_load")
    for file in (ROOT / "parameters").glob("*.yaml"):
        assert yaml.safe_load(file.read_text(encoding="utf-8")).keys() <= Parameters.model_fields.keys()


def test_the_jobs_retry_and_give_a_tenant_time_enough() -> None:
    job = yaml.safe_load((FOLDER / "container-apps-job.yaml").read_text(encoding="utf-8"))["properties"]
    assert job["configuration"]["replicaRetryLimit"] > 0
    (container,) = job["template"]["containers"]
    limit = 60 * parsed(commands(container["args"])[0])["time_limit"]
    assert limit < job["configuration"]["replicaTimeout"]
    actions = yaml.safe_load((FOLDER / "github-actions.yml").read_text(encoding="utf-8"))
    assert actions["permissions"] == {"contents": "read", "id-token": "write"}
    assert actions["jobs"]["assess"]["timeout-minutes"] > 120 and not actions["jobs"]["assess"]["strategy"]["fail-fast"]
