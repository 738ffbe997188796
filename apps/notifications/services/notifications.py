"""From an event to one message per channel, in the handler's transaction. Nothing is sent here."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings

from apps.accounts import selectors as accounts
from apps.accounts.states import Role
from apps.core import clock
from apps.core.dates import format_instant
from apps.core.events import SYSTEM, Creation, prepare_creation, store_all
from apps.core.models import Event
from apps.core.transactions import transactional
from apps.fulfilment import selectors as fulfilment
from apps.fulfilment.states import ShipmentStatus
from apps.invoicing import selectors as invoicing
from apps.notifications import events, rules
from apps.notifications.models import Notification
from apps.notifications.selectors.messages import has_duplicate
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
class OutgoingMessage:
    """A recipient, and the context of the templates. What is for staff stays out of the order's timeline."""

    user: Any
    context: dict[str, Any]
    is_for_staff: bool = False


@transactional
def notify(*, event: Event, now: datetime) -> list[Notification]:
    """Create all messages about an event: each of them as `create_notifications` does."""
    return [
        message
        for template in rules.MESSAGES_OF_EVENT[event.type]
        for message in create_notifications(template=template, event=event, now=now)
    ]


@transactional
def create_notifications(*, template: str, event: Event, now: datetime) -> list[Notification]:
    """
    Create the messages about an event: one row for each channel of the recipient.

    A message that no longer holds is not created. A second call for the same event adds nothing, and neither does a message
    with the same text about the same order, where its template is `once_per_order`.
    """
    spec = rules.MESSAGE_TEMPLATES[template]
    if spec.once_per_order:
        # Two workers with two events of one order: the second one finds the message of the first one.
        order_locks.lock_order(_order_id(event))

    composed = _COMPOSERS[template](event) or []
    messages = [composed] if isinstance(composed, OutgoingMessage) else composed
    rows = [
        _build_notification(spec, event, message, channel, recipient)
        for message in messages
        for channel, recipient in _find_recipients(spec, message)
        if _fits_channel(spec, channel, message)
    ]
    if spec.once_per_order:
        rows = [row for row in rows if not has_duplicate(row)]
    return store_all([_prepare_message(row, now=now) for row in rows], ignore_conflicts=True)


def is_still_valid(notification: Notification) -> bool:
    """Test if a message still holds and its user has not been erased."""
    if notification.user.erased_at is not None:
        return False
    composed = _COMPOSERS[notification.template](notification.event) or []
    messages = [composed] if isinstance(composed, OutgoingMessage) else composed
    return any(message.user.pk == notification.user_id for message in messages)


def preview_cancellation_messages(order: Any) -> list[tuple[Channel, str]]:
    """Return the messages to the buyer if the order were cancelled, by channel; nothing is stored or sent."""
    spec = rules.MESSAGE_TEMPLATES["order_cancelled"]
    user = accounts.get_user(order.customer_id)
    context = {**rendering.user_context(user), **rendering.order_context(order)}
    renderers = {
        Channel.SMS: lambda: rendering.render_sms(spec, context)[1],
        Channel.EMAIL: lambda: rendering.render_email(spec, context)[1],
        Channel.IN_APP: lambda: "\n".join(rendering.render_in_app(spec, context)),
    }
    return [(channel, renderers[channel]()) for channel, _ in _find_recipients(spec, OutgoingMessage(user, context))]


def list_channels(user: Any, template: str) -> list[Channel]:
    """Return the channels on which a buyer gets a message, given by its name."""
    return [channel for channel, _ in _find_recipients(rules.MESSAGE_TEMPLATES[template], OutgoingMessage(user, {}))]


def _fits_channel(spec: rules.MessageTemplate, channel: Channel, message: OutgoingMessage) -> bool:
    return channel != Channel.SMS or not rules.is_link_truncated(spec, message.context)


