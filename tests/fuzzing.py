"""How often fuzzed tests try, and what they try: JSON documents changed in a few places, and files that hold anything at all.

`AOAI_FUZZ=N` tries N times as often as `make test`, which tries the same few examples each time (`make fuzz`).
"""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from aoai_lib.cli import main
from aoai_lib.command import UNFORESEEN

TIMES = int(os.environ.get("AOAI_FUZZ", "0"))
Path_ = tuple[str | int, ...]

TEXTS = [
    "",
    "x",
    "https://[",
    "\ud800",
    "a\x00b",
    "\u202e",
    "../../..",
    "=1+1",
    "a" * 9000,
    "9" * 5000,
    "<!--",
    "[red]",
    "{{7*7}}",
]
NUMBERS = [0, -1, 1, 2.5, 200, 99999, 2**63, -(10**40), 1e308, float("nan"), float("inf"), float("-inf")]
DEEP: Any = None
for _ in range(400):
    DEEP = [DEEP]
JUNK = [
    None,
    True,
    False,
    *NUMBERS,
    *TEXTS,
    [],
    {},
    [[]],
    [None],
    [{}],
    {"id": None},
    {"": ""},
    {"value": []},
    {"error": 1},
    DEEP,
]
RAW = [
    b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\n", b"\r\n", b"null", b"[]", b"{}", b'{"a":1,"a":2}',
    b"NaN", b"1e400", b"9" * 5000, b"[" * 100_000, b"\xe2\x80\xa8", b'"\\ud800"', b"://", b"../", b"a" * 70_000,
]  # fmt: skip


def fuzzed(examples: int) -> settings:
    """So many examples in `make test`, always the same ones; N times as many, each time others, by `make fuzz`."""
    return settings(
        max_examples=examples * (TIMES or 1),
        derandomize=not TIMES,
        database=None,
        deadline=None,
        print_blob=bool(TIMES),
        suppress_health_check=list(HealthCheck),
    )


def places(document: Any, at: Path_ = ()) -> list[Path_]:
    """Where the values of a document are, the document itself first."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [at, *(place for key, value in inner for place in places(value, (*at, key)))]


PUT = 11
"""How `changed` puts a value in the place of another, and no more."""


def changed(document: Any, at: Path_, how: int, junk: Any) -> Any:
    """A copy in which the value at a place is another, gone, in a list, twice, or under another name."""
    if not at:
        return junk
    made = copy.deepcopy(document)
    holder = made
    try:
        for step in at[:-1]:
            holder = holder[step]
        value = holder[at[-1]]
    except (KeyError, IndexError, TypeError):  # an earlier change took the place away
        return made
    if not isinstance(holder, dict | list):
        return made
    if how == 0:
        del holder[at[-1]]
    elif how == 1:
        holder[at[-1]] = [value, copy.deepcopy(value)]
    elif how == 2 and isinstance(holder, dict):
        holder[f"{at[-1]}X"] = holder.pop(at[-1])
    elif how == 3 and isinstance(value, str):
        holder[at[-1]] = value + (junk if isinstance(junk, str) else "x")
    elif how == 4 and isinstance(holder, list):
        holder.append(copy.deepcopy(value))
    else:
        holder[at[-1]] = junk
    return made


def changes(document: Any, most: int = 4, among: list[Path_] | None = None) -> st.SearchStrategy[Any]:
    """The document with one to `most` values changed, `among` some places where those are named; mostly to another type."""
    where = among or places(document)
    one = st.tuples(st.sampled_from(where[1:] or where), st.integers(0, 11), st.sampled_from(JUNK))

    def applied(steps: list[tuple[Path_, int, Any]]) -> Any:
        made = document
        for at, how, junk in steps:
            made = changed(made, at, how, junk)
        return made

    return st.lists(one, min_size=1, max_size=most).map(applied)


def spoiled(content: bytes) -> st.SearchStrategy[bytes]:
    """The bytes of a file cut, with others put in or in place of some, or other bytes altogether."""
    at = st.integers(0, len(content))
    junk = st.sampled_from(RAW) | st.binary(max_size=20)
    cut = at.map(lambda place: content[:place])
    put_in = st.builds(lambda place, more: content[:place] + more + content[place:], at, junk)
    replaced = st.builds(lambda place, more: content[:place] + more + content[place + len(more) :], at, junk)
    return st.one_of(cut, put_in, replaced, junk, st.just(content.replace(b"\n", b"\r\n")), st.binary(max_size=60))


def dumped(document: Any) -> bytes:
    """JSON as any program may write it: half surrogates, NaN and infinities included."""
    return json.dumps(document).encode()


def aoai(*arguments: str | Path) -> Result:
    """The command, in this process. Whatever it was given it must end by an exit code of its own, without a traceback."""
    done = CliRunner().invoke(main, [str(each) for each in arguments], env={"COLUMNS": "400"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code in (0, 1, 2, 3), done.output
    assert "Traceback" not in done.output
    assert UNFORESEEN not in done.output, done.output
    assert done.exit_code != 2 or "Error: " in done.stderr, done.output
    return done


def listing(folder: Path) -> dict[str, bytes]:
    """What is in a folder and below."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
