"""Invariants of payments, refunds, disputes and webhooks."""

from apps.core.audit import Invariant
from apps.payments.invariants.disputes import DISPUTES
from apps.payments.invariants.links import LINKS
from apps.payments.invariants.ownership import OWNERSHIP
from apps.payments.invariants.payments import PAYMENTS, WEBHOOKS
from apps.payments.invariants.postings import POSTINGS
from apps.payments.invariants.refunds import REFUNDS
from apps.payments.invariants.state_history import HISTORY

#: The rows of orders that changed lately.
RECENT_ROWS = {
    "payments_payment": "order_id IN (SELECT id FROM recent_root)",
    "payments_paymentattempt": "payment_id IN (SELECT id FROM payments_payment)",
    "payments_refund": "order_id IN (SELECT id FROM recent_root)",
    "payments_refundline": "refund_id IN (SELECT id FROM payments_refund)",
    "payments_dispute": "order_id IN (SELECT id FROM recent_root)",
}

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
