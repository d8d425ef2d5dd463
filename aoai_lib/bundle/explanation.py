"""One verdict in words: what was concluded, from which values, and from which request and answer each of them came."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aoai_lib import assess
from aoai_lib.bundle.opening import Bundle
from aoai_lib.controls import catalogue, catalogue_version
from aoai_lib.evidence.store import Exchange
from aoai_lib.model import ABSENT, InputError, State
from aoai_lib.report import findings
from aoai_lib.report.tables import reader
from aoai_lib.report.text import shown, subject_name, visible


@dataclass(frozen=True, slots=True)
class Origin:
    """A line of evidence in words: what was asked when, what came, and by which API version."""

    line: str
    asked: str
    when: str
    answer: str
    api_version: str


@dataclass(frozen=True, slots=True)
class Value:
    """One value that the verdict rests on, with the lines it came from."""

    path: str
    text: str
    origins: tuple[Origin, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A finding with all it rests on. `unread` are calls about its account that gave nothing, with the permission each needs.

    `today` are sentences on what the installed catalogue gives on the same evidence; none where it judged, and says the same.
    """

    finding: Mapping[str, Any]
    caller: str
    intent: str
    values: tuple[Value, ...]
    unread: tuple[str, ...]
    today: tuple[str, ...]


def explain(bundle: Bundle, control: str, subject: str = "") -> Explanation:
    """Explain the finding of a control on a subject: its ARM id, the end of it, or nothing where there is only one.

    Raises `InputError` that lists the candidates where none or more than one fits.
    """
    about = [each for (name, _), each in bundle.findings.items() if name == control.upper()]
    if not about:
        raise InputError(f"This run has no finding of “{visible(control)}”: `aoai controls` lists the controls.")
    wanted = subject.lower().strip("/")
    exact = [each for each in about if str(each["subject"]).lower().strip("/") == wanted]
    found = exact or [
        each for each in about if f"/{str(each['subject']).lower()}".endswith(f"/{wanted}" if wanted else "")
    ]
    if len(found) != 1:
        names = ", ".join(sorted(visible(each["subject"]) for each in found or about))
        said = f"“{visible(subject)}” is" if subject else "Nothing is named, and there are"
        raise InputError(
            f"{said} {'more than one subject' if found else 'no subject'} of {visible(control.upper())}: name one of {names}."
        )
    return _explained(bundle, found[0])


def _explained(bundle: Bundle, finding: dict[str, Any]) -> Explanation:
    declared = {each.id: each for each in catalogue()}
    values = tuple(_value(bundle, each) for each in finding["observed"])
    intent = declared[finding["control"]].intent if finding["control"] in declared else ""
    unread = _unread(bundle, finding) if finding["status"] == "not_assessed" else ()
    return Explanation(
        finding, reader(bundle.snapshot), " ".join(intent.split()), values, unread, tuple(_today(bundle, finding))
    )


def _today(bundle: Bundle, finding: Mapping[str, Any]) -> Iterator[str]:
    """What the installed catalogue makes of the stored evidence, where that is worth telling."""
    then, now = str(bundle.document.get("catalogue_version")), catalogue_version()
    other = then != now
    if other:
        yield f"It was judged by catalogue {then}; the installed one is {now}."
    again = _judged_again(bundle, finding)
    if again is None:
        known = finding["control"] in {each.id for each in catalogue()}
        yield "The installed one has no such finding." if known else "The installed one has no such control."
        return
    parts = {
        "the verdict": (finding["status"], again["status"]),
        "the reason": (finding["reason"], again["reason"]),
        "what was looked at": (_seen(finding), _seen(again)),
        "the severity": (finding["severity"], again["severity"]),
    }
    differs = [name for name, (was, is_now) in parts.items() if was != is_now]
    if not differs:
        yield from ["On the same evidence it gives the same."] if other else []
        return
    yield f"On the same evidence it gives {again['status'].replace('_', ' ')}: {again['reason']}"
    yield f"What differs: {', '.join(differs)}."
    if not other:
        yield "The catalogue is the same, so this finding does not follow from the evidence: see `aoai verify`."


def _judged_again(bundle: Bundle, finding: Mapping[str, Any]) -> dict[str, Any] | None:
    """The finding as the installed catalogue gives it; None where that has none on this subject."""
    run = bundle.run()
    declared = {each.id: each for each in run.controls if each.id == finding["control"]}
    subject = str(finding["subject"]).lower()
    for each in assess.judge(bundle.snapshot, declared.values()):
        if findings.arm_id(each.subject).lower() == subject:
            return findings.entry(each, declared[each.control], run)
    return None


def _seen(finding: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(finding["observed"]))


def _value(bundle: Bundle, observed: Mapping[str, Any]) -> Value:
    value = ABSENT if observed.get("absent") else observed.get("value")
    lines = [line for name in observed["evidence"] for line in bundle.lines.get(name, ())]
    return Value(str(observed["path"]), shown(value, 400), tuple(map(origin, lines)))


def origin(line: Exchange) -> Origin:
    """A line in words."""
    parts = urlsplit(line.url)
    version = parse_qs(parts.query).get("api-version", [""])[0]
    answer = f"answered {line.status}" if line.status is not None else f"no answer: {line.error}"
    return Origin(line.id, f"{line.method} {parts.scheme}://{parts.netloc}{parts.path}", line.time, answer, version)


def _unread(bundle: Bundle, finding: Mapping[str, Any]) -> tuple[str, ...]:
    """What could not be read of the subject's account or of what holds it."""
    subject = str(finding["subject"]).lower()
    found = []
    for reading in bundle.snapshot.readings.values():
        near = reading.scope.lower().strip("/") in subject
        if near and reading.state not in (State.COLLECTED, State.PARTIAL):
            needs = f" (needs {reading.permission})" if reading.permission else ""
            found.append(f"{reading.call or reading.source} for {subject_name(reading.scope)}: {reading.reason}{needs}")
    return tuple(found)
