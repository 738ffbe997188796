"""Captured money of another amount than was requested: accepted by itself, by staff, or kept until they decide."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from apps.backoffice.services import event_replay
from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.models import Event, Incident
from apps.ledger import selectors as ledger
from apps.ledger.models import LedgerTransaction, ReconciliationException
from apps.orders import selectors as orders
from apps.orders.models import Order
from apps.orders.services import cancel_unpaid_order, expire_orders
from apps.orders.states import OrderPaymentStatus, OrderStatus
from apps.payments.facts import GatewayOrder, GatewayPayment, GatewayRefund
from apps.payments.models import Payment, PaymentAttempt, Refund, Webhook
from apps.payments.selectors import refund_sums
from apps.payments.services import (
    attempts,
    decision_rights,
    gateway_orders,
    order_cancellation,
    payment_acceptance,
    payment_reviews,
    payments,
    polling,
    review_reminders,
    webhooks,
)
from apps.payments.services.refunds import amounts as refund_amounts
from apps.payments.services.refunds import approvals, gateway_updates, requests, submission
from apps.payments.states import AttemptStatus, DifferenceReason, PaymentStatus, RefundReason, ReviewReason
from apps.settlements.services import reconciliation
from tests.factories.accounts import make_staff
from tests.factories.orders import actor_for, make_order
from tests.factories.payments import apply_payment, make_dispute, make_gateway_payment, make_payment, new_gateway_id
from tests.support.colleagues import ASHA, BALA, DEEPA
from tests.support.money_invariants import INVARIANTS
from tests.support.refunds import request_refunds
from tests.support.webhooks import receive

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _books_hold(db: None) -> Any:
    """After every test here, all invariants of payments and orders hold."""
    yield
    connection.check_constraints()
    from config.invariants import INVARIANTS as ALL

    wanted = [one.id for one in ALL if one in INVARIANTS or one.id in ("INV-05", "INV-05b", "INV-10", "INV-11a")]
    found = audit.run(now=clock.now(), only=wanted)
    assert [(result.invariant.id, result.rows, result.error) for result in found.failing] == []


def gateway_order_of(payment: Payment, *, is_paid: bool = True, **fields: Any) -> GatewayOrder:
    """Return what the gateway says of the order of a payment."""
    values: dict[str, Any] = {
        "id": payment.gateway_order_id, "amount": payment.amount, "currency": payment.currency, "receipt": payment.public_id,
        "status": "paid" if is_paid else "attempted", "amount_paid": payment.amount if is_paid else 0, "is_paid": is_paid,
    }  # fmt: skip
    return GatewayOrder(**{**values, **fields})


def with_fee(payment: Payment, *, is_paid: bool | None = True, **fields: Any) -> GatewayPayment:
    """Return the facts of a payment whose payer bore a fee of 2 % with 18 % GST on it; `is_paid` None leaves out the order."""
    charge = payment.amount * 2 // 100
    tax = charge * 18 // 100
    return make_gateway_payment(
        payment,
        **{
            "amount": payment.amount + charge + tax,
            "fee_amount": charge + tax,
            "fee_tax_amount": tax,
            "fee_bearer": "customer",
            "gateway_order": None if is_paid is None else gateway_order_of(payment, is_paid=is_paid),
            **fields,
        },
    )


def reload(*rows: Any) -> None:
    for row in rows:
        row.refresh_from_db()


def balances(*codes: str) -> tuple[int, ...]:
    return tuple(ledger.balance_of(code) for code in codes)


def events_of(subject: Any) -> list[str]:
    return list(Event.objects.filter(subject_id=subject.pk).order_by("version").values_list("type", flat=True))


def order_payment_status(order: Order) -> str:
    return orders.derive_order_payment_status(order)


class TestCustomerFee:
    """ACCEPT_PAYER_FEE: a fee that the payer bore is accepted by itself."""

    def test_confirms_the_order_and_books_the_fee(self, order: Any) -> None:
        payment = make_payment(order)
        total = payment.amount
        facts = with_fee(payment)
        fee = facts.amount - total

        attempt = apply_payment(facts)

        reload(order, payment)
        assert (order.status, order.paid_amount, order.under_review_amount) == (OrderStatus.CONFIRMED, total, 0)
        assert order_payment_status(order) == OrderPaymentStatus.PAID
        assert payment.status == PaymentStatus.SUCCEEDED
        assert (attempt.amount, attempt.accepted_amount, attempt.difference_reason, attempt.review_reason) == (
            total + fee, total, DifferenceReason.PAYER_FEE, "",
        )  # fmt: skip
        assert balances("gateway_receivable:razorpay", "customer_advances", "payer_fees") == (total + fee, -total, -fee)
        assert events_of(attempt) == ["payments.attempt.captured", "payments.attempt.accepted"]

    def test_is_accepted_without_a_message_after_its_authorisation(self, order: Any) -> None:
        facts = with_fee(make_payment(order))
        apply_payment(
            replace(facts, status=AttemptStatus.AUTHORIZED, fee_amount=None, fee_tax_amount=None, gateway_order=None)
        )

        attempt = apply_payment(facts)

        assert events_of(attempt) == [
            "payments.attempt.authorized", "payments.attempt.captured", "payments.attempt.accepted",
        ]  # fmt: skip

    def test_of_the_worked_example_is_twenty_three_rupees_sixty(self, order: Any) -> None:
        Order.objects.filter(pk=order.pk).update(
            total_amount=100_000,
            taxable_amount=100_000,
            cgst_amount=0,
            sgst_amount=0,
            igst_amount=0,
            utgst_amount=0,
            round_off_amount=0,
        )
        order.refresh_from_db()
        facts = with_fee(make_payment(order))
        assert (facts.amount, facts.fee_amount, facts.fee_tax_amount) == (102_360, 2_360, 360)

        apply_payment(facts)

        assert balances("gateway_receivable:razorpay", "customer_advances", "payer_fees") == (102_360, -100_000, -2_360)

    def test_named_without_its_tax_is_explained_by_both_together(self, order: Any) -> None:
        payment = make_payment(order)
        facts = with_fee(payment)
        assert facts.fee_amount is not None
        assert facts.fee_tax_amount is not None

        attempt = apply_payment(replace(facts, fee_amount=facts.fee_amount - facts.fee_tax_amount))

        reload(order)
        assert (order.status, attempt.fee_amount) == (OrderStatus.CONFIRMED, facts.fee_amount)

    @pytest.mark.parametrize(
        "said",
        [
            {"amount_off": 1},
            {"amount_off": -1},
            {"fee_bearer": "platform"},
            {"fee_amount": None},
            {"is_paid": False},
            {"setting": False},
            {"order_amount_off": 1},
        ],
    )
    def test_is_not_accepted_unless_paid_and_explained_to_the_paisa(
        self, order: Any, settings: Any, said: dict[str, Any]
    ) -> None:
        payment = make_payment(order)
        settings.ACCEPT_PAYER_FEE = said.get("setting", True)
        fields = {name: said[name] for name in ("fee_bearer", "fee_amount") if name in said}
        facts = with_fee(payment, is_paid=said.get("is_paid", True), **fields)
        facts = replace(facts, amount=facts.amount + said.get("amount_off", 0))
        if "order_amount_off" in said:
            facts = replace(facts, gateway_order=gateway_order_of(payment, amount=payment.amount + 1))

        attempt = apply_payment(facts)

        reload(order, payment)
        assert (order.status, order.paid_amount, order.under_review_amount) == (
            OrderStatus.PENDING_PAYMENT, 0, facts.amount,
        )  # fmt: skip
        assert (payment.status, payment.next_action) == (PaymentStatus.PROCESSING, {})
        assert (attempt.review_reason, attempt.accepted_amount) == (ReviewReason.AMOUNT_MISMATCH, None)
        assert balances("customer_advances", "payer_fees") == (-facts.amount, 0)
        assert events_of(attempt)[-1] == "payments.attempt.review_opened"
        assert order_payment_status(order) == OrderPaymentStatus.PROCESSING

    def test_waits_for_the_gateways_order_before_staff_and_buyer_are_notified(self, order: Any) -> None:
        payment = make_payment(order)
        facts = with_fee(payment, is_paid=None)

        attempt = apply_payment(facts)
        reload(payment)
        assert events_of(attempt) == ["payments.attempt.captured"]
        assert events_of(payment)[-1] == "payments.payment.sync_requested"

        apply_payment(replace(facts, gateway_order=gateway_order_of(payment)))
        reload(order, attempt)
        assert (order.status, attempt.accepted_amount) == (OrderStatus.CONFIRMED, payment.amount)
        assert events_of(attempt) == ["payments.attempt.captured", "payments.attempt.accepted"]

    def test_is_flagged_once_the_gateway_says_that_its_order_is_not_paid(self, order: Any) -> None:
        payment = make_payment(order)
        facts = with_fee(payment, is_paid=None)
        attempt = apply_payment(facts)

        for _ in range(2):
            apply_payment(replace(facts, gateway_order=gateway_order_of(payment, is_paid=False)))

        assert events_of(attempt) == ["payments.attempt.captured", "payments.attempt.review_opened"]

    def test_reported_ten_times_is_accepted_once(self, order: Any) -> None:
        facts = with_fee(make_payment(order))
        for _ in range(10):
            attempt = apply_payment(facts)

        assert events_of(attempt).count("payments.attempt.accepted") == 1
        assert LedgerTransaction.objects.filter(kind="payment_difference").count() == 1

    def test_for_an_expired_order_revives_it(self, order: Any) -> None:
        payment = make_payment(order)
        later = order.expires_at + timedelta(minutes=1)
        assert expire_orders(now=later) == 1

        attempt = apply_payment(with_fee(payment), now=later)

        reload(order, payment)
        assert (order.status, order.paid_amount, attempt.accepted_amount) == (
            OrderStatus.CONFIRMED, order.total_amount, order.total_amount,
        )  # fmt: skip

    def test_for_a_cancelled_order_is_refunded_with_the_fee(self, order: Any) -> None:
        payment = make_payment(order)
        payments.cancel_payment(payment_id=payment.pk, customer_id=None, actor=SYSTEM, now=clock.now())
        cancel_unpaid_order(order_id=order.pk, actor=SYSTEM, reason="", now=clock.now())
        facts = with_fee(payment)

        attempt = apply_payment(facts)

        refund = Refund.objects.get()
        assert (refund.amount, refund.reason) == (facts.amount, RefundReason.LATE_PAYMENT)
        assert (attempt.accepted_amount, attempt.review_reason) == (None, ReviewReason.ORDER_CLOSED)
        assert balances("customer_advances", "payer_fees", "refunds_payable") == (0, 0, -facts.amount)

    def test_of_a_second_payment_is_refunded_with_the_fee(self, order: Any) -> None:
        payment = make_payment(order)
        apply_payment(make_gateway_payment(payment))
        facts = with_fee(payment)

        apply_payment(facts)

        reload(order)
        refund = Refund.objects.get()
        assert (refund.amount, refund.reason) == (facts.amount, RefundReason.PAID_TWICE)
        assert order.status == OrderStatus.CONFIRMED


class TestPaymentInParts:
    """Where the gateway took an order's amount in several payments."""

    def test_confirms_the_order_once_the_gateway_calls_it_paid(self, order: Any) -> None:
        payment = make_payment(order)
        first_part = payment.amount // 3
        apply_payment(
            make_gateway_payment(payment, amount=first_part, gateway_order=gateway_order_of(payment, is_paid=False))
        )
        reload(order, payment)
        assert (order.under_review_amount, payment.status) == (first_part, PaymentStatus.PROCESSING)

        rest = payment.amount - first_part
        apply_payment(make_gateway_payment(payment, amount=rest, gateway_order=gateway_order_of(payment)))

        reload(order, payment)
        assert (order.status, order.paid_amount, order.under_review_amount) == (
            OrderStatus.CONFIRMED, payment.amount, 0,
        )  # fmt: skip
        assert payment.status == PaymentStatus.SUCCEEDED
        assert balances("customer_advances", "payer_fees", "payment_differences") == (-payment.amount, 0, 0)
        assert set(PaymentAttempt.objects.values_list("review_reason", "difference_reason")) == {("", "")}

    def test_that_are_not_the_whole_wait_for_staff(self, order: Any) -> None:
        payment = make_payment(order)
        for _ in range(2):
            apply_payment(
                make_gateway_payment(payment, amount=payment.amount // 3, gateway_order=gateway_order_of(payment))
            )

        reload(order)
        assert (order.status, order.under_review_amount) == (OrderStatus.PENDING_PAYMENT, 2 * (payment.amount // 3))


class TestMoneyUnderReview:
    """An order whose money arrived in another amount keeps its stock until staff have decided."""

    @pytest.fixture
    def attempt(self, order: Any) -> PaymentAttempt:
        return apply_payment(make_gateway_payment(make_payment(order), amount=order.total_amount - 5_000))

    def test_keeps_the_order_and_its_payment_from_expiring(self, order: Any, attempt: PaymentAttempt) -> None:
        later = order.expires_at + timedelta(days=2)

        assert expire_orders(now=later) == 0

        polling._record_poll_result(attempt.payment_id, order.pk, link=None, now=later)
        reload(order)
        payment = Payment.objects.get()
        assert (order.status, payment.status) == (OrderStatus.PENDING_PAYMENT, PaymentStatus.PROCESSING)
        Payment.objects.update(next_check_at=clock.now())

    @pytest.mark.parametrize("status", [AttemptStatus.FAILED, AttemptStatus.CREATED])
    def test_leaves_checkout_open_while_nothing_more_was_charged(
        self, order: Any, attempt: PaymentAttempt, status: AttemptStatus
    ) -> None:
        payment, before = Payment.objects.get(), {"type": "razorpay_checkout"}
        Payment.objects.update(next_action=before)

        for amount in (payment.amount, payment.amount + 5_000):
            apply_payment(make_gateway_payment(payment, status=status, amount=amount))

        reload(payment)
        assert (payment.status, payment.next_action) == (PaymentStatus.PROCESSING, before)

    def test_lets_nobody_pay_again(self, order: Any, attempt: PaymentAttempt) -> None:
        Payment.objects.update(status=PaymentStatus.EXPIRED)
        reload(order)
        Order.objects.update(payment_live_until=None, is_payment_processing=False)
        count = Payment.objects.count()

        with pytest.raises(payments.PaymentUnderReview, match="You do not need to pay again"):
            payments.start_payment(order_id=order.pk, customer_id=order.customer_id, actor=SYSTEM, now=clock.now())

        assert Payment.objects.count() == count

    def test_keeps_its_payment_from_being_cancelled(self, order: Any, attempt: PaymentAttempt) -> None:
        with pytest.raises(payments.PaymentUnderReview):
            payments.cancel_payment(payment_id=attempt.payment_id, customer_id=None, actor=SYSTEM, now=clock.now())

        assert Payment.objects.get().status == PaymentStatus.PROCESSING

    def test_refunded_makes_room_for_another_payment(self, order: Any, attempt: PaymentAttempt) -> None:
        payment_reviews.refund_reviewed_attempt(attempt_id=attempt.pk, actor=SYSTEM, now=clock.now())

        reload(order)
        assert (order.under_review_amount, Payment.objects.get().status) == (0, PaymentStatus.CANCELLED)
        again = payments.start_payment(order_id=order.pk, customer_id=order.customer_id, actor=SYSTEM, now=clock.now())
        assert (again.sequence, again.amount) == (2, order.total_amount)

    def test_refunded_by_a_request_for_its_payment_makes_room_for_another_one(
        self, order: Any, attempt: PaymentAttempt, finance: Any, owner: Any, client_of: Any
    ) -> None:
        body = {"order_id": order.public_id, "payment_id": attempt.payment.public_id, "reason": "other"}
        refunded = client_of(finance).post(
            "/api/v1/refunds", json.dumps(body), content_type="application/json", headers={"Idempotency-Key": "r" * 32}
        )
        assert (refunded.status_code, Refund.objects.get().status) == (202, "pending")
        assert Payment.objects.get().status == PaymentStatus.CANCELLED

        again = client_of(owner).post(
            "/api/v1/payments",
            json.dumps({"order_id": order.public_id}),
            content_type="application/json",
            headers={"Idempotency-Key": "p" * 32},
        )

        payment = Payment.objects.get(sequence=2)
        assert (again.status_code, again.json()["id"]) == (202, payment.public_id)
        assert payment.amount == order.total_amount

    def test_refunded_at_the_gateway_makes_room_for_another_payment(self, order: Any, attempt: PaymentAttempt) -> None:
        facts = GatewayRefund(
            gateway="razorpay",
            id=new_gateway_id("rfnd"),
            gateway_payment_id=attempt.gateway_payment_id,
            status="processed",
            amount=attempt.amount,
            currency=attempt.currency,
        )

        gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=clock.now())

        reload(order, attempt)
        assert (order.under_review_amount, Payment.objects.get().status) == (0, PaymentStatus.CANCELLED)
        assert attempt.review_closed_at is not None
        again = payments.start_payment(order_id=order.pk, customer_id=order.customer_id, actor=SYSTEM, now=clock.now())
        assert (again.sequence, again.amount) == (2, order.total_amount)

    @pytest.mark.usefixtures("colleagues")
    def test_refunded_in_part_stays_under_review_until_the_rest_is_decided(
        self, order: Any, attempt: PaymentAttempt
    ) -> None:
        def refund(amount: int | None) -> None:
            (asked,) = request_refunds(
                order_id=order.pk, payment_id=attempt.payment_id, amount=amount, reason="other", actor=DEEPA,
                now=clock.now(),
            )  # fmt: skip
            approvals.approve_refund(refund_id=asked.pk, actor=ASHA, now=clock.now())
            reload(order, attempt)

        refund(100)

        assert (Payment.objects.get().status, attempt.review_closed_at) == (PaymentStatus.PROCESSING, None)
        assert order.under_review_amount == attempt.amount
        with pytest.raises(payments.PaymentUnderReview):
            payments.cancel_payment(payment_id=attempt.payment_id, customer_id=None, actor=SYSTEM, now=clock.now())

        refund(None)

        assert (Payment.objects.get().status, order.under_review_amount) == (PaymentStatus.CANCELLED, 0)

    @pytest.mark.parametrize("is_lost_first", [True, False])
    def test_lost_in_part_and_refunded_for_the_rest_makes_room_for_another_payment(
        self, order: Any, attempt: PaymentAttempt, is_lost_first: bool
    ) -> None:
        def lose() -> None:
            make_dispute(attempt, status="lost", amount=30_000, amount_deducted=30_000)

        def refund() -> None:
            requests.request_refund_by_amount(
                order_id=order.pk, payment_id=attempt.payment_id, amount=attempt.amount - 30_000, reason="other",
                actor=SYSTEM, now=clock.now(),
            )  # fmt: skip

        first, second = (lose, refund) if is_lost_first else (refund, lose)
        first()
        reload(order)
        assert order.under_review_amount == attempt.amount

        second()

        reload(order, attempt)
        assert (order.under_review_amount, Payment.objects.get().status) == (0, PaymentStatus.CANCELLED)
        again = payments.start_payment(order_id=order.pk, customer_id=order.customer_id, actor=SYSTEM, now=clock.now())
        assert (again.sequence, again.amount) == (2, order.total_amount)

    def test_lost_but_for_what_no_gateway_refunds_is_under_review_no_more(
        self, order: Any, attempt: PaymentAttempt
    ) -> None:
        lost = attempt.amount - 99

        make_dispute(attempt, status="lost", amount=lost, amount_deducted=lost)

        reload(order, attempt)
        assert (order.under_review_amount, Payment.objects.get().status) == (0, PaymentStatus.CANCELLED)

    def test_lost_but_for_what_a_gateway_can_still_refund_stays_under_review(
        self, order: Any, attempt: PaymentAttempt
    ) -> None:
        lost = attempt.amount - 100

        make_dispute(attempt, status="lost", amount=lost, amount_deducted=lost)

        reload(order, attempt)
        assert (attempt.review_closed_at, order.under_review_amount) == (None, attempt.amount)
        refund = payment_reviews.refund_reviewed_attempt(attempt_id=attempt.pk, actor=SYSTEM, now=clock.now())
        assert refund.amount == 100

    def test_refunded_of_one_of_two_parts_keeps_the_payment_open(self, order: Any) -> None:
        payment = make_payment(order)
        first = apply_payment(make_gateway_payment(payment, amount=10_000))
        second = apply_payment(make_gateway_payment(payment, amount=20_000))

        payment_reviews.refund_reviewed_attempt(attempt_id=first.pk, actor=SYSTEM, now=clock.now())
        reload(payment)
        assert payment.status == PaymentStatus.PROCESSING

        payment_reviews.refund_reviewed_attempt(attempt_id=second.pk, actor=SYSTEM, now=clock.now())
        reload(payment)
        assert payment.status == PaymentStatus.CANCELLED

    def test_lost_in_a_dispute_makes_room_for_another_payment(self, order: Any, attempt: PaymentAttempt) -> None:
        dispute = make_dispute(attempt, amount_deducted=attempt.amount)
        reload(attempt)
        assert (Payment.objects.get().status, attempt.review_closed_at) == (PaymentStatus.PROCESSING, None)

        make_dispute(attempt, id=dispute.gateway_dispute_id, status="lost", amount_deducted=attempt.amount)

        reload(order, attempt)
        assert attempt.review_closed_at is not None
        assert (Payment.objects.get().status, order.under_review_amount) == (PaymentStatus.CANCELLED, 0)
        again = payments.start_payment(order_id=order.pk, customer_id=order.customer_id, actor=SYSTEM, now=clock.now())
        assert (again.sequence, again.amount) == (2, order.total_amount)


class TestContradictingFacts:
    """What is of another account or currency, or contradicts itself, is never booked."""

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"currency": "USD"}, "currency_mismatch"),
            ({"currency": "INRINRINR"}, "currency_mismatch"),
            ({"currency": ""}, "currency_mismatch"),
            ({"is_captured": False}, "contradictory_facts"),
            ({"amount": 0}, "contradictory_facts"),
            ({"account_id": "acc_SomebodyElse00"}, "account_mismatch"),
        ],
    )
    def test_become_an_exception_and_change_nothing(self, order: Any, fields: dict[str, Any], reason: str) -> None:
        payment = make_payment(order)
        before = (events_of(payment), events_of(order))
        facts = make_gateway_payment(payment, **fields)

        for _ in range(2):
            attempts.apply_polled_payment(facts, now=clock.now())

        exception = ReconciliationException.objects.get()
        assert (exception.reason, exception.entity_id, exception.expected_amount, exception.actual_amount) == (
            reason, facts.id, payment.amount, facts.amount,
        )  # fmt: skip
        assert order.number in exception.description
        assert (PaymentAttempt.objects.count(), LedgerTransaction.objects.count()) == (0, 0)
        assert (events_of(payment), events_of(order)) == before

    def test_raise_for_any_caller(self, order: Any) -> None:
        with pytest.raises(attempts.PaymentFactsConflict):
            apply_payment(make_gateway_payment(make_payment(order), currency="USD"))

    def test_of_an_attempt_without_money_are_no_exception(self, order: Any) -> None:
        attempts.apply_polled_payment(
            make_gateway_payment(make_payment(order), status=AttemptStatus.FAILED, currency="USD"), now=clock.now()
        )

        assert (PaymentAttempt.objects.count(), ReconciliationException.objects.count()) == (1, 0)

    def test_about_a_captured_attempt_leave_it_as_it_is(self, order: Any) -> None:
        facts = make_gateway_payment(make_payment(order))
        apply_payment(facts)

        apply_payment(replace(facts, currency="USD", is_captured=False))

        assert PaymentAttempt.objects.get().currency == "INR"


