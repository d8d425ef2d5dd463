"""One name, tried from where this process stands: DNS, TCP, TLS, and one HTTP answer, each step a line of evidence.

Nothing is signed in and nothing can be written: the request is `GET /openai/models`, "Models - List" of the data plane (API
version 2024-10-21), without a credential. A network that the account lets in gets 401 for that, another one 403. Proxies are
never used, since the observation would be the proxy's; that one is set is noted.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import socket
import ssl
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

from aoai_lib.azure.clouds import Standpoint
from aoai_lib.azure.recording import kept
from aoai_lib.azure.resolution import LONGEST_CHAIN, NoAnswerError, Server, ask, follow, server_of, system_servers
from aoai_lib.evidence.redaction import keep_headers, redact_text
from aoai_lib.evidence.store import VANTAGE, Evidence, Exchange
from aoai_lib.model import Json

ROUTE: Final = "/openai/models?api-version=2024-10-21"
PORT: Final = 443
METHODS: Final = ("DNS", "TCP", "TLS", "GET")
"""The steps, as the `method` of their lines."""

NAME, BEGAN, ADDRESS, PROXY = (f"x-aoai-{word}" for word in ("name", "began", "address", "proxy"))
"""Headers by which a line, besides its vantage point, says what it belongs to."""

_MISMATCH: Final = 62
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH."""
_MOST_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: for one DNS question, for a connection, and for all that follows on it."""

    dns: float = 3.0
    connect: float = 5.0
    answer: float = 10.0


@dataclass
class Observer:
    """Tries names and writes every step into `evidence`. Safe for threads. Raises `InputError` for a resolver that is none."""

    evidence: Evidence
    vantage: str
    standpoint: Standpoint = field(default_factory=Standpoint)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        named = self.standpoint.resolver
        self._servers = [server_of(named)] if named else system_servers()
        self._trust = ssl.create_default_context()
        self._agent = f"aoai-playbook/{version('aoai-playbook')}"

    def observe(self, name: str) -> None:
        """Try one name. What fails is a line too; nothing is raised for it."""
        marks = {VANTAGE: self.vantage, NAME: name, BEGAN: _now()}
        proxies = urllib.request.getproxies()
        if (proxies.get("https") or proxies.get("all")) and not urllib.request.proxy_bypass(name):
            marks[PROXY] = "not used"
        four, questions = self._resolve(name, "A", marks, LONGEST_CHAIN + 1)
        # A resolver that follows aliases for one family follows them for the other.
        six, _ = self._resolve(name, "AAAA", marks, questions)
        for address in (*four, *six):
            self._reach(address, _Steps(self.evidence, {**marks, ADDRESS: address}))

    def _resolve(self, name: str, type_: str, marks: Mapping[str, str], most: int) -> tuple[tuple[str, ...], int]:
        """Addresses of a name, and how many questions that took: most resolvers follow a chain of aliases by themselves, some
        leave the last alias to the asker."""
        answers: list[Json] = []
        asked: set[str] = set()
        chain = follow(name, answers)
        while chain.outcome in ("no_answer", "no_data") and chain.names[-1] not in asked and len(asked) < most:
            asked.add(chain.names[-1])
            answers.append(self._ask_servers(chain.names[-1], type_, marks))
            chain = follow(name, answers)
        return chain.addresses, len(asked)

    def _ask_servers(self, name: str, type_: str, marks: Mapping[str, str]) -> Json:
        said: Json = None
        for server in self._servers:
            said = self._ask(server, name, type_, marks) or said
            if said is not None and said["rcode"] in ("NOERROR", "NXDOMAIN"):
                break
        return said

    def _ask(self, server: Server, name: str, type_: str, marks: Mapping[str, str]) -> Json:
        step = _Steps(self.evidence, marks)
        started = time.monotonic()
        url = f"dns://{server}/{name}?type={type_}"
        try:
            wire, said = ask(server, name, type_, self.limits.dns)
        except NoAnswerError as problem:
            step.keep("DNS", url, started, error=str(problem))
            return None
        step.keep("DNS", url, started, body=said, content=wire)
        return said

    def _reach(self, address: str, step: _Steps) -> None:
        name, place = step.marks[NAME], f"[{address}]:{PORT}" if ":" in address else f"{address}:{PORT}"
        started = time.monotonic()
        try:
            line = self._connect(address)
        except OSError as problem:
            step.keep("TCP", f"tcp://{place}", started, error=_said(problem))
            return
        with line:
            step.keep("TCP", f"tcp://{place}", started, body={"connected": True})
            secured = self._secure(line, name, address, f"tls://{place}", step)
            if secured is not None:
                with secured:
                    self._get(secured, name, step)

    def _connect(self, address: str) -> socket.socket:
        """A connection to an address, through the standpoint's gateway where it has one."""
        if not self.standpoint.gateway:
            return socket.create_connection((address, PORT), self.limits.connect)
        gateway = server_of(self.standpoint.gateway)
        line = socket.create_connection((gateway.host, gateway.port), self.limits.connect)
        try:
            line.sendall(f"CONNECT {address}:{PORT} HTTP/1.1\r\n\r\n".encode())
            granted = line.recv(_MOST_BYTES)
        except OSError:
            line.close()
            raise
        if not granted.startswith(b"HTTP/1.1 200 "):
            line.close()
            raise ConnectionRefusedError("the gateway did not connect")
        return line

    def _secure(self, line: socket.socket, name: str, address: str, url: str, step: _Steps) -> ssl.SSLSocket | None:
        """The line under TLS, with the certificate verified for the name; None where that fails, which is kept."""
        started = time.monotonic()
        line.settimeout(self.limits.answer)
        try:
            secured = self._trust.wrap_socket(line, server_hostname=name)
        except ssl.SSLCertVerificationError as problem:
            seen = self._certificate(name, address) if problem.verify_code == _MISMATCH else None
            step.keep("TLS", url, started, body=seen, error=f"not verified: {problem.verify_message}")
            return None
        except (OSError, ValueError) as problem:
            step.keep("TLS", url, started, error=_said(problem))
            return None
        step.keep("TLS", url, started, body=_described(secured), content=secured.getpeercert(True) or b"")
        return secured

    def _certificate(self, name: str, address: str) -> Json:
        """What a trusted certificate for other names says: looked at on a line of its own, on which nothing is sent."""
        trust = ssl.create_default_context()
        trust.check_hostname = False
        with contextlib.suppress(OSError), self._connect(address) as line:
            line.settimeout(self.limits.answer)
            with trust.wrap_socket(line, server_hostname=name) as secured:
                return _described(secured)
        return None

    def _get(self, line: ssl.SSLSocket, name: str, step: _Steps) -> None:
        started = time.monotonic()
        url = f"https://{name}{ROUTE}"
        request = f"GET {ROUTE} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: {self._agent}\r\n"
        try:
            line.sendall(f"{request}Accept: application/json\r\nConnection: close\r\n\r\n".encode())
            answer = http.client.HTTPResponse(_Within(line, started + self.limits.answer))  # type: ignore[arg-type]
            answer.begin()
            content = answer.read(_MOST_BYTES)
            if answer.length and len(content) < _MOST_BYTES:
                raise http.client.IncompleteRead(b"", answer.length)
        except (OSError, http.client.HTTPException) as problem:
            step.keep("GET", url, started, error=_said(problem))
            return
        headers = keep_headers(dict(answer.getheaders()))
        step.keep("GET", url, started, answer.status, kept(content), content, headers)


