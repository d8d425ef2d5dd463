"""Azurite, Microsoft's emulator of Azure Storage, on a free port of loopback, with an account of its own and no telemetry."""

from __future__ import annotations

import base64
import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient
from tenants import ROOT

PROGRAM = ROOT / "tests" / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
needs_azurite = pytest.mark.skipif(
    shutil.which("node") is None or not PROGRAM.is_file(), reason="Azurite is not here: `make azurite` sets it up"
)
ACCOUNT = "fleetruns"


class Azurite:
    """While it lasts, an empty container `runs` at `url`, which `surroundings` open."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.key = base64.b64encode(secrets.token_bytes(64)).decode()
        self.url = f"abfs://runs@{ACCOUNT}.dfs.core.windows.net"

    def __enter__(self) -> Azurite:
        self._process = subprocess.Popen(
            ["node", str(PROGRAM), "--blobHost", "127.0.0.1", "--blobPort", "0", "--location", str(self._folder),
             "--silent", "--disableTelemetry", "--skipApiVersionCheck"],
            env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{self.key}"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            assert self._process.stdout
            said = ""
            while not (found := re.search(r"successfully listens on (http://\S+)", said)):
                line = self._process.stdout.readline()
                assert line, f"Azurite did not start: {said}"
                said += line
            place = f"AccountName={ACCOUNT};AccountKey={self.key};BlobEndpoint={found[1]}/{ACCOUNT};"
            self.surroundings = {"AZURE_STORAGE_CONNECTION_STRING": f"DefaultEndpointsProtocol=http;{place}"}
            self.container = ContainerClient.from_connection_string(
                self.surroundings["AZURE_STORAGE_CONNECTION_STRING"], "runs"
            )
            self.container.create_container()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()
        if hasattr(self, "container"):
            self.container.close()

    def names(self, under: str) -> list[str]:
        """What lies in a folder of the container, as names in it."""
        return sorted(each.name.removeprefix(f"{under}/") for each in self.container.list_blobs(f"{under}/"))

    def read(self, name: str) -> bytes:
        return self.container.download_blob(name).readall()

    def sealed(self, under: str) -> dict[str, str]:
        """The sealed run of each tenant. There is one for each at most."""
        found = [name.split("/") for name in self.names(under) if name.endswith("/SHA256SUMS")]
        assert len({tenant for tenant, *_ in found}) == len(found), "a tenant was assessed twice"
        return {tenant: run_id for tenant, run_id, _ in found}

    def download(self, under: str, to: Path) -> Path:
        """All of a folder of the container, as files."""
        for name in self.names(under):
            target = to / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.read(f"{under}/{name}"))
        return to
