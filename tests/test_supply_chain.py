"""What comes along with the playbook: nothing undeclared, nothing under an unknown licence, and nobody who phones home.

`AOAI_WATCH_ALL=1` watches an assessment of all phases instead of one; `AOAI_RUNTIME=PYTHON` names a Python that has the runtime
dependencies and no others (`make runtime`).
"""

from __future__ import annotations

import ast
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from tenants import ROOT
from test_environment import EXTRAS, LOCK, RUNTIME, locked

sys.path.insert(0, str(ROOT / "docs"))
import render_licences

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
SAMPLE = ROOT / "docs" / "samples" / "recorded.jsonl"
ROOMS = {"lab/": "lab", "fleet/workers.py": "dask", "storage.py": "storage", "bundle/timestamp.py": "timestamp"}
"""What needs an extra: a room or a module of `aoai_lib`, and the extra. Everything else makes do with the runtime dependencies."""
MAY_BE_SHIPPED = re.compile(
    r"(0BSD|Apache(-2\.0| 2\.0| Software License| License, Version 2\.0)|BSD( License|-[23]-Clause)?|CC0-1\.0|ISC( License \(ISCL\))?"
    r"|MIT(-0| License)?|MPL-2\.0|Mozilla Public License 2\.0 \(MPL 2\.0\)|PSF-2\.0|Python Software Foundation License"
    r"|The Unlicense \(Unlicense\)|Zlib)"
)
PERMISSIVE_BUT_FILES = {"certifi", "fqdn", "tqdm"}
"""Under the Mozilla Public License, which asks for nothing unless their own files are changed; they are not."""


NAMED_OTHERWISE = {"IPython": "ipython", "dns": "dnspython", "jwt": "pyjwt", "yaml": "pyyaml"}


def package_of(module: str, declared: set[str]) -> str:
    """The package that a module belongs to: mostly the one of its name. `azure` is a folder of many packages."""
    steps = module.split(".")
    names = (canonicalize_name("-".join(steps[:count])) for count in range(len(steps), 0, -1))
    return NAMED_OTHERWISE.get(steps[0]) or next((name for name in names if name in declared), module)


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports when it runs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{each.name}" for each in node.names)


def test_each_import_is_of_a_package_that_its_room_declares() -> None:
    everything, used, undeclared = {*RUNTIME, *(each for extra in EXTRAS.values() for each in extra)}, set(), []
    for path in (ROOT / "aoai_lib").rglob("*.py"):
        name = path.relative_to(ROOT / "aoai_lib").as_posix()
        extra = next((extra for room, extra in ROOMS.items() if name.startswith(room)), None)
        allowed = {*RUNTIME, *(EXTRAS[extra] if extra else ())}
        for module in imported(path):
            if module.partition(".")[0] in sys.stdlib_module_names or module.startswith("aoai_lib"):
                continue
            package = package_of(module, everything)
            used.add(package)
            undeclared += [f"{name}: {module} of {package}"] if package not in allowed else []
    assert undeclared == []
    assert set(RUNTIME) - used == set(), "declared and used by nothing"


def test_what_is_installed_is_locked_by_hash() -> None:
    installs = [line for line in MAKEFILE.splitlines() if re.search(r"(?i)\bpip\b.* install\b", line)]
    assert len(installs) == 5
    for line in installs:
        assert "--require-hashes" in line or "--no-deps" in line or "tests/az/requirements.txt" in line, line
    assert LOCK.count("--hash=sha256:") > 2000


def test_the_audit_fails_where_nobody_could_be_asked() -> None:
    """Without `--strict` pip-audit passes over what it knows nothing of, and says that there are no known holes."""
    recipe = MAKEFILE.split("\naudit:")[1].split("\n\n")[0]
    assert "--strict" in recipe
    assert "requirements.lock" in recipe


def test_every_shipped_package_is_listed_under_a_licence_that_may_be_shipped() -> None:
    listed = {
        name: (version, licence) for name, version, licence in re.findall(r"(?m)^\| (\S+) \| (\S+) \| (.+) \|$", PAGE)
    }
    del listed["package"]
    versions = {canonicalize_name(name): version for name, version in locked().items()}
    wanted = {name for name in render_licences.shipped() if name in versions}
    assert set(listed) == wanted, "run `make licences`"
    assert {name: version for name, (version, _) in listed.items()} == {name: versions[name] for name in wanted}
    parts = {name: re.split(r" AND | OR |; ", licence) for name, (_, licence) in listed.items()}
    assert {name: part for name, found in parts.items() for part in found if not MAY_BE_SHIPPED.fullmatch(part)} == {}
    mozilla = {name for name, found in parts.items() if any("MPL" in part for part in found)}
    assert mozilla == PERMISSIVE_BUT_FILES


