"""Detections: queries over a tenant's logs, each a file with what it finds, what it needs, and events that prove it.

A file in `files/` is one detection. Its events are synthetic: the ones it must find, with the rows that it then gives, and near
misses that it must leave. They can be put into the query itself, so that a workspace answers for them with nothing ingested.
"""

from aoai_lib.detections.answers import columns_in, lead_of, resources_of, rows_in
from aoai_lib.detections.catalogue import Detection, catalogue, find
from aoai_lib.detections.events import Event, rows_of
from aoai_lib.detections.rehearsal import askable, rehearsed
from aoai_lib.detections.shadow import shadowed
from aoai_lib.detections.trial import unlike

__all__ = [
    "Detection",
    "Event",
    "askable",
    "catalogue",
    "columns_in",
    "find",
    "lead_of",
    "rehearsed",
    "resources_of",
    "rows_in",
    "rows_of",
    "shadowed",
    "unlike",
]
