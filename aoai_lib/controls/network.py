"""Who can reach an account over the public internet, and what the account itself can reach."""

from __future__ import annotations

from typing import Final

from aoai_lib.controls import Verdict, breaking, control, fails, not_applicable, not_assessed, passes
from aoai_lib.controls.network_endpoints import judged
from aoai_lib.controls.network_perimeters import (
    PUBLIC_ACCESS,
    NoRangeError,
    Perimeter,
    address_range,
    associated,
    is_internet,
    was_asked,
)
from aoai_lib.facts import Facts
from aoai_lib.frameworks import ai_rmf, atlas, cis, mcsb, mcsb_ai, nist80053, owasp
from aoai_lib.model import ABSENT, Kind, Severity
from aoai_lib.private_path import PrivatePath

CLOSED: Final = frozenset({"disabled", "securedbyperimeter"})
"""Values of publicNetworkAccess under which only a perimeter's rules let anybody in; the second lets in nobody without one
(Microsoft Learn, "Transition to a network security perimeter", 2026-08)."""


def _is_on(facts: Facts) -> bool:
    """Whether the account's own switch leaves its public name to its own firewall, as one that is absent does."""
    return facts.account.text("properties.publicNetworkAccess").lower() not in CLOSED


def _judge_perimeters(perimeters: list[Perimeter]) -> Verdict | None:
    """The verdict on rules that let in the internet, or can't be read; None where there is none such."""
    unreadable = None
    for perimeter in perimeters:
        for text in perimeter.ranges:
            try:
                if is_internet(address_range(text)):
                    return fails(
                        f"The network security perimeter “{perimeter.name}” lets in “{text}”, the whole internet."
                    )
            except NoRangeError as odd:
                unreadable = f"A rule of the network security perimeter “{perimeter.name}” is not readable: {odd}."
    return not_assessed(unreadable) if unreadable else None


@control(
    "NET-01",
    title="Public network access is disabled",
    severity=Severity.CRITICAL,
    subject=Kind.ACCOUNT,
    maps=(*PUBLIC_ACCESS, cis("7.16")),
    remediation="First see that a private endpoint is approved, its names resolve and a call from inside succeeds (NET-05, "
    "NET-08, NET-17). Then set publicNetworkAccess of the account to Disabled.",
    breaks=(
        {"account.properties.publicNetworkAccess": "Enabled"},
        {"account.properties.publicNetworkAccess": ABSENT},
        {"account.properties.publicNetworkAccess": None},
        breaking(
            {
                "network_security_perimeters[0].properties.profile.accessRules[+]": {
                    "name": "anyone",
                    "properties": {"direction": "Inbound", "addressPrefixes": ["0.0.0.0/0"]},
                }
            },
            "NET-03",
        ),
    ),
)
def public_access_disabled(facts: Facts) -> Verdict:
    """A private endpoint only adds a private door. As long as public network access is on, the account's public name
    answers everybody whom the firewall lets through, and a stolen key or token works from anywhere.

    An account that doesn't carry the property is open. A network security perimeter in Enforced mode takes the place of the
    account's own switch. In any mode its inbound rules let in whom they name, though the switch be off: it fails where one of
    them lets in the internet.
    """
    is_on = _is_on(facts)
    perimeters, missing = associated(facts)
    enforced = ", ".join(f"“{each.name}”" for each in perimeters if each.enforced)
    if is_on and not enforced:
        unread = " (whether a network security perimeter overrides this could not be read)" if missing else ""
        return fails(f"The account can be reached over the public internet{unread}.")
    wrong = _judge_perimeters(perimeters)
    if wrong is not None:
        return wrong
    if enforced:
        return passes(
            f"The network security perimeter {enforced} decides in the account's place and keeps the internet out."
        )
    if missing is not None and was_asked(missing):
        raise missing
    unread = "; whether a network security perimeter overrides this was not read" if missing else ""
    return passes(f"Public network access is disabled{unread}.")


@control(
    "NET-02",
    title="The firewall denies what no rule allows",
    severity=Severity.CRITICAL,
    subject=Kind.ACCOUNT,
    maps=PUBLIC_ACCESS,
    remediation="Set networkAcls.defaultAction of the account to Deny, after adding a rule for every caller that must still "
    "come over its public name. Better: disable public network access (NET-01).",
    breaks=(
        breaking(
            {
                "account.properties.publicNetworkAccess": "Enabled",
                "account.properties.networkAcls.defaultAction": "Allow",
            },
            "NET-01",
        ),
        breaking(
            {"account.properties.publicNetworkAccess": ABSENT, "account.properties.networkAcls": ABSENT},
            "NET-01",
        ),
    ),
)
def default_action_denies(facts: Facts) -> Verdict:
    """While public access is on, the firewall's default action decides about every address that no rule names. Allow, or
    no firewall at all, means everybody. With Deny the ranges of the rules still get in, which NET-03 looks at.

    Not applicable where public access is off or a network security perimeter is enforced: nobody asks this firewall then.
    """
    if not _is_on(facts):
        return not_applicable("Public network access is disabled, so the firewall's default action lets nobody in.")
    perimeters, missing = associated(facts)
    if any(perimeter.enforced for perimeter in perimeters):
        return not_applicable("An enforced network security perimeter decides in place of the account's firewall.")
    if facts.account.text("properties.networkAcls.defaultAction").lower() == "deny":
        if missing is not None and was_asked(missing):
            raise missing
        return passes("Public access is on, and the firewall denies every address that no rule allows.")
    return fails("Public access is on and the firewall lets in every address: its default action is Allow.")


