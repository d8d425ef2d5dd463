"""The forms in which a run says what it found: each is composed again from what was judged, and compared with what lies there."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Final

from aoai_lib.bundle import rendered
from aoai_lib.bundle.opening import CHANGES, EVIDENCE, Bundle
from aoai_lib.model import Json
from aoai_lib.report import findings, ocsf, page, workbook
from aoai_lib.report.about import about
from aoai_lib.report.pdf import PRINT
from aoai_lib.run import CHAPTERS, Chapter

_ALWAYS: Final = (
    "run.json",
    EVIDENCE,
    "snapshot.json",
    CHANGES,
    "findings.json",
    "findings.csv",
    "findings.xlsx",
    "findings.ocsf.json",
    "report.html",
)


_PACKED: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_NO_ARCHIVE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    OverflowError,
)
"""What `zipfile` raises over octets that are none, or not what they say."""


def unexpected(bundle: Bundle, names: set[str]) -> list[str]:
    """What of the files of a run is not there, and what is there and no file of one, though the list of digests be whole."""
    needed = {*_ALWAYS, *(f"{each.name}.{kind}" for each in chapters(bundle) for kind in ("ipynb", "html"))}
    return [
        *(f"missing: {name}" for name in sorted(needed - names)),
        *(f"no file of a run: {name}" for name in sorted(names - needed - {PRINT})),
    ]


def chapters(bundle: Bundle) -> list[Chapter]:
    """The notebooks that a run says it executed."""
    return [each for each in CHAPTERS if each.name in bundle.about["chapters"]]


def compared(bundle: Bundle) -> Iterator[tuple[str, list[str]]]:
    """Each form, with what in it is another than what is composed again; nothing where it is the same."""
    checks: dict[str, Callable[[Bundle], bool]] = {
        "run.json": _record,
        "findings.csv": _rows,
        "findings.xlsx": _workbook,
        "findings.ocsf.json": _events,
        "report.html": _page,
    }
    for name, is_same in checks.items():
        yield name, [] if is_same(bundle) else ["composed again, it is another"]
    for chapter in chapters(bundle):
        yield chapter.name, list(rendered.differences(bundle, chapter))


def _record(bundle: Bundle) -> bool:
    """Whether what `run.json` says of the run follows from what was judged. Who ran it with which Python, only it says."""
    wanted = json.loads(json.dumps(about(bundle.run(), bundle.judged)))
    return all(name in bundle.about and bundle.about[name] == value for name, value in wanted.items())


def _rows(bundle: Bundle) -> bool:
    held = io.StringIO(newline="")
    findings.write_rows(bundle.judged, held)
    return bundle.holds("findings.csv", f"\ufeff{held.getvalue()}".encode())


def _events(bundle: Bundle) -> bool:
    wanted: Json = ocsf.events(bundle.judged, bundle.run())
    return bool(bundle.json("findings.ocsf.json") == wanted)


def _page(bundle: Bundle) -> bool:
    lines = [line for each in bundle.lines.values() for line in each]
    return bundle.holds("report.html", page.compose(bundle.run(), bundle.judged, lines, bundle.changes).encode())


def _workbook(bundle: Bundle) -> bool:
    """Part by part: how well they are packed is the business of the library that packs."""
    made = io.BytesIO()
    lines = [line for each in bundle.lines.values() for line in each]
    workbook.write(bundle.run(), bundle.judged, lines, made, bundle.changes)
    with zipfile.ZipFile(made) as wanted:
        whole = sum(each.file_size for each in wanted.infolist()) + len(made.getvalue())
        return _unpacks_to(bundle.content("findings.xlsx", whole), wanted)


def _unpacks_to(content: bytes, wanted: zipfile.ZipFile) -> bool:
    """Whether that is a workbook of the same parts. None is unpacked that says to be longer, or is packed as none of ours is."""
    parts = wanted.infolist()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            held = book.infolist()
            if [(each.filename, each.file_size) for each in held] != [
                (each.filename, each.file_size) for each in parts
            ]:
                return False
            if any(each.compress_type not in _PACKED for each in held):
                return False
            return all(book.read(each) == wanted.read(part) for each, part in zip(held, parts, strict=True))
    except _NO_ARCHIVE:
        return False
