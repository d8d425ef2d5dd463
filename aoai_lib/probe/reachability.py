"""Which names accounts have, and trying them all: from here, or as files and recordings tell it from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

from aoai_lib.azure.clouds import Cloud, Standpoint
from aoai_lib.azure.reachability import NAME, ROUTE, Limits, Observer
from aoai_lib.azure.replay import Recording
from aoai_lib.evidence.store import Evidence, Exchange
from aoai_lib.model import InputError, Json, Reading, Snapshot, State
from aoai_lib.probe.observations import HOST, LABEL, Observed, copied, line_of, meaning, observations

CONCURRENCY: Final = 8
"""Names tried at once: a jump host is a small machine, and a firewall may take more for a scan."""
SOURCE: Final = "reachability_"
"""What the sources of observations begin with; the meaning of the vantage point follows, `other` where it has none."""

Progress = Callable[[str, int, int], None]


def names_of(snapshot: Snapshot, cloud: Cloud) -> dict[str, str]:
    """The public names of all accounts, each with its account's ARM id. An account without a custom subdomain has none.

    A Foundry account (kind AIServices) answers to three names, an Azure OpenAI one to its own. What the service itself says
    that the private link of an account needs (`requiredZoneNames`, API version 2025-09-01) is added.
    """
    found: dict[str, str] = {}
    for reading in snapshot.of("account"):
        domain = _inner(reading.value, "properties", "customSubDomainName")
        for suffix in _suffixes(snapshot, reading, cloud) if isinstance(domain, str) else ():
            name = f"{domain}.{suffix}".lower()
            if HOST.fullmatch(name):
                found[name] = reading.scope
    return found


def _suffixes(snapshot: Snapshot, account: Reading, cloud: Cloud) -> dict[str, None]:
    kind = str(_inner(account.value, "kind")).lower()
    everything = (cloud.openai_suffix, cloud.cognitive_suffix, cloud.foundry_suffix)
    of_kind = {"aiservices": everything, "openai": everything[:1]}.get(kind, everything[1:2])
    resources = _inner(snapshot.reading("private_link_resources", account.scope).value, "value")
    zones = [
        zone
        for each in (resources if isinstance(resources, list) else [])
        for zone in _inner(each, "properties", "requiredZoneNames") or []
        if isinstance(zone, str)
    ]
    return dict.fromkeys([*of_kind, *(zone.lower().removeprefix("privatelink.") for zone in zones)])


def _inner(value: Json, *path: str) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def observe(
    names: Iterable[str],
    vantage: str,
    standpoint: Standpoint,
    evidence: Evidence,
    progress: Progress | None = None,
    limits: Limits | None = None,
) -> list[Exchange]:
    """Try names from here; the lines, which `evidence` holds too. Raises `InputError` for a name or label that is none."""
    wanted = sorted({name.lower().rstrip(".") for name in names})
    for name in wanted:
        if not HOST.fullmatch(name):
            raise InputError(f"“{name}” is no full host name, as in contoso.openai.azure.com.")
    if not LABEL.fullmatch(vantage):
        raise InputError(f"“{vantage}” is no label of a vantage point: letters, digits, dots, dashes and underscores.")
    before = len(evidence.exchanges)
    observer = Observer(evidence, vantage, standpoint, limits or Limits())
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        for done, _ in enumerate(pool.map(observer.observe, wanted), 1):
            if progress is not None:
                progress(f"names from {vantage}", done, len(wanted))
    return evidence.exchanges[before:]


def observed(
    snapshot: Snapshot,
    cloud: Cloud,
    vantage: str,
    evidence: Evidence,
    recording: Recording | None = None,
    brought: Iterable[Exchange] = (),
    progress: Progress | None = None,
) -> Snapshot:
    """The snapshot with what is seen of the accounts' names: from here, or in place of that a recording, and what was brought.

    Only lines about this tenant's own names enter `evidence`. An empty `vantage` sees nothing from here.
    """
    names = names_of(snapshot, cloud)
    lines: list[Exchange] = []
    if recording is not None:
        brought = [*(found for each in recording.observed if (found := line_of(each)) is not None), *brought]
    elif vantage:
        for place, at in _standpoints(cloud, vantage).items():
            lines += observe(names, place, at, evidence, progress)
    lines += [copied(line, evidence) for line in brought if line.headers[NAME] in names]
    return replace(snapshot, readings={**snapshot.readings, **_readings(lines, names)})


def _standpoints(cloud: Cloud, vantage: str) -> Mapping[str, Standpoint]:
    """Where this process stands: in the lab, which is all around it, at every vantage point at once."""
    return cloud.standpoints or ({} if cloud.name == "lab" else {vantage: Standpoint()})


def _readings(lines: Iterable[Exchange], names: Mapping[str, str]) -> dict[tuple[str, str], Reading]:
    """One reading for each account and meaning of a vantage point."""
    grouped: dict[tuple[str, str], list[Observed]] = {}
    for each in observations(lines):
        key = (SOURCE + (meaning(each.value["vantage"]) or "other"), names[each.value["name"]])
        grouped.setdefault(key, []).append(each)
    return {
        (source, account.lower()): Reading(
            source,
            account,
            State.COLLECTED,
            [each.value for each in found],
            tuple(line for each in found for line in each.evidence),
            f"DNS, TCP, TLS, GET {ROUTE.partition('?')[0]}",
        )
        for (source, account), found in grouped.items()
    }
