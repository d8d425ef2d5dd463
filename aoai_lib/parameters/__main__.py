"""Prints the JSON Schema of a parameters file."""

import sys

from aoai_lib.parameters import Parameters

sys.stdout.write(Parameters.schema_text())
