"""Is a bundle whole and unaltered, who signed it, and does what it says follow from what it holds?

The first two questions are also answered by `sha256sum -c` and `ssh-keygen -Y verify`. The others need the playbook: the evidence is
replayed and must give the snapshot, the snapshot is judged again and must give the findings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Final

from aoai_lib.azure.replay import Recording
from aoai_lib.bundle import changes, digests, forms
from aoai_lib.bundle.opening import CHANGES, EVIDENCE, Bundle, open_bundle
from aoai_lib.bundle.signing import SIGNATURE, UnsignedError, check_signers, signer
from aoai_lib.bundle.timestamp import STAMP, UnstampedError, check_roots, stamped
from aoai_lib.controls import catalogue_version
from aoai_lib.evidence import snapshots
from aoai_lib.evidence.seal import SUMS
from aoai_lib.evidence.store import Evidence
from aoai_lib.model import InputError, Json, PlaybookError, Snapshot
from aoai_lib.probe.active import COUNTED
from aoai_lib.report import findings
from aoai_lib.report.pdf import PRINT
from aoai_lib.run import collect

_READ: Final = ("collected", "partial")


class Outcome(StrEnum):
    """How one question came out; `NOTE` is worth knowing and no fault."""

    GOOD = "good"
    BAD = "bad"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Answer:
    """One question about a bundle: what was looked at, how it came out, the sentence, and lines to read with it."""

    what: str
    outcome: Outcome
    sentence: str
    listed: tuple[str, ...] = ()


def verify(path: Path, allowed_signers: Path | None = None, roots: Path | None = None) -> list[Answer]:
    """Every question, in order. `roots` are the root certificates of time-stamping authorities (PEM). What rests on a file that is damaged is not asked. Raises `InputError` for no run's folder, and for signers or roots that are none."""
    bundle = open_bundle(path)
    if allowed_signers:
        check_signers(allowed_signers)
    if roots:
        check_roots(roots)
    if not bundle.is_finished:
        return [Answer("files", Outcome.BAD, f"The run is unfinished: there is no {SUMS}, so nothing in it is final.")]
    files = _files(path)
    answers = [files, _signature(path, allowed_signers), *_time(path, roots)]
    if files.outcome is Outcome.BAD:
        return answers
    try:
        return [*answers, _evidence(bundle), _snapshot(bundle), _findings(bundle), _changes(bundle), *_forms(bundle)]
    except PlaybookError as problem:
        return [*answers, Answer("content", Outcome.BAD, str(problem))]


def _files(path: Path) -> Answer:
    try:
        listed = digests.listed(path)
    except digests.UnlistedError as problem:
        return Answer("files", Outcome.BAD, str(problem))
    problems = digests.differences(path, listed)
    if problems:
        return Answer(
            "files", Outcome.BAD, f"The files are not those that were sealed: {len(problems)} differ.", tuple(problems)
        )
    return Answer(
        "files", Outcome.GOOD, f"All {len(listed)} files are as they were sealed; none is missing, none was added."
    )


def _signature(path: Path, allowed: Path | None) -> Answer:
    if not (path / SIGNATURE).is_file():
        wanted = Outcome.NOTE if allowed is None else Outcome.BAD
        return Answer("signature", wanted, "Nobody signed it: the digests show damage, not who made them.")
    try:
        found = signer(path, allowed)
    except UnsignedError as problem:
        return Answer("signature", Outcome.BAD, str(problem))
    except InputError as problem:
        return Answer("signature", Outcome.NOTE if allowed is None else Outcome.BAD, f"Not looked at: {problem}")
    if allowed is None:
        sentence = (
            f"Signed with the {found.kind} key {found.fingerprint}. Whose that is, a list of allowed signers tells."
        )
        return Answer("signature", Outcome.NOTE, sentence)
    return Answer(
        "signature", Outcome.GOOD, f"Signed by {found.principal}, with the {found.kind} key {found.fingerprint}."
    )


