"""The vantage points of the lab as sockets on loopback: for each a DNS resolver (UDP and TCP) and a gateway.

The addresses in the resolver's answers are the world's, and nobody else's business. A connection to one goes through the
gateway, which speaks HTTP's CONNECT: it joins it to the public or the private listener, or keeps silent as a network does that
has no such host.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Sequence
from contextlib import AbstractContextManager

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from aoai_lib.lab import names
from aoai_lib.lab.store import Tenant

_CONNECT = re.compile(rb"CONNECT ([0-9a-fA-F.:\[\]]+):(\d+) HTTP/1\.[01]\r\n")
_HEAD = 4096


class Vantage:
    """One vantage point. ``listeners`` are the ports of the lab's ``public`` and ``private`` listener."""

    def __init__(
        self, name: str, tenants: Sequence[Tenant], lock: AbstractContextManager[bool], listeners: dict[str, int]
    ) -> None:
        self.name = name
        self._tenants = tenants
        self._lock = lock
        self._listeners = listeners
        self._stream, self._datagrams = _pair()
        self._door = _bound(socket.SOCK_STREAM, 0)
        self._servers: list[asyncio.Server] = []
        self._transports: list[asyncio.DatagramTransport] = []

    @property
    def addresses(self) -> dict[str, str]:
        """Where ``resolver`` and ``gateway`` listen, as HOST:PORT."""
        return {"resolver": _shown(self._stream), "gateway": _shown(self._door)}

    async def start(self) -> None:
        """Answer from the running loop."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=self._datagrams)
        self._transports.append(transport)
        self._servers.append(await asyncio.start_server(self._ask, sock=self._stream))
        self._servers.append(await asyncio.start_server(self._connect, sock=self._door))

    def stop(self) -> None:
        """Listen no more; conversations that are under way end with the loop."""
        for server in self._servers:
            server.close()
        for transport in self._transports:
            transport.close()

    def close(self) -> None:
        """Give the sockets back, also where nothing was started."""
        for each in (self._stream, self._datagrams, self._door):
            each.close()

    def reply(self, wire: bytes) -> bytes | None:
        """The answer to a DNS message; None for what is no question."""
        try:
            query = dns.message.from_wire(wire)
            response = dns.message.make_response(query, recursion_available=True)
        except dns.exception.DNSException:
            return None
        if not query.question or not isinstance(query, dns.message.QueryMessage):
            return None
        asked = query.question[0]
        with self._lock:
            found = names.resolve(self._tenants, self.name, asked.name.to_text(), dns.rdatatype.to_text(asked.rdtype))
        response.set_rcode(dns.rcode.from_text(found.rcode))
        response.answer = [
            dns.rrset.from_text(f"{each.name}.", each.ttl, "IN", each.type, _data(each)) for each in found.records
        ]
        return response.to_wire()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """DNS over TCP: each message behind its length."""
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                answer = self.reply(await reader.readexactly(length))
                if answer is None:
                    break
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broken = asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError
        with contextlib.closing(writer), contextlib.suppress(*broken):
            asked = _CONNECT.match(await reader.readuntil(b"\r\n\r\n"))
            port = self._port(asked[1].decode(), asked[2].decode()) if asked else None
            if port is None:
                await reader.read(_HEAD)  # silence: whoever asks gives up by itself
            else:
                await _join(port, reader, writer)

    def _port(self, address: str, port: str) -> int | None:
        with self._lock:
            listener = names.listener(self._tenants, self.name, address.strip("[]"))
        return self._listeners.get(listener) if port == "443" else None


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, vantage: Vantage) -> None:
        self._vantage = vantage

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._vantage.reply(data)
        if answer is not None:
            self._transport.sendto(answer, addr)


async def _join(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.closing(target), contextlib.suppress(ConnectionError):
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()


def _data(record: names.Record) -> str:
    return f"{record.data.rstrip('.')}." if record.type == "CNAME" else record.data


def _shown(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{host}:{port}"


def _pair() -> tuple[socket.socket, socket.socket]:
    """A stream and a datagram socket with the same port, as resolvers have them."""
    for _ in range(20):
        stream = _bound(socket.SOCK_STREAM, 0)
        try:
            return stream, _bound(socket.SOCK_DGRAM, stream.getsockname()[1])
        except OSError:
            stream.close()
    raise OSError("no port is free for both UDP and TCP")


def _bound(kind: socket.SocketKind, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, kind)
    bound.bind(("127.0.0.1", port))
    bound.setblocking(False)
    return bound
