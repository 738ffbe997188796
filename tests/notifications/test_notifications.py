"""From events to messages: who gets what, once, and only while it holds."""

from typing import Any

import pytest

from apps.core.models import Event, Outbox
from apps.core.relay import get_subscriptions
from apps.notifications import handlers, rules, services
from apps.notifications.models import Notification
from apps.notifications.services import notifications
from apps.notifications.states import Channel, NotificationStatus
from apps.orders.states import OrderStatus
from tests.factories.accounts import make_staff, make_user
from tests.factories.notifications import NOON, make_event, make_invoice_of, make_order_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def reachable(owner: Any) -> Any:
    """The owner, with an e-mail address that is confirmed."""
    owner.email, owner.email_confirmed_at = "asha@example.com", NOON
    owner.save()
    return owner


def rows_by_channel(event: Event) -> dict[str, Notification]:
    return {row.channel: row for row in Notification.objects.filter(event=event)}


def test_confirmed_order_is_notified_on_every_channel(reachable: Any) -> None:
    order = make_order_of(reachable, status=OrderStatus.CONFIRMED, paid_amount=117_900)
    event = make_event("orders.order.confirmed", order, root_id=order.pk)

    services.create_notifications(template="order_confirmed", event=event, now=NOON)

    rows = rows_by_channel(event)
    assert set(rows) == {"sms", "email", "in_app"}
    assert rows["sms"].recipient == "+919876543210"
    assert rows["sms"].body == (
        f"Order {order.number} is confirmed. We have received Rs.1,179.00. Your invoice will follow. "
        "Thank you for shopping with Bahi."
    )
    assert rows["sms"].context == {"NUMBER": order.number, "AMOUNT": "1,179.00", "SHOP": "Bahi"}
    assert rows["email"].recipient == "asha@example.com"
    assert rows["email"].title == f"Order {order.number} is confirmed"
    assert "2 x Cotton <b>kurta</b>: ₹1,179.00" in rows["email"].body
    assert "21 Nov 2026, 11:05 am IST" in rows["email"].body
    assert rows["email"].message_id == f"<{rows['email'].public_id}@bahi.example>"
    assert rows["in_app"].recipient == reachable.public_id
    assert rows["in_app"].body == "We have received ₹1,179.00. Your invoice will follow."
    assert {row.root_id for row in rows.values()} == {order.pk}


def test_sms_and_email_are_queued_and_in_app_is_sent(reachable: Any) -> None:
    order = make_order_of(reachable, status=OrderStatus.CANCELLED)
    event = make_event("orders.order.cancelled", order, root_id=order.pk)

    services.create_notifications(template="order_cancelled", event=event, now=NOON)

    rows = rows_by_channel(event)
    assert {channel: row.status for channel, row in rows.items()} == {
        "sms": "queued",
        "email": "queued",
        "in_app": "sent",
    }
    assert rows["in_app"].sent_at == NOON
    assert rows["in_app"].next_attempt_at is None
    assert rows["sms"].next_attempt_at == NOON + rules.SWEEP_DELAY


def test_each_message_records_an_event_of_the_order(reachable: Any) -> None:
    order = make_order_of(reachable, status=OrderStatus.CANCELLED)
    event = make_event("orders.order.cancelled", order, root_id=order.pk)

    services.create_notifications(template="order_cancelled", event=event, now=NOON)

    for row in Notification.objects.filter(event=event):
        event = Event.objects.get(subject_type="notifications.notification", subject_id=row.pk)
        expected = "sent" if row.channel == Channel.IN_APP else "queued"
        assert (event.type, event.version, event.root_id) == (f"notifications.notification.{expected}", 1, order.pk)
        assert (event.changes["template"], event.changes["user_id"]) == (row.template, str(row.user_id))
        assert Outbox.objects.filter(event=event).exists()


def test_event_handled_twice_is_notified_once(reachable: Any) -> None:
    order = make_order_of(reachable, status=OrderStatus.CANCELLED)
    event = make_event("orders.order.cancelled", order, root_id=order.pk)
    services.create_notifications(template="order_cancelled", event=event, now=NOON)

    assert services.create_notifications(template="order_cancelled", event=event, now=NOON) == []

    assert Notification.objects.filter(event=event).count() == 3


def test_user_without_confirmed_email_gets_no_email(owner: Any) -> None:
    owner.email = "asha@example.com"
    owner.save()
    order = make_order_of(owner, status=OrderStatus.EXPIRED)
    event = make_event("orders.order.expired", order, root_id=order.pk)

    services.create_notifications(template="order_expired", event=event, now=NOON)

    assert set(rows_by_channel(event)) == {"sms", "in_app"}


