"""From news to messages: who gets what, once, and only while it is true."""

from typing import Any

import pytest

from apps.core.models import Event, Outbox
from apps.notifications import handlers, rules, services
from apps.notifications.models import Notification
from apps.notifications.services import composition
from apps.notifications.states import Channel, NotificationStatus
from apps.orders.states import OrderStatus
from tests.factories.accounts import make_staff, make_user
from tests.factories.notifications import NOON, make_invoice_of, make_news, make_order_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def reachable(owner: Any) -> Any:
    """The owner, with an e-mail address that is confirmed."""
    owner.email, owner.email_confirmed_at = "asha@example.com", NOON
    owner.save()
    return owner


def rows_by_channel(event: Event) -> dict[str, Notification]:
    return {row.channel: row for row in Notification.objects.filter(event=event)}


def test_a_confirmed_order_is_told_on_every_channel(reachable: Any) -> None:
    order = make_order_of(reachable, status=OrderStatus.CONFIRMED, paid_amount=117_900)
    event = make_news("orders.order.confirmed", order, root_id=order.pk)

    services.tell(message="order_confirmed", event=event, now=NOON)

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
    assert rows["in_app"].body == "We have received ₹1,179.00. Your invoice is on its way."
    assert {row.root_id for row in rows.values()} == {order.pk}


def test_what_goes_out_is_queued_and_in_app_is_there_at_once(reachable: Any) -> None:
    order = make_order_of(reachable, status=OrderStatus.CANCELLED)
    event = make_news("orders.order.cancelled", order, root_id=order.pk)

    services.tell(message="order_cancelled", event=event, now=NOON)

    rows = rows_by_channel(event)
    assert {channel: row.status for channel, row in rows.items()} == {
        "sms": "queued",
        "email": "queued",
        "in_app": "sent",
    }
    assert rows["in_app"].sent_at == NOON
    assert rows["in_app"].next_attempt_at is None
    assert rows["sms"].next_attempt_at == NOON + rules.GRACE


def test_each_message_is_news_of_the_order_and_folds_into_its_row(reachable: Any) -> None:
    order = make_order_of(reachable, status=OrderStatus.CANCELLED)
    event = make_news("orders.order.cancelled", order, root_id=order.pk)

    services.tell(message="order_cancelled", event=event, now=NOON)

    for row in Notification.objects.filter(event=event):
        news = Event.objects.get(subject_type="notifications.notification", subject_id=row.pk)
        expected = "sent" if row.channel == Channel.IN_APP else "queued"
        assert (news.type, news.version, news.root_id) == (f"notifications.notification.{expected}", 1, order.pk)
        assert (news.changed["template"], news.changed["user_id"]) == (row.template, str(row.user_id))
        assert Outbox.objects.filter(event=news).exists()


def test_news_that_comes_twice_is_told_once(reachable: Any) -> None:
    order = make_order_of(reachable, status=OrderStatus.CANCELLED)
    event = make_news("orders.order.cancelled", order, root_id=order.pk)
    services.tell(message="order_cancelled", event=event, now=NOON)

    assert services.tell(message="order_cancelled", event=event, now=NOON) == []

    assert Notification.objects.filter(event=event).count() == 3


def test_somebody_without_confirmed_email_gets_no_email(owner: Any) -> None:
    owner.email = "asha@example.com"
    owner.save()
    order = make_order_of(owner, status=OrderStatus.EXPIRED)
    event = make_news("orders.order.expired", order, root_id=order.pk)

    services.tell(message="order_expired", event=event, now=NOON)

    assert set(rows_by_channel(event)) == {"sms", "in_app"}


def test_somebody_with_a_foreign_number_gets_no_sms(db: None) -> None:
    user = make_user(phone="+14155552671")
    order = make_order_of(user, status=OrderStatus.EXPIRED)
    event = make_news("orders.order.expired", order, root_id=order.pk)

    services.tell(message="order_expired", event=event, now=NOON)

    assert set(rows_by_channel(event)) == {"in_app"}


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("order_placed", OrderStatus.CONFIRMED),
        ("order_confirmed", OrderStatus.CANCELLED),
        ("order_cancelled", OrderStatus.CONFIRMED),
        ("order_expired", OrderStatus.CONFIRMED),
        ("payment_failed", OrderStatus.CONFIRMED),
        ("payment_late", OrderStatus.CONFIRMED),
    ],
)
def test_what_is_no_longer_true_is_not_told(reachable: Any, message: str, status: OrderStatus) -> None:
    order = make_order_of(reachable, status=status)
    event = make_news("orders.order.placed", order, root_id=order.pk)

    assert services.tell(message=message, event=event, now=NOON) == []

    assert not Notification.objects.exists()


