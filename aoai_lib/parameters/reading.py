"""Reading parameters from a file or a notebook's cell, and saying what is wrong with them: where, and how it is mended."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from aoai_lib.model import InputError, Json, Requirements
from aoai_lib.parameters.tenant import Parameters
from aoai_lib.parameters.wishes import ACCOUNT, CONTROL, GUID, LABEL, POLICY, Hardening, Probes, Waiver
from aoai_lib.secret_shapes import kind_of, names_a_secret
from aoai_lib.strict_yaml import DEPTH_LIMIT, SIZE_LIMIT, Document, Location, parse_text, shown
from aoai_lib.text_file import read_text

_ACCOUNT_ID: Final = re.compile(
    r"(?i)/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.CognitiveServices/accounts/[^/\s]+"
)
_VNET_ID: Final = re.compile(
    r"(?i)/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.Network/virtualNetworks/[^/\s]+"
)
_GROUP_ID: Final = re.compile(r"(?i)/subscriptions/[^/\s]+/resourceGroups/[^/\s]+")
_WORKSPACE_ID: Final = re.compile(
    r"(?i)/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.OperationalInsights/workspaces/[^/\s]+"
)
_SUBNET_ID: Final = re.compile(_VNET_ID.pattern + r"/subnets/[^/\s]+")
_GUID_WANTED: Final = "must be a GUID with its dashes, as in 11111111-2222-3333-4444-555555555555"
_LABEL_WANTED: Final = "must be 1 to 64 letters, digits, dots, dashes or underscores, and begin with no dot or dash"
_WANTED_BY_PATTERN: Final[Mapping[str, str]] = {
    GUID: _GUID_WANTED,
    f"^$|{GUID}": f'{_GUID_WANTED}, or "" for the credential\'s own',
    LABEL: _LABEL_WANTED,
    f"^$|{LABEL}": f"{_LABEL_WANTED} (inside, peered, on_premises, outside or a label of your own)",
    ACCOUNT: "must be an account's name, a pattern with * and ?, or an account's full ARM id",
    POLICY: "must be 1 to 64 letters, digits, dots, dashes or underscores, and begin with a letter or digit",
    CONTROL: "must be the id of a control, as in NET-01",
}
_WANTED: Final[Mapping[str, str]] = {
    "bool_type": "must be true or false",
    "dict_type": 'must hold "name: value" lines of its own',
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


def load(path: Path | str) -> Parameters:
    """The parameters in a YAML file. Raises InputError: a sentence for each problem, with file, line and mend."""
    text, name = read_text(Path(path), "a parameters file, as parameters/template.yaml", SIZE_LIMIT), str(path)
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
    "probes": sorted(Probes.model_fields),
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
            if not re.fullmatch(GUID, value):
                yield ("requirements", name, index), f"{name}[{index}] {_GUID_WANTED}; it is {shown(value)}."
    for index, value in enumerate(asked.consumer_vnets):
        if not _VNET_ID.fullmatch(value):
            at = ("requirements", "consumer_vnets", index)
            yield at, f"consumer_vnets[{index}] must be the ARM id of a virtual network; it is {shown(value)}."
    wished = parameters.hardening
    for name, shape, what in (
        ("endpoint_subnet", _SUBNET_ID, "subnet"),
        ("dns_resource_group", _GROUP_ID, "resource group"),
        ("alert_group", _GROUP_ID, "resource group"),
        ("log_workspace", _WORKSPACE_ID, "Log Analytics workspace"),
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
