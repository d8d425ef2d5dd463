"""Open each notebook in a real JupyterLab and choose Run All Cells, as a person does who set nothing.

    python tests/browser/run_all.py [NOTEBOOK …] [--pictures DIR]

Exits 1 where a cell ends in an error. JupyterLab serves a copy of the notebooks, on loopback, behind a token.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chromium import executable, opened
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 180_000
"""Milliseconds that a notebook may take."""


@dataclass(frozen=True)
class Seen:
    """What a notebook looked like when all its cells had run."""

    cells: int
    run: int
    errors: list[str]
    pictures: int
    tables: int


@dataclass(frozen=True)
class Served:
    """A running JupyterLab and the folder that it shows."""

    url: str
    token: str
    folder: Path

    def ask(self, path: str) -> Any:
        """What the server's own API answers. Raises OSError where it does not."""
        request = urllib.request.Request(f"{self.url}/{path}", headers={"Authorization": f"token {self.token}"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def address(self, notebook: str) -> str:
        """The page that shows one notebook alone in a workspace of its own."""
        return f"{self.url}/lab/workspaces/{notebook[:2]}/tree/{notebook}?token={self.token}&reset"


@contextmanager
def jupyterlab() -> Iterator[Served]:
    """JupyterLab over a copy of the notebooks without their outputs, with settings and runtime files of its own."""
    with tempfile.TemporaryDirectory() as name, socket.socket() as probe:
        folder = Path(name) / "notebooks"
        folder.mkdir()
        for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
            _copy_bare(path, folder / path.name)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        served = Served(f"http://127.0.0.1:{port}", secrets.token_hex(16), folder)
        process = _start(served, port, Path(name))
        try:
            _wait(served, process)
            yield served
        finally:
            process.terminate()
            process.wait(20)


def _copy_bare(source: Path, target: Path) -> None:
    notebook = json.loads(source.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    target.write_text(json.dumps(notebook), encoding="utf-8")


def _start(served: Served, port: int, home: Path) -> subprocess.Popen[bytes]:
    places = {f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AOAI_")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root"]
    command += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={served.folder}"]
    command += [f"--LabApp.workspaces_dir={home / 'workspaces'}", f"--LabApp.user_settings_dir={home / 'settings'}"]
    return subprocess.Popen(
        command,
        env={**environment, **places, "JUPYTER_TOKEN": served.token},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _wait(served: Served, process: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        if process.poll() is not None:
            raise RuntimeError(f"JupyterLab ended with {process.returncode}")
        try:
            served.ask("api/status")
        except OSError:
            time.sleep(0.25)
        else:
            return
    raise RuntimeError("JupyterLab did not start within a minute")


def run_all(browser: Browser, served: Served, notebook: str, picture: Path | None = None) -> Seen:
    """Open a notebook, choose Run All Cells, wait until it is saved as run, and look."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    try:
        page.goto(served.address(notebook), timeout=PATIENCE)
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=PATIENCE)
        _kernel_ready(page, served, notebook)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        path = served.folder / notebook
        _saved_as_run(page, path)
        if picture is not None:
            page.locator(".jp-RenderedSVG, .jp-RenderedHTML").first.scroll_into_view_if_needed()
            page.screenshot(path=picture)
        return _look(path)
    finally:
        page.close()


def _kernel_ready(page: Page, served: Served, notebook: str) -> None:
    """Wait until the notebook's kernel is idle and the page is connected to it: cells run earlier are dropped."""
    for _ in range(240):
        for session in served.ask("api/sessions"):
            kernel = session["kernel"]
            if session["path"] == notebook and kernel["execution_state"] == "idle" and kernel["connections"]:
                page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").first.wait_for(state="attached")
                return
        page.wait_for_timeout(250)
    raise TimeoutError(f"{notebook} has no kernel")


def _saved_as_run(page: Page, path: Path) -> None:
    """Save until the file says that every cell ran, or that one failed."""
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline:
        page.keyboard.press("Control+s")
        page.wait_for_timeout(1000)
        seen = _look(path)
        if seen.errors or seen.run == seen.cells:
            return
    raise TimeoutError(f"{path.name} did not finish")


def _look(path: Path) -> Seen:
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in cells for output in cell["outputs"]]
    errors = [f"{output['ename']}: {output['evalue']}" for output in outputs if output["output_type"] == "error"]
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    run = sum(cell["execution_count"] is not None for cell in cells)
    return Seen(len(cells), run, errors, kinds.count("image/svg+xml"), kinds.count("text/html"))


def main(arguments: Sequence[str]) -> int:
    """Run the named notebooks, else all, and say how each ended."""
    parser = argparse.ArgumentParser(description="Choose Run All Cells on notebooks in a real JupyterLab.")
    parser.add_argument("notebooks", nargs="*")
    parser.add_argument("--pictures", type=Path, help="folder for a picture of each")
    chosen = parser.parse_args(arguments)
    if executable() is None:
        sys.stderr.write("There is no Chromium on this machine (on Debian: apt install chromium).\n")
        return 2
    if chosen.pictures is not None:
        shutil.rmtree(chosen.pictures, ignore_errors=True)
        chosen.pictures.mkdir(parents=True)
    failed = False
    with jupyterlab() as served, opened() as browser:
        for name in chosen.notebooks or sorted(path.name for path in served.folder.glob("*.ipynb")):
            picture = chosen.pictures / f"{Path(name).stem}.png" if chosen.pictures else None
            seen = run_all(browser, served, Path(name).name, picture)
            failed = failed or bool(seen.errors)
            ending = "; ".join(seen.errors) or "no error"
            sys.stdout.write(f"{name}: {seen.run} cells, {seen.tables} tables, {seen.pictures} pictures, {ending}\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