def _find_recipients(spec: rules.MessageTemplate, message: OutgoingMessage) -> list[tuple[Channel, str]]:
    user = message.user
    if user.erased_at is not None:
        return []
    # Staff log in by their address: it needs no confirming.
    has_email = bool(user.email and (user.email_confirmed_at or message.is_for_staff))
    found = {
        Channel.SMS: user.phone if rules.may_get_sms(user.phone) else "",
        Channel.EMAIL: user.email if has_email else "",
        Channel.IN_APP: user.public_id,
    }
    return [(channel, found[channel]) for channel in spec.channels if found[channel]]


def _build_notification(
    spec: rules.MessageTemplate, event: Event, message: OutgoingMessage, channel: Channel, recipient: str
) -> Notification:
    row = Notification(
        event=event,
        user_id=message.user.pk,
        channel=channel,
        recipient=recipient,
        template=spec.name,
        root_id=None if message.is_for_staff else event.root_id,
    )
    if channel == Channel.SMS:
        row.context, row.body = rendering.render_sms(spec, message.context)
        row.title, _ = rendering.render_in_app(spec, message.context)
    elif channel == Channel.EMAIL:
        row.context = message.context
        row.title, row.body = rendering.render_email(spec, message.context)
        row.message_id = rules.message_id(row.public_id, settings.DEFAULT_FROM_EMAIL)
    else:
        row.title, row.body = rendering.render_in_app(spec, message.context)
    return row


def _prepare_message(row: Notification, *, now: datetime) -> Creation[Notification]:
    """Say when a message is sent, and return what is stored of it with its event."""
    if row.channel == Channel.IN_APP:
        # It is where the person reads it as soon as we commit.
        row.status = NotificationStatus.SENT
        row.sent_at = now
        row.attempts = 1
        event_type = events.NOTIFICATION_SENT
    else:
        row.next_attempt_at = now + rules.SWEEP_DELAY
        event_type = events.NOTIFICATION_QUEUED
    return prepare_creation(row, event_type, root=row.root_id, actor=SYSTEM, now=now)


def _user_message(event: Event) -> OutgoingMessage | None:
    user = accounts.get_user(event.subject_id)
    context = {**rendering.user_context(user), "when": format_instant(event.created_at), "email": user.email or ""}
    return OutgoingMessage(user, context)


def _customer_message(event: Event) -> OutgoingMessage | None:
    message = _user_message(event)
    return None if message is None or message.user.is_staff else message


def _confirmed_email_message(event: Event) -> OutgoingMessage | None:
    message = _user_message(event)
    return message if message and message.user.email_confirmed_at else None


def _order_message(
    *statuses: OrderStatus, with_lines: bool = False, is_unpaid: bool = False
) -> Callable[[Event], OutgoingMessage | None]:
    """`is_unpaid`: the message says that no payment was received, and is not created once any amount was captured."""

    def compose(event: Event) -> OutgoingMessage | None:
        order = orders.get_order(_order_id(event))
        if order.status not in statuses or (is_unpaid and payments.has_captured_money(order.pk)):
            return None
        user = accounts.get_user(order.customer_id)
        context = {**rendering.user_context(user), **rendering.order_context(order)}
        if with_lines:
            context |= rendering.order_lines_context(orders.read_addresses(order), orders.list_lines(order.pk))
        return OutgoingMessage(user, context)

    return compose


def _failed_attempt_message(event: Event) -> OutgoingMessage | None:
    """Compose the message for the latest attempt only: a buyer who has begun another one needs no message."""
    if payments.has_later_attempt(event.subject_id):
        return None
    message = _order_message(OrderStatus.PENDING_PAYMENT, is_unpaid=True)(event)
    if message is None:
        return None
    return replace(message, context={**message.context, "failure": payments.describe_failure(event.subject_id)})


def _invoice_message(event: Event) -> OutgoingMessage | None:
    invoice = invoicing.find_invoice(event.subject_id)
    if invoice is None:
        return None
    user = accounts.get_user(invoice.customer_id)
    return OutgoingMessage(user, {**rendering.user_context(user), **rendering.invoice_context(invoice)})


