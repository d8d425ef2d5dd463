"""Are the files of a run those that were sealed?

`sha256sum -c SHA256SUMS` answers the half of it: what is listed is there and unaltered. The other half is that nothing else is there,
and that the list itself is one that `aoai assess` writes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from aoai_lib.bundle.signing import SIGNATURE
from aoai_lib.bundle.timestamp import STAMP
from aoai_lib.evidence.seal import LONGEST, SUMS, digest, sums_of
from aoai_lib.model import PlaybookError

_LINE: Final = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<name>[^/\\\x00-\x1f\x7f][^\\\x00-\x1f\x7f]*)")
_APART: Final = (SUMS, SIGNATURE, STAMP)
"""What stands beside the list and not in it: the list itself, and what vouches for it."""


class UnlistedError(PlaybookError):
    """The list of digests is none."""


def listed(folder: Path) -> dict[str, str]:
    """Digest by name, as the list of a folder gives them. Raises `UnlistedError` for any byte that the seal would not write."""
    try:
        content = sums_of(folder)
        text = content.decode("utf-8")
    except OSError as problem:
        raise UnlistedError(f"{SUMS} can't be read ({problem.strerror}).") from None
    except UnicodeDecodeError:
        raise UnlistedError(f"{SUMS} is no text.") from None
    if len(content) > LONGEST:
        raise UnlistedError(f"{SUMS} is longer than the list of any run.")
    found: dict[str, str] = {}
    before = ""
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        match = _LINE.fullmatch(line)
        if match is None or match["name"] <= before or {"", ".", ".."} & set(match["name"].split("/")):
            raise UnlistedError(f"{SUMS}, line {number}, is not as `aoai assess` writes it.")
        before = match["name"]
        found[before] = match["digest"]
    if not text.endswith("\n"):
        raise UnlistedError(f"{SUMS} breaks off in its last line.")
    return found


def differences(folder: Path, wanted: dict[str, str]) -> list[str]:
    """What is missing, added or altered against the list, a line each; empty where all is as it was sealed."""
    there = {each.relative_to(folder).as_posix(): each for each in folder.rglob("*")}
    rooms = {parent.as_posix() for name in wanted for parent in Path(name).parents}
    problems = [f"missing: {name}" for name in wanted if name not in there]
    for name, path in sorted(there.items()):
        if name in wanted:
            problems += [f"altered: {name}"] if not _is(path, wanted[name]) else []
        elif path.is_symlink() or not path.is_dir():
            problems += [f"added: {name}"] if name not in _APART or not _is(path) else []
        elif name not in rooms:
            problems.append(f"added: {name}/")
    return problems


def _is(path: Path, wanted: str = "") -> bool:
    """Whether a path is a file in itself, no link to one, of the digest that is wanted. What can't be read is not."""
    try:
        return not path.is_symlink() and path.is_file() and (not wanted or digest(path) == wanted)
    except OSError:
        return False
