"""Reactions to news: what is told of it, and the sending of what was told. Each is one service call."""

from datetime import datetime

from apps.core.models import Event
from apps.core.relay import talks_outside
from apps.notifications import services


def welcome(*, event: Event, now: datetime) -> None:
    services.tell(message="welcome", event=event, now=now)


def tell_email_confirmed(*, event: Event, now: datetime) -> None:
    services.tell(message="email_confirmed", event=event, now=now)


def tell_password_changed(*, event: Event, now: datetime) -> None:
    services.tell(message="password_changed", event=event, now=now)


def tell_order_placed(*, event: Event, now: datetime) -> None:
    services.tell(message="order_placed", event=event, now=now)


def tell_order_confirmed(*, event: Event, now: datetime) -> None:
    services.tell(message="order_confirmed", event=event, now=now)


def tell_order_cancelled(*, event: Event, now: datetime) -> None:
    services.tell(message="order_cancelled", event=event, now=now)


def tell_order_expired(*, event: Event, now: datetime) -> None:
    services.tell(message="order_expired", event=event, now=now)


def tell_payment_failed(*, event: Event, now: datetime) -> None:
    services.tell(message="payment_failed", event=event, now=now)


def tell_payment_late(*, event: Event, now: datetime) -> None:
    services.tell(message="payment_late", event=event, now=now)


def tell_invoice_ready(*, event: Event, now: datetime) -> None:
    services.tell(message="invoice_ready", event=event, now=now)


def tell_payment_refused(*, event: Event, now: datetime) -> None:
    services.tell(message="payment_refused", event=event, now=now)


def tell_payment_link(*, event: Event, now: datetime) -> None:
    services.tell(message="payment_link", event=event, now=now)


def tell_paid_twice(*, event: Event, now: datetime) -> None:
    services.tell(message="paid_twice", event=event, now=now)


def tell_payment_differs(*, event: Event, now: datetime) -> None:
    services.tell(message="payment_differs", event=event, now=now)


def tell_credit_note_ready(*, event: Event, now: datetime) -> None:
    services.tell(message="credit_note_ready", event=event, now=now)


def tell_refund_asked(*, event: Event, now: datetime) -> None:
    services.tell(message="refund_asked", event=event, now=now)


def tell_refund_started(*, event: Event, now: datetime) -> None:
    services.tell(message="refund_started", event=event, now=now)


def tell_refund_in_doubt(*, event: Event, now: datetime) -> None:
    services.tell(message="refund_in_doubt", event=event, now=now)


def tell_refund_processed(*, event: Event, now: datetime) -> None:
    services.tell(message="refund_processed", event=event, now=now)


def tell_refund_failed(*, event: Event, now: datetime) -> None:
    services.tell(message="refund_failed", event=event, now=now)


def tell_refund_cancelled(*, event: Event, now: datetime) -> None:
    services.tell(message="refund_cancelled", event=event, now=now)


def tell_dispute_opened(*, event: Event, now: datetime) -> None:
    services.tell(message="dispute_opened", event=event, now=now)


def tell_dispute_decided(*, event: Event, now: datetime) -> None:
    services.tell(message="dispute_decided", event=event, now=now)


def tell_staff_of_dispute(*, event: Event, now: datetime) -> None:
    services.tell(message="dispute_to_answer", event=event, now=now)


@talks_outside
def send_dispute_answer(*, event: Event, now: datetime) -> None:
    """A dispute was answered: tell the gateway, with all that proves the sale if it is contested."""
    services.send_dispute_answer(dispute_id=event.subject_id, now=now)


@talks_outside
def send_notification(*, event: Event, now: datetime) -> None:
    """Send what was told, by SMS or e-mail; the service commits a claim before it calls out."""
    services.send(notification_id=event.subject_id, now=now)


@talks_outside
def render_evidence(*, event: Event, now: datetime) -> None:
    """Render the PDF of a dispute's evidence, which has changed or was requested; outside a transaction, as it writes a file."""
    services.render_evidence_pdf(dispute_id=event.subject_id)


def erase_messages(*, event: Event, now: datetime) -> None:
    """A person was erased: erase the messages to them."""
    services.erase_messages(user_id=event.subject_id, now=now)
