"""What must be known before a role is taken from somebody: that a narrower one is enough, or that who loses it was told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aoai_lib.callers import Caller, account_usage
from aoai_lib.effective_access.capabilities import OPENAI_USER
from aoai_lib.effective_access.records import Assignment
from aoai_lib.effective_access.register import ACTIVE, UNKNOWN, register_of
from aoai_lib.facts import NotCollectedError
from aoai_lib.harden.preflight import Answer, preflight
from aoai_lib.harden.remedies.holders import accounts_under, own_hand
from aoai_lib.model import Reading, Snapshot, State
from aoai_lib.private_link import name_of, subscription_of

_READS: Final = ("identity", "monitoring", "usage")


@preflight("verified-call", "Did the workload call since it has the narrow role?", _READS)
def calls_with_the_narrow_role(snapshot: Snapshot, arm_id: str) -> Answer:
    """On every account that the assignment reaches and the workload called: a successful call since it was given OpenAI User.

    The logs don't tell which role a call was let in by, and the wide one was there as well: where it gives more data actions
    than the narrow one, what the workload calls is listed for a person to see.
    """
    try:
        wide = _assignment(snapshot, arm_id)
        called = {account: _callers(snapshot, account, wide.principal) for account in _accounts(snapshot, wide)}
        missing = tuple(
            sentence
            for account, callers in called.items()
            if callers and (sentence := _unproven(snapshot, account, wide.principal, callers))
        )
    except UNKNOWN as problem:
        return Answer(False, f"Whether the narrow role is enough is not known: {problem}")
    listed = tuple(str(each) for callers in called.values() for each in callers)
    if missing:
        return Answer(False, f"That the narrow role is enough for “{wide.principal}” was not seen yet:", missing)
    if not listed:
        return Answer(
            False, f"“{wide.principal}” was not seen calling, so nobody knows whether the narrow role is enough."
        )
    return Answer(True, f"“{wide.principal}” called successfully since it has the narrow role.", listed)


@preflight("own-hand", "Does whoever carries this out keep the roles that take it back?", ("identity",))
def takes_nothing_from_itself(snapshot: Snapshot, arm_id: str) -> Answer:
    """Asked again when it is carried out: another identity may do that than the one that planned."""
    try:
        held = _assignment(snapshot, arm_id)
    except UNKNOWN as problem:
        return Answer(False, f"Whether who runs this holds the role is not known: {problem}")
    if reason := own_hand(snapshot, subscription_of(arm_id), held):
        return Answer(False, f"Of the role of “{held.principal}”: {reason}, so it may not be able to take this back.")
    return Answer(True, f"Who runs this holds nothing by the role of “{held.principal}”.")


@preflight("holder-informed", "Do those who lose the role know, and can they do without it?", _READS)
def holder_is_informed(snapshot: Snapshot, arm_id: str) -> Answer:
    """Never good by itself: a person says so, by name. What the logs show of the principal is listed."""
    try:
        held = _assignment(snapshot, arm_id)
        callers = [each for account in _accounts(snapshot, held) for each in _seen(snapshot, account, held.principal)]
    except UNKNOWN as problem:
        return Answer(False, f"Nobody was told to have agreed, and what would be lost is not known: {problem}")
    what = "and it calls models:" if callers else "and no call of it was seen."
    return Answer(
        False, f"“{held.principal}” loses a role, nobody was told to have agreed, {what}", tuple(map(str, callers))
    )


def _assignment(snapshot: Snapshot, arm_id: str) -> Assignment:
    """The assignment of that id as it is now. Raises `NotCollectedError` where no list shows it."""
    own = register_of(snapshot, subscription_of(arm_id))
    for group in own.given(ACTIVE).values():
        for each in group:
            if str(each.origin.value.get("id")).lower() == arm_id.lower():
                return each
    reason = f"The role assignment “{name_of(arm_id)}” is in no list any more"
    raise NotCollectedError(Reading(ACTIVE, arm_id, State.NOT_COLLECTED, reason=reason))


def _accounts(snapshot: Snapshot, assignment: Assignment) -> tuple[str, ...]:
    return accounts_under(snapshot, assignment.scope)


def _seen(snapshot: Snapshot, account: str, principal: str) -> list[Caller]:
    return [each for each in account_usage(snapshot, account).identity_callers if each.object_id == principal]


def _callers(snapshot: Snapshot, account: str, principal: str) -> list[Caller]:
    """The principal's successful calls of an account. Raises `NotCollectedError` where none shows and the log proves nothing."""
    found = _seen(snapshot, account, principal)
    if not found:
        account_usage(snapshot, account).require()
    return found


def _unproven(snapshot: Snapshot, account: str, principal: str, callers: list[Caller]) -> str:
    """Why calls of an account prove nothing of the narrow role; "" where they do."""
    since = min(_granted(snapshot, account, principal), default="")
    last = max(each.last_success for each in callers)[:19]
    if not since:
        return f"“{name_of(account)}”: it does not hold Cognitive Services OpenAI User there without a condition."
    if last <= since:
        return (
            f"“{name_of(account)}”: its last successful call was at {last}, and it has the narrow role since {since}."
        )
    return ""


def _granted(snapshot: Snapshot, account: str, principal: str) -> Iterator[str]:
    """When the principal was given OpenAI User, without a condition, where that reaches the account: ISO 8601, to the second."""
    for each in register_of(snapshot, subscription_of(account)).reaching(account, ACTIVE):
        made = each.origin.value["properties"].get("createdOn")
        if each.principal == principal and each.role == OPENAI_USER and not each.condition and isinstance(made, str):
            yield made[:19]
