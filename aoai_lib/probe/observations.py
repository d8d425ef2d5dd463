"""From lines of evidence to observations: one path for what was just tried, what a file brings, and what is replayed.

An observation is what one name looked like from one vantage point at one time:

    {vantage, name, at, resolver, proxy, dns: {outcome, chain, addresses, records, error},
     reached: [{address, tcp: {connected, error}, tls: {verified, version, names, issuer, expires, error},
                http: {status, code, message, error}}]}

Lines may come from a file that somebody else wrote. Whatever is in them is data: it is checked for its form, and never obeyed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from aoai_lib.azure.reachability import ADDRESS, BEGAN, METHODS, NAME, PROXY, identity
from aoai_lib.azure.resolution import follow
from aoai_lib.evidence.redaction import redact, redact_text
from aoai_lib.evidence.store import VANTAGE, Evidence, Exchange, is_address
from aoai_lib.model import Json

LABEL: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
HOST: Final = re.compile(
    r"(?=.{4,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")
KNOWN: Final = ("inside", "peered", "on_premises", "outside")
_LONGEST_TEXT: Final = 500
_FORMS: Final = {"id": str, "time": str, "method": str, "url": str, "duration_ms": int, "sha256": str, "error": str}


def meaning(vantage: str) -> str:
    """Which of the four vantage points a label means: itself, or what stands before its first dot or dash. "" where none."""
    known = re.split(r"[.-]", vantage.lower(), maxsplit=1)[0]
    return known if known in KNOWN else ""


def line_of(record: Mapping[str, Json]) -> Exchange | None:
    """The line of an observation in a record of a file; None for anything else."""
    line = marked_line(record)
    named = line is not None and HOST.fullmatch(line.headers.get(NAME, "")) and line.method in METHODS
    return line if named else None


def marked_line(record: Mapping[str, Json], longest: int = _LONGEST_TEXT) -> Exchange | None:
    """The line in a record that says from where and since when it was seen; None for anything else. Redacted; its headers and
    its error are cut to `longest` characters."""
    headers, status = record.get("headers"), record.get("status")
    if not isinstance(headers, dict) or not all(isinstance(each, str) for each in (*headers, *headers.values())):
        return None
    if not LABEL.fullmatch(headers.get(VANTAGE, "")) or not INSTANT.fullmatch(headers.get(BEGAN, "")):
        return None
    if not (status is None or (isinstance(status, int) and not isinstance(status, bool))):
        return None
    given = {name: record.get(name, form()) for name, form in _FORMS.items()}
    if not all(isinstance(given[name], form) for name, form in _FORMS.items()) or not is_address(given["url"]):
        return None
    given["headers"] = {name: redact_text(value)[:longest] for name, value in headers.items()}
    given["error"] = redact_text(given["error"])[:longest]
    try:
        return Exchange(**given, status=status, body=redact(record.get("body")), request=redact(record.get("request")))
    except RecursionError:
        return None


def copied(line: Exchange, evidence: Evidence) -> Exchange:
    """The line as it now stands in `evidence`, under an id of its own there."""
    kept = replace(line, id=evidence.name(line.method, identity(line.headers, line.url)))
    evidence.add(kept)
    return kept


@dataclass(frozen=True, slots=True)
class Observed:
    """An observation, and the ids of the lines that it was made of."""

    value: Json
    evidence: tuple[str, ...]


def observations(lines: Iterable[Exchange]) -> list[Observed]:
    """All observations in some lines, by vantage point, name and time."""
    grouped: dict[tuple[str, str, str], list[Exchange]] = {}
    for line in lines:
        key = (line.headers[VANTAGE], line.headers[NAME], line.headers[BEGAN])
        grouped.setdefault(key, []).append(line)
    return [_observed(key, grouped[key]) for key in sorted(grouped)]


def _observed(key: tuple[str, str, str], lines: Sequence[Exchange]) -> Observed:
    vantage, name, began = key
    asked = [line for line in lines if line.method == "DNS"]
    found = _resolved(name, asked)
    steps: dict[str, dict[str, Exchange]] = {}
    for line in lines:
        if line.method != "DNS":
            steps.setdefault(line.headers.get(ADDRESS, ""), {})[line.method] = line
    value = {
        "vantage": vantage,
        "name": name,
        "at": began,
        "resolver": urlsplit(asked[-1].url).netloc if asked else "",
        "proxy": any(PROXY in line.headers for line in lines),
        "dns": found,
        "reached": [_reached(address, steps.get(address, {})) for address in found["addresses"]],
    }
    return Observed(value, tuple(line.id for line in lines))


def _resolved(name: str, lines: Sequence[Exchange]) -> dict[str, Any]:
    """What DNS said: the addresses of both families; without any, the outcome of the question for IPv4."""
    answers: dict[str, dict[str, Json]] = {"A": {}, "AAAA": {}}
    for line in lines:
        parts = urlsplit(line.url)
        of_type = answers.get(parse_qs(parts.query).get("type", [""])[0])
        if of_type is not None and (line.body is not None or parts.path not in of_type):
            of_type[parts.path] = line.body
    four, six = (follow(name, list(answers[type_].values())) for type_ in ("A", "AAAA"))
    decides = six if six.addresses and four.outcome == "no_data" else four
    records = [each for said in answers.values() for answer in said.values() for each in _records(answer)]
    unique = {(each.get("name"), each.get("type"), each.get("data")): each for each in records}
    return {
        "outcome": decides.outcome,
        "chain": list(decides.names),
        "addresses": [*four.addresses, *six.addresses] if decides.outcome == "answered" else [],
        "records": list(unique.values()),
        "error": next((line.error for line in reversed(lines) if line.error), ""),
    }


def _records(answer: Json) -> list[dict[str, Json]]:
    records = answer.get("records") if isinstance(answer, dict) else None
    plain = [each for each in records or [] if isinstance(each, dict)] if isinstance(records, list) else []
    return [each for each in plain if all(isinstance(value, str | int) for value in each.values())]


def _reached(address: str, steps: Mapping[str, Exchange]) -> dict[str, Json]:
    tcp, tls, get = (steps.get(method) for method in METHODS[1:])
    certificate = tls.body if tls is not None and isinstance(tls.body, dict) else {}
    code, message = error_of(get.body if get is not None else None)
    return {
        "address": address,
        "tcp": {"connected": tcp is not None and not tcp.error, "error": tcp.error if tcp else "not tried"},
        "tls": {
            "verified": tls is not None and not tls.error and bool(certificate),
            **{key: certificate.get(key) for key in ("version", "names", "issuer", "expires")},
            "error": tls.error if tls else "not tried",
        },
        "http": {
            "status": get.status if get is not None else None,
            "code": code,
            "message": message,
            "error": get.error if get else "not tried",
        },
    }


def error_of(body: Json) -> tuple[str, str]:
    """Code and message of an error, nested, flat, or plain text; shortened, "" for what an answer does not say."""
    if isinstance(body, str):
        return "", body[:_LONGEST_TEXT]
    held = body.get("error", body) if isinstance(body, dict) else None
    if not isinstance(held, dict):
        return "", held[:_LONGEST_TEXT] if isinstance(held, str) else ""
    code, message = (held.get(key, "") for key in ("code", "message"))
    return str(code)[:64], message[:_LONGEST_TEXT] if isinstance(message, str) else ""
