"""What may stand although an answer was spoilt, each with its reason. The page lists it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.fault_matrix.answers import EMPTY, GONE

UNREAD: Final = "unreadable"


@dataclass(frozen=True)
class Excuse:
    """Controls that keep or get a verdict by right, for requests whose path holds `path`, after these faults (or any that makes
    the answer unreadable)."""

    controls: tuple[str, ...]
    path: str
    faults: tuple[str, ...]
    reason: str

    def covers(self, control: str, path: str, fault: str, *, strict: bool) -> bool:
        """Whether this is it."""
        named = fault in self.faults or (strict and UNREAD in self.faults)
        return named and control in self.controls and self.path in path


EXCUSES: Final = (
    Excuse(
        ("IAM-04", "IAM-05", "IAM-06", "IAM-07", "IAM-08", "IAM-09"),
        "/microsoft.authorization/classicadministrators",
        (UNREAD,),
        "Classic administrators were retired on 2024-08-31: nobody has access as one any more, and no answer is what to expect.",
    ),
    Excuse(
        ("IAM-15", "MON-04"),
        "/query",
        ("an error beside rows",),
        "The controls pass on a call that is among the rows: what was found is there, whatever else was not looked through.",
    ),
    Excuse(
        ("IAM-14",),
        "/openai/",
        ("400", "400 as OData", "404 without a code", "404 of a proxy", "404 of the subscription"),
        "A model that is not there, or takes no such call, is tried through the other API, and then the next one: a call that was answered "
        "proves the sign-in.",
    ),
    Excuse(
        ("IAM-10",),
        "/microsoft.authorization/roledefinitions",
        (EMPTY,),
        "Where a further page holds nothing, nothing else that is read tells which custom roles stood on it. A first page without "
        "built-in roles is not believed (tests/test_contradictions.py).",
    ),
    Excuse(
        ("MON-03",),
        "/4b8f2c93-15de-4a6f-b2c4-6d7e8f901204/providers/microsoft.insights/diagnosticsettings",
        (EMPTY,),
        "A subscription whose activity log goes nowhere has no table to be kept (MON-05 fails); those of the account's logs are kept.",
    ),
    Excuse(
        ("MON-03",),
        "/workspaces/log-meridian-platform",
        (GONE, "404 without envelope", "404 of the group", "404 of the parent"),
        "A workspace that was deleted keeps nothing and counts for nothing: the tables of the other one are kept.",
    ),
)
