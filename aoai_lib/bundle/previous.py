"""The previous run of a tenant: the newest earlier one in the same folder that is sealed, holds, and asked as much."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from aoai_lib.bundle.changes import compose
from aoai_lib.bundle.opening import Bundle, open_bundle
from aoai_lib.bundle.verification import usable
from aoai_lib.folder import RUN_ID
from aoai_lib.model import PlaybookError
from aoai_lib.report.changes import without_earlier
from aoai_lib.report.findings import Document

_TRIED_AT_MOST = 12
"""Runs that are looked at before the search ends: each is digested whole."""


def changes(path: Path) -> Document:
    """`changes.json` of the run in a folder: against the previous run, or against none. What an earlier run holds never stops
    this one: where it can't be read it is passed over, and that is said.
    """
    after = open_bundle(path)
    passed_over: list[dict[str, str]] = []
    for candidate in list(_earlier(path))[:_TRIED_AT_MOST]:
        try:
            why = usable(candidate) or _unlike(Bundle(candidate), after)
            if not why:
                return compose(Bundle(candidate), after) | {"passed_over": passed_over}
        except (PlaybookError, OSError) as problem:
            why = f"It can't be read: {problem}"
        passed_over.append({"run_id": candidate.name, "why": why})
    told = without_earlier(str(after.about["run_id"]), str(after.document["tenant"]))
    return told | {"passed_over": passed_over}


def _earlier(path: Path) -> Iterator[Path]:
    """The folders of finished runs beside one that began before it, the newest first. An unfinished one is no run to speak of."""
    beside = (each for each in path.parent.iterdir() if RUN_ID.fullmatch(each.name) and each.is_dir())
    names = sorted((each for each in beside if each.name < path.name), key=lambda each: each.name, reverse=True)
    return (each for each in names if _may_be_finished(each))


def _may_be_finished(path: Path) -> bool:
    """Whether a run was sealed, or lies in a folder that can't be looked into: that is said, like all that is passed over."""
    try:
        return Bundle(path).is_finished
    except OSError:
        return True


def _unlike(before: Bundle, after: Bundle) -> str:
    """Why two sound runs under one label are not to be compared; "" where they are."""
    for name, what in (("tenant", "tenant"), ("tenant_id", "directory"), ("cloud", "cloud")):
        one, other = before.about.get(name), after.about.get(name)
        if one and other and str(one).lower() != str(other).lower():
            return f"It is of another {what}."
    if before.snapshot.as_of > after.snapshot.as_of:
        return "What it judged is newer than what this run judged."
    if not before.reads >= after.reads:
        return "It was about other phases."
    return ""
