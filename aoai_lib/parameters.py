"""One tenant's parameters: what a YAML file or a notebook's `parameters` cell may say, and nothing else.

`python -m aoai_lib.parameters` prints the JSON Schema that editors use (`parameters/parameters.schema.json`).
"""

from __future__ import annotations

import ipaddress
import json
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from aoai_lib.model import InputError, Json, Requirements, Text
from aoai_lib.secret_shapes import kind_of, names_a_secret
from aoai_lib.strict_yaml import DEPTH_LIMIT, Document, Location, parse_text, read_text, shown

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

_GUID: Final = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_LABEL: Final = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$"
_ACCOUNT: Final = r"^([A-Za-z0-9*?][A-Za-z0-9*?._-]{0,63}|/[^\s]+)$"
_CONTROL: Final = r"^[A-Z]{2,8}-[0-9]{2,3}$"
_ACCOUNT_ID: Final = re.compile(
    r"(?i)/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.CognitiveServices/accounts/[^/\s]+"
)
_VNET_ID: Final = re.compile(
    r"(?i)/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.Network/virtualNetworks/[^/\s]+"
)
_GROUP_ID: Final = re.compile(r"(?i)/subscriptions/[^/\s]+/resourceGroups/[^/\s]+")
_SUBNET_ID: Final = re.compile(_VNET_ID.pattern + r"/subnets/[^/\s]+")
_GUID_WANTED: Final = "must be a GUID with its dashes, as in 11111111-2222-3333-4444-555555555555"
_LABEL_WANTED: Final = "must be 1 to 64 letters, digits, dots, dashes or underscores, and begin with no dot or dash"
_WANTED_BY_PATTERN: Final[Mapping[str, str]] = {
    _GUID: _GUID_WANTED,
    f"^$|{_GUID}": f'{_GUID_WANTED}, or "" for the credential\'s own',
    _LABEL: _LABEL_WANTED,
    f"^$|{_LABEL}": f"{_LABEL_WANTED} (inside, peered, on_premises, outside or a label of your own)",
    _ACCOUNT: "must be an account's name, a pattern with * and ?, or an account's full ARM id",
    _CONTROL: "must be the id of a control, as in NET-01",
}
_WANTED: Final[Mapping[str, str]] = {
    "bool_type": "must be true or false",
    "date_type": "must be a day, as in 2027-01-31",
    "greater_than_equal": "must be {ge} or more",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "less_than_equal": "must be {le} or less",
    "list_type": 'must be a list (lines that begin with "- ", or [] for none)',
    "literal_error": "must be {expected}",
    "model_type": 'must hold "name: value" lines of its own',
    "string_too_long": "must have {max_length} characters or less",
    "string_too_short": "must not be empty",
    "string_type": "must be text (put a number or truth value in quotes)",
}
# Windows keeps these names for devices, with any extension: no folder can have them.
_DEVICES: Final = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")


def _day(value: Json) -> Json:
    """A day as papermill leaves it: text like 2027-01-31."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) else value
        except ValueError:
            return value
    return value


Guid = Annotated[str, Field(pattern=_GUID)]
Day = Annotated[date, BeforeValidator(_day)]


class Waiver(BaseModel):
    """An accepted risk: shown beside the verdict, which it never changes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    control: str = Field(pattern=_CONTROL, description="Id of the control, as in `NET-01`.")
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


class Parameters(BaseModel):
    """The parameters of one tenant, checked. `model_dump(mode="json")` gives them back as flat, plain values."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    tenant: str = Field(
        default="hardened", pattern=_LABEL, description="Label of the tenant: names the folder of its runs."
    )
    tenant_id: str = Field(
        default="", pattern=f"^$|{_GUID}", description="Directory (tenant) id; empty = the credential's own."
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
    accounts: list[Annotated[str, Field(pattern=_ACCOUNT)]] = Field(
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
        pattern=f"^$|{_LABEL}",
        description="Where this runs, as the accounts see it: inside, peered, on_premises, outside or your own label; "
        "empty = unknown.",
    )
    active_probes: bool = Field(
        default=False, description="Whether harmless test requests may be sent to the accounts. Off = only reads."
    )
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


def load(path: Path | str) -> Parameters:
    """The parameters in a YAML file. Raises InputError: a sentence for each problem, with file, line and mend."""
    text, name = read_text(Path(path)), str(path)
    for number, line in enumerate(text.splitlines(), start=1):
        if kind := kind_of(line):
            raise InputError(f"{name}, line {number}: this {_DISCLOSED.format(kind)}")
    document = parse_text(text, name)
    parameters = parse(document.value, document)
    if parameters.apply:
        at = f"{name}, line {document.line(('apply',))}"
        raise InputError(
            f"{at}: apply is for a notebook opened by hand; use `aoai harden --apply`, and remove it here."
        )
    return parameters


def parse(values: Mapping[str, Json], document: Document | None = None) -> Parameters:
    """The parameters in a mapping, as from a notebook's cell. `document`, where given, tells the lines.

    Raises InputError. Once anything looks like a secret no value at all is repeated in the message.
    """
    source = document or Document("the parameters", values)
    if problems := list(_secrets(values, ())):
        raise _refusal(source, problems)
    try:
        parameters = Parameters.model_validate(dict(values))
    except ValidationError as error:
        raise _refusal(source, [_problem(detail) for detail in error.errors(include_url=False)]) from None
    if problems := list(_mistakes(parameters)):
        raise _refusal(source, problems)
    return parameters


_Problem = tuple[Location, str]
_FIELDS: Final = {
    "": sorted(Parameters.model_fields),
    "requirements": sorted(Requirements.model_fields),
    "hardening": sorted(Hardening.model_fields),
    "waivers": sorted(Waiver.model_fields),
}
_DISCLOSED: Final = (
    "looks like {}, and a parameters file is printed into notebooks; remove it and revoke it: "
    "secrets come from the credential chain (an id is written with its dashes)."
)
_SHOWN_AT_MOST: Final = 10


def _refusal(source: Document, problems: list[_Problem]) -> InputError:
    ordered = sorted(problems, key=lambda problem: source.line(problem[0]))
    lines = [f"{source.place(at)}: {sentence}" for at, sentence in ordered[:_SHOWN_AT_MOST]]
    if more := len(ordered) - len(lines):
        lines.append(f"{source.name}: and {more} more.")
    return InputError("\n".join(lines))


def _dotted(at: Location) -> str:
    """`waivers[0].owner`, for a person."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in at).lstrip(".")


