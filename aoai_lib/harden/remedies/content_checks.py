"""What must be known before a content-filter policy is deleted: that no deployment names it, as the account is then."""

from __future__ import annotations

from aoai_lib.effective_access.register import UNKNOWN
from aoai_lib.facts import Facts
from aoai_lib.harden.preflight import Answer, preflight
from aoai_lib.harden.remedies.content import users
from aoai_lib.model import Kind, Snapshot, Subject
from aoai_lib.private_link import name_of, subscription_of


@preflight("policy-unnamed", "Does no deployment name the policy?", ())
def nobody_names_it(snapshot: Snapshot, policy: str) -> Answer:
    """The deployments as they are now. Callers who choose a policy by header leave no trace that could be read."""
    account, name = policy.rpartition("/raiPolicies/")[0], name_of(policy)
    facts = Facts(snapshot, Subject(Kind.ACCOUNT, account, account, subscription_of(account)))
    try:
        found = users(facts, name)
    except UNKNOWN as problem:
        return Answer(False, f"Which deployments name “{name}” is not known: {problem}")
    if found:
        return Answer(False, f"{len(found)} deployment(s) name “{name}” and would lose their filters:", tuple(found))
    return Answer(True, f"No deployment names “{name}”.")
