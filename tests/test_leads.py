"""Leads in notebook 04: what the detections found, once each, by day, with hostile text as text."""

from __future__ import annotations

from collections.abc import Callable

from reporting import run_of
from test_monitoring_observed import answered, denied, with_readings

from aoai_lib.detections import catalogue
from aoai_lib.model import Json, Reading, Snapshot
from aoai_lib.report.leads import leads, leads_by_day, leads_table

COLUMNS = ["_ResourceId", "Caller", "Last"]
HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m=cmd()"


def sample(hardened: Snapshot, *rows: list[Json], only: str = "DET-04") -> Snapshot:
    """The hardened sample in which only that detection found something."""
    quiet: Callable[[Reading], Reading] = answered(COLUMNS)
    return with_readings(with_readings(hardened, "detection", quiet), "detection", answered(COLUMNS, *rows), only)


def account(hardened: Snapshot) -> str:
    return next(each.scope for each in hardened.of("account"))


def test_each_lead_is_told_once_newest_first(hardened: Snapshot) -> None:
    own = account(hardened)
    rows: list[list[Json]] = [
        [own, "old", "2026-11-01T00:00:00Z"],
        [own, "new", "2026-11-22T00:00:00Z"],
        [own, "new", "2026-11-22T00:00:00Z"],
        [own, "timeless", "soon"],
        [f"{own}x", "other account", "2026-11-22T00:00:00Z"],
    ]
    found, missing = leads(run_of(sample(hardened, *rows)))
    assert [each.told for each in found] == ["Caller new", "Caller old", "Caller timeless"]
    assert missing == []
    (figure,) = leads_by_day(run_of(sample(hardened, *rows))).figures
    (line,) = [each for each in figure.text.splitlines() if "DET-04" in each]
    assert line.count("1 lead") == 3 and "no time: 1 lead" in line
    assert len(leads_table(run_of(sample(hardened, *rows))).rows) == 3


def test_nothing_found_is_said_and_so_is_nothing_asked(hardened: Snapshot) -> None:
    quiet = run_of(sample(hardened))
    assert leads_table(quiet).rows == [] and "found nothing" in str(leads_by_day(quiet))
    unread = with_readings(sample(hardened), "detection", denied)
    told = str(leads_by_day(run_of(unread)))
    assert "gave no answer" in told and "found nothing" not in told
    (row,) = leads_table(run_of(unread)).rows
    assert str(row[4]).startswith(f"{len(catalogue()) - 1} detections gave no answer")


def test_what_a_row_says_is_text(hardened: Snapshot) -> None:
    shown = run_of(sample(hardened, [account(hardened), HOSTILE, "2026-11-22T00:00:00Z"]))
    page = leads_table(shown)._repr_mimebundle_()
    assert "<script>" not in page["text/html"] and "&lt;script&gt;" in page["text/html"]
    assert "\x1b" not in page["text/plain"] and "\u202e" not in page["text/html"]
    for figure in leads_by_day(shown).figures:
        assert "<script" not in figure.svg
