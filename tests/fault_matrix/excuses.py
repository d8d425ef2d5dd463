"""What may stand although an answer was spoilt, each with its reason. The page lists it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

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
        ("IAM-15",),
        "/query",
        ("an error beside rows",),
        "The control passes on a refused call that is among the rows: what was found is there, whatever else was not looked through.",
    ),
)
