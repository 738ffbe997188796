"""Panels of an order's page in the back office that read every app: what happened to it, and its ledger."""

from typing import Any

from apps.accounts import selectors as accounts
from apps.backoffice import messages
from apps.backoffice.selectors import timeline
from apps.core.admin_panels import Panel, add_panel, always_folded
from apps.core.dates import format_instant
from apps.core.events import list_events_of_root
from apps.core.models import Event
from apps.core.money import rupees
from apps.ledger import selectors as ledger
from apps.orders.models import Order
from apps.payments import events as payment_events

_MAX_EVENTS_SHOWN = 200


#: The events that the buyer sees, without sent messages, which have a table of their own.
_TIMELINE_EVENTS = frozenset(messages.CUSTOMER_EVENT_TEXTS) - {"notifications.notification.sent"}


def _timeline_rows(order: Order) -> list[tuple[Any, ...]]:
    return _rows_of(order, [event for event in _events_of(order) if _is_shown(event, order)])


def _event_rows(order: Order) -> list[tuple[Any, ...]]:
    return _rows_of(order, [event for event in _events_of(order) if not _is_shown(event, order)])


def _is_shown(event: Event, order: Order) -> bool:
    """Test if an event is no internal one. An unused attempt that the gateway closes after the order was paid is one."""
    is_unused_attempt = (
        event.type == payment_events.ATTEMPT_FAILED and order.confirmed_at and event.created_at > order.confirmed_at
    )
    return event.type in _TIMELINE_EVENTS and not is_unused_attempt


def _events_of(order: Order) -> list[Event]:
    return list(list_events_of_root(order.pk)[:_MAX_EVENTS_SHOWN])


def _rows_of(order: Order, events: list[Event]) -> list[tuple[Any, ...]]:
    """Return what happened, when, who did it and why; members of staff by their names."""
    customer = order.customer.public_id
    kinds = {event.actor: timeline.actor_kind(event.actor, customer=customer) for event in events}
    names = accounts.get_staff_names() if "staff" in kinds.values() else {}
    actor_names = {
        actor: names.get(actor.removeprefix("user:"), "staff") if kind == "staff" else kind
        for actor, kind in kinds.items()
    }
    return [
        (timeline.text_of_event(event), format_instant(event.created_at), actor_names[event.actor], event.reason)
        for event in events
    ]


def _ledger_rows(order: Any) -> list[tuple[Any, ...]]:
    return [
        (
            format_instant(posting.occurred_at),
            posting.kind.replace("_", " ").capitalize(),
            entry.account_id,
            rupees(entry.amount) if entry.amount > 0 else "",
            rupees(-entry.amount) if entry.amount < 0 else "",
        )
        for posting in ledger.list_ledger_of_order(order.pk)
        for entry in posting.entries.all()
    ]


add_panel(
    "orders.order",
    Panel(title="Timeline", columns=("What", "When", "Who", "Why"), rows=_timeline_rows, position=40),
)
add_panel(
    "orders.order",
    Panel(
        title="Internal events",
        columns=("What", "When", "Who", "Why"),
        rows=_event_rows,
        is_folded=always_folded,
        is_named_when_empty=False,
        position=80,
    ),
)
add_panel(
    "orders.order",
    Panel(
        title="Ledger",
        columns=("When", "What", "Account", "Debit", "Credit"),
        rows=_ledger_rows,
        permission="ledger.view_ledgertransaction",
        is_folded=always_folded,
        is_named_when_empty=False,
        position=70,
    ),
)
