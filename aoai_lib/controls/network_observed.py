"""What names lead to and who answers, as it was seen from stated vantage points."""

from __future__ import annotations

import re
from typing import Final

from aoai_lib.controls import Verdict, control, not_assessed
from aoai_lib.controls.network_vantages import NO_ANSWER, Seen, look, private_address, verdict
from aoai_lib.facts import Facts, View
from aoai_lib.frameworks import ai_rmf, atlas, mcsb, nist80053
from aoai_lib.model import Kind, Severity

NETWORK_REFUSAL: Final = re.compile(
    r"(?i)virtual network|firewall|public (network )?access|private endpoint|security perimeter"
)
"""In the message of a 403 by which the service refuses a network: “Access denied due to Virtual Network/Firewall rules.”,
“Public access is disabled. Please configure private endpoint.”"""


def _inside(facts: Facts, view: View, name: str, seen: Seen) -> None:
    if not private_address(facts, view, name, seen):
        return
    answers = [_answer(each) for each in view.each("reached")]
    for kind, said in answers:
        if kind == "refused":
            seen.fails(name, f"refused the caller: {said}")
        elif kind == "open":
            seen.leaves_open(name, f"resolved as it should, but {said}{_proxy(view)}")
    if answers and all(kind == "answered" for kind, _ in answers):
        seen.right.add(name)
    elif not answers:
        seen.leaves_open(name, "was resolved and not tried further")


def _outside(facts: Facts, view: View, name: str, seen: Seen) -> None:
    answers = [_answer(each) for each in view.each("reached")]
    for kind, said in answers:
        if kind == "answered":
            closed = facts.account.text("properties.publicNetworkAccess").lower() == "disabled"
            although = ", although public network access is disabled" if closed else ""
            seen.fails(name, f"let the caller in: {said}{although}")
        elif kind == "open":
            seen.leaves_open(name, f"was not refused by the account's network rules: {said}{_proxy(view)}")
    if answers and all(kind == "refused" for kind, _ in answers):
        seen.right.add(name)
    elif not answers:
        outcome = view.text("dns.outcome")
        seen.leaves_open(name, f"could not be tried: {NO_ANSWER.get(outcome, outcome)}")


def _resolved(facts: Facts, view: View, name: str, seen: Seen) -> None:
    if private_address(facts, view, name, seen):
        seen.right.add(name)


def _proxy(view: View) -> str:
    return " (a proxy is set there, and was gone around)" if view.flag("proxy") else ""


def _answer(reached: View) -> tuple[str, str]:
    """`answered` (the network was let in), `refused` (it was not) or `open`, and what was seen."""
    address = reached.text("address")
    if not reached.flag("tcp.connected"):
        return "open", f"no connection to {address} came about ({reached.text('tcp.error')})"
    if not reached.flag("tls.verified"):
        return "open", f"the TLS of {address} did not hold ({reached.text('tls.error') or 'no certificate'})"
    status = reached.number("http.status")
    if status is None:
        return "open", f"{address} gave no HTTP answer ({reached.text('http.error')})"
    message = reached.text("http.message")
    said = f"{address} answered {status:g}" + (f" “{message}”" if message else "")
    if status == 403 and NETWORK_REFUSAL.search(message):
        return "refused", said
    return ("answered" if status == 401 or 200 <= status < 300 else "open"), said


_UNNAMED: Final = "The account has no custom subdomain, so it has no name of its own that could be tried: see NET-10."
_WHERE: Final = (mcsb("NS-2", "NS-10"), nist80053("CA-8", "SC-7", "SC-22"), ai_rmf("MEASURE 2.7"), atlas("T0040"))
_AWAY: Final = "20.50.1.2"


@control(
    "NET-17",
    title="Observed: the account answers inside by its private address, and refuses the outside",
    severity=Severity.HIGH,
    subject=Kind.ACCOUNT,
    maps=_WHERE,
    remediation="Mend the link of the private path that NET-05 to NET-09 name, then disable public network access (NET-01), and "
    "observe again from both sides.",
    breaks=(
        {"reachability_inside[0].dns.addresses[0]": _AWAY},
        {"reachability_inside[0].dns.outcome": "nxdomain"},
        {
            "reachability_inside[0].reached[0].http.status": 403,
            "reachability_inside[0].reached[0].http.message": "Access denied due to Virtual Network/Firewall rules.",
        },
        {"reachability_outside[0].reached[0].http.status": 401},
        {"reachability_outside[0].reached[0].http.status": 200},
    ),
)
def private_inside_refused_outside(facts: Facts) -> Verdict:
    """Configuration says what should be; this is what was. From inside, every name of the account must lead to the address of
    one of its private endpoints and to nothing else, and must answer there over verified TLS. From outside, the
    name still resolves and still connects, and the only right answer is 403 from the account's network rules.

    Both sides are needed for a pass. The request carries no credential, so 401 means that the network was let in. A time-out,
    a resolver's failure, an unverified certificate or any other answer leaves the question open. What contradicts it fails.
    """
    domain = facts.account.text("properties.customSubDomainName").lower()
    if not domain:
        return not_assessed(_UNNAMED)
    seen = {
        "outside": look(facts, "outside", domain, _outside),
        "inside": look(facts, "inside", domain, _inside),
    }
    names = len(seen["inside"].right)
    return verdict(
        facts,
        domain,
        seen,
        f"From inside, {names} name(s) led to the private endpoint and answered; from outside, each was refused with 403.",
    )


@control(
    "NET-18",
    title="Observed: the names resolve privately from peered networks and from on-premises",
    severity=Severity.MEDIUM,
    subject=Kind.ACCOUNT,
    maps=_WHERE,
    remediation="Link the private DNS zones to the peered network, or let it and the on-premises DNS forward the public names to a "
    "resolver inside a linked network; then observe again from both.",
    breaks=(
        {"reachability_peered[0].dns.addresses[0]": _AWAY},
        {"reachability_on_premises[0].dns.addresses[0]": "10.255.255.4"},
        {"reachability_on_premises[0].dns.outcome": "nxdomain"},
    ),
)
def resolves_from_everywhere(facts: Facts) -> Verdict:
    """Whoever resolves the public address goes around the private path while public access is on, and stands before a closed
    door once it is off. Links and forwarders are easily forgotten for the second network, and no configuration in Azure tells
    what the DNS servers of a data centre do, so it is tried from both. Not judged without an observation from each; where an
    organisation has no such network, that is for a waiver to say.
    """
    domain = facts.account.text("properties.customSubDomainName").lower()
    if not domain:
        return not_assessed(_UNNAMED)
    seen = {each: look(facts, each, domain, _resolved) for each in ("peered", "on_premises")}
    return verdict(
        facts, domain, seen, "From a peered network and from on-premises, the names led to the private endpoint."
    )


def answers_inside(facts: Facts) -> Verdict:
    """The inside half of NET-17, for whoever is about to close the public way: does the private one work, as it was seen?"""
    domain = facts.account.text("properties.customSubDomainName").lower()
    if not domain:
        return not_assessed(_UNNAMED)
    seen = {"inside": look(facts, "inside", domain, _inside)}
    return verdict(facts, domain, seen, "From inside, the names led to the private endpoint and answered.")
