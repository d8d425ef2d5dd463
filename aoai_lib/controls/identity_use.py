"""IAM-03 and IAM-15: what the logs tell of keys that are still used, and of callers that were refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aoai_lib.callers import Caller, Usage, usage_of
from aoai_lib.controls import Verdict, breaking, control, fails, not_assessed, passes
from aoai_lib.facts import Facts, NotCollectedError
from aoai_lib.frameworks import ai_rmf, atlas, mcsb, mcsb_ai, nist80053, owasp
from aoai_lib.model import Json, Kind, Severity

_NAMED: Final = 3
"""How many callers or accounts a reason names; the callers' table holds them all."""
_CALL: Final = "callers.tables[0].rows[2]"
"""The first row of calls: in the order of the answer the account's audit and usage rows stand before it."""
_OBJECT, _ADDRESS, _STATUS = 2, 3, 6
_SETTING: Final = "diagnostic_settings[0].properties"
_REFUSED: Final = frozenset({"401", "403", "unauthorized", "forbidden"})


@control(
    "IAM-03",
    title="Nobody calls with a key",
    severity=Severity.HIGH,
    subject=Kind.ACCOUNT,
    maps=(
        mcsb("IM-1", "IM-3", "IM-8", "LT-3"),
        nist80053("AC-2", "AC-3", "IA-2", "AU-6"),
        ai_rmf("GOVERN 1.4", "MANAGE 2.4"),
        owasp("LLM02", "LLM10"),
        atlas("T0012", "T0055", "M0024"),
    ),
    remediation="Find the callers by address, deployment and hour in the callers' table, move each to a managed identity with "
    "Cognitive Services OpenAI User, regenerate the keys, and disable key authentication once no more such calls arrive.",
    breaks=(
        {f"{_CALL}[{_OBJECT}]": ""},
        {f"{_CALL}[{_OBJECT}]": None, f"{_CALL}[{_ADDRESS}]": "", f"{_CALL}[{_STATUS}]": "201"},
    ),
)
def nobody_calls_with_a_key(facts: Facts) -> Verdict:
    """Whoever calls with a key stays unnamed, and stands still on the day on which keys are disabled.

    Observed: the request log of the account in every workspace that its diagnostic settings name, over the evidence window. The
    service logs no object id for a call with a key, and none for some refused calls, so a key was used where a call succeeded
    (2xx), names a deployment and names nobody. Passes where no such call was logged and the log is known to arrive: it is being
    sent to a workspace, and rows of calls are there, or audit rows where nobody called at all.
    """
    usage = usage_of(facts, facts.subject.account)
    if usage.key_callers:
        calls = sum(each.with_key for each in usage.key_callers)
        return fails(f"In the last {usage.days} days {_several(calls, 'call')} succeeded with a key: {_who(usage)}.")
    usage.require()
    return passes(f"{_nobody(usage)}{_limits(facts, usage)}")


def _who(usage: Usage) -> str:
    ranked = sorted(usage.key_callers, key=lambda each: -each.with_key)
    more = len(ranked) - _NAMED
    return "; ".join(_told(each) for each in ranked[:_NAMED]) + (
        f"; and from {more} more addresses" if more > 0 else ""
    )


def _told(caller: Caller) -> str:
    where = f"from “{caller.address}”" if caller.address else "from an address that is not logged"
    what = ", ".join(f"“{name}”" for name in list(caller.deployments)[:_NAMED])
    return f"{caller.with_key:,} {where} to {what}, last {caller.last[:10]}"


def _nobody(usage: Usage) -> str:
    succeeded = sum(each.succeeded for each in usage.callers)
    if succeeded:
        between = f"from {usage.first[:10]} to {usage.last[:10]}"
        return f"{_several(succeeded, 'successful call')} {'was' if succeeded == 1 else 'were'} logged {between}, and each named an identity."
    return f"No successful call was logged in the last {usage.days} days, and the account's other rows arrived."


def _limits(facts: Facts, usage: Usage) -> str:
    """What a client should know of the proof: rows that tell nothing, and workspaces that forget sooner than the window."""
    said = ""
    if usage.nameless:
        said = f" {_several(usage.nameless, 'further row')} told neither caller nor deployment, as the service writes them."
    for workspace in usage.receiving:
        kept = _kept(facts, workspace)
        if kept and kept < usage.days:
            name = workspace.rpartition("/")[2]
            said += f" The workspace “{name}” keeps {kept:g} days, and {usage.days} were asked for."
    return said


def _kept(facts: Facts, workspace: str) -> float | None:
    """Days for which rows can be queried: the table's own, else the workspace's; None where neither can be read."""
    name = workspace.rpartition("/")[2]
    for source in ("diagnostics_table", "workspace"):
        try:
            days = facts.of(source, workspace, f"{source}[{name}]").number("properties.retentionInDays")
        except NotCollectedError:
            continue
        if days is not None and days > 0:
            return days
    return None


