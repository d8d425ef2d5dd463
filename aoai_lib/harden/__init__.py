"""Hardening: plan → preflight → apply → verify → undo. The only part of the playbook that writes to Azure, and only as planned.

A module of this package plans for some controls (`@mends`) or answers what must be known first (`@preflight`); both are found
by iterating the folder. Harden knows controls, never the other way round.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache


@cache
def import_declarations() -> None:
    """Import every module of the package, so that what they declare is known."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
