"""The parameters of one tenant: all names, types and defaults, and what a profile changes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aoai_lib.model import Json, Requirements
from aoai_lib.parameters.wishes import ACCOUNT, GUID, LABEL, Guid, Hardening, Probes, Waiver

PROFILES: Final[Mapping[str, Mapping[str, Json]]] = {
    # Microsoft cloud security benchmark: the defaults of `Requirements`.
    "mcsb": {},
    # Azure landing zones: the initiatives Enforce-Guardrails-OpenAI (customer-owned storage denied when missing) and
    # Enforce-Encryption-CMK; the stricter filter and the longer warning are this playbook's own reading of "strict".
    "alz-strict": {
        "customer_managed_key": True,
        "customer_owned_storage": True,
        "filter_threshold": "Low",
        "retirement_warning_days": 90,
    },
    # Well-Architected Framework, service guide for Azure OpenAI: "Use customer-managed keys" for fine-tuned models and
    # training data; planning ahead for a model's end is read from its reliability pillar.
    "waf": {"customer_managed_key": True, "retirement_warning_days": 90},
}
"""What a profile asks where the parameters say nothing. It can change a default, never hide a control."""


class Parameters(BaseModel):
    """The parameters of one tenant, checked. `model_dump(mode="json")` gives them back as flat, plain values."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    tenant: str = Field(
        default="hardened", pattern=LABEL, description="Label of the tenant: names the folder of its runs."
    )
    tenant_id: str = Field(
        default="", pattern=f"^$|{GUID}", description="Directory (tenant) id; empty = the credential's own."
    )
    cloud: Literal["public", "usgov", "china", "lab"] = Field(
        default="lab", description="Which Azure; `lab` is the simulated one that comes with the playbook."
    )
    credential: Literal["default", "cli", "managed_identity", "workload_identity", "environment", "device_code"] = (
        Field(default="default", description="How to sign in. Secrets come from there, never from this file.")
    )
    subscriptions: list[Guid] = Field(
        default=[], description="Ids of the subscriptions to assess; empty = all visible."
    )
    accounts: list[Annotated[str, Field(pattern=ACCOUNT)]] = Field(
        default=[], description="Accounts to assess: names, patterns with * and ?, or ARM ids; empty = all."
    )
    profile: Literal["mcsb", "alz-strict", "waf"] = Field(
        default="mcsb", description="Which defaults the requirements have where they are not given."
    )
    requirements: Requirements = Field(
        default_factory=Requirements, description="What this organisation asks of its accounts."
    )
    vantage: str = Field(
        default="",
        pattern=f"^$|{LABEL}",
        description="Where this runs, as the accounts see it: inside, peered, on_premises, outside or your own label; "
        "empty = unknown.",
    )
    active_probes: bool = Field(
        default=False, description="Whether harmless test requests may be sent to the accounts. Off = only reads."
    )
    probes: Probes = Field(default_factory=Probes, description="How far active probes may go.")
    hardening: Hardening = Field(
        default_factory=Hardening, description="What a hardening plan needs besides the requirements."
    )
    apply: bool = Field(
        default=False,
        description="Whether a notebook opened by hand carries its hardening plan out. Refused in a parameters file: "
        "there `aoai harden --apply` does it.",
    )
    evidence_days: int = Field(default=30, ge=1, le=90, description="Days of logs to look back on.")
    waivers: list[Waiver] = Field(default=[], description="Accepted risks, each with an owner and an end.")

    @model_validator(mode="before")
    @classmethod
    def _apply_profile(cls, values: Json) -> Json:
        if not isinstance(values, Mapping):
            return values
        given = values.get("requirements", {})
        if isinstance(given, Requirements):
            given = given.model_dump(exclude_unset=True)
        profile = values.get("profile", "mcsb")
        if not isinstance(given, Mapping) or not isinstance(profile, str):
            return values
        return {**values, "requirements": {**PROFILES.get(profile, {}), **given}}

    def selects(self, account_id: str) -> bool:
        """Whether an account, by its ARM id, is one of those to assess. Case makes no difference, as in ARM."""
        wanted, whole = [pattern.lower() for pattern in self.accounts], account_id.lower().rstrip("/")
        name = whole.rpartition("/")[2]
        return not wanted or any(fnmatchcase(whole if one.startswith("/") else name, one) for one in wanted)

    @classmethod
    def schema_text(cls) -> str:
        """The JSON Schema (2020-12) of a parameters file, as it lies in `parameters/`."""
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **cls.model_json_schema()}
        return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
