"""The chain from the account over its connections and endpoints down to subnets and names."""

from __future__ import annotations

from functools import cached_property

from aoai_lib.facts import Facts, UnexpectedShapeError, View
from aoai_lib.model import Kind, Snapshot, Subject
from aoai_lib.private_link import (
    APPROVED,
    ENFORCING,
    assessed_subscriptions,
    connections,
    endpoint_addresses,
    endpoint_of,
    grouped_zones,
    is_gone,
    name_of,
    network_of,
    private_endpoint,
    required_zones,
    status_of,
    subnet,
    subscription_of,
    targets,
)
from aoai_lib.private_path.links import Link, LinkState, broken, found_out, gathered, known, ok, unknown, weak, worst
from aoai_lib.private_path.zones import ZonePath


class EndpointPath:
    """One connection of the account, and all that hangs on it: `chain` is the way of the traffic, `zones` that of the names."""

    def __init__(self, facts: Facts, connection: View) -> None:
        self.facts = facts
        self.view = connection
        self.id = known(lambda: endpoint_of(connection), "")
        self.name = name_of(self.id) or known(lambda: connection.text("name"), "")

    @property
    def links(self) -> tuple[Link, ...]:
        """All links of the connection."""
        return (*self.chain, *(link for zone in self.zones for link in zone.links))

    @property
    def state(self) -> LinkState:
        """That of the worst link."""
        return worst(self.links)

    @cached_property
    def chain(self) -> tuple[Link, ...]:
        """The links from the connection to the zone group. What stops traffic ends it: nothing behind it matters then."""
        if self.connection.state is not LinkState.OK:
            return (self.connection,)
        if known(lambda: self._resource, None) is None:
            return self.connection, self.endpoint
        below = (self.policies, self.security_group) if self.subnet.state is LinkState.OK else ()
        return self.connection, self.endpoint, self.address, self.subnet, *below, self.zone_group

    @cached_property
    def zones(self) -> tuple[ZonePath, ...]:
        """A path for each required zone; none where the chain ends before, or where they are not known."""
        return known(lambda: self.required_zones, ()) if self.chain[-1].kind == "zone_group" else ()

    @found_out("connection")
    def connection(self) -> Link:
        """Whether the account approved the connection."""
        status = status_of(self.view)
        if status.lower() == APPROVED:
            return ok("connection", self.name, f"The connection of the private endpoint “{self.name}” is approved.")
        return broken("connection", self.name, f"The connection of “{self.name}” is {status or 'without a state'}.")

    @cached_property
    def _resource(self) -> View | None:
        return private_endpoint(self.facts, self.id)

    @property
    def _endpoint(self) -> View:
        """The endpoint itself, where the chain has come so far that it is there."""
        found = self._resource
        if found is None:
            raise UnexpectedShapeError(self.id, "a private endpoint", None)
        return found

    @found_out("endpoint")
    def endpoint(self) -> Link:
        """Whether the endpoint of the connection is known: there, ours, and leading to this account."""
        arm_id = endpoint_of(self.view)
        if not arm_id:
            told = "An approved connection names no private endpoint, so nobody can say who comes in through it."
            return broken("endpoint", self.name, told)
        shown = f"The private endpoint “{self.name}” of an approved connection"
        known_ones = {*assessed_subscriptions(self.facts), *self.facts.requirements.approved_subscriptions}
        if subscription_of(arm_id) not in {each.lower() for each in known_ones}:
            where = f"the subscription “{subscription_of(arm_id)}”, which is neither assessed nor approved"
            return broken("endpoint", self.name, f"{shown} stands in {where}.", arm_id)
        if self._resource is None:
            return broken("endpoint", self.name, f"{shown} does not exist any more.", arm_id)
        wrong = self._leads_astray()
        if wrong:
            return broken("endpoint", self.name, f"{shown} {wrong}.", arm_id)
        return ok(
            "endpoint", self.name, f"The private endpoint “{self.name}” is known and leads to the account.", arm_id
        )

    def _leads_astray(self) -> str:
        """How the endpoint's own side contradicts the account's; "" where it doesn't."""
        leads_to = list(targets(self._endpoint))
        # An alias stands for a service without naming it: only the account's own side can then say where it leads.
        own = self.facts.subject.account.lower()
        ours = [status for target, status in leads_to if target.lower() == own or not target.startswith("/")]
        if not ours:
            return f"leads somewhere else, to “{name_of(leads_to[0][0])}”" if leads_to else ""
        if all(status and status.lower() != APPROVED for status in ours):
            return f"says itself that its connection is “{ours[0]}”"
        return ""

    @found_out("address")
    def address(self) -> Link:
        """Whether the endpoint holds an address."""
        held = ", ".join(sorted(endpoint_addresses(self.facts, self._endpoint)))
        if not held:
            return broken("address", "none", f"The private endpoint “{self.name}” has no address.")
        return ok("address", held, f"The private endpoint “{self.name}” has the address {held}.")

    @property
    def _subnet_id(self) -> str:
        return self._endpoint.text("properties.subnet.id")

    @cached_property
    def _place(self) -> View | None:
        return subnet(self.facts, self._subnet_id)

    @found_out("subnet")
    def subnet(self) -> Link:
        """Whether the subnet in which the endpoint stands exists."""
        arm_id = self._subnet_id
        name = f"{name_of(network_of(arm_id))}/{name_of(arm_id)}"
        if self._place is None:
            told = f"The subnet “{name}” in which the private endpoint “{self.name}” should stand does not exist."
            return broken("subnet", name, told, arm_id)
        return ok("subnet", name, f"The private endpoint “{self.name}” stands in the subnet “{name}”.", arm_id)

    @found_out("policies")
    def policies(self) -> Link:
        """Whether the subnet applies security rules to private endpoints; absent means it doesn't."""
        value = self._in_place("properties.privateEndpointNetworkPolicies", "Disabled")
        shown = f"The subnet “{self.subnet.name}” applies"
        if value.lower() in ENFORCING:
            return ok("policies", value, f"{shown} security rules to private endpoints ({value}).")
        told = f"{shown} no security rules to private endpoints ({value}), so rules written for it protect nothing."
        return weak("policies", value, told)

    @found_out("security_group")
    def security_group(self) -> Link:
        """Whether the subnet has a security group. What its rules let in is not looked at here."""
        group = self._in_place("properties.networkSecurityGroup.id", "")
        if not group:
            return weak("security_group", "none", f"The subnet “{self.subnet.name}” has no security group.")
        name = name_of(group)
        return ok("security_group", name, f"The subnet “{self.subnet.name}” has the security group “{name}”.", group)

    def _in_place(self, path: str, default: str) -> str:
        return self._place.text(path, default) if self._place is not None else default

    @cached_property
    def required_zones(self) -> tuple[ZonePath, ...]:
        """A path for each zone that the account's private link requires. Raises where these or the zone group are not known."""
        grouped = grouped_zones(self.facts, self.id)
        names = required_zones(self.facts, self.view)
        return tuple(ZonePath(self.facts, self._endpoint, name, grouped.get(name, "")) for name in names)

    @found_out("zone_group")
    def zone_group(self) -> Link:
        """Whether the endpoint's DNS zone group covers every required zone with one that exists."""
        required = self.required_zones
        if not required:
            return unknown(
                "zone_group", "", "The service does not say which DNS zones the account's private link needs."
            )
        missing = _quoted([zone.name for zone in required if not zone.grouped])
        if not any(zone.grouped for zone in required):
            told = f"The endpoint has no DNS zone group, so nobody keeps its records in {missing}."
            return broken("zone_group", "none", told)
        if missing:
            return broken("zone_group", "incomplete", f"The endpoint's DNS zone group leaves out {missing}.")
        gone = _quoted([zone.name for zone in required if is_gone(self.facts, zone.grouped)])
        if gone:
            return broken(
                "zone_group", "outdated", f"The endpoint's DNS zone group names {gone}, which does not exist."
            )
        covered = _quoted([zone.name for zone in required])
        return ok("zone_group", f"{len(required)} zone(s)", f"The endpoint's DNS zone group covers {covered}.")


