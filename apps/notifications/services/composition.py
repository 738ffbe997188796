"""Telling: from news to one message a channel, in the transaction of the news' receipt. Nothing is sent here."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction

from apps.accounts import selectors as accounts
from apps.accounts.states import Role
from apps.core import clock
from apps.core.dates import format_instant
from apps.core.events import SYSTEM, record, stored_fields
from apps.core.models import Event
from apps.invoicing import selectors as invoicing
from apps.notifications import events, rules, selectors
from apps.notifications.models import Notification
from apps.notifications.services import rendering
from apps.notifications.states import Channel, NotificationStatus
from apps.orders import locks as order_locks
from apps.orders import selectors as orders
from apps.orders.states import OrderStatus
from apps.payments import events as payment_events
from apps.payments import selectors as payments
from apps.payments.states import LIVE, DisputeStatus, PaymentChannel, RefundSpeed, RefundStatus, ReviewReason

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Letter:
    """To whom, and the facts to tell. What is told to staff about their work stays out of the order's story."""

    user: Any
    facts: dict[str, Any]
    is_for_staff: bool = False


@transaction.atomic
def tell(*, message: str, event: Event, now: datetime) -> list[Notification]:
    """
    Write down what an event makes us say: one row for each channel that the person has.

    What has become untrue since the event is not told. Said again of the same event, nothing is added, and neither is what was said
    of the order before in the same words, where the message is said once.
    """
    spec = rules.MESSAGES[message]
    if spec.is_said_once:
        # Two workers with two events of one order: the second one finds what the first one has said.
        order_locks.lock_order(_order_id(event))

    written = _WRITERS[message](event) or []
    letters = [written] if isinstance(written, Letter) else written
    told = set(selectors.list_of_event(event.pk).values_list("channel", "recipient"))

    rows = [
        _compose(spec, event, letter, channel, recipient)
        for letter in letters
        for channel, recipient in _addresses(spec, letter)
        if (channel, recipient) not in told and _fits(spec, channel, letter)
    ]
    if spec.is_said_once:
        rows = [row for row in rows if not selectors.was_said(row)]
    for row in rows:
        _schedule(row, now=now)
        row.created_at = now
        row.save(force_insert=True)

    for row in rows:
        is_sent = row.status == NotificationStatus.SENT
        record(
            events.NOTIFICATION_SENT if is_sent else events.NOTIFICATION_QUEUED,
            subject=row,
            actor=SYSTEM,
            changed=stored_fields(row),
            root_id=row.root_id,
            now=now,
        )

    return rows


def is_still_true(notification: Notification) -> bool:
    """Test if the event of a message still makes us say it to its person, who has not been erased."""
    if notification.user.erased_at is not None:
        return False
    written = _WRITERS[notification.template](notification.event) or []
    letters = [written] if isinstance(written, Letter) else written
    return any(letter.user.pk == notification.user_id for letter in letters)


def preview_cancelling(order: Any) -> list[tuple[Channel, str]]:
    """Return what the buyer of an order would be told if it were cancelled, by channel; nothing is written down or sent."""
    spec = rules.MESSAGES["order_cancelled"]
    user = accounts.get_user(order.customer_id)
    facts = {**rendering.person(user), **rendering.order(order)}
    said = {
        Channel.SMS: lambda: rendering.sms(spec, facts)[1],
        Channel.EMAIL: lambda: rendering.email(spec, facts)[1],
        Channel.IN_APP: lambda: "\n".join(rendering.in_app(spec, facts)),
    }
    return [(channel, said[channel]()) for channel, _ in _addresses(spec, Letter(user, facts))]


def list_channels(user: Any, message: str) -> list[Channel]:
    """Return the channels on which a buyer gets a message, given by its name."""
    return [channel for channel, _ in _addresses(rules.MESSAGES[message], Letter(user, {}))]


def _fits(spec: rules.Message, channel: Channel, letter: Letter) -> bool:
    return channel != Channel.SMS or not rules.is_cut_in_sms(spec, letter.facts)


def _addresses(spec: rules.Message, letter: Letter) -> list[tuple[Channel, str]]:
    user = letter.user
    if user.erased_at is not None:
        return []
    # Staff log in by their address: it needs no confirming.
    has_email = bool(user.email and (user.email_confirmed_at or letter.is_for_staff))
    found = {
        Channel.SMS: user.phone if rules.may_get_sms(user.phone) else "",
        Channel.EMAIL: user.email if has_email else "",
        Channel.IN_APP: user.public_id,
    }
    return [(channel, found[channel]) for channel in spec.channels if found[channel]]


