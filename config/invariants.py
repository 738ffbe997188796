"""Audit -> checks: everything that must always hold."""

from apps.core import invariants as core
from apps.core.audit import Invariant

INVARIANTS: tuple[Invariant, ...] = (*core.INVARIANTS,)
