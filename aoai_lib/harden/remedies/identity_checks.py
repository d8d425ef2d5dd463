"""What must be known before keys are switched off: that somebody works without one, and who still uses one."""

from __future__ import annotations

from typing import Final

from aoai_lib.callers import account_usage, key_callers
from aoai_lib.effective_access.capabilities import CALL_MODELS
from aoai_lib.effective_access.register import ACTIVE, UNKNOWN, register_of
from aoai_lib.facts import Facts
from aoai_lib.harden.preflight import Answer, preflight
from aoai_lib.model import Kind, Snapshot, Subject
from aoai_lib.private_link import name_of, subscription_of

_READS: Final = ("identity", "monitoring", "usage")


@preflight("custom-subdomain", "Does the account have a name of its own?")
def has_a_subdomain(snapshot: Snapshot, account: str) -> Answer:
    """At the shared address of a region only keys work: without a subdomain nobody could call any more."""
    name = name_of(account)
    try:
        subdomain = _facts(snapshot, account).account.text("properties.customSubDomainName")
    except UNKNOWN as problem:
        return Answer(False, f"Whether “{name}” has a custom subdomain is not known: {problem}")
    if subdomain:
        return Answer(True, f"“{name}” is called as “{subdomain}”.")
    return Answer(False, f"“{name}” has no custom subdomain, so nobody can sign in to it with an identity.")


@preflight("entra-callers", "Does somebody call with an identity, successfully, who may go on doing so?", _READS)
def somebody_signs_in(snapshot: Snapshot, account: str) -> Answer:
    """A successful call in the evidence window proves sign-in and subdomain; a role that is held now, that it goes on."""
    name = name_of(account)
    try:
        usage = account_usage(snapshot, account)
    except UNKNOWN as problem:
        return Answer(False, f"Who calls “{name}” is not known: {problem}")
    seen = usage.identity_callers
    if not seen:
        unread = f" {usage.doubt.rstrip('.')}." if usage.doubt else ""
        return Answer(
            False, f"No successful call of “{name}” with an identity was seen, so nobody knows that one works.{unread}"
        )
    holders, gaps = _holders(snapshot, account)
    working = tuple(str(each) for each in seen if each.object_id in holders)
    if working:
        return Answer(
            True, f"{len(working)} caller(s) of “{name}” sign in with an identity and hold a role for it.", working
        )
    unread = f" Not all roles could be looked into: {gaps[0]}" if gaps else ""
    sentence = f"Of those who called “{name}” with an identity none is known to hold a role for it now.{unread}"
    return Answer(False, sentence, tuple(str(each) for each in seen))


def _holders(snapshot: Snapshot, account: str) -> tuple[set[str], list[str]]:
    """Who may call models of an account, by object id, members of opened groups too; and what could not be looked into."""
    found, gaps = set[str](), list[str]()
    own = register_of(snapshot, subscription_of(account))
    try:
        for assignment in own.holders(account, CALL_MODELS, ACTIVE):
            try:
                if own.effective(assignment, CALL_MODELS, account)[0]:
                    found.update(each.principal for each in own.through(assignment))
            except UNKNOWN as problem:
                gaps.append(str(problem))
    except UNKNOWN as problem:
        gaps.append(str(problem))
    return found, gaps


@preflight("key-callers", "Does nobody use a key any more?", ("monitoring", "usage"))
def nobody_uses_a_key(snapshot: Snapshot, account: str) -> Answer:
    """Successful calls with a key in the evidence window; what can't be read is not silence."""
    name = name_of(account)
    try:
        callers = key_callers(_facts(snapshot, account))
        usage = account_usage(snapshot, account)
    except UNKNOWN as problem:
        return Answer(False, f"Who uses a key of “{name}” is not known: {problem}")
    if callers:
        listed = tuple(str(each) for each in callers)
        return Answer(False, f"{len(callers)} caller(s) of “{name}” use a key and would be refused:", listed)
    if usage.nameless:
        unclear = f"{usage.nameless} successful call(s) tell neither caller nor deployment, so a key may be behind them"
        return Answer(False, f"The logs show no call of “{name}” with a key that names a deployment; but {unclear}.")
    since = f", the first of them of {usage.first[:10]}" if usage.first else ""
    return Answer(True, f"The calls of “{name}” in the last {usage.days} days{since}, show none with a key.")


def _facts(snapshot: Snapshot, account: str) -> Facts:
    return Facts(snapshot, Subject(Kind.ACCOUNT, account, account, subscription_of(account)))
