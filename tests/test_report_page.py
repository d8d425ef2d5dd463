"""`report.html` and the notebooks' pages: complete, self-contained, inert."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from reporting import HOSTILE, document_of, renamed, run_of
from tenants import collect

from aoai_lib.evidence.store import Evidence
from aoai_lib.lab.server import Lab, load_worlds
from aoai_lib.model import Snapshot
from aoai_lib.report import notebook_html, page

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
LOADING = {"script", "link", "iframe", "object", "embed", "img", "base", "form", "audio", "video", "source"}


class Reader(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: list[str] = []
        self.policy = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self.attributes += values
        self.ids += [values["id"] or ""] if "id" in values else []
        self.links += [values["href"] or ""] if "href" in values else []
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"] or ""


@pytest.fixture(scope="module")
def report() -> str:
    evidence = Evidence()
    with Lab(load_worlds(["mixed"])) as alone:
        run = run_of(collect(alone, "mixed", evidence))
    return page.compose(run, document_of(run), evidence.exchanges)


def test_the_page_loads_nothing_and_runs_nothing(report: str) -> None:
    read = Reader(report)
    assert read.policy == POLICY
    assert not LOADING & set(read.tags)
    assert not [name for name in read.attributes if name.startswith("on") or name == "src"]
    assert all(link.startswith("#") for link in read.links)
    assert not re.findall(r"url\(|@import", report)


def test_every_link_of_the_page_leads_somewhere(report: str) -> None:
    read = Reader(report)
    assert {link[1:] for link in read.links} <= set(read.ids)
    assert sum(link.startswith("#e-") for link in read.links) > 100
    assert len(set(read.ids)) == len(read.ids)


def test_the_page_says_what_failed_and_what_could_not_be_assessed(report: str, mixed: Snapshot) -> None:
    counts = document_of(run_of(mixed))["counts"]["by_status"]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", report))
    assert f"{counts['fail']} of {sum(counts.values())} findings fail" in text
    assert f"{counts['not_assessed']} could not be assessed" in text
    assert "The reader needs Microsoft.CognitiveServices/accounts/read" in text
    assert '<html lang="en">' in report
    assert report.count("<caption") == report.count("<table")


def test_the_page_of_a_good_tenant_promises_no_more_than_it_knows(hardened: Snapshot) -> None:
    run = run_of(hardened)
    report = page.compose(run, document_of(run), [])
    assert "Nothing that was assessed fails, and every control of this catalogue came to a verdict." in report
    assert "not part of this version" not in report, "every line of the checklist has its controls"
    assert "No request was recorded." in report


def test_hostile_names_stay_text(exposed: Snapshot) -> None:
    run = run_of(renamed(renamed(exposed, "search-chat", HOSTILE), "aoai-brightcart-shop", f"{HOSTILE}2"))
    report = page.compose(run, document_of(run), [])
    assert "&lt;img src=x onerror=alert(1)&gt;" in report
    assert "<img" not in report
    assert "\u202e" not in report
    assert not [name for name in Reader(report).attributes if name.startswith("on")]


def test_the_page_is_the_same_each_time(mixed: Snapshot, tmp_path: Path) -> None:
    run = run_of(mixed)
    page.write(run, document_of(run), [], tmp_path / "report.html")
    written = (tmp_path / "report.html").read_bytes()
    assert written == page.compose(run_of(mixed), document_of(run), []).encode()
    assert b"\r" not in written


def notebook(tmp_path: Path) -> Path:
    output = new_output(
        "display_data", {"image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg'/>", "text/plain": "p"}
    )
    table = new_output("execute_result", {"text/html": "<table></table>", "text/plain": "t"}, execution_count=1)
    cells = [
        new_markdown_cell("# A title & more\n\nText."),
        new_code_cell("print('<b>')", outputs=[output, table, new_output("stream", text="<script>alert(1)</script>")]),
    ]
    made = new_notebook(cells=cells, metadata={"papermill": {"input_path": "/home/somebody/in.ipynb", "version": "2"}})
    made.metadata.papermill["output_path"] = "/home/somebody/out.ipynb"
    path = tmp_path / "a.ipynb"
    nbformat.write(made, path)
    return path


def test_a_notebook_becomes_a_page_that_loads_nothing(tmp_path: Path) -> None:
    path = notebook(tmp_path)
    notebook_html.export(path, tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    read = Reader(text)
    assert read.policy == POLICY
    assert not LOADING & set(read.tags)
    assert "<title>A title &amp; more</title>" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<svg" in text and "<table>" in text
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text)
    notebook_html.export(path, tmp_path / "b.html")
    assert (tmp_path / "b.html").read_text(encoding="utf-8") == text


def test_a_notebook_forgets_where_it_lay(tmp_path: Path) -> None:
    path = notebook(tmp_path)
    notebook_html.forget_paths(path)
    assert "/home/somebody" not in path.read_text(encoding="utf-8")
    assert nbformat.read(path, as_version=4).metadata.papermill == {"version": "2"}
