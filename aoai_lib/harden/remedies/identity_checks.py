"""What must be known before keys are switched off: that somebody works without one, and who still uses one."""

from __future__ import annotations

from aoai_lib.callers import account_usage, key_callers
from aoai_lib.facts import Facts, NotCollectedError, UnexpectedShapeError
from aoai_lib.harden.preflight import Answer, preflight
from aoai_lib.model import Kind, Snapshot, Subject
from aoai_lib.private_link import name_of, subscription_of

_READS = ("monitoring", "usage")


@preflight("entra-callers", "Does somebody call with an identity, successfully?", _READS)
def somebody_signs_in(snapshot: Snapshot, account: str) -> Answer:
    """A successful call with an identity in the evidence window proves sign-in, role and subdomain at once."""
    name = name_of(account)
    try:
        usage = account_usage(snapshot, account)
    except UnexpectedShapeError as problem:
        return Answer(False, f"Who calls “{name}” is not known: {problem}")
    working = tuple(str(each) for each in usage.identity_callers if each.succeeded)
    if working:
        return Answer(True, f"{len(working)} caller(s) of “{name}” sign in with an identity.", working)
    unread = f" {usage.doubt.rstrip('.')}." if usage.doubt else ""
    return Answer(
        False, f"No successful call of “{name}” with an identity was seen, so nobody knows that one works.{unread}"
    )


@preflight("key-callers", "Does nobody use a key any more?", _READS)
def nobody_uses_a_key(snapshot: Snapshot, account: str) -> Answer:
    """Successful calls with a key in the evidence window; what can't be read is not silence."""
    name = name_of(account)
    facts = Facts(snapshot, Subject(Kind.ACCOUNT, account, account, subscription_of(account)))
    try:
        callers = key_callers(facts)
    except (NotCollectedError, UnexpectedShapeError) as problem:
        return Answer(False, f"Who uses a key of “{name}” is not known: {problem}")
    if callers:
        listed = tuple(str(each) for each in callers)
        return Answer(False, f"{len(callers)} caller(s) of “{name}” use a key and would be refused:", listed)
    return Answer(True, f"The logs show no call of “{name}” with a key.")
