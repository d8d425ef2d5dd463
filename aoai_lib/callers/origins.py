"""Where a caller's address lies, as far as the log tells: the service masks the last part of it."""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from typing import Final

_PRIVATE: Final = tuple(
    ipaddress.ip_network(each)
    for each in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
        "fc00::/7", "fe80::/10", "::1/128",
    )
)  # fmt: skip
"""Ranges that are not routed over the internet (RFC 1918, 6598, 3927, 4193, 4291)."""


class Origin(StrEnum):
    """Where a logged address lies. Behind private and service endpoints the service may log none."""

    PUBLIC = "public"
    PRIVATE = "private"
    NOT_LOGGED = "not logged"
    UNKNOWN = "unknown"


def origin(address: str) -> Origin:
    """Where a logged address lies. A masked part (`81.2.69.***`) stands for all that it may be."""
    if not address:
        return Origin.NOT_LOGGED
    parts = address.split(".")
    known = len([part for part in parts if part.strip("*")])
    masked = len(parts) == 4 and not any(part.strip("*") for part in parts[known:])
    try:
        wide = f"{'.'.join([*parts[:known], *['0'] * (4 - known)])}/{8 * known}" if masked else address
        network = ipaddress.ip_network(wide)
    except ValueError:
        return Origin.UNKNOWN
    near = [each for each in _PRIVATE if each.overlaps(network)]
    if not near:
        return Origin.PUBLIC
    return Origin.PRIVATE if network.prefixlen >= near[0].prefixlen else Origin.UNKNOWN
