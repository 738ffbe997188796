"""What a buyer is notified about a parcel: that it left and how it travels, that it arrived, that it will not."""

from typing import Any

import pytest

from apps.core import clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.fulfilment import services as fulfilment
from apps.notifications.models import Notification
from apps.notifications.services import notifications
from tests.factories.catalog import make_variant
from tests.factories.fulfilment import deliver, make_dispatched_shipment, make_invoiced_order

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(owner: Any) -> Any:
    """A paid order of three units."""
    return make_invoiced_order(owner, [(make_variant(stock=5), 3)])


def _notify(shipment: Any, event_type: str) -> dict[str, Notification]:
    event = Event.objects.get(subject_id=shipment.pk, type=event_type)
    return {row.channel: row for row in notifications.notify(event=event, now=clock.now())}


def test_a_dispatched_parcel_is_announced_with_its_carrier_and_tracking_number(order: Any) -> None:
    shipment = make_dispatched_shipment(order, {1: 2})
    fulfilment.update_tracking(
        shipment_id=shipment.pk, carrier_name="Blue Dart", tracking_number="AWB 4711", actor=SYSTEM, now=clock.now()
    )

    rows = _notify(shipment, "fulfilment.shipment.dispatched")

    assert set(rows) == {"sms", "in_app"}
    assert rows["sms"].body == (
        f"A parcel of order {order.number} has left our shop with Blue Dart. Tracking number: AWB 4711."
        " Thank you for shopping with Bahi."
    )
    assert rows["in_app"].title == f"Order {order.number} is on its way"
    assert {row.user_id for row in rows.values()} == {order.customer_id}
    assert {row.root_id for row in rows.values()} == {order.pk}


def test_a_parcel_without_a_named_carrier_is_announced_in_whole_sentences(order: Any) -> None:
    rows = _notify(make_dispatched_shipment(order), "fulfilment.shipment.dispatched")

    assert rows["in_app"].body == (
        "A parcel has left our shop with our delivery partner. Tracking number: not available."
    )


def test_a_mail_lists_what_is_in_the_parcel(order: Any, owner: Any) -> None:
    owner.email, owner.email_confirmed_at = "asha@shop.example", clock.now()
    owner.save()
    name = order.lines.get().name

    rows = _notify(make_dispatched_shipment(order, {1: 2}), "fulfilment.shipment.dispatched")

    assert rows["email"].title == f"Order {order.number} is on its way"
    assert f"  2 x {name}\n" in rows["email"].body


def test_a_delivered_parcel_is_no_longer_on_its_way(order: Any) -> None:
    shipment = deliver(make_dispatched_shipment(order))

    assert _notify(shipment, "fulfilment.shipment.dispatched") == {}
    rows = _notify(shipment, "fulfilment.shipment.delivered")
    assert rows["sms"].body == (
        f"A parcel of order {order.number} was delivered. If you did not receive it, contact Bahi as soon as you can."
    )


@pytest.mark.parametrize(
    ("service", "event_type", "sentence"),
    [
        ("mark_shipment_lost", "fulfilment.shipment.lost", "It was lost on its way."),
        ("mark_shipment_damaged", "fulfilment.shipment.damaged", "It was damaged on its way."),
    ],
)
def test_a_parcel_that_does_not_arrive_is_said_to(order: Any, service: str, event_type: str, sentence: str) -> None:
    shipment = make_dispatched_shipment(order)
    getattr(fulfilment, service)(shipment_id=shipment.pk, reason="scanned as lost", actor=SYSTEM, now=clock.now())

    rows = _notify(shipment, event_type)

    assert set(rows) == {"in_app"}
    assert rows["in_app"].body == (f"{sentence} We will contact you about a refund. You do not need to do anything.")
