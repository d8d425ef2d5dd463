"""The conditions of log queries that are known to let through every row that counts, as expressions that match a whole condition.

Rows hold `RequestResponse`, `MICROSOFT.COGNITIVESERVICES` and the names of metrics in this spelling (recorded rows of the service), so a
comparison that looks at case has to have it. Everything else is matched whatever its case.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

VALUE: Final = r"(?:\((?:[^()]|\([^()]*\))*\)|\"[^\"]*\"|'[^']*')"
"""A text, or a list of some."""
_SINCE: Final = r"(?:ago\s*\([^()]*\)|now\s*\(\s*\)(?:\s*-\s*\w+)?|datetime_add\s*\([^()]*now\s*\(\s*\)\s*\))"
_NUMBER: Final = r"\d+(?:\.\d+)?"


def _of(column: str) -> str:
    """A column, or a function of it that keeps what it says."""
    return rf"(?:(?:tostring|tolower|toupper|trim|toint|tolong)\s*\(\s*)?{column}\s*\)?\s*"


def _spelled(column: str, text: str) -> str:
    """A test of a column for a text, by itself or in a list; in its own case where the comparison looks at that."""
    listed = r"[(\"'\w\s.,]*[\"']"
    own = rf"(?:=~|has|contains|in~|has_any)\s*{listed}{text}[\"'][^&|]*"
    return rf"{_of(column)}(?:{own}|(?:==|in)\s*{listed}(?-i:{text})[\"'][^&|]*)"


TIMES: Final = (
    rf"timegenerated\s*>=?\s*{_SINCE}",
    r"timegenerated\s*<=?\s*now\s*\(\s*\)",
    rf"timegenerated\s+between\s*\(\s*{_SINCE}\s*\.\.\s*now\s*\(\s*\)\s*\)",
)
EARLIER: Final = (
    rf"timegenerated\s*<=?\s*{_SINCE}",
    rf"timegenerated\s+between\s*\(\s*{_SINCE}\s*\.\.\s*{_SINCE}\s*\)",
    rf"\w+\s*>=?\s*{_SINCE}",
)
"""Conditions on a time before, and on when a caller was first seen."""
_PROVIDER: Final = _spelled("resourceprovider", r"MICROSOFT\.COGNITIVESERVICES")
SUCCEEDED: Final = (
    rf"{_of('resultsignature')}(?:==|=~|has|contains|startswith)\s*[\"']?2(?:0[0-9])?[\"']?",
    rf"{_of('resultsignature')}in~?\s*\([^()]*\b20\d\b[^()]*\)",
    rf"{_of('resultsignature')}between\s*\(\s*[12]\d\d\s*\.\.\s*[2-5]\d\d\s*\)",
    rf"{_of('resultsignature')}<=?\s*(?:299|300|399|400)",
    rf"{_of('resultsignature')}(?:>=\s*[12]00|>\s*199)",
    rf"{_of('resultsignature')}(?:!=|!startswith|!has)\s*[\"']?[345](?:\d\d)?[\"']?",
)
"""Conditions on the status of a call that one which succeeded meets."""
CALLS: Final = (
    *TIMES,
    *SUCCEEDED,
    _PROVIDER,
    _spelled("category", "RequestResponse"),
    r"resourcetype\s*(?:==|=~)\s*[\"'](?-i:ACCOUNTS)[\"']",
    r"event_s\s*(?:==|=~)\s*[\"'](?-i:ShoeboxCallResult)[\"']",
)
CHANGES: Final = (
    *TIMES,
    rf"{_of('operationname(?:value)?')}(?:==|=~|in~|in|has_any|has|contains|startswith|endswith)\s*{VALUE}",
    rf"{_of('activitystatus(?:value)?')}(?:==|=~|in~?|has|startswith)\s*{VALUE}",
    _spelled("category(?:value)?", "Administrative"),
    _spelled("resourceprovider(?:value)?", r"MICROSOFT\.COGNITIVESERVICES"),
    r"isnotempty\s*\(\s*(?:caller|operationname(?:value)?|correlationid)\s*\)",
)
METRIC: Final = (
    *TIMES,
    _PROVIDER,
    rf"{_of('metricname')}(?:==|=~|in~|in|has|contains|has_any|startswith)\s*{VALUE}",
    r"timegrain\s*(?:==|=~)\s*[\"'](?-i:PT1M)[\"']",
    r"isnotnull\s*\(\s*total\s*\)",
    rf"total\s*>=?\s*{_NUMBER}",
)
ABOVE: Final = rf"(\w+)\s*(>=?)\s*({_NUMBER})"
"""A number that a column has to exceed."""


def place(operators: str) -> str:
    """A test of the resource, group or subscription of a row, by one of these operators. Groups: column, operator, value."""
    columns = r"_?resourceid|resource|resourcegroup|_?subscriptionid"
    return rf"(?<![.\w])(?:(?:tolower|toupper|tostring)\s*\(\s*)?({columns})\s*\)?\s*({operators})\s*({VALUE})"


def empty(names: Iterable[str]) -> tuple[str, ...]:
    """That one of these columns is empty."""
    return _held(names, "is", "==|=~", "==")


def filled(names: Iterable[str]) -> tuple[str, ...]:
    """That one of these columns is not empty."""
    return _held(names, "isnot", "!=|!~", ">")


def _held(names: Iterable[str], function: str, compared: str, length: str) -> tuple[str, ...]:
    either = "|".join(sorted(names))
    return (
        rf"{function}(?:empty|null)\s*\(.*\b(?:{either})\b.*\)",
        rf".*\b(?:{either})\b[\s)\]\"']*(?:{compared})\s*(?:\"\"|'')",
        rf"strlen\s*\(.*\b(?:{either})\b.*\)\s*{length}\s*0",
    )
