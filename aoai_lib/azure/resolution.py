"""DNS: one question to one resolver, with every record of the answer; and where a chain of records leads."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver

from aoai_lib.model import InputError, Json

LONGEST_CHAIN: Final = 16
"""Aliases after which a chain is taken to be endless, as resolvers do."""
MOST_SERVERS: Final = 3
"""Resolvers of the system that are asked in turn where one gives no answer."""
_ADDRESSES: Final = ("A", "AAAA")


class NoAnswerError(Exception):
    """A resolver gave no usable answer. Its text begins with `timeout`, `unreachable` or `malformed`."""


@dataclass(frozen=True, slots=True)
class Server:
    """A resolver."""

    host: str
    port: int = 53

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Chain:
    """Where a name leads: `names` from the name asked to the last alias, `addresses` of that one.

    `outcome` is `answered`, `no_data`, `nxdomain`, `loop`, another response code in lower case, or `no_answer`.
    """

    outcome: str
    names: tuple[str, ...]
    addresses: tuple[str, ...] = ()


def server_of(text: str) -> Server:
    """The resolver in HOST or HOST:PORT, IPv6 in brackets when a port follows. Raises `InputError`.

    The host is an address: who resolves the resolver's name would otherwise decide what is observed.
    """
    host, port = text, "53"
    if text.startswith("[") and "]" in text:
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or "53"
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        ipaddress.ip_address(host)
        if not 0 < int(port) < 65536:
            raise ValueError
    except ValueError:
        raise InputError(f"The resolver “{text}” is no IP address with or without a port, as in 10.0.0.4:53.") from None
    return Server(host, int(port))


def system_servers() -> list[Server]:
    """The resolvers that this machine is set up to ask. Raises `InputError` where none can be found."""
    try:
        resolver = dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        raise InputError("This machine names no DNS resolver: name one with --resolver.") from None
    return [Server(str(each), resolver.port) for each in resolver.nameservers][:MOST_SERVERS]


def ask(server: Server, name: str, type_: str, seconds: float) -> tuple[bytes, Json]:
    """One question, over UDP and, where the answer is cut short, TCP: the answer as it came, and what it says.

    What it says is `{rcode, server, protocol, records: [{name, type, ttl, data}]}`. Raises `NoAnswerError`.
    """
    query = dns.message.make_query(f"{name}.", type_)
    try:
        answer, by_tcp = dns.query.udp_with_fallback(
            query, server.host, timeout=seconds, port=server.port, ignore_unexpected=True
        )
    except dns.exception.Timeout:
        raise NoAnswerError(f"timeout: {server} did not answer within {seconds:g} s") from None
    except (dns.exception.DNSException, EOFError, ValueError) as problem:
        raise NoAnswerError(f"malformed: {server} answered what is no DNS answer ({type(problem).__name__})") from None
    except OSError as problem:
        raise NoAnswerError(f"unreachable: {server} ({problem.strerror or type(problem).__name__})") from None
    records = [
        {"name": _text(each.name), "type": dns.rdatatype.to_text(each.rdtype), "ttl": each.ttl, "data": _text(item)}
        for each in answer.answer
        for item in each
    ]
    said = {
        "rcode": dns.rcode.to_text(answer.rcode()),
        "server": str(server),
        "protocol": "tcp" if by_tcp else "udp",
        "records": records,
    }
    return answer.wire or answer.to_wire(), said


def _text(value: object) -> str:
    return str(value).rstrip(".").lower()


def follow(name: str, answers: Sequence[Json]) -> Chain:
    """Where a name leads by the answers (as of `ask`; None for none) to one type of question, in the order of asking."""
    aliases: dict[str, str] = {}
    addresses: dict[str, list[str]] = {}
    for record in _records(answers):
        if record["type"] == "CNAME":
            aliases.setdefault(record["name"], record["data"])
        elif record["type"] in _ADDRESSES and record["data"] not in addresses.setdefault(record["name"], []):
            addresses[record["name"]].append(record["data"])
    names = [name]
    while (following := aliases.get(names[-1])) is not None:
        if following in names or len(names) > LONGEST_CHAIN:
            return Chain("loop", (*names, following))
        names.append(following)
    found = tuple(sorted(addresses.get(names[-1], [])))
    last = answers[-1] if answers else None
    rcode = str(last.get("rcode", "")).lower() if isinstance(last, dict) else "no_answer"
    outcome = ("answered" if found else "no_data") if rcode == "noerror" else rcode
    return Chain(outcome, tuple(names), found if outcome == "answered" else ())


def _records(answers: Iterable[Json]) -> Iterable[dict[str, str]]:
    """The records of answers that have the form that `ask` gives them; others are passed over."""
    for answer in answers:
        records = answer.get("records") if isinstance(answer, dict) else None
        for record in records if isinstance(records, list) else []:
            if isinstance(record, dict) and all(isinstance(record.get(key), str) for key in ("name", "type", "data")):
                yield record
