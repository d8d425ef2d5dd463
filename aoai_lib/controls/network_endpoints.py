"""The private way in: connections, the endpoints behind them and the subnets they stand in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aoai_lib.controls import Verdict, breaking, control, fails, not_applicable, not_assessed, passes
from aoai_lib.facts import Facts, View
from aoai_lib.frameworks import ai_rmf, atlas, cis, mcsb, nist80053, owasp
from aoai_lib.model import ABSENT, Kind, Severity
from aoai_lib.private_link import APPROVED, connection_to, private_endpoint, status_of
from aoai_lib.private_path import EndpointPath, Link, LinkState, PrivatePath

FAULTS_AT_MOST: Final = 3
"""Broken links that a reason tells one by one."""

_POLICIES = "virtual_network.properties.subnets[0].properties.privateEndpointNetworkPolicies"
_STATUS = "account.properties.privateEndpointConnections[0].properties.privateLinkServiceConnectionState.status"


def judged(links: Iterable[Link], whole: str) -> Verdict:
    """Fails with what is wrong with links of the private path, is not assessed for what is unknown, else passes with `whole`."""
    found = list(links)
    faults = list(dict.fromkeys(each.sentence for each in found if each.state in (LinkState.BROKEN, LinkState.WEAK)))
    if faults:
        more = len(faults) - FAULTS_AT_MOST
        return fails(" ".join(faults[:FAULTS_AT_MOST]) + (f" And {more} more of the kind." if more > 0 else ""))
    for link in found:
        if link.problem is not None:
            raise link.problem
        if link.state is LinkState.UNKNOWN:
            return not_assessed(link.sentence)
    return passes(whole)


@control(
    "NET-05",
    title="At least one private endpoint connection is approved",
    severity=Severity.HIGH,
    subject=Kind.ACCOUNT,
    maps=(
        *(mcsb("NS-2"), cis("7.16"), nist80053("AC-4", "SC-7", "SC-7(3)"), ai_rmf("MEASURE 2.7")),
        *(owasp("LLM10"), atlas("T0040", "T0049", "M0019")),
    ),
    remediation="Create a private endpoint to the account (group “account”) in the callers' network, and approve its connection "
    "on the account.",
    breaks=(
        {_STATUS: "Pending"},
        {_STATUS: "Rejected"},
        {_STATUS: "Disconnected"},
        {_STATUS: ABSENT},
        breaking({"account.properties.privateEndpointConnections": []}, "NET-17", "NET-18"),
        breaking({"account.properties.privateEndpointConnections": ABSENT}, "NET-17", "NET-18"),
    ),
)
def connection_approved(facts: Facts) -> Verdict:
    """A private endpoint carries traffic only once its connection is approved on the account. Pending, Rejected and
    Disconnected connections are listed just the same, and their provisioning state says Succeeded.
    """
    links = [path.connection for path in PrivatePath(facts).endpoints]
    if not links:
        return fails("The account has no private endpoint.")
    approved = [link for link in links if link.state is LinkState.OK]
    unread = [link for link in links if link.state is LinkState.UNKNOWN]
    return judged(approved or unread or links, next((link.sentence for link in approved), ""))


@control(
    "NET-06",
    title="Every approved connection belongs to a known private endpoint in an approved subscription",
    severity=Severity.HIGH,
    subject=Kind.ACCOUNT,
    maps=(
        *(mcsb("NS-2"), nist80053("AC-4", "SC-7"), ai_rmf("MEASURE 2.7")),
        *(owasp("LLM02"), atlas("T0025", "T0040")),
    ),
    remediation="Ask whose endpoint it is. If nobody knows, reject the connection on the account; if it is yours, name its "
    "subscription in approved_subscriptions of the parameters.",
    breaks=(
        {
            "account.properties.privateEndpointConnections[+]": {
                "properties": {
                    "privateEndpoint": {
                        "id": "/subscriptions/99999999-0000-4000-8000-000000000009/resourceGroups/rg/providers"
                        "/Microsoft.Network/privateEndpoints/pe-unknown"
                    },
                    "privateLinkServiceConnectionState": {"status": "Approved"},
                }
            }
        },
        {
            "account.properties.privateEndpointConnections[+]": {
                "properties": {"privateLinkServiceConnectionState": {"status": "Approved"}}
            }
        },
    ),
)
def connections_known(facts: Facts) -> Verdict:
    """An approved connection is a private way into the account from whatever network its endpoint stands in, even another
    organisation's. It is in order when the endpoint stands in an assessed or approved subscription, still exists and
    leads to this account.
    """
    links = [
        path.connection if path.connection.state is LinkState.UNKNOWN else path.endpoint
        for path in PrivatePath(facts).endpoints
        if path.connection.state is not LinkState.BROKEN
    ]
    if not links:
        return not_applicable("The account has no approved private endpoint connection: see NET-05.")
    return judged(links, f"Each of the {len(links)} approved connection(s) belongs to a known private endpoint.")


def endpoint_in_use(facts: Facts) -> tuple[View, View] | Verdict:
    """The subject's connection and the endpoint itself, or the verdict on one that carries no traffic."""
    connection = connection_to(facts, facts.subject.id)
    if connection is None or status_of(connection).lower() != APPROVED:
        status = status_of(connection) if connection is not None else ""
        return not_applicable(
            f"The connection is {status or 'not known to the account'}, so no traffic uses it: see NET-05."
        )
    endpoint = private_endpoint(facts, facts.subject.id)
    if endpoint is None:
        return not_applicable("The private endpoint does not exist any more: see NET-06.")
    return connection, endpoint


def path_in_use(facts: Facts) -> EndpointPath | Verdict:
    """The private path over the subject, or the verdict on one that carries no traffic."""
    found = endpoint_in_use(facts)
    return found if isinstance(found, Verdict) else EndpointPath(facts, found[0])


@control(
    "NET-11",
    title="The endpoint's subnet enforces network policies for private endpoints",
    severity=Severity.MEDIUM,
    subject=Kind.PRIVATE_ENDPOINT,
    maps=(mcsb("NS-1", "NS-2"), cis("7.11"), nist80053("AC-4", "SC-7"), ai_rmf("MEASURE 2.7"), atlas("T0040")),
    remediation="Set privateEndpointNetworkPolicies of the subnet to NetworkSecurityGroupEnabled (or Enabled, for route tables "
    "too), after checking that its security group lets the callers through on port 443.",
    breaks=(
        breaking({_POLICIES: "Disabled"}, "NET-13"),
        breaking({_POLICIES: "RouteTableEnabled"}, "NET-13"),
        breaking({_POLICIES: ABSENT}, "NET-13"),
    ),
)
def network_policies_enforced(facts: Facts) -> Verdict:
    """Security rules have no effect on a private endpoint unless its subnet enforces network policies: without them
    everything that can route to the endpoint's address reaches it, whatever NET-12 and NET-13 find written in the rules.
    A subnet that doesn't carry the property does not enforce them.
    """
    path = path_in_use(facts)
    if isinstance(path, Verdict):
        return path
    links = [path.subnet, path.policies] if path.subnet.state is LinkState.OK else [path.subnet]
    return judged(links, path.policies.sentence)
