"""An executed notebook as one HTML page: no script, no outside request, readable without Jupyter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

_TEMPLATES: Final = Path(__file__).parent / "templates"
_SHEET: Final = _TEMPLATES / "sheet.css"
_PATHS: Final = ("input_path", "output_path", "environment_variables")


def forget_paths(path: Path) -> None:
    """Take out of a notebook's metadata where on this machine papermill read and wrote it."""
    import nbformat

    notebook: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    kept = notebook.metadata.get("papermill", {})
    for name in _PATHS:
        kept.pop(name, None)
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]


def export(notebook_path: Path, html_path: Path) -> None:
    """Write a notebook's page."""
    html_path.write_text(compose(notebook_path), encoding="utf-8", newline="\n")


def compose(notebook_path: Path) -> str:
    """A notebook's page. The same notebook gives the same page."""
    import nbformat
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    notebook: Any = nbformat.read(notebook_path, as_version=4)  # type: ignore[no-untyped-call]
    settings = Config()
    settings.HTMLExporter.extra_template_basedirs = [str(_TEMPLATES)]
    settings.HTMLExporter.template_name = "notebook"
    settings.HTMLExporter.embed_images = True
    settings.CSSHTMLHeaderPreprocessor.style = "friendly"
    exporter = HTMLExporter(config=settings)  # type: ignore[no-untyped-call]
    about = {"metadata": {"name": _title(notebook, notebook_path.stem)}, "sheet": _SHEET.read_text(encoding="utf-8")}
    page: str = exporter.from_notebook_node(notebook, about)[0]
    return page


def _title(notebook: Any, otherwise: str) -> str:
    """The notebook's first heading."""
    for cell in notebook.cells:
        found = re.search(r"^#\s+(.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else None
        if found:
            return found.group(1).strip()
    return otherwise
