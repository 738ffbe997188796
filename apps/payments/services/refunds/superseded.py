"""Refunds that another refund has made unnecessary: they are cancelled, so that no money is refunded twice."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from apps.core.events import SYSTEM
from apps.core.transactions import transactional
from apps.orders.locks import lock_order
from apps.payments import events, locks, rules
from apps.payments.facts import GatewayRefund
from apps.payments.models import PaymentAttempt, Refund
from apps.payments.selectors import refund_sums
from apps.payments.selectors import refunds as selectors
from apps.payments.services.refunds.approvals import cancel_locked_refund
from apps.payments.states import (
    COMMITTED_REFUNDS,
    OPEN_REFUNDS,
    RefundStatus,
)

if TYPE_CHECKING:
    from apps.orders.models import Order


def cancel_uncovered_refunds(
    order: "Order", attempt: PaymentAttempt, facts: GatewayRefund, *, refund: Refund | None, now: datetime
) -> tuple[Refund, int] | None:
    """
    Cancel approved, unsubmitted refunds whose money the gateway's refund has used, latest first.

    Their lines become available to the gateway's refund. Refunds that may have been submitted stay: the gateway rejects
    those that it cannot make. Returns the last cancelled refund and what is left of it to refund (paise), or None.
    """
    is_held = refund is not None and refund.status in COMMITTED_REFUNDS
    advances = refund is None or rules.refund_advances(
        refund.status, facts.status, is_known_to_gateway=refund.gateway_refund_id is not None
    )
    if facts.status == RefundStatus.FAILED or not (is_held or advances):
        return None
    # Other retries of the same refund are cancelled by `cancel_other_retries`, and leave nothing to refund.
    other_retries = {one.pk for one in selectors.list_retry_chain(refund)} if refund is not None else set()
    unsubmitted = locks.lock_unsubmitted_refunds(attempt.pk)
    committed = refund_sums.attempt_committed_amount(attempt.pk)
    committed -= sum(other.amount for other in unsubmitted if other.pk in other_retries)
    excess = committed + (0 if is_held else facts.amount) - attempt.amount
    cancelled = None
    for other in unsubmitted:
        if excess <= 0:
            break
        if other.pk in other_retries or (refund is not None and other.pk == refund.pk):
            continue
        excess -= other.amount
        reason = f"{facts.id} was made at the gateway and used the money"
        # The buyer is notified of the one that was made.
        cancelled = cancel_locked_refund(
            order, other, actor=SYSTEM, reason=reason, event_type=events.REFUND_UPDATED, now=now
        )
    return (cancelled, max(0, -excess)) if cancelled is not None else None


def cancel_other_retries(order: "Order", refund: Refund, *, now: datetime) -> None:
    """Cancel the other retries of a refund that was made after all, if the gateway does not make them."""
    for other in selectors.list_retry_chain(refund):
        again = locks.lock_refund(other.pk)
        if again.is_unsubmitted or again.status in (RefundStatus.REQUIRES_APPROVAL, RefundStatus.AWAITING_TRANSFER):
            reason = f"{refund.number} was made after all"
            # The buyer is notified of the one that was made.
            cancel_locked_refund(order, again, actor=SYSTEM, reason=reason, event_type=events.REFUND_UPDATED, now=now)


@transactional
def cancel_superseded_refund(*, refund_id: UUID, instead: Refund, now: datetime) -> None:
    """Cancel a refund whose money was refunded by another row, unless it has a refund at the gateway by now."""
    order = lock_order(instead.order_id)
    refund = locks.lock_refund(refund_id)

    if refund.status not in OPEN_REFUNDS or refund.gateway_refund_id is not None:
        return

    refund.claimed_until = None
    refund.save(update_fields=["claimed_until", "updated_at"])
    reason = f"{instead.number} was made after all"
    cancel_locked_refund(order, refund, actor=SYSTEM, reason=reason, event_type=events.REFUND_UPDATED, now=now)