class TestAcceptAttempt:
    """What staff decide: the amount is accepted as the full payment, and the difference is booked by its reason."""

    @pytest.fixture
    def approver(self, finance: Any) -> Any:
        return actor_for(finance)

    @pytest.fixture
    def attempt(self, order: Any) -> PaymentAttempt:
        """An attempt of 50.00 less than was requested."""
        return apply_payment(make_gateway_payment(make_payment(order), amount=order.total_amount - 5_000))

    def accept(self, attempt: PaymentAttempt, actor: Any, reason: str = "offer", **fields: Any) -> PaymentAttempt:
        values = {"attempt_id": attempt.pk, "reason": reason, "actor": actor, "now": clock.now(), **fields}
        return payment_acceptance.accept_attempt(**values)

    def state_of(self, attempt: PaymentAttempt) -> tuple[Any, ...]:
        reload(attempt)
        order = Order.objects.get(pk=attempt.payment.order_id)
        return (
            attempt.version, attempt.accepted_amount, order.version, order.status, LedgerTransaction.objects.count(),
            Event.objects.count(), Payment.objects.get(pk=attempt.payment_id).version,
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("difference", "reason", "account"),
        [
            (-5_000, "offer", "payment_differences"),
            (-5_000, "other", "payment_differences"),
            (5_000, "surcharge", "payer_fees"),
            (5_000, "payer_fee", "payer_fees"),
            (-3, "currency_conversion", "payment_differences"),
            (3, "currency_conversion", "payment_differences"),
        ],
    )
    def test_confirms_the_order_and_books_the_difference_by_its_reason(
        self, order: Any, approver: Any, difference: int, reason: str, account: str
    ) -> None:
        total = order.total_amount
        attempt = apply_payment(make_gateway_payment(make_payment(order), amount=total + difference))

        accepted = self.accept(attempt, approver, reason)

        reload(order)
        assert (order.status, order.paid_amount, order.under_review_amount) == (OrderStatus.CONFIRMED, total, 0)
        assert order_payment_status(order) == OrderPaymentStatus.PAID
        assert Payment.objects.get().status == PaymentStatus.SUCCEEDED
        assert (accepted.amount, accepted.accepted_amount, accepted.difference_reason) == (
            total + difference,
            total,
            reason,
        )
        assert balances("gateway_receivable:razorpay", "customer_advances", account) == (
            total + difference, -total, -difference,
        )  # fmt: skip
        assert events_of(attempt)[-1] == "payments.attempt.accepted"
        differing = event_replay.replay_order(order_id=order.pk).differences
        # What the factory wrote by itself.
        assert [one.field for one in differing if one.field != "gateway_order_id"] == []

    @pytest.mark.parametrize("reason", ["payer_fee", "surcharge"])
    def test_refuses_a_reason_that_does_not_explain_the_difference(
        self, attempt: PaymentAttempt, approver: Any, reason: str
    ) -> None:
        before = self.state_of(attempt)

        with pytest.raises(payment_acceptance.DifferenceReasonMismatch, match="₹"):
            self.accept(attempt, approver, reason)

        assert self.state_of(attempt) == before

    def test_support_cannot_accept(self, attempt: PaymentAttempt, support: Any) -> None:
        before = self.state_of(attempt)

        with pytest.raises(decision_rights.SecondPersonRequired):
            self.accept(attempt, actor_for(support))

        assert self.state_of(attempt) == before

    def test_nobody_accepts_money_of_an_own_order(self, shop: Any, finance: Any) -> None:
        order = make_order(finance)
        attempt = apply_payment(make_gateway_payment(make_payment(order), amount=order.total_amount - 5_000))
        before = self.state_of(attempt)

        with pytest.raises(decision_rights.SelfApprovalForbidden):
            self.accept(attempt, actor_for(finance))

        assert self.state_of(attempt) == before

    def test_a_difference_above_the_limit_needs_a_second_person(
        self, order: Any, attempt: PaymentAttempt, approver: Any, settings: Any
    ) -> None:
        settings.REFUND_APPROVAL_THRESHOLD_PAISE = 4_999

        waiting = self.accept(attempt, approver)
        assert (waiting.accepted_amount, waiting.acceptance_requested_by) == (None, str(approver))
        reload(order)
        assert (order.status, order.under_review_amount) == (OrderStatus.PENDING_PAYMENT, attempt.amount)
        with pytest.raises(decision_rights.SecondPersonRequired, match="₹50.00"):
            self.accept(attempt, approver)

        accepted = self.accept(attempt, actor_for(make_staff("finance")))
        reload(order)
        assert (accepted.accepted_amount, order.status) == (order.total_amount, OrderStatus.CONFIRMED)

    @pytest.mark.usefixtures("colleagues")
    def test_the_first_of_two_who_accepts_below_the_limit_after_all_decides_alone(
        self, order: Any, settings: Any
    ) -> None:
        settings.REFUND_APPROVAL_THRESHOLD_PAISE = 20_000
        payment = make_payment(order)
        part = apply_payment(make_gateway_payment(payment, amount=10_000))
        rest = apply_payment(make_gateway_payment(payment, amount=order.total_amount - 20_000))
        refund = payment_reviews.refund_reviewed_attempt(attempt_id=part.pk, actor=ASHA, now=clock.now())
        assert self.accept(rest, ASHA, "other").acceptance_requested_by == str(ASHA)
        approvals.cancel_refund(refund_id=refund.pk, actor=ASHA, now=clock.now())

        accepted = self.accept(rest, ASHA, "other")

        assert (accepted.accepted_amount, accepted.acceptance_requested_by) == (order.total_amount, "")
        assert refund_sums.sum_decided_alone(order.pk) == 20_000
        (more,) = requests.request_refund_by_amount(
            order_id=order.pk, amount=20_000, reason="other", actor=ASHA, now=clock.now()
        )
        assert more.status == "requires_approval"

    @pytest.mark.usefixtures("colleagues")
    def test_the_second_person_chooses_the_same_reason(self, attempt: PaymentAttempt, settings: Any) -> None:
        settings.REFUND_APPROVAL_THRESHOLD_PAISE = 1_000
        self.accept(attempt, ASHA, "offer")
        before = self.state_of(attempt)

        with pytest.raises(payment_acceptance.AcceptanceReasonMismatch, match="An offer reduced what the payer paid"):
            self.accept(attempt, BALA, "other")

        assert (self.state_of(attempt), attempt.difference_reason) == (before, "offer")
        accepted = self.accept(attempt, BALA, "offer")
        assert (accepted.difference_reason, accepted.acceptance_requested_by) == ("offer", str(ASHA))
        assert refund_sums.sum_decided_alone(attempt.payment.order_id) == 0

    @pytest.mark.usefixtures("colleagues")
    def test_the_first_person_may_change_the_reason(self, attempt: PaymentAttempt, settings: Any) -> None:
        settings.REFUND_APPROVAL_THRESHOLD_PAISE = 1_000
        self.accept(attempt, ASHA, "offer")

        changed = self.accept(attempt, ASHA, "other")

        assert (changed.accepted_amount, changed.difference_reason) == (None, "other")
        assert self.accept(attempt, BALA, "other").accepted_amount is not None

    def test_a_difference_of_the_limit_does_not(self, attempt: PaymentAttempt, approver: Any, settings: Any) -> None:
        settings.REFUND_APPROVAL_THRESHOLD_PAISE = 5_000

        assert self.accept(attempt, approver).accepted_amount is not None

    def test_cannot_be_done_twice(self, attempt: PaymentAttempt, approver: Any) -> None:
        self.accept(attempt, approver)
        before = self.state_of(attempt)

        with pytest.raises(payment_acceptance.AttemptNotAcceptable):
            self.accept(attempt, approver)

        assert self.state_of(attempt) == before

    def test_cannot_be_done_while_some_of_it_is_refunded(self, attempt: PaymentAttempt, approver: Any) -> None:
        payment_reviews.refund_reviewed_attempt(attempt_id=attempt.pk, actor=SYSTEM, now=clock.now())
        before = self.state_of(attempt)

        with pytest.raises(payment_acceptance.AttemptNotAcceptable, match="refunded"):
            self.accept(attempt, approver)

        assert self.state_of(attempt) == before

    def test_revives_an_expired_order(self, order: Any, approver: Any) -> None:
        payment = make_payment(order)
        later = order.expires_at + timedelta(minutes=1)
        assert expire_orders(now=later) == 1
        attempt = apply_payment(make_gateway_payment(payment, amount=order.total_amount - 5_000), now=later)

        self.accept(attempt, approver, now=later)

        reload(order, payment)
        assert (order.status, order.paid_amount) == (OrderStatus.CONFIRMED, order.total_amount)

    def test_is_refused_for_a_cancelled_order(self, order: Any, approver: Any) -> None:
        payment = make_payment(order)
        payments.cancel_payment(payment_id=payment.pk, customer_id=None, actor=SYSTEM, now=clock.now())
        cancel_unpaid_order(order_id=order.pk, actor=SYSTEM, reason="", now=clock.now())
        attempt = apply_payment(make_gateway_payment(payment, amount=order.total_amount - 5_000))
        before = self.state_of(attempt)

        with pytest.raises(payment_acceptance.AttemptNotAcceptable, match="Refund the payment instead"):
            self.accept(attempt, approver)

        assert self.state_of(attempt) == before


