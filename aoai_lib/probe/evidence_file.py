"""The small file that `aoai probe` leaves: JSON lines, the first of which says what the others are.

    {"schema": "aoai-playbook/observations/1", "vantage", "began_at", "finished_at", "tool_version", "lines", "sha256"}

`sha256` is that of all bytes after the first line, so that a file that was cut or edited shows. It is no signature: who can
write a file can write a digest, so a file is worth as much as the way by which it came.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Final

from aoai_lib import strict_json
from aoai_lib.azure.reachability import BEGAN
from aoai_lib.evidence.store import VANTAGE, Exchange
from aoai_lib.folder import check_new, replace_durably
from aoai_lib.model import InputError, Json
from aoai_lib.probe.observations import LABEL, line_of

SCHEMA: Final = "aoai-playbook/observations/1"
OLDEST: Final = timedelta(days=7)
"""What is older says too little about now: probe again."""
_AHEAD: Final = timedelta(days=1)
"""How far another machine's clock may be ahead of ours."""
_MOST_BYTES: Final = 64 << 20


def write(path: Path, vantage: str, lines: Sequence[Exchange]) -> None:
    """Leave the file, which must not be there yet, whole or not at all. Raises `InputError`, and `OSError` where it does not fit."""
    content = "".join(json.dumps(asdict(line), ensure_ascii=False) + "\n" for line in lines).encode()
    header = {
        "schema": SCHEMA,
        "vantage": vantage,
        "began_at": min((line.headers[BEGAN] for line in lines), default=""),
        "finished_at": max((line.time for line in lines), default=""),
        "tool_version": version("aoai-playbook"),
        "lines": len(lines),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    check_new(path)
    replace_durably(path, json.dumps(header).encode() + b"\n" + content, path.with_name(f".{path.name}.draft"))


def read(path: Path, now: datetime) -> list[Exchange]:
    """The lines of a file. Raises `InputError` where it is not whole, not of this form, or too old to count."""
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is no regular file: name one that `aoai probe` left.")
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path} is too large for a file of observations.")
        first, _, content = path.read_bytes().partition(b"\n")
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "that is no path"
        raise InputError(f"{path!s} can't be read: {reason}.") from problem
    header = _parsed(first)
    if not isinstance(header, dict) or header.get("schema") != SCHEMA:
        raise InputError(f"{path} is no file of observations: its first line should name the schema {SCHEMA}.")
    records = [_parsed(line) for line in content.split(b"\n")[:-1]]
    if header.get("sha256") != hashlib.sha256(content).hexdigest() or header.get("lines") != len(records):
        raise InputError(f"{path} is not as `aoai probe` left it: lines are missing or changed. Copy it again.")
    lines = [line_of(record) if isinstance(record, dict) else None for record in records]
    found = [line for line in lines if line is not None]
    vantage = header.get("vantage")
    if not found or len(found) < len(lines) or any(line.headers[VANTAGE] != vantage for line in found):
        raise InputError(f"{path} holds lines that are no observations from its vantage point. Probe again.")
    for line in found:
        _check_age(path, line.headers[BEGAN], now)
    return found


def _parsed(line: bytes) -> Json:
    try:
        return strict_json.parse(line.decode())
    except ValueError:
        return None


def _check_age(path: Path, began: str, now: datetime) -> None:
    try:
        moment = datetime.fromisoformat(began)
    except ValueError:
        raise InputError(f"{path} says that something was observed at “{began}”, which is no time.") from None
    if now - moment > OLDEST:
        raise InputError(
            f"{path} was observed on {began[:10]}, more than {OLDEST.days} days ago: networks change, so probe again."
        )
    if moment - now > _AHEAD:
        raise InputError(
            f"{path} was observed on {began[:10]}, which is yet to come: set the clock there, and probe again."
        )


def default_path(vantage: str) -> Path:
    """A name for the file of a probe that begins now, in the current folder."""
    if not LABEL.fullmatch(vantage):
        raise InputError(f"“{vantage}” is no label of a vantage point: letters, digits, dots, dashes and underscores.")
    return Path(f"observed-{vantage}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.jsonl")
