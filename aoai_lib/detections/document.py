"""The page about all detections, as it stands in the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aoai_lib.detections.catalogue import Detection, catalogue

_HEAD = """# Detections

Queries over the logs of Azure OpenAI accounts, for a workspace, an alert rule or a scheduled job. Each is a file in
`aoai_lib/detections/files`, with the events that prove it: what it must find, what it must leave, and the rows that come of it. This page is
written by `python -m aoai_lib.detections`, so it says what the files say.

Every query is checked by Microsoft's own parser and binder (`make kql`), and run on the lab's engine with its events loaded and with its
events inside the query. The properties of a request come as text in `properties_s`, or as text or object in `AdditionalFields`: all three are read.
Who called is in `objectId`; some rows say `callerObjectId`, which counts for the same.
"""


def document() -> str:
    """The page, in Markdown."""
    rows = [
        f"| [{each.id}](#{each.name}) | {each.title} | {each.severity} | {', '.join(each.tables)} |"
        for each in catalogue()
    ]
    overview = "\n".join(["| id | title | severity | tables |", "|---|---|---|---|", *rows])
    return "\n".join([_HEAD, overview, *(line for each in catalogue() for line in _section(each)), ""])


def _section(detection: Detection) -> Iterator[str]:
    yield f'\n<a id="{detection.name}"></a>\n\n## {detection.id} {detection.title}\n'
    yield f"{detection.finds}\n"
    references = ", ".join((*(f"AML.{each}" for each in detection.atlas), *detection.owasp))
    yield f"* **Severity** {detection.severity}. **References** {references}."
    needed = "; ".join(f"{table} ({', '.join(columns)})" for table, columns in detection.tables.items())
    held = sorted(set(re.findall(r"\bp\.(\w+)", detection.query)))
    besides = f"; of the properties of a request: {', '.join(held)}" if held else ""
    yield f"* **Needs** {needed}{besides}."
    yield f"* **Does not see** {detection.blind_spots}"
    yield f"* **On a hit** {detection.on_hit}"
    if detection.guide:
        yield f"* **The guide's version** {detection.guide}"
    yield f"* **As a log alert** {'yes' if detection.alertable else 'no'}."
    for name, each in detection.parameters.items():
        yield f"* **`{name}`** ({each.type}, `{each.default}`) {each.help}"
    yield f"\n```kusto\n{detection.kql()}\n```"
