"""The Azure CLI as a test uses it: a process of its own, signed in at a lab, and what it shows as JSON."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aoai_lib.lab.server import Lab

LIMIT = 300  # seconds for one command; the first one of a fresh installation compiles a few thousand modules


@dataclass(frozen=True)
class Az:
    """The command, and the environment that keeps it away from the cloud and from its user's own configuration."""

    command: str
    environment: dict[str, str]

    def ask(self, *words: str) -> Any:
        """What a command shows; None for nothing. Fails with what the command says when it does not succeed."""
        done = self._run(words)
        assert done.returncode == 0, f"az {' '.join(words)}: {done.stderr[-2000:]}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def refused(self, *words: str) -> str:
        """The error of a command that must not succeed."""
        done = self._run(words)
        assert done.returncode != 0, f"az {' '.join(words)} succeeded: {done.stdout[:500]}"
        return done.stderr

    def _run(self, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        line = [self.command, *words, "--only-show-errors", "--output", "json"]
        return subprocess.run(line, env=self.environment, capture_output=True, text=True, timeout=LIMIT, check=False)


def at(command: str, lab: Lab, folder: Path, more: Mapping[str, str] | None = None) -> Az:
    """The Azure CLI with its cloud set to the lab, not signed in; see docs/lab.md."""
    environment = {
        **os.environ,
        "AZURE_CONFIG_DIR": str(folder),
        "AZURE_CORE_COLLECT_TELEMETRY": "false",
        "AZURE_CORE_INSTANCE_DISCOVERY": "false",
        "NO_PROXY": "localhost,127.0.0.1",
        "REQUESTS_CA_BUNDLE": lab.ca_file,
    }
    az = Az(command, environment | dict(more or {}))
    az.ask("cloud", "register", "--name", "lab", "--endpoint-resource-manager", lab.url)
    az.ask("cloud", "set", "--name", "lab")
    return az


def signed_in(command: str, lab: Lab, slug: str, identity: str, folder: Path) -> Az:
    """The Azure CLI signed in at the lab by client credentials, as one of a tenant's identities."""
    az, who = at(command, lab, folder), lab.service_principal(slug, identity)
    secret = ("--username", who["client_id"], "--password", who["client_secret"], "--tenant", who["tenant"])
    az.ask("login", "--service-principal", *secret)
    return az
