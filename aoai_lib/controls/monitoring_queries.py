"""What a log alert's query watches, judged by its text.

No engine runs here: a query counts as watching something when its text, without comments, reads the right table and tests
the right field. That is narrow on purpose. The accepted signals are those of which the service's rows are known to hold the
field (Microsoft Learn, AzureDiagnostics and AzureActivity; recorded rows of the service). A query that builds its condition
in another way is not recognised, and so is no evidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, cached_property, lru_cache
from typing import Final

from aoai_lib.controls.monitoring_conditions import (
    ABOVE,
    CALLS,
    CHANGES,
    EARLIER,
    METRIC,
    SUCCEEDED,
    VALUE,
    empty,
    filled,
    place,
)
from aoai_lib.controls.monitoring_steps import Step, conditions, explained, keeps_hours, plain, quoted, steps, unquoted
from aoai_lib.controls.monitoring_totals import metric_holds, tests_of_metric, total
from aoai_lib.detections import catalogue

_NAMED: Final = r"\b(\w{1,128})\s*=\s*(?:tostring|tolower|trim|coalesce|extract|extract_?json)\s*\([^,|\n]{0,512}?"
_IDENTITY: Final = re.compile(rf"{_NAMED}objectid\b", re.IGNORECASE)
_DEPLOYMENT: Final = re.compile(rf"{_NAMED}modeldeploymentname\b", re.IGNORECASE)
_CATEGORY: Final = re.compile(
    r"\bcategory\s*(==|=~|!=|!~|!?in~?|!?has|!?contains)\s*(\([^)]*\)|\"[^\"]*\"|'[^']*')", re.IGNORECASE
)
_RESULT: Final = re.compile(r"\bresultsignature\b", re.IGNORECASE)
_SUCCESS: Final = re.compile(r"\b20\d\b|[\"']2|<=?\s*(299|300|399|400)\b")
_OPERATION: Final = re.compile(
    r"\boperationname(?:value)?\s*(==|=~|in~|in|has_any|has|contains|startswith|endswith)\s*(\([^)]*\)|\"[^\"]*\"|'[^']*')",
    re.IGNORECASE,
)
_PROVIDED: Final = re.compile(
    rf"\bresourceprovider(?:value)?\s*\)?\s*(?:==|=~|in~?|has_any|has|contains)\s*({VALUE})", re.IGNORECASE
)
_STATUS: Final = re.compile(
    r"\bactivitystatus(?:value)?\s*(?:==|=~|in~?|has|startswith)\s*(\([^)]*\)|\"[^\"]*\"|'[^']*')", re.IGNORECASE
)
_DONE: Final = frozenset({"success", "succeeded", "start", "started"})
"""What a row of every operation says of its status. Only what takes long says in between that it was accepted."""
_AGO: Final = re.compile(r"\bago\s*\(\s*(\d+(?:\.\d+)?)\s*(d|h|m|s)\w*\s*\)", re.IGNORECASE)
_BIN: Final = re.compile(r"\bbin\s*\(\s*TimeGenerated\s*,\s*(\d+(?:\.\d+)?)\s*(d|h|m|s)", re.IGNORECASE)
_AGO_UNIT: Final = {"d": 1440.0, "h": 60.0, "m": 1.0, "s": 1 / 60}
_BASELINE: Final = re.compile(
    r"\b(?:left|right)anti(?:semi)?\b|!in~?\s*\(|\b(?:arg_)?min\s*\(\s*timegenerated", re.IGNORECASE
)
_ACCOUNT: Final = re.compile(r"/accounts/([^/\"'\s]+)", re.IGNORECASE)
_SAID: Final = "==|=~|in~|in|has_any|has|contains|startswith|endswith"
_DENIED: Final = "!=|!~|!in~|!in|!has|!contains|!startswith|!endswith"
_PLACE: Final = re.compile(place(f"{_SAID}|{_DENIED}"), re.IGNORECASE)
_RESOURCE: Final = re.compile(r"\b_?(?:resource(?:id|group)?|subscriptionid)\b", re.IGNORECASE)
_INSIDE: Final = re.compile(
    r"(deployments|raipolicies|raiblocklists|privateendpointconnections|defenderforaisettings|"
    r"providers/microsoft\.(insights|authorization))\b"
)
"""What a row's resource may hold after the account's id."""


@lru_cache(maxsize=1024)
def understand(text: str) -> Query:
    """The query, understood once: the same rule is looked at for every account that it covers."""
    return Query(text)


class Query:
    """The text of a log alert's query, without comments, and with the values that it names put in their places."""

    def __init__(self, text: str) -> None:
        self.text = plain(text)
        self._bare = unquoted(self.text)
        self._operations: dict[frozenset[str], frozenset[str]] = {}
        self._explained: dict[str, bool] = {}

    def _has(self, pattern: str) -> bool:
        return re.search(pattern, self.text, re.IGNORECASE) is not None

    def reads(self, table: str) -> bool:
        """Whether the service's table is read: named, and not replaced by a `let` of the same name."""
        read, hidden = (
            re.search(each, self._bare, re.IGNORECASE) for each in (rf"\b{table}\b", rf"\blet\s+{table}\s*=")
        )
        return read is not None and hidden is None

    def concerns(self, account: str) -> bool:
        """False where the query is about other resources than this account (its ARM id): tested for, or named in full."""
        own = account.strip("/").lower()
        for segment in self.text.split("|"):
            tests = [_place_holds(field, operator, value, own) for field, operator, value in _PLACE.findall(segment)]
            either = re.search(r"\bor\b", segment, re.IGNORECASE)
            if tests and not (any(tests) if either else all(tests)):
                return False
        named: set[str] = set()
        for each in quoted(self.text):
            if "/subscriptions/" in each.lower():
                named |= {name.lower() for name in _ACCOUNT.findall(each)}
        return not named or own.rpartition("/")[2] in named

    @cached_property
    def reads_calls(self) -> bool:
        """Whether it reads the rows of inference calls: AzureDiagnostics, category RequestResponse or any category."""
        tests = [
            ("!" in operator, {each.lower() for each in quoted(value)})
            for operator, value in _CATEGORY.findall(self.text)
        ]
        wanted = {each for denied, texts in tests if not denied for each in texts}
        left_out = {each for denied, texts in tests if denied for each in texts}
        return (
            self.reads("AzureDiagnostics")
            and (not wanted or "requestresponse" in wanted)
            and "requestresponse" not in left_out
        )

    @cached_property
    def watches_keys(self) -> bool:
        """Whether it finds calls made with a key: those that succeeded with an empty `objectId`.

        Nothing else tells a key from a token: `identity_claim_appid_g` is not filled for these accounts, and Audit rows
        are about reading keys, not about using them. A query for failures only watches something else.
        """
        names = "|".join(self._callers)
        empty = rf"(?<!not\()(?<!not \()\b(?:isempty|isnull)\s*\((?:[^()|]|\([^()|]*\)|\()*?\b(?:{names})\b"
        equal = rf"\b(?:{names})\b\s*\)?\s*(?:==|=~)\s*(?:\"\"|'')"
        short = rf"\bstrlen\s*\([^|]*\b(?:{names})\b[^|]*\)\s*==\s*0"
        found = self._has(empty) or self._has(equal) or self._has(short)
        succeeded = not _RESULT.search(self.text) or _SUCCESS.search(self.text) is not None
        return self.reads_calls and found and succeeded and not self._failures_only

    @cached_property
    def _callers(self) -> set[str]:
        """The names that the caller has: the service's two, and the query's own."""
        return {"objectid", "callerobjectid", *_IDENTITY.findall(self.text)}

    @cached_property
    def _failures_only(self) -> bool:
        """Whether a condition on the status of calls leaves out those that succeeded."""
        tests = [each for each in self._conditions if re.match(r"\w*\W*resultsignature\b", each, re.IGNORECASE)]
        return any(not any(re.fullmatch(known, each, re.IGNORECASE) for known in SUCCEEDED) for each in tests)

    @cached_property
    def _steps(self) -> list[Step]:
        return steps(self.text)

    @cached_property
    def _conditions(self) -> list[str]:
        return [each for step in self._steps for each in conditions(step)]

    @cached_property
    def tells_accounts_apart(self) -> bool:
        """Whether it looks at the resources of rows, so that what it finds of one account says nothing of another."""
        looking = ("where", "filter", "extend", "project", "parse", "")
        return any(_RESOURCE.search(step.body) for step in self._steps if step.operator in looking)

    @cached_property
    def keeps_hours(self) -> bool:
        """Whether it looks at some hours or days only."""
        return keeps_hours(self.text)

    def explains(self, topic: str) -> bool:
        """Whether its text tells that it leaves out nothing of a topic: `keys`, `callers`, `changes` or `metric`.

        The detections' own queries are known to do what they say: their events prove it.
        """
        if topic not in self._explained:
            self._explained[topic] = " ".join(self.text.split()) in _proven() or self._explains(topic)
        return self._explained[topic]

    def _explains(self, topic: str) -> bool:
        callers = self._callers | {"calleripaddress"}
        calls = (*CALLS, *filled({"modeldeploymentname", *_DEPLOYMENT.findall(self.text)}))
        known = {
            "keys": (*calls, *empty(self._callers)),
            "callers": (*calls, *EARLIER, *filled(callers), rf"(?:{'|'.join(callers)})\s*!in~?\s*\(.*\)"),
            "changes": CHANGES,
            "metric": METRIC,
        }[topic]
        return explained(self.text, (*known, _PLACE.pattern), (ABOVE,), joins=topic == "callers")

    @cached_property
    def watches_new_callers(self) -> bool:
        """Whether it compares callers (`objectId` or `CallerIPAddress`) with those of a time before."""
        caller = self._has(r"\bobjectid\b|\bcalleripaddress\b")
        return self.reads_calls and caller and _BASELINE.search(self.text) is not None

    @cached_property
    def reach(self) -> float | None:
        """The furthest look back that the query asks for by `ago()`, in minutes; None where it asks for none."""
        spans = [float(number) * _AGO_UNIT[unit.lower()] for number, unit in _AGO.findall(self.text)]
        return max(spans) if spans else None

    @cached_property
    def bin(self) -> float | None:
        """The time slices that the query counts by, in minutes; None where it makes none."""
        found = _BIN.search(self.text)
        return float(found[1]) * _AGO_UNIT[found[2].lower()] if found else None

    def watches_metric(self, metrics: Iterable[str]) -> bool:
        """Whether it reads one of these metrics where a diagnostic setting exports them to, AzureMetrics."""
        tests = tests_of_metric(self.text)
        return (
            self.reads("AzureMetrics")
            and bool(tests)
            and any(metric_holds(operator.lower(), value, metrics) for operator, value in tests)
        )

    @cached_property
    def summed(self) -> str | None:
        """The column that holds the total of an account's metric, lower case; None where its text does not tell of one."""
        return total(self.text) if self.explains("metric") else None

    @cached_property
    def sums(self) -> bool:
        """Whether it summarises rows."""
        return any(step.operator == "summarize" for step in self._steps)

    @cached_property
    def always_answers(self) -> bool:
        """Whether it gives a row even where there was nothing: it counts over all, by nothing, and leaves no number out."""
        own = self._steps
        last = max((number for number, step in enumerate(own) if step.operator == "summarize"), default=None)
        if last is None or re.search(r"\bby\b", own[last].body, re.IGNORECASE):
            return False
        return not any(step.filters for step in own[last:])

    @cached_property
    def thresholds(self) -> list[float]:
        """The numbers that summarised values have to exceed (`| where Total > 20`). What is counted is whole: 21 or more exceeds 20."""
        own = self._steps
        first = next((number for number, step in enumerate(own) if step.operator == "summarize"), 0)
        tests = [each for step in own[first:] for each in conditions(step)]
        found = [above for each in tests if (above := re.fullmatch(ABOVE, each))]
        return [float(each[3]) - (each[2] == ">=") for each in found]

    def operations(self, wanted: frozenset[str]) -> frozenset[str]:
        """Which of these ARM operations (lower case) the query over AzureActivity reports."""
        if wanted not in self._operations:
            self._operations[wanted] = self._reported(wanted)
        return self._operations[wanted]

    def _reported(self, wanted: frozenset[str]) -> frozenset[str]:
        """Rows hold operations in upper case, so a case-sensitive `==` or `in` with another spelling finds nothing."""
        statuses = {each.lower() for found in _STATUS.findall(self.text) for each in quoted(found)}
        negated = self._has(r"\boperationname(?:value)?\s*!")
        if not self.reads("AzureActivity") or negated or (statuses and not statuses & _DONE):
            return frozenset()
        found, tested = wanted, False
        for segment in self.text.split("|"):
            tests = [_matching(operator.lower(), value, wanted) for operator, value in _OPERATION.findall(segment)]
            if tests:
                tested = True
                either = re.search(r"\bor\b", segment, re.IGNORECASE)
                found &= frozenset.union(*tests) if either else frozenset.intersection(*tests)
        return self._provided(found) if tested else self._untested(wanted)

    def _provided(self, found: frozenset[str]) -> frozenset[str]:
        """Those of the providers that the query asks for."""
        tests = [quoted(value) for value in _PROVIDED.findall(self.text)]
        named = tuple(f"{text.lower()}/" for texts in tests for text in texts)
        return frozenset(each for each in found if each.startswith(named)) if named else found

    def _untested(self, wanted: frozenset[str]) -> frozenset[str]:
        """The operations of a query that names none: all of the provider that it names, or all where it names nothing."""
        if self._has(r"microsoft\.cognitiveservices"):
            return frozenset(each for each in wanted if each.startswith("microsoft.cognitiveservices/"))
        return frozenset() if self._has(r"\b_?resource|\bcategory|\bcaller\b\s*(?:==|=~)") else wanted


