"""The four places that name dependencies say the same: pyproject, lock, conda environment, documentation."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUNTIME: list[str] = PROJECT["project"]["dependencies"]
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
DEV: list[str] = PROJECT["dependency-groups"]["dev"]


def locked() -> dict[str, str]:
    return {name.lower(): version for name, version in re.findall(r"(?m)^([\w.-]+)==([^\s;\\]+)", LOCK)}


def conda() -> list[Any]:
    dependencies: list[Any] = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    return dependencies


def test_the_lock_holds_every_dependency_with_hashes_and_no_address() -> None:
    named = {name.lower() for name in [*RUNTIME, *DEV, *(one for extra in EXTRAS.values() for one in extra)]}
    assert named <= set(locked())
    requirements = re.split(r"(?m)^(?=[\w.-]+==)", LOCK)[1:]
    assert len(requirements) > 100
    assert all("--hash=sha256:" in requirement for requirement in requirements)
    assert not re.search(r"://|--(?!hash=sha256:[0-9a-f]{64})", LOCK), (
        "an option or address of one machine is in the lock"
    )


def test_conda_installs_what_is_locked() -> None:
    pip = next(entry["pip"] for entry in conda() if isinstance(entry, dict))
    pinned = dict(entry.split("==") for entry in pip if "==" in entry)
    wanted = {*RUNTIME, *(name for extra in EXTRAS.values() for name in extra)}
    assert pinned == {name: locked()[name.lower()] for name in wanted}
    assert [entry for entry in pip if "==" not in entry] == ["--editable ."]


def test_conda_has_a_python_that_is_supported() -> None:
    minor = next(entry.removeprefix("python=") for entry in conda() if str(entry).startswith("python="))
    assert f"Programming Language :: Python :: {minor}" in PROJECT["project"]["classifiers"]


def test_conda_says_why_each_package_is_there() -> None:
    lines = (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines()
    packages = [line for line in lines if re.match(r"\s+- (?!pip:$|conda-forge$)", line)]
    assert len(packages) > len(RUNTIME)
    assert [line for line in packages if not re.search(r" # \w.{8,}", line)] == []


@pytest.mark.parametrize(
    ("section", "packages"),
    [
        ("Runtime", RUNTIME),
        ("Lab", EXTRAS["lab"]),
        ("Cluster", EXTRAS["dask"]),
        ("Object storage", EXTRAS["storage"]),
        ("Notebooks", EXTRAS["notebooks"]),
        ("Development", DEV),
    ],
)
def test_the_documentation_explains_each_dependency(section: str, packages: list[str]) -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    table = page.split(f"\n## {section}\n")[1].split("\n## ")[0].split("|---|---|\n")[1]
    assert set(dict(re.findall(r"(?m)^\| (\S+) \| (.{8,}) \|$", table))) == set(packages)
