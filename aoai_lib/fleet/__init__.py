"""Many tenants, here or on a cluster: each in a process of its own, so that what one does to itself stays there.

`assessment` is the whole of one tenant, `child` the process around it, `keeper` what starts and ends that process, `crews` and
`workers` where keepers work, `journal` what was begun and what is finished, `places` where runs go.
"""

from aoai_lib.fleet.assessment import (
    Task,
    assess_tenant,
    chapters_of,
    check_observations,
    environment,
    lab_environment,
    write_overview,
)
from aoai_lib.fleet.crews import assess_all, local
from aoai_lib.fleet.journal import Batch, begin
from aoai_lib.fleet.keeper import DEBUG_VARIABLE, check_labels
from aoai_lib.fleet.outcome import Outcome
from aoai_lib.fleet.places import Folder, Place, place_of, signed, stamped
from aoai_lib.fleet.workers import cluster

__all__ = [
    "DEBUG_VARIABLE",
    "Batch",
    "Folder",
    "Outcome",
    "Place",
    "Task",
    "assess_all",
    "assess_tenant",
    "begin",
    "chapters_of",
    "check_labels",
    "check_observations",
    "cluster",
    "environment",
    "lab_environment",
    "local",
    "place_of",
    "signed",
    "stamped",
    "write_overview",
]
