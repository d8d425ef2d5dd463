"""Hardening: plan → preflight → apply → verify → undo. The only part of the playbook that writes to Azure, and only as planned.

A module of this package plans for some controls (`@mends`) or answers what must be known first (`@preflight`); both are found
by iterating the folder. Harden knows controls, never the other way round.
"""
