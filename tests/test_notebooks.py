"""The notebooks: one skeleton, plain parameters, and committed outputs that the lab gives again."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from tenants import ROOT

from aoai_lib import run
from aoai_lib.controls import catalogue
from aoai_lib.parameters import Parameters, parse
from aoai_lib.report.checklist import LINES

NOTEBOOKS = ROOT / "notebooks"
NAMES = [chapter.name for chapter in run.CHAPTERS]
EACH = pytest.mark.parametrize("name", NAMES)
LAST = ["Findings", "What could not be assessed", "Hardening plan", "Next steps"]
ALONE = {name: value for name, value in os.environ.items() if not name.startswith("AOAI_")}
"""The environment of somebody who set nothing."""


@cache
def read(name: str) -> Any:
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def code(name: str) -> list[Any]:
    return [cell for cell in read(name).cells if cell.cell_type == "code"]


def test_there_is_a_notebook_for_each_chapter_and_no_other() -> None:
    assert sorted(path.name for path in NOTEBOOKS.iterdir() if path.is_file()) == [f"{name}.ipynb" for name in NAMES]


@EACH
def test_it_opens_with_title_intent_and_what_it_needs(name: str) -> None:
    first = read(name).cells[0]
    assert first.cell_type == "markdown"
    title, intent, *about = [part for part in first.source.split("\n\n") if part]
    assert title == f"# {run.chapter(name[:2]).title}"
    assert len(re.findall(r"[.?!](?=\s|$)", intent)) == 2
    assert [part.split("**")[1] for part in about] == ["Reads", "Writes", "Permissions"]


@EACH
def test_its_parameters_are_plain_and_the_defaults(name: str) -> None:
    cell = code(name)[0]
    assert cell.metadata.tags == ["parameters"]
    assigned = {}
    for statement in ast.parse(cell.source).body:
        assert isinstance(statement, ast.Assign)
        assert isinstance(statement.targets[0], ast.Name)
        assigned[statement.targets[0].id] = ast.literal_eval(statement.value)
    assert list(assigned) == list(Parameters.model_fields)
    assert parse(assigned) == Parameters()
    assert list(papermill.inspect_notebook(NOTEBOOKS / f"{name}.ipynb")) == list(assigned)


@EACH
def test_it_is_set_up_by_one_cell(name: str) -> None:
    assert code(name)[1].source == f'from aoai_lib import run\n\nassessment = run.open("{name[:2]}", globals())'


@EACH
def test_each_question_has_a_sentence_and_a_short_cell(name: str) -> None:
    cells = read(name).cells[3:]
    headings = [cell.source.split("\n")[0] for cell in cells if cell.source.startswith("#")]
    assert headings[-4:] == [f"## {heading}" for heading in LAST]
    assert all(heading.startswith("## ") and heading.endswith("?") for heading in headings[:-4])
    for before, after in zip(cells[::2], cells[1::2], strict=False):
        assert (before.cell_type, after.cell_type) == ("markdown", "code")
        text = before.source.split("\n\n")[-1]
        assert not text.startswith("#"), "a heading without a sentence"
        assert len(re.findall(r"[.?!](?=\s|$)", text)) == 1, text
        assert 1 <= len(after.source.splitlines()) <= 5
    assert cells[-1].cell_type == "markdown"


@EACH
def test_cells_only_ask_the_assessment(name: str) -> None:
    for cell in code(name)[2:]:
        for statement in ast.parse(cell.source).body:
            assert isinstance(statement, ast.Expr)
            assert isinstance(statement.value, ast.Call)
            assert ast.unparse(statement.value).startswith("assessment.")


def asked(name: str) -> list[str]:
    return re.findall(r'"([A-Z]{3}-\d\d)"', "\n".join(cell.source for cell in code(name)[2:]))


def test_a_control_is_asked_about_once_and_in_its_phase() -> None:
    """A control that no question names yet is in the table of findings all the same, so adding one needs no new cell."""
    phases = {each.id: each.phase for each in catalogue()}
    for chapter in run.CHAPTERS[:5]:
        mentioned = asked(chapter.name)
        assert len(mentioned) == len(set(mentioned))
        assert {phases[control] for control in mentioned if control in phases} == set(chapter.phases)


def test_the_checklist_asks_for_controls_that_the_notebooks_ask_for() -> None:
    mentioned = {control for chapter in run.CHAPTERS[:5] for control in asked(chapter.name)}
    assert {control for line in LINES for control in line.controls} <= mentioned


@EACH
def test_its_outputs_are_committed_and_belong_to_no_machine(name: str) -> None:
    cells = code(name)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(cell.outputs for cell in cells[2:])
    assert not [output for cell in cells for output in cell.outputs if output.output_type in ("error", "stream")]
    text = (NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8")
    assert not re.findall(r"localhost:\d|127\.0\.0\.1:|/home/|/root/|/tmp/|/Users/|\\\\Users", text)
    assert "papermill" not in read(name).metadata


def pytest_of(path: Path) -> subprocess.CompletedProcess[str]:
    """nbval, comparing every output, run as a person runs it."""
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q", "-p", "no:cacheprovider"]
    return subprocess.run([*command, str(path)], cwd=ROOT, env=ALONE, capture_output=True, text=True, timeout=300)


def test_the_lab_gives_the_committed_outputs_again() -> None:
    done = pytest_of(NOTEBOOKS)
    assert done.returncode == 0, done.stdout[-4000:]
    cells = sum(len(code(name)) for name in NAMES)
    assert f"{cells} passed" in done.stdout


def test_an_output_that_differs_is_noticed(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOKS / "04_operational_monitoring.ipynb", as_version=4)
    output = next(cell for cell in notebook.cells if cell.source == 'assessment.verdicts("MON-13")').outputs[0]
    assert "pass" in output.data["text/html"]
    output.data["text/html"] = output.data["text/html"].replace("pass", "fail")
    nbformat.write(notebook, tmp_path / "04.ipynb")
    done = pytest_of(tmp_path / "04.ipynb")
    assert done.returncode == 1, done.stdout[-2000:]
    assert "1 failed" in done.stdout


def executed(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A notebook executed by papermill alone, with the hardened tenant's parameters."""
    source, target = NOTEBOOKS / f"{name}.ipynb", folder / "out.ipynb"
    command = [sys.executable, "-m", "papermill", str(source), str(target), "--no-progress-bar"]
    return subprocess.run(
        [*command, "-f", str(ROOT / "parameters" / "hardened.yaml")],
        cwd=folder,
        env=ALONE,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, subprocess.CompletedProcess[str]]]:
    """Every notebook executed, two at a time: each takes some eight seconds."""
    folders = {name: tmp_path_factory.mktemp(name) for name in NAMES}
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(executed, folders, folders.values()))
    return {name: (folder, each) for (name, folder), each in zip(folders.items(), done, strict=True)}


