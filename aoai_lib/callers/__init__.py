"""Who calls an account, as its request logs tell it: by which identity or with a key, from where, how often, until when.

The service logs an object id for a call with a Microsoft Entra token and none for one with a key. It may also log none for a
call that it refused, and may write a second, nearly empty row beside a call's own. So a key was used where a call succeeded,
names a deployment and names nobody. Microsoft doesn't document this; public captures of the log and several detections agree.

An account may log to several workspaces, each of which then holds the same calls. Their rows are put together by caller,
address, deployment, operation and status: where the times overlap the greater count holds, where one ends before the other
begins (a setting that was moved) they are added. So nothing is counted twice, and counts may be too low, never too high.
"""

from __future__ import annotations

from aoai_lib.callers.origins import Origin
from aoai_lib.callers.rows import CALLS, MOST_ROWS
from aoai_lib.callers.usage import Caller, Usage, account_usage, callers_of, key_callers, public_callers, usage_of

__all__ = [
    "CALLS",
    "MOST_ROWS",
    "Caller",
    "Origin",
    "Usage",
    "account_usage",
    "callers_of",
    "key_callers",
    "public_callers",
    "usage_of",
]
