"""A notebook carries its plan out where `apply` is set, opened by hand, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
import yaml
from hardening import own_lab, written
from tenants import ROOT

from aoai_lib import run
from aoai_lib.kernels import LocalKernelManager
from aoai_lib.model import InputError
from aoai_lib.parameters import load

NOTEBOOK = ROOT / "notebooks" / "01_network_isolation.ipynb"


def execute(folder: Path, **more: Any) -> str:
    """The plain text below “Hardening plan” of notebook 01 for the exposed tenant."""
    given = yaml.safe_load((ROOT / "parameters" / "exposed.yaml").read_text(encoding="utf-8"))
    wishes = {"hardening": {"allowed_fqdns": ["brightcart.search.windows.net"]}}
    target = folder / "out.ipynb"
    papermill.execute_notebook(
        NOTEBOOK,
        target,
        parameters={**given, **wishes, **more},
        progress_bar=False,
        cwd=folder,
        kernel_manager_class=LocalKernelManager,
    )
    cells = nbformat.read(target, as_version=4).cells
    (asked,) = [cell for cell in cells if cell.source == "assessment.harden()"]
    text: str = asked.outputs[0].data["text/plain"]
    return text


def test_the_plan_is_shown_and_nothing_is_changed(tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        shown = execute(tmp_path)
        assert written(lab) == []
    assert "Disable public network access to “aoai-brightcart-shop”" in shown
    assert "Nothing was changed: `apply` is False." in shown


def test_with_apply_it_is_carried_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with own_lab("exposed") as lab:
        monkeypatch.setenv(run.RECORDS_VARIABLE, str(tmp_path / "outputs"))
        shown = execute(tmp_path, apply=True)
        assert len(written(lab)) > 3
    assert "What became of the steps" in shown
    assert "Judged again" in shown
    assert list((tmp_path / "outputs" / "exposed" / "hardening").iterdir())


def test_a_batch_run_refuses_to_apply() -> None:
    with own_lab("exposed") as served:
        opened = run.open("01", {**load(ROOT / "parameters" / "exposed.yaml").model_dump(), "apply": True})
        batch = run.Run(opened.parameters, opened.snapshot, opened.phases, "20261123T000000Z-0000")
        with pytest.raises(InputError, match="only assesses"):
            batch.harden()
        assert written(served) == []


def test_a_parameters_file_that_applies_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tenant.yaml"
    file.write_text("tenant: a\napply: true\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"line 2: apply is for a notebook opened by hand"):
        load(file)
