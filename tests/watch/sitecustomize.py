"""Loaded by every Python that has this folder on its path: writes down whom it would connect to, as lines of `AOAI_WATCH`.

What is written in C without Python's sockets (ZeroMQ, DuckDB) is not seen: by hand, strace sees it (docs/supply-chain.md).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

_WATCHED = {"socket.connect": 1, "socket.sendto": 1, "socket.getaddrinfo": 0, "socket.gethostbyname": 0}


def _keep(*words: object) -> None:
    with Path(os.environ["AOAI_WATCH"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(words) + "\n")


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    place = _WATCHED.get(event)
    if place is None:
        return
    address = arguments[place]
    if isinstance(address, str | bytes) and event in ("socket.connect", "socket.sendto"):
        return  # a socket of this machine, by its file
    host = address[0] if isinstance(address, tuple) else address
    _keep(event, host.decode() if isinstance(host, bytes) else host)


if "AOAI_WATCH" in os.environ:
    _keep("began", " ".join(sys.orig_argv))
    sys.addaudithook(_note)
