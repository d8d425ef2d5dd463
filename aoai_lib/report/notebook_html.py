"""An executed notebook as one HTML page: no script, no outside request, readable without Jupyter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

_TEMPLATES: Final = Path(__file__).parent / "templates"
_SHEET: Final = _TEMPLATES / "sheet.css"
PAGE: Final = "report.html"
_CONTROL: Final = re.compile(r'(?<=<span class="control-id" style="white-space: nowrap">)([A-Z]{3}-\d\d)(?=</span>)')
"""The id of a control in a table, as `table.html.j2` writes it; a tenant's text never holds markup."""
_PATHS: Final = ("input_path", "output_path", "environment_variables")


def forget_paths(path: Path) -> None:
    """Take out of a notebook's metadata where on this machine papermill read and wrote it."""
    import nbformat

    notebook: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    kept = notebook.metadata.get("papermill", {})
    for name in _PATHS:
        kept.pop(name, None)
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]


def export(notebook_path: Path, html_path: Path, *, in_run: bool = True) -> None:
    """Write a notebook's page. In the folder of a run, control ids lead to their findings in `report.html`, and on to the requests."""
    html_path.write_text(compose(notebook_path, in_run=in_run), encoding="utf-8", newline="\n")


def compose(notebook_path: Path, *, in_run: bool = True) -> str:
    """A notebook's page. The same notebook gives the same page."""
    import nbformat
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    notebook: Any = nbformat.read(notebook_path, as_version=4)  # type: ignore[no-untyped-call]
    settings = Config()
    settings.HTMLExporter.extra_template_basedirs = [str(_TEMPLATES)]
    settings.HTMLExporter.template_name = "notebook"
    settings.HTMLExporter.embed_images = True
    settings.CSSHTMLHeaderPreprocessor.style = "xcode"
    exporter = HTMLExporter(config=settings)  # type: ignore[no-untyped-call]
    exporter.environment.filters["with_links"] = _with_links if in_run else str
    about = {"metadata": {"name": _title(notebook, notebook_path.stem)}, "sheet": _SHEET.read_text(encoding="utf-8")}
    page: str = exporter.from_notebook_node(notebook, about)[0]
    return page


def _with_links(html: str) -> str:
    return _CONTROL.sub(rf'<a href="{PAGE}#\1">\1</a>', html)


def _title(notebook: Any, otherwise: str) -> str:
    """The notebook's first heading."""
    for cell in notebook.cells:
        found = re.search(r"^#\s+(.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else None
        if found:
            return found.group(1).strip()
    return otherwise
