"""A process that has loaded what notebooks need, and forks a kernel from itself for whoever asks over its socket.

Run as `python -m aoai_lib.kernels.nursery N`, N being the number of an open socket that listens. It has one thread and never executes a notebook itself. It ends, with all
its kernels, when its standard input ends: it can't outlive who started it. A kernel ends when the connection that asked for it
ends.

The protocol, over a stream socket of the file system: the client sends one line of JSON, `{"argv": […], "cwd": …, "env": {…}}`,
with three open files (standard input, output, error) as ancillary data. The nursery answers with the kernel's process number
and, when the kernel has ended, its exit status as `subprocess` counts it (a signal is negative); each on a line of its own. The
client may send `signal N`, a line each, for the kernel's process group; nothing reaches a process that has ended and whose
number may be another's by now.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aoai_lib.controls import catalogue

if TYPE_CHECKING:
    from ipykernel.iostream import IOPubThread

LOADED: Final = (
    "IPython.core.completer",
    "IPython.core.magics",
    "ipykernel.inprocess",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "aoai_lib.run",
    "aoai_lib.evidence.snapshots",
    "aoai_lib.evidence.store",
    "aoai_lib.collect.monitoring",
    "aoai_lib.collect.scope",
    "aoai_lib.harden.making",
    "aoai_lib.harden.preflight",
    "aoai_lib.harden.tables",
    "aoai_lib.harden.wire",
    "jinja2",
)
"""What a kernel of the playbook has loaded by its last cell."""
_STREAMS: Final = 3
_LONGEST: Final = 1 << 20
"""Octets of a request for a kernel: an environment may be large."""


@dataclass
class _Kernel:
    """A kernel and the connection that asked for it. `pid` is 0 before it was born and after it ended."""

    connection: socket.socket
    heard: bytes = b""
    files: list[int] = field(default_factory=list)
    pid: int = 0

    def signal(self, number: int) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)


@dataclass(frozen=True)
class _Birth:
    """In the newly forked process: what it is to become."""

    argv: list[str]
    cwd: str
    environment: dict[str, str]
    files: list[int]


class _Nursery:
    def __init__(self, listening: socket.socket) -> None:
        self._selector = selectors.DefaultSelector()
        self._listening = listening
        self._ended, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        os.set_blocking(self._ended, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._wakeup = wakeup
        self._kernels: dict[int, _Kernel] = {}
        self._orphaned = False
        self._selector.register(self._listening, selectors.EVENT_READ, self._admit)
        self._selector.register(self._ended, selectors.EVENT_READ, self._reap)
        self._selector.register(0, selectors.EVENT_READ, self._look_after_parent)

    def serve(self) -> _Birth | None:
        """Returns nothing when whoever started the nursery is gone, and a birth in each process that it forks."""
        while True:
            for key, _ in self._selector.select():
                attend: Callable[[], _Birth | None] = key.data
                if (birth := attend()) is not None:
                    return birth
                if self._orphaned:
                    return None

    def close(self) -> None:
        """End all kernels."""
        for each in self._kernels.values():
            each.signal(signal.SIGKILL)

    def _look_after_parent(self) -> None:
        self._orphaned = not os.read(0, 512)

    def _admit(self) -> None:
        connection, _ = self._listening.accept()
        kernel = _Kernel(connection)
        self._kernels[connection.fileno()] = kernel
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._hear(kernel))

    def _hear(self, kernel: _Kernel) -> _Birth | None:
        try:
            heard, files, _, _ = socket.recv_fds(kernel.connection, 65536, _STREAMS)
        except OSError:
            heard, files = b"", []
        kernel.files += files
        kernel.heard += heard
        if not heard or len(kernel.heard) > _LONGEST:
            self._forget(kernel)
            return None
        while b"\n" in kernel.heard:
            line, _, kernel.heard = kernel.heard.partition(b"\n")
            if kernel.pid or line.startswith(b"signal "):
                kernel.signal(int(line.split()[1]))
            elif (birth := self._bear(kernel, line)) is not None:
                return birth
        return None

    def _bear(self, kernel: _Kernel, line: bytes) -> _Birth | None:
        asked = json.loads(line)
        birth = _Birth(asked["argv"], asked["cwd"], asked["env"], kernel.files)
        kernel.pid = os.fork()
        if not kernel.pid:
            os.setsid()
            self._leave(kernel.files)
            return birth
        while kernel.files:
            os.close(kernel.files.pop())
        self._tell(kernel, kernel.pid)
        return None

    def _leave(self, kept: list[int]) -> None:
        """In a newly forked process: let go of everything that is the nursery's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        self._listening.close()
        os.close(self._ended)
        os.close(self._wakeup)
        for each in self._kernels.values():
            each.connection.close()
            for number in each.files:
                if number not in kept:
                    os.close(number)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._ended, 512):
                pass
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                for each in self._kernels.values():
                    if each.pid == pid:
                        each.pid = 0
                        self._tell(each, os.waitstatus_to_exitcode(status))

    def _tell(self, kernel: _Kernel, number: int) -> None:
        with contextlib.suppress(OSError):
            kernel.connection.sendall(b"%d\n" % number)

    def _forget(self, kernel: _Kernel) -> None:
        kernel.signal(signal.SIGKILL)
        self._selector.unregister(kernel.connection)
        del self._kernels[kernel.connection.fileno()]
        kernel.connection.close()
        while kernel.files:
            os.close(kernel.files.pop())


def _become(birth: _Birth) -> None:
    """Turn the forked process into the kernel that was asked for."""
    for number, file in enumerate(birth.files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(birth.environment)
    os.chdir(birth.cwd)
    # A kernel ends by itself when it has another parent than this.
    sys.argv = [*birth.argv, f"--IPKernelApp.parent_handle={os.getppid()}"]

    from ipykernel import iostream, kernelapp

    vars(kernelapp)["IOPubThread"] = _without_pipe(iostream.IOPubThread)
    kernelapp.launch_new_instance()


def _without_pipe(thread: type[IOPubThread]) -> type[IOPubThread]:
    """The thread that publishes a kernel's output, without ipykernel's way for processes that are forked from a kernel to print: it
    listens on TCP, where every user of the machine can connect, and cells of the playbook fork none."""

    class WithoutPipe(thread):  # type: ignore[misc,valid-type]
        def __init__(self, socket: Any, pipe: bool = False, session: Any = False) -> None:
            del pipe
            super().__init__(socket, pipe=False, session=session)

    return WithoutPipe


def main(number: int) -> None:
    """Load, then serve until standard input ends."""
    if sys.path[0] in ("", str(Path.cwd())):
        del sys.path[0]
    for name in LOADED:
        importlib.import_module(name)
    catalogue()
    gc.collect()
    gc.freeze()
    nursery = _Nursery(socket.socket(fileno=number))
    birth = nursery.serve()
    if birth is not None:
        _become(birth)
    else:
        nursery.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
