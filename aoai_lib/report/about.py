"""What `run.json` says of a run that follows from what was judged: `aoai verify` composes it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aoai_lib.model import Json, State
from aoai_lib.report.findings import Document

if TYPE_CHECKING:
    from aoai_lib.run import Run


def about(run: Run, document: Document) -> dict[str, Json]:
    """Who read what as of when, how it came out, what probes spent (null where none were sent), and what could not be read."""
    snapshot = run.snapshot
    return {
        "run_id": run.run_id,
        "tenant": snapshot.tenant,
        "tenant_id": snapshot.tenant_id,
        "cloud": snapshot.cloud,
        "caller": dict(snapshot.caller),
        "as_of": snapshot.as_of,
        "finished_at": document["generated_at"],
        "parameters": run.parameters.model_dump(mode="json"),
        "catalogue_version": document["catalogue_version"],
        "counts": document["counts"],
        "probes": snapshot.reading("probes", "/").value,
        "not_read": [
            {
                "source": each.source,
                "scope": each.scope,
                "call": each.call,
                "reason": each.reason,
                "permission": each.permission,
            }
            for each in snapshot.readings.values()
            if each.state not in (State.COLLECTED, State.PARTIAL)
        ],
    }
