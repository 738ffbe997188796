"""What is left of a payment: never less than a gateway refunds, unless the gateway or a bank left it; and then nothing hangs on it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.money import draw
from apps.payments import rules
from apps.payments.facts import GatewayRefund
from apps.payments.models import PaymentAttempt, Refund
from apps.payments.services import order_cancellation, payment_reviews
from apps.payments.services.refunds import amounts, approvals, bank_transfers, gateway_updates, requests
from tests.factories.catalog import make_variant
from tests.factories.orders import make_order
from tests.factories.payments import (
    apply_payment,
    apply_refund,
    make_dispute,
    make_gateway_payment,
    make_payment,
    new_gateway_id,
    pay,
)
from tests.support.colleagues import ASHA, BALA, CHITRA
from tests.support.money_invariants import INVARIANTS
from tests.support.refunds import request_refunds
from tests.support.stored_rows import nothing_changes

with_rows = pytest.mark.usefixtures("db", "colleagues")


class TestLineAmounts:
    @pytest.mark.parametrize(
        ("amount", "drawn"),
        [(50, [25, 25, 0]), (100, [50, 50, 0]), (130, [80, 50, 0]), (200, [100, 50, 50]), (400, [100, 50, 100])],
    )
    def test_each_tier_gives_before_the_next(self, amount: int, drawn: list[int]) -> None:
        assert draw(amount, [100, 50, 100], [50, 50, 0], [100, 50, 0], [100, 50, 100]) == drawn

    @given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 600)), min_size=1, max_size=5), st.integers(0, 3_000))
    def test_takes_all_that_can_be_had_and_no_more(self, pots: list[tuple[int, int]], amount: int) -> None:
        available, first = [one[0] for one in pots], [one[1] for one in pots]
        drawn = draw(amount, available, first, available)
        assert sum(drawn) == min(amount, sum(available))
        assert all(0 <= part <= most for part, most in zip(drawn, available, strict=True))


class TestRefundParts:
    @pytest.mark.parametrize(
        ("amount", "left", "parts"),
        [
            (500, [500], [500]),
            (400, [500], [400]),
            (401, [500], []),
            (499, [500], []),
            (99, [500], []),
            (150, [150], [150]),
            (100, [150], []),
            (10_050, [10_000, 40_000], [9_900, 150]),
            (10_100, [10_000, 40_000], [10_000, 100]),
            (49_950, [10_000, 40_000], []),
            (40_000, [50, 40_000], [0, 40_000]),
            (40_050, [50, 40_000], []),
            (250, [150, 150], []),
            (300, [150, 150], [150, 150]),
        ],
    )
    def test_parts(self, amount: int, left: list[int], parts: list[int]) -> None:
        assert rules.refund_parts(amount, left, smallest=100) == parts

    @given(st.lists(st.integers(0, 700), min_size=1, max_size=4), st.integers(0, 2_000))
    def test_parts_can_be_refunded_and_leave_what_can_be(self, left: list[int], amount: int) -> None:
        parts = rules.refund_parts(amount, left, smallest=100)

        assert bool(parts) == (rules.largest_refund(amount, left, smallest=100) == amount)
        for part, available in zip(parts, left, strict=bool(parts)):
            assert part == 0 or part >= 100
            assert part in (0, available) or available - part >= 100

    @given(st.lists(st.integers(0, 700), min_size=1, max_size=4), st.integers(0, 2_000))
    def test_the_largest_refund_is_possible_and_none_above_it_is(self, left: list[int], amount: int) -> None:
        largest = rules.largest_refund(amount, left, smallest=100)

        assert largest == 0 or rules.refund_parts(largest, left, smallest=100)
        above = range(largest + 1, min(amount, largest + 120) + 1)
        assert not any(rules.refund_parts(one, left, smallest=100) for one in above)


# With rows ------------------------------------------------------------------------------------------------------------


def request(order: Any, amount: int | None = None, **fields: Any) -> Refund:
    values: dict[str, Any] = {"reason": "other", "actor": ASHA, "now": clock.now(), **fields}
    (refund,) = request_refunds(order_id=order.pk, amount=amount, **values)
    return refund


def made_at_gateway(attempt: PaymentAttempt, amount: int, *, status: str = "processed") -> Refund:
    facts = GatewayRefund(
        gateway="razorpay", id=new_gateway_id("rfnd"), gateway_payment_id=attempt.gateway_payment_id,
        status=status, amount=amount, currency="INR", our_refund="",
    )  # fmt: skip
    return gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=clock.now())


def lose(attempt: PaymentAttempt, amount: int) -> None:
    dispute = make_dispute(attempt, amount=amount)
    make_dispute(attempt, id=dispute.gateway_dispute_id, amount=amount, status="lost", amount_deducted=amount)


def violated() -> list[Any]:
    report = audit.run(now=clock.now(), only=[one.id for one in INVARIANTS if one.id != "INV-42"])
    return [(result.invariant.id, result.rows, result.error) for result in report.failing]


@with_rows
class TestRequestRefund:
    @pytest.mark.parametrize("missing", [1, 50, 99])
    def test_a_remainder_under_a_rupee_is_refused_with_the_largest_amount(self, order: Any, missing: int) -> None:
        pay(order)

        with nothing_changes(), pytest.raises(amounts.RefundLeavesRemainder) as raised:
            request(order, order.total_amount - missing)

        assert raised.value.text == (
            f"A refund of ₹498.{100 - missing:02d} would leave less than ₹1.00 of a payment of order {order.number}, which"
            " no gateway can refund. Refund at most ₹498.00, or all ₹499.00."
        )
        assert (raised.value.param, raised.value.details) == (
            "amount",
            [{"largest_amount": 49_800, "max_refund_amount": 49_900}],
        )
        assert request(order, 49_800).amount == 49_800
        assert request(order).amount == 100

    def test_where_only_all_can_be_refunded_it_says_so(self, order: Any) -> None:
        pay(order)
        request(order, order.total_amount - 150)

        with pytest.raises(amounts.RefundLeavesRemainder) as raised:
            request(order, 100)

        assert raised.value.text.endswith("which no gateway can refund. Refund all ₹1.50.")

    def test_returned_units_that_would_leave_a_remainder_are_refused_and_go_with_the_rest(
        self, shop: Any, owner: Any
    ) -> None:
        order = make_order(owner, [make_variant(price=30_040), make_variant(price=60)])
        pay(order)
        first, second = order.lines.order_by("position")
        assert (first.total_amount, second.total_amount, order.total_amount) == (30_040, 60, 30_100)

        with pytest.raises(amounts.RefundLeavesRemainder):
            request(order, lines=[amounts.RefundLineInput(first.pk, 1)])

        both = [amounts.RefundLineInput(first.pk, 1), amounts.RefundLineInput(second.pk, 1)]
        assert request(order, lines=both).amount == 30_100

    def test_an_amount_out_of_two_payments_leaves_no_part_that_is_too_small(self, order: Any) -> None:
        payment = make_payment(order)
        apply_payment(make_gateway_payment(payment))
        second = apply_payment(make_gateway_payment(payment))
        approvals.cancel_refund(refund_id=Refund.objects.get(attempt=second).pk, actor=ASHA, now=clock.now())

        parts = requests.request_refund_by_amount(
            order_id=order.pk, amount=order.total_amount + 50, reason="other", actor=ASHA, now=clock.now()
        )

        assert [part.amount for part in parts] == [order.total_amount - 100, 150]

    def test_api_names_the_largest_amount(self, order: Any, owner: Any, client_of: Any) -> None:
        pay(order)
        body = {"order_id": order.public_id, "amount": order.total_amount - 1}

        answer = client_of(owner).post("/api/v1/refunds", body, format="json", HTTP_IDEMPOTENCY_KEY="leaves-a-paisa")

        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (409, "refund_leaves_remainder", "amount")
        assert error["details"] == [{"largest_amount": 49_800, "max_refund_amount": 49_900}]
        assert not Refund.objects.exists()


@with_rows
class TestRetryAndTransfer:
    @pytest.fixture
    def failed(self, order: Any) -> Refund:
        """A refund of 100.00 that failed, where by now 100.50 of the payment is left."""
        pay(order)
        refund = request(order, 10_000)
        apply_refund(refund, status="failed")
        request(order, order.total_amount - 10_050)
        return refund

    def test_retry_is_refused(self, failed: Refund) -> None:
        with nothing_changes(), pytest.raises(amounts.RefundLeavesRemainder, match=r"or all ₹100\.50"):
            requests.retry_refund(refund_id=failed.pk, actor=BALA, now=clock.now())

    def test_transfer_is_refused(self, failed: Refund) -> None:
        with nothing_changes(), pytest.raises(amounts.RefundLeavesRemainder):
            bank_transfers.confirm_refund_transfer(
                refund_id=failed.pk, reference="UTR 1", actor=CHITRA, now=clock.now()
            )


@with_rows
class TestRemainderLeftByTheGateway:
    """A refund that is made in the gateway's dashboard, or a lost dispute, may leave any amount."""

    def test_order_is_cancelled_and_nothing_is_violated(self, order: Any) -> None:
        attempt = pay(order)
        made_at_gateway(attempt, order.total_amount - 50)

        cancelled = order_cancellation.cancel_order(order_id=order.pk, actor=BALA, reason="", now=clock.now())

        assert (cancelled.status, Refund.objects.count()) == ("cancelled", 1)
        assert violated() == []

    def test_review_closes(self, order: Any) -> None:
        payment = make_payment(order)
        apply_payment(make_gateway_payment(payment))
        other = apply_payment(make_gateway_payment(payment, amount=15_000))

        made_at_gateway(other, 14_950)

        other.refresh_from_db()
        assert other.review_closed_at is not None
        assert violated() == []

    def test_review_can_be_closed_while_the_rest_is_on_its_way(self, order: Any) -> None:
        payment = make_payment(order)
        apply_payment(make_gateway_payment(payment))
        other = apply_payment(make_gateway_payment(payment, amount=15_000))
        made_at_gateway(other, 14_950, status="pending")

        closed = payment_reviews.close_review(
            attempt_id=other.pk, note="50 paise are left", actor=BALA, now=clock.now()
        )

        assert closed.review_closed_at is not None