@dataclass(frozen=True)
class _Steps:
    """Keeps the steps of one observation as lines that say what they belong to."""

    evidence: Evidence
    marks: Mapping[str, str]

    def keep(
        self,
        method: str,
        url: str,
        started: float,
        status: int | None = None,
        body: Json = None,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        error: str = "",
    ) -> None:
        self.evidence.add(
            Exchange(
                id=self.evidence.name(method, identity(self.marks, url)),
                time=_now(),
                method=method,
                url=url,
                status=status,
                duration_ms=round((time.monotonic() - started) * 1000),
                headers={**(headers or {}), **self.marks},
                body=body,
                sha256=hashlib.sha256(content).hexdigest() if content else "",
                error=redact_text(error),
            )
        )


def identity(marks: Mapping[str, str], url: str) -> str:
    """What a line's id is made of: from where, which name, which address or question; never which resolver or when."""
    asked = url.partition("//")[2].partition("/")[2] if url.startswith("dns:") else marks.get(ADDRESS, "")
    return f"observe:///{marks[VANTAGE]}/{marks[NAME]}/{asked}"


class _Within(io.RawIOBase):
    """Reads from a socket until a moment of the monotonic clock, however slowly the other side sends."""

    def __init__(self, line: socket.socket, until: float) -> None:
        super().__init__()
        self._line, self._until = line, until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._line.settimeout(left)
        return self._line.recv_into(buffer)

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(self)


def _described(secured: ssl.SSLSocket) -> Json:
    """The protocol, and what the verified certificate says: names, issuer, until when."""
    certificate: Mapping[str, Any] = secured.getpeercert() or {}
    issuer = {key: value for part in certificate.get("issuer", ()) for key, value in part}
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    return {
        "version": secured.version(),
        "names": [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"],
        "issuer": ", ".join(issuer[key] for key in ("organizationName", "commonName") if key in issuer),
        "expires": until.isoformat().replace("+00:00", "Z"),
    }


def _said(problem: Exception) -> str:
    """A failure in a word and, where there is more to say, the rest of a sentence."""
    if isinstance(problem, TimeoutError):
        return "timeout"
    if isinstance(problem, ConnectionRefusedError):
        return "refused"
    if isinstance(problem, ssl.SSLError):
        return f"no TLS: {problem.reason or type(problem).__name__}"
    if isinstance(problem, ConnectionError | http.client.HTTPException):
        return f"broken off: {type(problem).__name__}"
    return f"unreachable: {getattr(problem, 'strerror', None) or type(problem).__name__}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
