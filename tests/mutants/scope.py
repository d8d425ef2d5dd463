"""What is mutated, and by which tests it is held."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.mutants.making import Mutant, mutants_of
from tests.mutants.wording import idle_of

ROOT: Final = Path(__file__).resolve().parent.parent.parent
CONTROLS: Final = "controls"
JOINS: Final = ("callers", "effective_access", "guardrails", "network_traffic", "private_path")
CONTRACT: Final = ("test_controls.py", "test_golden.py")
"""Hold every control."""
NAMED: Final[dict[str, tuple[str, ...]]] = {
    "content": ("test_content*.py", "test_guide_content*.py", "test_guardrail_matrix.py", "test_probe_answers.py"),
    "governance": ("test_governance*.py",),
    "identity": ("test_identity*.py", "test_guide_identity.py", "test_callers.py"),
    "monitoring": ("test_monitoring*.py", "test_guide_monitoring.py", "test_leads.py"),
    "network": ("test_network*.py", "test_guide_network.py"),
    "callers": ("test_callers*.py", "test_identity_use*.py"),
    "effective_access": ("test_effective_access*.py", "test_identity*.py"),
    "guardrails": ("test_guardrail*.py", "test_content*.py"),
    "network_traffic": ("test_security_rules*.py", "test_network_traffic*.py"),
    "private_path": ("test_network*.py",),
}
"""By a join, or by the beginning of a module of controls: the tests that are named after its matter, besides those of its edges."""


def everything() -> dict[str, Path]:
    """Every module of the controls and of the joins that they rest on."""
    paths = [path for room in (CONTROLS, *JOINS) for path in sorted((ROOT / "aoai_lib" / room).glob("*.py"))]
    return {f"aoai_lib.{path.parent.name}.{path.stem}": path for path in paths if path.name != "__init__.py"}


def modules(names: Sequence[str]) -> dict[str, Path]:
    """Modules whose name below `aoai_lib` begins with one of `names`; those of the controls where none is named."""
    begins = tuple(f"aoai_lib.{name}" for name in names or [f"{CONTROLS}."])
    return {module: path for module, path in everything().items() if module.startswith(begins)}


def matter(module: str) -> str:
    """Which of `NAMED` a module belongs to."""
    _, room, name = module.split(".")
    return name.partition("_")[0] if room == CONTROLS else room


def tests_of(found: Sequence[str]) -> list[Path]:
    """The files of tests for some modules."""
    matters = sorted({matter(module) for module in found})
    patterns = [*CONTRACT, *(each for name in matters for each in (f"test_edges_{name}*.py", *NAMED[name]))]
    return list(dict.fromkeys(path for pattern in patterns for path in sorted((ROOT / "tests").glob(pattern))))


def mutants(chosen: dict[str, Path]) -> list[Mutant]:
    """Every mutant of some modules."""
    idle = idle_of(ROOT, "aoai_lib", everything())
    return [each for module, path in chosen.items() for each in mutants_of(module, path, idle[module])]
