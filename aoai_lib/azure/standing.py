"""Connections from a standpoint: names resolved by its resolver, sockets through its gateway, and no proxy of the environment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import dns.exception
import dns.resolver
import httpcore2

from aoai_lib.azure.clouds import Standpoint
from aoai_lib.azure.resolution import server_of

_MOST_BYTES = 1 << 12


class StandingBackend(httpcore2.NetworkBackend):
    """The sockets of an HTTP client that stands at a standpoint. TLS on top still verifies the name that was asked for."""

    def __init__(self, standpoint: Standpoint) -> None:
        self._standpoint = standpoint
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """A connection to a name. Raises httpcore2's `ConnectError` and `ConnectTimeout`."""
        address = self._resolved(host, timeout)
        if not self._standpoint.gateway:
            return self._sockets.connect_tcp(address, port, timeout, local_address, socket_options)
        gateway = server_of(self._standpoint.gateway)
        stream = self._sockets.connect_tcp(gateway.host, gateway.port, timeout, local_address, socket_options)
        place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        stream.write(f"CONNECT {place} HTTP/1.1\r\n\r\n".encode(), timeout)
        try:
            granted = stream.read(_MOST_BYTES, timeout)
        except httpcore2.TimeoutException:
            stream.close()
            raise httpcore2.ConnectTimeout(f"{place} did not answer") from None
        if not granted.startswith(b"HTTP/1.1 200 "):
            stream.close()
            raise httpcore2.ConnectError(f"the gateway did not connect to {place}")
        return stream

    def _resolved(self, host: str, timeout: float | None) -> str:
        if not self._standpoint.resolver:
            return host
        server = server_of(self._standpoint.resolver)
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = [server.host], server.port
        try:
            return str(resolver.resolve(f"{host}.", "A", lifetime=timeout)[0])
        except dns.exception.DNSException as problem:
            raise httpcore2.ConnectError(f"{host} could not be resolved: {type(problem).__name__}") from problem
