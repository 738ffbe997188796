"""Audit -> checks: everything that must always hold."""

from apps.core.audit import Invariant

INVARIANTS: tuple[Invariant, ...] = ()
