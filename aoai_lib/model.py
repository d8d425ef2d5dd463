"""The nouns that everything else speaks of: verdicts, subjects, requirements, readings, the snapshot, findings.

Nothing here reads Azure, the clock or a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

Json = Any
"""A value as `json.loads` returns it. Bodies of Azure have no fixed type: controls look at them through `facts`."""


class Absent:
    """The type of `ABSENT`: a property that the service did not send, as distinct from one that it sent as null."""

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> Literal[False]:
        return False

    def __deepcopy__(self, memo: object) -> Absent:
        return self


ABSENT: Final = Absent()


class PlaybookError(Exception):
    """The root of every error that a person can mend. Its text is one clear sentence, with the mend."""


class InputError(PlaybookError):
    """Bad input: nothing was run and nothing was written."""


class NothingToAssessError(InputError):
    """The subscriptions could be listed, and hold no Azure OpenAI account that the parameters select."""


class SignInError(PlaybookError):
    """The credential chain gave no token."""


class Status(StrEnum):
    """The four verdicts. What could not be read is `not_assessed`, never a pass and never missing."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    NOT_APPLICABLE = "not_applicable"
    NOT_ASSESSED = "not_assessed"


class Severity(StrEnum):
    """How bad a failed control is, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


class Kind(StrEnum):
    """What a control is about."""

    SUBSCRIPTION = "subscription"
    ACCOUNT = "account"
    DEPLOYMENT = "deployment"
    PRIVATE_ENDPOINT = "private_endpoint"


class Phase(StrEnum):
    """A phase of the guide: its number is the notebook's, its prefix the control's."""

    NETWORK = "network_isolation"
    IDENTITY = "identity_access"
    CONTENT = "content_safety"
    MONITORING = "operational_monitoring"
    GOVERNANCE = "governance"


PHASE_OF_PREFIX: Final[Mapping[str, Phase]] = {
    "NET": Phase.NETWORK,
    "IAM": Phase.IDENTITY,
    "CNT": Phase.CONTENT,
    "MON": Phase.MONITORING,
    "GOV": Phase.GOVERNANCE,
}

Threshold = Literal["Low", "Medium", "High"]
"""The lowest severity that a content filter blocks: `Low` blocks most and is the strictest."""

Text = Annotated[str, Field(min_length=1, max_length=500)]


class Requirements(BaseModel):
    """What this organisation asks of its accounts, where the right answer is a decision and not a fact."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    approved_source_ranges: list[Text] = Field(
        default=[], description="CIDR ranges that may reach the accounts: NET-03, NET-12, NET-13."
    )
    approved_bypass: bool = Field(
        default=False, description="Whether trusted Azure services may pass the firewall: NET-04."
    )
    approved_subscriptions: list[Text] = Field(
        default=[],
        description="Subscription ids, besides the assessed ones, in which private endpoints to the accounts may stand: NET-06.",
    )
    consumer_vnets: list[Text] = Field(
        default=[], description="ARM ids of the virtual networks from which callers resolve the private names: NET-09."
    )
    approved_admins: list[Text] = Field(
        default=[],
        description="Object ids (users, groups, service principals) that may read keys, write policies, assign roles "
        "or change diagnostics: IAM-04, IAM-07, IAM-08, IAM-09.",
    )
    approved_deployers: list[Text] = Field(
        default=[], description="Object ids of deployment automation: may write deployments, IAM-07."
    )
    filter_threshold: Threshold = Field(
        default="Medium",
        description="The severity from which the four harm categories must be blocked; Low is strictest: CNT-01, CNT-02, CNT-08.",
    )
    protected_material_exceptions: list[Text] = Field(
        default=[], description="Names of deployments for which protected material need not be blocked: CNT-05."
    )
    required_blocklists: list[Text] = Field(
        default=[], description="Names of blocklists that every deployment's policy must bind both ways: CNT-07."
    )
    abuse_monitoring: bool = Field(default=True, description="Whether abuse monitoring must be on: CNT-10.")
    stored_completions_disabled: bool = Field(
        default=True, description="Whether storing of completions must be switched off: CNT-16."
    )
    retention_days: int = Field(
        default=365, ge=1, le=4383, description="Days for which the log tables must be kept: MON-03."
    )
    rejected_content_per_5_minutes: int = Field(
        default=20, ge=0, description="Rejected requests in five minutes that must raise an alert: MON-06."
    )
    tokens_per_hour: int = Field(
        default=500_000, ge=1, description="Tokens in an hour that must raise an alert: MON-09."
    )
    prompt_evidence: bool = Field(
        default=False, description="Whether Defender for AI must attach prompts to its alerts (sensitive data): MON-13."
    )
    customer_managed_key: bool = Field(default=False, description="Whether a customer-managed key is required: GOV-01.")
    customer_owned_storage: bool = Field(
        default=False, description="Whether customer-owned storage is required: GOV-02."
    )
    retirement_warning_days: int = Field(
        default=60, ge=0, description="Days before a model's retirement from which it counts as failed: GOV-03."
    )
    residency: Literal["any", "data_zone", "region"] = Field(
        default="any", description="How far inference may leave the account's region: GOV-05."
    )
    allowed_regions: list[Text] = Field(
        default=[], description="Regions in which accounts may stand, as in `swedencentral`; empty = any: GOV-05."
    )
    capacity_cap: int | None = Field(
        default=None, ge=1, description="Largest allowed capacity of one deployment, in its SKU's units: GOV-06."
    )
    required_tags: list[Text] = Field(default=[], description="Tag names that each account must carry: GOV-08.")


