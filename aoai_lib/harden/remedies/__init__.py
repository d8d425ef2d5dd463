"""How controls are mended, a module a matter: `@mends` plans for a control, `@preflight` answers what must be known first.

The modules are found by iterating the folder: a new one needs no registration.
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