def test_user_with_foreign_number_gets_no_sms(db: None) -> None:
    user = make_user(phone="+14155552671")
    order = make_order_of(user, status=OrderStatus.EXPIRED)
    event = make_event("orders.order.expired", order, root_id=order.pk)

    services.create_notifications(template="order_expired", event=event, now=NOON)

    assert set(rows_by_channel(event)) == {"in_app"}


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("order_placed", OrderStatus.CONFIRMED),
        ("order_confirmed", OrderStatus.CANCELLED),
        ("order_cancelled", OrderStatus.CONFIRMED),
        ("order_expired", OrderStatus.CONFIRMED),
        ("payment_failed", OrderStatus.CONFIRMED),
        ("payment_succeeded_late", OrderStatus.CONFIRMED),
    ],
)
def test_outdated_message_is_not_created(reachable: Any, message: str, status: OrderStatus) -> None:
    order = make_order_of(reachable, status=status)
    event = make_event("orders.order.placed", order, root_id=order.pk)

    assert services.create_notifications(template=message, event=event, now=NOON) == []

    assert not Notification.objects.exists()


def test_missing_invoice_is_not_notified(reachable: Any) -> None:
    order = make_order_of(reachable)
    event = make_event("invoicing.invoice.rendered", order, root_id=order.pk)

    assert services.create_notifications(template="invoice_ready", event=event, now=NOON) == []


def test_invoice_is_notified_by_email_and_in_app(reachable: Any) -> None:
    order = make_order_of(reachable, status=OrderStatus.CONFIRMED)
    invoice = make_invoice_of(order)
    event = make_event("invoicing.invoice.rendered", invoice, root_id=order.pk)

    services.create_notifications(template="invoice_ready", event=event, now=NOON)

    rows = rows_by_channel(event)
    assert set(rows) == {"email", "in_app"}
    assert rows["email"].title == f"Tax invoice {invoice.number} for order {order.number}"
    assert rows["email"].context["invoice_id"] == str(invoice.pk)
    assert "of 21 Nov 2026" in rows["email"].body


def test_new_customer_is_welcomed_and_new_staff_are_not(owner: Any) -> None:
    staff = make_staff("support")
    hello = make_event("accounts.user.signed_up", owner)
    not_hello = make_event("accounts.user.signed_up", staff)

    services.create_notifications(template="user_signed_up", event=hello, now=NOON)
    services.create_notifications(template="user_signed_up", event=not_hello, now=NOON)

    (row,) = Notification.objects.all()
    assert (row.user_id, row.channel, row.title) == (owner.pk, "in_app", "Welcome to Bahi")
    assert row.body.startswith("Thank you for signing up, Asha Owner.")


def test_failed_notification_leaves_nothing(reachable: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    order = make_order_of(reachable, status=OrderStatus.CANCELLED)
    event = make_event("orders.order.cancelled", order, root_id=order.pk)
    news_before = Event.objects.count()

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("not now")

    monkeypatch.setattr(notifications, "store_all", broken)

    with pytest.raises(RuntimeError):
        services.create_notifications(template="order_cancelled", event=event, now=NOON)

    assert not Notification.objects.exists()
    assert Event.objects.count() == news_before


class TestNotify:
    def test_it_is_subscribed_to_each_event_of_the_table_and_to_no_other(self) -> None:
        subscribed = {
            event_type
            for event_type, group in get_subscriptions().items()
            if handlers.notify in [each.call for each in group]
        }

        assert subscribed == set(rules.MESSAGES_OF_EVENT)

    def test_each_message_has_an_event_and_each_event_known_messages(self) -> None:
        named = [template for templates in rules.MESSAGES_OF_EVENT.values() for template in templates]

        assert set(named) == set(rules.MESSAGE_TEMPLATES)

    def test_all_messages_of_an_event_are_created(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[dict[str, Any]] = []
        monkeypatch.setattr(notifications, "create_notifications", lambda **call: asked.append(call) or [])
        event = Event(type="payments.refund.requested")

        handlers.notify(event=event, now=NOON)

        assert asked == [
            {"template": "refund_requested", "event": event, "now": NOON},
            {"template": "refund_initiated", "event": event, "now": NOON},
        ]

    def test_an_order_that_is_placed_is_told_in_the_app(self, reachable: Any) -> None:
        order = make_order_of(reachable)
        event = make_event("orders.order.placed", order, root_id=order.pk)

        handlers.notify(event=event, now=NOON)

        assert [(row.template, row.channel) for row in Notification.objects.filter(event=event)] == [
            ("order_placed", "in_app")
        ]


def test_the_password_notice_says_when(reachable: Any) -> None:
    event = make_event("accounts.user.password_changed", reachable)

    services.create_notifications(template="password_changed", event=event, now=NOON)

    rows = rows_by_channel(event)
    assert rows["sms"].context["WHEN"] == "21 Nov 2026, 11:05 am"
    assert "was changed on 21 Nov 2026, 11:05 am IST. If" in rows["sms"].body
    assert rows["sms"].status == NotificationStatus.QUEUED