def _quoted(names: list[str]) -> str:
    return ", ".join(f"“{name}”" for name in names)


class PrivatePath:
    """Everything private about an account: the account itself, and a path for each of its connections."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.name = name_of(facts.subject.account)

    @found_out("account")
    def account(self) -> Link:
        """Whether the account answers to a name of its own."""
        domain = self.facts.account.text("properties.customSubDomainName")
        if domain:
            return ok(
                "account", self.name, f"The account has a name of its own, “{domain}”.", self.facts.subject.account
            )
        told = "The account has no custom subdomain, so neither Entra sign-in nor a private endpoint can work."
        return broken("account", self.name, told, self.facts.subject.account)

    @cached_property
    def endpoints(self) -> tuple[EndpointPath, ...]:
        """The connections as the account lists them. Raises where it could not be read."""
        return tuple(EndpointPath(self.facts, connection) for connection in connections(self.facts))

    @cached_property
    def shown(self) -> tuple[EndpointPath, ...]:
        """The connections as far as they are known."""
        return known(lambda: self.endpoints, ())

    @property
    def nothing(self) -> Link | None:
        """Why there is no connection to show; None where there is one."""
        if self.shown:
            return None
        _, problem = gathered(connections(self.facts))
        if problem is not None:
            return unknown("connection", "", problem)
        return broken("endpoint", "none", "The account has no private endpoint.")

    @property
    def state(self) -> LinkState:
        """The best of the connections, since one whole path is a way in; that of the account where this is worse."""
        states = {path.state for path in self.shown} or {self.nothing.state if self.nothing else LinkState.OK}
        best = next(state for state in LinkState if state in states)
        return max(best, self.account.state, key=list(LinkState).index)


def private_path(snapshot: Snapshot, account_id: str) -> PrivatePath:
    """The private path of one account of the snapshot."""
    return PrivatePath(Facts(snapshot, Subject(Kind.ACCOUNT, account_id, account_id)))