def _credit_note_message(event: Event) -> OutgoingMessage | None:
    note = invoicing.get_invoice(event.subject_id)
    if note.refers_to_id is None:
        return None
    user = accounts.get_user(note.customer_id)
    original = invoicing.get_invoice(note.refers_to_id)
    return OutgoingMessage(user, {**rendering.user_context(user), **rendering.credit_note_context(note, original)})


def _payment_link_message(event: Event) -> OutgoingMessage | None:
    payment = payments.get_payment(event.subject_id)
    if payment.channel != PaymentChannel.PAYMENT_LINK or payment.status not in LIVE or not payment.next_action:
        return None
    order = orders.get_order(payment.order_id)
    user = accounts.get_user(payment.customer_id)
    return OutgoingMessage(
        user,
        {**rendering.user_context(user), **rendering.order_context(order), **rendering.payment_link_context(payment)},
    )


def _refund_message(
    *statuses: RefundStatus, days: int, is_decided: bool = True
) -> Callable[[Event], OutgoingMessage | None]:
    """`days` are the working days by which the buyer has the money or another message; `is_decided`: needs no further approval."""

    def compose(event: Event) -> OutgoingMessage | None:
        refund = payments.get_refund(event.subject_id)
        needs_approval = event.changes.get("status") == RefundStatus.REQUIRES_APPROVAL
        if refund.status not in statuses or needs_approval == is_decided:
            return None
        order = orders.get_order(refund.order_id)
        user = accounts.get_user(order.customer_id)
        is_instant = (refund.speed_processed or refund.speed_requested) == RefundSpeed.INSTANT
        wait = 1 if is_instant and days == rules.REFUND_WORKING_DAYS else days
        due = rules.working_days_after(clock.ist_date(event.created_at), wait)
        return OutgoingMessage(
            user,
            {
                **rendering.user_context(user),
                **rendering.order_context(order),
                **rendering.refund_context(refund, due=due),
            },
        )

    return compose


def _reviewed_attempt_message(reason: ReviewReason) -> Callable[[Event], OutgoingMessage | None]:
    def compose(event: Event) -> OutgoingMessage | None:
        order = orders.get_order(_order_id(event))
        attempts = payments.list_rows_of_orders([order.pk])["attempts"]
        attempt: Any = next((one for _, one in attempts if one.pk == event.subject_id), None)
        if attempt is None or attempt.review_reason != reason:
            return None
        user = accounts.get_user(order.customer_id)
        due = rules.working_days_after(
            clock.ist_date(event.created_at), rules.REVIEW_WORKING_DAYS + rules.REFUND_WORKING_DAYS
        )
        return OutgoingMessage(
            user,
            {
                **rendering.user_context(user),
                **rendering.order_context(order),
                **rendering.amount_context(attempt, due=due),
            },
        )

    return compose


def _shipment_message(*statuses: ShipmentStatus) -> Callable[[Event], OutgoingMessage | None]:
    def compose(event: Event) -> OutgoingMessage | None:
        shipment = fulfilment.get_shipment(event.subject_id)
        if shipment.status not in statuses:
            return None
        order = orders.get_order(shipment.order_id)
        user = accounts.get_user(order.customer_id)
        context = rendering.shipment_context(shipment, fulfilment.list_lines(shipment.pk))
        return OutgoingMessage(user, {**rendering.user_context(user), **rendering.order_context(order), **context})

    return compose


def _dispute_message(*, is_decided: bool) -> Callable[[Event], OutgoingMessage | None]:
    def compose(event: Event) -> OutgoingMessage | None:
        dispute = payments.get_dispute(event.subject_id)
        if (dispute.decided_at is not None) != is_decided:
            return None
        order = orders.get_order(dispute.order_id)
        user = accounts.get_user(order.customer_id)
        return OutgoingMessage(
            user,
            {**rendering.user_context(user), **rendering.order_context(order), **rendering.dispute_context(dispute)},
        )

    return compose


