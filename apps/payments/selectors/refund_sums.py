"""Sums of refunds: what is refunded, reserved, or can still be refunded of an attempt or an order."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, Sum

from apps.payments.models import (
    Dispute,
    PaymentAttempt,
    Refund,
)
from apps.payments.selectors.disputes import sum_disputed_of_attempt, sum_lost_of_attempt
from apps.payments.states import (
    COMMITTED_REFUNDS,
    NOT_AWAITING_APPROVAL,
    OPEN_REFUNDS,
    RESERVING_REFUNDS,
    AttemptStatus,
    RefundStatus,
    ReviewReason,
)


def committed_refund_amount(order_id: UUID) -> int:
    """Return the amount (paise) of committed refunds of an order, of what `sum_captured` counts."""
    rows = Refund.objects.filter(order_id=order_id, status__in=COMMITTED_REFUNDS)
    rows = rows.exclude(attempt__review_reason=ReviewReason.AMOUNT_MISMATCH)
    return rows.aggregate(total=Sum("amount"))["total"] or 0


def sum_decided_alone(order_id: UUID, *, excluding: UUID | None = None) -> int:
    """
    Return the amount (paise) of an order that single persons decided to refund or waive, without the excluded refund.

    A bank transfer that was confirmed by its approver counts, also if another person requested it, because a transfer
    can go to any account.
    """
    unseconded = Q(requested_by__startswith="user:", approved_by="", transferred_by="")
    transferred_alone = Q(transferred_by__startswith="user:", approved_by=F("transferred_by"))
    rows = Refund.objects.filter(unseconded | transferred_alone, order_id=order_id, status__in=COMMITTED_REFUNDS)
    if excluding is not None:
        rows = rows.exclude(pk=excluding)
    return (rows.aggregate(total=Sum("amount"))["total"] or 0) + _sum_waived_alone(order_id)


def _sum_waived_alone(order_id: UUID) -> int:
    """Return the part (paise) of an order's value that single persons waived by accepting less than was requested."""
    accepted = PaymentAttempt.objects.filter(
        payment__order_id=order_id, accepted_amount__gt=F("amount"), acceptance_requested_by=""
    )
    return accepted.aggregate(total=Sum(F("accepted_amount") - F("amount")))["total"] or 0


def order_refunded_amount(order_id: UUID, *, currency: str) -> int:
    """Return the refunded part (paise) of an order's value, of what `sum_captured` counts."""
    rows = Refund.objects.filter(order_id=order_id, status=RefundStatus.PROCESSED, currency=currency)
    rows = rows.exclude(attempt__review_reason=ReviewReason.AMOUNT_MISMATCH)
    return (rows.aggregate(total=Sum("amount"))["total"] or 0) + _sum_accepted_shortfall(order_id)


def _sum_accepted_shortfall(order_id: UUID) -> int:
    """
    Return the shortfall (paise) of an order's payments that were accepted at a lower amount and are refunded or lost.

    The shortfall was never paid, so no refund can be made of it. It counts as refunded once less than the gateway's
    minimum refund is left of the payment.
    """
    accepted = PaymentAttempt.objects.filter(payment__order_id=order_id, accepted_amount__gt=F("amount"))
    return sum(
        one.counted_amount - one.amount
        for one in accepted
        if one.amount - attempt_refunded_or_lost_amount(one.pk) < one.min_refund_amount
    )


def attempt_refunded_or_lost_amount(attempt_id: UUID) -> int:
    """Return the amount (paise) of an attempt that was refunded or lost in a dispute."""
    return attempt_refunded_amount(attempt_id) + sum_lost_of_attempt(attempt_id)


def attempt_requested_or_lost_amount(attempt: PaymentAttempt) -> int:
    """
    Return the amount (paise) of an attempt that refunds return or may return, or that was lost in a dispute.

    Refunds that await approval count, and so do failed ones that can still be retried: no retry has replaced them, and
    other refunds and disputes have left enough. A cancelled refund returns nothing.
    """
    taken = attempt_reserved_amount(attempt.pk) + sum_lost_of_attempt(attempt.pk)
    retries = Refund.objects.filter(retry_of_id=OuterRef("pk")).exclude(status=RefundStatus.CANCELLED)
    failed = Refund.objects.filter(
        attempt_id=attempt.pk, status=RefundStatus.FAILED, amount__lte=attempt.amount - taken
    )
    return taken + (failed.filter(~Exists(retries)).aggregate(total=Sum("amount"))["total"] or 0)


def attempt_reserved_amount(attempt_id: UUID) -> int:
    """Return the amount (paise) of an attempt that refunds reserve: requested, decided or made."""
    return _sum_of_attempt(attempt_id, RESERVING_REFUNDS)


def attempt_committed_amount(attempt_id: UUID) -> int:
    """Return the amount (paise) of an attempt that decided refunds return or have returned."""
    return _sum_of_attempt(attempt_id, COMMITTED_REFUNDS)


def _sum_of_attempt(attempt_id: UUID, statuses: Collection[str]) -> int:
    rows = Refund.objects.filter(attempt_id=attempt_id, status__in=statuses)
    return rows.aggregate(total=Sum("amount"))["total"] or 0