class Watched:
    """The environment of a process whose connections, and those of all that it starts, are written down."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "watched"
        self.environment = {**os.environ, "AOAI_WATCH": str(self.log), "PYTHONPATH": str(ROOT / "tests" / "watch")}

    def run(self, *words: str | Path) -> None:
        command = [sys.executable, *map(str, words)]
        done = subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def hosts(self) -> set[str]:
        text = self.log.read_text(encoding="utf-8") if self.log.exists() else ""
        return {str(host) for event, host in map(json.loads, text.splitlines()) if event != "began"}

    @property
    def processes(self) -> set[str]:
        """The command lines of all that was watched."""
        found = map(json.loads, self.log.read_text(encoding="utf-8").splitlines())
        return {words for event, words in found if event == "began"}

    @property
    def elsewhere(self) -> set[str]:
        """Whom it turned to that is not this machine."""
        return {host for host in self.hosts if not _is_here(host)}


def _is_here(host: str) -> bool:
    if host in ("localhost", "", "None", socket.gethostname()):
        return True
    try:
        return ip_address(host).is_loopback or ip_address(host).is_unspecified
    except ValueError:
        return False


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_call_elsewhere_would_be_seen(watched: Watched) -> None:
    watched.run(
        "-c", "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('192.0.2.1', 9))"
    )
    assert watched.elsewhere == {"192.0.2.1"}


def test_an_assessment_turns_to_the_lab_and_to_nobody_else(watched: Watched, tmp_path: Path) -> None:
    some = () if os.environ.get("AOAI_WATCH_ALL") else ("--phase", "00")
    watched.run("-m", "aoai_lib", "assess", ROOT / "parameters" / "hardened.yaml", "--out", tmp_path / "out", *some)
    assert watched.hosts >= {"127.0.0.1", "localhost"}
    for started in ("aoai_lib.lab", "aoai_lib.fleet.child", "aoai_lib.kernels.nursery"):
        assert any(started in words for words in watched.processes), f"{started} was not watched"
    assert watched.elsewhere == set()


@pytest.mark.skipif(
    not os.environ.get("AOAI_WATCH_ALL"), reason="`make watch` imports all that is installed with all extras"
)
def test_importing_everything_turns_to_nobody(watched: Watched) -> None:
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "aoai_lib").rglob("*.py")
        if path.stem not in ("__init__", "__main__", "child")
    )
    others = [
        "papermill",
        "jupyterlab",
        "openai",
        "distributed",
        "dask",
        "adlfs",
        "duckdb",
        "pandas",
        "IPython",
        "nbconvert",
    ]
    watched.run("-c", f"import importlib\nfor name in {[*modules, *others]}: importlib.import_module(name)")
    assert watched.elsewhere == set()


@pytest.mark.skipif(not os.environ.get("AOAI_WATCH_ALL"), reason="`make watch` starts JupyterLab")
def test_jupyterlab_asks_nobody_for_news_updates_and_extensions(watched: Watched, tmp_path: Path) -> None:
    """As it comes it does, as soon as a browser opens it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = (f"--ServerApp.port={port}", "--IdentityProvider.token=t", f"--ServerApp.root_dir={tmp_path}")
    command = [sys.executable, "-m", "jupyterlab", "--allow-root", "--no-browser", "--ServerApp.ip=127.0.0.1", *options]
    server = subprocess.Popen(command, env=watched.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        said = {
            name: _asked(f"http://127.0.0.1:{port}/lab/api/{name}") for name in ("update", "news", "extensions?query=a")
        }
    finally:
        server.terminate()
        server.wait()
    assert said == {"update": {"notification": None}, "news": {"news": []}, "extensions?query=a": []}
    assert watched.elsewhere == set()


def _asked(url: str) -> object:
    request = urllib.request.Request(url, headers={"Authorization": "token t"})
    for _ in range(120):
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.load(answer)
        except (ConnectionRefusedError, urllib.error.URLError):
            time.sleep(0.5)
    raise AssertionError(f"{url} never answered")


@pytest.mark.skipif(
    "AOAI_RUNTIME" not in os.environ, reason="`make runtime` builds an environment of the runtime dependencies alone"
)
def test_the_runtime_dependencies_are_enough_to_assess_and_to_verify(tmp_path: Path) -> None:
    def aoai(*words: str | Path) -> str:
        command = [os.environ["AOAI_RUNTIME"], "-m", "aoai_lib", *map(str, words)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "NET-01" in aoai("controls")
    aoai("assess", "--replay", SAMPLE, "--out", tmp_path / "out")
    (folder,) = (tmp_path / "out" / "recorded").iterdir()
    sealed = {each.name for each in folder.iterdir()} - {"SHA256SUMS"}
    assert {"report.html", "05_validation_checklist.html", "findings.xlsx"} <= sealed
    assert f"All {len(sealed)} files are as they were sealed" in aoai("verify", folder)
    listed = subprocess.run(
        [os.environ["AOAI_RUNTIME"], "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True
    )
    there = {canonicalize_name(each["name"]) for each in json.loads(listed.stdout)}
    extra = {*EXTRAS["lab"], *EXTRAS["dask"], *EXTRAS["storage"], "jupyterlab", "pytest", "rfc3161-client"}
    assert there & extra == {"anyio", "pyjwt"}, "openai and msal need these two, the lab imports them itself"
