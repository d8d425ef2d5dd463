"""Gives notebooks kernels that are forked from a loaded parent, and the ordinary start where that can't be."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

NAME: Final = "aoai-warm"
"""The provisioner's name among the entry points."""
NURSERY_VARIABLE: Final = "AOAI_NURSERY"
"""Environment variable that names the socket of a nursery."""
_ORDINARY: Final = ("-m", "ipykernel_launcher", "-f")
_PATIENCE: Final = 30
"""Seconds in which a nursery must have loaded everything and have forked a kernel; then one is started the ordinary way."""
_PRINTED: Final = (1, 2)
"""Files that a kernel's own output goes to, as it does for kernels that are started the ordinary way."""
_FORKS: Final = sys.platform == "linux"
"""Whether a process that has loaded libraries may be forked. On macOS system libraries forbid it; Windows has no fork."""


class ForkedKernel:
    """A kernel that a nursery forked, as the part of `subprocess.Popen` that provisioners use."""

    stdin = stdout = stderr = None

    def __init__(self, connection: socket.socket) -> None:
        """Waits for the kernel's process number. Raises `OSError`, `EOFError` where the nursery gives none."""
        self._connection, self._said = connection, b""
        self.pid = self._number()
        connection.setblocking(False)
        self.returncode: int | None = None

    def _number(self) -> int:
        while b"\n" not in self._said:
            said = self._connection.recv(64)
            if not said:
                raise EOFError
            self._said += said
        line, _, self._said = self._said.partition(b"\n")
        return int(line)

    def poll(self) -> int | None:
        """The exit status, None while the kernel runs. A nursery that is gone took its kernels along."""
        if self.returncode is None:
            try:
                self.returncode = self._number()
            except BlockingIOError:
                return None
            except (OSError, EOFError):
                self.returncode = -signal.SIGKILL
            self._connection.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once there is one. Raises `subprocess.TimeoutExpired`."""
        until = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired("kernel", timeout or 0)
            time.sleep(0.02)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal to the kernel and what it started."""
        if self.poll() is None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._connection.sendall(b"signal %d\n" % number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class WarmProvisioner(LocalProvisioner):
    """A local provisioner that has its kernel forked by the nursery that `AOAI_NURSERY` names, where there is one."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Have a kernel forked; start it the ordinary way where there is no nursery or the command is not a plain kernel."""
        kernel = await asyncio.to_thread(_forked, cmd, kwargs)
        if kernel is None:
            return await super().launch_kernel(cmd, **kwargs)
        self.process = cast("subprocess.Popen[bytes]", kernel)
        # The group is the nursery's to signal: it knows whether the number is still this kernel's.
        self.pid, self.pgid, self.cwd = kernel.pid, None, kwargs.get("cwd", Path.cwd())
        return self.connection_info


def _forked(command: list[str], wanted: dict[str, Any]) -> ForkedKernel | None:
    path = os.environ.get(NURSERY_VARIABLE)
    if not path or tuple(command[1:4]) != _ORDINARY or not Path(command[0]).samefile(sys.executable):
        return None
    environment = {**(wanted.get("env") or os.environ)}
    environment.pop(NURSERY_VARIABLE, None)
    asked = {"argv": command[2:], "cwd": str(wanted.get("cwd") or Path.cwd()), "env": environment}
    request = json.dumps(asked).encode() + b"\n"
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(_PATIENCE)
        connection.connect(path)
        with Path(os.devnull).open("rb") as nothing:
            sent = socket.send_fds(connection, [request], [nothing.fileno(), *_PRINTED])
        connection.sendall(request[sent:])
        return ForkedKernel(connection)
    except (OSError, EOFError):
        connection.close()
        return None


@contextlib.contextmanager
def warmed() -> Iterator[None]:
    """While it lasts, this process and those it starts have their kernels forked from one loaded parent.

    Where a nursery is there already, or the system can't fork a loaded process safely, nothing is changed.
    """
    if os.environ.get(NURSERY_VARIABLE) or not _FORKS:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="nursery-") as folder:
        path = str(Path(folder) / "s")
        # Bound here, so that whoever asks before the nursery has loaded waits in its queue.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            listening.bind(path)
            listening.listen()
            nursery = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "aoai_lib.kernels.nursery", str(listening.fileno())],
                stdin=subprocess.PIPE,
                pass_fds=[listening.fileno()],
                start_new_session=True,
            )
        variables = {NURSERY_VARIABLE: path, KernelProvisionerFactory.default_provisioner_name_env: NAME}
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        KernelProvisionerFactory.clear_instance()  # it has read its variable, if it is there already
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                os.environ.update({} if value is None else {name: value})
            KernelProvisionerFactory.clear_instance()
            nursery.communicate()
