"""A customer who is erased while something happens to one of their orders. With its control."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.core import audit
from apps.core.events import SYSTEM
from apps.invoicing.services import invoices
from apps.orders import services
from apps.orders.models import Order
from apps.payments.models import Payment, Refund
from tests.factories.catalog import make_registration
from tests.factories.orders import make_order
from tests.factories.payments import apply_payment, make_gateway_payment, make_payment, pay
from tests.support.lock_controls import run_amid

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]

PLACED = datetime(2026, 10, 1, 5, 30, tzinfo=UTC)
NOW = PLACED + timedelta(days=45)


@pytest.fixture
def order(reference_data: None, owner: Any) -> Order:
    make_registration()
    return make_order(owner, now=PLACED)


def erase(order: Order) -> Any:
    return services.erase_customer(customer_id=order.customer_id, actor=SYSTEM, now=NOW)


def expire(order: Order) -> Payment:
    payment = make_payment(order, now=PLACED)
    Payment.objects.filter(pk=payment.pk).update(status="expired", next_check_at=None)
    Order.objects.filter(pk=order.pk).update(payment_live_until=None)
    assert services.expire_orders(now=PLACED + timedelta(days=1)) == 1
    return payment


def test_an_invoice_of_an_order_whose_customer_is_erased_is_issued_all_the_same(order: Order) -> None:
    pay(order, now=PLACED)

    def issue() -> Any:
        return invoices.issue_invoices(order_id=order.pk, actor=SYSTEM, now=NOW)

    results = run_amid("apps.orders.locks.lock_order", issue, lambda: erase(order), is_locked=True)

    assert [type(result).__name__ for result in results] == ["list", "User"]
    order.refresh_from_db()
    assert order.customer.erased_at == NOW


def test_late_money_of_an_order_whose_customer_is_erased_is_booked(order: Order) -> None:
    payment = expire(order)

    def late() -> Any:
        return apply_payment(make_gateway_payment(payment), now=NOW)

    results = run_amid("apps.orders.locks.lock_order", late, lambda: erase(order), is_locked=True)

    assert [type(result).__name__ for result in results] == ["PaymentAttempt", "CustomerNotErasable"]


@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "control"])
def test_late_money_waits_for_the_erasure_and_is_refunded(order: Order, is_locked: bool) -> None:
    payment = expire(order)

    results = run_amid(
        "apps.orders.locks.lock_orders_of_customer",
        lambda: erase(order),
        lambda: apply_payment(make_gateway_payment(payment), now=NOW),
        is_locked=is_locked,
    )

    order.refresh_from_db()
    outcome = [type(result).__name__ for result in results], order.status, Refund.objects.count()
    if is_locked:
        assert outcome == (["User", "PaymentAttempt"], "expired", 1)
    else:
        # The order was confirmed while it was erased: only its version keeps it from being sold to nobody.
        assert outcome == (["SubjectNotLocked", "PaymentAttempt"], "confirmed", 0)
    assert audit.run(now=NOW, only=["INV-50", "INV-50b", "INV-50c", "INV-17", "INV-14b"]).failing == []
