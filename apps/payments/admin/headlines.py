"""What money says is to be done about an order, in the one sentence at the top of its page."""

from typing import Any

from apps.core import clock
from apps.core.admin_panels import Headline, add_headline, most_urgent
from apps.orders.states import KEEPS_GOODS, OrderStatus
from apps.payments import messages, selectors
from apps.payments.states import AttemptStatus, DisputeStatus, RefundStatus


def _of_disputes(order: Any) -> Headline | None:
    """Return the headline of the dispute that most needs action; of open ones, the one that must be answered first."""
    disputes = selectors.list_disputes(order_id=order.pk).order_by("respond_by", "pk")
    return most_urgent(_of_dispute(dispute) for dispute in disputes)


def _of_dispute(dispute: Any) -> Headline | None:
    if dispute.status == DisputeStatus.OPEN:
        return Headline(90, messages.dispute_to_answer(dispute.amount, respond_by=dispute.respond_by), "danger")
    if dispute.status == DisputeStatus.UNDER_REVIEW:
        return Headline(40, messages.dispute_under_review(dispute.amount), "warning")
    if dispute.status == DisputeStatus.LOST:
        return Headline(25, messages.dispute_lost(dispute.amount), "danger")
    return None


def _of_reviews(order: Any) -> Headline | None:
    attempts = selectors.list_attempts_to_review().filter(payment__order_id=order.pk).select_related("payment")
    for attempt in attempts.order_by("pk"):
        if attempt.status == AttemptStatus.CAPTURED:
            return Headline(80, messages.money_to_decide(attempt.amount, attempt.payment.amount), "danger")
    return None


def _of_refunds(order: Any) -> Headline | None:
    """Return the headline of the refund that most needs action."""
    refunds = list(selectors.list_refunds_of_order(order.pk))
    retried = {refund.retry_of_id for refund in refunds if refund.status != RefundStatus.CANCELLED}
    found = most_urgent(_of_refund(refund) for refund in refunds if refund.pk not in retried)
    if found is None or found.rank > 20:
        return found
    gone, _ = selectors.given_back_and_on_its_way(order.pk)
    keeps_goods = order.status in KEEPS_GOODS
    text = messages.refunded(
        gone, order.paid_amount, is_closed=order.status == OrderStatus.CANCELLED, keeps_goods=keeps_goods
    )
    needs_decision = keeps_goods and gone >= order.paid_amount
    return Headline(62 if needs_decision else 20, text, "warning" if needs_decision else "info")


def _of_refund(refund: Any) -> Headline | None:
    number, amount = refund.number, refund.amount
    said = {
        RefundStatus.FAILED: Headline(70, messages.refund_failed(number, amount, refund.error), "danger"),
        RefundStatus.MANUAL: Headline(65, messages.refund_awaits_transfer(number, amount), "warning"),
        RefundStatus.REQUIRES_APPROVAL: Headline(60, messages.refund_awaits_approval(number, amount), "warning"),
        RefundStatus.UNKNOWN: Headline(45, messages.refund_unanswered(number, amount), "warning"),
        RefundStatus.PENDING: Headline(35, messages.refund_on_its_way(number, amount), "info"),
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