def _dispute_response_message(event: Event) -> list[OutgoingMessage]:
    """To everybody in finance, or else to the administrators: a dispute is open, and the gateway does not have our answer."""
    dispute = payments.get_dispute(event.subject_id)
    is_reminder = event.type == payment_events.DISPUTE_DEADLINE_APPROACHED
    is_reopened = event.changes.get("status") == DisputeStatus.OPEN
    if dispute.status != DisputeStatus.OPEN or (dispute.response and not is_reminder):
        return []
    if event.type == payment_events.DISPUTE_UPDATED and not is_reopened:
        return []
    order = orders.get_order(dispute.order_id)
    staff = accounts.list_staff_with_role(Role.FINANCE) or accounts.list_staff_with_role(Role.ADMIN)
    if not staff:
        log.error("dispute_notification_has_no_recipient", dispute=dispute.gateway_dispute_id)
    context = {
        **rendering.order_context(order),
        **rendering.dispute_context(dispute),
        "hours": event.changes.get("last_reminder_hours") or "",
    }
    return [OutgoingMessage(user, {**rendering.user_context(user), **context}, is_for_staff=True) for user in staff]


def _order_id(event: Event) -> UUID:
    return event.root_id or event.subject_id


_CONFIRMED_OR_LATER = (OrderStatus.CONFIRMED, OrderStatus.IN_FULFILMENT, OrderStatus.COMPLETED, OrderStatus.CLOSED)

_COMPOSERS: dict[str, Callable[[Event], OutgoingMessage | list[OutgoingMessage] | None]] = {
    "user_signed_up": _customer_message,
    "email_confirmed": _confirmed_email_message,
    "password_changed": _user_message,
    "order_placed": _order_message(OrderStatus.PENDING_PAYMENT),
    "order_confirmed": _order_message(*_CONFIRMED_OR_LATER, with_lines=True),
    "order_cancelled": _order_message(OrderStatus.CANCELLED),
    "order_expired": _order_message(OrderStatus.EXPIRED, is_unpaid=True),
    "payment_failed": _failed_attempt_message,
    "payment_succeeded_late": _order_message(OrderStatus.CANCELLED, OrderStatus.EXPIRED),
    "payment_rejected": _order_message(OrderStatus.PENDING_PAYMENT, is_unpaid=True),
    "payment_link_created": _payment_link_message,
    "duplicate_payment": _reviewed_attempt_message(ReviewReason.PAID_TWICE),
    "payment_amount_mismatch": _reviewed_attempt_message(ReviewReason.AMOUNT_MISMATCH),
    "invoice_ready": _invoice_message,
    "credit_note_ready": _credit_note_message,
    "refund_requested": _refund_message(
        RefundStatus.REQUIRES_APPROVAL, days=rules.REVIEW_WORKING_DAYS, is_decided=False
    ),
    "refund_initiated": _refund_message(
        RefundStatus.PENDING, RefundStatus.UNKNOWN, RefundStatus.PROCESSED, days=rules.REFUND_WORKING_DAYS
    ),
    "refund_unknown": _refund_message(RefundStatus.UNKNOWN, days=rules.REVIEW_WORKING_DAYS),
    "refund_processed": _refund_message(RefundStatus.PROCESSED, days=rules.REFUND_WORKING_DAYS),
    "refund_failed": _refund_message(
        RefundStatus.FAILED, RefundStatus.AWAITING_TRANSFER, days=rules.REVIEW_WORKING_DAYS
    ),
    "shipment_dispatched": _shipment_message(ShipmentStatus.DISPATCHED),
    "shipment_delivered": _shipment_message(ShipmentStatus.DELIVERED),
    "shipment_not_delivered": _shipment_message(ShipmentStatus.LOST, ShipmentStatus.DAMAGED),
    "dispute_opened": _dispute_message(is_decided=False),
    "dispute_resolved": _dispute_message(is_decided=True),
    "dispute_needs_response": _dispute_response_message,
    "refund_cancelled": _refund_message(RefundStatus.CANCELLED, days=rules.REVIEW_WORKING_DAYS),
}
