"""Who called an account: the rows of its logs, by caller and address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from aoai_lib.callers.origins import Origin, origin
from aoai_lib.callers.rows import CALLS, MOST_ROWS, Row, held, joined
from aoai_lib.facts import Facts, NotCollectedError, View
from aoai_lib.model import Kind, Reading, Snapshot, State, Subject


@dataclass(frozen=True, slots=True)
class Caller:
    """Who called from where. `object_id` is "" where none was logged; `address` is as logged, its last part masked.

    Numbers count calls, those of `deployments` too; times are ISO 8601 in UTC. `last_success` is "" where no call succeeded.
    """

    object_id: str
    address: str
    deployments: Mapping[str, int]
    operations: tuple[str, ...]
    calls: int
    succeeded: int
    refused: int
    throttled: int
    first: str
    last: str
    last_success: str

    @property
    def with_key(self) -> int:
        """Successful calls with a key."""
        return 0 if self.object_id else self.succeeded

    @property
    def name(self) -> str:
        """The object id; “a key”, or that nobody was named."""
        return self.object_id or ("a key" if self.succeeded else "not named")

    @property
    def origin(self) -> Origin:
        """Where the address lies."""
        return origin(self.address)

    def __str__(self) -> str:
        where = f"{self.address} ({self.origin})" if self.address else "an address that is not logged"
        what = ", ".join(f"“{each}”" for each in self.deployments) or "no deployment"
        return f"{self.name} from {where}: {self.calls:,} calls of {what}, the last at {self.last}"


@dataclass(frozen=True)
class Usage:
    """What the logs tell about one account, over the window. Most active caller first.

    `log` is rows by log category, calls too, and `arriving` the categories of those that stand where the log goes now; `first` and `last` are those of calls. `nameless` counts rows that tell neither
    caller nor deployment. `days` is the window, `receiving` the ids of the workspaces to which the request log goes now. `gaps` are the
    reads without which more callers may be there; `cut` says that a workspace answered as many rows as it was asked for.
    """

    account: str
    callers: tuple[Caller, ...] = ()
    log: Mapping[str, int] = field(default_factory=dict)
    arriving: frozenset[str] = frozenset()
    first: str = ""
    last: str = ""
    nameless: int = 0
    days: int = 0
    receiving: tuple[str, ...] = ()
    gaps: tuple[Reading, ...] = ()
    cut: bool = False

    @property
    def key_callers(self) -> list[Caller]:
        """Who successfully called with a key: they break where keys are disabled."""
        return [each for each in self.callers if each.with_key]

    @property
    def identity_callers(self) -> list[Caller]:
        """Who successfully called with an identity."""
        return [each for each in self.callers if each.object_id and each.succeeded]

    @property
    def public_callers(self) -> list[Caller]:
        """Who successfully called from a public address: they are cut off where public access is disabled."""
        return [each for each in self.callers if each.succeeded and each.origin is Origin.PUBLIC]

    @property
    def unplaced_callers(self) -> list[Caller]:
        """Who successfully called from an address that can't be read: whether they are cut off is not known."""
        return [each for each in self.callers if each.succeeded and each.origin is Origin.UNKNOWN]

    @property
    def refused(self) -> int:
        """Calls that were answered 401 or 403."""
        return sum(each.refused for each in self.callers)

    def require(self) -> None:
        """Raise `NotCollectedError` where nothing follows from what the logs do not hold."""
        if self.gaps:
            raise NotCollectedError(self.gaps[0])
        reason = self.doubt
        if reason:
            raise NotCollectedError(Reading("callers", self.account, State.NOT_COLLECTED, reason=reason))

    @property
    def doubt(self) -> str:
        """Why logs that were read do not prove that nobody else called; "" where they do. A sentence without its full stop.

        The log is known to arrive by its own rows, or, where nobody called, by the account's audit rows, in a workspace to which
        it goes now. Rows of usage or traces without a row of the request log say the contrary: they come from calls.
        """
        name = f"“{self.account.rpartition('/')[2]}”"
        if not self.receiving:
            return f"The request log of {name} goes to no workspace, so nobody can say who calls"
        if self.cut:
            return f"A workspace holds {MOST_ROWS:,} kinds of rows or more, so some callers of {name} may be missing"
        if CALLS in self.arriving or self.arriving == {"Audit"}:
            return ""
        if self.first or (self.log and not self.arriving):
            return f"The rows of {name} stand where its request log no longer goes; where it goes now, none arrived"
        if self.log:
            return f"Calls of {name} left other rows in the last {self.days} days and none in the request log"
        return f"No row of {name} arrived in the last {self.days} days: nobody called, or the log does not arrive"


def callers_of(facts: Facts) -> list[Caller]:
    """Everybody who called the subject's account, the most active first.

    Raises `NotCollectedError` where nobody was found and the logs do not prove that nobody called; so do the next two.
    """
    return _proven(facts, lambda usage: list(usage.callers))


def public_callers(facts: Facts) -> list[Caller]:
    """Who would be cut off by disabling public access, and after them those of whom that can't be told."""
    return _proven(facts, lambda usage: usage.public_callers + usage.unplaced_callers)


def key_callers(facts: Facts) -> list[Caller]:
    """Who would be cut off by disabling keys."""
    return _proven(facts, lambda usage: usage.key_callers)