@control(
    "NET-04",
    title="Trusted Azure services don't bypass the firewall, unless approved",
    severity=Severity.MEDIUM,
    subject=Kind.ACCOUNT,
    maps=(mcsb("NS-2"), nist80053("AC-4", "SC-7"), ai_rmf("MEASURE 2.7"), atlas("T0040")),
    remediation="Set networkAcls.bypass of the account to None. Where “On your data” or another trusted service needs the way, "
    "approve it with approved_bypass in the parameters.",
    breaks=(
        {"account.properties.networkAcls.bypass": "AzureServices"},
        {"account.properties.networkAcls.bypass": "Everything"},
    ),
)
def trusted_bypass_closed(facts: Facts) -> Verdict:
    """With the bypass on, Azure AI services, Machine Learning and AI Search reach the account with a managed identity
    however the firewall is set, even while public access is off. That is a decision of its own, so it must be approved.

    The service sends the property only where somebody set it: an absent one is no bypass.
    """
    bypass = facts.account.text("properties.networkAcls.bypass", "None")
    if bypass.lower() == "none":
        return passes("No Azure service passes the firewall as a trusted one.")
    if bypass.lower() == "azureservices" and facts.requirements.approved_bypass:
        return passes("Trusted Azure services pass the firewall, which the organisation approved.")
    return fails(f"The firewall's bypass is “{bypass}”: trusted Azure services get past it, and nobody approved that.")


@control(
    "NET-10",
    title="A custom subdomain is set",
    severity=Severity.MEDIUM,
    subject=Kind.ACCOUNT,
    maps=(mcsb("NS-2", "IM-1"), nist80053("SC-7", "IA-2"), ai_rmf("MEASURE 2.7")),
    remediation="Set customSubDomainName of the account to a name of its own. It can't be changed afterwards, and clients must "
    "then call that name.",
    breaks=(
        {"account.properties.customSubDomainName": ABSENT},
        {"account.properties.customSubDomainName": ""},
        {"account.properties.customSubDomainName": None},
    ),
)
def custom_subdomain_set(facts: Facts) -> Verdict:
    """Without a custom subdomain an account answers on its region's shared name. It then takes no Entra sign-in, so keys
    are the only way in, and can have no private endpoint.
    """
    account = PrivatePath(facts).account
    return judged([account], account.sentence)


@control(
    "NET-14",
    title="Outbound access is restricted to named hosts",
    severity=Severity.MEDIUM,
    subject=Kind.ACCOUNT,
    maps=(
        *(mcsb("NS-2"), mcsb_ai("AI-4"), nist80053("SC-7", "AC-4"), ai_rmf("MEASURE 2.7")),
        *(owasp("LLM02", "LLM06"), atlas("T0025", "T0024")),
    ),
    remediation="Set restrictOutboundNetworkAccess of the account to true and name the hosts that it must reach in "
    "allowedFqdnList, without wildcards. Changes take about 15 minutes.",
    breaks=(
        {"account.properties.restrictOutboundNetworkAccess": False},
        {"account.properties.restrictOutboundNetworkAccess": ABSENT},
        {"account.properties.allowedFqdnList": ABSENT},
        {"account.properties.allowedFqdnList": []},
        {"account.properties.allowedFqdnList[+]": "*"},
        {"account.properties.allowedFqdnList[+]": "*.example.com"},
    ),
)
def outbound_restricted(facts: Facts) -> Verdict:
    """The account fetches from the network on a caller's behalf: images by URL, files, search indexes. Unrestricted, that
    is a way to carry data out. The restriction needs a list to hold it to: an empty one says nothing about what was meant,
    and a wildcard gives the choice of host back to the caller.
    """
    account = facts.account
    restricted = account.flag("properties.restrictOutboundNetworkAccess")
    hosts = account.texts("properties.allowedFqdnList")
    if not restricted:
        return fails("The account may open connections to any host.")
    if not hosts:
        return fails(
            "Outbound access is restricted, but no allowed host is named, so the restriction was never decided on."
        )
    wildcard = next((host for host in hosts if "*" in host or not host.strip()), None)
    if wildcard is not None:
        return fails(f"Outbound access is restricted, but the list of allowed hosts holds “{wildcard}”.")
    return passes(f"The account may reach {len(hosts)} named host(s) and no other.")