def _secrets(value: Json, at: Location) -> Iterator[_Problem]:
    if len(at) > DEPTH_LIMIT:
        raise InputError(f"{_dotted(at[:3])} is nested too deeply; it holds plain values only.")
    if isinstance(value, str) and (kind := kind_of(value)):
        yield at, f"{_dotted(at)} {_DISCLOSED.format(kind)}"
    elif isinstance(value, Mapping):
        for key, child in value.items():
            if not isinstance(key, str):
                yield at, f"{_dotted(at) or 'this'} has a name that is not text; put it in quotes."
            elif kind := kind_of(key):
                yield (*at, key), f"a name here {_DISCLOSED.format(kind)}"
            elif names_a_secret(key) and not _suggestion((*at, key)):
                yield (*at, key), f"{shown(key)} {_DISCLOSED.format('a place for a secret')}"
            else:
                yield from _secrets(child, (*at, key))
    elif isinstance(value, list | tuple):
        for index, child in enumerate(value):
            yield from _secrets(child, (*at, index))


def _problem(error: ErrorDetails) -> _Problem:
    at, context = error["loc"], error.get("ctx", {})
    if error["type"] == "extra_forbidden":
        return at, f"unknown parameter {shown(at[-1])}; {_suggestion(at) or 'remove it'}."
    if error["type"] == "missing":
        return at[:-1], f"{_dotted(at[:-1])} lacks {at[-1]}; add it."
    if error["type"] == "string_pattern_mismatch":
        wanted = _WANTED_BY_PATTERN[context["pattern"]]
    else:
        wanted = _WANTED[error["type"]].format(**context).replace("'", "")
    given = "empty" if error["input"] is None else shown(error["input"])
    return at, f"{_dotted(at)} {wanted}; it is {given}."


def _suggestion(at: Location) -> str:
    """What an unknown name was probably meant to be; "" when it resembles nothing."""
    room, name = str(at[0]) if len(at) > 1 else "", str(at[-1])
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).replace("-", "_").lower()
    known = _FIELDS.get(room, [])
    if plain in known or (near := get_close_matches(plain, known, n=1, cutoff=0.75)):
        return f"did you mean {plain if plain in known else near[0]}"
    elsewhere = [other for other, fields in _FIELDS.items() if plain in fields]
    if elsewhere:
        return f"it belongs under {elsewhere[0]}" if elsewhere[0] else "it belongs at the left margin"
    return ""


def _mistakes(parameters: Parameters) -> Iterator[_Problem]:
    """What types cannot say."""
    if parameters.tenant.endswith(".") or _DEVICES.fullmatch(parameters.tenant):
        yield ("tenant",), f"tenant {shown(parameters.tenant)} cannot be a folder's name on Windows; choose another."
    for index, account in enumerate(parameters.accounts):
        if account.startswith("/") and not _ACCOUNT_ID.fullmatch(account):
            yield ("accounts", index), f"accounts[{index}] is not the ARM id of an account; it is {shown(account)}."
    asked = parameters.requirements
    for name in ("approved_subscriptions", "approved_admins", "approved_deployers"):
        for index, value in enumerate(getattr(asked, name)):
            if not re.fullmatch(_GUID, value):
                yield ("requirements", name, index), f"{name}[{index}] {_GUID_WANTED}; it is {shown(value)}."
    for index, value in enumerate(asked.consumer_vnets):
        if not _VNET_ID.fullmatch(value):
            at = ("requirements", "consumer_vnets", index)
            yield at, f"consumer_vnets[{index}] must be the ARM id of a virtual network; it is {shown(value)}."
    wished = parameters.hardening
    for name, shape, what in (
        ("endpoint_subnet", _SUBNET_ID, "subnet"),
        ("dns_resource_group", _GROUP_ID, "resource group"),
    ):
        value = getattr(wished, name)
        if value and not shape.fullmatch(value):
            yield ("hardening", name), f"hardening.{name} must be the ARM id of a {what}; it is {shown(value)}."
    for index, value in enumerate(asked.approved_source_ranges):
        try:
            ipaddress.ip_network(value)
        except ValueError as error:
            at = ("requirements", "approved_source_ranges", index)
            yield at, f"approved_source_ranges[{index}] must be a range, as in 10.1.0.0/16: {error}."


if __name__ == "__main__":
    sys.stdout.write(Parameters.schema_text())
