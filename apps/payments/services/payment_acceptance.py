"""
Accepting another amount than was requested as the full payment of an order.

Razorpay may charge a payer more or less than its order says and hold the order paid: a fee that the payer bears, a surcharge, an
offer, a currency of the payer's own. What counts for the order is what was requested; the difference is booked by its reason.
"""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from django.conf import settings

from apps.core.errors import Conflict, Invalid
from apps.core.events import Actor, change
from apps.core.money import rupees
from apps.core.transactions import transactional
from apps.orders import selectors as orders
from apps.orders.locks import lock_order
from apps.orders.states import OrderStatus
from apps.payments import events, locks, rules
from apps.payments.facts import GatewayOrder
from apps.payments.models import Payment, PaymentAttempt
from apps.payments.selectors import disputes, payments, refund_sums
from apps.payments.services.decision_rights import check_decision, get_approval_requirement
from apps.payments.services.late_payments import revive_expired_order
from apps.payments.services.order_totals import sync_order_totals
from apps.payments.services.payment_differences import post_difference
from apps.payments.services.payment_status import sync_payment_status
from apps.payments.services.review_status import find_review_reason
from apps.payments.states import (
    ApprovalRequirement,
    AttemptStatus,
    DifferenceReason,
    MoneyOperation,
    PaymentChannel,
    ReviewReason,
)

if TYPE_CHECKING:
    from apps.orders.models import Order

log = structlog.get_logger(__name__)


class AttemptNotAcceptable(Conflict):
    """The payment is not under review, so there is no amount to accept. Read the payment."""

    message = "Payment {0} is not under review, so there is no amount to accept."


class AttemptPartlyRefundedOrDisputed(AttemptNotAcceptable):
    """Some of the payment is refunded, being refunded or disputed. Refund the rest."""

    message = "Payment {0} can no longer be accepted, because some of it is refunded, being refunded or disputed."
    code = AttemptNotAcceptable.code


class OrderAcceptsNoPayment(AttemptNotAcceptable):
    """The order of the payment under review is paid or closed. Refund the money."""

    message = "Order {0} is {1} and can no longer be paid. Refund the payment instead."
    code = AttemptNotAcceptable.code


class OrderOutOfStock(AttemptNotAcceptable):
    """The order has expired and its goods are sold out. Refund the money."""

    message = "Order {0} has expired and its goods are no longer in stock. Refund the payment instead."
    code = AttemptNotAcceptable.code


class OrderCustomerErased(AttemptNotAcceptable):
    """The order has expired and its customer was erased. Refund the money."""

    message = "Order {0} has expired and its customer was erased. Refund the payment instead."
    code = AttemptNotAcceptable.code


class AcceptanceReasonMismatch(AttemptNotAcceptable):
    """A first person accepted the amount for another reason. Choose the same one, or ask them to change theirs."""

    message = "Payment {0} was accepted by another person with the reason “{1}”. Choose the same reason, or ask them to change theirs."
    code = AttemptNotAcceptable.code


class DifferenceReasonMismatch(Invalid):
    """The reason does not explain the difference between the amount charged and requested. Choose another one."""

    message = "{0} was requested and {1} was charged; this reason does not explain that. Choose another one."


# By staff ------------------------------------------------------------------------------------------------------------


