"""What happened to an order, with what each event is about."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import QuerySet

from apps.backoffice import messages
from apps.core import ids
from apps.core.events import list_events_of_root
from apps.core.models import Event
from apps.invoicing import selectors as invoicing
from apps.notifications import selectors as notifications
from apps.notifications.models import Notification
from apps.orders import selectors as orders
from apps.payments import selectors as payments

if TYPE_CHECKING:
    from apps.orders.models import Order


@dataclass(frozen=True)
class TimelineEntry:
    """One thing that happened to an order, with the money, the document or the message that it is about."""

    event: Event
    text: str
    actor: str
    money: Any
    document: Any
    message: Notification | None


def describe_timeline(events: list[Event], *, order: Any) -> list[TimelineEntry]:
    """Return the timeline entries of some events of an order, with the rows that they are about, with a constant number of queries."""
    money: Mapping[UUID, Any] = {
        row.pk: row for rows in payments.list_rows_of_orders([order.pk]).values() for _, row in rows
    }
    documents = {row.pk: row for row in invoicing.list_documents_of_order(order.pk)}
    sent = {row.pk: row for row in notifications.list_notifications_of_order(order.pk)}
    entries = []
    for event in events:
        text, actor = describe_event(event, order=order)
        entries.append(
            TimelineEntry(
                event=event,
                text=text,
                actor=actor,
                money=money.get(event.subject_id),
                document=documents.get(event.subject_id),
                message=sent.get(event.subject_id),
            )
        )
    return entries


def list_timeline(*, user: Any, order: "Order") -> QuerySet[Event]:
    """Return what happened to an order and all that belongs to it, oldest first; customers get what is meant for them."""
    events: QuerySet[Event] = list_events_of_root(order.pk)
    if not orders.can_view_all_orders(user):
        events = events.filter(type__in=messages.CUSTOMER_EVENT_TEXTS)
    return events


def describe_event(event: Event, *, order: "Order") -> tuple[str, str]:
    """Return one sentence about an event of an order, and who caused it: customer, staff, system or gateway."""
    return text_of_event(event), actor_kind(event.actor, customer=ids.encode("cus", order.customer_id))


def text_of_event(event: Event) -> str:
    """Return one sentence about an event of an order."""
    return messages.timeline_text(event.type, channel=event.changes.get("channel", ""))


def actor_kind(actor: str, *, customer: str) -> str:
    """Return who did something, without saying who: customer, staff, system or gateway. `customer` is a public id."""
    kind, _, name = actor.partition(":")
    if kind != "user":
        return kind
    return "customer" if name == customer else "staff"
