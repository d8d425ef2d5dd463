"""The private way in: connections, the endpoints behind them and the subnets they stand in."""

from __future__ import annotations

from aoai_lib.controls import Verdict, control, fails, not_applicable, passes
from aoai_lib.facts import Facts, NotCollectedError, View
from aoai_lib.frameworks import ai_rmf, atlas, cis, mcsb, nist80053, owasp
from aoai_lib.model import ABSENT, Kind, Severity
from aoai_lib.private_link import (
    APPROVED,
    ENFORCING,
    assessed_subscriptions,
    connection_to,
    connections,
    endpoint_of,
    name_of,
    private_endpoint,
    status_of,
    subnet,
    subscription_of,
    targets,
)

_STATUS = "account.properties.privateEndpointConnections[0].properties.privateLinkServiceConnectionState.status"


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
        {"account.properties.privateEndpointConnections": []},
        {"account.properties.privateEndpointConnections": ABSENT},
    ),
)
def connection_approved(facts: Facts) -> Verdict:
    """A private endpoint carries traffic only once its connection is approved on the account. Pending, Rejected and
    Disconnected connections are listed just the same, and their provisioning state says Succeeded.
    """
    waiting = []
    for connection in connections(facts):
        status = status_of(connection)
        name = name_of(endpoint_of(connection)) or connection.text("name")
        if status.lower() == APPROVED:
            return passes(f"The connection of the private endpoint “{name}” is approved.")
        waiting.append(f"“{name}” is {status or 'without a state'}")
    if waiting:
        return fails(f"No private endpoint connection is approved: {', '.join(waiting)}.")
    return fails("The account has no private endpoint.")


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
    known = {name.lower() for name in (*assessed_subscriptions(facts), *facts.requirements.approved_subscriptions)}
    count = 0
    unread: NotCollectedError | None = None
    for connection in connections(facts):
        if status_of(connection).lower() != APPROVED:
            continue
        count += 1
        try:
            wrong = _unknown(facts, endpoint_of(connection), known)
        except NotCollectedError as missing:
            # Another connection may be wrong all the same: that one can be told without this answer.
            unread = unread or missing
            continue
        if wrong:
            return fails(wrong)
    if unread is not None:
        raise unread
    if not count:
        return not_applicable("The account has no approved private endpoint connection: see NET-05.")
    return passes(f"Each of the {count} approved connection(s) belongs to a known private endpoint.")


def _unknown(facts: Facts, arm_id: str, known: set[str]) -> str:
    """Why an approved connection's endpoint is none of ours; "" where it is."""
    if not arm_id:
        return "An approved connection names no private endpoint, so nobody can say who comes in through it."
    shown = f"The private endpoint “{name_of(arm_id)}” of an approved connection"
    if subscription_of(arm_id) not in known:
        return (
            f"{shown} stands in the subscription “{subscription_of(arm_id)}”, which is neither assessed nor approved."
        )
    endpoint = private_endpoint(facts, arm_id)
    if endpoint is None:
        return f"{shown} does not exist any more, yet its connection is still approved."
    leads_to = list(targets(endpoint))
    # An alias stands for a service without naming it: only the account's own side can then say where it leads.
    if any(target.startswith("/") for target in leads_to) and facts.subject.account.lower() not in (
        target.lower() for target in leads_to
    ):
        return f"{shown} leads somewhere else, to “{name_of(leads_to[0])}”."
    return ""


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


@control(
    "NET-11",
    title="The endpoint's subnet enforces network policies for private endpoints",
    severity=Severity.MEDIUM,
    subject=Kind.PRIVATE_ENDPOINT,
    maps=(mcsb("NS-1", "NS-2"), cis("7.11"), nist80053("AC-4", "SC-7"), ai_rmf("MEASURE 2.7"), atlas("T0040")),
    remediation="Set privateEndpointNetworkPolicies of the subnet to NetworkSecurityGroupEnabled (or Enabled, for route tables "
    "too), after checking that its security group lets the callers through on port 443.",
    breaks=(
        {"virtual_network.properties.subnets[0].properties.privateEndpointNetworkPolicies": "Disabled"},
        {"virtual_network.properties.subnets[0].properties.privateEndpointNetworkPolicies": "RouteTableEnabled"},
        {"virtual_network.properties.subnets[0].properties.privateEndpointNetworkPolicies": ABSENT},
    ),
)
def network_policies_enforced(facts: Facts) -> Verdict:
    """Security rules have no effect on a private endpoint unless its subnet enforces network policies: without them
    everything that can route to the endpoint's address reaches it, whatever NET-12 and NET-13 find written in the rules.
    A subnet that doesn't carry the property does not enforce them.
    """
    found = endpoint_in_use(facts)
    if isinstance(found, Verdict):
        return found
    arm_id = found[1].text("properties.subnet.id")
    place = subnet(facts, arm_id)
    if place is None:
        return fails(f"The subnet “{name_of(arm_id)}” in which the endpoint should stand does not exist.")
    policies = place.text("properties.privateEndpointNetworkPolicies", "Disabled")
    if policies.lower() in ENFORCING:
        return passes(f"The subnet “{name_of(arm_id)}” applies security rules to private endpoints ({policies}).")
    return fails(
        f"The subnet “{name_of(arm_id)}” applies no security rules to private endpoints ({policies}), so rules written "
        "for it protect nothing."
    )