@transactional
def accept_attempt(*, attempt_id: UUID, reason: str, note: str = "", actor: Actor, now: datetime) -> PaymentAttempt:
    """
    Accept captured money of another amount as the full payment of its order, and confirm the order.

    The difference, up or down, is booked by its `reason`, a `DifferenceReason`; the invoice is for the order's amount. A
    difference above what one person may decide about waits for a second one, who accepts in the same way and with the
    same reason: until then `acceptance_requested_by` says who was the first, and they may change the reason. An expired
    order is revived.

    :raises PaymentNotFound: if there is no such attempt
    :raises AttemptNotAcceptable: if it is not under review, its money has moved, or the order takes no more payments
    :raises AcceptanceReasonMismatch: if another person accepted it with another reason
    :raises DifferenceReasonMismatch: if the reason cannot explain the difference
    :raises SelfApprovalForbidden: if the order is the actor's own
    :raises SecondPersonRequired: if the actor may not decide about refunds, or was the first to accept
    """
    known = payments.get_attempt(attempt_id)
    order = lock_order(known.payment.order_id)
    payment = locks.lock_payment(known.payment_id)
    attempt = locks.lock_attempt(gateway=known.gateway, gateway_payment_id=known.gateway_payment_id) or known

    due = _acceptable_amount(order, payment, attempt)
    if not rules.explains_difference(reason, difference=attempt.amount - due):
        raise DifferenceReasonMismatch(rupees(due), rupees(attempt.amount), param="reason")
    if not _is_decided(order, attempt, difference=abs(attempt.amount - due), reason=reason, actor=actor):
        return _request_acceptance(order, attempt, reason=reason, note=note, actor=actor, now=now)

    money = (
        payments.sum_captured(order.pk, currency=order.currency) - refund_sums.committed_refund_amount(order.pk) + due
    )
    if order.status == OrderStatus.EXPIRED and not revive_expired_order(order, money=money, actor=actor, now=now):
        raise (OrderCustomerErased if orders.is_customer_erased(order) else OrderOutOfStock)(order.number)
    if attempt.acceptance_requested_by == str(actor):
        # Who was to be the first of two has decided alone after all.
        attempt.acceptance_requested_by = ""
    _accept(order, attempt, amount=due, reason=reason, note=note, actor=actor, now=now)
    sync_payment_status(order, payment, attempt, has_advanced=False, actor=actor, now=now)

    sync_order_totals(order=order, actor=actor, now=now)

    return attempt


def _acceptable_amount(order: "Order", payment: Payment, attempt: PaymentAttempt) -> int:
    """Return the amount (paise) of the order that an attempt can be accepted for; refuse one that cannot be accepted."""
    if not _awaits_acceptance(attempt) or attempt.currency != order.currency:
        raise AttemptNotAcceptable(attempt.gateway_payment_id)
    if refund_sums.attempt_reserved_amount(attempt.pk) or disputes.sum_disputed_of_attempt(attempt.pk):
        raise AttemptPartlyRefundedOrDisputed(attempt.gateway_payment_id)
    if order.status not in (OrderStatus.PENDING_PAYMENT, OrderStatus.EXPIRED):
        raise OrderAcceptsNoPayment(order.number, OrderStatus(order.status).label.lower())
    due = min(payment.amount, order.total_amount - payments.sum_captured(order.pk, currency=order.currency))
    if due <= 0:
        raise OrderAcceptsNoPayment(order.number, "paid")
    return due


def _is_decided(order: "Order", attempt: PaymentAttempt, *, difference: int, reason: str, actor: Actor) -> bool:
    """Return whether an actor may accept a difference (paise), alone or as the second of two; False if as the first."""
    operation, first = MoneyOperation.ACCEPT_ATTEMPT, attempt.acceptance_requested_by
    decision = get_approval_requirement(order=order, operation=operation, amount=difference, actor=actor)
    is_repeated = first == str(actor) and reason == attempt.difference_reason
    if decision != ApprovalRequirement.ABOVE_THRESHOLD or is_repeated:
        check_decision(order=order, operation=operation, amount=difference, actor=actor)
    if first not in ("", str(actor)) and reason != attempt.difference_reason:
        label = DifferenceReason(attempt.difference_reason).label
        raise AcceptanceReasonMismatch(attempt.gateway_payment_id, label, param="reason")
    return decision != ApprovalRequirement.ABOVE_THRESHOLD or first not in ("", str(actor))


def _request_acceptance(
    order: "Order", attempt: PaymentAttempt, *, reason: str, note: str, actor: Actor, now: datetime
) -> PaymentAttempt:
    change(
        attempt,
        events.ATTEMPT_ACCEPTANCE_REQUESTED,
        {"acceptance_requested_by": str(actor), "difference_reason": reason},
        root=order.pk,
        actor=actor,
        event_reason=note,
        now=now,
    )

    return attempt


# Automatically -----------------------------------------------------------------------------------------------------------


def may_be_accepted_later(payment: Payment, attempt: PaymentAttempt) -> bool:
    """Test if a captured amount would be accepted automatically, should the gateway's order turn out to be paid."""
    return (
        _awaits_acceptance(attempt)
        and payment.channel != PaymentChannel.QR_CODE
        and settings.ACCEPT_PAYER_FEE
        and _is_payer_borne_fee(payment, attempt)
    )


