"""Loads what is needed once everything was read, while answers are waited for: it takes seconds."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_FIRST: Final = ("aoai_lib.azure.clients", "aoai_lib.probe.active")
"""What the reading needs. It is loaded before, so that no two threads load modules that hang on each other."""
_MEANWHILE: Final = (
    "papermill",
    "aoai_lib.report.notebook_html",
    "nbconvert.exporters.html",
    "aoai_lib.bundle.previous",
    "aoai_lib.report.ocsf",
    "aoai_lib.report.page",
    "aoai_lib.report.workbook",
    "xlsxwriter",
)
_GRAMMARS: Final = "rfc3987_syntax"
"""Builds grammars for two seconds when jsonschema imports it, for formats of addresses that no notebook's schema names.
jsonschema does without where it is not installed."""


def preload() -> None:
    """Begin to load, in a thread of its own. What can't be loaded is told of by whoever needs it."""
    for name in _FIRST:
        importlib.import_module(name)
    threading.Thread(target=_load, name="preload").start()


def _load() -> None:
    with _missing(_GRAMMARS):
        for name in _MEANWHILE:
            importlib.import_module(name)


@contextmanager
def _missing(name: str) -> Iterator[None]:
    """As if a package were not installed, where nobody has imported it."""
    hidden = name not in sys.modules
    if hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hidden:
            del sys.modules[name]