def _time(path: Path, roots: Path | None) -> Iterator[Answer]:
    """When the digests were there at the latest, where an authority said so or roots of one were given."""
    if not (path / STAMP).is_file():
        if roots:
            yield Answer("time stamp", Outcome.BAD, "No authority stamped it: when it was made, only it says itself.")
        return
    try:
        found = stamped(path, roots)
    except UnstampedError as problem:
        yield Answer("time stamp", Outcome.BAD, str(problem))
    except InputError as problem:
        yield Answer("time stamp", Outcome.NOTE if roots is None else Outcome.BAD, f"Not looked at: {problem}")
    else:
        said = f"{found.when:%Y-%m-%d %H:%M:%S} UTC, says {found.authority}."
        if found.trusted:
            yield Answer("time stamp", Outcome.GOOD, f"These digests were there at {said}")
        else:
            yield Answer(
                "time stamp", Outcome.NOTE, f"{said} Whether it is its word, the authority's root certificates tell."
            )


def _evidence(bundle: Bundle) -> Answer:
    """Each line that anything cites is there, once; what was judged cites the lines it came from."""
    twice = [f"twice: {name}" for name, lines in bundle.lines.items() if len(lines) > 1]
    cited = {line for each in bundle.document["findings"] for line in findings.evidence_of(each)}
    cited |= {line for reading in bundle.snapshot.readings.values() for line in reading.evidence}
    problems = (*twice, *(f"cited and not there: {name}" for name in sorted(cited - bundle.lines.keys())))
    if problems:
        return Answer(
            "evidence", Outcome.BAD, "The findings rest on lines that the evidence does not hold so.", problems
        )
    total = len(bundle.lines)
    return Answer(
        "evidence", Outcome.GOOD, f"All {len(cited)} lines that are cited are among the {total} of {EVIDENCE}."
    )


def _snapshot(bundle: Bundle) -> Answer:
    """The recorded answers, read again as an assessment reads them, give what was judged."""
    recording = Recording.load(bundle.path / EVIDENCE)
    again = collect(bundle.parameters, bundle.reads, Evidence(), recording=recording)
    stored, replayed = ({_key(each): each for each in _readings(one)} for one in (bundle.snapshot, again))
    problems = tuple(_unlike(stored, replayed))
    if not problems:
        return Answer("snapshot", Outcome.GOOD, f"Reading the evidence again gives the same {len(stored)} readings.")
    if bundle.about.get("tool_version") != version("aoai-playbook"):
        return Answer("snapshot", Outcome.NOTE, f"{_made_by(bundle)} It reads the evidence otherwise:", problems)
    return Answer("snapshot", Outcome.BAD, "What was judged is not what the evidence holds.", problems)


def _readings(snapshot: Snapshot) -> list[dict[str, Json]]:
    """The readings as plain JSON; without the count of probes, which says what was not sent and so is in no evidence."""
    readings: list[dict[str, Json]] = json.loads(json.dumps(snapshots.dump(snapshot)["readings"]))
    return [each for each in readings if each["source"] != COUNTED]


def _key(reading: dict[str, Json]) -> tuple[str, str]:
    return reading["source"], reading["scope"].lower()


def _unlike(
    stored: dict[tuple[str, str], dict[str, Json]], again: dict[tuple[str, str], dict[str, Json]]
) -> Iterator[str]:
    """Readings that differ. One that failed must fail again, whatever the sentence: a failure has no answer to replay."""
    for key in sorted(stored.keys() | again.keys()):
        one, other = stored.get(key), again.get(key)
        name = f"{key[0]} of {key[1] or 'the tenant'}"
        if one is None or other is None:
            known = other if one is None else one
            if known is not None and known["state"] in _READ:
                yield f"{name}: {'not in the snapshot' if one is None else 'not in the evidence'}"
        elif (one["state"] in _READ) != (other["state"] in _READ):
            yield f"{name}: {one['state']} in the snapshot, {other['state']} in the evidence"
        elif one["state"] in _READ and (one["state"], one["value"]) != (other["state"], other["value"]):
            yield f"{name}: another value"


