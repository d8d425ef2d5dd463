"""The lab as a running thing: two TLS listeners on loopback, served from a background thread.

For tests and the command line::

    with Lab(load_worlds(["hardened"])) as lab:
        os.environ.update(lab.environment("hardened"))
        client = CognitiveServicesManagementClient(
            DefaultAzureCredential(), subscription_id, base_url=lab.url,
            credential_scopes=["https://management.azure.com/.default"],
        )

``lab.url`` is the listener that the internet sees, ``lab.private_url`` the one inside the virtual network.
``lab.vantages["inside"]`` says where the ``resolver`` and the ``gateway`` of a vantage point listen.
``lab.environment(slug, identity="assessor")`` is what points the SDKs at the lab, ``lab.requests`` every request received,
``lab.faults.add("429:3:deployments")`` makes it fail, ``lab.state(slug)`` is a tenant's state.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import trustme
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from aoai_lib.lab import propagation
from aoai_lib.lab.app import Application, Received
from aoai_lib.lab.dataplane import SUFFIXES
from aoai_lib.lab.faults import Faults
from aoai_lib.lab.names import VANTAGES
from aoai_lib.lab.quota import quota_of
from aoai_lib.lab.seed import tenant_of
from aoai_lib.lab.store import Tenant
from aoai_lib.lab.tokens import LIFETIME, Issuer
from aoai_lib.lab.vantages import Vantage
from aoai_lib.lab.world import World, load_worlds

__all__ = ["Lab", "load_worlds"]


class Lab:
    """A lab over some worlds. A context manager; ``start`` and ``stop`` do the same by hand.

    ``port`` is the public listener's (0: any free one), ``polls`` how many looks a long-running operation takes,
    ``token_seconds`` how long a managed identity's token is good, ``key_delay`` and ``blocklist_delay`` how many seconds
    switched-off keys are still taken and new blocklist items without effect (else as each world says, or not at all),
    ``quota`` how much a caller may read in a subscription, ``250:25`` as on the service (else as much as it likes).
    """

    def __init__(
        self,
        worlds: Sequence[World],
        *,
        latency_ms: float = 0,
        faults: Sequence[str] = (),
        port: int = 0,
        polls: int = 2,
        token_seconds: int = LIFETIME,
        key_delay: float | None = None,
        blocklist_delay: float | None = None,
        quota: str = "",
    ) -> None:
        if not worlds:
            raise ValueError("a lab needs at least one world")
        self.faults = Faults()
        self.faults.extend(faults)
        self._sockets = [_listen(port), _listen(0)]
        ports = [each.getsockname()[1] for each in self._sockets]
        self.url, self.private_url = (f"https://localhost:{each}" for each in ports)
        with contextlib.ExitStack() as refused:
            for each in self._sockets:
                refused.callback(each.close)
            self._tenants = [tenant_of(world, self.url, polls) for world in worlds]
            refused.pop_all()
        for tenant in self._tenants:
            propagation.begin(tenant, key_delay=key_delay, blocklist_delay=blocklist_delay)
        self._issuer = Issuer(self._tenants, self.url, token_seconds)
        self._application = Application(
            self._tenants, self._issuer, self.faults, latency_ms, quota_of(quota) if quota else None
        )
        listeners = dict(zip(("public", "private"), ports, strict=True))
        self._vantages = [Vantage(name, self._tenants, self._application.changing, listeners) for name in VANTAGES]
        self._folder = tempfile.TemporaryDirectory(prefix="lab-ca-", ignore_cleanup_errors=True)
        self.ca_file = str(Path(self._folder.name) / "ca.pem")
        self._context = self._certify()
        self._servers: list[uvicorn.Server] = []
        self._thread: threading.Thread | None = None
        self._started = threading.Event()

    def _certify(self) -> ssl.SSLContext:
        authority = trustme.CA(organization_name="The lab")
        authority.cert_pem.write_to_path(self.ca_file)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1", *(f"*.{each}" for each in sorted(SUFFIXES))).configure_cert(
            context
        )
        return context

    def start(self) -> Self:
        """Serve from a background thread; returns when both listeners answer."""
        self._thread = threading.Thread(target=self._run, name="lab", daemon=True)
        self._thread.start()
        if not self._started.wait(20):
            raise RuntimeError("the lab did not start within twenty seconds")
        return self

    def stop(self) -> None:
        """Stop serving and remove the certificate file."""
        for server in self._servers:
            server.should_exit = True
            server.force_exit = True
        if self._thread is not None:
            self._thread.join(10)
            self._thread = None
        for each in self._sockets:
            each.close()
        for vantage in self._vantages:
            vantage.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def requests(self) -> list[Received]:
        """Every request received so far, in order (method, path, status, listener)."""
        return self._application.requests

    def state(self, tenant_slug: str) -> Tenant:
        """A tenant's state. Raises KeyError for a slug that this lab does not serve."""
        for tenant in self._tenants:
            if tenant.world.slug == tenant_slug:
                return tenant
        raise KeyError(tenant_slug)

    @property
    def tenants(self) -> list[Tenant]:
        return list(self._tenants)

    @property
    def vantages(self) -> dict[str, dict[str, str]]:
        """Where each vantage point's ``resolver`` and ``gateway`` listen, as HOST:PORT."""
        return {each.name: each.addresses for each in self._vantages}

    def environment(self, tenant_slug: str, identity: str = "assessor") -> dict[str, str]:
        """The environment variables that point the SDKs at the lab, signed in as one of the tenant's identities."""
        return {
            "AOAI_LAB": self.url,
            "AOAI_LAB_PRIVATE": self.private_url,
            "AOAI_LAB_VANTAGES": json.dumps(self.vantages),
            "IDENTITY_ENDPOINT": f"{self.url}/msi/token",
            "IDENTITY_HEADER": self._issuer.secret(self.state(tenant_slug), identity),
            "REQUESTS_CA_BUNDLE": self.ca_file,
            "SSL_CERT_FILE": self.ca_file,
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
            "NO_PROXY": "localhost,127.0.0.1",
        }

    def service_principal(self, tenant_slug: str, identity: str = "assessor") -> dict[str, str]:
        """``tenant``, ``client_id`` and ``client_secret`` for a sign-in by client credentials, as ``az`` does it."""
        tenant = self.state(tenant_slug)
        principal = tenant.world.principal(identity)
        secret = self._issuer.secret(tenant, identity)
        return {"tenant": tenant.world.tenant_id, "client_id": principal.app_id, "client_secret": secret}

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._servers = [self._server(name) for name in ("public", "private")]
        tasks = [
            asyncio.create_task(server.serve(sockets=[listener]))
            for server, listener in zip(self._servers, self._sockets, strict=True)
        ]
        while not all(server.started for server in self._servers):
            if any(task.done() for task in tasks):
                break
            await asyncio.sleep(0.005)
        for vantage in self._vantages:
            await vantage.start()
        self._started.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)
        for vantage in self._vantages:
            vantage.stop()
        for transport in list(self._application.transports.values()):
            transport.abort()
        await asyncio.sleep(0)

    def _server(self, listener: str) -> uvicorn.Server:
        config = uvicorn.Config(
            self._application.behind(listener),
            http=_protocol(self._application.transports),
            lifespan="off",
            ws="none",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=1,
        )
        config.load()
        config.ssl = self._context
        return uvicorn.Server(config)


def _protocol(transports: dict[tuple[str, int], Any]) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, which also tells which transport a client sits on, so that a fault can cut it."""

    class Protocol(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            self.peer = transport.get_extra_info("peername")
            transports[self.peer] = transport
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            transports.pop(self.peer, None)
            super().connection_lost(exc)

        def shutdown(self) -> None:
            """A connection that was closed for being idle waits for its client's farewell: a second close would lose it."""
            if self.transport.is_closing():
                self.transport.abort()
            else:
                super().shutdown()

    return Protocol


def _listen(port: int) -> socket.socket:
    """A listening socket on loopback only. asyncio switches Nagle's delay (40 ms an answer) off only where the protocol
    is named."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    listener.set_inheritable(True)
    return listener
