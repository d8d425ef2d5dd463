"""A process that collects and judges a tenant with so many accounts and prints what it took as JSON: accounts, latency in ms."""

from __future__ import annotations

import json
import resource
import sys
import time

from aoai_lib import run
from aoai_lib.assess import judge
from aoai_lib.azure import embedded
from aoai_lib.evidence.store import Evidence
from aoai_lib.fleet import environment
from aoai_lib.parameters import Parameters


def main(accounts: str, latency: str) -> None:
    """Prints requests, verdicts, seconds of collecting and of judging, and the process's peak memory in MiB."""
    handshake = embedded.start("--accounts", accounts, "--latency-ms", latency)
    slug = handshake["tenants"][0]["slug"]
    evidence = Evidence()
    with environment(embedded.environment(handshake, slug)):
        began = time.monotonic()
        snapshot = run.collect(Parameters(tenant=slug, cloud="lab"), run.EVERYTHING, evidence)
        collected = time.monotonic() - began
    began = time.monotonic()
    verdicts = len(judge(snapshot))
    found = {
        "requests": len(evidence.exchanges),
        "verdicts": verdicts,
        "collect_s": collected,
        "judge_s": time.monotonic() - began,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
