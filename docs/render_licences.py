"""Write docs/licences.md: the licence of every package that an installation with all extras brings along. Run by `make licences`.

What is brought along follows from pyproject.toml through the packages' own requirements; the licences are read by pip-licenses. Development
tools are not shipped and not listed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "licences.md"
SYSTEMS = ({"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux"},
           {"sys_platform": "darwin", "os_name": "posix", "platform_system": "Darwin"},
           {"sys_platform": "win32", "os_name": "nt", "platform_system": "Windows"})  # fmt: skip
PYTHONS = ("3.11", "3.12", "3.13")
ELSEWHERE = {"appnope": "BSD-2-Clause", "colorama": "BSD-3-Clause", "pywinpty": "MIT"}
"""Packages that only other systems install, so that nothing can be read here: the licences as their own pages state them."""
INTRODUCTION = """# Licences

Written by `make licences`. Every package that an installation with all extras brings along, on any system that is supported, with the licence that
its own metadata names (read by pip-licenses). A test holds the names against requirements.lock and the licences against a list of what may be
shipped.

| package | version | licence |
|---|---|---|
"""


def locked() -> dict[str, str]:
    """Version by canonical name, as requirements.lock has them."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return {canonicalize_name(name): found for name, found in re.findall(r"(?m)^([\w.-]+)==([^\s;\\]+)", text)}


def shipped() -> dict[str, set[str]]:
    """What is brought along, by canonical name, with the extras that are asked of each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    found: dict[str, set[str]] = {}
    todo = [Requirement(each) for each in named]
    while todo:
        wanted = todo.pop()
        name = canonicalize_name(wanted.name)
        if name in found and wanted.extras <= found[name]:
            continue
        found.setdefault(name, set()).update(wanted.extras)
        todo += [each for each in _needs(name) if _applies(each, found[name])]
    return found


def _needs(name: str) -> list[Requirement]:
    try:
        return [Requirement(each) for each in requires(name) or ()]
    except PackageNotFoundError:
        return []


def _applies(wanted: Requirement, extras: set[str]) -> bool:
    """Whether it is installed on any system and Python that is supported."""
    if wanted.marker is None:
        return True
    return any(
        wanted.marker.evaluate({**default_environment(), **system, "python_version": python, "extra": extra})
        for system in SYSTEMS
        for python in PYTHONS
        for extra in (*extras, "")
    )


def licences() -> dict[str, str]:
    """The licence of each installed package by its canonical name: SPDX where the package says so, else its classifiers."""
    command = [sys.executable, "-m", "piplicenses", "--format=json", "--from=mixed", "--with-system"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {canonicalize_name(each["Name"]): " ".join(each["License"].split()) for each in told}


def rows() -> list[tuple[str, str, str]]:
    """Name, version and licence of each shipped package."""
    read, versions = licences(), locked()
    return [(name, versions[name], read.get(name) or ELSEWHERE[name]) for name in sorted(shipped()) if name in versions]


if __name__ == "__main__":
    PAGE.write_text(INTRODUCTION + "".join(f"| {' | '.join(row)} |\n" for row in rows()), encoding="utf-8")
