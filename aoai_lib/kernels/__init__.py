"""The kernels that notebooks are executed in: over sockets that only this user can open, started warm where the system can.

`sockets` says how a notebook's client and its kernel talk. `nursery` is a process that has loaded what every notebook needs
and forks a kernel from itself on demand; `provisioner` asks it for one, and starts a kernel the ordinary way where there
is no nursery.
"""

from __future__ import annotations

from aoai_lib.kernels.provisioner import warmed
from aoai_lib.kernels.sockets import LocalKernelManager

__all__ = ["LocalKernelManager", "warmed"]
