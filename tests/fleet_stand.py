"""A fleet as tests assess it: many labels over a small recording, and who is told what."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tenants import ROOT

RECORDING = ROOT / "docs" / "samples" / "recorded.jsonl"


@dataclass
class Audience:
    """Keeps what it is told; `on_tell` is called with it too."""

    told: list[tuple[str, str]] = field(default_factory=list)
    said: list[tuple[str, str]] = field(default_factory=list)
    on_tell: Callable[[str, str], None] = lambda tenant, what: None

    def tell(self, tenant: str, what: str, share: float) -> None:
        self.told.append((tenant, what))
        self.on_tell(tenant, what)

    def say(self, tenant: str, text: str) -> None:
        self.said.append((tenant, text))


def parameters_files(folder: Path, labels: tuple[str, ...]) -> list[str]:
    """A parameters file for each label."""
    for label in labels:
        (folder / f"{label}.yaml").write_text(f"tenant: {label}\ncloud: public\n", encoding="utf-8")
    return [str(folder / f"{label}.yaml") for label in labels]


def command(files: list[str], *options: str | Path) -> list[str]:
    """`aoai assess` over the recording, one notebook."""
    replay = ["--replay", str(RECORDING), "--phase", "00"]
    return [sys.executable, "-m", "aoai_lib", "assess", *files, *replay, *(str(each) for each in options)]


def run(files: list[str], *options: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    """The command, carried out."""
    surroundings = {**os.environ, "COLUMNS": "200", **more}
    return subprocess.run(command(files, *options), cwd=ROOT, env=surroundings, capture_output=True, text=True)


def sealed(out: Path) -> dict[str, Path]:
    """The sealed run of each tenant. There is one for each at most."""
    found = [path.parent for path in out.glob("*/*/SHA256SUMS")]
    assert len({path.parent.name for path in found}) == len(found), "a tenant was assessed twice"
    return {path.parent.name: path for path in found}


def unsealed(out: Path) -> list[Path]:
    """Runs that were begun and are not finished."""
    return [path for path in out.glob("*/*") if path.is_dir() and not (path / "SHA256SUMS").is_file()]


class Started:
    """A command at work."""

    def __init__(self, process: subprocess.Popen[bytes], told: IO[bytes], said: IO[bytes]) -> None:
        self.process, self._told, self._said = process, told, said

    def reach(self, reached: Callable[[], bool]) -> None:
        """Wait until it has come so far."""
        while not reached():
            assert self.process.poll() is None, f"it ended before: {self.ended()}"
            time.sleep(0.01)

    def ended(self, how: signal.Signals | None = None) -> tuple[int, str, str]:
        """How it ended, by itself or by that signal: its exit code, and what it printed."""
        if how is not None:
            self.process.send_signal(how)
        code = self.process.wait()
        for file in (self._told, self._said):
            file.seek(0)
        return code, self._told.read().decode(), self._said.read().decode()


@contextmanager
def started(words: list[str], **surroundings: str) -> Iterator[Started]:
    """Start a command, and end it whatever a test makes of it."""
    environment = {**os.environ, "COLUMNS": "200", **surroundings}
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=told, stderr=said)
        try:
            yield Started(process, told, said)
        finally:
            process.kill()
            process.wait()


def settled(out: Path) -> None:
    """Wait until nobody fills a run any more: the processes of a killed batch end by themselves."""
    import fcntl

    until = time.monotonic() + 20
    for path in unsealed(out):
        while path.is_dir():
            handle = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                assert time.monotonic() < until, "an orphan goes on"
                time.sleep(0.05)
            finally:
                os.close(handle)


def process_of(mark: str) -> int:
    """The process of this machine that has a mark in its environment (Linux)."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes().split(b"\0") and int(path.parent.name) != os.getpid():
                return int(path.parent.name)
        except OSError:
            continue
    raise AssertionError(f"no process with {mark}")


def gone(number: str) -> bool:
    """Whether a process ends soon (Linux). One that nobody waits for has ended."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{int(number)}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.05)
    return False


class Silent:
    """A server that takes every connection and never says a word."""

    def __enter__(self) -> str:
        import socket

        self._socket = socket.create_server(("127.0.0.1", 0))
        self._taken: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def _take(self) -> None:
        while True:
            try:
                self._taken.append(self._socket.accept()[0])
            except OSError:
                return

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        for each in self._taken:
            each.close()
