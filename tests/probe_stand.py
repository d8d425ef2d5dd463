"""A resolver and a gateway on loopback that do as a test says: real sockets, real DNS messages, real TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import trustme

from aoai_lib.azure.clouds import Standpoint
from aoai_lib.azure.reachability import Limits, Observer
from aoai_lib.evidence.store import Evidence
from aoai_lib.fleet import environment
from aoai_lib.probe.observations import observations

NAME = "contoso.openai.azure.com"
PRIVATE = "10.0.0.4"
QUICK = Limits(dns=0.4, connect=0.4, answer=0.6)
REFUSED = b'{"error":{"code":"403","message":"Access denied due to Virtual Network/Firewall rules."}}'


def http(status: int, body: bytes, kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _received(line: ssl.SSLSocket) -> bytes:
    """A request with its body: whoever hangs up on a body that is still coming may take its own answer with it."""
    got = line.recv(4096)
    head, _, body = got.partition(b"\r\n\r\n")
    wanted = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
    while len(body) < wanted and (more := line.recv(4096)):
        got, body = got + more, body + more
    return got


class Stand:
    """`zone` maps (name, type) to an rcode or to records; a name that is not in it does not exist, and None is silence."""

    def __init__(self, folder: Path, certified: str = "*.openai.azure.com", *, trusted: bool = True) -> None:
        self.zone: dict[tuple[str, str], Any] = {}
        self.reply: bytes = http(403, REFUSED)
        self.pause = 0.0  # seconds between two bytes of the reply
        self.at_gateway = "connect"  # or "refuse", "silent", "plain" (no TLS), "hang up"
        self.truncates = False
        self.requests: list[bytes] = []
        self.connected: list[str] = []
        authority = trustme.CA()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(certified).configure_cert(self._context)
        self.ca = folder / "ca.pem"
        (authority if trusted else trustme.CA()).cert_pem.write_to_path(str(self.ca))
        self._gateway = socket.create_server(("127.0.0.1", 0))
        port = 0
        self._stream = socket.create_server(("127.0.0.1", 0))
        port = self._stream.getsockname()[1]
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.bind(("127.0.0.1", port))

    def lead(self, *addresses: str, name: str = NAME) -> None:
        """The name leads to these addresses, and has none of IPv6."""
        self.zone[name, "A"] = [(name, "A", each) for each in addresses]
        self.zone[name, "AAAA"] = []

    @property
    def standpoint(self) -> Standpoint:
        return Standpoint(*(f"127.0.0.1:{each.getsockname()[1]}" for each in (self._datagrams, self._gateway)))

    def observe(self, name: str = NAME, vantage: str = "outside") -> tuple[dict[str, Any], Evidence]:
        """What is observed of a name, and the evidence."""
        evidence = Evidence()
        with environment({"SSL_CERT_FILE": str(self.ca)}):
            Observer(evidence, vantage, self.standpoint, QUICK).observe(name)
        (seen,) = observations(evidence.exchanges)
        return seen.value, evidence

    def __enter__(self) -> Self:
        for work in (self._resolve, self._resolve_streams, self._connect):
            threading.Thread(target=work, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (self._gateway, self._stream, self._datagrams):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _answer(self, wire: bytes, *, cut: bool = False) -> bytes | None:
        query = dns.message.from_wire(wire)
        asked = query.question[0]
        name, kind = asked.name.to_text().rstrip("."), dns.rdatatype.to_text(asked.rdtype)
        held = self.zone.get((name, kind), "NXDOMAIN")
        if held is None:
            return None
        if isinstance(held, bytes):
            return held
        answer = dns.message.make_response(query)
        if cut:
            answer.flags |= dns.flags.TC
        elif isinstance(held, str):
            answer.set_rcode(dns.rcode.from_text(held))
        else:
            answer.answer = [dns.rrset.from_text(f"{owner}.", 30, "IN", kind, data) for owner, kind, data in held]
        return answer.to_wire()

    def _resolve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                wire, sender = self._datagrams.recvfrom(4096)
                if not wire:
                    return
                answer = self._answer(wire, cut=self.truncates)
                if answer is not None:
                    self._datagrams.sendto(answer, sender)

    def _resolve_streams(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._stream.accept()
                with line:
                    length = int.from_bytes(line.recv(2), "big")
                    answer = self._answer(line.recv(length)) or b""
                    line.sendall(len(answer).to_bytes(2, "big") + answer)

    def _connect(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._gateway.accept()
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError), line:
            self.connected.append(line.recv(4096).split()[1].decode())
            if self.at_gateway == "refuse":
                line.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                return
            if self.at_gateway == "silent":
                line.recv(1)
                return
            line.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            if self.at_gateway == "plain":
                line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            elif self.at_gateway == "connect":
                with self._context.wrap_socket(line, server_side=True) as secured:
                    self._respond(secured)

    def _respond(self, secured: ssl.SSLSocket) -> None:
        self.requests.append(_received(secured))
        if not self.pause:
            secured.sendall(self.reply)
            return
        for byte in self.reply:
            secured.sendall(bytes([byte]))
            time.sleep(self.pause)
