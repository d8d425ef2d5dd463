"""What every command has in common: its exit codes, and errors in words.

0 done, 1 something could not be completed, 2 bad input (nothing was done), 3 `--fail-on` reached.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Final, ParamSpec

import click
from rich.console import Console
from rich.markup import escape

from aoai_lib.console import plain
from aoai_lib.folder import disk_trouble
from aoai_lib.model import InputError, PlaybookError

DONE: Final = 0
INCOMPLETE: Final = 1
BAD_INPUT: Final = 2
FAILED_ON: Final = 3

UNFORESEEN: Final = (
    "This is a fault of the playbook, which `aoai --debug` before the same words shows in full for a report:"
)

Arguments = ParamSpec("Arguments")


def in_words(command: Callable[Arguments, int]) -> Callable[Arguments, None]:
    """A command whose errors are one sentence and an exit code; with `--debug` they are what they are."""

    @wraps(command)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        debug = click.get_current_context().find_root().params.get("debug", False)
        try:
            code = command(*args, **kwargs)
        except PlaybookError as problem:
            if debug:
                raise
            _show_error(str(problem))
            code = BAD_INPUT if isinstance(problem, InputError) else INCOMPLETE
        except KeyboardInterrupt:
            click.echo("Interrupted: what was finished is whole, the rest is visibly unfinished.", err=True)
            code = INCOMPLETE
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as problem:
            if debug:
                raise
            unforeseen = f"{UNFORESEEN} {' '.join(f'{type(problem).__name__}: {problem}'.rstrip(': ').split())}."
            _show_error((disk_trouble(problem) if isinstance(problem, OSError) else "") or unforeseen)
            code = INCOMPLETE
        sys.exit(code)

    return run


def _show_error(sentence: str) -> None:
    Console(stderr=True, highlight=False, emoji=False).print(
        f"[bold red]Error:[/] {escape(plain(sentence))}", soft_wrap=True
    )


@contextlib.contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """For the length of a block, what ends a container (SIGTERM) is what Ctrl-C is: a `KeyboardInterrupt`, so that all is tidied."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