def unallocated_amount(attempt: PaymentAttempt) -> int:
    """Return the captured amount (paise) of an attempt that no committed refund and no dispute holds."""
    if attempt.status != AttemptStatus.CAPTURED:
        return 0
    return max(0, attempt.amount - attempt_committed_amount(attempt.pk) - sum_disputed_of_attempt(attempt.pk))


def has_unresolved_amount_mismatch(payment_id: UUID) -> bool:
    """Test if a payment has a captured attempt of another amount that still holds at least the minimum refund."""
    attempts = PaymentAttempt.objects.filter(
        payment_id=payment_id, status=AttemptStatus.CAPTURED, review_reason=ReviewReason.AMOUNT_MISMATCH
    )
    return any(
        one.amount - attempt_committed_amount(one.pk) - sum_lost_of_attempt(one.pk) >= one.min_refund_amount
        for one in attempts
    )


def attempt_refunded_amount(attempt_id: UUID) -> int:
    """Return the refunded amount (paise) of an attempt."""
    return _sum_of_attempt(attempt_id, (RefundStatus.PROCESSED,))


def list_refundable_attempts(order_id: UUID) -> list[PaymentAttempt]:
    """Return the captured attempts of an order without an open amount mismatch, first captured first."""
    rows = PaymentAttempt.objects.filter(payment__order_id=order_id, status=AttemptStatus.CAPTURED)
    rows = rows.exclude(review_reason=ReviewReason.AMOUNT_MISMATCH).select_related("payment")
    return sorted(rows, key=lambda attempt: (attempt.captured_at, attempt.pk))


def order_refundable_amount(order_id: UUID) -> int:
    """Return the amount (paise) of an order that can still be refunded."""
    return sum(attempt_refundable_amount(attempt) for attempt in list_refundable_attempts(order_id))


def attempt_refundable_amount(attempt: PaymentAttempt) -> int:
    """Return the amount (paise) of a captured attempt that can still be refunded: no refund and no dispute holds it."""
    return max(0, attempt.max_refund_amount - attempt_reserved_amount(attempt.pk) - sum_disputed_of_attempt(attempt.pk))


def gateway_refundable_amount(
    attempt: PaymentAttempt, *, excluding_refund: Refund | None = None, excluding_dispute: Dispute | None = None
) -> int:
    """
    Return the amount (paise) of a captured attempt that the gateway can still refund or deduct.

    Refunds that the gateway has made, refunds that we transferred ourselves, and deductions for disputes are
    subtracted, but not the excluded one. Refunds that are only requested are not: the gateway may not have received
    them.
    """
    parts = list_returned_or_deducted_amounts(
        attempt, excluding_refund=excluding_refund, excluding_dispute=excluding_dispute
    )
    return max(0, attempt.amount - sum(parts))


def list_returned_or_deducted_amounts(
    attempt: PaymentAttempt, *, excluding_refund: Refund | None = None, excluding_dispute: Dispute | None = None
) -> list[int]:
    """
    Return the amounts (paise) that left an attempt, without the excluded one.

    They are refunds that the gateway has made or is making, refunds that we transferred ourselves, and deductions for
    disputes.
    """
    made = Q(gateway_refund_id__isnull=False, status__in=(*OPEN_REFUNDS, RefundStatus.PROCESSED))
    refunds = Refund.objects.filter(made | Q(status=RefundStatus.PROCESSED), attempt_id=attempt.pk)
    if excluding_refund is not None:
        refunds = refunds.exclude(pk=excluding_refund.pk)
    disputes = Dispute.objects.filter(attempt_id=attempt.pk, amount_deducted__gt=0)
    if excluding_dispute is not None:
        disputes = disputes.exclude(pk=excluding_dispute.pk)
    return [*refunds.values_list("amount", flat=True), *disputes.values_list("amount_deducted", flat=True)]


def cancellation_refund_amount(order_id: UUID) -> int:
    """Return the amount (paise) that cancelling an order would refund, with refunds that await approval."""
    return order_refundable_amount(order_id) + sum_awaiting_approval(order_id)


def sum_awaiting_approval(order_id: UUID) -> int:
    """Return the amount (paise) of an order's refunds that await approval, of attempts without an open amount mismatch."""
    waiting = Refund.objects.filter(order_id=order_id).exclude(status__in=NOT_AWAITING_APPROVAL)
    waiting = waiting.exclude(attempt__review_reason=ReviewReason.AMOUNT_MISMATCH)
    return waiting.aggregate(total=Sum("amount"))["total"] or 0


def refunded_and_in_progress_amounts(order_id: UUID) -> tuple[int, int]:
    """Return the refunded amount (paise) of an order, and the amount of its committed refunds in progress."""
    rows = Refund.objects.filter(order_id=order_id, status__in=COMMITTED_REFUNDS)
    gone = rows.filter(status=RefundStatus.PROCESSED).aggregate(total=Sum("amount"))["total"] or 0
    return gone, (rows.aggregate(total=Sum("amount"))["total"] or 0) - gone