@cache
def _proven() -> frozenset[str]:
    return frozenset(" ".join(each.kql().split()) for each in catalogue())


def _place_holds(field: str, operator: str, value: str, own: str) -> bool:
    """Whether a test of a row's resource, group or subscription can hold for an account. A test of no text is not known to fail."""
    steps = own.split("/")
    texts = [text.strip("/").lower() for text in quoted(value)]
    kind = field.lower().lstrip("_")
    held = {"resource": steps[-1], "resourcegroup": steps[3], "subscriptionid": steps[1]}.get(kind, own)
    test = operator.lower()
    if not texts:
        return True
    if test.startswith("!"):
        opposite = {"!=": "==", "!~": "=~"}.get(test, test[1:])
        return any(_INSIDE.match(text) for text in texts) or not _place_holds(field, opposite, value, own)
    if test in ("==", "=~", "in", "in~"):
        return held in texts
    if test in ("startswith", "endswith"):
        return any(getattr(held, test)(text) for text in texts)
    return any(text in held or _INSIDE.match(text) for text in texts)


def _matching(operator: str, value: str, wanted: frozenset[str]) -> frozenset[str]:
    """The wanted operations that a test of a row's operation lets through. `has` looks for whole terms: `has "deploy"` finds no deployment."""
    texts = quoted(value)
    lowered = [text.lower() for text in texts]
    if operator in ("==", "in"):
        return frozenset(each for each in wanted if each.upper() in texts)
    if operator in ("=~", "in~"):
        return frozenset(each for each in wanted if each in lowered)
    if operator == "startswith":
        return frozenset(each for each in wanted if each.startswith(tuple(lowered)))
    if operator == "endswith":
        return frozenset(each for each in wanted if each.endswith(tuple(lowered)))
    if operator == "contains":
        return frozenset(each for each in wanted if any(text in each for text in lowered))
    terms = [re.compile(rf"(?<![a-z0-9]){re.escape(text)}(?![a-z0-9])") for text in lowered]
    return frozenset(each for each in wanted if any(term.search(each) for term in terms))
