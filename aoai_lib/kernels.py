"""The kernels that notebooks are executed in."""

from __future__ import annotations

import os

from jupyter_client.manager import AsyncKernelManager
from traitlets import default


class LocalKernelManager(AsyncKernelManager):
    """Talks to its kernel over sockets in the file system, which only this user can open, where the system has them.

    jupyter_client's default is TCP on loopback, which every user of the machine can connect to.
    """

    @default("transport")
    def _transport(self) -> str:
        return "ipc" if os.name == "posix" else "tcp"