class TestPayersCurrency:
    """A payment in the payer's own currency counts as what it was converted to."""

    def test_is_compared_by_what_it_was_converted_to(self, order: Any) -> None:
        payment = make_payment(order)

        attempt = apply_payment(make_gateway_payment(payment, payer_amount=1_399, payer_currency="USD"))

        reload(order)
        assert (order.status, order.paid_amount) == (OrderStatus.CONFIRMED, payment.amount)
        assert (attempt.amount, attempt.currency, attempt.payer_amount, attempt.payer_currency) == (
            payment.amount, "INR", 1_399, "USD",
        )  # fmt: skip


class TestOverdueReviewAlert:
    """Money that nobody decided about for REVIEW_OVERDUE_AFTER."""

    def test_is_logged_as_an_error(self, order: Any, caplog: Any) -> None:
        attempt = apply_payment(make_gateway_payment(make_payment(order), amount=order.total_amount + 1))
        opened_at = attempt.review_opened_at
        assert opened_at is not None

        assert review_reminders.report_overdue_reviews(now=opened_at + timedelta(hours=23, minutes=59)) == 0
        assert review_reminders.report_overdue_reviews(now=opened_at + timedelta(hours=24)) == 1

        assert any("attempt_review_overdue" in str(one.msg) for one in caplog.records)
        incident = Incident.objects.get(kind="payment_reviews_overdue")
        assert (incident.resolved_at, order.number in incident.detail) == (None, True)

    def test_is_resolved_once_it_is_decided(self, order: Any) -> None:
        attempt = apply_payment(make_gateway_payment(make_payment(order), amount=order.total_amount + 1))
        later = clock.now() + timedelta(hours=25)
        review_reminders.report_overdue_reviews(now=later)

        payment_acceptance.accept_attempt(attempt_id=attempt.pk, reason="other", actor=SYSTEM, now=clock.now())
        review_reminders.report_overdue_reviews(now=later)

        assert Incident.objects.get(kind="payment_reviews_overdue").resolved_at == later


