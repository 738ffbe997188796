"""Refunds that somebody makes in the gateway's dashboard, beside refunds and disputes of the same money."""

from typing import Any

import pytest

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.ledger import selectors as ledger
from apps.ledger.models import ReconciliationException
from apps.payments.facts import GatewayError, GatewayRefund
from apps.payments.models import PaymentAttempt, Refund
from apps.payments.services import order_cancellation
from apps.payments.services.refunds import amounts, approvals, bank_transfers, gateway_updates
from apps.payments.services.refunds.gateway_updates import mark_refund_failed
from tests.factories.payments import apply_refund, make_dispute, new_gateway_id, pay
from tests.support.colleagues import ASHA, BALA, DEEPA
from tests.support.money_invariants import INVARIANTS
from tests.support.refunds import request_refunds

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("colleagues")]


def violated() -> list[tuple[str, list[Any], str]]:
    report = audit.run(now=clock.now(), only=[one.id for one in INVARIANTS if one.id != "INV-42"])
    return [(result.invariant.id, result.rows, result.error) for result in report.failing]


@pytest.fixture(autouse=True)
def _everything_holds(db: None) -> Any:
    yield
    assert violated() == []


@pytest.fixture
def attempt(order: Any) -> PaymentAttempt:
    return pay(order)


def refund_in_dashboard(attempt: PaymentAttempt, amount: int, status: str = "processed") -> Refund:
    facts = GatewayRefund(
        gateway="razorpay", id=new_gateway_id("rfnd"), gateway_payment_id=attempt.gateway_payment_id, status=status,
        amount=amount, currency="INR",
    )  # fmt: skip
    return gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=clock.now())


def request(order: Any, amount: int | None = None, actor: Any = ASHA) -> Refund:
    (refund,) = request_refunds(
        order_id=order.pk, amount=amount, reason="customer_request", actor=actor, now=clock.now()
    )
    return refund


class TestDashboardRefundOfADisputedPayment:
    def test_is_an_exception_about_the_dispute_and_no_violation(self, order: Any, attempt: PaymentAttempt) -> None:
        dispute = make_dispute(attempt, amount=40_000)

        refund_in_dashboard(attempt, 30_000)

        exception = ReconciliationException.objects.get()
        assert (exception.reason, exception.dispute_id) == ("dispute_exceeds_payment", dispute.pk)
        assert (exception.expected_amount, exception.actual_amount) == (attempt.amount - 30_000, 40_000)
        assert exception.description == (
            f"The gateway reports dispute {dispute.gateway_dispute_id} about ₹400.00; only ₹199.00 of payment"
            f" {attempt.gateway_payment_id} is left after refunds and other disputes. Nothing was posted beyond that."
        )
        assert violated() == []

    def test_opens_the_same_exception_whichever_came_first(self, order: Any, attempt: PaymentAttempt) -> None:
        refund_in_dashboard(attempt, 30_000)
        dispute = make_dispute(attempt, amount=40_000)
        make_dispute(attempt, id=dispute.gateway_dispute_id, amount=40_000)

        exception = ReconciliationException.objects.get()
        assert (exception.reason, exception.dispute_id) == ("dispute_exceeds_payment", dispute.pk)

    @pytest.mark.parametrize(("beyond", "deducted"), [(0, 19_900), (1, 0)])
    def test_no_more_than_what_is_left_is_deducted(
        self, order: Any, attempt: PaymentAttempt, beyond: int, deducted: int
    ) -> None:
        refund_in_dashboard(attempt, 30_000)
        assert attempt.amount - 30_000 == 19_900

        dispute = make_dispute(attempt, amount=40_000, amount_deducted=19_900 + beyond)

        assert (dispute.amount, dispute.amount_deducted) == (40_000, deducted)
        assert [one.reason for one in ReconciliationException.objects.all()] == ["dispute_exceeds_payment"]

    def test_of_other_money_is_no_exception(self, order: Any, attempt: PaymentAttempt) -> None:
        make_dispute(attempt, amount=10_000)

        refund_in_dashboard(attempt, attempt.amount - 10_000)

        assert ReconciliationException.objects.count() == 0

    def test_after_a_refund_of_ours_is_no_violation(self, order: Any, attempt: PaymentAttempt) -> None:
        make_dispute(attempt, amount=10_000)
        apply_refund(request(order, 20_000))

        refund_in_dashboard(attempt, attempt.amount - 25_000)

        assert violated() == []

    def test_a_later_dispute_makes_no_earlier_refund_a_violation(self, order: Any, attempt: PaymentAttempt) -> None:
        make_dispute(attempt, amount=10_000)
        apply_refund(request(order, attempt.amount - 10_000))

        make_dispute(attempt, amount=5_000)

        assert violated() == []


