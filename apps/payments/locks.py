"""
Row locks of payments.

The order is locked first (`orders.locks.lock_order`), then the payment, the attempt, the refund, the dispute. The
references of bank transfers are locked after the refund. A webhook is locked before all of these, and only by the code
that processes it. A downtime of a payment method is locked alone.
"""

from uuid import UUID

from django.db import connection

from apps.core.external_calls import GatewayCall
from apps.core.locks import lock_row
from apps.core.rows import find_row, find_rows
from apps.payments.models import (
    Dispute,
    Payment,
    PaymentAttempt,
    PaymentDowntime,
    PaymentNotFound,
    Refund,
    RefundNotFound,
    Webhook,
    WebhookNotFound,
)
from apps.payments.states import LIVE, NOT_AWAITING_APPROVAL, AttemptStatus, RefundStatus, ReviewReason

#: The key of the advisory lock: any number that no other lock uses.
_TRANSFER_REFERENCES_LOCK = 7_204

_LIVE_STATUSES = ", ".join(f"'{status}'" for status in LIVE)
_LIVE_OF_ORDER = f"WHERE it.order_id = $1 AND it.status IN ({_LIVE_STATUSES}) ORDER BY it.id"


def lock_transfer_references() -> None:
    """
    Let nobody else record the reference of a bank transfer until the transaction ends; taken after the refund.

    Two refunds of two orders, whose rows are two locks, must not be paid by one transfer to two customers.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_TRANSFER_REFERENCES_LOCK])


def lock_payment(payment_id: UUID) -> Payment:
    """
    Lock a payment; the caller holds its order.

    :raises PaymentNotFound: if there is none
    """
    return lock_row(Payment, payment_id, missing=PaymentNotFound)


def lock_live_payments(order_id: UUID) -> list[Payment]:
    """Lock the live payments of an order, which the caller holds; oldest first."""
    return find_rows(Payment, _LIVE_OF_ORDER + " FOR NO KEY UPDATE", [str(order_id)])


def lock_attempt(*, gateway: str, gateway_payment_id: str) -> PaymentAttempt | None:
    """Lock an attempt by the gateway's id, or return None if it is not known yet."""
    known = "WHERE it.gateway = $1 AND it.gateway_payment_id = $2 FOR NO KEY UPDATE"
    return find_row(PaymentAttempt, known, [gateway, gateway_payment_id])


def lock_captured_attempts(order_id: UUID, *, payment_id: UUID | None = None) -> list[PaymentAttempt]:
    """Lock the captured attempts of an order, or of one payment of it, which the caller holds; first captured first."""
    rows = PaymentAttempt.objects.select_for_update(no_key=True, of=("self",)).select_related("payment")
    rows = rows.filter(payment__order_id=order_id, status=AttemptStatus.CAPTURED)
    if payment_id is not None:
        rows = rows.filter(payment_id=payment_id)
    return sorted(rows.order_by("pk"), key=lambda attempt: (attempt.captured_at, attempt.pk))


def lock_refund(refund_id: UUID) -> Refund:
    """
    Lock a refund; the caller holds its order.

    :raises RefundNotFound: if there is none
    """
    return lock_row(Refund, refund_id, missing=RefundNotFound)


def lock_refunds_awaiting_approval(order_id: UUID) -> list[Refund]:
    """Lock an order's refunds that require approval, without amount mismatches; the caller holds the order."""
    rows = Refund.objects.select_for_update(no_key=True, of=("self",))
    rows = rows.filter(order_id=order_id).exclude(status__in=NOT_AWAITING_APPROVAL)
    return list(rows.exclude(attempt__review_reason=ReviewReason.AMOUNT_MISMATCH).order_by("pk"))


def lock_unsubmitted_refunds(attempt_id: UUID) -> list[Refund]:
    """Lock the approved refunds of an attempt that were not submitted, latest first; the caller holds the order."""
    rows = Refund.objects.select_for_update(no_key=True, of=("self",)).filter(attempt_id=attempt_id)
    rows = rows.filter(status=RefundStatus.PENDING, gateway_call=GatewayCall.PENDING, gateway_refund_id__isnull=True)
    return list(rows.order_by("-sequence"))


def lock_dispute(*, gateway_dispute_id: str = "", dispute_id: UUID | None = None) -> Dispute | None:
    """Lock a dispute by the gateway's id or by ours, or return None if it is not known; the caller holds its order."""
    rows = Dispute.objects.select_for_update(no_key=True, of=("self",)).select_related("attempt")
    chosen = rows.filter(pk=dispute_id) if dispute_id else rows.filter(gateway_dispute_id=gateway_dispute_id)
    return chosen.first()


def lock_downtime(*, gateway: str, gateway_downtime_id: str) -> PaymentDowntime | None:
    """Lock a downtime by the gateway's id, or return None if it is not known yet."""
    rows = PaymentDowntime.objects.select_for_update(no_key=True, of=("self",))
    return rows.filter(gateway=gateway, gateway_downtime_id=gateway_downtime_id).first()


def lock_unprocessed_webhook(webhook_id: UUID) -> Webhook | None:
    """Lock a webhook that waits to be processed, or return None if it has been, or is parked for staff."""
    webhook = find_row(Webhook, "WHERE it.id = $1 FOR NO KEY UPDATE", [str(webhook_id)])
    return webhook if webhook is not None and webhook.processed_at is None and webhook.parked_at is None else None


def lock_webhook(webhook_id: UUID) -> Webhook:
    """
    Lock a webhook.

    :raises WebhookNotFound: if there is none
    """
    return lock_row(Webhook, webhook_id, missing=WebhookNotFound)