def accept_explained_mismatch(
    *,
    order: "Order",
    payment: Payment,
    attempt: PaymentAttempt,
    gateway_order: GatewayOrder | None,
    actor: Actor,
    now: datetime,
) -> None:
    """
    Accept a captured amount that is not the one requested, if the gateway holds its order paid and that explains the amount.

    That is: the payer bore the gateway's fee, and it is the difference to the paisa (ACCEPT_PAYER_FEE); or parts were paid
    that together are what was requested. The caller has locked order, payment and attempt, derives the payment's status and
    notifies the order. Where the order takes no more payments, the attempt becomes late money or a second payment.
    """
    if not _awaits_acceptance(attempt) or gateway_order is None or not gateway_order.is_paid:
        return
    if (gateway_order.amount, gateway_order.currency) != (payment.amount, payment.currency):
        return
    if settings.ACCEPT_PAYER_FEE and _is_payer_borne_fee(payment, attempt):
        _accept_fee(order, payment, attempt, actor=actor, now=now)
    else:
        _accept_parts(order, payment, attempt, actor=actor, now=now)


def _awaits_acceptance(attempt: PaymentAttempt) -> bool:
    is_of_other_amount = attempt.review_reason == ReviewReason.AMOUNT_MISMATCH
    return attempt.status == AttemptStatus.CAPTURED and attempt.is_under_review and is_of_other_amount


def _is_payer_borne_fee(payment: Payment, attempt: PaymentAttempt) -> bool:
    return attempt.currency == payment.currency and rules.is_payer_borne_fee(
        amount=attempt.amount,
        asked=payment.amount,
        fee=attempt.fee_amount,
        tax=attempt.fee_tax_amount,
        fee_bearer=attempt.fee_bearer,
    )


def _accept_fee(order: "Order", payment: Payment, attempt: PaymentAttempt, *, actor: Actor, now: datetime) -> None:
    if refund_sums.attempt_reserved_amount(attempt.pk) or disputes.sum_disputed_of_attempt(attempt.pk):
        return
    reason = find_review_reason(order, payment, amount=payment.amount, currency=payment.currency)
    if reason == ReviewReason.ORDER_CLOSED and settings.LATE_PAYMENT_POLICY == "revive":
        paid_before = payments.sum_captured(order.pk, currency=order.currency)
        money = paid_before - refund_sums.committed_refund_amount(order.pk) + payment.amount
        reason = "" if revive_expired_order(order, money=money, actor=actor, now=now) else reason
    if reason:
        # It no longer pays for a sale: all of it is refunded, the fee too.
        attempt.review_reason = reason
        attempt.save(update_fields=["review_reason", "updated_at"])
        return
    attempt.fee_amount = attempt.amount - payment.amount
    _accept(
        order, attempt, amount=payment.amount, reason=DifferenceReason.PAYER_FEE,
        note="the payer bore the gateway's fee", actor=actor, now=now,
    )  # fmt: skip


def _accept_parts(order: "Order", payment: Payment, attempt: PaymentAttempt, *, actor: Actor, now: datetime) -> None:
    if order.status != OrderStatus.PENDING_PAYMENT:
        return
    locked = locks.lock_captured_attempts(order.pk, payment_id=payment.pk)
    parts = [attempt if one.pk == attempt.pk else one for one in locked]
    is_whole = len(parts) > 1 and sum(one.amount for one in parts) == payment.amount
    if not is_whole or not all(_awaits_acceptance(one) for one in parts):
        return
    if any(refund_sums.attempt_reserved_amount(one.pk) or disputes.sum_disputed_of_attempt(one.pk) for one in parts):
        return
    for one in parts:
        _accept(order, one, amount=one.amount, reason="", note="paid in parts", actor=actor, now=now)


def _accept(
    order: "Order", attempt: PaymentAttempt, *, amount: int, reason: str, note: str, actor: Actor, now: datetime
) -> None:
    change(
        attempt,
        events.ATTEMPT_ACCEPTED,
        {
            "accepted_amount": amount,
            "difference_reason": reason,
            "accepted_at": now,
            "acceptance_requested_by": attempt.acceptance_requested_by,
            "fee_amount": attempt.fee_amount,
            "review_reason": "",
            "review_closed_at": now,
        },
        root=order.pk,
        actor=actor,
        event_reason=note,
        now=now,
    )
    post_difference(order, attempt, now=now)
