"""A tenant whose every name, tag, cell and answer wants to be more than text: what comes out shows it and never does what it says."""

from __future__ import annotations

import csv
import http.server
import io
import json
import os
import re
import subprocess
import sys
import threading
import unicodedata
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import openpyxl
import pytest
import yaml
from chromium import executable, opened
from click.testing import CliRunner
from hostile_samples import ESCAPED, Spoiler, payloads
from playwright.sync_api import Browser
from tampered import tamper
from tenants import ROOT

from aoai_lib.cli import main
from aoai_lib.fleet import place_of, write_overview
from aoai_lib.lab.server import Lab, load_worlds
from aoai_lib.parameters import load

LARGEST = 6_000_000
"""Bytes that a page may have, whatever the tenant holds. The same pages of a tame tenant have up to two million."""
needs_chromium = pytest.mark.skipif(executable() is None, reason="there is no Chromium on this machine")


@dataclass
class Told:
    """A run over hostile tenants: its folder, its parent, what was printed, who came to the server, what was served."""

    out: Path
    runs: list[Path]
    said: dict[str, str]
    port: int
    visitors: list[str]
    spoilers: list[Spoiler]

    @property
    def pages(self) -> list[Path]:
        return sorted(self.out.rglob("*.html"))


@pytest.fixture(scope="module")
def visited() -> Iterator[tuple[int, list[str]]]:
    """A server on loopback that notes who comes."""
    visitors: list[str] = []

    class Noting(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            visitors.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Noting)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1], visitors
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, visited: tuple[int, list[str]]) -> Told:
    """Two tenants, one with every text spoilt, assessed in one go with probes and waivers, then explained, compared and planned for."""
    port, visitors = visited
    folder = tmp_path_factory.mktemp("hostile")
    out, said, kinds = folder / "deep" / "er" / "out", {}, payloads(port)
    labs = {name: Lab(load_worlds([name])) for name in ("exposed", "mixed")}
    spoilers = [Spoiler(port), Spoiler(port, thorough=True)]

    def assess(name: str, lab: Lab, spoiler: Spoiler) -> None:
        given = yaml.safe_load((ROOT / "parameters" / f"{name}.yaml").read_text(encoding="utf-8"))
        wanted = [kinds[each] for each in ("image", "script", "formula", "link", "up", "markup", "template")]
        waiver = {"control": "IAM-01", "subject": "*", "expires": "2027-01-01"}
        given["waivers"] = [{**waiver, "reason": each, "owner": each, "ticket": each[:40]} for each in wanted]
        given["requirements"] = {**given.get("requirements", {}), "required_tags": [kinds["image"], kinds["formula"]]}
        given["active_probes"] = True
        file = folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(given, allow_unicode=True), encoding="utf-8")
        with lab:
            tamper(lab, spoiler)
            own = {**lab.environment(name), "PYTHONPATH": str(ROOT)}
            said[f"assess {name}"] = _aoai(own, "assess", str(file), "--out", str(out))
            said[f"plan {name}"] = _aoai(own, "harden", str(file))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(assess, labs, labs.values(), spoilers))
    runs = [next(iter((out / name).iterdir())) for name in labs if (out / name).is_dir()]
    for run in runs:
        entries = json.loads((run / "findings.json").read_text(encoding="utf-8"))["findings"]
        subject = max(
            (each for each in entries if each["control"].startswith("CNT-")), key=lambda each: len(each["subject"])
        )
        for verb in (
            ["verify", str(run)],
            ["explain", str(run), subject["control"], subject["subject"]],
            ["diff", str(run), str(run)],
        ):
            said[f"{verb[0]} {run.parent.name}"] = CliRunner().invoke(main, verb).output
    write_overview(place_of(str(out)), load(folder / "mixed.yaml"))
    return Told(out, runs, said, port, visitors, spoilers)


def _aoai(surroundings: dict[str, str], *arguments: str) -> str:
    """What a command ended with and said, as bytes that are UTF-8."""
    command = [sys.executable, "-m", "aoai_lib", *arguments]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **surroundings}, capture_output=True)
    return f"{done.returncode} {done.stdout.decode()} {done.stderr.decode()}"


def test_everything_was_served_and_done(told: Told) -> None:
    assert all(set(spoiler.served) == set(payloads(told.port)) for spoiler in told.spoilers)
    for name, text in told.said.items():
        assert "Traceback" not in text, name
        if name.startswith("assess"):
            assert text.startswith("0 "), text[-2000:]
    assert len(told.runs) == 2 and len(told.pages) == 2 * 7 + 1
    for run in told.runs:
        said = told.said[f"verify {run.parent.name}"]
        assert "bad" not in {line.split(" ")[0] for line in said.splitlines()}, said


def test_no_file_is_where_it_should_not_be(told: Told) -> None:
    assert {each.name for each in told.out.iterdir()} == {
        ".fleet",
        "exposed",
        "mixed",
        "06_fleet_overview.ipynb",
        "06_fleet_overview.html",
    }
    home = told.out.parent.parent.parent
    assert [*home.rglob(f"*{ESCAPED}*")] == [] and not Path("/tmp", ESCAPED).exists()
    for folder in (told.out / ".fleet", *told.runs):
        assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", each.name) for each in folder.iterdir())


