"""Prints the page about all detections."""

import sys

from aoai_lib.detections.document import document

sys.stdout.write(document())
