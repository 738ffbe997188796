"""Invariants of payments, refunds, disputes and webhooks."""

from apps.core.audit import Invariant
from apps.payments.invariants.disputes import DISPUTES
from apps.payments.invariants.links import LINKS
from apps.payments.invariants.ownership import OWNERSHIP
from apps.payments.invariants.payments import PAYMENTS, WEBHOOKS
from apps.payments.invariants.postings import POSTINGS
from apps.payments.invariants.refunds import REFUNDS
from apps.payments.invariants.state_history import HISTORY

INVARIANTS: tuple[Invariant, ...] = (
    *PAYMENTS,
    *LINKS,
    *REFUNDS,
    *HISTORY,
    *POSTINGS,
    *WEBHOOKS,
    *DISPUTES,
    *OWNERSHIP,
)

__all__ = ["INVARIANTS"]