class TestAgainstTheSandbox:
    """What Razorpay does by itself, from its checkout to the order."""

    @pytest.fixture
    def payment(self, order: Any, sandbox: Any) -> Payment:
        payment = make_payment(order, is_ready=False)
        gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now())
        payment.refresh_from_db()
        return payment

    def check_out(self, sandbox: Any, payment: Payment, **how: Any) -> Any:
        path = f"/orders/{payment.gateway_order_id}/checkout"
        return sandbox.control("POST", path, {"outcome": "success", "method": "card", **how})

    def sync(self, payment: Payment) -> PaymentAttempt:
        assert polling.sync_payment(payment_id=payment.pk, now=clock.now()) is True
        payment.refresh_from_db()
        return PaymentAttempt.objects.get(payment=payment, status=AttemptStatus.CAPTURED)

    def test_a_customer_who_bears_the_fee_confirms_the_order(self, order: Any, payment: Payment, sandbox: Any) -> None:
        self.check_out(sandbox, payment, fee_bearer="customer")

        attempt = self.sync(payment)

        reload(order)
        assert (order.status, order.paid_amount) == (OrderStatus.CONFIRMED, payment.amount)
        assert attempt.amount == payment.amount + (attempt.fee_amount or 0)
        assert (attempt.fee_bearer, attempt.difference_reason) == ("customer", DifferenceReason.PAYER_FEE)

    def test_a_customer_with_an_offer_waits_for_staff(self, order: Any, payment: Payment, sandbox: Any) -> None:
        self.check_out(sandbox, payment, offer_discount=1_000)

        attempt = self.sync(payment)

        reload(order)
        assert (order.status, order.under_review_amount) == (OrderStatus.PENDING_PAYMENT, payment.amount - 1_000)
        payment_acceptance.accept_attempt(attempt_id=attempt.pk, reason="offer", actor=SYSTEM, now=clock.now())
        reload(order)
        assert (order.status, balances("payment_differences")) == (OrderStatus.CONFIRMED, (1_000,))

    def test_a_customer_who_pays_in_another_currency_confirms_the_order(
        self, order: Any, payment: Payment, sandbox: Any
    ) -> None:
        self.check_out(sandbox, payment, payer_currency="USD", payer_amount=1_200)

        attempt = self.sync(payment)

        reload(order)
        assert order.status == OrderStatus.CONFIRMED
        assert (attempt.amount, attempt.currency, attempt.payer_amount, attempt.payer_currency) == (
            payment.amount, "INR", 1_200, "USD",
        )  # fmt: skip

    @pytest.mark.parametrize("amounts", [(None,), (16_634, None), (10_000, 20_001, None)])
    def test_a_payment_in_another_currency_is_refunded_in_that(
        self, order: Any, payment: Payment, sandbox: Any, amounts: tuple[int | None, ...]
    ) -> None:
        self.check_out(sandbox, payment, payer_currency="USD", payer_amount=1_399)
        attempt = self.sync(payment)

        for amount in amounts:
            (refund,) = request_refunds(order_id=order.pk, amount=amount, reason="other", actor=SYSTEM, now=clock.now())
            submission.submit_refund(refund_id=refund.pk, now=clock.now())

        reload(order)
        assert {one.status for one in Refund.objects.all()} == {"processed"}
        assert order.refunded_amount == attempt.amount
        assert ReconciliationException.objects.count() == 0

    def test_a_currency_without_conversion_is_left_to_staff(self, order: Any, payment: Payment, sandbox: Any) -> None:
        self.check_out(sandbox, payment, currency="USD")

        assert polling.sync_payment(payment_id=payment.pk, now=clock.now()) is True

        reload(order)
        assert (order.paid_amount, order.under_review_amount) == (0, 0)
        assert ReconciliationException.objects.get().reason == "currency_mismatch"
        assert LedgerTransaction.objects.count() == 0

    def import_settlement(self, sandbox: Any) -> None:
        sandbox.control("POST", "/settlements/run")
        asked = reconciliation.request_settlement_import(day=clock.ist_date(clock.now()), actor=SYSTEM, now=clock.now())
        reconciliation.import_settlements(import_id=asked.pk, now=clock.now())

    def test_a_report_brings_a_currency_without_conversion_to_staff(
        self, order: Any, payment: Payment, sandbox: Any
    ) -> None:
        self.check_out(sandbox, payment, currency="USD")

        self.import_settlement(sandbox)

        assert "currency_mismatch" in ReconciliationException.objects.values_list("reason", flat=True)
        assert PaymentAttempt.objects.filter(status=AttemptStatus.CAPTURED).count() == 0
        assert LedgerTransaction.objects.filter(kind="capture").count() == 0

    def test_a_report_brings_a_fee_that_no_webhook_reported_and_requests_its_order(
        self, order: Any, payment: Payment, sandbox: Any
    ) -> None:
        self.check_out(sandbox, payment, fee_bearer="customer")

        self.import_settlement(sandbox)

        reload(order, payment)
        assert order.under_review_amount == PaymentAttempt.objects.get(status=AttemptStatus.CAPTURED).amount
        assert events_of(payment)[-1] == "payments.payment.sync_requested"
        self.sync(payment)
        reload(order)
        assert order.status == OrderStatus.CONFIRMED
        assert ReconciliationException.objects.count() == 0


