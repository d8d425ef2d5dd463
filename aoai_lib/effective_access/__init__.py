"""Who can do what to an account: the roles given, what they allow, less what is denied.

Everything is concluded from actions, never from names of roles. A group counts as one principal: its members are in the
directory, not in Resource Manager. What would take knowing them (a deny assignment that spares a group) is decided as if
access remained.
"""

from __future__ import annotations

from aoai_lib.effective_access.matrix import AccessMatrix, Entry, Row, access_matrix

__all__ = ["AccessMatrix", "Entry", "Row", "access_matrix"]