def _findings(bundle: Bundle) -> Answer:
    """The snapshot, judged again, gives the findings; bit for bit by the same catalogue."""
    again = bundle.judged
    if again == bundle.document:
        return Answer("findings", Outcome.GOOD, f"Judging again gives the same {len(bundle.findings)} findings.")
    now = {(each["control"], each["subject"].lower()): each for each in again["findings"]}
    changed = tuple(
        f"{key[0]} {key[1].rpartition('/')[2]}: {_status(bundle.findings, key)} in the bundle, {_status(now, key)} judged now"
        for key in sorted(bundle.findings.keys() | now.keys())
        if bundle.findings.get(key) != now.get(key)
    )
    if bundle.document.get("catalogue_version") != catalogue_version():
        sentence = (
            f"{_made_by(bundle)} Another catalogue judges {len(changed)} finding(s) otherwise, or words them otherwise."
        )
        return Answer("findings", Outcome.NOTE, sentence, changed)
    return Answer("findings", Outcome.BAD, "The findings don't follow from what was judged.", changed or ("counts",))


def _status(found: dict[tuple[str, str], dict[str, Json]], key: tuple[str, str]) -> str:
    return str(found[key]["status"]) if key in found else "absent"


def _made_by(bundle: Bundle) -> str:
    made, here = bundle.about.get("tool_version"), version("aoai-playbook")
    if made != here:
        return f"It was made by version {made}; this is {here}."
    return f"It was made by version {made} with the catalogue {bundle.document['catalogue_version']}; this has {catalogue_version()}."


def usable(path: Path) -> str:
    """Why a run may not be compared with, in a sentence: it is unfinished, altered, wrongly signed, or judged against its
    evidence. "" where nothing speaks against it. What its evidence gives when read anew is not asked: that is `verify`'s.
    """
    bundle = open_bundle(path)
    if not bundle.is_finished:
        return "It is unfinished."
    answers = [_files(path), _signature(path, None)]
    if answers[0].outcome is not Outcome.BAD:
        answers.append(_findings(bundle))
    return next((f"It does not verify. {each.sentence}" for each in answers if each.outcome is Outcome.BAD), "")


def _changes(bundle: Bundle) -> Answer:
    holds, sentence = changes.check(bundle)
    return Answer(CHANGES, Outcome.GOOD if holds else Outcome.BAD, sentence)


def _forms(bundle: Bundle) -> Iterator[Answer]:
    """The files are those that a run has, and each form of the findings says what the evidence gives: it is composed again."""
    installed = (version("aoai-playbook"), catalogue_version())
    other = (bundle.about["tool_version"], bundle.document["catalogue_version"]) != installed
    unexpected = forms.unexpected(bundle, set(digests.listed(bundle.path)))
    if unexpected:
        said = "These are not the files that a run has."
        yield Answer("completeness", Outcome.NOTE if other else Outcome.BAD, said, tuple(unexpected))
    if any(each.startswith("missing") for each in unexpected):
        return
    for name, differs in forms.compared(bundle):
        if not differs:
            yield Answer(name, Outcome.GOOD, "It says what the evidence gives.")
        elif other:
            yield Answer(name, Outcome.NOTE, f"{_made_by(bundle)} It would be composed otherwise.")
        elif any(each.startswith(f"{name}.ipynb stopped") for each in bundle.about["problems"]):
            yield Answer(name, Outcome.NOTE, "It stopped before its end, says run.json: not compared.")
        else:
            yield Answer(name, Outcome.BAD, "It does not say what the evidence gives.", tuple(differs))
    if (bundle.path / PRINT).exists():
        yield Answer(PRINT, Outcome.NOTE, "A browser printed it: whether it shows report.html, only looking tells.")