class TestWebhooks:
    """The same by webhook, with the order that Razorpay sends along."""

    def entity(self, payment: Payment, **fields: Any) -> dict[str, Any]:
        return {
            "id": "pay_NQxlPq2WmR8sTz", "entity": "payment", "amount": payment.amount, "currency": "INR",
            "status": "captured", "captured": True, "order_id": payment.gateway_order_id, "method": "card", "notes": [],
            **fields,
        }  # fmt: skip

    def process(self, event: str, **entities: Any) -> Webhook:
        body = {
            "entity": "event", "account_id": entities.pop("account_id", "acc_BahiSandbox001"), "event": event,
            "contains": list(entities), "payload": {name: {"entity": one} for name, one in entities.items()},
        }  # fmt: skip
        webhook = receive(json.dumps(body).encode())
        webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())
        webhook.refresh_from_db()
        return webhook

    def test_order_paid_accepts_the_fee_that_payment_captured_left_open(self, order: Any) -> None:
        payment = make_payment(order)
        entity = self.entity(payment, amount=payment.amount + 2_360, fee=2_360, tax=360, fee_bearer="customer")

        self.process("payment.captured", payment=entity)
        reload(order)
        assert (order.status, order.under_review_amount) == (OrderStatus.PENDING_PAYMENT, payment.amount + 2_360)

        paid = {"id": payment.gateway_order_id, "amount": payment.amount, "currency": "INR", "status": "paid"}
        self.process("order.paid", payment=entity, order=paid)
        reload(order)
        assert (order.status, order.paid_amount) == (OrderStatus.CONFIRMED, payment.amount)
        assert events_of(PaymentAttempt.objects.get()) == ["payments.attempt.captured", "payments.attempt.accepted"]

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"currency": "INRINRINR"}, "currency_mismatch"),
            ({"currency": None}, "currency_mismatch"),
            ({"currency": "USD"}, "currency_mismatch"),
            ({"currency": "USD", "base_amount": 100, "base_currency": "EUR"}, "currency_mismatch"),
            ({"captured": False}, "contradictory_facts"),
            ({"account_id": "acc_SomebodyElse00"}, "account_mismatch"),
        ],
    )
    def test_facts_that_contradict_are_left_to_staff_and_never_swept(
        self, order: Any, fields: dict[str, Any], reason: str
    ) -> None:
        payment = make_payment(order)
        account = {"account_id": fields.pop("account_id")} if "account_id" in fields else {}

        webhook = self.process("payment.captured", payment=self.entity(payment, **fields), **account)

        exception = ReconciliationException.objects.get()
        assert (exception.reason, exception.webhook_id) == (reason, webhook.pk)
        assert (webhook.outcome, exception.public_id in webhook.outcome_reason) == ("ignored", True)
        assert (PaymentAttempt.objects.count(), LedgerTransaction.objects.count()) == (0, 0)
        assert webhooks.sweep_webhooks(now=clock.now() + timedelta(hours=1)) == 0

    def test_a_capture_in_the_payers_currency_counts_as_its_base_amount(self, order: Any) -> None:
        payment = make_payment(order)

        self.process(
            "payment.captured",
            payment=self.entity(payment, amount=1_200, currency="USD", base_amount=payment.amount, base_currency="INR"),
        )

        reload(order)
        assert (order.status, PaymentAttempt.objects.get().payer_amount) == (OrderStatus.CONFIRMED, 1_200)

    @pytest.mark.parametrize("text", ["3222\x0006", "3222\ud80006", "3" * 500, ["3222"], {"rrn": 1}, 7, True])
    def test_a_capture_is_booked_whatever_its_texts_are(self, order: Any, text: Any) -> None:
        payment = make_payment(order)
        names = ("method", "vpa", "bank", "wallet", "fee_bearer", "error_code", "error_reason", "error_description")

        webhook = self.process(
            "payment.captured",
            payment=self.entity(
                payment,
                **dict.fromkeys(names, text),
                notes={"payment": text},
                acquirer_data=dict.fromkeys(("rrn", "bank_transaction_id", "auth_code"), text),
                card={"network": text, "last4": text},
                upi={"vpa": text},
            ),
        )

        reload(order)
        assert (webhook.outcome, order.status, order.paid_amount) == (
            "processed",
            OrderStatus.CONFIRMED,
            payment.amount,
        )

    def test_a_capture_is_booked_whatever_the_payers_currency_is_called(self, order: Any) -> None:
        payment = make_payment(order)
        base = {"base_amount": payment.amount, "base_currency": "INR"}

        self.process("payment.captured", payment=self.entity(payment, amount=1_200, currency="DOLLARS", **base))

        reload(order)
        assert (order.status, PaymentAttempt.objects.get().payer_amount) == (OrderStatus.CONFIRMED, 1_200)

    def test_a_huge_capture_is_recorded_and_put_under_review(self, order: Any) -> None:
        payment = make_payment(order)

        self.process("payment.captured", payment=self.entity(payment, amount=10**12))

        reload(order)
        assert order.under_review_amount == 10**12
        assert balances("customer_advances") == (-(10**12),)