def _proven(facts: Facts, choose: Callable[[Usage], list[Caller]]) -> list[Caller]:
    usage = usage_of(facts, facts.subject.account)
    found = choose(usage)
    if not found:
        usage.require()
    return found


def account_usage(snapshot: Snapshot, account: str) -> Usage:
    """What the logs tell about an account, outside of a control."""
    return usage_of(Facts(snapshot, Subject(Kind.ACCOUNT, account, account=account)), account)


def usage_of(facts: Facts, account: str) -> Usage:
    """What the logs tell about an account. What was read is cited; what could not be read is in `gaps`.

    Raises `UnexpectedShapeError` for an answer of another form.
    """
    own = account.lower() == facts.subject.account.lower()
    gaps: list[Reading] = []
    found: list[Row] = []
    receiving: list[str] = []
    arriving: set[str] = set()
    cut = False
    for workspace, sends in _settings(facts, account, gaps).items():
        name = workspace.rpartition("/")[2]
        if sends and not facts.snapshot.reading("workspace", workspace).is_gone:
            receiving.append(workspace)
        reading = _answer(facts, workspace, name, gaps)
        if reading is not None:
            answered = held(facts.snapshot, reading)
            rows = answered.get(account.lower(), [])
            _cite(facts, f"callers[{name}]" + ("" if own else f"[{account.rpartition('/')[2]}]"), rows, reading)
            cut = cut or sum(map(len, answered.values())) >= MOST_ROWS
            found.extend(rows)
            if workspace in receiving:
                arriving.update(row.category for row in rows)
    known = _usage(account, joined(found))
    known = replace(known, receiving=tuple(receiving), arriving=frozenset(arriving))
    return replace(known, days=facts.snapshot.evidence_days, gaps=tuple(gaps), cut=cut)


def _cite(facts: Facts, path: str, rows: list[Row], reading: Reading) -> None:
    """What follows from the rows; they themselves are thousands, and in the answer that is cited."""
    facts.record(f"{path}.calls", sum(row.calls for row in rows if row.category == CALLS), reading)
    facts.record(f"{path}.calls_with_key", sum(row.calls for row in rows if row.with_key), reading)
    facts.record(f"{path}.refused", sum(row.calls for row in rows if row.refused), reading)


def _settings(facts: Facts, account: str, gaps: list[Reading]) -> dict[str, bool]:
    """The workspaces that the account's diagnostic settings name, and whether one sends it the request log.

    One that receives it no more is named too: what it once received is there still.
    """
    own = account.lower() == facts.subject.account.lower()
    label = "" if own else f"diagnostic_settings[{account.rpartition('/')[2]}]"
    found: dict[str, bool] = {}
    try:
        for setting in facts.of("diagnostic_settings", account, label).each():
            workspace = setting.text("properties.workspaceId").strip("/").lower()
            if workspace:
                sends = [_sends(log) for log in setting.each("properties.logs")]
                found[f"/{workspace}"] = found.get(f"/{workspace}", False) or any(sends)
    except NotCollectedError as missing:
        gaps.append(missing.reading)
    return found


def _sends(log: View) -> bool:
    """Whether an entry of a setting is enabled and holds the calls: the group allLogs does, the group audit does not."""
    named = log.text("categoryGroup").lower() or log.text("category").lower()
    return log.flag("enabled") and named in ("alllogs", CALLS.lower())


def _answer(facts: Facts, workspace: str, name: str, gaps: list[Reading]) -> Reading | None:
    """What a workspace answered. One that is gone leaves no gap: nothing can be asked of it ever again."""
    try:
        customer = facts.of("workspace", workspace, f"workspace[{name}]").text("properties.customerId")
        facts.of("callers", customer, f"callers[{name}]")
    except NotCollectedError as missing:
        if not facts.snapshot.reading("workspace", workspace).is_gone:
            gaps.append(missing.reading)
        return None
    reading = facts.snapshot.reading("callers", customer)
    if reading.state is State.PARTIAL:
        gaps.append(reading)
    return reading


def _usage(account: str, rows: list[Row]) -> Usage:
    calls = [row for row in rows if row.category == CALLS]
    grouped: dict[tuple[str, str], list[Row]] = {}
    log: Counter[str] = Counter()
    for row in rows:
        log[row.category] += row.calls
    for row in calls:
        if not row.nameless:
            grouped.setdefault((row.object_id, row.address), []).append(row)
    callers = sorted(map(_caller, grouped.values()), key=lambda each: (-each.calls, each.object_id, each.address))
    return Usage(
        account=account,
        callers=tuple(callers),
        log=log,
        first=min((row.first for row in calls), default=""),
        last=max((row.last for row in calls), default=""),
        nameless=sum(row.calls for row in calls if row.nameless),
    )


def _caller(rows: list[Row]) -> Caller:
    deployments: Counter[str] = Counter()
    for row in rows:
        if row.deployment:
            deployments[row.deployment] += row.calls
    return Caller(
        object_id=rows[0].object_id,
        address=rows[0].address,
        deployments=deployments,
        operations=tuple(sorted({row.operation for row in rows if row.operation})),
        calls=sum(row.calls for row in rows),
        succeeded=sum(row.calls for row in rows if row.succeeded),
        refused=sum(row.calls for row in rows if row.refused),
        throttled=sum(row.calls for row in rows if row.status == "429"),
        first=min(row.first for row in rows),
        last=max(row.last for row in rows),
        last_success=max((row.last for row in rows if row.succeeded), default=""),
    )
