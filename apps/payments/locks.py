"""
Row locks of payments.

The order is locked first (`orders.locks.lock_order`), then the payment, then the attempt. A webhook is locked before all of
these, by the one who processes it and by nobody else.
"""

from uuid import UUID

from django.db import connection

from apps.payments.models import LedgerEntry, Payment, PaymentAttempt, PaymentNotFound, Webhook


def lock_payment(payment_id: UUID) -> Payment:
    """
    Lock a payment; the caller holds its order.

    :raises PaymentNotFound: if there is none
    """
    payment = Payment.objects.select_for_update(no_key=True, of=("self",)).filter(pk=payment_id).first()
    if payment is None:
        raise PaymentNotFound
    return payment


def lock_live_payments(order_id: UUID) -> list[Payment]:
    """Lock the live payments of an order, which the caller holds; oldest first."""
    rows = Payment.objects.select_for_update(no_key=True, of=("self",)).filter(order_id=order_id)
    return list(rows.live().order_by("pk"))


def lock_attempt(*, gateway: str, gateway_payment_id: str) -> PaymentAttempt | None:
    """Lock an attempt by the gateway's id, or return None if it is not known yet."""
    rows = PaymentAttempt.objects.select_for_update(no_key=True, of=("self",))
    return rows.filter(gateway=gateway, gateway_payment_id=gateway_payment_id).first()


def lock_waiting_webhook(webhook_id: UUID) -> Webhook | None:
    """Lock a webhook that has not been processed, or return None if it has been."""
    rows = Webhook.objects.select_for_update(no_key=True, of=("self",))
    return rows.filter(pk=webhook_id, processed_at__isnull=True).first()


def wait_for_postings() -> None:
    """
    Wait until every posting that has begun has ended, and hold off new ones until the transaction ends.

    Entry ids are given out before commit, so that the highest id seen is a safe end of the book only after this.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {LedgerEntry._meta.db_table} IN SHARE MODE")
