"""Reactions to events: the notifications of each, and sending them. Each is one service call."""

from datetime import datetime

from apps.core.models import Event
from apps.core.relay import calls_external
from apps.notifications.services import composition, erasure, sending


def notify_user_signed_up(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="user_signed_up", event=event, now=now)


def notify_email_confirmed(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="email_confirmed", event=event, now=now)


def notify_password_changed(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="password_changed", event=event, now=now)


def notify_order_placed(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="order_placed", event=event, now=now)


def notify_order_confirmed(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="order_confirmed", event=event, now=now)


def notify_order_cancelled(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="order_cancelled", event=event, now=now)


def notify_order_expired(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="order_expired", event=event, now=now)


def notify_payment_failed(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="payment_failed", event=event, now=now)


def notify_payment_succeeded_late(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="payment_succeeded_late", event=event, now=now)


def notify_invoice_ready(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="invoice_ready", event=event, now=now)


def notify_payment_rejected(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="payment_rejected", event=event, now=now)


def notify_payment_link_created(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="payment_link_created", event=event, now=now)


def notify_duplicate_payment(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="duplicate_payment", event=event, now=now)


def notify_payment_amount_mismatch(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="payment_amount_mismatch", event=event, now=now)


def notify_credit_note_ready(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="credit_note_ready", event=event, now=now)


def notify_refund_requested(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="refund_requested", event=event, now=now)


def notify_refund_initiated(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="refund_initiated", event=event, now=now)


def notify_refund_unknown(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="refund_unknown", event=event, now=now)


def notify_refund_processed(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="refund_processed", event=event, now=now)


def notify_refund_failed(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="refund_failed", event=event, now=now)


def notify_refund_cancelled(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="refund_cancelled", event=event, now=now)


def notify_dispute_opened(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="dispute_opened", event=event, now=now)


def notify_dispute_resolved(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="dispute_resolved", event=event, now=now)


def notify_dispute_needs_response(*, event: Event, now: datetime) -> None:
    composition.create_notifications(template="dispute_needs_response", event=event, now=now)


@calls_external
def send_notification(*, event: Event, now: datetime) -> None:
    """Send a message by SMS or e-mail; the service commits a claim before it calls out."""
    sending.send_notification(notification_id=event.subject_id, now=now)


def erase_messages(*, event: Event, now: datetime) -> None:
    """A person was erased: erase the messages to them."""
    erasure.erase_messages(user_id=event.subject_id, now=now)