def test_an_invoice_that_is_not_there_is_not_told(reachable: Any) -> None:
    order = make_order_of(reachable)
    event = make_news("invoicing.invoice.rendered", order, root_id=order.pk)

    assert services.tell(message="invoice_ready", event=event, now=NOON) == []


def test_an_invoice_is_told_by_email_and_in_app_with_its_number(reachable: Any) -> None:
    order = make_order_of(reachable, status=OrderStatus.CONFIRMED)
    invoice = make_invoice_of(order)
    event = make_news("invoicing.invoice.rendered", invoice, root_id=order.pk)

    services.tell(message="invoice_ready", event=event, now=NOON)

    rows = rows_by_channel(event)
    assert set(rows) == {"email", "in_app"}
    assert rows["email"].title == f"Tax invoice {invoice.number} for order {order.number}"
    assert rows["email"].context["invoice_id"] == str(invoice.pk)
    assert "of 21 Nov 2026" in rows["email"].body


def test_a_new_customer_is_welcomed_and_new_staff_are_not(owner: Any) -> None:
    staff = make_staff("support")
    hello = make_news("accounts.user.signed_up", owner)
    not_hello = make_news("accounts.user.signed_up", staff)

    services.tell(message="welcome", event=hello, now=NOON)
    services.tell(message="welcome", event=not_hello, now=NOON)

    (row,) = Notification.objects.all()
    assert (row.user_id, row.channel, row.title) == (owner.pk, "in_app", "Welcome to Bahi")
    assert row.body.startswith("Good to have you here, Asha Owner.")


def test_a_failed_telling_leaves_nothing(reachable: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    order = make_order_of(reachable, status=OrderStatus.CANCELLED)
    event = make_news("orders.order.cancelled", order, root_id=order.pk)
    news_before = Event.objects.count()

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no news today")

    monkeypatch.setattr(composition, "record", broken)

    with pytest.raises(RuntimeError):
        services.tell(message="order_cancelled", event=event, now=NOON)

    assert not Notification.objects.exists()
    assert Event.objects.count() == news_before


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (handlers.welcome, "welcome"),
        (handlers.tell_email_confirmed, "email_confirmed"),
        (handlers.tell_password_changed, "password_changed"),
        (handlers.tell_order_placed, "order_placed"),
        (handlers.tell_order_confirmed, "order_confirmed"),
        (handlers.tell_order_cancelled, "order_cancelled"),
        (handlers.tell_order_expired, "order_expired"),
        (handlers.tell_payment_failed, "payment_failed"),
        (handlers.tell_payment_late, "payment_late"),
        (handlers.tell_invoice_ready, "invoice_ready"),
        (handlers.tell_payment_refused, "payment_refused"),
        (handlers.tell_paid_twice, "paid_twice"),
        (handlers.tell_payment_differs, "payment_differs"),
        (handlers.tell_credit_note_ready, "credit_note_ready"),
        (handlers.tell_refund_asked, "refund_asked"),
        (handlers.tell_refund_started, "refund_started"),
        (handlers.tell_refund_in_doubt, "refund_in_doubt"),
        (handlers.tell_refund_processed, "refund_processed"),
        (handlers.tell_refund_failed, "refund_failed"),
        (handlers.tell_refund_cancelled, "refund_cancelled"),
    ],
)
def test_each_handler_tells_its_message(handler: Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(services, "tell", lambda **call: told.append(call))
    event = Event(type="any")

    handler(event=event, now=NOON)

    assert told == [{"message": message, "event": event, "now": NOON}]


def test_the_password_notice_says_when(reachable: Any) -> None:
    event = make_news("accounts.user.password_changed", reachable)

    services.tell(message="password_changed", event=event, now=NOON)

    rows = rows_by_channel(event)
    assert rows["sms"].context["WHEN"] == "21 Nov 2026, 11:05 am"
    assert "was changed on 21 Nov 2026, 11:05 am IST. If" in rows["sms"].body
    assert rows["sms"].status == NotificationStatus.QUEUED