@with_rows
class TestCancelAfterLostDispute:
    @pytest.mark.parametrize("lost", [49_900, 20_000, 49_850])
    def test_lost_money_counts_as_refunded(self, order: Any, lost: int) -> None:
        lose(pay(order), lost)

        cancelled = order_cancellation.cancel_order(order_id=order.pk, actor=BALA, reason="Sold out", now=clock.now())

        rest = order.total_amount - lost
        assert cancelled.status == "cancelled"
        assert list(Refund.objects.values_list("amount", flat=True)) == ([rest] if rest >= 100 else [])
        assert violated() == []
        for refund in Refund.objects.all():
            apply_refund(refund)
        assert violated() == []

    def test_the_last_units_come_to_what_was_not_lost(self, order: Any) -> None:
        lose(pay(order), 20_000)

        assert request(order, lines=[amounts.RefundLineInput(order.lines.get().pk, 1)]).amount == 29_900

    def test_money_that_nobody_refunds_is_still_found(self, order: Any) -> None:
        lose(pay(order), 20_000)
        order_cancellation.cancel_order(order_id=order.pk, actor=BALA, reason="Sold out", now=clock.now())

        refund = Refund.objects.get()
        order.refresh_from_db()
        approvals.cancel_locked_refund(order, refund, actor=BALA, reason="Past the refusal", now=clock.now())

        assert [invariant for invariant, _, _ in violated()] == ["INV-19"]

    def test_review_of_money_that_was_lost_closes_with_the_last_refund(self, order: Any) -> None:
        payment = make_payment(order)
        apply_payment(make_gateway_payment(payment))
        other = apply_payment(make_gateway_payment(payment, amount=15_000))
        lose(other, 5_000)

        refund = payment_reviews.refund_reviewed_attempt(attempt_id=other.pk, actor=ASHA, now=clock.now())
        assert refund.amount == 10_000
        apply_refund(refund)

        other.refresh_from_db()
        assert other.review_closed_at is not None
        assert violated() == []
