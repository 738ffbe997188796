"""Staff look at messages and change none; an order's page shows what its buyer was notified."""

from typing import Any

import pytest
from django.test import Client

from apps.core import admin_panels
from apps.notifications import services
from apps.notifications.models import Notification
from apps.orders.states import OrderStatus
from tests.factories.notifications import NOON, make_event, make_order_of, make_queued_sms

pytestmark = pytest.mark.django_db
URL = "/admin/notifications/notification/"


@pytest.fixture
def staff_client(administrator: Any) -> Client:
    client = Client()
    client.force_login(administrator)
    return client


def test_messages_are_found_by_phone_and_filtered_by_status(owner: Any, staff_client: Client) -> None:
    make_queued_sms(owner, title="Waits")
    make_queued_sms(owner, title="Failed", status="failed", next_attempt_at=None)

    found = staff_client.get(URL, {"q": "+919876543210"}).content.decode()
    failed = staff_client.get(URL, {"status__exact": "failed", "template": "order_cancelled"}).content.decode()

    assert "Waits" in found
    assert "Failed" in found
    assert "Waits" not in failed


@pytest.mark.parametrize(
    ("term", "is_found"),
    [
        ("98765 43210", True),
        ("098765-43210", True),
        ("asha@example.com", True),
        ("{public_id}", True),
        ("<{public_id}@bahi.example>", True),
        ("provider-1", True),
        ("9812345678", False),
        ("ntf_nonsense", False),
        ("nobody@example.com", False),
        ("provider", False),
    ],
)
def test_a_message_is_found_by_what_support_knows(owner: Any, staff_client: Client, term: str, is_found: bool) -> None:
    owner.email = "asha@example.com"
    owner.save()
    message = make_queued_sms(owner, title="The one", provider_id="provider-1")

    page = staff_client.get(URL, {"q": term.format(public_id=message.public_id)}).content.decode()

    assert ("The one" in page) is is_found


def test_a_message_can_be_read_and_not_changed(owner: Any, staff_client: Client) -> None:
    message = make_queued_sms(owner)

    page = staff_client.get(f"{URL}{message.pk}/change/")
    attempt = staff_client.post(f"{URL}{message.pk}/change/", {"status": "sent"})

    assert page.status_code == 200
    assert message.public_id in page.content.decode()
    assert attempt.status_code == 403
    assert staff_client.get(f"{URL}add/").status_code == 403
    assert staff_client.post(f"{URL}{message.pk}/delete/", {"post": "yes"}).status_code == 403
    message.refresh_from_db()
    assert message.status == "queued"


def test_a_customer_does_not_get_in(owner: Any) -> None:
    client = Client()
    client.force_login(owner)

    assert client.get(URL).status_code == 302


def test_the_orders_page_shows_its_messages(owner: Any) -> None:
    order = make_order_of(owner, status=OrderStatus.CANCELLED)
    services.create_notifications(
        template="order_cancelled", event=make_event("orders.order.cancelled", order, root_id=order.pk), now=NOON
    )

    panel = next(one for one in admin_panels._panels["orders.order"] if one.title == "Messages")
    rows = panel.rows(order)

    assert len(rows) == Notification.objects.count() == 2
    assert {(row[1], row[3], row[4]) for row in rows} == {("SMS", "+919876543210", "Queued"), ("In-app", "", "Sent")}
