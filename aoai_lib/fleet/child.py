"""The process in which one tenant is assessed: `python -m aoai_lib.fleet.child`, started by `keeper`.

It reads one task from its standard input and answers in lines of JSON: `["progress", what, share]` and, last, `["outcome", {…}]`.
Standard input stays open as long as the keeper lives; when it closes, this process ends, wherever it is.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import sys
import threading
import traceback
from typing import IO, Final

from aoai_lib.fleet.assessment import Task, assess_tenant
from aoai_lib.fleet.keeper import DEBUG_VARIABLE
from aoai_lib.fleet.outcome import Outcome
from aoai_lib.folder import disk_trouble

ORPHANED: Final = 70
"""Exit code of a child whose keeper is gone."""


def main() -> None:
    """Assess the tenant that standard input names."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1) as answers:
        # What a library prints (a code to sign in with, a warning) goes where errors go, and is shown to the person there.
        os.dup2(2, 1)
        task: Task = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this one, over its own pipe
        watch = threading.Thread(target=_end_with_keeper, args=(task,), daemon=True)
        watch.start()
        _answer(answers, "outcome", json.loads(_outcome(task, answers).as_json()))
        if task.url:
            watch.join()


def _outcome(task: Task, answers: IO[str]) -> Outcome:
    try:
        return assess_tenant(task, lambda _, what, share: _answer(answers, "progress", what, share))
    except Exception as problem:  # noqa: BLE001 - whatever it is, it is this tenant's problem and no other's
        if os.environ.get(DEBUG_VARIABLE):
            traceback.print_exc()
        if isinstance(problem, OSError) and (trouble := disk_trouble(problem)):
            return Outcome(task.parameters.tenant, problems=(trouble,))
        said = f"{type(problem).__name__}: {problem}".rstrip(": ")
        return Outcome(task.parameters.tenant, problems=(f"The assessment was stopped by an error, {said}.",))


def _answer(answers: IO[str], *words: object) -> None:
    answers.write(json.dumps(words) + "\n")


def _end_with_keeper(task: Task) -> None:
    """End this process, and what it started, when whoever started it is gone. A run that is only staged here is taken away: it is
    uploaded, or nobody would upload it."""
    os.read(0, 1)
    if task.url:
        shutil.rmtree(task.out, ignore_errors=True)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        # A browser that prints would go on: whoever killed the keeper could not end this group.
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(ORPHANED)


if __name__ == "__main__":
    main()