def _compose(spec: rules.Message, event: Event, letter: Letter, channel: Channel, recipient: str) -> Notification:
    row = Notification(
        event=event,
        user_id=letter.user.pk,
        channel=channel,
        recipient=recipient,
        template=spec.name,
        root_id=None if letter.is_for_staff else event.root_id,
    )
    if channel == Channel.SMS:
        row.context, row.body = rendering.sms(spec, letter.facts)
        row.title, _ = rendering.in_app(spec, letter.facts)
    elif channel == Channel.EMAIL:
        row.context = letter.facts
        row.title, row.body = rendering.email(spec, letter.facts)
        row.message_id = rules.message_id(row.public_id, settings.DEFAULT_FROM_EMAIL)
    else:
        row.title, row.body = rendering.in_app(spec, letter.facts)
    return row


def _schedule(row: Notification, *, now: datetime) -> None:
    if row.channel == Channel.IN_APP:
        # It is where the person reads it as soon as we commit.
        row.status = NotificationStatus.SENT
        row.sent_at = now
        row.attempts = 1
    else:
        row.next_attempt_at = now + rules.GRACE


def _about_user(event: Event) -> Letter | None:
    user = accounts.get_user(event.subject_id)
    facts = {**rendering.person(user), "when": format_instant(event.created_at), "email": user.email or ""}
    return Letter(user, facts)


def _about_customer(event: Event) -> Letter | None:
    letter = _about_user(event)
    return None if letter is None or letter.user.is_staff else letter


def _about_confirmed_address(event: Event) -> Letter | None:
    letter = _about_user(event)
    return letter if letter and letter.user.email_confirmed_at else None


def _about_order(
    *statuses: OrderStatus, with_lines: bool = False, is_unpaid: bool = False
) -> Callable[[Event], Letter | None]:
    """`is_unpaid`: it says that no money came, and is not said once some has, of whatever amount."""

    def write(event: Event) -> Letter | None:
        order = orders.get_order(_order_id(event))
        if order.status not in statuses or (is_unpaid and payments.has_captured_money(order.pk)):
            return None
        user = accounts.get_user(order.customer_id)
        facts = {**rendering.person(user), **rendering.order(order)}
        if with_lines:
            facts |= rendering.order_lines(order, orders.list_lines(order.pk))
        return Letter(user, facts)

    return write


def _about_failed_attempt(event: Event) -> Letter | None:
    """Of the latest attempt only: whoever has begun another one knows that it failed, or never touched it."""
    if payments.has_later_attempt(event.subject_id):
        return None
    return _about_order(OrderStatus.PENDING_PAYMENT, is_unpaid=True)(event)


def _about_invoice(event: Event) -> Letter | None:
    invoice = invoicing.find_invoice(event.subject_id)
    if invoice is None:
        return None
    user = accounts.get_user(invoice.customer_id)
    return Letter(user, {**rendering.person(user), **rendering.invoice(invoice)})


def _about_credit_note(event: Event) -> Letter | None:
    note = invoicing.get_invoice(event.subject_id)
    if note.refers_to_id is None:
        return None
    user = accounts.get_user(note.customer_id)
    original = invoicing.get_invoice(note.refers_to_id)
    return Letter(user, {**rendering.person(user), **rendering.credit_note(note, original)})


def _about_payment_link(event: Event) -> Letter | None:
    payment = payments.get_payment(event.subject_id)
    if payment.channel != PaymentChannel.PAYMENT_LINK or payment.status not in LIVE or not payment.next_action:
        return None
    order = orders.get_order(payment.order_id)
    user = accounts.get_user(payment.customer_id)
    return Letter(user, {**rendering.person(user), **rendering.order(order), **rendering.payment_link(payment)})


def _about_refund(*statuses: RefundStatus, days: int, is_decided: bool = True) -> Callable[[Event], Letter | None]:
    """`days` are the working days by which the buyer has the money or hears of it; `is_decided`: needs no approval any more."""

    def write(event: Event) -> Letter | None:
        refund = payments.get_refund(event.subject_id)
        waits = event.changed.get("status") == RefundStatus.REQUIRES_APPROVAL
        if refund.status not in statuses or waits == is_decided:
            return None
        order = orders.get_order(refund.order_id)
        user = accounts.get_user(order.customer_id)
        is_at_once = (refund.speed_processed or refund.speed_requested) == RefundSpeed.INSTANT
        wait = 1 if is_at_once and days == rules.REFUND_WORKING_DAYS else days
        due = rules.working_days_after(clock.ist_date(event.created_at), wait)
        return Letter(user, {**rendering.person(user), **rendering.order(order), **rendering.refund(refund, due=due)})

    return write


