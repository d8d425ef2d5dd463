"""The steps of a log query, and whether its text explains what they leave out.

A rule that watches the right thing may still leave most of it out: a filter on a row's number before rows are summed, one on the
hour of the day, `take 1`. What is known to let through everything that counts is listed; what else stands in a query is not
explained by its text, and only a trial on synthetic events tells what it does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_STRING: Final = r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'"
_QUOTED: Final = re.compile(r"\"([^\"]*)\"|'([^']*)'")
_COMMENT: Final = re.compile(rf"({_STRING})|(?:^|(?<=\s))//[^\n]*", re.MULTILINE)
_TOKEN: Final = re.compile(rf"{_STRING}|[\w-]+|\s+|.")
_LITERAL: Final = re.compile(
    rf"\blet\s+(\w+)\s*=\s*({_STRING}|\d+(?:\.\d+)?[a-z]*|dynamic\s*\(\s*\[[^\]]*\]\s*\))\s*;", re.IGNORECASE
)
_BEGINNING: Final = re.compile(r"(?:let\s+\w+\s*=\s*)?(?:\(\s*\)\s*\{\s*)?\(?\s*\w+\s*(?:\(\s*\))?[\s})]*")
_UNION: Final = re.compile(r"(?:let\s+\w+\s*=\s*)?union\s+(?:\w+\s*=\s*\w+\s+)*\w+(?:\s*,\s*\w+)*\s*", re.IGNORECASE)
_DEEPEST: Final = 20
_LONGEST: Final = 4000
"""How deep brackets and how long a condition may be to be looked into. A query is its author's: it must not take a reader's time."""
_QUIET: Final = frozenset(
    {
        "extend", "project", "project-away", "project-keep", "project-rename", "project-reorder", "summarize", "order",
        "sort", "distinct", "serialize", "as", "render",
    }
)  # fmt: skip
"""Operators that leave no row out."""
_CHOOSY: Final = re.compile(r"\b\w+if\s*\(", re.IGNORECASE)
_CLOCK: Final = re.compile(
    r"\b(?:hourofday|dayofweek|dayofmonth|dayofyear|monthofyear|datetime_part|format_datetime)\s*\(", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a query: its operator, lower case ("" for what pipes begin with), and what follows."""

    operator: str
    body: str

    @property
    def filters(self) -> bool:
        """Whether it leaves out the rows that do not meet its conditions."""
        return self.operator in ("where", "filter")


def plain(text: str) -> str:
    """The query without comments, and with the texts and numbers that `let` names in the place of their names."""
    bare = _COMMENT.sub(lambda found: found[1] or " ", text)
    named = {name.lower(): value for name, value in _LITERAL.findall(bare)}
    return "".join(_put(each, named) for each in _TOKEN.findall(_LITERAL.sub(" ", bare))) if named else bare


def _put(sign: str, named: Mapping[str, str]) -> str:
    return named.get(sign.lower(), sign)


def unquoted(text: str) -> str:
    """The query with nothing between its quotes: what is named there is no table."""
    return re.sub(_STRING, '""', text)


def quoted(text: str) -> list[str]:
    """What stands between quotes."""
    return [double or single for double, single in _QUOTED.findall(text)]


def steps(text: str) -> list[Step]:
    """The steps of a query in the order of its text, those of the tables that it joins among them."""
    found, begins = [], True
    for part, end in _parts(text):
        word = None if begins else re.match(r"\s*([a-z]+(?:-[a-z]+)*)\b", part, re.IGNORECASE)
        found.append(Step(word[1].lower(), part[word.end() :]) if word else Step("", part))
        begins = end == ";"
    return [each for each in found if each.operator or each.body.strip()]


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """What stands between pipes and semicolons, whatever their depth, and the sign that ends it."""
    held = ""
    for sign in _TOKEN.findall(text):
        if sign in ("|", ";"):
            yield held, sign
            held = ""
        else:
            held += sign
    yield held, ""


def conditions(step: Step) -> list[str]:
    """Every single condition of a step, whether all or one of them have to hold, in one line each; none where it has none."""
    return [each for each in _single(step.body) if each] if step.filters else []


def _single(text: str, deep: int = 0) -> Iterator[str]:
    depth, held = 0, ""
    whole: list[str] = []
    for sign in _TOKEN.findall(text):
        depth += (sign in "([{") - (sign in ")]}")
        if depth < 0:  # the end of a table that is joined, or of a function
            break
        if depth == 0 and sign.lower() in ("and", "or"):
            whole.append(held)
            held = ""
        else:
            held += sign
    for each in (*whole, held):
        inner = _inside(each.strip()) if deep < _DEEPEST else None
        yield from _single(inner, deep + 1) if inner is not None else (" ".join(each.split()),)


def _inside(text: str) -> str | None:
    """What stands in brackets that hold all of the text; None where none do."""
    if not (text.startswith("(") and text.endswith(")")):
        return None
    depth = 0
    for position, sign in enumerate(tokens := _TOKEN.findall(text)):
        depth += (sign == "(") - (sign == ")")
        if depth == 0 and position < len(tokens) - 1:
            return None
    return text[1:-1]


def explained(text: str, known: Iterable[str], known_of_sums: Iterable[str], joins: bool = False) -> bool:
    """Whether every step of a query is one that leaves out nothing, and every condition one of the known ones.

    These are expressions that a whole condition has to match, whatever its case; `known_of_sums` count behind a `summarize` only.
    """
    patterns = [re.compile(each, re.IGNORECASE) for each in known]
    for step in steps(text):
        if step.operator == "summarize":
            patterns += [re.compile(each, re.IGNORECASE) for each in known_of_sums]
        if step.filters:
            own = conditions(step)
            if any(len(each) > _LONGEST for each in own) or not all(_matches(patterns, each) for each in own):
                return False
        elif not _leaves_nothing_out(step, joins):
            return False
    return True


def _matches(patterns: Iterable[re.Pattern[str]], condition: str) -> bool:
    return any(each.fullmatch(condition) for each in patterns)


def _leaves_nothing_out(step: Step, joins: bool) -> bool:
    if len(step.body) > _LONGEST:
        return False
    if not step.operator:
        return bool(_BEGINNING.fullmatch(step.body.strip()) or _UNION.fullmatch(step.body.strip()))
    if step.operator in ("join", "lookup", "union"):
        return joins
    return step.operator in _QUIET and not (step.operator == "summarize" and _CHOOSY.search(step.body))


def keeps_hours(text: str) -> bool:
    """Whether a condition of the query asks for the time of day, the day or the month: then it sees some of the time only."""
    found = (each for step in steps(text) for each in conditions(step))
    return any(_CLOCK.search(each) for each in found)
