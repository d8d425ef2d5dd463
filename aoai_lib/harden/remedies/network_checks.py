"""What must be known before the public way in is closed: that the private one works, and who still comes by the public one."""

from __future__ import annotations

from typing import Final

from aoai_lib.assess import judge
from aoai_lib.callers import public_callers
from aoai_lib.controls import catalogue
from aoai_lib.controls.network_observed import answers_inside
from aoai_lib.facts import Facts, NotCollectedError, UnexpectedShapeError
from aoai_lib.harden.preflight import Answer, preflight
from aoai_lib.model import Finding, Kind, Snapshot, Status, Subject
from aoai_lib.private_link import name_of, private_endpoint, subnet, subscription_of

_PATH: Final = ("NET-05", "NET-07", "NET-08", "NET-09", "NET-10")
"""What a private path is made of: an approved endpoint whose names resolve where they are asked for."""
_NOT_BROKEN: Final = (Status.PASS, Status.NOT_APPLICABLE)


def _about(account: str) -> Subject:
    return Subject(Kind.ACCOUNT, account, account, subscription_of(account))


def _findings(snapshot: Snapshot, account: str, controls: tuple[str, ...]) -> list[Finding]:
    chosen = [control for control in catalogue() if control.id in controls]
    return [each for each in judge(snapshot, chosen) if each.subject.account.lower() == account.lower()]


@preflight("irreversible", "Is it meant, although it can never be taken back?")
def irreversible(snapshot: Snapshot, account: str) -> Answer:
    """Never good by itself: a person says so, by name, or it is not done."""
    return Answer(False, "This can never be taken back.")


@preflight("private-path", "Is there an approved private endpoint that resolves and answers?", ("network",))
def private_path_works(snapshot: Snapshot, account: str) -> Answer:
    """Configured: every link of the path is judged by its control. Observed: somebody inside saw it answer."""
    broken = [each for each in _findings(snapshot, account, _PATH) if each.status not in _NOT_BROKEN]
    if broken:
        listed = tuple(f"{each.control} {name_of(each.subject.id)}: {each.reason}" for each in broken)
        return Answer(False, f"The private path to “{name_of(account)}” is not whole.", listed)
    try:
        seen = answers_inside(Facts(snapshot, _about(account)))
    except (NotCollectedError, UnexpectedShapeError) as problem:
        return Answer(False, f"Nobody inside saw “{name_of(account)}” answer by its private address: {problem}")
    return Answer(seen.status is Status.PASS, seen.reason)


@preflight("public-callers", "Does nobody come by the public address any more?", ("network", "monitoring", "usage"))
def nobody_comes_in_public(snapshot: Snapshot, account: str) -> Answer:
    """The log's callers over the evidence window, with the addresses as the log masks them."""
    name = name_of(account)
    try:
        callers = public_callers(Facts(snapshot, _about(account)))
    except (NotCollectedError, UnexpectedShapeError) as problem:
        return Answer(False, f"Who calls “{name}” by its public address is not known: {problem}")
    if callers:
        return Answer(
            False, f"{len(callers)} caller(s) of “{name}” would be cut off:", tuple(str(each) for each in callers)
        )
    return Answer(True, f"The logs show no caller of “{name}” by a public address.")


@preflight("shared-subnet", "Does no other private endpoint come under the rules?", ("network",))
def nobody_else_in_the_subnet(snapshot: Snapshot, endpoint: str) -> Answer:
    """Other endpoints in the subnet of one: the rules decide about them too, once they are enforced."""
    facts = Facts(snapshot, Subject(Kind.PRIVATE_ENDPOINT, endpoint))
    try:
        found = private_endpoint(facts, endpoint)
        place = subnet(facts, found.text("properties.subnet.id")) if found is not None else None
        ids = [each.id for each in place.each("properties.privateEndpoints")] if place is not None else []
    except (NotCollectedError, UnexpectedShapeError) as problem:
        return Answer(False, f"What else stands in the subnet is not known: {problem}")
    others = tuple(sorted(name_of(each) for each in ids if each.lower() != endpoint.lower()))
    if others:
        return Answer(False, "Other private endpoints in the subnet come under its security rules too:", others)
    return Answer(True, "No other private endpoint stands in the subnet.")
