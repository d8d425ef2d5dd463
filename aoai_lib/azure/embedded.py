"""Starts the lab for whoever asks for cloud `lab` where none is announced: a notebook run by itself, a first try.

The lab is a program of its own, in a process of its own: the library talks to it as to any cloud. It ends with this process.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from typing import Any, Final

from aoai_lib.model import PlaybookError

_START_SECONDS: Final = 60


class LabError(PlaybookError):
    """The lab did not start."""


def announced() -> bool:
    """Whether the environment already names a lab."""
    return bool(os.environ.get("AOAI_LAB"))


def start(*arguments: str) -> dict[str, Any]:
    """Start the lab; its handshake: `url`, `ca_file`, and per tenant `slug` and the `environment` that points SDKs at it.

    Raises `LabError`. The process ends with this one, whatever ends it: the lab serves until its standard input closes.
    """
    process = subprocess.Popen(  # noqa: S603 - our own module, by our own interpreter
        [sys.executable, "-m", "aoai_lib.lab", "--handshake", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    atexit.register(_stop, process)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        _, complaint = process.communicate(timeout=_START_SECONDS)
        raise LabError(
            f"The lab did not start: {complaint.strip().splitlines()[-1] if complaint.strip() else 'it said nothing'}. "
            "Its packages come with `make setup`, or with `pip install aoai-playbook[lab]`."
        )
    handshake: dict[str, Any] = json.loads(line)
    return handshake


def _stop(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()


def environment(handshake: dict[str, Any], tenant: str) -> dict[str, str]:
    """What must be set for a tenant of the lab. Raises `LabError` for a tenant that the lab does not have."""
    found = {each["slug"]: each["environment"] for each in handshake["tenants"]}
    if tenant not in found:
        raise LabError(f"The lab has no tenant “{tenant}”: it has {', '.join(found)}.")
    return dict(found[tenant])
