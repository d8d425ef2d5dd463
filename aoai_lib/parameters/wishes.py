"""The parts of a parameters file that stand in rooms of their own: accepted risks, what a hardening and what probes may do."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from aoai_lib.model import Json, Text

GUID: Final = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
LABEL: Final = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$"
ACCOUNT: Final = r"^([A-Za-z0-9*?][A-Za-z0-9*?._-]{0,63}|/[^\s]+)$"
POLICY: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
CONTROL: Final = r"^[A-Z]{2,8}-[0-9]{2,3}$"


def _day(value: Json) -> Json:
    """A day as papermill leaves it: text like 2027-01-31."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) else value
        except ValueError:
            return value
    return value


Guid = Annotated[str, Field(pattern=GUID)]
Day = Annotated[date, BeforeValidator(_day)]


class Waiver(BaseModel):
    """An accepted risk: shown beside the verdict, which it never changes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    control: str = Field(pattern=CONTROL, description="Id of the control, as in `NET-01`.")
    subject: Text = Field(default="*", description="ARM id or name that it is for; * and ? are patterns.")
    reason: Text = Field(description="Why the risk is accepted.")
    owner: Text = Field(description="Who accepted it.")
    ticket: str = Field(default="", max_length=500, description="Where the decision is recorded.")
    expires: Day = Field(description="Last day on which it holds, as in `2027-01-31`.")


class Hardening(BaseModel):
    """What a hardening plan needs to know and no answer of Azure tells: where new things go, and what stays allowed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    endpoint_subnet: str = Field(
        default="", max_length=1000, description="ARM id of the subnet for new private endpoints: NET-05."
    )
    dns_resource_group: str = Field(
        default="",
        max_length=1000,
        description="ARM id of the resource group for new private DNS zones; empty = the endpoint's: NET-05, NET-07.",
    )
    allowed_fqdns: list[Text] = Field(
        default=[], description="Host names that the accounts themselves may call, as for your own data: NET-14."
    )
    workload_identities: list[Guid] = Field(
        default=[],
        description="Object ids of the workloads (managed identities, service principals) that call the accounts: each gets "
        "Cognitive Services OpenAI User before keys are switched off, IAM-01.",
    )
    patience_minutes: int = Field(
        default=5,
        ge=0,
        le=720,
        description="How long to go on trying, with active probes, whether what was switched off is refused: IAM-01.",
    )
    log_workspace: str = Field(
        default="",
        max_length=1000,
        description="ARM id of the Log Analytics workspace for logs that go nowhere yet: MON-01, MON-05.",
    )
    alert_group: str = Field(
        default="", max_length=1000, description="ARM id of the resource group for alert rules: MON-06 to MON-10."
    )
    alert_emails: list[Text] = Field(
        default=[], description="Mail addresses of those who are told by new alerts: MON-06 to MON-10."
    )
    filter_policy: str = Field(
        default="aoai-playbook-strict",
        pattern=POLICY,
        description="Name of the content-filter policy that is made where a deployment names none of the account's own: CNT-01.",
    )
    blocklists: dict[Text, list[Text]] = Field(
        default={}, description="Entries of required blocklists that don't exist yet, by the list's name: CNT-07."
    )
    canary: bool = Field(
        default=False,
        description="Whether a blocklist with one meaningless term may be bound to the policies, so that a probe can prove "
        "that filtering works: CNT-13.",
    )


class Probes(BaseModel):
    """How far active probes may go. Nothing is sent unless `active_probes` is on."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    requests: int = Field(
        default=200,
        ge=0,
        le=10_000,
        description="Requests to models that one run may send at most; what is over is left out.",
    )
    tokens: int = Field(
        default=50_000,
        ge=0,
        le=10_000_000,
        description="Tokens, prompts and answers together, that one run may use at most.",
    )
    surface: Literal["v1", "2024-10-21"] = Field(
        default="v1", description="Which data-plane API is called: v1, or the dated one of that version."
    )
    text: Literal["digest", "full"] = Field(
        default="digest",
        description="What the evidence keeps of prompts and answers: length and digest, or (only where the report may "
        "spread harmful text) the text itself.",
    )
    log_minutes: int = Field(
        default=10,
        ge=0,
        le=90,
        description="Minutes that a run waits for the log row of its own call, asking twice a minute: MON-04. 0 asks once.",
    )
    openai_user: str = Field(
        default="",
        pattern=f"^$|{GUID}",
        description="Client id of a managed identity that holds only Cognitive Services OpenAI User: with it one "
        "deployment that can't come about is tried, which must be refused: IAM-12.",
    )