class TestCancelOrder:
    """An order with money under review can be cancelled: all of that money goes back."""

    @pytest.mark.parametrize("by", ["buyer", "finance"])
    def test_refunds_what_arrived(self, order: Any, finance: Any, by: str) -> None:
        attempt = apply_payment(make_gateway_payment(make_payment(order), amount=order.total_amount + 777))
        actor = actor_for(order.customer if by == "buyer" else finance)

        order_cancellation.cancel_order(order_id=order.pk, actor=actor, reason="Not needed", now=clock.now())

        reload(order)
        refund = Refund.objects.get()
        assert (order.status, order.under_review_amount, order.paid_amount) == (OrderStatus.CANCELLED, 0, 0)
        assert (refund.amount, refund.reason, refund.status) == (
            attempt.amount,
            RefundReason.ORDER_CANCELLED,
            "pending",
        )
        assert Payment.objects.get().status == PaymentStatus.CANCELLED
        assert balances("customer_advances", "refunds_payable") == (0, -attempt.amount)

    @pytest.mark.parametrize("by", ["buyer", "finance"])
    def test_is_refused_while_the_bank_disputes_what_arrived(self, order: Any, finance: Any, by: str) -> None:
        attempt = apply_payment(make_gateway_payment(make_payment(order), amount=order.total_amount - 5_000))
        make_dispute(attempt)
        actor = actor_for(order.customer if by == "buyer" else finance)

        with pytest.raises(refund_amounts.PaymentDisputed):
            order_cancellation.cancel_order(order_id=order.pk, actor=actor, reason="Not needed", now=clock.now())

        reload(order)
        assert (order.status, order.under_review_amount) == (OrderStatus.PENDING_PAYMENT, attempt.amount)
        assert not Refund.objects.exists()
        assert Payment.objects.get().status == PaymentStatus.PROCESSING

    def test_waits_for_approval_above_the_limit_and_cancels_all_the_same(self, order: Any, settings: Any) -> None:
        settings.REFUND_APPROVAL_THRESHOLD_PAISE = 100
        apply_payment(make_gateway_payment(make_payment(order), amount=order.total_amount + 777))

        order_cancellation.cancel_order(order_id=order.pk, actor=actor_for(order.customer), reason="", now=clock.now())

        reload(order)
        assert (order.status, Refund.objects.get().status) == (OrderStatus.CANCELLED, "requires_approval")
        assert order.under_review_amount == order.total_amount + 777


