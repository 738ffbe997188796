"""An order in the hands of two at the same moment, each race with its control."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.orders import services
from apps.orders.services import expiry
from tests.factories.orders import make_order
from tests.support.lock_controls import run_amid, with_control

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]

NOW = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@with_control
def test_an_order_that_is_cancelled_while_it_expires_ends_once(owner: Any, is_locked: bool) -> None:
    order = make_order(owner, now=NOW)

    results = run_amid(
        "apps.orders.locks.try_lock_order",
        lambda: expiry._expire_order(order_id=order.pk, now=LATER),
        lambda: services.cancel_unpaid_order(order_id=order.pk, actor=SYSTEM, reason="", now=LATER),
        is_locked=is_locked,
    )

    order.refresh_from_db()
    assert ([type(result).__name__ for result in results], order.status) == (
        (["bool", "OrderExpired"], "expired") if is_locked else (["SubjectNotLocked", "Order"], "cancelled")
    )
    ends = Event.objects.filter(subject_id=order.pk, type__in=("orders.order.cancelled", "orders.order.expired"))
    assert ends.count() == 1
