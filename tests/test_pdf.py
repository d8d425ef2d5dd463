"""The page as PDF, through the system's own browser."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from aoai_lib.model import InputError
from aoai_lib.report import pdf
from aoai_lib.report.pdf import BROWSER, UnprintedError

here = pytest.mark.skipif(not any(map(shutil.which, pdf._NAMES)), reason="there is no Chromium, Chrome or Edge")
PAGE = """<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy"
content="default-src 'none'"><title>t</title><h1>Findings &amp; more</h1>
<script>document.body.append("a script ran")</script><img src="http://collector.example/x.png" alt="">"""


@here
def test_the_page_is_printed_and_no_script_runs(tmp_path: Path) -> None:
    page = tmp_path / "a page.html"
    page.write_text(PAGE, encoding="utf-8")
    printed = pdf.write(page, tmp_path / "report.pdf")
    assert printed.read_bytes().startswith(b"%PDF-") and sorted(each.name for each in tmp_path.iterdir()) == ["a page.html", "report.pdf"]  # fmt: skip
    if shutil.which("pdftotext"):
        text = subprocess.run(["pdftotext", printed, "-"], capture_output=True, text=True, check=True).stdout
        assert "Findings & more" in text and "a script ran" not in text


def test_without_a_browser_the_mend_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BROWSER, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(pdf, "_PLACES", ())
    with pytest.raises(InputError, match="no Chromium, Chrome or Edge here: install one, name one in AOAI_BROWSER"):
        pdf.browser()
    monkeypatch.setenv(BROWSER, "nothing-of-that-name")
    with pytest.raises(InputError, match="'nothing-of-that-name', which AOAI_BROWSER names, is no program"):
        pdf.browser()


def test_a_browser_that_prints_nothing_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = shutil.which("true")
    if program is None:
        pytest.skip("there is no program that does nothing")
    monkeypatch.setenv(BROWSER, program)
    with pytest.raises(UnprintedError, match=r"report\.pdf was not made: true ended with 0"):
        pdf.write(tmp_path / "a.html", tmp_path / "report.pdf")
    assert list(tmp_path.iterdir()) == []
