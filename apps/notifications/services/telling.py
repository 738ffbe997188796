"""Telling: from news to one message a channel, in the transaction of the news' receipt. Nothing is sent here."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from apps.accounts import selectors as accounts
from apps.core.events import SYSTEM, record, stored_fields
from apps.core.models import Event
from apps.invoicing import selectors as invoicing
from apps.notifications import events, rules, selectors
from apps.notifications.models import Notification
from apps.notifications.services import writing
from apps.notifications.states import Channel, NotificationStatus
from apps.orders import selectors as orders
from apps.orders.states import OrderStatus


@dataclass(frozen=True)
class Letter:
    """To whom, and the facts to tell."""

    user: Any
    facts: dict[str, Any]


@transaction.atomic
def tell(*, message: str, event: Event, now: datetime) -> list[Notification]:
    """
    Write down what an event makes us say: one row for each channel that the person has.

    What has become untrue since the event is not told. Said again of the same event, nothing is added.
    """
    spec = rules.MESSAGES[message]
    letter = _WRITERS[message](event)
    if letter is None:
        return []
    told = set(selectors.list_of_event(event.pk).values_list("channel", "recipient"))

    rows = [
        _compose(spec, event, letter, channel, recipient)
        for channel, recipient in _addresses(spec, letter.user)
        if (channel, recipient) not in told
    ]
    for row in rows:
        _schedule(row, now=now)
        row.save(force_insert=True)

    for row in rows:
        is_sent = row.status == NotificationStatus.SENT
        record(
            events.NOTIFICATION_SENT if is_sent else events.NOTIFICATION_QUEUED,
            subject=row,
            actor=SYSTEM,
            changed=stored_fields(row),
            root_id=event.root_id,
            now=now,
        )

    return rows


def _addresses(spec: rules.Message, user: Any) -> list[tuple[Channel, str]]:
    has_email = bool(user.email and user.email_confirmed_at)
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
        root_id=event.root_id,
    )
    if channel == Channel.SMS:
        row.context, row.body = writing.sms(spec, letter.facts)
        row.title, _ = writing.in_app(spec, letter.facts)
    elif channel == Channel.EMAIL:
        row.context = letter.facts
        row.title, row.body = writing.email(spec, letter.facts)
        row.message_id = rules.message_id(row.public_id, settings.DEFAULT_FROM_EMAIL)
    else:
        row.title, row.body = writing.in_app(spec, letter.facts)
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
    facts = {**writing.person(user), "when": writing.instant(event.created_at), "email": user.email or ""}
    return Letter(user, facts)


def _about_customer(event: Event) -> Letter | None:
    letter = _about_user(event)
    return None if letter is None or letter.user.is_staff else letter


def _about_confirmed_address(event: Event) -> Letter | None:
    letter = _about_user(event)
    return letter if letter and letter.user.email_confirmed_at else None


def _about_order(*statuses: OrderStatus, with_lines: bool = False) -> Callable[[Event], Letter | None]:
    def write(event: Event) -> Letter | None:
        order = orders.get_order(_order_id(event))
        if order.status not in statuses:
            return None
        user = accounts.get_user(order.customer_id)
        facts = {**writing.person(user), **writing.order(order)}
        if with_lines:
            facts |= writing.order_lines(order, orders.list_lines(order.pk))
        return Letter(user, facts)

    return write


def _about_invoice(event: Event) -> Letter | None:
    invoice = invoicing.find_invoice_of_order(_order_id(event))
    if invoice is None:
        return None
    user = accounts.get_user(invoice.customer_id)
    return Letter(user, {**writing.person(user), **writing.invoice(invoice)})


def _order_id(event: Event) -> UUID:
    return event.root_id or event.subject_id


_SETTLED = (OrderStatus.CONFIRMED, OrderStatus.IN_FULFILMENT, OrderStatus.COMPLETED, OrderStatus.CLOSED)

_WRITERS: dict[str, Callable[[Event], Letter | None]] = {
    "welcome": _about_customer,
    "email_confirmed": _about_confirmed_address,
    "password_changed": _about_user,
    "order_placed": _about_order(OrderStatus.PENDING_PAYMENT),
    "order_confirmed": _about_order(*_SETTLED, with_lines=True),
    "order_cancelled": _about_order(OrderStatus.CANCELLED),
    "order_expired": _about_order(OrderStatus.EXPIRED),
    "payment_failed": _about_order(OrderStatus.PENDING_PAYMENT),
    "payment_late": _about_order(OrderStatus.CANCELLED, OrderStatus.EXPIRED),
    "invoice_ready": _about_invoice,
}
