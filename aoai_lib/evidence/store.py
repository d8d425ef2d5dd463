"""`requests.jsonl`: one line for each request that was sent, with its answer. It is the audit trail and the replay input."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import IO, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from aoai_lib import strict_json
from aoai_lib.folder import naming
from aoai_lib.model import InputError, Json
from aoai_lib.text_file import read_text

VANTAGE: Final = "x-aoai-vantage"
"""Header of the lines of an observation, which no service sent: the vantage point that the line was seen from."""

_LONGEST_ADDRESS: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer, redacted. `time` is ISO 8601 UTC; `sha256` is of the body as it was received.

    `status` is None and `error` says why when no answer came. `body` is JSON, or text where the answer was none. `request` is
    what a log query asked in its body; None, and not in the file, for what is asked by address alone.
    """

    id: str
    time: str
    method: str
    url: str
    status: int | None
    duration_ms: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Json = None
    sha256: str = ""
    error: str = ""
    request: Json = None


def question(method: str, url: str, asked: Json = None) -> str:
    """What a request asks, apart from host and API version: method, lower-cased path, sorted query, digest of the body asked with.

    The identity of a request in replays and in evidence ids: API versions come and go, what is asked stays.
    """
    parts = urlsplit(url)
    query = [(key, value) for key, value in parse_qsl(parts.query) if key.lower() != "api-version"]
    path = "/" + "/".join(step for step in parts.path.lower().split("/") if step)
    if asked is not None:
        query.append(("request", hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()))
    return f"{method.upper()} {path}?{urlencode(sorted(query))}".rstrip("?")


class Evidence:
    """Collects exchanges, and writes each to a file as soon as it is there. Safe for threads.

    Ids are digests of what was asked, so the same question has the same id in every run: `a41f9c02d3`, and `a41f9c02d3-2`
    for the second time it was sent. A line that can't be written raises `OSError`, there and again when the file is closed: whoever
    was told first may have taken it for an error of the network.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.exchanges: list[Exchange] = []
        self._asked: dict[str, int] = {}
        self._lock = Lock()
        self._path = path
        self._file: IO[str] | None = None
        self._lost: OSError | None = None
        if path is not None:
            self._file = path.open("x", encoding="utf-8", newline="\n")

    def name(self, method: str, url: str, asked: Json = None) -> str:
        """The id for one more sending of a request."""
        digest = hashlib.sha256(question(method, url, asked).encode()).hexdigest()[:10]
        with self._lock:
            times = self._asked[digest] = self._asked.get(digest, 0) + 1
        return digest if times == 1 else f"{digest}-{times}"

    def add(self, exchange: Exchange) -> None:
        """Keep an exchange."""
        with self._lock:
            self.exchanges.append(exchange)
            if self._file is not None:
                line = asdict(exchange)
                if exchange.request is None:
                    del line["request"]
                self._write(self._file, json.dumps(line, ensure_ascii=False, sort_keys=False) + "\n")

    def _write(self, file: IO[str], line: str) -> None:
        assert self._path is not None
        try:
            with naming(self._path):
                file.write(line)
                file.flush()
        except OSError as problem:
            self._lost = problem
            raise

    def close(self) -> None:
        """Finish the file. Raises `OSError` where a line of it was lost."""
        try:
            if self._file is not None:
                self._file.close()
        finally:
            if self._lost is not None:
                raise self._lost


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    """The objects of a `requests.jsonl`, with their line numbers. Raises `InputError` for what is none."""
    text = read_text(path, "a requests.jsonl")
    try:
        strict_json.check_density(text)
    except ValueError as problem:
        raise InputError(f"{path} is no requests.jsonl: {problem}.") from None
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = strict_json.parse(line)
        except ValueError as problem:
            raise InputError(f"{path}, line {number}, is not JSON: one object a line is needed ({problem}).") from None
        if not isinstance(record, dict):
            raise InputError(f"{path}, line {number}, is no object with method, url and status.")
        yield number, record


def is_address(url: Json) -> bool:
    """Whether that is a text that can be taken apart as an address, and no longer than any server takes."""
    try:
        return isinstance(url, str) and len(url) <= _LONGEST_ADDRESS and urlsplit(url).port != 0
    except ValueError:
        return False