class State(StrEnum):
    """How a read ended. Only `COLLECTED` can end in a pass; `PARTIAL` holds items of a list that may have more."""

    COLLECTED = "collected"
    PARTIAL = "partial"
    DENIED = "denied"
    NOT_FOUND = "not_found"
    FAILED = "failed"
    NOT_COLLECTED = "not_collected"


@dataclass(frozen=True, slots=True)
class Reading:
    """One source read for one scope: the value as the wire had it, or why there is none.

    `evidence` are line ids of `requests.jsonl`. `permission` is the action that the call needs, as Azure names it.
    `call` is the request in short (`GET /subscriptions/…/accounts`); `reason` a sentence for a person. `code` is the error
    code of an answer that was an error, as the service spells it; "" where it sent none.
    """

    source: str
    scope: str
    state: State
    value: Json = None
    evidence: tuple[str, ...] = ()
    call: str = ""
    reason: str = ""
    permission: str = ""
    code: str = ""

    @property
    def is_gone(self) -> bool:
        """Whether the service said that there is no such thing. A 404 with another code, or with none, says less: of a
        subscription that the reader can't see it is `SubscriptionNotFound`, and a proxy answers one without a code."""
        return self.state is State.NOT_FOUND and self.code in GONE


GONE: Final = frozenset({"ResourceNotFound", "NotFound", "ParentResourceNotFound", "ResourceGroupNotFound"})
"""Codes by which Resource Manager and its providers say that a resource, its parent or its group does not exist."""
NOT_OFFERED: Final = frozenset(
    {
        "MissingSubscriptionRegistration",
        "SubscriptionNotRegisteredForFeature",
        "InvalidResourceType",
        "NoRegisteredProviderFound",
    }
)
"""Codes by which Resource Manager says that a subscription or a cloud doesn't have a kind of resource: then there is none."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a finding is about: an ARM id, and the account and subscription it belongs to ("" where there is none)."""

    kind: Kind
    id: str
    account: str = ""
    subscription: str = ""

    @property
    def name(self) -> str:
        """The last segment of the id."""
        return self.id.rstrip("/").rpartition("/")[2]


@dataclass(frozen=True)
class Snapshot:
    """Everything that was read of one tenant: what the controls judge, and nothing else.

    `as_of` is the service's own clock (ISO 8601, UTC) when the reading began. `readings` is keyed by source and lower-cased scope.
    `evidence_days` is how many days of logs were asked for, up to then.
    `caller` says who read: `object_id`, `app_id`, `tenant_id`, `name`, as far as the token told; empty for a replay.
    """

    tenant: str
    tenant_id: str
    cloud: str
    as_of: str
    profile: str
    requirements: Requirements
    readings: Mapping[tuple[str, str], Reading] = field(default_factory=dict)
    caller: Mapping[str, str] = field(default_factory=dict)
    evidence_days: int = 30

    def reading(self, source: str, scope: str) -> Reading:
        """The reading of a source for a scope; one in state NOT_COLLECTED where nobody asked."""
        found = self.readings.get((source, scope.lower()))
        return found or Reading(source, scope, State.NOT_COLLECTED, reason=f"{source} was not read for this run.")

    def of(self, source: str) -> Iterator[Reading]:
        """All readings of a source, in the order they were asked for."""
        return iter(self._by_source.get(source, ()))

    @cached_property
    def _by_source(self) -> Mapping[str, Sequence[Reading]]:
        found: dict[str, list[Reading]] = {}
        for (source, _), reading in self.readings.items():
            found.setdefault(source, []).append(reading)
        return found


class Observation(NamedTuple):
    """One value that a control read: `path` as `source.property.path`, `value` as on the wire (ABSENT: not sent)."""

    path: str
    value: Json
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict of one control about one subject. `reason` is a sentence a client understands."""

    control: str
    status: Status
    subject: Subject
    reason: str
    observed: Sequence[Observation] = ()
