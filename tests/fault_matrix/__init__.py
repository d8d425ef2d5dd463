"""Every request of a whole assessment, spoilt in every way, one at a time: what the verdicts say then, against what they say
of the true answers. `make faults` tries the whole matrix and writes docs/faults.md; `make test` a sample.
"""
