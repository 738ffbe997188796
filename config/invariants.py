"""Audit -> checks: everything that must always hold."""

from apps.core import invariants as core
from apps.core.audit import Invariant
from apps.notifications import invariants as notifications

INVARIANTS: tuple[Invariant, ...] = (
    *core.INVARIANTS,
    *notifications.INVARIANTS,
)
