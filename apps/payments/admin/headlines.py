"""The headline of an order's admin page about its payments, refunds and disputes: what staff must do next."""

from collections.abc import Sequence
from typing import Any

from apps.core import clock
from apps.core.admin_panels import Headline, add_headline, most_urgent
from apps.orders.states import HOLDS_STOCK, OrderStatus
from apps.payments import messages
from apps.payments.selectors import disputes as dispute_selectors
from apps.payments.selectors import payments as payment_selectors
from apps.payments.selectors import refund_sums
from apps.payments.selectors import refunds as refund_selectors
from apps.payments.states import (
    IN_PROGRESS_PAYMENTS,
    LINK_CHANNELS,
    RESERVING_REFUNDS,
    AttemptStatus,
    DisputeStatus,
    PaymentChannel,
    RefundStatus,
)

#: How urgent refunds are, by their status; see Headline. A cancelled refund says nothing.
_RANKS: dict[str, int] = {
    RefundStatus.FAILED: 70,
    RefundStatus.AWAITING_TRANSFER: 65,
    RefundStatus.REQUIRES_APPROVAL: 60,
    RefundStatus.UNKNOWN: 45,
    RefundStatus.PENDING: 35,
    RefundStatus.PROCESSED: 20,
}


def _disputes_text(order: Any) -> Headline | None:
    """Return the headline of the dispute that most needs action; of open ones, the one that must be answered first."""
    disputes = dispute_selectors.list_disputes(order_id=order.pk).order_by("respond_by", "pk")
    return most_urgent(_of_dispute(dispute) for dispute in disputes)


def _of_dispute(dispute: Any) -> Headline | None:
    if dispute.status == DisputeStatus.OPEN:
        return Headline(90, messages.dispute_to_answer(dispute.amount, respond_by=dispute.respond_by), "danger")
    if dispute.status == DisputeStatus.UNDER_REVIEW:
        return Headline(40, messages.dispute_under_review(dispute.amount), "warning")
    if dispute.status == DisputeStatus.LOST:
        return Headline(25, messages.dispute_lost(dispute.amount), "danger")
    return None


def _reviews_headline(order: Any) -> Headline | None:
    attempts = payment_selectors.list_attempts_to_review().filter(payment__order_id=order.pk).select_related("payment")
    for attempt in attempts.order_by("pk"):
        if attempt.status == AttemptStatus.CAPTURED:
            return Headline(80, messages.money_to_decide(attempt.amount, attempt.payment.amount), "danger")
    return None


def _refunds_headline(order: Any) -> Headline | None:
    """Return the headline of the refunds that most need action, all of one status in one sentence."""
    refunds = list(refund_selectors.list_refunds_of_order(order.pk))
    retried = {refund.retry_of_id for refund in refunds if refund.status != RefundStatus.CANCELLED}
    open_refunds = [refund for refund in refunds if refund.pk not in retried and refund.status in _RANKS]
    if not open_refunds:
        return None
    status = RefundStatus(max(open_refunds, key=lambda refund: _RANKS[refund.status]).status)
    found = [refund for refund in open_refunds if refund.status == status]
    goods = _goods_of(order, open_refunds)
    return _of_processed(order, goods) if status == RefundStatus.PROCESSED else _of_open(status, found, goods)


def _goods_of(order: Any, refunds: Sequence[Any]) -> str:
    """Return which goods of an order can be sent, given its refunds that are not cancelled; none if all of its money is refunded."""
    promised = sum(refund.amount for refund in refunds if refund.status in RESERVING_REFUNDS)
    if order.status not in HOLDS_STOCK or promised >= order.paid_amount:
        return ""
    are_units_refunded = any(line.quantity for refund in refunds for line in refund.lines.all())
    return messages.goods_to_send(are_units_refunded=are_units_refunded)


def _of_open(status: RefundStatus, refunds: Sequence[Any], goods: str) -> Headline:
    first, amount = refunds[0], sum(refund.amount for refund in refunds)
    one = (first.number, amount) if len(refunds) == 1 else None
    many = (len(refunds), amount)
    rank = _RANKS[status]
    if status == RefundStatus.FAILED:
        text = messages.refund_failed(*one, first.error) if one else messages.refunds_failed(*many)
        return Headline(rank, text, "danger")
    if status == RefundStatus.AWAITING_TRANSFER:
        text = messages.refund_awaits_transfer(*one) if one else messages.refunds_await_transfer(*many)
        return Headline(rank, text, "warning")
    if status == RefundStatus.REQUIRES_APPROVAL:
        awaits = messages.refund_awaits_approval, messages.refunds_await_approval
        text = awaits[0](*one, goods=goods) if one else awaits[1](*many, goods=goods)
        return Headline(rank, text, "warning")
    if status == RefundStatus.UNKNOWN:
        text = messages.refund_unanswered(*one) if one else messages.refunds_unanswered(*many)
        return Headline(rank, text, "warning")
    moves = messages.refund_on_its_way, messages.refunds_on_their_way
    return Headline(rank, moves[0](*one, goods=goods) if one else moves[1](*many, goods=goods), "info")


def _of_processed(order: Any, goods: str) -> Headline:
    gone, _ = refund_sums.refunded_and_in_progress_amounts(order.pk)
    keeps_goods = order.status in HOLDS_STOCK
    text = messages.refunded(
        gone, order.paid_amount, is_closed=order.status == OrderStatus.CANCELLED, keeps_goods=keeps_goods, goods=goods
    )
    needs_decision = keeps_goods and gone >= order.paid_amount
    return Headline(62 if needs_decision else 20, text, "warning" if needs_decision else "info")


def _of_live_payment(order: Any) -> Headline | None:
    """Return what becomes of the open payment of an order: whether somebody is paying, or until when it can be paid and how."""
    payment = payment_selectors.find_live_payment(order.pk)
    if order.status != OrderStatus.PENDING_PAYMENT or payment is None or payment.live_until <= clock.now():
        return None
    return Headline(31, _open_payment_text(payment), "info")


def _open_payment_text(payment: Any) -> str:
    if payment.status in IN_PROGRESS_PAYMENTS:
        return messages.payment_under_way(payment.amount)
    if payment.channel not in LINK_CHANNELS:
        return messages.checkout_open(payment.amount, until=payment.live_until)
    if not payment.next_action:
        return messages.link_in_the_making(payment.amount)
    says = messages.qr_code_made if payment.channel == PaymentChannel.QR_CODE else messages.link_sent
    return says(payment.amount, until=payment.live_until)


def _failed_attempts_headline(order: Any) -> Headline | None:
    """Return the headline that the last attempt of an unpaid order failed, unless another one is under way."""
    if order.status != OrderStatus.PENDING_PAYMENT or order.under_review_amount:
        return None
    attempts = [
        attempt for payment in payment_selectors.list_payments_of_order(order.pk) for attempt in payment.attempts.all()
    ]
    last = attempts[-1] if attempts else None
    if last is None or last.status != AttemptStatus.FAILED:
        return None
    until = max(order.expires_at, order.payment_live_until or order.expires_at)
    return Headline(33, messages.attempt_failed(last.error, until=until), "warning")


for _find in (_disputes_text, _reviews_headline, _refunds_headline, _of_live_payment, _failed_attempts_headline):
    add_headline("orders.order", _find)