class TestDashboardRefundNextToOurRefund:
    @pytest.mark.parametrize("status", ["pending", "processed"])
    def test_cancels_what_was_not_sent(self, order: Any, attempt: PaymentAttempt, status: str) -> None:
        order_cancellation.cancel_order(order_id=order.pk, actor=SYSTEM, reason="", now=clock.now())
        ours = Refund.objects.get()

        made = refund_in_dashboard(attempt, attempt.amount, status)

        ours.refresh_from_db()
        order.refresh_from_db()
        assert (ours.status, made.status) == ("cancelled", status)
        reason = Event.objects.filter(subject_id=ours.pk).latest("version").reason
        assert reason == f"{made.gateway_refund_id} was made at the gateway and used the money"
        assert ledger.balance_of("refunds_payable") == (-attempt.amount if status == "pending" else 0)
        assert violated() == []

    def test_takes_the_lines_that_the_cancelled_refund_had_taken(self, order: Any, attempt: PaymentAttempt) -> None:
        line = order.lines.get()
        ours = request(order)
        assert ours.line_amounts == {str(line.pk): line.total_amount}

        made = refund_in_dashboard(attempt, attempt.amount)

        assert made.line_amounts == {str(line.pk): line.total_amount}

    def test_leaves_to_staff_what_waits_for_approval(self, order: Any, attempt: PaymentAttempt) -> None:
        ours = request(order, actor=DEEPA)

        refund_in_dashboard(attempt, 100)

        assert violated() == []
        with pytest.raises(amounts.RefundExceedsPayment):
            approvals.approve_refund(refund_id=ours.pk, actor=BALA, now=clock.now())
        ours.refresh_from_db()
        assert ours.status == "requires_approval"

    def test_cancels_no_more_than_it_must_the_latest_first(self, order: Any, attempt: PaymentAttempt) -> None:
        first, second = request(order, 10_000), request(order, 20_000)

        refund_in_dashboard(attempt, attempt.amount - 10_000)

        first.refresh_from_db()
        second.refresh_from_db()
        assert (first.status, second.status, Refund.objects.count()) == ("pending", "cancelled", 3)

    def test_of_a_part_leaves_the_rest_of_what_was_decided_on_its_way(
        self, order: Any, attempt: PaymentAttempt, settings: Any
    ) -> None:
        settings.REFUND_APPROVAL_THRESHOLD_PAISE = 1_000
        waiting = request(order)
        ours = approvals.approve_refund(refund_id=waiting.pk, actor=BALA, now=clock.now())

        refund_in_dashboard(attempt, 5_000)

        ours.refresh_from_db()
        rest = Refund.objects.latest("sequence")
        assert (ours.status, rest.status, rest.amount) == ("cancelled", "pending", attempt.amount - 5_000)
        assert (rest.requested_by, rest.approved_by, rest.reason) == (str(ASHA), str(BALA), ours.reason)
        assert rest.line_amounts == {str(order.lines.get().pk): attempt.amount - 5_000}
        assert ledger.balance_of("refunds_payable") == -(attempt.amount - 5_000)

    def test_of_a_part_of_a_cancelled_order_leaves_no_orphan_money(self, order: Any, attempt: PaymentAttempt) -> None:
        order_cancellation.cancel_order(order_id=order.pk, actor=SYSTEM, reason="", now=clock.now())

        refund_in_dashboard(attempt, 5_000)

        statuses = Refund.objects.order_by("sequence").values_list("status", "amount")
        assert list(statuses) == [("cancelled", 49_900), ("processed", 5_000), ("pending", 44_900)]

    def test_that_the_gateway_may_know_is_no_violation_until_it_is_refused(
        self, order: Any, attempt: PaymentAttempt
    ) -> None:
        ours = apply_refund(request(order), status="pending")
        Refund.objects.filter(pk=ours.pk).update(gateway_refund_id=None, gateway_call="unknown")

        refund_in_dashboard(attempt, attempt.amount)

        assert violated() == []
        ours.refresh_from_db()
        mark_refund_failed(refund=ours, error=GatewayError(code="BAD_REQUEST_ERROR"), now=clock.now())
        ours.refresh_from_db()
        assert (ours.status, ledger.balance_of("refunds_payable")) == ("failed", 0)

    def test_held_for_a_transfer_is_an_exception(self, order: Any, attempt: PaymentAttempt) -> None:
        ours = apply_refund(request(order), status="failed")
        bank_transfers.hold_refund_for_transfer(refund_id=ours.pk, actor=BALA, now=clock.now())

        made = refund_in_dashboard(attempt, attempt.amount)

        exception = ReconciliationException.objects.get()
        assert (exception.reason, exception.entity_id) == ("refund_exceeds_payment", made.gateway_refund_id)
        assert exception.description == (
            f"The gateway has made refund {made.gateway_refund_id} of ₹499.00, whose money is held for the bank transfer"
            f" {ours.number}. Cancel the transfer if it has not been made; otherwise ask the customer to return one of the two."
        )
        assert violated() == []
