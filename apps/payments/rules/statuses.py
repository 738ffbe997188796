"""Statuses of payments, attempts and refunds, derived from what is known."""

from collections.abc import Collection
from datetime import datetime

from apps.payments.states import (
    ATTEMPT_RANK,
    LIVE,
    SUCCESSFUL,
    AttemptStatus,
    LinkStatus,
    PaymentStatus,
    RefundStatus,
    ReviewReason,
)

#: Of two statuses that the gateway reports for one refund the higher one counts: a processed refund is final.
_REFUND_RANK: dict[str, int] = {
    RefundStatus.PENDING: 1,
    RefundStatus.FAILED: 2,
    RefundStatus.PROCESSED: 3,
}


#: The status of a payment whose link was closed unpaid at the gateway, by the status of the link.
_ENDS: dict[str, PaymentStatus] = {
    LinkStatus.CANCELLED: PaymentStatus.CANCELLED,
    LinkStatus.EXPIRED: PaymentStatus.EXPIRED,
}


def derive_payment_status(
    current: str, attempts: Collection[tuple[str, str]], *, is_order_closed: bool, is_under_review: bool = False
) -> str:
    """
    Return the status of a payment, derived from its attempts, given as (status, review reason).

    A payment of another amount than requested is not counted until it is accepted. Until staff have decided about it
    (`is_under_review`) the payment is processing. A payment of a closed order is late.
    """
    counted = {status for status, reason in attempts if reason != ReviewReason.AMOUNT_MISMATCH}
    if current in SUCCESSFUL:
        return current
    if AttemptStatus.CAPTURED in counted:
        is_late = is_order_closed or current not in LIVE
        return PaymentStatus.SUCCEEDED_LATE if is_late else PaymentStatus.SUCCEEDED
    if current not in LIVE:
        return current
    if is_under_review:
        return PaymentStatus.PROCESSING
    if AttemptStatus.AUTHORIZED in counted:
        return PaymentStatus.REQUIRES_CAPTURE
    if AttemptStatus.CREATED in counted:
        return PaymentStatus.PROCESSING
    return PaymentStatus.REQUIRES_PAYMENT


def is_untouched(status: str, *, is_opened_by_us: bool, has_failed: bool) -> bool:
    """
    Test if a UPI attempt that we opened together with the gateway's order counts as not started.

    Its payer attempted to pay in another way, failed (`has_failed`), and may attempt it again. We cannot see whether
    the UPI link was opened. A payment by it is still applied.
    """
    return is_opened_by_us and has_failed and status == AttemptStatus.CREATED


def advances(current: str, to: str) -> bool:
    """Test if the reported status of an attempt has a higher rank than the current one; its rank only rises."""
    return ATTEMPT_RANK[to] > ATTEMPT_RANK[current]


def derive_unpaid_end(
    *,
    status: str,
    live_until: datetime,
    is_order_open: bool,
    link_status: str,
    now: datetime,
    is_under_review: bool = False,
) -> PaymentStatus | None:
    """
    Return how a live payment has ended unpaid, or None if it has not.

    It ends when its time is up, or when its link was closed and no attempt is in progress. A payment under review has
    not ended.
    """
    if is_under_review:
        return None
    if has_expired(status=status, live_until=live_until, is_order_open=is_order_open, now=now):
        return PaymentStatus.EXPIRED
    if status != PaymentStatus.REQUIRES_PAYMENT:
        return None
    return _ENDS.get(link_status)


def has_expired(*, status: str, live_until: datetime, is_order_open: bool, now: datetime) -> bool:
    """Test if a live payment has expired: its time is up, and no authorised attempt of an open order awaits capture."""
    if status not in LIVE or now < live_until:
        return False
    return not (status == PaymentStatus.REQUIRES_CAPTURE and is_order_open)


def refund_advances(current: str, to: str, *, is_known_to_gateway: bool) -> bool:
    """
    Test if a status that the gateway reports replaces the current status of a refund.

    Processed is final. Pending replaces only unknown, or failed without a gateway id: then the call was rejected, and
    any reported status is new.
    """
    if current in (to, RefundStatus.PROCESSED):
        return False
    if to == RefundStatus.PROCESSED:
        return True
    if current == RefundStatus.FAILED and not is_known_to_gateway:
        return True
    if current == RefundStatus.UNKNOWN:
        return True
    return current == RefundStatus.PENDING and _REFUND_RANK[to] > _REFUND_RANK[current]