@needs_chromium
def test_no_page_runs_anything_or_asks_for_anything(told: Told) -> None:
    with opened() as browser:
        for path in told.pages:
            assert _strange(browser, path) == [], path.name
    assert told.visitors == []


def _strange(browser: Browser, path: Path) -> list[str]:
    """What a page did besides being shown: requests, dialogs, messages, elements that nobody here writes."""
    page, seen = browser.new_page(), []
    page.on("request", lambda request: seen.append(f"asked {request.url[:200]}"))
    page.on("dialog", lambda dialog: (seen.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("console", lambda message: seen.append(f"said {message.text[:300]}"))
    page.on("pageerror", lambda error: seen.append(f"failed {error}"))
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    page.mouse.move(300, 300)
    odd = "script, iframe, object, embed, form, base, link, audio, video, meta[http-equiv=refresh], img:not([src^='data:'])"
    seen += [
        f"holds {name}"
        for name in page.eval_on_selector_all(odd, "all => all.map(each => each.outerHTML.slice(0, 200))")
    ]
    handlers = "all => all.flatMap(e => [...e.attributes]).filter(a => a.name.startsWith('on') || /^\\s*(javascript|http)/i.test(a.value) && a.name != 'xmlns').map(a => a.name + a.value.slice(0, 100))"
    seen += [f"handles {name}" for name in page.eval_on_selector_all("body *", handlers)]
    page.close()
    return [each for each in seen if each != f"asked {path.as_uri()[:200]}"]


@needs_chromium
def test_the_text_is_there_to_read(told: Told) -> None:
    with opened() as browser:
        page = browser.new_page()
        page.goto((told.runs[0] / "report.html").as_uri())
        text = page.inner_text("body") + page.content()
        page.close()
    assert "<img src=" in text and "=HYPERLINK(" in text and "\\u202egnp.exe" in text
    assert re.search(r"… \([\d,]{7,} characters\)", text), "that it was cut is said"


def test_pages_hold_no_character_that_turns_or_hides_and_stay_small(told: Told) -> None:
    for path in told.pages:
        text = path.read_text(encoding="utf-8")
        assert len(text) < LARGEST, path.name
        assert "m" * 5000 not in text
        assert _unseen(text) == set(), path.name
        assert "default-src 'none'" in text


def _unseen(text: str, allowed: str = "\n\t") -> set[str]:
    """The control, direction and other unseen characters in a text."""
    return {
        each
        for each in set(text)
        if each not in allowed and unicodedata.category(each) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    }


def test_notebooks_hold_tables_and_pictures_and_no_markdown_of_the_tenant(told: Told) -> None:
    for path in told.out.rglob("*.ipynb"):
        assert path.stat().st_size < LARGEST
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            assert cell["cell_type"] == "code" or "HYPERLINK" not in "".join(cell["source"])
            for output in cell.get("outputs", []):
                assert output["output_type"] != "error", output
                data = output.get("data", {"text/plain": output.get("text", "")})
                assert set(data) <= {"text/plain", "text/html", "image/svg+xml"}
                for text in data.values():
                    assert _unseen("".join(text)) == set()


def test_csv_holds_no_formula_and_nothing_unseen(told: Told) -> None:
    for run in told.runs:
        raw = (run / "findings.csv").read_bytes().decode("utf-8-sig")
        assert _unseen(raw, "\n\r") == set() and len(raw) < LARGEST
        for row in csv.reader(io.StringIO(raw)):
            assert len(row) == 13
            assert not [cell for cell in row if cell.lstrip()[:1] in ("=", "+", "-", "@", "\uff1d")]
            assert all(len(cell) <= 32_767 for cell in row)


def test_the_workbook_holds_text_and_numbers(told: Told) -> None:
    for run in told.runs:
        book = openpyxl.load_workbook(run / "findings.xlsx")
        cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
        assert {cell.data_type for cell in cells} <= {"s", "n"} and not [cell for cell in cells if cell.hyperlink]
        assert all(len(cell.value) <= 32_767 for cell in cells if isinstance(cell.value, str))
        with zipfile.ZipFile(run / "findings.xlsx") as packed:
            names = packed.namelist()
            assert not [each for each in names if "externalLink" in each or "vba" in each.lower() or ".." in each]
            for name in names:
                text = packed.read(name).decode("utf-8")
                ElementTree.fromstring(text)
                assert "<f>" not in text and _unseen(text, "\n\r") == set(), name
                assert "TargetMode" not in text, name


def test_the_terminal_is_told_text_alone(told: Told) -> None:
    for name, text in told.said.items():
        assert _unseen(text) == set(), name
        assert not [line for line in text.splitlines() if line.startswith("exposed: everything passed")], name
        assert max(map(len, text.splitlines()), default=0) < 30_000, name
        assert "m" * 5000 not in text