@EACH
def test_it_runs_alone_under_plain_papermill(
    name: str, alone: dict[str, tuple[Path, subprocess.CompletedProcess[str]]]
) -> None:
    folder, done = alone[name]
    assert done.returncode == 0, done.stderr[-3000:]
    cells = [cell for cell in nbformat.read(folder / "out.ipynb", as_version=4).cells if cell.cell_type == "code"]
    assert "injected-parameters" in cells[1].metadata.tags
    plan = next(cell for cell in cells if cell.source.endswith(("harden()", "plan()")))
    assert "Nothing failed, so there is nothing to do." in plan.outputs[0].data["text/html"]
    assert sorted(path.name for path in folder.iterdir()) == ["out.ipynb"]


def test_opening_a_collected_run_imports_no_sdk_and_no_renderer(tmp_path: Path) -> None:
    heavy = ("azure", "openai", "pandas", "jinja2", "nbconvert", "xlsxwriter", "py_ocsf_models", "papermill", "IPython")
    program = (
        "import sys\nfrom aoai_lib import run\n"
        f"print([name for name in {heavy!r} if name in sys.modules])\nprint(len(run.CHAPTERS))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=ALONE, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines() == ["[]", "7"], done.stderr


def test_a_mistake_in_the_parameters_stops_it_in_words(tmp_path: Path) -> None:
    target = tmp_path / "out.ipynb"
    shutil.copy(NOTEBOOKS / "00_scope.ipynb", tmp_path / "in.ipynb")
    command = [sys.executable, "-m", "papermill", str(tmp_path / "in.ipynb"), str(target), "--no-progress-bar"]
    done = subprocess.run(
        [*command, "-p", "cloud", "moon"], cwd=tmp_path, env=ALONE, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert "InputError: the parameters: cloud must be public, usgov, china or lab; it is 'moon'." in done.stderr
