"""Documents and refunds of orders whose payer was charged another amount, which was accepted as the full payment."""

from typing import Any

import pytest
from django.db import connection

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.invoicing.models import Invoice
from apps.invoicing.services import issue_credit_notes
from apps.orders import selectors as orders
from apps.orders.states import OrderPaymentStatus
from apps.payments.models import Refund
from apps.payments.services import order_cancellation, payment_acceptance
from apps.payments.services.refunds import amounts
from tests.factories.catalog import make_registration
from tests.factories.orders import make_order
from tests.factories.payments import apply_payment, apply_refund, make_gateway_payment, make_payment
from tests.support.accepted_payments import balances, refund, refund_at_gateway, sell

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books", "reference_data")]


@pytest.fixture(autouse=True)
def _audit_after_each_test(db: None) -> Any:
    yield
    connection.check_constraints()
    ids = ("INV-11", "INV-11a", "INV-14b", "INV-16", "INV-16c", "INV-19", "INV-20", "INV-20b", "INV-20c", "INV-25c", "INV-25e",
           "INV-25f", "INV-26", "INV-28", "INV-28d", "INV-34", "INV-34b", "INV-34c", "INV-36", "INV-36b")  # fmt: skip
    found = audit.run(now=clock.now(), only=list(ids))
    assert [(result.invariant.id, result.rows, result.error) for result in found.failing] == []


class TestInvoice:
    @pytest.mark.parametrize("difference", [2_360, -9_000])
    def test_is_for_the_orders_amount(self, owner: Any, difference: int) -> None:
        order, _ = sell(owner, difference=difference)

        assert Invoice.objects.get(type="tax_invoice").total_amount == order.total_amount
        booked = {"payer_fees": -difference} if difference > 0 else {"payment_differences": -difference}
        assert balances() == booked


class TestRefundWithPayerFee:
    def test_returns_the_orders_amount_and_keeps_the_fee(self, owner: Any) -> None:
        order, attempt = sell(owner, difference=2_360)

        made, (note,) = refund(order)

        assert (made.amount, note.total_amount) == (order.total_amount, order.total_amount)
        assert orders.derive_order_payment_status(order) == OrderPaymentStatus.REFUNDED
        assert balances() == {"payer_fees": -2_360}
        with pytest.raises(amounts.NothingToRefund):
            refund(order)
        assert attempt.amount == order.total_amount + 2_360

    def test_is_refused_beyond_the_orders_amount(self, owner: Any) -> None:
        order, attempt = sell(owner, difference=2_360)

        with pytest.raises(amounts.RefundExceedsPayment):
            refund(order, amount=attempt.amount)

        assert Refund.objects.count() == 0

    def test_made_at_the_gateway_takes_the_fee_back_too(self, owner: Any) -> None:
        order, attempt = sell(owner, difference=2_360)

        (note,) = refund_at_gateway(attempt, attempt.amount)

        order.refresh_from_db()
        assert note.total_amount == order.total_amount
        assert balances() == {}
        assert orders.derive_order_payment_status(order) == OrderPaymentStatus.REFUNDED

    def test_made_at_the_gateway_after_ours_takes_the_fee_back_too(self, owner: Any) -> None:
        order, attempt = sell(owner, difference=2_360)
        refund(order)

        assert refund_at_gateway(attempt, 2_360) == []

        assert balances() == {}


class TestRefundWithOffer:
    def test_returns_what_was_captured_and_credits_the_whole_invoice(self, owner: Any) -> None:
        order, attempt = sell(owner, difference=-9_000)

        made, (note,) = refund(order)

        assert (made.amount, note.total_amount) == (attempt.amount, order.total_amount)
        assert order.refunded_amount == order.total_amount
        assert orders.derive_order_payment_status(order) == OrderPaymentStatus.REFUNDED
        assert balances() == {}

    def test_of_its_units_one_by_one_gives_the_last_one_what_is_left(self, owner: Any) -> None:
        order, attempt = sell(owner, difference=-9_000)
        line = order.lines.get()

        first, (first_note,) = refund(order, lines=[amounts.RefundLineInput(line.pk, 1)])
        assert first.amount == first_note.total_amount
        assert orders.derive_order_payment_status(order) == OrderPaymentStatus.PARTIALLY_REFUNDED
        assert balances() == {"payment_differences": 9_000}

        last, (last_note,) = refund(order, lines=[amounts.RefundLineInput(line.pk, 1)])

        assert first.amount + last.amount == attempt.amount
        assert first_note.total_amount + last_note.total_amount == order.total_amount
        assert last_note.total_amount == last.amount + 9_000
        assert orders.derive_order_payment_status(order) == OrderPaymentStatus.REFUNDED
        assert balances() == {}

    def test_by_cancelling_returns_what_was_captured(self, owner: Any) -> None:
        order, attempt = sell(owner, difference=-9_000)

        order_cancellation.cancel_order(order_id=order.pk, actor=SYSTEM, reason="", now=clock.now())

        made = apply_refund(Refund.objects.get())
        (note,) = issue_credit_notes(refund_id=made.pk, actor=SYSTEM, now=clock.now())
        assert (made.amount, note.total_amount) == (attempt.amount, order.total_amount)
        assert balances() == {}


class TestCancellationBeforeInvoice:
    @pytest.mark.parametrize(("difference", "kept"), [(2_360, {"payment_differences": -2_360}), (-9_000, {})])
    def test_leaves_no_advance(self, owner: Any, difference: int, kept: dict[str, int]) -> None:
        make_registration()
        order = make_order(owner)
        attempt = apply_payment(make_gateway_payment(make_payment(order), amount=order.total_amount + difference))
        payment_acceptance.accept_attempt(attempt_id=attempt.pk, reason="other", actor=SYSTEM, now=clock.now())
        order_cancellation.cancel_order(order_id=order.pk, actor=SYSTEM, reason="", now=clock.now())

        made = apply_refund(Refund.objects.get())

        assert issue_credit_notes(refund_id=made.pk, actor=SYSTEM, now=clock.now()) == []
        assert balances() == kept
