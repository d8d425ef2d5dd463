"""What a reader sees: the report in Chromium, and a notebook run in JupyterLab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import executable, opened
from playwright.sync_api import Browser, Page
from reporting import HOSTILE, document_of, renamed, run_of
from run_all import jupyterlab, run_all
from tenants import ROOT

from aoai_lib.model import Snapshot
from aoai_lib.report import page

SAMPLE = ROOT / "docs" / "sample" / "run"

pytestmark = pytest.mark.skipif(
    executable() is None, reason="there is no Chromium on this machine (on Debian: apt install chromium)"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened() as made:
        yield made


@pytest.fixture(scope="module")
def report(mixed: Snapshot, exposed: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with reports of a plain tenant and of one with hostile names."""
    folder = tmp_path_factory.mktemp("reports")
    hostile = renamed(renamed(exposed, "search-chat", HOSTILE), "aoai-brightcart-shop", f"{HOSTILE}2")
    for name, snapshot in (("mixed", mixed), ("hostile", hostile)):
        run = run_of(snapshot)
        page.write(run, document_of(run), [], folder / f"{name}.html")
    return folder


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    made = browser.new_page(viewport={"width": 1280, "height": 900})
    yield made
    made.close()


@pytest.mark.parametrize("name", ["mixed", "hostile"])
def test_the_report_asks_for_nothing_and_complains_of_nothing(tab: Page, report: Path, name: str) -> None:
    asked: list[str] = []
    said: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda message: said.append(message.text))
    tab.on("dialog", lambda dialog: said.append(dialog.message))
    address = (report / f"{name}.html").as_uri()
    tab.goto(address)
    assert asked == [address]
    assert said == []


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_report_fits_the_screen(tab: Page, report: Path, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 900})
    tab.goto((report / "mixed.html").as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") == width


CONTRAST = """() => {
  const linear = value => value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  const light = colour => [0.2126, 0.7152, 0.0722].reduce((sum, share, at) => sum + share * linear(colour[at]), 0);
  const parts = text => text.match(/[0-9.]+/g).map(Number);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const colour = parts(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.5) return colour;
    }
    return [255, 255, 255];
  };
  const faint = {};
  let seen = 0;
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || !element.getClientRects().length || element.closest("svg")) continue;
    const [one, other] = [light(parts(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
    seen += 1;
    if ((one + 0.05) / (other + 0.05) < 4.5) faint[element.outerHTML.slice(0, 80)] = (one + 0.05) / (other + 0.05);
  }
  return [seen, faint];
}"""
"""Texts that are shown, and those of them whose contrast with what is behind is below 4.5 to 1 (WCAG 2.2, 1.4.3)."""


@pytest.mark.parametrize("name", ["report", "04_operational_monitoring"])
def test_all_text_stands_out_from_its_ground(tab: Page, name: str) -> None:
    tab.goto((SAMPLE / f"{name}.html").as_uri())
    seen, faint = tab.evaluate(CONTRAST)
    assert seen > 300 and faint == {}


def test_the_summary_fits_one_screen(tab: Page, report: Path) -> None:
    tab.goto((report / "mixed.html").as_uri())
    summary = tab.locator("#summary").bounding_box()
    assert summary is not None
    assert summary["y"] + summary["height"] <= 900


def test_findings_are_filtered_without_script(tab: Page, report: Path) -> None:
    tab.goto((report / "mixed.html").as_uri())
    everything = tab.locator(".control:visible").count()
    tab.get_by_label("fail", exact=True).check()
    failing = tab.locator(".control:visible")
    assert 0 < failing.count() < everything
    assert all("fail" in (each.get_attribute("class") or "") for each in failing.all())
    rows = tab.locator(".control:visible tbody tr:visible")
    assert {each.get_attribute("class") for each in rows.all()} == {"fail"}
    tab.get_by_label("any", exact=True).check()
    assert tab.locator(".control:visible").count() == everything


def test_paper_shows_failures_in_full_and_the_rest_in_short(tab: Page, report: Path) -> None:
    tab.goto((report / "mixed.html").as_uri())
    tab.emulate_media(media="print")
    assert tab.locator("details.control.fail table").first.is_visible()
    assert not tab.locator("details.control:not(.fail) table").first.is_visible()
    assert tab.locator("details.control:not(.fail) .tally").first.is_visible()
    assert tab.get_by_text("On paper, what passed or does not apply is only counted").is_visible()
    assert not tab.locator("nav").is_visible()


def test_text_has_enough_contrast(tab: Page, report: Path) -> None:
    """WCAG 2.2 asks for 4.5 to 1; every text of the page stands on white, or in a picture with its own pairs."""
    tab.goto((report / "mixed.html").as_uri())
    colours = tab.evaluate(
        "[...new Set([...document.querySelectorAll('main *:not(svg *), header *')].map(e => getComputedStyle(e).color))]"
    )
    assert colours
    assert min(_contrast(colour) for colour in colours) >= 4.5


def _contrast(colour: str) -> float:
    channels = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(", ")]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def test_a_notebook_runs_in_jupyterlab(browser: Browser) -> None:
    with jupyterlab() as served:
        seen = run_all(browser, served, "01_network_isolation.ipynb")
    assert seen.errors == []
    assert seen.run == seen.cells
    assert seen.pictures == 2, "the private path of each account"
    assert seen.tables > 10
