"""Take the README's picture: the first screen of a report on the lab's tenant `mixed`.

python tests/browser/picture_report.py [PICTURE]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from chromium import opened

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from reporting import document_of, run_of  # noqa: E402 - they lie beside, not in a package
from tenants import collect  # noqa: E402

from aoai_lib.evidence.store import Evidence  # noqa: E402
from aoai_lib.lab.server import Lab, load_worlds  # noqa: E402
from aoai_lib.report import page  # noqa: E402

WIDTH, HEIGHT = 1200, 900


def write_report(path: Path) -> None:
    """A report as `aoai assess` writes it, of a tenant that is half-way."""
    evidence = Evidence()
    with Lab(load_worlds(["mixed"])) as lab:
        run = run_of(collect(lab, "mixed", evidence))
    page.write(run, document_of(run), evidence.exchanges, path)


def main(arguments: Sequence[str]) -> int:
    """Write the picture, by default into `docs`."""
    target = Path(arguments[0]) if arguments else ROOT / "docs" / "report.png"
    with tempfile.TemporaryDirectory() as folder, opened() as browser:
        report = Path(folder) / "report.html"
        write_report(report)
        screen = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        screen.goto(report.as_uri())
        screen.screenshot(path=target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
