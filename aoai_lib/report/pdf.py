"""`report.pdf`: the page, printed by a browser that is there anyway. Nothing is installed for it and nothing is fetched."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from aoai_lib.model import InputError, PlaybookError

PRINT: Final = "report.pdf"
BROWSER: Final = "AOAI_BROWSER"
"""Environment variable that names the browser's program where it is not on the path."""
_NAMES: Final = (
    "chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome", "microsoft-edge", "msedge",
)  # fmt: skip
_PLACES: Final = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
_OPTIONS: Final = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-pdf-header-footer",
)
"""No name resolves: the page is a file that needs none. Its content policy keeps scripts out (a browser without any can't print)."""
_PATIENCE: Final = 180


class UnprintedError(PlaybookError):
    """The browser did not print the page."""


def browser() -> str:
    """The browser's program: the one that `AOAI_BROWSER` names, else the first one found. Raises `InputError` with the mend."""
    named = os.environ.get(BROWSER, "")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, (*_NAMES, *_PLACES))), None)
    if found is None:
        sought = (
            f"{named!r}, which {BROWSER} names, is no program" if named else "there is no Chromium, Chrome or Edge here"
        )
        raise InputError(
            f"A PDF takes a browser, and {sought}: install one, name one in {BROWSER}, or leave --pdf out."
        )
    return found


def write(page: Path, target: Path) -> Path:
    """Print a page into a PDF file. Raises `UnprintedError`; then there is no file."""
    program = browser()
    with tempfile.TemporaryDirectory(prefix="aoai-browser-") as profile:
        printed = Path(profile) / target.name
        words = [program, *_OPTIONS, f"--user-data-dir={profile}", f"--print-to-pdf={printed}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            words.append("--no-sandbox")  # root can have none
        try:
            done = subprocess.run(  # noqa: S603 - no shell; the program is looked up
                [*words, page.absolute().as_uri()], capture_output=True, timeout=_PATIENCE, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise UnprintedError(
                f"{target.name} was not made: {Path(program).name} did not end ({type(problem).__name__})."
            ) from problem
        if done.returncode or not printed.is_file() or printed.read_bytes()[:5] != b"%PDF-":
            raise UnprintedError(f"{target.name} was not made: {Path(program).name} ended with {done.returncode}.")
        shutil.move(printed, target)
    return target
