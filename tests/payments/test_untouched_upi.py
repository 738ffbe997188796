"""A UPI attempt that we opened with the gateway's order, next to what the buyer does in Checkout."""

from typing import Any

import pytest

from apps.core import audit, clock
from apps.core.models import Event
from apps.orders import services as orders
from apps.payments import rules
from apps.payments.models import Payment, PaymentAttempt
from apps.payments.services import payments
from apps.payments.states import AttemptStatus, PaymentStatus
from tests.factories.orders import actor_for
from tests.factories.payments import apply_payment, make_gateway_payment, make_payment

pytestmark = pytest.mark.django_db

UPI = "pay_UpiOfOurServer1"
CARD = "pay_CardInCheckout1"


@pytest.fixture
def payment(order: Any) -> Payment:
    """A payment whose UPI attempt was opened and is untouched."""
    payment = make_payment(order)
    payment.next_action = {
        "type": "razorpay_checkout",
        "upi": {"link": "upi://pay?pa=shop@upi", "gateway_payment_id": UPI},
    }
    payment.save(update_fields=["next_action"])
    apply_payment(make_gateway_payment(payment, id=UPI, status=AttemptStatus.CREATED))
    payment.refresh_from_db()
    return payment


def heard(payment: Payment, gateway_payment_id: str, status: str) -> Payment:
    apply_payment(make_gateway_payment(payment, id=gateway_payment_id, status=status))
    payment.refresh_from_db()
    return payment


class TestUntouchedUpi:
    def test_alone_it_is_processing(self, payment: Payment) -> None:
        assert payment.status == PaymentStatus.PROCESSING

    def test_after_a_failed_checkout_attempt_the_buyer_can_pay_again(self, payment: Payment) -> None:
        heard(payment, CARD, AttemptStatus.FAILED)

        assert payment.status == PaymentStatus.REQUIRES_PAYMENT
        assert payment.next_action["upi"]["gateway_payment_id"] == UPI  # its link can still be paid
        last = Event.objects.filter(subject_id=payment.pk).latest("version")
        assert last.changes["status"] == "requires_payment"

    def test_asking_again_changes_nothing(self, payment: Payment) -> None:
        heard(payment, CARD, AttemptStatus.FAILED)
        events = Event.objects.count()

        heard(payment, UPI, AttemptStatus.CREATED)
        heard(payment, CARD, AttemptStatus.FAILED)

        assert (payment.status, Event.objects.count()) == (PaymentStatus.REQUIRES_PAYMENT, events)

    def test_when_its_time_is_over_its_link_goes(self, payment: Payment) -> None:
        heard(payment, CARD, AttemptStatus.FAILED)

        heard(payment, UPI, AttemptStatus.FAILED)

        assert (payment.status, payment.next_action) == (PaymentStatus.REQUIRES_PAYMENT, {"type": "razorpay_checkout"})

    def test_failing_alone_takes_its_link_with_it(self, payment: Payment) -> None:
        heard(payment, UPI, AttemptStatus.FAILED)

        assert (payment.status, payment.next_action) == (PaymentStatus.REQUIRES_PAYMENT, {"type": "razorpay_checkout"})

    def test_another_checkout_attempt_is_processing_again(self, payment: Payment) -> None:
        heard(payment, CARD, AttemptStatus.FAILED)

        heard(payment, "pay_CardInCheckout2", AttemptStatus.CREATED)

        assert payment.status == PaymentStatus.PROCESSING

    def test_money_that_comes_by_it_after_all_pays_the_order(self, payment: Payment, order: Any) -> None:
        heard(payment, CARD, AttemptStatus.FAILED)

        heard(payment, UPI, AttemptStatus.CAPTURED)

        order.refresh_from_db()
        assert (payment.status, payment.next_action, order.status) == (PaymentStatus.SUCCEEDED, {}, "confirmed")
        assert [result.invariant.id for result in audit.run(now=clock.now()).failing] == []

    def test_buyer_can_cancel_the_payment_and_the_order(self, payment: Payment, order: Any) -> None:
        heard(payment, CARD, AttemptStatus.FAILED)
        actor = actor_for(order.customer)

        payments.cancel_payment(payment_id=payment.pk, customer_id=order.customer_id, actor=actor, now=clock.now())
        cancelled = orders.cancel_unpaid_order(order_id=order.pk, actor=actor, reason="", now=clock.now())

        assert cancelled.status == "cancelled"

    def test_an_attempt_of_the_buyer_that_waits_for_its_bank_stays_processing(self, order: Any) -> None:
        payment = make_payment(order)
        heard(payment, CARD, AttemptStatus.FAILED)

        heard(payment, "pay_UpiInCheckout1", AttemptStatus.CREATED)

        assert payment.status == PaymentStatus.PROCESSING
        assert PaymentAttempt.objects.count() == 2


class TestIsUntouched:
    @pytest.mark.parametrize(
        ("status", "is_opened_by_us", "has_failed", "expected"),
        [
            (AttemptStatus.CREATED, True, True, True),
            (AttemptStatus.CREATED, True, False, False),
            (AttemptStatus.CREATED, False, True, False),
            (AttemptStatus.FAILED, True, True, False),
            (AttemptStatus.AUTHORIZED, True, True, False),
            (AttemptStatus.CAPTURED, True, True, False),
        ],
    )
    def test_is_only_what_we_opened_next_to_a_failure(
        self, status: str, is_opened_by_us: bool, has_failed: bool, expected: bool
    ) -> None:
        assert rules.is_untouched(status, is_opened_by_us=is_opened_by_us, has_failed=has_failed) is expected
