"""Whether a call that was just made is in the log, and after how long: the row of the identity probe's own model call.

Each question to a workspace is a line of evidence, and the readings are made from the lines alone. `log_row` is a list with one
item for each account: `{at, caller, workspace, asked, status, rows, received}`; `at` is when the service answered the call by its own clock,
`asked` when the last question was answered, `received` when the workspace had the first row ("" where there is none), all ISO 8601 in UTC.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from aoai_lib.azure.clients import Azure
from aoai_lib.azure.clouds import Cloud
from aoai_lib.azure.recording import PREFIX, PROBE, marking
from aoai_lib.azure.writing import CallError, explained
from aoai_lib.detections import rows_in
from aoai_lib.evidence.clock import answer_times
from aoai_lib.evidence.store import VANTAGE, Evidence, Exchange
from aoai_lib.model import Json, Reading, SignInError, Snapshot
from aoai_lib.parameters import Parameters
from aoai_lib.probe.identity import CALL, CALLER
from aoai_lib.probe.stage import ACCOUNT, LOG_ROW, readings_of

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_AT, _WORKSPACE = f"{PREFIX}called-at", f"{PREFIX}workspace"
_EVERY: Final = 30
"""Seconds between two questions."""
_QUESTION: Final = """AzureDiagnostics
| where TimeGenerated >= datetime({since}) and Category =~ "RequestResponse" and _ResourceId =~ "{account}"
| extend p = parse_json(coalesce(tostring(column_ifexists("properties_s", "")), tostring(column_ifexists("AdditionalFields", dynamic({{}})).properties_s)))
| where coalesce(tostring(p.objectId), tostring(p.callerObjectId)) =~ "{caller}"
| summarize Rows = count(), Received = min(ingestion_time())"""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class _Call:
    account: str
    caller: str
    at: str
    vantage: str
    workspace: str

    @property
    def question(self) -> str:
        """For rows from the minute before the call's on: two clocks of one service may differ a little."""
        since = (datetime.fromisoformat(self.at) - timedelta(minutes=1)).replace(second=0)
        return _QUESTION.format(since=f"{since:%Y-%m-%dT%H:%M:%SZ}", account=self.account.lower(), caller=self.caller)


def awaited(
    lines: Iterable[Exchange],
    snapshot: Snapshot,
    parameters: Parameters,
    cloud: Cloud,
    credential: TokenCredential,
    evidence: Evidence,
    progress: Progress | None = None,
) -> list[Exchange]:
    """Ask for the rows of the calls among `lines` until they are there or `probes.log_minutes` are over. The lab's clock stands
    still, so nothing comes by waiting there, and it is asked once.
    """
    waiting = list(_calls(lines, snapshot, answer_times(evidence)))
    if not waiting:
        return []
    azure = Azure(cloud, credential, evidence)
    minutes = 0 if cloud.name == "lab" else parameters.probes.log_minutes
    asked: list[Exchange] = []
    try:
        until = time.monotonic() + 60 * minutes
        while True:
            if progress is not None:
                progress("waiting for the log rows of own calls", 1, 1)
            found = [(call, _ask(azure, call)) for call in waiting]
            asked += [line for _, answered in found for line in answered]
            waiting = [
                call for call, answered in found if answered and answered[-1].status == 200 and not _rows(answered[-1])
            ]
            if not waiting or time.monotonic() >= until:
                return asked
            time.sleep(_EVERY)
    finally:
        azure.close()


def _calls(lines: Iterable[Exchange], snapshot: Snapshot, answered: Callable[[Exchange], str]) -> Iterator[_Call]:
    """The calls that were answered 200 to somebody with a name, of accounts whose settings name a workspace that can be asked."""
    found = {
        line.headers[ACCOUNT]: line
        for line in lines
        if line.headers.get(PROBE) == CALL and line.status == 200 and line.headers.get(CALLER)
    }
    for account, line in found.items():
        settings: Any = snapshot.reading("diagnostic_settings", account).value
        named = {_property(each, "workspaceId").lower() for each in settings or ()}
        for workspace in sorted(named - {""}):
            name = _property(snapshot.reading("workspace", workspace).value, "customerId")
            if name:
                yield _Call(account, line.headers[CALLER], answered(line), line.headers[VANTAGE], name)


def _property(resource: Json, name: str) -> str:
    properties = resource.get("properties") if isinstance(resource, dict) else None
    value = properties.get(name) if isinstance(properties, dict) else None
    return value if isinstance(value, str) else ""


def _ask(azure: Azure, call: _Call) -> list[Exchange]:
    marks = {
        "probe": LOG_ROW,
        "account": call.account,
        "caller": call.caller,
        "called_at": call.at,
        "workspace": call.workspace,
    }
    with (
        marking(call.vantage, **marks) as lines,
        suppress(CallError, SignInError),  # the line says what came
        explained("POST", "log query"),
    ):
        azure.logs().ask(call.workspace, call.question)
    return lines


def _rows(line: Exchange) -> int:
    found = rows_in(line.body)
    count = found[0].get("Rows") if found else 0
    return count if isinstance(count, int) and not isinstance(count, bool) else 0


def readings(lines: Iterable[Exchange], evidence: Evidence) -> dict[tuple[str, str], Reading]:
    """What the last answer of each workspace says, by account. `evidence` is the run's, with all its times."""
    own = [line for line in lines if line.headers[PROBE] == LOG_ROW]
    last = {(line.headers[ACCOUNT], line.headers.get(_WORKSPACE, "")): line for line in own}
    answered = answer_times(evidence)
    values: dict[str, list[Json]] = {}
    for (account, workspace), line in last.items():
        rows = _rows(line)
        received = rows_in(line.body)[0].get("Received") if rows else ""
        values.setdefault(account, []).append(
            {
                "at": line.headers.get(_AT, ""),
                "caller": line.headers.get(CALLER, ""),
                "workspace": workspace,
                "asked": answered(line),
                "status": line.status,
                "rows": rows,
                "received": received if isinstance(received, str) else "",
            }
        )
    return readings_of(LOG_ROW, own, values) if own else {}
