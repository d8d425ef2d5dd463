"""Execute the notebooks in place, so that their committed outputs are what the lab answers today.

    python docs/render_notebooks.py [NOTEBOOK …]

The parameters are those of the `parameters` cells: the tenant `hardened` of the lab, which asks nothing beyond the defaults.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from aoai_lib.kernels import LocalKernelManager

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
SURROUNDINGS = ("AOAI_RUN", "AOAI_OUT", "AOAI_LAB")
"""Variables that would make a notebook show another run, other tenants or another lab."""


def render(path: Path) -> None:
    """Execute one notebook and write it back without what differs from time to time."""
    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=300, resources=place, kernel_manager_class=LocalKernelManager).execute()
    for cell in notebook.cells:
        settle(cell)
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


def settle(cell: Any) -> None:
    """Forget when a cell ran."""
    cell.metadata.pop("execution", None)


def main(names: list[str]) -> None:
    """Render the named notebooks, else all."""
    for name in SURROUNDINGS:
        os.environ.pop(name, None)
    for path in [Path(name) for name in names] or sorted(NOTEBOOKS.glob("*.ipynb")):
        sys.stdout.write(f"{path.name}\n")
        render(path)


if __name__ == "__main__":
    main(sys.argv[1:])
