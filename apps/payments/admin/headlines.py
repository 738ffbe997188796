"""What money says is to be done about an order, in the one sentence at the top of its page."""

from typing import Any

from apps.core import clock
from apps.core.admin_panels import Headline, add_headline
from apps.core.dates import format_instant
from apps.core.money import rupees
from apps.orders.states import OrderStatus
from apps.payments import messages, selectors
from apps.payments.states import AttemptStatus, DisputeStatus, RefundStatus

_KEEPS_GOODS = (OrderStatus.CONFIRMED, OrderStatus.ON_HOLD, OrderStatus.IN_FULFILMENT)


def _of_disputes(order: Any) -> Headline | None:
    for dispute in selectors.list_disputes(order_id=order.pk):
        amount = rupees(dispute.amount)
        if dispute.status == DisputeStatus.OPEN:
            until = f" by {format_instant(dispute.respond_by)} IST" if dispute.respond_by else ""
            text = f"The payer's bank disputes {amount} of this order: accept or contest it{until}, or it is lost."
            return Headline(90, text, "danger")
        if dispute.status == DisputeStatus.UNDER_REVIEW:
            text = f"The bank has our answer about the disputed {amount} and decides; this money cannot be refunded meanwhile."
            return Headline(40, text, "warning")
        if dispute.status == DisputeStatus.LOST:
            return Headline(
                25, f"The bank has given the payer {amount} back after a dispute, so do not refund it again.", "danger"
            )
    return None


def _of_reviews(order: Any) -> Headline | None:
    attempts = selectors.list_attempts_to_review().filter(payment__order_id=order.pk).select_related("payment")
    for attempt in attempts.order_by("pk"):
        if attempt.status == AttemptStatus.CAPTURED:
            return Headline(80, messages.money_to_decide(attempt.amount, attempt.payment.amount), "danger")
    return None


def _of_refunds(order: Any) -> Headline | None:
    """Return what the refund says about which most is to be done."""
    refunds = list(selectors.list_refunds_of_order(order.pk))
    retried = {refund.retry_of_id for refund in refunds if refund.status != RefundStatus.CANCELLED}
    found = [_of_refund(refund) for refund in refunds if refund.pk not in retried]
    latest = max((one for one in found if one is not None), key=lambda one: one.rank, default=None)
    if latest is None or latest.rank > 20:
        return latest
    gone, _ = selectors.given_back_and_on_its_way(order.pk)
    keeps_goods = order.status in _KEEPS_GOODS
    text = messages.refunded(
        gone, order.paid_amount, is_closed=order.status == OrderStatus.CANCELLED, keeps_goods=keeps_goods
    )
    needs_decision = keeps_goods and gone >= order.paid_amount
    return Headline(62 if needs_decision else 20, text, "warning" if needs_decision else "info")


def _of_refund(refund: Any) -> Headline | None:
    amount = rupees(refund.amount)
    said = {
        RefundStatus.FAILED: Headline(70, messages.refund_failed(refund.number, refund.amount, refund.error), "danger"),
        RefundStatus.MANUAL: Headline(
            65,
            f"Refund {refund.number} of {amount} waits for our bank transfer: make it, then enter its reference.",
            "warning",
        ),
        RefundStatus.REQUIRES_APPROVAL: Headline(
            60,
            f"Refund {refund.number} of {amount} waits until somebody else than the requester approves it.",
            "warning",
        ),
        RefundStatus.UNKNOWN: Headline(
            45,
            f"The gateway has not answered about refund {refund.number} of {amount} yet, and is asked again by itself.",
            "warning",
        ),
        RefundStatus.PENDING: Headline(
            35, f"Refund {refund.number} of {amount} is on its way to the buyer, and nothing is to be done.", "info"
        ),
        RefundStatus.PROCESSED: Headline(20, "", "info"),
    }
    return said.get(RefundStatus(refund.status))


def _of_failed_attempts(order: Any) -> Headline | None:
    """Return that the last attempt of an unpaid order failed, unless another one is under way."""
    is_paying = bool(order.payment_live_until and order.payment_live_until > clock.now())
    if order.status != OrderStatus.PENDING_PAYMENT or order.under_review_amount:
        return None
    attempts = [attempt for payment in selectors.list_payments_of_order(order.pk) for attempt in payment.attempts.all()]
    last = attempts[-1] if attempts else None
    if last is None or last.status != AttemptStatus.FAILED:
        return None
    until = max(order.expires_at, order.payment_live_until or order.expires_at)
    return Headline(33 if is_paying else 32, messages.attempt_failed(last.error, until=until), "warning")


for _find in (_of_disputes, _of_reviews, _of_refunds, _of_failed_attempts):
    add_headline("orders.order", _find)
