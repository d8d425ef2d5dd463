"""A hardening is killed at each moment of each step, and started again each time: it ends as if nothing had happened."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hardening import carry_out, folder_of, own_lab, parameters, plan, resources, written
from kill_stand import EVERYTHING, ON_DISK, ON_THE_WIRE, Hardening

from aoai_lib.harden import session
from aoai_lib.harden.journal import open_undo

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
OUTBOUND = {"allowed_fqdns": ["brightcart.search.windows.net"]}
MOMENTS = (*ON_THE_WIRE, *ON_DISK)
ONLY = () if EVERYTHING else ("NET-14", "CNT-16")
"""`make test` hardens by two controls, `make kills` by all: 48 writes, every kind of request and of operation among them."""
ROUNDS = (1, 3) if EVERYTHING else (1,)
"""How far apart in `MOMENTS` two kills lie, so that a step is hit at another moment in each round."""


def rounded(stride: int) -> itertools.cycle[str]:
    return itertools.cycle(MOMENTS[number * stride % len(MOMENTS)] for number in range(len(MOMENTS)))


@pytest.mark.parametrize("stride", ROUNDS)
def test_killed_at_each_moment_of_each_step_there_and_back(
    tmp_path: Path, stride: int, record_property: Callable[[str, object], None]
) -> None:
    asked = parameters("exposed", **OUTBOUND)
    with own_lab("exposed") as lab:
        planned = plan(asked, *ONLY)
        carry_out(asked, planned, tmp_path / "whole", list(planned.checks))
        done, sent = resources(lab, "exposed"), Counter(written(lab))
        session.take_back(asked, folder_of(tmp_path / "whole") / "undo.json")
        undone, sent_back = resources(lab, "exposed"), Counter(written(lab)) - sent
    with own_lab("exposed") as lab:
        there = Hardening(lab, "exposed", asked, tmp_path / "killed")
        for at in rounded(stride):
            if there.ended(there.carry_out(planned, at), at):
                break
            there.check_undo()
        assert (there.folder / "result.json").is_file()
        assert resources(lab, "exposed") == done
        assert Counter(written(lab)) == sent, "no write happened twice, and none was left out"
        assert {each.request.path for each in open_undo(there.folder / "undo.json").steps} == {path for _, path in sent}

        back = Hardening(lab, "exposed", asked, tmp_path / "killed")
        for at in itertools.cycle((*ON_THE_WIRE, "finished")):
            if back.ended(back.take_back(there.folder / "undo.json", at), at):
                break
        assert resources(lab, "exposed") == undone
        assert Counter(written(lab)) - sent == sent_back, "taken back once"
        assert (there.folder / "undone.json").is_file()
    assert set(there.killed) == set(MOMENTS) and back.killed["finished"] == 1
    record_property("killed", f"harden, {sum(sent.values())} writes, killed at {dict(there.killed)}")
    record_property("killed", f"undo, {sum(sent_back.values())} writes, killed at {dict(back.killed)}")


@pytest.mark.skipif(not EVERYTHING, reason="`make kills` does it")
def test_killed_at_random_moments(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Again and again, until it ends before its time is up; there, and back."""
    seed = random.SystemRandom().randrange(10**6)
    moments, asked = random.Random(seed), parameters("exposed", **OUTBOUND)
    with own_lab("exposed") as lab:
        planned = plan(asked)
        carry_out(asked, planned, tmp_path / "whole", list(planned.checks))
        done, sent = resources(lab, "exposed"), Counter(written(lab))
    with own_lab("exposed") as lab:
        there = Hardening(lab, "exposed", asked, tmp_path / "killed")
        ended = False
        while not ended:
            process = there.carry_out(planned, "at random")
            time.sleep(moments.uniform(0.2, 4))
            if process.is_alive():
                assert process.pid is not None
                os.kill(process.pid, signal.SIGKILL)
            ended = there.ended(process, "at random")
            if not ended:
                there.check_undo()
        assert resources(lab, "exposed") == done, f"seed {seed}"
        assert Counter(written(lab)) == sent, f"seed {seed}"
    record_property("killed", f"harden, at random moments, seed {seed}: killed {there.killed.total()} times")
