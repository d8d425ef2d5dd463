"""How an account's own network findings are mended: subdomain, outbound access, firewall, and public access last of all.

Account properties of Microsoft.CognitiveServices, API version 2025-09-01. A PATCH of `networkAcls` replaces its lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from aoai_lib.controls.network_perimeters import NoRangeError, address_range, is_internet, lies_in
from aoai_lib.harden.making import CannotPlanError, Site, mends
from aoai_lib.harden.plan import Check, Request, Step
from aoai_lib.model import Finding, Json
from aoai_lib.private_link import name_of

ACCOUNTS: Final = "2025-09-01"
PRIVATE_WAY: Final = ("NET-05", "NET-07", "NET-08", "NET-09", "NET-10")
"""What leads to an account by a private address: made before anything public is closed."""
_OPEN: Final = {"defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": []}
"""What the service takes for a firewall that nobody set."""
_WRITE_ACCOUNT: Final = "Microsoft.CognitiveServices/accounts/write"


def _account(site: Site, finding: Finding) -> tuple[str, Json]:
    """The account of a finding: its ARM id, and what was read of it."""
    facts = site.facts(finding.subject)
    return finding.subject.account, facts.account.value


@mends("NET-10")
def set_subdomain(site: Site, finding: Finding) -> Iterator[Step]:
    """Give the account a name of its own. It can never be changed again, so a person has to say so."""
    account, found = _account(site, finding)
    name = name_of(account)
    yield site.patch(
        finding,
        account,
        ACCOUNTS,
        found,
        {"properties": {"customSubDomainName": name.lower()}},
        title=f"Give “{name}” the custom subdomain “{name.lower()}”",
        effect="Callers that use the regional endpoint keep working. The subdomain can never be changed again.",
        permission=_WRITE_ACCOUNT,
        checks=(Check(name="irreversible", about=account),),
        undo=None,
        undo_note="A custom subdomain can't be changed or removed once it is set.",
    )


@mends("NET-14")
def restrict_outbound(site: Site, finding: Finding) -> Iterator[Step]:
    """Let the account call named hosts only."""
    account, found = _account(site, finding)
    listed = _look(found, "properties", "allowedFqdnList") or []
    allowed = [each for each in listed if "*" not in each] or list(site.wishes.allowed_fqdns)
    if not allowed:
        raise CannotPlanError(
            "Name the hosts that the account itself may call (your search service, your storage) in hardening.allowed_fqdns: "
            "with an empty list it can call none, and “on your data” and fine-tuning stop."
        )
    yield site.patch(
        finding,
        account,
        ACCOUNTS,
        found,
        {"properties": {"restrictOutboundNetworkAccess": True, "allowedFqdnList": allowed}},
        default={"restrictOutboundNetworkAccess": False, "allowedFqdnList": []},
        title=f"Let “{name_of(account)}” call {', '.join(allowed)} and nothing else",
        effect="The account itself can reach no other host: data sources that are not listed stop answering.",
        permission=_WRITE_ACCOUNT,
    )


@mends("NET-02", after=PRIVATE_WAY, needs=("NET-10",))
@mends("NET-03", after=PRIVATE_WAY, needs=("NET-10",))
@mends("NET-04", after=PRIVATE_WAY, needs=("NET-10",))
def set_firewall(site: Site, finding: Finding) -> Iterator[Step]:
    """Deny by default, keep the approved ranges and the subnets, and nothing else. The lists are replaced whole by the
    service, so they are always sent whole.
    """
    account, found = _account(site, finding)
    asked = site.facts(finding.subject).requirements
    rules = _look(found, "properties", "networkAcls") or {}
    try:
        kept, removed = _approved_rules(asked.approved_source_ranges, rules.get("ipRules") or [])
    except NoRangeError as odd:
        raise CannotPlanError(f"A rule or an approved range is no range: {odd}. Mend it by hand first.") from None
    change = {
        "defaultAction": "Deny",
        "ipRules": kept,
        "virtualNetworkRules": rules.get("virtualNetworkRules") or [],
        "bypass": "AzureServices" if asked.approved_bypass and rules.get("bypass") != "None" else "None",
    }
    yield site.patch(
        finding,
        account,
        ACCOUNTS,
        found,
        {"properties": {"networkAcls": change}},
        undo=Request(
            method="PATCH", path=account, api_version=ACCOUNTS, body={"properties": {"networkAcls": rules or _OPEN}}
        ),
        title=f"Close the firewall of “{name_of(account)}” but for approved ranges",
        effect=f"{removed} address rule(s) go, {len(kept)} stay. Callers from other public addresses get 403.",
        permission=_WRITE_ACCOUNT,
        checks=(Check(name="public-callers", about=account),),
    )


@mends("NET-01", after=("NET-02", "NET-03", "NET-04", "NET-11", "NET-12", "NET-13"), needs=PRIVATE_WAY)
def disable_public_access(site: Site, finding: Finding) -> Iterator[Step]:
    """Close the public way in, last of all. Lists of the firewall are left as they are."""
    account, found = _account(site, finding)
    yield site.patch(
        finding,
        account,
        ACCOUNTS,
        found,
        {"properties": {"publicNetworkAccess": "Disabled"}},
        default={"publicNetworkAccess": "Enabled"},
        title=f"Disable public network access to “{name_of(account)}”",
        effect="The public name still resolves; every call that does not come by a private endpoint gets 403.",
        permission=_WRITE_ACCOUNT,
        checks=(Check(name="private-path", about=account), Check(name="public-callers", about=account)),
    )


def _approved_rules(approved: Sequence[str], rules: Json) -> tuple[list[Json], int]:
    """The address rules that stay or come, and how many go. Public approved ranges are let in, others never were."""
    ranges = [address_range(text) for text in approved]
    kept, removed = list[Json](), 0
    for rule in rules:
        network = address_range(rule["value"])
        if lies_in(network, ranges) and not is_internet(network):
            kept.append({"value": rule["value"]})
        else:
            removed += 1
    held = [address_range(rule["value"]) for rule in kept]
    missing = [each for each in ranges if each.is_global and not is_internet(each) and not lies_in(each, held)]
    return [*kept, *({"value": str(each)} for each in missing)], removed


def _look(value: Json, *steps: str) -> Json:
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value