def _about_flagged_attempt(reason: ReviewReason) -> Callable[[Event], Letter | None]:
    def write(event: Event) -> Letter | None:
        order = orders.get_order(_order_id(event))
        attempts = payments.list_subjects_of_orders([order.pk])["attempts"]
        attempt: Any = next((one for _, one in attempts if one.pk == event.subject_id), None)
        if attempt is None or attempt.review_reason != reason:
            return None
        user = accounts.get_user(order.customer_id)
        due = rules.working_days_after(
            clock.ist_date(event.created_at), rules.CARE_WORKING_DAYS + rules.REFUND_WORKING_DAYS
        )
        return Letter(user, {**rendering.person(user), **rendering.order(order), **rendering.amount(attempt, due=due)})

    return write


def _about_dispute(*, is_decided: bool) -> Callable[[Event], Letter | None]:
    def write(event: Event) -> Letter | None:
        dispute = payments.get_dispute(event.subject_id)
        if (dispute.decided_at is not None) != is_decided:
            return None
        order = orders.get_order(dispute.order_id)
        user = accounts.get_user(order.customer_id)
        return Letter(user, {**rendering.person(user), **rendering.order(order), **rendering.dispute(dispute)})

    return write


def _about_dispute_to_answer(event: Event) -> list[Letter]:
    """To everybody in finance, or else to the administrators: a dispute is open, and the gateway does not have our answer."""
    dispute = payments.get_dispute(event.subject_id)
    is_warning = event.type == payment_events.DISPUTE_DUE_SOON
    has_opened_again = event.changed.get("status") == DisputeStatus.OPEN
    if dispute.status != DisputeStatus.OPEN or (dispute.answer and not is_warning):
        return []
    if event.type == payment_events.DISPUTE_CHANGED and not has_opened_again:
        return []
    order = orders.get_order(dispute.order_id)
    staff = accounts.list_staff_in(Role.FINANCE) or accounts.list_staff_in(Role.ADMIN)
    if not staff:
        log.error("nobody_to_tell_of_dispute", dispute=dispute.gateway_dispute_id)
    facts = {**rendering.order(order), **rendering.dispute(dispute), "hours": event.changed.get("warned_hours") or ""}
    return [Letter(user, {**rendering.person(user), **facts}, is_for_staff=True) for user in staff]


def _order_id(event: Event) -> UUID:
    return event.root_id or event.subject_id


_SETTLED = (OrderStatus.CONFIRMED, OrderStatus.IN_FULFILMENT, OrderStatus.COMPLETED, OrderStatus.CLOSED)

_WRITERS: dict[str, Callable[[Event], Letter | list[Letter] | None]] = {
    "welcome": _about_customer,
    "email_confirmed": _about_confirmed_address,
    "password_changed": _about_user,
    "order_placed": _about_order(OrderStatus.PENDING_PAYMENT),
    "order_confirmed": _about_order(*_SETTLED, with_lines=True),
    "order_cancelled": _about_order(OrderStatus.CANCELLED),
    "order_expired": _about_order(OrderStatus.EXPIRED, is_unpaid=True),
    "payment_failed": _about_failed_attempt,
    "payment_late": _about_order(OrderStatus.CANCELLED, OrderStatus.EXPIRED),
    "payment_refused": _about_order(OrderStatus.PENDING_PAYMENT, is_unpaid=True),
    "payment_link": _about_payment_link,
    "paid_twice": _about_flagged_attempt(ReviewReason.PAID_TWICE),
    "payment_differs": _about_flagged_attempt(ReviewReason.AMOUNT_DIFFERS),
    "invoice_ready": _about_invoice,
    "credit_note_ready": _about_credit_note,
    "refund_asked": _about_refund(RefundStatus.REQUIRES_APPROVAL, days=rules.CARE_WORKING_DAYS, is_decided=False),
    "refund_started": _about_refund(
        RefundStatus.PENDING, RefundStatus.UNKNOWN, RefundStatus.PROCESSED, days=rules.REFUND_WORKING_DAYS
    ),
    "refund_in_doubt": _about_refund(RefundStatus.UNKNOWN, days=rules.CARE_WORKING_DAYS),
    "refund_processed": _about_refund(RefundStatus.PROCESSED, days=rules.REFUND_WORKING_DAYS),
    "refund_failed": _about_refund(RefundStatus.FAILED, RefundStatus.MANUAL, days=rules.CARE_WORKING_DAYS),
    "dispute_opened": _about_dispute(is_decided=False),
    "dispute_decided": _about_dispute(is_decided=True),
    "dispute_to_answer": _about_dispute_to_answer,
    "refund_cancelled": _about_refund(RefundStatus.CANCELLED, days=rules.CARE_WORKING_DAYS),
}
