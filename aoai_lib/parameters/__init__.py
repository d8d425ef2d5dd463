"""One tenant's parameters: what a YAML file or a notebook's `parameters` cell may say, and nothing else.

`python -m aoai_lib.parameters` prints the JSON Schema that editors use (`parameters/parameters.schema.json`).
"""

from aoai_lib.parameters.reading import load, parse
from aoai_lib.parameters.tenant import PROFILES, Parameters
from aoai_lib.parameters.wishes import Hardening, Probes, Waiver

__all__ = ["PROFILES", "Hardening", "Parameters", "Probes", "Waiver", "load", "parse"]
