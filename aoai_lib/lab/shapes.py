"""The few small things that every part of the lab spells the same way: JSON objects, instants, fixed identifiers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

Json = dict[str, Any]

_NAMESPACE = UUID("6f1d3c52-8a0e-5c1f-9b43-0d2f7e5a9c11")


def identifier(*parts: object) -> str:
    """A GUID that is always the same for the same parts, so that two starts of the lab answer alike."""
    return str(uuid5(_NAMESPACE, "|".join(str(part).lower() for part in parts)))


def instant(moment: datetime, digits: int = 7) -> str:
    """An instant as Azure writes it: UTC, Z, six or seven fractional digits, or none with ``digits=0``."""
    text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return text + ("." + f"{moment.microsecond:06d}".ljust(digits, "0")[:digits] if digits else "") + "Z"


def parse_instant(text: str) -> datetime:
    """The instant behind ISO 8601 text; text without an offset is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
    """JSON merge patch (RFC 7396) as ARM's PATCH does it: objects merge, lists are replaced, null removes."""
    result = dict(old)
    for key, value in new.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            before = result.get(key)
            result[key] = merged(before if isinstance(before, Mapping) else {}, value)
        else:
            result[key] = value
    return result
