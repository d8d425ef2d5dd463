"""The kernels that notebooks are executed in."""

from __future__ import annotations

import os
import tempfile

from jupyter_client.localinterfaces import localhost
from jupyter_client.manager import AsyncKernelManager
from traitlets import default


class LocalKernelManager(AsyncKernelManager):
    """Talks to its kernel over sockets in a folder that only this user can open, where the system has such sockets.

    jupyter_client's default is TCP on loopback, which every user of the machine can connect to.
    """

    _sockets: tempfile.TemporaryDirectory[str] | None = None

    @default("transport")
    def _transport(self) -> str:
        return "ipc" if os.name == "posix" else "tcp"

    @default("ip")
    def _ip(self) -> str:
        """For IPC, the beginning of the sockets' paths: absolute, since kernel and client work in different folders."""
        if self.transport != "ipc":
            return str(localhost())
        self._sockets = tempfile.TemporaryDirectory(prefix="kernel-")
        return f"{self._sockets.name}/s"

    async def _async_interrupt_kernel(self) -> None:
        """Not where the kernel is to end anyway: one that is just reading the request to end would complain of it on the terminal."""
        if not self.shutting_down:
            await super()._async_interrupt_kernel()

    interrupt_kernel = _async_interrupt_kernel

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        """Take the sockets' folder away with the kernel."""
        await super()._async_cleanup_resources(restart=restart)
        if self._sockets is not None and not restart:
            self._sockets.cleanup()
            self._sockets = None

    cleanup_resources = _async_cleanup_resources
