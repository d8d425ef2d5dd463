"""Hardening: plan → preflight → apply → verify → undo. The only part of the playbook that writes to Azure, and only as planned.

What is planned for which control, and what must be known first, is declared in `remedies`. Harden knows controls, never the
other way round.
"""
