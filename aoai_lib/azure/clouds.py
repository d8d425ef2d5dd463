"""The clouds: where each service answers, and under which names its private endpoints resolve.

Sources: azure-core 1.41 `get_arm_endpoints`, azure-identity `AzureAuthorityHosts`, and Microsoft Learn, "Azure Private Endpoint
private DNS zone values" (2026-08) and "National cloud deployments" of Microsoft Graph (2026-08). The lab is one more cloud:
its addresses come from the environment that it prints.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from pydantic import ConfigDict, TypeAdapter, ValidationError

from aoai_lib.model import InputError


@dataclass(frozen=True, slots=True)
class Standpoint:
    """Where a name is tried from: the resolver to ask (HOST:PORT; "" is the system's own), and a gateway to connect through
    (HOST:PORT, HTTP CONNECT; "" is none)."""

    resolver: str = ""
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud. Scopes end in `/.default`; `logs` includes the version segment that `LogsQueryClient` expects.

    `v1_scope` is that of the data plane's v1 API where Microsoft Learn names one of its own (public cloud, 2026-03: a token for
    `inference_scope` is what the others take).
    `standpoints` are vantage points that one process can take by itself: the lab has them, and no real cloud.
    """

    name: str
    arm: str
    arm_scope: str
    authority: str
    logs: str
    logs_scope: str
    inference_scope: str
    graph: str
    openai_suffix: str
    cognitive_suffix: str
    foundry_suffix: str
    v1_scope: str = ""
    standpoints: Mapping[str, Standpoint] = field(default_factory=dict)

    @property
    def graph_scope(self) -> str:
        """The scope of Microsoft Graph's tokens."""
        return f"{self.graph}/.default"

    @property
    def private_zones(self) -> Mapping[str, str]:
        """Public suffix of an endpoint → the private DNS zone that answers for it."""
        suffixes = (self.openai_suffix, self.cognitive_suffix, self.foundry_suffix)
        return {suffix: f"privatelink.{suffix}" for suffix in suffixes}


PUBLIC = Cloud(
    name="public",
    arm="https://management.azure.com",
    arm_scope="https://management.azure.com/.default",
    authority="https://login.microsoftonline.com",
    logs="https://api.loganalytics.io/v1",
    logs_scope="https://api.loganalytics.io/.default",
    inference_scope="https://cognitiveservices.azure.com/.default",
    graph="https://graph.microsoft.com",
    openai_suffix="openai.azure.com",
    cognitive_suffix="cognitiveservices.azure.com",
    foundry_suffix="services.ai.azure.com",
    v1_scope="https://ai.azure.com/.default",
)
US_GOVERNMENT = Cloud(
    name="usgov",
    arm="https://management.usgovcloudapi.net",
    arm_scope="https://management.usgovcloudapi.net/.default",
    authority="https://login.microsoftonline.us",
    logs="https://api.loganalytics.us/v1",
    logs_scope="https://api.loganalytics.us/.default",
    inference_scope="https://cognitiveservices.azure.us/.default",
    graph="https://graph.microsoft.us",
    openai_suffix="openai.azure.us",
    cognitive_suffix="cognitiveservices.azure.us",
    foundry_suffix="services.ai.azure.us",
)
CHINA = Cloud(
    name="china",
    arm="https://management.chinacloudapi.cn",
    arm_scope="https://management.chinacloudapi.cn/.default",
    authority="https://login.chinacloudapi.cn",
    logs="https://api.loganalytics.azure.cn/v1",
    logs_scope="https://api.loganalytics.azure.cn/.default",
    inference_scope="https://cognitiveservices.azure.cn/.default",
    graph="https://microsoftgraph.chinacloudapi.cn",
    openai_suffix="openai.azure.cn",
    cognitive_suffix="cognitiveservices.azure.cn",
    foundry_suffix="services.ai.azure.cn",
)


def resembled(name: str) -> Cloud:
    """The cloud whose names another's resources have: the lab's have the public one's, also where no lab answers any more. Raises
    `InputError` for an unknown name."""
    return PUBLIC if name == "lab" else find(name)


def lab(environment: Mapping[str, str] = os.environ) -> Cloud:
    """The lab's cloud, from the environment that `aoai lab` prints. Raises `InputError` where there is none."""
    base = environment.get("AOAI_LAB", "").rstrip("/")
    if not base:
        raise InputError("No lab answers here: run `aoai lab` and export what it prints, or name another cloud.")
    if not _is_lab(base):
        raise InputError(
            "AOAI_LAB is no address of a lab, as in https://localhost:8443: export what `aoai lab` prints."
        )
    return Cloud(
        name="lab",
        arm=base,
        arm_scope=f"{base}/.default",
        authority=base,
        logs=f"{base}/v1",
        logs_scope=f"{base}/.default",
        inference_scope="https://cognitiveservices.azure.com/.default",
        graph=base,
        openai_suffix=PUBLIC.openai_suffix,
        cognitive_suffix=PUBLIC.cognitive_suffix,
        foundry_suffix=PUBLIC.foundry_suffix,
        v1_scope=PUBLIC.v1_scope,
        standpoints=_standpoints(environment.get("AOAI_LAB_VANTAGES") or "{}"),
    )


def _is_lab(address: str) -> bool:
    """Whether that is scheme, host and port, and nothing else: what is appended to it must not become part of another."""
    try:
        parts = urlsplit(address)
        return address == f"https://{parts.netloc}" and bool(parts.hostname) and parts.port != 0 and not parts.username
    except ValueError:
        return False


def _standpoints(text: str) -> dict[str, Standpoint]:
    try:
        return _PLACES.validate_json(text)
    except ValidationError:
        raise InputError("AOAI_LAB_VANTAGES names no vantage points: export what `aoai lab` prints.") from None


_PLACES: Final = TypeAdapter(dict[str, Standpoint], config=ConfigDict(strict=True))
CLOUDS: Mapping[str, Cloud] = {cloud.name: cloud for cloud in (PUBLIC, US_GOVERNMENT, CHINA)}


def find(name: str) -> Cloud:
    """The cloud of that name: `public`, `usgov`, `china` or `lab`. Raises `InputError` for another."""
    if name == "lab":
        return lab()
    if name not in CLOUDS:
        raise InputError(f"There is no cloud “{name}”: write public, usgov, china or lab.")
    return CLOUDS[name]