class TestAcceptOverHttp:
    """POST /attempts/{id}/accept."""

    @pytest.fixture
    def attempt(self, order: Any) -> PaymentAttempt:
        return apply_payment(make_gateway_payment(make_payment(order), amount=order.total_amount - 5_000))

    def post(self, client: Any, attempt: PaymentAttempt, **body: Any) -> Any:
        url = f"/api/v1/attempts/{attempt.public_id}/accept"
        values = {"reason": "offer", "note": "Festival", **body}
        return client.post(url, values, format="json", HTTP_IDEMPOTENCY_KEY=f"key-{len(Event.objects.all())}-of-test")

    def test_accepts(self, order: Any, attempt: PaymentAttempt, finance: Any, client_of: Any) -> None:
        answer = self.post(client_of(finance), attempt)

        assert answer.status_code == 200
        body = answer.json()
        assert (body["id"], body["accepted_amount"], body["difference_reason"], body["is_under_review"]) == (
            attempt.public_id, order.total_amount, "offer", False,
        )  # fmt: skip
        reload(order)
        assert order.status == OrderStatus.CONFIRMED

    def test_answers_202_where_a_second_person_is_needed(
        self, order: Any, attempt: PaymentAttempt, finance: Any, client_of: Any, settings: Any
    ) -> None:
        settings.REFUND_APPROVAL_THRESHOLD_PAISE = 100

        first = self.post(client_of(finance), attempt)
        assert (first.status_code, first["Location"]) == (202, f"/api/v1/payments/{attempt.payment.public_id}")
        again = self.post(client_of(finance), attempt)
        assert (again.status_code, again.json()["error"]["code"]) == (403, "second_person_required")
        second = self.post(client_of(make_staff("finance")), attempt)

        reload(order)
        assert (second.status_code, order.status) == (200, OrderStatus.CONFIRMED)

    @pytest.mark.parametrize("who", ["owner", "stranger", "support"])
    def test_is_forbidden_to_everybody_else(
        self, request: Any, order: Any, attempt: PaymentAttempt, client_of: Any, who: str
    ) -> None:
        answer = self.post(client_of(request.getfixturevalue(who)), attempt)

        reload(order)
        assert (answer.status_code, order.status) == (403, OrderStatus.PENDING_PAYMENT)

    def test_refuses_money_of_an_own_order(self, shop: Any, finance: Any, client_of: Any) -> None:
        order = make_order(finance)
        attempt = apply_payment(make_gateway_payment(make_payment(order), amount=order.total_amount - 5_000))

        answer = self.post(client_of(finance), attempt)

        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "self_approval_forbidden")

    def test_refuses_what_is_not_under_review(self, order: Any, finance: Any, client_of: Any) -> None:
        attempt = apply_payment(make_gateway_payment(make_payment(order)))

        answer = self.post(client_of(finance), attempt)

        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "attempt_not_acceptable")

    def test_refuses_an_unknown_reason(self, attempt: PaymentAttempt, finance: Any, client_of: Any) -> None:
        assert self.post(client_of(finance), attempt, reason="because").status_code == 400