@control(
    "IAM-15",
    title="Refused callers are seen",
    severity=Severity.MEDIUM,
    subject=Kind.SUBSCRIPTION,
    maps=(
        mcsb("LT-1", "LT-3"),
        mcsb_ai("AI-6"),
        nist80053("AU-2", "AU-3", "AU-6"),
        ai_rmf("MEASURE 2.4", "MANAGE 4.1"),
        atlas("M0024"),
    ),
    remediation="Send the category RequestResponse of every account to a Log Analytics workspace: refused calls are there and "
    "never in the activity log, which holds refused management operations only.",
    breaks=(
        breaking(
            {"diagnostic_settings": []},
            "MON-01",
            "MON-02",
            "MON-03",
            "MON-04",
            "MON-07",
            "MON-10",
            "MON-11",
            "MON-12",
            "MON-14",
        ),
        breaking(
            {f"{_SETTING}.logs[0].categoryGroup": "audit"},
            "MON-01",
            "MON-04",
            "MON-07",
            "MON-10",
            "MON-11",
            "MON-12",
            "MON-14",
        ),
    ),
)
def refusals_are_seen(facts: Facts) -> Verdict:
    """Somebody who tries doors shows in refusals first, and only where refusals are written down.

    Observed, over the evidence window: refused calls are rows of the request log with the status 401 or 403, refused management
    operations are failed events of the activity log. Fails where the request log of an account goes to no workspace, for nobody can
    ask for its refused calls. Passes where a refusal was seen, and says which. Where nothing was refused it can't be
    known: neither log is documented to hold every refusal.
    """
    usages, unlisted = _usages(facts)
    blind = [each for each in usages if not each.receiving and not each.gaps]
    if blind:
        return fails(
            f"Refused calls of {_names(blind)} can't be seen: the request log goes to no Log Analytics workspace."
        )
    if unlisted is not None:
        raise unlisted
    _require_all([each for each in usages if not each.receiving])  # it may be blind
    calls = sum(each.refused for each in usages)
    if not calls:
        _require_all(usages)
    operations, unread = _refused_operations(facts)
    if unread is not None and not calls and not operations:
        raise unread
    return _seen(facts.snapshot.evidence_days, [each for each in usages if each.refused], operations, unread)


def _seen(days: int, refusing: Sequence[Usage], operations: int, unread: NotCollectedError | None) -> Verdict:
    called = (
        f"{_several(sum(each.refused for each in refusing), 'refused call')} in the request log of {_names(refusing)}"
    )
    managed = f"{_several(operations, 'refused management operation')} in the activity log"
    if refusing and operations:
        return passes(f"The last {days} days hold {called}, and {managed}.")
    if refusing:
        other = "could not be read" if unread else "holds no refused management operation, so nothing is known of those"
        return passes(f"The last {days} days hold {called}. The activity log {other}.")
    if operations:
        other = "The request logs hold no refused call, so nothing is known of those"
        return passes(f"The last {days} days hold {managed}. {other}.")
    return not_assessed(f"Nothing was refused in the last {days} days, so it can't be told whether refusals are seen.")


def _usages(facts: Facts) -> tuple[list[Usage], NotCollectedError | None]:
    """What the logs tell of each account, and what keeps more accounts from being known."""
    found: list[Usage] = []
    try:
        for account in facts.of_subscription("accounts").each():
            found.append(usage_of(facts, str(account.value)))
    except NotCollectedError as missing:
        return found, missing
    return found, None


def _require_all(usages: Sequence[Usage]) -> None:
    for usage in usages:
        if usage.gaps:
            raise NotCollectedError(usage.gaps[0])


def _refused_operations(facts: Facts) -> tuple[int, NotCollectedError | None]:
    """Refused operations on the subscription's accounts in the activity log, and what keeps more from being known."""
    refused, missing = 0, None
    try:
        for event in facts.of_subscription("activity_events").each():
            if _is_refusal(event.value):
                refused += 1
                if refused <= _NAMED:
                    event.get("operationName.value")
                    event.get("eventTimestamp")
    except NotCollectedError as gap:
        missing = gap
    facts.record(
        "activity_events.refused", refused, facts.snapshot.reading("activity_events", facts.subject.subscription)
    )
    return refused, missing


def _is_refusal(event: Json) -> bool:
    """Whether an operation ended because the caller may not do it, and not because it went wrong."""
    causes = {_inner(event, "subStatus", "value"), _inner(event, "properties", "statusCode")}
    return _inner(event, "status", "value") == "failed" and not _REFUSED.isdisjoint(causes)


def _inner(event: Json, name: str, inner: str) -> str:
    held = event.get(name) if isinstance(event, dict) else None
    return str(held.get(inner)).lower() if isinstance(held, dict) else ""


def _names(usages: Sequence[Usage]) -> str:
    named = ", ".join(f"“{each.account.rpartition('/')[2]}”" for each in usages[:_NAMED])
    return named + (f" and {len(usages) - _NAMED} more" if len(usages) > _NAMED else "")


def _several(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
